"""scikit-learn's callbacks, and what verbose prints."""

import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_fits import LABELS, NUMBERS, SOLVERS, X, assert_same_bits, classifier, regressor

from sknet import MLPRegressor
from sknet.threads import Team

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

try:
    import sklearn.callback
except ImportError:  # scikit-learn < 1.9
    HAS_CALLBACKS = False
else:
    HAS_CALLBACKS = True
with_callbacks = pytest.mark.skipif(not HAS_CALLBACKS, reason="sklearn.callback begins with 1.9")


class Recorder:
    """Records every call; stops or raises after so many epochs."""

    def __init__(self, stop_after=None, raise_after=None, error=RuntimeError):
        self.stop_after, self.raise_after, self.error = stop_after, raise_after, error
        self.calls, self.metadata, self.fitted = [], [], []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.calls.append(f"begin {context.task_name}")
        self.X, self.y = X, y

    def on_fit_task_end(self, estimator, context, *, metadata=None, fitted_estimator=None):
        self.calls.append(f"end {context.task_name}")
        if context.task_name != "epoch":
            self.at_the_end = fitted_estimator
            return False
        self.metadata.append(metadata)
        self.fitted.append(fitted_estimator)
        if len(self.fitted) == self.raise_after:
            raise self.error("told to")
        return len(self.fitted) == self.stop_after


class Propagated(Recorder):
    """One that meta-estimators hand on."""

    max_propagation_depth = None


# Callbacks ----------------------------------------------------------------------------------


@with_callbacks
@SOLVERS
@pytest.mark.parametrize("make", [classifier, regressor])
def test_calls(make, solver):
    """A fit is one task with an epoch (or iteration) each; max_iter used up, too."""
    recorder = Recorder()
    net = make(solver=solver, max_iter=4).set_callbacks(recorder)
    y = LABELS if make is classifier else NUMBERS
    assert net.fit(X, y) is net
    assert recorder.calls[:2] == ["setup", "begin fit"]
    assert recorder.calls[-2:] == ["end fit", "teardown"]
    epochs = recorder.calls[2:-2]
    if solver == "lbfgs" and epochs[-1] == "begin epoch":  # an iteration that came to nothing
        epochs = epochs[:-1]
    assert epochs == ["begin epoch", "end epoch"] * 4
    assert_array_equal(recorder.X, X)
    assert_array_equal(recorder.y, y)
    assert_same_bits(net, make(solver=solver, max_iter=4).fit(X, y))
    assert_same_bits(recorder.at_the_end, net)


@with_callbacks
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_what_a_callback_is_told(solver):
    recorder = Recorder()
    net = classifier(solver=solver, max_iter=5).set_callbacks(recorder)
    net.fit(X, LABELS, X_val=X[:20], y_val=LABELS[:20])
    for i, fitted in enumerate(recorder.fitted):
        shorter = classifier(solver=solver, max_iter=i + 1).fit(X, LABELS)
        assert_same_bits(fitted, shorter)  # copies: later epochs do not change them
        assert_array_equal(fitted.predict_proba(X), shorter.predict_proba(X))
        assert fitted.score(X[:20], LABELS[:20]) == net.validation_scores_[i]


@with_callbacks
@SOLVERS
@pytest.mark.parametrize("fitted_before", [False, True])
def test_fitted_estimator_has_current_weights(solver, fitted_before):
    """Not those of an earlier fit."""
    recorder = Recorder()
    net = regressor(solver=solver, max_iter=3)
    if fitted_before:
        net.set_params(random_state=9).fit(X, -NUMBERS).set_params(random_state=0)
    net.set_callbacks(recorder).fit(X, NUMBERS)
    assert_array_equal(recorder.fitted[-1].predict(X), net.predict(X))
    assert (recorder.fitted[0].predict(X) != net.predict(X)).any()


@with_callbacks
@SOLVERS
def test_stop(solver):
    recorder = Recorder(stop_after=3)
    net = regressor(solver=solver, max_iter=50).set_callbacks(recorder)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)  # it was told to stop
        net.fit(X, NUMBERS)
    assert net.n_iter_ == len(recorder.fitted) == 3
    assert recorder.calls[-3:] == ["end epoch", "end fit", "teardown"]
    assert_same_bits(net, regressor(solver=solver, max_iter=3).fit(X, NUMBERS))
    stopped, other = Recorder(stop_after=2), Recorder()
    net.set_callbacks(other, stopped).fit(X, NUMBERS)  # one of several is enough
    assert net.n_iter_ == len(other.fitted) == 2


@with_callbacks
@pytest.mark.parametrize("early_stopping", [False, True])
def test_stop_with_validation_rows(early_stopping):
    recorder = Recorder(stop_after=4)
    net = regressor(early_stopping=early_stopping, max_iter=50).set_callbacks(recorder)
    net.fit(X, NUMBERS, X_val=X[:20], y_val=NUMBERS[:20])
    assert net.n_iter_ == len(net.validation_scores_) == 4
    best = int(np.argmax(net.validation_scores_)) if early_stopping else 3
    assert_same_bits(net, recorder.fitted[best])


