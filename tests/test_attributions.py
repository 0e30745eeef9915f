"""Attributions: complete, equal to slow definitions, and named through pipelines."""

import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from small_fits import LABELS, NUMBERS, X, classifier, regressor

from sknet import _core
from sknet.inspection import attributions
from sknet.inspection.columns import origins

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ACTIVATIONS = sorted(_core.load(np.float64).ACTIVATIONS)
CLASSES = np.digitize(X[:, 0], [-0.5, 0.5])
BOTH = ["integrated_gradients", "deeplift"]
BASE = np.array([0.5, -1.0, 0.25, 0.0])


def fitted(make=regressor, y=NUMBERS, **params):
    given = {"hidden_layer_sizes": (9, 6), "max_iter": 60, "learning_rate_init": 0.01}
    return make(**{**given, **params}).fit(X, y)


# Values -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", BOTH)
@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_values_sum_to_the_difference(activation, normalization, method):
    net = fitted(
        activation=activation, normalization=normalization, batch_size=20, dropout=0.1,
        input_dropout=0.05, input_noise=0.1,
    )  # fmt: skip
    found = attributions(net, X, method=method, baseline=BASE)
    differences = net.predict(X) - net.predict(BASE[None])
    tolerance = 1e-3 * np.ptp(np.append(differences, 0))
    assert_allclose(found.values.sum(axis=1), differences, atol=tolerance)
    assert_allclose(found.predictions, net.predict(X))
    assert_allclose(found.base_predictions, np.full(60, net.predict(BASE[None])[0]))
    off = np.abs(found.values.sum(axis=1) - differences).max()
    assert_allclose(found.gap, off / np.ptp(np.append(differences, 0)), atol=1e-12)
    if method == "deeplift":
        assert found.gap < 1e-9


@pytest.mark.parametrize("activation", ["tanh", "softplus"])
def test_integrated_gradients_by_finite_differences(activation):
    net = fitted(activation=activation)
    found = attributions(net, X[:5], baseline=BASE, n_steps=200).values
    step, shares = 1e-5, (np.arange(400) + 0.5) / 400
    for row, values in zip(X[:5], found, strict=True):
        line = BASE + shares[:, None] * (row - BASE)
        slopes = [
            np.mean(net.predict(line + step * unit) - net.predict(line - step * unit)) / (2 * step)
            for unit in np.eye(4)
        ]
        assert_allclose(values, slopes * (row - BASE), rtol=1e-4, atol=1e-6)


def test_a_linear_network_is_explained_by_its_weights():
    net = fitted(hidden_layer_sizes=())
    weights = net.coefs_[0][:, 0]
    for method in BOTH:
        values = attributions(net, X, method=method, baseline=BASE).values
        assert_allclose(values, weights * (X - BASE))
    assert_allclose(attributions(net, X, method="gradient").values, np.tile(weights, (60, 1)))
    assert_allclose(attributions(net, X, method="gradient_x_input").values, weights * X)
    expected = attributions(net, X, method="expected_gradients", baseline=X[:20], n_steps=40)
    assert_allclose(expected.values, weights * (X - X[:20].mean(axis=0)), atol=1e-10)
    assert_allclose(expected.base_predictions, np.full(60, net.predict(X[:20]).mean()))


def by_rescale_rule(net, row, base):
    """DeepLIFT of a network with tanh units, one number at a time."""
    ends, slopes = [row, base], []
    for W, b in zip(net.coefs_, net.intercepts_, strict=True):
        ends = [end @ W + b for end in ends]
        if W is not net.coefs_[-1]:
            outs = [np.tanh(end) for end in ends]
            slopes.append((outs[0] - outs[1]) / (ends[0] - ends[1]))
            ends = outs
    found = net.coefs_[-1][:, 0]
    for W, slope in zip(net.coefs_[-2::-1], slopes[::-1], strict=True):
        found = W @ (found * slope)
    return found * (row - base)


def test_deeplift_is_the_rescale_rule():
    net = fitted(activation="tanh")
    found = attributions(net, X, method="deeplift", baseline=BASE).values
    assert_allclose(found, [by_rescale_rule(net, row, BASE) for row in X])


