"""The moving average of the parameters, the last of the moments, against a NumPy twin."""

import numpy as np
import pytest
from driver import close, make_data, make_trainer, optimizers, train, work
from linear import Linear


def twin(linear, decay, n_epochs, rate, first=0):
    """Plain descent and its average."""
    W = average = linear.params
    n = first
    for _ in range(n_epochs):
        for rows in linear.batches():
            W = W - rate * linear.gradient(W, rows)
            kept = min(decay, (1 + n) / (10 + n))
            average = kept * average + (1 - kept) * W
            n += 1
    return W, average


@pytest.mark.parametrize("decay", [0.05, 0.3, 0.9])
def test_average(core, decay):
    linear = Linear(core, True)
    run = linear.train(optimizer=core.SGD(0.0, False), rate=0.1, epochs=4, averaging=decay)
    W, average = twin(linear, decay, 4, 0.1)
    close(core, run.params, W, scale=10)
    close(core, run.moments[-1], average, scale=10)


def test_the_average_goes_on_counting(core):
    linear = Linear(core, False)
    data, params = make_data(core, linear.X, linear.y), np.array(linear.params, core.DTYPE)
    trainer, _, moments = make_trainer(
        core, linear.network, linear.loss, core.SGD(0.0, False), data, params, batch_size=20,
        averaging=0.9,
    )  # fmt: skip
    trainer.set_epochs(np.full(3, 0.1), 7, 0)
    work(trainer)
    close(core, moments[-1], twin(linear, 0.9, 1, 0.1, first=7)[1], scale=10)


@pytest.mark.parametrize("name", ["sgd", "adam", "adagrad"])
def test_the_average_leaves_training_alone(core, name):
    """Not a bit of parameters and moments is another with it."""
    linear = Linear(core, True)
    options = {"optimizer": optimizers(core)[name], "rate": 0.1, "epochs": 3}
    plain, averaged = linear.train(**options), linear.train(**options, averaging=0.5)
    assert plain.params.tobytes() == averaged.params.tobytes()
    assert plain.moments.tobytes() == averaged.moments[:-1].tobytes()
    assert plain.results == averaged.results


@pytest.mark.parametrize("n_shards", [1, 2, 4])
@pytest.mark.parametrize("limits", [{}, {"max_norm": 0.5}, {"clip_norm": 0.1}, {"frozen": (0,)}])
def test_average_of_any_network_on_any_number_of_threads(core, n_shards, limits):
    """It is that of the parameters behind each update, as they are then used."""
    if n_shards > 1 and limits:
        pytest.skip("shards have no limits")
    rng = np.random.default_rng(0)
    network = core.Network([core.Dense(6, 40, "tanh"), core.Dense(40, 2)])
    X, y = rng.normal(size=(64, 6)), rng.normal(size=(64, 2))
    params = rng.normal(size=network.n_params)
    loss = core.LOSSES["squared_error"](2)

    def run(epochs, size):
        return train(
            core, network, loss, X, y, params=params, optimizer=core.Adam(), rate=0.01, key=3,
            batch_size=64, epochs=epochs, averaging=0.4, n_shards=n_shards, size=size, **limits,
        )  # fmt: skip

    average = params
    for n in range(5):
        kept = min(0.4, (1 + n) / (10 + n))
        average = kept * average + (1 - kept) * run(n + 1, 1).params
    last = run(5, 1)
    close(core, last.moments[-1], average, scale=10)
    for size in (2, 3):
        assert run(5, size).same_bits(last)


def test_errors(core64):
    linear = Linear(core64, False)
    for averaging in (-0.1, 1.0):
        with pytest.raises(ValueError, match=r"averaging must be in \[0, 1\), got"):
            linear.train(averaging=averaging)
