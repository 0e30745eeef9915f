# Gradients of a trained network's raw outputs with respect to its inputs.

cdef refuse_training_layers(Network network):
    """Raises if a layer does something else in training than afterwards."""
    for layer in network.layers:
        if isinstance(layer, (Dropout, Noise, BatchNorm)):
            raise ValueError(f"gradients of a trained network need one without {type(layer).__name__}")


cdef class Gradients(Passage):
    """out (n_samples, n_sums, n_features) = gradients of weighted sums of the raw outputs.

    Parameters
    ----------
    network : Network
        Without dropout, noise and batch normalisation.
    data : Data
    params, state : (n_params,), (n_state,) arrays
    seeds : (1 or n_samples, n_sums, n_outputs) array
        The weights of the outputs in each of the sums, for all rows or for each row.
    out : (n_samples, n_sums, n_features) array, OUT
    """

    cdef const real_t[:, :, ::1] seeds
    cdef real_t[:, :, ::1] out

    def __init__(
        self, Network network not None, Data data not None, const real_t[::1] params not None,
        const real_t[::1] state not None, const real_t[:, :, ::1] seeds not None,
        real_t[:, :, ::1] out not None,
    ):
        refuse_training_layers(network)
        self.set_up(network, data, params, state, None, True, True, 1)
        if seeds.shape[0] not in (1, data.n_samples) or seeds.shape[2] != network.n_out:
            raise ValueError("seeds must have shape (1 or n_samples, n_sums, network.n_out)")
        if (
            out.shape[0] != data.n_samples
            or out.shape[1] != seeds.shape[1]
            or out.shape[2] != data.n_features
        ):
            raise ValueError("out must have shape (n_samples, n_sums, n_features)")
        self.seeds, self.out = seeds, out

    cdef void pass_block(self, Workspace* ws, Py_ssize_t turn, Py_ssize_t first) noexcept nogil:
        cdef Py_ssize_t k, i, n_in = self.network.n_in, n_out = self.network.n_out
        cdef real_t* dY = ws.dY[self.network.n_steps - 1]
        self.network.forward(ws, 0, ws.n, 0)
        for k in range(self.seeds.shape[1]):
            for i in range(ws.n):
                memcpy(
                    dY + i * n_out, &self.seeds[0 if self.seeds.shape[0] == 1 else first + i, k, 0],
                    n_out * sizeof(real_t),
                )
            self.network.backward(ws, 0, ws.n, 0)
            for i in range(ws.n):
                memcpy(&self.out[first + i, k, 0], ws.dX + i * n_in, n_in * sizeof(real_t))


