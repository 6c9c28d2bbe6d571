/* The type `Student`: immutable once made, so threads may share one. */
#include "python_texts.h"
#include "utf8.h"

#include <math.h>
#include <string.h>

typedef struct {
    PyObject_HEAD
    Student *student;
    const Engine *engine;
    Py_buffer file;
    PyObject *labels;    /* tuple of str, in the order of the logits */
    PyObject *reference; /* callable: text -> list of ids, for texts that are not for this splitter */
} StudentObject;

/* -------------------------------------------------------------------------------------------- from and to Python */

/* Ids from the reference path, checked: a new array, or NULL with an error set. */
static int32_t *ids_by_reference(StudentObject *self, PyObject *text, long *count) {
    PyObject *found = PyObject_CallFunctionObjArgs(self->reference, text, NULL);
    PyObject *list = found ? PySequence_List(found) : NULL;
    Py_XDECREF(found);
    if (!list) return NULL;
    Py_ssize_t n = PyList_Size(list);
    int32_t *ids = n > 0 ? malloc((size_t)n * sizeof *ids) : NULL;
    if (!ids) PyErr_SetString(n ? PyExc_MemoryError : PyExc_ValueError, "The reference gave no ids.");
    for (Py_ssize_t i = 0; ids && i < n; i++) {
        long id = PyLong_AsLong(PyList_GetItem(list, i));
        if (id < 0 || id >= (long)self->student->head.vocabulary) {
            if (!PyErr_Occurred()) PyErr_Format(PyExc_ValueError, "The id %ld is not in the vocabulary.", id);
            free(ids);
            ids = NULL;
        } else {
            ids[i] = (int32_t)id;
        }
    }
    Py_DECREF(list);
    *count = (long)n;
    return ids;
}

static int answer_by_reference(StudentObject *self, PyObject *text, float *logits) {
    long count;
    int32_t *ids = ids_by_reference(self, text, &count);
    if (!ids) return -1;
    int failed = self->engine->logits_of(self->student, ids, count, logits);
    if (failed) PyErr_NoMemory();
    free(ids);
    return failed;
}

/* MOST_LABELS floats of one text. */
static int answer(StudentObject *self, PyObject *str, float *logits) {
    Text text;
    PyObject *kept;
    if (text_of(str, &text, &kept)) return -1;
    StackScratch stack;
    Scratch scratch = scratch_on(&stack);
    long count = NOT_MINE;
    int failed = 0;
    if (text.bytes <= UINT32_MAX / 4) {
        if (scratch_fit(&scratch, text.bytes)) {
            PyErr_NoMemory();
            failed = -1;
        } else {
            count = self->engine->ids_of(self->student, text.text, text.bytes, &scratch);
        }
    }
    if (count != NOT_MINE) {
        failed = self->engine->logits_of(self->student, scratch.ids, count, logits);
        if (failed) PyErr_NoMemory();
    } else if (!failed) {
        failed = answer_by_reference(self, str, logits);
    }
    scratch_free(&scratch);
    Py_XDECREF(kept);
    return failed;
}

static PyObject *list_of(const float *numbers, uint32_t count) {
    PyObject *list = PyList_New(count);
    for (uint32_t i = 0; list && i < count; i++) {
        PyObject *number = PyFloat_FromDouble(numbers[i]);
        if (!number || PyList_SetItem(list, i, number)) Py_CLEAR(list);
    }
    return list;
}

/* ---------------------------------------------------------------------------------------------------- one text */

static PyObject *student_label(PyObject *object, PyObject *text) {
    StudentObject *self = (StudentObject *)object;
    float logits[MOST_LABELS];
    if (answer(self, text, logits)) return NULL;
    PyObject *label = PyTuple_GetItem(self->labels, highest(logits, self->student->head.labels));
    Py_XINCREF(label);
    return label;
}

static PyObject *student_column(PyObject *object, PyObject *text) {
    StudentObject *self = (StudentObject *)object;
    float logits[MOST_LABELS];
    if (answer(self, text, logits)) return NULL;
    return PyLong_FromLong(highest(logits, self->student->head.labels));
}

static PyObject *student_logits(PyObject *object, PyObject *text) {
    StudentObject *self = (StudentObject *)object;
    float logits[MOST_LABELS];
    return answer(self, text, logits) ? NULL : list_of(logits, self->student->head.labels);
}

