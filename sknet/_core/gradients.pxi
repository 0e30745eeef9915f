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
    times the column's standard deviation among these rows; divided by the sum over all columns.

    Parameters
    ----------
    network, data, params, state : as of Gradients
    n_rows : rows to look at, spread evenly over X
    """

    # (n_blocks, 3, n_features) sums over the rows of a block, times their weights: of sizes of the
    # derivatives, of X less its first row, and of that squared.
    cdef double[:, :, ::1] sums
    cdef double[::1] weights  # (n_blocks) of the rows
    cdef real_t[::1] origin   # (n_features) the first row; zeros for sparse X

    def __init__(
        self, Network network not None, Data data not None, const real_t[::1] params not None,
        const real_t[::1] state not None, Py_ssize_t n_rows,
    ):
        refuse_training_layers(network)
        self.set_up(network, data, params, state, spread(n_rows, data.n_samples), True, True, 1)
        self.sums = np.empty((self.n_blocks, 3, data.n_features))
        self.weights = np.empty(self.n_blocks)
        self.origin = np.zeros(data.n_features, DTYPE)
        if not data.is_sparse:
            memcpy(&self.origin[0], data.X, data.n_features * sizeof(real_t))

    def start(self, int size):
        self.sums[:] = 0
        self.weights[:] = 0
        Passage.start(self, size)

    cdef void pass_block(self, Workspace* ws, Py_ssize_t turn, Py_ssize_t first) noexcept nogil:
        cdef Py_ssize_t k, i, j, n_in = self.network.n_in, n_out = self.network.n_out
        cdef Py_ssize_t n_steps = self.network.n_steps
        cdef double weight
        cdef double* total = &self.sums[turn, 0, 0]
        self.network.forward(ws, 0, ws.n, 0)
        for k in range(n_out):
            memset(ws.dY[n_steps - 1], 0, ws.n * n_out * sizeof(real_t))
            for i in range(ws.n):
                ws.dY[n_steps - 1][i * n_out + k] = 1
            self.network.backward(ws, 0, ws.n, 0)
            for i in range(ws.n):
                weight = self.weight_of(first + i)
                for j in range(n_in):
                    total[j] += weight * real_abs(ws.dX[i * n_in + j])
        for i in range(ws.n):
            weight = self.weight_of(first + i)
            self.weights[turn] += weight
            self.add_row(ws, i, weight, total + n_in, total + 2 * n_in)

    cdef inline double weight_of(self, Py_ssize_t i) noexcept nogil:
        return row_weight(self.data.weight, self.rows[i])

    cdef void add_row(
        self, Workspace* ws, Py_ssize_t i, double weight, double* sums, double* squares
    ) noexcept nogil:
        cdef Py_ssize_t j, p, row
        cdef double x
        if ws.sparse == NULL:
            for j in range(self.network.n_in):
                x = ws.X[i * self.network.n_in + j] - self.origin[j]
                sums[j] += weight * x
                squares[j] += weight * x * x
        else:
            row = ws.numbers[i]
            for p in range(ws.sparse.indptr[row], ws.sparse.indptr[row + 1]):
                x = ws.sparse.data[p]
                sums[ws.sparse.indices[p]] += weight * x
                squares[ws.sparse.indices[p]] += weight * x * x

    def result(self):
        """(n_features,), >= 0 and of sum 1, or zeros where no output follows any column."""
        cdef Py_ssize_t j, block
        cdef double weight = sum_in_order(self.weights), slope, mean, square, total = 0
        result = np.empty(self.network.n_in)
        cdef double[::1] importances = result
        for j in range(self.network.n_in):
            slope = mean = square = 0
            for block in range(self.n_blocks):
                slope += self.sums[block, 0, j] / weight
                mean += self.sums[block, 1, j] / weight
                square += self.sums[block, 2, j] / weight
            importances[j] = slope * sqrt(max(square - mean * mean, 0.0))
            total += importances[j]
        if total > 0:
            for j in range(self.network.n_in):
                importances[j] /= total
        return result
