/* Stacked bidirectional LSTMs: from ids to logits. Included by engine_impl.h, and so compiled for each kind of
   processor. `runtime/lstm_format.py` says how weights lie in the file.

   The first layer's products with words are rows of the table. Those of a further layer are made for all words at once,
   so that weights are read once for several. Then states follow each other, word after word, the forward direction and
   the backward one by turns: while one waits for its last gates, the other multiplies. Weights of a step lie in the
   order in which they are read; those of usual sizes are in the second-level cache, in bytes in the first. */

#if LEVEL == 2
ALWAYS Lanes lesser_lanes(Lanes a, Lanes b) { return (Lanes)_mm512_min_ps((__m512)a, (__m512)b); }
ALWAYS Lanes same(float x) { return (Lanes)_mm512_set1_ps(x); }
#elif LEVEL == 1
ALWAYS Lanes lesser_lanes(Lanes a, Lanes b) { return (Lanes)_mm256_min_ps((__m256)a, (__m256)b); }
ALWAYS Lanes same(float x) { return (Lanes)_mm256_set1_ps(x); }
#else
ALWAYS Lanes lesser_lanes(Lanes a, Lanes b) {
    LaneBits is = a < b;
    return (Lanes)(((LaneBits)a & is) | ((LaneBits)b & ~is));
}
ALWAYS Lanes same(float x) { return (Lanes){x, x, x, x}; }
#endif

EXPONENTIAL(exponential_lanes, Lanes, LaneWords, same)

/* The same numbers of 32 bits, of whatever kind. */
typedef int32_t Words __attribute__((vector_size(WIDE * sizeof(int32_t)), aligned(4), may_alias));

/* ------------------------------------------------------------------------------------------------------ units */

/* exp(-x), as if x lay between -28 and 28. There a sigmoid is 0 or 1 but for 7e-13, and products of three such powers
   are finite. What is not a number counts as -28. */
ALWAYS Lanes power_against(Lanes x) {
    return exponential_lanes(lesser_lanes(greater_lanes((Lanes){0} - x, same(-28.0f)), same(28.0f)));
}

/* The next state of some units; their cells are replaced.

   With a = exp(-i), b = exp(-f), d = exp(-2g), e = exp(-o): sigmoid(i) · tanh(g) = (1 - d) / ((1 + a)(1 + d)), and one
   division by a common denominator makes the cell, another one the state. A state is right to 1e-6. */
ALWAYS Lanes next_state(const float *gates, float *cells) {
    const Lanes one = same(1.0f);
    Lanes a = one + power_against(*(const Lanes *)gates), b = one + power_against(*(const Lanes *)(gates + LANES));
    Lanes g = *(const Lanes *)(gates + 2 * LANES), d = power_against(g + g);
    Lanes e = one + power_against(*(const Lanes *)(gates + 3 * LANES));
    Lanes entered = a * (one + d), cell = *(Lanes *)cells;
    cell = (cell * entered + (one - d) * b) / (entered * b);
    *(Lanes *)cells = cell;
    Lanes c = power_against(cell + cell);
    return (one - c) / (e * (one + c));
}

/* --------------------------------------------------------------------------------------------------- products */

enum { COLUMNS = 4 * WIDE };                  /* whose sums are made at once */
enum { TOGETHER = LEVEL == 2 ? 6 : 3 };       /* places of a text, as many as registers hold sums of */
#if LEVEL == 2 && HAS_VNNI
enum { NOTHING = 128 }; /* the byte of a state of 0: the first factors of VNNI have no sign */
#else
enum { NOTHING = 0 };
#endif

/* The 32 bits at a place, in all lanes. */
ALWAYS Words every(const char *at) {
    int32_t word;
    memcpy(&word, at, sizeof word);
#if LEVEL == 2
    return (Words)_mm512_set1_epi32(word);
#elif LEVEL == 1
    return (Words)_mm256_set1_epi32(word);
#else
    return (Words){word, word, word, word};
#endif
}

#if !defined(__x86_64__)
typedef int8_t Bytes16 __attribute__((vector_size(16)));
typedef int16_t Shorts16 __attribute__((vector_size(32)));
typedef int32_t Pairs __attribute__((vector_size(32)));
typedef uint32_t UnsignedPairs __attribute__((vector_size(32)));
#endif

