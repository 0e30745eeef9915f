"""What a ConvergenceWarning says about why training has not come further."""

import re
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from small_fits import LABELS, NUMBERS, X, classifier, regressor

from sknet.diagnosis import diagnose
from sknet.model import Model


def linear(n_features):
    return Model.from_arrays([np.ones((n_features, 1))], [np.zeros(1)], [], {})


def said(net, rows, y):
    """The text of the one warning of a fit."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net.fit(rows, y)
    [warning] = [w for w in caught if issubclass(w.category, ConvergenceWarning)]
    assert warning.filename == __file__
    return str(warning.message)


def test_too_few_epochs():
    text = said(regressor(max_iter=20), X, NUMBERS)
    assert text.startswith("Stochastic Optimizer: Maximum iterations (20) reached and")
    assert "The loss was still falling, from 0." in text
    assert "give it more of them" in text
    assert "not scaled" not in text
    assert "Dead" not in text


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "coslog", lambda done: 1 - done])
def test_a_schedule_that_ends_at_max_iter_has_not_ended_too_soon(schedule, recwarn):
    net = regressor(max_iter=20, learning_rate=schedule).fit(X, NUMBERS)
    assert net.n_iter_ == 20
    assert not recwarn
    net.set_params(max_iter=2, learning_rate_init=1e-9, init="auto")
    net.fit(np.zeros_like(X), NUMBERS)
    assert "outputs are the same for all rows" in str(recwarn.pop().message)


def test_rising_loss():
    params = {"solver": "sgd", "activation": "tanh", "learning_rate_init": 5.0}
    text = said(classifier(**params, max_iter=30, alpha=0, n_iter_no_change=100), X, LABELS)
    assert "The loss rose from 0." in text
    assert "lower learning_rate_init=5.0" in text


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, sparse.csr_array])
def test_unscaled_column(container):
    rows = X * [1, 1, 500, 1]
    text = said(regressor(max_iter=3), container(rows), NUMBERS)
    lowest, highest = rows[:, 2].min(), rows[:, 2].max()
    assert f"X is not scaled: column 2, from {lowest:.3g} to {highest:.3g}; scale it" in text
    named = pd.DataFrame(rows, columns=["age", "sex", "pay", "tax"])
    assert f"column 2 ('pay'), from {lowest:.3g} to" in said(regressor(max_iter=3), named, NUMBERS)
    text = said(regressor(max_iter=3, solver="lbfgs"), rows, NUMBERS)
    assert text.startswith("lbfgs failed to converge")
    assert "column 2, from" in text


def test_dead_units():
    """Their number, and the layer; also where training ends because nothing moves any more."""
    dead = [None, np.full(7, -100.0), None]
    net = regressor(hidden_layer_sizes=(5, 7), max_iter=4, intercepts_init=dead)
    text = said(net, X, NUMBERS)
    assert "0 for all of 50 rows: 7 of 7 units of hidden layer 1; lower" in text
    net.set_params(max_iter=500, solver="sgd", learning_rate_init=0.01)
    text = said(net, X, NUMBERS)
    assert text.startswith("Training has ended with a network whose outputs are the same for all")
    assert "7 of 7 units of hidden layer 1" in text


@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_dead_units_behind_a_norm_and_between_other_units(normalization):
    shift = np.array([0.0, -100.0, 0.0, -100.0])
    norms = {"scale": [np.ones(4)] * 2, "shift": [np.zeros(4), shift]}
    if normalization == "batch":
        norms |= {"mean": [np.zeros(4)] * 2, "variance": [np.ones(4)] * 2}
    rng = np.random.default_rng(0)
    coefs = [rng.normal(size=shape) for shape in [(4, 4), (4, 4), (4, 1)]]
    model = Model.from_arrays(
        coefs, [np.zeros(4), np.zeros(4), np.zeros(1)], ["tanh", "relu"], norms
    )
    [sentence] = diagnose(regressor(), X, model, history([1.0], []))
    assert "0 for all of 50 rows: 2 of 4 units of hidden layer 1;" in sentence


def test_a_fit_that_has_converged_says_nothing(recwarn):
    classifier(max_iter=5000, learning_rate_init=0.05).fit(X, LABELS)
    regressor(max_iter=5000, learning_rate_init=0.05).fit(sparse.csr_array(X), NUMBERS)
    assert not recwarn.list


def test_leaky_units_do_not_die():
    net = regressor(activation="leaky_relu", intercepts_init=[np.full(5, -100.0), None])
    assert "Dead" not in said(net.set_params(max_iter=4), X, NUMBERS)


def history(loss, norms):
    return {"loss": np.array(loss), "gradient_norm": np.array(norms)}


@pytest.mark.parametrize(
    ("loss", "norms", "expected"),
    [
        ([1, 1, 1, 5], [1, 1, 1, 1e4], ["Gradients exploded: .* from 1 to 1e\\+04", "loss rose"]),
        ([1, 1, 1, 1], [1, 1e-2, 1e-3, 1e-5], ["Gradients vanished: .* from 1 to 1e-05"]),
        ([1, 0.1, 1e-3, 1e-7], [1, 1e-2, 1e-3, 1e-5], ["still falling"]),  # as they should
        ([1, 1, 1, 1], [1, 1, 1, 1], []),
        ([-5, -6, -6, -6], [1, 1, 1, 1], []),
        ([1], [1], []),
        ([1, 2], [], ["loss rose from 1 in epoch 1 to 2"]),
    ],
)
def test_history(loss, norms, expected):
    found = diagnose(regressor(), X, linear(4), history(loss, norms))
    assert len(found) == len(expected)
    for sentence, pattern in zip(found, expected, strict=True):
        assert re.search(pattern, sentence)


def test_few_rows_are_looked_at():
    """From all over X: an outlier among a million rows may be missed, a column is not."""
    rows = np.zeros((100_000, 3))
    rows[:, 1] = np.linspace(0, 1000, 100_000)
    [sentence] = diagnose(regressor(), rows, linear(3), history([1.0], []))
    assert "column 1, from 0 to 995" in sentence
    rows = np.zeros((399, 3))
    rows[300:, 2] = -500
    [sentence] = diagnose(regressor(), rows, linear(3), history([1.0], []))
    assert "column 2, from -500 to 0" in sentence


@pytest.mark.parametrize(
    "n, n_epochs, n_seen", [(30, 1, 30), (1000, 1, 50), (1000, 20, 100), (1000, 200, 200)]
)
def test_short_training_is_looked_at_briefly(n, n_epochs, n_seen):
    """By no more rows than one for 200 that have passed, or 50."""
    coefs, intercepts = [np.ones((2, 3)), np.ones((3, 1))], [np.full(3, -1e9), np.zeros(1)]
    model = Model.from_arrays(coefs, intercepts, ["relu"], {})
    [sentence] = diagnose(regressor(), np.ones((n, 2)), model, history([1.0] * n_epochs, []))
    assert f"0 for all of {n_seen} rows: 3 of 3 units" in sentence


def test_wide_sparse_rows_stay_sparse():
    rows = sparse.random_array((300, 5000), density=0.01, rng=0, format="csr") * 1000
    coefs, intercepts = [np.ones((5000, 3)), np.ones((3, 1))], [np.full(3, -1e9), np.zeros(1)]
    model = Model.from_arrays(coefs, intercepts, ["relu"], {})
    found = diagnose(regressor(), rows, model, {})
    assert len(found) == 2
    assert "3 of 3 units of hidden layer 0" in found[1]


AT_REST = """
import time, warnings
import numpy as np
from sknet import MLPClassifier
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X, y = rng.normal(size=(500, 800)), rng.integers(0, 5, 500)
time.sleep(0.5)  # whatever importing has set to work
net = MLPClassifier((64,), max_iter=1, n_threads=1, random_state=0)
begun, all_threads, mine = time.perf_counter(), time.process_time(), time.thread_time()
while time.perf_counter() < begun + 0.5:
    net.fit(X, y)
mine = time.thread_time() - mine
print((time.process_time() - all_threads - mine) / mine)
"""


def test_a_warning_leaves_no_thread_at_work():
    """Threads of BLAS would wait busily for the next product, on a core that the next fit needs."""
    done = subprocess.run(
        [sys.executable, "-c", AT_REST], capture_output=True, text=True, timeout=120, check=True
    )
    assert float(done.stdout) < 0.3
