"""Activations and links against SciPy."""

import numpy as np
import pytest
from driver import as_real, close, predict
from scipy import special

from sknet import _core

REGISTRY = _core.load(np.float64)
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def elu(x):
    return np.where(x < 0, np.expm1(np.minimum(x, 0)), x)


ACTIVATIONS = {
    "identity": lambda x: x,
    "logistic": special.expit,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x < 0, 0.01 * x, x),
    "elu": elu,
    "selu": lambda x: SELU_SCALE * np.where(x < 0, SELU_ALPHA, 1) * elu(x),
    "gelu": lambda x: x * special.ndtr(x),
    "silu": lambda x: x * special.expit(x),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "softplus": lambda x: np.logaddexp(0, x),
}
LINKS = {
    "identity": lambda Z: Z,
    "exp": np.exp,
    "logistic": special.expit,
    "logistic_pair": lambda z: np.hstack([special.expit(-z), special.expit(z)]),
    "softmax": lambda Z: special.softmax(Z, axis=1),
    "quantiles": lambda Z: np.hstack([quantiles(Z[:, :2]), quantiles(Z[:, 2:])]),
}


def quantiles(Z):
    """Two of them: the upper one is Z's, the lower one softplus(z) below."""
    return np.column_stack([Z[:, 1] - np.logaddexp(0, Z[:, 0]), Z[:, 1]])


@pytest.mark.parametrize("name", REGISTRY.ACTIVATIONS)
def test_activation(core, name):
    x = as_real(core, np.r_[0, np.random.default_rng(0).normal(scale=4, size=200), -800, 800])
    network = core.Network([core.Dense(1, 1, name)])
    y = predict(core, network, x[:, None], [1, 0])[:, 0]
    close(core, y, ACTIVATIONS[name](x.astype(float)))


@pytest.mark.parametrize("name", REGISTRY.ACTIVATIONS)
def test_activation_keeps_nan(core, name):
    network = core.Network([core.Dense(1, 1, name)])
    y = predict(core, network, np.array([[1.0], [np.nan], [2.0]]), [1, 0])[:, 0]
    assert np.isnan(y).tolist() == [False, True, False]


@pytest.mark.parametrize("name", REGISTRY.LINKS)
def test_link(core, name):
    n_out = 1 if name == "logistic_pair" else 4
    options = {"n_levels": 2} if name == "quantiles" else {}
    Z = as_real(core, np.random.default_rng(0).normal(scale=3, size=(200, n_out)))
    network = core.Network([core.Dropout(n_out, 0.5)])
    out = predict(core, network, Z, [], link=name, **options)
    expected = LINKS[name](Z.astype(float))
    if name == "quantiles":  # differences
        close(core, out, expected)
    else:
        tolerance = 1e-6 if np.float32 == core.DTYPE else 1e-13
        np.testing.assert_allclose(out, expected, rtol=tolerance)


def test_probabilities_stay_strictly_positive(core):
    Z = np.array([[-800.0, 800.0], [-90.0, 0.0]])
    nothing = core.Network([core.Dropout(2, 0.0)])
    assert (predict(core, nothing, Z, [], link="logistic") > 0).all()
    assert (predict(core, nothing, Z, [], link="softmax") > 0).all()


def test_quantiles_do_not_cross(core):
    Z = as_real(core, np.random.default_rng(0).normal(scale=30, size=(300, 5)))
    nothing = core.Network([core.Dropout(5, 0.0)])
    out = predict(core, nothing, Z, [], link="quantiles", n_levels=5)
    assert (np.diff(out, axis=1) >= 0).all()
    assert (out[:, 2] == Z[:, 2]).all()
