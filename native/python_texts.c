/* Blocks bound the memory that a call needs beside its texts and its answers. */
#include "python_texts.h"

#include <string.h>

enum { TEXTS_AT_ONCE = 1 << 17 }; /* about 25 ms of work: beside it, to start threads costs nothing */

int text_of(PyObject *str, Text *text, PyObject **kept) {
    if (!PyUnicode_Check(str)) {
        PyErr_Format(PyExc_TypeError, "A text is a str, not %R.", (PyObject *)Py_TYPE(str));
        return -1;
    }
    Py_ssize_t bytes;
    *kept = NULL;
    text->text = PyUnicode_AsUTF8AndSize(str, &bytes);
    if (!text->text) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) return -1;
        PyErr_Clear();
        char *copy;
        *kept = PyUnicode_AsEncodedString(str, "utf-8", "surrogatepass");
        if (!*kept || PyBytes_AsStringAndSize(*kept, &copy, &bytes)) return -1;
        text->text = copy;
    }
    text->bytes = (size_t)bytes;
    return 0;
}

int texts_open(Texts *texts, PyObject *source) {
    memset(texts, 0, sizeof *texts);
    if (PyUnicode_Check(source)) {
        PyErr_SetString(PyExc_TypeError, "Give a list of texts, not one text.");
        return -1;
    }
    if (is_arrow_texts(source)) {
        Py_INCREF(source);
        texts->arrow = source;
        texts->total = arrow_texts_count(source);
    } else {
        texts->tuple = PySequence_Tuple(source);
        if (!texts->tuple) return -1;
        texts->total = (size_t)PyTuple_Size(texts->tuple);
    }
    size_t most = texts->total < TEXTS_AT_ONCE ? texts->total : TEXTS_AT_ONCE;
    texts->texts = malloc((most + 1) * sizeof *texts->texts);
    texts->is_left = malloc(most + 1);
    texts->columns = malloc((most + 1) * sizeof *texts->columns);
    if (texts->texts && texts->is_left && texts->columns) return 0;
    PyErr_NoMemory();
    return -1;
}

/* The block's texts from the tuple. */
static int tuple_read(Texts *texts) {
    Py_CLEAR(texts->kept);
    texts->kept = PyList_New(0);
    if (!texts->kept) return -1;
    for (size_t i = 0; i < texts->count; i++) {
        PyObject *kept;
        PyObject *item = PyTuple_GetItem(texts->tuple, (Py_ssize_t)(texts->first + i));
        if (text_of(item, &texts->texts[i], &kept)) return -1;
        if (!kept) continue;
        int failed = PyList_Append(texts->kept, kept);
        Py_DECREF(kept);
        if (failed) return -1;
    }
    return 0;
}

int texts_next(Texts *texts) {
    texts->first += texts->count;
    size_t left = texts->total - texts->first;
    texts->count = left < TEXTS_AT_ONCE ? left : TEXTS_AT_ONCE;
    if (!texts->count) return 0;
    memset(texts->is_left, 0, texts->count);
    int failed = texts->arrow ? arrow_texts_read(texts->arrow, texts->first, texts->count, texts->texts)
                              : tuple_read(texts);
    return failed ? -1 : 1;
}

PyObject *texts_item(const Texts *texts, size_t row) {
    if (texts->arrow) {
        const Text *text = &texts->texts[row];
        return PyUnicode_DecodeUTF8(text->text, (Py_ssize_t)text->bytes, "strict");
    }
    PyObject *item = PyTuple_GetItem(texts->tuple, (Py_ssize_t)(texts->first + row));
    Py_XINCREF(item);
    return item;
}

int texts_refuse(const Texts *texts, size_t row) {
    PyErr_Format(PyExc_TypeError, "Text %zu is not UTF-8.", texts->first + row + 1);
    return -1;
}

void texts_free(Texts *texts) {
    Py_XDECREF(texts->tuple);
    Py_XDECREF(texts->kept);
    Py_XDECREF(texts->arrow);
    free(texts->texts);
    free(texts->is_left);
    free(texts->columns);
}
