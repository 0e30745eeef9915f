"""What holds the weights back besides the loss, against slow NumPy twins; frozen steps."""

import numpy as np
import pytest
from driver import SETTINGS, as_real, close, optimizers, train
from linear import Linear
from scipy import sparse


@pytest.mark.parametrize("alpha", [0.0, 0.5])
@pytest.mark.parametrize("weighted", [False, True])
def test_l1(core, weighted, alpha):
    """Penalty and gradient; a weight of 0 is not moved by it, nor are intercepts."""
    linear = Linear(core, weighted)
    linear.params[2] = 0
    run = linear.train(l1=0.7, alpha=alpha)
    W = linear.params
    expected = sum(linear.losses(W, rows, alpha, 0.7) for rows in linear.batches())
    close(core, run.results[0], expected, scale=10)
    gradient = sum(linear.gradient(W, rows, alpha, 0.7) for rows in linear.batches())
    close(core, run.moments[0], gradient, scale=10)


@pytest.mark.parametrize("n_columns", [2, 11, 40])
def test_l1_of_many_weights(core, n_columns):
    """Sums of more weights than run side by side."""
    rng = np.random.default_rng(0)
    network = core.Network([core.Dense(9, n_columns)])
    params = rng.normal(size=network.n_params)
    X, y = rng.normal(size=(8, 9)), rng.normal(size=(8, n_columns))
    loss = core.LOSSES["squared_error"](n_columns)
    run = train(core, network, loss, X, y, params=params, l1=3.0)
    close(core, run.results[0][1], 3.0 * np.abs(params[: 9 * n_columns]).sum(), scale=10)


@pytest.mark.parametrize("i", [0, 35])
def test_l1_of_nan(core, i):
    network = core.Network([core.Dense(4, 9)])
    params = np.ones(network.n_params)
    params[i] = np.nan
    loss = core.LOSSES["squared_error"](9)
    run = train(core, network, loss, np.ones((8, 4)), np.ones((8, 9)), params=params, l1=3.0)
    assert np.isnan(run.results[0][1])


@pytest.mark.parametrize("clip_norm", [0.3, 1.0, 1e6])
def test_clip_norm(core, clip_norm):
    """A longer gradient, penalties included, is scaled down; a shorter one is left alone."""
    linear = Linear(core, True)
    run = linear.train(
        optimizer=core.SGD(0.0, False), rate=0.1, epochs=2, alpha=2.0, clip_norm=clip_norm,
        weight_decay=0.5,
    )  # fmt: skip
    W, clipped = linear.params, 0
    for rows in linear.batches() * 2:
        gradient = linear.gradient(W, rows, 2.0)
        norm = np.linalg.norm(gradient)
        clipped += norm > clip_norm
        kept = np.r_[np.full(6, 1 - 0.5 * 0.1), 1, 1]
        W = W * kept - 0.1 * gradient * min(1, clip_norm / norm)
    assert clipped == {0.3: 6, 1e6: 0}.get(clip_norm, clipped)
    close(core, run.params, W, scale=10)


def test_a_gradient_of_nan_is_not_clipped_away(core):
    linear = Linear(core, False)
    linear.X[7, 1] = np.nan
    run = linear.train(optimizer=core.SGD(), rate=0.1, clip_norm=1.0)
    assert np.isnan(run.params).any()


def deep(core, widths=(5, 70, 9), n_out=2):
    """A network with two hidden layers, data for it, and parameters."""
    rng = np.random.default_rng(0)
    n_in, first, second = widths
    network = core.Network(
        [
            core.Dense(n_in, first, "tanh"),
            core.Dropout(first, 0.2),
            core.Dense(first, second, "relu"),
            core.Dense(second, n_out),
        ]
    )
    X, y = rng.normal(size=(150, n_in)), rng.normal(size=(150, n_out))
    X[rng.random(X.shape) < 0.3] = 0
    params = rng.normal(size=network.n_params)
    return network, core.LOSSES["squared_error"](n_out), X, y, params


def weights(network, params):
    """The weights (n_in, n_out) of each dense layer."""
    parts = zip(network.layers, network.param_slices(), strict=True)
    return [
        params[part][: layer.n_weights].reshape(layer.n_in, layer.n_out)
        for layer, part in parts
        if layer.n_params
    ]


def test_max_norm(core):
    """Weights into a hidden unit, not intercepts and not outputs, are scaled after each update."""
    network, loss, X, y, params = deep(core)
    options = {"optimizer": core.SGD(0.0, False), "rate": 0.01, "batch_size": 100, "key": 5}
    free = train(core, network, loss, X[:100], y[:100], params=params, **options)
    held = train(core, network, loss, X[:100], y[:100], params=params, max_norm=2.5, **options)
    expected = free.params.copy()
    *hidden, _ = weights(network, expected)
    for W in hidden:
        norms = np.linalg.norm(W, axis=0)
        assert (norms > 2.5).any()
        assert (norms < 2.5).any() or len(norms) < 10
        W *= np.minimum(1, 2.5 / norms)
    close(core, held.params, expected, scale=10)
    # Later updates start from what was scaled: packed copies have followed.
    run = train(core, network, loss, X, y, params=params, max_norm=2.5, epochs=3, **options)
    *hidden, output = weights(network, run.params)
    assert all((np.linalg.norm(W, axis=0) < 2.5 * (1 + 1e-5)).all() for W in hidden)
    assert (np.linalg.norm(output, axis=0) > 2.5).any()
    options |= {"optimizer": core.GradientSum(), "shuffle": False}
    data = (core, network, loss, X, y)
    singly = train(*data, params=held.params, **options).moments
    again = train(*data, params=held.params, max_norm=1e9, **options).moments
    assert singly.tobytes() == again.tobytes()


