/* `follow_states` and `return_states`: an LSTM layer in training, after checking what could lead outside an array.
   `students/layers/recurrence.py` says what they compute. */
#include "python_arrays.h"

enum { STARTS, LENGTHS, GATES_AT, CELLS, STATES, RECURRENT, LATEST, BIASES, FORWARD }; /* arrays through the texts */
enum { OF_STATES = BIASES, OF_GATES, BEFORE, CARRIED, OF_CELLS, BACKWARD };            /* and on the way back */

static const unsigned char THERE[FORWARD] = {LONG, LONG, WRITTEN, WRITTEN, WRITTEN, 0, WRITTEN, 0};
static const unsigned char BACK[BACKWARD] = {LONG, LONG,    0,       0,       0,       0,
                                             WRITTEN, 0, WRITTEN, WRITTEN, WRITTEN, WRITTEN};

enum { MOST_BATCH = 1 << 30 }; /* words of a batch: no product of sizes overflows 64 bits */

static int has_floats(const Arrays *given, int which, uint64_t count) {
    return has_bytes(given, which, count, sizeof(float));
}

/* Texts by falling length, each within the words. Two that share some spoil each other's numbers, but lead nowhere. */
static int set_texts(const Arrays *given, Recurrence *r, uint64_t words) {
    r->starts = given->buffers[STARTS].buf;
    r->lengths = given->buffers[LENGTHS].buf;
    r->texts = (size_t)given->buffers[STARTS].len / 8;
    r->words = (size_t)words;
    if (!has_bytes(given, LENGTHS, r->texts, 8)) return 0;
    int64_t most = MOST_BATCH;
    for (size_t i = 0; i < r->texts; i++) {
        if (r->lengths[i] < 1 || r->lengths[i] > most) {
            PyErr_SetString(PyExc_ValueError, "A text is empty, or longer than the one before it.");
            return 0;
        }
        most = r->lengths[i];
        if (r->starts[i] < 0 || r->starts[i] > (int64_t)words - most) {
            PyErr_SetString(PyExc_ValueError, "A text has words that are not there.");
            return 0;
        }
    }
    return 1;
}

/* What both ways share; 0 with an exception where an array has another size. */
static int set_layer(const Arrays *given, Recurrence *r, int is_back) {
    uint64_t units = r->units, words = (uint64_t)given->buffers[CELLS].len / (8 * units), all = 2 * words * units;
    r->gates = given->buffers[GATES_AT].buf;
    r->cells = given->buffers[CELLS].buf;
    r->states = given->buffers[STATES].buf;
    r->recurrent = given->buffers[RECURRENT].buf;
    r->latest = given->buffers[LATEST].buf;
    return words <= MOST_BATCH && set_texts(given, r, words) && has_floats(given, GATES_AT, GATES * all) &&
           has_floats(given, CELLS, all) && has_floats(given, STATES, all) &&
           has_floats(given, RECURRENT, 2 * GATES * units * (is_back ? r->blocks * GATED : units)) &&
           has_floats(given, LATEST, (is_back ? 2 * GATES : 4) * units * r->texts);
}

static int set_biases(const Arrays *given, Recurrence *r) {
    r->biases = given->buffers[BIASES].buf;
    return has_floats(given, BIASES, 2 * GATES * (uint64_t)r->units);
}

static int set_gradients(const Arrays *given, Recurrence *r) {
    r->of_states = given->buffers[OF_STATES].buf;
    r->of_gates = given->buffers[OF_GATES].buf;
    r->before = given->buffers[BEFORE].buf;
    r->carried = given->buffers[CARRIED].buf;
    r->of_cells = given->buffers[OF_CELLS].buf;
    uint64_t all = 2 * (uint64_t)r->words * r->units;
    return has_floats(given, OF_STATES, all) && has_floats(given, OF_GATES, GATES * all) &&
           has_floats(given, BEFORE, all) && has_floats(given, CARRIED, 2 * (uint64_t)r->texts * r->blocks * GATED) &&
           has_floats(given, OF_CELLS, 2 * (uint64_t)r->texts * r->units);
}

/* One of the two ways; the arguments of both are the same but for the arrays. */
static PyObject *go(PyObject *arguments, int is_back) {
    PyObject *tuple, *done = NULL;
    unsigned units, first, last;
    int level;
    Arrays given = {.count = 0};
    Recurrence r = {0};
    const char *name;
    if (!PyArg_ParseTuple(arguments, "OIIIi", &tuple, &units, &first, &last, &level)) return NULL;
    if (!units || units % LANES || units > MOST_UNITS) {
        PyErr_SetString(PyExc_ValueError, "The number of units is impossible.");
        return NULL;
    }
    r.units = units;
    r.blocks = (units + GATED - 1) / GATED;
    if (!arrays_read(&given, tuple, is_back ? BACK : THERE, is_back ? BACKWARD : FORWARD) &&
        set_layer(&given, &r, is_back) && (is_back ? set_gradients(&given, &r) : set_biases(&given, &r))) {
        if (first > last || last > 2 * r.texts) {
            PyErr_SetString(PyExc_ValueError, "There are fewer texts.");
        } else {
            const Engine *engine = best_engine(level, &name);
            Py_BEGIN_ALLOW_THREADS
            if (is_back) engine->return_states(&r, first, last);
            else engine->follow_states(&r, first, last);
            Py_END_ALLOW_THREADS
            done = Py_NewRef(Py_None);
        }
    }
    arrays_free(&given);
    return done;
}

PyObject *python_follow_states(PyObject *module, PyObject *arguments) {
    (void)module;
    return go(arguments, 0);
}

PyObject *python_return_states(PyObject *module, PyObject *arguments) {
    (void)module;
    return go(arguments, 1);
}
