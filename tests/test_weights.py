"""Weights of rows and of classes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, r2_score

from sknet import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
CODES = (X @ RNG.normal(size=(4, 3)) + [0.5, 0.0, -0.5]).argmax(axis=1)
NUMBERS = X @ RNG.normal(size=4)
SOLVERS = pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
FULL_BATCHES = {"batch_size": "auto", "max_iter": 30}
TASKS = {
    "binary": (MLPClassifier, (CODES > 0).astype(int), {}),
    "multiclass": (MLPClassifier, CODES, {}),
    "multilabel": (MLPClassifier, np.eye(3, dtype=int)[CODES], {}),
    "squares": (MLPClassifier, CODES, {"loss": "squared_error"}),
    "regression": (MLPRegressor, NUMBERS, {}),
    "outputs": (MLPRegressor, np.stack([NUMBERS, X[:, 0]], axis=1), {}),
    "poisson": (MLPRegressor, np.round(np.exp(NUMBERS / 3)), {"loss": "poisson"}),
}
EACH_TASK = pytest.mark.parametrize("task", TASKS)


def make(task, **params):
    """(estimator, y)."""
    Estimator, y, more = TASKS[task]
    params = {"hidden_layer_sizes": (6,), "random_state": 0, "max_iter": 5, **more, **params}
    return Estimator(**params), y


def parameters(net):
    return [*net.coefs_, *net.intercepts_]


def assert_same_bits(a, b):
    for ours, others in zip(parameters(a), parameters(b), strict=True):
        assert_array_equal(ours, others)


def assert_close(a, b, rtol=1e-7, atol=1e-9):
    for ours, others in zip(parameters(a), parameters(b), strict=True):
        assert_allclose(ours, others, rtol=rtol, atol=atol)


def differ(a, b, by=1e-4):
    return any(abs(p - q).max() > by for p, q in zip(parameters(a), parameters(b)))


# Rows ---------------------------------------------------------------------------------------


@EACH_TASK
@SOLVERS
def test_weight_two_is_two_copies(task, solver):
    """Up to rounding where all rows make one mini-batch."""
    copies = np.arange(60) % 3 + 1
    net, y = make(task, solver=solver, **FULL_BATCHES, alpha=0.1)
    rows = np.repeat(np.arange(60), copies)
    weighted = make(task, solver=solver, **FULL_BATCHES, alpha=0.1)[0].fit(X, y, copies)
    net.fit(X[rows], y[rows])
    # L-BFGS has more iterations in which rounding can grow.
    tol = 1e-4 if solver == "lbfgs" else 1e-7
    assert_close(weighted, net, rtol=tol, atol=tol)
    assert_allclose(weighted.loss_, net.loss_, rtol=1e-6)
    assert differ(weighted, make(task, solver=solver, **FULL_BATCHES, alpha=0.1)[0].fit(X, y))


@EACH_TASK
@SOLVERS
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_weight_zero_is_absence(task, solver, container):
    """Bit for bit, mini-batches and shuffling included."""
    weight = RNG.uniform(0.5, 2, 60) * (np.arange(60) % 4 > 0)
    present = weight > 0
    rows = container(X)
    net, y = make(task, solver=solver, batch_size=8)
    other = make(task, solver=solver, batch_size=8)[0]
    net.fit(rows, y, weight)
    other.fit(rows[np.flatnonzero(present)], y[present], weight[present])
    assert_same_bits(net, other)
    assert net.loss_ == other.loss_
    whole = make(task, solver=solver, batch_size=8)[0].fit(rows, y, np.where(present, weight, 1.0))
    assert differ(net, whole)


@EACH_TASK
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_weight_zero_in_partial_fit_and_early_stopping(task, solver):
    weight = (np.arange(60) % 4 > 0) * 1.5
    present = weight > 0
    net, y = make(task, solver=solver, batch_size=8)
    other, _ = make(task, solver=solver, batch_size=8)
    labels = {"classes": np.unique(y)} if isinstance(net, MLPClassifier) else {}
    if task == "multilabel":
        labels = {"classes": [0, 1, 2]}
    for _ in range(3):
        net.partial_fit(X, y, weight, **labels)
        other.partial_fit(X[present], y[present], weight[present], **labels)
    assert_same_bits(net, other)
    stopping = {"early_stopping": True, "validation_fraction": 0.3, "max_iter": 20}
    net, other = make(task, solver=solver, **stopping)[0], make(task, solver=solver, **stopping)[0]
    net.fit(X, y, weight)
    other.fit(X[present], y[present], weight[present])
    assert_same_bits(net, other)
    assert net.validation_scores_ == other.validation_scores_


@SOLVERS
def test_bad_numbers_in_rows_of_weight_zero_are_errors(solver):
    rows = X.copy()
    rows[0, 0] = np.nan
    net, y = make("regression", solver=solver)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        net.fit(rows, y, np.arange(60.0))


@EACH_TASK
@SOLVERS
@pytest.mark.parametrize("form", [np.ones(60), np.ones(60, int), [1] * 60, 1.0])
def test_equal_weights_are_none(task, solver, form):
    net, y = make(task, solver=solver, batch_size=8)
    expected = make(task, solver=solver, batch_size=8)[0].fit(X, y)
    assert_close(net.fit(X, y, form), expected)


@EACH_TASK
@SOLVERS
def test_scale_of_weights(task, solver):
    """Only alpha is measured against them: it is divided by the sum of weights."""
    weight = RNG.uniform(0.5, 2, 60)
    net, y = make(task, solver=solver, alpha=0.0, batch_size=8)
    other = make(task, solver=solver, alpha=0.0, batch_size=8)[0].fit(X, y, 4 * weight)
    assert_close(net.fit(X, y, weight), other, rtol=1e-5, atol=1e-7)
    small = make(task, solver=solver, alpha=20.0, **FULL_BATCHES)[0].fit(X, y, weight)
    large = make(task, solver=solver, alpha=80.0, **FULL_BATCHES)[0].fit(X, y, 4 * weight)
    assert_close(small, large, rtol=1e-3, atol=1e-4)
    assert differ(small, make(task, solver=solver, alpha=80.0, **FULL_BATCHES)[0].fit(X, y, weight))


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_partial_fit_is_fit(task, solver):
    weight = RNG.uniform(0.1, 2, 60)
    whole, y = make(task, solver=solver, batch_size=16)
    parts, _ = make(task, solver=solver, batch_size=16)
    labels = {"classes": np.unique(y)} if task == "multiclass" else {}
    whole.fit(X, y, weight)
    for _ in range(5):
        parts.partial_fit(X, y, sample_weight=weight, **labels)
    assert_same_bits(parts, whole)
    without, _ = make(task, solver=solver, batch_size=16)
    assert differ(whole, without.fit(X, y))


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
def test_early_stopping_scores_are_weighted(task):
    """Of rows that were given, and of rows split off: the best score is that of the model kept."""
    weight = RNG.uniform(0, 5, 60) ** 2
    net, y = make(task, early_stopping=True, max_iter=30)
    held_out = slice(0, 25)
    net.fit(
        X[25:], y[25:], X_val=X[held_out], y_val=y[held_out], sample_weight_val=weight[held_out]
    )
    metric = r2_score if task == "regression" else accuracy_score
    predicted = net.predict(X[held_out])
    score = metric(y[held_out], predicted, sample_weight=weight[held_out])
    assert net.best_validation_score_ == max(net.validation_scores_) == pytest.approx(score)
    assert score == net.score(X[held_out], y[held_out], weight[held_out])
    assert score != pytest.approx(metric(y[held_out], predicted), abs=1e-3)


def test_the_internal_split_takes_the_weights_along(monkeypatch):
    """All the weight of the validation part on rows of one class: it is the score of that class."""

    def split(rows, **kwargs):
        return rows[20:], rows[:20]

    monkeypatch.setattr("sklearn.model_selection.train_test_split", split)
    weight = np.where((np.arange(60) < 20) & (CODES != 0), 1e-9, 1.0)
    net, y = make("multiclass", early_stopping=True, max_iter=20)
    net.fit(X, y, weight)
    first = (np.arange(60) < 20) & (CODES == 0)
    assert net.best_validation_score_ == pytest.approx((net.predict(X[first]) == 0).mean())
    given = make("multiclass", early_stopping=True, max_iter=20)[0]
    given.fit(
        X[20:], y[20:], weight[20:], X_val=X[:20], y_val=y[:20], sample_weight_val=weight[:20]
    )
    assert_same_bits(net, given)


def test_loss_is_the_weighted_mean():
    """At an optimum without hidden layer, as of a model fitted to copies."""
    copies = np.arange(60) % 3 + 1
    theirs = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(X, CODES, copies)
    net = MLPClassifier((), solver="lbfgs", alpha=1.0, tol=1e-9, max_iter=1000)
    net.fit(X, CODES, copies)
    assert_allclose(net.predict_proba(X), theirs.predict_proba(X), atol=1e-3)
    chosen = net.predict_log_proba(X)[np.arange(60), CODES]
    penalty = 0.5 * (net.coefs_[0] ** 2).sum() / copies.sum()
    assert_allclose(net.loss_, -(copies @ chosen) / copies.sum() + penalty, rtol=1e-9)


# Classes ------------------------------------------------------------------------------------

IMBALANCED = (np.arange(60) % 6 == 0) + 2 * (np.arange(60) % 20 == 1)


@SOLVERS
def test_class_weight_is_sample_weight(solver):
    class_weight = {0: 1.0, 1: 3.0, 2: 0.5}
    weight = np.array([1.0, 3.0, 0.5])[CODES]
    net, y = make("multiclass", solver=solver, **FULL_BATCHES, class_weight=class_weight)
    expected = make("multiclass", solver=solver, **FULL_BATCHES)[0].fit(X, y, weight)
    assert_close(net.fit(X, y), expected, rtol=1e-5, atol=1e-6)
    more = RNG.uniform(0.5, 2, 60)
    expected = make("multiclass", solver=solver, **FULL_BATCHES)[0].fit(X, y, weight * more)
    assert_close(net.fit(X, y, more), expected, rtol=1e-5, atol=1e-6)
    assert differ(expected, make("multiclass", solver=solver, **FULL_BATCHES)[0].fit(X, y, more))


@SOLVERS
@pytest.mark.parametrize("n_classes", [2, 3])
def test_balanced(solver, n_classes):
    y = np.minimum(IMBALANCED, n_classes - 1)
    counts = np.bincount(y)
    weights = dict(enumerate(60 / (n_classes * counts)))
    balanced = make("multiclass", solver=solver, class_weight="balanced", batch_size=16)[0]
    given = make("multiclass", solver=solver, class_weight=weights, batch_size=16)[0]
    assert_close(balanced.fit(X, y), given.fit(X, y))
    assert differ(balanced, make("multiclass", solver=solver, batch_size=16)[0].fit(X, y))


@SOLVERS
def test_balanced_with_weights_is_balanced_with_copies(solver):
    """The weights of rows count in the balance, a weight of zero as absence."""
    copies = np.arange(60) % 4
    rows = np.repeat(np.arange(60), copies)
    params = {"solver": solver, "class_weight": "balanced", **FULL_BATCHES}
    net = make("multiclass", **params)[0].fit(X, IMBALANCED, copies)
    other = make("multiclass", **params)[0].fit(X[rows], IMBALANCED[rows])
    assert_close(net, other, rtol=1e-3, atol=1e-4)


def test_balanced_lifts_recall():
    rng = np.random.default_rng(1)
    y = (rng.random(600) < 0.05).astype(int)
    rows = rng.normal(size=(600, 2)) + 1.2 * y[:, None]
    params = {"hidden_layer_sizes": (8,), "random_state": 0, "max_iter": 60}
    plain = MLPClassifier(**params).fit(rows, y)
    balanced = MLPClassifier(**params, class_weight="balanced").fit(rows, y)
    assert (plain.predict(rows)[y == 1] == 1).mean() < 0.4
    assert (balanced.predict(rows)[y == 1] == 1).mean() > 0.6


def test_keys_are_labels():
    labels = np.array(["no", "perhaps", "yes"])[CODES]
    weights = {"yes": 5.0, "no": 0.2}  # 1 for what is not named
    net = make("multiclass", class_weight=weights)[0].fit(X, labels)
    other = make("multiclass", class_weight={0: 0.2, 2: 5.0})[0].fit(X, CODES)
    assert_same_bits(net, other)


def test_class_of_weight_zero():
    """Its rows are absent, it stays a class."""
    net = make("multiclass", class_weight={1: 0.0}, solver="lbfgs", max_iter=50)[0].fit(X, CODES)
    assert net.classes_.tolist() == [0, 1, 2]
    assert net.predict_proba(X).shape == (60, 3)
    assert 1 not in net.predict(X)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_class_weight_with_batches_of_one_row(solver):
    """The weight of a row does not cancel out against itself."""
    params = {"solver": solver, "batch_size": 1, "max_iter": 10}
    plain = make("binary", **params)[0].fit(X, IMBALANCED > 0)
    lifted = make("binary", **params, class_weight={True: 20.0})[0].fit(X, IMBALANCED > 0)
    share = [net.predict_proba(X)[:, 1].mean() for net in (plain, lifted)]
    assert share[1] > share[0] + 0.2


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_class_weight_in_partial_fit(solver):
    params = {"solver": solver, "class_weight": {0: 1.0, 1: 4.0, 2: 0.3}, "batch_size": 16}
    whole = make("multiclass", **params)[0].fit(X, CODES)
    parts = make("multiclass", **params)[0]
    for _ in range(5):
        parts.partial_fit(X, CODES, classes=[0, 1, 2])
    assert_same_bits(parts, whole)


def test_early_stopping_with_class_weight():
    weights = {0: 1.0, 1: 7.0, 2: 2.0}
    net = make("multiclass", class_weight=weights, early_stopping=True, max_iter=20)[0]
    net.fit(X, CODES)
    assert len(net.validation_scores_) == net.n_iter_
    assert net.best_validation_score_ == max(net.validation_scores_)


def test_classes_of_absent_rows_do_not_count():
    """A class seen only in rows of weight zero is as absent as they are."""
    net, y = make("multiclass")
    weight = (y != 2).astype(float)
    net.fit(X, y, weight)
    assert_array_equal(net.classes_, [0, 1])
    with pytest.raises(ValueError, match="at least 2 classes among the rows of positive weight"):
        net.fit(X, y, (y == 1).astype(float))


def test_class_weight_that_leaves_no_row():
    net, y = make("binary", class_weight={0: 0.0, 1: 1.0})
    with pytest.raises(ValueError, match="class_weight must leave some row a weight > 0"):
        net.partial_fit(X[y == 0], y[y == 0], classes=[0, 1])


def test_class_weight_holds_for_mini_batches_of_one_row():
    """Each mini-batch is divided by the mean weight of all rows, not by its own."""
    net, y = make("binary", class_weight={0: 50.0, 1: 0.01}, batch_size=1, max_iter=50)
    net.set_params(solver="sgd", learning_rate_init=0.01)
    assert np.mean(net.fit(X, y).predict(X) == 0) > 0.9
    assert np.mean(net.set_params(class_weight=None).fit(X, y).predict(X) == 0) < 0.7
