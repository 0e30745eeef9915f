"""The same numbers as scikit-learn's classes from the same weights and the same order of rows."""

from itertools import pairwise

import numpy as np
import pytest
import sklearn.neural_network
import sklearn.neural_network._multilayer_perceptron as their_module
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.linear_model import Ridge

import sknet
from sknet._core import load
from sknet.progress import Progress

pytest.importorskip("sklearn", minversion="1.7")  # sample_weight and loss="poisson" begin there
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N, N_FEATURES, EPOCHS = 60, 5, 20
HIDDEN = (7, 4)
OUTPUTS = {"binary": 1, "multiclass": 3, "multilabel": 4, "regression": 1, "outputs": 3}


def make_data(task, seed=0):
    """X (N, N_FEATURES) and y for a task of OUTPUTS, or for "poisson"."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, N_FEATURES))
    signal = X @ rng.normal(size=(N_FEATURES, 4)) + rng.normal(size=(N, 4)) / 2
    return X, {
        "binary": signal[:, 0] > 0,
        "multiclass": signal[:, :3].argmax(axis=1),
        "multilabel": (signal > 0).astype(int),
        "regression": signal[:, 0],
        "outputs": signal[:, :3],
        "poisson": rng.poisson(np.exp(signal[:, 0] / 3)),
    }[task]


def make_weights(sizes, seed=1):
    rng = np.random.default_rng(seed)
    coefs = [rng.uniform(-0.6, 0.6, size=shape) for shape in pairwise(sizes)]
    intercepts = [rng.uniform(-0.3, 0.3, size=n) for n in sizes[1:]]
    return coefs, intercepts


class GivenWeights:
    """scikit-learn's estimator with the initial weights set as `given` (coefs, intercepts)."""

    def _init_coef(self, fan_in, fan_out, dtype):
        layer = next(i for i, coef in enumerate(self.given[0]) if coef.shape == (fan_in, fan_out))
        return self.given[0][layer].copy(), self.given[1][layer].copy()


class TheirClassifier(GivenWeights, sklearn.neural_network.MLPClassifier):
    pass


class TheirRegressor(GivenWeights, sklearn.neural_network.MLPRegressor):
    pass


def fit_both(task, X, y, sample_weight=None, *, weights=None, fit_kwargs=None, **params):
    """(sknet's, scikit-learn's) estimator from the same weights."""
    sizes = [X.shape[1], *params.setdefault("hidden_layer_sizes", HIDDEN), OUTPUTS.get(task, 1)]
    assert len(set(pairwise(sizes))) == len(sizes) - 1  # _init_coef tells layers by shape
    weights = make_weights(sizes) if weights is None else weights
    kind = "Classifier" if task in ("binary", "multiclass", "multilabel") else "Regressor"
    if task == "poisson":
        params["loss"] = "poisson"
    params = {"max_iter": EPOCHS, "shuffle": False, "tol": 0.0, "n_iter_no_change": 100, **params}
    # Fitted once, given the weights, and fitted on from there with a new optimizer.
    ours = getattr(sknet, f"MLP{kind}")(**{**params, "max_iter": 1, "early_stopping": False})
    ours.set_params(shuffle=False).fit(X, y)
    ours.coefs_ = [coef.copy() for coef in weights[0]]
    ours.intercepts_ = [intercept.copy() for intercept in weights[1]]
    ours.set_params(**params, warm_start=True)
    ours.fit(X, y, sample_weight, **(fit_kwargs or {}))
    theirs = {"Classifier": TheirClassifier, "Regressor": TheirRegressor}[kind](**params)
    theirs.given = weights
    theirs.fit(X, y, sample_weight)
    return ours, theirs


def assert_same(ours, theirs, X, epochs=EPOCHS):
    assert len(theirs.loss_curve_) == epochs
    assert_allclose(ours.loss_curve_[1:], theirs.loss_curve_, rtol=1e-8)
    assert ours.n_iter_ == theirs.n_iter_
    assert_allclose(ours.loss_, theirs.loss_, rtol=1e-8)
    assert_same_predictions(ours, theirs, X)
    for name in ("n_layers_", "n_outputs_", "out_activation_"):
        if (theirs.out_activation_, name) != ("identity", "out_activation_"):
            assert getattr(ours, name) == getattr(theirs, name)


