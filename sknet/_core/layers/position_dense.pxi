# The same dense layer at every position of a row: a convolution of width 1.

cdef class PositionDense(Layer):
    """Y[:, p] = f(X[:, p] W + b) for each position p; a row is n_positions groups of columns.

    Few weights used at many positions: it sums by blocks.
    """

    cdef readonly Activation activation
    cdef readonly Py_ssize_t n_positions
    cdef Py_ssize_t k, m  # columns of X and Y at one position
    cdef Py_ssize_t transposed

    def __init__(
        self, Py_ssize_t n_in, Py_ssize_t n_units, Py_ssize_t n_positions, str activation="identity"
    ):
        if n_positions < 1 or n_in % n_positions:
            raise ValueError(f"n_in must be a multiple of n_positions={n_positions}, got {n_in}")
        self.n_positions = n_positions
        self.k = n_in // n_positions
        self.m = n_units
        self.activation = ACTIVATIONS[activation]()
        self.n_in = n_in
        self.n_out = n_positions * n_units
        self.check_columns()
        self.n_weights = self.k * n_units
        self.n_params = self.n_weights + n_units
        self.transposed = self.k * packed_columns(n_units)
        self.n_shared = self.transposed + n_units * packed_columns(self.k)
        self.n_scratch = n_positions * PANEL
        self.tile_size = tile_rows(self.k, n_units) * n_units
        if self.activation.notes_slope:
            self.n_cache = self.n_out

    cdef void prepare(
        self, const real_t* W, Py_ssize_t begin, Py_ssize_t end, bint is_sparse, bint backward,
        real_t* shared,
    ) noexcept nogil:
        cdef Py_ssize_t first = begin // self.m, last = min(end // self.m, self.k)
        pack_rows(first, last, self.k, self.m, W, shared)
        if backward:
            pack_rows_transposed(first, last, self.k, self.m, W, shared + self.transposed)

    cdef void forward(self, Rows* rows) noexcept nogil:
        self.transform(rows, self.slopes(rows))

    cdef void predict(self, Rows* rows) noexcept nogil:
        self.transform(rows, NULL)

    cdef inline real_t* slopes(self, Rows* rows) noexcept nogil:
        return rows.cache if self.activation.notes_slope else NULL

    cdef inline void transform(self, Rows* rows, real_t* slope) noexcept nogil:
        cdef Py_ssize_t n = rows.n * self.n_positions
        cdef const real_t* b = rows.W + self.n_weights
        if rows.shared == NULL:
            few_rows_product(n, self.m, self.k, rows.X[0], rows.W, b, rows.Y)
        else:
            gemm(n, self.m, self.k, rows.X[0], NULL, rows.shared, b, rows.Y, rows.ahead)
        self.activation.forward(n * self.m, rows.Y, slope)

    cdef void backward_input(self, Rows* rows) noexcept nogil:
        cdef Py_ssize_t n = rows.n * self.n_positions
        self.activation.backward(n * self.m, rows.Y, self.slopes(rows), rows.dY)
        if rows.dX[0] != NULL:
            gemm(
                n, self.k, self.m, rows.dY, NULL, rows.shared + self.transposed, NULL, rows.dX[0],
                rows.ahead,
            )

    cdef void accumulate_params(self, Rows* rows, real_t* dW) noexcept nogil:
        cdef Py_ssize_t n = rows.n * self.n_positions
        gemm_transposed(
            n, 0, self.k, self.k, self.m, rows.X[0], NULL, rows.dY, rows.scratch, dW,
            dW + self.n_weights, rows.ahead,
        )
