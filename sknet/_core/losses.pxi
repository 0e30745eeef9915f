# Losses: from raw outputs Z to a value and a gradient. A new one is a class here and a line in LOSSES.

from libc.math cimport log, pow


cdef class Loss:
    """One loss. Values are sums over rows, times the row's weight; gradients are per unit of weight.

    Attributes
    ----------
    link : name of the function in LINKS that makes predictions of raw outputs
    n_outputs : columns of Z
    n_targets : columns of y (a class index needs only one, several quantiles share one)
    value_scale : what the value is multiplied with when it is reported: 1 / n_outputs where that
        is scikit-learn's mean over outputs, though training descends along the gradient of the sum
    """

    cdef readonly str link
    cdef readonly Py_ssize_t n_outputs, n_targets
    cdef readonly double value_scale

    def __cinit__(self, Py_ssize_t n_outputs, *args, **options):
        self.link = "identity"
        self.n_outputs = self.n_targets = n_outputs
        self.value_scale = 1

    cdef double value_and_gradient(
        self, Py_ssize_t n,
        const real_t* Z, const real_t* y, const real_t* weight,  # IN (n, n_outputs), (n, n_targets), (n) or NULL
        real_t* dZ,                                              # OUT (n, n_outputs)
    ) noexcept nogil:
        return 0

    def value(self, const real_t[:, ::1] Z not None, const real_t[:, ::1] y not None, weight=None):
        """The mean over rows, by their weights (n) or None, as it is reported."""
        cdef Py_ssize_t n = Z.shape[0]
        cdef const real_t[::1] weights = weight
        cdef const real_t* w = NULL
        cdef real_t[:, ::1] dZ = np.empty((n, self.n_outputs), DTYPE)
        cdef double total = n if weight is None else np.sum(weight, dtype=float), value
        if Z.shape[1] != self.n_outputs or y.shape[0] != n or y.shape[1] != self.n_targets:
            raise ValueError("Z, y and the loss do not fit together")
        if weight is not None and weights.shape[0] != n:
            raise ValueError(f"weight must have {n} elements, got {weights.shape[0]}")
        if n == 0:
            raise ValueError("Z must have at least one row")
        if weight is not None:
            w = &weights[0]
        value = self.value_and_gradient(n, &Z[0, 0], &y[0, 0], w, &dZ[0, 0])
        return value * self.value_scale / total

    def link_options(self):
        """What the link needs to know besides the number of outputs."""
        return {}


cdef inline double row_weight(const real_t* weight, Py_ssize_t i) noexcept nogil:
    return 1 if weight == NULL else weight[i]


cdef inline double weighted_sum(
    Py_ssize_t n, Py_ssize_t m, const real_t* values, const real_t* weight
) noexcept nogil:
    """The sum of values (n, m), each row times its weight."""
    cdef Py_ssize_t i, k
    cdef double value = 0, row
    for i in range(n):
        row = 0
        for k in range(i * m, i * m + m):
            row += values[k]
        value += row_weight(weight, i) * row
    return value


# --------------------------------------------------------------------------------------------
# Of numbers


cdef class SquaredError(Loss):
    """Half the squared difference: 1/2 sum_k (z_k - y_k)^2, gradient z - y."""

    def __init__(self, Py_ssize_t n_outputs):
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


