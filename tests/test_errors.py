"""Bad input: an error that names what, says what was expected and got, and changes nothing."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from sknet import MLPClassifier, MLPRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
LABELS = (X[:, 0] + X[:, 1] > 0).astype(int)
NUMBERS = X[:, 0] - 2 * X[:, 2]
W = np.ones(40)


def spoiled(array, value, where=7):
    array = np.array(array, dtype=float)
    array.reshape(-1)[where] = value
    return array


def estimators(**params):
    """Each kind of estimator with its y."""
    params = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0, **params}
    return [(MLPClassifier(**params), LABELS), (MLPRegressor(**params), NUMBERS)]


def state_of(estimator):
    """Everything an estimator holds, arrays as bytes."""

    def frozen(value):
        if isinstance(value, np.ndarray):
            return value.dtype.str, value.shape, value.tobytes()
        if isinstance(value, list):
            return [frozen(item) for item in value]
        return value if isinstance(value, (int, float, str, tuple, dict, type(None))) else id(value)

    return {name: frozen(value) for name, value in vars(estimator).items()}


def assert_refused(estimator, message, call, error=ValueError):
    """call(estimator) raises `error` with `message`, fitted or not, and changes nothing."""
    y = LABELS if isinstance(estimator, MLPClassifier) else NUMBERS
    positive = np.abs(y) if getattr(estimator, "loss", "") == "poisson" else y
    good = type(estimator)((4,), max_iter=3, random_state=0, loss=estimator.loss)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        good.fit(X, positive)
    changes = {
        name: value
        for name, value in estimator.get_params().items()
        if value is not good.get_params()[name]
    }
    for fitted in (False, True):
        if fitted:
            estimator = good.set_params(**changes)
            expected = estimator.predict(X)
        before, names = state_of(estimator), list(vars(estimator))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(error, match=message):
                call(estimator)
        assert list(vars(estimator)) == names
        assert state_of(estimator) == before
        if fitted:
            assert_array_equal(estimator.predict(X), expected)
        else:
            with pytest.raises(NotFittedError):
                estimator.predict(X)


# Parameters ---------------------------------------------------------------------------------

NAMED = {
    "activation": ["identity", "logistic", "tanh", "relu"],
    "solver": ["lbfgs", "sgd", "adam"],
    "learning_rate": ["constant", "invscaling", "adaptive"],
    "dtype": ["auto", "float32", "float64"],
}


@pytest.mark.parametrize("name", [*NAMED, "loss"])
@pytest.mark.parametrize("which", [0, 1])
def test_unknown_name(name, which):
    estimator, y = estimators()[which]
    losses = [["log_loss", "squared_error"], ["squared_error", "poisson"]][which]
    with pytest.raises(ValueError) as caught:
        estimator.set_params(**{name: "nosuch"}).fit(X, y)
    message = str(caught.value)
    assert f"'{name}' parameter" in message
    assert "'nosuch'" in message
    for known in NAMED.get(name, losses):
        assert repr(known) in message
    estimator, y = estimators()[which]
    assert_refused(
        estimator.set_params(**{name: "nosuch"}) if name != "loss" else estimator,
        rf"'{name}' parameter .* must be .* Got 'nosuch'",
        lambda e: refit_with(e, {name: "nosuch"}, y),
    )


def refit_with(estimator, params, y):
    """fit with other parameters for the time of the call: the parameters are the user's own."""
    before = estimator.get_params()
    estimator.set_params(**params)
    try:
        estimator.fit(X, y)
    finally:
        estimator.set_params(**{name: before[name] for name in params})


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"hidden_layer_sizes": 0}, "'hidden_layer_sizes' .* Got 0"),
        ({"hidden_layer_sizes": -3}, "'hidden_layer_sizes' .* Got -3"),
        ({"hidden_layer_sizes": (5, 0)}, r"hidden_layer_sizes must be > 0.*got \[5, 0\]"),
        ({"hidden_layer_sizes": [4, -1]}, r"hidden_layer_sizes must be > 0.*got \[4, -1\]"),
        ({"hidden_layer_sizes": (4.5,)}, r"hidden_layer_sizes .* integers.*got \[4\.5\]"),
        ({"alpha": -1.0}, "'alpha' parameter .* Got -1.0"),
        ({"alpha": np.nan}, "'alpha' parameter .* Got nan"),
        ({"batch_size": 0}, "'batch_size' parameter .* Got 0"),
        ({"batch_size": "all"}, "'batch_size' parameter .*'auto'.* Got 'all'"),
        ({"learning_rate_init": 0.0}, "'learning_rate_init' parameter .* Got 0.0"),
        ({"power_t": -1.0}, "'power_t' parameter .* Got -1.0"),
        ({"max_iter": 0}, "'max_iter' parameter .* Got 0"),
        ({"tol": -1.0}, "'tol' parameter .* Got -1.0"),
        ({"momentum": 1.5}, "'momentum' parameter .* Got 1.5"),
        ({"validation_fraction": 1.0}, "'validation_fraction' parameter .* Got 1.0"),
        ({"beta_1": 1.0}, "'beta_1' parameter .* Got 1.0"),
        ({"beta_2": 1.0}, "'beta_2' parameter .* Got 1.0"),
        ({"epsilon": 0.0}, "'epsilon' parameter .* Got 0.0"),
        ({"n_iter_no_change": 0}, "'n_iter_no_change' parameter .* Got 0"),
        ({"max_fun": 0}, "'max_fun' parameter .* Got 0"),
        ({"n_threads": 0}, "'n_threads' parameter .* Got 0"),
        ({"shuffle": "yes"}, "'shuffle' parameter .* Got 'yes'"),
        ({"random_state": "x"}, "'random_state' parameter .* Got 'x'"),
    ],
)
def test_parameter_out_of_range(params, message):
    for estimator, y in estimators():
        assert_refused(estimator, message, lambda e, y=y: refit_with(e, params, y))


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ("even", "'class_weight' parameter .*'balanced'.* Got 'even'"),
        ({0: 1.0, 1: -1.0}, "class_weight must .* >= 0.* got .*-1"),
        ({0: 0.0, 1: 0.0}, "class_weight must .* not all zero.* got"),
        ({0: 1.0, 1: np.inf}, "class_weight must .* finite.* got .*inf"),
    ],
)
def test_class_weight(class_weight, message):
    classifier, _ = estimators()[0]
    params = {"class_weight": class_weight}
    assert_refused(classifier, message, lambda e: refit_with(e, params, LABELS))


