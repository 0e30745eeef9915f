# The sum of two slots: the end of a residual branch.

cdef class Add(Layer):
    """Y = X[0] + X[1]"""

    def __init__(self, Py_ssize_t n_in):
        self.n_in = self.n_out = n_in
        self.n_inputs = 2
        self.check_columns()

    cdef void forward(self, Rows* rows) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(rows.n * self.n_in):
            rows.Y[i] = rows.X[0][i] + rows.X[1][i]

    cdef void backward_input(self, Rows* rows) noexcept nogil:
        cdef Py_ssize_t which
        for which in range(2):
            if rows.dX[which] != NULL:
                memcpy(rows.dX[which], rows.dY, rows.n * self.n_in * sizeof(real_t))