@pytest.mark.parametrize("method", BOTH)
def test_the_baseline_itself_has_no_attributions(method):
    found = attributions(fitted(), np.vstack([BASE, X]), method=method, baseline=BASE)
    assert_array_equal(found.values[0], 0)
    assert np.isfinite(found.values).all()


def test_expected_gradients_come_near_the_mean_over_baselines():
    net = fitted(activation="tanh")
    found = attributions(net, X, method="expected_gradients", baseline=X, n_steps=3000)
    assert found.gap is None
    exact = np.mean([attributions(net, X, baseline=base).values for base in X], axis=0)
    assert_allclose(found.values, exact, atol=0.05 * np.abs(exact).max())
    again = attributions(net, X, method="expected_gradients", baseline=X, n_steps=3000)
    assert_array_equal(found.values, again.values)
    other = attributions(
        net, X, method="expected_gradients", baseline=X, n_steps=3000, random_state=1
    )
    assert (found.values != other.values).any()


# Targets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", BOTH)
def test_targets(method):
    net = fitted(classifier, CLASSES)
    every = attributions(net, X, method=method)
    assert every.values.shape == (60, 3, 4)
    assert every.predictions.shape == every.base_predictions.shape == (60, 3)
    assert_allclose(every.predictions, net.decision_function(X))
    for place, name in enumerate(net.classes_):
        found = attributions(net, X, method=method, target=name)
        assert_allclose(found.values, every.values[:, place], atol=2e-3 * np.ptp(every.predictions))
    each = attributions(net, X, method=method, target=net.predict(X))
    places = np.searchsorted(net.classes_, net.predict(X))
    assert_allclose(each.predictions, every.predictions[np.arange(60), places])
    two = fitted(classifier, LABELS)
    yes, no = (attributions(two, X, method=method, target=label) for label in (1, 0))
    assert_allclose(yes.values, -no.values)
    assert_allclose(yes.predictions, two.decision_function(X))
    with pytest.raises(ValueError, match="target must be among the classes"):
        attributions(net, X, target=7)


@pytest.mark.parametrize("method", BOTH)
def test_an_ensemble_is_the_mean_of_its_members(method):
    net = fitted(n_starts=3, combine="mean")
    members = [attributions(member, X, method=method).values for member in net.estimators_]
    found = attributions(net, X, method=method)
    assert_allclose(found.values, np.mean(members, axis=0), atol=2e-3 * np.ptp(found.predictions))


def test_float32_and_sparse_rows_and_threads():
    rows = np.where(np.abs(X) > 0.5, X, 0).astype(np.float32)
    net = regressor(max_iter=50).fit(rows, NUMBERS)
    dense = attributions(net, rows)
    assert_array_equal(attributions(net, sparse.csr_array(rows)).values, dense.values)
    assert_array_equal(attributions(net.set_params(n_threads=1), rows).values, dense.values)
    assert dense.gap < 1e-3


# Pipelines ----------------------------------------------------------------------------------

FRAME = pd.DataFrame(
    {
        "age": X[:, 0] * 10 + 40,
        "town": np.array(["rome", "oslo", "lima"])[CLASSES],
        "rate": np.where(X[:, 1] > 1, np.nan, X[:, 1]),
        "job": np.where(X[:, 2] > 0, "cook", "clerk"),
    }
)


def table_pipeline():
    columns = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["town", "job"]),
        (make_pipeline(SimpleImputer(), StandardScaler()), ["rate", "age"]),
    )
    return make_pipeline(columns, classifier(max_iter=100)).fit(FRAME, LABELS)


def test_pipeline_of_a_table():
    model = table_pipeline()
    found = attributions(model, FRAME, target=1)
    assert list(found.feature_names) == list(model[:-1].get_feature_names_out())
    assert_array_equal(found.data, model[:-1].transform(FRAME))
    assert found.origins.tolist() == [1, 1, 1, 3, 3, 2, 0]
    assert_allclose(found.predictions, model.decision_function(FRAME))
    summed = found.by_column(FRAME)
    assert list(summed.feature_names) == list(FRAME.columns)
    assert_allclose(summed.values[:, 1], found.values[:, :3].sum(axis=1))
    assert_allclose(summed.values[:, 0], found.values[:, 6])
    assert_allclose(summed.values.sum(axis=1), found.values.sum(axis=1))
    assert summed.data[3, 1] == FRAME["town"][3]
    assert found.by_column().data.shape == (60, 0)