def test_class_weight_and_indicator_matrix():
    y = np.eye(2, dtype=int)[LABELS]
    classifier = MLPClassifier((4,), class_weight={0: 2.0})
    with pytest.raises(ValueError, match="class_weight must be None for a label indicator"):
        classifier.fit(X, y)
    assert not hasattr(classifier, "classes_")


# Data ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite(bad, solver):
    says = "NaN" if np.isnan(bad) else "infinity"
    for estimator, y in estimators(solver=solver):
        assert_refused(
            estimator, f"Input X contains {says}", lambda e, y=y: e.fit(spoiled(X, bad), y)
        )
        assert_refused(
            estimator,
            f"Input X contains {says}",
            lambda e, y=y: e.fit(sparse.csr_array(spoiled(X, bad)), y),
        )
        assert_refused(
            estimator, f"Input y contains {says}", lambda e, y=y: e.fit(X, spoiled(y, bad))
        )
        assert_refused(
            estimator,
            f"sample_weight.* contains {says}",
            lambda e, y=y: e.fit(X, y, spoiled(W, bad)),
        )


@pytest.mark.parametrize("activation", NAMED["activation"])
@pytest.mark.parametrize("sizes", [(), (3,), (2, 2), (40,), (200,)])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_non_finite_values_cannot_hide(activation, sizes, solver, capsys):
    """Units saturate and cut off; a NaN in any row is found all the same, before a word is said."""
    for bad, where, batch_size in [
        (np.nan, 0, 1), (np.inf, 119, 7), (-np.inf, 60, 16), (-np.inf, 3, 40), (np.nan, 118, 40),
    ]:  # fmt: skip
        says = "NaN" if np.isnan(bad) else "infinity"
        for estimator, y in estimators(
            solver=solver, activation=activation, hidden_layer_sizes=sizes,
            batch_size=batch_size, verbose=True,
        ):  # fmt: skip
            for dtype in (np.float32, np.float64):
                with pytest.raises(ValueError, match=f"^Input X contains {says}"):
                    estimator.fit(spoiled(X, bad, where).astype(dtype), y)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("activation", ["tanh", "logistic", "relu"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_values_cannot_hide_before_a_frozen_layer(activation, bad):
    """Units that saturate make something finite of an infinity."""
    says = "NaN" if np.isnan(bad) else "infinity"
    for estimator, y in estimators(activation=activation, frozen_layers=["hidden_0"]):
        with pytest.raises(ValueError, match=f"^Input X contains {says}"):
            estimator.fit(spoiled(X, bad), y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_values_in_a_prediction(bad, dtype):
    """In X of the network's own dtype, which the core looks at, and of the other one."""
    says = "NaN" if np.isnan(bad) else "infinity"
    many = np.tile(X, (50, 1)).astype(dtype)
    for estimator, y in estimators(n_threads=2):
        with pytest.warns(ConvergenceWarning):
            estimator.fit(X, y)
        methods = ["predict", "predict_proba", "predict_log_proba", "decision_function"]
        for method in methods if isinstance(estimator, MLPClassifier) else methods[:1]:
            predict = getattr(estimator, method)
            good = predict(many)
            for where in (0, many.size // 2, many.size - 1):
                spoiled_rows = spoiled(many, bad, where).astype(dtype)
                row = where // X.shape[1]
                for rows in (spoiled_rows, spoiled_rows[row : row + 1]):
                    with pytest.raises(ValueError, match=f"^Input X contains {says}"):
                        predict(rows)
            with config_context(assume_finite=True):
                assert predict(spoiled_rows).shape == good.shape
            np.testing.assert_array_equal(predict(many), good)


@pytest.mark.parametrize("row", [7, 39])
def test_non_finite_values_in_rows_that_are_not_trained_on(row):
    """Rows of weight zero, and rows held out."""
    bad, weight = spoiled(X, np.nan, 3 * row), np.ones(40)
    weight[row] = 0
    for estimator, y in estimators():
        with pytest.raises(ValueError, match="Input X contains NaN"):
            estimator.fit(bad, y, weight)
        for seed in range(5):
            stopping = type(estimator)((4,), early_stopping=True, random_state=seed)
            with pytest.raises(ValueError, match="Input X contains NaN"):
                stopping.fit(bad, y)
    labels = np.arange(40) % 3
    with pytest.raises(ValueError, match="Input X contains NaN"):
        MLPClassifier((4,), class_weight={labels[row]: 0}).fit(bad, labels)


def test_non_finite_values_where_nobody_is_to_look():
    """scikit-learn's assume_finite: no error about X, but one about the outcome."""
    for estimator, y in estimators():
        with config_context(assume_finite=True), pytest.raises(ValueError, match="non-finite"):
            estimator.fit(spoiled(X, np.nan), y)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e, y: e.fit(X[:0], y[:0]), r"0 sample\(s\).* minimum of 1 is required"),
        (lambda e, y: e.fit(X[:, :0], y), r"0 feature\(s\).* minimum of 1 is required"),
        (lambda e, y: e.fit(X[:30], y), r"inconsistent numbers of samples: \[30, 40\]"),
        (lambda e, y: e.fit(X[0], y[:1]), "Expected 2D array, got 1D array"),
        (lambda e, y: e.fit([["a"]] * 40, y), "could not convert string to float"),
        (lambda e, y: e.fit(X, None), "requires y to be passed, but the target y is None"),
        (lambda e, y: e.fit(X, y, W[:30]), r"sample_weight.shape == \(30,\), expected \(40,\)"),
        (lambda e, y: e.fit(X, y, W[:, None]), "[Ss]ample.?weights? must be 1D"),
        (lambda e, y: e.fit(X, y, spoiled(W, -1)), "sample_weight.*[Nn]egative values"),
        (lambda e, y: e.fit(X, y, 0 * W), "sample_weight.*(zero|> 0)"),
    ],
)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_data(call, message, solver):
    for estimator, y in estimators(solver=solver):
        assert_refused(estimator, message, lambda e, y=y: call(e, y))


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function", "score"])
def test_number_of_features(method):
    for estimator, y in estimators(max_iter=500):
        estimator.set_params(solver="lbfgs").fit(X, y)
        if hasattr(estimator, method):
            arguments = (y,) if method == "score" else ()
            before = state_of(estimator)
            with pytest.raises(ValueError, match=r"X has 2 features, but MLP.* is expecting 3"):
                getattr(estimator, method)(X[:, :2], *arguments)
            with pytest.raises(ValueError, match="Input X contains NaN"):
                getattr(estimator, method)(spoiled(X, np.nan), *arguments)
            assert state_of(estimator) == before


def test_number_of_features_in_partial_fit():
    for estimator, y in estimators():
        classes = {"classes": [0, 1]} if isinstance(estimator, MLPClassifier) else {}
        estimator.partial_fit(X, y, **classes)
        before, expected = state_of(estimator), estimator.predict(X)
        for bad, message in [
            (X[:, :2], "X has 2 features, but MLP.* is expecting 3 features"),
            (X[:30], "inconsistent numbers of samples"),
            (spoiled(X, np.inf), "Input X contains infinity"),
        ]:
            with pytest.raises(ValueError, match=message):
                estimator.partial_fit(bad, y)
        assert state_of(estimator) == before
        assert_array_equal(estimator.predict(X), expected)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(40, int), "y must have at least 2 classes.* got one class.*0"),
        (np.full(40, "spam"), "y must have at least 2 classes.* got one class.*spam"),
        (NUMBERS, "Unknown label type: continuous"),
        (
            np.stack([LABELS, LABELS + 1], axis=1),
            "one column of labels or .*indicator matrix, got 2",
        ),
    ],
)
def test_labels(y, message):
    assert_refused(estimators()[0][0], message, lambda e: e.fit(X, y))


