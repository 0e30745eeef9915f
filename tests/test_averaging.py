"""Averages of the weights: what they are, and that training goes on behind them."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.model_selection import GridSearchCV
from small_fits import LABELS, NUMBERS, X, assert_refused, assert_same_bits, classifier, regressor

from sknet.averaging import EMA, SWA

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def flat(net):
    return np.concatenate([array.ravel() for array in (*net.coefs_, *net.intercepts_)])


def after(n_epochs, **params):
    """The weights of a plain fit after so many epochs."""
    return flat(regressor(batch_size=20, max_iter=n_epochs, **params).fit(X, NUMBERS))


def test_swa_is_the_mean_over_the_last_epochs():
    net = regressor(batch_size=20, max_iter=8, averaging="swa").fit(X, NUMBERS)
    assert_allclose(flat(net), np.mean([after(7), after(8)], axis=0), rtol=1e-12)
    net = regressor(batch_size=20, max_iter=8, averaging=SWA(start=0.5)).fit(X, NUMBERS)
    expected = np.mean([after(n) for n in (5, 6, 7, 8)], axis=0)
    assert_allclose(flat(net), expected, rtol=1e-12)


def test_ema_is_the_moving_average():
    """One mini-batch per epoch, so that each update can be had by itself."""
    expected = None
    for n in range(12):
        weights = flat(regressor(batch_size=60, max_iter=n + 1).fit(X, NUMBERS))
        if expected is None:
            expected = flat(
                regressor(batch_size=60, max_iter=1, learning_rate_init=1e-300).fit(X, NUMBERS)
            )
        kept = min(0.4, (1 + n) / (10 + n))
        expected = kept * expected + (1 - kept) * weights
    net = regressor(batch_size=60, max_iter=12, averaging=EMA(decay=0.4)).fit(X, NUMBERS)
    assert_allclose(flat(net), expected, rtol=1e-10)


@pytest.mark.parametrize("averaging", ["ema", "swa"])
def test_losses_are_those_of_the_way(averaging):
    plain = regressor(max_iter=10).fit(X, NUMBERS)
    net = regressor(max_iter=10, averaging=averaging).fit(X, NUMBERS)
    assert net.loss_curve_ == plain.loss_curve_
    assert (flat(net) != flat(plain)).any()


@pytest.mark.parametrize("averaging", ["ema", "swa"])
def test_validation_scores_are_those_of_the_average(averaging):
    params = {"averaging": averaging, "max_iter": 12, "batch_size": 20}
    rows = {"X_val": X[:20], "y_val": NUMBERS[:20]}
    net = regressor(**params).fit(X[20:], NUMBERS[20:], **rows)
    assert net.validation_scores_[-1] == pytest.approx(net.score(X[:20], NUMBERS[:20]), rel=1e-12)
    stopped = regressor(**params, early_stopping=True).fit(X[20:], NUMBERS[20:], **rows)
    best = max(stopped.validation_scores_)
    assert stopped.score(X[:20], NUMBERS[:20]) == pytest.approx(best, rel=1e-12)


def test_training_goes_on_behind_the_average():
    """Two fits of 5 epochs are one of 10, also through a pickle, and so is partial_fit."""
    params = {"averaging": "ema", "batch_size": 20}
    once = regressor(**params, max_iter=10).fit(X, NUMBERS)
    twice = regressor(**params, max_iter=5, warm_start=True).fit(X, NUMBERS)
    half = flat(twice)
    twice = pickle.loads(pickle.dumps(twice)).fit(X, NUMBERS)
    assert_same_bits(once, twice)
    assert (half != flat(once)).all()
    parts = regressor(**params)
    for _ in range(10):
        parts.partial_fit(X, NUMBERS)
    assert_same_bits(once, parts)


@pytest.mark.parametrize("averaging", ["ema", "swa"])
def test_any_number_of_threads(averaging):
    rows = np.tile(X, (20, 3))
    nets = [
        classifier(
            hidden_layer_sizes=(64,), averaging=averaging, max_iter=4, batch_size=200, n_threads=n
        ).fit(rows, np.tile(LABELS, 20))
        for n in (1, 2, 3)
    ]
    assert_same_bits(nets[0], nets[1])
    assert_same_bits(nets[0], nets[2])


def test_divergence_is_told_as_without():
    params = {"averaging": "ema", "solver": "sgd", "learning_rate_init": 1e100, "max_iter": 5}
    for early_stopping in (False, True):
        net = regressor(**params, early_stopping=early_stopping)
        with pytest.raises(ValueError, match="non-finite"), np.errstate(all="ignore"):
            net.fit(X, NUMBERS)
        assert not hasattr(net, "coefs_")


def test_frozen_layers_stay():
    first = regressor(max_iter=3).fit(X, NUMBERS)
    given = {"coefs_init": first.coefs_, "intercepts_init": first.intercepts_}
    for averaging in ("ema", "swa"):
        net = regressor(max_iter=4, averaging=averaging, frozen_layers=["hidden_0"], **given)
        net.fit(X, NUMBERS)
        assert_allclose(net.coefs_[0], first.coefs_[0], rtol=1e-14)
        assert (net.coefs_[1] != first.coefs_[1]).all()


def test_grid_search_finds_the_details():
    search = GridSearchCV(
        classifier(averaging=EMA(), max_iter=3), {"averaging__decay": [0.5, 0.99]}, cv=2
    )
    assert search.fit(X, LABELS).best_params_["averaging__decay"] in (0.5, 0.99)
    assert repr(classifier(averaging=SWA(0.5))).endswith("random_state=0)")
    assert "averaging=SWA(start=0.5)" in repr(classifier(averaging=SWA(0.5)))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"averaging": "nosuch"}, "'averaging' parameter"),
        ({"averaging": EMA}, "'averaging' parameter"),
        ({"averaging": EMA(1.0)}, "'decay' parameter of EMA must be"),
        ({"averaging": SWA(1.0)}, "'start' parameter of SWA must be"),
        ({"averaging": "ema", "solver": "lbfgs"}, "averaging='ema' is over the updates"),
    ],
    ids=str,
)
def test_refused_and_nothing_lost(params, message):
    assert_refused(params, message)


def test_swa_must_know_the_end():
    for averaging in ("swa", SWA()):
        net = regressor(averaging=averaging)
        assert not hasattr(net, "partial_fit")
        with pytest.raises(AttributeError, match=r"averaging=.* needs to know"):
            net.partial_fit(X, NUMBERS)
