"""Values and gradients of losses against slow NumPy twins, and scikit-learn's metrics."""

import numpy as np
import pytest
from driver import as_real, close, make_loss, make_targets, predict, takes_class_index, train
from scipy.special import expit, log_softmax, softmax
from sklearn import metrics

from sknet import _core

REGISTRY = _core.load(np.float64)


def poisson(Z, y):
    mu = np.exp(Z)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(y > 0, y * np.log(y / mu), 0) - y + mu, mu - y


def gamma(Z, y):
    mu = np.exp(Z)
    return np.log(mu / y) + y / mu - 1, 1 - y / mu


def tweedie(Z, y, p=1.5):
    of_target, of_mean = y * np.exp((1 - p) * Z), np.exp((2 - p) * Z)
    value = y ** (2 - p) / ((1 - p) * (2 - p)) - of_target / (1 - p) + of_mean / (2 - p)
    return value, of_mean - of_target


def huber(Z, y, delta=1.35):
    r = Z - y
    value = np.where(np.abs(r) <= delta, r**2 / 2, delta * (np.abs(r) - delta / 2))
    return value, np.clip(r, -delta, delta)


def quantile(Z, y):
    """Each output belongs to the level of its place in the order."""
    levels = np.linspace(0.2, 0.7, Z.shape[1])[Z.argsort(axis=1).argsort(axis=1)]
    r = y - Z
    return np.where(r < 0, levels - 1, levels) * r, np.where(r < 0, 1 - levels, -levels)


def logistic_squared_error(Z, y):
    a = expit(Z)
    return (a - y) ** 2, 2 * (a - y) * a * (1 - a)


def logistic_focal(Z, y, gamma=2.0):
    sign = 2 * y - 1
    p = expit(sign * Z)
    log_p = -np.logaddexp(0, -sign * Z)
    slope = gamma * (1 - p) ** (gamma - 1) * p * (1 - p) * log_p - (1 - p) ** (gamma + 1)
    return -((1 - p) ** gamma) * log_p, sign * slope


def hinge(Z, y):
    sign = 2 * y - 1
    return np.maximum(0, 1 - sign * Z), np.where(sign * Z < 1, -sign, 0)


def onehot(Z, y):
    return np.arange(Z.shape[1]) == y


def softmax_log_loss(Z, y, smoothing=0.0):
    t = (1 - smoothing) * onehot(Z, y) + smoothing / Z.shape[1]
    return -log_softmax(Z, axis=1) * t, softmax(Z, axis=1) - t


def softmax_focal(Z, y, gamma=2.0):
    t = onehot(Z, y)
    p = softmax(Z, axis=1)[t][:, None]
    log_p = log_softmax(Z, axis=1)[t][:, None]
    factor = (1 - p) ** gamma - gamma * p * log_p * (1 - p) ** (gamma - 1)
    return -((1 - p) ** gamma) * log_p * t, factor * (softmax(Z, axis=1) - t)


def multiclass_hinge(Z, y):
    t = onehot(Z, y)
    others = np.where(t, -np.inf, Z)
    margin = 1 + others.max(axis=1) - Z[t]
    highest = np.arange(Z.shape[1]) == others.argmax(axis=1)[:, None]
    inside = (margin > 0)[:, None]
    return np.maximum(0, margin)[:, None] * t, inside * (highest * 1.0 - t)


# Value and gradient per element, before weights.
LOSSES = {
    "squared_error": lambda Z, y: (0.5 * (Z - y) ** 2, Z - y),
    "absolute_error": lambda Z, y: (np.abs(Z - y), np.sign(Z - y)),
    "huber": huber,
    "quantile": quantile,
    "poisson": poisson,
    "gamma": gamma,
    "tweedie": tweedie,
    "logistic_log_loss": lambda Z, y: (np.logaddexp(0, Z) - y * Z, expit(Z) - y),
    "softmax_log_loss": softmax_log_loss,
    "logistic_squared_error": logistic_squared_error,
    "logistic_focal": logistic_focal,
    "softmax_focal": softmax_focal,
    "hinge": hinge,
    "multiclass_hinge": multiclass_hinge,
}
SUMS_OUTPUTS = ("poisson", "logistic_log_loss", "logistic_squared_error", "logistic_focal", "hinge")