static PyObject *student_probabilities(PyObject *object, PyObject *text) {
    StudentObject *self = (StudentObject *)object;
    uint32_t labels = self->student->head.labels;
    float logits[MOST_LABELS], sum = 0;
    if (answer(self, text, logits)) return NULL;
    float most = logits[highest(logits, labels)];
    for (uint32_t i = 0; i < labels; i++) sum += logits[i] = expf(logits[i] - most);
    for (uint32_t i = 0; i < labels; i++) logits[i] /= sum;
    return list_of(logits, labels);
}

static PyObject *student_encode(PyObject *object, PyObject *str) {
    StudentObject *self = (StudentObject *)object;
    Text text;
    PyObject *kept, *list = NULL;
    if (text_of(str, &text, &kept)) return NULL;
    StackScratch stack;
    Scratch scratch = scratch_on(&stack);
    if (text.bytes > UINT32_MAX / 4) {
        list = PyObject_CallFunctionObjArgs(self->reference, str, NULL);
    } else if (scratch_fit(&scratch, text.bytes)) {
        PyErr_NoMemory();
    } else {
        long count = self->engine->ids_of(self->student, text.text, text.bytes, &scratch);
        list = count == NOT_MINE ? PyObject_CallFunctionObjArgs(self->reference, str, NULL) : PyList_New(count);
        for (long i = 0; list && i < count; i++) {
            PyObject *number = PyLong_FromLong(scratch.ids[i]);
            if (!number || PyList_SetItem(list, i, number)) Py_CLEAR(list);
        }
    }
    scratch_free(&scratch);
    Py_XDECREF(kept);
    return list;
}

/* -------------------------------------------------------------------------------------------------- many texts */

/* Answer a block: logits (count, labels) where they are wanted, and the columns of the highest ones. */
static int block_answer(StudentObject *self, Texts *texts, float *logits, int threads) {
    const Student *student = self->student;
    Batch batch = {student, self->engine, texts->texts, texts->count, logits, texts->columns, texts->is_left,
                   texts->arrow != NULL, 0, 0};
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = batch_run(&batch, threads);
    Py_END_ALLOW_THREADS
    if (failed) {
        PyErr_NoMemory();
        return -1;
    }
    uint32_t labels = student->head.labels;
    for (size_t i = 0; i < texts->count; i++) {
        if (!texts->is_left[i]) continue;
        if (texts->is_left[i] == NOT_UTF8) return texts_refuse(texts, i);
        float row[MOST_LABELS];
        PyObject *item = texts_item(texts, i);
        failed = item ? answer_by_reference(self, item, row) : -1;
        Py_XDECREF(item);
        if (failed) return -1;
        texts->columns[i] = highest(row, labels);
        if (logits) memcpy(logits + i * labels, row, labels * sizeof *row);
    }
    return 0;
}

/* Answer all texts, whose columns go to one of two places; and logits (total, labels), where they are wanted. */
static int texts_answer(StudentObject *self, Texts *texts, float *logits, int32_t *narrow, int64_t *wide,
                        int threads) {
    size_t labels = self->student->head.labels;
    int more;
    while ((more = texts_next(texts)) > 0) {
        size_t first = texts->first;
        if (block_answer(self, texts, logits ? logits + first * labels : NULL, threads)) return -1;
        if (narrow) memcpy(narrow + first, texts->columns, texts->count * sizeof *narrow);
        for (size_t i = 0; wide && i < texts->count; i++) wide[first + i] = texts->columns[i];
    }
    return more;
}

static PyObject *student_labels(PyObject *object, PyObject *arguments) {
    StudentObject *self = (StudentObject *)object;
    PyObject *source, *list = NULL;
    int threads = 1;
    if (!PyArg_ParseTuple(arguments, "O|i:labels", &source, &threads)) return NULL;
    Texts texts;
    int failed = texts_open(&texts, source);
    int32_t *columns = failed ? NULL : malloc((texts.total + 1) * sizeof *columns);
    if (!failed && !columns) PyErr_NoMemory();
    if (columns && !texts_answer(self, &texts, NULL, columns, NULL, threads)) {
        list = PyList_New((Py_ssize_t)texts.total); /* filled at once: nobody sees it before it is full */
        for (size_t i = 0; list && i < texts.total; i++) {
            PyObject *label = PyTuple_GetItem(self->labels, columns[i]);
            Py_XINCREF(label);
            if (!label || PyList_SetItem(list, (Py_ssize_t)i, label)) Py_CLEAR(list);
        }
    }
    free(columns);
    texts_free(&texts);
    return list;
}