/* sum + the products of four bytes of states, the same in all lanes, and four weights of each column. Neither is -128;
   so two products of bytes have room in 16 bits, and all engines make the same sums. */
ALWAYS Words add_bytes_products(Words states, Words weights, Words sum) {
#if LEVEL == 2 && HAS_VNNI
    return (Words)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)states, (__m512i)weights);
#elif LEVEL == 2
    __m512i turned = _mm512_mask_sub_epi8((__m512i)weights, _mm512_movepi8_mask((__m512i)states),
                                          _mm512_setzero_si512(), (__m512i)weights);
    __m512i pairs = _mm512_maddubs_epi16(_mm512_abs_epi8((__m512i)states), turned);
    return sum + (Words)_mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
#elif LEVEL == 1
    __m256i turned = _mm256_sign_epi8((__m256i)weights, (__m256i)states);
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8((__m256i)states), turned);
    return sum + (Words)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
#elif defined(__x86_64__)
    const __m128i none = _mm_setzero_si128();
    __m128i a = _mm_unpacklo_epi8((__m128i)states, _mm_cmpgt_epi8(none, (__m128i)states)); /* twice the same four */
    __m128i b = (__m128i)weights, sign = _mm_cmpgt_epi8(none, b);
    __m128 first = (__m128)_mm_madd_epi16(a, _mm_unpacklo_epi8(b, sign));
    __m128 second = (__m128)_mm_madd_epi16(a, _mm_unpackhi_epi8(b, sign));
    return sum + (Words)_mm_shuffle_ps(first, second, 0x88) + (Words)_mm_shuffle_ps(first, second, 0xDD);
#else
    Shorts16 products = __builtin_convertvector((Bytes16)states, Shorts16);
    products *= __builtin_convertvector((Bytes16)weights, Shorts16);
    Pairs pairs = (Pairs)((UnsignedPairs)products << 16) >> 16; /* of two numbers the lower one, and the higher one */
    pairs += (Pairs)products >> 16;
    return sum + (Words){pairs[0] + pairs[1], pairs[2] + pairs[3], pairs[4] + pairs[5], pairs[6] + pairs[7]};
#endif
}

/* sum + states · weights: of one float in all lanes, or of four bytes. */
ALWAYS Words add_products(uint32_t form, Words states, const char *weights, Words sum) {
    Words row = *(const Words *)(const void *)weights;
    if (form == INT8) return add_bytes_products(states, row, sum);
    return (Words)((Lanes)states * (Lanes)row + (Lanes)sum);
}

enum { ROW = GATED * 4 }; /* bytes of a block's weights with one float, or with four bytes */

/* sums += states · weights of COLUMNS of a block, at one place; two sums each, to hide how long a product takes. */
ALWAYS void multiply_one(uint32_t form, const char *states, size_t words, const char *weights, int32_t *sums) {
    Words even[4], odd[4];
    for (int v = 0; v < 4; v++) {
        even[v] = *(Words *)(sums + v * WIDE);
        odd[v] = (Words){0};
    }
    for (size_t k = 0; k < words; k += 2, weights += 2 * ROW) {
        Words a = every(states + 4 * k), b = every(states + 4 * k + 4);
        for (int v = 0; v < 4; v++) even[v] = add_products(form, a, weights + 4 * v * WIDE, even[v]);
        for (int v = 0; v < 4; v++) odd[v] = add_products(form, b, weights + ROW + 4 * v * WIDE, odd[v]);
    }
    for (int v = 0; v < 4; v++) {
        if (form == INT8) even[v] += odd[v];
        else even[v] = (Words)((Lanes)even[v] + (Lanes)odd[v]);
        *(Words *)(sums + v * WIDE) = even[v];
    }
}

/* The same at some places next to each other; how many is a constant. */
ALWAYS void multiply_some(uint32_t form, int places, const char *states, size_t stride, size_t words,
                          const char *weights, int32_t *sums) {
    Words total[TOGETHER][4];
    for (int p = 0; p < places; p++) {
        for (int v = 0; v < 4; v++) total[p][v] = *(Words *)(sums + p * GATED + v * WIDE);
    }
    for (size_t k = 0; k < words; k++, weights += ROW) {
        for (int p = 0; p < places; p++) {
            Words a = every(states + (size_t)p * stride + 4 * k);
            for (int v = 0; v < 4; v++) total[p][v] = add_products(form, a, weights + 4 * v * WIDE, total[p][v]);
        }
    }
    for (int p = 0; p < places; p++) {
        for (int v = 0; v < 4; v++) *(Words *)(sums + p * GATED + v * WIDE) = total[p][v];
    }
}

