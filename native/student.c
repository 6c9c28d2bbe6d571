/* Opening `model.fast`: everything is checked here, once, and trusted afterwards. */
#include "tagger.h"

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

/* ---------------------------------------------------------------------------------------------------- checks */

static int is_little_endian(void) {
    const uint32_t one = 1;
    return *(const unsigned char *)&one == 1;
}

/* Fletcher's two sums over 64-bit numbers: of all numbers, and of all partial sums. */
static int has_right_sums(const unsigned char *file, const Header *head) {
    uint64_t sum = 0, sum_of_sums = 0;
    for (uint64_t at = offsetof(Header, student); at < head->file_bytes; at += 8) {
        uint64_t number;
        memcpy(&number, file + at, 8);
        sum += number;
        sum_of_sums += sum;
    }
    return sum == head->sum && sum_of_sums == head->sum_of_sums;
}

static int is_bag(const Header *h) { return h->student == BAG || h->student == DIRECT_BAG; }

/* Filters of all widths, and what they are padded to. */
static uint64_t filters_of(const Header *h) { return h->width * ((uint64_t)h->longest - h->hidden + 1); }

static uint64_t padded_filters(const Header *h) { return (filters_of(h) + ABREAST - 1) / ABREAST * ABREAST; }

/* Numbers of a folded row: each block has ABREAST for every word that its first filter sees. */
static uint64_t folded_row(const Header *h) {
    uint64_t numbers = 0, filters = filters_of(h);
    for (uint64_t first = 0; first < filters; first += ABREAST) numbers += ABREAST * (h->longest - first / h->width);
    return numbers;
}

/* Numbers of a row, those of padding included. */
static uint64_t row_of(const Header *h) {
    if (h->student == CNN) return folded_row(h);
    return PADDED((uint64_t)h->width) + (h->student == DIRECT_BAG ? PADDED((uint64_t)h->labels) : 0);
}

static uint64_t bytes_of_number(const Header *h) { return h->table == FLOAT32 ? 4 : h->table == FLOAT16 ? 2 : 1; }

/* Bytes of a table, and of the steps that follow it: a multiple of 16 and of 64. */
static uint64_t bytes_of_rows(const Header *h, uint64_t rows) { return rows * row_of(h) * bytes_of_number(h); }

static uint64_t bytes_of_steps(const Header *h, uint64_t rows) { return h->table == INT8 ? 4 * PADDED(rows) : 0; }

/* Weights and biases of both layers; the sizes of a layer that is not there are 0. */
static uint64_t bytes_of_layers(const Header *h) {
    if (h->student == CNN) return 4 * (padded_filters(h) * (1 + (uint64_t)h->labels) + PADDED((uint64_t)h->labels));
    uint64_t hidden = PADDED((uint64_t)h->hidden), labels = PADDED((uint64_t)h->labels);
    return 4 * (h->width * hidden + hidden + h->hidden * labels + labels);
}

/* What follows the layers of a weighted bag: squares of weights, and n-grams of 8 bytes each. */
static uint64_t bytes_of_squares(const Header *h) { return 4 * PADDED((uint64_t)h->vocabulary + h->buckets); }

static uint64_t bytes_of_grams(const Header *h) { return 4 * PADDED(2 * (uint64_t)h->buckets); }

static uint64_t bytes_of_weights(const Header *h) {
    if (h->student == TAGGER) return tagger_bytes(h);
    uint64_t rows = (uint64_t)h->vocabulary + h->buckets, all = bytes_of_rows(h, rows) + bytes_of_layers(h);
    if (h->student == CNN) return all + bytes_of_steps(h, padded_filters(h));
    if (!is_bag(h)) return all + bytes_of_steps(h, h->vocabulary) + bytes_of_steps(h, h->buckets);
    uint64_t steps = bytes_of_steps(h, rows) * ((h->width > 0) + (h->student == DIRECT_BAG));
    return all + steps + bytes_of_squares(h) + bytes_of_grams(h);
}

static const char *check_buckets(const Header *h) {
    if (h->student == CBOW ? h->buckets != 0 : h->buckets < 2 || h->buckets > MOST_BUCKETS)
        return "its n-grams have an impossible number of buckets";
    if (h->student == DAN && (h->longest < 2 || h->longest > MOST_GRAM)) return "its n-grams are too long";
    if (h->student == DAN && !(h->gram_weight >= 0.0f && h->gram_weight < 1e6f))
        return "its n-grams have an impossible weight";
    return NULL;
}

static const char *check_grams(const Header *h) {
    if (h->buckets > MOST_GRAMS) return "its number of n-grams is impossible";
    if (!h->longest || h->longest > MOST_GRAM) return "its n-grams are too long";
    if (h->buckets && h->longest < 2) return "its n-grams are longer than it says";
    if (h->gram_weight != 0.0f) return "its n-grams have an impossible weight";
    return NULL;
}

static const char *check_filters(const Header *h) {
    if (!h->hidden || h->hidden > h->longest || h->longest > MOST_KERNEL) return "its filters see too many words";
    if (!h->width || h->width > MOST_FILTERS || filters_of(h) > MOST_FILTERS)
        return "its number of filters is impossible";
    if (h->buckets || h->gram_weight != 0.0f) return "it has filters and n-grams";
    return NULL;
}

static int has_known_student(const Header *h) {
    if (h->version == 1) return h->student == CBOW || h->student == DAN;
    if (h->version == 2) return is_bag(h);
    return h->version == 3 ? h->student == CNN : h->student == TAGGER;
}

