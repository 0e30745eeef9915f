"""LassoNetSelector: what it chooses, the path, and how it fits in with scikit-learn."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknet import MLPClassifier, MLPRegressor
from sknet.feature_selection import LassoNetSelector
from sknet.feature_selection import path as path_module
from sknet.optimizers import AdamW
from sknet.rows import Rows

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 8))  # of which 1, 4 and 6 matter
NUMBERS = X[:, 1] + np.abs(X[:, 4]) + 2 * np.tanh(X[:, 6]) + 0.1 * RNG.normal(size=300)
LABELS = np.array(["no", "yes"])[(NUMBERS > 0.7).astype(int)]
CLASSES = np.digitize(NUMBERS, [0, 1.5])
TRUE = [1, 4, 6]
NAMES = list("abcdefgh")
FAST = {"path_multiplier": 1.1, "path_updates": 40}


def classifier(**params):
    given = {"hidden_layer_sizes": (16,), "max_iter": 100, "random_state": 0, "batch_size": 50}
    return MLPClassifier(**(given | params))


def regressor(**params):
    given = {"hidden_layer_sizes": (16,), "max_iter": 100, "random_state": 0, "batch_size": 50}
    return MLPRegressor(**(given | params))


def selector(estimator=None, n_features_to_select=3, **params):
    estimator = regressor() if estimator is None else estimator
    return LassoNetSelector(
        estimator, n_features_to_select=n_features_to_select, **{**FAST, **params}
    )


def chosen(fitted):
    return fitted.get_support(indices=True).tolist()


# What it chooses ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (classifier(), LABELS),
        (classifier(), CLASSES),
        (classifier(), np.column_stack([NUMBERS > 0, NUMBERS > 1]).astype(int)),
        (classifier(loss="hinge"), LABELS),
        (regressor(), NUMBERS),
        (regressor(), np.column_stack([NUMBERS, X[:, 1]])),
        (regressor(loss="huber"), NUMBERS),
        (regressor(loss="poisson"), np.exp((NUMBERS + X[:, 4]) / 2)),
        (regressor(hidden_layer_sizes=(12, 8), activation="tanh"), NUMBERS),
        (regressor(solver="lbfgs", alpha=1.0), NUMBERS),
        (regressor(dropout=0.1, input_noise=0.05), NUMBERS),
        (regressor(dtype="float32", early_stopping=True), NUMBERS),
    ],
    ids=[
        "binary", "multiclass", "multilabel", "hinge", "regression", "multioutput", "huber",
        "poisson", "deep", "lbfgs", "dropout", "early stopping",
    ],
)  # fmt: skip
def test_finds_what_matters(estimator, y):
    fitted = selector(estimator).fit(X, y)
    assert chosen(fitted) == TRUE
    assert fitted.estimator_.coefs_[0].shape[0] == 3
    assert fitted.estimator_.score(fitted.transform(X), y) > 0.7


def test_other_penalties_do_not_take_features_out_before_their_turn():
    """With alpha along the path too, |x| of column 4 was gone before irrelevant columns."""
    for alpha in (1.0, 10.0):
        estimator = regressor(solver="lbfgs", alpha=alpha)
        assert chosen(selector(estimator).fit(X, NUMBERS)) == TRUE


def test_without_hidden_layer_it_is_the_lasso():
    fitted = selector(regressor(hidden_layer_sizes=()), 2).fit(X, NUMBERS)
    assert chosen(fitted) == [1, 6]  # |x| has no slope


def test_auto_compares_numbers_of_features():
    fitted = selector(n_features_to_select="auto", cv=3).fit(X, NUMBERS)
    results = fitted.cv_results_
    assert results["n_features"].tolist() == list(range(9))
    splits = np.array([results[f"split{i}_test_score"] for i in range(3)])
    assert_allclose(splits.mean(axis=0), results["mean_test_score"])
    assert_allclose(splits.std(axis=0), results["std_test_score"])
    assert (splits[:, 0] < 0.02).all()  # without features: a constant
    assert set(TRUE) <= set(chosen(fitted))
    assert fitted.n_features_ == results["n_features"][results["mean_test_score"].argmax()]
    # As many features are also those that are asked for by number.
    again = selector(n_features_to_select=fitted.n_features_).fit(X, NUMBERS)
    assert_array_equal(again.support_, fitted.support_)
    assert not hasattr(again, "cv_results_")
    fewer = selector(n_features_to_select="auto", cv=3, rule="1se").fit(X, NUMBERS)
    least = (results["mean_test_score"] - results["std_test_score"] / np.sqrt(2)).max()
    assert fewer.n_features_ <= fitted.n_features_
    assert fewer.cv_results_["mean_test_score"][fewer.n_features_] >= least - 0.05


@pytest.mark.parametrize(("asked", "n"), [(1, 1), (5, 5), (8, 8), (0.25, 2), (0.01, 1), (1.0, 8)])
def test_as_many_as_asked_for(asked, n):
    fitted = selector(n_features_to_select=asked).fit(X, NUMBERS)
    assert fitted.n_features_ == fitted.support_.sum() == n
    assert fitted.estimator_.n_features_in_ == n


def test_scoring_of_the_estimator():
    """It says when the training with all features stops."""
    estimator = classifier(early_stopping=True, scoring="balanced_accuracy", tol=1e-3)
    assert chosen(selector(estimator).fit(X, LABELS)) == TRUE


# The path -----------------------------------------------------------------------------------


def test_path():
    fitted = selector(regressor(early_stopping=True)).fit(X, NUMBERS)
    path = fitted.path_
    n_steps = len(path["lambda"])
    assert n_steps > 20
    assert path["lambda"][0] == 0
    assert_allclose(path["lambda"][2:] / path["lambda"][1:-1], 1.1)
    assert path["support"].shape == path["coef_norm"].shape == (n_steps, 8)
    assert_array_equal(path["support"], path["coef_norm"] > 0)
    assert_array_equal(path["n_features"], path["support"].sum(axis=1))
    assert path["n_features"][0] == path["n_features"][1] == 8
    assert path["n_features"][-1] == 0
    assert path["n_features"][-2] > 0
    assert path["train_score"].max() > 0.9
    assert abs(path["train_score"][-1]) < 0.05
    assert abs(path["validation_score"][-1]) < 0.2
    # What leaves last is worth most.
    leaves = [path["lambda"][np.flatnonzero(column).max() + 1] for column in path["support"].T]
    assert_array_equal(fitted.feature_importances_, leaves)
    assert fitted.feature_importances_[TRUE].min() > np.delete(leaves, TRUE).max()
    assert_array_equal(fitted.ranking_[TRUE], 1)
    assert sorted(fitted.ranking_) == [1, 1, 1, 2, 3, 4, 5, 6]
    others = np.setdiff1d(np.arange(8), TRUE)
    by_rank = others[np.argsort(fitted.ranking_[others])]
    assert (np.diff(fitted.feature_importances_[by_rank]) <= 0).all()
    first = np.argmax(path["n_features"] <= 3)
    assert fitted.lambda_ == path["lambda"][first]


@pytest.mark.parametrize("seed", range(3))
def test_without_features_it_ends_with_a_good_constant(seed):
    fitted = selector(regressor(early_stopping=True, random_state=seed)).fit(X, NUMBERS)
    assert_allclose(fitted.path_["train_score"][-1], 0, atol=1e-6)
    assert not fitted.path_["support"][-1].any()


def test_of_many_rows_some_are_scored(monkeypatch):
    """Of those that count; the path is what it is, and the scores are near those of all rows."""
    weight = np.ones(len(X))
    weight[::2] = 0
    all_scored = selector().fit(X, NUMBERS, weight).path_
    monkeypatch.setattr(path_module, "SCORED_ROWS", 60)
    some_scored = selector().fit(X, NUMBERS, weight).path_
    assert_array_equal(some_scored["coef_norm"], all_scored["coef_norm"])
    differences = np.abs(some_scored["train_score"] - all_scored["train_score"])
    assert 0 < differences.max() < 0.2
    rows = path_module._some(Rows(X, NUMBERS, weight))
    assert len(rows.y) == 60
    assert rows.weight.all()
    assert len(path_module._some(rows).y) == 60


def test_what_is_hardly_there_leaves_for_good(monkeypatch):
    monkeypatch.setattr(path_module, "WORTH_WHILE", 1.0)  # at once
    presences = []
    train = path_module._Path.train

    def spy(path, penalty):
        trained = path._present
        result = train(path, penalty)
        presence = np.full(8, np.nan)  # of those that have left
        presence[trained] = path._hierarchy.presence / path._n_updates
        presences.append(presence)
        return result

    monkeypatch.setattr(path_module._Path, "train", spy)
    selector().fit(X, NUMBERS)
    hardly = np.array(presences[:-1]) <= path_module.HARDLY
    n_left = 0
    for column, left in zip(hardly.T, np.isnan(presences[:-1]).T, strict=True):
        runs = column[:-2] & column[1:-1] & column[2:]
        first = np.argmax(runs) + 3 if runs.any() else len(column)
        assert not left[:first].any()
        assert left[first:].all()
        n_left += left.any()
    assert n_left >= 5


def test_validation_score_of_the_path():
    assert "validation_score" not in selector().fit(X, NUMBERS).path_
    path = selector(n_features_to_select="auto", cv=3).fit(X, NUMBERS).path_
    assert path["validation_score"].shape == path["lambda"].shape
    assert path["validation_score"].max() > 0.8
    assert path["validation_score"][-1] < 0.5  # a fold may end later than all rows do


@pytest.mark.parametrize("groups", [None, [[5, 0], [1], [2, 3], [4], [7], [6]]])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_a_network_without_what_is_gone_is_the_same(kind, groups, monkeypatch):
    """With one mini-batch per epoch nothing comes back by chance; up to where rounding grows."""
    paths, widths = [], []
    monkeypatch.setattr(path_module, "HARDLY", 0.0)  # it must be gone all the time
    for worth_while in (0.0, 1.0):
        monkeypatch.setattr(path_module, "WORTH_WHILE", worth_while)
        estimator = regressor(hidden_layer_sizes=(8,), batch_size=300)  # as many as columns
        paths.append(selector(estimator, groups=groups).fit(kind(X), NUMBERS).path_)
    monkeypatch.undo()
    for name in ("lambda", "support", "coef_norm", "train_score"):
        first, second = (path[name][:25] for path in paths)
        assert_allclose(first, second, rtol=1e-6, atol=1e-9)
    assert paths[0]["n_features"][24] < 6

    class Spy(path_module.Model):
        def __init__(self, layers, n_in, *args):
            widths.append(n_in)
            super().__init__(layers, n_in, *args)

    monkeypatch.setattr(path_module, "Model", Spy)
    selector(groups=groups).fit(kind(X), NUMBERS)
    *widths, of_constant = widths
    assert of_constant == 1
    assert widths[0] == 8
    assert len(widths) > 2
    assert (np.diff(widths) < 0).all()


@pytest.mark.parametrize("scale", [0.1, 1, 10])
def test_first_penalty_throws_out_little(scale):
    """Nor are there many after it that throw out nothing."""
    n_features = selector().fit(scale * X, NUMBERS).path_["n_features"]
    assert n_features[1] >= 7
    assert (n_features >= 7).mean() < 0.3


def test_first_penalty_can_be_given():
    path = selector(lambda_start=0.125, path_multiplier=1.5).fit(X, NUMBERS).path_
    assert_allclose(path["lambda"][1:4], [0.125, 0.1875, 0.28125])


@pytest.mark.parametrize(("batch_size", "n_rows"), [(7, 200), ("auto", 200), (250, 250)])
def test_mini_batches_of_the_path_are_not_small(batch_size, n_rows):
    """Else chance keeps features in. L-BFGS, before the path, has no mini-batches."""
    net = regressor(solver="lbfgs", batch_size=batch_size)
    same = selector(net).fit(X, NUMBERS).path_
    plain = selector(regressor(solver="lbfgs", batch_size=n_rows)).fit(X, NUMBERS).path_
    assert_array_equal(same["coef_norm"], plain["coef_norm"])
    fewer_rows = selector(net).fit(X[:100], NUMBERS[:100]).path_
    plain = selector(regressor(solver="lbfgs", batch_size=100)).fit(X[:100], NUMBERS[:100]).path_
    assert_array_equal(fewer_rows["coef_norm"], plain["coef_norm"])


def test_a_learning_rate_that_diverges_is_halved():
    fitted = selector(path_learning_rate=1e3).fit(100 * X, 100 * NUMBERS)
    assert fitted.path_["n_features"][-1] == 0
    assert np.isfinite(fitted.path_["coef_norm"]).all()


@pytest.mark.parametrize("solver", ["adam", AdamW(weight_decay=0.1)])
def test_weights_decay_before_the_path_but_not_along_it(solver, monkeypatch):
    decays = []

    def noted(model, optimizer, loss, data, progress, options, *rest):
        decays.append(options.weight_decay)
        return fit_minibatch(model, optimizer, loss, data, progress, options, *rest)

    fit_minibatch = path_module.fit_minibatch
    monkeypatch.setattr(path_module, "fit_minibatch", noted)
    decay = 0.1 if solver == "adam" else None
    selector(regressor(solver=solver, weight_decay=decay)).fit(X, NUMBERS)
    assert decays[0] == 0.1
    assert set(decays[1:]) == {0.0}


@pytest.mark.parametrize("seed", range(4))
def test_weak_features_outlast_irrelevant_ones(seed):
    """With strong decay, too: along the path it would shrink their weights to nothing."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(600, 10))
    numbers = 2 * rows[:, 4] + 0.5 * rows[:, 2] * rows[:, 7] + 0.2 * rng.normal(size=600)
    net = regressor(solver="adamw", weight_decay=0.3, learning_rate_init=0.01)
    assert chosen(selector(net).fit(rows, numbers)) == [2, 4, 7]


