/* A bag-of-words student in memory: its vocabulary as hash tables, and its weights where the file has them. */
#ifndef UNDERSTUDY_STUDENT_H
#define UNDERSTUDY_STUDENT_H

#include <stddef.h>
#include <stdint.h>

/* What is pooled: words; words and hashed n-grams; weighted words and exact n-grams, whose rows may also hold what
   each adds to the logits, past the layers; words seen by folded filters; words read by LSTMs; words that are matrices.
   A bag with weights is in a file of version 2 or 6, a convolution in one of version 3, LSTMs in one of version 5,
   matrices in one of version 7. TAGGER answers every word by its neighbours, from a file of version 4. */
enum { CBOW = 1, DAN = 2, BAG = 3, DIRECT_BAG = 4, CNN = 5, TAGGER = 6, LSTM = 7, MATRIX = 8 };
enum { FLOAT32, FLOAT16, INT8 };            /* as what the rows of words and n-grams are stored */
enum { WORDS = 1, PIECES = 2, BERT = 3 };   /* how text becomes ids: see docs/splitting.md */
enum { LANES = 16 };                        /* rows of weights are padded with zeros to this many floats */
/* What one student may have at most. The first two bound arrays on the stack; buckets are those of hashed n-grams.
   `runtime/fast_format.py` has the same numbers, and a test compares them: a student beyond them is exported without
   `model.fast`. */
enum { MOST_WIDTH = 2048, MOST_LABELS = 4096, MOST_GRAM = 16, MOST_WORDS = 1 << 24 };
enum { MOST_BUCKETS = 1 << 28, MOST_GRAMS = 1 << 24 };
enum { MOST_KERNEL = 8, MOST_FILTERS = 4096 }; /* words that a filter sees; filters of all widths */
enum { MOST_SEEN = 15, MOST_ROWS = 5, MOST_ENTRY = 255 }; /* words a tagger sees; rows of a word; bytes of an entry */
enum { ABREAST = 32 };                           /* filters whose numbers lie together, as `runtime/cnn_format.py` has it */
enum { MOST_UNITS = 1024, MOST_LAYERS = 8 };     /* of an LSTM, per direction; layers on top of each other */
enum { MOST_SIZE = 64, MOST_WAYS = 2 };          /* rows of a word's matrix; matrices of a word */
enum { GATES = 4, GATED = GATES * LANES };       /* numbers that LANES units need at a step; they lie together */
enum { KEY = 16 };                          /* bytes of a word that its hash table compares at once */

#define PADDED(n) (((n) + LANES - 1) / LANES * LANES)

static inline size_t bytes_of_number(uint32_t table) { return table == FLOAT32 ? 4 : table == FLOAT16 ? 2 : 1; }

/* The head of `model.fast`: 128 bytes, little-endian. `runtime/fast_format.py` writes it and says what each is. */
typedef struct {
    char magic[8];
    uint32_t version, header_bytes;
    uint64_t file_bytes, sum, sum_of_sums;
    uint32_t student, rule;
    uint32_t vocabulary, width, hidden, labels, max_words, buckets, longest;
    float gram_weight;
    int32_t unknown, empty, before, after;
    uint32_t longest_word, table;
    uint64_t texts_at, texts_bytes, floats_at;
} Header;

/* The first 16 bytes of a word, zeros behind a shorter one. No word holds a zero byte, so no two words are alike. */
typedef struct {
    uint64_t a, b;
} Key;

/* An open-addressing table. A slot is 0 where it is free; else the low bits are an id + 1, the others a tag. */
typedef struct {
    uint32_t *slots;
    uint64_t mask;
    uint32_t id_bits; /* the low bits of a slot, all ones */
    int shift;        /* from a hash to the first slot to look at */
} Index;

/* Rows of words or n-grams: floats, halves, or bytes that count steps of a row's own size. */
typedef struct {
    const void *rows;
    const float *steps; /* of a table of bytes: one for each row */
    size_t apart;       /* floats from a row's step to the next one's */
} Table;

/* An n-gram: another word behind a word, or behind an n-gram that stands before it in the table. */
typedef struct {
    uint32_t prefix, word;
} Gram;

