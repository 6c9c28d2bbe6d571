/* `learn_bag`: one pass of the native trainer over weighted bags, after checking what could lead outside an array. */
#include "python_api.h"

#include <stdlib.h>

/* Arrays by position: five layers, their squares, then what is learnt from. Only those from SOFT on may be None. */
enum { LAYERS = 5, ARRAYS = 2 * LAYERS + 8 };
enum { IDS = 2 * LAYERS, ENDS, ORDER, FEATURE_WEIGHTS, SOFT, GOLD, GOLD_ROWS, CLASS_WEIGHTS };

typedef struct {
    Py_buffer buffers[ARRAYS];
    int count;
} Given;

static void given_free(Given *given) {
    for (int i = 0; i < given->count; i++) {
        if (given->buffers[i].obj) PyBuffer_Release(&given->buffers[i]);
    }
}

static int given_read(Given *given, PyObject *tuple) {
    given->count = 0;
    if (!PyTuple_Check(tuple) || PyTuple_Size(tuple) != ARRAYS) {
        PyErr_Format(PyExc_TypeError, "learn_bag takes a tuple of %d arrays.", ARRAYS);
        return -1;
    }
    for (int i = 0; i < ARRAYS; i++) {
        PyObject *one = PyTuple_GetItem(tuple, i);
        Py_buffer *buffer = &given->buffers[i];
        given->count = i + 1;
        buffer->obj = NULL;
        buffer->buf = NULL;
        buffer->len = 0;
        if (i >= SOFT && one == Py_None) continue;
        if (PyObject_GetBuffer(one, buffer, i < 2 * LAYERS ? PyBUF_WRITABLE : PyBUF_SIMPLE)) {
            buffer->obj = NULL;
            return -1;
        }
        if ((uintptr_t)buffer->buf % (i == ENDS || i == ORDER || i == GOLD ? 8 : 4)) { /* as its numbers need */
            PyErr_Format(PyExc_ValueError, "Array %d is not aligned in memory.", i);
            return -1;
        }
    }
    return 0;
}

static int has_bytes(const Given *given, int which, uint64_t count, size_t size) {
    const Py_buffer *buffer = &given->buffers[which];
    if (!buffer->obj || (uint64_t)buffer->len == count * size) return 1;
    PyErr_Format(PyExc_ValueError, "Array %d has %zd bytes, but %llu are needed.", which, buffer->len,
                 (unsigned long long)(count * size));
    return 0;
}

static int has_right_sizes(const Given *given, const Trainable *m, size_t direct, uint64_t texts) {
    uint64_t wide = PADDED(m->width + direct), hidden = PADDED(m->hidden), labels = PADDED(m->labels);
    uint64_t sizes[LAYERS] = {m->vocabulary * wide, m->width * hidden, hidden, m->labels * hidden, labels};
    for (int i = 0; i < 2 * LAYERS; i++) {
        if (!has_bytes(given, i, sizes[i % LAYERS], sizeof(float))) return 0;
    }
    return has_bytes(given, FEATURE_WEIGHTS, m->vocabulary, sizeof(float)) &&
           has_bytes(given, SOFT, texts * m->labels, sizeof(float)) &&
           has_bytes(given, GOLD, texts, sizeof(int64_t)) &&
           has_bytes(given, GOLD_ROWS, texts * m->labels, sizeof(float)) &&
           has_bytes(given, CLASS_WEIGHTS, m->labels, sizeof(float));
}

