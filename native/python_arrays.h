/* Arrays that Python hands over by position, as buffers whose sizes are checked before anything is read. */
#ifndef UNDERSTUDY_PYTHON_ARRAYS_H
#define UNDERSTUDY_PYTHON_ARRAYS_H

#include "python_api.h"

enum { MOST_ARRAYS = 24 };

/* What one array must be. A None has no buffer: its `buf` is NULL. */
enum { WRITTEN = 1, LONG = 2, OPTIONAL = 4 }; /* its numbers are changed; have 8 bytes, not 4; it may be None */

typedef struct {
    Py_buffer buffers[MOST_ARRAYS];
    int count;
} Arrays;

/* Take the arrays of a tuple; 0, or -1 with an exception. They are given back by `arrays_free` in either case. */
int arrays_read(Arrays *arrays, PyObject *tuple, const unsigned char *kinds, int wanted);
void arrays_free(Arrays *arrays);

/* Whether an array has so many bytes, or is None; else an exception is set. */
int has_bytes(const Arrays *arrays, int which, uint64_t count, size_t size);

#endif
