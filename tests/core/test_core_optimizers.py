"""Optimizers and the epoch against slow NumPy twins, on a model whose gradient is three lines."""

import numpy as np
import pytest
from driver import close, make_data, make_trainer, train, work
from linear import Linear

from sknet import _core

REGISTRY = _core.load(np.float64)


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


def rmsprop(decay, momentum, epsilon):
    def update(W, moments, g, rate, t):
        V = moments[0] = decay * moments[0] + (1 - decay) * g**2
        B = moments[1] = momentum * moments[1] + g / (np.sqrt(V) + epsilon)
        return W - rate * B

    return 2, update


def adagrad(epsilon):
    def update(W, moments, g, rate, t):
        moments[0] += g**2
        return W - rate * g / (np.sqrt(moments[0]) + epsilon)

    return 1, update


def nadam(beta_1, beta_2, epsilon, decay):
    def mu(t):
        return beta_1 * (1 - 0.5 * 0.96 ** (t * decay))

    def update(W, moments, g, rate, t):
        M = moments[0] = beta_1 * moments[0] + (1 - beta_1) * g
        V = moments[1] = beta_2 * moments[1] + (1 - beta_2) * g**2
        product = np.prod([mu(i) for i in range(1, t + 1)])
        ahead = (1 - mu(t)) / (1 - product) * g + mu(t + 1) / (1 - product * mu(t + 1)) * M
        return W - rate * np.sqrt(1 - beta_2**t) * ahead / (np.sqrt(V) + epsilon)

    return 2, update


def radam(beta_1, beta_2, epsilon):
    def update(W, moments, g, rate, t):
        M = moments[0] = beta_1 * moments[0] + (1 - beta_1) * g
        V = moments[1] = beta_2 * moments[1] + (1 - beta_2) * g**2
        most = 2 / (1 - beta_2) - 1
        rho = most - 2 * t * beta_2**t / (1 - beta_2**t)
        M = M / (1 - beta_1**t)
        if rho <= 5:
            return W - rate * M
        rectifier = (rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)
        return W - rate * np.sqrt(rectifier * (1 - beta_2**t)) * M / (np.sqrt(V) + epsilon)

    return 2, update


def lion(beta_1, beta_2):
    def update(W, moments, g, rate, t):
        W = W - rate * np.sign(beta_1 * moments[0] + (1 - beta_1) * g)
        moments[0] = beta_2 * moments[0] + (1 - beta_2) * g
        return W

    return 1, update


OPTIMIZERS = {
    "plain": ("sgd", (0.0, False), sgd(0, False)),
    "momentum": ("sgd", (0.8, False), sgd(0.8, False)),
    "nesterov": ("sgd", (0.8, True), sgd(0.8, True)),
    "default sgd": ("sgd", (), sgd(0.9, True)),
    "rmsprop": ("rmsprop", (0.8, 0.7, 1e-3), rmsprop(0.8, 0.7, 1e-3)),
    "default rmsprop": ("rmsprop", (), rmsprop(0.99, 0, 1e-8)),
    "adagrad": ("adagrad", (1e-3,), adagrad(1e-3)),
    "default adagrad": ("adagrad", (), adagrad(1e-10)),
    "adam": ("adam", (0.7, 0.95, 1e-3), adam(0.7, 0.95, 1e-3)),
    "default adam": ("adam", (), adam(0.9, 0.999, 1e-8)),
    "nadam": ("nadam", (0.7, 0.95, 1e-3, 0.3), nadam(0.7, 0.95, 1e-3, 0.3)),
    "default nadam": ("nadam", (), nadam(0.9, 0.999, 1e-8, 0.004)),
    "radam": ("radam", (0.7, 0.95, 1e-3), radam(0.7, 0.95, 1e-3)),
    "default radam": ("radam", (), radam(0.9, 0.999, 1e-8)),
    "lion": ("lion", (0.7, 0.95), lion(0.7, 0.95)),
    "default lion": ("lion", (), lion(0.9, 0.99)),
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


@pytest.mark.parametrize("name", REGISTRY.OPTIMIZERS)
def test_optimizer_keeps_nan(core, name):
    linear = Linear(core, False)
    linear.X[7, 1] = np.nan
    run = linear.train(optimizer=core.OPTIMIZERS[name](), rate=0.1)
    assert np.isnan(run.params).any()


@pytest.mark.parametrize("name", REGISTRY.OPTIMIZERS)
def test_weight_decay(core, name):
    """Before each update the weights, not the intercepts, lose this part times the rate."""
    linear = Linear(core, True)
    rates = np.array([0.1, 0.05, 0.02])
    optimizer = core.OPTIMIZERS[name]()
    _, _, (n_moments, update) = OPTIMIZERS[f"default {name}"]
    run = linear.train(optimizer=optimizer, rate=rates, alpha=0.3, weight_decay=0.7)
    W, moments = linear.params, np.zeros((n_moments, 8))
    for t, rows in enumerate(linear.batches()):
        gradient = linear.gradient(W, rows, alpha=0.3)  # of the weights before they decay
        kept = np.r_[np.full(6, 1 - 0.7 * rates[t]), 1, 1]
        W = update(W * kept, moments, gradient, rates[t], t + 1)
    close(core, run.params, W, scale=10)


@pytest.mark.parametrize("name", REGISTRY.OPTIMIZERS)
def test_updates_go_on_where_they_stopped(core, name):
    """Epochs in one call or in several, or from the middle on: the same bits."""
    linear = Linear(core, False)
    optimizer = core.OPTIMIZERS[name]()
    data = make_data(core, linear.X, linear.y)
    runs = []
    for calls in ([6], [1] * 6, [2, 4]):
        params = np.array(linear.params, core.DTYPE)
        trainer, _, _ = make_trainer(
            core, linear.network, linear.loss, optimizer, data, params, batch_size=20
        )
        done = 0
        for n_epochs in calls:
            trainer.set_epochs(np.full(3 * n_epochs, 0.1), 3 * done, done << 32, True)
            work(trainer)
            done += n_epochs
        runs.append(params.tobytes())
    assert runs[0] == runs[1] == runs[2]


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
