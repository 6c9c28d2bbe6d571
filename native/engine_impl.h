/* The path that every text takes. Compiled once for each kind of processor: engine_*.c include this file.

   An includer defines ENGINE, the name of what it makes, and LEVEL: 0 for any processor, 1 for AVX2, 2 for
   AVX-512 (F, BW, VL, DQ), there with HAS_COMPRESS and HAS_VNNI, whether it has VBMI2 and VNNI, too. Only reading 64 bytes of ASCII at once
   differs, and a little arithmetic; the compiler does the rest. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "dispatch.h"
#include "matrix.h"
#include "tagger.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define ALWAYS static inline __attribute__((always_inline))

/* ------------------------------------------------------------------------------------- 64 bytes of plain ASCII */

/* One bit for each of 64 bytes: part of a word, a word by itself, or not for this splitter. */
typedef struct {
    uint64_t word, single, strange;
} Marks;

#if LEVEL == 2

ALWAYS Marks mark(const unsigned char *text, char *low, int is_bert) {
    __m512i c = _mm512_loadu_si512(text);
    __mmask64 capital = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(c, _mm512_set1_epi8('A')), _mm512_set1_epi8(26));
    c = _mm512_mask_add_epi8(c, capital, c, _mm512_set1_epi8(32));
    _mm512_storeu_si512(low, c);
    __mmask64 word = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(c, _mm512_set1_epi8('a')), _mm512_set1_epi8(26)) |
                     _mm512_cmplt_epu8_mask(_mm512_sub_epi8(c, _mm512_set1_epi8('0')), _mm512_set1_epi8(10));
    __mmask64 space = _mm512_cmple_epu8_mask(c, _mm512_set1_epi8(' '));
    __mmask64 strange = _mm512_movepi8_mask(c);
    __mmask64 delete = _mm512_cmpeq_epi8_mask(c, _mm512_set1_epi8(0x7F));
    if (is_bert) {
        __mmask64 white = _mm512_cmpeq_epi8_mask(c, _mm512_set1_epi8(' ')) |
                          _mm512_cmpeq_epi8_mask(c, _mm512_set1_epi8('\t')) |
                          _mm512_cmpeq_epi8_mask(c, _mm512_set1_epi8('\n')) |
                          _mm512_cmpeq_epi8_mask(c, _mm512_set1_epi8('\r'));
        strange |= delete | (space & ~white) | _mm512_cmpeq_epi8_mask(c, _mm512_set1_epi8('['));
    } else {
        word |= _mm512_cmpeq_epi8_mask(c, _mm512_set1_epi8('\'')) | _mm512_cmpeq_epi8_mask(c, _mm512_set1_epi8('_'));
        space |= delete;
    }
    Marks marks = {word, ~(word | space), strange};
    return marks;
}

#elif defined(__x86_64__)

#if LEVEL == 1
typedef __m256i Bytes;
enum { STEP = 32 };
#define V(name) _mm256_##name
#define LOAD(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define STORE(p, v) _mm256_storeu_si256((__m256i *)(void *)(p), v)
#define AND _mm256_and_si256
#define OR _mm256_or_si256
#define BITS(v) (uint64_t)(uint32_t) _mm256_movemask_epi8(v)
#else
typedef __m128i Bytes;
enum { STEP = 16 };
#define V(name) _mm_##name
#define LOAD(p) _mm_loadu_si128((const __m128i *)(const void *)(p))
#define STORE(p, v) _mm_storeu_si128((__m128i *)(void *)(p), v)
#define AND _mm_and_si128
#define OR _mm_or_si128
#define BITS(v) (uint64_t)(uint32_t) _mm_movemask_epi8(v)
#endif

/* Comparisons are signed: bytes from 0x80 on are below every letter, and strange anyway. */
ALWAYS Bytes between(Bytes c, char first, char last) {
    return AND(V(cmpgt_epi8)(c, V(set1_epi8)((char)(first - 1))), V(cmpgt_epi8)(V(set1_epi8)((char)(last + 1)), c));
}

