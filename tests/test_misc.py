"""The interface: parameters, attributes, outputs, what show_versions prints."""

import inspect
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import sklearn
import sklearn.neural_network
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import AdaBoostClassifier, BaggingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.utils.fixes import parse_version

import sknet
from sknet import MLPClassifier, MLPRegressor, _core

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
CODES = (X @ RNG.normal(size=(4, 3))).argmax(axis=1)
NUMBERS = X @ RNG.normal(size=4)
BOTH = pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
EXTRAS = {
    "MLPClassifier": {"loss": "log_loss", "label_smoothing": 0.0, "class_weight": None},
    "MLPRegressor": {},
}
for _extras in EXTRAS.values():
    _extras |= {
        "dropout": 0.0,
        "input_dropout": 0.0,
        "input_noise": 0.0,
        "mixup": 0.0,
        "normalization": None,
        "init": "auto",
        "weight_decay": None,
        "l1": 0.0,
        "max_norm": None,
        "clip_norm": None,
        "coefs_init": None,
        "intercepts_init": None,
        "frozen_layers": None,
        "averaging": None,
        "scoring": None,
        "max_time": None,
        "n_starts": 1,
        "combine": "best",
        "n_threads": None,
        "dtype": "auto",
    }
needs_1_9 = pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"), reason="parameters are those of 1.9"
)


def classes(name):
    return getattr(sknet, name), getattr(sklearn.neural_network, name)


def target(name):
    return CODES if name == "MLPClassifier" else NUMBERS


def run(code, *options, fails=False, **env):
    """Standard output (error) of Python code in a process of its own that works (fails)."""
    result = subprocess.run(
        [sys.executable, *options, "-c", code],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
    )
    assert (result.returncode != 0) == fails, result.stderr
    return result.stderr if fails else result.stdout


# Parameters ---------------------------------------------------------------------------------


@needs_1_9
@BOTH
def test_parameters_are_scikit_learns(name):
    """Names, order, defaults and kinds; the extras are keyword-only and last."""
    ours, theirs = (dict(inspect.signature(c.__init__).parameters) for c in classes(name))
    for signature in (ours, theirs):
        signature.pop("self")
    if name == "MLPRegressor":  # the one exception: hidden_layer_sizes is first, loss by keyword
        assert ours["loss"].kind == inspect.Parameter.KEYWORD_ONLY
        assert ours.pop("loss").default == theirs.pop("loss").default
    assert list(ours) == [*theirs, *EXTRAS[name]]
    for parameter, theirs_one in theirs.items():
        assert ours[parameter].default == theirs_one.default
        assert type(ours[parameter].default) is type(theirs_one.default)
        assert ours[parameter].kind == theirs_one.kind
    for parameter, default in EXTRAS[name].items():
        assert ours[parameter].kind == inspect.Parameter.KEYWORD_ONLY
        assert ours[parameter].default == default


@BOTH
def test_positional_parameters(name):
    net = classes(name)[0]((3, 2), "tanh")
    assert net.hidden_layer_sizes == (3, 2)
    assert net.activation == "tanh"
    with pytest.raises(TypeError, match="positional"):
        classes(name)[0]((3, 2), "tanh", "sgd")


@needs_1_9
@BOTH
@pytest.mark.parametrize("method", ["fit", "partial_fit", "predict", "score"])
def test_arguments_begin_with_scikit_learns(name, method):
    ours, theirs = (list(inspect.signature(getattr(c, method)).parameters) for c in classes(name))
    assert ours[: len(theirs)] == theirs
    if method == "fit":
        assert ours[-4:] == ["sample_weight", "X_val", "y_val", "sample_weight_val"]


