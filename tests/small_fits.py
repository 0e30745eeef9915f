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
