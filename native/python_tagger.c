/* The type `Tagger`: immutable once made, so threads may share one. */
#include "python_texts.h"
#include "tagger.h"

#include <string.h>

enum { WORDS_AT_ONCE = 1 << 16 }; /* about 10 ms of work: beside it, to start threads costs nothing */

typedef struct {
    PyObject_HEAD
    Student *student;
    const Engine *engine;
    Py_buffer file;
} TaggerObject;

/* The sentences of one call, a block at a time. */
typedef struct {
    PyObject *sentences; /* a tuple of tuples of our own, so that nobody takes words away */
    PyObject *kept;      /* copies of the words of a block that have lone surrogates */
    PyObject *left;      /* numbers of the sentences that the reference path must answer */
    size_t total, words; /* of all blocks */
    size_t first, first_word;
    Text *texts;         /* of the words of a block, for which there is room */
    size_t *ends;
    unsigned char *is_left;
    size_t count, room, places;
} Sentences;

/* ------------------------------------------------------------------------------------------ sentences from Python */

/* A sentence as a tuple: a new reference, or NULL with an error set. */
static PyObject *words_of(PyObject *sentence) {
    if (PyTuple_Check(sentence)) return Py_NewRef(sentence);
    if (PyList_Check(sentence)) return PyList_AsTuple(sentence);
    PyErr_Format(PyExc_TypeError, "A sentence is a tuple of words, not %R.", (PyObject *)Py_TYPE(sentence));
    return NULL;
}

static int sentences_open(Sentences *s, PyObject *source) {
    memset(s, 0, sizeof *s);
    PyObject *list = PySequence_List(source);
    if (!list) return -1;
    s->total = (size_t)PyList_Size(list);
    for (size_t i = 0; i < s->total; i++) {
        PyObject *words = words_of(PyList_GetItem(list, (Py_ssize_t)i));
        if (words) s->words += (size_t)PyTuple_Size(words);
        if (!words || PyList_SetItem(list, (Py_ssize_t)i, words)) {
            Py_DECREF(list);
            return -1;
        }
    }
    s->sentences = PyList_AsTuple(list);
    Py_DECREF(list);
    s->left = PyList_New(0);
    s->ends = malloc((s->total + 1) * sizeof *s->ends);
    s->is_left = calloc(s->total + 1, 1);
    if (s->sentences && s->left && s->ends && s->is_left) return 0;
    if (!PyErr_Occurred()) PyErr_NoMemory();
    return -1;
}

/* Read the words of one sentence of a block behind those that are there. */
static int read_words(Sentences *s, PyObject *words) {
    size_t count = (size_t)PyTuple_Size(words);
    if (s->room - s->places < count) {
        size_t room = 2 * (s->places + count);
        Text *larger = realloc(s->texts, room * sizeof *larger);
        if (!larger) {
            PyErr_NoMemory();
            return -1;
        }
        s->texts = larger;
        s->room = room;
    }
    for (size_t i = 0; i < count; i++) {
        PyObject *kept;
        if (text_of(PyTuple_GetItem(words, (Py_ssize_t)i), &s->texts[s->places + i], &kept)) return -1;
        int failed = kept ? PyList_Append(s->kept, kept) : 0;
        Py_XDECREF(kept);
        if (failed) return -1;
    }
    s->places += count;
    return 0;
}

/* Read the next block: 1, or 0 after the last one, or -1 with an error set. */
static int sentences_next(Sentences *s) {
    s->first += s->count;
    s->first_word += s->places;
    s->count = s->places = 0;
    Py_XDECREF(s->kept);
    s->kept = PyList_New(0);
    if (!s->kept) return -1;
    while (s->first + s->count < s->total && s->places < WORDS_AT_ONCE) {
        if (read_words(s, PyTuple_GetItem(s->sentences, (Py_ssize_t)(s->first + s->count)))) return -1;
        s->ends[s->count++] = s->places;
    }
    return s->count > 0;
}

static void sentences_free(Sentences *s) {
    Py_XDECREF(s->sentences);
    Py_XDECREF(s->kept);
    Py_XDECREF(s->left);
    free(s->texts);
    free(s->ends);
    free(s->is_left);
}

/* -------------------------------------------------------------------------------------------------------- answers */

/* The chain in a buffer of doubles: steps, the same transposed, and a row for the first word; or none. */
static int chain_of(PyObject *source, size_t labels, Py_buffer *buffer, Chain *chain) {
    size_t padded = IN_CHAIN(labels), bytes = (2 * labels + 1) * padded * sizeof(double);
    buffer->obj = NULL;
    if (source == Py_None) return 0;
    if (PyObject_GetBuffer(source, buffer, PyBUF_SIMPLE)) {
        buffer->obj = NULL;
        return -1;
    }
    if ((size_t)buffer->len != bytes || (uintptr_t)buffer->buf % sizeof(double)) {
        PyErr_Format(PyExc_ValueError, "A chain of %zu tags takes %zu bytes, but there are %zd.", labels, bytes,
                     buffer->len);
        return -1;
    }
    chain->steps = buffer->buf;
    chain->back = chain->steps + labels * padded;
    chain->first = chain->back + labels * padded;
    return 0;
}

