"""Activations per layer, initial weights, weight decay."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_fits import LABELS, NUMBERS, X, assert_same_bits, classifier, regressor

from sknet import MLPRegressor
from sknet.initializers import INITIALIZERS, initialize
from sknet.optimizers import SGD, AdamW

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def softplus(x):
    return np.logaddexp(0, x)


def test_an_activation_per_layer():
    net = regressor(hidden_layer_sizes=(5, 4, 3), activation=["tanh", "softplus", "identity"])
    net.set_params(max_iter=3).fit(X, NUMBERS)
    H = X
    for f, W, b in zip([np.tanh, softplus, lambda x: x], net.coefs_, net.intercepts_):
        H = f(H @ W + b)
    expected = (H @ net.coefs_[3] + net.intercepts_[3])[:, 0]
    assert_allclose(net.predict(X), expected, rtol=1e-12)
    net.coefs_ = [coef.copy() for coef in net.coefs_]  # set by hand
    assert_allclose(net.predict(X), expected, rtol=1e-12)


@pytest.mark.parametrize("activation", ["tanh", "logistic", "gelu"])
def test_one_name_is_that_name_for_each_layer(activation):
    one = classifier(hidden_layer_sizes=(5, 4), activation=activation, max_iter=3)
    each = classifier(hidden_layer_sizes=(5, 4), activation=[activation] * 2, max_iter=3)
    assert_same_bits(one.fit(X, LABELS), each.fit(X, LABELS))
    tupled = classifier(hidden_layer_sizes=(5, 4), activation=(activation,) * 2, max_iter=3)
    assert_same_bits(one, tupled.fit(X, LABELS))


def test_no_hidden_layer_has_no_activation():
    net = regressor(hidden_layer_sizes=(), activation=[], max_iter=3).fit(X, NUMBERS)
    assert_allclose(net.predict(X), X @ net.coefs_[0][:, 0] + net.intercepts_[0])


# Initial weights ----------------------------------------------------------------------------

VARIANCES = {  # as a function of n_in, n_out
    "glorot_uniform": lambda n, m: 2 / (n + m),
    "glorot_normal": lambda n, m: 2 / (n + m),
    "he_uniform": lambda n, m: 2 / n,
    "he_normal": lambda n, m: 2 / n,
    "lecun_normal": lambda n, m: 1 / n,
    "orthogonal": lambda n, m: 1 / max(n, m),
}


def drawn(name, shape, activation="relu", seed=0):
    coef, intercept = np.full(shape, np.nan), np.full(shape[1], np.nan)
    initialize(name, np.random.default_rng(seed), coef, intercept, activation)
    return coef, intercept


@pytest.mark.parametrize("shape", [(200, 50), (50, 200)])
@pytest.mark.parametrize("name", INITIALIZERS)
def test_variance(name, shape):
    coef, intercept = drawn(name, shape)
    variance = VARIANCES[name](*shape)
    # Six standard deviations of the mean and of the variance of 10,000 numbers.
    assert abs(coef.mean()) < 6 * np.sqrt(variance / coef.size)
    assert coef.var() == pytest.approx(variance, rel=6 * np.sqrt(2 / coef.size))
    assert (intercept == 0).all()
    if name.endswith("uniform"):
        assert 0.99 < np.abs(coef).max() / np.sqrt(3 * variance) <= 1
    if name.endswith("_normal"):
        assert np.mean(np.abs(coef) < np.sqrt(variance)) == pytest.approx(0.683, abs=0.03)


@pytest.mark.parametrize("shape", [(30, 30), (30, 7), (7, 30), (1, 1)])
def test_orthogonal(shape):
    coef, _ = drawn("orthogonal", shape)
    product = coef.T @ coef if shape[0] >= shape[1] else coef @ coef.T
    assert_allclose(product, np.eye(min(shape)), atol=1e-12)


@pytest.mark.parametrize(("activation", "factor"), [("relu", 6), ("logistic", 2)])
def test_auto_is_scikit_learns(activation, factor):
    coef, intercept = drawn("auto", (200, 50), activation)
    bound = np.sqrt(factor / 250)
    assert 0.99 * bound < np.abs(coef).max() <= bound
    assert 0.8 * bound < np.abs(intercept).max() <= bound


@pytest.mark.parametrize("name", INITIALIZERS)
def test_init_reaches_the_network(name):
    nets = [
        MLPRegressor((6,), init=init, random_state=0, max_iter=1, learning_rate_init=1e-300)
        for init in (name, name, "auto")
    ]
    for net in nets:
        net.fit(X, NUMBERS)
    assert_same_bits(nets[0], nets[1])
    assert (np.abs(nets[0].intercepts_[0]) < 1e-200).all()
    assert (np.abs(nets[2].intercepts_[0]) > 1e-3).any()
    same = (nets[0].coefs_[0] == nets[2].coefs_[0]).all()
    assert same == (name == "glorot_uniform")  # it is auto's, for relu


# Weight decay -------------------------------------------------------------------------------


def test_weight_decay_shrinks_weights_and_leaves_intercepts():
    """Without a gradient, the weights alone become smaller, by rate times decay."""
    params = {"solver": SGD(0.0), "learning_rate_init": 0.1, "alpha": 0, "max_iter": 5}
    params |= {"hidden_layer_sizes": (), "batch_size": 30, "tol": 0}
    zero, y = np.zeros((60, 4)), np.zeros(60)
    start = regressor(**params | {"max_iter": 1, "learning_rate_init": 1e-300}).fit(zero, y)
    plain = regressor(**params).fit(zero, y)
    decayed = regressor(**params, weight_decay=0.5).fit(zero, y)
    assert_array_equal(plain.coefs_[0], start.coefs_[0])
    assert_allclose(decayed.coefs_[0], start.coefs_[0] * 0.95**10, rtol=1e-12)
    assert_array_equal(decayed.intercepts_[0], plain.intercepts_[0])


def test_weight_decay_given_counts_instead_of_the_solvers():
    params = {"max_iter": 5, "batch_size": 10}
    by_object = regressor(solver=AdamW(weight_decay=0.3), **params).fit(X, NUMBERS)
    by_parameter = regressor(solver="adamw", weight_decay=0.3, **params).fit(X, NUMBERS)
    assert_same_bits(by_object, by_parameter)
    none = regressor(solver="adamw", weight_decay=0.0, **params).fit(X, NUMBERS)
    assert_same_bits(none, regressor(solver="adam", **params).fit(X, NUMBERS))
    default = regressor(solver="adamw", **params).fit(X, NUMBERS)
    assert_same_bits(default, regressor(weight_decay=0.01, **params).fit(X, NUMBERS))
