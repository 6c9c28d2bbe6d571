/* What the files that know Python share. */
#ifndef UNDERSTUDY_PYTHON_API_H
#define UNDERSTUDY_PYTHON_API_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "batch.h"

extern PyType_Spec student_spec, tagger_spec, arrow_texts_spec;
PyObject *python_learn(PyObject *module, PyObject *arguments);
PyObject *python_learn_bag(PyObject *module, PyObject *arguments);
PyObject *python_find_windows(PyObject *module, PyObject *arguments);
PyObject *python_return_windows(PyObject *module, PyObject *arguments);
PyObject *python_find_products(PyObject *module, PyObject *arguments);
PyObject *python_follow_states(PyObject *module, PyObject *arguments);
PyObject *python_return_states(PyObject *module, PyObject *arguments);

#endif
