/* What the file of a tagger must be, and where its weights lie. `checks.c` checks what all files have. */
#include "tagger.h"

static uint64_t padded_hidden(const Header *h) { return ((uint64_t)h->hidden + ABREAST - 1) / ABREAST * ABREAST; }

const char *tagger_check(const Header *h) {
    if (h->rule != WORDS) return "it names no rule of splitting that a tagger can follow";
    if (!h->hidden || h->hidden > MOST_WIDTH || h->width) return "its layers have an impossible width";
    if (h->longest % 2 == 0 || h->longest > MOST_SEEN) return "it sees an impossible number of words";
    if (h->buckets || h->gram_weight != 0.0f) return "it tags words and has n-grams";
    return NULL;
}

static uint64_t bytes_of_all_rows(const Header *h) {
    return h->vocabulary * h->longest * padded_hidden(h) * bytes_of_number(h->table);
}

uint64_t tagger_bytes(const Header *h) {
    uint64_t hidden = padded_hidden(h), steps = h->table == INT8 ? hidden : 0;
    return bytes_of_all_rows(h) + 4 * (steps + hidden + h->labels * hidden + PADDED((uint64_t)h->labels));
}

void tagger_find(Student *s, const unsigned char *weights) {
    const Header *h = &s->head;
    size_t hidden = padded_hidden(h);
    s->convolution = (Convolution){hidden, h->longest * hidden};
    s->embedding.rows = weights;
    s->embedding.steps = (const float *)(const void *)(weights + bytes_of_all_rows(h));
    s->b1 = s->embedding.steps + (h->table == INT8 ? hidden : 0);
    s->w2 = s->b1 + hidden;
    s->b2 = s->w2 + h->labels * hidden;
}