ALWAYS Bytes equal(Bytes c, char one) { return V(cmpeq_epi8)(c, V(set1_epi8)(one)); }

ALWAYS Marks mark(const unsigned char *text, char *low, int is_bert) {
    Marks marks = {0, 0, 0};
    for (int at = 0; at < 64; at += STEP) {
        Bytes c = LOAD(text + at);
        c = V(add_epi8)(c, AND(between(c, 'A', 'Z'), V(set1_epi8)(32)));
        STORE(low + at, c);
        Bytes word = OR(between(c, 'a', 'z'), between(c, '0', '9'));
        Bytes space = V(cmpgt_epi8)(V(set1_epi8)(' ' + 1), c), delete = equal(c, 0x7F), strange = c;
        if (is_bert) {
            Bytes white = OR(OR(equal(c, ' '), equal(c, '\t')), OR(equal(c, '\n'), equal(c, '\r')));
            strange = OR(strange, OR(OR(delete, equal(c, '[')), AND(space, equal(white, 0))));
        } else {
            word = OR(word, OR(equal(c, '\''), equal(c, '_')));
            space = OR(space, delete);
        }
        marks.word |= BITS(word) << at;
        marks.single |= BITS(OR(word, space)) << at;
        marks.strange |= BITS(strange) << at;
    }
    marks.single = ~marks.single;
    return marks;
}

#else

ALWAYS Marks mark(const unsigned char *text, char *low, int is_bert) {
    Marks marks = {0, 0, 0};
    for (int at = 0; at < 64; at++) {
        unsigned char c = text[at];
        c += (unsigned char)(c - 'A') < 26 ? 32 : 0;
        low[at] = (char)c;
        int is_word = (unsigned char)(c - 'a') < 26 || (unsigned char)(c - '0') < 10;
        int is_white = c == ' ' || c == '\t' || c == '\n' || c == '\r';
        int is_space = c <= ' ' || (!is_bert && c == 0x7F);
        int is_strange = c >= 0x80 || (is_bert && (c == 0x7F || c == '[' || (is_space && !is_white)));
        if (!is_bert) is_word |= c == '\'' || c == '_';
        marks.word |= (uint64_t)is_word << at;
        marks.single |= (uint64_t)(!is_word && !is_space) << at;
        marks.strange |= (uint64_t)is_strange << at;
    }
    return marks;
}

#endif

/* Write the position of each bit, and return how many there are; it may write up to 15 numbers after them. */
ALWAYS long places(uint64_t bits, uint32_t at, uint32_t *out) {
    int count = __builtin_popcountll(bits);
#if LEVEL == 2 && HAS_COMPRESS
    const __m512i iota = _mm512_set_epi8(63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45,
                                         44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26,
                                         25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6,
                                         5, 4, 3, 2, 1, 0);
    __m512i packed = _mm512_maskz_compress_epi8(bits, iota), base = _mm512_set1_epi32((int)at);
    _mm512_storeu_si512(out, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(_mm512_castsi512_si128(packed))));
    if (__builtin_expect(count > 16, 0)) {
        char rest[64];
        _mm512_storeu_si512(rest, packed);
        for (int i = 16; i < count; i += 16) {
            __m128i some = _mm_loadu_si128((const __m128i *)(const void *)(rest + i));
            _mm512_storeu_si512(out + i, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(some)));
        }
    }
#elif LEVEL == 2
    const __m512i iota = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    for (uint32_t first = 0; first < 64; first += 16) { /* each writes 16 numbers, of which those count that have a bit */
        __mmask16 some = (__mmask16)(bits >> first);
        __m512i places = _mm512_add_epi32(iota, _mm512_set1_epi32((int)(at + first)));
        _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(some, places));
        out += __builtin_popcount(some);
    }
#else
    for (int i = 0; bits; i++, bits &= bits - 1) out[i] = at + (uint32_t)__builtin_ctzll(bits);
#endif
    return count;
}

