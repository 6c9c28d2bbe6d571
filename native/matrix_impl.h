/* Products of words' matrices: from ids to the features of a text, and to logits. Included by engine_impl.h, and so
   compiled for each kind of processor. `runtime/matrix_format.py` says what lies in the file.

   A row of the table has M - I, so a running product R becomes R + R (M - I). A row of the result needs one row of R and
   all of M: some rows are made at once, their sums in registers, and a row of M is read once for all of them. R is
   padded, M is not: what lies behind a row of M reaches columns of R that nobody reads. */

enum { SIDE = LEVEL == 2 ? 2 : 3 };        /* registers side by side, in which the sums of a row lie */
enum { MOST_BLOCK = LEVEL == 2 ? 14 : 4 }; /* rows of a product that are made at once */
enum { APART = PADDED(MOST_SIZE) };        /* numbers from a row of a running product to the next one: a constant */

/* A running product, and the one that it becomes. */
typedef struct {
    float rows[2][(MOST_SIZE + MOST_BLOCK) * APART] __attribute__((aligned(64)));
    int now; /* which of them it is */
} Running;

/* Some rows of R + R · D, and some of their columns; both numbers are constants. */
ALWAYS void multiply_rows(int rows, int side, const float *running, const float *matrix, size_t size,
                          size_t column, float *out) {
    Lanes sums[MOST_BLOCK][SIDE];
    for (int r = 0; r < rows; r++) {
        for (int v = 0; v < side; v++) sums[r][v] = *(const Lanes *)(running + r * APART + column + v * WIDE);
    }
    matrix += column;
    for (size_t k = 0; k < size; k++, matrix += size) {
        Lanes row[SIDE];
        for (int v = 0; v < side; v++) row[v] = *(const Lanes *)(matrix + v * WIDE);
        for (int r = 0; r < rows; r++) {
            float factor = running[r * APART + k];
            for (int v = 0; v < side; v++) sums[r][v] += factor * row[v];
        }
    }
    for (int r = 0; r < rows; r++) {
        for (int v = 0; v < side; v++) *(Lanes *)(out + r * APART + column + v * WIDE) = sums[r][v];
    }
}

#define ALL_ROWS(n)                                                                                                    \
    case n:                                                                                                            \
        for (size_t row = 0; row < size; row += n)                                                                     \
            multiply_rows(n, side, running + row * APART, matrix, size, column, out + row * APART);                    \
        break;

/* All rows, and some columns. */
ALWAYS void multiply_columns(int side, size_t block, const float *running, const float *matrix, size_t size,
                             size_t column, float *out) {
    switch (block) {
#if LEVEL == 2
        ALL_ROWS(14)
        ALL_ROWS(12)
        ALL_ROWS(10)
        ALL_ROWS(8)
#endif
        ALL_ROWS(4)
    }
}

/* How many rows to make at once: as many as fit best. */
ALWAYS size_t block_for(size_t size) {
    size_t best = 4, least = (size + 3) / 4 * 4;
    for (size_t block = 8; block <= MOST_BLOCK; block += 2) { /* of equals the larger */
        size_t rows = (size + block - 1) / block * block;
        if (rows <= least) {
            least = rows;
            best = block;
        }
    }
    return best;
}

/* The running product times a word's matrix, which is given less the identity; LANES numbers behind it can be read. */
static void multiply_matrix(Running *r, const float *matrix, size_t size, size_t block) {
    const float *running = r->rows[r->now];
    float *out = r->rows[r->now = !r->now];
    size_t column = 0;
    for (; column + (SIDE - 1) * WIDE < size; column += SIDE * WIDE)
        multiply_columns(SIDE, block, running, matrix, size, column, out);
    if (column >= size) return;
#if LEVEL != 2
    if (column + WIDE < size) multiply_columns(2, block, running, matrix, size, column, out);
    else
#endif
        multiply_columns(1, block, running, matrix, size, column, out);
}

