/* A tagger: from the words of sentences to a row of logits for each. Included by engine_impl.h, and so compiled for
   each kind of processor. `runtime/window_format.py` says what a row is; tagger.c has what all kinds share. */

/* The first 15 bytes at most of a word behind its mark; nothing beyond the word is read. */
ALWAYS Key marked_key(int mark, const char *text, size_t length) {
    uint64_t a = 0, b = 0;
    if (length >= 8) {
        memcpy(&a, text, 8);
        if (length > 8) {
            memcpy(&b, text + length - 8, 8);
            b >>= 8 * (16 - length);
        }
    } else if (length >= 4) {
        uint32_t first, last;
        memcpy(&first, text, 4);
        memcpy(&last, text + length - 4, 4);
        a = first | (uint64_t)last << (8 * (length - 4));
    } else if (length) {
        const unsigned char *bytes = (const unsigned char *)text;
        size_t middle = length / 2, last = length - 1;
        a = bytes[0] | (uint64_t)bytes[middle] << (8 * middle) | (uint64_t)bytes[last] << (8 * last);
    }
    return (Key){a << 8 | (uint64_t)mark, b << 8 | a >> 56};
}

/* The row of a string behind a mark; -1 where there is none. The string may hold anything. */
ALWAYS int32_t find_marked(const Student *s, int mark, const char *text, size_t length) {
    if (length >= MOST_ENTRY) return -1;
    if (length >= KEY) {
        char copy[MOST_ENTRY + 1];
        copy[0] = (char)mark;
        memcpy(copy + 1, text, length);
        return find_long(s, 0, copy, length + 1);
    }
    int32_t id = find_key(s, &s->short_words[0], marked_key(mark, text, length));
    if (id < 0) return -1;
    return s->ends[id] - (id ? s->ends[id - 1] : 0) == length + 1 ? id : -1; /* no zero bytes behind it */
}

/* ---------------------------------------------------------------------------------------- words become rows */

ALWAYS void add_entry(Place *place, int32_t id) {
    if (id >= 0) place->rows[place->count++] = (uint32_t)id;
}

/* The longest known beginning and end of a lower-cased word. */
static void add_ends(const Student *s, const char *low, size_t bytes, Place *place) {
    size_t stops[3], starts[4];
    int count = 0;
    int32_t id = -1;
    for (size_t i = 1; i <= bytes && count < 3; i++) {
        if (i == bytes || ((unsigned char)low[i] & 0xC0) != 0x80) stops[count++] = i;
    }
    while (count > 0 && id < 0) id = find_marked(s, A_BEGINNING, low, stops[--count]);
    add_entry(place, id);
    count = 0;
    id = -1;
    for (size_t i = bytes; i-- > 0 && count < 4;) {
        if (((unsigned char)low[i] & 0xC0) != 0x80) starts[count++] = i;
    }
    while (count > 0 && id < 0) {
        size_t start = starts[--count];
        id = find_marked(s, AN_END, low + start, bytes - start);
    }
    add_entry(place, id);
}

/* The places of a word that is no form, from `at` on. */
static long read_parts(const Student *s, const char *text, size_t bytes, TagScratch *scratch, size_t at) {
    char shape[MOST_ENTRY + 4];
    Looks looks = {0, 0, shape, MOST_ENTRY};
    if (bytes > UINT32_MAX / 4) return NOT_MINE;
    if (scratch_fit(&scratch->text, bytes)) return OUT_OF_MEMORY;
    long parts = split_word(text, bytes, &scratch->text, &looks);
    if (parts < 0) return NOT_MINE;
    size_t count = parts ? (size_t)parts : 1;
    Place *places = room_keep(&scratch->places, (at + count) * sizeof *places), whole = {{0}, 0};
    if (!places) return OUT_OF_MEMORY;
    const char *low = scratch->text.low;
    add_ends(s, low, looks.low, &whole);
    add_entry(&whole, find_marked(s, A_SHAPE, shape, looks.shape_bytes));
    add_entry(&whole, find_marked(s, ITSELF, text, bytes));
    for (size_t i = 0; i < count; i++) {
        uint32_t start = scratch->text.starts[i];
        int32_t id = parts ? find(s, 0, low + start, scratch->text.ends[i] - start) : -1;
        Place *place = &places[at + i];
        *place = whole;
        place->rows[place->count++] = id < 0 ? (uint32_t)s->head.unknown : (uint32_t)id;
    }
    return (long)count;
}