@BOTH
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_fitted_attributes_are_scikit_learns(name, solver, early_stopping):
    params = {"hidden_layer_sizes": (5, 3), "solver": solver, "early_stopping": early_stopping}
    ours, theirs = (c(**params, max_iter=5, random_state=0) for c in classes(name))
    ours.fit(X, target(name))
    theirs.fit(X, target(name))
    public = {a for a in vars(theirs) if a.endswith("_") and not a.startswith("_")}
    assert {"coefs_", "intercepts_", "n_iter_", "loss_", "t_", "n_layers_"} <= public
    for attribute in sorted(public):
        actual, expected = getattr(ours, attribute), getattr(theirs, attribute)
        if attribute == "t_" and solver == "lbfgs":
            continue  # theirs counts nothing either
        if expected is None or isinstance(expected, (str, int)):
            assert actual == expected, attribute
        if isinstance(expected, list):
            assert [np.shape(item) for item in actual] == [np.shape(item) for item in expected]
        assert type(actual) is type(expected) or np.isscalar(actual), attribute
    assert vars(ours).keys() - vars(clone(ours)).keys() >= public


@BOTH
def test_get_params_clone_repr(name):
    Estimator = classes(name)[0]
    changed = {"hidden_layer_sizes": (4, 2), "alpha": 0.5, "n_threads": 3, "dtype": "float32"}
    net = Estimator(**changed)
    params = net.get_params()
    assert set(params) == set(inspect.signature(Estimator.__init__).parameters) - {"self"}
    assert {**params, **changed} == params
    assert Estimator(**params).get_params() == params
    assert Estimator().set_params(**params).get_params() == params
    assert clone(net.fit(X, target(name))).get_params() == params
    assert not hasattr(clone(net), "coefs_")
    assert net.get_params() == params  # fit changes none
    assert re.sub(r"\s+", " ", repr(net)) == (
        f"{name}(alpha=0.5, dtype='float32', hidden_layer_sizes=(4, 2), n_threads=3)"
    )
    assert repr(Estimator()) == f"{name}()"
    assert name in net._repr_html_()
    with pytest.raises(ValueError, match="Invalid parameter 'layers'"):
        net.set_params(layers=3)


@BOTH
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("number", [int, np.float32, np.float64, np.int64])
def test_numbers_of_any_type(name, solver, number):
    """A parameter may be an int or a NumPy number."""
    params = {"learning_rate_init": 1, "alpha": 1, "power_t": 1, "tol": 0, "momentum": 0}
    params |= {"beta_1": 0, "epsilon": 1, "hidden_layer_sizes": (3,), "solver": solver}
    sizes = {"max_iter": 3, "batch_size": 20, "n_iter_no_change": 5, "random_state": 0}
    Estimator = classes(name)[0]
    expected = Estimator(**{k: v * 1.0 if v in (0, 1) else v for k, v in params.items()}, **sizes)
    expected.fit(X, target(name))
    given = {k: number(v) if v in (0, 1) else v for k, v in params.items()}
    for learning_rate in ("constant", "invscaling", "adaptive"):
        if learning_rate == "constant" or solver == "sgd":
            expected.set_params(learning_rate=learning_rate).fit(X, target(name))
            net = Estimator(**given, **{k: np.int32(v) for k, v in sizes.items()})
            net.set_params(learning_rate=learning_rate).fit(X, target(name))
            assert_array_equal(net.coefs_[0], expected.coefs_[0])


@BOTH
def test_every_parameter_and_attribute_is_documented(name):
    Estimator = classes(name)[0]
    doc = inspect.getdoc(Estimator)
    sections = dict(zip(*[iter(re.split(r"\n([A-Z][A-Za-z ]+)\n-+\n", doc)[1:])] * 2))
    assert {"Parameters", "Attributes", "See Also", "Notes", "References", "Examples"} <= set(
        sections
    )
    entries = {
        section: [
            entry.strip()
            for names in re.findall(r"^(\w+(?:, \w+)*) : ", sections[section], re.MULTILINE)
            for entry in names.split(",")
        ]
        for section in ("Parameters", "Attributes")
    }
    parameters = list(inspect.signature(Estimator.__init__).parameters)[1:]
    assert entries["Parameters"] == parameters
    net = Estimator((3,), max_iter=2, early_stopping=True, normalization="batch")
    net.fit(X, target(name))
    ensemble = clone(net).set_params(n_starts=2, combine="mean").fit(X, target(name))
    names = {*vars(net), *vars(ensemble)}
    fitted = {a for a in names if a.endswith("_") and not a.startswith("_")}
    assert set(entries["Attributes"]) == fitted | {"feature_names_in_"}
    for method in ("fit", "partial_fit", "predict", "score"):
        assert inspect.getdoc(getattr(Estimator, method))


