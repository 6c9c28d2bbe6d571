/* A tagger of words that are rows: `runtime/window_format.py` says what is in its file. Needs no Python. */
#ifndef UNDERSTUDY_TAGGER_H
#define UNDERSTUDY_TAGGER_H

#include "batch.h"

enum { OUT_OF_MEMORY = -2 };

/* What stands before the strings that are no words of the vocabulary. */
enum { A_FORM = 1, A_BEGINNING, AN_END, A_SHAPE, ITSELF };

/* The rows of one part of a word: one of a form, or its id's and those of its traits. */
typedef struct {
    uint32_t rows[MOST_ROWS], count;
} Place;

/* Which tags follow each other, for sums in both directions; rows are padded with zeros, see IN_CHAIN. */
#define IN_CHAIN(labels) (((size_t)(labels) + 7) / 8 * 8)

typedef struct {
    const double *steps; /* (labels, padded): of a tag, and the one behind it */
    const double *back;  /* the same, transposed */
    const double *first; /* (padded,): of the first word's tag */
} Chain;

/* Sentences to be tagged. One with a word that is not for C is left as a whole, and its rows mean nothing. */
typedef struct Tagging {
    const Student *student;
    const Engine *engine;
    const Chain *chain;   /* or NULL: each word is tagged by itself */
    const Text *words;    /* of all sentences, end to end */
    const size_t *ends;   /* (count,): where each sentence ends */
    size_t count;
    float *logits;        /* (words, labels), or NULL */
    int64_t *columns;     /* (words,): of the highest logit, or NULL */
    unsigned char *is_left; /* (count,): set where the reference path must answer */
    size_t next;          /* first sentence that no thread has taken */
    int is_out_of_memory;
} Tagging;

/* Words of a unit `begin … end` are read together, and of these `first … last` are answered. */
typedef struct {
    size_t begin, end, first, last;
} Unit;

/* Rows of a thread's slice that one chain goes through. */
typedef struct {
    size_t row, count;
} Stretch;

typedef struct {
    void *at, *heap; /* the first is aligned to 64 bytes */
    size_t bytes;
} Room;

/* What a thread needs beside its words; every room grows with what it is asked for. */
typedef struct TagScratch {
    Room places;    /* Place: of the parts of a sentence's words */
    Room begins;    /* size_t, (words + 1,): the first part of each word */
    Room sums;      /* of hidden units, a ring of as many places as are seen at once */
    Room hidden;    /* float: of a group of words that wait for the head */
    Room logits;    /* float, (words, labels) of a slice, where they are not wanted */
    Room stretches; /* Stretch: of a slice */
    Room chain;     /* double: shares, and sums in both directions, of a stretch */
    size_t stretch_count;
    Scratch text;
    StackScratch stack;
} TagScratch;

TagScratch *scratch_new(void); /* NULL where memory ran out */
void scratch_delete(TagScratch *scratch);

/* Room for so many bytes; NULL where memory ran out. What was there is lost, or kept at its beginning. */
void *room_for(Room *room, size_t bytes);
void *room_keep(Room *room, size_t bytes);

/* The unit behind one that ends before the sentence does, or the first behind an empty one. The parts of each of
   `words` words begin where `begins` says; at most `limit` of them are read together (0: all), and no word has more. */
Unit unit_next(const size_t *begins, size_t words, size_t limit, Unit last);

/* Tag all sentences; 0, or -1 where memory ran out. */
int tagging_run(Tagging *tagging, int threads);

/* ------------------------------------------------------------------------------------------------- tagger_file.c */

/* Why the sizes of a tagger's file are impossible, or NULL. */
const char *tagger_check(const Header *head);
uint64_t tagger_bytes(const Header *head);
void tagger_find(Student *student, const unsigned char *weights);

#endif