static const char *check_sizes(const Header *h) {
    if (!has_known_student(h)) return "it names no student that is known here";
    if (h->rule < WORDS || h->rule > BERT) return "it names no rule of splitting that is known here";
    if (h->table > INT8) return "it stores its rows in no form that is known here";
    if (h->vocabulary < 2 || h->vocabulary > MOST_WORDS) return "its vocabulary has an impossible size";
    if (!h->labels || h->labels > MOST_LABELS) return "its number of labels is impossible";
    if (h->student == CNN) return check_filters(h);
    if (h->student == TAGGER) return tagger_check(h);
    int has_layer = h->width && h->hidden, has_none = !h->width && !h->hidden && h->student == DIRECT_BAG;
    if (!(has_layer || has_none) || h->width > MOST_WIDTH || h->hidden > MOST_WIDTH)
        return "its layers have an impossible width";
    return is_bag(h) ? check_grams(h) : check_buckets(h);
}

static const char *check_ids(const Header *h) {
    int64_t n = h->vocabulary;
    if (h->unknown < 0 || h->unknown >= n || h->empty < 0 || h->empty >= n)
        return "its unknown word is not in its vocabulary";
    if (h->before < -1 || h->before >= n || h->after < -1 || h->after >= n)
        return "a text is put between words that are not in its vocabulary";
    uint32_t around = (h->before >= 0) + (h->after >= 0);
    if (h->max_words && h->max_words <= around) return "it reads no word of a text";
    return NULL;
}

static const char *check_sections(const Header *h) {
    uint64_t size = h->file_bytes, ends = 4 * (uint64_t)h->vocabulary;
    if (size % 8 || h->texts_at % 8 || h->floats_at % 64) return "its sections are not aligned";
    if (h->texts_at < sizeof *h || h->texts_at > size) return "its vocabulary lies outside of it";
    if (h->texts_bytes < ends || h->texts_bytes > size - h->texts_at) return "its vocabulary lies outside of it";
    if (h->texts_bytes - ends > 1u << 30) return "its vocabulary is too long";
    if (h->floats_at < h->texts_at + h->texts_bytes || h->floats_at > size) return "its weights lie outside of it";
    if ((size - h->floats_at) != bytes_of_weights(h)) return "its weights do not fill it";
    return NULL;
}

static const char *check(const unsigned char *file, uint64_t bytes, Header *head) {
    if (!is_little_endian()) return "this processor is big-endian";
    if ((uintptr_t)file % 8) return "it is not aligned in memory";
    if (bytes < sizeof *head) return "it is too short to have a header";
    memcpy(head, file, sizeof *head);
    if (memcmp(head->magic, "UNDRSTDY", 8)) return "it does not begin as such a file does";
    if (head->version < 1 || head->version > 4) return "it is of another version";
    if (head->header_bytes != sizeof *head) return "its header has another length";
    if (head->file_bytes != bytes) return "it was truncated, or something was added";
    const char *what = check_sizes(head);
    if (!what) what = check_ids(head);
    if (!what) what = check_sections(head);
    if (!what && !has_right_sums(file, head)) what = "it was altered: its sums are others";
    return what;
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

/* Where a table's rows and steps lie; returns where they end. */
static const unsigned char *find_table(Table *table, const Header *h, uint64_t rows, const unsigned char *at) {
    table->rows = at;
    table->steps = (const float *)(const void *)(at + bytes_of_rows(h, rows));
    return at + bytes_of_rows(h, rows) + bytes_of_steps(h, rows);
}

/* The same of a bag: one table in two parts, each of which, where it is there, has steps of its own. */
static const unsigned char *find_rows(Student *s, const unsigned char *at) {
    const Header *h = &s->head;
    uint64_t rows = (uint64_t)h->vocabulary + h->buckets;
    const unsigned char *end = find_table(&s->embedding, h, rows, at);
    s->bag.stride = row_of(h);
    if (!h->width) end -= bytes_of_steps(h, rows);
    if (h->student == BAG) return end;
    s->bag.direct.rows = at + PADDED((uint64_t)h->width) * bytes_of_number(h);
    s->bag.direct.steps = (const float *)(const void *)end;
    return end + bytes_of_steps(h, rows);
}

/* The same of a convolution: filters have steps, not words. */
static void find_filters(Student *s, const unsigned char *at) {
    const Header *h = &s->head;
    s->convolution = (Convolution){padded_filters(h), row_of(h)};
    s->embedding.rows = at;
    s->embedding.steps = (const float *)(const void *)(at + bytes_of_rows(h, h->vocabulary));
    s->b1 = s->embedding.steps + bytes_of_steps(h, s->convolution.filters) / 4;
    s->w2 = s->b1 + s->convolution.filters;
    s->b2 = s->w2 + h->labels * s->convolution.filters;
}

static void find_weights(Student *s, const unsigned char *file) {
    const Header *h = &s->head;
    const unsigned char *at = file + h->floats_at;
    if (h->student == CNN || h->student == TAGGER) {
        (h->student == CNN ? find_filters : tagger_find)(s, at);
        return;
    }
    size_t hidden = PADDED(h->hidden);
    if (is_bag(h)) {
        at = find_rows(s, at);
        s->bag.squares = (const float *)(const void *)(at + bytes_of_layers(h));
        s->bag.grams = (const Gram *)(const void *)(at + bytes_of_layers(h) + bytes_of_squares(h));
    } else {
        at = find_table(&s->embedding, h, h->vocabulary, at);
        at = find_table(&s->grams, h, h->buckets, at);
    }
    s->w1 = (const float *)(const void *)at;
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
        if (!(s->bag.squares[id] >= 0.0f && s->bag.squares[id] <= 1e12f)) return 0;
    }
    return 1;
}

/* "" where all is well, NULL where memory is out, else why the weights are refused. */
static const char *read_weights(Student *s, const unsigned char *file) {
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
    refusal->what = check(file, bytes, &s->head);
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
    free(s->keys);
    free(s->ends);
    free(s->texts);
    free(s);
}
