/* Whether a file is a `model.fast` that can be trusted: its head, its sections, its sums. */
#include "sizes.h"

#include <string.h>

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
    switch (h->version) {
        case 1: return h->student == CBOW || h->student == DAN;
        case 2:
        case 6: return is_bag(h);
        case 3: return h->student == CNN;
        case 4: return h->student == TAGGER;
        case 5: return h->student == LSTM;
        case 7: return h->student == MATRIX;
        default: return 0;
    }
}

static const char *check_sizes(const Header *h) {
    if (!has_known_student(h)) return "it names no student that is known here";
    if (h->rule < WORDS || h->rule > BERT) return "it names no rule of splitting that is known here";
    if (h->table > INT8) return "it stores its rows in no form that is known here";
    if (h->vocabulary < 2 || h->vocabulary > MOST_WORDS) return "its vocabulary has an impossible size";
    if (!h->labels || h->labels > MOST_LABELS) return "its number of labels is impossible";
    if (h->student == CNN) return check_filters(h);
    if (h->student == LSTM) return lstm_check(h);
    if (h->student == TAGGER) return tagger_check(h);
    if (h->student == MATRIX) return matrix_check(h);
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

const char *file_check(const unsigned char *file, uint64_t bytes, Header *head) {
    if (!is_little_endian()) return "this processor is big-endian";
    if ((uintptr_t)file % 8) return "it is not aligned in memory";
    if (bytes < sizeof *head) return "it is too short to have a header";
    memcpy(head, file, sizeof *head);
    if (memcmp(head->magic, "UNDRSTDY", 8)) return "it does not begin as such a file does";
    if (head->version < 1 || head->version > 7) return "it is of another version";
    if (head->header_bytes != sizeof *head) return "its header has another length";
    if (head->file_bytes != bytes) return "it was truncated, or something was added";
    const char *what = check_sizes(head);
    if (!what) what = check_ids(head);
    if (!what) what = check_sections(head);
    if (!what && !has_right_sums(file, head)) what = "it was altered: its sums are others";
    return what;
}
