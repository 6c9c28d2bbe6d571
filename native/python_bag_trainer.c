/* `learn_bag`: one pass of the native trainer over weighted bags, after checking what could lead outside an array. */
#include "python_arrays.h"

#include <stdlib.h>

/* Arrays by position: five layers, their squares, then what is learnt from. */
enum { LAYERS = 5, ARRAYS = 2 * LAYERS + 8 };
enum { IDS = 2 * LAYERS, ENDS, ORDER, FEATURE_WEIGHTS, SOFT, GOLD, GOLD_ROWS, CLASS_WEIGHTS };

static const unsigned char KINDS[ARRAYS] = {
    WRITTEN, WRITTEN, WRITTEN, WRITTEN, WRITTEN, WRITTEN, WRITTEN, WRITTEN, WRITTEN, WRITTEN,
    0, LONG, LONG, 0, OPTIONAL, OPTIONAL | LONG, OPTIONAL, OPTIONAL,
};

static int has_right_sizes(const Arrays *given, const Trainable *m, size_t direct, uint64_t texts) {
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

static PyObject *run(const Arrays *given, const Trainable *m, BagLesson *bag, uint64_t texts, int level) {
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
    Arrays given;
    if (!arrays_read(&given, tuple, KINDS, ARRAYS)) {
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
    arrays_free(&given);
    return done;
}