/* The places of a word, from `at` on, for one of which there is room; how many they are. */
ALWAYS long read_word(const Student *s, const char *text, size_t bytes, TagScratch *scratch, size_t at) {
    int32_t form = find_marked(s, A_FORM, text, bytes);
    if (__builtin_expect(form < 0, 0)) return read_parts(s, text, bytes, scratch, at);
    ((Place *)scratch->places.at)[at] = (Place){{(uint32_t)form}, 1};
    return 1;
}

static long places_of(const Student *s, const char *text, size_t bytes, TagScratch *scratch) {
    if (!room_for(&scratch->places, sizeof(Place))) return OUT_OF_MEMORY;
    return read_word(s, text, bytes, scratch, 0);
}

/* The places of all words, and where each word begins among them; their number, or why there is none. */
static long read_sentence(const Student *s, const Text *words, size_t count, TagScratch *scratch) {
    size_t *begins = room_for(&scratch->begins, (count + 1) * sizeof *begins), at = 0;
    if (!begins) return OUT_OF_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (!room_keep(&scratch->places, (at + 1) * sizeof(Place))) return OUT_OF_MEMORY;
        long parts = read_word(s, words[i].text, words[i].bytes, scratch, at);
        if (parts < 0) return parts;
        if (s->head.max_words && (size_t)parts > s->head.max_words) return NOT_MINE; /* it is an error there */
        begins[i] = at;
        at += (size_t)parts;
    }
    begins[count] = at;
    return (long)at;
}

/* ----------------------------------------------------------------------------------- rows become hidden units */

ALWAYS size_t bytes_of_sum(uint32_t form) { return form == INT8 ? sizeof(int16_t) : sizeof(float); }

/* Add what a row says of one place to its sums. */
ALWAYS void add_part(uint32_t form, Table table, size_t from, size_t hidden, void *sums) {
    for (size_t i = 0; i < hidden; i += form == INT8 ? AS_MANY : WIDE) {
        if (form == INT8) *(Shorts *)((int16_t *)sums + i) += shorts_at(table, from + i);
        else if (form == FLOAT16) *(Lanes *)((float *)sums + i) += halves_at(table, from + i);
        else *(Lanes *)((float *)sums + i) += floats_at(table, from + i);
    }
}

enum { AHEAD = 4 }; /* places whose rows are fetched before they are needed */

ALWAYS void fetch_place(uint32_t form, const Student *s, const Place *place) {
    size_t bytes = s->convolution.stride * bytes_of_number(form);
    for (uint32_t k = 0; k < place->count; k++) {
        const char *row = (const char *)s->embedding.rows + place->rows[k] * bytes;
        for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(row + at, 0, 2);
    }
}

/* relu(sums · steps + biases) as one word of a group. */
ALWAYS void activate(uint32_t form, const Student *s, const void *sums, float *out) {
    size_t hidden = s->convolution.filters;
    for (size_t i = 0; i < hidden; i += WIDE, out += WIDE * WIDE) {
        Lanes sum;
        if (form == INT8) sum = of_shorts((const int16_t *)sums + i) * *(const Lanes *)(s->embedding.steps + i);
        else sum = *(const Lanes *)((const float *)sums + i);
        *(Lanes *)out = greater_lanes(sum + *(const Lanes *)(s->b1 + i), (Lanes){0});
    }
}

/* Words that wait for the head, and where their logits go, or else the columns of the highest ones. Of WIDE hidden
   units those of all words lie together, then those of the next: (hidden / WIDE, WIDE words, WIDE). */
typedef struct {
    float *hidden, *logits;
    int64_t *columns;
    size_t row; /* of the first one */
    long count;
} Group;

