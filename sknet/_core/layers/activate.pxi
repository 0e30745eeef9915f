# An activation by itself, where it does not follow its dense layer at once.

cdef class Activate(Layer):
    """Y = f(X). Cache: the slopes that the activation notes."""

    cdef readonly Activation activation

    def __init__(self, Py_ssize_t n_in, str activation):
        self.n_in = self.n_out = n_in
        self.check_columns()
        self.activation = ACTIVATIONS[activation]()
        if self.activation.notes_slope:
            self.n_cache = n_in

    cdef void forward(self, Rows* rows) noexcept nogil:
        memcpy(rows.Y, rows.X[0], rows.n * self.n_in * sizeof(real_t))
        self.activation.forward(
            rows.n * self.n_in, rows.Y, rows.cache if self.activation.notes_slope else NULL
        )

    cdef void predict(self, Rows* rows) noexcept nogil:
        memcpy(rows.Y, rows.X[0], rows.n * self.n_in * sizeof(real_t))
        self.activation.forward(rows.n * self.n_in, rows.Y, NULL)

    cdef void backward_input(self, Rows* rows) noexcept nogil:
        if rows.dX[0] != NULL:
            memcpy(rows.dX[0], rows.dY, rows.n * self.n_in * sizeof(real_t))
            self.activation.backward(rows.n * self.n_in, rows.Y, rows.cache, rows.dX[0])
