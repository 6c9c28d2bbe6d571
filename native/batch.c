/* Each thread takes the next few texts until there are none left. */
#include "batch.h"
#include "matrix.h"
#include "utf8.h"

#include <string.h>

#if defined(_WIN32)
#define HAS_THREADS 0
#else
#define HAS_THREADS 1
#include <pthread.h>
#endif

enum { TAKEN = 256, MOST_THREADS = 64 }; /* texts that a thread takes at once; threads of one call */
enum { GROUP = 12 };                     /* texts that wait for a hidden layer, which is then read once for several */

/* Texts whose features are there: of a student of matrices whose head has a hidden layer. */
typedef struct {
    float *features, *logits; /* (GROUP, step), (GROUP, PADDED(labels)); NULL where no text waits */
    size_t step, rows[GROUP], count;
} Waiting;

static int waiting_make(Waiting *waiting, const Student *student) {
    memset(waiting, 0, sizeof *waiting);
    if (student->head.student != MATRIX || !student->head.hidden) return 0;
    waiting->step = padded_features(features_of(&student->matrices));
    waiting->features = malloc(GROUP * waiting->step * sizeof(float));
    waiting->logits = malloc(GROUP * PADDED((size_t)student->head.labels) * sizeof(float));
    return waiting->features && waiting->logits ? 0 : -1;
}

static void waiting_free(Waiting *waiting) {
    free(waiting->features);
    free(waiting->logits);
}

/* What was found for a text. */
static void keep(Batch *batch, size_t row, const float *logits) {
    uint32_t labels = batch->student->head.labels;
    if (batch->logits) memcpy(batch->logits + row * labels, logits, labels * sizeof *logits);
    if (batch->columns) batch->columns[row] = highest(logits, labels);
}

/* Answer the texts that wait. */
static void answer_waiting(Batch *batch, Waiting *waiting) {
    if (!waiting->count) return;
    const Student *student = batch->student;
    batch->engine->logits_of_features(student, waiting->features, waiting->step, waiting->count, waiting->logits);
    for (size_t i = 0; i < waiting->count; i++)
        keep(batch, waiting->rows[i], waiting->logits + i * PADDED((size_t)student->head.labels));
    waiting->count = 0;
}

static int answer(Batch *batch, size_t row, Scratch *scratch, Waiting *waiting) {
    const Student *student = batch->student;
    const Text *text = &batch->texts[row];
    float logits[MOST_LABELS];
    if (batch->is_unknown && !is_utf8(text->text, text->bytes)) {
        batch->is_left[row] = NOT_UTF8;
        return 0;
    }
    if (text->bytes > UINT32_MAX / 4) {
        batch->is_left[row] = LEFT;
        return 0;
    }
    if (scratch_fit(scratch, text->bytes)) return -1;
    long count = batch->engine->ids_of(student, text->text, text->bytes, scratch);
    if (count == NOT_MINE) {
        batch->is_left[row] = LEFT;
        return 0;
    }
    if (waiting->features) {
        float *features = waiting->features + waiting->count * waiting->step;
        batch->engine->read_text(&student->matrices, scratch->ids, count, features);
        waiting->rows[waiting->count++] = row;
        if (waiting->count == GROUP) answer_waiting(batch, waiting);
        return 0;
    }
    if (batch->engine->logits_of(student, scratch->ids, count, logits)) return -1;
    keep(batch, row, logits);
    return 0;
}

static void *work(void *argument) {
    Batch *batch = argument;
    StackScratch stack;
    Scratch scratch = scratch_on(&stack);
    Waiting waiting;
    int is_ready = !waiting_make(&waiting, batch->student);
    if (!is_ready) __atomic_store_n(&batch->is_out_of_memory, 1, __ATOMIC_RELAXED);
    while (is_ready) {
        size_t first = __atomic_fetch_add(&batch->next, TAKEN, __ATOMIC_RELAXED);
        if (first >= batch->count) break;
        size_t last = batch->count - first < TAKEN ? batch->count : first + TAKEN;
        for (size_t row = first; row < last; row++) {
            if (answer(batch, row, &scratch, &waiting))
                __atomic_store_n(&batch->is_out_of_memory, 1, __ATOMIC_RELAXED);
        }
        answer_waiting(batch, &waiting);
    }
    waiting_free(&waiting);
    scratch_free(&scratch);
    return NULL;
}

void run_by_threads(void *(*work)(void *), void *argument, size_t useful, int threads) {
#if HAS_THREADS
    pthread_t others[MOST_THREADS];
    int started = 0;
    if (threads > MOST_THREADS) threads = MOST_THREADS;
    if (threads > 0 && (size_t)threads > useful) threads = (int)useful;
    for (; started < threads - 1; started++) {
        if (pthread_create(&others[started], NULL, work, argument)) break; /* fewer threads do the same work */
    }
    work(argument);
    for (int i = 0; i < started; i++) pthread_join(others[i], NULL);
#else
    (void)useful;
    (void)threads;
    work(argument);
#endif
}

int batch_run(Batch *batch, int threads) {
    run_by_threads(work, batch, batch->count / TAKEN, threads);
    return batch->is_out_of_memory ? -1 : 0;
}