/* The words of plain ASCII; NOT_MINE where there is more in the text, or what BERT's rule treats apart. */
ALWAYS long split_ascii(int is_bert, const char *text, size_t bytes, Scratch *scratch) {
    uint64_t word_before = 0, single_before = 0; /* bit 0: whether the byte before this block was such */
    long starts = 0, ends = 0;
    for (size_t at = 0; at < bytes; at += 64) {
        unsigned char padded[64];
        const unsigned char *from = (const unsigned char *)text + at;
        if (bytes - at < 64) {
            memset(padded, ' ', sizeof padded);
            memcpy(padded, from, bytes - at);
            from = padded;
        }
        Marks marks = mark(from, scratch->low + at, is_bert);
        if (__builtin_expect(marks.strange != 0, 0)) return NOT_MINE;
        uint64_t word_left = marks.word << 1 | word_before, single_left = marks.single << 1 | single_before;
        starts += places((marks.word & ~word_left) | marks.single, (uint32_t)at, scratch->starts + starts);
        ends += places((word_left & ~marks.word) | single_left, (uint32_t)at, scratch->ends + ends);
        word_before = marks.word >> 63;
        single_before = marks.single >> 63;
    }
    if (word_before | single_before) scratch->ends[ends] = (uint32_t)bytes;
    return starts;
}

/* -------------------------------------------------------------------------------------------- words become ids */

ALWAYS Key short_key(const char *word, size_t length) {
    static const Key masks[KEY + 1] = {
        {0x0, 0x0},
        {0xFF, 0x0},
        {0xFFFF, 0x0},
        {0xFFFFFF, 0x0},
        {0xFFFFFFFF, 0x0},
        {0xFFFFFFFFFF, 0x0},
        {0xFFFFFFFFFFFF, 0x0},
        {0xFFFFFFFFFFFFFF, 0x0},
        {UINT64_MAX, 0x0},
        {UINT64_MAX, 0xFF},
        {UINT64_MAX, 0xFFFF},
        {UINT64_MAX, 0xFFFFFF},
        {UINT64_MAX, 0xFFFFFFFF},
        {UINT64_MAX, 0xFFFFFFFFFF},
        {UINT64_MAX, 0xFFFFFFFFFFFF},
        {UINT64_MAX, 0xFFFFFFFFFFFFFF},
        {UINT64_MAX, UINT64_MAX},
    };
    Key key;
    memcpy(&key, word, sizeof key);
    key.a &= masks[length].a;
    key.b &= masks[length].b;
    return key;
}

ALWAYS int32_t find_key(const Student *s, const Index *index, Key key) {
    uint64_t hash = hash_key(key.a, key.b);
    for (uint64_t at = hash >> index->shift;; at = (at + 1) & index->mask) {
        uint32_t slot = index->slots[at];
        if (!slot) return -1;
        if (((slot ^ (uint32_t)hash) & ~index->id_bits) == 0) {
            uint32_t id = (slot & index->id_bits) - 1;
            if (s->keys[id].a == key.a && s->keys[id].b == key.b) return (int32_t)id;
        }
    }
}

static int32_t find_long(const Student *s, int is_continued, const char *word, size_t length) {
    const Index *index = &s->long_words[is_continued];
    uint64_t hash = hash_long(word, length);
    for (uint64_t at = hash >> index->shift;; at = (at + 1) & index->mask) {
        uint32_t slot = index->slots[at];
        if (!slot) return -1;
        if (((slot ^ (uint32_t)hash) & ~index->id_bits) == 0) {
            uint32_t id = (slot & index->id_bits) - 1, marks = is_continued ? 2 : 0;
            uint32_t start = (id ? s->ends[id - 1] : 0) + marks;
            if (s->ends[id] - start == length && !memcmp(s->texts + start, word, length)) return (int32_t)id;
        }
    }
}

/* The id of a word, or of a piece that continues one; -1 where there is none. */
ALWAYS int32_t find(const Student *s, int is_continued, const char *word, size_t length) {
    if (__builtin_expect(length > KEY, 0)) return find_long(s, is_continued, word, length);
    return find_key(s, &s->short_words[is_continued], short_key(word, length));
}