int buffer_for(PyObject *target, size_t bytes, size_t alignment, const char *what, Py_buffer *out) {
    if (PyObject_GetBuffer(target, out, PyBUF_WRITABLE)) return -1;
    if ((size_t)out->len == bytes && (uintptr_t)out->buf % alignment == 0) return 0;
    PyErr_Format(PyExc_ValueError, "The %s of these texts take %zu bytes, but there are %zd.", what, bytes, out->len);
    PyBuffer_Release(out);
    return -1;
}

static PyObject *student_columns(PyObject *object, PyObject *arguments) {
    StudentObject *self = (StudentObject *)object;
    PyObject *source, *target, *done = NULL;
    int threads = 1;
    if (!PyArg_ParseTuple(arguments, "OO|i:columns", &source, &target, &threads)) return NULL;
    Texts texts;
    Py_buffer out;
    if (!texts_open(&texts, source) &&
        !buffer_for(target, texts.total * sizeof(int64_t), sizeof(int64_t), "columns", &out)) {
        if (!texts_answer(self, &texts, NULL, NULL, out.buf, threads)) {
            done = Py_None;
            Py_INCREF(done);
        }
        PyBuffer_Release(&out);
    }
    texts_free(&texts);
    return done;
}

static PyObject *student_fill(PyObject *object, PyObject *arguments) {
    StudentObject *self = (StudentObject *)object;
    PyObject *source, *target, *done = NULL;
    int threads = 1;
    if (!PyArg_ParseTuple(arguments, "OO|i:fill", &source, &target, &threads)) return NULL;
    Texts texts;
    Py_buffer out;
    size_t labels = self->student->head.labels;
    if (!texts_open(&texts, source) &&
        !buffer_for(target, texts.total * labels * sizeof(float), sizeof(float), "logits", &out)) {
        if (!texts_answer(self, &texts, out.buf, NULL, NULL, threads)) {
            done = Py_None;
            Py_INCREF(done);
        }
        PyBuffer_Release(&out);
    }
    texts_free(&texts);
    return done;
}

/* ---------------------------------------------------------------------------------------------- lines to lines */

enum { DECIMALS = 10000, SHARE_BYTES = 7, GROUP = 4096 }; /* "0.1234" and a tab; lines whose logits are held at once */

/* The lines of a block, each ended by a newline, and what is answered to each. */
typedef struct {
    Text *texts;
    int32_t *columns;
    uint16_t *shares; /* probability of the highest logit, in steps of 1 / DECIMALS */
    unsigned char *is_left;
    float *logits;    /* (GROUP, labels) */
    size_t count;
} Lines;

static void lines_free(Lines *lines) {
    free(lines->texts);
    free(lines->columns);
    free(lines->shares);
    free(lines->is_left);
    free(lines->logits);
}

static int lines_read(Lines *lines, const Py_buffer *block, uint32_t labels) {
    const char *start = block->buf, *end = start + block->len, *next;
    memset(lines, 0, sizeof *lines);
    for (const char *at = start; at < end && (next = memchr(at, '\n', (size_t)(end - at))); at = next + 1) lines->count++;
    lines->texts = malloc((lines->count + 1) * sizeof *lines->texts);
    lines->columns = malloc((lines->count + 1) * sizeof *lines->columns);
    lines->shares = malloc((lines->count + 1) * sizeof *lines->shares);
    lines->is_left = calloc(lines->count + 1, 1);
    lines->logits = malloc((size_t)GROUP * labels * sizeof *lines->logits);
    if (!lines->texts || !lines->columns || !lines->shares || !lines->is_left || !lines->logits) return -1;
    const char *at = start;
    for (size_t i = 0; i < lines->count; i++) {
        next = memchr(at, '\n', (size_t)(end - at));
        lines->texts[i] = (Text){at, (size_t)(next - at)};
        at = next + 1;
    }
    return 0;
}