def test_one_class_is_left_after_zero_weights():
    message = "y must have at least 2 classes.* got one class.*1"
    assert_refused(estimators()[0][0], message, lambda e: e.fit(X, LABELS, LABELS.astype(float)))


def test_labels_in_partial_fit():
    classifier = estimators()[0][0]
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        classifier.partial_fit(X, LABELS)
    with pytest.raises(ValueError, match=r"`y` has classes not in `self.classes_`.*\[0 2\]"):
        classifier.partial_fit(X, 2 * LABELS, classes=[0, 1])
    assert not hasattr(classifier, "classes_")
    classifier.partial_fit(X, LABELS, classes=[0, 1])
    before, expected = state_of(classifier), classifier.predict_proba(X)
    with pytest.raises(ValueError, match=r"`y` has classes not in `self.classes_`.*\[0 2\]"):
        classifier.partial_fit(X, 2 * LABELS)
    with pytest.raises(ValueError, match=r"classes=\[0 1 2\].* is not the same.*\[0 1\]"):
        classifier.partial_fit(X, LABELS, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="indicator matrix"):
        classifier.partial_fit(X, np.eye(2, dtype=int)[LABELS])
    assert state_of(classifier) == before
    assert_array_equal(classifier.predict_proba(X), expected)


def test_balanced_class_weight_in_partial_fit():
    classifier = MLPClassifier((4,), class_weight="balanced")
    with pytest.raises(ValueError, match=r"class_weight='balanced' .* partial_fit"):
        classifier.partial_fit(X, LABELS, classes=[0, 1])
    assert not hasattr(classifier, "classes_")


