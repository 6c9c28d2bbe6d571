/* One pass of training over texts that are ids already: forward, backward and a step of Adagrad for each text.

   Included by engine_impl.h, and so compiled for each kind of processor. Adagrad: Duchi et al. 2011, figure 1, with
   one accumulated square for each weight. Rows of padding are zero and stay so: their gradients are zero. */

/* 1 / sqrt(x) to at least 11 bits: a step need not be more precise than that. */
ALWAYS Lanes inverse_root(Lanes x) {
#if LEVEL == 2
    return (Lanes)_mm512_rsqrt14_ps((__m512)x);
#elif LEVEL == 1
    return (Lanes)_mm256_rsqrt_ps((__m256)x);
#elif defined(__x86_64__)
    return (Lanes)_mm_rsqrt_ps((__m128)x);
#else
    for (int i = 0; i < WIDE; i++) x[i] = 1.0f / sqrtf(x[i]);
    return x;
#endif
}

ALWAYS float dot(const float *a, const float *b, size_t count) {
    Lanes sum = {0};
    for (size_t i = 0; i < count; i += WIDE) sum += *(const Lanes *)(a + i) * *(const Lanes *)(b + i);
    return sum_of(sum);
}

/* One step of Adagrad for WIDE weights. */
ALWAYS void step(float *weights, float *squares, Lanes gradient, float rate) {
    Lanes square = *(Lanes *)squares + gradient * gradient;
    *(Lanes *)squares = square;
    *(Lanes *)weights -= rate * gradient * inverse_root(square);
}

#include "softmax_impl.h"

/* The soft loss of one text and its gradient: optim/losses.py's mse on logits, or kl and hard on probabilities. */
ALWAYS float soft_loss(const Lesson *lesson, const float *z, const float *target, size_t labels, float *gradient) {
    float loss = 0, t = lesson->temperature;
    if (lesson->is_mse) {
        for (size_t k = 0; k < labels; k++) {
            float difference = z[k] - target[k];
            loss += difference * difference / (float)labels;
            gradient[k] = 2 * difference / (float)labels;
        }
        return loss;
    }
    float whole = softmax(z, labels, t, gradient);
    for (size_t k = 0; k < labels; k++) {
        loss -= t * t * target[k] * (z[k] / t - whole);
        gradient[k] = t * (gradient[k] - target[k]);
    }
    return loss;
}

/* The whole loss of one text: soft, gold, or a share of each. */
ALWAYS float loss_of(const Lesson *lesson, size_t row, const float *z, size_t labels, float *gradient) {
    int64_t y = lesson->gold ? lesson->gold[row] : -1;
    float share = y < 0 ? 0 : lesson->soft ? lesson->alpha : 1, loss = 0;
    for (size_t k = 0; k < labels; k++) gradient[k] = 0;
    if (lesson->soft && share < 1) {
        loss = (1 - share) * soft_loss(lesson, z, lesson->soft + row * labels, labels, gradient);
        for (size_t k = 0; k < labels; k++) gradient[k] *= 1 - share;
    }
    if (share > 0) {
        float p[MOST_LABELS], weight = share * (lesson->class_weights ? lesson->class_weights[y] : 1);
        float whole = softmax(z, labels, 1, p);
        loss += weight * (whole - z[y]);
        for (size_t k = 0; k < labels; k++) gradient[k] += weight * (p[k] - (k == (size_t)y));
    }
    return loss;
}

/* The ids of one text: its words, then its n-grams. */
typedef struct {
    const int32_t *words, *grams;
    long word_count, gram_count;
} Example;

ALWAYS Example example_at(const Lesson *lesson, size_t row) {
    const int32_t *ids = lesson->ids + (row ? lesson->ends[row - 1] : 0);
    long count = (long)(lesson->ids + lesson->ends[row] - ids);
    long words = lesson->words ? (long)lesson->words[row] : count;
    return (Example){ids, ids + words, words, count - words};
}