def test_warnings_point_at_the_call():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        selector(regressor(solver="adam", max_iter=2), 1).fit(X, NUMBERS)
        selector(n_features_to_select=1, groups=[[0, 1], [*range(2, 8)]]).fit(X, NUMBERS)
    texts = [str(warning.message)[:20] for warning in caught]
    assert texts == ["Stochastic Optimizer", "No features were sel"]
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize("how", ["auto", 3])
def test_any_number_of_threads_gives_the_same_bits(how):
    fits = [selector(regressor(n_threads=n), how, cv=3).fit(X, NUMBERS) for n in (1, 2, None)]
    for fitted in fits[1:]:
        for name, values in fits[0].path_.items():
            assert_array_equal(values, fitted.path_[name])
        assert_array_equal(fits[0].support_, fitted.support_)
        assert_array_equal(fits[0].estimator_.coefs_[0], fitted.estimator_.coefs_[0])


def test_sparse_rows():
    rows = np.where(np.abs(X) > 0.5, X, 0)
    dense = selector().fit(rows, NUMBERS)
    for kind in (sparse.csr_array, sparse.csc_matrix):
        fitted = selector().fit(kind(rows), NUMBERS)
        assert_array_equal(fitted.support_, dense.support_)
        assert_allclose(fitted.path_["coef_norm"], dense.path_["coef_norm"], rtol=1e-6, atol=1e-9)
        assert sparse.issparse(fitted.transform(kind(rows)))