def test_negative_y_for_poisson():
    for solver in ("adam", "lbfgs"):
        regressor = MLPRegressor(loss="poisson", solver=solver, max_iter=3)
        message = "loss='poisson' needs y >= 0, got .*-2"
        assert_refused(regressor, message, lambda e: e.fit(X, spoiled(np.abs(NUMBERS), -2.0)))


@pytest.mark.parametrize("change", [{"early_stopping": True}, {"solver": "lbfgs"}])
def test_partial_fit_is_absent(change):
    for estimator, y in estimators():
        assert hasattr(estimator, "partial_fit")
        estimator.set_params(**change)
        assert not hasattr(estimator, "partial_fit")
        assert "partial_fit" in dir(type(estimator))
        with pytest.raises((AttributeError, ValueError), match=r"early_stopping=True|lbfgs"):
            estimator.partial_fit(X, y)
        assert not hasattr(estimator, "coefs_")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_clipped_batch_size():
    for estimator, y in estimators(batch_size=41):
        with pytest.warns(UserWarning, match=r"`batch_size` .* clipped.*41.*40"):
            estimator.fit(X, y)
        clipped = type(estimator)(**{**estimator.get_params(), "batch_size": 40}).fit(X, y)
        for coef, other in zip(estimator.coefs_, clipped.coefs_):
            assert_array_equal(coef, other)


# Training -----------------------------------------------------------------------------------


