/* Matrix products on packed panels, in GCC vector types: one text for every dtype and CPU level.
 *
 *   C (n, m) = A (n, k) B (k, m)      B in panels, see pack.h
 *
 * A row of C is the sum over p = 0..k-1 in that order, behind a row to begin with, whatever n, the
 * row's place or the number of rows computed with it: so a row has the same bits alone, in a
 * mini-batch and in a test set. A may be rows of a matrix X or their transpose, in both cases rows
 * named by their numbers, which need not be copied to stand together; or it is packed as well.
 *
 * Source of the scheme: Goto and van de Geijn, "Anatomy of high-performance matrix
 * multiplication", ACM TOMS 34 (2008), without its outer blocking: what is multiplied here fits
 * the second-level cache.
 */
#ifndef SKNET_PANEL_H
#define SKNET_PANEL_H

#include <stddef.h>

#include "ahead.h"
#include "pack.h"

/* GROUP is the rows computed together, times two vectors of a panel the accumulators: 12 of 16
 * vector registers, or 16 of 32. More would be as fast, but rows whose distance is a power of two
 * meet in a set of the cache, which has 8 places. A panel of one vector has room for more rows; of
 * rows of X, each takes a register that says where it is. */
#define GROUP (VECTOR_BYTES == 64 ? 8 : 6)
#define TALL_BY_ROWS 12
#define TALL_BY_COLUMNS (VECTOR_BYTES == 64 ? 16 : 12)
#define TALLEST 16
#define STRETCH (1024 / VECTOR_BYTES) /* terms of a sum between two looks ahead */
#define TERMS 4                       /* of a sum that are written out one after another */

/* How a group of rows of A lies in memory. */
enum {
    BY_ROWS,    /* as rows of X */
    BY_COLUMNS, /* as columns of X: the sums run over its rows */
    PACKED,     /* (k, rows of the group) */
};

/* Where row i of X is: the i-th of the named rows, or of all if there are no numbers. */
SKNET_INLINE const real_t *row_of(const real_t *X, ptrdiff_t x_row, const ptrdiff_t *numbers, ptrdiff_t i) {
    return X + (numbers ? numbers[i] : i) * x_row;
}

/* How many rows are computed together, at the most. */
SKNET_INLINE ptrdiff_t group_rows(const int layout, ptrdiff_t columns) {
    if (columns > LANES || layout == PACKED) return GROUP;
    return layout == BY_ROWS ? TALL_BY_ROWS : TALL_BY_COLUMNS;
}

#if SKNET_VECTORS

/* AVX-512 can multiply by a number that stands in memory. For half of the rows each multiplication
 * does, for the others the number is read once into a register: that is fewer instructions than if all
 * took the second way, and fewer reads than if all took the first. Two threads on one core share what
 * issues instructions; there it takes 1 to 7 % off a product, most with 256 terms or more. Columns of X
 * are new lines of the cache with each term: there, to read a number twice takes 8 % longer. */
#define A_OF(i) (layout == BY_ROWS ? row[i][term] : column[i])
#define FORGET_LOADS __asm__("" ::: "memory") /* else the compiler would read once for all */

/* The next term of all sums: a number of each row of A, times a row of the panel. */
SKNET_INLINE void add_term(const int layout, const int rows, const int steps, const int term,
                           const real_t *const *row, const real_t *column, const real_t *B,
                           vector_t (*sum)[2], step_t *rest) {
    const int vectors = steps / (LANES / STEP), has_rest = steps % (LANES / STEP);
    const int rereads = VECTOR_BYTES == 64 && vectors + has_rest > 1 && layout != BY_COLUMNS;
    const int n_reread = rereads ? rows / 2 : 0;
    vector_t b[2];
    step_t b_rest;
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) b[v] = *(const vector_t *)(B + v * LANES);
    if (has_rest) b_rest = *(const step_t *)(B + vectors * LANES);
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
#pragma GCC unroll 16
        for (int i = 0; i < n_reread; i++) sum[i][v] += A_OF(i) * b[v];
        if (n_reread) FORGET_LOADS;
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        const real_t a = A_OF(i);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            if (i >= n_reread) sum[i][v] += a * b[v];
        if (has_rest) rest[i] += a * b_rest;
    }
}

/* One group of rows times one panel. `layout`, `rows` and `steps` (the width of the panel) are constants
 * at every call, so each call compiles to straight-line code with its accumulators in registers.
 *
 * The rows of X move on together, TERMS terms at a time, and what is in between stands at a fixed
 * distance: on some cores, to multiply by the number at the sum of two registers takes two instructions. */