/* Tag the sentences of all blocks into one of two buffers. */
static int tag_all(const TaggerObject *self, Sentences *s, const Chain *chain, float *logits, int64_t *columns,
                   int threads) {
    size_t labels = self->student->head.labels;
    int more;
    while ((more = sentences_next(s)) > 0) {
        Tagging tagging = {self->student, self->engine, chain, s->texts, s->ends, s->count,
                           logits ? logits + s->first_word * labels : NULL, columns ? columns + s->first_word : NULL,
                           s->is_left + s->first, 0, 0};
        int failed;
        Py_BEGIN_ALLOW_THREADS
        failed = tagging_run(&tagging, threads);
        Py_END_ALLOW_THREADS
        if (failed) {
            PyErr_NoMemory();
            return -1;
        }
        for (size_t i = 0; i < s->count; i++) {
            if (!s->is_left[s->first + i]) continue;
            PyObject *number = PyLong_FromSize_t(s->first + i);
            failed = number ? PyList_Append(s->left, number) : -1;
            Py_XDECREF(number);
            if (failed) return -1;
        }
    }
    return more;
}

/* The numbers of the sentences that are left, once all others are answered in a buffer. */
static PyObject *answers_in(TaggerObject *self, PyObject *arguments, int is_columns) {
    PyObject *source, *target, *steps, *left = NULL;
    int threads = 1;
    if (!PyArg_ParseTuple(arguments, is_columns ? "OOO|i:columns" : "OOO|i:fill", &source, &target, &steps, &threads))
        return NULL;
    size_t labels = self->student->head.labels, size = is_columns ? sizeof(int64_t) : labels * sizeof(float);
    Sentences s;
    Chain chain;
    Py_buffer out, given;
    given.obj = NULL;
    if (!sentences_open(&s, source) && !chain_of(steps, labels, &given, &chain) &&
        !buffer_for(target, s.words * size, is_columns ? 8 : 4, is_columns ? "columns" : "logits", &out)) {
        if (!tag_all(self, &s, given.obj ? &chain : NULL, is_columns ? NULL : out.buf, is_columns ? out.buf : NULL,
                     threads))
            left = Py_NewRef(s.left);
        PyBuffer_Release(&out);
    }
    if (given.obj) PyBuffer_Release(&given);
    sentences_free(&s);
    return left;
}

static PyObject *tagger_fill(PyObject *object, PyObject *arguments) {
    return answers_in((TaggerObject *)object, arguments, 0);
}

static PyObject *tagger_columns(PyObject *object, PyObject *arguments) {
    return answers_in((TaggerObject *)object, arguments, 1);
}

/* Rows of the parts of a word, as a list of lists. */
static PyObject *tagger_rows_of(PyObject *object, PyObject *str) {
    const TaggerObject *self = (const TaggerObject *)object;
    Text text;
    PyObject *kept, *list = NULL;
    if (text_of(str, &text, &kept)) return NULL;
    TagScratch *scratch = scratch_new();
    long count = scratch ? self->engine->places_of(self->student, text.text, text.bytes, scratch) : OUT_OF_MEMORY;
    if (count == OUT_OF_MEMORY) PyErr_NoMemory();
    else if (count == NOT_MINE) list = Py_NewRef(Py_None);
    else list = PyList_New(count);
    for (long i = 0; list && i < count; i++) {
        const Place *place = (const Place *)scratch->places.at + i;
        PyObject *rows = PyList_New(place->count);
        for (uint32_t k = 0; rows && k < place->count; k++) {
            PyObject *number = PyLong_FromUnsignedLong(place->rows[k]);
            if (!number || PyList_SetItem(rows, k, number)) Py_CLEAR(rows);
        }
        if (!rows || PyList_SetItem(list, i, rows)) Py_CLEAR(list);
    }
    scratch_delete(scratch);
    Py_XDECREF(kept);
    return list;
}

/* ------------------------------------------------------------------------------------------------- life and death */

static PyObject *tagger_new(PyTypeObject *type, PyObject *arguments, PyObject *words) {
    PyObject *file;
    static char *names[] = {"file", "labels", "level", NULL};
    unsigned labels;
    int level = 2;
    if (!PyArg_ParseTupleAndKeywords(arguments, words, "OI|i:Tagger", names, &file, &labels, &level)) return NULL;
    allocfunc make = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    TaggerObject *self = (TaggerObject *)make(type, 0);
    if (!self) return NULL;
    const char *name;
    self->engine = best_engine(level, &name);
    self->student = student_from(file, &self->file, 1);
    if (self->student && self->student->head.labels == labels) return (PyObject *)self;
    if (self->student)
        PyErr_Format(PyExc_ValueError, "it has %u labels, but the task names %u", self->student->head.labels, labels);
    Py_DECREF(self);
    return NULL;
}

static void tagger_dealloc(PyObject *object) {
    TaggerObject *self = (TaggerObject *)object;
    PyTypeObject *type = Py_TYPE(object);
    student_close(self->student);
    if (self->file.obj) PyBuffer_Release(&self->file);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"fill", tagger_fill, METH_VARARGS,
     "fill(sentences, out, chain, threads=1) -> list of int: logits of all words into a float32 buffer\n"
     "(words, labels); with a chain, in order. Sentences are tuples of str; those whose numbers are returned are\n"
     "for the reference path, and their rows mean nothing."},
    {"columns", tagger_columns, METH_VARARGS,
     "columns(sentences, out, chain, threads=1) -> list of int: likewise the column of each word's highest logit\n"
     "into an int64 buffer (words,)."},
    {"rows_of", tagger_rows_of, METH_O,
     "rows_of(word) -> list of list of int, or None: the rows of each part of a word; None where the reference\n"
     "path must read it."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Tagger(file, labels, level=2): a `model.fast` in memory that tags the words of sentences.\n\n"
                "Raises ValueError where the file is damaged or has another number of labels; may be shared between\n"
                "threads."},
    {Py_tp_new, (void *)tagger_new},
    {Py_tp_dealloc, (void *)tagger_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec tagger_spec = {
    .name = "understudy._fast.Tagger",
    .basicsize = sizeof(TaggerObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
