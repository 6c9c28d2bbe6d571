/* Opening `model.fast`: everything is checked once, here and in checks.c, and trusted afterwards. */
#include "sizes.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(Header) == 128, "the header is 128 bytes");

Key key_of(const char *word, size_t length) {
    Key key = {0, 0};
    memcpy(&key, word, length < KEY ? length : KEY);
    return key;
}

uint64_t hash_long(const char *word, size_t length) {
    uint64_t h = length;
    for (size_t at = 0; at < length; at += KEY) {
        Key part = key_of(word + at, length - at);
        h = hash_key(part.a ^ h, part.b) ^ h >> 7;
    }
    return h;
}

/* ------------------------------------------------------------------------------------------------ vocabulary */

typedef struct {
    const char *text;
    uint32_t length;
    int is_continued; /* a piece that continues a word; `text` begins after its ## */
} Entry;

static Entry entry_of(const Student *s, uint32_t id) {
    uint32_t start = id ? s->ends[id - 1] : 0;
    Entry entry = {s->texts + start, s->ends[id] - start, 0};
    if (s->head.rule != WORDS && entry.length > 2 && !memcmp(entry.text, "##", 2)) {
        entry.text += 2;
        entry.length -= 2;
        entry.is_continued = 1;
    }
    return entry;
}

/* Words hold no zero byte, so an entry with one is never looked for. */
static int is_findable(Entry entry) { return entry.length && !memchr(entry.text, 0, entry.length); }

static Index *index_for(Student *s, Entry entry) {
    return (entry.length <= KEY ? s->short_words : s->long_words) + entry.is_continued;
}

static int make_index(Index *index, uint64_t count, uint32_t vocabulary) {
    int bits = 4;
    while ((UINT64_C(1) << bits) < 3 * count) bits++;
    index->mask = (UINT64_C(1) << bits) - 1;
    index->shift = 64 - bits;
    index->id_bits = 1;
    while (index->id_bits < vocabulary) index->id_bits = index->id_bits << 1 | 1;
    index->slots = calloc((size_t)1 << bits, sizeof *index->slots);
    return index->slots ? 0 : -1;
}

static int is_same(const Student *s, uint32_t id, Entry entry) {
    Entry other = entry_of(s, id);
    return other.length == entry.length && !memcmp(other.text, entry.text, entry.length);
}

/* Put one word where it will be found; -1 where it is there already. */
static int insert(Student *s, uint32_t id) {
    Entry entry = entry_of(s, id);
    if (!is_findable(entry)) return 0;
    Index *index = index_for(s, entry);
    uint64_t hash;
    if (entry.length <= KEY) {
        s->keys[id] = key_of(entry.text, entry.length);
        hash = hash_key(s->keys[id].a, s->keys[id].b);
    } else {
        hash = hash_long(entry.text, entry.length);
    }
    uint64_t at = hash >> index->shift;
    for (; index->slots[at]; at = (at + 1) & index->mask) {
        if (is_same(s, (index->slots[at] & index->id_bits) - 1, entry)) return -1;
    }
    index->slots[at] = ((uint32_t)hash & ~index->id_bits) | (id + 1);
    if (entry.length > s->longest_piece) s->longest_piece = entry.length;
    return 0;
}

static const char *read_texts(Student *s, const unsigned char *file) {
    const unsigned char *from = file + s->head.texts_at;
    uint64_t n = s->head.vocabulary, bytes = s->head.texts_bytes - 4 * n;
    s->ends = malloc(4 * n);
    s->texts = calloc(bytes + KEY, 1);
    s->keys = calloc(n, sizeof *s->keys);
    if (!s->ends || !s->texts || !s->keys) return NULL;
    memcpy(s->ends, from, 4 * n);
    memcpy(s->texts, from + 4 * n, bytes);
    uint32_t last = 0;
    for (uint64_t id = 0; id < n; id++) {
        if (s->ends[id] < last || s->ends[id] > bytes) return "a word of its vocabulary lies outside of it";
        last = s->ends[id];
    }
    return "";
}

