/* A convolution over words while it is trained: the greatest window of each filter, and the way back from it. Included
   by engine_impl.h, and so compiled for each kind of processor.

   Forward, products of words and filters lie as they do in `model.fast`. Backward, only the words of each greatest
   window have gradients: a filter and a word meet there at most once for each place of the filter. */

/* Where the greatest windows of WIDE filters end, as words from the text's first one; `depth` is a constant. */
ALWAYS void peaks(const Windows *w, const int64_t *ids, long count, size_t at, size_t filter, int depth, float *best,
                  int32_t *places) {
#define PRODUCTS(o) *(const Lanes *)(row + (o) * ABREAST)
#define LATER(o, next)                                                                                                 \
    if (depth > o) w##o = next + PRODUCTS(o);
#define BEHIND(o)                                                                                                      \
    if (depth > o) {                                                                                                   \
        long there = ((long)w->widest - o) * (long)w->filters - (long)filter; /* filters of which it holds a word */   \
        if (there > 0) TAKE(there < WIDE ? keep_lanes(w##o, there) : w##o, count - 1 + o)                              \
    }
#define TAKE(window, end)                                                                                              \
    {                                                                                                                  \
        Lanes closed = window;                                                                                         \
        LaneBits is = closed > greatest;                                                                               \
        greatest = greater_lanes(closed, greatest);                                                                    \
        ends = (is & (int32_t)(end)) | (~is & ends);                                                                   \
    }
    const Lanes none = {0};
    Lanes w1 = none, w2 = none, w3 = none, w4 = none, w5 = none, w6 = none, w7 = none, greatest = none - FLT_MAX;
    LaneBits ends = {0};
    for (long i = 0; i < count; i++) {
        const float *row = w->products + (size_t)ids[i] * w->stride + at;
        TAKE(w1 + PRODUCTS(0), i)
        LATER(1, w2) LATER(2, w3) LATER(3, w4) LATER(4, w5) LATER(5, w6) LATER(6, w7) LATER(7, none)
    }
    BEHIND(1) BEHIND(2) BEHIND(3) BEHIND(4) BEHIND(5) BEHIND(6) BEHIND(7)
    *(Lanes *)best = greatest;
    memcpy(places, &ends, sizeof ends);
}

#define PEAKS(n)                                                                                                       \
    case n:                                                                                                            \
        for (size_t k = 0; k < ABREAST; k += WIDE)                                                                     \
            peaks(w, ids, count, at + k, filter + k, n, best + filter + k, places + filter + k);                       \
        break;

/* The greatest windows of all filters, of texts that were checked. */
static void find_windows(const Windows *w) {
    for (size_t text = 0; text < w->texts; text++) {
        int64_t start = text ? w->ends[text - 1] : 0;
        const int64_t *ids = w->ids + start;
        long count = (long)(w->ends[text] - start);
        float *best = w->best + text * w->padded;
        int32_t *places = w->places + text * w->padded;
        for (size_t filter = 0, at = 0; filter < w->padded; filter += ABREAST) {
            uint32_t depth = w->widest - (uint32_t)(filter / w->filters);
            switch (depth) {
                PEAKS(1) PEAKS(2) PEAKS(3) PEAKS(4) PEAKS(5) PEAKS(6) PEAKS(7) PEAKS(8)
            }
            at += (size_t)depth * ABREAST;
        }
    }
}

/* Add to both gradients what one word in one greatest window gives. */
ALWAYS void meet(size_t width, float gradient, const float *word, const float *column, float *of_word, float *of_column) {
    for (size_t i = 0; i < width; i += WIDE) {
        *(Lanes *)(of_word + i) += gradient * *(const Lanes *)(column + i);
        *(Lanes *)(of_column + i) += gradient * *(const Lanes *)(word + i);
    }
}

/* The gradients of words and of some filters, one filter after the other: its columns stay near. */
static void return_windows(const Windows *w, size_t first, size_t last) {
    for (size_t filter = first; filter < last; filter++) {
        long depth = (long)(w->widest - filter / w->filters);
        for (size_t text = 0; text < w->texts; text++) {
            float gradient = w->gradients[text * w->padded + filter];
            if (gradient == 0.0f) continue;
            int64_t start = text ? w->ends[text - 1] : 0, count = w->ends[text] - start;
            int64_t end = w->places[text * w->padded + filter];
            for (long o = 0; o < depth; o++) {
                if (end - o < 0 || end - o >= count) continue; /* before or behind the text */
                size_t word = (size_t)w->ids[start + end - o] * w->width, column = (filter * w->widest + o) * w->width;
                meet(w->width, gradient, w->words + word, w->columns + column, w->of_words + word,
                     w->of_columns + column);
            }
        }
    }
}
