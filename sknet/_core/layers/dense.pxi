# The dense layer with its activation, for dense and for CSR input.

cdef enum:
    MIN_TILE = 768      # parameters of a tile, at the least
    CACHE_SIZE = 32768  # parameters of a tile that stay in the cache with their moments
    PACKED_PANELS = 4   # of dZ, from which on it pays to pack X too
    EXACT_ROWS = 63     # fewer than two blocks of a mini-batch have
    EXACT_SIZE = 32768  # products up to which a single mini-batch of one block is summed in double


cdef inline Py_ssize_t tile_rows(Py_ssize_t k, Py_ssize_t m) noexcept nogil:
    """Rows of W (k, m) per tile: whole groups, enough to be worth sharing out, few enough that
    there is something to share and that the tile stays in the cache."""
    cdef Py_ssize_t rows = 2 * GROUP
    if k >= 96:
        rows = 48 * max(1, min(k // (8 * 48), CACHE_SIZE // (48 * m)))
    return max(rows, GROUP * (MIN_TILE // (GROUP * m)))


cdef class Dense(Layer):
    """Y = f(X W + b), W (n_in, n_out). Parameters: the rows of W, then b, if any, as one more row.

    `shared` holds W packed for the forward product and, behind it, W.T packed for the backward
    one; `cache` holds dZ of the mini-batch packed for the tiles of a wide layer and, behind it, the
    slopes that the activation notes. Tiles are whole rows. Gradients are summed by blocks where the
    blocks' sums are fewer numbers than X and dY, which other cores would have to fetch. A single
    small mini-batch sums by tiles and in double, with the row weights: see exact_outer in gemm.pxi.
    """

    cdef readonly Activation activation
    cdef readonly bint bias
    cdef Py_ssize_t transposed  # where W.T begins in shared
    cdef bint packs             # whether tiles multiply packed matrices

    def __init__(
        self, Py_ssize_t n_in, Py_ssize_t n_units, str activation="identity", bint bias=True
    ):
        self.n_in = n_in
        self.n_out = n_units
        self.bias = bias
        self.check_columns()
        self.activation = ACTIVATIONS[activation]()
        self.n_weights = n_in * n_units
        self.n_params = self.n_weights + bias * n_units
        self.transposed = n_in * packed_columns(n_units)
        self.n_shared = self.transposed + n_units * packed_columns(n_in)
        self.n_scratch = self.n_tile_scratch = PANEL
        self.takes_sparse = True
        self.tile_size = tile_rows(n_in, n_units) * n_units
        self.packs = n_units >= PACKED_PANELS * PANEL
        if self.packs:
            self.n_cache = packed_columns(n_units)
            self.n_tile_scratch = tile_rows(n_in, n_units)
        if self.activation.notes_slope:
            self.n_cache += n_units

    cdef bint weighs_rows(self, Batching batching) noexcept nogil:
        return (
            batching.is_whole
            and batching.size <= EXACT_ROWS and batching.size * self.n_weights <= EXACT_SIZE
        )

    cdef bint reads_in_place(self, Batching batching) noexcept nogil:
        return not self.weighs_rows(batching)

    cdef bint sums_by_blocks(self, Batching batching) noexcept nogil:
        return (
            not self.weighs_rows(batching)
            and batching.n_blocks * self.n_params < batching.size * (self.n_in + self.n_out)
        )

    cdef void prepare(
        self, const real_t* W, Py_ssize_t begin, Py_ssize_t end, bint is_sparse, bint backward,
        real_t* shared,
    ) noexcept nogil:
        cdef Py_ssize_t m = self.n_out, first = begin // m, last = min(end // m, self.n_in)
        if not is_sparse:
            pack_rows(first, last, self.n_in, m, W, shared)
        if backward:
            pack_rows_transposed(first, last, self.n_in, m, W, shared + self.transposed)

    cdef void forward(self, Rows* rows) noexcept nogil:
        """Y = f(X W + b); makes ready what prepare_rows() will write of the cache, or prepare()."""
        cdef ahead_t[2] packed
        cdef ahead_t ahead = write_ahead(
            self.panels(rows) + rows.first * PANEL, rows.batching.size * PANEL * sizeof(real_t),
            rows.n * PANEL * sizeof(real_t), 0, self.n_out // PANEL if self.packs_rows(rows) else 0,
            self.packed_ahead(rows, packed),
        )
        self.transform(rows, &ahead, self.slopes(rows))

    cdef inline ahead_t* packed_ahead(self, Rows* rows, ahead_t* room) noexcept nogil:
        """Where prepare() will write this worker's share of W: in whole panels, and in the last one.

        `room` is for two. Then comes rows.ahead.
        """
        cdef Py_ssize_t m = self.n_out, k = self.n_in, n_whole, width, first, n
        if rows.own_end <= 0 or rows.own_begin >= self.n_weights or m == 1:
            return rows.ahead
        first = max(0, rows.own_begin) // m
        n = min(rows.own_end, self.n_weights) // m - first
        n_whole = m // PANEL
        width = panel_width(m - n_whole * PANEL)
        room[0] = write_ahead(
            rows.next_shared + first * PANEL, k * PANEL * sizeof(real_t), n * PANEL * sizeof(real_t),
            0, n_whole, rows.ahead,
        )
        room[1] = write_ahead(
            rows.next_shared + n_whole * PANEL * k + first * width, 0, n * width * sizeof(real_t),
            0, width > 0, &room[0],
        )
        return &room[1]

    cdef void predict(self, Rows* rows) noexcept nogil:
        self.transform(rows, rows.ahead, NULL)

    cdef inline void transform(self, Rows* rows, ahead_t* ahead, real_t* slope) noexcept nogil:
        """Y = f(X W + b)"""
        cdef Py_ssize_t m = self.n_out
        cdef const real_t* b = rows.W + self.n_weights if self.bias else NULL
        if rows.sparse != NULL:
            sparse_product(rows.n, m, rows.sparse, rows.numbers, rows.W, b, rows.Y)
        elif rows.shared == NULL:
            few_rows_product(rows.n, m, self.n_in, rows.X[0], rows.W, b, rows.Y)
        else:
            gemm(rows.n, m, self.n_in, rows.X[0], rows.numbers, rows.shared, b, rows.Y, ahead)
        self.activation.forward(rows.n * m, rows.Y, slope)

    cdef void backward_input(self, Rows* rows) noexcept nogil:
        """dZ = dY f'(Z), in place of dY; dX = dZ W.T"""
        self.activation.backward(rows.n * self.n_out, rows.Y, self.slopes(rows), rows.dY)
        if rows.dX[0] != NULL:
            gemm(
                rows.n, self.n_in, self.n_out, rows.dY, NULL, rows.shared + self.transposed, NULL,
                rows.dX[0], rows.ahead,
            )

    cdef void backward_columns(
        self, Rows* rows, Py_ssize_t n_columns, const Py_ssize_t* columns, real_t* packed, real_t* dX
    ) noexcept nogil:
        """dX = W[columns] dZ.T: W, which is large, is read as it lies, the few rows are packed."""
        pack_rows_transposed(0, rows.n, rows.n, self.n_out, rows.dY, packed)
        gemm(n_columns, rows.n, self.n_out, rows.W, columns, packed, NULL, dX, NULL)

    cdef inline bint packs_rows(self, Rows* rows) noexcept nogil:
        """Whether `cache` holds the packed dZ."""
        return (
            self.packs and rows.sparse == NULL
            and not self.weighs_rows(rows.batching) and not self.sums_by_blocks(rows.batching)
        )

    cdef inline real_t* panels(self, Rows* rows) noexcept nogil:
        """The packed dZ of the whole mini-batch."""
        return rows.cache - rows.first * self.n_cache

    cdef inline real_t* slopes(self, Rows* rows) noexcept nogil:
        """Where the slopes of these rows stand, or NULL."""
        cdef Py_ssize_t n_packed = self.n_cache - self.n_out
        if not self.activation.notes_slope:
            return NULL
        return self.panels(rows) + rows.batching.size * n_packed + rows.first * self.n_out

    cdef void prepare_rows(self, Rows* rows) noexcept nogil:
        """Packs dZ, in panels of batching.size rows."""
        cdef Py_ssize_t panel, j, columns, m = self.n_out
        cdef real_t* panels = self.panels(rows)
        if self.packs_rows(rows):
            for panel in range(n_panels(m)):
                j = panel * PANEL
                columns = min(PANEL, m - j)
                pack_panel(
                    rows.n, columns, rows.dY + j, m,
                    panels + j * rows.batching.size + rows.first * panel_width(columns), NULL,
                )

    cdef void backward_params(
        self, Rows* rows, Py_ssize_t begin, Py_ssize_t end, real_t* scratch, real_t* dW
    ) noexcept nogil:
        """dW = X.T dZ, db = sum of the rows of dZ"""
        cdef Py_ssize_t m = self.n_out, first = begin // m, last = min(end // m, self.n_in), i
        cdef real_t* db = NULL
        if self.bias and end == self.n_params:
            db = dW + (last - first) * m
        if self.weighs_rows(rows.batching):
            if rows.sparse == NULL:
                exact_outer(
                    rows.n, first, end // m, self.n_in, m, rows.X[0], rows.weight, rows.dY, dW
                )
                return
            for i in range(first, last):
                sparse_column(rows.n, i, rows.sparse, rows.numbers, scratch)
                exact_outer(
                    rows.n, 0, 1, 1, m, scratch, rows.weight, rows.dY, dW + (i - first) * m
                )
            if db != NULL:
                exact_outer(rows.n, 0, 1, 0, m, scratch, rows.weight, rows.dY, db)
            return
        if rows.sparse != NULL:
            sparse_outer(rows.n, first, last, m, rows.sparse, rows.numbers, rows.dY, dW)
            if db != NULL:
                column_sums(rows.n, m, rows.dY, db)
        elif self.packs_rows(rows):
            self.outer_packed(rows, first, end // m, scratch, dW)
        else:
            gemm_transposed(
                rows.n, first, last, self.n_in, m, rows.X[0], rows.numbers, rows.dY, scratch, dW,
                db, rows.ahead,
            )

    cdef inline void outer_packed(
        self, Rows* rows, Py_ssize_t first, Py_ssize_t last, real_t* scratch, real_t* dW
    ) noexcept nogil:
        """dW = [X 1].T dZ, columns first..last of [X 1].

        Meanwhile the places are made ready where prepare() will pack this tile, and then the
        columns of X for the next tile.
        """
        cdef Py_ssize_t k = self.n_in, m = self.n_out, end = min(last, k)
        cdef Py_ssize_t panel_bytes = m * PANEL * sizeof(real_t)
        cdef Py_ssize_t first_panel = (first + PANEL - 1) // PANEL, end_panel = end // PANEL
        cdef real_t* shared = rows.next_shared
        cdef ahead_t columns = read_ahead(
            rows.X[0] + end, k * sizeof(real_t), min(end - first, k - end) * sizeof(real_t),
            rows.numbers, 0, rows.n if end < k else 0, NULL,
        )
        cdef ahead_t transposed = write_ahead(
            shared + self.transposed, panel_bytes, panel_bytes,
            first_panel, max(first_panel, end_panel) if rows.backward else first_panel, &columns,
        )
        cdef ahead_t ahead = write_ahead(
            shared + first * PANEL, k * PANEL * sizeof(real_t), (end - first) * PANEL * sizeof(real_t),
            0, m // PANEL, &transposed,
        )
        gemm_packed(
            rows.n, first, last, k, m, rows.X[0], rows.numbers, rows.cache, rows.batching.size,
            scratch, dW, &ahead,
        )

    cdef void accumulate_params(self, Rows* rows, real_t* dW) noexcept nogil:
        """dW = X.T dZ, db = sum of the rows of dZ"""
        cdef real_t* db = dW + self.n_weights if self.bias else NULL
        if rows.sparse != NULL:
            sparse_outer(
                rows.n, 0, self.n_in, self.n_out, rows.sparse, rows.numbers, rows.dY, dW
            )
            if db != NULL:
                column_sums(rows.n, self.n_out, rows.dY, db)
        else:
            gemm_transposed(
                rows.n, 0, self.n_in, self.n_in, self.n_out, rows.X[0], rows.numbers, rows.dY,
                rows.scratch, dW, db, rows.ahead,
            )


cdef void sparse_product(
    Py_ssize_t n, Py_ssize_t m,
    const SparseMatrix* X, const Py_ssize_t* numbers,  # IN  (., k), (n) which of its rows
    const real_t* W, const real_t* b,                  # IN  (k, m), (m) or NULL
    real_t* Y,                                         # OUT (n, m)
) noexcept nogil:
    """Y = b + X[numbers] W, with the bits of the dense product."""
    cdef Py_ssize_t i, j, p
    cdef const real_t* w
    cdef real_t* y
    cdef real_t x
    cdef real_t[DOT_LANES] sums
    if m == 1:
        for i in range(n):
            memset(sums, 0, sizeof(sums))
            for p in range(X.indptr[numbers[i]], X.indptr[numbers[i] + 1]):
                sums[X.indices[p] % DOT_LANES] += X.data[p] * W[X.indices[p]]
            Y[i] = (0 if b == NULL else b[0]) + sum_of_lanes(sums)
        return
    for i in range(n):
        y = Y + i * m
        copy_or_clear(m, b, y)
        for p in range(X.indptr[numbers[i]], X.indptr[numbers[i] + 1]):
            x = X.data[p]
            w = W + X.indices[p] * m
            for j in range(m):
                y[j] += x * w[j]


cdef inline Py_ssize_t first_at_least(
    Py_ssize_t begin, Py_ssize_t end, const int* indices, Py_ssize_t column
) noexcept nogil:
    """The first place in the sorted indices[begin:end] whose value is `column` or more."""
    cdef Py_ssize_t middle
    while begin < end:
        middle = (begin + end) // 2
        if indices[middle] < column:
            begin = middle + 1
        else:
            end = middle
    return begin


cdef void sparse_outer(
    Py_ssize_t n, Py_ssize_t first, Py_ssize_t last, Py_ssize_t m,
    const SparseMatrix* X, const Py_ssize_t* numbers,  # IN  (., k), (n) which of its rows
    const real_t* dY,                                  # IN  (n, m)
    real_t* dW,                                        # OUT (last - first, m)
) noexcept nogil:
    """dW = X[numbers, first:last].T dY"""
    cdef Py_ssize_t i, j, p, end
    cdef const real_t* dy
    cdef real_t* dw
    cdef real_t x
    memset(dW, 0, (last - first) * m * sizeof(real_t))
    for i in range(n):
        dy = dY + i * m
        end = X.indptr[numbers[i] + 1]
        p = first_at_least(X.indptr[numbers[i]], end, X.indices, first)
        while p < end and X.indices[p] < last:
            x = X.data[p]
            dw = dW + (X.indices[p] - first) * m
            for j in range(m):
                dw[j] += x * dy[j]
            p += 1


cdef void sparse_column(
    Py_ssize_t n, Py_ssize_t column,
    const SparseMatrix* X, const Py_ssize_t* numbers,  # IN  (., k), (n) which of its rows
    real_t* x,                                         # OUT (n)
) noexcept nogil:
    """x = X[numbers, column]"""
    cdef Py_ssize_t i, p, end
    for i in range(n):
        end = X.indptr[numbers[i] + 1]
        p = first_at_least(X.indptr[numbers[i]], end, X.indices, column)
        x[i] = 0
        while p < end and X.indices[p] == column:
            x[i] += X.data[p]
            p += 1
