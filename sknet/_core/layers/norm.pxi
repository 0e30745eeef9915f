# Layer and batch normalisation: rows or columns are brought to mean 0 and variance 1, then
# stretched by gamma and shifted by beta, which are learned.

cdef void scale_and_shift_sums(
    Py_ssize_t n, Py_ssize_t m,
    const real_t* normalized, const real_t* dY, const real_t* weight,  # IN (n, m), (n, m), (n) or NULL
    real_t* dgamma, real_t* dbeta,                                     # OUT (m), (m)
) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef real_t w
    memset(dgamma, 0, m * sizeof(real_t))
    memset(dbeta, 0, m * sizeof(real_t))
    for i in range(n):
        w = 1 if weight == NULL else weight[i]
        for j in range(m):
            dgamma[j] += w * dY[i * m + j] * normalized[i * m + j]
            dbeta[j] += w * dY[i * m + j]


cdef class LayerNorm(Layer):
    """Each row by its own mean and variance (Ba, Kiros and Hinton, arXiv 1607.06450).

    Parameters: gamma, beta. Cache: the normalised row, then 1 / its standard deviation.
    """

    cdef readonly double epsilon

    def __init__(self, Py_ssize_t n_in, double epsilon=1e-5):
        self.n_in = self.n_out = n_in
        self.check_columns()
        self.n_params = 2 * n_in
        self.n_cache = n_in + 1
        self.epsilon = epsilon

    cdef void forward(self, Rows* rows) noexcept nogil:
        cdef Py_ssize_t i, j, m = self.n_in
        cdef const real_t* x
        cdef const real_t* gamma = rows.W
        cdef const real_t* beta = rows.W + m
        cdef real_t* normalized
        cdef real_t mean, variance, scale
        for i in range(rows.n):
            x = rows.X[0] + i * m
            normalized = rows.cache + i * m
            mean = 0
            for j in range(m):
                mean += x[j]
            mean /= m
            variance = 0
            for j in range(m):
                variance += (x[j] - mean) * (x[j] - mean)
            scale = 1 / real_sqrt(variance / m + self.epsilon)
            rows.cache[rows.n * m + i] = scale
            for j in range(m):
                normalized[j] = (x[j] - mean) * scale
                rows.Y[i * m + j] = normalized[j] * gamma[j] + beta[j]

    cdef void backward_input(self, Rows* rows) noexcept nogil:
        """dX = scale (dN - mean(dN) - N mean(dN N)) with dN = gamma dY"""
        cdef Py_ssize_t i, j, m = self.n_in
        cdef const real_t* gamma = rows.W
        cdef const real_t* normalized
        cdef const real_t* dy
        cdef real_t mean, along, scale
        if rows.dX[0] == NULL:
            return
        for i in range(rows.n):
            normalized = rows.cache + i * m
            dy = rows.dY + i * m
            scale = rows.cache[rows.n * m + i]
            mean = 0
            along = 0
            for j in range(m):
                mean += gamma[j] * dy[j]
                along += gamma[j] * dy[j] * normalized[j]
            mean /= m
            along /= m
            for j in range(m):
                rows.dX[0][i * m + j] = scale * (gamma[j] * dy[j] - mean - normalized[j] * along)

    cdef void accumulate_params(self, Rows* rows, real_t* dW) noexcept nogil:
        scale_and_shift_sums(rows.n, self.n_in, rows.cache, rows.dY, rows.weight, dW, dW + self.n_in)

    cdef bint weighs_rows(self, Batching batching) noexcept nogil:
        return True


