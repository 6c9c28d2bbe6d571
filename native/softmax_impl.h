/* Softmax of a few numbers; included by trainer_impl.h.

   The exponential is our own: that of the C library is a call, which few numbers wait for and many cannot share.
   It is right to one part in a million: x = k · log 2 + r with |r| <= log(2) / 2, and exp(r) by its Taylor series up to
   r^6 / 6!, the rest of which is below 2e-7. */

/* exp(x) of x <= 0; below -87, where floats are about to end, it is exp(-87). No branch, so loops of it are vectors. */
ALWAYS float exponential(float x) {
    const float shift = 12582912.0f; /* 1.5 · 2^23: what is added to it is rounded to a whole number */
    x = x > -87.0f ? x : -87.0f;
    float shifted = x * 1.44269504f + shift, k = shifted - shift, power;
    float r = (x - k * 0.693359375f) + k * 2.12194440e-4f; /* log 2 in two parts: the first times k is exact */
    float r2 = r * r, low = 1.0f + r, middle = 0.5f + r * (1.0f / 6);
    float high = 1.0f / 24 + r * (1.0f / 120) + r2 * (1.0f / 720);
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (int32_t)((uint32_t)(bits + 127) << 23); /* 2^k: the sum's last bits are k, and all others leave */
    memcpy(&power, &bits, sizeof power);
    return power * (low + r2 * (middle + r2 * high));
}

/* Softmax of z / temperature into p; returns the logarithm of what it was divided by. */
ALWAYS float softmax(const float *z, size_t count, float temperature, float *p) {
    float most = z[0], scale = 1 / temperature, sum = 0;
    for (size_t i = 1; i < count; i++) most = z[i] > most ? z[i] : most;
    for (size_t i = 0; i < count; i++) p[i] = exponential((z[i] - most) * scale);
    for (size_t i = 0; i < count; i++) sum += p[i];
    for (size_t i = 0; i < count; i++) p[i] *= 1 / sum;
    return most * scale + logf(sum);
}
