"""history_: what each epoch brought."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import metrics
from small_fits import LABELS, NUMBERS, X, classifier, regressor

from sknet.schedules import Cosine

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ALWAYS = ["epoch", "loss", "learning_rate", "gradient_norm", "seconds"]
VALIDATED = ["epoch", "loss", "validation_loss", "validation_score", *ALWAYS[2:]]


def test_columns_and_lengths():
    net = classifier(max_iter=7).fit(X, LABELS)
    assert list(net.history_) == ALWAYS
    assert all(values.shape == (7,) for values in net.history_.values())
    assert_array_equal(net.history_["epoch"], np.arange(1, 8))
    assert net.history_["loss"].tolist() == net.loss_curve_
    seconds = np.r_[0, net.history_["seconds"]]
    assert (np.diff(seconds) > 0).all()
    assert seconds[-1] < 10


def test_data_frame():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(classifier(max_iter=7).fit(X, LABELS).history_)
    assert frame.shape == (7, 5)


def test_learning_rate_is_that_of_the_last_update():
    params = {"max_iter": 4, "batch_size": 20, "learning_rate_init": 0.1}
    net = regressor(learning_rate=Cosine(), **params).fit(X, NUMBERS)
    done = np.array([2, 5, 8, 11]) / 12
    assert_allclose(net.history_["learning_rate"], 0.05 * (1 + np.cos(np.pi * done)))
    net = regressor(**params).fit(X, NUMBERS)
    assert (net.history_["learning_rate"] == 0.1).all()


@pytest.mark.parametrize("weight", [None, np.linspace(0.1, 2, 30)], ids=["", "weighted"])
def test_validation_loss(weight):
    """Of what is predicted after the epoch, without penalties."""
    val = {"X_val": X[30:], "y_val": LABELS[30:], "sample_weight_val": weight}
    net = classifier(max_iter=5, alpha=10.0).fit(X[:30], LABELS[:30], **val)
    assert list(net.history_) == VALIDATED
    assert net.history_["validation_score"].tolist() == net.validation_scores_
    proba = net.predict_proba(X[30:])
    expected = metrics.log_loss(LABELS[30:], proba, sample_weight=weight)
    assert net.history_["validation_loss"][-1] == pytest.approx(expected, rel=1e-10)
    val["y_val"] = NUMBERS[30:]
    net = regressor(max_iter=5).fit(X[:30], NUMBERS[:30], **val)
    residuals = (net.predict(X[30:]) - NUMBERS[30:]) ** 2 / 2
    expected = np.average(residuals, weights=weight)
    assert net.history_["validation_loss"][-1] == pytest.approx(expected, rel=1e-10)


def test_gradient_norm():
    """Of a linear network by hand: loss and penalty, of each mini-batch before its update."""
    rate, alpha = 0.01, 0.5
    params = {"hidden_layer_sizes": (), "solver": "sgd", "momentum": 0.0, "alpha": alpha}
    params |= {"batch_size": 20, "shuffle": False, "nesterovs_momentum": False}
    start = regressor(**params, learning_rate_init=1e-300, max_iter=1).fit(X, NUMBERS)
    net = regressor(**params, learning_rate_init=rate, max_iter=3).fit(X, NUMBERS)
    W, b = start.coefs_[0][:, 0].copy(), start.intercepts_[0][0]
    for norm in net.history_["gradient_norm"]:
        squares = []
        for rows in (slice(0, 20), slice(20, 40), slice(40, 60)):
            residual = X[rows] @ W + b - NUMBERS[rows]
            dW, db = (X[rows].T @ residual + alpha * W) / 20, residual.mean()
            squares.append(dW @ dW + db**2)
            W, b = W - rate * dW, b - rate * db
        assert norm == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-9)


@pytest.mark.parametrize("n_per_call", [1, 1000])
def test_history_goes_on(monkeypatch, n_per_call):
    """However many epochs a call of the core trains, and however many fits there are."""
    whole = classifier(max_iter=6).fit(X, LABELS)
    monkeypatch.setattr("sknet.training.CALL_ROWS", n_per_call * len(X))
    pieces = classifier(max_iter=2, warm_start=True)
    steps = classifier()
    for _ in range(3):
        pieces.fit(X, LABELS)
    for _ in range(6):
        steps.partial_fit(X, LABELS, classes=[0, 1])
    for net in (pieces, steps):
        for name in ("epoch", "loss", "learning_rate", "gradient_norm"):
            assert_array_equal(net.history_[name], whole.history_[name])
        assert (np.diff(net.history_["seconds"]) > 0).all()
    again = classifier(max_iter=2).fit(X, LABELS)
    assert len(again.fit(X, LABELS).history_["epoch"]) == 2


def test_gaps_are_nan():
    net = classifier(max_iter=2, warm_start=True).fit(X, LABELS)
    net.fit(X, LABELS, X_val=X, y_val=LABELS).fit(X, LABELS)
    scores = net.history_["validation_score"]
    assert np.isnan(scores).tolist() == [True] * 2 + [False] * 2 + [True] * 2
    assert list(net.history_) == VALIDATED


def test_history_of_lbfgs():
    net = regressor(solver="lbfgs", max_iter=5).fit(X, NUMBERS)
    assert list(net.history_) == ["epoch", "loss", "seconds"]
    assert all(len(values) == net.n_iter_ for values in net.history_.values())
    assert (np.diff(net.history_["loss"]) <= 0).all()
    adam = regressor(max_iter=3).fit(X, NUMBERS)
    assert len(adam.set_params(solver="lbfgs", max_iter=5).fit(X, NUMBERS).history_["epoch"]) == 5


def test_history_of_training_that_stops_in_the_middle_of_a_call():
    net = classifier(tol=10.0, n_iter_no_change=3, max_iter=50).fit(X, LABELS)
    assert all(len(values) == net.n_iter_ < 50 for values in net.history_.values())


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("sizes", [(200,), (30, 30)], ids=["shards", "whole"])
def test_history_does_not_depend_on_threads(sizes, n_threads):
    many = np.tile(X, (20, 1)), np.tile(NUMBERS, 20)
    one, other = (
        regressor(hidden_layer_sizes=sizes, max_iter=3, n_threads=n).fit(*many)
        for n in (1, n_threads)
    )
    for name in ("loss", "gradient_norm"):
        assert_array_equal(one.history_[name], other.history_[name])
