/* The splitter for any text, one code point after another. Plain ASCII has a faster one in engine_impl.h. */
#include "split.h"

#include <string.h>

/* What a rule does with one code point. */
static Action action_of(uint32_t rule, uint32_t code, const char **texts) {
    if (rule == BERT) {
        *texts = bert_texts;
        return bert_actions[bert_values[bert_blocks[code / BLOCK] * BLOCK + code % BLOCK]];
    }
    *texts = words_texts;
    return words_actions[words_values[words_blocks[code / BLOCK] * BLOCK + code % BLOCK]];
}

/* Read one code point of well-formed UTF-8 (surrogates included). */
static uint32_t decode(const unsigned char **at) {
    const unsigned char *p = *at;
    if (p[0] < 0x80) {
        *at += 1;
        return p[0];
    }
    if (p[0] < 0xE0) {
        *at += 2;
        return (p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu);
    }
    if (p[0] < 0xF0) {
        *at += 3;
        return (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
    }
    *at += 4;
    return (p[0] & 0x07u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
}

static size_t encode(uint32_t code, char *out) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

/* Two surrogates that make a pair are one code point; any other is U+FFFD, as wordpiece.py has it. */
static uint32_t without_surrogate(uint32_t code, const unsigned char **at, const unsigned char *end) {
    if (code < 0xD800 || code > 0xDFFF) return code;
    const unsigned char *p = *at;
    if (code < 0xDC00 && end - p >= 3 && p[0] == 0xED && p[1] >= 0xB0) {
        uint32_t low = decode(at);
        return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    return 0xFFFD;
}

/* Whether one of BERT's special words begins after a `[`: the library looks for them before it does anything else. */
static int is_special(const unsigned char *at, const unsigned char *end) {
    static const char *const names[] = {"PAD]", "UNK]", "CLS]", "SEP]", "MASK]"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t length = strlen(names[i]);
        if ((size_t)(end - at) >= length && !memcmp(at, names[i], length)) return 1;
    }
    return 0;
}

/* Write what a code point becomes, and return how many bytes these are. */
static size_t write_action(Action action, uint32_t code, const char *texts, char *out) {
    if (!action.length) return encode(code + (uint32_t)action.shift, out);
    memcpy(out, texts + action.start, action.length);
    return action.length;
}

long split_any(uint32_t rule, const char *text, size_t bytes, Scratch *scratch) {
    const unsigned char *at = (const unsigned char *)text, *end = at + bytes;
    size_t out = 0;
    long count = 0;
    int is_inside = 0;
    while (at < end) {
        const char *texts;
        uint32_t code = decode(&at);
        if (rule != WORDS) code = without_surrogate(code, &at, end);
        if (rule == BERT && code == '[' && is_special(at, end)) return NOT_MINE;
        Action action = action_of(rule, code, &texts);
        if (action.kind == DROP) continue;
        if (action.kind == HARD) return NOT_MINE;
        if (is_inside && action.kind != WORD) scratch->ends[count++] = (uint32_t)out;
        if (action.kind == SINGLE || (action.kind == WORD && !is_inside)) scratch->starts[count] = (uint32_t)out;
        is_inside = action.kind == WORD;
        if (action.kind == SPACE) continue;
        out += write_action(action, code, texts, scratch->low + out);
        if (action.kind == SINGLE) scratch->ends[count++] = (uint32_t)out;
    }
    if (is_inside) scratch->ends[count++] = (uint32_t)out;
    return count;
}

/* What stands for a code point in a word's shape: itself where it is a sign. */
static uint32_t shape_of(uint32_t code, Action action) {
    if (code >= '0' && code <= '9') return '0';
    if (action.kind != WORD || code == '\'' || code == '_' || code == 0x2019) return code;
    return action.shift || action.length ? 'X' : 'x';
}

long split_word(const char *text, size_t bytes, Scratch *scratch, Looks *looks) {
    const unsigned char *at = (const unsigned char *)text, *end = at + bytes;
    uint32_t last = 0;
    long count = 0;
    int is_inside = 0;
    looks->low = looks->shape_bytes = 0;
    while (at < end) {
        const char *texts;
        uint32_t code = decode(&at);
        if (!code) return NOT_MINE;
        Action action = action_of(WORDS, code, &texts);
        if (is_inside && action.kind != WORD) scratch->ends[count++] = (uint32_t)looks->low;
        if (action.kind == SINGLE || (action.kind == WORD && !is_inside)) scratch->starts[count] = (uint32_t)looks->low;
        is_inside = action.kind == WORD;
        looks->low += write_action(action, code, texts, scratch->low + looks->low);
        if (action.kind == SINGLE) scratch->ends[count++] = (uint32_t)looks->low;
        uint32_t shape = shape_of(code, action);
        if (shape != last && looks->shape_bytes < looks->most)
            looks->shape_bytes += encode(shape, looks->shape + looks->shape_bytes);
        last = shape;
    }
    if (is_inside) scratch->ends[count++] = (uint32_t)looks->low;
    if (looks->shape_bytes > looks->most) looks->shape_bytes = looks->most;
    return count;
}
