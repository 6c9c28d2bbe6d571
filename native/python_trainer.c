/* `learn`: one pass of the native trainer. Everything that could lead outside of an array is checked first. */
#include "python_arrays.h"

enum { WEIGHTS = 5, ARRAYS = 2 * WEIGHTS + 7 };
enum { IDS = 2 * WEIGHTS, ENDS, ORDER, SOFT, GOLD, CLASS_WEIGHTS, WORD_COUNTS };

/* The layers and their squares, then what is learnt from. */
static const unsigned char KINDS[ARRAYS] = {
    WRITTEN, WRITTEN, WRITTEN, WRITTEN, WRITTEN, WRITTEN, WRITTEN, WRITTEN, WRITTEN, WRITTEN,
    0, LONG, LONG, OPTIONAL, OPTIONAL | LONG, OPTIONAL, OPTIONAL | LONG,
};

static int has_right_sizes(const Arrays *arrays, const Trainable *m, uint64_t texts) {
    uint64_t width = PADDED(m->width), hidden = PADDED(m->hidden), labels = PADDED(m->labels);
    uint64_t sizes[WEIGHTS] = {m->vocabulary * width, m->width * hidden, hidden, m->labels * hidden, labels};
    for (int i = 0; i < 2 * WEIGHTS; i++) {
        if (!has_bytes(arrays, i, sizes[i % WEIGHTS], sizeof(float))) return 0;
    }
    return has_bytes(arrays, SOFT, texts * m->labels, sizeof(float)) && has_bytes(arrays, GOLD, texts, sizeof(int64_t)) &&
           has_bytes(arrays, WORD_COUNTS, texts, sizeof(int64_t)) &&
           has_bytes(arrays, CLASS_WEIGHTS, m->labels, sizeof(float));
}

static const char *wrong_numbers(const Trainable *m, const Lesson *lesson, uint64_t texts, int64_t ids) {
    int64_t last = 0;
    for (uint64_t i = 0; i < texts; i++) {
        if (lesson->ends[i] <= last || lesson->ends[i] > ids) return "A text ends before it begins, or after the last id.";
        if (lesson->words && (lesson->words[i] < 1 || lesson->words[i] > lesson->ends[i] - last))
            return "A text has no word, or more words than ids.";
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

PyObject *python_learn(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *tuple, *done = NULL;
    unsigned int vocabulary, width, hidden, labels;
    int level;
    Lesson lesson = {0};
    if (!PyArg_ParseTuple(arguments, "O(IIII)pffffi:learn", &tuple, &vocabulary, &width, &hidden, &labels,
                          &lesson.is_mse, &lesson.temperature, &lesson.alpha, &lesson.gram_weight, &lesson.rate,
                          &level))
        return NULL;
    if (!width || width > MOST_WIDTH || !hidden || hidden > MOST_WIDTH || !labels || labels > MOST_LABELS) {
        PyErr_SetString(PyExc_ValueError, "The layers have an impossible width.");
        return NULL;
    }
    Arrays arrays;
    if (!arrays_read(&arrays, tuple, KINDS, ARRAYS)) {
        Py_buffer *b = arrays.buffers;
        Trainable m = {b[0].buf, b[1].buf, b[2].buf, b[3].buf, b[4].buf,
                       {b[5].buf, b[6].buf, b[7].buf, b[8].buf, b[9].buf}, vocabulary, width, hidden, labels};
        uint64_t texts = (uint64_t)b[ENDS].len / 8;
        lesson.ids = b[IDS].buf;
        lesson.ends = b[ENDS].buf;
        lesson.order = b[ORDER].buf;
        lesson.count = (size_t)b[ORDER].len / 8;
        lesson.soft = b[SOFT].buf;
        lesson.gold = b[GOLD].buf;
        lesson.class_weights = b[CLASS_WEIGHTS].buf;
        lesson.words = b[WORD_COUNTS].buf;
        if (has_right_sizes(&arrays, &m, texts)) {
            const char *what, *name;
            const Engine *engine = best_engine(level, &name);
            double loss = 0;
            Py_BEGIN_ALLOW_THREADS
            what = wrong_numbers(&m, &lesson, texts, b[IDS].len / 4);
            if (!what) loss = engine->learn(&m, &lesson);
            Py_END_ALLOW_THREADS
            if (what) PyErr_SetString(PyExc_ValueError, what);
            else done = PyFloat_FromDouble(loss);
        }
    }
    arrays_free(&arrays);
    return done;
}
