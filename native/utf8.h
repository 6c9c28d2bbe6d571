/* Whether bytes of unknown origin are UTF-8: the splitter relies on it. */
#ifndef UNDERSTUDY_UTF8_H
#define UNDERSTUDY_UTF8_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The high bits of eight bytes. */
static inline uint64_t high_bits(const unsigned char *at) {
    uint64_t eight;
    memcpy(&eight, at, sizeof eight);
    return eight & 0x8080808080808080u;
}

static inline int is_ascii(const unsigned char *at, size_t bytes) {
    uint64_t high = 0;
    if (bytes < 8) {
        for (size_t i = 0; i < bytes; i++) high |= at[i] & 0x80u;
        return !high;
    }
    for (size_t i = 0; i + 8 <= bytes; i += 8) high |= high_bits(at + i);
    return !(high | high_bits(at + bytes - 8)); /* the last eight may overlap those before */
}

/* As Python's decoder has it: shortest forms only, no surrogates, nothing above U+10FFFF. */
static inline int is_utf8(const char *text, size_t bytes) {
    const unsigned char *at = (const unsigned char *)text, *end = at + bytes;
    if (is_ascii(at, bytes)) return 1;
    while (at < end) {
        unsigned first = at[0];
        if (first < 0x80) {
            at += end - at >= 8 && !high_bits(at) ? 8 : 1;
            continue;
        }
        size_t more = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
        if (first < 0xC2 || first > 0xF4 || (size_t)(end - at) <= more) return 0;
        unsigned lowest = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
        unsigned highest = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
        if (at[1] < lowest || at[1] > highest) return 0;
        for (size_t i = 2; i <= more; i++) {
            if ((at[i] & 0xC0) != 0x80) return 0;
        }
        at += more + 1;
    }
    return 1;
}

#endif