@with_callbacks
@SOLVERS
@pytest.mark.parametrize("warm_start", [False, True])
def test_teardown_after_an_error(solver, warm_start):
    net = regressor(solver=solver, max_iter=5, warm_start=warm_start).fit(X, NUMBERS)
    expected = net.predict(X)
    recorder = Recorder(raise_after=2)
    net.set_callbacks(recorder)
    with pytest.raises(RuntimeError, match="told to"):
        net.fit(X, NUMBERS)
    assert recorder.calls[-1] == "teardown"
    assert recorder.calls.count("teardown") == recorder.calls.count("setup") == 1
    assert_array_equal(net.predict(X), expected)
    assert not [name for name in vars(net) if "callback_fit" in name or "teardown" in name]
    net.set_callbacks().fit(X, NUMBERS)
    assert recorder.calls[-1] == "teardown"


@with_callbacks
def test_bad_data_and_callbacks():
    recorder = Recorder()
    with pytest.raises(ValueError, match="inconsistent"):
        classifier().set_callbacks(recorder).fit(X, LABELS[:9])
    assert recorder.calls.count("setup") == recorder.calls.count("teardown")


@with_callbacks
def test_partial_fit():
    recorder = Recorder()
    net = regressor().set_callbacks(recorder)
    for _ in range(2):
        net.partial_fit(X, NUMBERS)
    assert recorder.calls.count("setup") == recorder.calls.count("teardown")
    assert_same_bits(net, regressor(max_iter=2).fit(X, NUMBERS))


@with_callbacks
@SOLVERS
@pytest.mark.parametrize("scoring", ["accuracy", ["accuracy", "neg_log_loss"]])
def test_scoring_monitor(solver, scoring):
    monitor = sklearn.callback.ScoringMonitor(scoring=scoring)
    net = classifier(solver=solver, max_iter=6).set_callbacks(monitor)
    net.fit(X, LABELS)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == net.n_iter_ == 6
    for name in [scoring] if isinstance(scoring, str) else scoring:
        assert np.isfinite([row[name] for row in rows]).all()
    assert rows[-1]["accuracy"] == net.score(X, LABELS)


