/* `follow_states` and `return_states`: an LSTM layer in training, after checking what could lead outside an array.
   `students/layers/recurrence.py` says what they compute. */
#include "python_arrays.h"

enum { ENDS, GATES_AT, CELLS, STATES, RECURRENT, FORWARD }; /* arrays on the way through the texts */
enum { OF_STATES = FORWARD, OF_GATES, BEFORE, CARRIED, OF_CELLS, BACKWARD }; /* and on the way back */

static const unsigned char THERE[FORWARD] = {LONG, WRITTEN, WRITTEN, WRITTEN, 0};
static const unsigned char BACK[BACKWARD] = {LONG, 0, 0, 0, 0, 0, WRITTEN, WRITTEN, WRITTEN, WRITTEN};

enum { MOST_STEP_WORDS = 1 << 30 }; /* words of a batch: no product of sizes overflows 64 bits */

static int has_floats(const Arrays *given, int which, uint64_t count) {
    return has_bytes(given, which, count, sizeof(float));
}

/* Where steps end: each has a word, and no more than the one before. */
static int set_steps(const Arrays *given, Recurrence *r) {
    r->ends = given->buffers[ENDS].buf;
    r->steps = (size_t)given->buffers[ENDS].len / 8;
    int64_t last = 0, most = MOST_STEP_WORDS;
    for (size_t i = 0; i < r->steps; i++) {
        if (r->ends[i] <= last || r->ends[i] > MOST_STEP_WORDS || r->ends[i] - last > most) {
            PyErr_SetString(PyExc_ValueError, "A step has no words, or more than the step before it.");
            return 0;
        }
        most = r->ends[i] - last;
        last = r->ends[i];
    }
    r->texts = r->steps ? (size_t)r->ends[0] : 0;
    r->words = (size_t)last;
    return 1;
}

/* What both ways share; 0 with an exception where an array has another size. */
static int set_layer(const Arrays *given, Recurrence *r, uint64_t weights) {
    r->gates = given->buffers[GATES_AT].buf;
    r->cells = given->buffers[CELLS].buf;
    r->states = given->buffers[STATES].buf;
    r->recurrent = given->buffers[RECURRENT].buf;
    uint64_t all = 2 * (uint64_t)r->words * r->units;
    return has_floats(given, GATES_AT, GATES * all) && has_floats(given, CELLS, all) &&
           has_floats(given, STATES, all) && has_floats(given, RECURRENT, weights);
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
    uint64_t weights = 2 * GATES * (uint64_t)units * (is_back ? r.blocks * GATED : units);
    if (!arrays_read(&given, tuple, is_back ? BACK : THERE, is_back ? BACKWARD : FORWARD) && set_steps(&given, &r) &&
        set_layer(&given, &r, weights) && (!is_back || set_gradients(&given, &r))) {
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