static int is_too_long(const Student *s, const char *word, size_t length) {
    if (length <= s->head.longest_word) return 0;
    size_t letters = 0;
    for (size_t i = 0; i < length; i++) letters += ((unsigned char)word[i] & 0xC0) != 0x80;
    return letters > s->head.longest_word;
}

/* The longest piece first, again and again (Wu et al. 2016, section 4.1): ids of one word, at least one. */
static long spell(const Student *s, const char *word, size_t length, int32_t *ids) {
    long count = 0;
    ids[0] = s->head.unknown;
    if (is_too_long(s, word, length)) return 1;
    for (size_t at = 0; at < length;) {
        size_t left = length - at, size = left < s->longest_piece ? left : s->longest_piece;
        int32_t id = -1;
        for (; size; size--) {
            if (at + size < length && ((unsigned char)word[at + size] & 0xC0) == 0x80) continue;
            id = find(s, at > 0, word + at, size);
            if (id >= 0) break;
        }
        if (id < 0) {
            ids[0] = s->head.unknown;
            return 1;
        }
        ids[count++] = id;
        at += size;
    }
    return count;
}

/* Ids of at most `most` words (0: of all). */
ALWAYS long look_up(const Student *s, const Scratch *scratch, long words, long most) {
    if (most && words > most) words = most;
    for (long i = 0; i < words; i++) {
        uint32_t start = scratch->starts[i];
        int32_t id = find(s, 0, scratch->low + start, scratch->ends[i] - start);
        scratch->ids[i] = id < 0 ? s->head.unknown : id;
    }
    return words;
}

ALWAYS long look_up_pieces(const Student *s, const Scratch *scratch, long words) {
    const Header *head = &s->head;
    long count = 0, most = head->max_words ? (long)head->max_words - (head->after >= 0) : 0;
    if (head->before >= 0) scratch->ids[count++] = head->before;
    for (long i = 0; i < words && (!most || count < most); i++) {
        uint32_t start = scratch->starts[i], length = scratch->ends[i] - start;
        const char *word = scratch->low + start;
        int32_t id = find(s, 0, word, length);
        if (__builtin_expect(id >= 0 && length <= head->longest_word, 1)) {
            scratch->ids[count++] = id;
        } else {
            count += spell(s, word, length, scratch->ids + count);
        }
    }
    if (most && count > most) count = most;
    if (head->after >= 0) scratch->ids[count++] = head->after;
    return count;
}

/* The ids of a text, at least one, into scratch->ids; the scratch fits the text already. */
static long ids_of(const Student *s, const char *text, size_t bytes, Scratch *scratch) {
    uint32_t rule = s->head.rule;
    long words = rule == BERT ? split_ascii(1, text, bytes, scratch) : split_ascii(0, text, bytes, scratch);
    if (words == NOT_MINE) {
        words = split_any(rule, text, bytes, scratch);
        if (words == NOT_MINE) return NOT_MINE;
    }
    long count = rule == WORDS ? look_up(s, scratch, words, s->head.max_words) : look_up_pieces(s, scratch, words);
    if (count) return count;
    scratch->ids[0] = s->head.empty;
    return 1;
}

/* ------------------------------------------------------------------------------------------- ids become logits */

/* As many floats as a register of this level holds; rows are padded to the most that any has, LANES. */
enum { WIDE = LEVEL == 2 ? 16 : LEVEL == 1 ? 8 : 4 };

typedef float Lanes __attribute__((vector_size(WIDE * sizeof(float)), aligned(4), may_alias));

typedef int32_t LaneBits __attribute__((vector_size(WIDE * sizeof(int32_t))));
typedef uint32_t LaneWords __attribute__((vector_size(WIDE * sizeof(uint32_t))));

ALWAYS float sum_of(Lanes v) {
    float sum = 0;
#if LEVEL == 2
    sum = _mm512_reduce_add_ps((__m512)v);
#else
    for (int i = 0; i < WIDE; i += 4) sum += (v[i] + v[i + 1]) + (v[i + 2] + v[i + 3]);
#endif
    return sum;
}