@with_callbacks
@pytest.mark.parametrize("kind", ["classes", "indicators", "weights", "validation"])
def test_scoring_monitor_with_other_data(kind):
    monitor = sklearn.callback.ScoringMonitor(scoring="accuracy")
    net = classifier(max_iter=3).set_callbacks(monitor)
    y = {
        "classes": np.array(["a", "b", "c"])[np.arange(60) % 3],
        "indicators": np.eye(3, dtype=int)[np.arange(60) % 3],
    }.get(kind, LABELS)
    rows = {"X_val": X, "y_val": y} if kind == "validation" else {}
    sample_weight = np.linspace(1, 2, 60) if kind == "weights" else None
    net.fit(X, y, sample_weight, **rows)
    logged = [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(logged) == 3
    assert_allclose(logged[-1], net.score(X, y, sample_weight))  # weighted, as elsewhere


@with_callbacks
@SOLVERS
def test_progress_bar(solver, capsys):
    pytest.importorskip("rich")
    net = classifier(solver=solver, max_iter=5)
    net.set_callbacks(sklearn.callback.ProgressBar()).fit(X, LABELS)
    assert "MLPClassifier - fit" in capsys.readouterr().out
    assert_same_bits(net, classifier(solver=solver, max_iter=5).fit(X, LABELS))


@with_callbacks
def test_in_pipeline():
    recorder, propagated = Recorder(), Propagated()
    net = make_pipeline(StandardScaler(), classifier(max_iter=4).set_callbacks(recorder))
    net.set_callbacks(propagated).fit(X, LABELS)
    for one in (recorder, propagated):
        assert one.calls.count("end epoch") == 4
        assert one.calls.count("setup") == one.calls.count("teardown") == 1
        assert_same_bits(one.fitted[-1], net[-1])
    stopped = make_pipeline(StandardScaler(), classifier(max_iter=4))
    stopped.set_callbacks(Propagated(stop_after=2)).fit(X, LABELS)
    assert stopped[-1].n_iter_ == 2
    assert not hasattr(stopped[-1], "_parent_callback_ctx")


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_search_without_callbacks_trains_as_a_fit_does(monkeypatch, early_stopping):
    """As many epochs per call of the core; with early stopping, which looks after each, one."""
    calls = []
    run = Team.run
    monkeypatch.setattr(
        Team, "run", lambda *given, **named: (calls.append(given), run(*given, **named))
    )
    net = classifier(max_iter=30, n_iter_no_change=12, tol=0.0, early_stopping=early_stopping)
    net.fit(X, LABELS)
    expected = len(calls)
    assert (expected < 10) != early_stopping
    search = GridSearchCV(net, {"alpha": [1e-4]}, cv=[(np.arange(60), np.arange(60))])
    calls.clear()
    assert_same_bits(search.fit(X, LABELS).best_estimator_, net)
    assert len(calls) == 2 * expected  # the split's fit and the last one


@with_callbacks
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_in_grid_search(n_jobs, capsys):
    pytest.importorskip("rich")
    monitor = sklearn.callback.ScoringMonitor(scoring="accuracy")
    net = make_pipeline(StandardScaler(), classifier(max_iter=3).set_callbacks(monitor))
    search = GridSearchCV(net, {"mlpclassifier__alpha": [0.1, 1.0]}, cv=2, n_jobs=n_jobs)
    search.set_callbacks(sklearn.callback.ProgressBar(max_propagation_depth=None)).fit(X, LABELS)
    assert "GridSearchCV" in capsys.readouterr().out
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 3 * (2 * 2 + 1)  # epochs x (candidates x folds + the last fit)
    assert len({row["parent_task_id_path"] for row in rows}) == 5


@with_callbacks
def test_clones_share_callbacks():
    recorder = Recorder()
    clone(classifier(max_iter=2).set_callbacks(recorder)).fit(X, LABELS)
    assert recorder.calls.count("end epoch") == 2


@with_callbacks
@SOLVERS
def test_nothing_is_made_without_callbacks(solver, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a callback context was made")

    monkeypatch.setattr(MLPRegressor, "_init_callback_context", refuse)
    regressor(solver=solver, max_iter=3).fit(X, NUMBERS)
    with pytest.raises(AssertionError, match="was made"):
        regressor(solver=solver, max_iter=3).set_callbacks(Recorder()).fit(X, NUMBERS)


@with_callbacks
def test_interrupt_of_lbfgs_by_a_callback():
    recorder = Recorder(raise_after=4, error=KeyboardInterrupt)
    net = regressor(solver="lbfgs", max_iter=100).set_callbacks(recorder)
    with pytest.warns(UserWarning, match="interrupted by user"):
        net.fit(X, NUMBERS)
    assert net.n_iter_ == 4
    assert recorder.calls[-1] == "teardown"
    assert_same_bits(net, regressor(solver="lbfgs", max_iter=4).fit(X, NUMBERS))


def run(code, *options):
    """The standard output of Python code in a process of its own."""
    result = subprocess.run(
        [sys.executable, *options, "-c", code], capture_output=True, text=True, timeout=100
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_without_scikit_learns_callbacks():
    """As on scikit-learn < 1.9. (The rest of scikit-learn is loaded before they are hidden.)"""
    code = """if True:
        import sys
        import numpy as np
        import sklearn.metrics, sklearn.model_selection
        sys.modules["sklearn.callback"] = None
        from sknet import MLPClassifier
        assert not hasattr(MLPClassifier, "set_callbacks")
        X = np.random.default_rng(0).normal(size=(40, 2))
        y = X[:, 0] > 0
        for solver in ("adam", "lbfgs"):
            net = MLPClassifier((4,), solver=solver, random_state=0, max_iter=200).fit(X, y)
            print(net.score(X, y) > 0.7)
        print(MLPClassifier().partial_fit(X, y, classes=[False, True]).n_iter_)
    """
    assert run(code, "-W", "ignore").split() == ["True", "True", "1"]


# verbose ------------------------------------------------------------------------------------


def test_verbose_prints_a_line_per_epoch(capsys):
    net = classifier(max_iter=7, verbose=True).fit(X, LABELS)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"Iteration {i + 1}, loss = {net.loss_curve_[i]:.8f}" for i in range(7)]


def test_verbose_says_why_it_stops(capsys):
    regressor(max_iter=500, tol=0.1, n_iter_no_change=2, verbose=True).fit(X, NUMBERS)
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == (
        "Training loss did not improve more than tol=0.100000 for 2 consecutive epochs. Stopping."
    )
    assert all(re.fullmatch(r"Iteration \d+, loss = \d+\.\d{8}", line) for line in lines)


def test_verbose_with_early_stopping(capsys):
    net = classifier(max_iter=3, early_stopping=True, verbose=True).fit(X, LABELS)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1::2] == [f"Validation score: {score:f}" for score in net.validation_scores_]
    assert len(lines) == 6


def test_verbose_adaptive(capsys):
    net = classifier(solver="sgd", learning_rate="adaptive", tol=10.0, n_iter_no_change=2)
    net.set_params(learning_rate_init=1e-5, verbose=True).fit(X, LABELS)
    out = capsys.readouterr().out
    assert "2 consecutive epochs. Setting learning rate to 0.000002\n" in out
    assert out.endswith("Learning rate too small. Stopping.\n")


def test_verbose_lbfgs(capsys):
    net = classifier(solver="lbfgs", max_iter=5, verbose=True).fit(X, LABELS)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == net.n_iter_ == 5
    assert lines[4].startswith("Iteration 5, loss = ")


def test_silent_by_default(capfd):
    for solver in ("adam", "sgd", "lbfgs"):
        classifier(solver=solver, max_iter=5).fit(X, LABELS)
    assert capfd.readouterr() == ("", "")
