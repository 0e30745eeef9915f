"""Mixup against a NumPy twin: rows, targets and weights in the same mixture."""

import numpy as np
import pytest
from driver import close, make_loss, make_targets, train
from linear import Linear
from scipy import sparse

from sknet import _core

REGISTRY = _core.load(np.float64)


def mixed_gradient(linear, rows, share, shift):
    """Gradient and loss of a mini-batch whose rows are mixed with those `shift` places on."""
    W, b = linear.params[:6].reshape(3, 2), linear.params[6:]
    others = np.roll(rows, -shift)
    w = np.ones(50) if linear.weight is None else linear.weight
    X = share * linear.X[rows] + (1 - share) * linear.X[others]
    gradient, value = np.zeros(8), 0.0
    for part, targets in ((share, rows), (1 - share, others)):
        R = X @ W + b - linear.y[targets]
        dZ = part * w[targets][:, None] * R
        gradient += np.r_[(X.T @ dZ).ravel(), dZ.sum(axis=0)]
        value += np.sum(dZ * R) / 4
    divisor = linear.divisor(rows)
    return gradient / divisor, value / divisor * len(rows)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_one_block(core, share, weighted):
    """The gradient is the twin's for one shift of the partners, which changes with the key.

    Without weights also for the opposite shift: of a pair of rows the two mixtures are the same.
    """
    linear = Linear(core, weighted)
    linear.X, linear.y = linear.X[:20], linear.y[:20]
    linear.weight = linear.weight[:20] if weighted else None
    tolerance = 1e-11 if np.float64 == core.DTYPE else 1e-4
    shifts = set()
    for key in range(12):
        run = linear.train(shares=[[share]], key=key)
        fits = [
            shift
            for shift in range(20)
            if np.allclose(
                run.moments[0], mixed_gradient(linear, np.arange(20), share, shift)[0],
                rtol=tolerance, atol=tolerance,
            )
        ]  # fmt: skip
        shift = fits[0]
        assert shift > 0
        assert set(fits) == ({shift} if weighted else {shift, 20 - shift})
        _, value = mixed_gradient(linear, np.arange(20), share, shift)
        close(core, run.results[0][0], value, scale=100)
        shifts.add(shift)
    assert len(shifts) > 5


@pytest.mark.parametrize("loss", REGISTRY.LOSSES)
@pytest.mark.parametrize("weighted", [False, True])
def test_nothing_mixed_is_nothing_changed(core, loss, weighted):
    """With shares of 1, and of 0, when each row is its partner's; blocks and a short last batch."""
    rng = np.random.default_rng(0)
    n_out = 3
    network = core.Network([core.Dense(4, 6, "tanh"), core.Dense(6, n_out)])
    X, y = rng.normal(size=(150, 4)), make_targets(rng, loss, 150, n_out)
    weight = rng.uniform(0.5, 2, 150) if weighted else None
    params = rng.normal(size=network.n_params)
    function = make_loss(core, loss, n_out)
    for shuffle in (False, True):
        options = {"params": params, "batch_size": 100, "shuffle": shuffle, "key": 3}
        data = (core, network, function, X, y, weight)
        plain = train(*data, **options)
        for share in (1.0, 0.0):
            run = train(*data, shares=np.full((2, 2), share), **options)
            close(core, run.moments, plain.moments, scale=100)
            close(core, run.results, plain.results, scale=100)


def test_rows_without_weight_are_as_if_absent(core):
    """NaN in such a row's target would show; its mixture with another one has that one's weight."""
    linear = Linear(core, True)
    linear.X, linear.y, linear.weight = linear.X[:2], linear.y[:2], np.array([1.0, 0.0])
    run = linear.train(shares=[[0.3]])
    # Row 0 has weight 0.3 in the first mixture and 0.7 in the second.
    W, b = linear.params[:6].reshape(3, 2), linear.params[6:]
    expected = np.zeros(8)
    for share, part in ((0.3, 0.3), (0.7, 0.7)):
        x = share * linear.X[0] + (1 - share) * linear.X[1]
        dz = part * (x @ W + b - linear.y[0])
        expected += np.r_[np.outer(x, dz).ravel(), dz]
    close(core, run.moments[0], expected, scale=100)


@pytest.mark.parametrize("n", [1, 2, 33, 150])
def test_any_number_of_threads_gives_the_same_bits(core, n):
    rng = np.random.default_rng(0)
    network = core.Network(
        [core.Dense(5, 9, "relu"), core.BatchNorm(9), core.Dropout(9, 0.2), core.Dense(9, 3)]
    )
    X, y = rng.normal(size=(n, 5)), rng.integers(0, 3, (n, 1))
    weight = rng.uniform(0.5, 2, n)
    params = rng.normal(size=network.n_params)
    n_batches = -(-n // 80)
    shares = rng.random((3 * n_batches, 2 if n > 64 else 1))
    for shuffle in (False, True):
        runs = [
            train(
                core, network, core.LOSSES["softmax_log_loss"](3), X, y, weight, params=params,
                optimizer=core.Adam(), epochs=3, batch_size=80, size=size, shuffle=shuffle,
                shares=shares,
            )
            for size in (1, 2, 3)
        ]  # fmt: skip
        assert np.isfinite(runs[0].params).all()
        assert all(run.same_bits(runs[0]) for run in runs[1:])


def test_errors(core64):
    linear = Linear(core64, False)
    for shares in (np.ones((2, 1)), np.ones((3, 2))):
        with pytest.raises(ValueError, match="shares must have a row per mini-batch"):
            linear.train(shares=shares)
    with pytest.raises(ValueError, match="shards cannot be clipped, projected, frozen or mixed"):
        linear.train(shares=np.ones((3, 1)), n_shards=2)
    linear.X = sparse.csr_array(linear.X)
    with pytest.raises(ValueError, match="rows of sparse X cannot be mixed"):
        linear.train(shares=np.ones((3, 1)))