/* The same of a whole block, at up to TOGETHER places. */
ALWAYS void multiply(uint32_t form, int places, const char *states, size_t stride, size_t words, const char *weights,
                     int32_t *sums) {
    for (int c = 0; c < GATED; c += COLUMNS, weights += 4 * COLUMNS, sums += COLUMNS) {
        switch (places) {
        case 1: multiply_one(form, states, words, weights, sums); break;
        case 2: multiply_some(form, 2, states, stride, words, weights, sums); break;
#if LEVEL == 2
        case 3: multiply_some(form, 3, states, stride, words, weights, sums); break;
        case 4: multiply_some(form, 4, states, stride, words, weights, sums); break;
        case 5: multiply_some(form, 5, states, stride, words, weights, sums); break;
#endif
        default: multiply_some(form, TOGETHER, states, stride, words, weights, sums);
        }
    }
}

/* gates += states · a block's weights, at up to TOGETHER places; those of the next place are `stride` bytes and `step`
   numbers further on. */
ALWAYS void add_gates(uint32_t form, const Product *product, size_t block, size_t units, int places, const char *states,
                      size_t stride, float *gates, size_t step) {
    int32_t sums[TOGETHER * GATED] __attribute__((aligned(64)));
    size_t words = form == INT8 ? units / 4 : units;
    const char *weights = (const char *)product->weights + block * words * ROW;
    const float *steps = product->steps + block * GATED; /* of bytes */
    for (int p = 0; p < places; p++) {
        for (int i = 0; i < GATED; i += WIDE) {
            Words start = {0};
            if (form != INT8) start = *(Words *)(void *)(gates + p * step + i);
            else if (NOTHING) start -= *(const Words *)(product->offsets + block * GATED + i);
            *(Words *)(sums + p * GATED + i) = start;
        }
    }
    multiply(form, places, states, stride, words, weights, sums);
    for (int p = 0; p < places; p++) {
        for (int i = 0; i < GATED; i += WIDE) {
            Words sum = *(Words *)(sums + p * GATED + i);
            Lanes *gate = (Lanes *)(gates + p * step + i);
            if (form != INT8) *gate = (Lanes)sum;
            else *gate += __builtin_convertvector(sum, Lanes) * *(const Lanes *)(steps + i);
        }
    }
}

/* ----------------------------------------------------------------------------------------------------- layers */

typedef int8_t LaneBytes __attribute__((vector_size(WIDE), aligned(1), may_alias));

/* What a layer reads and writes, of one text. */
typedef struct {
    const Student *student;
    const int32_t *ids;
    size_t count, units, stride; /* words; units of a direction, padded; bytes of both directions' states at a word */
    char *states;                /* (count, 2, units) floats, or bytes: rounded 127ths, and NOTHING added */
    float *gates;                /* (count, 2, units · GATES): what enters a further layer */
    float *last;                 /* (2, units): the states that each direction wrote last */
} Reading;

/* What a word adds to a block's gates in the first layer. */
ALWAYS void copy_row(uint32_t form, const Student *s, int32_t id, size_t at, float *gates) {
    size_t stride = 2 * GATES * PADDED((size_t)s->head.hidden);
    for (size_t i = 0; i < GATED; i += WIDE) *(Lanes *)(gates + i) = part(form, s->embedding, stride, id, at + i);
}

static void read_row(const Student *s, int32_t id, size_t at, float *gates) {
    if (s->head.table == FLOAT32) copy_row(FLOAT32, s, id, at, gates);
    else if (s->head.table == FLOAT16) copy_row(FLOAT16, s, id, at, gates);
    else copy_row(INT8, s, id, at, gates);
}

/* What all words add to the gates of a further layer: biases, and products of the states below. */
ALWAYS void enter(uint32_t form, const Reading *r, uint32_t layer) {
    size_t columns = GATES * r->units;
    for (size_t way = 0; way < 2; way++) {
        const Direction *direction = &r->student->recurrent.layers[layer][way];
        for (size_t block = 0; block * GATED < columns; block++) {
            float *gates = r->gates + way * columns + block * GATED;
            for (size_t place = 0; place < r->count; place++)
                memcpy(gates + place * 2 * columns, direction->biases + block * GATED, GATED * sizeof *gates);
            size_t place = 0;
            for (size_t times = (r->count + TOGETHER - 1) / TOGETHER; times; times--) { /* as many at each time */
                size_t places = (r->count - place) / times;
                add_gates(form, &direction->entering, block, 2 * r->units, (int)places, r->states + place * r->stride,
                          r->stride, gates + place * 2 * columns, 2 * columns);
                place += places;
            }
        }
    }
}