SKNET_INLINE void panel_group(const int layout, const int rows, const int steps, ptrdiff_t k,
                              const real_t *A, ptrdiff_t a_row, const ptrdiff_t *numbers,
                              const real_t *B, const real_t *begin, real_t *C, ptrdiff_t c_row,
                              ptrdiff_t columns, ahead_t *ahead) {
    const int vectors = steps / (LANES / STEP), has_rest = steps % (LANES / STEP);
    const int is_full = columns == steps * STEP;
    vector_t sum[TALLEST][2];
    step_t rest[TALLEST];
    const real_t *row[TALLEST];
    real_t edge[2 * VECTOR_BYTES / sizeof(real_t)] = {0};
    if (begin && !is_full) {
        copy_few(LANES, columns, begin, edge);
        begin = edge;
    }
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        const vector_t first = begin ? *(const vector_t *)(begin + v * LANES) : (vector_t){0};
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) sum[i][v] = first;
    }
    if (has_rest) {
        const step_t first = begin ? *(const step_t *)(begin + vectors * LANES) : (step_t){0};
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) rest[i] = first;
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) row[i] = layout == BY_ROWS ? row_of(A, a_row, numbers, i) : NULL;
#define COLUMN(p) (layout == PACKED ? A + (p) * rows : row_of(A, a_row, numbers, p))
#define MOVE_ON(terms)                                                                         \
    _Pragma("GCC unroll 16") for (int i = 0; layout == BY_ROWS && i < rows; i++) {             \
        row[i] += terms;                                                                       \
        __asm__("" : "+r"(row[i])); /* else the compiler would make it the sum of two again */ \
    }
    for (ptrdiff_t p = 0; p < k;) {
        const ptrdiff_t pause = k - p < STRETCH ? k : p + STRETCH;
        look_ahead(ahead);
        for (; p + TERMS <= pause; p += TERMS) {
#pragma GCC unroll 4
            for (int term = 0; term < TERMS; term++)
                add_term(layout, rows, steps, term, row, COLUMN(p + term), B + term * steps * STEP, sum, rest);
            B += TERMS * steps * STEP;
            MOVE_ON(TERMS);
        }
        for (; p < pause; p++) {
            add_term(layout, rows, steps, 0, row, COLUMN(p), B, sum, rest);
            B += steps * STEP;
            MOVE_ON(1);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        real_t *c = is_full ? C + i * c_row : edge;
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) *(vector_t *)(c + v * LANES) = sum[i][v];
        if (has_rest) *(step_t *)(c + vectors * LANES) = rest[i];
        if (!is_full) copy_few(LANES, columns, edge, C + i * c_row);
    }
}

#define STEPS_CASE(number, layout, numbers, steps)                                                        \
    case steps:                                                                                           \
        if (number <= group_rows(layout, steps * STEP) && steps * STEP <= PANEL)                          \
            panel_group(layout, number, steps, k, A, a_row, numbers, B, begin, C, c_row, columns, ahead); \
        break;
#define ROWS_CASE(number, layout, numbers)         \
    case number:                                   \
        switch (panel_steps(columns)) {            \
            STEPS_CASE(number, layout, numbers, 1) \
            STEPS_CASE(number, layout, numbers, 2) \
            STEPS_CASE(number, layout, numbers, 3) \
            STEPS_CASE(number, layout, numbers, 4) \
        }                                          \
        break;
#define ROWS_CASES(layout, numbers)     \
    switch (rows) {                     \
        ROWS_CASE(1, layout, numbers)   \
        ROWS_CASE(2, layout, numbers)   \
        ROWS_CASE(3, layout, numbers)   \
        ROWS_CASE(4, layout, numbers)   \
        ROWS_CASE(5, layout, numbers)   \
        ROWS_CASE(6, layout, numbers)   \
        ROWS_CASE(7, layout, numbers)   \
        ROWS_CASE(8, layout, numbers)   \
        ROWS_CASE(9, layout, numbers)   \
        ROWS_CASE(10, layout, numbers)  \
        ROWS_CASE(11, layout, numbers)  \
        ROWS_CASE(12, layout, numbers)  \
        ROWS_CASE(13, layout, numbers)  \
        ROWS_CASE(14, layout, numbers)  \
        ROWS_CASE(15, layout, numbers)  \
        ROWS_CASE(16, layout, numbers)  \
    }

