"""Normalised hidden layers: what they predict, and that their numbers travel with the network."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from small_fits import LABELS, NUMBERS, X, assert_refused, assert_same_bits, classifier, regressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

KINDS = pytest.mark.parametrize("kind", ["batch", "layer"])
DEEP = {"hidden_layer_sizes": (6, 5), "activation": ["tanh", "relu"], "batch_size": 20}
NORMS = {
    "batch": ("norm_scales_", "norm_shifts_", "norm_means_", "norm_variances_"),
    "layer": ("norm_scales_", "norm_shifts_"),
}


def by_hand(net, rows):
    """Predictions from the fitted attributes alone."""
    H = rows
    for i, f in enumerate([np.tanh, lambda x: np.maximum(x, 0)]):
        Z = H @ net.coefs_[i] + net.intercepts_[i]
        if net.normalization == "batch":
            mean, variance = net.norm_means_[i], net.norm_variances_[i]
        else:
            mean, variance = Z.mean(axis=1, keepdims=True), Z.var(axis=1, keepdims=True)
        normalised = (Z - mean) / np.sqrt(variance + 1e-5)
        H = f(normalised * net.norm_scales_[i] + net.norm_shifts_[i])
    return (H @ net.coefs_[2] + net.intercepts_[2])[:, 0]


@KINDS
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_predictions(kind, container):
    net = regressor(**DEEP, normalization=kind, max_iter=5).fit(container(X), NUMBERS)
    assert_allclose(net.predict(container(X)), by_hand(net, X), rtol=1e-10, atol=1e-12)
    for name in NORMS[kind]:
        assert [array.shape for array in getattr(net, name)] == [(6,), (5,)]
    assert (net.norm_scales_[0] != 1).all()
    assert hasattr(net, "norm_means_") == (kind == "batch")


@KINDS
def test_numbers_may_be_changed(kind):
    net = regressor(**DEEP, normalization=kind, max_iter=2).fit(X, NUMBERS)
    net.norm_shifts_[1] = net.norm_shifts_[1] + 1.0
    assert_allclose(net.predict(X), by_hand(net, X), rtol=1e-10, atol=1e-12)
    net.norm_scales_[0][...] *= 2
    assert_allclose(net.predict(X), by_hand(net, X), rtol=1e-10, atol=1e-12)
    net.coefs_ = [coef.copy() for coef in net.coefs_]
    assert_allclose(net.predict(X), by_hand(net, X), rtol=1e-10, atol=1e-12)


@KINDS
def test_pickle_and_copy(kind):
    net = regressor(**DEEP, normalization=kind, max_iter=3).fit(X, NUMBERS)
    for again in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        assert_array_equal(again.predict(X), net.predict(X))


def same_network(a, b, kind):
    assert_same_bits(a, b)
    for name in NORMS[kind]:
        for ours, others in zip(getattr(a, name), getattr(b, name), strict=True):
            assert_array_equal(ours, others)


@KINDS
@pytest.mark.parametrize("averaging", [None, "ema"])
def test_training_goes_on(kind, averaging):
    params = {**DEEP, "normalization": kind, "averaging": averaging}
    once = regressor(**params, max_iter=6).fit(X, NUMBERS)
    twice = regressor(**params, max_iter=3, warm_start=True).fit(X, NUMBERS)
    twice = pickle.loads(pickle.dumps(twice)).fit(X, NUMBERS)
    same_network(once, twice, kind)
    parts = regressor(**params)
    for _ in range(6):
        parts.partial_fit(X, NUMBERS)
    same_network(once, parts, kind)


@KINDS
@pytest.mark.parametrize("averaging", [None, "ema", "swa"])
def test_any_number_of_threads(kind, averaging):
    rows, y = np.tile(X, (15, 3)), np.tile(LABELS, 15)
    params = {"normalization": kind, "averaging": averaging, "max_iter": 4, "dropout": 0.1}
    nets = [
        classifier(hidden_layer_sizes=(40, 30), n_threads=n, **params).fit(rows, y)
        for n in (1, 2, 3)
    ]
    same_network(nets[0], nets[1], kind)
    same_network(nets[0], nets[2], kind)


@KINDS
@pytest.mark.parametrize("averaging", [None, "ema", "swa"])
def test_the_best_epoch_is_kept_with_its_statistics(kind, averaging):
    net = regressor(
        **DEEP, normalization=kind, averaging=averaging, early_stopping=True, max_iter=40,
        learning_rate_init=0.05, n_iter_no_change=4,
    )  # fmt: skip
    net.fit(X[15:], NUMBERS[15:], X_val=X[:15], y_val=NUMBERS[:15])
    assert np.argmax(net.validation_scores_) < net.n_iter_ - 1
    assert net.score(X[:15], NUMBERS[:15]) == pytest.approx(max(net.validation_scores_), rel=1e-9)


def test_statistics_of_an_average_are_its_own():
    """Not those of the weights on their way, which differ by much while these move."""
    rows = np.tile(X, (10, 1))
    net = regressor(
        hidden_layer_sizes=(6,), activation="tanh", normalization="batch", averaging="swa",
        max_iter=20, learning_rate_init=0.1, batch_size=100,
    ).fit(rows, np.tile(NUMBERS, 10))  # fmt: skip
    Z = rows @ net.coefs_[0] + net.intercepts_[0]
    # Means of blocks of 50 random rows, averaged over some dozens of them.
    error = Z.std(axis=0) / np.sqrt(50)
    assert (np.abs(net.norm_means_[0] - Z.mean(axis=0)) < 2 * error).all()


def test_batch_normalization_helps_a_deep_network():
    """Eight layers of logistic units learn nothing without."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 4))
    y = (rows[:, 0] + rows[:, 1] > 0).astype(int)
    net = classifier(hidden_layer_sizes=(16,) * 8, activation="logistic", max_iter=20)
    net.set_params(learning_rate_init=0.01)
    assert net.fit(rows, y).score(rows, y) < 0.6
    assert net.set_params(normalization="batch").fit(rows, y).score(rows, y) > 0.95