@pytest.mark.parametrize("frozen", [(0,), (2,), (3,), (0, 2), (0, 3), (2, 3)])
def test_frozen_steps(core, frozen):
    """They keep their bits and take no part in penalties; the others' gradients are the same."""
    network, loss, X, y, params = deep(core)
    options = {"params": params, "batch_size": 64, "key": 3}
    whole = train(core, network, loss, X, y, **options)
    part = train(core, network, loss, X, y, frozen=frozen, alpha=0.0, **options)
    for step, place in enumerate(network.param_slices()):
        if step in frozen:
            assert not part.moments[:, place].any()
        else:
            assert part.moments[:, place].tobytes() == whole.moments[:, place].tobytes()
    run = train(
        core, network, loss, X, y, frozen=frozen, optimizer=core.Adam(), weight_decay=0.5,
        l1=0.1, alpha=0.1, clip_norm=1.0, max_norm=0.5, **options,
    )  # fmt: skip
    for step, place in enumerate(network.param_slices()):
        same = run.params[place] == params[place].astype(core.DTYPE)
        assert same.all() == (step in frozen or place.start == place.stop)
    first = weights(network, params.astype(core.DTYPE))
    dense = [0, 2, 3]
    trained = [W for step, W in zip(dense, first, strict=True) if step not in frozen]
    data = train(core, network, loss, X, y, frozen=frozen, alpha=2.0, l1=3.0, **options)
    penalty = sum((W.astype(float) ** 2).sum() + 3 * np.abs(W).sum() for W in trained)
    close(core, data.results[0][1], 3 * penalty, scale=100)


@pytest.mark.parametrize("batch_size", [1, 33, 100])
def test_any_number_of_threads_gives_the_same_bits(core, batch_size):
    network, loss, X, y, params = deep(core, (12, 130, 9))
    n = 20 if batch_size == 1 else 150
    X, y = X[:n], y[:n]
    weight = np.random.default_rng(1).uniform(0.5, 2, n)
    for optimizer, csr, weighted, shuffle in SETTINGS[:4]:
        runs = [
            train(
                core, network, loss, sparse.csr_array(X) if csr else X, y,
                weight if weighted else None, params=params, epochs=2, batch_size=batch_size,
                optimizer=optimizers(core)[optimizer], size=size, shuffle=shuffle, alpha=0.1,
                l1=0.2, weight_decay=0.1, clip_norm=0.5, max_norm=1.5, frozen=(2,),
            )
            for size in (1, 2, 3, 8)
        ]  # fmt: skip
        assert np.isfinite(runs[0].params).all()
        assert all(run.same_bits(runs[0]) for run in runs[1:])


def test_limits_that_are_not_reached_change_no_bit(core):
    """Though gradients then go through an array and weights are packed once more."""
    network, loss, X, y, params = deep(core)
    options = {"params": params, "batch_size": 40, "epochs": 2, "optimizer": core.Adam()}
    plain = train(core, network, loss, X, y, **options)
    limited = train(core, network, loss, X, y, clip_norm=1e30, max_norm=1e30, **options)
    assert plain.same_bits(limited)


def test_shards_are_left_whole(core64):
    """Where an update depends on all parameters."""
    network = core64.Network([core64.Dense(50, 128, "relu"), core64.Dense(128, 1)])
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(500, 50)), rng.normal(size=(500, 1))
    arrays = (core64, network, core64.LOSSES["squared_error"](1), X, y)
    params = rng.normal(size=network.n_params)
    for options in ({"clip_norm": 1.0}, {"max_norm": 1.0}, {"frozen": (0,)}):
        train(*arrays, params=params, batch_size=200, **options)
        with pytest.raises(ValueError, match="shards cannot be clipped, projected, frozen"):
            train(*arrays, params=params, batch_size=200, n_shards=2, **options)
    cut, whole = (
        train(*arrays, params=params, batch_size=200, n_shards=n, l1=0.3, optimizer=core64.Adam())
        for n in (2, 1)
    )
    np.testing.assert_allclose(cut.params, whole.params, rtol=1e-12)
    np.testing.assert_allclose(cut.results, whole.results, rtol=1e-12)


@pytest.mark.parametrize("name", ["alpha", "l1", "weight_decay", "clip_norm"])
@pytest.mark.parametrize("value", [-1.0, np.nan])
def test_errors(core64, name, value):
    with pytest.raises(ValueError, match=f"{name} must be at least 0, got"):
        core64.Restraints(**{name: value})


def test_all_frozen(core64):
    network, loss, X, y, params = deep(core64)
    with pytest.raises(ValueError, match="not all steps with parameters can be frozen"):
        train(core64, network, loss, X, y, params=params, frozen=(0, 2, 3))


@pytest.mark.parametrize("size", [1e-20, 1e-9, 1.0, 1e9, 1e18])
@pytest.mark.parametrize(("n_in", "n_out"), [(5, 1), (7, 26), (70, 40)])
def test_squares_of_numbers_of_any_size(core, size, n_in, n_out):
    """Of float32 they may leave its range; the sum must not."""
    W = as_real(core, size * np.random.default_rng(0).normal(size=(n_in, n_out)))
    run = train(
        core, core.Network([core.Dense(n_in, n_out, bias=False)]),
        core.LOSSES["squared_error"](n_out), np.zeros((4, n_in)), np.zeros((4, n_out)),
        params=W.ravel(), alpha=2.0,
    )  # fmt: skip
    expected = np.sum(W.astype(float) ** 2)
    np.testing.assert_allclose(run.results[0][1], expected, rtol=1e-6)
