# Mixup (Zhang et al., ICLR 2018): training on convex combinations of rows and of their targets.

cdef enum:
    MIXING = -3  # the counter of a mini-batch's partners; its layers count from 0


ctypedef struct Mix:
    # How the rows of a block are mixed: each with the one `shift` places on, in a circle.
    Py_ssize_t n, shift
    real_t share  # of the row itself


cdef inline Mix mix_of(uint64_t key, Py_ssize_t block, Py_ssize_t n, double share) noexcept nogil:
    cdef Mix mix
    mix.n = n
    mix.share = share
    mix.shift = 0
    if n > 1:
        mix.shift = 1 + <Py_ssize_t> (mix_key(mix_key(key, MIXING), block) % <uint64_t> (n - 1))
    return mix


cdef inline Py_ssize_t partner(const Mix* mix, Py_ssize_t i) noexcept nogil:
    return i + mix.shift if i + mix.shift < mix.n else i + mix.shift - mix.n


cdef void mix_rows(
    const Mix* mix, Py_ssize_t first, Py_ssize_t m,
    const real_t* X,          # IN  (., m)
    const Py_ssize_t* order,  # IN  the rows of the epoch, or NULL: as they are
    real_t* out,              # OUT (n, m) of those from number `first` on
) noexcept nogil:
    cdef Py_ssize_t i, k
    cdef const real_t* a
    cdef const real_t* b
    cdef real_t share = mix.share, rest = 1 - mix.share
    for i in range(mix.n):
        k = first + partner(mix, i)
        a = X + (first + i if order == NULL else order[first + i]) * m
        b = X + (k if order == NULL else order[k]) * m
        for k in range(m):
            out[i * m + k] = share * a[k] + rest * b[k]


cdef class MixedLoss:
    """The loss of mixed rows, and its gradient: those for both rows' targets, in the same mixture.

    That is the loss of a mixed target for losses that are linear in it, and defined for all.
    """

    cdef Loss loss
    cdef real_t[:, ::1] y       # (batch_size, n_targets) of the partners
    cdef real_t[:, ::1] weight  # (2, batch_size) of the rows and of their partners, in the mixture
    cdef real_t[:, ::1] dZ      # (batch_size, n_outputs) for the partners' targets

    def __init__(self, Loss loss, Py_ssize_t batch_size):
        self.loss = loss
        self.y = np.empty((batch_size, loss.n_targets), DTYPE)
        self.weight = np.empty((2, batch_size), DTYPE)
        self.dZ = np.empty((batch_size, loss.n_outputs), DTYPE)

    cdef void mix_weights(
        self, const Mix* mix, Py_ssize_t first,
        const real_t* weight,  # IN  (n) or NULL
        real_t* out,           # OUT (n) of the mixed rows, where there are weights
    ) noexcept nogil:
        """Of the block that begins with row `first` of the mini-batch."""
        cdef Py_ssize_t i
        cdef real_t* own = &self.weight[0, first]
        cdef real_t* others = &self.weight[1, first]
        for i in range(mix.n):
            own[i] = mix.share * (1 if weight == NULL else weight[i])
            others[i] = (1 - mix.share) * (1 if weight == NULL else weight[partner(mix, i)])
        if weight != NULL:
            for i in range(mix.n):
                out[i] = own[i] + others[i]

    cdef double value_and_gradient(
        self, const Mix* mix, Py_ssize_t first, const real_t* Z, const real_t* y, real_t* dZ
    ) noexcept nogil:
        """As of Loss, behind mix_weights()."""
        cdef Py_ssize_t i, k, m = self.loss.n_outputs, n_targets = self.loss.n_targets
        cdef const real_t* own = &self.weight[0, first]
        cdef const real_t* others = &self.weight[1, first]
        cdef real_t* y_others = &self.y[first, 0]
        cdef real_t* dZ_others = &self.dZ[first, 0]
        cdef real_t total
        cdef double value
        for i in range(mix.n):
            memcpy(
                y_others + i * n_targets, y + partner(mix, i) * n_targets,
                n_targets * sizeof(real_t),
            )
        value = self.loss.value_and_gradient(mix.n, Z, y, own, dZ)
        value += self.loss.value_and_gradient(mix.n, Z, y_others, others, dZ_others)
        for i in range(mix.n):
            total = own[i] + others[i]
            total = 1 / total if total > 0 else 0
            for k in range(i * m, (i + 1) * m):
                dZ[k] = (own[i] * dZ[k] + others[i] * dZ_others[k]) * total
        return value
