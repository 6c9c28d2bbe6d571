/* `understudy._fast`: what Python sees. Written against the stable ABI of Python 3.11. */
#include "python_api.h"

/* The engines that can serve here, by level, and the limits of a student, which Python compares with its own. */
static int describe(PyObject *module) {
    static const struct {
        const char *name;
        long value;
    } limits[] = {
        {"MOST_WIDTH", MOST_WIDTH}, {"MOST_LABELS", MOST_LABELS},   {"MOST_GRAM", MOST_GRAM},
        {"MOST_WORDS", MOST_WORDS}, {"MOST_BUCKETS", MOST_BUCKETS}, {"MOST_GRAMS", MOST_GRAMS},
        {"MOST_KERNEL", MOST_KERNEL}, {"MOST_FILTERS", MOST_FILTERS}, {"ABREAST", ABREAST},
        {"MOST_UNITS", MOST_UNITS}, {"MOST_LAYERS", MOST_LAYERS},
        {"MOST_SIZE", MOST_SIZE},
        {"MOST_SEEN", MOST_SEEN},   {"MOST_ROWS", MOST_ROWS},       {"MOST_ENTRY", MOST_ENTRY},
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (PyModule_AddIntConstant(module, limits[i].name, limits[i].value)) return -1;
    }
    const char *names[3];
    for (int level = 0; level < 3; level++) best_engine(level, &names[level]);
    PyObject *engines = Py_BuildValue("(sss)", names[0], names[1], names[2]);
    int failed = PyModule_AddObjectRef(module, "ENGINES", engines);
    Py_XDECREF(engines);
    return failed ? failed : PyModule_AddStringConstant(module, "ENGINE", names[2]);
}

static int add_type(PyObject *module, const char *name, PyType_Spec *spec) {
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (!type) return -1;
    int failed = PyModule_AddObjectRef(module, name, type);
    Py_DECREF(type);
    return failed;
}

static int fill_module(PyObject *module) {
    if (add_type(module, "Student", &student_spec) || add_type(module, "Tagger", &tagger_spec) ||
        add_type(module, "ArrowTexts", &arrow_texts_spec))
        return -1;
    return describe(module);
}

static PyMethodDef functions[] = {
    {"learn", python_learn, METH_VARARGS,
     "learn(arrays, (vocabulary, width, hidden, labels), is_mse, temperature, alpha, gram_weight, rate, level)\n"
     "-> float: one pass of training, and the sum of the losses. `training/native/trainer.py` says what the\n"
     "arrays are."},
    {"learn_bag", python_learn_bag, METH_VARARGS,
     "learn_bag(arrays, (rows, width, direct, hidden, labels), is_mse, is_each, temperature, alpha, dropout,\n"
     "row_rate, rate, seed, level) -> float: one pass over weighted bags. `training/native/bag_trainer.py` says\n"
     "what the arrays are."},
    {"find_windows", python_find_windows, METH_VARARGS,
     "find_windows(arrays, filters, narrowest, widest, level): the greatest window of each filter in each text.\n"
     "`students/layers/windows.py` says what the arrays are."},
    {"return_windows", python_return_windows, METH_VARARGS,
     "return_windows(arrays, filters, narrowest, widest, width, first, last, level): the gradients of the filters\n"
     "from `first` on and before `last`, and of the words that they meet."},
    {"find_products", python_find_products, METH_VARARGS,
     "find_products(arrays, size, ways, vector, level): the features of texts whose words are matrices.\n"
     "`students/layers/products.py` says what the arrays are."},
    {"follow_states", python_follow_states, METH_VARARGS,
     "follow_states(arrays, units, first, last, level): the states of an LSTM layer, of the texts from `first` on and\n"
     "before `last`, each once for each direction. `students/layers/recurrence.py` says what the arrays are."},
    {"return_states", python_return_states, METH_VARARGS,
     "return_states(arrays, units, first, last, level): the gradients of their gates."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)fill_module},
#if defined(Py_mod_gil) && !defined(Py_LIMITED_API)
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_fast",
    .m_doc = "From a string to the answer of a bag-of-words student, in one call.",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__fast(void) { return PyModuleDef_Init(&module); }
