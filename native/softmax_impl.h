/* Softmax of a few numbers; included by trainer_impl.h. */

/* Softmax of z / temperature into p; returns the logarithm of what it was divided by. */
ALWAYS float softmax(const float *z, size_t count, float temperature, float *p) {
    float most = z[0], scale = 1 / temperature, sum = 0;
    for (size_t i = 1; i < count; i++) most = z[i] > most ? z[i] : most;
    for (size_t i = 0; i < count; i++) p[i] = exponential((z[i] - most) * scale);
    for (size_t i = 0; i < count; i++) sum += p[i];
    for (size_t i = 0; i < count; i++) p[i] *= 1 / sum;
    return most * scale + logf(sum);
}
