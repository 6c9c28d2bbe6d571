/* A weighted bag of words and exact n-grams: from ids to logits. Included by engine_impl.h, and so compiled for each
   kind of processor.

   Rows lie anywhere in a table that is larger than the caches near the processor. So every row is asked for as soon as
   its id is known, and words are added up while those of n-grams are on their way. */

enum { SOME = 256 }; /* places of a text that are looked at together */

/* N-grams that were found, and where in the text each begins. */
typedef struct {
    int32_t ids[SOME];
    uint16_t starts[SOME];
    uint64_t hashes[SOME];
    long count;
} Found;

/* The sums of one text. */
typedef struct {
    float *rows; /* of all features: their embeddings, then their parts of the logits */
    double squares;
} Pool;

ALWAYS void prefetch_row(const Student *s, int32_t id) {
    uint32_t form = s->head.table;
    size_t bytes = s->bag.stride * (form == FLOAT32 ? 4 : form == FLOAT16 ? 2 : 1);
    const char *row = (const char *)s->embedding.rows + (size_t)id * bytes;
    for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(row + at);
    __builtin_prefetch(s->bag.squares + (size_t)id * s->bag.apart);
}

ALWAYS float squares_of(const Bag *bag, const int32_t *ids, long count) {
    float a = 0, b = 0;
    long i = 0;
    for (; i + 2 <= count; i += 2) {
        a += bag->squares[(size_t)ids[i] * bag->apart];
        b += bag->squares[(size_t)ids[i + 1] * bag->apart];
    }
    return i < count ? a + b + bag->squares[(size_t)ids[i] * bag->apart] : a + b;
}

/* Add at most SOME features. */
ALWAYS void pool(const Student *s, const int32_t *ids, long count, Pool *sums) {
    const Header *h = &s->head;
    size_t width = PADDED((size_t)h->width), stride = s->bag.stride;
    add_rows(h->table, s->embedding, stride, width, ids, count, sums->rows);
    if (s->bag.numbers > width) add_rows(h->table, s->bag.direct, stride, laned(h->labels), ids, count, sums->rows + width);
    sums->squares += squares_of(&s->bag, ids, count);
}

/* The n-gram that prolongs a word or an n-gram by a word, as a feature; -1 where there is none. */
ALWAYS int32_t prolong(const Student *s, uint64_t hash, uint32_t prefix, uint32_t word) {
    const Index *index = &s->bag.index;
    for (uint64_t at = hash >> index->shift;; at = (at + 1) & index->mask) {
        uint32_t slot = index->slots[at];
        if (!slot) return -1;
        if (((slot ^ (uint32_t)hash) & ~index->id_bits) == 0) {
            uint32_t number = (slot & index->id_bits) - 1;
            const Gram *gram = &s->bag.grams[number];
            if (gram->prefix == prefix && gram->word == word) return (int32_t)(s->head.vocabulary + number);
        }
    }
}

/* Of n-grams of n - 1 words leave those out behind which the text ends, and ask for where the others may be found. */
ALWAYS void hash_all(const Student *s, const int32_t *ids, long count, long n, Found *found) {
    const Index *index = &s->bag.index;
    while (found->count && found->starts[found->count - 1] + n > count) found->count--;
    for (long i = 0; i < found->count; i++) {
        found->hashes[i] = hash_key((uint32_t)found->ids[i], (uint32_t)ids[found->starts[i] + n - 1]);
        __builtin_prefetch(&index->slots[found->hashes[i] >> index->shift]);
    }
}

/* Then keep those that become n-grams of n words. */
ALWAYS void prolong_all(const Student *s, const int32_t *ids, long n, Found *found) {
    long some = found->count;
    found->count = 0;
    for (long i = 0; i < some; i++) {
        uint16_t start = found->starts[i];
        int32_t id = prolong(s, found->hashes[i], (uint32_t)found->ids[i], (uint32_t)ids[start + n - 1]);
        if (id < 0) continue;
        prefetch_row(s, id);
        found->ids[found->count] = id;
        found->starts[found->count++] = start;
    }
}

/* Add the words from `ids` on, `some` of a text's `count` that are left, and all n-grams that begin at one of them. */
static void pool_some(const Student *s, const int32_t *ids, long some, long count, Pool *sums) {
    Found found;
    found.count = s->head.buckets ? some : 0;
    for (long i = 0; i < found.count; i++) {
        found.ids[i] = ids[i];
        found.starts[i] = (uint16_t)i;
    }
    hash_all(s, ids, count, 2, &found);
    for (long i = 0; i < some; i++) prefetch_row(s, ids[i]);
    prolong_all(s, ids, 2, &found);
    pool(s, ids, some, sums);
    for (long n = 3; found.count; n++) {
        pool(s, found.ids, found.count, sums);
        if (n > (long)s->head.longest) break;
        hash_all(s, ids, count, n, &found);
        prolong_all(s, ids, n, &found);
    }
}

/* Logits of at least one id; up to PADDED(labels) floats are written. */
static void bag_logits_of(const Student *s, const int32_t *ids, long count, float *logits) {
    const Header *h = &s->head;
    float rows[MOST_WIDTH + MOST_LABELS], hidden[MOST_WIDTH];
    Pool sums = {rows, 0};
    size_t width = PADDED((size_t)h->width), wide = PADDED((size_t)h->hidden), labels = laned(h->labels);
    for (size_t i = 0; i < s->bag.numbers; i += WIDE) *(Lanes *)(rows + i) = (Lanes){0};
    for (long first = 0; first < count; first += SOME)
        pool_some(s, ids + first, count - first < SOME ? count - first : SOME, count - first, &sums);

    float squares = (float)sums.squares, scale = 1.0f / sqrtf(squares > 1e-12f ? squares : 1e-12f);
    for (size_t i = 0; i < s->bag.numbers; i += WIDE) *(Lanes *)(rows + i) *= scale;
    if (width) {
        dense(rows, h->width, s->w1, wide, s->b1, wide, hidden);
        for (size_t i = 0; i < wide; i++) hidden[i] = hidden[i] < 0 ? 0 : hidden[i];
    }
    dense(hidden, h->hidden, s->w2, PADDED((size_t)h->labels), s->b2, labels, logits); /* without a hidden layer, the bias */
    if (s->bag.numbers == width) return;
    for (size_t i = 0; i < labels; i += WIDE) *(Lanes *)(logits + i) += *(Lanes *)(rows + width + i);
}
