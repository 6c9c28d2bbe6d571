/* `find_windows` and `return_windows`: a convolution over words in training, after checking what could lead outside an
   array. `students/layers/windows.py` says what they compute. */
#include "python_arrays.h"

enum { IDS, ENDS, BEST, PLACES, PRODUCTS, FORWARD };                             /* arrays on the way to the windows */
enum { GRADIENTS = PLACES + 1, WORDS_AT, COLUMNS, OF_WORDS, OF_COLUMNS, BACKWARD }; /* and on the way back */

static const unsigned char KINDS[BACKWARD] = {LONG, LONG, WRITTEN, WRITTEN, 0, 0, 0, WRITTEN, WRITTEN};

static int has_floats(const Arrays *given, int which, uint64_t count) {
    return has_bytes(given, which, count, sizeof(float));
}

/* Sizes of filters; 0 where they are impossible. */
static int set_filters(Windows *w, unsigned filters, unsigned narrowest, unsigned widest) {
    if (!filters || filters > MOST_FILTERS || !narrowest || narrowest > widest || widest > MOST_KERNEL) return 0;
    size_t all = (size_t)filters * (widest - narrowest + 1);
    w->filters = filters;
    w->widest = widest;
    w->padded = (all + ABREAST - 1) / ABREAST * ABREAST;
    for (size_t first = 0; first < all; first += ABREAST) w->stride += ABREAST * (widest - first / filters);
    return all <= MOST_FILTERS;
}

static int has_right_texts(const Arrays *given, Windows *w, uint64_t rows) {
    int64_t count = given->buffers[IDS].len / 8, last = 0;
    w->ids = given->buffers[IDS].buf;
    w->ends = given->buffers[ENDS].buf;
    w->texts = (size_t)given->buffers[ENDS].len / 8;
    w->best = given->buffers[BEST].buf;
    w->places = given->buffers[PLACES].buf;
    for (size_t i = 0; i < w->texts; i++) {
        if (w->ends[i] <= last || w->ends[i] > count) {
            PyErr_SetString(PyExc_ValueError, "A text ends before it begins, or after the last id.");
            return 0;
        }
        last = w->ends[i];
    }
    for (int64_t i = 0; i < last; i++) {
        if (w->ids[i] < 0 || (uint64_t)w->ids[i] >= rows) {
            PyErr_SetString(PyExc_ValueError, "An id names a row that is not there.");
            return 0;
        }
    }
    return has_floats(given, BEST, w->texts * w->padded) && has_floats(given, PLACES, w->texts * w->padded);
}

PyObject *python_find_windows(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *tuple, *done = NULL;
    unsigned filters, narrowest, widest;
    int level;
    Arrays given = {.count = 0};
    Windows w = {0};
    const char *name;
    if (!PyArg_ParseTuple(arguments, "OIIIi", &tuple, &filters, &narrowest, &widest, &level)) return NULL;
    if (!set_filters(&w, filters, narrowest, widest)) {
        PyErr_SetString(PyExc_ValueError, "There are too many filters, or they see too many words.");
        return NULL;
    }
    if (!arrays_read(&given, tuple, KINDS, FORWARD)) {
        uint64_t rows = (uint64_t)given.buffers[PRODUCTS].len / 4 / w.stride;
        if (has_floats(&given, PRODUCTS, rows * w.stride) && has_right_texts(&given, &w, rows)) {
            const Engine *engine = best_engine(level, &name);
            w.products = given.buffers[PRODUCTS].buf;
            Py_BEGIN_ALLOW_THREADS
            engine->find_windows(&w);
            Py_END_ALLOW_THREADS
            done = Py_NewRef(Py_None);
        }
    }
    arrays_free(&given);
    return done;
}

PyObject *python_return_windows(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *tuple, *done = NULL;
    unsigned filters, narrowest, widest, width, first, last;
    int level;
    Arrays given = {.count = 0};
    Windows w = {0};
    const char *name;
    if (!PyArg_ParseTuple(arguments, "OIIIIIIi", &tuple, &filters, &narrowest, &widest, &width, &first, &last, &level))
        return NULL;
    if (!set_filters(&w, filters, narrowest, widest) || !width || width % LANES || width > 1u << 20 || first > last ||
        last > filters * (widest - narrowest + 1)) {
        PyErr_SetString(PyExc_ValueError, "The sizes are impossible.");
        return NULL;
    }
    if (!arrays_read(&given, tuple, KINDS, BACKWARD)) {
        uint64_t rows = (uint64_t)given.buffers[WORDS_AT].len / 4 / width;
        uint64_t columns = (uint64_t)filters * (widest - narrowest + 1) * widest * width;
        if (has_floats(&given, WORDS_AT, rows * width) && has_floats(&given, OF_WORDS, rows * width) &&
            has_floats(&given, COLUMNS, columns) && has_floats(&given, OF_COLUMNS, columns) &&
            has_right_texts(&given, &w, rows) && has_floats(&given, GRADIENTS, w.texts * w.padded)) {
            const Engine *engine = best_engine(level, &name);
            w.gradients = given.buffers[GRADIENTS].buf;
            w.width = width;
            w.words = given.buffers[WORDS_AT].buf;
            w.columns = given.buffers[COLUMNS].buf;
            w.of_words = given.buffers[OF_WORDS].buf;
            w.of_columns = given.buffers[OF_COLUMNS].buf;
            Py_BEGIN_ALLOW_THREADS
            engine->return_windows(&w, first, last);
            Py_END_ALLOW_THREADS
            done = Py_NewRef(Py_None);
        }
    }
    arrays_free(&given);
    return done;
}
