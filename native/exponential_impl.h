/* The exponential of floats, one by one or as many as a register holds; included by softmax_impl.h and lstm_impl.h.

   It is our own: that of the C library is a call, which few numbers wait for and many cannot share. It is right to one
   part in a million: x = k · log 2 + r with |r| <= log(2) / 2, and exp(r) by its Taylor series up to r^6 / 6!, the rest
   of which is below 2e-7. It takes -87 <= x <= 87. No branch, so loops of it are vectors. */

/* 1.5 · 2^23 is added to round to a whole number: the sum's last bits are k. log 2 is in two parts, of which the first
   times k is exact. Shifted by 23 bits, k + 127 is 2^k, and all other bits leave. */
#define EXPONENTIAL(NAME, FLOATS, WORDS, SAME)                                                                         \
    ALWAYS FLOATS NAME(FLOATS x) {                                                                                     \
        const FLOATS shift = SAME(12582912.0f);                                                                        \
        FLOATS shifted = x * SAME(1.44269504f) + shift, k = shifted - shift, power;                                    \
        FLOATS r = k * SAME(2.12194440e-4f) + (k * SAME(-0.693359375f) + x), r2 = r * r;                               \
        FLOATS low = SAME(1.0f) + r, middle = r * SAME(1.0f / 6) + SAME(0.5f);                                         \
        FLOATS high = r2 * SAME(1.0f / 720) + (r * SAME(1.0f / 120) + SAME(1.0f / 24));                                \
        WORDS bits;                                                                                                    \
        memcpy(&bits, &shifted, sizeof bits);                                                                          \
        bits = (bits + 127) << 23;                                                                                     \
        memcpy(&power, &bits, sizeof power);                                                                           \
        return power * (r2 * (r2 * high + middle) + low);                                                              \
    }

#define SCALAR(x) (x)

EXPONENTIAL(exponential_between, float, uint32_t, SCALAR)

/* exp(x) of x <= 0; below -87, where floats are about to end, it is exp(-87). */
ALWAYS float exponential(float x) { return exponential_between(x > -87.0f ? x : -87.0f); }