/* Up to group_rows(layout, columns) rows. */
SKNET_INLINE void panel_rows(const int layout, ptrdiff_t rows, ptrdiff_t k, const real_t *A,
                             ptrdiff_t a_row, const ptrdiff_t *numbers, const real_t *B,
                             const real_t *begin, real_t *C, ptrdiff_t c_row, ptrdiff_t columns,
                             ahead_t *ahead) {
    if (layout == PACKED || (layout == BY_COLUMNS && !numbers)) /* no test for numbers in the loop */
        ROWS_CASES(layout, NULL)
    else
        ROWS_CASES(layout, numbers)
}

#else /* a compiler without vector types: the same sums, in the same order */

static void panel_rows(const int layout, ptrdiff_t rows, ptrdiff_t k, const real_t *A, ptrdiff_t a_row,
                       const ptrdiff_t *numbers, const real_t *B, const real_t *begin, real_t *C,
                       ptrdiff_t c_row, ptrdiff_t columns, ahead_t *ahead) {
    look_ahead(ahead);
    for (ptrdiff_t i = 0; i < rows; i++) {
        real_t *c = C + i * c_row;
        for (ptrdiff_t j = 0; j < columns; j++) c[j] = begin ? begin[j] : 0;
        for (ptrdiff_t p = 0; p < k; p++) {
            const real_t a = layout == BY_ROWS ? row_of(A, a_row, numbers, i)[p] : row_of(A, a_row, numbers, p)[i];
            for (ptrdiff_t j = 0; j < columns; j++) c[j] += a * B[p * panel_width(columns) + j];
        }
    }
}

#endif

/* C (n, columns) = A (n, k) times one panel (k, PANEL); the sums begin with begin (columns), or with
 * 0 if that is NULL. The groups are of equal size or nearly so: a last small one would leave the
 * arithmetic units waiting. Three ways to give A: rows of X, columns of X, packed. */
SKNET_INLINE void panel_product(const int layout, ptrdiff_t n, ptrdiff_t k, const real_t *A,
                                ptrdiff_t a_row, const ptrdiff_t *numbers, const real_t *B,
                                const real_t *begin, real_t *C, ptrdiff_t c_row, ptrdiff_t columns,
                                ahead_t *ahead) {
    const ptrdiff_t most = group_rows(layout, columns), n_groups = (n + most - 1) / most;
    for (ptrdiff_t group = 0; group < n_groups; group++) {
        const ptrdiff_t rows = n / n_groups + (group < n % n_groups);
        panel_rows(layout, rows, k, A, a_row, numbers, B, begin, C, c_row, columns, ahead);
        C += rows * c_row;
        if (layout == BY_COLUMNS)
            A += rows;
        else if (numbers)
            numbers += rows;
        else
            A += rows * a_row;
    }
}

static void product_by_rows(ptrdiff_t n, ptrdiff_t k, const real_t *X, ptrdiff_t x_row,
                            const ptrdiff_t *numbers, const real_t *B, const real_t *begin, real_t *C,
                            ptrdiff_t c_row, ptrdiff_t columns, ahead_t *ahead) {
    panel_product(BY_ROWS, n, k, X, x_row, numbers, B, begin, C, c_row, columns, ahead);
}

static void product_by_columns(ptrdiff_t n, ptrdiff_t k, const real_t *X, ptrdiff_t x_row,
                               const ptrdiff_t *numbers, const real_t *B, real_t *C,
                               ptrdiff_t c_row, ptrdiff_t columns, ahead_t *ahead) {
    panel_product(BY_COLUMNS, n, k, X, x_row, numbers, B, NULL, C, c_row, columns, ahead);
}

/* A in groups of GROUP rows, the last one smaller: each (k, rows of the group). */
static inline void packed_product(ptrdiff_t n, ptrdiff_t k, const real_t *A, const real_t *B,
                                  real_t *C, ptrdiff_t c_row, ptrdiff_t columns, ahead_t *ahead) {
    for (; n > 0; n -= GROUP) {
        const ptrdiff_t rows = n < GROUP ? n : GROUP;
        panel_rows(PACKED, rows, k, A, rows, NULL, B, NULL, C, c_row, columns, ahead);
        A += GROUP * k;
        C += GROUP * c_row;
    }
}

/* y (n) = begin + A (n, k) b (k): a single column would leave its panel nearly empty. DOT_LANES sums run
 * side by side, p being added to number p % DOT_LANES. */
