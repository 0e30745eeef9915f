"""Gradients of a fitted network, importances of its columns, hidden units as features."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, mean_pinball_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from small_fits import LABELS, NUMBERS, X, classifier, regressor

from sknet import HiddenFeatures, MLPClassifier, MLPRegressor, _core
from sknet.gradients import MOST_NUMBERS, MOST_ROWS, _n_rows, _n_sparse_rows
from sknet.layers import Dense, Residual, Skip, mlp
from sknet.model import Model, as_data
from sknet.rows import Rows
from sknet.typing import Activation

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

THREE = np.digitize(X[:, 0] + X[:, 1], [-0.5, 0.5])
NAMES = np.array(["low", "middle", "high"])[THREE]
LAYERS = pytest.mark.parametrize(
    "layers",
    [
        {},
        {"hidden_layer_sizes": ()},
        {"dropout": 0.3, "input_dropout": 0.1, "input_noise": 0.1},
        {"normalization": "batch", "dropout": 0.1},
        {"normalization": "layer"},
    ],
    ids=str,
)


def finite_differences(function, rows, step=1e-6):
    """(n, n_outputs, n_features)"""
    moves = step * np.eye(rows.shape[1])
    return np.stack(
        [(function(rows + move) - function(rows - move)) / (2 * step) for move in moves], axis=-1
    )


# Of outputs ---------------------------------------------------------------------------------


@LAYERS
@pytest.mark.parametrize("activation", Activation.__args__)
def test_input_gradients_are_finite_differences(activation, layers):
    params = {"hidden_layer_sizes": (7, 5), "max_iter": 3, "activation": activation, **layers}
    rows = X[:9]
    two = classifier(**params).fit(X, LABELS)
    expected = finite_differences(two.decision_function, rows)
    assert_allclose(two.input_gradients(rows), expected, rtol=1e-5, atol=1e-6)
    three = classifier(**params).fit(X, THREE)
    expected = finite_differences(lambda rows: three._predict(rows), rows)
    assert expected.shape == (9, 3, 4)
    assert_allclose(three.input_gradients(rows), expected, rtol=1e-5, atol=1e-6)


def test_gradients_of_a_prediction_on_the_log_scale():
    net = regressor(loss="poisson", max_iter=3).fit(X, np.abs(NUMBERS))
    expected = finite_differences(lambda rows: np.log(net.predict(rows)), X[:5])
    assert_allclose(net.input_gradients(X[:5]), expected, rtol=1e-5, atol=1e-6)


def test_target_names_a_class_or_an_output():
    net = classifier(max_iter=3).fit(X, NAMES)
    each = net.input_gradients(X)
    for i, name in enumerate(net.classes_):
        assert_allclose(net.input_gradients(X, name), each[:, i], rtol=1e-12)
    assert_allclose(
        net.input_gradients(X, NAMES), each[range(60), np.searchsorted(net.classes_, NAMES)]
    )
    two = classifier(max_iter=3).fit(X, LABELS)
    assert_array_equal(two.input_gradients(X, 1), two.input_gradients(X))
    assert_array_equal(two.input_gradients(X, 0), -two.input_gradients(X))
    several = regressor(max_iter=3).fit(X, X[:, :3])
    assert_allclose(several.input_gradients(X, 2), several.input_gradients(X)[:, 2], rtol=1e-12)
    labels = classifier(max_iter=3).fit(X, X[:, :3] > 0)
    assert_allclose(labels.input_gradients(X, 1), labels.input_gradients(X)[:, 1], rtol=1e-12)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("huge", r"target must be among the classes \['high', 'low', 'middle'\], got 'huge'"),
        (1, r"target must be among the classes .*, got 1"),
        (["low", "high"], r"one for each of 60, got an array of shape \(2,\)"),
    ],
)
def test_wrong_targets(target, message):
    net = classifier(max_iter=3).fit(X, NAMES)
    with pytest.raises(ValueError, match=message):
        net.input_gradients(X, target)
    with pytest.raises(ValueError, match=r"target must be among the outputs \[0\], got 1"):
        regressor(max_iter=3).fit(X, NUMBERS).input_gradients(X, 1)


def test_gradients_of_an_ensemble_are_the_mean_of_its_members():
    net = regressor(max_iter=3, n_starts=3, combine="mean").fit(X, NUMBERS)
    members = [member.input_gradients(X) for member in net.estimators_]
    assert_allclose(net.input_gradients(X), np.mean(members, axis=0), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_of_any_rows(dtype):
    rows = X.astype(dtype)
    net = classifier(max_iter=3, hidden_layer_sizes=(70,)).fit(rows, THREE)
    expected = net.input_gradients(rows)
    assert expected.dtype == dtype
    assert_array_equal(net.input_gradients(sparse.csr_array(rows)), expected)
    assert_array_equal(net.input_gradients(rows.tolist()).astype(dtype), expected)
    assert_array_equal(net.set_params(n_threads=2).input_gradients(rows), expected)


def test_gradients_need_a_fit_and_the_columns_of_the_fit():
    for method in ("input_gradients", "hidden_activations"):
        with pytest.raises(NotFittedError):
            getattr(classifier(), method)(X)
        with pytest.raises(ValueError, match="X has 3 features, but MLPClassifier is expecting 4"):
            getattr(classifier(max_iter=3).fit(X, LABELS), method)(X[:, :3])
    with pytest.raises(NotFittedError):
        classifier().loss_gradients(X, LABELS)


# Of the loss --------------------------------------------------------------------------------


def loss_differences(net, loss, step=1e-6):
    """Finite differences of loss() with respect to each element of coefs_ and intercepts_."""
    model = net._model()
    for arrays in (net.coefs_, net.intercepts_):
        for array in arrays:
            difference = np.zeros_like(array)
            for place in np.ndindex(array.shape):
                kept = array[place]
                array[place] = kept + step
                difference[place] += loss() / (2 * step)
                array[place] = kept - step
                difference[place] -= loss() / (2 * step)
                array[place] = kept
            yield difference
    assert net._model() is model


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("y", [LABELS, NAMES], ids=["two", "three"])
@LAYERS
def test_loss_gradients_are_finite_differences(layers, y, weighted):
    net = classifier(hidden_layer_sizes=(3, 2), activation="tanh", max_iter=3)
    net.set_params(**layers).fit(X, y)
    weight = np.random.default_rng(0).random(60) if weighted else None

    def loss():
        return log_loss(y, net.predict_proba(X), sample_weight=weight)

    expected = list(loss_differences(net, loss))
    coefs, intercepts = net.loss_gradients(X, y, weight)
    for gradient, difference in zip([*coefs, *intercepts], expected, strict=True):
        assert_allclose(gradient, difference, rtol=1e-5, atol=1e-7)


def test_loss_gradients_of_several_outputs_are_of_their_mean():
    net = regressor(loss="quantile", max_iter=3, activation="tanh").fit(X, X[:, :2])
    expected = list(loss_differences(net, lambda: mean_pinball_loss(X[:, :2], net.predict(X))))
    coefs, intercepts = net.loss_gradients(X, X[:, :2])
    for gradient, difference in zip([*coefs, *intercepts], expected, strict=True):
        assert_allclose(gradient, difference, rtol=1e-4, atol=1e-6)
    assert_allclose(
        net.loss_gradients(sparse.csr_array(X), X[:, :2])[0][0], coefs[0], rtol=1e-12, atol=1e-15
    )


def test_loss_gradients_refuse_what_they_cannot_do():
    net = regressor(max_iter=3).fit(X, NUMBERS)
    with pytest.raises(ValueError, match="y must have 1 outputs, got 2"):
        net.loss_gradients(X, X[:, :2])
    with pytest.raises(ValueError, match="sample_weight"):
        net.loss_gradients(X, NUMBERS, -np.ones(60))
    ensemble = regressor(max_iter=3, n_starts=2, combine="mean").fit(X, NUMBERS)
    with pytest.raises(ValueError, match="needs a single network, got an ensemble"):
        ensemble.loss_gradients(X, NUMBERS)
    two = classifier(max_iter=3).fit(X, LABELS)
    with pytest.raises(ValueError, match="classes not in"):
        two.loss_gradients(X, THREE)


# Importances --------------------------------------------------------------------------------


def defined(net, rows):
    """The importances, as they are defined, of all these rows."""
    slopes = np.abs(net.input_gradients(rows)).reshape(len(rows), -1, rows.shape[1])
    importances = slopes.mean(axis=(0, 1)) * rows.std(axis=0)
    return importances / importances.sum()


@pytest.fixture
def all_rows(monkeypatch):
    """Importances are those by 2,000 rows, however short training was."""
    monkeypatch.setattr("sknet.gradients.LEAST_PASSES", 10**6)
    monkeypatch.setattr("sknet.gradients.LEAST_SPARSE_ROWS", 10**6)


@pytest.mark.parametrize("y", [LABELS, THREE], ids=["two", "three"])
@LAYERS
def test_importances_are_what_they_are_said_to_be(layers, y, all_rows):
    net = classifier(max_iter=5, **layers).fit(X, y)
    assert_allclose(net.feature_importances_, defined(net, X), rtol=1e-9)
    assert net.feature_importances_.sum() == pytest.approx(1)
    assert (net.feature_importances_ >= 0).all()


def test_importances_after_lbfgs(all_rows):
    net = regressor(solver="lbfgs", loss="poisson").fit(X, np.abs(NUMBERS))
    assert_allclose(net.feature_importances_, defined(net, X), rtol=1e-9)


def test_long_training_looks_at_more_rows():
    def importances(max_iter):
        net = regressor(max_iter=max_iter, n_iter_no_change=np.inf).fit(X, NUMBERS)
        return net.feature_importances_, defined(net, X), defined(net, X[::3])

    few, of_all, of_twenty = importances(2)
    assert_allclose(few, of_twenty, rtol=1e-9)
    assert not np.allclose(few, of_all, rtol=1e-3)
    many, of_all, _ = importances(270)
    assert_allclose(many, of_all, rtol=1e-9)


def test_importances_find_the_columns_that_matter():
    rows = np.random.default_rng(0).normal(size=(2000, 10)) * np.geomspace(1e-2, 1e2, 10)
    y = np.tanh(rows[:, 2] / rows[:, 2].std()) + (rows[:, 7] / rows[:, 7].std()) ** 2
    scaled = (rows / rows.std(axis=0)).astype(np.float32)
    net = MLPRegressor((50,), random_state=0, max_iter=50).fit(scaled, y)
    assert set(np.argsort(net.feature_importances_)[-2:]) == {2, 7}
    for selector in (
        SelectFromModel(net, max_features=2, threshold=-np.inf),
        RFE(net, n_features_to_select=2, step=4),
    ):
        assert set(selector.fit(scaled, y).get_support(indices=True)) == {2, 7}


def test_importances_of_ensembles_and_after_partial_fit():
    net = classifier(max_iter=3, n_starts=3, combine="mean").fit(X, LABELS)
    members = [member.feature_importances_ for member in net.estimators_]
    assert len({tuple(member) for member in members}) == 3
    assert_allclose(net.feature_importances_, np.mean(members, axis=0))
    best = classifier(max_iter=3, n_starts=3).fit(X, LABELS)
    seed = int(best.start_seeds_[np.argmax(best.start_scores_)])
    alone = classifier(max_iter=3, random_state=seed).fit(X, LABELS)
    assert_array_equal(best.feature_importances_, alone.feature_importances_)
    net = classifier().partial_fit(X, LABELS, classes=[0, 1])
    first = net.feature_importances_
    assert not np.array_equal(net.partial_fit(X, LABELS).feature_importances_, first)


def test_importances_do_not_depend_on_threads_and_see_sparse_rows(all_rows):
    rows = np.random.default_rng(0).normal(size=(3000, 30))
    rows[rows < 0.5] = 0
    y = (rows[:, 3] > rows[:, 5]).astype(int)
    nets = [
        MLPClassifier((20,), max_iter=5, random_state=0, n_threads=n).fit(given, y)
        for given in (rows, sparse.csr_array(rows))
        for n in (1, 3)
    ]
    assert_array_equal(nets[0].feature_importances_, nets[1].feature_importances_)
    assert_array_equal(nets[2].feature_importances_, nets[3].feature_importances_)
    assert_allclose(nets[0].feature_importances_, nets[2].feature_importances_, rtol=1e-9)
    numbers = np.arange(MOST_ROWS) * 3000 // MOST_ROWS
    assert_allclose(nets[0].feature_importances_, defined(nets[0], rows[numbers]), rtol=1e-9)


@pytest.mark.parametrize("n_rows", [2, 97, 150])
@pytest.mark.parametrize(
    "layers",
    [
        mlp((7, 5), ["tanh", "relu"], 3),
        mlp((), [], 1),
        (Skip(mlp((7,), ["tanh"], 3)),),
        (Residual((Dense(40, "tanh"),)), Dense(3)),
    ],
    ids=["hidden", "none", "skip", "residual"],
)
def test_importances_by_sparse_rows_are_those_by_dense_ones(layers, n_rows):
    """Of sparse X only the columns that it has are looked at; two layers may read them.

    A residual layer adds X up, which is made dense for it.
    """
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(150, 40)) * (rng.random((150, 40)) < 0.3)
    rows[:, 3], rows[:, 4] = 0, 1
    model = Model(layers, 40, np.float64)
    model.set_params(rng.normal(size=model.network.n_params))
    by_dense, by_sparse = (
        model.importances(as_data(model.core, given), n_rows, n_rows, 1)
        for given in (rows, sparse.csr_array(rows))
    )
    assert by_dense.sum() == pytest.approx(1)
    assert_allclose(by_sparse, by_dense, rtol=1e-9, atol=1e-15)


def task_of(X):
    """What of a task tells how many rows are looked at."""
    return SimpleNamespace(rows=Rows(X, None, None), data=as_data(_core.load(X.dtype), X))


def test_few_rows_are_looked_at_where_training_saw_few_numbers():
    """TF-IDF of short texts: a dense gradient costs a thousand times what a sparse row does."""
    rows = sparse.random_array((2000, 50_000), density=1e-4, rng=0, format="csr")
    net = classifier(max_iter=5).fit(rows, np.arange(2000) % 2)
    assert net.feature_importances_.shape == (50_000,)
    assert _n_rows(net._model(), task_of(rows), n_epochs=5) == 20
    assert _n_rows(net._model(), task_of(rows), n_epochs=10**6) == MOST_NUMBERS // 50_000


def test_rare_words_have_importances():
    """The few rows of the gradients hold few of the words: all that vary in more rows count."""
    rows = sparse.random_array((2500, 4000), density=5e-4, rng=0, format="csr")
    net = classifier(max_iter=1).fit(rows, np.arange(2500) % 2)
    numbers = np.arange(1000) * 2500 // 1000
    assert _n_rows(net._model(), task_of(rows), n_epochs=1) == 20
    assert _n_sparse_rows(2500, n_epochs=1) == 1000
    assert _n_sparse_rows(25_000, n_epochs=10**6) == MOST_ROWS
    assert _n_sparse_rows(900, n_epochs=10**6) == 900
    assert_array_equal(net.feature_importances_ > 0, (rows[numbers] != 0).sum(axis=0) > 0)


def test_a_constant_column_has_no_importance():
    rows = np.column_stack([X, np.full(60, 3.0)])
    assert classifier(max_iter=3).fit(rows, LABELS).feature_importances_[4] == 0


# Hidden units -------------------------------------------------------------------------------


@LAYERS
def test_hidden_activations_lead_to_the_outputs(layers):
    if layers.get("hidden_layer_sizes") == ():
        return
    net = classifier(hidden_layer_sizes=(7, 5), max_iter=3, **layers).fit(X, THREE)
    hidden = net.hidden_activations(X)
    assert hidden.shape == (60, 5)
    raw = hidden @ net.coefs_[-1] + net.intercepts_[-1]
    assert_allclose(np.exp(raw - raw.max(axis=1, keepdims=True)).argmax(axis=1), net.predict(X))
    assert_allclose(net._predict(X), raw, rtol=1e-10, atol=1e-12)
    assert_array_equal(net.hidden_activations(X, 1), hidden)
    assert net.hidden_activations(X, 0).shape == net.hidden_activations(X, -2).shape == (60, 7)
    if not layers:
        expected = np.maximum(0, X @ net.coefs_[0] + net.intercepts_[0])
        assert_allclose(net.hidden_activations(X, 0), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("layer", [2, -3, "last", 0.5])
def test_wrong_layers(layer):
    net = classifier(hidden_layer_sizes=(7, 5), max_iter=3).fit(X, LABELS)
    with pytest.raises(ValueError, match=r"layer must be the number of a hidden layer, of which"):
        net.hidden_activations(X, layer)
    with pytest.raises(ValueError, match="of which there are 0"):
        classifier(hidden_layer_sizes=(), max_iter=3).fit(X, LABELS).hidden_activations(X)


def test_hidden_features_feed_another_model():
    features = HiddenFeatures(classifier(max_iter=30))
    model = make_pipeline(features, LogisticRegression())
    search = GridSearchCV(model, {"hiddenfeatures__estimator__hidden_layer_sizes": [(3,), (20,)]})
    search.fit(X, LABELS)
    best = search.best_estimator_[0]
    assert best.transform(X).shape[1] == len(best.get_feature_names_out()) in (3, 20)
    assert not hasattr(features.estimator, "coefs_")


def test_hidden_features_of_a_fitted_network():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    net = classifier(hidden_layer_sizes=(6, 3), max_iter=3).fit(frame, LABELS)
    features = HiddenFeatures(net, layer=0, prefit=True).fit(frame).set_output(transform="pandas")
    assert features.estimator_ is net
    hidden = features.transform(frame)
    assert list(hidden.columns) == [f"hiddenfeatures{i}" for i in range(6)]
    assert_array_equal(hidden, net.hidden_activations(frame, 0))
    assert list(features.feature_names_in_) == list("abcd")
    with pytest.raises(NotFittedError):
        HiddenFeatures(classifier(), prefit=True).fit(X)
    features.set_params(prefit=False).fit(X, LABELS)  # without names this time
    assert not hasattr(features, "feature_names_in_")


def test_hidden_features_of_an_ensemble_stand_side_by_side():
    net = classifier(max_iter=3, n_starts=2, combine="mean")
    features = HiddenFeatures(net).fit(X, LABELS, np.ones(60))
    members = [member.hidden_activations(X) for member in features.estimator_.estimators_]
    assert_array_equal(features.transform(X), np.hstack(members))
    assert len(features.get_feature_names_out()) == 10


def test_hidden_features_refuse_other_estimators_and_layers():
    with pytest.raises(
        ValueError, match=r"must be an instance of .*MLPClassifier.* or .*MLPRegressor"
    ):
        HiddenFeatures(LogisticRegression()).fit(X, LABELS)
    features = HiddenFeatures(classifier(max_iter=3)).fit(X, LABELS)
    before = features.transform(X)
    with pytest.raises(ValueError, match="layer must be the number of a hidden layer"):
        features.set_params(layer=4).fit(X, LABELS)
    features.set_params(layer=-1)
    assert_array_equal(features.transform(X), before)
