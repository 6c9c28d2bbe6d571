/* From a text to the lower-cased words in it, whatever its code points. docs/splitting.md states the rules. */
#ifndef UNDERSTUDY_SPLIT_H
#define UNDERSTUDY_SPLIT_H

#include "scratch.h"
#include "student.h"

enum { NOT_MINE = -1 }; /* a text that must go through the reference path */

/* Split UTF-8 (a lone surrogate in three bytes, as Python's `surrogatepass` writes it) by a rule.

   Returns the number of words, whose places are in the scratch; or NOT_MINE. */
long split_any(uint32_t rule, const char *text, size_t bytes, Scratch *scratch);

/* What a word as it stands in a sentence looks like, as `tokenization/spelling.py` has it. */
typedef struct {
    size_t low;         /* bytes of the word, lower-cased, at the beginning of the scratch's `low` */
    size_t shape_bytes; /* of its shape; `most` where there are as many or more */
    char *shape;        /* room for `most` bytes and three more */
    size_t most;
} Looks;

/* The same of one word of a sentence, all of which is lower-cased, spaces too. NOT_MINE: it has a zero byte. */
long split_word(const char *text, size_t bytes, Scratch *scratch, Looks *looks);

#endif