def assert_same_predictions(ours, theirs, X, tol=1e-6):
    for method in ("predict_proba", "predict"):
        if hasattr(theirs, method):
            expected = getattr(theirs, method)(X).astype(float)
            assert_allclose(getattr(ours, method)(X), expected, rtol=tol, atol=tol / 100)
    continuous = getattr(theirs, "predict_proba", theirs.predict)(X)
    assert np.isfinite(continuous).all()
    assert np.ptp(continuous) > 0


SOLVERS = {
    "sgd": {"solver": "sgd", "learning_rate_init": 0.05},
    "plain sgd": {"solver": "sgd", "learning_rate_init": 0.05, "momentum": 0.0},
    "momentum": {"solver": "sgd", "learning_rate_init": 0.02, "nesterovs_momentum": False},
    "invscaling": {"solver": "sgd", "learning_rate_init": 0.1, "learning_rate": "invscaling"},
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
    "adam betas": {"solver": "adam", "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("task", [*OUTPUTS, "poisson"])
def test_solvers_and_tasks(task, solver):
    X, y = make_data(task)
    assert_same(*fit_both(task, X, y, batch_size=16, alpha=0.01, **SOLVERS[solver]), X)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("task", ["multiclass", "outputs"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_activations(solver, task, activation):
    X, y = make_data(task)
    both = fit_both(task, X, y, batch_size=25, activation=activation, **SOLVERS[solver])
    assert_same(*both, X)


@pytest.mark.parametrize("batch_size", [1, 7, N, "auto"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_batch_sizes(solver, batch_size):
    X, y = make_data("multiclass")
    params = {**SOLVERS[solver], "batch_size": batch_size, "learning_rate_init": 0.01}
    assert_same(*fit_both("multiclass", X, y, **params), X)


@pytest.mark.parametrize("batch_size", [13, "auto"])
@pytest.mark.parametrize("task", [*OUTPUTS, "poisson"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_sample_weight(solver, task, batch_size):
    X, y = make_data(task)
    sample_weight = np.random.default_rng(2).uniform(0.1, 3, N)
    params = {**SOLVERS[solver], "batch_size": batch_size, "alpha": 0.1}
    both = fit_both(task, X, y, sample_weight, **params)
    assert_same(*both, X)
    unweighted, _ = fit_both(task, X, y, **params)
    assert abs(both[0].loss_ - unweighted.loss_) > 1e-4


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csr_array])
@pytest.mark.parametrize("task", ["binary", "outputs"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_sparse(solver, task, container):
    X, y = make_data(task)
    X = container(X * (X > 0.3))
    assert_same(*fit_both(task, X, y, batch_size=16, **SOLVERS[solver]), X)


@pytest.mark.parametrize("task", ["multiclass", "regression"])
@pytest.mark.parametrize("solver", ["sgd", "invscaling", "adam"])
def test_shuffled_rows(monkeypatch, solver, task):
    """The same rows in the same order: not only the same set of rows per epoch."""
    key, core = Progress.begin(0).key, load(float)
    coming = iter([core.epoch_order(N, key + (epoch << 32)) for epoch in range(EPOCHS)])
    monkeypatch.setattr(their_module, "shuffle", lambda rows, random_state: next(coming))
    X, y = make_data(task)
    params = {**SOLVERS[solver], "batch_size": 11, "random_state": 0}
    both = fit_both(task, X, y, shuffle=True, **params)
    assert_same(*both, X)
    assert next(coming, None) is None  # all orders were used
    in_order, _ = fit_both(task, X, y, **params)
    assert abs(both[0].loss_ - in_order.loss_) > 1e-6


@pytest.mark.parametrize("learning_rate_init", [0.1, 1e-5])
def test_adaptive_rate(learning_rate_init):
    """tol so large that epochs count as bad: the rate is divided by 5 again and again."""
    X, y = make_data("multiclass")
    params = {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 2}
    params["learning_rate_init"] = learning_rate_init
    both = fit_both("multiclass", X, y, batch_size=16, max_iter=60, **params)
    assert_same(*both, X, epochs=both[1].n_iter_)
    assert 3 < both[1].n_iter_ < 60
    params["learning_rate"] = "constant"
    constant, _ = fit_both("multiclass", X, y, batch_size=16, max_iter=60, **params)
    assert constant.n_iter_ < both[0].n_iter_


@pytest.mark.parametrize("tol", [1e-2, 1e-3])
@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_stopping_by_training_loss(solver, task, tol):
    X, y = make_data(task)
    params = {**SOLVERS[solver], "tol": tol, "n_iter_no_change": 3, "max_iter": 500}
    ours, theirs = fit_both(task, X, y, batch_size=20, **params)
    assert_same(ours, theirs, X, epochs=theirs.n_iter_)
    assert 3 < ours.n_iter_ < 500
    assert_allclose(ours.best_loss_, theirs.best_loss_, rtol=1e-8)
    assert ours.t_ - N == theirs.t_ == N * theirs.n_iter_


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression", "outputs"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_early_stopping(monkeypatch, solver, task, weighted):
    """scikit-learn splits off the last 20 rows; sknet is given them as validation rows."""
    X, y = make_data(task)
    held_out = 20
    sample_weight = np.random.default_rng(2).uniform(0.1, 3, N) if weighted else None

    def split(*arrays, **kwargs):
        return [part for array in arrays for part in (array[:-held_out], array[-held_out:])]

    params = {**SOLVERS[solver], "tol": 1e-3, "n_iter_no_change": 4, "max_iter": 200}
    params |= {"batch_size": 16, "shuffle": False, "early_stopping": True}
    weights = make_weights([N_FEATURES, *HIDDEN, OUTPUTS[task]])
    if task in ("binary", "multiclass"):
        Estimator, Theirs = sknet.MLPClassifier, TheirClassifier
    else:
        Estimator, Theirs = sknet.MLPRegressor, TheirRegressor
    theirs = Theirs(hidden_layer_sizes=HIDDEN, **params)
    theirs.given = weights
    monkeypatch.setattr(their_module, "train_test_split", split)
    theirs.fit(X, y, sample_weight)

    ours = Estimator(HIDDEN, max_iter=1, batch_size=16).fit(X, y)
    ours.coefs_, ours.intercepts_ = weights
    ours.set_params(**params, warm_start=True)
    (X, X_val, y, y_val) = split(X, y)
    w, w_val = split(sample_weight) if weighted else (None, None)
    ours.fit(X, y, w, X_val=X_val, y_val=y_val, sample_weight_val=w_val)

    assert 4 < ours.n_iter_ < 200
    assert_same(ours, theirs, X_val, epochs=theirs.n_iter_)
    assert_allclose(ours.validation_scores_, theirs.validation_scores_, rtol=1e-8)
    assert_allclose(ours.best_validation_score_, theirs.best_validation_score_, rtol=1e-8)
    assert ours.best_loss_ is None
    assert theirs.best_loss_ is None
    for ours_coef, their_coef in zip(ours.coefs_, theirs.coefs_):  # those of the best epoch
        assert_allclose(ours_coef, their_coef, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("hidden_layer_sizes", [(), (3,)])
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression", "poisson"])
@pytest.mark.parametrize("weighted", [False, True])
def test_lbfgs(task, hidden_layer_sizes, weighted):
    X, y = make_data(task)
    sample_weight = np.random.default_rng(2).uniform(0.1, 3, N) if weighted else None
    params = {"solver": "lbfgs", "activation": "identity", "alpha": 1.0, "tol": 1e-7}
    params |= {"hidden_layer_sizes": hidden_layer_sizes, "max_iter": 1000}
    ours, theirs = fit_both(task, X, y, sample_weight, **params)
    assert ours.n_iter_ < 1000
    assert_allclose(ours.loss_, theirs.loss_, rtol=1e-7)
    assert_same_predictions(ours, theirs, X, tol=1e-4)


@pytest.mark.parametrize("task", ["multiclass", "multilabel", "regression"])
def test_lbfgs_begins_alike(task):
    """The first iterations on a network with kinks: the same objective and the same gradient."""
    X, y = make_data(task)
    ours, theirs = fit_both(task, X, y, solver="lbfgs", max_iter=5, alpha=0.1)
    assert ours.n_iter_ == theirs.n_iter_ == 5
    assert_allclose(ours.loss_, theirs.loss_, rtol=1e-8)
    assert_same_predictions(ours, theirs, X)


def test_lbfgs_with_several_outputs():
    """The linear model minimises the sum over outputs: it is ridge regression."""
    X, y = make_data("outputs")
    sample_weight = np.random.default_rng(2).uniform(0.1, 3, N)
    ridge = Ridge(alpha=3.0).fit(X, y, sample_weight)
    net = sknet.MLPRegressor((), solver="lbfgs", alpha=3.0, tol=1e-8, random_state=0)
    net.fit(X, y, sample_weight)
    assert_allclose(net.coefs_[0], ridge.coef_.T, rtol=1e-5)
    assert_allclose(net.intercepts_[0], ridge.intercept_, rtol=1e-5)
