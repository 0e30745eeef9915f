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

#define ONE_BY_ONE __asm__ volatile("" ::: "memory")

#else /* a compiler without vector types: the same sums, in the same order */

#define ONE_BY_ONE ((void)0)

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

/* C (end - begin, m) = sum over the rows p of weight[p] X[p, begin:end].T Y[p, :], products and
 * sums in double.
 *
 * With float inputs the products are exact and the sums nearly so: a row of weight 2 then counts
 * as two copies of it to the last bit, and the order of the rows does not matter. Of X and Y the
 * wider one runs in the vector lanes; either way it is X that is multiplied by the weights, so that
 * the shape of a tile does not change a bit. */
#if SKNET_VECTORS
#define WIDE_LANES (VECTOR_BYTES / (ptrdiff_t)sizeof(double))
typedef double wide_t __attribute__((vector_size(VECTOR_BYTES)));
typedef real_t narrow_t
    __attribute__((vector_size(VECTOR_BYTES / sizeof(double) * sizeof(real_t)), aligned(sizeof(real_t)), may_alias));

/* Two columns a of the one matrix times four vectors of columns b of the other. */
SKNET_INLINE void exact_group(ptrdiff_t n, const int pair, const int b_is_weighed, const real_t *a,
                              ptrdiff_t a_row, const real_t *weight, const real_t *b,
                              ptrdiff_t b_row, double sums[2][4 * WIDE_LANES]) {
    wide_t sum[2][4];
    for (int i = 0; i < 2; i++)
        for (int v = 0; v < 4; v++) sum[i][v] = (wide_t){0};
    for (ptrdiff_t p = 0; p < n; p++) {
        const double w = weight ? weight[p] : 1;
        const double a_weight = b_is_weighed ? 1 : w;
        const double a0 = a_weight * a[p * a_row], a1 = pair ? a_weight * a[p * a_row + 1] : 0;
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) {
            const narrow_t narrow = *(const narrow_t *)(b + p * b_row + v * WIDE_LANES);
            wide_t wide = __builtin_convertvector(narrow, wide_t);
            if (b_is_weighed) wide *= w;
            sum[0][v] += a0 * wide;
            if (pair) sum[1][v] += a1 * wide;
        }
    }
    memcpy(sums, sum, sizeof sum);
}

#define EXACT_GROUP(pair, b_is_weighed)                                                    \
    exact_group(n, pair, b_is_weighed, others + other, others_row, weight, lanes + lane,   \
                lanes_row, sums)
#endif

static inline void exact_outer(ptrdiff_t n, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t m,
                               const real_t *X, ptrdiff_t x_row, const real_t *weight,
                               const real_t *Y, real_t *C) {
    const ptrdiff_t k = end - begin;
    const int x_in_lanes = k > m;
    const ptrdiff_t n_lanes = x_in_lanes ? k : m, n_others = x_in_lanes ? m : k;
    const real_t *lanes = x_in_lanes ? X + begin : Y, *others = x_in_lanes ? Y : X + begin;
    const ptrdiff_t lanes_row = x_in_lanes ? x_row : m, others_row = x_in_lanes ? m : x_row;
    const ptrdiff_t c_lane = x_in_lanes ? m : 1, c_other = x_in_lanes ? 1 : m;
    ptrdiff_t lane = 0;
#if SKNET_VECTORS
    for (; lane + 4 * WIDE_LANES <= n_lanes; lane += 4 * WIDE_LANES)
        for (ptrdiff_t other = 0; other < n_others; other += 2) {
            const int pair = other + 1 < n_others;
            double sums[2][4 * WIDE_LANES];
            if (pair && x_in_lanes)
                EXACT_GROUP(1, 1);
            else if (pair)
                EXACT_GROUP(1, 0);
            else if (x_in_lanes)
                EXACT_GROUP(0, 1);
            else
                EXACT_GROUP(0, 0);
            for (int i = 0; i <= pair; i++)
                for (int l = 0; l < 4 * WIDE_LANES; l++)
                    C[(lane + l) * c_lane + (other + i) * c_other] = (real_t)sums[i][l];
        }
#endif
    for (; lane < n_lanes; lane++)
        for (ptrdiff_t other = 0; other < n_others; other++) {
            double sum = 0;
            for (ptrdiff_t p = 0; p < n; p++) {
                const double o = others[p * others_row + other], l = lanes[p * lanes_row + lane];
                const double xw = (weight ? weight[p] : 1) * (x_in_lanes ? l : o);
                sum += xw * (x_in_lanes ? o : l);
                ONE_BY_ONE; /* else products are made in vectors, and rounded before the sum */
            }
            C[lane * c_lane + other * c_other] = (real_t)sum;
        }
}

#endif
