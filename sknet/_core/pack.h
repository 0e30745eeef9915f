/* Panels: how matrices are laid out for the products of panel.h, and how they get there.
 *
 * A matrix B (k, m) in panels of PANEL columns is B[j][p][0..PANEL), one panel behind the other; the
 * last one is only as wide as its columns need, in steps of STEP columns.
 */
#ifndef SKNET_PACK_H
#define SKNET_PACK_H

#include <stddef.h>
#include <string.h>

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

/* Half a vector of 64 bytes costs half of it on cores that add it up in two parts; of a narrower one
 * it costs as much as the whole. */
#define STEP_BYTES (VECTOR_BYTES == 64 ? 32 : VECTOR_BYTES)
#define STEP ((ptrdiff_t)(STEP_BYTES / sizeof(real_t)))

/* How wide the panel is that holds `columns` columns, up to PANEL: in steps, and in columns. */
SKNET_INLINE ptrdiff_t panel_steps(ptrdiff_t columns) { return (columns + STEP - 1) / STEP; }
SKNET_INLINE ptrdiff_t panel_width(ptrdiff_t columns) { return panel_steps(columns) * STEP; }

/* Copies the first n numbers, fewer than twice as many as half, without a call of memcpy. */
SKNET_INLINE void copy_few(const ptrdiff_t half, ptrdiff_t n, const real_t *from, real_t *to) {
#pragma GCC unroll 5
    for (ptrdiff_t part = half; part > 0; part /= 2)
        if (n & part) {
            memcpy(to, from, part * sizeof(real_t));
            to += part;
            from += part;
        }
}

#if SKNET_VECTORS

typedef real_t vector_t __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real_t)), may_alias));
typedef real_t step_t __attribute__((vector_size(STEP_BYTES), aligned(sizeof(real_t)), may_alias));
typedef real_t four_t __attribute__((vector_size(4 * sizeof(real_t)), aligned(sizeof(real_t)), may_alias));

/* Packs columns of B into a panel of so many steps. Behind them in the panel stands what follows them
 * in B, or zeros where that would be behind the last number of these rows: products with it are not
 * stored. */
SKNET_INLINE void pack_steps(const int steps, ptrdiff_t n, ptrdiff_t columns, const real_t *B,
                             ptrdiff_t b_row, real_t *panel, real_t *sums) {
    const int vectors = steps / (LANES / STEP), has_rest = steps % (LANES / STEP);
    const ptrdiff_t width = steps * STEP, end = (n - 1) * b_row + columns;
    vector_t sum[2] = {{0}};
    step_t rest = {0};
    real_t edge[2 * VECTOR_BYTES / sizeof(real_t)] = {0};
    for (ptrdiff_t p = 0; p < n; p++) {
        const real_t *b = B + p * b_row;
        if (p * b_row + width > end) {
            copy_few(LANES, columns, b, edge);
            b = edge;
        }
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            const vector_t x = *(const vector_t *)(b + v * LANES);
            *(vector_t *)(panel + p * width + v * LANES) = x;
            sum[v] += x;
        }
        if (has_rest) {
            const step_t x = *(const step_t *)(b + vectors * LANES);
            *(step_t *)(panel + p * width + vectors * LANES) = x;
            rest += x;
        }
    }
    if (!sums) return;
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) *(vector_t *)(edge + v * LANES) = sum[v];
    if (has_rest) *(step_t *)(edge + vectors * LANES) = rest;
    memcpy(sums, edge, columns * sizeof(real_t));
}

/* Copies up to PANEL columns of B, whose rows are b_row apart, into a panel (n, panel_width(columns));
 * sums (columns), if not NULL: OUT their sums over the rows. */
static inline void pack_panel(ptrdiff_t n, ptrdiff_t columns, const real_t *B, ptrdiff_t b_row,
                              real_t *panel, real_t *sums) {
    switch (panel_steps(columns)) {
        case 1: pack_steps(1, n, columns, B, b_row, panel, sums); break;
        case 2: pack_steps(2, n, columns, B, b_row, panel, sums); break;
#if VECTOR_BYTES == 64
        case 3: pack_steps(3, n, columns, B, b_row, panel, sums); break;
        case 4: pack_steps(4, n, columns, B, b_row, panel, sums); break;
#endif
    }
}

#else

static inline void pack_panel(ptrdiff_t n, ptrdiff_t columns, const real_t *B, ptrdiff_t b_row,
                              real_t *panel, real_t *sums) {
    const ptrdiff_t width = panel_width(columns);
    for (ptrdiff_t j = 0; sums && j < columns; j++) sums[j] = 0;
    for (ptrdiff_t p = 0; p < n; p++)
        for (ptrdiff_t j = 0; j < width; j++) {
            const real_t b = j < columns ? B[p * b_row + j] : 0;
            panel[p * width + j] = b;
            if (sums && j < columns) sums[j] += b;
        }
}

#endif

/* Columns of a panel (m, width), from rows of W (rows, m): four by four, and of each row of W a line
 * of the cache at a time, since rows whose distance is a power of two have few places there. */
static inline void pack_transposed(ptrdiff_t rows, ptrdiff_t m, const real_t *W, real_t *panel,
                                   ptrdiff_t width) {
    const ptrdiff_t line = CACHE_LINE / sizeof(real_t);
    for (ptrdiff_t begin = 0; begin < m; begin += line) {
        const ptrdiff_t end = begin + line < m ? begin + line : m;
        ptrdiff_t j = 0;
#if SKNET_VECTORS
        for (; j + 4 <= rows; j += 4) {
            const real_t *w = W + j * m;
            ptrdiff_t p = begin;
            for (; p + 4 <= end; p += 4) {
                const four_t a = *(const four_t *)(w + p), b = *(const four_t *)(w + m + p);
                const four_t c = *(const four_t *)(w + 2 * m + p), d = *(const four_t *)(w + 3 * m + p);
#pragma GCC unroll 4
                for (int i = 0; i < 4; i++)
                    *(four_t *)(panel + (p + i) * width + j) = (four_t){a[i], b[i], c[i], d[i]};
            }
            for (; p < end; p++)
                for (int i = 0; i < 4; i++) panel[p * width + j + i] = w[i * m + p];
        }
#endif
        for (; j < rows; j++)
            for (ptrdiff_t p = begin; p < end; p++) panel[p * width + j] = W[j * m + p];
    }
}

#endif
