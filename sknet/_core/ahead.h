/* Memory that will be needed soon, made ready while the processor is busy with products.
 *
 * A shuffled epoch reads rows of X from all over the memory, which the processor cannot foresee;
 * waiting for them would take as long as the products of a small network. Of a wide network the
 * weights are too many for the cache; their panels are the rows then. And what one core is about to
 * write and another has read lies in both their caches; to make it one's own takes 7 to 28 ns a
 * line, for which nothing has to wait that is done early.
 */
#ifndef SKNET_AHEAD_H
#define SKNET_AHEAD_H

#include <stddef.h>

#include "real.h"

/* Made ready per call: more at once would wait for one another. What is left of a row when products end
 * follows by itself, since processors read on where they see an order. */
#define AHEAD_BYTES 256

/* Rows of a matrix: the numbers first..end, or the numbers that stand there. */
typedef struct ahead {
    char *X;
    ptrdiff_t stride, row_bytes; /* from row to row; of each row */
    const ptrdiff_t *numbers;    /* or NULL */
    ptrdiff_t first, end;
    ptrdiff_t done;     /* bytes of the first row */
    int is_written;     /* all of it, before it is read: what is there does not matter */
    struct ahead *next; /* what comes when this is through, or NULL */
} ahead_t;

static inline ahead_t read_ahead(const void *X, ptrdiff_t stride, ptrdiff_t row_bytes,
                                 const ptrdiff_t *numbers, ptrdiff_t first, ptrdiff_t end,
                                 ahead_t *next) {
    return (ahead_t){(char *)X, stride, row_bytes, numbers, first, end, 0, 0, next};
}

static inline ahead_t write_ahead(void *X, ptrdiff_t stride, ptrdiff_t row_bytes, ptrdiff_t first,
                                  ptrdiff_t end, ahead_t *next) {
    return (ahead_t){(char *)X, stride, row_bytes, NULL, first, end, 0, 1, next};
}

/* Makes the next part of a row ready. `ahead` may be NULL. */
SKNET_INLINE void look_ahead(ahead_t *ahead) {
    while (ahead && ahead->first == ahead->end) ahead = ahead->next;
    if (!ahead) return;
    char *x = ahead->X + (ahead->numbers ? ahead->numbers[ahead->first] : ahead->first) * ahead->stride;
    const ptrdiff_t left = ahead->row_bytes - ahead->done;
    const ptrdiff_t stop = ahead->done + (left < AHEAD_BYTES ? left : AHEAD_BYTES);
    if (ahead->is_written)
        for (ptrdiff_t i = ahead->done; i < stop; i += CACHE_LINE) *(real_t *)(x + i) = 0;
#if SKNET_VECTORS
    else
        for (ptrdiff_t i = ahead->done; i < stop; i += CACHE_LINE) __builtin_prefetch(x + i, 0, 2);
#endif
    ahead->done = stop;
    if (stop == ahead->row_bytes) {
        ahead->first++;
        ahead->done = 0;
    }
}

#endif
