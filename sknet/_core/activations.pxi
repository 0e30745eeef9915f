# Activation functions of hidden units. A new one is a class here and a line in ACTIVATIONS.

cdef class Activation:
    """Y = f(Y) in place, and back: dY becomes dY * f'(.).

    The slope f'(.) is told by f's value Y, or forward() notes it, which `notes_slope` says.
    """

    cdef readonly bint notes_slope

    cdef void forward(
        self, Py_ssize_t size,
        real_t* Y,      # IN and OUT (size)
        real_t* slope,  # OUT (size), or NULL where nobody needs it
    ) noexcept nogil:
        pass

    cdef void backward(
        self, Py_ssize_t size,
        const real_t* Y, const real_t* slope,  # IN (size); slope is NULL where it is not noted
        real_t* dY,                            # IN and OUT (size)
    ) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(size):
            dY[i] *= slope[i]


cdef class Identity(Activation):
    """f(x) = x"""

    cdef void backward(
        self, Py_ssize_t size, const real_t* Y, const real_t* slope, real_t* dY
    ) noexcept nogil:
        pass


cdef class Logistic(Activation):
    """f(x) = 1 / (1 + exp(-x)), f' = f (1 - f)"""

    cdef void forward(self, Py_ssize_t size, real_t* Y, real_t* slope) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(size):
            Y[i] = real_logistic(Y[i])

    cdef void backward(
        self, Py_ssize_t size, const real_t* Y, const real_t* slope, real_t* dY
    ) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(size):
            dY[i] *= Y[i] * (1 - Y[i])


cdef class Tanh(Activation):
    """f(x) = tanh(x), f' = 1 - f^2"""

    cdef void forward(self, Py_ssize_t size, real_t* Y, real_t* slope) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(size):
            Y[i] = real_tanh(Y[i])

    cdef void backward(
        self, Py_ssize_t size, const real_t* Y, const real_t* slope, real_t* dY
    ) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(size):
            dY[i] *= 1 - Y[i] * Y[i]


cdef class Relu(Activation):
    """f(x) = max(0, x), f' = 1 where f > 0, else 0; NaN stays NaN"""

    cdef void forward(self, Py_ssize_t size, real_t* Y, real_t* slope) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(size):
            Y[i] = 0 if Y[i] < 0 else Y[i]

    cdef void backward(
        self, Py_ssize_t size, const real_t* Y, const real_t* slope, real_t* dY
    ) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(size):
            dY[i] = 0 if Y[i] == 0 else dY[i]


