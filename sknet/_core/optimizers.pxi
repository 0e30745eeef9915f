# Update rules. A new one is a class here and a line in OPTIMIZERS. Penalties and schedules are
# not theirs: they see a gradient and a learning rate.

from libc.math cimport pow, sqrt


cdef class Optimizer:
    """Changes n parameters W by their gradient dW; what it remembers of each is its moments.

    Moment i of the parameter W[j] is M[i * stride + j].
    """

    cdef readonly int n_moments

    cdef double step_size(self, double learning_rate, Py_ssize_t t) noexcept nogil:
        """The factor for update number t = 1, 2, ...; the same on every worker."""
        return learning_rate

    cdef void update(
        self, Py_ssize_t n, double step_size,
        const real_t* dW,                     # IN  (n)
        real_t* W, real_t* M, Py_ssize_t stride,  # IN and OUT (n), (n_moments, stride)
    ) noexcept nogil:
        pass


cdef class SGD(Optimizer):
    """V = momentum V - rate dW; W += V, or with Nesterov's look-ahead W += momentum V - rate dW."""

    cdef readonly double momentum
    cdef readonly bint nesterov

    def __cinit__(self, double momentum=0.9, bint nesterov=True):
        self.n_moments = 1
        self.momentum = momentum
        self.nesterov = nesterov

    cdef void update(
        self, Py_ssize_t n, double step_size, const real_t* dW, real_t* W, real_t* M, Py_ssize_t stride
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef real_t momentum = self.momentum, rate = step_size
        if self.nesterov:
            for i in range(n):
                M[i] = momentum * M[i] - rate * dW[i]
                W[i] += momentum * M[i] - rate * dW[i]
        else:
            for i in range(n):
                M[i] = momentum * M[i] - rate * dW[i]
                W[i] += M[i]


cdef class Adam(Optimizer):
    """Kingma and Ba (2015), algorithm 1 in the form of their section 2: the bias corrections
    go into the step size, rate sqrt(1 - beta_2^t) / (1 - beta_1^t)."""

    cdef readonly double beta_1, beta_2, epsilon

    def __cinit__(self, double beta_1=0.9, double beta_2=0.999, double epsilon=1e-8):
        self.n_moments = 2
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    cdef double step_size(self, double learning_rate, Py_ssize_t t) noexcept nogil:
        return learning_rate * sqrt(1 - pow(self.beta_2, t)) / (1 - pow(self.beta_1, t))

    cdef void update(
        self, Py_ssize_t n, double step_size, const real_t* dW, real_t* W, real_t* M, Py_ssize_t stride
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef real_t beta_1 = self.beta_1, beta_2 = self.beta_2, epsilon = self.epsilon
        cdef real_t rest_1 = 1 - self.beta_1, rest_2 = 1 - self.beta_2, rate = step_size
        cdef real_t* V = M + stride
        for i in range(n):
            M[i] = beta_1 * M[i] + rest_1 * dW[i]
            V[i] = beta_2 * V[i] + rest_2 * (dW[i] * dW[i])
            W[i] -= rate * M[i] / (real_sqrt(V[i]) + epsilon)


cdef class GradientSum(Optimizer):
    """Changes nothing: its moment is the sum of the gradients. For L-BFGS, and for tests."""

    def __cinit__(self):
        self.n_moments = 1

    cdef void update(
        self, Py_ssize_t n, double step_size, const real_t* dW, real_t* W, real_t* M, Py_ssize_t stride
    ) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(n):
            M[i] += dW[i]


OPTIMIZERS = {"sgd": SGD, "adam": Adam}