/* Begin with the first word's matrix. */
static void begin_product(Running *r, const float *matrix, size_t size, size_t block) {
    size_t rows = (size + block - 1) / block * block;
    float *out = r->rows[r->now = 0];
    for (size_t row = 0; row < size; row++, out += APART) {
        for (size_t i = 0; i < size; i += WIDE) *(Lanes *)(out + i) = *(const Lanes *)(matrix + row * size + i);
        out[row] += 1.0f;
    }
    for (size_t row = size; row < rows; row++, out += APART) memset(out, 0, APART * sizeof *out);
}

/* ------------------------------------------------------------------------------------------------------ features */

enum { MOST_FEATURES = 2 * MOST_SIZE * MOST_SIZE + MOST_WIDTH };

/* Some numbers of a table that is not of floats, in `step` units. */
ALWAYS Lanes widened(uint32_t form, const Matrices *m, size_t place, float step) {
    if (form == FLOAT16) return of_halves((const uint16_t *)m->rows + place);
    return step * of_bytes((const int8_t *)m->rows + place);
}

ALWAYS float step_of(uint32_t form, const Matrices *m, int32_t id, size_t part) {
    return form == INT8 ? m->steps[part * PADDED(m->words) + (size_t)id] : 1.0f;
}

/* `count` floats of a row, from number `at` on, behind which LANES can be read: in place, or where the table ends with
   this row, or soon behind it, in `room`. */
ALWAYS const float *floats_at_row(const Matrices *m, int32_t id, size_t at, size_t count, float *room) {
    const float *row = (const float *)m->rows + (size_t)id * m->stride + at;
    if (m->has_slack || (m->words - 1 - (size_t)id) * m->stride >= LANES) return row;
    memcpy(room, row, count * sizeof *room);
    return room;
}

/* A word's matrix as floats, behind which LANES numbers can be read: in place, or in `room`. */
ALWAYS const float *matrix_of(uint32_t form, const Matrices *m, int32_t id, size_t way, float *room) {
    size_t square = m->size * m->size;
    if (form == FLOAT32) return floats_at_row(m, id, way * square, square, room);
    size_t place = (size_t)id * m->stride + way * square;
    float step = step_of(form, m, id, way);
    for (size_t i = 0; i < square; i += WIDE) *(Lanes *)(room + i) = widened(form, m, place + i, step);
    return room;
}

/* Add a word's vector, if words have such, to a sum behind which LANES numbers may be written. */
ALWAYS void add_vector(uint32_t form, const Matrices *m, int32_t id, float *sum) {
    if (!m->vector) return; /* there are no steps of vectors either */
    size_t at = m->ways * m->size * m->size, place = (size_t)id * m->stride + at;
    if (form == FLOAT32) {
        float room[MOST_WIDTH + LANES];
        const float *vector = floats_at_row(m, id, at, m->vector, room);
        for (size_t i = 0; i < m->vector; i += WIDE) *(Lanes *)(sum + i) += *(const Lanes *)(vector + i);
        return;
    }
    float step = step_of(form, m, id, m->ways);
    for (size_t i = 0; i < m->vector; i += WIDE) *(Lanes *)(sum + i) += widened(form, m, place + i, step);
}

/* Ask for one of some parts of a word's row before it is read: few lines at once, since few can be on their way. */
ALWAYS void ask_for_row(const Matrices *m, int32_t id, size_t part, size_t parts) {
    size_t bytes = m->stride * bytes_of_number(m->form), share = (bytes + parts - 1) / parts;
    const char *row = (const char *)m->rows + (size_t)id * bytes;
    for (size_t at = part * share; at < bytes && at < (part + 1) * share; at += 64) __builtin_prefetch(row + at);
}

#if LEVEL == 2

/* Matrices of 20 rows, as hybrids have them. Behind 16 columns a second register would hold 4 numbers of a row: here it
   holds those of 4 rows. All sums of a product then have room in registers, and stay there from word to word.

   The rows before them are read from `squares`: of each 4 rows, 4 columns at a time, so that a number of each row can be
   brought to its quarter of a register. */
enum { TWENTY = 20, FOURS = TWENTY / 4 };

