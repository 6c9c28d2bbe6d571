/* What follows the word table in a `model.fast` of LSTMs; `runtime/lstm_format.py` says what lies there. */
#include "student.h"

#include <stdlib.h>

static uint64_t units_of(const Header *h) { return PADDED((uint64_t)h->hidden); }

static uint64_t columns_of(const Header *h) { return GATES * units_of(h); }

/* Bytes of the weights between so many states and all columns, and of the columns' steps: multiples of 64. */
static uint64_t bytes_of_product(const Header *h, uint64_t states) {
    return h->table == INT8 ? columns_of(h) * (states + 4) : 4 * columns_of(h) * states;
}

static uint64_t bytes_of_direction(const Header *h, uint32_t layer) {
    uint64_t recurrent = bytes_of_product(h, units_of(h));
    return layer ? bytes_of_product(h, 2 * units_of(h)) + 4 * columns_of(h) + recurrent : recurrent;
}

uint64_t lstm_bytes(const Header *h) {
    uint64_t head = 4 * (2 * units_of(h) * h->labels + PADDED((uint64_t)h->labels));
    return 2 * (bytes_of_direction(h, 0) + (h->longest - 1) * bytes_of_direction(h, 1)) + head;
}

const char *lstm_check(const Header *h) {
    if (h->width) return "its word table is not multiplied by its weights";
    if (!h->hidden || h->hidden > MOST_UNITS) return "its layers have an impossible width";
    if (!h->longest || h->longest > MOST_LAYERS) return "its number of layers is impossible";
    if (h->buckets || h->gram_weight != 0.0f) return "it has layers that read words in order, and n-grams";
    return NULL;
}

/* 128 times the sum of each column's bytes; -1 where one is -128, whose opposite is no byte. */
static int sum_columns(const int8_t *weights, uint64_t states, uint64_t columns, int32_t *sums) {
    for (uint64_t first = 0; first < columns; first += GATED, weights += states * GATED, sums += GATED) {
        for (int i = 0; i < GATED; i++) sums[i] = 0;
        for (uint64_t at = 0; at < states * GATED; at++) {
            if (weights[at] == INT8_MIN) return -1;
            sums[at / 4 % GATED] += 128 * weights[at]; /* the weights of 4 states lie together */
        }
    }
    return 0;
}

/* Where a product lies, and where it ends: NULL where its bytes are refused. `offsets` is room for its sums. */
static const unsigned char *find_product(Product *product, const Header *h, uint64_t states, int32_t *offsets,
                                         const unsigned char *at) {
    product->weights = at;
    if (h->table != INT8) return at + bytes_of_product(h, states);
    product->steps = (const float *)(const void *)(at + states * columns_of(h));
    product->offsets = offsets;
    if (sum_columns(product->weights, states, columns_of(h), offsets)) return NULL;
    return at + bytes_of_product(h, states);
}

/* The same of a direction, with room for the sums of two products. */
static const unsigned char *find_direction(Direction *direction, const Header *h, uint32_t layer, int32_t *offsets,
                                           const unsigned char *at) {
    if (layer) {
        at = find_product(&direction->entering, h, 2 * units_of(h), offsets, at);
        if (!at) return NULL;
        direction->biases = (const float *)(const void *)at;
        at += 4 * columns_of(h);
    }
    return find_product(&direction->recurrent, h, units_of(h), offsets + columns_of(h), at);
}

const char *lstm_read(Student *s, const unsigned char *at) {
    const Header *h = &s->head;
    int32_t *offsets = malloc(4 * columns_of(h) * 4 * h->longest);
    s->recurrent.offsets = offsets;
    if (!offsets) return NULL;
    for (uint32_t layer = 0; layer < h->longest; layer++) {
        for (int way = 0; way < 2; way++, offsets += 2 * columns_of(h)) {
            at = find_direction(&s->recurrent.layers[layer][way], h, layer, offsets, at);
            if (!at) return "a weight of its layers is out of range";
        }
    }
    s->w2 = (const float *)(const void *)at;
    s->b2 = s->w2 + h->labels * 2 * units_of(h);
    return "";
}