def test_kinds():
    assert is_classifier(MLPClassifier())
    assert is_regressor(MLPRegressor())
    assert sknet.__version__
    public = {
        "HiddenFeatures",
        "MLPClassifier",
        "MLPRegressor",
        "find_learning_rate",
        "show_versions",
    }
    assert set(sknet.__all__) == public | {"__version__"}


# Outputs ------------------------------------------------------------------------------------


def targets_of(kind):
    return {
        "binary": (CODES > 0).astype(int),
        "multiclass": CODES,
        "multilabel": np.eye(3, dtype=int)[CODES],
    }[kind]


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1.0, 30.0, 1e3, 1e30])
def test_probabilities(loss, kind, dtype, scale):
    """Finite and consistent for logits of any size."""
    net = MLPClassifier((5,), loss=loss, dtype=dtype, max_iter=100, random_state=0)
    net.fit(X, targets_of(kind))
    net.coefs_[-1][...] *= scale
    rows = X.astype(dtype)
    logits = net.decision_function(rows)
    assert logits.shape == {"binary": (60,)}.get(kind, (60, 3))
    assert np.isfinite(logits).all()
    proba, log_proba = net.predict_proba(rows), net.predict_log_proba(rows)
    assert proba.shape == log_proba.shape == {"binary": (60, 2)}.get(kind, (60, 3))
    for values in (logits, proba, log_proba):
        assert values.dtype == dtype
    assert np.isfinite(log_proba).all()
    assert (log_proba <= 0).all()
    assert ((proba >= 0) & (proba <= 1)).all()
    tol = 1e-12 if dtype == "float64" else 1e-5
    assert_allclose(np.exp(log_proba), proba, atol=tol)
    if kind != "multilabel":
        assert_allclose(proba.sum(axis=1), 1, rtol=tol)
        chosen = log_proba[np.arange(60), net.predict(rows)]
        assert_array_equal(chosen, log_proba.max(axis=1))
    else:
        assert_array_equal(net.predict(rows), (logits > 0).astype(int))
    if kind == "binary":
        assert_array_equal(net.predict(rows), (logits > 0).astype(int))
    if scale >= 1e3 and kind == "multiclass" and loss == "log_loss":
        assert log_proba.min() < -100  # far below what a logarithm of probabilities can tell


def test_log_proba_of_infinite_rows_apart():
    """The softmax of logits 1000 apart: -1000, not the logarithm of zero."""
    net = MLPClassifier((), solver="lbfgs", random_state=0).fit(X, CODES)
    net.coefs_[0][...] = 0
    net.intercepts_[0][...] = [0, 1000, -1000]
    assert_allclose(net.predict_log_proba(X[:1]), [[-1000, 0, -2000]])
    assert_array_equal(net.decision_function(X[:1]), [[0, 1000, -1000]])
    assert_allclose(net.predict_proba(X[:1]), [[0, 1, 0]], atol=1e-300)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_squared_error_classifier(kind, solver):
    """Logistic outputs and the sum of squared differences."""
    y = targets_of(kind)
    net = MLPClassifier((), loss="squared_error", solver=solver, alpha=0.0, random_state=0)
    net.set_params(max_iter=500, learning_rate_init=0.05, tol=0, n_iter_no_change=500).fit(X, y)
    assert net.out_activation_ == "logistic"
    assert net.score(X, y) > 0.7
    outputs = expit(net.decision_function(X)).reshape(60, -1)
    wanted = {"binary": y, "multiclass": np.eye(3)[CODES], "multilabel": y}[kind].reshape(60, -1)
    cost = ((outputs - wanted) ** 2).sum(axis=1).mean()
    # That of an epoch is the mean over its mini-batches, before their steps.
    assert_allclose(net.loss_, cost, rtol=1e-6 if solver == "lbfgs" else 0.01)
    if kind == "multiclass":
        shares = outputs / outputs.sum(axis=1, keepdims=True)
        assert_allclose(net.predict_proba(X), shares, rtol=1e-7, atol=1e-300)
    log_loss = MLPClassifier((), solver=solver, alpha=0.0, random_state=0, max_iter=500)
    log_loss.set_params(learning_rate_init=0.05).fit(X, y)
    assert abs(log_loss.predict_proba(X) - net.predict_proba(X)).max() > 1e-3