/* One direction reads the word at a place, after that at the place before, if there was one. */
ALWAYS void take_step(uint32_t form, const Reading *r, uint32_t layer, size_t way, size_t place, const char *before,
                      float *cells) {
    const Direction *direction = &r->student->recurrent.layers[layer][way];
    size_t columns = GATES * r->units, size = form == INT8 ? 1 : sizeof(float);
    char *after = r->states + place * r->stride + way * r->units * size;
    for (size_t block = 0; block * GATED < columns; block++) {
        float row[GATED] __attribute__((aligned(64))), *gates = row;
        if (layer) gates = r->gates + place * 2 * columns + way * columns + block * GATED;
        else read_row(r->student, r->ids[place], way * columns + block * GATED, row);
        if (before) add_gates(form, &direction->recurrent, block, r->units, 1, before, 0, gates, 0);
        for (size_t i = 0; i < LANES; i += WIDE) {
            size_t unit = block * LANES + i;
            Lanes state = next_state(gates + i, cells + unit);
            *(Lanes *)(r->last + way * r->units + unit) = state;
            if (form == INT8) { /* 1.5 · 2^23 is added to round to a whole number: the sum's last bits */
                Words bits = (Words)(state * 127.0f + 12582912.0f) + NOTHING;
                *(LaneBytes *)(after + unit) = __builtin_convertvector(bits, LaneBytes);
            } else {
                *(Lanes *)(void *)(after + unit * size) = state;
            }
        }
    }
}

ALWAYS void read_layers(uint32_t form, const Reading *r) {
    size_t units = r->units, size = form == INT8 ? 1 : sizeof(float);
    for (uint32_t layer = 0; layer < r->student->head.longest; layer++) {
        float cells[2 * MOST_UNITS];
        memset(cells, 0, 2 * units * sizeof *cells);
        if (layer) enter(form, r, layer);
        for (size_t step = 0; step < r->count; step++) {
            size_t back = r->count - 1 - step;
            const char *earlier = step ? r->states + (step - 1) * r->stride : NULL;
            const char *later = step ? r->states + (back + 1) * r->stride + units * size : NULL;
            take_step(form, r, layer, 0, step, earlier, cells);
            take_step(form, r, layer, 1, back, later, cells + units);
        }
    }
}

static void read_layers_of_bytes(const Reading *r) { read_layers(INT8, r); }

static void read_layers_of_floats(const Reading *r) { read_layers(FLOAT32, r); }

enum { ON_STACK = 1 << 16 }; /* bytes of states and gates of usual texts */

/* Logits of at least one id; 0, or -1 where memory ran out. */
static int lstm_logits_of(const Student *s, const int32_t *ids, long count, float *logits) {
    const Header *h = &s->head;
    size_t units = PADDED((size_t)h->hidden), stride = 2 * units * (h->table == INT8 ? 1 : sizeof(float));
    size_t row = stride + (h->longest > 1 ? 2 * GATES * units * sizeof(float) : 0);
    float last[2 * MOST_UNITS];
    char stack[ON_STACK] __attribute__((aligned(64))), *heap = NULL, *room = stack;
    if ((size_t)count > SIZE_MAX / 2 / row) return -1;
    if ((size_t)count * row > ON_STACK) {
        heap = malloc((size_t)count * row + 64);
        if (!heap) return -1;
        room = heap + (64 - (uintptr_t)heap % 64);
    }
    float *gates = (float *)(void *)(room + (size_t)count * stride); /* a stride is a multiple of 32 bytes */
    Reading reading = {s, ids, (size_t)count, units, stride, room, gates, last};
    if (h->table == INT8) read_layers_of_bytes(&reading);
    else read_layers_of_floats(&reading);
    free(heap);
    for (uint32_t label = 0; label < h->labels; label++)
        logits[label] = weigh(last, s->w2 + label * 2 * units, 2 * units) + s->b2[label];
    return 0;
}
