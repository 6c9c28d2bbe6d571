/* Tags in their order, as `core/chain.py` has it: forward and backward sums, in double precision. Included by
   engine_impl.h, and so compiled for each kind of processor. Rows are padded to a multiple of IN_CHAIN numbers, where
   steps are zero. */

enum { HALF_WIDE = WIDE / 2, FEW_STEPS = 4, MOST_ABREAST = 4 }; /* words after which sums are put into scale again */

typedef double Reals __attribute__((vector_size(HALF_WIDE * sizeof(double)), aligned(8), may_alias));
typedef int64_t LongBits __attribute__((vector_size(HALF_WIDE * sizeof(int64_t))));
typedef uint64_t LongWords __attribute__((vector_size(HALF_WIDE * sizeof(uint64_t))));

static const double LEAST_SUM = 1e-300, LEAST_SHARE = 1e-30;

/* exp(x) of -690 <= x <= 0, to 1e-11 of itself: as `exponential` does it for floats. */
ALWAYS Reals exponentials(Reals x) {
    const double shift = 6755399441055744.0; /* 1.5 · 2^52 */
    Reals shifted = x * 1.4426950408889634 + shift, k = shifted - shift;
    Reals r = (x - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10;
    Reals sum = 1.0 / 362880 + r * (1.0 / 3628800);
    const double factors[] = {1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1, 1};
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) sum = sum * r + factors[i];
    return sum * (Reals)(((LongWords)shifted + 1023) << 52);
}

/* log(x) of a positive number that is neither tiny nor infinite, to 1e-9. */
ALWAYS Reals logarithms(Reals x) {
    LongBits bits = (LongBits)x - 0x3FE6A09E667F3BCD; /* below the root of 1/2 an exponent less */
    LongBits whole = bits >> 52;
    Reals m = (Reals)((bits & 0x000FFFFFFFFFFFFF) + 0x3FE6A09E667F3BCD), s = (m - 1) / (m + 1), s2 = s * s;
    Reals sum = 2.0 / 3 + s2 * (2.0 / 5 + s2 * (2.0 / 7 + s2 * (2.0 / 9 + s2 * (2.0 / 11))));
    const LongBits magic = (LongBits){0} + 0x4338000000000000; /* 1.5 · 2^52, whose last bits are those of `whole` */
    Reals exponent = (Reals)(whole + magic) - 6755399441055744.0;
    return exponent * 0.693147180559945309417 + s * (2.0 + s2 * sum);
}

ALWAYS double total_of(const double *row, size_t padded) {
    Reals sum = {0};
    for (size_t i = 0; i < padded; i += HALF_WIDE) sum += *(const Reals *)(row + i);
    double total = 0;
    for (int i = 0; i < HALF_WIDE; i++) total += sum[i];
    return total > LEAST_SUM ? total : LEAST_SUM;
}

/* Some columns of state · matrix, times a row; `vectors` is a constant. */
ALWAYS void step_block(const double *state, size_t labels, const double *matrix, size_t padded, int vectors,
                       const double *times, double *out) {
    Reals even[MOST_ABREAST], odd[MOST_ABREAST];
    for (int k = 0; k < vectors; k++) even[k] = odd[k] = (Reals){0};
    size_t i = 0;
    for (; i + 2 <= labels; i += 2, matrix += 2 * padded) {
        for (int k = 0; k < vectors; k++) {
            even[k] += state[i] * *(const Reals *)(matrix + k * HALF_WIDE);
            odd[k] += state[i + 1] * *(const Reals *)(matrix + padded + k * HALF_WIDE);
        }
    }
    for (int k = 0; k < vectors; k++) {
        if (i < labels) even[k] += state[i] * *(const Reals *)(matrix + k * HALF_WIDE);
        *(Reals *)(out + k * HALF_WIDE) = (even[k] + odd[k]) * *(const Reals *)(times + k * HALF_WIDE);
    }
}