def value_and_gradient(core, loss, Z, y, weight=None):
    """The sum over rows, as it is reported, and the gradient of a loss at raw outputs Z."""
    nothing = core.Network([core.Dropout(Z.shape[1], 0.0)], input_gradient=True)
    dZ = np.full(Z.shape, np.nan, core.DTYPE)
    run = train(
        core, nothing, loss, Z, y, weight, params=[], total_weight=1, input_gradient=dZ,
        batch_size=5,
    )  # fmt: skip
    return run.results[0][0], dZ


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_out", [1, 2, 3, 9])
@pytest.mark.parametrize("name", REGISTRY.LOSSES)
def test_loss(core, name, n_out, weighted):
    if name == "multiclass_hinge" and n_out == 1:
        pytest.skip("it compares classes")
    rng = np.random.default_rng(n_out)
    Z = as_real(core, rng.normal(scale=2, size=(23, n_out))).astype(float)
    y = as_real(core, make_targets(rng, name, 23, n_out)).astype(float)
    w = as_real(core, rng.uniform(0, 2, 23)).astype(float) if weighted else None
    value, dZ = value_and_gradient(core, make_loss(core, name, n_out), Z, y, w)
    values, gradient = LOSSES[name](Z, y)
    expected = np.sum(values.sum(axis=1) * (1 if w is None else w))
    if not takes_class_index(name) and name not in SUMS_OUTPUTS:
        expected /= n_out  # reported as a mean over outputs, as scikit-learn does
    # Per unit of weight; float32 loses in exp(z) what z is large by.
    scale = 100 if name in ("poisson", "gamma", "tweedie") else 3
    close(core, value / 23, expected / 23, scale=scale)
    close(core, dZ, gradient, scale=scale)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothed_softmax(core, smoothing):
    rng = np.random.default_rng(0)
    Z = as_real(core, rng.normal(scale=2, size=(23, 4))).astype(float)
    y = make_targets(rng, "softmax_log_loss", 23, 4)
    loss = core.LOSSES["softmax_log_loss"](4, smoothing=smoothing)
    value, dZ = value_and_gradient(core, loss, Z, y)
    values, gradient = softmax_log_loss(Z, y, smoothing)
    close(core, value, values.sum(), scale=10)
    close(core, dZ, gradient)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("name", ["logistic_focal", "softmax_focal"])
def test_focal(core, name, gamma):
    rng = np.random.default_rng(0)
    Z = as_real(core, rng.normal(scale=2, size=(23, 3))).astype(float)
    y = make_targets(rng, name, 23, 3)
    value, dZ = value_and_gradient(core, core.LOSSES[name](3, gamma=gamma), Z, y)
    values, gradient = LOSSES[name](Z, y, gamma)
    close(core, value, values.sum(), scale=10)
    close(core, dZ, gradient, scale=3)


METRICS = {  # of predictions, and how many times our value
    "squared_error": (lambda y, f, w: metrics.mean_squared_error(y, f, sample_weight=w), 2),
    "absolute_error": (lambda y, f, w: metrics.mean_absolute_error(y, f, sample_weight=w), 1),
    "quantile": (lambda y, f, w: metrics.mean_pinball_loss(y, f, sample_weight=w, alpha=0.2), 1),
    "poisson": (lambda y, f, w: metrics.mean_poisson_deviance(y, f, sample_weight=w), 2),
    "gamma": (lambda y, f, w: metrics.mean_gamma_deviance(y, f, sample_weight=w), 2),
    "tweedie": (
        lambda y, f, w: metrics.mean_tweedie_deviance(y, f, sample_weight=w, power=1.5), 2,
    ),
    "logistic_log_loss": (lambda y, f, w: metrics.log_loss(y, f, sample_weight=w), 1),
    "softmax_log_loss": (lambda y, f, w: metrics.log_loss(y, f, sample_weight=w), 1),
    "hinge": (lambda y, f, w: metrics.hinge_loss(y, f, sample_weight=w), 1),
    "multiclass_hinge": (lambda y, f, w: metrics.hinge_loss(y, f, sample_weight=w), 1),
}  # fmt: skip


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", METRICS)
def test_value_is_that_of_scikit_learn(core64, name, weighted):
    rng = np.random.default_rng(0)
    n_out = 3 if takes_class_index(name) else 1
    Z, y = rng.normal(size=(40, n_out)), make_targets(rng, name, 40, n_out)
    w = rng.uniform(0.1, 2, 40) if weighted else None
    loss = make_loss(core64, name, n_out)
    value, _ = value_and_gradient(core64, loss, Z, y, w)
    nothing = core64.Network([core64.Dropout(n_out, 0.0)])
    predictions = predict(core64, nothing, Z, [], link=loss.link)
    metric, times = METRICS[name]
    expected = metric(y.ravel(), predictions if n_out > 1 else predictions.ravel(), w)
    assert times * value / (40 if w is None else w.sum()) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "name",
    [
        name for name in REGISTRY.LOSSES
        if not takes_class_index(name) and name not in ("hinge", "logistic_focal")
    ],
)  # fmt: skip
def test_predictions_through_the_link_of_a_loss_are_what_it_compares_with_y(core, name):
    """Where they are y, the gradient is zero."""
    loss = make_loss(core, name, 1)
    Z = as_real(core, np.random.default_rng(0).normal(size=(5, 1)))
    nothing = core.Network([core.Dropout(1, 0.5)])
    predictions = predict(core, nothing, Z, [], link=loss.link, **loss.link_options())
    close(core, value_and_gradient(core, loss, Z, predictions)[1], np.zeros((5, 1)), scale=3)


