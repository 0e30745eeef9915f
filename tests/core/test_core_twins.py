"""Slow NumPy twins of activations, losses, optimizers, layers and the epoch."""

import numpy as np
import pytest
from driver import as_real, make_targets, predict, train
from scipy.special import expit, log_softmax, softmax

from sknet import _core

REGISTRY = _core.load(np.float64)


def close(core, actual, expected, scale=1.0):
    """Equal up to a few roundings of the core's dtype."""
    tolerance = scale * (1e-13 if np.float64 == core.DTYPE else 3e-6)
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


# --------------------------------------------------------------------------------------------
# Activations

ACTIVATIONS = {
    "identity": lambda x: x,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
}


@pytest.mark.parametrize("name", REGISTRY.ACTIVATIONS)
def test_activation(core, name):
    x = as_real(core, np.r_[0, np.random.default_rng(0).normal(scale=4, size=200), -800, 800])
    network = core.Network([core.Dense(1, 1, name)])
    y = predict(core, network, x[:, None], [1, 0])[:, 0]
    close(core, y, ACTIVATIONS[name](x.astype(float)))


@pytest.mark.parametrize("name", REGISTRY.ACTIVATIONS)
def test_activation_keeps_nan(core, name):
    network = core.Network([core.Dense(1, 1, name)])
    y = predict(core, network, np.array([[1.0], [np.nan], [2.0]]), [1, 0])[:, 0]
    assert np.isnan(y).tolist() == [False, True, False]


# --------------------------------------------------------------------------------------------
# Losses


def poisson(Z, y):
    mu = np.exp(Z)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(y > 0, y * np.log(y / mu), 0) - y + mu, mu - y


def logistic_squared_error(Z, y):
    a = expit(Z)
    return (a - y) ** 2, 2 * (a - y) * a * (1 - a)


def softmax_log_loss(Z, y):
    onehot = np.arange(Z.shape[1]) == y
    return -log_softmax(Z, axis=1) * onehot, softmax(Z, axis=1) - onehot


# Value and gradient per element, before weights.
LOSSES = {
    "squared_error": lambda Z, y: (0.5 * (Z - y) ** 2, Z - y),
    "poisson": poisson,
    "logistic_log_loss": lambda Z, y: (np.logaddexp(0, Z) - y * Z, expit(Z) - y),
    "softmax_log_loss": softmax_log_loss,
    "logistic_squared_error": logistic_squared_error,
}
LINKS = {
    "identity": lambda Z: Z,
    "exp": np.exp,
    "logistic": expit,
    "logistic_pair": lambda z: np.hstack([expit(-z), expit(z)]),
    "softmax": lambda Z: softmax(Z, axis=1),
}


def loss_of(core, name, Z, y, weight=None):
    """Value (n = sum of weights: a plain sum) and gradient of a loss at raw outputs Z."""
    nothing = core.Network([core.Dropout(Z.shape[1], 0.0)], input_gradient=True)
    dZ = np.full(Z.shape, np.nan, core.DTYPE)
    loss = core.LOSSES[name](Z.shape[1])
    run = train(
        core, nothing, loss, Z, y, weight, params=[], total_weight=1, input_gradient=dZ,
        batch_size=5,
    )  # fmt: skip
    return run.results[0][0], dZ


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_out", [1, 2, 9])
@pytest.mark.parametrize("name", REGISTRY.LOSSES)
def test_loss(core, name, n_out, weighted):
    rng = np.random.default_rng(n_out)
    Z = as_real(core, rng.normal(scale=2, size=(23, n_out))).astype(float)
    y = make_targets(rng, name, 23, n_out)
    w = as_real(core, rng.uniform(0, 2, 23)).astype(float) if weighted else None
    value, dZ = loss_of(core, name, Z, y, w)
    values, gradient = LOSSES[name](Z, y)
    expected = np.sum(values.sum(axis=1) * (1 if w is None else w))
    if name == "squared_error":  # reported as a mean over outputs, as scikit-learn does
        expected /= n_out
    close(core, value / 23, expected / 23)
    # Per unit of weight; float32 loses in exp(z) what z is large by.
    close(core, dZ, gradient, scale=1 if name != "poisson" else 100)


