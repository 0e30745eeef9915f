# Dropout (Srivastava et al., JMLR 2014), scaled in training so that prediction does nothing.

cdef class Dropout(Layer):
    """Y = X * mask / (1 - rate); each unit of each row is dropped with probability `rate`.

    The mask is a hash of the place (epoch, mini-batch, layer, row, unit).
    """

    cdef readonly double rate

    def __init__(self, Py_ssize_t n_in, double rate):
        if not 0 <= rate < 1:
            raise ValueError(f"rate must be in [0, 1), got {rate}")
        self.n_in = self.n_out = n_in
        self.check_columns()
        self.n_cache = n_in
        self.rate = rate

    cdef void forward(self, Rows* rows) noexcept nogil:
        cdef Py_ssize_t i, m = self.n_in
        cdef uint32_t place = <uint32_t> (rows.first * m)
        cdef uint32_t threshold = <uint32_t> (self.rate * 4294967296.0)
        cdef real_t kept = 1 / (1 - self.rate)
        for i in range(rows.n * m):
            rows.cache[i] = 0 if random_bits(rows.key, place + <uint32_t> i) < threshold else kept
        for i in range(rows.n * m):
            rows.Y[i] = rows.X[0][i] * rows.cache[i]

    cdef void predict(self, Rows* rows) noexcept nogil:
        memcpy(rows.Y, rows.X[0], rows.n * self.n_in * sizeof(real_t))

    cdef void sample(self, Rows* rows) noexcept nogil:
        self.forward(rows)

    cdef void backward_input(self, Rows* rows) noexcept nogil:
        cdef Py_ssize_t i
        if rows.dX[0] != NULL:
            for i in range(rows.n * self.n_in):
                rows.dX[0][i] = rows.dY[i] * rows.cache[i]
