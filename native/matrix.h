/* Words that are matrices: how a table of them lies in memory, and what is made of a batch of texts. Needs no Python. */
#ifndef UNDERSTUDY_MATRIX_H
#define UNDERSTUDY_MATRIX_H

#include "student.h"

/* Texts of a batch, and room for their features. */
typedef struct Products {
    const Matrices *matrices;
    const int32_t *ids;  /* of all texts, end to end */
    const int64_t *ends; /* (texts,): where each text ends in `ids`; none is empty */
    size_t texts;
    float *features;     /* (texts, features_of(matrices)) */
} Products;

/* Numbers of a text's features: the product of each direction, then the mean of the vectors. */
static inline size_t features_of(const Matrices *m) { return m->ways * m->size * m->size + m->vector; }

/* What a label's weights are padded to, where it has one for each feature. */
static inline size_t padded_features(size_t features) { return (features + ABREAST - 1) / ABREAST * ABREAST; }

/* ------------------------------------------------------------------------------------------------- matrix_file.c */

/* Bytes of all weights; why sizes are refused, NULL where they are not; and where the weights lie. */
uint64_t matrix_bytes(const Header *head);
const char *matrix_check(const Header *head);
void matrix_find(Student *student, const unsigned char *weights);

#endif
