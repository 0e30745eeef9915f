# Losses: from raw outputs Z to a value and a gradient. A new one is a class here and a line in LOSSES.

from libc.math cimport log


cdef class Loss:
    """One loss. Values are sums over rows, times the row's weight; gradients are per unit of weight.

    Attributes
    ----------
    link : name of the function in LINKS that makes predictions of raw outputs
    n_targets : columns of y for n_outputs raw outputs (a class index needs only one)
    value_scale : what the value is multiplied with when it is reported (see SquaredError)
    """

    cdef readonly str link
    cdef readonly Py_ssize_t n_outputs, n_targets
    cdef readonly double value_scale

    def __cinit__(self, Py_ssize_t n_outputs):
        self.n_outputs = self.n_targets = n_outputs
        self.value_scale = 1

    cdef double value_and_gradient(
        self, Py_ssize_t n,
        const real_t* Z, const real_t* y, const real_t* weight,  # IN (n, n_outputs), (n, n_targets), (n) or NULL
        real_t* dZ,                                              # OUT (n, n_outputs)
    ) noexcept nogil:
        return 0


cdef inline double row_weight(const real_t* weight, Py_ssize_t i) noexcept nogil:
    return 1 if weight == NULL else weight[i]


cdef class SquaredError(Loss):
    """Half the squared difference, identity link: 1/2 sum_k (z_k - y_k)^2, gradient z - y.

    scikit-learn reports its mean over the outputs, but descends along the gradient of its sum.
    """

    def __cinit__(self, Py_ssize_t n_outputs):
        self.link = "identity"
        self.value_scale = 1.0 / n_outputs

    cdef double value_and_gradient(
        self, Py_ssize_t n, const real_t* Z, const real_t* y, const real_t* weight, real_t* dZ
    ) noexcept nogil:
        cdef Py_ssize_t i, k, m = self.n_outputs
        cdef double value = 0, row
        for i in range(n):
            row = 0
            for k in range(i * m, i * m + m):
                dZ[k] = Z[k] - y[k]
                row += <double> dZ[k] * dZ[k]
            value += row_weight(weight, i) * 0.5 * row
        return value


cdef class Poisson(Loss):
    """Half the Poisson deviance, log link: y log(y / mu) - y + mu with mu = exp(z), gradient mu - y."""

    def __cinit__(self, Py_ssize_t n_outputs):
        self.link = "exp"

    cdef double value_and_gradient(
        self, Py_ssize_t n, const real_t* Z, const real_t* y, const real_t* weight, real_t* dZ
    ) noexcept nogil:
        cdef Py_ssize_t i, k, m = self.n_outputs
        cdef double value = 0, row
        for i in range(n):
            row = 0
            for k in range(i * m, i * m + m):
                dZ[k] = real_exp(Z[k]) - y[k]
                row += dZ[k]
                if y[k] > 0:
                    row += y[k] * (log(y[k]) - Z[k])
            value += row_weight(weight, i) * row
        return value


cdef class LogisticLoss(Loss):
    """Log-loss of independent yes/no outputs: log(1 + exp(z)) - y z, gradient p - y, p = logistic(z)."""

    def __cinit__(self, Py_ssize_t n_outputs):
        self.link = "logistic"

    cdef double value_and_gradient(
        self, Py_ssize_t n, const real_t* Z, const real_t* y, const real_t* weight, real_t* dZ
    ) noexcept nogil:
        cdef Py_ssize_t i, k, m = self.n_outputs
        cdef double value = 0, row
        for i in range(n * m):  # dZ holds the values first: these loops vectorise
            dZ[i] = real_softplus(Z[i]) - y[i] * Z[i]
        for i in range(n):
            row = 0
            for k in range(i * m, i * m + m):
                row += dZ[k]
            value += row_weight(weight, i) * row
        for i in range(n * m):
            dZ[i] = real_logistic(Z[i]) - y[i]
        return value


cdef class SoftmaxLoss(Loss):
    """Log-loss over classes: log sum_k exp(z_k) - z_y, gradient softmax(z) - onehot(y).

    y holds the class index, one column.
    """

    def __cinit__(self, Py_ssize_t n_outputs):
        self.link = "softmax"
        self.n_targets = 1

    cdef double value_and_gradient(
        self, Py_ssize_t n, const real_t* Z, const real_t* y, const real_t* weight, real_t* dZ
    ) noexcept nogil:
        cdef Py_ssize_t i, k, m = self.n_outputs
        cdef double value = 0
        cdef real_t highest, total
        cdef const real_t* z
        cdef real_t* p
        for i in range(n):
            z = Z + i * m
            p = dZ + i * m
            total = softmax(m, z, p, &highest)
            k = <Py_ssize_t> y[i]
            value += row_weight(weight, i) * (log(total) + highest - z[k])
            p[k] -= 1
        return value


cdef class LogisticSquaredError(Loss):
    """Squared differences of logistic outputs: sum_k (a_k - y_k)^2 with a = logistic(z).

    The cost of the textbooks' first network; its gradient is 2 (a - y) a (1 - a).
    """

    def __cinit__(self, Py_ssize_t n_outputs):
        self.link = "logistic"

    cdef double value_and_gradient(
        self, Py_ssize_t n, const real_t* Z, const real_t* y, const real_t* weight, real_t* dZ
    ) noexcept nogil:
        cdef Py_ssize_t i, k, m = self.n_outputs
        cdef double value = 0, row
        cdef real_t a, difference
        for i in range(n):
            row = 0
            for k in range(i * m, i * m + m):
                a = real_logistic(Z[k])
                difference = a - y[k]
                row += <double> difference * difference
                dZ[k] = 2 * difference * a * (1 - a)
            value += row_weight(weight, i) * row
        return value


LOSSES = {
    "squared_error": SquaredError,
    "poisson": Poisson,
    "logistic_log_loss": LogisticLoss,
    "softmax_log_loss": SoftmaxLoss,
    "logistic_squared_error": LogisticSquaredError,
}
