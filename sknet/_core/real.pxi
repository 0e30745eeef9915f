# The real type of this binary and its elementary functions; everything is in real.h.

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset


cdef extern from "real.h" nogil:
    ctypedef double real_t  # float or double: -DSKNET_REAL_BITS decides
    const char* SKNET_CPU_LEVEL
    const int SKNET_REAL_BITS
    const char* sknet_best_cpu_level()
    const int CACHE_LINE  # bytes
    real_t real_exp(real_t x)
    real_t real_logistic(real_t x)
    real_t real_tanh(real_t x)
    real_t real_softplus(real_t x)
    real_t real_elu(real_t x)
    real_t real_normal_cdf(real_t x)
    float normal_number(uint32_t random)
    real_t real_abs(real_t x)
    real_t real_sign(real_t x)
    real_t real_max(real_t a, real_t b)
    real_t real_sqrt(real_t x)


DTYPE = np.dtype(np.float32 if SKNET_REAL_BITS == 32 else np.float64)
CPU_LEVEL = SKNET_CPU_LEVEL.decode()  # what this binary was compiled for


def best_cpu_level():
    """The highest CPU level this machine can run: "x86-64-v4", "x86-64-v3" or "baseline"."""
    return sknet_best_cpu_level().decode()


def empty(*shape):
    """An array (n,) or (m, n), not initialised, whose rows begin on cache lines.

    A vector as wide as a line takes twice the time to write when it straddles two.
    """
    cdef Py_ssize_t line = CACHE_LINE // sizeof(real_t), begin
    n_rows, n = shape if len(shape) == 2 else (1, *shape)
    width = (n + line - 1) // line * line
    block = np.empty(n_rows * width + line, DTYPE)
    cdef real_t[::1] view = block
    begin = -(<size_t> &view[0] // sizeof(real_t)) % line
    if len(shape) == 1:
        return block[begin : begin + n]
    return block[begin : begin + n_rows * width].reshape(n_rows, width)[:, :n]


def elementary(str name, const real_t[::1] x):
    """A function of each element of `x`, as the kernels compute it; see the error for its names."""
    cdef Py_ssize_t i, n = x.shape[0]
    y_array = np.empty(n, DTYPE)
    cdef real_t[::1] y = y_array
    if name == "exp":
        for i in range(n):
            y[i] = real_exp(x[i])
    elif name == "logistic":
        for i in range(n):
            y[i] = real_logistic(x[i])
    elif name == "tanh":
        for i in range(n):
            y[i] = real_tanh(x[i])
    elif name == "softplus":
        for i in range(n):
            y[i] = real_softplus(x[i])
    elif name == "elu":
        for i in range(n):
            y[i] = real_elu(x[i])
    elif name == "normal_cdf":
        for i in range(n):
            y[i] = real_normal_cdf(x[i])
    else:
        raise ValueError(
            "name must be 'exp', 'logistic', 'tanh', 'softplus', 'elu' or 'normal_cdf', "
            f"got {name!r}"
        )
    return y_array
