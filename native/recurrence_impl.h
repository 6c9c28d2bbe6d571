/* One bidirectional LSTM layer while it is trained: states one after the other, and the way back through them. Included
   by engine_impl.h behind lstm_impl.h, and so compiled for each kind of processor.

   Texts of a batch stand by falling length, and words by their place in the text: first ones first. So the words of a
   step lie together, and those that go on are the first of them. A step multiplies the states of several texts with
   weights that stay in the first-level cache, 16 units after the other. What words and gradients are multiplied with is
   the same at all places, and so left to who calls: large products. */

/* sums += states · weights at up to TOGETHER places, of `words` rows of GATED weights; once for all that need it. */
static void multiply_floats(size_t places, const float *states, size_t stride, size_t words, const float *weights,
                            float *sums) {
    multiply(FLOAT32, (int)places, (const char *)states, stride * sizeof *states, words, (const char *)weights,
             (int32_t *)(void *)sums);
}

/* How many of some texts to take at once, so that none is left over. */
ALWAYS size_t share(size_t count) { return count / ((count + TOGETHER - 1) / TOGETHER); }

/* A step of one direction. */
typedef struct {
    size_t start, count; /* its first word, and how many there are */
    size_t before, goes_on; /* the same of the step that was read before; so many texts go on, the others begin */
} Step;

ALWAYS Step step_at(const Recurrence *r, size_t way, size_t at) {
    size_t start = at ? (size_t)r->ends[at - 1] : 0, end = (size_t)r->ends[at];
    Step step = {start, end - start, end, 0};
    if (way) {
        step.goes_on = at + 1 < r->steps ? (size_t)r->ends[at + 1] - end : 0;
    } else if (at) {
        step.before = at > 1 ? (size_t)r->ends[at - 2] : 0;
        step.goes_on = step.count;
    }
    return step;
}

/* ---------------------------------------------------------------------------------------------------- forward */

/* Gates, cells and states of LANES units at a word; `before` are the cells at the word before, NULL at a text's first.
   Two gates share a division; powers are at most exp(28), so their products are finite. */
ALWAYS void close_gates(const float *sums, float *gates, size_t units, const float *before, float *cells,
                        float *states) {
    const Lanes one = same(1.0f);
    for (size_t i = 0; i < LANES; i += WIDE) {
        Lanes g = *(const Lanes *)(sums + 2 * LANES + i), d = power_against(g + g);
        Lanes a = one + power_against(*(const Lanes *)(sums + i));
        Lanes b = one + power_against(*(const Lanes *)(sums + LANES + i));
        Lanes e = one + power_against(*(const Lanes *)(sums + 3 * LANES + i));
        Lanes first = one / (a * (one + d)), second = one / (b * e);
        Lanes enter = (one + d) * first, update = (one - d) * a * first, forget = e * second, leave = b * second;
        Lanes cell = enter * update;
        if (before) cell += forget * *(const Lanes *)(before + i);
        Lanes c = power_against(cell + cell);
        *(Lanes *)(gates + i) = enter;
        *(Lanes *)(gates + units + i) = forget;
        *(Lanes *)(gates + 2 * units + i) = update;
        *(Lanes *)(gates + 3 * units + i) = leave;
        *(Lanes *)(cells + i) = cell;
        *(Lanes *)(states + i) = leave * (one - c) / (one + c);
    }
}

/* LANES units of some texts next to each other, at one step. */
ALWAYS void take_words(const Recurrence *r, size_t way, const Step *step, size_t block, size_t text, size_t places,
                       int goes_on) {
    float sums[TOGETHER * GATED] __attribute__((aligned(64)));
    size_t units = r->units, columns = GATES * units, unit = block * LANES, word = way * r->words + step->start + text;
    float *gates = r->gates + word * columns + unit, *cells = r->cells + word * units + unit;
    const float *earlier = r->cells + (way * r->words + step->before + text) * units + unit;
    for (size_t p = 0; p < places; p++) {
        for (size_t g = 0; g < GATES; g++)
            memcpy(sums + p * GATED + g * LANES, gates + p * columns + g * units, LANES * sizeof *sums);
    }
    if (goes_on)
        multiply_floats(places, r->states + ((step->before + text) * 2 + way) * units, 2 * units, units,
                        r->recurrent + (way * (units / LANES) + block) * units * GATED, sums);
    for (size_t p = 0; p < places; p++)
        close_gates(sums + p * GATED, gates + p * columns, units, goes_on ? earlier + p * units : NULL,
                    cells + p * units, r->states + ((step->start + text + p) * 2 + way) * units + unit);
}

