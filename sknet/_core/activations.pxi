# Activation functions of hidden units. A new one is a class here and a line in ACTIVATIONS.

cdef class Activation:
    """Y = f(Y) in place, and back: dY becomes dY * f'(.), written in terms of f's value Y."""

    cdef void forward(self, Py_ssize_t size, real_t* Y) noexcept nogil:
        pass

    cdef void backward(self, Py_ssize_t size, const real_t* Y, real_t* dY) noexcept nogil:
        pass


cdef class Identity(Activation):
    """f(x) = x"""


cdef class Logistic(Activation):
    """f(x) = 1 / (1 + exp(-x)), f' = f (1 - f)"""

    cdef void forward(self, Py_ssize_t size, real_t* Y) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(size):
            Y[i] = real_logistic(Y[i])

    cdef void backward(self, Py_ssize_t size, const real_t* Y, real_t* dY) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(size):
            dY[i] *= Y[i] * (1 - Y[i])


cdef class Tanh(Activation):
    """f(x) = tanh(x), f' = 1 - f^2"""

    cdef void forward(self, Py_ssize_t size, real_t* Y) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(size):
            Y[i] = real_tanh(Y[i])

    cdef void backward(self, Py_ssize_t size, const real_t* Y, real_t* dY) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(size):
            dY[i] *= 1 - Y[i] * Y[i]


cdef class Relu(Activation):
    """f(x) = max(0, x), f' = 1 where f > 0, else 0; NaN stays NaN"""

    cdef void forward(self, Py_ssize_t size, real_t* Y) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(size):
            Y[i] = 0 if Y[i] < 0 else Y[i]

    cdef void backward(self, Py_ssize_t size, const real_t* Y, real_t* dY) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(size):
            dY[i] = 0 if Y[i] == 0 else dY[i]


ACTIVATIONS = {
    "identity": Identity,
    "logistic": Logistic,
    "tanh": Tanh,
    "relu": Relu,
}