/* 4 rows of 16 columns become 4 squares. */
ALWAYS void cut_squares(const __m512 *rows, float *squares) {
    __m512 a = _mm512_shuffle_f32x4(rows[0], rows[1], 0x44), b = _mm512_shuffle_f32x4(rows[2], rows[3], 0x44);
    __m512 c = _mm512_shuffle_f32x4(rows[0], rows[1], 0xEE), d = _mm512_shuffle_f32x4(rows[2], rows[3], 0xEE);
    _mm512_store_ps(squares, _mm512_shuffle_f32x4(a, b, 0x88));
    _mm512_store_ps(squares + 16, _mm512_shuffle_f32x4(a, b, 0xDD));
    _mm512_store_ps(squares + 32, _mm512_shuffle_f32x4(c, d, 0x88));
    _mm512_store_ps(squares + 48, _mm512_shuffle_f32x4(c, d, 0xDD));
}

/* What column k of R and row k of D add to the sums, k being number x of a square's columns. */
#define ADD_COLUMN(x)                                                                                                  \
    {                                                                                                                  \
        __m512 row = _mm512_loadu_ps(matrix), tail = _mm512_broadcast_f32x4(_mm_loadu_ps(matrix + 16));                \
        matrix += TWENTY;                                                                                              \
        for (int g = 0; g < FOURS; g++) {                                                                              \
            const float *square = squares + (g * FOURS + at) * 16;                                                     \
            for (int i = 0; i < 4; i++)                                                                                \
                rows[4 * g + i] = _mm512_fmadd_ps(_mm512_set1_ps(square[4 * i + x]), row, rows[4 * g + i]);            \
            tails[g] = _mm512_fmadd_ps(_mm512_permute_ps(_mm512_load_ps(square), 0x55 * x), tail, tails[g]);           \
        }                                                                                                              \
    }

ALWAYS void multiply_twenty(uint32_t form, const Matrices *m, const int32_t *ids, long count, size_t way, float *out,
                            float *sum) {
    float room[TWENTY * TWENTY + LANES], squares[TWENTY * TWENTY] __attribute__((aligned(64)));
    const float *matrix = matrix_of(form, m, ids[way ? count - 1 : 0], way, room);
    memcpy(out, matrix, TWENTY * TWENTY * sizeof *out);
    for (int i = 0; i < TWENTY; i++) out[i * TWENTY + i] += 1.0f;
    if (!way) add_vector(form, m, ids[0], sum);

    __m512 rows[TWENTY], tails[FOURS];
    for (int i = 0; i < TWENTY; i++) rows[i] = _mm512_loadu_ps(out + i * TWENTY);
    for (int g = 0; g < FOURS; g++) {
        const float *last = out + 4 * g * TWENTY + 16;
        for (int i = 0; i < 4; i++) memcpy(room + 4 * i, last + i * TWENTY, 4 * sizeof *out);
        tails[g] = _mm512_loadu_ps(room);
    }
    for (long word = 1; word < count; word++) {
        /* Behind the last word any row will do. */
        int32_t next = ids[word + 1 < count ? (way ? count - 2 - word : word + 1) : 0];
        matrix = matrix_of(form, m, ids[way ? count - 1 - word : word], way, room);
        for (int g = 0; g < FOURS; g++) {
            cut_squares(rows + 4 * g, squares + g * FOURS * 16);
            _mm512_store_ps(squares + (g * FOURS + 4) * 16, tails[g]);
        }
        for (int at = 0; at < FOURS; at++) {
            ask_for_row(m, next, (size_t)at, FOURS);
            ADD_COLUMN(0)
            ADD_COLUMN(1)
            ADD_COLUMN(2)
            ADD_COLUMN(3)
        }
        if (!way) add_vector(form, m, ids[word], sum);
    }
    for (int i = 0; i < TWENTY; i++) memcpy(out + i * TWENTY, &rows[i], 16 * sizeof *out);
    for (int g = 0; g < FOURS; g++) {
        _mm512_storeu_ps(room, tails[g]);
        for (int i = 0; i < 4; i++) memcpy(out + (4 * g + i) * TWENTY + 16, room + 4 * i, 4 * sizeof *out);
    }
}

