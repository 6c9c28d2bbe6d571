#include "python_arrays.h"

void arrays_free(Arrays *arrays) {
    for (int i = 0; i < arrays->count; i++) {
        if (arrays->buffers[i].obj) PyBuffer_Release(&arrays->buffers[i]);
    }
}

int arrays_read(Arrays *arrays, PyObject *tuple, const unsigned char *kinds, int wanted) {
    arrays->count = 0;
    if (!PyTuple_Check(tuple) || PyTuple_Size(tuple) != wanted) {
        PyErr_Format(PyExc_TypeError, "It takes a tuple of %d arrays.", wanted);
        return -1;
    }
    for (int i = 0; i < wanted; i++) {
        PyObject *one = PyTuple_GetItem(tuple, i);
        Py_buffer *buffer = &arrays->buffers[i];
        arrays->count = i + 1;
        *buffer = (Py_buffer){0};
        if ((kinds[i] & OPTIONAL) && one == Py_None) continue;
        if (PyObject_GetBuffer(one, buffer, kinds[i] & WRITTEN ? PyBUF_WRITABLE : PyBUF_SIMPLE)) {
            buffer->obj = NULL;
            return -1;
        }
        if ((uintptr_t)buffer->buf % (kinds[i] & LONG ? 8 : 4)) { /* as its numbers need */
            PyErr_Format(PyExc_ValueError, "Array %d is not aligned in memory.", i);
            return -1;
        }
    }
    return 0;
}

int has_bytes(const Arrays *arrays, int which, uint64_t count, size_t size) {
    const Py_buffer *buffer = &arrays->buffers[which];
    if (!buffer->obj || (uint64_t)buffer->len == count * size) return 1;
    PyErr_Format(PyExc_ValueError, "Array %d has %zd bytes, but %llu are needed.", which, buffer->len,
                 (unsigned long long)(count * size));
    return 0;
}
