# Noise on the inputs of a layer, in training alone.

def normal_numbers(const uint32_t[::1] bits):
    """The normal number of each 32 random bits, as an array of float32."""
    cdef Py_ssize_t i
    out = np.empty(bits.shape[0], np.float32)
    cdef float[::1] numbers = out
    for i in range(bits.shape[0]):
        numbers[i] = normal_number(bits[i])
    return out


cdef class Noise(Layer):
    """Y = X + deviation * standard normal numbers, which are hashes of their place as in dropout.

    On the columns of X it is a penalty on the slopes of what is learned (Bishop, "Training with
    noise is equivalent to Tikhonov regularization", Neural Computation 7, 1995).
    """

    cdef readonly double deviation

    def __init__(self, Py_ssize_t n_in, double deviation):
        if not deviation >= 0:
            raise ValueError(f"deviation must be at least 0, got {deviation}")
        self.n_in = self.n_out = n_in
        self.check_columns()
        self.deviation = deviation

    cdef void forward(self, Rows* rows) noexcept nogil:
        cdef Py_ssize_t i, m = self.n_in
        cdef uint32_t place = <uint32_t> (rows.first * m)
        cdef real_t deviation = self.deviation
        for i in range(rows.n * m):
            rows.Y[i] = rows.X[0][i] + deviation * normal_number(
                random_bits(rows.key, place + <uint32_t> i)
            )

    cdef void predict(self, Rows* rows) noexcept nogil:
        memcpy(rows.Y, rows.X[0], rows.n * self.n_in * sizeof(real_t))

    cdef void backward_input(self, Rows* rows) noexcept nogil:
        if rows.dX[0] != NULL:
            memcpy(rows.dX[0], rows.dY, rows.n * self.n_in * sizeof(real_t))
