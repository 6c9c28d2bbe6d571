/* From a text to the lower-cased words in it, whatever its code points. docs/splitting.md states the rules. */
#ifndef UNDERSTUDY_SPLIT_H
#define UNDERSTUDY_SPLIT_H

#include "scratch.h"
#include "student.h"

enum { NOT_MINE = -1 }; /* a text that must go through the reference path */

/* Split UTF-8 (a lone surrogate in three bytes, as Python's `surrogatepass` writes it) by a rule.

   Returns the number of words, whose places are in the scratch; or NOT_MINE. */
long split_any(uint32_t rule, const char *text, size_t bytes, Scratch *scratch);

#endif