/* The sums of WIDE registers, side by side. */
ALWAYS Lanes sums_of(const Lanes *v) {
#if LEVEL == 2
    __m512 four[4];
    for (int i = 0; i < 4; i++) {
        __m512 a = (__m512)v[4 * i], b = (__m512)v[4 * i + 1], c = (__m512)v[4 * i + 2], d = (__m512)v[4 * i + 3];
        __m512d ab = (__m512d)_mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
        __m512d cd = (__m512d)_mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
        four[i] = _mm512_add_ps((__m512)_mm512_unpacklo_pd(ab, cd), (__m512)_mm512_unpackhi_pd(ab, cd));
    }
    for (int i = 0; i < 4; i += 2) /* sums of each quarter; two of them become one */
        four[i / 2] = _mm512_add_ps(_mm512_shuffle_f32x4(four[i], four[i + 1], 0x88),
                                    _mm512_shuffle_f32x4(four[i], four[i + 1], 0xDD));
    return (Lanes)_mm512_add_ps(_mm512_shuffle_f32x4(four[0], four[1], 0x88),
                                _mm512_shuffle_f32x4(four[0], four[1], 0xDD));
#elif LEVEL == 1
    __m256 four[2];
    for (int i = 0; i < 2; i++)
        four[i] = _mm256_hadd_ps(_mm256_hadd_ps((__m256)v[4 * i], (__m256)v[4 * i + 1]),
                                 _mm256_hadd_ps((__m256)v[4 * i + 2], (__m256)v[4 * i + 3]));
    return (Lanes)_mm256_add_ps(_mm256_permute2f128_ps(four[0], four[1], 0x20),
                                _mm256_permute2f128_ps(four[0], four[1], 0x31));
#else
    return (Lanes){sum_of(v[0]), sum_of(v[1]), sum_of(v[2]), sum_of(v[3])};
#endif
}

enum { FEW = 64 }; /* rows that are added up before their sum is added: long texts keep their precision */

/* WIDE halves as floats; none of them is infinite or NaN. */
ALWAYS Lanes of_halves(const uint16_t *from) {
#if LEVEL == 2
    return (Lanes)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)from));
#elif LEVEL == 1
    return (Lanes)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)from));
#else
    LaneWords half = {from[0], from[1], from[2], from[3]}; /* unsigned: the sign's bit has no place in an int */
    LaneWords magnitude = (half & 0x7FFFu) << 13, sign = (half & 0x8000u) << 16;
    Lanes size = (Lanes)magnitude * 0x1p112f; /* the exponents of halves and of floats are 112 apart */
    return (Lanes)((LaneWords)size | sign);
#endif
}

/* WIDE signed bytes as floats. */
ALWAYS Lanes of_bytes(const int8_t *from) {
#if LEVEL == 2
    return (Lanes)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)from)));
#elif LEVEL == 1
    return (Lanes)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)from)));
#else
    return (Lanes){from[0], from[1], from[2], from[3]};
#endif
}

/* WIDE signed 16-bit numbers as floats. */
ALWAYS Lanes of_shorts(const int16_t *from) {
#if LEVEL == 2
    return (Lanes)_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)from)));
#elif LEVEL == 1
    return (Lanes)_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(const void *)from)));
#else
    return (Lanes){from[0], from[1], from[2], from[3]};
#endif
}

/* A part of a row, as floats; `form` is a constant wherever this is compiled. */
ALWAYS Lanes part(uint32_t form, Table table, size_t stride, int32_t id, size_t at) {
    size_t place = (size_t)id * stride + at;
    if (form == FLOAT32) return *(const Lanes *)((const float *)table.rows + place);
    if (form == FLOAT16) return of_halves((const uint16_t *)table.rows + place);
    return table.steps[(size_t)id * table.apart] * of_bytes((const int8_t *)table.rows + place);
}

#define ROW(i) part(form, table, stride, ids[i], at)