/* The logit of one label, of each word of a group. */
ALWAYS Lanes logits_of_label(const Student *s, const float *hidden, uint32_t label) {
    size_t count = s->convolution.filters;
    const float *weights = s->w2 + label * count;
    Lanes sums[WIDE];
    for (int k = 0; k < WIDE; k++) sums[k] = (Lanes){0};
    for (size_t i = 0; i < count; i += WIDE, hidden += WIDE * WIDE) {
        Lanes weight = *(const Lanes *)(weights + i);
        for (int k = 0; k < WIDE; k++) sums[k] += *(const Lanes *)(hidden + k * WIDE) * weight;
    }
    return sums_of(sums) + s->b2[label];
}

/* As `highest` has it: the first of equals, and a NaN before all. */
static void columns_of_group(const Student *s, const Group *group) {
    Lanes best = logits_of_label(s, group->hidden, 0);
    LaneBits columns = {0};
    for (uint32_t label = 1; label < s->head.labels; label++) {
        Lanes answers = logits_of_label(s, group->hidden, label);
        LaneBits is_better = ~(answers <= best) & (best == best);
        best = (Lanes)(((LaneBits)answers & is_better) | ((LaneBits)best & ~is_better));
        columns = (((LaneBits){0} + (int32_t)label) & is_better) | (columns & ~is_better);
    }
    for (long k = 0; k < group->count; k++) group->columns[group->row + (size_t)k] = columns[k];
}

static void logits_of_group(const Student *s, const Group *group) {
    float *out = group->logits + group->row * s->head.labels;
    for (uint32_t label = 0; label < s->head.labels; label++) {
        Lanes answers = logits_of_label(s, group->hidden, label);
        for (long k = 0; k < group->count; k++) out[(size_t)k * s->head.labels + label] = answers[k];
    }
}

static void finish_group(const Student *s, Group *group) {
    if (group->count) (group->logits ? logits_of_group : columns_of_group)(s, group);
    group->row += (size_t)group->count;
    group->count = 0;
}

/* Add a place's rows to the sums of the places that see it, `from` being the first of these; its sums are the ring's
   number `turn`. There are none for places outside of the unit. */
ALWAYS void add_place(uint32_t form, const Student *s, const Place *place, long from, long count, size_t turn,
                      char *ring) {
    size_t hidden = s->convolution.filters, slot = hidden * bytes_of_sum(form), seen = s->head.longest;
    for (uint32_t k = 0; k < place->count; k++) {
        size_t row = place->rows[k] * s->convolution.stride, at = turn;
        for (size_t o = 0; o < seen; o++, row += hidden) {
            if (from + (long)o >= 0 && from + (long)o < count)
                add_part(form, s->embedding, row, hidden, ring + at * slot);
            at = at + 1 < seen ? at + 1 : 0;
        }
    }
}

/* Hidden units of the words of a unit that are answered; `form` is a constant. */
ALWAYS void answer_unit(uint32_t form, const Student *s, const TagScratch *scratch, Unit unit, Group *group) {
    const size_t *begins = scratch->begins.at;
    const Place *places = (const Place *)scratch->places.at + begins[unit.begin];
    long count = (long)(begins[unit.end] - begins[unit.begin]), reach = (long)s->head.longest / 2;
    size_t hidden = s->convolution.filters, slot = hidden * bytes_of_sum(form), word = unit.first, turn = 0;
    char *ring = scratch->sums.at;
    memset(ring, 0, s->head.longest * slot);
    for (long at = 0; at < count + reach; at++) {
        if (at + AHEAD < count) fetch_place(form, s, &places[at + AHEAD]);
        if (at < count) add_place(form, s, &places[at], at - reach, count, turn, ring);
        char *sums = ring + turn * slot;
        turn = turn + 1 < s->head.longest ? turn + 1 : 0;
        if (at < reach) continue;
        if (word < unit.last && begins[word] - begins[unit.begin] == (size_t)(at - reach)) {
            activate(form, s, sums, group->hidden + group->count * WIDE);
            word++;
            if (++group->count == WIDE) finish_group(s, group);
        }
        memset(sums, 0, slot);
    }
}

