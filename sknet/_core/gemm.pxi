# Matrix products and the packing they need. All sums over p run in the order of p (see panel.h).

cdef extern from "panel.h" nogil:
    const Py_ssize_t PANEL  # columns of a panel
    void panel_product(
        Py_ssize_t n, Py_ssize_t k, const real_t* A, Py_ssize_t a_row, Py_ssize_t a_column,
        const real_t* B, real_t* C, Py_ssize_t c_row, Py_ssize_t columns,
    )
    void exact_outer(
        Py_ssize_t n, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t m, const real_t* X,
        Py_ssize_t x_row, const real_t* weight, const real_t* Y, real_t* C,
    )


cdef inline Py_ssize_t n_panels(Py_ssize_t m) noexcept nogil:
    return (m + PANEL - 1) // PANEL


cdef inline Py_ssize_t packed_columns(Py_ssize_t m) noexcept nogil:
    """Columns of a packed matrix of m columns: whole panels."""
    return n_panels(m) * PANEL


cdef inline void pack_panel(
    Py_ssize_t k, Py_ssize_t columns,
    const real_t* B, Py_ssize_t b_row, Py_ssize_t b_column,  # IN  (k, columns)
    real_t* panel,                                           # OUT (k, PANEL)
) noexcept nogil:
    """Copies up to PANEL columns into a panel and fills it up with zeros."""
    cdef Py_ssize_t p, j
    if columns == PANEL and b_column == 1:
        for p in range(k):
            memcpy(panel + p * PANEL, B + p * b_row, PANEL * sizeof(real_t))
        return
    for p in range(k):
        for j in range(columns):
            panel[p * PANEL + j] = B[p * b_row + j * b_column]
        for j in range(columns, PANEL):
            panel[p * PANEL + j] = 0


cdef void pack_rows(
    Py_ssize_t begin, Py_ssize_t end, Py_ssize_t k, Py_ssize_t m,
    const real_t* W,   # IN  (end - begin, m): rows begin..end of a (k, m) matrix
    real_t* panels,    # OUT (m panels, k, PANEL)
) noexcept nogil:
    """Packs the named rows of W, for products X @ W."""
    cdef Py_ssize_t panel, j
    for panel in range(n_panels(m)):
        j = panel * PANEL
        pack_panel(end - begin, min(PANEL, m - j), W + j, m, 1, panels + j * k + begin * PANEL)


cdef void pack_rows_transposed(
    Py_ssize_t begin, Py_ssize_t end, Py_ssize_t k, Py_ssize_t m,
    const real_t* W,   # IN  (end - begin, m): rows begin..end of a (k, m) matrix
    real_t* panels,    # OUT (k panels, m, PANEL)
) noexcept nogil:
    """Packs the named rows of W, for products dY @ W.T; the last rows bring the zeros behind them."""
    cdef Py_ssize_t i = begin, j, p, columns, last = packed_columns(k) if end == k else end
    cdef real_t* panel
    while i < last:
        columns = min(PANEL - i % PANEL, last - i)
        panel = panels + i // PANEL * PANEL * m + i % PANEL
        for p in range(m):
            for j in range(min(columns, end - i)):
                panel[p * PANEL + j] = W[(i - begin + j) * m + p]
            for j in range(max(0, end - i), columns):
                panel[p * PANEL + j] = 0
        i += columns


cdef void gemm(
    Py_ssize_t n, Py_ssize_t m, Py_ssize_t k,
    const real_t* A, const real_t* panels,  # IN  (n, k), (m panels, k, PANEL)
    real_t* C,                              # OUT (n, m)
) noexcept nogil:
    """C = A @ B with B packed."""
    cdef Py_ssize_t panel, j
    for panel in range(n_panels(m)):
        j = panel * PANEL
        panel_product(n, k, A, k, 1, panels + j * k, C + j, m, min(PANEL, m - j))


cdef void gemm_transposed(
    Py_ssize_t n, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t k, Py_ssize_t m,
    const real_t* X, const real_t* Y,  # IN  (n, k), (n, m)
    real_t* packed,                    # scratch (n, PANEL)
    real_t* C,                         # OUT (end - begin, m)
) noexcept nogil:
    """C = X[:, begin:end].T @ Y"""
    cdef Py_ssize_t panel, j, columns
    for panel in range(n_panels(m)):
        j = panel * PANEL
        columns = min(PANEL, m - j)
        pack_panel(n, columns, Y + j, m, 1, packed)
        panel_product(end - begin, n, X + begin, 1, k, packed, C + j, m, columns)


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


cdef double sum_of_squares(Py_ssize_t n, const real_t* W) noexcept nogil:
    """Eight running sums, so that the loop vectorises, then their sum."""
    cdef double sums[8]
    cdef double total = 0
    cdef Py_ssize_t i, lane
    for lane in range(8):
        sums[lane] = 0
    for i in range(0, n - 7, 8):
        for lane in range(8):
            sums[lane] += <double> W[i + lane] * W[i + lane]
    for i in range(n // 8 * 8, n):
        total += <double> W[i] * W[i]
    for lane in range(8):
        total += sums[lane]
    return total
