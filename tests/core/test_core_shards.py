"""Networks in shards: they train as the whole network does, on any number of threads."""

import numpy as np
import pytest
from driver import (
    SETTINGS,
    make_data,
    make_loss,
    make_targets,
    make_trainer,
    optimizers,
    predict,
    train,
    work,
)
from scipy import sparse

from sknet import _core

REGISTRY = _core.load(np.float64)


def make_network(core, n_in=12, n_units=40, n_out=3, activation="tanh", *between):
    return core.Network(
        [core.Dense(n_in, n_units, activation), *between, core.Dense(n_units, n_out)]
    )


def problem(core, loss="softmax_log_loss", n=130, n_out=3, network=None):
    """Network, loss, X, y, weight, parameters."""
    rng = np.random.default_rng(0)
    network = make_network(core, n_out=n_out) if network is None else network
    X = rng.normal(size=(n, network.n_in))
    X[rng.random(X.shape) < 0.5] = 0
    y = make_targets(rng, loss, n, n_out)
    weight = rng.uniform(0.5, 2, n)
    params = rng.normal(size=network.n_params) / 3
    return network, make_loss(core, loss, n_out), X, y, weight, params


@pytest.mark.parametrize("n_shards", [2, 3, 8])
@pytest.mark.parametrize("loss", REGISTRY.LOSSES)
def test_shards_train_as_the_whole_network_does(core, loss, n_shards):
    """But for rounding, with each loss; the last mini-batch is a short one."""
    for n_out in (2 if loss == "multiclass_hinge" else 1, 3):
        network, function, X, y, weight, params = problem(core, loss, n_out=n_out)
        for optimizer, csr, weighted, shuffle in SETTINGS:
            whole, cut = (
                train(
                    core, network, function, sparse.csr_array(X) if csr else X, y,
                    weight if weighted else None, params=params, alpha=0.1, epochs=2,
                    optimizer=optimizers(core)[optimizer], batch_size=48, shuffle=shuffle,
                    n_shards=n,
                )
                for n in (1, n_shards)
            )  # fmt: skip
            tolerance = 1e3 * np.finfo(core.DTYPE).eps
            np.testing.assert_allclose(cut.params, whole.params, tolerance, tolerance)
            np.testing.assert_allclose(cut.moments, whole.moments, tolerance, 100 * tolerance)
            np.testing.assert_allclose(cut.results, whole.results, tolerance)
            is_same = cut.params.tobytes() == params.astype(core.DTYPE).tobytes()
            assert is_same == (optimizer == "sum")


@pytest.mark.parametrize("n_shards", [2, 8])
@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_any_number_of_threads_gives_the_same_bits(core, batch_size, n_shards):
    n = 17 if batch_size == 1 else 230
    network = make_network(core, 12, 40, 3, "relu", core.Dropout(40, 0.3))
    network, loss, X, y, weight, params = problem(core, n=n, network=network)
    for optimizer, csr, weighted, shuffle in SETTINGS:
        runs = [
            train(
                core, network, loss, sparse.csr_array(X) if csr else X, y,
                weight if weighted else None, params=params, n_shards=n_shards,
                optimizer=optimizers(core)[optimizer], epochs=4, batch_size=batch_size, alpha=0.1,
                size=size, shuffle=shuffle, key=3,
            )
            for size in (1, 2, 3, 8, 9)
        ]  # fmt: skip
        assert np.isfinite(runs[0].params).all()
        assert all(run.same_bits(runs[0]) for run in runs[1:])


@pytest.mark.parametrize("shuffle", [True, False])
def test_csr_and_dense_have_the_same_bits(core, shuffle):
    network, loss, X, y, weight, params = problem(core)
    runs = [
        train(core, network, loss, data, y, weight, params=params, optimizer=core.Adam(), epochs=3,
              batch_size=32, n_shards=3, shuffle=shuffle)
        for data in (X, sparse.csr_array(X))
    ]  # fmt: skip
    assert runs[0].same_bits(runs[1])


@pytest.mark.parametrize("size", [1, 2, 4])
def test_several_epochs_per_call_and_the_best_of_them(core, size):
    """As one epoch per call; the best parameters are those of the epoch with the lowest value."""
    network, loss, X, y, weight, params = problem(core)
    rates = np.array([0.05, 0.05, 2.0, 2.0])  # the first two make it better, the others worse

    def trainer(trained):
        return make_trainer(
            core, network, loss, core.SGD(0.0, False), make_data(core, X, y, weight), trained,
            batch_size=48, alpha=0.1, n_shards=4,
        )  # fmt: skip

    singly, ends, values = params.astype(core.DTYPE), [], []
    job, _, moments = trainer(singly)
    for epoch, rate in enumerate(rates):
        job.set_epochs(np.full(job.n_batches, rate), epoch * job.n_batches, epoch << 32, True)
        work(job, size)
        ends.append(singly.copy())
        values += [sum(result) for result in job.results()]
    together, best = params.astype(core.DTYPE), np.zeros(network.n_params, core.DTYPE)
    job, _, moments_together = trainer(together)
    job.set_epochs(np.repeat(rates, job.n_batches), 0, 0, True)
    job.keep_best(best, np.inf)
    work(job, size)
    assert together.tobytes() == singly.tobytes()
    assert moments_together.tobytes() == moments.tobytes()
    assert [sum(result) for result in job.results()] == values
    assert job.has_best
    lowest = int(np.argmin(values))
    assert 0 < lowest < 3
    assert best.tobytes() == ends[lowest].tobytes()


