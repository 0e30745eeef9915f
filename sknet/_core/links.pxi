# Links: from raw outputs to predictions. A new one is a class here and a line in LINKS.

cdef class Link:
    """The identity, and the base of the others.

    Attributes
    ----------
    n_outputs : columns of the raw outputs
    n_predictions : columns of the predictions
    """

    cdef readonly Py_ssize_t n_outputs, n_predictions

    def __cinit__(self, Py_ssize_t n_outputs, *args, **options):
        self.n_outputs = self.n_predictions = n_outputs

    cdef void predict(
        self, Py_ssize_t n,
        const real_t* Z,  # IN  (n, n_outputs)
        real_t* out,      # OUT (n, n_predictions)
    ) noexcept nogil:
        memcpy(out, Z, n * self.n_outputs * sizeof(real_t))


cdef class Exponential(Link):
    """exp(z)"""

    cdef void predict(self, Py_ssize_t n, const real_t* Z, real_t* out) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(n * self.n_outputs):
            out[i] = real_exp(Z[i])


cdef class LogisticLink(Link):
    """1 / (1 + exp(-z)), of each output by itself"""

    cdef void predict(self, Py_ssize_t n, const real_t* Z, real_t* out) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(n * self.n_outputs):
            out[i] = real_logistic(Z[i])


cdef class LogisticPair(Link):
    """The probabilities of no and of yes, of one output: 1 - p would lose the small ones."""

    def __init__(self, Py_ssize_t n_outputs):
        if n_outputs != 1:
            raise ValueError(f"n_outputs must be 1, got {n_outputs}")
        self.n_predictions = 2

    cdef void predict(self, Py_ssize_t n, const real_t* Z, real_t* out) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(n):
            out[2 * i] = real_logistic(-Z[i])
            out[2 * i + 1] = real_logistic(Z[i])


cdef class Softmax(Link):
    """exp(z_k) / sum_j exp(z_j)"""

    cdef void predict(self, Py_ssize_t n, const real_t* Z, real_t* out) noexcept nogil:
        cdef Py_ssize_t i, m = self.n_outputs
        cdef real_t highest
        for i in range(n):
            softmax(m, Z + i * m, out + i * m, &highest)


cdef class Largest(Link):
    """The number of the largest output, the first of equals; of a single one, whether it is above 0."""

    def __init__(self, Py_ssize_t n_outputs):
        self.n_predictions = 1

    cdef void predict(self, Py_ssize_t n, const real_t* Z, real_t* out) noexcept nogil:
        cdef Py_ssize_t i, k, best, m = self.n_outputs
        for i in range(n):
            if m == 1:
                out[i] = Z[i] > 0
                continue
            best = 0
            for k in range(1, m):
                if Z[i * m + k] > Z[i * m + best]:
                    best = k
            out[i] = best


cdef class Sorted(Link):
    """The outputs of each target, `n_levels` of them, in ascending order."""

    cdef readonly Py_ssize_t n_levels

    def __init__(self, Py_ssize_t n_outputs, Py_ssize_t n_levels=1):
        if n_levels < 1 or n_outputs % n_levels:
            raise ValueError(f"n_outputs must be a multiple of n_levels, got {n_outputs}, {n_levels}")
        self.n_levels = n_levels

    cdef void predict(self, Py_ssize_t n, const real_t* Z, real_t* out) noexcept nogil:
        cdef Py_ssize_t i, place
        cdef real_t z
        for i in range(n * self.n_outputs):
            z = Z[i]
            place = i
            while place % self.n_levels and out[place - 1] > z:
                out[place] = out[place - 1]
                place -= 1
            out[place] = z


cdef inline real_t softmax(
    Py_ssize_t m, const real_t* z, real_t* p, real_t* highest
) noexcept nogil:
    """p (m) = exp(z) / sum of exp(z); returns the sum, of exp(z - highest)."""
    cdef Py_ssize_t k
    cdef real_t total = 0
    highest[0] = z[0]
    for k in range(1, m):
        highest[0] = real_max(highest[0], z[k])
    for k in range(m):
        p[k] = real_exp(z[k] - highest[0])
    for k in range(m):
        total += p[k]
    for k in range(m):
        p[k] /= total
    return total


LINKS = {
    "identity": Link,
    "exp": Exponential,
    "logistic": LogisticLink,
    "logistic_pair": LogisticPair,
    "softmax": Softmax,
    "largest": Largest,
    "sorted": Sorted,
}
