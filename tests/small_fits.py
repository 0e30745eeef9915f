"""Sixty rows and small estimators, for the tests of what happens around a fit."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sknet import MLPClassifier, MLPRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
LABELS = (X[:, 0] * X[:, 1] > 0).astype(int)
NUMBERS = X[:, 0] * X[:, 1]
SOLVERS = pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])


def classifier(**params):
    return MLPClassifier(**{"hidden_layer_sizes": (5,), "random_state": 0, **params})


def regressor(**params):
    return MLPRegressor(**{"hidden_layer_sizes": (5,), "random_state": 0, **params})


def assert_same_bits(a, b):
    for name in ("coefs_", "intercepts_"):
        for ours, others in zip(getattr(a, name), getattr(b, name), strict=True):
            assert_array_equal(ours, others)


def assert_refused(params, message, rows=X, **fitted_with):
    """A fit with these parameters raises this ValueError, and nothing fitted is lost."""
    net = regressor(max_iter=2, **fitted_with).fit(X, NUMBERS)
    before = net.predict(X)
    with pytest.raises(ValueError, match=message):
        net.set_params(**params).fit(rows, NUMBERS)
    net.set_params(**{name: getattr(regressor(**fitted_with), name) for name in params})
    assert_array_equal(net.predict(X), before)