#define DOT_LANES 8
#define DOT_ROWS 4 /* at once: the sums of one would wait for each other */

#if SKNET_VECTORS
#define DOT_BYTES (DOT_LANES * sizeof(real_t) < VECTOR_BYTES ? DOT_LANES * sizeof(real_t) : VECTOR_BYTES)
#define DOT_VECTORS ((int)(DOT_LANES * sizeof(real_t) / DOT_BYTES))
typedef real_t dots_t __attribute__((vector_size(DOT_BYTES), aligned(sizeof(real_t)), may_alias));
#endif

SKNET_INLINE real_t sum_of_lanes(const real_t *s) {
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

/* Of some rows, the sums of each. */
SKNET_INLINE void dots_of_rows(const int rows, ptrdiff_t k, const real_t *A, const ptrdiff_t *numbers,
                               const real_t *b, const real_t *begin, real_t *y) {
    const ptrdiff_t whole = k / DOT_LANES * DOT_LANES;
    const real_t *a[DOT_ROWS];
    real_t sums[DOT_ROWS][DOT_LANES] = {{0}};
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++) a[i] = row_of(A, k, numbers, i);
#if SKNET_VECTORS
    dots_t sum[DOT_ROWS][DOT_VECTORS];
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int v = 0; v < DOT_VECTORS; v++) sum[i][v] = (dots_t){0};
    for (ptrdiff_t p = 0; p < whole; p += DOT_LANES)
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
            for (int v = 0; v < DOT_VECTORS; v++)
                sum[i][v] += ((const dots_t *)(a[i] + p))[v] * ((const dots_t *)(b + p))[v];
    for (int i = 0; i < rows; i++) memcpy(sums[i], sum[i], sizeof sums[i]);
#else
    for (int i = 0; i < rows; i++)
        for (ptrdiff_t p = 0; p < whole; p++) sums[i][p % DOT_LANES] += a[i][p] * b[p];
#endif
    for (int i = 0; i < rows; i++) {
        for (ptrdiff_t p = whole; p < k; p++) sums[i][p - whole] += a[i][p] * b[p];
        y[i] = (begin ? *begin : 0) + sum_of_lanes(sums[i]);
    }
}

static inline void row_dots(ptrdiff_t n, ptrdiff_t k, const real_t *A, const ptrdiff_t *numbers,
                            const real_t *b, const real_t *begin, real_t *y) {
    for (; n >= DOT_ROWS; n -= DOT_ROWS) {
        dots_of_rows(DOT_ROWS, k, A, numbers, b, begin, y);
        if (numbers)
            numbers += DOT_ROWS;
        else
            A += DOT_ROWS * k;
        y += DOT_ROWS;
    }
    for (ptrdiff_t i = 0; i < n; i++)
        dots_of_rows(1, k, numbers ? A : A + i * k, numbers ? numbers + i : NULL, b, begin, y + i);
}

/* c (k) = sum over the rows p of X[p] y[p]: the other product that would leave its panel empty. */
static inline void sum_of_rows(ptrdiff_t n, ptrdiff_t k, const real_t *X, ptrdiff_t x_row,
                               const ptrdiff_t *numbers, const real_t *y, real_t *c) {
#if SKNET_VECTORS
    if (k >= LANES) {
        for (ptrdiff_t j = 0; j < k; j += 4 * LANES) {
            vector_t sum[4] = {{0}};
            ptrdiff_t begin[4]; /* of each vector: the last ones end with the row and may overlap */
            for (int v = 0; v < 4; v++) begin[v] = j + (v + 1) * LANES < k ? j + v * LANES : k - LANES;
            for (ptrdiff_t p = 0; p < n; p++) {
                const real_t *x = row_of(X, x_row, numbers, p);
#pragma GCC unroll 4
                for (int v = 0; v < 4; v++) sum[v] += *(const vector_t *)(x + begin[v]) * y[p];
            }
            for (int v = 0; v < 4; v++) *(vector_t *)(c + begin[v]) = sum[v];
        }
        return;
    }
#endif
    for (ptrdiff_t j = 0; j < k; j++) c[j] = 0;
    for (ptrdiff_t p = 0; p < n; p++) {
        const real_t *x = row_of(X, x_row, numbers, p);
        for (ptrdiff_t j = 0; j < k; j++) c[j] += x[j] * y[p];
    }
}

#endif