#endif

/* The product of one direction's matrices, in their order of multiplication, row by row. The first direction adds up
   vectors, too, while rows are near. */
ALWAYS void multiply_text(uint32_t form, const Matrices *m, const int32_t *ids, long count, size_t way, float *out,
                          float *sum) {
#if LEVEL == 2
    if (m->size == TWENTY) {
        multiply_twenty(form, m, ids, count, way, out, sum);
        return;
    }
#endif
    Running running;
    float room[MOST_SIZE * MOST_SIZE + LANES] __attribute__((aligned(64)));
    size_t size = m->size, block = block_for(size);
    memset(room + size * size, 0, LANES * sizeof *room);
    for (long i = 0; i < count; i++) {
        if (i + 1 < count) ask_for_row(m, ids[way ? count - 2 - i : i + 1], 0, 1);
        const float *matrix = matrix_of(form, m, ids[way ? count - 1 - i : i], way, room);
        if (i) multiply_matrix(&running, matrix, size, block);
        else begin_product(&running, matrix, size, block);
        if (!way) add_vector(form, m, ids[i], sum);
    }
    for (size_t row = 0; row < size; row++)
        memcpy(out + row * size, running.rows[running.now] + row * APART, size * sizeof *out);
}

ALWAYS void read_words(uint32_t form, const Matrices *m, const int32_t *ids, long count, float *features) {
    size_t square = m->size * m->size;
    float sum[MOST_WIDTH + LANES];
    for (size_t at = 0; at < m->vector; at += WIDE) *(Lanes *)(sum + at) = (Lanes){0};
    for (size_t way = 0; way < m->ways; way++) multiply_text(form, m, ids, count, way, features + way * square, sum);
    for (size_t at = 0; at < m->vector; at += WIDE) *(Lanes *)(sum + at) /= (float)count;
    memcpy(features + m->ways * square, sum, m->vector * sizeof *sum);
}

static void read_halves(const Matrices *m, const int32_t *ids, long count, float *features) {
    read_words(FLOAT16, m, ids, count, features);
}

static void read_bytes(const Matrices *m, const int32_t *ids, long count, float *features) {
    read_words(INT8, m, ids, count, features);
}

static void read_floats(const Matrices *m, const int32_t *ids, long count, float *features) {
    read_words(FLOAT32, m, ids, count, features);
}

/* The features of a text of at least one id. */
static void read_text(const Matrices *m, const int32_t *ids, long count, float *features) {
    if (m->form == FLOAT32) read_floats(m, ids, count, features);
    else if (m->form == FLOAT16) read_halves(m, ids, count, features);
    else read_bytes(m, ids, count, features);
}

/* The features of all texts of a batch that was checked. */
static void find_products(const Products *p) {
    size_t wide = features_of(p->matrices);
    for (size_t text = 0; text < p->texts; text++) {
        int64_t start = text ? p->ends[text - 1] : 0;
        read_text(p->matrices, p->ids + start, (long)(p->ends[text] - start), p->features + text * wide);
    }
}

/* --------------------------------------------------------------------------------------------------------- logits */

/* Layer norm (Ba et al. 2016) without its own scales and shifts; numbers of padding, up to `wide`, become 0. */
static void normalise(float *x, size_t count, size_t wide) {
    Lanes sums = {0}, squares = {0};
    for (size_t i = count; i < wide; i++) x[i] = 0;
    for (size_t i = 0; i < count; i += WIDE) sums += *(Lanes *)(x + i);
    float mean = sum_of(sums) / (float)count;
    for (size_t i = count; i < wide; i++) x[i] = mean; /* so that it adds nothing to the squares */
    for (size_t i = 0; i < count; i += WIDE) {
        Lanes apart = *(Lanes *)(x + i) - mean;
        squares += apart * apart;
        *(Lanes *)(x + i) = apart;
    }
    float scale = 1.0f / sqrtf(sum_of(squares) / (float)count + 1e-5f);
    for (size_t i = 0; i < count; i += WIDE) *(Lanes *)(x + i) *= scale;
    for (size_t i = count; i < wide; i++) x[i] = 0;
}

