# The real type of this binary and its elementary functions; everything is in real.h.

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset


cdef extern from "real.h" nogil:
    ctypedef double real_t  # float or double: -DSKNET_REAL_BITS decides
    const char* SKNET_CPU_LEVEL
    const int SKNET_REAL_BITS
    const char* sknet_best_cpu_level()
    real_t real_exp(real_t x)
    real_t real_logistic(real_t x)
    real_t real_tanh(real_t x)
    real_t real_softplus(real_t x)
    real_t real_max(real_t a, real_t b)
    real_t real_sqrt(real_t x)


DTYPE = np.dtype(np.float32 if SKNET_REAL_BITS == 32 else np.float64)
CPU_LEVEL = SKNET_CPU_LEVEL.decode()  # what this binary was compiled for


def best_cpu_level():
    """The highest CPU level this machine can run: "x86-64-v4", "x86-64-v3" or "baseline"."""
    return sknet_best_cpu_level().decode()


def elementary(str name, const real_t[::1] x):
    """exp, logistic, tanh or softplus of each element of `x`, as the kernels compute them."""
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
    else:
        raise ValueError(f"name must be 'exp', 'logistic', 'tanh' or 'softplus', got {name!r}")
    return y_array