def test_shards_drop_units_of_their_own(core64):
    """Two shards with the same weights: with the same masks they would stay the same."""
    rng = np.random.default_rng(0)
    network = make_network(core64, 4, 40, 1, "relu", core64.Dropout(40, 0.5))
    W, b, V = rng.normal(size=(4, 20)), rng.normal(size=20), rng.normal(size=20)
    params = np.concatenate([np.hstack([W, W]).ravel(), b, b, V, V, [0]])
    X, y = rng.normal(size=(64, 4)), rng.normal(size=(64, 1))
    run = train(core64, network, core64.LOSSES["squared_error"](1), X, y, params=params,
                optimizer=core64.SGD(), batch_size=32, n_shards=2)  # fmt: skip
    trained = run.params[: 4 * 40].reshape(4, 2, 20)
    assert (trained[:, 0] != trained[:, 1]).all()


def test_what_is_worth_a_shard(core64):
    """By shapes alone; what cannot be cut stays whole."""
    c = core64

    def best(n_in, n_units, n_out, batch_size, *between):
        return c.best_n_shards(make_network(c, n_in, n_units, n_out, "relu", *between), batch_size)

    assert best(50, 100, 1, 200) == 2
    assert best(50, 100, 1, 200, c.Dropout(100, 0.5)) == 2
    assert best(50, 100, 1, 53) == 2  # 0.8 million multiply-adds
    assert best(50, 100, 1, 52) == 1
    assert best(50, 100, 1, 800) == 2  # the units would do for three
    assert best(50, 512, 10, 800) == 8
    assert best(50, 512, 10, 40) == 8
    assert best(50, 512, 10, 30) == 4
    assert best(50, 1024, 10, 1024) == 8
    assert best(50, 1024, 10, 1025) == 1  # too many rows
    assert best(128, 100, 1, 200) == 2
    assert best(129, 100, 1, 200) == 1  # too many columns of X
    assert best(50, 63, 1, 1000) == 1  # too few units
    assert best(50, 100, 5, 200) == 2
    assert best(50, 100, 6, 200) == 1  # too many outputs
    hidden = c.Dense(50, 100, "relu")
    for layers in (
        [c.Dense(50, 1)],
        [hidden, c.Dense(100, 100, "relu"), c.Dense(100, 1)],
        [hidden, c.Dense(100, 1, "tanh")],
        [hidden, c.Dense(100, 1, bias=False)],
        [c.Dropout(50, 0.1), hidden, c.Dense(100, 1)],
        [hidden, c.LayerNorm(100), c.Dense(100, 1)],
    ):
        network = c.Network(layers)
        assert c.best_n_shards(network, 200) == 1
        with pytest.raises(ValueError, match="cannot be cut into 2 shards"):
            c.Sharding(network, 2)
    for n_shards in (0, 9):
        with pytest.raises(ValueError, match=f"cannot be cut into {n_shards} shards"):
            c.Sharding(make_network(c), n_shards)


def test_shards_have_all_units_once(core64):
    for n_units in (3, 33, 64, 100, 127, 128, 512):
        network = make_network(core64, 5, n_units, 2)
        for n_shards in (1, 2, 3):
            sharding = core64.Sharding(network, n_shards)
            places = np.concatenate(sharding.places)
            assert np.array_equal(np.sort(places), np.arange(network.n_params))
            assert [len(p) for p in sharding.places] == [s.n_params for s in sharding.shards]


@pytest.mark.parametrize("n_columns", [1, 9])
def test_a_dense_layer_without_bias(core, n_columns):
    """As one whose bias is 0, in training and prediction, dense and CSR, few rows and many."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 6)), rng.normal(size=(40, n_columns))
    X[rng.random(X.shape) < 0.5] = 0
    W = rng.normal(size=6 * n_columns)
    with_bias = np.concatenate([W, np.zeros(n_columns)])
    loss = core.LOSSES["squared_error"](n_columns)
    without = core.Network([core.Dense(6, n_columns, bias=False)])
    assert without.n_params == 6 * n_columns
    network = core.Network([core.Dense(6, n_columns)])
    for data in (X, sparse.csr_array(X)):
        for rows in (data[:3], data):
            assert (
                predict(core, without, rows, W).tobytes()
                == predict(core, network, rows, with_bias).tobytes()
            )
        for batch_size in (40, 33):  # a whole mini-batch is summed in double
            a, b = (
                train(core, net, loss, data, y, params=params, batch_size=batch_size)
                for net, params in ((without, W), (network, with_bias))
            )
            assert a.moments[0].tobytes() == b.moments[0, : 6 * n_columns].tobytes()
