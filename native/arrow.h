/* Arrays of strings behind the Arrow C data interface, read in place. Needs neither Python nor Arrow's library. */
#ifndef UNDERSTUDY_ARROW_H
#define UNDERSTUDY_ARROW_H

#include "batch.h"

/* The three structs, with fields in the order that the interface fixes (arrow.apache.org, "The Arrow C data
   interface" and "The Arrow C stream interface"). A struct whose `release` is NULL was released, or moved. */
typedef struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children, *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
} ArrowSchema;

typedef struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
} ArrowArray;

typedef struct ArrowStream {
    int (*get_schema)(struct ArrowStream *, ArrowSchema *);
    int (*get_next)(struct ArrowStream *, ArrowArray *);
    const char *(*get_last_error)(struct ArrowStream *);
    void (*release)(struct ArrowStream *);
    void *private_data;
} ArrowStream;

/* How strings lie in memory: between offsets of 32 or of 64 bits, or by views of 16 bytes. */
typedef enum { NO_STRINGS, OFFSETS_32, OFFSETS_64, VIEWS } ArrowLayout;

typedef enum { IS_TEXT, IS_NULL, IS_OUTSIDE } ArrowFound; /* the last: its place is not within the array */

/* The layout that a schema names; NO_STRINGS for every other type, and for strings encoded by a dictionary. */
ArrowLayout arrow_layout(const ArrowSchema *schema);

/* What makes an array unreadable, as the end of a sentence; or NULL. The texts' places are not looked at. */
const char *arrow_fault(const ArrowArray *array, ArrowLayout layout);

/* The text in one row of an array without fault.

   Its end cannot be compared with the end of the data where it lies between offsets: the interface does not tell
   how large a buffer is. The bytes may be anything, so look whether they are UTF-8. */
ArrowFound arrow_text(const ArrowArray *array, ArrowLayout layout, size_t row, Text *text);

#endif