@KINDS
def test_frozen_layers_keep_all_their_numbers(kind):
    params = {**DEEP, "normalization": kind, "max_iter": 3}
    first = regressor(**params | {"max_iter": 1}, learning_rate_init=1e-300).fit(X, NUMBERS)
    given = {"coefs_init": first.coefs_, "intercepts_init": first.intercepts_}
    net = regressor(**params, frozen_layers=["hidden_0"], **given).fit(X, NUMBERS)
    assert_array_equal(net.coefs_[0], first.coefs_[0])
    assert (net.norm_scales_[0] == 1).all()
    assert (net.norm_scales_[1] != 1).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"normalization": "nosuch"}, "'normalization' parameter"),
        ({"normalization": "batch", "solver": "lbfgs"}, "with solver='lbfgs' use 'layer'"),
        ({"normalization": "batch", "batch_size": 1}, "mini-batches of at least 2 rows, got batch"),
    ],
    ids=str,
)
def test_refused_and_nothing_lost(params, message):
    assert_refused(params, message)


def test_layer_normalization_with_lbfgs():
    net = regressor(**DEEP | {"batch_size": "auto"}, normalization="layer", solver="lbfgs")
    net.fit(X, NUMBERS)
    assert net.score(X, NUMBERS) > 0.9
    assert_allclose(net.predict(X), by_hand(net, X), rtol=1e-8, atol=1e-9)


def test_a_plain_fit_after_a_normalised_one_has_no_norms():
    net = regressor(**DEEP, normalization="batch", max_iter=2).fit(X, NUMBERS)
    net.set_params(normalization="layer").fit(X, NUMBERS)
    assert not hasattr(net, "norm_means_")
    net.set_params(normalization=None).fit(X, NUMBERS)
    assert not hasattr(net, "norm_scales_")
    with pytest.raises(ValueError, match="normalization"):
        net.set_params(normalization="batch", warm_start=True).fit(X, NUMBERS)