cdef class Importances(Passage):
    """How much the raw outputs follow each column of X, in units of its standard deviation.

    The mean over some rows, by their weights, and over the outputs of the size of the derivative,
    times the column's standard deviation; divided by the sum over all columns. The deviation is
    that among the same rows. Of sparse X it is that among more rows, which cost little: most of
    its columns are zero in nearly all of them.

    Parameters
    ----------
    network, data, params, state : as of Gradients
    n_rows : rows to look at, spread evenly over X
    n_sparse_rows : rows that tell the deviations of sparse X, spread evenly
    """

    # (n_blocks, 3, n_features) over rows, times their weights: sizes of slopes, X, and X squared.
    # Dense X less its first row; sparse X in the first block.
    cdef double[:, :, ::1] sums
    cdef const Py_ssize_t[::1] sparse_rows  # that tell the deviations of sparse X
    cdef const Py_ssize_t[::1] seen  # columns of sparse X that are not zero in all of these
    cdef real_t[:, :] packed         # (n_blocks, ...) scratch, for gradients of the seen columns

    def __init__(
        self, Network network not None, Data data not None, const real_t[::1] params not None,
        const real_t[::1] state not None, Py_ssize_t n_rows, Py_ssize_t n_sparse_rows,
    ):
        refuse_training_layers(network)
        self.set_up(network, data, params, state, spread(n_rows, data.n_samples), True, True, 1)
        if data.is_sparse:
            self.sparse_rows = spread(n_sparse_rows, data.n_samples)
            if self.reads_sparse:
                self.comes_to_X = False
                width = max([(<Layer> layer).n_out for layer in network.layers])
                self.packed = empty(self.n_blocks, width * packed_columns(self.block_rows))

    def start(self, int size):
        self.sums = np.zeros((self.n_blocks, 3, self.data.n_features))
        if self.data.is_sparse:
            self.add_sparse_rows()
            self.seen = np.flatnonzero(self.sums[0, 2])
        Passage.start(self, size)

    cdef void pass_block(self, Workspace* ws, Py_ssize_t turn, Py_ssize_t first) noexcept nogil:
        cdef Py_ssize_t k, i, n_in = self.network.n_in, n_out = self.network.n_out
        cdef real_t* dY = ws.dY[self.network.n_steps - 1]
        cdef double[PASSAGE_ROWS] weights
        for i in range(ws.n):
            weights[i] = row_weight(self.data.weight, self.rows[first + i])
            if not self.data.is_sparse:
                self.add_row(ws.X + i * n_in, weights[i], &self.sums[turn, 1, 0])
        self.network.forward(ws, 0, ws.n, 0)
        for k in range(n_out):
            memset(dY, 0, ws.n * n_out * sizeof(real_t))
            for i in range(ws.n):
                dY[i * n_out + k] = 1
            if self.reads_sparse:
                self.add_slopes_of_seen(ws, weights, turn)
            else:
                self.add_slopes(ws, weights, turn)

    cdef void add_slopes(self, Workspace* ws, const double* weights, Py_ssize_t turn) noexcept nogil:
        cdef Py_ssize_t i, j, n_in = self.network.n_in
        cdef double* slopes = &self.sums[turn, 0, 0]
        self.network.backward(ws, 0, ws.n, 0)
        for i in range(ws.n):
            for j in range(n_in):
                slopes[j] += weights[i] * real_abs(ws.dX[i * n_in + j])

    cdef void add_slopes_of_seen(
        self, Workspace* ws, const double* weights, Py_ssize_t turn
    ) noexcept nogil:
        """Only of columns that vary: in text, of a few rows, most do not, and W is large."""
        cdef Py_ssize_t i, c, n_seen = self.seen.shape[0]
        cdef const Py_ssize_t* seen = &self.seen[0] if n_seen else NULL
        cdef double* slopes = &self.sums[turn, 0, 0]
        cdef real_t* dX = ws.dX  # (n_seen, ws.n)
        ws.dX = NULL
        self.network.backward(ws, 0, ws.n, 0)
        ws.dX = dX
        self.network.backward_columns(ws, n_seen, seen, &self.packed[turn, 0], dX)
        for c in range(n_seen):
            for i in range(ws.n):
                slopes[seen[c]] += weights[i] * real_abs(dX[c * ws.n + i])

    cdef void add_row(self, const real_t* row, double weight, double* sums) noexcept nogil:
        cdef Py_ssize_t j, n_in = self.network.n_in
        cdef double* squares = sums + n_in
        cdef double x
        for j in range(n_in):
            x = row[j] - self.data.X[j]
            sums[j] += weight * x
            squares[j] += weight * x * x

    cdef void add_sparse_rows(self) noexcept nogil:
        cdef Py_ssize_t i, p, row, column
        cdef double weight, x
        cdef double* sums = &self.sums[0, 1, 0]
        cdef double* squares = &self.sums[0, 2, 0]
        cdef SparseMatrix csr = self.data.csr
        for i in range(self.sparse_rows.shape[0]):
            row = self.sparse_rows[i]
            weight = row_weight(self.data.weight, row)
            for p in range(csr.indptr[row], csr.indptr[row + 1]):
                column, x = csr.indices[p], csr.data[p]
                sums[column] += weight * x
                squares[column] += weight * x * x

    def result(self):
        """(n_features,), >= 0 and of sum 1, or zeros where no output follows any column."""
        cdef Py_ssize_t c, j, block, n_seen = self.network.n_in
        cdef double weight = self.weight_of(self.rows), weight_of_X = weight
        cdef double slope, mean, square, total = 0
        if self.data.is_sparse:
            n_seen, weight_of_X = self.seen.shape[0], self.weight_of(self.sparse_rows)
        result = np.zeros(self.network.n_in)
        cdef double[::1] importances = result
        for c in range(n_seen):
            j = self.seen[c] if self.data.is_sparse else c
            slope = mean = square = 0
            for block in range(self.n_blocks):
                slope += self.sums[block, 0, j]
                mean += self.sums[block, 1, j]
                square += self.sums[block, 2, j]
            mean, square = mean / weight_of_X, square / weight_of_X
            importances[j] = slope / weight * sqrt(max(square - mean * mean, 0.0))
            total += importances[j]
        if total > 0:
            for j in range(self.network.n_in):
                importances[j] /= total
        return result

    cdef double weight_of(self, const Py_ssize_t[::1] rows) noexcept nogil:
        cdef Py_ssize_t i
        cdef double total = 0
        for i in range(rows.shape[0]):
            total += row_weight(self.data.weight, rows[i])
        return total
