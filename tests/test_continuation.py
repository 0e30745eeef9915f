"""Training goes on exactly where it stopped, bit for bit, however it was cut into pieces."""

import copy
import pickle
import warnings

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from sknet import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4))
LABELS = (X @ RNG.normal(size=(4, 3))).argmax(axis=1)
NUMBERS = X[:, 0] * X[:, 1] + RNG.normal(size=50) / 10

SOLVERS = {
    "constant": {"solver": "sgd", "learning_rate_init": 0.01},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
    # Bad epochs all the way, so that the rate and the count of bad epochs matter.
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.3},
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
    "nadam": {"solver": "nadam", "learning_rate": "exponential", "learning_rate_init": 0.01},
    "radam": {"solver": "radam", "learning_rate": "step", "learning_rate_init": 0.01},
}
BASE = {"hidden_layer_sizes": (6, 5), "batch_size": 16, "random_state": 3}
BASE |= {"tol": 1e-3, "n_iter_no_change": 3}
NEVER = {"n_iter_no_change": np.inf}


def make(kind, **params):
    """An estimator and its y."""
    if kind == "classifier":
        return MLPClassifier(**{**BASE, **params}), LABELS
    return MLPRegressor(**{**BASE, **params}), NUMBERS


def assert_same_bits(a, b, *, curve=True):
    assert len(a.coefs_) == len(b.coefs_)
    for name in ("coefs_", "intercepts_"):
        for ours, others in zip(getattr(a, name), getattr(b, name)):
            assert_array_equal(ours, others)
            assert ours.dtype == others.dtype
    if curve:
        assert a.loss_curve_ == b.loss_curve_
        assert a.validation_scores_ == b.validation_scores_
        assert (a.t_, a.best_loss_, a.loss_) == (b.t_, b.best_loss_, b.loss_)
        assert a.best_validation_score_ == b.best_validation_score_
    assert_array_equal(a.predict(X), b.predict(X))


def differs(a, b):
    return any((ours != others).any() for ours, others in zip(a.coefs_, b.coefs_))


def pickled(estimator):
    return pickle.loads(pickle.dumps(estimator))


def via_joblib(estimator, folder):
    joblib.dump(estimator, folder / "net.joblib")
    return joblib.load(folder / "net.joblib")


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("shuffle", [True, False])
def test_one_fit_two_fits_and_partial_fits(solver, kind, shuffle, tmp_path):
    params = {**SOLVERS[solver], **NEVER, "shuffle": shuffle}
    whole, y = make(kind, max_iter=100, **params)
    whole.fit(X, y)
    assert len(whole.loss_curve_) == 100

    for between in (lambda e: e, pickled, copy.deepcopy, lambda e: via_joblib(e, tmp_path)):
        halves, _ = make(kind, max_iter=50, warm_start=True, **params)
        halves.fit(X, y)
        assert differs(halves, whole)
        halves = between(halves).fit(X, y)
        assert halves.n_iter_ == 50
        assert_same_bits(halves, whole)

    parts, _ = make(kind, **params)
    classes = {"classes": np.unique(y)} if kind == "classifier" else {}
    for i in range(100):
        parts.partial_fit(X, y, **(classes if i == 0 else {}))
        if i % 30 == 17:
            parts = pickled(parts)
        if i % 30 == 18:
            parts = copy.deepcopy(parts)
    assert_same_bits(parts, whole)

    again, _ = make(kind, max_iter=100, warm_start=True, **params)
    assert differs(again.fit(X, y).fit(X, y), whole)  # it did go on


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_the_adaptive_rate_and_patience_go_on(kind):
    """Rates fall at the same epochs; a fit that converges by itself ends at the same epoch."""
    params = {**SOLVERS["adaptive"], "tol": 0.02}
    whole, y = make(kind, max_iter=30, **params)
    whole.fit(X, y)
    assert whole.n_iter_ == 30
    halves, _ = make(kind, max_iter=15, warm_start=True, **params)
    assert_same_bits(halves.fit(X, y).fit(X, y), whole)
    constant, _ = make(kind, max_iter=30, solver="sgd", learning_rate_init=0.3, **NEVER)
    assert differs(constant.fit(X, y), whole)  # the rate did fall


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_a_cut_before_convergence(kind):
    whole, y = make(kind, max_iter=1000, **SOLVERS["adam"])
    whole.fit(X, y)
    assert 10 < whole.n_iter_ < 1000
    halves, _ = make(kind, max_iter=whole.n_iter_ - 2, warm_start=True, **SOLVERS["adam"])
    halves.fit(X, y).set_params(max_iter=1000).fit(X, y)
    assert halves.n_iter_ == 2
    assert_same_bits(halves, whole)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", ["classifier", "regressor"])
@pytest.mark.parametrize("given", [False, True])
def test_early_stopping(solver, kind, given):
    """The same validation rows, patience and best parameters; given or split off."""
    params = {**SOLVERS[solver], **NEVER, "early_stopping": True, "validation_fraction": 0.3}
    whole, y = make(kind, max_iter=40, **params)
    rows = {"X_val": X[::2] + 0.1, "y_val": y[::2]} if given else {}
    whole.fit(X, y, **rows)
    assert len(whole.validation_scores_) == 40
    for between in (lambda e: e, pickled, copy.deepcopy):
        parts, _ = make(kind, max_iter=10, warm_start=True, **params)
        for _ in range(4):
            parts = between(parts).fit(X, y, **rows)
        assert_same_bits(parts, whole)