cdef class BatchNorm(Layer):
    """Each column by its mean and variance over the block of rows (Ioffe and Szegedy, ICML 2015).

    Statistics are taken per block of rows, weighted by the row weights, never over the whole
    mini-batch: the same bits on any number of threads and no barrier ("ghost" batch
    normalisation: Hoffer, Hubara and Soudry, NeurIPS 2017, who find that it generalises better).
    The network cuts blocks of 32 rows or more where the mini-batch has them. A block of one row
    is normalised to zero. Prediction uses running means of the blocks' means and variances.

    Parameters: gamma, beta. State: running mean, running variance. Block state: weight of the
    block, then mean, variance and 1 / standard deviation of each column.
    """

    cdef readonly double momentum, epsilon

    def __init__(self, Py_ssize_t n_in, double momentum=0.9, double epsilon=1e-5):
        self.n_in = self.n_out = n_in
        self.check_columns()
        self.n_params = self.n_state = 2 * n_in
        self.n_cache = n_in
        self.n_scratch = 2 * n_in
        self.n_block_state = 3 * n_in + 1
        self.momentum = momentum
        self.epsilon = epsilon

    cdef void forward(self, Rows* rows) noexcept nogil:
        cdef Py_ssize_t i, j, m = self.n_in
        cdef const real_t* X = rows.X[0]
        cdef const real_t* gamma = rows.W
        cdef const real_t* beta = rows.W + m
        cdef real_t* mean = rows.block_state + 1
        cdef real_t* variance = mean + m
        cdef real_t* scale = variance + m
        cdef real_t w, total = 0
        memset(rows.block_state, 0, self.n_block_state * sizeof(real_t))
        for i in range(rows.n):
            w = 1 if rows.weight == NULL else rows.weight[i]
            total += w
            for j in range(m):
                mean[j] += w * X[i * m + j]
        rows.block_state[0] = total
        total = 1 / total if total > 0 else 0  # a block of rows without weight has no statistics
        for j in range(m):
            mean[j] *= total
        for i in range(rows.n):
            w = 1 if rows.weight == NULL else rows.weight[i]
            for j in range(m):
                variance[j] += w * (X[i * m + j] - mean[j]) * (X[i * m + j] - mean[j])
        for j in range(m):
            variance[j] *= total
            scale[j] = 1 / real_sqrt(variance[j] + self.epsilon)
        for i in range(rows.n):
            for j in range(m):
                rows.cache[i * m + j] = (X[i * m + j] - mean[j]) * scale[j]
                rows.Y[i * m + j] = rows.cache[i * m + j] * gamma[j] + beta[j]

    cdef void predict(self, Rows* rows) noexcept nogil:
        cdef Py_ssize_t i, j, m = self.n_in
        cdef const real_t* gamma = rows.W
        cdef const real_t* beta = rows.W + m
        cdef const real_t* mean = rows.state
        cdef const real_t* variance = rows.state + m
        for i in range(rows.n):
            for j in range(m):
                rows.Y[i * m + j] = beta[j] + gamma[j] * (rows.X[0][i * m + j] - mean[j]) / real_sqrt(
                    variance[j] + self.epsilon
                )

    cdef void backward_input(self, Rows* rows) noexcept nogil:
        """dX = scale gamma (dY - mean(dY) - N mean(dY N)), means weighted by the row weights"""
        cdef Py_ssize_t i, j, m = self.n_in
        cdef const real_t* gamma = rows.W
        cdef const real_t* scale = rows.block_state + 1 + 2 * m
        cdef real_t share = 1 / rows.block_state[0] if rows.block_state[0] > 0 else 0
        cdef real_t* along = rows.scratch
        cdef real_t* mean = rows.scratch + m
        if rows.dX[0] == NULL:
            return
        scale_and_shift_sums(rows.n, m, rows.cache, rows.dY, rows.weight, along, mean)
        for i in range(rows.n):
            for j in range(m):
                rows.dX[0][i * m + j] = (
                    scale[j] * gamma[j]
                    * (rows.dY[i * m + j] - share * (mean[j] + rows.cache[i * m + j] * along[j]))
                )

    cdef void accumulate_params(self, Rows* rows, real_t* dW) noexcept nogil:
        scale_and_shift_sums(rows.n, self.n_in, rows.cache, rows.dY, rows.weight, dW, dW + self.n_in)

    cdef bint weighs_rows(self, Batching batching) noexcept nogil:
        return True

    cdef void update_state(
        self, Py_ssize_t n_blocks, const real_t* block_state, Py_ssize_t stride, real_t* state
    ) noexcept nogil:
        """state = momentum state + (1 - momentum) weighted mean over the blocks"""
        cdef Py_ssize_t block, j
        cdef const real_t* of_block
        cdef double total = 0, value
        for block in range(n_blocks):
            total += block_state[block * stride]
        for j in range(self.n_state):
            value = 0
            for block in range(n_blocks):
                of_block = block_state + block * stride
                value += <double> of_block[0] * of_block[1 + j]
            state[j] = self.momentum * state[j] + (1 - self.momentum) * (value / total)

    def initial_state(self):
        state = np.zeros(self.n_state, DTYPE)
        state[self.n_in :] = 1
        return state
