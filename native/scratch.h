/* Memory that one thread needs to answer one text: on the stack for usual lengths, on the heap for others. */
#ifndef UNDERSTUDY_SCRATCH_H
#define UNDERSTUDY_SCRATCH_H

#include <stdint.h>
#include <stdlib.h>

#include "unicode_tables.h"

enum { USUAL = 1024 };     /* bytes of a text that needs no allocation */
enum { SLACK = 64 + 16 };  /* bytes or numbers after the last one that counts that may be written or read */

typedef struct {
    char *low;               /* the lower-cased text */
    uint32_t *starts, *ends; /* of each word in `low` */
    int32_t *ids;
    size_t bytes;            /* of a text that this is large enough for */
    void *heap;
} Scratch;

typedef struct {
    char low[GROWTH * USUAL + SLACK];
    uint32_t starts[USUAL + SLACK], ends[USUAL + SLACK];
    int32_t ids[GROWTH * USUAL + SLACK];
} StackScratch;

static inline Scratch scratch_on(StackScratch *stack) {
    Scratch scratch = {stack->low, stack->starts, stack->ends, stack->ids, USUAL, NULL};
    return scratch;
}

/* Make room for a text of so many bytes; 0, or -1 where memory ran out. */
static inline int scratch_fit(Scratch *scratch, size_t bytes) {
    if (bytes <= scratch->bytes) return 0;
    if (bytes > SIZE_MAX / 64) return -1;
    size_t room = bytes + bytes / 2, words = room + SLACK, ids = GROWTH * room + SLACK;
    char *heap = malloc(words * 8 + ids * 5);
    if (!heap) return -1;
    free(scratch->heap);
    scratch->heap = heap;
    scratch->starts = (uint32_t *)heap;
    scratch->ends = scratch->starts + words;
    scratch->ids = (int32_t *)(scratch->ends + words);
    scratch->low = (char *)(scratch->ids + ids);
    scratch->bytes = room;
    return 0;
}

static inline void scratch_free(Scratch *scratch) { free(scratch->heap); }

#endif
