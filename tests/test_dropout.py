"""Dropout of hidden units and of the columns of X."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from small_fits import LABELS, X, assert_refused, assert_same_bits, classifier

from sknet import MLPClassifier, MLPRegressor
from sknet.optimizers import LBFGS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RATES = [{"dropout": 0.3}, {"dropout": [0.5, 0.0]}, {"input_dropout": 0.2}]
RATES += [{"dropout": (0.1, 0.2), "input_dropout": 0.3}]


def network(**params):
    return classifier(hidden_layer_sizes=(40, 30), max_iter=5, batch_size=20, **params)


@pytest.mark.parametrize("rates", RATES, ids=str)
def test_dropout_changes_training_and_not_prediction(rates):
    """Predictions are those of all units: what coefs_ and intercepts_ say."""
    net = network(activation="tanh", **rates).fit(X, LABELS)
    plain = network(activation="tanh").fit(X, LABELS)
    assert (net.coefs_[0] != plain.coefs_[0]).any()
    H = X
    for W, b in zip(net.coefs_[:-1], net.intercepts_[:-1]):
        H = np.tanh(H @ W + b)
    expected = (H @ net.coefs_[-1] + net.intercepts_[-1])[:, 0]
    assert_allclose(net.decision_function(X), expected, rtol=1e-10)
    assert_array_equal(net.decision_function(X), net.decision_function(X))
    net.coefs_ = [coef.copy() for coef in net.coefs_]
    assert_allclose(net.decision_function(X), expected, rtol=1e-10)


def test_no_dropout_is_no_layer():
    """Rates of zero are the network without dropout, to the last bit."""
    plain = network().fit(X, LABELS)
    for rates in ({"dropout": 0.0}, {"dropout": [0, 0.0]}, {"dropout": 0, "input_dropout": 0}):
        assert_same_bits(network(**rates).fit(X, LABELS), plain)


def test_one_rate_is_that_rate_for_each_layer():
    assert_same_bits(
        network(dropout=0.3).fit(X, LABELS), network(dropout=[0.3, 0.3]).fit(X, LABELS)
    )
    assert (
        network(dropout=[0.3, 0.1]).fit(X, LABELS).coefs_[0]
        != network(dropout=[0.1, 0.3]).fit(X, LABELS).coefs_[0]
    ).any()


@pytest.mark.parametrize(
    ("sizes", "rates"), [((40, 30), r) for r in RATES] + [((200,), RATES[i]) for i in (0, 2)]
)
def test_same_bits_on_any_number_of_threads(sizes, rates):
    many = np.tile(X, (40, 1)), np.tile(LABELS, 40)
    nets = [
        MLPClassifier(sizes, **rates, max_iter=2, random_state=0, n_threads=n).fit(*many)
        for n in (1, 2, 3)
    ]
    assert_same_bits(nets[0], nets[1])
    assert_same_bits(nets[0], nets[2])


def test_sparse_rows_lose_the_same_columns():
    net, other = (
        network(input_dropout=0.3, dropout=0.1).fit(form(X), LABELS)
        for form in (np.asarray, sparse.csr_array)
    )
    for ours, others in zip(net.coefs_, other.coefs_, strict=True):
        assert_allclose(ours, others, rtol=1e-9)


@pytest.mark.parametrize("rates", RATES, ids=str)
def test_training_goes_on_exactly(rates):
    whole = network(**rates).set_params(max_iter=6).fit(X, LABELS)
    pieces = network(**rates, warm_start=True).set_params(max_iter=2)
    for _ in range(3):
        pieces.fit(X, LABELS)
    assert_same_bits(whole, pieces)
    steps = network(**rates)
    for _ in range(6):
        steps.partial_fit(X, LABELS, classes=[0, 1])
    assert_same_bits(whole, steps)


def test_dropout_fights_overfitting():
    """Few noisy rows, many columns: the plain network learns them by heart."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2100, 40))
    y = rows[:, 0] + rows[:, 1] * rows[:, 2] + rng.normal(size=2100)
    params = {"max_iter": 150, "learning_rate_init": 0.01, "random_state": 0}
    params |= {"n_iter_no_change": np.inf}
    plain = MLPRegressor((100,), **params).fit(rows[:100], y[:100])
    dropped = MLPRegressor((100,), **params, dropout=0.5).fit(rows[:100], y[:100])
    assert plain.score(rows[:100], y[:100]) > 0.99 > dropped.score(rows[:100], y[:100])
    assert dropped.score(rows[100:], y[100:]) > plain.score(rows[100:], y[100:]) + 0.05


REFUSED = [
    ({"dropout": 1.0}, "'dropout' parameter .* Got 1.0"),
    ({"dropout": -0.1}, "'dropout' parameter"),
    ({"dropout": [0.1]}, "dropout must be one rate, or one per hidden layer: 2, got 1"),
    ({"dropout": [0.1, 1.0]}, r"dropout must hold rates in \[0, 1\), got 1.0"),
    ({"dropout": [0.1, "a"]}, r"dropout must hold rates in \[0, 1\), got 'a'"),
    ({"input_dropout": 1}, "'input_dropout' parameter"),
    ({"dropout": 0.1, "solver": "lbfgs"}, "dropout=0.1 makes each step see another network"),
    ({"dropout": [0, 0.1], "solver": LBFGS()}, r"dropout=\[0, 0.1\] makes each step"),
    ({"input_dropout": 0.1, "solver": "lbfgs"}, "input_dropout=0.1 makes each step"),
]


@pytest.mark.parametrize(("params", "message"), REFUSED, ids=str)
def test_refused_and_nothing_lost(params, message):
    assert_refused(params, message, hidden_layer_sizes=(4, 3))