@pytest.mark.parametrize("name", REGISTRY.LINKS)
def test_link(core, name):
    n_out = 1 if name == "logistic_pair" else 4
    Z = as_real(core, np.random.default_rng(0).normal(scale=3, size=(200, n_out)))
    out = predict(core, core.Network([core.Dropout(n_out, 0.5)]), Z, [], link=name)
    np.testing.assert_allclose(
        out, LINKS[name](Z.astype(float)), rtol=1e-6 if np.float32 == core.DTYPE else 1e-13
    )


@pytest.mark.parametrize("name", REGISTRY.LOSSES)
def test_predictions_through_the_link_of_a_loss_are_what_it_compares_with_y(core, name):
    link = core.LOSSES[name](2).link
    Z = as_real(core, np.random.default_rng(0).normal(size=(5, 2)))
    predictions = predict(core, core.Network([core.Dropout(2, 0.5)]), Z, [], link=link)
    if name == "softmax_log_loss":
        gradient = loss_of(core, name, Z, np.zeros((5, 1)))[1] - predictions
        close(core, gradient, np.tile([-1.0, 0.0], (5, 1)))
    else:
        close(core, loss_of(core, name, Z, predictions)[1], np.zeros((5, 2)))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "name", ["logistic_log_loss", "softmax_log_loss", "logistic_squared_error"]
)
def test_loss_is_finite_at_extreme_logits(core, name, weighted):
    Z = np.array([[800.0, -800.0], [-800.0, 800.0], [800.0, 800.0], [-800.0, -800.0]])
    w = np.ones(4) if weighted else None
    for target in (0.0, 1.0):
        y = np.full((4, 1 if name == "softmax_log_loss" else 2), target)
        value, dZ = loss_of(core, name, Z, y, w)
        values, gradient = LOSSES[name](Z, y)
        assert np.isfinite(value)
        close(core, value, values.sum())
        close(core, dZ, gradient)


@pytest.mark.parametrize("name", REGISTRY.LOSSES)
def test_loss_of_nan_is_nan(core, name):
    """A diverged network must show itself, wherever the NaN stands."""
    for place in range(3):
        Z = np.zeros((4, 3))
        Z[2, place] = np.nan
        y = np.zeros((4, 1 if name == "softmax_log_loss" else 3))
        value, dZ = loss_of(core, name, Z, y)
        assert np.isnan(value)
        assert np.isnan(dZ[2, place])
        assert np.isfinite(dZ[[0, 1, 3]]).all()


def test_probabilities_stay_strictly_positive(core):
    Z = np.array([[-800.0, 800.0], [-90.0, 0.0]])
    nothing = core.Network([core.Dropout(2, 0.0)])
    assert (predict(core, nothing, Z, [], link="logistic") > 0).all()
    assert (predict(core, nothing, Z, [], link="softmax") > 0).all()


# --------------------------------------------------------------------------------------------
# Optimizers and the epoch, on a linear model whose gradient is three lines


