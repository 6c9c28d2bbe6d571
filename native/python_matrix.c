/* `find_products`: features of texts whose words are matrices, after checking what could lead outside an array.
   `students/layers/products.py` says what it computes. */
#include "matrix.h"
#include "python_arrays.h"

enum { TABLE, IDS, ENDS, FEATURES, COUNT };

static const unsigned char KINDS[COUNT] = {0, 0, LONG, WRITTEN};

/* Whether every text has a word, and every word a row. */
static int has_right_texts(const Products *p, int64_t count) {
    int64_t last = 0;
    for (size_t i = 0; i < p->texts; i++) {
        if (p->ends[i] <= last || p->ends[i] > count) {
            PyErr_SetString(PyExc_ValueError, "A text ends before it begins, or after the last id.");
            return 0;
        }
        last = p->ends[i];
    }
    for (int64_t i = 0; i < last; i++) {
        if (p->ids[i] < 0 || (size_t)p->ids[i] >= p->matrices->words) {
            PyErr_SetString(PyExc_ValueError, "An id names a row that is not there.");
            return 0;
        }
    }
    return 1;
}

PyObject *python_find_products(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *tuple, *done = NULL;
    unsigned size, ways, vector;
    int level;
    Arrays given = {.count = 0};
    const char *name;
    if (!PyArg_ParseTuple(arguments, "OIIIi", &tuple, &size, &ways, &vector, &level)) return NULL;
    if (!size || size > MOST_SIZE || !ways || ways > MOST_WAYS || vector > MOST_WIDTH) {
        PyErr_SetString(PyExc_ValueError, "The sizes are impossible.");
        return NULL;
    }
    if (!arrays_read(&given, tuple, KINDS, COUNT)) {
        const Py_buffer *arrays = given.buffers;
        size_t row = (size_t)ways * size * size + vector, words = (size_t)arrays[TABLE].len / 4 / row;
        Matrices matrices = {FLOAT32, size, ways, vector, arrays[TABLE].buf, NULL, words, row, 0};
        Products products = {&matrices, arrays[IDS].buf, arrays[ENDS].buf, (size_t)arrays[ENDS].len / 8,
                             arrays[FEATURES].buf};
        if (has_bytes(&given, TABLE, words * row, 4) && has_bytes(&given, FEATURES, products.texts * row, 4) &&
            has_right_texts(&products, arrays[IDS].len / 4)) {
            const Engine *engine = best_engine(level, &name);
            Py_BEGIN_ALLOW_THREADS
            engine->find_products(&products);
            Py_END_ALLOW_THREADS
            done = Py_NewRef(Py_None);
        }
    }
    arrays_free(&given);
    return done;
}
