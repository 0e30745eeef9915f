"""The same bits on any number of threads; weights count as copies; float32 is near float64."""

import itertools

import numpy as np
import pytest
from driver import (
    SETTINGS,
    make_data,
    make_network,
    make_trainer,
    optimizers,
    predict,
    train,
    work,
)
from scipy import sparse

from sknet import _core

REGISTRY = _core.load(np.float64)
TEAMS = (2, 3, 4, 8)


def problem(kind, core, n, seed=0, width=12):
    rng = np.random.default_rng(seed)
    network = make_network(core, kind, 12, 3, "tanh", width)
    X = rng.normal(size=(n, 12))
    X[rng.random(X.shape) < 0.5] = 0
    y = rng.integers(0, 3, (n, 1))
    weight = rng.uniform(0.5, 2, n)
    params = rng.normal(size=network.n_params) / 3
    return network, core.LOSSES["softmax_log_loss"](3), X, y, weight, params


@pytest.mark.parametrize("batch_size", [1, 7, 32, 100, 1000])
@pytest.mark.parametrize("kind", REGISTRY.LAYERS)
def test_any_number_of_threads_gives_the_same_bits(core, kind, batch_size):
    n = {1: 17, 7: 45}.get(batch_size, 130)
    network, loss, X, y, weight, params = problem(kind, core, n)
    for optimizer, csr, weighted, shuffle in SETTINGS:
        runs = [
            train(
                core, network, loss, sparse.csr_array(X) if csr else X, y,
                weight if weighted else None, params=params,
                optimizer=optimizers(core)[optimizer], epochs=5, batch_size=batch_size, alpha=0.1,
                size=size, shuffle=shuffle, key=3,
            )
            for size in (1, *TEAMS)
        ]  # fmt: skip
        assert np.isfinite(runs[0].params).all()
        assert len({loss for loss, _ in runs[0].results}) > 1 or optimizer == "sum"
        for size, run in zip(TEAMS, runs[1:], strict=True):
            assert run.same_bits(runs[0]), (optimizer, csr, weighted, shuffle, size)


@pytest.mark.parametrize("batch_size", [256, 280])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("sizes", [(90, 50), (130, 192, 70), (70, 80, 70)])
def test_many_tiles_and_blocks_have_the_same_bits(core, optimizer, batch_size, sizes):
    """Layers of several tiles, mini-batches of eight blocks."""
    rng = np.random.default_rng(0)
    sizes = (100, *sizes, 1)
    network = core.Network([core.Dense(*pair, "relu") for pair in itertools.pairwise(sizes)])
    assert len(network.tiles()) > 4
    X, y = rng.normal(size=(600, 100)), rng.normal(size=(600, 1))
    params = rng.normal(size=network.n_params) / 10
    runs = [
        train(core, network, core.LOSSES["squared_error"](1), X, y, params=params, epochs=3,
              optimizer=optimizers(core)[optimizer], batch_size=batch_size, size=size, rate=1e-3,
              shuffle=True)
        for size in (1, *TEAMS)
    ]  # fmt: skip
    assert all(run.same_bits(runs[0]) for run in runs[1:])


@pytest.mark.parametrize(
    "restraints", [{}, {"frozen": [0]}, {"frozen": [1]}, {"clip_norm": 0.1}, {"max_norm": 0.5}]
)
@pytest.mark.parametrize("n_units", [1, 5, 16, 33, 56])
def test_weights_packed_in_two_places_have_the_same_bits(core, n_units, restraints):
    """A first layer of fewer units than a block has rows: teams pack it here and there in turns."""
    rng = np.random.default_rng(0)
    network = core.Network(
        [core.Dense(300, n_units, "tanh"), core.Dense(n_units, 20, "relu"), core.Dense(20, 3)]
    )
    X, y = rng.normal(size=(700, 300)), rng.integers(0, 3, (700, 1))
    params = rng.normal(size=network.n_params) / 10
    runs = [
        train(core, network, core.LOSSES["softmax_log_loss"](3), X, y, params=params, epochs=3,
              optimizer=core.SGD(0.9), batch_size=120, size=size, shuffle=True, **restraints)
        for size in (1, *TEAMS)
    ]  # fmt: skip
    assert (runs[0].params != params.astype(core.DTYPE)).any()
    assert all(run.same_bits(runs[0]) for run in runs[1:])


