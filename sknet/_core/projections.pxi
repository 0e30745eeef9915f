# What weights are made to obey after each update.

cdef enum:
    PIECE_WEIGHTS = 2048  # of groups of features: so many are worth asking for a piece
    MOST_PASSES = 100     # in search of a level: it needs a handful


cdef class Projection:
    """Puts weights back where they may be. Pieces of the work have no weight in common.

    Attributes
    ----------
    n_pieces : of the work, by shapes alone
    """

    cdef readonly Py_ssize_t n_pieces

    cdef void apply(
        self, Py_ssize_t piece, double learning_rate, real_t* params
    ) noexcept nogil:
        """One piece, after an update at this learning rate."""


cdef class MaxNorm(Projection):
    """The weights into a hidden unit are scaled down to a norm of max_norm, if it is above.

    Parameters
    ----------
    network : Network
    max_norm : above 0
    frozen : steps of the network whose parameters stay as they are
    """

    cdef Network network
    cdef double max_norm
    cdef const Py_ssize_t[:, ::1] strips  # (n_pieces, 3) columns begin..end of the weights of a step

    def __init__(self, Network network not None, double max_norm, frozen=()):
        if not max_norm > 0:
            raise ValueError(f"max_norm must be above 0, got {max_norm}")
        self.network, self.max_norm = network, max_norm
        strips = [
            (i, begin, min(begin + STRIP, layer.n_out))
            for i, layer in enumerate(network.layers)
            if isinstance(layer, Dense) and i < network.n_steps - 1 and i not in frozen
            for begin in range(0, layer.n_out, STRIP)
        ]
        self.strips = np.array(strips, np.intp).reshape(-1, 3)
        self.n_pieces = len(strips)

    cdef void apply(
        self, Py_ssize_t piece, double learning_rate, real_t* params
    ) noexcept nogil:
        cdef const Py_ssize_t* strip = &self.strips[piece, 0]
        cdef Step* step = self.network.steps + strip[0]
        cdef Py_ssize_t m = (<Layer> step.layer).n_out, n = strip[2] - strip[1], i, j
        cdef real_t* W = params + step.params + strip[1]
        cdef double[STRIP] sums
        cdef real_t[STRIP] factor
        memset(sums, 0, sizeof(sums))
        for i in range((<Layer> step.layer).n_in):
            for j in range(n):
                sums[j] += <double> W[i * m + j] * W[i * m + j]
        for j in range(n):
            sums[j] = sqrt(sums[j])
            factor[j] = self.max_norm / sums[j] if sums[j] > self.max_norm else 1
        for i in range((<Layer> step.layer).n_in):
            for j in range(n):
                W[i * m + j] *= factor[j]