class Linear:
    """Squared error of X W + b and its gradient, mini-batch by mini-batch."""

    def __init__(self, core, weighted, seed=0):
        rng = np.random.default_rng(seed)
        self.core = core
        self.network = core.Network([core.Dense(3, 2)])
        self.loss = core.LOSSES["squared_error"](2)
        self.X, self.y = rng.normal(size=(50, 3)), rng.normal(size=(50, 2))
        self.weight = rng.uniform(0.5, 3, 50) if weighted else None
        self.params = rng.normal(size=8)

    def train(self, **options):
        return train(
            self.core, self.network, self.loss, self.X, self.y, self.weight, params=self.params,
            batch_size=20, **options,
        )  # fmt: skip

    def batches(self, order=None):
        order = np.arange(50) if order is None else order
        return [order[:20], order[20:40], order[40:]]

    def divisor(self, rows, mean_weight=0, total_weight=0):
        if total_weight:
            return total_weight
        if mean_weight:
            return len(rows) * mean_weight
        return len(rows) if self.weight is None else self.weight[rows].sum()

    def gradient(self, params, rows, alpha=0.0, **weights):
        W, b = params[:6].reshape(3, 2), params[6:]
        w = np.ones(len(rows)) if self.weight is None else self.weight[rows]
        dZ = (self.X[rows] @ W + b - self.y[rows]) * w[:, None]
        dW = self.X[rows].T @ dZ + alpha * W  # no penalty on the intercepts
        return np.r_[dW.ravel(), dZ.sum(axis=0)] / self.divisor(rows, **weights)

    def losses(self, params, rows, alpha, **weights):
        """What one mini-batch adds to the loss and to the penalty that are reported."""
        W, b = params[:6].reshape(3, 2), params[6:]
        w = np.ones(len(rows)) if self.weight is None else self.weight[rows]
        value = np.sum(w[:, None] * 0.5 * (self.X[rows] @ W + b - self.y[rows]) ** 2) / 2
        n = 1 if weights.get("total_weight") else len(rows)
        factor = n / self.divisor(rows, **weights)
        return np.array([value * factor, 0.5 * alpha * np.sum(W**2) * factor])


def sgd(momentum, nesterov):
    def update(W, moments, g, rate, t):
        V = moments[0] = momentum * moments[0] - rate * g
        return W + (momentum * V - rate * g if nesterov else V)

    return 1, update


def adam(beta_1, beta_2, epsilon):
    def update(W, moments, g, rate, t):
        M = moments[0] = beta_1 * moments[0] + (1 - beta_1) * g
        V = moments[1] = beta_2 * moments[1] + (1 - beta_2) * g**2
        rate = rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        return W - rate * M / (np.sqrt(V) + epsilon)

    return 2, update


OPTIMIZERS = {
    "plain": ("sgd", (0.0, False), sgd(0, False)),
    "momentum": ("sgd", (0.8, False), sgd(0.8, False)),
    "nesterov": ("sgd", (0.8, True), sgd(0.8, True)),
    "default sgd": ("sgd", (), sgd(0.9, True)),
    "adam": ("adam", (0.7, 0.95, 1e-3), adam(0.7, 0.95, 1e-3)),
    "default adam": ("adam", (), adam(0.9, 0.999, 1e-8)),
}


def test_every_optimizer_has_a_twin():
    assert {name for name, _, _ in OPTIMIZERS.values()} == set(REGISTRY.OPTIMIZERS)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("which", OPTIMIZERS)
def test_optimizer(core, which, weighted):
    """Four epochs of three updates, each with a learning rate of its own."""
    name, arguments, (n_moments, update) = OPTIMIZERS[which]
    linear = Linear(core, weighted)
    rates = np.random.default_rng(1).uniform(0.01, 0.1, 12)
    run = linear.train(optimizer=core.OPTIMIZERS[name](*arguments), epochs=4, rate=rates, alpha=0.5)
    W, moments, t = linear.params, np.zeros((n_moments, 8)), 0
    for _ in range(4):
        for rows in linear.batches():
            gradient = linear.gradient(W, rows, alpha=0.5)
            W = update(W, moments, gradient, rates[t], t + 1)
            t += 1
    close(core, run.params, W, scale=10)
    close(core, run.moments, moments, scale=10)


