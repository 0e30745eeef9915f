/* Rows of a matrix that will be needed soon, brought near while the processor is busy with products.
 *
 * A shuffled epoch reads rows of X from all over the memory, which the processor cannot foresee;
 * waiting for them would take as long as the products of a small network. Of a wide network the
 * weights are too many for the cache; their panels are the rows then.
 */
#ifndef SKNET_AHEAD_H
#define SKNET_AHEAD_H

#include <stddef.h>

#define AHEAD_BYTES 512 /* fetched per call */
#define CACHE_LINE 64

typedef struct {
    const char *X;
    ptrdiff_t row_bytes;
    const ptrdiff_t *row, *end; /* numbers of the rows still to come */
    ptrdiff_t done;             /* bytes of the first of them */
} ahead_t;

/* n rows of X, whose numbers stand at `row`, are to be fetched. */
static inline ahead_t rows_ahead(const void *X, ptrdiff_t row_bytes, const ptrdiff_t *row, ptrdiff_t n) {
    return (ahead_t){(const char *)X, row_bytes, row, row + n, 0};
}

/* Fetches the next part of a row into the second-level cache. `ahead` may be NULL. */
static inline void fetch_ahead(ahead_t *ahead) {
#if defined(__GNUC__) || defined(__clang__)
    if (!ahead || ahead->row == ahead->end) return;
    const char *x = ahead->X + *ahead->row * ahead->row_bytes;
    const ptrdiff_t left = ahead->row_bytes - ahead->done;
    const ptrdiff_t stop = ahead->done + (left < AHEAD_BYTES ? left : AHEAD_BYTES);
    for (ptrdiff_t i = ahead->done; i < stop; i += CACHE_LINE) __builtin_prefetch(x + i, 0, 2);
    ahead->done = stop;
    if (stop == ahead->row_bytes) {
        ahead->row++;
        ahead->done = 0;
    }
#else
    (void)ahead;
#endif
}

#endif