@pytest.mark.parametrize("how", ["auto", 3])
def test_a_row_of_weight_zero_is_absent(how):
    weight = np.r_[np.zeros(50), np.full(250, 2.0)]
    folds = list(KFold(3).split(X))
    fitted = selector(n_features_to_select=how, cv=folds).fit(X, NUMBERS, weight)
    rest = [(train[train >= 50] - 50, test[test >= 50] - 50) for train, test in folds]
    alone = selector(n_features_to_select=how, cv=rest).fit(X[50:], NUMBERS[50:], weight[50:])
    assert_array_equal(fitted.path_["coef_norm"], alone.path_["coef_norm"])
    assert_array_equal(fitted.support_, alone.support_)


def test_a_class_of_weight_zero_is_absent():
    estimator = classifier(class_weight={0: 1, 1: 1, 2: 0})
    fitted = selector(estimator, "auto", cv=2).fit(X, CLASSES)
    assert np.isfinite(fitted.cv_results_["mean_test_score"]).all()


def test_weights_count():
    n = len(X)
    y = np.where(np.arange(n) < n // 2, X[:, 0], X[:, 7])
    for part, column in ((slice(0, n // 2), 0), (slice(n // 2, n), 7)):
        weight = np.full(n, 0.01)
        weight[part] = 1
        assert chosen(selector(n_features_to_select=1).fit(X, y, weight)) == [column]


# Groups -------------------------------------------------------------------------------------


def test_groups_come_and_go_together():
    groups = [[0, 1], [2, 3, 5], [6, 4], [7]]
    fitted = selector(n_features_to_select=4, groups=groups).fit(X, NUMBERS)
    assert chosen(fitted) == [0, 1, 4, 6]
    for group in groups:
        support = fitted.path_["support"][:, group]
        assert_array_equal(support.all(axis=1), support.any(axis=1))
        assert len(set(fitted.feature_importances_[group])) == 1
        assert len(set(fitted.ranking_[group])) == 1
    assert sorted(set(fitted.ranking_)) == [1, 2, 3]
    assert chosen(selector(n_features_to_select=3, groups=groups).fit(X, NUMBERS)) in (
        [4, 6], [0, 1]
    )  # fmt: skip
    frame = pd.DataFrame(X, columns=NAMES)
    named = [["a", "b"], ["c", "d", "f"], ["g", "e"], [7]]
    again = selector(n_features_to_select=4, groups=named).fit(frame, NUMBERS)
    assert_array_equal(again.path_["coef_norm"], fitted.path_["coef_norm"])


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            [[0, 1, 2, 3, 4, 5, 6]],
            "groups must hold each of the 8 columns of X once; in no group: 7",
        ),
        ([range(8), [3]], "in more than one group: 3"),
        ([range(8), [8]], "groups must hold numbers of the 8 columns of X, got 8"),
        ([range(8), ["a"]], "groups must hold numbers of the 8 columns of X, got 'a'"),
        ([range(8), []], "none of them empty, got"),
        ([0, 1], "groups must hold lists of columns"),
    ],
)
def test_groups_must_be_a_partition(groups, message):
    with pytest.raises(ValueError, match=message):
        selector(groups=groups).fit(X, NUMBERS)


# At home in scikit-learn --------------------------------------------------------------------


def test_pipeline_and_grid_search():
    model = make_pipeline(StandardScaler(), selector(classifier()), LogisticRegression())
    grid = {"lassonetselector__n_features_to_select": [1, 3]}
    search = GridSearchCV(model, grid, cv=2).fit(X, LABELS)
    assert search.best_params_["lassonetselector__n_features_to_select"] == 3
    alone = selector(classifier())
    alone.set_params(estimator__alpha=0.5)
    assert clone(alone).estimator.alpha == 0.5
    assert cross_val_score(model, X, LABELS, cv=2).mean() > 0.8


def test_data_frames():
    frame = pd.DataFrame(X, columns=NAMES)
    fitted = selector().set_output(transform="pandas").fit(frame, NUMBERS)
    assert list(fitted.feature_names_in_) == NAMES
    assert list(fitted.get_feature_names_out()) == ["b", "e", "g"]
    part = fitted.transform(frame)
    assert list(part.columns) == ["b", "e", "g"]
    back = fitted.inverse_transform(part)
    assert_array_equal(np.asarray(back)[:, TRUE], X[:, TRUE])
    assert not np.delete(np.asarray(back), TRUE, axis=1).any()
    both = ColumnTransformer([("some", selector(n_features_to_select=1), ["a", "b"])])
    assert list(both.fit(frame, NUMBERS).get_feature_names_out()) == ["some__b"]


def test_pickle():
    fitted = selector().fit(X, NUMBERS)
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.transform(X), fitted.transform(X))
    assert_array_equal(again.estimator_.predict(X[:, TRUE]), fitted.estimator_.predict(X[:, TRUE]))