def test_input_gradient_has_the_same_bits(core):
    network = make_network(core, "Add", 12, 3, input_gradient=True)
    _, loss, X, y, weight, params = problem("Add", core, 200)
    gradients = []
    for size in (1, *TEAMS):
        dX = np.full(X.shape, np.nan, core.DTYPE)
        train(core, network, loss, X, y, weight, params=params, size=size, input_gradient=dX)
        gradients.append(dX.tobytes())
        assert np.isfinite(dX).all()
    assert len(set(gradients)) == 1


def test_a_trainer_may_change_the_number_of_threads(core):
    """A smaller or larger team in the next epoch goes on with the same bits."""
    network, loss, X, y, weight, params = problem("BatchNorm", core, 130)
    ends = []
    for sizes in ((1, 1, 1, 1), (3, 1, 8, 2)):
        trained = params.astype(core.DTYPE)
        trainer, state, moments = make_trainer(
            core, network, loss, core.Adam(), make_data(core, X, y, weight), trained, batch_size=40
        )
        for epoch, size in enumerate(sizes):
            trainer.set_epochs(np.full(trainer.n_batches, 0.01), epoch * trainer.n_batches, epoch)
            work(trainer, size)
        ends.append((trained.tobytes(), state.tobytes(), moments.tobytes()))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "sum"])
def test_where_arrays_lie_changes_no_bit(core, optimizer):
    """An unpickled array lies anywhere; those made for a fit lie on cache lines."""
    network, loss, X, y, weight, params = problem("Dense", core, 70, width=37)
    rule, runs = optimizers(core)[optimizer], []
    for shift in (0, 1, 3):
        part = slice(shift, shift + network.n_params)
        shifted = core.empty(network.n_params + 3)[part]
        moments = core.empty(rule.n_moments, network.n_params + 3)[:, part]
        shifted[...], moments[...] = params, 0
        data = make_data(core, X, y, weight)
        trainer = core.Trainer(
            network, loss, rule, data, shifted, network.initial_state(), moments, batch_size=32
        )
        for epoch in range(3):
            trainer.set_epochs(np.full(trainer.n_batches, 0.1), 3 * epoch, 0)
            work(trainer)
        runs.append((shifted.tobytes(), moments.tobytes()))
    assert runs[0][0] != params.astype(core.DTYPE).tobytes() or optimizer == "sum"
    assert runs[0] == runs[1] == runs[2]


@pytest.mark.parametrize("kind", REGISTRY.LAYERS)
def test_float32_is_close_to_float64(kind):
    runs = []
    for dtype in (np.float32, np.float64):
        core = _core.load(dtype)
        network, loss, X, y, weight, params = problem(kind, core, 130)
        X, weight = X.astype(np.float32), weight.astype(np.float32)
        runs.append(
            train(core, network, loss, X, y, weight, params=params.astype(np.float32),
                  optimizer=core.SGD(), epochs=5, batch_size=40, alpha=0.1, shuffle=True, key=1)
        )  # fmt: skip
    for single, double in zip(vars(runs[0]).values(), vars(runs[1]).values(), strict=True):
        np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-5)


def test_variants_agree(core):
    """Another CPU level may round otherwise, not more."""
    best = _core.load(core.DTYPE)
    tolerance = 1e-11 if np.float64 == core.DTYPE else 1e-4
    network, loss, X, y, weight, params = problem("Dense", core, 130)
    run = train(core, network, loss, X, y, weight, params=params, epochs=5, optimizer=core.SGD())
    network, loss, X, y, weight, params = problem("Dense", best, 130)
    other = train(best, network, loss, X, y, weight, params=params, epochs=5, optimizer=best.SGD())
    np.testing.assert_allclose(run.params, other.params, rtol=tolerance, atol=tolerance)


# --------------------------------------------------------------------------------------------
# Weights