/* out = (state · matrix) * times, for a row of each. */
ALWAYS void one_step(const double *state, size_t labels, const double *matrix, size_t padded, const double *times,
                     double *out) {
    size_t at = 0, block = MOST_ABREAST * HALF_WIDE;
    for (; at + block <= padded; at += block)
        step_block(state, labels, matrix + at, padded, MOST_ABREAST, times + at, out + at);
    switch ((padded - at) / HALF_WIDE) {
        case 1: step_block(state, labels, matrix + at, padded, 1, times + at, out + at); break;
        case 2: step_block(state, labels, matrix + at, padded, 2, times + at, out + at); break;
        case 3: step_block(state, labels, matrix + at, padded, 3, times + at, out + at); break;
    }
}

ALWAYS void rescale(double *row, size_t padded) {
    double by = 1 / total_of(row, padded);
    for (size_t i = 0; i < padded; i += HALF_WIDE) *(Reals *)(row + i) *= by;
}

/* Each tag's share of its word, by the word alone, in a scale of the row's own. */
ALWAYS void shares_of(const float *logits, size_t rows, size_t labels, size_t padded, double *shares) {
    for (size_t row = 0; row < rows; row++, logits += labels) {
        float most = logits[0];
        for (size_t i = 1; i < labels; i++) most = logits[i] > most ? logits[i] : most;
        double *to = shares + row * padded;
        for (size_t i = 0; i < labels; i++) {
            double below = (double)logits[i] - most;
            to[i] = below > -690 ? below : -690;
        }
        for (size_t i = labels; i < padded; i++) to[i] = -690;
    }
    for (size_t i = 0; i < rows * padded; i += HALF_WIDE) *(Reals *)(shares + i) = exponentials(*(Reals *)(shares + i));
}

/* A row of sums as shares of their total, or as logarithms of them. */
ALWAYS void write_row(double *sums, size_t labels, size_t padded, int is_log, float *out) {
    double by = 1 / total_of(sums, padded);
    for (size_t i = 0; i < padded; i += HALF_WIDE) {
        Reals share = *(Reals *)(sums + i) * by, least = (Reals){0} + LEAST_SHARE;
        LongBits is_more = share > least;
        share = (Reals)(((LongBits)share & is_more) | ((LongBits)least & ~is_more));
        *(Reals *)(sums + i) = is_log ? logarithms(share) : share;
    }
    for (size_t i = 0; i < labels; i++) out[i] = (float)sums[i];
}

/* Logits (rows, labels) of one stretch of words become probabilities in it, or their logarithms. `room` is for
   (2 · rows + 3) padded rows. */
static void weigh_in_order(const Chain *chain, float *logits, size_t rows, size_t labels, int is_log, double *room) {
    size_t padded = IN_CHAIN(labels);
    double *shares = room, *before = shares + rows * padded, *behind = before + rows * padded, *seen = behind + padded;
    double *sums = seen + padded;
    if (!rows) return;
    shares_of(logits, rows, labels, padded, shares);
    for (size_t i = 0; i < padded; i += HALF_WIDE) {
        *(Reals *)(before + i) = *(Reals *)(shares + i) * *(const Reals *)(chain->first + i);
        *(Reals *)(behind + i) = (Reals){0} + 1;
    }
    for (size_t row = 1; row < rows; row++) {
        double *now = before + row * padded;
        one_step(now - padded, labels, chain->steps, padded, shares + row * padded, now);
        if (row % FEW_STEPS == 0) rescale(now, padded);
    }
    for (size_t row = rows; row-- > 0;) {
        double *now = before + row * padded;
        for (size_t i = 0; i < padded; i += HALF_WIDE) {
            *(Reals *)(sums + i) = *(Reals *)(now + i) * *(Reals *)(behind + i);
            *(Reals *)(seen + i) = *(Reals *)(behind + i) * *(Reals *)(shares + row * padded + i);
        }
        write_row(sums, labels, padded, is_log, logits + row * labels);
        if (!row) break;
        for (size_t i = 0; i < padded; i += HALF_WIDE) *(Reals *)(sums + i) = (Reals){0} + 1;
        one_step(seen, labels, chain->back, padded, sums, behind);
        if (row % FEW_STEPS == 0) rescale(behind, padded);
    }
}