def test_updates_go_on_counting(core):
    """Adam's bias correction follows n_updates: one epoch of two is two of one."""
    linear = Linear(core, False)
    rates = np.array([0.1, 0.05, 0.02, 0.03, 0.1, 0.07])
    twice = linear.train(optimizer=core.OPTIMIZERS["adam"](), epochs=2, rate=rates)
    linear.X, linear.y = np.tile(linear.X[:40], (2, 1)), np.tile(linear.y[:40], (2, 1))
    once = linear.train(optimizer=core.OPTIMIZERS["adam"](), epochs=1, rate=rates[:4])
    linear.X, linear.y = linear.X[:40], linear.y[:40]
    split = linear.train(optimizer=core.OPTIMIZERS["adam"](), epochs=2, rate=rates[:4])
    assert once.params.tobytes() == split.params.tobytes()
    assert once.params.tobytes() != twice.params.tobytes()


WEIGHTS = {"own": {}, "mean": {"mean_weight": 1.7}, "total": {"total_weight": 31.0}}


@pytest.mark.parametrize("which", WEIGHTS)
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_epoch(core, weighted, alpha, shuffle, which):
    """Loss, penalty and gradient of an epoch under each way to divide by weights."""
    linear = Linear(core, weighted)
    run = linear.train(alpha=alpha, shuffle=shuffle, **WEIGHTS[which])
    order = core.epoch_order(50, 0) if shuffle else None
    batches = linear.batches(order)
    W = linear.params
    expected = sum(linear.losses(W, rows, alpha, **WEIGHTS[which]) for rows in batches)
    close(core, run.results[0], expected, scale=10)
    gradient = sum(linear.gradient(W, rows, alpha, **WEIGHTS[which]) for rows in batches)
    close(core, run.moments[0], gradient, scale=10)
    close(core, run.params, W)  # GradientSum moves nothing


def test_loss_is_taken_before_each_update(core):
    linear = Linear(core, True)
    run = linear.train(optimizer=core.OPTIMIZERS["sgd"](0.0, False), rate=0.1, alpha=0.2)
    W, expected = linear.params, 0
    for rows in linear.batches():
        expected += linear.losses(W, rows, 0.2)
        W = W - 0.1 * linear.gradient(W, rows, 0.2)
    close(core, run.results[0], expected, scale=10)


@pytest.mark.parametrize("kind", ["Dense", "PositionDense", "LayerNorm", "BatchNorm"])
def test_penalty_is_on_weights_alone(core, kind):
    """Intercepts, gamma and beta are not penalised; weights are."""
    layer = {
        "Dense": lambda: core.Dense(6, 70),
        "PositionDense": lambda: core.PositionDense(6, 35, 2),
        "LayerNorm": lambda: core.LayerNorm(6),
        "BatchNorm": lambda: core.BatchNorm(6),
    }[kind]()
    network = core.Network([layer])
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(10, 6)), rng.normal(size=(10, network.n_out))
    params = rng.normal(size=network.n_params)
    n_weights = {"Dense": 420, "PositionDense": 105}.get(kind, 0)
    assert layer.n_weights == n_weights
    loss = core.LOSSES["squared_error"](network.n_out)
    plain = train(core, network, loss, X, y, params=params)
    penalised = train(core, network, loss, X, y, params=params, alpha=3.0)
    expected = np.where(np.arange(network.n_params) < n_weights, 0.3 * params, 0)
    close(core, penalised.moments[0] - plain.moments[0], expected, scale=10)
    assert penalised.results[0][0] == plain.results[0][0]
    close(core, penalised.results[0][1], 1.5 * np.sum(params[:n_weights] ** 2), scale=1000)
    assert plain.results[0][1] == 0


# --------------------------------------------------------------------------------------------
# Layers