/* Add the rows of some ids to a sum of `width` floats, a multiple of LANES; rows begin `stride` numbers apart. */
ALWAYS void add_rows_of(uint32_t form, Table table, size_t stride, size_t width, const int32_t *ids, long count,
                        float *sum) {
    for (size_t at = 0; at < width; at += WIDE) {
        Lanes total = *(Lanes *)(sum + at);
        for (long start = 0; start < count; start += FEW) {
            long stop = count - start < FEW ? count : start + FEW, i = start;
            Lanes a = {0}, b = {0};
            for (; i + 4 <= stop; i += 4) {
                a += ROW(i) + ROW(i + 1);
                b += ROW(i + 2) + ROW(i + 3);
            }
            for (; i < stop; i++) a += ROW(i);
            total += a + b;
        }
        *(Lanes *)(sum + at) = total;
    }
}

static void add_halves(Table table, size_t stride, size_t width, const int32_t *ids, long count, float *sum) {
    add_rows_of(FLOAT16, table, stride, width, ids, count, sum);
}

static void add_bytes(Table table, size_t stride, size_t width, const int32_t *ids, long count, float *sum) {
    add_rows_of(INT8, table, stride, width, ids, count, sum);
}

/* The same for a table in any form. */
ALWAYS void add_rows(uint32_t form, Table table, size_t stride, size_t width, const int32_t *ids, long count,
                     float *sum) {
    if (form == FLOAT32) {
        add_rows_of(FLOAT32, table, stride, width, ids, count, sum);
    } else if (form == FLOAT16) {
        add_halves(table, stride, width, ids, count, sum);
    } else {
        add_bytes(table, stride, width, ids, count, sum);
    }
}

enum { BLOCK_OF_LANES = 8 }; /* sums that are made at once: enough of them hide how long a product takes */

/* As many floats as registers hold that have so many; what is beyond them is padding. */
ALWAYS size_t laned(size_t n) { return (n + WIDE - 1) / WIDE * WIDE; }

/* out = bias + in · matrix, of a matrix (ins, stride) whose first `outs` columns, a multiple of WIDE, are wanted. */
ALWAYS void dense(const float *in, size_t ins, const float *matrix, size_t stride, const float *bias, size_t outs,
                  float *out) {
    size_t at = 0;
    for (; at + BLOCK_OF_LANES * WIDE <= outs; at += BLOCK_OF_LANES * WIDE) { /* reads each row's part in one go */
        Lanes sums[BLOCK_OF_LANES];
        const float *column = matrix + at;
        for (int k = 0; k < BLOCK_OF_LANES; k++) sums[k] = *(const Lanes *)(bias + at + k * WIDE);
        for (size_t i = 0; i < ins; i++, column += stride) {
            for (int k = 0; k < BLOCK_OF_LANES; k++) sums[k] += in[i] * *(const Lanes *)(column + k * WIDE);
        }
        for (int k = 0; k < BLOCK_OF_LANES; k++) *(Lanes *)(out + at + k * WIDE) = sums[k];
    }
    for (; at < outs; at += WIDE) {
        const float *column = matrix + at;
        Lanes a = *(const Lanes *)(bias + at), b = {0}, c = {0}, d = {0};
        size_t i = 0;
        for (; i + 4 <= ins; i += 4, column += 4 * stride) {
            a += in[i] * *(const Lanes *)column;
            b += in[i + 1] * *(const Lanes *)(column + stride);
            c += in[i + 2] * *(const Lanes *)(column + 2 * stride);
            d += in[i + 3] * *(const Lanes *)(column + 3 * stride);
        }
        for (; i < ins; i++, column += stride) a += in[i] * *(const Lanes *)column;
        *(Lanes *)(out + at) = (a + b) + (c + d);
    }
}

static const uint64_t PRIME = 2147483647, MULTIPLIER = 1103515245;

/* x modulo 2^31 - 1, of x below 2^62 + 2^32. */
ALWAYS uint64_t modulo_prime(uint64_t x) {
    x = (x >> 31) + (x & PRIME);
    x = (x >> 31) + (x & PRIME);
    return x >= PRIME ? x - PRIME : x;
}