def test_the_estimator_is_left_alone():
    net = regressor()
    before = dict(vars(net))
    fitted = selector(net).fit(X, NUMBERS)
    assert vars(net) == before
    assert fitted.estimator_ is not net
    assert_array_equal(
        fitted.estimator_.predict(X[:, TRUE]),
        clone(net).fit(X[:, TRUE], NUMBERS).predict(X[:, TRUE]),
    )


def test_random_state():
    a, b, c = (
        selector(regressor(random_state=seed, n_threads=n), "auto", cv=2).fit(X, NUMBERS)
        for n, seed in ((1, np.random.RandomState(1)), (2, np.random.RandomState(1)), (1, 2))
    )
    assert_array_equal(a.cv_results_["mean_test_score"], b.cv_results_["mean_test_score"])
    assert_array_equal(a.path_["coef_norm"], b.path_["coef_norm"])
    assert (
        a.path_["coef_norm"].shape != c.path_["coef_norm"].shape
        or (a.path_["coef_norm"] != c.path_["coef_norm"]).any()
    )


# When it goes wrong -------------------------------------------------------------------------


def test_nothing_chosen():
    noise = np.random.default_rng(4).normal(size=300)
    fitted = selector(n_features_to_select="auto", cv=3)
    with pytest.warns(UserWarning, match="No features were selected: a constant prediction"):
        fitted.fit(X, noise)
    assert fitted.n_features_ == 0
    assert fitted.estimator_ is None
    with pytest.warns(UserWarning, match="No features were selected"):
        assert fitted.transform(X).shape == (300, 0)
    with pytest.warns(UserWarning, match="each group has more than 1"):
        selector(n_features_to_select=1, groups=[range(4), range(4, 8)]).fit(X, NUMBERS)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_features_to_select": 9}, "n_features_to_select=9 must be at most .* columns of X, 8"),
        ({"n_features_to_select": 0}, "n_features_to_select"),
        ({"n_features_to_select": 1.5}, "n_features_to_select"),
        ({"rule": "2se"}, "rule"),
        ({"hierarchy": 0}, "hierarchy"),
        ({"lambda_start": 0}, "lambda_start"),
        ({"path_multiplier": 1}, "path_multiplier"),
        ({"path_learning_rate": 0}, "path_learning_rate"),
        ({"path_updates": 0}, "path_updates"),
        ({"estimator": LogisticRegression()}, "estimator"),
        ({"n_features_to_select": "auto", "cv": 1}, "cv"),
        ({"estimator__normalization": "layer"}, "estimator must have normalization=None"),
        ({"estimator__frozen_layers": ["output"]}, "estimator must have frozen_layers=None"),
        ({"estimator__coefs_init": [None, None]}, "estimator must have coefs_init=None"),
        ({"estimator__mixup": 0.2, "estimator__solver": "lbfgs"}, "mixup=0.2"),
        ({"estimator__solver": "adamm"}, "'solver' parameter of MLPRegressor must be .*'adamm'"),
        ({"estimator__max_iter": 0}, "'max_iter' parameter of MLPRegressor must be"),
    ],
)
def test_wrong_parameters(params, message):
    fitted = selector().fit(X, NUMBERS)
    before = fitted.transform(X)
    with pytest.raises(ValueError, match=message):
        fitted.set_params(**params).fit(X, NUMBERS)
    assert_array_equal(fitted.transform(X), before)


