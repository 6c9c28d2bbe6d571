/* The same functions for several kinds of processors; `best_engine` picks one when the module is loaded. */
#ifndef UNDERSTUDY_DISPATCH_H
#define UNDERSTUDY_DISPATCH_H

#include "split.h"
#include "lesson.h"

struct Tagging; /* tagger.h says what these are */
struct TagScratch;
struct Products; /* and matrix.h this */

typedef struct {
    /* Ids of a text (at least one) into the scratch, which fits it; NOT_MINE for the reference path. */
    long (*ids_of)(const Student *, const char *text, size_t bytes, Scratch *);
    /* Logits of at least one id; up to PADDED(labels) floats are written. 0, or -1 where memory ran out. */
    int (*logits_of)(const Student *, const int32_t *ids, long count, float *logits);
    /* One pass over a lesson that was checked; the sum of the losses. */
    double (*learn)(const Trainable *, const Lesson *);
    double (*learn_bag)(const Trainable *, const BagLesson *);
    /* The greatest windows of a batch that was checked; and the gradients of some filters, and of words there. */
    void (*find_windows)(const Windows *);
    void (*return_windows)(const Windows *, size_t first, size_t last);
    /* States of a layer over a batch that was checked, and gradients; of some texts, each once for each direction. */
    void (*follow_states)(const Recurrence *, size_t first, size_t last);
    void (*return_states)(const Recurrence *, size_t first, size_t last);
    /* Tag the sentences from `first` on and before `last`; 0, or -1 where memory ran out. */
    int (*tag)(const struct Tagging *, size_t first, size_t last, struct TagScratch *);
    /* The rows of a word into `scratch->places`: how many parts it has, NOT_MINE, or OUT_OF_MEMORY. */
    long (*places_of)(const Student *, const char *text, size_t bytes, struct TagScratch *);
    /* The features of texts whose words are matrices, of a batch that was checked; and those of one text. */
    void (*find_products)(const struct Products *);
    void (*read_text)(const Matrices *, const int32_t *ids, long count, float *features);
    /* Logits (texts, PADDED(labels)) of features that lie `step` numbers apart, by a hidden layer. */
    void (*logits_of_features)(const Student *, const float *features, size_t step, size_t texts, float *logits);
} Engine;

extern const Engine engine_any;
#if defined(__x86_64__)
extern const Engine engine_avx2, engine_avx512bw, engine_avx512vnni, engine_avx512;
#endif

/* The fastest that this processor has, up to a level (0, 1, 2); its name goes to `name`. */
const Engine *best_engine(int most, const char **name);

#endif