def test_early_stopping_ends_at_the_same_epoch():
    params = {**SOLVERS["adam"], "early_stopping": True, "validation_fraction": 0.3}
    whole, y = make("regressor", max_iter=1000, **params)
    whole.fit(X, y)
    assert 5 < whole.n_iter_ < 1000
    assert np.argmax(whole.validation_scores_) < whole.n_iter_ - 1  # not the last is the best
    parts, _ = make("regressor", max_iter=whole.n_iter_ - 2, warm_start=True, **params)
    parts.fit(X, y).set_params(max_iter=1000).fit(X, y)
    assert parts.n_iter_ == 2
    assert_same_bits(parts, whole)


@pytest.mark.parametrize("solver", SOLVERS)
def test_change_of_threads_in_between(solver):
    params = {**SOLVERS[solver], **NEVER}
    whole, y = make("classifier", max_iter=40, n_threads=1, **params)
    whole.fit(X, y)
    parts, _ = make("classifier", max_iter=10, warm_start=True, **params)
    for n_threads in (1, 3, 2, 8):
        parts.set_params(n_threads=n_threads).fit(X, y)
    assert_same_bits(parts, whole)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_warm_start_then_partial_fit(dtype):
    params = {**SOLVERS["adam"], **NEVER, "dtype": dtype}
    whole, y = make("regressor", max_iter=20, **params)
    whole.fit(X, y)
    parts, _ = make("regressor", max_iter=10, warm_start=True, **params)
    parts.fit(X, y)
    for _ in range(5):
        parts.partial_fit(X, y)
    parts.set_params(max_iter=5).fit(X, y)
    assert_same_bits(parts, whole)


@pytest.mark.parametrize("begin", [lambda: 5, lambda: np.random.RandomState(5)])
def test_random_state(begin):
    """An instance is asked at the beginning only, and cloned fits draw other numbers."""
    params = {**SOLVERS["adam"], **NEVER}
    whole, y = make("classifier", max_iter=20, **{**params, "random_state": begin()})
    whole.fit(X, y)
    halves, _ = make("classifier", max_iter=10, warm_start=True, **params)
    halves.set_params(random_state=begin()).fit(X, y)
    halves = pickled(halves).fit(X, y)
    assert_same_bits(halves, whole)
    before = copy.deepcopy(whole)
    is_int = isinstance(begin(), int)
    assert differs(whole.fit(X, y), before) != is_int  # an instance goes on, an int begins anew


def test_plain_fit_begins_anew():
    for kind in ("classifier", "regressor"):
        net, y = make(kind, max_iter=10)
        first = copy.deepcopy(net.fit(X, y))
        assert_same_bits(net.fit(X, y), first)
        assert_same_bits(clone(net).fit(X, y), first)


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_partial_fit_after_plain_fit(kind):
    net, y = make(kind, max_iter=10, **SOLVERS["adam"])
    net.fit(X, y)
    before = copy.deepcopy(net)
    net.partial_fit(X, y)
    assert differs(net, before)
    assert len(net.loss_curve_) == 11
    assert net.t_ == 11 * len(X)
    assert abs(net.loss_ - before.loss_) < 0.5 * before.loss_curve_[0]  # from where it stood
    for _ in range(100):
        net.partial_fit(X, y)
    assert net.loss_ < before.loss_


def test_partial_fit_in_pieces_of_the_rows():
    """Different rows at each call: the same as the same calls on another copy."""
    nets = [make("classifier", batch_size=4, **SOLVERS["adam"])[0] for _ in range(2)]
    for i in range(20):
        rows = np.arange(50)[i % 5 :: 5]
        for j, net in enumerate(nets):
            net.partial_fit(X[rows], LABELS[rows], classes=[0, 1, 2])
            if j:
                nets[1] = pickled(net)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nets[0].partial_fit(X, LABELS)
    nets[1].partial_fit(X, LABELS)
    assert_same_bits(*nets)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden_layer_sizes", [(10,), (300, 100)])
def test_a_plain_fit_keeps_no_optimizer(solver, early_stopping, dtype, hidden_layer_sizes):
    net, y = make("classifier", max_iter=5, solver=solver, early_stopping=early_stopping)
    net.set_params(dtype=dtype, hidden_layer_sizes=hidden_layer_sizes).fit(X, y)
    net.predict(X)
    n_bytes = sum(a.nbytes for a in net.coefs_ + net.intercepts_)
    dump = pickle.dumps(net)
    assert n_bytes < len(dump) <= 1.1 * n_bytes + 20_000
    assert_array_equal(pickle.loads(dump).predict_proba(X), net.predict_proba(X))


@pytest.mark.parametrize("params", [{}, {"warm_start": True}, {"dtype": "float32"}])
@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_predictions_after_pickle_and_copies(kind, params):
    net, y = make(kind, max_iter=10, **params)
    net.fit(X, y)
    for other in (pickled(net), copy.deepcopy(net), copy.copy(net)):
        assert_same_bits(other, net)
        assert other.get_params() == net.get_params()
    other = copy.deepcopy(net)
    other.coefs_[0][...] = 0
    assert differs(other, net)  # nothing shared


def test_lbfgs_goes_on_from_the_weights():
    net, y = make("regressor", solver="lbfgs", warm_start=True, max_iter=5)
    losses = []
    for _ in range(10):
        losses.append(net.fit(X, y).loss_)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.8 * losses[0]