cdef class LeakyRelu(Activation):
    """f(x) = x where x > 0, else 0.01 x (Maas, Hannun and Ng, ICML 2013)"""

    cdef void forward(self, Py_ssize_t size, real_t* Y, real_t* slope) noexcept nogil:
        cdef Py_ssize_t i
        cdef real_t leak = 0.01
        for i in range(size):
            Y[i] = leak * Y[i] if Y[i] < 0 else Y[i]

    cdef void backward(
        self, Py_ssize_t size, const real_t* Y, const real_t* slope, real_t* dY
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef real_t leak = 0.01
        for i in range(size):
            dY[i] = leak * dY[i] if Y[i] <= 0 else dY[i]


cdef class Elu(Activation):
    """f(x) = x where x > 0, else exp(x) - 1; f' = 1 or f + 1 (Clevert et al., ICLR 2016)"""

    cdef void forward(self, Py_ssize_t size, real_t* Y, real_t* slope) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(size):
            Y[i] = real_elu(Y[i])

    cdef void backward(
        self, Py_ssize_t size, const real_t* Y, const real_t* slope, real_t* dY
    ) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(size):
            dY[i] *= Y[i] + 1 if Y[i] < 0 else 1


cdef class Selu(Activation):
    """f(x) = scale x where x > 0, else scale alpha (exp(x) - 1) (Klambauer et al., NeurIPS 2017)

    Its two constants keep mean 0 and variance 1 from layer to layer.
    """

    cdef void forward(self, Py_ssize_t size, real_t* Y, real_t* slope) noexcept nogil:
        cdef Py_ssize_t i
        cdef real_t scale = SELU_SCALE, scale_alpha = SELU_SCALE * SELU_ALPHA
        for i in range(size):
            Y[i] = (scale_alpha if Y[i] < 0 else scale) * real_elu(Y[i])

    cdef void backward(
        self, Py_ssize_t size, const real_t* Y, const real_t* slope, real_t* dY
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef real_t scale = SELU_SCALE, scale_alpha = SELU_SCALE * SELU_ALPHA
        for i in range(size):
            dY[i] *= Y[i] + scale_alpha if Y[i] < 0 else scale


cdef double SELU_SCALE = 1.0507009873554805, SELU_ALPHA = 1.6732632423543772


cdef class Softplus(Activation):
    """f(x) = log(1 + exp(x)), f' = 1 - exp(-f)"""

    cdef void forward(self, Py_ssize_t size, real_t* Y, real_t* slope) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(size):
            Y[i] = real_softplus(Y[i])

    cdef void backward(
        self, Py_ssize_t size, const real_t* Y, const real_t* slope, real_t* dY
    ) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(size):
            dY[i] *= -real_elu(-Y[i])


cdef class Gelu(Activation):
    """f(x) = x P(x), P the normal distribution, p its density; f' = P + x p (Hendrycks and Gimpel,
    arXiv 1606.08415)"""

    def __cinit__(self):
        self.notes_slope = True

    cdef void forward(self, Py_ssize_t size, real_t* Y, real_t* slope) noexcept nogil:
        cdef Py_ssize_t i
        cdef real_t root = 0.3989422804014327  # 1 / sqrt(2 pi)
        if slope != NULL:
            for i in range(size):
                slope[i] = real_normal_cdf(Y[i]) + Y[i] * (root * real_exp(Y[i] * Y[i] / -2))
        for i in range(size):
            Y[i] *= real_normal_cdf(Y[i])


cdef class Silu(Activation):
    """f(x) = x s(x) with s the logistic function, f' = s (1 + x (1 - s)) (Elfwing, Uchibe and Doya,
    Neural Networks 107, 2018; also called swish)"""

    def __cinit__(self):
        self.notes_slope = True

    cdef void forward(self, Py_ssize_t size, real_t* Y, real_t* slope) noexcept nogil:
        cdef Py_ssize_t i
        cdef real_t s
        if slope != NULL:
            for i in range(size):
                s = real_logistic(Y[i])
                slope[i] = s * (1 + Y[i] * (1 - s))
        for i in range(size):
            Y[i] *= real_logistic(Y[i])


cdef class Mish(Activation):
    """f(x) = x tanh(log(1 + exp(x))) (Misra, BMVC 2020)

    With n = e (e + 2), e = exp(x): f = x n / (n + 2), f' = n / (n + 2) + 4 x e (e + 1) / (n + 2)^2.
    From x = 20 on, n / (n + 2) is 1.
    """

    def __cinit__(self):
        self.notes_slope = True

    cdef void forward(self, Py_ssize_t size, real_t* Y, real_t* slope) noexcept nogil:
        cdef Py_ssize_t i
        cdef real_t e, n, above
        if slope != NULL:
            for i in range(size):
                e = real_exp(20 if Y[i] > 20 else Y[i])
                n = e * (e + 2)
                above = 1 / (n + 2)
                slope[i] = n * above + 4 * Y[i] * (e * above) * ((e + 1) * above)
        for i in range(size):
            e = real_exp(20 if Y[i] > 20 else Y[i])
            n = e * (e + 2)
            Y[i] *= n / (n + 2)


ACTIVATIONS = {
    "identity": Identity,
    "logistic": Logistic,
    "tanh": Tanh,
    "relu": Relu,
    "leaky_relu": LeakyRelu,
    "elu": Elu,
    "selu": Selu,
    "gelu": Gelu,
    "silu": Silu,
    "mish": Mish,
    "softplus": Softplus,
}