/* Add the rows of all n-grams, and return how many there are; students/dan.py says how they are hashed. */
static double add_grams(const Student *s, const int32_t *ids, long count, float *sum) {
    const Header *h = &s->head;
    int32_t buckets[256];
    uint64_t hashed[256 + MOST_GRAM];
    double found = 0;
    size_t width = PADDED(h->width), bytes = width * (h->table == FLOAT32 ? 4 : h->table == FLOAT16 ? 2 : 1);
    for (long first = 0; first < count; first += 256) { /* some begin here */
        long some = count - first < 256 ? count - first : 256;
        for (long i = 0; i < some; i++) hashed[i] = (uint64_t)ids[first + i];
        for (uint32_t n = 2; n <= h->longest; n++) {
            long grams = count - first - (long)n + 1;
            if (grams > some) grams = some;
            if (grams <= 0) break;
            for (long i = 0; i < grams; i++) {
                uint64_t hash = modulo_prime(hashed[i] * MULTIPLIER + (uint64_t)ids[first + i + (long)n - 1] + 1);
                hashed[i] = hash;
                uint32_t spread = (uint32_t)modulo_prime(hash * hash);
                buckets[i] = (int32_t)(spread % (h->buckets - 1) + 1);
                const char *row = (const char *)s->grams.rows + (size_t)buckets[i] * bytes;
                for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(row + at); /* it lies anywhere */
            }
            add_rows(h->table, s->grams, width, width, buckets, grams, sum);
            found += (double)grams;
        }
    }
    return found;
}

/* The mean of the rows of some ids, into PADDED(width) floats. */
ALWAYS void average(const Student *s, const int32_t *ids, long count, float *mean) {
    size_t width = PADDED(s->head.width);
    for (size_t i = 0; i < width; i += WIDE) *(Lanes *)(mean + i) = (Lanes){0};
    add_rows(s->head.table, s->embedding, width, width, ids, count, mean);
    float divisor = (float)count;
    if (s->head.student == DAN) divisor += (float)(s->head.gram_weight * add_grams(s, ids, count, mean));
    for (size_t i = 0; i < width; i += WIDE) *(Lanes *)(mean + i) /= divisor;
}

#include "bag_impl.h"
#include "cnn_impl.h"
#include "exponential_impl.h"
#include "lstm_impl.h"
#include "matrix_impl.h"
#include "chain_impl.h"
#include "tagger_impl.h"

/* Logits of at least one id; up to PADDED(labels) floats are written. 0, or -1 where memory ran out. */
static int logits_of(const Student *s, const int32_t *ids, long count, float *logits) {
    const Header *h = &s->head;
    if (h->student == CNN) {
        cnn_logits_of(s, ids, count, logits);
        return 0;
    }
    if (h->student == LSTM) return lstm_logits_of(s, ids, count, logits);
    if (h->student == MATRIX) {
        matrix_logits_of(s, ids, count, logits);
        return 0;
    }
    if (h->student != CBOW && h->student != DAN) {
        bag_logits_of(s, ids, count, logits);
        return 0;
    }
    float mean[MOST_WIDTH], hidden[MOST_WIDTH];
    size_t wide = PADDED(h->hidden);
    average(s, ids, count, mean);
    dense(mean, h->width, s->w1, wide, s->b1, wide, hidden);
    for (size_t i = 0; i < wide; i++) hidden[i] = hidden[i] < 0 ? 0 : hidden[i];
    dense(hidden, h->hidden, s->w2, PADDED(h->labels), s->b2, laned(h->labels), logits);
    return 0;
}

#include "trainer_impl.h"
#include "bag_trainer_impl.h"
#include "windows_impl.h"
#include "recurrence_impl.h"

const Engine ENGINE = {ids_of,         logits_of,     learn_pass,    learn_bag_pass, find_windows,
                       return_windows, follow_states, return_states, tag,            places_of,
                       find_products,  read_text,     logits_of_features};
