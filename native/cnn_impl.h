/* A folded convolution over words: from ids to logits. Included by engine_impl.h, and so compiled for each kind of
   processor. `runtime/cnn_format.py` says what is folded, and how a row lies in the file.

   A word's row has what it adds to the windows that end at it, one word later, two later and so on. So one pass over
   a text keeps the windows that are still open in registers, and closes one at each word. */

enum { AS_MANY = WIDE * 2 }; /* 16-bit numbers in a register */

typedef int8_t Chars __attribute__((vector_size(AS_MANY), aligned(1), may_alias));
typedef int16_t Shorts __attribute__((vector_size(AS_MANY * sizeof(int16_t)), aligned(2), may_alias));

#if LEVEL == 2
ALWAYS Shorts greater_shorts(Shorts a, Shorts b) { return (Shorts)_mm512_max_epi16((__m512i)a, (__m512i)b); }
ALWAYS Lanes greater_lanes(Lanes a, Lanes b) { return (Lanes)_mm512_max_ps((__m512)a, (__m512)b); }
#elif LEVEL == 1
ALWAYS Shorts greater_shorts(Shorts a, Shorts b) { return (Shorts)_mm256_max_epi16((__m256i)a, (__m256i)b); }
ALWAYS Lanes greater_lanes(Lanes a, Lanes b) { return (Lanes)_mm256_max_ps((__m256)a, (__m256)b); }
#else
ALWAYS Shorts greater_shorts(Shorts a, Shorts b) {
    Shorts is = a > b;
    return (a & is) | (b & ~is);
}
ALWAYS Lanes greater_lanes(Lanes a, Lanes b) {
    LaneBits is = a > b;
    return (Lanes)(((LaneBits)a & is) | ((LaneBits)b & ~is));
}
#endif

/* The first few numbers of a register; the others become the least. */
static Shorts keep_shorts(Shorts value, long first) {
    for (long i = first; i < AS_MANY; i++) value[i] = INT16_MIN;
    return value;
}

static Lanes keep_lanes(Lanes value, long first) {
    for (long i = first; i < WIDE; i++) value[i] = -FLT_MAX;
    return value;
}

ALWAYS Shorts shorts_at(Table table, size_t place) {
    const int8_t *from = (const int8_t *)table.rows + place;
#if LEVEL == 2
    return (Shorts)_mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)from));
#elif LEVEL == 1
    return (Shorts)_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)from));
#else
    return __builtin_convertvector(*(const Chars *)from, Shorts);
#endif
}

ALWAYS Lanes floats_at(Table table, size_t place) { return *(const Lanes *)((const float *)table.rows + place); }

ALWAYS Lanes halves_at(Table table, size_t place) { return of_halves((const uint16_t *)table.rows + place); }

/* The greatest answer of each of some filters, as many as a register holds, over the windows that hold a word.
   `at` is where their numbers begin in a row, `depth` the words that the first one sees, a constant. Of the windows
   that end o words behind the text, those of the first `within[o]` filters hold one.

   Open windows are variables by name, since compilers keep an array in memory: w1 ends one word later, and so on. */
#define OPEN(o, next)                                                                                                  \
    if (depth > o) w##o = next + PART(table, row + o * ABREAST);

