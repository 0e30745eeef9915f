"""What holds the weights back: l1, max_norm, clip_norm; frozen layers; given first weights."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from small_fits import (
    LABELS,
    NUMBERS,
    RNG,
    SOLVERS,
    X,
    assert_refused,
    assert_same_bits,
    classifier,
    regressor,
)

from sknet.layers import Dense, Skip, mlp
from sknet.model import Model
from sknet.optimizers import SGD

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DEEP = {"hidden_layer_sizes": (6, 5), "max_iter": 4, "batch_size": 20}


def test_l1_is_in_the_loss_and_makes_weights_small():
    linear = {"hidden_layer_sizes": (), "solver": SGD(0.0), "alpha": 0.0, "batch_size": 60}
    params = linear | {"learning_rate_init": 1e-300, "max_iter": 1}
    plain, penalised = (regressor(**params, l1=l1).fit(X, NUMBERS) for l1 in (0.0, 3.0))
    size = np.abs(plain.coefs_[0]).sum()
    assert_allclose(penalised.loss_, plain.loss_ + 3.0 * size / 60, rtol=1e-12)
    # Half of |X w - y|^2 / n + l1 |w|_1 / n, by a hundred thousand small steps: junk goes to 0.
    y = 2 * X[:, 0] - X[:, 1]
    params = linear | {"learning_rate_init": 0.01, "max_iter": 3000, "tol": 0}
    net = regressor(**params, l1=5.0, n_iter_no_change=10**6).fit(X, y)
    assert (np.abs(net.coefs_[0][2:]) < 0.02).all()
    assert (np.abs(net.coefs_[0][:2]) > 0.5).all()


def test_max_norm_holds_hidden_units_only():
    params = DEEP | {"learning_rate_init": 0.1}
    net, free = (regressor(**params, max_norm=m).fit(X, NUMBERS) for m in (0.4, None))
    for i, (coef, other) in enumerate(zip(net.coefs_, free.coefs_, strict=True)):
        norms = np.linalg.norm(coef, axis=0)
        assert (norms <= 0.4 * (1 + 1e-12)).all() == (i < 2)
        assert (np.linalg.norm(other, axis=0) > 0.4).any()


def test_clip_norm_shortens_a_step():
    params = {"solver": SGD(0.0), "learning_rate_init": 1.0, "batch_size": 60, "max_iter": 1}
    start = regressor(**params | {"learning_rate_init": 1e-300}).fit(X, 100 * NUMBERS)
    net = regressor(**params, clip_norm=0.5).fit(X, 100 * NUMBERS)
    steps = [
        (a - b).ravel()
        for name in ("coefs_", "intercepts_")
        for a, b in zip(getattr(net, name), getattr(start, name), strict=True)
    ]
    assert np.linalg.norm(np.concatenate(steps)) == pytest.approx(0.5)
    assert net.history_["gradient_norm"][0] > 1  # what it was before
    assert_allclose(net.history_["gradient_norm"], start.history_["gradient_norm"])


def test_clip_norm_saves_a_fit_from_diverging():
    params = {"solver": "sgd", "learning_rate_init": 0.1, "max_iter": 20}
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        regressor(**params).fit(X, 1e6 * NUMBERS)
    net = regressor(**params, clip_norm=1.0).fit(X, 1e6 * NUMBERS)
    assert np.isfinite(net.predict(X)).all()


@SOLVERS
@pytest.mark.parametrize("frozen", [["hidden_0"], ["hidden_1", "output"], ("output",)])
def test_frozen_layers_keep_their_weights(solver, frozen):
    first = classifier(**DEEP, solver=solver).fit(X, LABELS)
    given = {"coefs_init": first.coefs_, "intercepts_init": first.intercepts_}
    net = classifier(**DEEP, solver=solver, frozen_layers=frozen, **given).fit(X, 1 - LABELS)
    for i, name in enumerate(["hidden_0", "hidden_1", "output"]):
        for attribute in ("coefs_", "intercepts_"):
            before, after = getattr(first, attribute)[i], getattr(net, attribute)[i]
            assert (before == after).all() == (name in frozen)
    assert not np.shares_memory(net.coefs_[0], first.coefs_[0])


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_a_new_head_on_a_frozen_network(n_threads):
    """Other labels, and other hidden units behind those that are kept."""
    old = classifier(**DEEP).fit(X, LABELS)
    net = classifier(
        hidden_layer_sizes=(6, 9), max_iter=5, batch_size=20, n_threads=n_threads,
        coefs_init=[old.coefs_[0], None, None], intercepts_init=[old.intercepts_[0], None, None],
        frozen_layers=["hidden_0"],
    )  # fmt: skip
    net.fit(X, np.arange(60) % 4)
    assert_array_equal(net.coefs_[0], old.coefs_[0])
    assert net.coefs_[2].shape == (9, 4)
    again = clone(net).set_params(n_threads=None).fit(X, np.arange(60) % 4)
    assert_same_bits(net, again)


@SOLVERS
def test_given_weights_are_where_training_begins(solver):
    """As warm_start begins, but for what the optimizer has gathered."""
    first = regressor(**DEEP, solver=solver).fit(X, NUMBERS)
    given = {"coefs_init": first.coefs_, "intercepts_init": first.intercepts_}
    before = [coef.copy() for coef in first.coefs_]
    still = regressor(**DEEP | {"max_iter": 1}, solver="sgd", learning_rate_init=1e-300, **given)
    assert_array_equal(still.fit(X, NUMBERS).predict(X), first.predict(X))
    net = regressor(**DEEP, solver=solver, **given).fit(X, NUMBERS)
    assert net.loss_ < first.loss_
    for old, coef in zip(before, first.coefs_, strict=True):
        assert_array_equal(old, coef)  # what was given is not trained on
    as_lists = {name: [a.tolist() for a in arrays] for name, arrays in given.items()}
    assert_same_bits(net, regressor(**DEEP, solver=solver, **as_lists).fit(X, NUMBERS))


def test_given_weights_do_not_change_what_is_drawn():
    plain = regressor(**DEEP | {"max_iter": 1}, learning_rate_init=1e-300).fit(X, NUMBERS)
    given = [None, RNG.normal(size=(6, 5)), None]
    net = clone(plain).set_params(coefs_init=given).fit(X, NUMBERS)
    assert_allclose(net.coefs_[1], given[1], rtol=1e-12)
    for i in (0, 2):
        assert_allclose(net.coefs_[i], plain.coefs_[i], rtol=1e-12)


def test_continued_training_begins_where_it_was():
    """Not at coefs_init again."""
    first = regressor(**DEEP).fit(X, NUMBERS)
    params = {"coefs_init": first.coefs_, "intercepts_init": first.intercepts_}
    once = regressor(**DEEP | {"max_iter": 4}, **params).fit(X, NUMBERS)
    twice = regressor(**DEEP | {"max_iter": 2}, warm_start=True, **params)
    twice.fit(X, NUMBERS).fit(X, NUMBERS)
    assert_same_bits(once, twice)


@SOLVERS
def test_max_time(solver):
    big, y = np.tile(X, (200, 1)), np.tile(NUMBERS, 200)
    net = regressor(solver=solver, max_iter=10**6, tol=0, n_iter_no_change=np.inf, max_time=0.05)
    net.set_params(max_fun=10**6, hidden_layer_sizes=(50,))
    with pytest.warns(UserWarning, match=r"max_time=0.05 seconds were over after \d+ epochs"):
        net.fit(big, y)
    assert 0 < net.n_iter_ < 10**6
    seconds = net.history_["seconds"]
    assert seconds[-1] >= 0.05
    assert (seconds[:-1] < 0.05).all()
    assert len(seconds) == net.n_iter_


def test_more_time_than_needed_changes_nothing():
    nets = [regressor(max_iter=30, max_time=t).fit(X, NUMBERS) for t in (None, 3600)]
    assert_same_bits(*nets)


REFUSED = [
    ({"solver": "lbfgs", "l1": 0.1}, "l1=0.1 needs the updates .* use alpha"),
    ({"solver": "lbfgs", "max_norm": 3}, "max_norm=3 needs the updates"),
    ({"solver": "lbfgs", "clip_norm": 1.0}, "clip_norm=1.0 needs the updates"),
    ({"l1": -1}, "'l1' parameter"),
    ({"max_norm": 0}, "'max_norm' parameter"),
    ({"clip_norm": 0.0}, "'clip_norm' parameter"),
    ({"max_time": 0}, "'max_time' parameter"),
    ({"frozen_layers": "output"}, "'frozen_layers' parameter"),
    ({"frozen_layers": ["hidden_1"]}, r"names among \['hidden_0', 'output'\], got 'hidden_1'"),
    ({"frozen_layers": [0]}, r"frozen_layers must hold names among .* got 0"),
    ({"frozen_layers": ["output", "hidden_0"]}, "frozen_layers must leave a layer to train"),
    ({"coefs_init": [np.ones((4, 5))]}, "coefs_init must have 2 arrays, got 1"),
    ({"coefs_init": [np.ones((5, 4)), None]}, r"coefs_init\[0\] must have shape \(4, 5\), got"),
    ({"intercepts_init": [None, [np.nan]]}, r"intercepts_init\[1\] must hold finite numbers"),
    ({"intercepts_init": [None, ["a"]]}, r"intercepts_init\[1\] must hold finite numbers"),
    ({"coefs_init": np.ones(3)}, "'coefs_init' parameter"),
]


@pytest.mark.parametrize(("params", "message"), REFUSED, ids=str)
def test_refused_and_nothing_lost(params, message):
    assert_refused(params, message)


def test_outputs_of_a_network_with_a_skip_are_outputs():
    """Of which max_norm leaves the weights alone."""
    layers = mlp((5, 4), ["relu", "relu"], 3, dropout=[0.1, 0.1])
    assert Model(layers, 6, np.float64).output_steps() == [4]
    assert Model((Dense(3),), 6, np.float64).output_steps() == [0]
    model = Model((layers[0], Skip(layers[1:])), 6, np.float64)
    steps = [type(layer).__name__ for layer in model.network.layers]
    assert steps == ["Dense", "Dropout", "Dense", "Dropout", "Dense", "Dense", "Add"]
    assert model.output_steps() == [4, 5, 6]