def test_baseline_is_a_row_of_the_table():
    model = table_pipeline()
    base = FRAME.iloc[[7]]
    found = attributions(model, FRAME, baseline=base)
    assert_array_equal(found.values[7], 0)
    assert_allclose(found.base_predictions, model.decision_function(base)[0])
    same = attributions(model, FRAME, baseline=base.to_numpy()[0])
    assert_array_equal(same.values, found.values)


def test_columns_that_are_selected_or_mixed():
    model = make_pipeline(StandardScaler(), SelectKBest(f_classif, k=2), classifier(max_iter=30))
    found = attributions(model.fit(X, LABELS), X)
    chosen = model[1].get_support(indices=True)
    assert_array_equal(found.origins, chosen)
    assert list(found.feature_names) == [f"x{i}" for i in chosen]
    summed = found.by_column(X)
    assert summed.values.shape == (60, 4)
    assert_array_equal(summed.values[:, chosen], found.values)
    assert not np.delete(summed.values, chosen, axis=1).any()
    mixed = make_pipeline(PCA(2), classifier(max_iter=30)).fit(X, LABELS)
    found = attributions(mixed, X)
    assert found.origins is None
    assert list(found.feature_names) == ["pca0", "pca1"]
    with pytest.raises(ValueError, match=r"by_column\(\) needs to know"):
        found.by_column()


def test_origins():
    assert origins("passthrough", 3).tolist() == [0, 1, 2]
    assert origins("drop", 3).tolist() == []
    encoder = OneHotEncoder(drop="first", sparse_output=False).fit(FRAME[["town", "job"]])
    assert origins(encoder, 2).tolist() == [0, 0, 1]
    nested = make_column_transformer(
        ("drop", ["age"]), (encoder, ["job", "town"]), remainder="passthrough"
    ).fit(FRAME)
    assert origins(nested, 4).tolist() == [3, 1, 1, 2]
    indicator = make_pipeline(SimpleImputer(add_indicator=True)).fit(FRAME[["age", "rate"]])
    assert origins(indicator, 2) is None


def test_a_network_alone_is_named_by_the_table():
    frame = pd.DataFrame(X, columns=list("abcd"))
    net = regressor(max_iter=20).fit(frame, NUMBERS)
    found = attributions(net, frame, baseline=BASE)
    assert list(found.feature_names) == list("abcd")
    assert_array_equal(found.by_column(frame).values, found.values)


# Errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "shap"}, "method must be one of integrated_gradients.*got 'shap'"),
        ({"n_steps": 0}, "n_steps must be an integer >= 1, got 0"),
        ({"method": "gradient", "baseline": BASE}, "baseline is not for method='gradient'"),
        ({"method": "expected_gradients"}, "needs baseline: rows of a background"),
        ({"baseline": BASE[:3]}, r"baseline must have 4 columns, as X has, got .* \(1, 3\)"),
        ({"baseline": X[:2]}, "baseline must be one row for method='integrated_gradients', got 2"),
        ({"baseline": BASE * np.nan}, "baseline: .*NaN"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        attributions(fitted(), X, **options)


def test_wrong_estimators():
    with pytest.raises(ValueError, match="estimator must be an MLPClassifier or MLPRegressor"):
        attributions(LogisticRegression().fit(X, LABELS), X)
    with pytest.raises(NotFittedError):
        attributions(regressor(), X)
    with pytest.raises(ValueError, match="features"):
        attributions(fitted(), X[:, :3])


def test_a_gap_is_told(monkeypatch):
    monkeypatch.setattr(sys.modules["sknet.inspection.attributions"], "MOST_STEPS", 1)
    net = fitted(hidden_layer_sizes=(50,), max_iter=500)
    told = "do not sum to the difference of the outputs: off by"
    with pytest.warns(UserWarning, match=told) as warned:
        attributions(net, 5 * X, n_steps=1)
    assert warned[0].filename == __file__
