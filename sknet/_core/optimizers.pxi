# Update rules. A new one is a class here and a line in OPTIMIZERS. Penalties, decay, clipping and
# schedules are not theirs: they see a gradient and a learning rate.

from libc.math cimport pow, sqrt


ctypedef struct Rates:
    # What a rule makes of the learning rate for one update.
    double rate
    double second  # for rules that move by two things


cdef class Optimizer:
    """Changes n parameters W by their gradient dW; what it remembers of each is its moments.

    Moment i of the parameter W[j] is M[i * stride + j].
    """

    cdef readonly int n_moments

    cdef void begin(self, Py_ssize_t first, Py_ssize_t n):
        """Gets ready for the updates number first, ..., first + n - 1, counted from 1."""

    cdef Rates rates(self, double learning_rate, Py_ssize_t t) noexcept nogil:
        """Of update number t = 1, 2, ...; the same on every worker."""
        return Rates(learning_rate, 0)

    cdef void update(
        self, Py_ssize_t n, Rates rates,
        const real_t* dW,                         # IN  (n)
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
        self, Py_ssize_t n, Rates rates, const real_t* dW, real_t* W, real_t* M, Py_ssize_t stride
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef real_t momentum = self.momentum, rate = rates.rate
        if self.nesterov:
            for i in range(n):
                M[i] = momentum * M[i] - rate * dW[i]
                W[i] += momentum * M[i] - rate * dW[i]
        else:
            for i in range(n):
                M[i] = momentum * M[i] - rate * dW[i]
                W[i] += M[i]


cdef class RMSprop(Optimizer):
    """V = decay V + (1 - decay) dW^2; B = momentum B + dW / (sqrt(V) + epsilon); W -= rate B.

    Tieleman and Hinton, "Lecture 6.5", Coursera 2012; the momentum as in torch.optim.RMSprop.
    """

    cdef readonly double decay, momentum, epsilon

    def __cinit__(self, double decay=0.99, double momentum=0.0, double epsilon=1e-8):
        self.n_moments = 2
        self.decay = decay
        self.momentum = momentum
        self.epsilon = epsilon

    cdef void update(
        self, Py_ssize_t n, Rates rates, const real_t* dW, real_t* W, real_t* M, Py_ssize_t stride
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef real_t decay = self.decay, rest = 1 - self.decay, epsilon = self.epsilon
        cdef real_t momentum = self.momentum, rate = rates.rate
        cdef real_t* B = M + stride
        for i in range(n):
            M[i] = decay * M[i] + rest * (dW[i] * dW[i])
            B[i] = momentum * B[i] + dW[i] / (real_sqrt(M[i]) + epsilon)
            W[i] -= rate * B[i]


cdef class Adagrad(Optimizer):
    """V += dW^2; W -= rate dW / (sqrt(V) + epsilon).

    Duchi, Hazan and Singer, JMLR 12, 2011, with the diagonal matrix of their section 1.1.
    """

    cdef readonly double epsilon

    def __cinit__(self, double epsilon=1e-10):
        self.n_moments = 1
        self.epsilon = epsilon

    cdef void update(
        self, Py_ssize_t n, Rates rates, const real_t* dW, real_t* W, real_t* M, Py_ssize_t stride
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef real_t epsilon = self.epsilon, rate = rates.rate
        for i in range(n):
            M[i] += dW[i] * dW[i]
            W[i] -= rate * dW[i] / (real_sqrt(M[i]) + epsilon)


cdef class Adam(Optimizer):
    """M = beta_1 M + (1 - beta_1) dW; V = beta_2 V + (1 - beta_2) dW^2; W -= M / (sqrt(V) + epsilon)
    times rate sqrt(1 - beta_2^t) / (1 - beta_1^t).

    Kingma and Ba (2015), algorithm 1 in the form of their section 2: the bias corrections go into
    the step size.
    """

    cdef readonly double beta_1, beta_2, epsilon

    def __cinit__(self, double beta_1=0.9, double beta_2=0.999, double epsilon=1e-8):
        self.n_moments = 2
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    cdef Rates rates(self, double learning_rate, Py_ssize_t t) noexcept nogil:
        return Rates(learning_rate * sqrt(1 - pow(self.beta_2, t)) / (1 - pow(self.beta_1, t)), 0)

    cdef void update(
        self, Py_ssize_t n, Rates rates, const real_t* dW, real_t* W, real_t* M, Py_ssize_t stride
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef real_t beta_1 = self.beta_1, beta_2 = self.beta_2, epsilon = self.epsilon
        cdef real_t rest_1 = 1 - self.beta_1, rest_2 = 1 - self.beta_2, rate = rates.rate
        cdef real_t* V = M + stride
        for i in range(n):
            M[i] = beta_1 * M[i] + rest_1 * dW[i]
            V[i] = beta_2 * V[i] + rest_2 * (dW[i] * dW[i])
            W[i] -= rate * M[i] / (real_sqrt(V[i]) + epsilon)


cdef class NAdam(Optimizer):
    """Adam that moves by the gradient and by the moment of the next update, as Nesterov's momentum.

    Dozat, ICLR workshop 2016, algorithm 2, with its section 4's mu_t = beta_1 (1 - 0.96^(t d) / 2),
    d = momentum_decay.
    """

    cdef readonly double beta_1, beta_2, epsilon, momentum_decay
    cdef Py_ssize_t first
    cdef double[::1] products  # of mu_1 ... mu_t, for t = first, ...

    def __cinit__(
        self, double beta_1=0.9, double beta_2=0.999, double epsilon=1e-8,
        double momentum_decay=0.004,
    ):
        self.n_moments = 2
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.momentum_decay = momentum_decay

    cdef void begin(self, Py_ssize_t first, Py_ssize_t n):
        cdef Py_ssize_t t, known = 0
        cdef double product = 1
        if self.products is not None and first == self.first + self.products.shape[0]:
            known = self.products.shape[0]
            product = self.products[known - 1]
            known += self.first - 1
        for t in range(known + 1, first):
            product *= self.momentum(t)
        self.first = first
        self.products = np.empty(n)
        for t in range(n):
            product *= self.momentum(first + t)
            self.products[t] = product

    cdef inline double momentum(self, Py_ssize_t t) noexcept nogil:
        return self.beta_1 * (1 - 0.5 * pow(0.96, t * self.momentum_decay))

    cdef Rates rates(self, double learning_rate, Py_ssize_t t) noexcept nogil:
        cdef double product = self.products[t - self.first], following = self.momentum(t + 1)
        cdef double scale = learning_rate * sqrt(1 - pow(self.beta_2, t))
        return Rates(
            scale * (1 - self.momentum(t)) / (1 - product),
            scale * following / (1 - product * following),
        )

    cdef void update(
        self, Py_ssize_t n, Rates rates, const real_t* dW, real_t* W, real_t* M, Py_ssize_t stride
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef real_t beta_1 = self.beta_1, beta_2 = self.beta_2, epsilon = self.epsilon
        cdef real_t rest_1 = 1 - self.beta_1, rest_2 = 1 - self.beta_2
        cdef real_t of_gradient = rates.rate, of_moment = rates.second
        cdef real_t* V = M + stride
        for i in range(n):
            M[i] = beta_1 * M[i] + rest_1 * dW[i]
            V[i] = beta_2 * V[i] + rest_2 * (dW[i] * dW[i])
            W[i] -= (of_gradient * dW[i] + of_moment * M[i]) / (real_sqrt(V[i]) + epsilon)


cdef class RAdam(Optimizer):
    """Adam whose step is not divided by sqrt(V) before that is known well, and rectified afterwards.

    Liu et al., ICLR 2020, algorithm 2: divided where rho_t > 5, as in torch.optim.RAdam.
    """

    cdef readonly double beta_1, beta_2, epsilon

    def __cinit__(self, double beta_1=0.9, double beta_2=0.999, double epsilon=1e-8):
        self.n_moments = 2
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    cdef Rates rates(self, double learning_rate, Py_ssize_t t) noexcept nogil:
        """The first is of the divided moment, the second of the plain one; one of them is zero."""
        cdef double step = learning_rate / (1 - pow(self.beta_1, t))
        cdef double power = pow(self.beta_2, t), most = 2 / (1 - self.beta_2) - 1
        cdef double rho = most - 2 * t * power / (1 - power)
        if rho <= 5:
            return Rates(0, step)
        return Rates(
            step * sqrt(
                (1 - power) * (rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)
            ),
            0,
        )

    cdef void update(
        self, Py_ssize_t n, Rates rates, const real_t* dW, real_t* W, real_t* M, Py_ssize_t stride
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef real_t beta_1 = self.beta_1, beta_2 = self.beta_2, epsilon = self.epsilon
        cdef real_t rest_1 = 1 - self.beta_1, rest_2 = 1 - self.beta_2
        cdef real_t divided = rates.rate, plain = rates.second
        cdef real_t* V = M + stride
        for i in range(n):
            M[i] = beta_1 * M[i] + rest_1 * dW[i]
            V[i] = beta_2 * V[i] + rest_2 * (dW[i] * dW[i])
            W[i] -= M[i] * (divided / (real_sqrt(V[i]) + epsilon) + plain)


cdef class Lion(Optimizer):
    """W -= rate sign(beta_1 M + (1 - beta_1) dW); M = beta_2 M + (1 - beta_2) dW.

    Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023, algorithm 2.
    """

    cdef readonly double beta_1, beta_2

    def __cinit__(self, double beta_1=0.9, double beta_2=0.99):
        self.n_moments = 1
        self.beta_1 = beta_1
        self.beta_2 = beta_2

    cdef void update(
        self, Py_ssize_t n, Rates rates, const real_t* dW, real_t* W, real_t* M, Py_ssize_t stride
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef real_t beta_1 = self.beta_1, rest_1 = 1 - self.beta_1
        cdef real_t beta_2 = self.beta_2, rest_2 = 1 - self.beta_2, rate = rates.rate
        for i in range(n):
            W[i] -= rate * real_sign(beta_1 * M[i] + rest_1 * dW[i])
            M[i] = beta_2 * M[i] + rest_2 * dW[i]


cdef class GradientSum(Optimizer):
    """Changes nothing: its moment is the sum of the gradients. For L-BFGS, and for tests."""

    def __cinit__(self):
        self.n_moments = 1

    cdef void update(
        self, Py_ssize_t n, Rates rates, const real_t* dW, real_t* W, real_t* M, Py_ssize_t stride
    ) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(n):
            M[i] += dW[i]


OPTIMIZERS = {
    "sgd": SGD,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
    "adam": Adam,
    "nadam": NAdam,
    "radam": RAdam,
    "lion": Lion,
}