/* Why the numbers cannot be used, or NULL; and the most features of one text. */
static const char *check_numbers(const Trainable *m, const Lesson *lesson, uint64_t texts, int64_t ids, size_t *most) {
    int64_t last = 0;
    *most = 1;
    for (uint64_t i = 0; i < texts; i++) {
        if (lesson->ends[i] < last || lesson->ends[i] > ids) return "A text ends before it begins, or after the last id.";
        if ((size_t)(lesson->ends[i] - last) > *most) *most = (size_t)(lesson->ends[i] - last);
        last = lesson->ends[i];
    }
    for (int64_t i = 0; i < last; i++) {
        if (lesson->ids[i] < 0 || (uint64_t)lesson->ids[i] >= m->vocabulary) return "An id is not in the vocabulary.";
    }
    for (size_t i = 0; i < lesson->count; i++) {
        if (lesson->order[i] < 0 || (uint64_t)lesson->order[i] >= texts) return "The order names a text that does not exist.";
    }
    for (uint64_t i = 0; lesson->gold && i < texts; i++) {
        if (lesson->gold[i] < -1 || lesson->gold[i] >= (int64_t)m->labels) return "A gold label is not one of the labels.";
    }
    return NULL;
}

static PyObject *run(const Given *given, const Trainable *m, BagLesson *bag, uint64_t texts, int level) {
    const char *what, *name;
    const Engine *engine = best_engine(level, &name);
    double loss = 0;
    size_t most;
    int is_out_of_memory = 0;
    Py_BEGIN_ALLOW_THREADS
    what = check_numbers(m, &bag->lesson, texts, given->buffers[IDS].len / 4, &most);
    if (!what) {
        bag->kept = malloc(most * sizeof *bag->kept);
        bag->shares = malloc(most * sizeof *bag->shares);
        is_out_of_memory = !bag->kept || !bag->shares;
        if (!is_out_of_memory) loss = engine->learn_bag(m, bag);
        free(bag->kept);
        free(bag->shares);
    }
    Py_END_ALLOW_THREADS
    if (is_out_of_memory) return PyErr_NoMemory();
    if (what) {
        PyErr_SetString(PyExc_ValueError, what);
        return NULL;
    }
    return PyFloat_FromDouble(loss);
}

PyObject *python_learn_bag(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *tuple, *done = NULL;
    unsigned int vocabulary, width, direct, hidden, labels;
    unsigned long long seed;
    int level;
    BagLesson bag = {0};
    if (!PyArg_ParseTuple(arguments, "O(IIIII)ppfffffKi:learn_bag", &tuple, &vocabulary, &width, &direct, &hidden,
                          &labels, &bag.lesson.is_mse, &bag.is_each, &bag.lesson.temperature, &bag.lesson.alpha,
                          &bag.dropout, &bag.row_rate, &bag.lesson.rate, &seed, &level))
        return NULL;
    if (width > MOST_WIDTH || hidden > MOST_WIDTH || !labels || labels > MOST_LABELS || !width != !hidden ||
        (direct && direct != labels) || (!width && !direct)) {
        PyErr_SetString(PyExc_ValueError, "The layers have an impossible width.");
        return NULL;
    }
    if (!(bag.dropout >= 0 && bag.dropout < 1)) {
        PyErr_SetString(PyExc_ValueError, "The dropout must be at least 0 and less than 1.");
        return NULL;
    }
    bag.direct = direct;
    bag.seed = seed;
    Given given;
    if (!given_read(&given, tuple)) {
        Py_buffer *b = given.buffers;
        Trainable m = {b[0].buf, b[1].buf, b[2].buf, b[3].buf, b[4].buf,
                       {b[5].buf, b[6].buf, b[7].buf, b[8].buf, b[9].buf}, vocabulary, width, hidden, labels};
        uint64_t texts = (uint64_t)b[ENDS].len / 8;
        bag.lesson.ids = b[IDS].buf;
        bag.lesson.ends = b[ENDS].buf;
        bag.lesson.order = b[ORDER].buf;
        bag.lesson.count = (size_t)b[ORDER].len / 8;
        bag.weights = b[FEATURE_WEIGHTS].buf;
        bag.lesson.soft = b[SOFT].buf;
        bag.lesson.gold = b[GOLD].buf;
        bag.gold_rows = b[GOLD_ROWS].buf;
        bag.lesson.class_weights = b[CLASS_WEIGHTS].buf;
        if (has_right_sizes(&given, &m, direct, texts)) done = run(&given, &m, &bag, texts, level);
    }
    given_free(&given);
    return done;
}