cdef class Hierarchy(Projection):
    """LassoNet: a feature may use its hidden units as far as its own weights to the outputs allow.

    For each group of features, v being the weights of their linear skip to the outputs and u those
    into the first hidden layer: |u|_inf <= ratio * |v|_2, and a step of size strength *
    learning_rate down the penalty |v|_2. That is the hierarchical proximal operator of Lemhadri,
    Ruan, Abraham and Tibshirani, "LassoNet: a neural network with feature sparsity", JMLR 22
    (2021), algorithm 2. It needs no sorting: the level w at which u is cut off is the root of

        F(w) = w - ratio^2 sum_i (|u_i| - w)_+ - ratio (|v| - strength * learning_rate),

    which grows and is concave and piecewise linear. Newton's method, from the level of the update
    before, comes to it in a few steps: at first to below it, and then from there. Where F(0) is not
    negative, the features leave.

    Parameters
    ----------
    network : Network
    skip : its step from X to the outputs
    hidden : its step from X to the first hidden layer, or -1: there is none
    features : (n_features,) intp array: the features of the first group, of the second, ...
    ends : (n_groups,) intp array: where each group ends among them
    ratio : above 0

    Attributes
    ----------
    strength : of the penalty, at least 0
    norms : (n_groups,) float64 array, to be added to: |v| after each update
    presence : (n_groups,) float64 array, to be added to: 1 for each update after which |v| > 0
    """

    cdef public double strength
    cdef readonly object norms, presence
    cdef double[::1] norms_of, presence_of  # the same arrays
    cdef double[::1] levels                 # (n_groups) of the last update
    cdef Network network
    cdef Py_ssize_t skip, hidden
    cdef double ratio
    cdef const Py_ssize_t[::1] features
    cdef const Py_ssize_t[::1] begins  # (n_groups + 1) where groups begin among the features
    cdef const Py_ssize_t[::1] pieces  # (n_pieces + 1) where pieces begin among the groups

    def __init__(
        self, Network network not None, Py_ssize_t skip, Py_ssize_t hidden,
        const Py_ssize_t[::1] features not None, const Py_ssize_t[::1] ends not None, double ratio,
    ):
        steps = [skip] if hidden < 0 else [skip, hidden]
        for step in steps:
            layer = network.layers[step]
            if not (isinstance(layer, Dense) and layer.n_in == features.shape[0]):
                raise ValueError(f"step {step} must be dense, of {features.shape[0]} columns")
        if not np.array_equal(np.sort(features), np.arange(features.shape[0])):
            raise ValueError("each feature must be in one group")
        sizes = np.diff(ends, prepend=0)
        if not (sizes > 0).all() or sizes.sum() != features.shape[0]:
            raise ValueError(f"groups must have features and end at {features.shape[0]}")
        if not ratio > 0:
            raise ValueError(f"ratio must be above 0, got {ratio}")
        self.network, self.skip, self.hidden, self.ratio = network, skip, hidden, ratio
        self.norms, self.presence = np.zeros(len(sizes)), np.zeros(len(sizes))
        self.norms_of, self.presence_of = self.norms, self.presence
        self.levels = np.zeros(len(sizes))
        self.features, self.begins = features, np.concatenate([[0], ends]).astype(np.intp)
        width = sum((<Layer> network.layers[step]).n_out for step in steps)
        numbers = (ends - sizes) * width // PIECE_WEIGHTS
        firsts = np.flatnonzero(np.diff(numbers, prepend=-1))
        self.pieces = np.append(firsts, len(sizes)).astype(np.intp)
        self.n_pieces = len(firsts)

    cdef void apply(
        self, Py_ssize_t piece, double learning_rate, real_t* params
    ) noexcept nogil:
        cdef Py_ssize_t group
        for group in range(self.pieces[piece], self.pieces[piece + 1]):
            self.shrink(group, self.strength * learning_rate, params)

    cdef void shrink(self, Py_ssize_t group, double by, real_t* params) noexcept nogil:
        cdef Py_ssize_t first = self.begins[group], last = self.begins[group + 1], i, j
        cdef Py_ssize_t n_out = (<Layer> self.network.steps[self.skip].layer).n_out, n_hidden = 0
        cdef real_t* V = params + self.network.steps[self.skip].params
        cdef real_t* U = NULL
        cdef real_t* row
        cdef double squares = 0, norm, level
        cdef real_t factor, most
        if self.hidden >= 0:
            n_hidden = (<Layer> self.network.steps[self.hidden].layer).n_out
            U = params + self.network.steps[self.hidden].params
        for i in range(first, last):
            squares += sum_of_squares(n_out, V + self.features[i] * n_out)
        norm = sqrt(squares)
        level = 0
        if norm > 0:
            level = self.level(
                first, last, n_hidden, U, self.ratio * (norm - by), self.levels[group]
            )
        factor = level / (self.ratio * norm) if norm > 0 else 0
        most = level
        self.levels[group] = level
        self.norms_of[group] += level / self.ratio
        self.presence_of[group] += level > 0
        for i in range(first, last):
            row = V + self.features[i] * n_out
            for j in range(n_out):
                row[j] *= factor
            row = U + self.features[i] * n_hidden
            for j in range(n_hidden):
                row[j] = max(-most, min(row[j], most))

    cdef double level(
        self, Py_ssize_t first, Py_ssize_t last, Py_ssize_t n_hidden, const real_t* U,
        double target, double w,
    ) noexcept nogil:
        """The root of F where it is positive, else 0; w is a first guess, at least 0."""
        cdef double square = self.ratio * self.ratio, least = max(0, target), excess
        cdef Py_ssize_t n_above, before = -1, i, k
        w = max(w, least)  # F(least) is not positive if least is
        for k in range(MOST_PASSES):
            excess, n_above = 0, 0
            for i in range(first, last):
                excess += excess_over(n_hidden, U + self.features[i] * n_hidden, w, &n_above)
            if n_above == before or (w == 0 and target + square * excess <= 0):
                break  # w is the root of the line it is on, or F(0) is not negative
            w = max(least, w + (target - w + square * excess) / (1 + square * n_above))
            before = n_above
        return w