def test_softmax_predictions_are_what_the_loss_compares_with_y(core):
    loss = core.LOSSES["softmax_log_loss"](2)
    Z = as_real(core, np.random.default_rng(0).normal(size=(5, 2)))
    predictions = predict(core, core.Network([core.Dropout(2, 0.5)]), Z, [], link=loss.link)
    gradient = value_and_gradient(core, loss, Z, np.zeros((5, 1)))[1] - predictions
    close(core, gradient, np.tile([-1.0, 0.0], (5, 1)))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "name",
    [
        "logistic_log_loss", "softmax_log_loss", "logistic_squared_error", "logistic_focal",
        "softmax_focal", "hinge", "multiclass_hinge",
    ],
)  # fmt: skip
def test_loss_is_finite_at_extreme_logits(core, name, weighted):
    Z = np.array([[800.0, -800.0], [-800.0, 800.0], [800.0, 800.0], [-800.0, -800.0]])
    w = np.ones(4) if weighted else None
    for target in (0.0, 1.0):
        y = np.full((4, 1 if takes_class_index(name) else 2), target)
        value, dZ = value_and_gradient(core, make_loss(core, name, 2), Z, y, w)
        values, gradient = LOSSES[name](Z, y)
        assert np.isfinite(value)
        close(core, value, values.sum())
        close(core, dZ, gradient)


@pytest.mark.parametrize("name", REGISTRY.LOSSES)
def test_loss_of_nan_is_nan(core, name):
    """A diverged network must show itself, wherever the NaN stands."""
    for place in range(3):
        Z = np.zeros((4, 3))
        Z[2, place] = np.nan
        loss = make_loss(core, name, 3)
        value, dZ = value_and_gradient(core, loss, Z, np.ones((4, loss.n_targets)))
        assert np.isnan(value)
        assert np.isnan(dZ[2, place])
        assert np.isfinite(dZ[[0, 1, 3]]).all()


def test_slope_at_a_kink(core):
    """Of all slopes at a kink, one that the values on both sides allow."""
    for name, lowest, highest in (("absolute_error", -1, 1), ("quantile", -0.2, 0.8)):
        zero = np.zeros((1, 1))
        _, dZ = value_and_gradient(core, make_loss(core, name, 1), zero, zero)
        assert lowest <= dZ[0, 0] <= highest


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", REGISTRY.LOSSES)
def test_value_is_the_mean_of_what_training_sums(core, name, weighted):
    rng = np.random.default_rng(0)
    Z, y = as_real(core, rng.normal(size=(23, 3))), as_real(core, make_targets(rng, name, 23, 3))
    w = as_real(core, rng.uniform(0, 2, 23)) if weighted else None
    loss = make_loss(core, name, 3)
    total, _ = value_and_gradient(core, loss, Z, y, w)
    assert loss.value(Z, y, w) == pytest.approx(total / (23 if w is None else w.sum()), rel=1e-6)


def test_value_of_what_does_not_fit(core):
    loss = core.LOSSES["squared_error"](2)
    Z, one = np.zeros((3, 2), core.DTYPE), np.zeros((3, 1), core.DTYPE)
    for bad_Z, bad_y in ((one, Z), (Z, one), (Z[:2], Z)):
        with pytest.raises(ValueError, match="do not fit together"):
            loss.value(bad_Z.copy(), bad_y.copy())
    with pytest.raises(ValueError, match="weight must have 3 elements, got 2"):
        loss.value(Z, Z, np.zeros(2, core.DTYPE))
    with pytest.raises(ValueError, match="at least one row"):
        loss.value(Z[:0], Z[:0])
