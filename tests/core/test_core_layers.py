"""Layers against slow NumPy twins."""

import numpy as np
import pytest
from driver import as_real, close, make_data, predict, train, work
from scipy import stats
from scipy.special import expit

from sknet import _core

REGISTRY = _core.load(np.float64)


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


def draws(core, rows, layers, n_draws, key=0, size=1):
    """Predictions with units dropped, (n_draws, n, n_out), of layers without parameters."""
    network = core.Network(layers)
    params, n = core.empty(network.n_params), len(rows)
    out = np.full((n_draws * n, network.n_out), np.nan, core.DTYPE)
    job = core.Predictor(
        network, make_data(core, rows), params, network.initial_state(), out, None, False,
        n_draws, key,
    )  # fmt: skip
    work(job, size)
    return out.reshape(n_draws, n, -1)


def test_drawn_units_are_dropped_as_in_training(core):
    """Rows, samples and blocks of rows have masks of their own; other layers predict."""
    n, m = 250, 30
    layers = [core.Noise(m, 1.0), core.Dropout(m, 0.3)]
    samples = draws(core, np.ones((n, m)), layers, 8)
    close(core, np.unique(samples), [0, 1 / 0.7])
    for axis, count in ((None, samples.size), (2, m), (1, n), ((1, 2), n * m), ((0, 2), 8 * m)):
        dropped = np.mean(samples == 0, axis=axis)
        assert np.abs(dropped - 0.3).max() <= 6 * np.sqrt(0.3 * 0.7 / count)
    flat = samples.reshape(8 * n, m)
    assert len({row.tobytes() for row in flat}) == 8 * n
    assert draws(core, np.ones((n, m)), layers, 8, size=3).tobytes() == samples.tobytes()
    assert draws(core, np.ones((n, m)), layers, 5).tobytes() == samples[:5].tobytes()
    assert (draws(core, np.ones((n, m)), layers, 8, key=1) != samples).any()


def noise(core, n=400, m=50, key=0, deviation=1.0, **options):
    return train_output(core, core.Noise(m, deviation), np.zeros((n, m)), [], key=key, **options)[0]


def test_noise_is_normal(core):
    """Its distribution, in the tails too, and no likeness of neighbours."""
    drawn = noise(core)
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 1e-3
    assert abs(drawn.mean()) < 5 / np.sqrt(drawn.size)
    assert abs(drawn.var() - 1) < 5 * np.sqrt(2 / drawn.size)
    for far in (2, 3, 3.5):
        expected = drawn.size * 2 * stats.norm.sf(far)
        assert abs(np.sum(np.abs(drawn) > far) - expected) < 5 * np.sqrt(expected)
    for product in (drawn[1:] * drawn[:-1], drawn[:, 1:] * drawn[:, :-1], drawn[32:] * drawn[:-32]):
        assert abs(product.mean()) < 5 / np.sqrt(product.size)


def test_normal_numbers_of_all_bits(core):
    """The inverse of the distribution function, from the lowest to the highest bits."""
    bits = np.r_[0, 511, 512, np.arange(2**31, 2**31 + 10), np.linspace(0, 2**32 - 1, 10**5)]
    bits = bits.astype(np.uint32)
    expected = stats.norm.ppf(((bits >> 9) + 0.5) / 2**23)
    np.testing.assert_allclose(core.normal_numbers(bits), expected, rtol=3e-5, atol=3e-6)


def test_noise_is_a_function_of_its_place(core):
    drawn = noise(core, key=5)
    assert noise(core, key=5).tobytes() == drawn.tobytes()
    assert (noise(core, key=6) != drawn).all()
    halves = noise(core, key=5, batch_size=200)
    assert (halves[:200] == drawn[:200]).all()
    assert (halves[200:] != drawn[200:]).all()
    close(core, noise(core, key=5, deviation=0.25), drawn / 4)
    np.testing.assert_allclose(drawn, noise(REGISTRY, key=5), rtol=1e-6, atol=1e-6)


def test_noise_does_nothing_in_prediction(core):
    X = as_real(core, np.random.default_rng(0).normal(size=(300, 4)))
    assert (predict(core, core.Network([core.Noise(4, 0.9)]), X, []) == X).all()


def test_dropout_does_nothing_in_prediction(core):
    X = as_real(core, np.random.default_rng(0).normal(size=(300, 4)))
    assert (predict(core, core.Network([core.Dropout(4, 0.9)]), X, []) == X).all()


def test_dropout_masks_change_from_epoch_to_epoch(core):
    network = core.Network([core.Dropout(1, 0.5), core.Dense(1, 1)])
    X, y = np.ones((64, 1)), -np.ones((64, 1))
    loss = core.LOSSES["squared_error"](1)
    run = train(core, network, loss, X, y, params=[1, 0], epochs=6)
    assert len({loss for loss, _ in run.results}) > 1
