# Matrix products and the packing they need. All sums over p run in the order of p, but for
# matrices of one column, which have sums of their own (see panel.h).

cdef extern from "ahead.h" nogil:
    ctypedef struct ahead_t:  # rows of a matrix to be made ready during products
        pass
    ahead_t read_ahead(
        const void* X, Py_ssize_t stride, Py_ssize_t row_bytes, const Py_ssize_t* numbers,
        Py_ssize_t first, Py_ssize_t end, ahead_t* next,
    )
    ahead_t write_ahead(
        void* X, Py_ssize_t stride, Py_ssize_t row_bytes, Py_ssize_t first, Py_ssize_t end,
        ahead_t* next,
    )

cdef extern from "pack.h" nogil:
    const Py_ssize_t PANEL  # columns of a panel
    Py_ssize_t panel_width(Py_ssize_t columns)  # of a panel that holds so many
    void copy_few(Py_ssize_t half, Py_ssize_t n, const real_t* x, real_t* out)  # n < 2 half
    void pack_panel(
        Py_ssize_t n, Py_ssize_t columns, const real_t* B, Py_ssize_t b_row, real_t* panel,
        real_t* sums,
    )
    void pack_transposed(
        Py_ssize_t rows, Py_ssize_t m, const real_t* W, real_t* panel, Py_ssize_t width
    )

cdef extern from "panel.h" nogil:
    enum:
        GROUP               # rows computed together
    const real_t* row_of(
        const real_t* X, Py_ssize_t x_row, const Py_ssize_t* numbers, Py_ssize_t i
    )
    void product_by_rows(
        Py_ssize_t n, Py_ssize_t k, const real_t* X, Py_ssize_t x_row, const Py_ssize_t* numbers,
        const real_t* B, const real_t* begin, real_t* C, Py_ssize_t c_row, Py_ssize_t columns,
        ahead_t* ahead,
    )
    void product_by_columns(
        Py_ssize_t n, Py_ssize_t k, const real_t* X, Py_ssize_t x_row, const Py_ssize_t* numbers,
        const real_t* B, real_t* C, Py_ssize_t c_row, Py_ssize_t columns, ahead_t* ahead,
    )
    void packed_product(
        Py_ssize_t n, Py_ssize_t k, const real_t* A, const real_t* B, real_t* C,
        Py_ssize_t c_row, Py_ssize_t columns, ahead_t* ahead,
    )
    enum:
        DOT_LANES  # sums that run side by side in a dot product
    real_t sum_of_lanes(const real_t* s)
    void row_dots(
        Py_ssize_t n, Py_ssize_t k, const real_t* A, const Py_ssize_t* numbers, const real_t* b,
        const real_t* begin, real_t* y,
    )
    void sum_of_rows(
        Py_ssize_t n, Py_ssize_t k, const real_t* X, Py_ssize_t x_row, const Py_ssize_t* numbers,
        const real_t* y, real_t* c,
    )


cdef enum:
    LARGE = 32768  # numbers of a matrix that is worth fetching ahead
    STRIP = 64     # sums in double that run side by side


cdef inline Py_ssize_t n_panels(Py_ssize_t m) noexcept nogil:
    return (m + PANEL - 1) // PANEL


cdef inline Py_ssize_t packed_columns(Py_ssize_t m) noexcept nogil:
    """Columns of a packed matrix of m columns: whole panels, or the one column as it is."""
    cdef Py_ssize_t last = (n_panels(m) - 1) * PANEL
    return 1 if m == 1 else last + panel_width(m - last)


cdef void pack_rows(
    Py_ssize_t begin, Py_ssize_t end, Py_ssize_t k, Py_ssize_t m,
    const real_t* W,   # IN  (end - begin, m): rows begin..end of a (k, m) matrix
    real_t* panels,    # OUT (m panels, k, PANEL)
) noexcept nogil:
    """Packs the named rows of W, for products X @ W."""
    cdef Py_ssize_t panel, j, columns
    if m == 1:
        memcpy(panels + begin, W, (end - begin) * sizeof(real_t))
        return
    for panel in range(n_panels(m)):
        j = panel * PANEL
        columns = min(PANEL, m - j)
        pack_panel(
            end - begin, columns, W + j, m, panels + j * k + begin * panel_width(columns), NULL
        )