static void answer_bytes(const Student *s, const TagScratch *scratch, Unit unit, Group *group) {
    answer_unit(INT8, s, scratch, unit, group);
}

static void answer_halves(const Student *s, const TagScratch *scratch, Unit unit, Group *group) {
    answer_unit(FLOAT16, s, scratch, unit, group);
}

static void answer_floats(const Student *s, const TagScratch *scratch, Unit unit, Group *group) {
    answer_unit(FLOAT32, s, scratch, unit, group);
}

/* ------------------------------------------------------------------------------------------------- sentences */

/* Answer all units of a sentence whose words were read; its first row is number `row` of the slice. */
static int answer_sentence(const Student *s, TagScratch *scratch, size_t words, size_t row, Group *group) {
    Unit unit = {0, 0, 0, 0};
    while (unit.end < words) {
        unit = unit_next(scratch->begins.at, words, s->head.max_words, unit);
        Stretch *stretches = room_keep(&scratch->stretches, (scratch->stretch_count + 1) * sizeof *stretches);
        if (!stretches) return -1;
        stretches[scratch->stretch_count++] = (Stretch){row + unit.first, unit.last - unit.first};
        if (s->head.table == INT8) answer_bytes(s, scratch, unit, group);
        else if (s->head.table == FLOAT16) answer_halves(s, scratch, unit, group);
        else answer_floats(s, scratch, unit, group);
    }
    return 0;
}

static int weigh_stretches(const Tagging *t, float *logits, TagScratch *scratch) {
    size_t labels = t->student->head.labels;
    const Stretch *stretches = scratch->stretches.at;
    for (size_t i = 0; i < scratch->stretch_count; i++) {
        size_t rows = stretches[i].count;
        double *room = room_for(&scratch->chain, (2 * rows + 3) * IN_CHAIN(labels) * sizeof *room);
        if (!room) return -1;
        weigh_in_order(t->chain, logits + stretches[i].row * labels, rows, labels, t->logits != NULL, room);
    }
    return 0;
}

/* Leave a sentence to the reference path; its rows mean nothing. */
static void leave(const Tagging *t, size_t sentence, size_t words, Group *group) {
    finish_group(t->student, group);
    t->is_left[sentence] = 1;
    size_t labels = t->student->head.labels;
    if (group->logits) memset(group->logits + group->row * labels, 0, words * labels * sizeof(float));
    group->row += words;
}

static int tag(const Tagging *t, size_t first, size_t last, TagScratch *scratch) {
    const Student *s = t->student;
    size_t begin = first ? t->ends[first - 1] : 0, count = t->ends[last - 1] - begin, row = 0, labels = s->head.labels;
    size_t room = WIDE * s->convolution.filters * sizeof(float);
    float *logits = t->logits ? t->logits + begin * labels : NULL;
    if (!logits && t->chain && !(logits = room_for(&scratch->logits, count * labels * sizeof *logits + 1))) return -1;
    Group group = {room_for(&scratch->hidden, room), logits, t->columns ? t->columns + begin : NULL, 0, 0};
    if (!group.hidden || !room_for(&scratch->sums, MOST_SEEN * s->convolution.filters * sizeof(float))) return -1;
    memset(group.hidden, 0, room);
    scratch->stretch_count = 0;
    for (size_t i = first; i < last; i++) {
        size_t words = t->ends[i] - begin - row;
        long read = read_sentence(s, t->words + begin + row, words, scratch);
        if (read == OUT_OF_MEMORY) return -1;
        if (read == NOT_MINE) leave(t, i, words, &group);
        else if (answer_sentence(s, scratch, words, row, &group)) return -1;
        row += words;
    }
    finish_group(s, &group);
    if (t->chain && weigh_stretches(t, logits, scratch)) return -1;
    for (size_t i = 0; logits && t->columns && i < count; i++)
        t->columns[begin + i] = highest(logits + i * labels, s->head.labels);
    return 0;
}