def test_poisson():
    y = np.random.default_rng(1).poisson(np.exp(NUMBERS / 3))
    net = MLPRegressor((8,), loss="poisson", random_state=0, max_iter=100).fit(X, y)
    assert (net.predict(X) > 0).all()
    raw = np.maximum(X @ net.coefs_[0] + net.intercepts_[0], 0) @ net.coefs_[1] + net.intercepts_[1]
    assert_allclose(net.predict(X), np.exp(raw[:, 0]))


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_predict_is_the_network(activation):
    function = {
        "identity": lambda x: x,
        "logistic": lambda x: 1 / (1 + np.exp(-x)),
        "tanh": np.tanh,
        "relu": lambda x: np.maximum(x, 0),
    }[activation]
    net = MLPRegressor((6, 5), activation, max_iter=20, random_state=0).fit(X, NUMBERS)
    hidden = X
    for coef, intercept in zip(net.coefs_[:-1], net.intercepts_[:-1]):
        hidden = function(hidden @ coef + intercept)
    expected = (hidden @ net.coefs_[-1] + net.intercepts_[-1])[:, 0]
    assert_allclose(net.predict(X), expected, rtol=1e-10, atol=1e-12)
    assert_allclose(net.predict(X[:1]), expected[:1], rtol=1e-10)
    many = np.tile(X, (40, 1))
    assert_array_equal(net.predict(many), np.tile(net.predict(X), 40))


def test_rows_do_not_depend_on_one_another():
    net = MLPClassifier((20, 9), max_iter=20, random_state=0).fit(X, CODES)
    together = net.predict_proba(X)
    for i in range(0, 60, 7):
        assert_array_equal(net.predict_proba(X[i : i + 1]), together[i : i + 1])


def test_initial_weights():
    """Glorot's bounds, other numbers for another seed, independent of the rows' order."""
    nets = [
        MLPRegressor((50, 30), "tanh", random_state=s, max_iter=1, learning_rate_init=1e-12)
        for s in (0, 1)
    ]
    for net in nets:
        net.fit(X, NUMBERS)
        for coef, intercept in zip(net.coefs_, net.intercepts_):
            bound = np.sqrt(6 / sum(coef.shape))
            assert 0.8 * bound < abs(coef).max() <= bound * (1 + 1e-6)
            assert abs(intercept).max() <= bound * (1 + 1e-6)
            assert abs(coef.mean()) < bound / 5
    assert (nets[0].coefs_[0] != nets[1].coefs_[0]).all()


# In scikit-learn's company ------------------------------------------------------------------


def test_in_meta_estimators():
    params = {"hidden_layer_sizes": (5,), "max_iter": 30, "random_state": 0}
    net = MLPClassifier(**params)
    search = GridSearchCV(
        net, {"hidden_layer_sizes": [(), (5,), (4, 4)], "solver": ["lbfgs"]}, cv=2
    )
    assert search.fit(X, CODES).best_score_ > 0.6
    assert CalibratedClassifierCV(net, cv=2).fit(X, CODES).predict_proba(X).shape == (60, 3)
    boosted = AdaBoostClassifier(net, n_estimators=3, random_state=0).fit(X, CODES)
    assert boosted.score(X, CODES) > 0.5
    bagged = BaggingRegressor(MLPRegressor(**params), n_estimators=3).fit(X, NUMBERS)
    assert bagged.predict(X).shape == (60,)


