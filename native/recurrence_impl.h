/* One bidirectional LSTM layer while it is trained: states one after the other, and the way back through them. Included
   by engine_impl.h behind lstm_impl.h, and so compiled for each kind of processor.

   Texts stand by falling length, so that those that have a word at a step are the first of them. A step multiplies the
   states of several texts with weights that stay in the first-level cache, 16 units after the other. What words, and
   gradients of weights, are multiplied with is the same at all places, and so left to who calls: large products.
   A direction is called a way: 0 reads forward, 1 backward. */

/* sums += numbers · weights at up to TOGETHER places, of `count` rows of GATED weights; once for all that need it. */
static void multiply_floats(size_t places, const float *numbers, size_t stride, size_t count, const float *weights,
                            float *sums) {
    multiply(FLOAT32, (int)places, (const char *)numbers, stride * sizeof *numbers, count, (const char *)weights,
             (int32_t *)(void *)sums);
}

/* How many of some texts to take at once, so that few are left over. */
ALWAYS size_t share(size_t count) { return count / ((count + TOGETHER - 1) / TOGETHER); }

/* A step of one way, of some texts: who has a word there, and who has one before it. */
typedef struct {
    size_t way, at, stop, middle; /* place of the word; where these texts end */
    ptrdiff_t back;               /* words from one to the one that was read before */
} Step;

/* Texts with more than `length` words, of `most`. */
ALWAYS size_t longer(const Recurrence *r, size_t most, size_t length) {
    while (most && (size_t)r->lengths[most - 1] <= length) most--;
    return most;
}

ALWAYS Step step_at(const Recurrence *r, size_t way, size_t at, size_t last) {
    size_t stop = longer(r, last, at);
    Step step = {way, at, stop, way ? longer(r, stop, at + 1) : at ? stop : 0, way ? 1 : -1};
    return step;
}

/* Numbers of a word, in an array with so many for each way. */
ALWAYS size_t row(const Recurrence *r, const Step *step, size_t text) {
    return ((size_t)r->starts[text] + step->at) * 2 + step->way;
}

/* Ask for what a text's next step reads and writes at some units: they are as far apart as texts are. */
#define FETCH(at) __builtin_prefetch(at, 1, 2)

/* ---------------------------------------------------------------------------------------------------- forward */

/* Gates, cells and states of LANES units at a word; `before` are the cells at the word before, NULL at a text's first.
   Two gates share a division; powers are at most exp(28), so their products are finite. */
ALWAYS void close_gates(const float *sums, float *gates, size_t units, const float *before, float *cells,
                        float *states, float *latest) {
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
        Lanes c = power_against(cell + cell), state = leave * (one - c) / (one + c);
        *(Lanes *)(gates + i) = enter;
        *(Lanes *)(gates + units + i) = forget;
        *(Lanes *)(gates + 2 * units + i) = update;
        *(Lanes *)(gates + 3 * units + i) = leave;
        *(Lanes *)(cells + i) = cell;
        *(Lanes *)(states + i) = state;
        *(Lanes *)(latest + i) = state;
    }
}

/* LANES units of some texts next to each other, at one step. */
ALWAYS void take_words(const Recurrence *r, const Step *step, size_t block, size_t text, size_t places, int goes_on) {
    float sums[TOGETHER * GATED] __attribute__((aligned(64)));
    size_t units = r->units, columns = GATES * units, unit = block * LANES, way = step->way;
    const float *biases = r->biases + way * columns + unit;
    float *met = r->latest + (step->at % 2 * 2 + way) * r->texts * units;        /* states at the step before */
    float *left = r->latest + ((1 - step->at % 2) * 2 + way) * r->texts * units; /* and at this one */
    for (size_t p = 0; p < places; p++) {
        const float *gates = r->gates + row(r, step, text + p) * columns + unit;
        for (size_t g = 0; g < GATES; g++) {
            for (size_t i = 0; i < LANES; i += WIDE)
                *(Lanes *)(sums + p * GATED + g * LANES + i) =
                    *(const Lanes *)(gates + g * units + i) + *(const Lanes *)(biases + g * units + i);
        }
    }
    if (goes_on)
        multiply_floats(places, met + text * units, units, units,
                        r->recurrent + (way * (units / LANES) + block) * units * GATED, sums);
    for (size_t p = 0; p < places; p++) {
        size_t word = row(r, step, text + p), at = word * units + unit;
        const float *before = goes_on ? r->cells + ((ptrdiff_t)at + step->back * 2 * (ptrdiff_t)units) : NULL;
        close_gates(sums + p * GATED, r->gates + word * columns + unit, units, before, r->cells + at, r->states + at,
                    left + (text + p) * units + unit);
        if (way ? step->at == 0 : step->at + 1 == (size_t)r->lengths[text + p]) continue;
        size_t next = way ? word - 2 : word + 2;
        for (size_t g = 0; g < GATES; g++) FETCH(r->gates + next * columns + unit + g * units);
        FETCH(r->cells + next * units + unit);
        FETCH(r->states + next * units + unit);
    }
}

