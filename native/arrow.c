/* Numbers are copied out of buffers, which need not be aligned. */
#include "arrow.h"

#include <string.h>

enum { VALID = 0, PLACES = 1, DATA = 2 }; /* numbers of buffers; views have any number of data, then their sizes */
enum { VIEW_BYTES = 16, INLINE_BYTES = 12 };

ArrowLayout arrow_layout(const ArrowSchema *schema) {
    if (!schema->format || schema->dictionary || schema->n_children) return NO_STRINGS;
    if (!strcmp(schema->format, "u")) return OFFSETS_32;
    if (!strcmp(schema->format, "U")) return OFFSETS_64;
    return strcmp(schema->format, "vu") ? NO_STRINGS : VIEWS;
}

const char *arrow_fault(const ArrowArray *array, ArrowLayout layout) {
    if (array->length < 0 || array->offset < 0 || array->null_count < -1) return "has a negative length or offset";
    if (array->length > PTRDIFF_MAX / VIEW_BYTES - 1 - array->offset) return "is longer than memory";
    if (array->n_children || array->dictionary) return "has children or a dictionary, which strings do not have";
    if (layout == VIEWS ? array->n_buffers < 3 : array->n_buffers != 3)
        return "has another number of buffers than its type";
    if (!array->buffers) return "has no buffers";
    if (!array->length) return NULL;
    if (!array->buffers[PLACES]) return "does not say where its texts are";
    if (array->null_count > 0 && !array->buffers[VALID]) return "does not say which of its texts are null";
    if (layout == VIEWS && array->n_buffers > 3 && !array->buffers[array->n_buffers - 1])
        return "does not say how large its buffers are";
    return NULL;
}

static inline int is_null(const ArrowArray *array, size_t place) {
    const uint8_t *valid = array->buffers[VALID];
    return valid && array->null_count && !(valid[place / 8] >> place % 8 & 1);
}

/* Between two offsets of the data. */
static inline ArrowFound between(const ArrowArray *array, int64_t start, int64_t end, Text *text) {
    const char *data = array->buffers[DATA];
    if (start < 0 || end < start || (!data && end > 0)) return IS_OUTSIDE;
    *text = (Text){data ? data + start : "", (size_t)(end - start)};
    return IS_TEXT;
}

/* A view holds its length, then the text itself, or its first four bytes, the number of a buffer and an offset. */
static ArrowFound viewed(const ArrowArray *array, size_t place, Text *text) {
    const char *view = (const char *)array->buffers[PLACES] + place * VIEW_BYTES;
    int32_t facts[4];
    memcpy(facts, view, sizeof facts);
    int64_t length = facts[0], buffer = facts[2], offset = facts[3], size;
    if (length < 0) return IS_OUTSIDE;
    *text = (Text){view + sizeof(int32_t), (size_t)length};
    if (length <= INLINE_BYTES) return IS_TEXT;
    if (buffer < 0 || buffer >= array->n_buffers - 3 || offset < 0) return IS_OUTSIDE;
    const char *data = array->buffers[DATA + buffer], *sizes = array->buffers[array->n_buffers - 1];
    memcpy(&size, sizes + (size_t)buffer * sizeof size, sizeof size);
    if (!data || offset + length > size) return IS_OUTSIDE;
    text->text = data + offset;
    return IS_TEXT;
}

ArrowFound arrow_text(const ArrowArray *array, ArrowLayout layout, size_t row, Text *text) {
    size_t place = row + (size_t)array->offset;
    const char *places = array->buffers[PLACES];
    if (is_null(array, place)) return IS_NULL;
    if (layout == OFFSETS_32) {
        int32_t ends[2];
        memcpy(ends, places + place * sizeof *ends, sizeof ends);
        return between(array, ends[0], ends[1], text);
    }
    if (layout == OFFSETS_64) {
        int64_t ends[2];
        memcpy(ends, places + place * sizeof *ends, sizeof ends);
        return between(array, ends[0], ends[1], text);
    }
    return viewed(array, place, text);
}