def says_divergence(estimator, X, y, message):
    """fit ends with an error, or with a warning and finite weights, that has `message`."""
    before = state_of(estimator)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator.fit(X, y)
        except ValueError as error:
            assert re.search(message, str(error)), error
            assert state_of(estimator) == before
        else:
            texts = [str(w.message) for w in caught]
            assert any(re.search(message, text) for text in texts), texts
            assert all(np.isfinite(coef).all() for coef in estimator.coefs_)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_divergence_names_the_learning_rate(early_stopping):
    regressor = MLPRegressor((8,), activation="identity", solver="sgd", learning_rate_init=1e6)
    regressor.set_params(early_stopping=early_stopping, random_state=0)
    says_divergence(regressor, X, NUMBERS, "learning_rate_init=1000000.0")


@pytest.mark.parametrize("early_stopping", [False, True])
def test_divergence_names_the_column(early_stopping):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X * [1, 1e9, 1], columns=["age", "income", "size"])
    regressor = MLPRegressor((8,), activation="identity", solver="sgd", random_state=0)
    regressor.set_params(early_stopping=early_stopping)
    says_divergence(regressor, frame, NUMBERS, "unscaled column .*'income'")
    says_divergence(regressor, frame.to_numpy(), NUMBERS, "unscaled column .*column 1")
    says_divergence(regressor, sparse.csr_array(frame), NUMBERS, "unscaled column .*column 1")


def test_divergence_leaves_a_fitted_one():
    regressor = MLPRegressor((8,), activation="identity", random_state=0, max_iter=5)
    with pytest.warns(ConvergenceWarning):
        regressor.fit(X, NUMBERS)
    regressor.set_params(solver="sgd", learning_rate_init=1e6)
    expected, before = regressor.predict(X), state_of(regressor)
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="learning_rate_init"):
        regressor.fit(X, NUMBERS)
    assert state_of(regressor) == before
    assert_array_equal(regressor.predict(X), expected)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_training_goes_on_as_if_there_had_been_no_error():
    for estimator, y in estimators(warm_start=True, solver="sgd", learning_rate="adaptive"):
        other = type(estimator)(**estimator.get_params())
        estimator.fit(X, y).fit(X, y)
        other.fit(X, y)
        for bad in (spoiled(X, np.nan), X[:, :2], X[:9]):
            with pytest.raises(ValueError, match=r"X|inconsistent"):
                other.fit(bad, y)
        with pytest.raises(ValueError, match="non-finite"), np.errstate(all="ignore"):
            refit_with(other, {"alpha": 1e300, "learning_rate_init": 1e9, "max_iter": 20}, y)
        other.fit(X, y)
        for coef, expected in zip(other.coefs_, estimator.coefs_):
            assert_array_equal(coef, expected)
        assert other.loss_curve_ == estimator.loss_curve_


# Continuation and validation rows -----------------------------------------------------------


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_warm_start_with_another_network():
    for estimator, y in estimators(warm_start=True):
        expected = estimator.fit(X, y).predict(X)
        estimator.set_params(hidden_layer_sizes=(5, 2))
        before = state_of(estimator)
        with pytest.raises(ValueError, match=r"hidden_layer_sizes=\(5, 2\).*\[4, 1\]"):
            estimator.fit(X, y)
        assert state_of(estimator) == before
        assert_array_equal(estimator.predict(X), expected)
        estimator.set_params(hidden_layer_sizes=(4,))
        with pytest.raises(ValueError, match=r"X has 2 features, but MLP.* is expecting 3"):
            estimator.fit(X[:, :2], y)
        assert_array_equal(estimator.predict(X), expected)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_warm_start_with_other_targets():
    (classifier, _), (regressor, _) = estimators(warm_start=True)
    classifier.fit(X, LABELS)
    regressor.fit(X, NUMBERS)
    states = state_of(classifier), state_of(regressor)
    with pytest.raises(ValueError, match=r"warm_start .* same classes .*\[0 1\].*\[0 3\]"):
        classifier.fit(X, 3 * LABELS)
    with pytest.raises(ValueError, match=r"2 output\(s\) must fit the network"):
        regressor.fit(X, np.stack([NUMBERS, NUMBERS], axis=1))
    assert states == (state_of(classifier), state_of(regressor))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"X_val": X}, "X_val was given without y_val"),
        ({"y_val": LABELS}, "y_val was given without X_val"),
        ({"sample_weight_val": W}, "sample_weight_val was given without X_val"),
        ({"X_val": X[:, :2], "y_val": LABELS}, "X_val.* has 2 features, but .* expecting 3"),
        ({"X_val": spoiled(X, np.nan), "y_val": LABELS}, "X_val.* contains NaN"),
        ({"X_val": X, "y_val": spoiled(LABELS, np.nan)}, "y_val.* contains NaN"),
        ({"X_val": X, "y_val": LABELS[:9]}, r"X_val, y_val.* inconsistent .*\[40, 9\]"),
        ({"X_val": X[:0], "y_val": LABELS[:0]}, r"X_val.* 0 sample\(s\)"),
        (
            {"X_val": X, "y_val": LABELS, "sample_weight_val": -W},
            "sample_weight_val.*[Nn]egative values",
        ),
        (
            {"X_val": X, "y_val": LABELS, "sample_weight_val": 0 * W},
            "sample_weight_val.*(zero|> 0)",
        ),
        ({"X_val": X, "y_val": LABELS, "sample_weight_val": W[:9]}, r"sample_weight_val.*\(9,\)"),
    ],
)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_validation_rows(kwargs, message, early_stopping):
    for estimator, y in estimators(early_stopping=early_stopping):
        assert_refused(estimator, message, lambda e, y=y: e.fit(X, y, **kwargs))


