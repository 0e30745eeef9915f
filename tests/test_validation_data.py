"""Validation rows: given by the user, routed through meta-estimators, or split off."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.metadata_routing import get_routing_for_object

from sknet import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X, X_VAL = 10 + 3 * RNG.normal(size=(60, 3)), 10 + 3 * RNG.normal(size=(30, 3))
W_VAL = RNG.uniform(0, 3, 30)


def labels_of(X):
    return np.array(["a", "b", "c"])[(X.mean() < X).sum(axis=1) % 3]


def numbers_of(X):
    return X[:, 0] - X[:, 1] / 2


CASES = {
    "classifier": (MLPClassifier, labels_of(X), labels_of(X_VAL), accuracy_score),
    "regressor": (MLPRegressor, numbers_of(X), numbers_of(X_VAL), r2_score),
}
EACH_CASE = pytest.mark.parametrize("case", CASES)
EACH_SOLVER = pytest.mark.parametrize("solver", ["sgd", "adam"])


def make(case, **params):
    params = {"hidden_layer_sizes": (6,), "random_state": 0, "max_iter": 8, **params}
    return CASES[case][0](**params)


def assert_same_bits(a, b):
    for name in ("coefs_", "intercepts_"):
        for ours, others in zip(getattr(a, name), getattr(b, name), strict=True):
            assert_array_equal(ours, others)


@EACH_CASE
@EACH_SOLVER
@pytest.mark.parametrize("weighted", [False, True])
def test_scores_of_each_epoch(case, solver, weighted):
    """Without early stopping they are watched and change nothing."""
    _, y, y_val, metric = CASES[case]
    params = {"solver": solver, "learning_rate_init": 1e-3}
    w_val = W_VAL if weighted else None
    net = make(case, **params).fit(X, y, X_val=X_VAL, y_val=y_val, sample_weight_val=w_val)
    plain = make(case, **params).fit(X, y)
    assert_same_bits(net, plain)
    assert net.loss_curve_ == plain.loss_curve_
    assert plain.validation_scores_ is None
    assert plain.best_validation_score_ is None
    assert len(net.validation_scores_) == net.n_iter_ == 8
    assert net.best_validation_score_ == max(net.validation_scores_)
    assert net.best_loss_ == min(net.loss_curve_)
    for i, score in enumerate(net.validation_scores_):
        shorter = make(case, **params, max_iter=i + 1).fit(X, y)
        assert_allclose(score, metric(y_val, shorter.predict(X_VAL), sample_weight=w_val))


@EACH_CASE
@EACH_SOLVER
def test_early_stopping(case, solver):
    """All of X is trained on; the best epoch by the score is kept, and patience counts it."""
    _, y, y_val, metric = CASES[case]
    params = {"solver": solver, "max_iter": 300, "n_iter_no_change": 5, "tol": 1e-3}
    net = make(case, early_stopping=True, **params).fit(X, y, X_val=X_VAL, y_val=y_val)
    scores = net.validation_scores_
    assert 5 < net.n_iter_ == len(scores) < 300
    assert net.t_ == 60 * net.n_iter_
    best = int(np.argmax(scores))
    assert net.best_validation_score_ == scores[best]
    assert net.best_loss_ is None
    watched = make(case, **{**params, "max_iter": best + 1}).fit(X, y)
    assert_same_bits(net, watched)
    assert_allclose(metric(y_val, net.predict(X_VAL)), scores[best])
    # Patience: the epoch at which the last 6 epochs brought no tol over the best before.
    bad, top = 0, -np.inf
    for i, score in enumerate(scores):
        bad = bad + 1 if score < top + 1e-3 else 0
        top = max(top, score)
        assert (bad > 5) == (i == len(scores) - 1)


@EACH_CASE
@pytest.mark.parametrize("form", ["F", "float32", "list", "csr", "pandas"])
def test_forms(case, form):
    _, y, y_val, _ = CASES[case]
    rows = {
        "F": np.asfortranarray,
        "float32": lambda X: X.astype(np.float32).astype(float),
        "list": np.ndarray.tolist,
        "csr": sparse.csr_array,
        "pandas": lambda X: pytest.importorskip("pandas").DataFrame(X, columns=list("abc")),
    }[form]
    net = make(case).fit(rows(X), y, X_val=rows(X_VAL), y_val=list(y_val))
    plain_rows = rows if form in ("float32", "csr") else np.asarray
    expected = make(case).fit(plain_rows(X), y, X_val=plain_rows(X_VAL), y_val=y_val)
    assert net.validation_scores_ == expected.validation_scores_
    mixed = make(case, dtype="float32").fit(X, y, X_val=X_VAL, y_val=y_val)
    assert_allclose(mixed.validation_scores_, make(case).fit(
        X, y, X_val=X_VAL, y_val=y_val).validation_scores_, atol=0.1)  # fmt: skip


def test_names_of_validation_columns():
    pd = pytest.importorskip("pandas")
    frames = [pd.DataFrame(rows, columns=list("abc")) for rows in (X, X_VAL)]
    _, y, y_val, _ = CASES["regressor"]
    net = make("regressor").fit(frames[0], y, X_val=frames[1], y_val=y_val)
    assert net.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match=r"X_val.*feature names should match"):
        net.fit(frames[0], y, X_val=frames[1].rename(columns={"a": "z"}), y_val=y_val)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_multilabel_and_several_outputs(early_stopping):
    Y, Y_val = (X > 10).astype(int), (X_VAL > 10).astype(int)
    net = make("classifier", early_stopping=early_stopping)
    net.fit(X, Y, X_val=X_VAL, y_val=Y_val)
    kept = net.best_validation_score_ if early_stopping else net.validation_scores_[-1]
    assert kept == net.score(X_VAL, Y_val)
    net = make("regressor", early_stopping=early_stopping)
    net.fit(X, X[:, :2], X_val=X_VAL, y_val=X_VAL[:, :2])
    kept = net.best_validation_score_ if early_stopping else net.validation_scores_[-1]
    assert_allclose(kept, net.score(X_VAL, X_VAL[:, :2]))


def test_a_class_missing_from_the_validation_rows():
    _, y, y_val, _ = CASES["classifier"]
    some = y_val != "b"
    net = make("classifier").fit(X, y, X_val=X_VAL[some], y_val=y_val[some])
    assert net.validation_scores_[-1] == net.score(X_VAL[some], y_val[some])


@EACH_CASE
def test_validation_rows_are_not_changed(case):
    _, y, y_val, _ = CASES[case]
    copies = X.copy(), y.copy(), X_VAL.copy(), y_val.copy(), W_VAL.copy()
    make(case).fit(X, y, X_val=X_VAL, y_val=y_val, sample_weight_val=W_VAL)
    for array, copy in zip((X, y, X_VAL, y_val, W_VAL), copies):
        assert_array_equal(array, copy)


# Routing ------------------------------------------------------------------------------------


@EACH_CASE
def test_requests(case):
    requests = get_routing_for_object(make(case)).fit.requests
    assert set(requests) == {"sample_weight", "X_val", "y_val", "sample_weight_val"}


@EACH_CASE
@pytest.mark.parametrize("early_stopping", [False, True])
def test_pipeline_transforms_validation_rows(case, early_stopping):
    _, y, y_val, _ = CASES[case]
    net = make(case, early_stopping=early_stopping)
    scaler = StandardScaler().fit(X)
    expected = clone(net).fit(
        scaler.transform(X), y, X_val=scaler.transform(X_VAL), y_val=y_val, sample_weight_val=W_VAL
    )
    with config_context(enable_metadata_routing=True):
        net.set_fit_request(X_val=True, y_val=True, sample_weight_val=True)
        steps = [("scale", StandardScaler()), ("net", net)]
        pipeline = Pipeline(steps, transform_input=["X_val"])
        pipeline.fit(X, y, X_val=X_VAL, y_val=y_val, sample_weight_val=W_VAL)
    assert_same_bits(pipeline[-1], expected)
    assert pipeline[-1].validation_scores_ == expected.validation_scores_
    unscaled = clone(make(case)).fit(scaler.transform(X), y, X_val=X_VAL, y_val=y_val)
    assert pipeline[-1].validation_scores_ != unscaled.validation_scores_


@EACH_CASE
def test_sample_weight_is_routed(case):
    _, y, _, _ = CASES[case]
    weight = np.linspace(0.1, 3, 60)
    with config_context(enable_metadata_routing=True):
        net = make(case).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=True), net)
        result = cross_validate(
            pipeline, X, y, params={"sample_weight": weight}, cv=3, return_estimator=True,
            return_indices=True,
        )  # fmt: skip
    for fold in range(3):
        train, test = (result["indices"][part][fold] for part in ("train", "test"))
        scaler = StandardScaler().fit(X[train], sample_weight=weight[train])
        expected = make(case).fit(scaler.transform(X[train]), y[train], weight[train])
        assert_same_bits(result["estimator"][fold][-1], expected)
        score = expected.score(scaler.transform(X[test]), y[test], weight[test])
        assert result["test_score"][fold] == pytest.approx(score)


def test_grid_search_routes_validation_rows():
    """Not aligned with X: handed whole to every fit."""
    _, y, y_val, _ = CASES["classifier"]
    with config_context(enable_metadata_routing=True):
        net = make("classifier", early_stopping=True).set_fit_request(X_val=True, y_val=True)
        search = GridSearchCV(net, {"alpha": [0.1, 1.0]}, cv=2)
        search.fit(X, y, X_val=X_VAL, y_val=y_val)
    best = search.best_estimator_
    assert best.best_validation_score_ == best.score(X_VAL, y_val)


# The internal split -------------------------------------------------------------------------


def held_out_classes(monkeypatch, net, X, y):
    """The labels of the rows split off: fit scores them, and nothing else."""
    seen = []
    original = type(net)._score_raw

    def spy(self, raw, y, sample_weight):
        seen.append(np.array(y))
        return original(self, raw, y, sample_weight)

    monkeypatch.setattr(type(net), "_score_raw", spy)
    net.fit(X, y)
    assert all((labels == seen[0]).all() for labels in seen)
    assert len(seen) == net.n_iter_
    return seen[0]


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_split_is_stratified(monkeypatch, n_classes):
    """For any number of classes: each has its share, to the row."""
    shares = np.arange(1, n_classes + 1) * 10
    y = np.repeat(np.arange(n_classes), shares)
    rows = RNG.normal(size=(len(y), 2))
    for seed in range(5):
        net = MLPClassifier((3,), early_stopping=True, max_iter=2, random_state=seed)
        labels = held_out_classes(monkeypatch, net, rows, y)
        assert_array_equal(np.bincount(labels), shares // 10)
        assert net.t_ == net.n_iter_ * (len(y) - len(labels))


def test_split_of_strings_and_of_iris(monkeypatch):
    rows, codes = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])
    net = MLPClassifier((3,), early_stopping=True, validation_fraction=0.2, max_iter=3)
    labels = held_out_classes(monkeypatch, net, rows, names[codes])
    assert dict(zip(*np.unique(labels, return_counts=True))) == dict.fromkeys(names, 10)


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
@EACH_CASE
def test_size_of_the_split(monkeypatch, case, fraction):
    net = make(case, early_stopping=True, validation_fraction=fraction, max_iter=2)
    assert len(held_out_classes(monkeypatch, net, X, CASES[case][1])) == round(60 * fraction)


def test_split_follows_random_state(monkeypatch):
    y = np.arange(60.0)
    parts = [
        held_out_classes(monkeypatch, make("regressor", early_stopping=True, random_state=s), X, y)
        for s in (0, 0, 1)
    ]
    assert_array_equal(parts[0], parts[1])
    assert set(parts[0]) != set(parts[2])


def test_given_rows_replace_the_split():
    _, y, y_val, _ = CASES["regressor"]
    net = make("regressor", early_stopping=True).fit(X, y, X_val=X_VAL, y_val=y_val)
    assert net.t_ == 60 * net.n_iter_
    split = make("regressor", early_stopping=True).fit(X, y)
    assert split.t_ == 54 * split.n_iter_


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_validation_rows_need_not_hold_all_classes():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), np.arange(30) % 3
    net = MLPClassifier((4,), max_iter=2, warm_start=True, random_state=0)
    for n_scores in (2, 4):
        net.fit(X, y, X_val=X[y < 2], y_val=y[y < 2])
        assert len(net.validation_scores_) == n_scores