def test_convergence_warnings():
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(3\) reached"):
        MLPRegressor((3,), max_iter=3).fit(X, NUMBERS)
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge after 3 iteration"):
        MLPRegressor((3,), solver="lbfgs", max_iter=3).fit(X, NUMBERS)
    with pytest.warns(ConvergenceWarning, match=r"lbfgs failed to converge.*EVALUATIONS"):
        MLPRegressor((3,), solver="lbfgs", max_fun=3, random_state=0).fit(X, NUMBERS)


# The machine --------------------------------------------------------------------------------


def test_show_versions(capsys):
    assert sknet.show_versions() is None
    lines = dict(re.findall(r"^ *([^:]+?): (.*)$", capsys.readouterr().out, re.MULTILINE))
    assert lines["sknet"] == sknet.__version__
    assert lines["scikit-learn"] == sklearn.__version__
    assert lines["numpy"] == np.__version__
    assert lines["Python"] == sys.version.split()[0]
    level = lines["CPU level in use"]
    assert level in _core.cpu_levels()
    for dtype in ("float32", "float64"):
        assert f"{dtype}_{level.replace('-', '_')}" in lines[f"core {dtype}"]
    assert int(lines["threads available"]) >= 1


FIT = """if True:
    import numpy as np, sknet
    X = np.random.default_rng(0).normal(size=(50, 3))
    net = sknet.MLPRegressor((9,), max_iter=5, random_state=0).fit(X, X[:, 0])
    sknet.show_versions()
    print("predicted:", repr(net.predict(X[:3]).tolist()))
"""


def test_cpu_level_baseline():
    """Runs everywhere, and gives the same numbers up to rounding."""
    baseline = run(FIT, "-W", "ignore", SKNET_CPU="baseline")
    assert re.search(r"CPU level in use: baseline\n", baseline)
    assert "float64_baseline" in baseline
    assert "float64_x86" not in baseline
    best = run(FIT, "-W", "ignore")
    numbers = [eval(text.split("predicted:")[1]) for text in (baseline, best)]
    assert_allclose(*numbers, rtol=1e-9)


@pytest.mark.parametrize("wrong", ["x86-64-v9", "fast", ""])
def test_unknown_cpu_level(wrong):
    error = run(FIT, fails=True, SKNET_CPU=wrong)
    levels = ["x86-64-v4", "x86-64-v3", "baseline"]
    assert f"SKNET_CPU must be one of {levels}, got {wrong!r}" in error


def test_sources_that_are_not_compiled(tmp_path):
    """As in the folder of the repository after `pip install .`, which builds elsewhere."""
    folder = tmp_path / "sknet"
    sources = Path(sknet.__file__).parent
    shutil.copytree(sources, folder, ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    error = run("import sknet", fails=True, PYTHONPATH=str(tmp_path))
    assert f"ImportError: Python found sknet in {folder}, where it is not compiled" in error


def test_import_is_silent_and_starts_no_thread():
    code = "import threading, sknet; print(threading.active_count(), end='')"
    assert run(code, "-W", "error", "-X", "dev") == "1"


def test_import_leaves_what_is_slow_and_seldom_needed():
    code = """if True:
        import sys, sklearn.base, sklearn.utils
        before = set(sys.modules)
        import sknet
        slow = ("sklearn.metrics", "sklearn.model_selection", "pandas", "matplotlib")
        print([name for name in set(sys.modules) - before if name.startswith(slow)], end="")
    """
    assert run(code) == "[]"


@pytest.mark.parametrize("method", ["minibatch", "lbfgs", "partial_fit"])
def test_warnings_point_at_the_call(method):
    X, y = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if method == "partial_fit":
            MLPClassifier((3,), batch_size=100).partial_fit(X, y, classes=[0, 1])
        else:
            MLPClassifier((3,), max_iter=2, solver="lbfgs" if method == "lbfgs" else "sgd").fit(
                X, y
            )
    assert [warning.filename for warning in caught] == [__file__]