/* Answer some lines; 1 where one of them must go another way, -1 where memory ran out. */
static int lines_answer(Lines *lines, const StudentObject *self, size_t first, size_t count, int threads) {
    uint32_t labels = self->student->head.labels;
    int32_t *columns = lines->columns + first;
    Batch batch = {self->student, self->engine, lines->texts + first, count, lines->logits, columns,
                   lines->is_left + first, 0, 0, 0};
    if (batch_run(&batch, threads)) return -1;
    for (size_t i = 0; i < count; i++) {
        if (lines->is_left[first + i]) return 1; /* and has no column */
        const float *logits = lines->logits + i * labels;
        double sum = 0;
        for (uint32_t label = 0; label < labels; label++) {
            float below = logits[label] - logits[columns[i]];
            if (below > -26.0f) sum += expf(below); /* else below 6e-12: 4,096 of them change no decimal */
        }
        if (!(sum >= 1)) return 1; /* a logit is not a number */
        lines->shares[first + i] = (uint16_t)rint(DECIMALS / sum);
    }
    return 0;
}

static size_t lines_bytes(const Lines *lines, const Text *heads) {
    size_t bytes = 0;
    for (size_t i = 0; i < lines->count; i++)
        bytes += heads[lines->columns[i]].bytes + SHARE_BYTES + lines->texts[i].bytes + 1;
    return bytes;
}

static void lines_write(const Lines *lines, const Text *heads, char *out) {
    for (size_t i = 0; i < lines->count; i++) {
        const Text *head = &heads[lines->columns[i]], *text = &lines->texts[i];
        memcpy(out, head->text, head->bytes);
        out += head->bytes;
        unsigned share = lines->shares[i];
        out[0] = (char)('0' + share / DECIMALS);
        out[1] = '.';
        for (int digit = 5; digit > 1; digit--, share /= 10) out[digit] = (char)('0' + share % 10);
        out[6] = '\t';
        memcpy(out + SHARE_BYTES, text->text, text->bytes + 1); /* with its newline */
        out += SHARE_BYTES + text->bytes + 1;
    }
}

/* What stands before each label's probability: borrowed from a tuple of bytes. */
static Text *heads_read(PyObject *tuple, uint32_t labels) {
    if (PyTuple_Size(tuple) != (Py_ssize_t)labels) {
        PyErr_Format(PyExc_ValueError, "Expected %u heads, one a label, got %zd.", labels, PyTuple_Size(tuple));
        return NULL;
    }
    Text *heads = malloc(labels * sizeof *heads);
    if (!heads) PyErr_NoMemory();
    for (uint32_t i = 0; heads && i < labels; i++) {
        char *text;
        Py_ssize_t bytes;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(tuple, i), &text, &bytes)) {
            free(heads);
            return NULL;
        }
        heads[i] = (Text){text, (size_t)bytes};
    }
    return heads;
}

static PyObject *lines_answered(StudentObject *self, const Py_buffer *block, const Text *heads, int threads) {
    Lines lines;
    int state;
    size_t bytes = 0;
    Py_BEGIN_ALLOW_THREADS
    state = lines_read(&lines, block, self->student->head.labels);
    for (size_t first = 0; !state && first < lines.count; first += GROUP) {
        size_t left = lines.count - first;
        state = lines_answer(&lines, self, first, left < GROUP ? left : GROUP, threads);
    }
    if (!state) bytes = lines_bytes(&lines, heads);
    Py_END_ALLOW_THREADS
    PyObject *answers = NULL;
    if (state < 0) {
        PyErr_NoMemory();
    } else if (state) {
        answers = Py_None;
        Py_INCREF(answers);
    } else if ((answers = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)bytes))) {
        lines_write(&lines, heads, PyBytes_AsString(answers));
    }
    lines_free(&lines);
    return answers;
}

static PyObject *student_answer_lines(PyObject *object, PyObject *arguments) {
    StudentObject *self = (StudentObject *)object;
    Py_buffer block;
    PyObject *tuple, *answers = NULL;
    int threads = 1;
    if (!PyArg_ParseTuple(arguments, "y*O!|i:answer_lines", &block, &PyTuple_Type, &tuple, &threads)) return NULL;
    Text *heads = NULL;
    if (block.len && ((const char *)block.buf)[block.len - 1] != '\n')
        PyErr_SetString(PyExc_ValueError, "The last line does not end with a newline.");
    else heads = heads_read(tuple, self->student->head.labels);
    if (heads) answers = lines_answered(self, &block, heads, threads);
    free(heads);
    PyBuffer_Release(&block);
    return answers;
}

/* --------------------------------------------------------------------------------------------------- ids alone */

/* Ids of all texts end to end, and the number of each text's, in two growing arrays. */
typedef struct {
    int64_t *ids;
    size_t count, room;
} Ids;

