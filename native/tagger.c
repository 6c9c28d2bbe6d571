/* What all kinds of processors share when they tag: room, windows of long sentences, threads. */
#include "tagger.h"

#include <string.h>

enum { SENTENCES_TAKEN = 32 }; /* that a thread takes at once */

static void *room_grow(Room *room, size_t bytes, int is_kept) {
    if (bytes <= room->bytes && room->at) return room->at;
    if (bytes > SIZE_MAX / 4) return NULL;
    size_t wanted = bytes + bytes / 2;
    char *heap = malloc(wanted + 63);
    if (!heap) return NULL;
    char *larger = heap + (64 - (uintptr_t)heap % 64) % 64;
    if (is_kept && room->bytes) memcpy(larger, room->at, room->bytes);
    free(room->heap);
    *room = (Room){larger, heap, wanted};
    return larger;
}

void *room_for(Room *room, size_t bytes) { return room_grow(room, bytes, 0); }

void *room_keep(Room *room, size_t bytes) { return room_grow(room, bytes, 1); }

/* The first word whose first part (with `is_end`: its last one) lies at `place` or behind it. */
static size_t word_at(const size_t *begins, size_t words, size_t place, int is_end) {
    size_t low = 0, high = words;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (begins[middle + (size_t)is_end] < place) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Where a unit ends that begins with a word. */
static size_t end_of(const size_t *begins, size_t words, size_t limit, size_t begin) {
    return limit ? word_at(begins, words, begins[begin] + limit + 1, 1) : words;
}

/* Where the unit behind `begin … end` begins: a quarter of the limit before the end, but at a later word. */
static size_t begin_behind(const size_t *begins, size_t words, size_t limit, size_t begin, size_t end) {
    size_t overlap = limit / 4, back = begins[end] < overlap ? 0 : begins[end] - overlap;
    size_t next = word_at(begins, words, back, 0);
    if (next > end) next = end;
    return next > begin + 1 ? next : begin + 1;
}

/* A word that two units read is answered by the one in which it is farther from the edge. */
Unit unit_next(const size_t *begins, size_t words, size_t limit, Unit last) {
    Unit unit = {0, 0, last.last, words};
    if (last.end) unit.begin = begin_behind(begins, words, limit, last.begin, last.end);
    unit.end = end_of(begins, words, limit, unit.begin);
    if (unit.end < words) unit.last = (begin_behind(begins, words, limit, unit.begin, unit.end) + unit.end) / 2;
    return unit;
}

TagScratch *scratch_new(void) {
    TagScratch *scratch = calloc(1, sizeof *scratch);
    if (scratch) scratch->text = scratch_on(&scratch->stack);
    return scratch;
}

void scratch_delete(TagScratch *scratch) {
    if (!scratch) return;
    Room *rooms[] = {&scratch->places, &scratch->begins, &scratch->sums, &scratch->hidden,
                     &scratch->logits, &scratch->stretches, &scratch->chain};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) free(rooms[i]->heap);
    scratch_free(&scratch->text);
    free(scratch);
}

static void *work(void *argument) {
    Tagging *tagging = argument;
    TagScratch *scratch = scratch_new();
    int failed = !scratch;
    while (!failed) {
        size_t first = __atomic_fetch_add(&tagging->next, SENTENCES_TAKEN, __ATOMIC_RELAXED);
        if (first >= tagging->count) break;
        size_t left = tagging->count - first, last = left < SENTENCES_TAKEN ? tagging->count : first + SENTENCES_TAKEN;
        failed = tagging->engine->tag(tagging, first, last, scratch);
    }
    if (failed) __atomic_store_n(&tagging->is_out_of_memory, 1, __ATOMIC_RELAXED);
    scratch_delete(scratch);
    return NULL;
}

int tagging_run(Tagging *tagging, int threads) {
    run_by_threads(work, tagging, tagging->count / SENTENCES_TAKEN, threads);
    return tagging->is_out_of_memory ? -1 : 0;
}