/* One direction reads the texts from `first` on and before `last`, all together. */
static void follow_way(const Recurrence *r, size_t way, size_t first, size_t last) {
    for (size_t i = 0; i < r->steps; i++) {
        Step step = step_at(r, way, way ? r->steps - 1 - i : i);
        size_t stop = step.count < last ? step.count : last, middle = step.goes_on < stop ? step.goes_on : stop;
        for (size_t block = 0; block < r->units / LANES; block++) {
            size_t text = first, places;
            for (; text < middle; text += places)
                take_words(r, way, &step, block, text, places = share(middle - text), 1);
            for (; text < stop; text += places)
                take_words(r, way, &step, block, text, places = share(stop - text), 0);
        }
    }
}

/* A text stands for each of its directions: those of the forward one first. */
static void follow_states(const Recurrence *r, size_t first, size_t last) {
    if (first < r->texts) follow_way(r, 0, first, last < r->texts ? last : r->texts);
    if (last > r->texts) follow_way(r, 1, first > r->texts ? first - r->texts : 0, last - r->texts);
}

/* --------------------------------------------------------------------------------------------------- backward */

/* Gradients of LANES units at a word, before their activation; that of the cells before is left in `of_cells`. */
ALWAYS void open_gates(const float *gates, size_t units, const float *cells, const float *before, const float *of_state,
                       const float *carried, float *of_cells, float *of_gates) {
    const Lanes one = same(1.0f);
    for (size_t i = 0; i < LANES; i += WIDE) {
        Lanes enter = *(const Lanes *)(gates + i), forget = *(const Lanes *)(gates + units + i);
        Lanes update = *(const Lanes *)(gates + 2 * units + i), leave = *(const Lanes *)(gates + 3 * units + i);
        Lanes cell = *(const Lanes *)(cells + i), c = power_against(cell + cell), tanh = (one - c) / (one + c);
        Lanes state = (*(const Lanes *)(of_state + i) + *(const Lanes *)(carried + i)) * leave;
        Lanes all = *(Lanes *)(of_cells + i) + state * (one - tanh * tanh), earlier = {0};
        if (before) earlier = *(const Lanes *)(before + i);
        *(Lanes *)(of_cells + i) = all * forget;
        *(Lanes *)(of_gates + i) = all * update * enter * (one - enter);
        *(Lanes *)(of_gates + units + i) = all * earlier * forget * (one - forget);
        *(Lanes *)(of_gates + 2 * units + i) = all * enter * (one - update * update);
        *(Lanes *)(of_gates + 3 * units + i) = state * tanh * (one - leave);
    }
}

/* One text at one step; the states before it are put where products find them. */
ALWAYS void return_word(const Recurrence *r, size_t way, const Step *step, size_t text) {
    size_t units = r->units, columns = GATES * units, word = way * r->words + step->start + text;
    size_t earlier = way * r->words + step->before + text;
    int goes_on = text < step->goes_on;
    for (size_t unit = 0; unit < units; unit += LANES) {
        size_t carried = (way * r->blocks + unit / GATED) * r->texts + text;
        open_gates(r->gates + word * columns + unit, units, r->cells + word * units + unit,
                   goes_on ? r->cells + earlier * units + unit : NULL,
                   r->of_states + ((step->start + text) * 2 + way) * units + unit,
                   r->carried + carried * GATED + unit % GATED, r->of_cells + (way * r->texts + text) * units + unit,
                   r->of_gates + word * columns + unit);
    }
    float *states = r->before + word * units;
    if (goes_on) memcpy(states, r->states + ((step->before + text) * 2 + way) * units, units * sizeof *states);
    else memset(states, 0, units * sizeof *states);
}

/* Gradients of the states before some words, from those of the words' gates: a gate of all units after the other. */
ALWAYS void carry(const Recurrence *r, size_t way, const Step *step, size_t first, size_t last) {
    size_t units = r->units, columns = GATES * units;
    for (size_t block = 0; block < r->blocks; block++) {
        float *carried = r->carried + (way * r->blocks + block) * r->texts * GATED;
        memset(carried + first * GATED, 0, (last - first) * GATED * sizeof *carried);
        for (size_t at = 0; at < columns; at += units) {
            const float *weights = r->recurrent + ((way * r->blocks + block) * columns + at) * GATED;
            for (size_t text = first, places; text < last; text += places) {
                places = share(last - text);
                multiply_floats(places, r->of_gates + (way * r->words + step->start + text) * columns + at, columns,
                                units, weights, carried + text * GATED);
            }
        }
    }
}

static void return_way(const Recurrence *r, size_t way, size_t first, size_t last) {
    for (size_t i = 0; i < r->steps; i++) {
        Step step = step_at(r, way, way ? i : r->steps - 1 - i);
        size_t stop = step.count < last ? step.count : last, middle = step.goes_on < stop ? step.goes_on : stop;
        for (size_t text = first; text < stop; text++) return_word(r, way, &step, text);
        if (first < middle) carry(r, way, &step, first, middle);
    }
}

static void return_states(const Recurrence *r, size_t first, size_t last) {
    if (first < r->texts) return_way(r, 0, first, last < r->texts ? last : r->texts);
    if (last > r->texts) return_way(r, 1, first > r->texts ? first - r->texts : 0, last - r->texts);
}
