"""Losses of the estimators: what they reach, and scikit-learn's metrics of it."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import metrics
from sklearn.calibration import CalibratedClassifierCV
from sklearn.preprocessing import label_binarize
from small_fits import assert_same_bits

from sknet import MLPClassifier, MLPRegressor
from sknet.losses import Focal, Gamma, Huber, Poisson, Quantile, Tweedie

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
AMOUNT = RNG.gamma(3, np.exp(0.3 * X[:, 0]))
COUNT = RNG.poisson(np.exp(0.5 * X[:, 0])).astype(float)
WEIGHT = RNG.uniform(0.2, 3, 200)
CLASS = (X @ RNG.normal(size=(3, 3)) + RNG.normal(size=(200, 3))).argmax(axis=1)


def tweedie(power):
    return lambda y, f, w: metrics.mean_tweedie_deviance(y, f, sample_weight=w, power=power)


def pinball(alpha):
    return lambda y, f, w: metrics.mean_pinball_loss(y, f, sample_weight=w, alpha=alpha)


def absolute_error(y, f, w):
    return metrics.mean_absolute_error(y, f, sample_weight=w)


REGRESSION = {  # loss, y, the metric, and how many times the loss it is
    "squared_error": (
        "squared_error", AMOUNT, lambda y, f, w: metrics.mean_squared_error(y, f, sample_weight=w),
        2,
    ),
    "absolute_error": ("absolute_error", AMOUNT, absolute_error, 1),
    "median": (Quantile(), AMOUNT, absolute_error, 0.5 * 4),
    "quantile": (Quantile(0.8), AMOUNT, pinball(0.8), 1),
    "poisson": (Poisson(), COUNT, tweedie(1), 2),
    "poisson by its power": (Tweedie(1), COUNT, tweedie(1), 2),
    "gamma": (Gamma(), AMOUNT, tweedie(2), 2),
    "gamma by its power": (Tweedie(2), AMOUNT, tweedie(2), 2),
    "tweedie": (Tweedie(1.3), COUNT * AMOUNT, tweedie(1.3), 2),
}  # fmt: skip


def fitted(loss, y, weight=None, **params):
    params = {
        "hidden_layer_sizes": (4,),
        "activation": "tanh",
        "solver": "lbfgs",
        "alpha": 0,
    } | params
    return MLPRegressor(**params, loss=loss, random_state=0).fit(X, y, weight)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
@pytest.mark.parametrize("which", REGRESSION)
def test_loss_is_scikit_learns_metric(which, weight):
    loss, y, metric, times = REGRESSION[which]
    net = fitted(loss, y, weight, max_iter=50)
    value = metric(y, net.predict(X), weight)
    assert times * net.loss_ == pytest.approx(value, rel=1e-9)
    constant = np.average(y, weights=weight)
    assert value < metric(y, np.full(200, constant), weight)


def test_huber_is_between_squared_and_absolute_error():
    squared, absolute = fitted("squared_error", AMOUNT), fitted("absolute_error", AMOUNT)
    for delta, other, times in ((1e6, squared, 1), (1e-6, absolute, 1e-6)):
        net = fitted(Huber(delta), AMOUNT)
        if times == 1:
            assert_allclose(net.predict(X), other.predict(X), rtol=1e-6)
        residuals = np.abs(net.predict(X) - AMOUNT)
        value = np.where(residuals <= delta, residuals**2 / 2, delta * (residuals - delta / 2))
        assert net.loss_ == pytest.approx(value.mean(), rel=1e-9)


def test_outliers_do_not_matter_to_robust_losses():
    y = X[:, 0] + 0.01 * RNG.normal(size=200)
    y[:10] += 100
    for loss, much in (("squared_error", True), ("absolute_error", False), ("huber", False)):
        net = fitted(loss, y, hidden_layer_sizes=(), max_iter=500)
        assert (np.abs(net.predict(X[10:]) - X[10:, 0]).mean() > 1) == much


def test_means_and_quantiles_without_features():
    """Where X says nothing, the prediction is the constant that the loss is lowest for."""
    nothing = np.zeros((200, 1))
    for loss, expected in (
        ("squared_error", AMOUNT.mean()),
        ("gamma", AMOUNT.mean()),
        ("tweedie", AMOUNT.mean()),
        ("poisson", AMOUNT.mean()),
    ):
        net = MLPRegressor((), solver="lbfgs", loss=loss, alpha=0, tol=1e-9, random_state=0)
        assert net.fit(nothing, AMOUNT).predict(nothing)[0] == pytest.approx(expected, rel=1e-5)
    for level in (0.1, 0.5, 0.9):
        net = MLPRegressor((), loss=Quantile(level), learning_rate="cosine", random_state=0)
        net.set_params(learning_rate_init=0.1, max_iter=300, n_iter_no_change=np.inf, alpha=0)
        net.fit(nothing, AMOUNT)
        assert np.mean(net.predict(nothing)[0] > AMOUNT) == pytest.approx(level, abs=0.03)


def test_rates_weighted_by_exposure_are_counts():
    """With a log link and intercept: what is predicted for all exposure is what was counted."""
    exposure = RNG.uniform(0.1, 2, 200)
    count = RNG.poisson(exposure * np.exp(0.5 * X[:, 0]))
    net = fitted("poisson", count / exposure, exposure, hidden_layer_sizes=(), tol=1e-9)
    assert np.sum(exposure * net.predict(X)) == pytest.approx(count.sum(), rel=1e-5)


LEVELS = [0.1, 0.5, 0.9]


def quantiles(y=AMOUNT, levels=LEVELS, **params):
    base = {"hidden_layer_sizes": (8,), "learning_rate_init": 0.02, "max_iter": 150, "tol": 0}
    return MLPRegressor(**(base | params), loss=Quantile(levels), random_state=0).fit(X, y)


def test_several_quantiles():
    net = quantiles()
    predictions = net.predict(X)
    assert predictions.shape == (200, 3)
    assert net.n_outputs_ == 3
    assert (np.diff(predictions, axis=1) >= 0).all()
    below = (AMOUNT[:, None] < predictions).mean(axis=0)
    assert_allclose(below, LEVELS, atol=0.06)
    parts = [
        metrics.d2_pinball_score(AMOUNT, predictions[:, i], alpha=level)
        for i, level in enumerate(LEVELS)
    ]
    assert net.score(X, AMOUNT) == np.mean(parts)
    values = [pinball(level)(AMOUNT, predictions[:, i], None) for i, level in enumerate(LEVELS)]
    assert net.loss_ == pytest.approx(np.mean(values), rel=0.02)  # before the last updates
    again = pickle.loads(pickle.dumps(net))
    assert_array_equal(again.predict(X), predictions)
    again.coefs_ = [coef.copy() for coef in again.coefs_]  # weights set by hand
    assert_array_equal(again.predict(X), predictions)


def test_several_quantiles_of_large_numbers():
    """Far from where the outputs begin: none is left behind."""
    base = {"hidden_layer_sizes": (32,), "learning_rate_init": 0.1, "max_iter": 300}
    y = 300 + 50 * AMOUNT
    predictions = quantiles(y, **base, learning_rate="cosine").predict(X)
    assert_allclose((y[:, None] < predictions).mean(axis=0), LEVELS, atol=0.08)


def test_several_quantiles_of_several_outputs():
    y = np.column_stack([AMOUNT, -AMOUNT])
    predictions = quantiles(y).predict(X)
    assert predictions.shape == (200, 2, 3)
    assert (np.diff(predictions, axis=2) >= 0).all()
    for k in range(2):
        below = (y[:, k, None] < predictions[:, k]).mean(axis=0)
        assert_allclose(below, LEVELS, atol=0.1)
    assert quantiles(y, [0.2]).predict(X).shape == (200, 2)
    assert quantiles(levels=[0.2]).predict(X).shape == (200,)
    assert_same_bits(quantiles(levels=[0.2]), quantiles(levels=0.2))


@pytest.mark.parametrize("levels", [LEVELS, 0.9])
def test_quantiles_stop_early_by_their_pinball_loss(levels):
    """R^2 is best for the mean: it would stop before a high quantile has risen."""
    rows = {"X_val": X[:50], "y_val": AMOUNT[:50]}
    net = MLPRegressor((8,), loss=Quantile(levels), early_stopping=True, max_iter=50)
    net.set_params(random_state=0, learning_rate_init=0.02, n_iter_no_change=50)
    net.fit(X[50:], AMOUNT[50:], **rows)
    assert net.score(*rows.values()) == max(net.validation_scores_)
    lowest = np.argmin(net.history_["validation_loss"])
    assert np.argmax(net.validation_scores_) == lowest or np.size(levels) > 1


def test_training_of_quantiles_goes_on():
    net = quantiles(max_iter=3, warm_start=True).fit(X, AMOUNT)
    assert_same_bits(net, quantiles(max_iter=6))


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "quantile", "gamma", "tweedie"])
def test_outputs_train_as_they_would_alone(loss):
    """The gradient is that of the sum over outputs."""
    both = MLPRegressor((), loss=loss, random_state=0, alpha=0, max_iter=5, batch_size=200)
    y = np.column_stack([AMOUNT, AMOUNT[::-1]])
    both.fit(X, y)
    alone = MLPRegressor(**both.get_params() | {"warm_start": True, "max_iter": 1})
    start = MLPRegressor((), loss=loss, random_state=0, learning_rate_init=1e-300, max_iter=1)
    start.fit(X, y)
    alone.set_params(max_iter=5).fit(X, AMOUNT)  # shapes; then the same start
    alone.coefs_, alone.intercepts_ = [start.coefs_[0][:, :1]], [start.intercepts_[0][:1]]
    del alone._progress
    alone.fit(X, AMOUNT)
    assert_allclose(alone.coefs_[0][:, 0], both.coefs_[0][:, 0], rtol=1e-10)


# Classifiers --------------------------------------------------------------------------------


def classifier(loss, y, **params):
    params = {"hidden_layer_sizes": (5,), "solver": "lbfgs", "alpha": 0, "max_iter": 30} | params
    return MLPClassifier(**params, loss=loss, random_state=0).fit(X, y)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
def test_loss_of_a_classifier_is_scikit_learns_metric(loss, n_classes):
    y = CLASS % n_classes
    net = classifier(loss, y)
    if loss == "hinge":
        expected = metrics.hinge_loss(y, net.decision_function(X))
    else:
        expected = metrics.log_loss(y, net.predict_proba(X))
    assert net.loss_ == pytest.approx(expected, rel=1e-9)
    assert net.score(X, y) > 0.7


def test_hinge_has_margins_and_no_probabilities():
    net = classifier("hinge", CLASS)
    assert not hasattr(net, "predict_proba")
    assert not hasattr(net, "predict_log_proba")
    with pytest.raises(ValueError, match="loss='hinge' has margins, not probabilities"):
        net.predict_proba(X)
    assert_array_equal(net.decision_function(X).argmax(axis=1), net.predict(X))
    calibrated = CalibratedClassifierCV(MLPClassifier((5,), loss="hinge", random_state=0), cv=2)
    assert calibrated.fit(X, CLASS).predict_proba(X).shape == (200, 3)


def test_hinge_of_labels_is_the_sum_over_them():
    y = label_binarize(CLASS, classes=[0, 1, 2])
    net = classifier("hinge", y)
    margins = 1 - (2 * y - 1) * net.decision_function(X)
    assert net.loss_ == pytest.approx(np.maximum(0, margins).sum(axis=1).mean(), rel=1e-9)


@pytest.mark.parametrize("y", [CLASS % 2, CLASS], ids=["two", "three"])
def test_focal(y):
    plain = classifier("log_loss", y)
    assert_allclose(classifier(Focal(0), y).predict_proba(X), plain.predict_proba(X), rtol=1e-3)
    net = classifier("focal", y)
    p = net.predict_proba(X)[np.arange(200), y]
    assert net.loss_ == pytest.approx(np.mean(-((1 - p) ** 2) * np.log(p)), rel=1e-9)
    # Less is gained by being sure.
    assert net.predict_proba(X).max(axis=1).mean() < plain.predict_proba(X).max(axis=1).mean()


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
@pytest.mark.parametrize("kind", ["two", "three", "labels"])
def test_label_smoothing_is_what_sure_probabilities_reach(kind, loss):
    """Of classes that can be told apart, s is shared out evenly."""
    s, corners = 0.2, np.eye(3)[CLASS] * 3
    y = {"two": CLASS % 2, "three": CLASS, "labels": np.eye(3, dtype=int)[CLASS]}[kind]
    net = MLPClassifier((), solver="lbfgs", alpha=0, loss=loss, label_smoothing=s, random_state=0)
    net.set_params(tol=1e-9, max_iter=5000).fit(corners, y)
    proba = net.predict_proba(corners)
    if kind == "three":
        expected = np.eye(3)[CLASS] * (1 - s) + s / 3
    else:
        yes = (np.eye(2)[y] if kind == "two" else y) * 1.0
        expected = yes * (1 - s) + s / 2
    assert_allclose(proba, expected, atol=2e-3)


@pytest.mark.parametrize("y", [CLASS % 2, CLASS], ids=["two", "three"])
def test_label_smoothing_with_weights_and_early_stopping(y):
    net = MLPClassifier((5,), label_smoothing=0.1, early_stopping=True, class_weight="balanced")
    net.set_params(random_state=0, max_iter=20).fit(X, y, WEIGHT)
    assert set(net.predict(X)) <= set(y)
    assert 0 < net.best_validation_score_ <= 1
