/* The texts of one call, a block at a time: from a sequence of str, or in place from Arrow arrays. */
#ifndef UNDERSTUDY_PYTHON_TEXTS_H
#define UNDERSTUDY_PYTHON_TEXTS_H

#include "python_api.h"

typedef struct {
    PyObject *tuple, *kept; /* a sequence, as a tuple of our own, so that nobody takes texts away; copies of some */
    PyObject *arrow;        /* or what `python_arrow.c` holds: its bytes may be anything */
    size_t total;           /* texts of all blocks */
    size_t first, count;    /* the first text of this block, and how many these are */
    Text *texts;
    unsigned char *is_left;
    int32_t *columns;
} Texts;

/* The UTF-8 that a str holds, or that it makes once and keeps; of lone surrogates a copy, into `kept`. */
int text_of(PyObject *str, Text *text, PyObject **kept);

/* No block yet; 0, or -1 with an error set. Free it in both cases. */
int texts_open(Texts *texts, PyObject *source);

/* Read the next block: 1, or 0 after the last one, or -1 with an error set. */
int texts_next(Texts *texts);

/* A text of this block as a str: a new reference, or NULL with an error set. */
PyObject *texts_item(const Texts *texts, size_t row);

/* Refuse a text of this block, which is not UTF-8: -1. */
int texts_refuse(const Texts *texts, size_t row);

void texts_free(Texts *texts);

/* ---------------------------------------------------------------------------------------------- python_student.c */

/* A student of a file, which is held in a buffer; NULL with an error set, where the buffer may be held, too. */
Student *student_from(PyObject *file, Py_buffer *view, int is_tagger);

/* A writable buffer of so many bytes for the answers to some texts; 0, or -1 with an error set. */
int buffer_for(PyObject *target, size_t bytes, size_t alignment, const char *what, Py_buffer *out);

/* ------------------------------------------------------------------------------------------------ python_arrow.c */

int is_arrow_texts(PyObject *object);
size_t arrow_texts_count(PyObject *object);

/* Some texts in place; 0, or -1 with an error set: one of them is null, or its place not within its array. */
int arrow_texts_read(PyObject *object, size_t first, size_t count, Text *texts);

#endif
