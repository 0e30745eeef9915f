# Whether there is NaN or infinity in an array, as fast as memory can be read.

cdef extern from "real.h" nogil:
    bint real_all_finite(Py_ssize_t n, const real_t* x)


def all_finite(const real_t[:, ::1] X not None):
    """Whether all numbers of an array are finite."""
    cdef bint finite = True
    cdef Py_ssize_t size = X.shape[0] * X.shape[1]
    if size:
        with nogil:
            finite = real_all_finite(size, &X[0, 0])
    return finite
