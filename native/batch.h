/* Many texts at once, on one thread or several. Needs no Python, so the interpreter's lock can be released. */
#ifndef UNDERSTUDY_BATCH_H
#define UNDERSTUDY_BATCH_H

#include "dispatch.h"

typedef struct {
    const char *text;
    size_t bytes;
} Text;

enum { LEFT = 1, NOT_UTF8 = 2 };

typedef struct {
    const Student *student;
    const Engine *engine;
    const Text *texts;
    size_t count;
    float *logits;         /* (count, labels), or NULL */
    int32_t *columns;      /* (count,): of the highest logit, or NULL */
    unsigned char *is_left; /* (count,): set for texts that must go through the reference path, or NOT_UTF8 */
    int is_unknown;        /* whether the texts may be anything: only then is it looked whether they are UTF-8 */
    size_t next;           /* first text that no thread has taken */
    int is_out_of_memory;
} Batch;

/* Let each of some threads do `work`, of which `useful` at most have something to do; this one is among them. */
void run_by_threads(void *(*work)(void *), void *argument, size_t useful, int threads);

/* Answer all texts; 0, or -1 where memory ran out. */
int batch_run(Batch *batch, int threads);

/* The column of the highest logit; the first of equals, and a NaN before all, as numpy's argmax. */
static inline int32_t highest(const float *logits, uint32_t labels) {
    int32_t best = 0;
    for (uint32_t i = 1; i < labels; i++) {
        int is_nan = logits[i] != logits[i], best_is_nan = logits[best] != logits[best];
        if (logits[i] > logits[best] || (is_nan && !best_is_nan)) best = (int32_t)i;
    }
    return best;
}

#endif