/* What a weighted bag has beyond `embedding`, whose rows are those of words, then of n-grams. */
typedef struct {
    size_t numbers;       /* of a row: its embedding, then its part of the logits; both padded */
    size_t stride;        /* numbers from a row to the next one: since version 6 its square and steps lie behind it */
    Table direct;         /* these parts of the rows; of no use to BAG */
    const float *squares; /* of all weights; the file has the rows times their weights */
    size_t apart;         /* floats from a square to the next one */
    const Gram *grams;
    Index index;          /* where an n-gram is, by its prefix and its word */
} Bag;

/* What a folded convolution has beyond `embedding`, whose rows are products; `b1` are its filters' biases, `w2` a row
   a label. The head's `width` is the number of filters of each width, from `hidden` to `longest` words. A tagger has the
   same, its filters being hidden units. */
typedef struct {
    size_t filters; /* of all widths, with those of padding: a multiple of ABREAST */
    size_t stride;  /* numbers of a row */
} Convolution;

/* Weights that states are multiplied with: a column for each gate of each unit, GATED of them side by side. Floats, or
   bytes that count steps of a column's own size. */
typedef struct {
    const void *weights;
    const float *steps;
    const int32_t *offsets; /* 128 times the sum of a column's bytes: what unsigned states have too much */
} Product;

/* One direction of a layer. The first layer's products with words are rows of the table, its biases included. */
typedef struct {
    Product entering, recurrent;
    const float *biases;
} Direction;

typedef struct {
    Direction layers[MOST_LAYERS][2]; /* forward, backward */
    int32_t *offsets;                 /* of all products */
} Recurrent;

/* Words that are matrices. A row has M - I of each direction, row by row, and then the word's vector. */
typedef struct {
    uint32_t form;      /* FLOAT32, FLOAT16 or INT8 */
    size_t size, ways;  /* rows of a matrix; directions, forward and backward */
    size_t vector;      /* numbers of a vector, or 0 */
    const void *rows;
    const float *steps; /* of bytes: one for each part of a row, (parts, PADDED(words)) */
    size_t words;
    size_t stride;      /* numbers from a row to the next one */
    int has_slack;      /* whether LANES numbers can be read behind the last row */
} Matrices;

typedef struct {
    Header head;
    Index short_words[2], long_words[2]; /* up to 16 bytes, and longer; [1] holds pieces that continue a word */
    Key *keys;                           /* by id, of short words */
    uint32_t *ends;                      /* by id: where a word ends in `texts`; it begins where the last one ends */
    char *texts;
    uint32_t longest_piece; /* bytes of the longest word or piece */
    Table embedding, grams;
    Bag bag;
    Convolution convolution;
    Recurrent recurrent;
    Matrices matrices;
    const float *w1, *b1, *w2, *b2; /* without a hidden layer only the last */
    const float *norm; /* of MATRIX with a hidden layer: scales and shifts of its layer norm */
} Student;

/* Why a file is refused; NULL where it is not. */
typedef struct {
    const char *what;
    int is_memory;
} Refusal;

/* Why a file in memory is refused by its head or its sums, NULL where it is not; the head goes to `head`. */
const char *file_check(const unsigned char *file, uint64_t bytes, Header *head);

/* Check a file in memory, bounds and sums, and make a student of it that reads its weights there. */
Student *student_open(const unsigned char *file, uint64_t bytes, Refusal *refusal);
void student_close(Student *student);

/* The same of LSTMs, whose files `lstm_file.c` knows: bytes of what follows the table; why sizes are refused, NULL where
   they are not; and finding that, "" where all is well, NULL where memory is out, else why it is refused. */
uint64_t lstm_bytes(const Header *head);
const char *lstm_check(const Header *head);
const char *lstm_read(Student *student, const unsigned char *at);

/* ------------------------------------------------------------------------------------------- hashing of words */

static inline uint64_t hash_key(uint64_t a, uint64_t b) {
    uint64_t h = a * UINT64_C(0x9E3779B97F4A7C15) + b * UINT64_C(0xC2B2AE3D27D4EB4F);
    h ^= h >> 32;
    return h * UINT64_C(0xD6E8FEB86659FD93);
}

/* The first `length` (1 to 16) bytes of a word, of which 16 can be read. */
Key key_of(const char *word, size_t length);
uint64_t hash_long(const char *word, size_t length);

#endif