def train_output(core, layer, X, params, weight=None, key=0, batch_size=10**6):
    """Y of a layer in training, and its state afterwards.

    Behind the layer stands a dense one of zeros. With targets -I the gradient of its weights is
    Y.T, exactly.
    """
    n = len(X)
    network = core.Network([layer, core.Dense(layer.n_out, n)])
    params = np.r_[params, np.zeros(network.n_params - layer.n_params)]
    run = train(
        core, network, core.LOSSES["squared_error"](n), X, -np.eye(n), weight, params=params,
        total_weight=1, key=key, batch_size=batch_size,
    )  # fmt: skip
    Y = run.moments[0, network.param_slices()[1]][: layer.n_out * n].reshape(layer.n_out, n).T
    return (Y if weight is None else Y / weight[:, None]), run.state


def test_dense(core):
    rng = np.random.default_rng(0)
    X, W, b = rng.normal(size=(70, 5)), rng.normal(size=(5, 7)), rng.normal(size=7)
    layer, params, expected = core.Dense(5, 7, "tanh"), np.r_[W.ravel(), b], np.tanh(X @ W + b)
    close(core, train_output(core, layer, X, params)[0], expected)
    close(core, predict(core, core.Network([layer]), X, params), expected)


def test_position_dense(core):
    rng = np.random.default_rng(0)
    X, W, b = rng.normal(size=(70, 12)), rng.normal(size=(4, 5)), rng.normal(size=5)
    layer, params = core.PositionDense(12, 5, 3, "logistic"), np.r_[W.ravel(), b]
    expected = expit(X.reshape(70, 3, 4) @ W + b).reshape(70, 15)
    close(core, train_output(core, layer, X, params)[0], expected)
    close(core, predict(core, core.Network([layer]), X, params), expected)


def test_add(core):
    X = np.random.default_rng(0).normal(size=(20, 4))
    for network, factor in (
        (core.Network([core.Add(4)], [(0, 0)]), 2),
        (core.Network([core.Dropout(4, 0.1), core.Add(4), core.Add(4)], [(0,), (0, 1), (1, 2)]), 3),
    ):
        close(core, predict(core, network, X, []), factor * X)


def normalized(X, axis, epsilon, weight=None):
    mean = np.average(X, axis, weight, keepdims=True)
    variance = np.average((X - mean) ** 2, axis, weight, keepdims=True)
    return (X - mean) / np.sqrt(variance + epsilon), mean.ravel(), variance.ravel()


def test_layer_norm(core):
    rng = np.random.default_rng(0)
    X, gamma, beta = rng.normal(2, 3, size=(70, 6)), rng.normal(size=6), rng.normal(size=6)
    expected = normalized(X, 1, 0.1)[0] * gamma + beta
    layer, params = core.LayerNorm(6, 0.1), np.r_[gamma, beta]
    close(core, train_output(core, layer, X, params)[0], expected, scale=10)
    close(core, predict(core, core.Network([layer]), X, params), expected, scale=10)


@pytest.mark.parametrize("weighted", [False, True])
def test_batch_norm(core, weighted):
    """Statistics per block of rows; the running ones are weighted means over blocks."""
    rng = np.random.default_rng(0)
    X, gamma, beta = rng.normal(1, 3, size=(150, 4)), rng.normal(size=4), rng.normal(size=4)
    w = as_real(core, rng.uniform(0.5, 2, 150)).astype(float) if weighted else np.ones(150)
    w[0:3] = 1  # exact under the division in train_output
    layer, params = core.BatchNorm(4, 0.75, 0.1), np.r_[gamma, beta]

    # Mini-batches of 100 and 50 rows; 100 rows make two blocks, 50 one.
    mean, variance = np.zeros(4), np.ones(4)
    expected = []
    for batch in (((0, 50), (50, 100)), ((100, 150),)):
        stats = []
        for begin, end in batch:
            N, *moments = normalized(X[begin:end], 0, 0.1, w[begin:end])
            expected.append(N * gamma + beta)
            stats.append((w[begin:end].sum(), *moments))
        totals, means, variances = map(np.array, zip(*stats, strict=True))
        mean = 0.75 * mean + 0.25 * np.average(means, 0, totals)
        variance = 0.75 * variance + 0.25 * np.average(variances, 0, totals)

    Y, state = train_output(core, layer, X, params, w if weighted else None, batch_size=100)
    close(core, Y, np.concatenate(expected), scale=10)
    close(core, state, np.r_[mean, variance], scale=10)

    out = predict(core, core.Network([layer]), X, params, as_real(core, state))
    close(core, out, (X - mean) / np.sqrt(variance + 0.1) * gamma + beta, scale=30)