cdef class AbsoluteError(Loss):
    """sum_k |z_k - y_k|, gradient sign(z - y)."""

    def __init__(self, Py_ssize_t n_outputs):
        self.value_scale = 1.0 / n_outputs

    cdef double value_and_gradient(
        self, Py_ssize_t n, const real_t* Z, const real_t* y, const real_t* weight, real_t* dZ
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef double value
        for i in range(n * self.n_outputs):
            dZ[i] = real_abs(Z[i] - y[i])
        value = weighted_sum(n, self.n_outputs, dZ, weight)
        for i in range(n * self.n_outputs):
            dZ[i] = real_sign(Z[i] - y[i])
        return value


cdef class Huber(Loss):
    """1/2 r^2 where |r| <= delta, else delta (|r| - delta / 2), with r = z - y (Huber, 1964)."""

    cdef readonly double delta

    def __init__(self, Py_ssize_t n_outputs, double delta=1.35):
        self.value_scale = 1.0 / n_outputs
        self.delta = delta

    cdef double value_and_gradient(
        self, Py_ssize_t n, const real_t* Z, const real_t* y, const real_t* weight, real_t* dZ
    ) noexcept nogil:
        """With the clipped residual c, the gradient, the value is c (r - c / 2)."""
        cdef Py_ssize_t i
        cdef real_t delta = self.delta, r, c
        cdef double value
        for i in range(n * self.n_outputs):
            r = Z[i] - y[i]
            c = clipped(r, delta)
            dZ[i] = c * (r - c / 2)
        value = weighted_sum(n, self.n_outputs, dZ, weight)
        for i in range(n * self.n_outputs):
            dZ[i] = clipped(Z[i] - y[i], delta)
        return value


cdef inline real_t clipped(real_t x, real_t size) noexcept nogil:
    x = -size if x < -size else x
    return size if x > size else x


cdef class Quantile(Loss):
    """Pinball loss of one or several levels q: sum max(q (y - f), (q - 1) (y - f)).

    Koenker and Bassett, Econometrica 46, 1978. The outputs z of a target, sorted, are its quantiles
    f, so that these cannot cross: the lowest z is that of the lowest level, and so on (Chernozhukov,
    Fernandez-Val and Galichon, Econometrica 78, 2010, sort fitted quantiles so).
    """

    cdef readonly Py_ssize_t n_levels
    cdef double[::1] levels

    def __init__(self, Py_ssize_t n_outputs, levels):
        self.levels = np.array(levels, float).ravel()
        self.n_levels = self.levels.shape[0]
        if self.n_levels < 1 or n_outputs % self.n_levels:
            raise ValueError(f"n_outputs must be a multiple of the levels, got {n_outputs}")
        self.n_targets = n_outputs // self.n_levels
        self.value_scale = 1.0 / n_outputs
        if self.n_levels > 1:
            self.link = "sorted"

    def link_options(self):
        return {} if self.n_levels == 1 else {"n_levels": self.n_levels}

    cdef double value_and_gradient(
        self, Py_ssize_t n, const real_t* Z, const real_t* y, const real_t* weight, real_t* dZ
    ) noexcept nogil:
        cdef Py_ssize_t i, j, k, t, place, m = self.n_levels
        cdef double value = 0, row, r
        cdef const real_t* z
        for i in range(n):
            row = 0
            for t in range(i * self.n_targets, (i + 1) * self.n_targets):
                z = Z + t * m
                for k in range(m):
                    place = 0  # of z[k] among the sorted
                    for j in range(m):
                        place += z[j] < z[k] or (z[j] == z[k] and j < k)
                    r = y[t] - z[k]
                    row += r * (self.levels[place] - (r < 0))
                    # A NaN stays one.
                    dZ[t * m + k] = 0 if r == 0 else (r < 0) - self.levels[place] + (r - r)
            value += row_weight(weight, i) * row
        return value


cdef class Poisson(Loss):
    """Half the Poisson deviance, log link: y log(y / mu) - y + mu with mu = exp(z), gradient mu - y."""

    def __init__(self, Py_ssize_t n_outputs):
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


cdef class Gamma(Loss):
    """Half the gamma deviance, log link: log(mu / y) + y / mu - 1, gradient 1 - y / mu."""

    def __init__(self, Py_ssize_t n_outputs):
        self.link = "exp"
        self.value_scale = 1.0 / n_outputs

    cdef double value_and_gradient(
        self, Py_ssize_t n, const real_t* Z, const real_t* y, const real_t* weight, real_t* dZ
    ) noexcept nogil:
        cdef Py_ssize_t i, k, m = self.n_outputs
        cdef double value = 0, row
        for i in range(n):
            row = 0
            for k in range(i * m, i * m + m):
                dZ[k] = 1 - y[k] * real_exp(-Z[k])
                row += Z[k] - log(y[k]) - dZ[k]
            value += row_weight(weight, i) * row
        return value


cdef class Tweedie(Loss):
    """Half the Tweedie deviance of a power p between 1 and 2, log link:
    y^(2-p) / ((1-p) (2-p)) - y mu^(1-p) / (1-p) + mu^(2-p) / (2-p), gradient mu^(2-p) - y mu^(1-p).

    Jorgensen, "The theory of dispersion models" (1997), chapter 4.
    """

    cdef readonly double power

    def __init__(self, Py_ssize_t n_outputs, double power=1.5):
        if not 1 < power < 2:
            raise ValueError(f"power must be between 1 and 2, got {power}")
        self.link = "exp"
        self.value_scale = 1.0 / n_outputs
        self.power = power

    cdef double value_and_gradient(
        self, Py_ssize_t n, const real_t* Z, const real_t* y, const real_t* weight, real_t* dZ
    ) noexcept nogil:
        cdef Py_ssize_t i, k, m = self.n_outputs
        cdef double value = 0, row, low = 1 - self.power, high = 2 - self.power
        cdef real_t of_target, of_mean
        for i in range(n):
            row = 0
            for k in range(i * m, i * m + m):
                of_target = y[k] * real_exp(low * Z[k])
                of_mean = real_exp(high * Z[k])
                dZ[k] = of_mean - of_target
                row += pow(y[k], high) / (low * high) - of_target / low + of_mean / high
            value += row_weight(weight, i) * row
        return value


# --------------------------------------------------------------------------------------------
# Of classes and labels


cdef class LogisticLoss(Loss):
    """Log-loss of independent yes/no outputs: log(1 + exp(z)) - y z, gradient p - y, p = logistic(z)."""

    def __init__(self, Py_ssize_t n_outputs):
        self.link = "logistic"

    cdef double value_and_gradient(
        self, Py_ssize_t n, const real_t* Z, const real_t* y, const real_t* weight, real_t* dZ
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef double value
        for i in range(n * self.n_outputs):  # dZ holds the values first: these loops vectorise
            dZ[i] = real_softplus(Z[i]) - y[i] * Z[i]
        value = weighted_sum(n, self.n_outputs, dZ, weight)
        for i in range(n * self.n_outputs):
            dZ[i] = real_logistic(Z[i]) - y[i]
        return value


cdef class SoftmaxLoss(Loss):
    """Log-loss over classes: log sum_k exp(z_k) - sum_k t_k z_k, gradient softmax(z) - t.

    y holds the class index, one column; the targets t are 1 for this class and 0 for the others,
    with `smoothing` s 1 - s + s / n_outputs and s / n_outputs (Szegedy et al., CVPR 2016,
    section 7).
    """

    cdef readonly double smoothing

    def __init__(self, Py_ssize_t n_outputs, double smoothing=0.0):
        self.link = "softmax"
        self.n_targets = 1
        self.smoothing = smoothing

    cdef double value_and_gradient(
        self, Py_ssize_t n, const real_t* Z, const real_t* y, const real_t* weight, real_t* dZ
    ) noexcept nogil:
        """All rows at once: a vector has room for the exponentials of more than one."""
        cdef Py_ssize_t i, k, m = self.n_outputs
        cdef double value = 0, row, rest = 1 - self.smoothing
        cdef real_t highest, total, share = self.smoothing / m, kept = rest
        cdef const real_t* z
        cdef real_t* p
        for i in range(n):
            z = Z + i * m
            p = dZ + i * m
            highest = z[0]
            for k in range(1, m):
                highest = real_max(highest, z[k])
            for k in range(m):
                p[k] = z[k] - highest
            row = highest - kept * z[<Py_ssize_t> y[i]]
            if share > 0:
                for k in range(m):
                    row -= share * z[k]
            value += row_weight(weight, i) * row
        for i in range(n * m):
            dZ[i] = real_exp(dZ[i])
        for i in range(n):
            p = dZ + i * m
            total = 0
            for k in range(m):
                total += p[k]
            value += row_weight(weight, i) * log(total)
            total = 1 / total
            for k in range(m):
                p[k] = p[k] * total - share
            p[<Py_ssize_t> y[i]] -= kept
        return value


cdef class LogisticSquaredError(Loss):
    """Squared differences of logistic outputs: sum_k (a_k - y_k)^2 with a = logistic(z).

    The cost of the textbooks' first network; its gradient is 2 (a - y) a (1 - a).
    """

    def __init__(self, Py_ssize_t n_outputs):
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


cdef class LogisticFocal(Loss):
    """-(1 - p)^gamma log p with p the probability of what is true, yes or no: easy rows count less.

    Lin et al., "Focal loss for dense object detection", ICCV 2017. With u = z for yes and -z for
    no, the gradient with respect to u is -(1 - p)^gamma (1 - p - gamma p log p).
    """

    cdef readonly double gamma

    def __init__(self, Py_ssize_t n_outputs, double gamma=2.0):
        self.link = "logistic"
        self.gamma = gamma

    cdef double value_and_gradient(
        self, Py_ssize_t n, const real_t* Z, const real_t* y, const real_t* weight, real_t* dZ
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef real_t gamma = self.gamma, sign, u, surprise, doubt
        cdef double value
        for i in range(n * self.n_outputs):
            u = (2 * y[i] - 1) * Z[i]
            dZ[i] = real_exp(-gamma * real_softplus(u)) * real_softplus(-u)
        value = weighted_sum(n, self.n_outputs, dZ, weight)
        for i in range(n * self.n_outputs):
            sign = 2 * y[i] - 1
            u = sign * Z[i]
            doubt = real_exp(-gamma * real_softplus(u))  # (1 - p)^gamma
            surprise = real_softplus(-u)                 # -log p
            dZ[i] = -sign * doubt * (real_logistic(-u) + gamma * real_logistic(u) * surprise)
        return value


cdef class SoftmaxFocal(Loss):
    """-(1 - p)^gamma log p with p the softmax probability of the true class (see LogisticFocal).

    y holds the class index, one column. The gradient is (softmax(z) - onehot(y)) times
    (1 - p)^(gamma - 1) (1 - p - gamma p log p).
    """

    cdef readonly double gamma

    def __init__(self, Py_ssize_t n_outputs, double gamma=2.0):
        self.link = "softmax"
        self.n_targets = 1
        self.gamma = gamma

    cdef double value_and_gradient(
        self, Py_ssize_t n, const real_t* Z, const real_t* y, const real_t* weight, real_t* dZ
    ) noexcept nogil:
        cdef Py_ssize_t i, j, k, m = self.n_outputs
        cdef double value = 0, surprise, rest, factor
        cdef real_t highest, total
        cdef const real_t* z
        cdef real_t* p
        for i in range(n):
            z = Z + i * m
            p = dZ + i * m
            total = softmax(m, z, p, &highest)
            k = <Py_ssize_t> y[i]
            surprise = log(total) + highest - z[k]
            rest = 0
            for j in range(m):
                if j != k:
                    rest += p[j]
            value += row_weight(weight, i) * pow(rest, self.gamma) * surprise
            # Of (1 - p)^(gamma - 1) log p the limit is 0: keep away from dividing by 0.
            factor = pow(rest, self.gamma)
            if rest > 0:
                factor += self.gamma * p[k] * surprise * pow(rest, self.gamma - 1)
            p[k] = -rest
            for j in range(m):
                p[j] *= factor
        return value


cdef class Hinge(Loss):
    """max(0, 1 - u) with u = z for yes and u = -z for no (Cortes and Vapnik, 1995)."""

    def __init__(self, Py_ssize_t n_outputs):
        pass

    cdef double value_and_gradient(
        self, Py_ssize_t n, const real_t* Z, const real_t* y, const real_t* weight, real_t* dZ
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef real_t sign
        cdef double value
        for i in range(n * self.n_outputs):
            dZ[i] = 1 - (2 * y[i] - 1) * Z[i]
            dZ[i] = 0 if dZ[i] < 0 else dZ[i]
        value = weighted_sum(n, self.n_outputs, dZ, weight)
        for i in range(n * self.n_outputs):
            sign = 2 * y[i] - 1
            dZ[i] = -sign if dZ[i] > 0 else dZ[i]
        return value


cdef class MulticlassHinge(Loss):
    """max(0, 1 + the highest other output - the output of the true class).

    Crammer and Singer, JMLR 2, 2001. y holds the class index, one column.
    """

    def __init__(self, Py_ssize_t n_outputs):
        if n_outputs < 2:
            raise ValueError(f"n_outputs must be at least 2, got {n_outputs}")
        self.n_targets = 1

    cdef double value_and_gradient(
        self, Py_ssize_t n, const real_t* Z, const real_t* y, const real_t* weight, real_t* dZ
    ) noexcept nogil:
        cdef Py_ssize_t i, j, k, other, m = self.n_outputs
        cdef const real_t* z
        cdef real_t margin
        cdef double value = 0
        memset(dZ, 0, n * m * sizeof(real_t))
        for i in range(n):
            z = Z + i * m
            k = <Py_ssize_t> y[i]
            other = -1
            for j in range(m):
                if j != k and (other < 0 or not z[j] <= z[other]):
                    other = j
                    if z[j] != z[j]:  # NaN: it must show itself
                        break
            margin = 1 + z[other] - z[k]
            if not margin <= 0:
                value += row_weight(weight, i) * margin
                dZ[i * m + other] = 1 if margin > 0 else margin
                dZ[i * m + k] = -dZ[i * m + other]
        return value


LOSSES = {
    "squared_error": SquaredError,
    "absolute_error": AbsoluteError,
    "huber": Huber,
    "quantile": Quantile,
    "poisson": Poisson,
    "gamma": Gamma,
    "tweedie": Tweedie,
    "logistic_log_loss": LogisticLoss,
    "softmax_log_loss": SoftmaxLoss,
    "logistic_squared_error": LogisticSquaredError,
    "logistic_focal": LogisticFocal,
    "softmax_focal": SoftmaxFocal,
    "hinge": Hinge,
    "multiclass_hinge": MulticlassHinge,
}