/* The weighted mean of a text's rows; returns a word's share of it. */
ALWAYS float weighted_mean(const Trainable *m, Example text, float gram_weight, size_t width, float *mean) {
    Table table = {m->embedding, NULL};
    float share = 1.0f / ((float)text.word_count + gram_weight * (float)text.gram_count);
    for (size_t i = 0; i < width; i += WIDE) *(Lanes *)(mean + i) = (Lanes){0};
    if (text.gram_count) {
        add_rows_of(FLOAT32, table, width, width, text.grams, text.gram_count, mean);
        for (size_t i = 0; i < width; i += WIDE) *(Lanes *)(mean + i) *= gram_weight;
    }
    add_rows_of(FLOAT32, table, width, width, text.words, text.word_count, mean);
    for (size_t i = 0; i < width; i += WIDE) *(Lanes *)(mean + i) *= share;
    return share;
}

/* One step for each of some rows, all by the same gradient times `weight`. */
ALWAYS void move_rows(const Trainable *m, const int32_t *ids, long count, size_t width, const float *gradient,
                      float weight, float rate) {
    for (size_t j = 0; j < width; j += WIDE) {
        Lanes moved = weight * *(const Lanes *)(gradient + j);
        for (long i = 0; i < count; i++) {
            size_t at = (size_t)ids[i] * width + j;
            step(m->embedding + at, m->squares.embedding + at, moved, rate);
        }
    }
}

/* Forward, backward and a step for one text; returns its loss. */
ALWAYS float learn_one(const Trainable *m, const Lesson *lesson, size_t row, size_t width, size_t hidden) {
    Example text = example_at(lesson, row);
    float mean[MOST_WIDTH], layer[MOST_WIDTH], back[MOST_WIDTH], z[MOST_LABELS], dz[MOST_LABELS];
    z[0] = 0; /* there is always a label, but the compiler does not know */
    float rate = lesson->rate, share = weighted_mean(m, text, lesson->gram_weight, width, mean);
    dense(mean, m->width, m->w1, hidden, m->b1, hidden, layer);
    for (size_t j = 0; j < hidden; j++) layer[j] = layer[j] < 0 ? 0 : layer[j];
    for (size_t k = 0; k < m->labels; k++) z[k] = m->b2[k] + dot(m->w2 + k * hidden, layer, hidden);

    float loss = loss_of(lesson, row, z, m->labels, dz);
    for (size_t k = m->labels; k < PADDED(m->labels); k++) dz[k] = 0;

    for (size_t j = 0; j < hidden; j += WIDE) { /* through the output layer and the ReLU, into `back` */
        Lanes sum = {0}, active = *(Lanes *)(layer + j);
        for (size_t k = 0; k < m->labels; k++) {
            float *weights = m->w2 + k * hidden + j;
            sum += dz[k] * *(Lanes *)weights;
            step(weights, m->squares.w2 + k * hidden + j, dz[k] * active, rate);
        }
        sum = (Lanes)((active > 0) & (LaneBits)sum);
        *(Lanes *)(back + j) = sum;
        step(m->b1 + j, m->squares.b1 + j, sum, rate);
    }
    for (size_t k = 0; k < m->labels; k += WIDE) step(m->b2 + k, m->squares.b2 + k, *(Lanes *)(dz + k), rate);

    for (size_t i = 0; i < m->width; i++) { /* through the hidden layer, into `mean` */
        float *weights = m->w1 + i * hidden, x = mean[i];
        mean[i] = share * dot(weights, back, hidden);
        for (size_t j = 0; j < hidden; j += WIDE)
            step(weights + j, m->squares.w1 + i * hidden + j, x * *(Lanes *)(back + j), rate);
    }
    move_rows(m, text.words, text.word_count, width, mean, 1, rate);
    if (text.gram_count) move_rows(m, text.grams, text.gram_count, width, mean, lesson->gram_weight, rate);
    return loss;
}

/* All texts once, in the order given; returns the sum of their losses, each before its own step. */
ALWAYS double learn_all(const Trainable *m, const Lesson *lesson, size_t width, size_t hidden) {
    double loss = 0;
    for (size_t i = 0; i < lesson->count; i++) loss += learn_one(m, lesson, (size_t)lesson->order[i], width, hidden);
    return loss;
}

static double learn_pass(const Trainable *m, const Lesson *lesson) {
    size_t width = PADDED(m->width), hidden = PADDED(m->hidden);
    if (hidden == 2 * LANES && width == LANES) return learn_all(m, lesson, LANES, 2 * LANES);
    if (hidden == 2 * LANES && width == 2 * LANES) return learn_all(m, lesson, 2 * LANES, 2 * LANES);
    return learn_all(m, lesson, width, hidden); /* the usual sizes of `cbow` and `dan` are known to the compiler */
}