def test_batch_norm_before_training_is_the_identity(core):
    X = np.random.default_rng(0).normal(size=(10, 3))
    network = core.Network([core.BatchNorm(3, epsilon=0.0)])
    close(core, predict(core, network, X, [1, 1, 1, 0, 0, 0]), X)


def test_batch_norm_of_a_single_row_is_beta(core):
    Y, _ = train_output(core, core.BatchNorm(3), np.array([[5.0, -7.0, 0.0]]), [2, 2, 2, 1, 2, 3])
    assert Y.tolist() == [[1, 2, 3]]


def masks(core, rate=0.3, n=200, m=50, key=0, **options):
    return train_output(core, core.Dropout(m, rate), np.ones((n, m)), [], key=key, **options)[0]


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean(core, rate):
    mask = masks(core, rate)
    close(core, np.unique(mask), [0, 1 / (1 - rate)] if rate else [1])
    # Six standard deviations of the mean over all, over a row, over a column.
    for axis, count in ((None, 200 * 50), (1, 50), (0, 200)):
        dropped = np.mean(mask == 0, axis=axis)
        assert np.abs(dropped - rate).max() <= 6 * np.sqrt(rate * (1 - rate) / count)


def test_dropout_masks_do_not_repeat_themselves(core):
    """Neither rows nor columns nor neighbours are alike: correlations are those of chance."""
    kept = (masks(core, 0.5) > 0) * 2.0 - 1
    for product in (kept[1:] * kept[:-1], kept[:, 1:] * kept[:, :-1], kept[32:] * kept[:-32]):
        assert abs(product.mean()) < 6 / np.sqrt(product.size)
    assert len({row.tobytes() for row in kept}) == 200


def test_dropout_mask_is_a_function_of_its_place(core):
    mask = masks(core, key=5)
    assert masks(core, key=5).tobytes() == mask.tobytes()
    assert (masks(core, key=6) != mask).any()
    # Another mini-batch has another mask, another layer too; the dtype does not matter.
    halves = masks(core, n=200, key=5, batch_size=100)
    assert (halves[:100] == mask[:100]).all()
    assert (halves[100:] != mask[100:]).any()
    assert (halves[100:] != mask[:100]).any()
    network = core.Network([core.Dropout(50, 0.3), core.Dropout(50, 0.3), core.Dense(50, 200)])
    run = train(
        core, network, core.LOSSES["squared_error"](200), np.ones((200, 50)), -np.eye(200),
        params=np.zeros(network.n_params), total_weight=1, key=5,
    )  # fmt: skip
    both = run.moments[0, : 50 * 200].reshape(50, 200).T
    second = both[mask > 0] > 0
    assert 0.6 < second.mean() < 0.8
    reference = masks(REGISTRY, key=5)
    assert ((reference == 0) == (mask == 0)).all()


def test_dropout_does_nothing_in_prediction(core):
    X = as_real(core, np.random.default_rng(0).normal(size=(300, 4)))
    assert (predict(core, core.Network([core.Dropout(4, 0.9)]), X, []) == X).all()


def test_dropout_masks_change_from_epoch_to_epoch(core):
    network = core.Network([core.Dropout(1, 0.5), core.Dense(1, 1)])
    X, y = np.ones((64, 1)), -np.ones((64, 1))
    loss = core.LOSSES["squared_error"](1)
    run = train(core, network, loss, X, y, params=[1, 0], epochs=6)
    assert len({loss for loss, _ in run.results}) > 1
