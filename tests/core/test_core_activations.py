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
    "largest": lambda Z: Z.argmax(axis=1)[:, None],
    "sorted": lambda Z: np.sort(Z.reshape(-1, 2, 2), axis=2).reshape(-1, 4),
}


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
    options = {"n_levels": 2} if name == "sorted" else {}
    Z = as_real(core, np.random.default_rng(0).normal(scale=3, size=(200, n_out)))
    network = core.Network([core.Dropout(n_out, 0.5)])
    out = predict(core, network, Z, [], link=name, **options)
    tolerance = 1e-6 if np.float32 == core.DTYPE else 1e-13
    np.testing.assert_allclose(out, LINKS[name](Z.astype(float)), rtol=tolerance)


def test_largest_is_the_first_of_equals_and_a_single_output_is_above_0(core):
    for Z, expected in (
        ([[1, 3, 3], [2, 2, 1], [-1, -3, -1]], [1, 0, 0]),
        ([[0.5], [0], [-0.5], [-0.0]], [1, 0, 0, 0]),
    ):
        nothing = core.Network([core.Dropout(len(Z[0]), 0.0)])
        out = predict(core, nothing, np.array(Z, float), [], link="largest")
        np.testing.assert_array_equal(out[:, 0], expected)


def test_probabilities_stay_strictly_positive(core):
    Z = np.array([[-800.0, 800.0], [-90.0, 0.0]])
    nothing = core.Network([core.Dropout(2, 0.0)])
    assert (predict(core, nothing, Z, [], link="logistic") > 0).all()
    assert (predict(core, nothing, Z, [], link="softmax") > 0).all()


@pytest.mark.parametrize("n_levels", [1, 2, 5])
def test_sorted(core, n_levels):
    Z = as_real(core, np.random.default_rng(0).integers(-3, 3, size=(300, 2 * n_levels)))
    nothing = core.Network([core.Dropout(2 * n_levels, 0.0)])
    out = predict(core, nothing, Z, [], link="sorted", n_levels=n_levels)
    expected = np.sort(Z.reshape(300, 2, n_levels), axis=2)
    np.testing.assert_array_equal(out, expected.reshape(Z.shape))
    Z[7, 0] = np.nan
    out = predict(core, nothing, Z, [], link="sorted", n_levels=n_levels)
    assert np.isnan(out).sum() == np.isnan(out[7, :n_levels]).sum() == 1