static int ids_add(Ids *ids, const int32_t *more, long count) {
    if (ids->room - ids->count < (size_t)count) {
        size_t room = 2 * (ids->count + (size_t)count) + 1024;
        int64_t *larger = realloc(ids->ids, room * sizeof *larger);
        if (!larger) return -1;
        ids->ids = larger;
        ids->room = room;
    }
    for (long i = 0; i < count; i++) ids->ids[ids->count++] = more[i];
    return 0;
}

static int encode_one(StudentObject *self, Texts *texts, size_t row, Scratch *scratch, Ids *ids, int64_t *length) {
    const Text *text = &texts->texts[row];
    long count = NOT_MINE;
    if (texts->arrow && !is_utf8(text->text, text->bytes)) return texts_refuse(texts, row);
    if (text->bytes <= UINT32_MAX / 4) {
        if (scratch_fit(scratch, text->bytes)) return -1;
        count = self->engine->ids_of(self->student, text->text, text->bytes, scratch);
    }
    if (count != NOT_MINE) {
        *length = count;
        return ids_add(ids, scratch->ids, count);
    }
    PyObject *item = texts_item(texts, row);
    int32_t *found = item ? ids_by_reference(self, item, &count) : NULL;
    Py_XDECREF(item);
    if (!found) return -1;
    int failed = ids_add(ids, found, count);
    free(found);
    *length = count;
    return failed;
}

static PyObject *student_encode_batch(PyObject *object, PyObject *source) {
    StudentObject *self = (StudentObject *)object;
    Texts texts;
    Ids ids = {NULL, 0, 0};
    PyObject *pair = NULL;
    if (!texts_open(&texts, source)) {
        int64_t *lengths = malloc((texts.total + 1) * sizeof *lengths);
        StackScratch stack;
        Scratch scratch = scratch_on(&stack);
        int failed = lengths ? 0 : -1, more = !failed;
        while (!failed && (more = texts_next(&texts)) > 0) {
            for (size_t i = 0; !failed && i < texts.count; i++)
                failed = encode_one(self, &texts, i, &scratch, &ids, &lengths[texts.first + i]);
        }
        if (more < 0) failed = -1;
        if (failed) {
            if (!PyErr_Occurred()) PyErr_NoMemory();
        } else {
            PyObject *flat = PyByteArray_FromStringAndSize((const char *)ids.ids, (Py_ssize_t)(ids.count * 8));
            PyObject *each = PyByteArray_FromStringAndSize((const char *)lengths, (Py_ssize_t)(texts.total * 8));
            if (flat && each) pair = PyTuple_Pack(2, flat, each);
            Py_XDECREF(flat);
            Py_XDECREF(each);
        }
        scratch_free(&scratch);
        free(lengths);
    }
    texts_free(&texts);
    free(ids.ids);
    return pair;
}

static PyObject *student_logits_of_ids(PyObject *object, PyObject *sequence) {
    StudentObject *self = (StudentObject *)object;
    PyObject *list = PySequence_List(sequence);
    if (!list) return NULL;
    Py_ssize_t n = PyList_Size(list);
    int32_t *ids = malloc(((size_t)n + 1) * sizeof *ids);
    float logits[MOST_LABELS];
    PyObject *found = NULL;
    if (!ids) PyErr_NoMemory();
    else if (!n) PyErr_SetString(PyExc_ValueError, "A text has at least one id.");
    for (Py_ssize_t i = 0; i < n && !PyErr_Occurred(); i++) {
        long id = PyLong_AsLong(PyList_GetItem(list, i));
        if (id == -1 && PyErr_Occurred()) break;
        if (id < 0 || id >= (long)self->student->head.vocabulary)
            PyErr_Format(PyExc_ValueError, "The id %ld is not in the vocabulary.", id);
        ids[i] = (int32_t)id;
    }
    if (!PyErr_Occurred()) {
        if (self->engine->logits_of(self->student, ids, (long)n, logits)) PyErr_NoMemory();
        else found = list_of(logits, self->student->head.labels);
    }
    free(ids);
    Py_DECREF(list);
    return found;
}

/* ------------------------------------------------------------------------------------------------ life and death */

