/* The type `ArrowTexts`: strings of Arrow arrays, which it holds until it dies. Immutable: threads may share one. */
#include "arrow.h"
#include "python_texts.h"

#include <string.h>

typedef struct {
    ArrowArray array; /* moved here: ours to release */
    size_t first;     /* number of its first text among all */
} Chunk;

typedef struct {
    PyObject_HEAD
    Chunk *chunks;
    size_t chunk_count, room, count;
    ArrowLayout layout;
} ArrowTexts;

/* ------------------------------------------------------------------------------------------ arrays are taken over */

static int refuse_type(const ArrowSchema *schema) {
    if (schema->dictionary) {
        PyErr_SetString(PyExc_TypeError, "An Arrow array of strings is needed, but this one is encoded by a "
                                         "dictionary. Cast it to strings.");
    } else {
        PyErr_Format(PyExc_TypeError, "An Arrow array of strings is needed (format u, U or vu), but this one has the "
                                      "format '%.40s'. Cast it to strings.", schema->format ? schema->format : "");
    }
    return -1;
}

static int read_schema(ArrowTexts *self, const ArrowSchema *schema) {
    if (!schema->release) {
        PyErr_SetString(PyExc_ValueError, "The Arrow schema was released before it was read.");
        return -1;
    }
    self->layout = arrow_layout(schema);
    return self->layout == NO_STRINGS ? refuse_type(schema) : 0;
}

/* The places of all texts of a new chunk are within it. */
static int check_places(const ArrowTexts *self, const Chunk *chunk) {
    for (size_t row = 0; row < (size_t)chunk->array.length; row++) {
        Text text;
        if (arrow_text(&chunk->array, self->layout, row, &text) != IS_OUTSIDE) continue;
        PyErr_Format(PyExc_ValueError, "Text %zu is not within its Arrow array.", chunk->first + row + 1);
        return -1;
    }
    return 0;
}

/* Take over an array, and look at it; 0, or -1 with an error set: then, too, it is ours if its `release` is gone. */
static int add_chunk(ArrowTexts *self, ArrowArray *array) {
    if (!array->release) {
        PyErr_SetString(PyExc_ValueError, "The Arrow array was released before it was read.");
        return -1;
    }
    if (self->chunk_count == self->room) {
        size_t room = 2 * self->room + 1;
        Chunk *larger = realloc(self->chunks, room * sizeof *larger);
        if (!larger) {
            PyErr_NoMemory();
            return -1;
        }
        self->chunks = larger;
        self->room = room;
    }
    Chunk *chunk = &self->chunks[self->chunk_count++];
    *chunk = (Chunk){*array, self->count};
    array->release = NULL;
    const char *fault = arrow_fault(&chunk->array, self->layout);
    size_t room_left = PTRDIFF_MAX / sizeof(Text) - self->count;
    if (!fault && (uint64_t)chunk->array.length > room_left) fault = "is longer than memory";
    if (fault) {
        PyErr_Format(PyExc_ValueError, "The Arrow array %s.", fault);
        return -1;
    }
    self->count += (size_t)chunk->array.length;
    return check_places(self, chunk);
}

static int read_array(ArrowTexts *self, PyObject *schema_capsule, PyObject *array_capsule) {
    const ArrowSchema *schema = PyCapsule_GetPointer(schema_capsule, "arrow_schema");
    ArrowArray *array = schema ? PyCapsule_GetPointer(array_capsule, "arrow_array") : NULL;
    return !array || read_schema(self, schema) ? -1 : add_chunk(self, array);
}

static int refuse_stream(ArrowStream *stream, int code) {
    const char *why = stream->get_last_error(stream);
    PyErr_Format(PyExc_ValueError, "The Arrow stream failed with code %d: %.400s", code, why ? why : "not said why");
    return -1;
}

/* All arrays of a stream of ours. Its functions may wait for threads that need the interpreter's lock. */
static int read_arrays(ArrowTexts *self, ArrowStream *stream, ArrowSchema *schema, ArrowArray *array) {
    int code;
    Py_BEGIN_ALLOW_THREADS
    code = stream->get_schema(stream, schema);
    Py_END_ALLOW_THREADS
    if (code) {
        schema->release = NULL;
        return refuse_stream(stream, code);
    }
    if (read_schema(self, schema)) return -1;
    for (;;) {
        Py_BEGIN_ALLOW_THREADS
        code = stream->get_next(stream, array);
        Py_END_ALLOW_THREADS
        if (code) {
            array->release = NULL;
            return refuse_stream(stream, code);
        }
        if (!array->release) return 0; /* the end */
        if (add_chunk(self, array)) return -1;
    }
}

