/* What the file of a student of matrices must be, and where its weights lie: `runtime/matrix_format.py` says what they
   are. `checks.c` checks what all files have. */
#include "matrix.h"

/* The head's numbers: `width` is that of vectors, `hidden` that of the head's layer or 0, `buckets` the rows of a
   matrix, `longest` the number of directions. */
static uint64_t numbers_of(const Header *h) { return (uint64_t)h->longest * h->buckets * h->buckets + h->width; }

static uint64_t bytes_of_table(const Header *h) {
    return h->vocabulary * PADDED(numbers_of(h)) * bytes_of_number(h->table);
}

static uint64_t bytes_of_table_steps(const Header *h) {
    uint64_t parts = h->longest + (h->width > 0);
    return h->table == INT8 ? 4 * parts * PADDED((uint64_t)h->vocabulary) : 0;
}

const char *matrix_check(const Header *h) {
    if (!h->buckets || h->buckets > MOST_SIZE) return "its matrices have an impossible size";
    if (!h->longest || h->longest > MOST_WAYS) return "its number of directions is impossible";
    if (h->width > MOST_WIDTH || h->hidden > MOST_WIDTH) return "its layers have an impossible width";
    if (h->gram_weight != 0.0f) return "it multiplies words, and weighs n-grams";
    return NULL;
}

uint64_t matrix_bytes(const Header *h) {
    uint64_t features = numbers_of(h), hidden = PADDED((uint64_t)h->hidden), labels = PADDED((uint64_t)h->labels);
    uint64_t head = h->hidden ? (features + 3) * hidden + h->hidden * labels : h->labels * padded_features(features);
    return bytes_of_table(h) + bytes_of_table_steps(h) + 4 * (head + labels);
}

void matrix_find(Student *s, const unsigned char *weights) {
    const Header *h = &s->head;
    const float *steps = (const float *)(const void *)(weights + bytes_of_table(h));
    size_t features = numbers_of(h), hidden = PADDED((size_t)h->hidden);
    s->matrices = (Matrices){h->table, h->buckets, h->longest, h->width, weights, steps, h->vocabulary,
                             PADDED(features), 1}; /* the head lies behind the table, and has more than LANES numbers */
    const float *at = steps + bytes_of_table_steps(h) / 4;
    if (!h->hidden) {
        s->w2 = at;
        s->b2 = at + h->labels * padded_features(features);
        return;
    }
    s->w1 = at;
    s->b1 = at + features * hidden;
    s->norm = s->b1 + hidden;
    s->w2 = s->norm + 2 * hidden;
    s->b2 = s->w2 + h->hidden * PADDED((size_t)h->labels);
}