/* One way through the texts from `first` on and before `last`, all together. */
static void follow_way(const Recurrence *r, size_t way, size_t first, size_t last) {
    size_t steps = (size_t)r->lengths[first];
    for (size_t i = 0; i < steps; i++) {
        Step step = step_at(r, way, way ? steps - 1 - i : i, last);
        for (size_t block = 0; block < r->units / LANES; block++) {
            size_t text = first, places;
            for (; text < step.middle; text += places)
                take_words(r, &step, block, text, places = share(step.middle - text), 1);
            for (; text < step.stop; text += places)
                take_words(r, &step, block, text, places = share(step.stop - text), 0);
        }
    }
}

/* A text stands for each of its ways: those of the forward one first. */
static void follow_states(const Recurrence *r, size_t first, size_t last) {
    if (first < r->texts && first < last) follow_way(r, 0, first, last < r->texts ? last : r->texts);
    if (first < r->texts) first = r->texts;
    if (first < last) follow_way(r, 1, first - r->texts, last - r->texts);
}

/* --------------------------------------------------------------------------------------------------- backward */

/* Gradients of LANES units at a word, before their activation; that of the cells before is left in `of_cells`. */
ALWAYS void open_gates(const float *gates, size_t units, const float *cells, const float *before, const float *of_state,
                       const float *carried, float *of_cells, float *of_gates, float *latest) {
    const Lanes one = same(1.0f);
    for (size_t i = 0; i < LANES; i += WIDE) {
        Lanes enter = *(const Lanes *)(gates + i), forget = *(const Lanes *)(gates + units + i);
        Lanes update = *(const Lanes *)(gates + 2 * units + i), leave = *(const Lanes *)(gates + 3 * units + i);
        Lanes cell = *(const Lanes *)(cells + i), c = power_against(cell + cell), tanh = (one - c) / (one + c);
        Lanes state = (*(const Lanes *)(of_state + i) + *(const Lanes *)(carried + i)) * leave;
        Lanes all = *(Lanes *)(of_cells + i) + state * (one - tanh * tanh), earlier = {0};
        if (before) earlier = *(const Lanes *)(before + i);
        *(Lanes *)(of_cells + i) = all * forget;
        Lanes found[GATES] = {all * update * enter * (one - enter), all * earlier * forget * (one - forget),
                              all * enter * (one - update * update), state * tanh * (one - leave)};
        for (size_t g = 0; g < GATES; g++) {
            *(Lanes *)(of_gates + g * units + i) = found[g];
            *(Lanes *)(latest + g * units + i) = found[g];
        }
    }
}

/* One text at one step; the states before it are put where products find them. */
ALWAYS void return_word(const Recurrence *r, const Step *step, size_t text) {
    size_t units = r->units, columns = GATES * units, word = row(r, step, text), way = step->way;
    size_t earlier = (size_t)((ptrdiff_t)word + 2 * step->back);
    int goes_on = text < step->middle;
    for (size_t unit = 0; unit < units; unit += LANES) {
        size_t carried = (way * r->blocks + unit / GATED) * r->texts + text;
        open_gates(r->gates + word * columns + unit, units, r->cells + word * units + unit,
                   goes_on ? r->cells + earlier * units + unit : NULL, r->of_states + word * units + unit,
                   r->carried + carried * GATED + unit % GATED, r->of_cells + (way * r->texts + text) * units + unit,
                   r->of_gates + word * columns + unit, r->latest + (way * r->texts + text) * columns + unit);
    }
    if (goes_on) {
        for (size_t i = 0; i < columns; i += LANES) {
            FETCH(r->gates + earlier * columns + i);
            FETCH(r->of_gates + earlier * columns + i);
        }
        for (size_t i = 0; i < units; i += LANES) {
            FETCH(r->cells + earlier * units + i);
            FETCH(r->of_states + earlier * units + i);
            FETCH(r->before + earlier * units + i);
        }
    }
    float *states = r->before + word * units;
    if (goes_on) memcpy(states, r->states + earlier * units, units * sizeof *states);
    else memset(states, 0, units * sizeof *states);
}

/* Gradients of the states before some words, from those of the words' gates: a gate of all units after the other. */
ALWAYS void carry(const Recurrence *r, const Step *step, size_t first) {
    size_t units = r->units, columns = GATES * units, way = step->way;
    for (size_t block = 0; block < r->blocks; block++) {
        float *carried = r->carried + (way * r->blocks + block) * r->texts * GATED;
        memset(carried + first * GATED, 0, (step->middle - first) * GATED * sizeof *carried);
        for (size_t at = 0; at < columns; at += units) {
            const float *weights = r->recurrent + ((way * r->blocks + block) * columns + at) * GATED;
            for (size_t text = first, places; text < step->middle; text += places) {
                places = share(step->middle - text);
                multiply_floats(places, r->latest + (way * r->texts + text) * columns + at, columns, units, weights,
                                carried + text * GATED);
            }
        }
    }
}

static void return_way(const Recurrence *r, size_t way, size_t first, size_t last) {
    size_t steps = (size_t)r->lengths[first];
    for (size_t i = 0; i < steps; i++) {
        Step step = step_at(r, way, way ? i : steps - 1 - i, last);
        for (size_t text = first; text < step.stop; text++) return_word(r, &step, text);
        if (first < step.middle) carry(r, &step, first);
    }
}

static void return_states(const Recurrence *r, size_t first, size_t last) {
    if (first < r->texts && first < last) return_way(r, 0, first, last < r->texts ? last : r->texts);
    if (first < r->texts) first = r->texts;
    if (first < last) return_way(r, 1, first - r->texts, last - r->texts);
}
