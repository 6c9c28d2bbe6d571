/* What the native trainer reads and writes. */
#ifndef UNDERSTUDY_LESSON_H
#define UNDERSTUDY_LESSON_H

#include <stddef.h>
#include <stdint.h>

/* Weights of `cbow`, `dan` or a weighted bag, or their accumulated squares. Rows are padded with zeros to a multiple of
   LANES floats. Of a weighted bag a row holds the embedding and then, unpadded between them, its part of the logits;
   where it has no embedding, `w1`, `b1` and `w2` are empty. */
typedef struct {
    float *embedding; /* (vocabulary, width); of `dan`: rows of words, then rows of n-grams */
    float *w1, *b1;   /* (width, hidden), (hidden,): (in, out) */
    float *w2, *b2;   /* (labels, hidden), (labels,): (out, in) */
} Layers;

typedef struct {
    float *embedding, *w1, *b1, *w2, *b2;
    Layers squares;
    size_t vocabulary, width, hidden, labels;
} Trainable;

typedef struct {
    const int32_t *ids;    /* of all texts, end to end */
    const int64_t *ends;   /* (texts,): where each text ends in `ids` */
    const int64_t *words;  /* (texts,): how many of a text's ids, from its first on, are words, the rest being
                              n-grams; NULL where all are */
    const int64_t *order;  /* (count,): the texts to learn from */
    size_t count;
    const float *soft;     /* (texts, labels): logits for mse, else probabilities at the temperature; or NULL */
    const int64_t *gold;   /* (texts,): columns, or -1; or NULL */
    const float *class_weights; /* (labels,) for gold labels, or NULL */
    int is_mse;
    float temperature, alpha, rate;
    float gram_weight; /* of an n-gram in the mean, next to a word's 1 */
} Lesson;

/* What a weighted bag learns from, beside the rest. */
typedef struct {
    Lesson lesson;
    const float *weights;   /* (vocabulary,): of each word and n-gram; 0 leaves it out */
    const float *gold_rows; /* (texts, labels): 0, 1 or NaN, where labels do not exclude each other; or NULL */
    int is_each;            /* whether they do not */
    size_t direct;          /* columns of a row that are parts of the logits: all labels, or none */
    float dropout, row_rate; /* share of a text's features that are dropped; rate of the rows */
    uint64_t seed;
    int32_t *kept;          /* room for the features of the longest text, and for their shares */
    float *shares;
} BagLesson;

/* A batch of texts under filters. Numbers of filters are by falling width, padded to a multiple of ABREAST. */
typedef struct {
    const int64_t *ids;  /* of all texts, end to end: rows of `products` and of `words` */
    const int64_t *ends; /* (texts,): where each text ends in `ids`; none is empty */
    size_t texts, filters, padded, stride; /* filters of each width, of all; numbers of a row of products */
    uint32_t widest;
    float *best;     /* (texts, padded): the greatest answers */
    int32_t *places; /* (texts, padded): the word that each ends at, from the text's first one */
    const float *products;  /* forward: (rows, stride), as `runtime/cnn_format.py` has them */
    const float *gradients; /* backward: (texts, padded), of the greatest answers */
    size_t width;           /* numbers of a word, a multiple of LANES */
    const float *words;     /* (rows, width) */
    const float *columns;   /* (filters of all widths, widest, width): what meets a window's last word first */
    float *of_words, *of_columns; /* gradients are added to them */
} Windows;

/* A bidirectional LSTM layer over a batch. Units are padded to a multiple of LANES; 2 is for forward, backward. */
typedef struct {
    const int64_t *starts, *lengths; /* (texts,): of each text's words, by falling length; none is empty */
    size_t texts, words, units;
    size_t blocks; /* of GATED units, the last one padded */
    float *gates;  /* (words, 2, GATES, units): forward, what enters becomes gates; backward, the gates */
    float *cells;  /* (words, 2, units) */
    float *states; /* (words, 2, units) */
    const float *recurrent; /* forward: (2, units / LANES, units, GATED), as `runtime/lstm_format.py` has them;
                               backward: (2, blocks, GATES · units, GATED), a row for each gate of each unit */
    float *latest;          /* forward: (2, 2, texts, units), states of even and of odd places;
                               backward: (2, texts, GATES, units), gradients at a step */
    const float *biases;    /* forward: (2, GATES, units) */
    const float *of_states; /* (words, 2, units): gradients from elsewhere */
    float *of_gates;        /* (words, 2, GATES, units): gradients before the activation */
    float *before;          /* (words, 2, units): the states that each word met */
    float *carried;         /* (2, blocks, texts, GATED): gradients of the states before; 0 at the start */
    float *of_cells;        /* (2, texts, units): the same of cells */
} Recurrence;

#endif