def test_wrong_data():
    with pytest.raises(NotFittedError):
        selector().transform(X)
    wrong = X.copy()
    wrong[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        selector().fit(wrong, NUMBERS)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        selector().fit(X, NUMBERS[:-1])
    with pytest.raises(ValueError, match="Negative values"):
        selector().fit(X, NUMBERS, -np.ones(300))


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
@pytest.mark.parametrize("how", ["3", "'auto'"])
def test_ctrl_c(how):
    """It ends the fit at once; what was fitted before stays."""
    code = f"""if True:
        import os, signal, threading
        import numpy as np
        from sknet import MLPRegressor
        from sknet.feature_selection import LassoNetSelector
        signal.signal(signal.SIGINT, signal.default_int_handler)
        X = np.random.default_rng(0).normal(size=(500, 10))
        net = MLPRegressor((20,), max_iter=20, n_threads=2)
        selector = LassoNetSelector(
            net, n_features_to_select=3, path_multiplier=2.0, path_updates=5
        )
        before = selector.fit(X, X[:, 0]).transform(X)
        selector.set_params(
            n_features_to_select={how}, path_updates=100_000, path_multiplier=1.001
        )
        threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            selector.fit(X, X[:, 0])
        except KeyboardInterrupt:
            assert (selector.transform(X) == before).all()
            print("interrupted")
    """
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=100
    )
    assert run.stdout == "interrupted\n", run.stderr