/* "" where all is well, NULL where memory is out, else why the vocabulary is refused. */
static const char *read_vocabulary(Student *s, const unsigned char *file) {
    const char *what = read_texts(s, file);
    if (!what || *what) return what;
    uint32_t n = s->head.vocabulary;
    uint64_t counts[2][2] = {{0, 0}, {0, 0}};
    for (uint32_t id = 0; id < n; id++) {
        Entry entry = entry_of(s, id);
        counts[entry.length <= KEY][entry.is_continued]++;
    }
    for (int i = 0; i < 2; i++) {
        if (make_index(&s->short_words[i], counts[1][i], n) || make_index(&s->long_words[i], counts[0][i], n))
            return NULL;
    }
    for (uint32_t id = 0; id < n; id++) {
        if (insert(s, id)) return "its vocabulary names a word twice";
    }
    return "";
}

/* ---------------------------------------------------------------------------------------------------- weights */

static const float *floats_from(const void *at) { return at; }

/* Where a table's rows and steps lie; returns where they end. */
static const unsigned char *find_table(Table *table, const Header *h, uint64_t rows, const unsigned char *at) {
    *table = (Table){at, floats_from(at + bytes_of_rows(h, rows)), 1};
    return at + bytes_of_rows(h, rows) + bytes_of_steps(h, rows);
}

/* The same of a bag: one table in two parts, each of which, where it is there, has steps of its own. */
static const unsigned char *find_rows(Student *s, const unsigned char *at) {
    const Header *h = &s->head;
    Bag *bag = &s->bag;
    uint64_t rows = (uint64_t)h->vocabulary + h->buckets, steps = is_together(h) ? 4 : bytes_of_steps(h, rows);
    size_t embedding = PADDED((size_t)h->width) * bytes_of_number(h->table);
    bag->numbers = row_of(h);
    bag->stride = bytes_of_row(h) / bytes_of_number(h->table);
    bag->apart = is_together(h) ? bytes_of_row(h) / 4 : 1;

    const unsigned char *behind = at + (is_together(h) ? bag->numbers * bytes_of_number(h->table) : bytes_of_rows(h, rows));
    if (is_together(h)) {
        bag->squares = floats_from(behind);
        behind += 4;
    }
    s->embedding = (Table){at, floats_from(behind), bag->apart};
    if (h->width) behind += steps;
    bag->direct = (Table){at + embedding, floats_from(behind), bag->apart};
    if (h->student == DIRECT_BAG) behind += steps;
    return is_together(h) ? at + bytes_of_rows(h, rows) : behind;
}

/* The same of a convolution: filters have steps, not words. */
static void find_filters(Student *s, const unsigned char *at) {
    const Header *h = &s->head;
    s->convolution = (Convolution){padded_filters(h), row_of(h)};
    s->embedding = (Table){at, floats_from(at + bytes_of_rows(h, h->vocabulary)), 1};
    s->b1 = s->embedding.steps + bytes_of_steps(h, s->convolution.filters) / 4;
    s->w2 = s->b1 + s->convolution.filters;
    s->b2 = s->w2 + h->labels * s->convolution.filters;
}

static void find_weights(Student *s, const unsigned char *file) {
    const Header *h = &s->head;
    const unsigned char *at = file + h->floats_at;
    if (h->student == CNN || h->student == TAGGER || h->student == MATRIX) {
        (h->student == CNN ? find_filters : h->student == TAGGER ? tagger_find : matrix_find)(s, at);
        return;
    }
    size_t hidden = PADDED(h->hidden);
    if (is_bag(h)) {
        at = find_rows(s, at);
        if (!is_together(h)) s->bag.squares = floats_from(at + bytes_of_layers(h));
        s->bag.grams = (const Gram *)(const void *)(at + bytes_of_layers(h) + bytes_of_squares(h));
    } else {
        at = find_table(&s->embedding, h, h->vocabulary, at);
        at = find_table(&s->grams, h, h->buckets, at);
    }
    s->w1 = floats_from(at);
    s->b1 = s->w1 + h->width * hidden;
    s->w2 = s->b1 + hidden;
    s->b2 = s->w2 + h->hidden * PADDED((size_t)h->labels);
}