/* out = bias + in · matrix, as `dense` makes it, of some texts and some registers of columns: constants, both. */
ALWAYS void dense_block(int texts, int side, const float *in, size_t step, size_t ins, const float *matrix,
                        size_t stride, const float *bias, float *out) {
    Lanes sums[TOGETHER][4];
    for (int t = 0; t < texts; t++) {
        for (int v = 0; v < side; v++) sums[t][v] = *(const Lanes *)(bias + v * WIDE);
    }
    for (size_t i = 0; i < ins; i++, matrix += stride) {
        for (int t = 0; t < texts; t++) {
            for (int v = 0; v < side; v++) sums[t][v] += in[t * step + i] * *(const Lanes *)(matrix + v * WIDE);
        }
    }
    for (int t = 0; t < texts; t++) {
        for (int v = 0; v < side; v++) *(Lanes *)(out + t * stride + v * WIDE) = sums[t][v];
    }
}

/* The same of TOGETHER texts, whose inputs lie `step` numbers apart, and all columns: weights are read once for them. */
static void dense_together(const float *in, size_t step, size_t ins, const float *matrix, size_t stride,
                           const float *bias, float *out) {
    size_t at = 0;
    for (; at + 4 * WIDE <= stride; at += 4 * WIDE)
        dense_block(TOGETHER, 4, in, step, ins, matrix + at, stride, bias + at, out + at);
    for (; at < stride; at += WIDE)
        dense_block(TOGETHER, 1, in, step, ins, matrix + at, stride, bias + at, out + at);
}

/* Logits of what the hidden layer of a text is before its norm. */
static void finish_hidden(const Student *s, float *hidden, float *logits) {
    const Header *h = &s->head;
    size_t layer = PADDED((size_t)h->hidden);
    normalise(hidden, h->hidden, layer);
    for (size_t i = 0; i < layer; i += WIDE) {
        Lanes scale = *(const Lanes *)(s->norm + i), shift = *(const Lanes *)(s->norm + layer + i);
        Lanes active = *(Lanes *)(hidden + i) * scale + shift;
        *(Lanes *)(hidden + i) = (Lanes)((LaneBits)active & ~(LaneBits)(active < 0)); /* what is no number stays so */
    }
    dense(hidden, h->hidden, s->w2, PADDED((size_t)h->labels), s->b2, laned(h->labels), logits);
}

/* Logits of some texts, (texts, PADDED(labels)), by a hidden layer, of features that lie `step` numbers apart. */
static void logits_of_features(const Student *s, const float *features, size_t step, size_t texts, float *logits) {
    const Header *h = &s->head;
    size_t found = features_of(&s->matrices), layer = PADDED((size_t)h->hidden), labels = PADDED((size_t)h->labels);
    float hidden[TOGETHER * MOST_WIDTH];
    for (size_t first = 0; first < texts; first += TOGETHER) {
        size_t some = texts - first < TOGETHER ? texts - first : TOGETHER;
        const float *in = features + first * step;
        if (some == TOGETHER) dense_together(in, step, found, s->w1, layer, s->b1, hidden);
        for (size_t t = 0; t < some; t++) {
            float *own = hidden + t * layer;
            if (some < TOGETHER) dense(in + t * step, found, s->w1, layer, s->b1, layer, own);
            finish_hidden(s, own, logits + (first + t) * labels);
        }
    }
}

/* Logits of at least one id; up to PADDED(labels) floats are written. */
static void matrix_logits_of(const Student *s, const int32_t *ids, long count, float *logits) {
    float features[MOST_FEATURES + ABREAST];
    size_t found = features_of(&s->matrices), wide = padded_features(found);
    read_text(&s->matrices, ids, count, features);
    if (s->head.hidden) {
        logits_of_features(s, features, wide, 1, logits);
        return;
    }
    normalise(features, found, wide);
    for (uint32_t label = 0; label < s->head.labels; label++)
        logits[label] = weigh(features, s->w2 + label * wide, wide) + s->b2[label];
}
