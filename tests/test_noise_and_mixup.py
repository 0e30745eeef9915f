"""Noise on X and mixed rows, in training alone."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from small_fits import LABELS, NUMBERS, X, assert_refused, assert_same_bits, classifier, regressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

BOTH = pytest.mark.parametrize("params", [{"input_noise": 0.5}, {"mixup": 0.4}], ids=str)


@BOTH
def test_training_sees_it_and_prediction_does_not(params):
    plain = regressor(max_iter=5, batch_size=20).fit(X, NUMBERS)
    net = regressor(max_iter=5, batch_size=20, **params).fit(X, NUMBERS)
    assert all((a != b).any() for a, b in zip(net.coefs_, plain.coefs_, strict=True))
    H = np.maximum(X @ net.coefs_[0] + net.intercepts_[0], 0)
    expected = (H @ net.coefs_[1] + net.intercepts_[1])[:, 0]
    np.testing.assert_allclose(net.predict(X), expected, rtol=1e-12)
    assert_array_equal(net.predict(X), net.predict(X))


@BOTH
def test_any_number_of_threads_and_training_that_goes_on(params):
    rows, y = np.tile(X, (20, 3)), np.tile(LABELS, 20)
    params = {**params, "hidden_layer_sizes": (64,), "batch_size": 200}
    once = [classifier(**params, max_iter=6, n_threads=n).fit(rows, y) for n in (1, 2, 3)]
    assert_same_bits(once[0], once[1])
    assert_same_bits(once[0], once[2])
    twice = classifier(**params, max_iter=3, warm_start=True).fit(rows, y).fit(rows, y)
    assert_same_bits(once[0], twice)


def test_noise_makes_slopes_smaller():
    """On a linear model with squared error it is ridge regression, n * deviation^2 the strength."""
    y = X @ [1.0, -2.0, 0.5, 3.0]
    rows, y = np.tile(X, (50, 1)), np.tile(y, 50)
    params = {"hidden_layer_sizes": (), "alpha": 0.0, "max_iter": 300, "n_iter_no_change": 300}
    params |= {"learning_rate": "cosine", "learning_rate_init": 0.02}
    net = regressor(**params, input_noise=0.7).fit(rows, y)
    centred = X - X.mean(axis=0)
    ridge = np.linalg.solve(centred.T @ centred / 60 + 0.49 * np.eye(4), centred.T @ y[:60] / 60)
    np.testing.assert_allclose(net.coefs_[0][:, 0], ridge, atol=0.03)


def test_mixup_makes_probabilities_less_sure():
    params = {"hidden_layer_sizes": (30,), "max_iter": 300, "batch_size": 30}
    sure = [
        np.abs(classifier(**params, mixup=mixup).fit(X, LABELS).decision_function(X)).mean()
        for mixup in (0.0, 1.0)
    ]
    assert sure[1] < 0.7 * sure[0]


def test_sparse_rows_take_noise():
    dense = regressor(max_iter=4, input_noise=0.3).fit(X, NUMBERS)
    assert_same_bits(
        dense, regressor(max_iter=4, input_noise=0.3).fit(sparse.csr_array(X), NUMBERS)
    )


@pytest.mark.parametrize(
    ("params", "rows", "message"),
    [
        ({"mixup": 0.2}, sparse.csr_array(X), "mixup=0.2 mixes rows of dense X, got sparse X"),
        ({"mixup": 0.2, "solver": "lbfgs"}, X, "mixup=0.2 makes each step see another network"),
        ({"input_noise": 0.2, "solver": "lbfgs"}, X, "input_noise=0.2 makes each step"),
        ({"mixup": -1}, X, "'mixup' parameter"),
        ({"input_noise": -0.1}, X, "'input_noise' parameter"),
    ],
    ids=str,
)
def test_refused_and_nothing_lost(params, rows, message):
    assert_refused(params, message, rows)