static int read_stream(ArrowTexts *self, PyObject *capsule) {
    ArrowStream *given = PyCapsule_GetPointer(capsule, "arrow_array_stream"), stream;
    if (!given) return -1;
    if (!given->release) {
        PyErr_SetString(PyExc_ValueError, "The Arrow stream was released before it was read.");
        return -1;
    }
    stream = *given;
    given->release = NULL;
    ArrowSchema schema = {0};
    ArrowArray array = {0};
    int failed = read_arrays(self, &stream, &schema, &array);
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace); /* what releases them may be Python, which must not meet an error */
    if (array.release) array.release(&array);
    if (schema.release) schema.release(&schema);
    stream.release(&stream);
    PyErr_Restore(type, value, trace);
    return failed;
}

/* ------------------------------------------------------------------------------------------------- texts in place */

/* The chunk that holds a text: the last one that begins at or before it, and is not empty. */
static size_t chunk_of(const ArrowTexts *self, size_t number) {
    size_t low = 0, high = self->chunk_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (self->chunks[middle].first <= number) low = middle;
        else high = middle;
    }
    return low;
}

size_t arrow_texts_count(PyObject *object) { return ((ArrowTexts *)object)->count; }

int arrow_texts_read(PyObject *object, size_t first, size_t count, Text *texts) {
    const ArrowTexts *self = (ArrowTexts *)object;
    size_t number = first, end = first + count;
    for (size_t at = chunk_of(self, first); number < end; at++) {
        const Chunk *chunk = &self->chunks[at];
        size_t last = chunk->first + (size_t)chunk->array.length;
        if (last > end) last = end;
        for (; number < last; number++) {
            ArrowFound found = arrow_text(&chunk->array, self->layout, number - chunk->first, texts++);
            if (__builtin_expect(found == IS_TEXT, 1)) continue;
            if (found == IS_NULL) PyErr_Format(PyExc_TypeError, "Text %zu is null.", number + 1);
            else PyErr_Format(PyExc_ValueError, "Text %zu is not within its Arrow array.", number + 1);
            return -1;
        }
    }
    return 0;
}

static Py_ssize_t texts_length(PyObject *object) { return (Py_ssize_t)((ArrowTexts *)object)->count; }

static PyObject *texts_get(PyObject *object, Py_ssize_t number) {
    const ArrowTexts *self = (ArrowTexts *)object;
    if (number < 0 || (size_t)number >= self->count) {
        PyErr_SetString(PyExc_IndexError, "There is no such text.");
        return NULL;
    }
    const Chunk *chunk = &self->chunks[chunk_of(self, (size_t)number)];
    Text text;
    ArrowFound found = arrow_text(&chunk->array, self->layout, (size_t)number - chunk->first, &text);
    if (found == IS_NULL) {
        Py_INCREF(Py_None);
        return Py_None;
    }
    if (found == IS_OUTSIDE) {
        PyErr_Format(PyExc_ValueError, "Text %zd is not within its Arrow array.", number + 1);
        return NULL;
    }
    PyObject *str = PyUnicode_DecodeUTF8(text.text, (Py_ssize_t)text.bytes, "strict");
    if (str || !PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) return str;
    PyErr_Clear();
    return PyBytes_FromStringAndSize(text.text, (Py_ssize_t)text.bytes);
}

/* ------------------------------------------------------------------------------------------------- life and death */

static PyObject *texts_new(PyTypeObject *type, PyObject *arguments, PyObject *words) {
    PyObject *first, *second = NULL;
    static char *names[] = {"", "", NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, words, "O|O:ArrowTexts", names, &first, &second)) return NULL;
    allocfunc make = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    ArrowTexts *self = (ArrowTexts *)make(type, 0);
    if (!self) return NULL;
    if (!(second ? read_array(self, first, second) : read_stream(self, first))) return (PyObject *)self;
    Py_DECREF(self);
    return NULL;
}

static void texts_dealloc(PyObject *object) {
    ArrowTexts *self = (ArrowTexts *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    for (size_t i = 0; i < self->chunk_count; i++) {
        ArrowArray *array = &self->chunks[i].array;
        if (array->release) array->release(array);
    }
    PyErr_Restore(kind, value, trace);
    free(self->chunks);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* The type cannot be inherited from, so that what dies like one is one. */
int is_arrow_texts(PyObject *object) {
    return PyType_GetSlot(Py_TYPE(object), Py_tp_dealloc) == (void *)texts_dealloc;
}

static PyType_Slot slots[] = {
    {Py_tp_doc, "ArrowTexts(schema, array) or ArrowTexts(stream): the strings behind capsules of Arrow's, in place.\n\n"
                "A sequence of str; None where one is null, and bytes where one is not UTF-8.\n"
                "Raises TypeError where the arrays do not hold strings, and ValueError where they are damaged."},
    {Py_tp_new, (void *)texts_new},
    {Py_tp_dealloc, (void *)texts_dealloc},
    {Py_sq_length, (void *)texts_length},
    {Py_sq_item, (void *)texts_get},
    {0, NULL},
};

PyType_Spec arrow_texts_spec = {
    .name = "understudy._fast.ArrowTexts",
    .basicsize = sizeof(ArrowTexts),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
