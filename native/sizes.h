/* How large the parts of a `model.fast` are, by its head: for what checks a file, and what finds its weights there. */
#ifndef UNDERSTUDY_SIZES_H
#define UNDERSTUDY_SIZES_H

#include "matrix.h"
#include "tagger.h"

static inline int is_bag(const Header *h) { return h->student == BAG || h->student == DIRECT_BAG; }

/* Whether a bag's squares and steps lie behind their rows: a feature is then in two cache lines, not in five. */
static inline int is_together(const Header *h) { return h->version == 6; }

/* Filters of all widths, and what they are padded to. */
static inline uint64_t filters_of(const Header *h) { return h->width * ((uint64_t)h->longest - h->hidden + 1); }

static inline uint64_t padded_filters(const Header *h) { return (filters_of(h) + ABREAST - 1) / ABREAST * ABREAST; }

/* Numbers of a folded row: each block has ABREAST for every word that its first filter sees. */
static inline uint64_t folded_row(const Header *h) {
    uint64_t numbers = 0, filters = filters_of(h);
    for (uint64_t first = 0; first < filters; first += ABREAST) numbers += ABREAST * (h->longest - first / h->width);
    return numbers;
}

/* Numbers of a row, those of padding included. */
static inline uint64_t row_of(const Header *h) {
    if (h->student == CNN) return folded_row(h);
    if (h->student == LSTM) return 2 * GATES * PADDED((uint64_t)h->hidden);
    return PADDED((uint64_t)h->width) + (h->student == DIRECT_BAG ? PADDED((uint64_t)h->labels) : 0);
}

/* Parts of a bag's row that have a step of their own: its embedding, and what it adds to the logits. */
static inline uint64_t parts_of(const Header *h) { return (h->width > 0) + (h->student == DIRECT_BAG); }

/* Bytes from a row to the next one. */
static inline uint64_t bytes_of_row(const Header *h) {
    uint64_t numbers = row_of(h) * bytes_of_number(h->table), steps = h->table == INT8 ? parts_of(h) : 0;
    return is_together(h) ? (numbers + 4 * (1 + steps) + 15) / 16 * 16 : numbers;
}

/* Bytes of a table, and of the steps that follow it: a multiple of 16 and of 64. */
static inline uint64_t bytes_of_rows(const Header *h, uint64_t rows) { return rows * bytes_of_row(h); }

static inline uint64_t bytes_of_steps(const Header *h, uint64_t rows) { return h->table == INT8 ? 4 * PADDED(rows) : 0; }

/* Weights and biases of both layers; the sizes of a layer that is not there are 0. */
static inline uint64_t bytes_of_layers(const Header *h) {
    if (h->student == LSTM) return lstm_bytes(h);
    if (h->student == CNN) return 4 * (padded_filters(h) * (1 + (uint64_t)h->labels) + PADDED((uint64_t)h->labels));
    uint64_t hidden = PADDED((uint64_t)h->hidden), labels = PADDED((uint64_t)h->labels);
    return 4 * (h->width * hidden + hidden + h->hidden * labels + labels);
}

/* What follows the layers of a weighted bag: squares of weights, and n-grams of 8 bytes each. */
static inline uint64_t bytes_of_squares(const Header *h) {
    return is_together(h) ? 0 : 4 * PADDED((uint64_t)h->vocabulary + h->buckets);
}

static inline uint64_t bytes_of_grams(const Header *h) { return 4 * PADDED(2 * (uint64_t)h->buckets); }

static inline uint64_t bytes_of_weights(const Header *h) {
    if (h->student == TAGGER) return tagger_bytes(h);
    if (h->student == MATRIX) return matrix_bytes(h);
    uint64_t rows = (uint64_t)h->vocabulary + h->buckets, all = bytes_of_rows(h, rows) + bytes_of_layers(h);
    if (h->student == CNN) return all + bytes_of_steps(h, padded_filters(h));
    if (h->student == LSTM) return all + bytes_of_steps(h, rows);
    if (!is_bag(h)) return all + bytes_of_steps(h, h->vocabulary) + bytes_of_steps(h, h->buckets);
    uint64_t steps = is_together(h) ? 0 : bytes_of_steps(h, rows) * parts_of(h);
    return all + steps + bytes_of_squares(h) + bytes_of_grams(h);
}

#endif
