"""The range test of learning rates."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_digits
from small_fits import LABELS, NUMBERS, X, classifier, regressor

from sknet import find_learning_rate

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_curve():
    net = regressor(batch_size=20, solver="sgd", max_iter=7)
    curve = find_learning_rate(net, X, NUMBERS, lowest=1e-5, highest=1e4, n_steps=100)
    n = len(curve.losses)
    assert 20 < n < 100  # it has ended where the loss rose
    assert_allclose(curve.learning_rates, np.geomspace(1e-5, 1e4, 100)[:n])
    assert curve.losses[-1] > 4 * curve.smoothed.min()
    assert curve.suggestion == curve.learning_rates[np.argmin(curve.smoothed)] / 10
    assert np.isfinite(curve.losses).all()
    mean = 0.0
    for i, loss in enumerate(curve.losses):
        mean = 0.9 * mean + 0.1 * loss
        assert curve.smoothed[i] == pytest.approx(mean / (1 - 0.9 ** (i + 1)))
    assert not hasattr(net, "coefs_")
    assert net.get_params()["max_iter"] == 7


def test_steps_are_updates_of_one_training():
    """Each begins where the last one ended; the loss of the first is that of the first weights."""
    net = regressor(batch_size=60, solver="sgd", alpha=0)
    curve = find_learning_rate(net, X, NUMBERS, lowest=0.01, highest=0.2, n_steps=10)
    first = regressor(batch_size=60, alpha=0, max_iter=1, learning_rate_init=1e-300)
    assert curve.losses[0] == pytest.approx(first.fit(X, NUMBERS).loss_)
    twin = regressor(batch_size=60, solver="sgd", alpha=0)
    for rate, loss in zip(curve.learning_rates, curve.losses, strict=True):
        twin.set_params(learning_rate_init=rate).partial_fit(X, NUMBERS)
        assert twin.loss_curve_[-1] == pytest.approx(loss)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_the_suggestion_trains_well(solver):
    rows, y = load_digits(return_X_y=True)
    rows = rows / 16
    net = classifier(solver=solver, hidden_layer_sizes=(30,), max_iter=10)
    curve = find_learning_rate(net, rows, y)
    losses = {
        factor: net.set_params(learning_rate_init=curve.suggestion * factor).fit(rows, y).loss_
        for factor in (0.01, 1, 300)
    }
    assert losses[1] < losses[0.01] / 2
    assert losses[1] < losses[300] / 2


@pytest.mark.parametrize("container", [sparse.csr_array, pd.DataFrame, list])
def test_containers(container):
    """Of X, y and weights; the same curve."""
    net = classifier(batch_size=20, random_state=3)
    weight = np.linspace(1, 2, 60)
    texts = np.array(["no", "yes"])[LABELS]
    expected = find_learning_rate(net, X, texts, weight, n_steps=12)
    given = X.tolist() if container is list else container(X)
    curve = find_learning_rate(net, given, texts.tolist(), weight.tolist(), n_steps=12)
    assert_allclose(curve.losses, expected.losses, rtol=1e-10)


def test_labels_and_several_outputs():
    several = np.column_stack([LABELS, 1 - LABELS])
    assert find_learning_rate(classifier(), X, several, n_steps=10).suggestion > 0
    assert find_learning_rate(regressor(), X, several, n_steps=10).suggestion > 0


def test_what_only_whole_fits_have_is_left_out():
    net = regressor(
        early_stopping=True, scoring="r2", averaging="swa", learning_rate="cosine", warm_start=True,
        n_starts=3, combine="mean", max_time=1e-9,
    )  # fmt: skip
    plain = find_learning_rate(regressor(), X, NUMBERS, n_steps=10)
    assert_array_equal(find_learning_rate(net, X, NUMBERS, n_steps=10).losses, plain.losses)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lowest": 0}, "'lowest' parameter of find_learning_rate"),
        ({"n_steps": 3}, "'n_steps' parameter of find_learning_rate"),
        ({"lowest": 1.0, "highest": 0.1}, "highest must be above lowest=1.0, got 0.1"),
    ],
    ids=str,
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        find_learning_rate(regressor(), X, NUMBERS, **options)
    with pytest.raises(AttributeError, match="not stochastic"):
        find_learning_rate(regressor(solver="lbfgs"), X, NUMBERS)
    with pytest.raises(ValueError, match="contains NaN"):
        find_learning_rate(regressor(), X * np.nan, NUMBERS)