def assert_same_training(core, network, loss, runs, params, epochs=10):
    """In full batch to the last bit in float32, whose sums are made in double; else nearly."""
    for optimizer in ("sgd", "adam"):
        a, b = (
            train(core, network, loss, *data, params=params, epochs=epochs,
                  optimizer=optimizers(core)[optimizer])
            for data in runs
        )  # fmt: skip
        assert not np.array_equal(a.params, params.astype(core.DTYPE))
        if np.float32 == core.DTYPE:
            assert a.params.tobytes() == b.params.tobytes()
            assert a.moments.tobytes() == b.moments.tobytes()
        else:
            np.testing.assert_allclose(a.params, b.params, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "csr"])
def test_weight_two_is_two_copies(core, form):
    network, loss, X, y, _, params = problem("Dense", core, 20)
    w = np.random.default_rng(1).integers(1, 4, 20)
    copies = np.r_[np.arange(20), np.repeat(np.arange(20), w - 1)]
    runs = (form(X), y, w), (form(X[copies]), y[copies], None)
    assert_same_training(core, network, loss, runs, params)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "csr"])
def test_weight_zero_is_no_row(core, form):
    network, loss, X, y, weight, params = problem("Dense", core, 20)
    kept = np.random.default_rng(1).random(20) < 0.6
    runs = (form(X), y, np.where(kept, weight, 0)), (form(X[kept]), y[kept], weight[kept])
    assert_same_training(core, network, loss, runs, params)


def test_order_of_rows_does_not_matter_in_full_batch(core):
    network, loss, X, y, weight, params = problem("Dense", core, 20)
    order = np.random.default_rng(1).permutation(20)
    runs = (X, y, weight), (X[order], y[order], weight[order])
    assert_same_training(core, network, loss, runs, params)


@pytest.mark.parametrize("kind", REGISTRY.LAYERS)
def test_weights_of_one_are_no_weights(core, kind):
    network, loss, X, y, _, params = problem(kind, core, 130)
    a, b = (
        train(core, network, loss, X, y, w, params=params, epochs=3, optimizer=core.SGD(),
              batch_size=40, key=1)
        for w in (None, np.ones(130))
    )  # fmt: skip
    tolerance = 1e-12 if np.float64 == core.DTYPE else 1e-5
    for one, none in zip(vars(a).values(), vars(b).values(), strict=True):
        np.testing.assert_allclose(one, none, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", ["PositionDense", "LayerNorm", "BatchNorm", "Add"])
def test_weight_two_is_two_copies_in_other_layers(core64, kind):
    """Up to rounding; within one block, for the sake of batch statistics."""
    network, loss, X, y, _, params = problem(kind, core64, 25)
    w = np.random.default_rng(1).integers(0, 3, 25)
    copies = np.repeat(np.arange(25), w)
    a, b = (
        train(core64, network, loss, *data, params=params, epochs=5, optimizer=core64.SGD())
        for data in ((X, y, w), (X[copies], y[copies], None))
    )
    np.testing.assert_allclose(a.params, b.params, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(a.state, b.state, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(
        predict(core64, network, X, a.params, a.state),
        predict(core64, network, X, b.params, b.state),
        rtol=1e-9,
        atol=1e-10,
    )


def test_a_block_without_weight_leaves_batch_norm_finite(core):
    """Rows of weight zero that happen to fill a block add nothing, in place of 0 / 0."""
    network, loss, X, y, weight, params = problem("BatchNorm", core, 64)
    weight[:32] = 0  # the first of two blocks
    run = train(core, network, loss, X, y, weight, params=params, optimizer=core.SGD(), epochs=2)
    assert np.isfinite(run.params).all()
    assert np.isfinite(run.state).all()


def test_a_mini_batch_without_weight_adds_nothing(core):
    """Where mini-batches are divided by the mean weight of all rows."""
    network, loss, X, y, weight, params = problem("Dense", core, 30)
    weight[:10] = 0
    runs = [
        train(core, network, loss, X[part], y[part], weight[part], params=params, batch_size=10,
              mean_weight=0.5)
        for part in (slice(30), slice(10, 30))
    ]  # fmt: skip
    assert runs[0].same_bits(runs[1])
    assert runs[0].moments.any()
