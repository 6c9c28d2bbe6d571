/* One pass of training for weighted bags: forward, backward and a step of Adagrad for each text.

   Included by engine_impl.h behind trainer_impl.h. A feature's row holds its embedding, then its part of the logits;
   `students/layers/weighted_bag.py` says what a bag is. The rows are those of the torch student, not yet weighed. */

/* A stream of random numbers, seeded anew for each pass: xorshift64 (Marsaglia 2003). */
ALWAYS uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* The features of a text that have a weight and are not dropped, their weights divided by the bag's length. */
ALWAYS long keep_features(const BagLesson *bag, size_t row, uint64_t *state, int32_t *ids, float *shares) {
    const Lesson *lesson = &bag->lesson;
    int64_t begin = row ? lesson->ends[row - 1] : 0;
    uint64_t dropped = (uint64_t)((double)bag->dropout * 4294967296.0);
    long count = 0;
    float squares = 0;
    for (int64_t i = begin; i < lesson->ends[row]; i++) {
        float weight = bag->weights[lesson->ids[i]];
        if (weight <= 0 || (dropped && next_random(state) >> 32 < dropped)) continue;
        ids[count] = lesson->ids[i];
        shares[count++] = weight;
        squares += weight * weight;
    }
    float inverse = 1.0f / sqrtf(squares > 1e-12f ? squares : 1e-12f);
    for (long i = 0; i < count; i++) shares[i] *= inverse;
    return count;
}

/* The gold labels of a text that do not exclude each other; NULL where it has none, which a NaN among them says. */
ALWAYS const float *gold_of_each(const BagLesson *bag, size_t row, size_t labels) {
    if (!bag->gold_rows) return NULL;
    const float *gold = bag->gold_rows + row * labels;
    for (size_t k = 0; k < labels; k++) {
        if (gold[k] != gold[k]) return NULL;
    }
    return gold;
}

/* Labels that do not exclude each other: the loss of each, averaged, and its gradient. */
ALWAYS float loss_of_each(const BagLesson *bag, size_t row, const float *z, size_t labels, float *gradient) {
    const Lesson *lesson = &bag->lesson;
    const float *gold = gold_of_each(bag, row, labels);
    const float *soft = lesson->soft ? lesson->soft + row * labels : NULL;
    float share = !gold ? 0 : soft ? lesson->alpha : 1, t = lesson->temperature, loss = 0;
    for (size_t k = 0; k < labels; k++) {
        float slope = 0;
        if (soft && share < 1 && lesson->is_mse) {
            float difference = z[k] - soft[k];
            loss += (1 - share) * difference * difference;
            slope = (1 - share) * 2 * difference;
        } else if (soft && share < 1) {
            float scaled = z[k] / t, likely = 1.0f / (1.0f + expf(-scaled));
            loss += (1 - share) * t * t * (log1pf(expf(-fabsf(scaled))) + (scaled > 0 ? scaled : 0) - scaled * soft[k]);
            slope = (1 - share) * t * (likely - soft[k]);
        }
        if (share > 0) {
            float weight = gold[k] > 0.5f && lesson->class_weights ? lesson->class_weights[k] : 1;
            float likely = 1.0f / (1.0f + expf(-z[k]));
            loss += share * weight * (log1pf(expf(-fabsf(z[k]))) + (z[k] > 0 ? z[k] : 0) - z[k] * gold[k]);
            slope += share * weight * (likely - gold[k]);
        }
        gradient[k] = slope / (float)labels;
    }
    return loss / (float)labels;
}

/* Back through the output layer, the ReLU and the hidden layer, with a step for each; into `mean` goes its gradient. */
ALWAYS void learn_layers(const Trainable *m, const float *layer, const float *dz, float *mean, float *back,
                         size_t hidden, float rate) {
    for (size_t j = 0; j < hidden; j += WIDE) {
        Lanes sum = {0}, active = *(const Lanes *)(layer + j);
        for (size_t k = 0; k < m->labels; k++) {
            float *weights = m->w2 + k * hidden + j;
            sum += dz[k] * *(Lanes *)weights;
            step(weights, m->squares.w2 + k * hidden + j, dz[k] * active, rate);
        }
        sum = (Lanes)((active > 0) & (LaneBits)sum);
        *(Lanes *)(back + j) = sum;
        step(m->b1 + j, m->squares.b1 + j, sum, rate);
    }
    for (size_t i = 0; i < m->width; i++) {
        float *weights = m->w1 + i * hidden, x = mean[i];
        mean[i] = dot(weights, back, hidden);
        for (size_t j = 0; j < hidden; j += WIDE)
            step(weights + j, m->squares.w1 + i * hidden + j, x * *(Lanes *)(back + j), rate);
    }
}

static float learn_bag_one(const Trainable *m, const BagLesson *bag, size_t row, uint64_t *state) {
    size_t wide = PADDED(m->width + bag->direct), hidden = PADDED(m->hidden), labels = m->labels;
    float mean[MOST_WIDTH + MOST_LABELS + LANES], layer[MOST_WIDTH], back[MOST_WIDTH], z[MOST_LABELS], dz[MOST_LABELS];
    long count = keep_features(bag, row, state, bag->kept, bag->shares);
    for (size_t i = 0; i < wide; i += WIDE) *(Lanes *)(mean + i) = (Lanes){0};
    for (long f = 0; f < count; f++) {
        const float *from = m->embedding + (size_t)bag->kept[f] * wide;
        for (size_t i = 0; i < wide; i += WIDE) *(Lanes *)(mean + i) += bag->shares[f] * *(const Lanes *)(from + i);
    }

    for (size_t k = 0; k < labels; k++) z[k] = m->b2[k] + (bag->direct ? mean[m->width + k] : 0);
    if (m->width) {
        dense(mean, m->width, m->w1, hidden, m->b1, hidden, layer);
        for (size_t j = 0; j < hidden; j++) layer[j] = layer[j] < 0 ? 0 : layer[j];
        for (size_t k = 0; k < labels; k++) z[k] += dot(m->w2 + k * hidden, layer, hidden);
    }

    float rate = bag->lesson.rate;
    float loss = bag->is_each ? loss_of_each(bag, row, z, labels, dz) : loss_of(&bag->lesson, row, z, labels, dz);
    for (size_t k = labels; k < PADDED(labels); k++) dz[k] = 0;
    if (m->width) learn_layers(m, layer, dz, mean, back, hidden, rate);
    for (size_t k = 0; k < labels; k += WIDE) step(m->b2 + k, m->squares.b2 + k, *(Lanes *)(dz + k), rate);

    for (size_t i = m->width; i < wide; i++) mean[i] = 0;
    for (size_t k = 0; bag->direct && k < labels; k++) mean[m->width + k] = dz[k];
    for (long f = 0; f < count; f++) {
        size_t at = (size_t)bag->kept[f] * wide;
        for (size_t i = 0; i < wide; i += WIDE)
            step(m->embedding + at + i, m->squares.embedding + at + i, bag->shares[f] * *(Lanes *)(mean + i),
                 bag->row_rate);
    }
    return loss;
}

static double learn_bag_pass(const Trainable *m, const BagLesson *bag) {
    uint64_t state = bag->seed | 1; /* never zero */
    for (int i = 0; i < 8; i++) next_random(&state);
    double loss = 0;
    for (size_t i = 0; i < bag->lesson.count; i++)
        loss += learn_bag_one(m, bag, (size_t)bag->lesson.order[i], &state);
    return loss;
}
