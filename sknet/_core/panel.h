/* Matrix products on packed panels, in GCC vector types: one text for every dtype and CPU level.
 *
 *   C (n, m) = A (n, k) B (k, m)      B in panels of PANEL columns: B[j][p][0..PANEL)
 *
 * A row of C is the sum over p = 0..k-1 in that order, whatever n, the row's place or the number
 * of rows computed with it: so a row has the same bits alone, in a mini-batch and in a test set.
 * A is read through two strides, so it may be a matrix, its transpose, or rows that overlap.
 *
 * Source of the scheme: Goto and van de Geijn, "Anatomy of high-performance matrix
 * multiplication", ACM TOMS 34 (2008), without its outer blocking: what is multiplied here fits
 * the second-level cache.
 */
#ifndef SKNET_PANEL_H
#define SKNET_PANEL_H

#include <stddef.h>

#include "real.h"

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#define LANES ((ptrdiff_t)(VECTOR_BYTES / sizeof(real_t)))
#define PANEL (2 * LANES) /* columns of a panel */
#define GROUP 6           /* rows computed together: 12 accumulators, of 16 vector registers */

#if SKNET_VECTORS

typedef real_t vector_t __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real_t)), may_alias));

/* One group of rows times one panel. `rows` and `vectors` are constants at every call, so each
 * call compiles to straight-line code with its accumulators in registers. */
SKNET_INLINE void panel_group(const int rows, const int vectors, ptrdiff_t k,
                              const real_t *A, ptrdiff_t a_row, ptrdiff_t a_column,
                              const real_t *B, real_t *C, ptrdiff_t c_row, ptrdiff_t columns) {
    vector_t sum[GROUP][2];
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sum[i][v] = (vector_t){0};
    for (ptrdiff_t p = 0; p < k; p++) {
        vector_t b[2];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) b[v] = *(const vector_t *)(B + v * LANES);
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) {
            const real_t a = A[i * a_row];
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) sum[i][v] += a * b[v];
        }
        A += a_column;
        B += PANEL;
    }
    if (columns == vectors * LANES) {
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) *(vector_t *)(C + i * c_row + v * LANES) = sum[i][v];
    } else {
        real_t edge[GROUP][2 * VECTOR_BYTES / sizeof(real_t)];
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) *(vector_t *)(edge[i] + v * LANES) = sum[i][v];
        for (int i = 0; i < rows; i++)
            memcpy(C + i * c_row, edge[i], (size_t)columns * sizeof(real_t));
    }
}

#define PANEL_ROWS(rows)                                                                     \
    case rows:                                                                               \
        if (columns > LANES)                                                                 \
            panel_group(rows, 2, k, A, a_row, a_column, B, C, c_row, columns);               \
        else                                                                                 \
            panel_group(rows, 1, k, A, a_row, a_column, B, C, c_row, columns);               \
        break;

SKNET_INLINE void panel_rows(ptrdiff_t rows, ptrdiff_t k, const real_t *A, ptrdiff_t a_row,
                             ptrdiff_t a_column, const real_t *B, real_t *C, ptrdiff_t c_row,
                             ptrdiff_t columns) {
    switch (rows) {
        PANEL_ROWS(1)
        PANEL_ROWS(2)
        PANEL_ROWS(3)
        PANEL_ROWS(4)
        PANEL_ROWS(5)
        PANEL_ROWS(6)
    }
}

#else /* a compiler without vector types: the same sums, in the same order */

static void panel_rows(ptrdiff_t rows, ptrdiff_t k, const real_t *A, ptrdiff_t a_row,
                       ptrdiff_t a_column, const real_t *B, real_t *C, ptrdiff_t c_row,
                       ptrdiff_t columns) {
    for (ptrdiff_t i = 0; i < rows; i++) {
        real_t *c = C + i * c_row;
        for (ptrdiff_t j = 0; j < columns; j++) c[j] = 0;
        for (ptrdiff_t p = 0; p < k; p++)
            for (ptrdiff_t j = 0; j < columns; j++)
                c[j] += A[i * a_row + p * a_column] * B[p * PANEL + j];
    }
}

#endif

/* C (n, columns) = A (n, k) times one panel (k, PANEL). */
static inline void panel_product(ptrdiff_t n, ptrdiff_t k, const real_t *A, ptrdiff_t a_row,
                                 ptrdiff_t a_column, const real_t *B, real_t *C, ptrdiff_t c_row,
                                 ptrdiff_t columns) {
    ptrdiff_t i = 0;
    if (a_column == 1) { /* a constant stride makes better code */
        for (; i + GROUP <= n; i += GROUP)
            panel_rows(GROUP, k, A + i * a_row, a_row, 1, B, C + i * c_row, c_row, columns);
    } else if (a_row == 1) {
        for (; i + GROUP <= n; i += GROUP)
            panel_rows(GROUP, k, A + i, 1, a_column, B, C + i * c_row, c_row, columns);
    }
    for (; i < n; i += GROUP)
        panel_rows(n - i < GROUP ? n - i : GROUP, k, A + i * a_row, a_row, a_column, B,
                   C + i * c_row, c_row, columns);
}

/* out (m) = sum over the rows p of weight[p] x[p] Y[p, :], products and sums in double.
 *
 * With float inputs the products are exact and the sums nearly so: a row of weight 2 then counts
 * as two copies of it to the last bit, and the order of the rows does not matter. */
static inline void exact_outer(ptrdiff_t n, ptrdiff_t m, const real_t *x, ptrdiff_t x_row,
                               const real_t *weight, const real_t *Y, real_t *out) {
    enum { CHUNK = 16 };
    double sums[CHUNK];
    for (ptrdiff_t j = 0; j < m; j += CHUNK) {
        const ptrdiff_t columns = m - j < CHUNK ? m - j : CHUNK;
        for (int c = 0; c < CHUNK; c++) sums[c] = 0;
        for (ptrdiff_t p = 0; p < n; p++) {
            const double xw = (double)x[p * x_row] * (weight ? weight[p] : 1);
            const real_t *y = Y + p * m + j;
            if (columns == CHUNK)
                for (int c = 0; c < CHUNK; c++) sums[c] += xw * y[c];
            else
                for (int c = 0; c < columns; c++) sums[c] += xw * y[c];
        }
        for (int c = 0; c < columns; c++) out[j + c] = (real_t)sums[c];
    }
}

#endif