Student *student_from(PyObject *file, Py_buffer *view, int is_tagger) {
    Refusal refusal;
    if (PyObject_GetBuffer(file, view, PyBUF_SIMPLE)) {
        view->obj = NULL;
        return NULL;
    }
    Student *student = student_open(view->buf, (uint64_t)view->len, &refusal);
    if (student && (student->head.student == TAGGER) != is_tagger) {
        student_close(student);
        student = NULL;
        refusal = (Refusal){is_tagger ? "it tags no words" : "it tags words, and is for a Tagger", 0};
    }
    if (student) return student;
    if (refusal.is_memory) PyErr_NoMemory();
    else PyErr_SetString(PyExc_ValueError, refusal.what);
    return NULL;
}

static int open_file(StudentObject *self, PyObject *file) {
    self->student = student_from(file, &self->file, 0);
    return self->student ? 0 : -1;
}

static int check_labels(const StudentObject *self) {
    Py_ssize_t count = PyTuple_Size(self->labels);
    if (count == (Py_ssize_t)self->student->head.labels) return 0;
    PyErr_Format(PyExc_ValueError, "it has %u labels, but the task names %zd", self->student->head.labels, count);
    return -1;
}

static PyObject *student_new(PyTypeObject *type, PyObject *arguments, PyObject *words) {
    PyObject *file, *labels, *reference;
    static char *names[] = {"file", "labels", "reference", "level", NULL};
    int level = 2;
    if (!PyArg_ParseTupleAndKeywords(arguments, words, "OOO|i:Student", names, &file, &labels, &reference, &level))
        return NULL;
    allocfunc make = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    StudentObject *self = (StudentObject *)make(type, 0);
    if (!self) return NULL;
    const char *name;
    self->engine = best_engine(level, &name);
    Py_INCREF(reference);
    self->reference = reference;
    self->labels = PySequence_Tuple(labels);
    if (self->labels && !open_file(self, file) && !check_labels(self)) return (PyObject *)self;
    Py_DECREF(self);
    return NULL;
}

static int student_traverse(PyObject *object, visitproc visit, void *arg) {
    StudentObject *self = (StudentObject *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->labels);
    Py_VISIT(self->reference);
    return 0;
}

static int student_clear(PyObject *object) {
    Py_CLEAR(((StudentObject *)object)->reference);
    return 0;
}

static void student_dealloc(PyObject *object) {
    StudentObject *self = (StudentObject *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    student_close(self->student);
    if (self->file.obj) PyBuffer_Release(&self->file);
    Py_CLEAR(self->labels);
    Py_CLEAR(self->reference);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"label", student_label, METH_O, "label(text) -> str: the label of the highest logit."},
    {"column", student_column, METH_O, "column(text) -> int: of the highest logit."},
    {"logits", student_logits, METH_O, "logits(text) -> list of float, in the order of the labels."},
    {"probabilities", student_probabilities, METH_O, "probabilities(text) -> list of float: their softmax."},
    {"encode", student_encode, METH_O, "encode(text) -> list of int: ids, at least one."},
    {"logits_of_ids", student_logits_of_ids, METH_O, "logits_of_ids(ids) -> list of float."},
    {"labels", student_labels, METH_VARARGS,
     "labels(texts, threads=1) -> list of str. Many texts are a sequence, or ArrowTexts."},
    {"columns", student_columns, METH_VARARGS,
     "columns(texts, out, threads=1): the column of each text's highest logit into an int64 buffer (n,)."},
    {"fill", student_fill, METH_VARARGS, "fill(texts, out, threads=1): logits into a float32 buffer (n, labels)."},
    {"encode_batch", student_encode_batch, METH_O,
     "encode_batch(texts) -> (ids, lengths): of all texts end to end, as int64 in two bytearrays."},
    {"answer_lines", student_answer_lines, METH_VARARGS,
     "answer_lines(block, heads, threads=1) -> bytes or None: each line of UTF-8 behind the head of its label and "
     "its probability; None where a line is for the reference path."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Student(file, labels, reference, level=2): a `model.fast` in memory that answers texts.\n\n"
                "`reference(text)` gives the ids of a text that this splitter leaves to the reference path.\n"
                "Raises ValueError where the file is damaged; may be shared between threads."},
    {Py_tp_new, (void *)student_new},
    {Py_tp_dealloc, (void *)student_dealloc},
    {Py_tp_traverse, (void *)student_traverse},
    {Py_tp_clear, (void *)student_clear},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec student_spec = {
    .name = "understudy._fast.Student",
    .basicsize = sizeof(StudentObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