#define CLOSE(o)                                                                                                       \
    if (depth > o && within[o - 1] > 0) best = GREATER(best, within[o - 1] < COUNT ? KEEP(w##o, within[o - 1]) : w##o);

#define GREATEST(NAME, VECTOR)                                                                                         \
    ALWAYS VECTOR NAME(const Student *s, const int32_t *ids, long count, size_t at, int depth, const long *within) {   \
        Table table = s->embedding;                                                                                    \
        size_t stride = s->convolution.stride;                                                                         \
        const VECTOR none = {0};                                                                                       \
        VECTOR w1 = none, w2 = none, w3 = none, w4 = none, w5 = none, w6 = none, w7 = none, best = none + LEAST;       \
        for (long i = 0; i < count; i++) {                                                                             \
            size_t row = (size_t)ids[i] * stride + at;                                                                 \
            best = GREATER(best, w1 + PART(table, row));                                                               \
            OPEN(1, w2) OPEN(2, w3) OPEN(3, w4) OPEN(4, w5) OPEN(5, w6) OPEN(6, w7) OPEN(7, none)                      \
        }                                                                                                              \
        CLOSE(1) CLOSE(2) CLOSE(3) CLOSE(4) CLOSE(5) CLOSE(6) CLOSE(7)                                                 \
        return best;                                                                                                   \
    }

#define PART shorts_at
#define GREATER greater_shorts
#define KEEP keep_shorts
#define LEAST INT16_MIN
#define COUNT AS_MANY
GREATEST(greatest_shorts, Shorts)
#undef PART
#undef GREATER
#undef KEEP
#undef LEAST
#undef COUNT

#define PART floats_at
#define GREATER greater_lanes
#define KEEP keep_lanes
#define LEAST -FLT_MAX
#define COUNT WIDE
GREATEST(greatest_floats, Lanes)
#undef PART

#define PART halves_at
GREATEST(greatest_halves, Lanes)

/* Write the greatest answers of a block's filters, of int8 as counts of steps, else as floats; `depth` and `form` are
   constants. */
ALWAYS void block_of(const Student *s, uint32_t form, const int32_t *ids, long count, size_t at, int depth,
                     size_t filter, void *answers) {
    for (size_t k = 0; k < ABREAST; k += form == INT8 ? AS_MANY : WIDE) {
        long within[MOST_KERNEL];
        for (int o = 0; o < depth - 1; o++)
            within[o] = ((long)s->head.longest - 1 - o) * (long)s->head.width - (long)(filter + k);
        if (form == INT8) {
            *(Shorts *)((int16_t *)answers + filter + k) = greatest_shorts(s, ids, count, at + k, depth, within);
        } else if (form == FLOAT16) {
            *(Lanes *)((float *)answers + filter + k) = greatest_halves(s, ids, count, at + k, depth, within);
        } else {
            *(Lanes *)((float *)answers + filter + k) = greatest_floats(s, ids, count, at + k, depth, within);
        }
    }
}

#define DEPTH(n)                                                                                                       \
    case n: block_of(s, form, ids, count, at, n, filter, answers); break;

/* The greatest answers of all filters. */
ALWAYS void answers_of(const Student *s, uint32_t form, const int32_t *ids, long count, void *answers) {
    size_t at = 0;
    for (size_t filter = 0; filter < s->convolution.filters; filter += ABREAST) {
        uint32_t depth = s->head.longest - (uint32_t)(filter / s->head.width);
        switch (depth) {
            DEPTH(1) DEPTH(2) DEPTH(3) DEPTH(4) DEPTH(5) DEPTH(6) DEPTH(7) DEPTH(8)
        }
        at += (size_t)depth * ABREAST;
    }
}

static void answers_of_bytes(const Student *s, const int32_t *ids, long count, float *answers) {
    int16_t steps[MOST_FILTERS + ABREAST];
    answers_of(s, INT8, ids, count, steps);
    for (size_t i = 0; i < s->convolution.filters; i++) answers[i] = (float)steps[i] * s->embedding.steps[i];
}

static void answers_of_halves(const Student *s, const int32_t *ids, long count, float *answers) {
    answers_of(s, FLOAT16, ids, count, answers);
}

static void answers_of_floats(const Student *s, const int32_t *ids, long count, float *answers) {
    answers_of(s, FLOAT32, ids, count, answers);
}

/* A row of the head times the features; both are a multiple of ABREAST, so of two registers of any kind. */
ALWAYS float weigh(const float *features, const float *row, size_t filters) {
    Lanes a = {0}, b = {0};
    for (size_t i = 0; i < filters; i += 2 * WIDE) {
        a += *(const Lanes *)(features + i) * *(const Lanes *)(row + i);
        b += *(const Lanes *)(features + i + WIDE) * *(const Lanes *)(row + i + WIDE);
    }
    return sum_of(a + b);
}

/* Logits of at least one id; up to PADDED(labels) floats are written. */
static void cnn_logits_of(const Student *s, const int32_t *ids, long count, float *logits) {
    const Header *h = &s->head;
    size_t filters = s->convolution.filters;
    float features[MOST_FILTERS + ABREAST];
    if (h->table == INT8) {
        answers_of_bytes(s, ids, count, features);
    } else if (h->table == FLOAT16) {
        answers_of_halves(s, ids, count, features);
    } else {
        answers_of_floats(s, ids, count, features);
    }
    for (size_t i = 0; i < filters; i += WIDE)
        *(Lanes *)(features + i) = greater_lanes(*(Lanes *)(features + i) + *(const Lanes *)(s->b1 + i), (Lanes){0});
    for (uint32_t label = 0; label < h->labels; label++)
        logits[label] = weigh(features, s->w2 + label * filters, filters) + s->b2[label];
}