cdef void pack_rows_transposed(
    Py_ssize_t begin, Py_ssize_t end, Py_ssize_t k, Py_ssize_t m,
    const real_t* W,   # IN  (end - begin, m): rows begin..end of a (k, m) matrix
    real_t* panels,    # OUT (k panels, m, PANEL)
) noexcept nogil:
    """Packs the named rows of W, for products dY @ W.T; the last rows bring the zeros behind them."""
    cdef Py_ssize_t i = begin, j, p, width, columns, last = packed_columns(k) if end == k else end
    cdef real_t* panel
    if k == 1:
        memcpy(panels, W, (end - begin) * m * sizeof(real_t))
        return
    while i < last:
        width = panel_width(min(PANEL, k - i // PANEL * PANEL))
        columns = min(width - i % PANEL, last - i)
        panel = panels + i // PANEL * PANEL * m + i % PANEL
        pack_transposed(min(columns, end - i), m, W + (i - begin) * m, panel, width)
        if i + columns > end:
            for p in range(m):
                for j in range(max(0, end - i), columns):
                    panel[p * width + j] = 0
        i += columns


cdef void gemm(
    Py_ssize_t n, Py_ssize_t m, Py_ssize_t k,
    const real_t* A, const Py_ssize_t* numbers,  # IN  (., k), (n) which of its rows, or NULL
    const real_t* panels,                        # IN  (m panels, k, PANEL)
    const real_t* bias,                          # IN  (m) or NULL
    real_t* C,                                   # OUT (n, m)
    ahead_t* ahead,
) noexcept nogil:
    """C = bias + A[numbers] @ B with B packed. Where B is large, its next panel is fetched first."""
    cdef Py_ssize_t panel, j, i, panel_bytes = k * PANEL * sizeof(real_t)
    cdef const real_t* begin = NULL
    cdef ahead_t next_panel
    cdef ahead_t* coming = ahead
    if m == 1:
        row_dots(n, k, A, numbers, panels, bias, C)
    elif k == 1 and bias == NULL and numbers == NULL:
        for i in range(n):
            for j in range(m):
                C[i * m + j] = A[i] * panels[j]
    else:
        for panel in range(n_panels(m)):
            j = panel * PANEL
            if bias != NULL:
                begin = bias + j
            if k * m > LARGE:
                next_panel = read_ahead(
                    panels, panel_bytes, panel_bytes, NULL, panel + 1, min(panel + 2, n_panels(m)),
                    ahead,
                )
                coming = &next_panel
            product_by_rows(
                n, k, A, k, numbers, panels + j * k, begin, C + j, m, min(PANEL, m - j), coming
            )


cdef inline void copy_or_clear(Py_ssize_t n, const real_t* x, real_t* out) noexcept nogil:
    """out (n) = x, or 0 if that is NULL"""
    if x == NULL:
        memset(out, 0, n * sizeof(real_t))
    else:
        memcpy(out, x, n * sizeof(real_t))


cdef void few_rows_product(
    Py_ssize_t n, Py_ssize_t m, Py_ssize_t k,
    const real_t* A,     # IN  (n, k)
    const real_t* B,     # IN  (k, m), not packed
    const real_t* bias,  # IN  (m) or NULL
    real_t* C,           # OUT (n, m)
) noexcept nogil:
    """C = bias + A @ B with the bits of gemm(), for so few rows that packing B would take longer."""
    cdef Py_ssize_t i, j, p
    cdef const real_t* b
    cdef real_t* c
    cdef real_t a
    if m == 1:
        row_dots(n, k, A, NULL, B, bias, C)
        return
    for i in range(n):
        c = C + i * m
        copy_or_clear(m, bias, c)
        for p in range(k):
            a = A[i * k + p]
            b = B + p * m
            for j in range(m):
                c[j] += a * b[j]


cdef void column_sums(
    Py_ssize_t n, Py_ssize_t m,
    const real_t* Y,  # IN  (n, m)
    real_t* out,      # OUT (m)
) noexcept nogil:
    cdef Py_ssize_t i, j
    memset(out, 0, m * sizeof(real_t))
    for i in range(n):
        for j in range(m):
            out[j] += Y[i * m + j]


cdef void gemm_transposed(
    Py_ssize_t n, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t k, Py_ssize_t m,
    const real_t* X, const Py_ssize_t* numbers,  # IN  (., k), (n) which of its rows, or NULL
    const real_t* Y,                             # IN  (n, m)
    real_t* packed,                              # scratch (n, PANEL)
    real_t* C,                                   # OUT (end - begin, m)
    real_t* sums,                                # OUT (m) or NULL
    ahead_t* ahead,
) noexcept nogil:
    """C = X[numbers, begin:end].T @ Y, sums = those of the columns of Y"""
    cdef Py_ssize_t panel, j, columns
    if m == 1:
        sum_of_rows(n, end - begin, X + begin, k, numbers, Y, C)
        if sums != NULL:
            column_sums(n, 1, Y, sums)
        return
    for panel in range(n_panels(m)):
        j = panel * PANEL
        columns = min(PANEL, m - j)
        pack_panel(n, columns, Y + j, m, packed, NULL if sums == NULL else sums + j)
        product_by_columns(
            end - begin, n, X + begin, k, numbers, packed, C + j, m, columns, ahead
        )


cdef void exact_outer(
    Py_ssize_t n, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t k, Py_ssize_t m,
    const real_t* X,       # IN  (n, k)
    const real_t* weight,  # IN  (n) or NULL
    const real_t* Y,       # IN  (n, m)
    real_t* C,             # OUT (end - begin, m)
) noexcept nogil:
    """C = X[:, begin:end].T @ (weight * Y), in double; column k of X is all ones.

    With float inputs the products are exact, or nearly so with weights, and so are the sums: a row
    of weight 2 then counts as two copies of it to the last bit, and the order of the rows does not
    matter.
    """
    cdef Py_ssize_t i, last = min(end, k)
    cdef real_t one = 1
    if m == 1:
        exact_sums(n, last - begin, Y, 1, weight, X + begin, k, C)
    else:
        for i in range(begin, last):
            exact_sums(n, m, X + i, k, weight, Y, m, C + (i - begin) * m)
    if end > k:
        exact_sums(n, m, &one, 0, weight, Y, m, C + (k - begin) * m)


cdef void exact_sums(
    Py_ssize_t n, Py_ssize_t m,
    const real_t* x, Py_ssize_t x_step,  # IN  (n) so far apart
    const real_t* weight,                # IN  (n) or NULL
    const real_t* Y, Py_ssize_t y_row,   # IN  (n, m), rows so far apart
    real_t* out,                         # OUT (m)
) noexcept nogil:
    """out = sum over p of weight[p] * x[p] * Y[p], in double"""
    cdef Py_ssize_t strip, first, columns, p, j
    cdef double w
    cdef double[STRIP] sums
    for strip in range((m + STRIP - 1) // STRIP):
        first = strip * STRIP
        columns = min(STRIP, m - first)
        memset(sums, 0, sizeof(sums))
        for p in range(n):
            w = x[p * x_step]
            if weight != NULL:
                w *= weight[p]
            for j in range(columns):
                sums[j] += w * Y[p * y_row + first + j]
        for j in range(columns):
            out[first + j] = <real_t> sums[j]


cdef void gemm_packed(
    Py_ssize_t n, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t k, Py_ssize_t m,
    const real_t* X, const Py_ssize_t* numbers,   # IN  (., k), (n) which of its rows, or NULL
    const real_t* panels, Py_ssize_t panel_rows,  # IN  (m panels, panel_rows, PANEL), n rows used
    real_t* groups,                               # scratch (n, end - begin)
    real_t* C,                                    # OUT (end - begin, m)
    ahead_t* ahead,
) noexcept nogil:
    """C = X[numbers, begin:end].T @ Y with Y packed; column k of X is all ones.

    X is packed as well, in groups: its columns may lie so far apart that they share a few lines of
    the cache.
    """
    cdef Py_ssize_t panel, j, panel_bytes = PANEL * sizeof(real_t)
    cdef ahead_t next_panel
    pack_groups(n, begin, end, k, X, numbers, groups)
    for panel in range(n_panels(m)):
        j = panel * PANEL
        next_panel = read_ahead(
            panels, panel_rows * panel_bytes, n * panel_bytes, NULL, panel + 1,
            min(panel + 2, n_panels(m)), ahead,
        )
        packed_product(
            end - begin, n, groups, panels + j * panel_rows, C + j, m, min(PANEL, m - j),
            &next_panel,
        )


cdef inline void pack_groups(
    Py_ssize_t n, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t k,
    const real_t* X, const Py_ssize_t* numbers,  # IN  (., k), (n) which of its rows, or NULL
    real_t* groups,                              # OUT (n, end - begin) in groups of GROUP columns
) noexcept nogil:
    """Packs columns of X, eight rows at a time: more would meet in the same lines of the cache."""
    cdef Py_ssize_t first, last, i, column, p, j, columns
    cdef const real_t* x
    cdef real_t* group
    for first in range(0, n, 8):
        last = min(first + 8, n)
        for i in range((end - begin + GROUP - 1) // GROUP):
            column = begin + i * GROUP
            columns = min(GROUP, end - column)
            group = groups + (column - begin) * n
            if columns == GROUP and column + GROUP <= k:
                for p in range(first, last):
                    memcpy(
                        group + p * GROUP, row_of(X, k, numbers, p) + column, GROUP * sizeof(real_t)
                    )
                continue
            for p in range(first, last):
                x = row_of(X, k, numbers, p)
                for j in range(columns):
                    group[p * columns + j] = x[column + j] if column + j < k else 1