def test_validation_rows_with_other_labels():
    message = r"y_val.* classes not in .*\[0 1\].*\[0 7\]"
    classifier = estimators()[0][0]
    assert_refused(classifier, message, lambda e: e.fit(X, LABELS, X_val=X, y_val=7 * LABELS))


def test_validation_rows_with_lbfgs():
    for estimator, y in estimators(solver="lbfgs"):
        message = "X_val .* solver='lbfgs'.*'adam' or 'sgd'"
        assert_refused(estimator, message, lambda e, y=y: e.fit(X, y, X_val=X, y_val=y))


def test_validation_fraction_too_small():
    for estimator, y in estimators(early_stopping=True):
        two = np.array([0, 1]) if isinstance(estimator, MLPClassifier) else y[:2]
        message = "validation_fraction.* n_samples=2, validation_fraction=0.1"
        assert_refused(estimator, message, lambda e, y=two: e.fit(X[:2], y))


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_not_fitted(method):
    for estimator, _ in estimators():
        if hasattr(estimator, method):
            with pytest.raises(NotFittedError, match=f"{type(estimator).__name__} .* not fitted"):
                getattr(estimator, method)(X)


def test_weights_set_by_hand_that_do_not_fit():
    for estimator, y in estimators(solver="lbfgs", max_iter=500):
        estimator.fit(X, y)
        estimator.coefs_ = [np.zeros((3, 4)), np.zeros((5, 1))]
        with pytest.raises(ValueError, match=r"coefs_\[1\] must have shape \(4, 1\), got \(5, 1\)"):
            estimator.predict(X)
        estimator.coefs_[1] = np.zeros((4, 1))
        estimator.intercepts_[0] = np.zeros(3)
        with pytest.raises(
            ValueError, match=r"intercepts_\[0\] must have shape \(4,\), got \(3,\)"
        ):
            estimator.predict(X)


def test_a_parameter_that_equals_a_checked_one_is_checked():
    """Values that were found good are not checked again; 1 == True, and is not a bool."""
    net = MLPClassifier((3,), shuffle=True, max_iter=1, n_iter_no_change=1)
    with pytest.warns(ConvergenceWarning):
        net.fit(X, LABELS)
    with pytest.raises(ValueError, match="'shuffle' parameter of MLPClassifier must be"):
        net.set_params(shuffle=1).fit(X, LABELS)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # NumPy's, of np.matrix
def test_names_and_widths_are_checked_in_every_prediction():
    """Plain arrays take a short way, which must not pass by a check."""
    net = MLPClassifier((3,), solver="lbfgs", random_state=0).fit(X, LABELS)
    one = X[:1].copy()
    assert net.predict_proba(one).shape == (1, 2)
    with pytest.raises(ValueError, match=r"X has \d+ features, but MLPClassifier is expecting"):
        net.predict_proba(one[:, 1:].copy())
    with pytest.raises(ValueError, match="0 sample"):
        net.predict_proba(one[:0])
    with pytest.raises(TypeError, match=r"np\.matrix"):
        net.predict_proba(np.asmatrix(one))
    one[0, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        net.predict_proba(one)
    names = [f"column {j}" for j in range(X.shape[1])]
    named = MLPClassifier((3,), solver="lbfgs", random_state=0).fit(
        pd.DataFrame(X, columns=names), LABELS
    )
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        assert_array_equal(named.predict_proba(X), net.predict_proba(X))