/* ---------------------------------------------------------------------------------------------------- n-grams */

/* Put one n-gram where it will be found; -1 where it is there already. */
static int insert_gram(Bag *bag, uint32_t number) {
    Gram gram = bag->grams[number];
    Index *index = &bag->index;
    uint64_t hash = hash_key(gram.prefix, gram.word), at = hash >> index->shift;
    for (; index->slots[at]; at = (at + 1) & index->mask) {
        const Gram *other = &bag->grams[(index->slots[at] & index->id_bits) - 1];
        if (other->prefix == gram.prefix && other->word == gram.word) return -1;
    }
    index->slots[at] = ((uint32_t)hash & ~index->id_bits) | (number + 1);
    return 0;
}

/* `words` is room for a number an n-gram: how many words it has. */
static const char *index_grams(Student *s, unsigned char *words) {
    const Header *h = &s->head;
    for (uint32_t number = 0; number < h->buckets; number++) {
        Gram gram = s->bag.grams[number];
        if (gram.word >= h->vocabulary || gram.prefix >= h->vocabulary + number)
            return "an n-gram prolongs what is not there before it";
        words[number] = gram.prefix < h->vocabulary ? 2 : (unsigned char)(words[gram.prefix - h->vocabulary] + 1);
        if (words[number] > h->longest) return "its n-grams are longer than it says";
        if (insert_gram(&s->bag, number)) return "it names an n-gram twice";
    }
    return "";
}

static int has_right_squares(const Student *s) {
    uint64_t rows = (uint64_t)s->head.vocabulary + s->head.buckets;
    for (uint64_t id = 0; id < rows; id++) {
        float square = s->bag.squares[id * s->bag.apart];
        if (!(square >= 0.0f && square <= 1e12f)) return 0;
    }
    return 1;
}

/* "" where all is well, NULL where memory is out, else why the weights are refused. */
static const char *read_weights(Student *s, const unsigned char *file) {
    if (s->head.student == LSTM)
        return lstm_read(s, find_table(&s->embedding, &s->head, s->head.vocabulary, file + s->head.floats_at));
    find_weights(s, file);
    if (!is_bag(&s->head)) return "";
    if (!has_right_squares(s)) return "the square of a weight is impossible";
    if (!s->head.buckets) return "";
    unsigned char *words = malloc(s->head.buckets);
    const char *what = NULL;
    if (words && !make_index(&s->bag.index, s->head.buckets, s->head.buckets)) what = index_grams(s, words);
    free(words);
    return what;
}

Student *student_open(const unsigned char *file, uint64_t bytes, Refusal *refusal) {
    Student *s = calloc(1, sizeof *s);
    refusal->is_memory = !s;
    refusal->what = NULL;
    if (!s) return NULL;
    refusal->what = file_check(file, bytes, &s->head);
    if (!refusal->what) {
        const char *what = read_vocabulary(s, file);
        if (what && !*what) what = read_weights(s, file);
        if (what && !*what) return s;
        refusal->is_memory = !what;
        refusal->what = what;
    }
    student_close(s);
    return NULL;
}

void student_close(Student *s) {
    if (!s) return;
    for (int i = 0; i < 2; i++) {
        free(s->short_words[i].slots);
        free(s->long_words[i].slots);
    }
    free(s->bag.index.slots);
    free(s->recurrent.offsets);
    free(s->keys);
    free(s->ends);
    free(s->texts);
    free(s);
}
