"""Several starting points: n_starts, and combine="best" or "mean"."""

import pickle
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from small_fits import (
    LABELS,
    NUMBERS,
    SOLVERS,
    X,
    assert_refused,
    assert_same_bits,
    classifier,
    regressor,
)

import sknet.base
from sknet.callbacks import CallbackSupportMixin
from sknet.explorers import _ending_all
from sknet.losses import Quantile
from sknet.progress import Progress
from sknet.side_by_side import side_by_side

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CODES = np.digitize(X[:, 0], [-0.5, 0.5])
MAKERS = pytest.mark.parametrize(
    ("make", "y"), [(classifier, LABELS), (regressor, NUMBERS)], ids=["classifier", "regressor"]
)


def single_fits(net, y, **validation):
    """What the starts of a fitted net should be: fits of their own."""
    return [
        clone(net)
        .set_params(random_state=int(seed), n_starts=1, combine="best", n_threads=1)
        .fit(X, y, **validation)
        for seed in net.start_seeds_
    ]


# The starts ---------------------------------------------------------------------------------


@MAKERS
@SOLVERS
@pytest.mark.parametrize("n_threads", [1, 2, 5, None])
def test_starts_are_the_single_fits(make, y, solver, n_threads):
    params = {"solver": solver, "max_iter": 5, "n_starts": 3, "n_threads": n_threads}
    net = make(**params, combine="mean").fit(X, y)
    singles = single_fits(net, y)
    for member, single in zip(net.estimators_, singles, strict=True):
        assert_same_bits(member, single)
        assert_array_equal(member.predict(X), single.predict(X))
        assert member.get_params() == single.set_params(n_threads=n_threads).get_params()
    for history, single in zip(net.start_histories_, singles, strict=True):
        assert_array_equal(history["loss"], single.history_["loss"])
    assert_array_equal(net.start_scores_, [-single.loss_ for single in singles])
    assert len(set(net.start_scores_)) == 3
    best = make(**params).fit(X, y)
    assert_same_bits(best, singles[np.argmax(net.start_scores_)])
    assert_array_equal(best.predict(X), singles[np.argmax(net.start_scores_)].predict(X))
    assert_array_equal(best.start_scores_, net.start_scores_)
    assert best.loss_ == -max(best.start_scores_)
    assert not hasattr(best, "estimators_")


@MAKERS
def test_best_has_learned_what_the_best_start_has(make, y):
    rows = {"X_val": X[:20], "y_val": y[:20]}
    net = make(n_starts=4, max_iter=6, early_stopping=True, normalization="batch").fit(X, y, **rows)
    best = single_fits(net, y, **rows)[np.argmax(net.start_scores_)]
    ours = {name: value for name, value in vars(net).items() if not name.startswith("_")}
    for name, value in vars(best).items():
        if name.endswith("_") and name != "history_":
            for our, one in zip(*(v if isinstance(v, list) else [v] for v in (ours[name], value))):
                assert_array_equal(our, one)
    assert set(vars(net)) - set(vars(best)) == {
        "start_seeds_", "start_scores_", "start_histories_"
    }  # fmt: skip


def test_seeds():
    def seeds(**params):
        return classifier(max_iter=1, **params).fit(X, LABELS).start_seeds_.tolist()

    assert seeds(n_starts=2, random_state=7)[0] == 7
    assert seeds(n_starts=4, random_state=7)[:2] == seeds(n_starts=2, random_state=7)
    assert not set(seeds(n_starts=4, random_state=7)) & set(seeds(n_starts=4, random_state=8))
    by_state = [seeds(n_starts=3, random_state=np.random.RandomState(5)) for _ in range(2)]
    assert by_state[0] == by_state[1]
    assert seeds(n_starts=3, random_state=None) != seeds(n_starts=3, random_state=None)


@MAKERS
def test_starts_share_the_validation_rows_of_the_first(make, y):
    net = make(n_starts=3, combine="mean", early_stopping=True, max_iter=20).fit(X, y)
    train, held_out = net._split(y, Progress.begin(0).split_seed)
    rows = {"X_val": X[held_out], "y_val": y[held_out]}
    for member, seed in zip(net.estimators_, net.start_seeds_, strict=True):
        single = make(random_state=int(seed), early_stopping=True, max_iter=20)
        assert_same_bits(member, single.fit(X[train], y[train], **rows))
    assert_same_bits(net.estimators_[0], make(early_stopping=True, max_iter=20).fit(X, y))
    assert_array_equal(
        net.start_scores_, [member.best_validation_score_ for member in net.estimators_]
    )


def test_the_last_score_counts_where_the_last_parameters_are_kept():
    rows = {"X_val": X[:20], "y_val": LABELS[:20]}
    net = classifier(n_starts=3, max_iter=20, combine="mean").fit(X, LABELS, **rows)
    for member, score in zip(net.estimators_, net.start_scores_, strict=True):
        assert score == member.validation_scores_[-1] == member.score(*rows.values())


def test_rows_are_taken_once(monkeypatch):
    """All starts read the same arrays, in place."""
    taken = []
    original = sknet.base.as_data

    def as_data(core, rows, *rest):
        taken.append(rows)
        return original(core, rows, *rest)

    monkeypatch.setattr(sknet.base, "as_data", as_data)
    regressor(n_starts=4, max_iter=2).fit(X, NUMBERS)
    assert len(taken) == 1
    assert np.shares_memory(taken[0], X)


# What they are combined to ------------------------------------------------------------------

CLASSIFIERS = {
    "binary": (LABELS, {}),
    "multiclass": (CODES, {}),
    "multilabel": (np.eye(3, dtype=int)[CODES], {}),
    "binary squares": (LABELS, {"loss": "squared_error"}),
    "multiclass squares": (CODES, {"loss": "squared_error"}),
    "text labels": (np.array(["b", "a", "c"])[CODES], {}),
    "focal": (CODES, {"loss": "focal"}),
}


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mean_of_probabilities(kind, dtype):
    y, params = CLASSIFIERS[kind]
    net = classifier(n_starts=3, combine="mean", max_iter=30, dtype=dtype, **params).fit(X, y)
    proba = net.predict_proba(X)
    assert proba.dtype == np.float64  # that of X
    mean = np.mean([member.predict_proba(X) for member in net.estimators_], axis=0)
    rtol = {"float32": 1e-5, "float64": 1e-12}[dtype]
    assert_allclose(proba, mean, rtol=rtol)
    assert_allclose(np.exp(net.predict_log_proba(X)), proba, rtol=rtol)
    raw = net.decision_function(X)
    if kind == "multilabel":
        assert_allclose(expit(raw), proba, rtol=rtol)
        assert_array_equal(net.predict(X), proba > 0.5)
    else:
        assert_array_equal(net.predict(X), net.classes_[proba.argmax(axis=1)])
    if kind.startswith("binary"):
        assert_allclose(expit(raw), proba[:, 1], rtol=rtol)
    if kind == "multiclass squares":
        assert_allclose(expit(raw), proba, rtol=rtol)
    if kind in ("multiclass", "focal"):
        assert_allclose(np.exp(raw), proba, rtol=rtol)
    assert net.score(X, y) == np.mean((net.predict(X) == y).reshape(len(y), -1).all(axis=1))


def test_sure_members_have_finite_logarithms():
    net = classifier(n_starts=2, combine="mean", max_iter=1).fit(X, CODES)
    for loss in ("log_loss", "squared_error"):
        net.set_params(loss=loss).fit(X, CODES)
        for member in net.estimators_:
            member.intercepts_ = [*member.intercepts_[:-1], np.array([5000.0, 0.0, -5000.0])]
        assert np.isfinite(net.predict_log_proba(X)).all()
        assert np.isfinite(net.decision_function(X)).all()
        assert (net.predict(X) == 0).all()


@pytest.mark.parametrize("y", [LABELS, CODES])
def test_mean_of_margins(y):
    net = classifier(n_starts=3, combine="mean", loss="hinge", max_iter=20).fit(X, y)
    expected = np.mean([member.decision_function(X) for member in net.estimators_], axis=0)
    assert_allclose(net.decision_function(X), expected, rtol=1e-12)
    assert not hasattr(net, "predict_proba")


@pytest.mark.parametrize(
    ("params", "y"),
    [
        ({}, NUMBERS),
        ({}, np.column_stack([NUMBERS, X[:, 0]])),
        ({"loss": "poisson"}, np.abs(NUMBERS)),
        ({"loss": Quantile([0.1, 0.5, 0.9])}, NUMBERS),
    ],
    ids=["one", "two", "poisson", "quantiles"],
)
def test_mean_of_predictions(params, y):
    net = regressor(n_starts=3, combine="mean", max_iter=20, **params).fit(X, y)
    expected = np.mean([member.predict(X) for member in net.estimators_], axis=0)
    assert net.predict(X).shape == expected.shape
    assert_allclose(net.predict(X), expected, rtol=1e-12)
    if "loss" in params and y.min() < 0:
        assert (np.diff(net.predict(X), axis=1) >= 0).all()


def test_mean_of_one():
    net = classifier(combine="mean", max_iter=3).fit(X, LABELS)
    single = classifier(max_iter=3).fit(X, LABELS)
    assert_same_bits(net.estimators_[0], single)
    assert_allclose(net.predict_proba(X), single.predict_proba(X), rtol=1e-15)


def test_an_ensemble_is_an_estimator():
    net = regressor(n_starts=3, combine="mean", max_iter=4)
    with pytest.raises(NotFittedError):
        net.predict(X)
    net.fit(X, NUMBERS)
    assert net.n_iter_ == 4
    assert net.loss_ == pytest.approx(np.mean([member.loss_ for member in net.estimators_]))
    assert not hasattr(net, "coefs_")
    again = pickle.loads(pickle.dumps(net))
    assert_array_equal(again.predict(X), net.predict(X))
    with pytest.raises(ValueError, match="4 features"):
        net.predict(X[:, :3])
    with pytest.raises(ValueError, match="NaN"):
        net.predict(np.full((2, 4), np.nan))
    assert_array_equal(net.predict(sparse.csr_matrix(X)), net.predict(X))
    assert_allclose(net.predict(X[:1]), net.predict(X)[:1], rtol=1e-12)


@pytest.mark.parametrize("combine", ["best", "mean"])
def test_another_fit_leaves_nothing_behind(combine):
    net = regressor(n_starts=2, combine=combine, max_iter=2, early_stopping=True).fit(X, NUMBERS)
    net.set_params(n_starts=1, combine="best", early_stopping=False).fit(X, NUMBERS)
    plain = regressor(max_iter=2).fit(X, NUMBERS)
    assert set(vars(net)) == set(vars(plain))
    assert_array_equal(net.predict(X), plain.predict(X))
    net.set_params(n_starts=2, combine=combine).fit(X, NUMBERS)
    fresh = regressor(n_starts=2, combine=combine, max_iter=2).fit(X, NUMBERS)
    assert set(vars(net)) == set(vars(fresh))
    assert_array_equal(net.predict(X), fresh.predict(X))


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    net = classifier(n_starts=2, combine="mean", max_iter=2, early_stopping=True)
    net.fit(frame, LABELS)
    assert_array_equal(net.feature_names_in_, list("abcd"))
    net.predict_proba(frame)  # a warning would be an error
    net.estimators_[1].predict(frame)
    with pytest.warns(UserWarning, match="feature names"):
        net.predict(X)


def test_grid_search_over_the_starts():
    grid = {"n_starts": [1, 3], "combine": ["best", "mean"]}
    search = GridSearchCV(regressor(max_iter=3), grid, cv=2, n_jobs=2).fit(X, NUMBERS)
    again = GridSearchCV(regressor(max_iter=3), grid, cv=2).fit(X, NUMBERS)
    for name in ("mean_test_score", "split0_test_score"):
        assert_array_equal(search.cv_results_[name], again.cv_results_[name])


# What may go wrong --------------------------------------------------------------------------


@pytest.fixture
def spoil(monkeypatch):
    """spoil(seeds): starts of these seeds have an infinite weight from the beginning."""
    original = sknet.base.BaseNetwork._begin

    def at(seeds):
        def begin(self, task, progress):
            model = original(self, task, progress)
            if self.random_state in seeds:
                model.coefs[0][0, 0] = np.inf
            return model

        monkeypatch.setattr(sknet.base.BaseNetwork, "_begin", begin)

    return at


@pytest.mark.parametrize("combine", ["best", "mean"])
@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_diverged_starts_are_left_out(spoil, combine, solver):
    net = regressor(n_starts=4, combine=combine, max_iter=3, solver=solver)
    sound = clone(net).fit(X, NUMBERS)
    seeds, singles = sound.start_seeds_, single_fits(sound, NUMBERS)
    spoil(seeds[[0, 2]])
    with pytest.warns(ConvergenceWarning, match="2 of 4 starts diverged and are left out") as seen:
        net.fit(X, NUMBERS)
    assert seen[0].filename == __file__
    assert_array_equal(np.isnan(net.start_scores_), [True, False, True, False])
    if combine == "mean":
        assert [member.random_state for member in net.estimators_] == seeds[[1, 3]].tolist()
    else:
        assert_same_bits(net, singles[np.nanargmax(net.start_scores_)])
    assert np.isfinite(net.predict(X)).all()


@pytest.mark.parametrize("combine", ["best", "mean"])
def test_an_error_if_all_diverge(spoil, combine):
    net = regressor(n_starts=2, combine=combine, max_iter=3).fit(X, NUMBERS)
    before = net.predict(X)
    spoil(net.start_seeds_)
    with pytest.raises(ValueError, match="non-finite"):
        net.fit(X, NUMBERS)
    assert_array_equal(net.predict(X), before)
    with pytest.raises(ValueError, match="NaN"):
        net.fit(np.where(X > 2, np.nan, X), NUMBERS)


def test_an_error_in_one_start_is_the_error():
    calls = []

    def score(estimator, X, y):
        calls.append(None)
        if len(calls) > 5:
            raise RuntimeError("no score")
        return 0.0

    net = regressor(n_starts=3, max_iter=4).fit(X, NUMBERS)
    before = net.predict(X)
    with pytest.raises(RuntimeError, match="no score"):
        net.set_params(scoring=score, max_iter=10**6).fit(X, NUMBERS, X_val=X, y_val=NUMBERS)
    assert_array_equal(net.predict(X), before)


@pytest.mark.parametrize("combine", ["best", "mean"])
@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_ctrl_c(combine):
    """All starts end and keep what they have; those that never began are not among them."""
    code = f"""if True:
        import os, signal, threading, warnings
        import numpy as np
        from sknet import MLPRegressor
        signal.signal(signal.SIGINT, signal.default_int_handler)
        rng = np.random.default_rng(0)
        X = rng.normal(size=(2000, 20))
        net = MLPRegressor((50, 50), n_threads=2, tol=0, n_starts=3, combine={combine!r},
                           max_iter=10**6, n_iter_no_change=10**6)
        threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT)).start()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            net.fit(X, rng.normal(size=2000))
        assert [w.category for w in caught] == [UserWarning], caught
        assert "interrupted by user" in str(caught[0].message)
        assert 0 < net.n_iter_ < 10**6
        assert np.isfinite(net.predict(X)).all()
        assert len(getattr(net, "estimators_", "12")) == 2
        assert len(net.start_scores_) == 3
        print("usable")
    """
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert run.stdout == "usable\n", run.stderr


def explore(train, n_starts):
    """What explore() runs on two threads."""
    return side_by_side(_ending_all(train), n_starts, 2)


def test_an_exit_on_another_thread_is_an_exit_of_the_fit():
    other_begins = threading.Event()

    def train(i, halt):
        if threading.current_thread() is not calling:
            other_begins.set()
            sys.exit("no more")
        other_begins.wait(60)
        return SimpleNamespace(reason="converged")

    calling = threading.current_thread()
    with pytest.raises(SystemExit, match="no more"):
        explore(train, 2)


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_ctrl_c_while_the_last_start_goes_on():
    """The thread that gets the signal has no start of its own any more."""
    main, other_begins = threading.get_ident(), threading.Event()

    def train(i, halt):
        if threading.get_ident() == main:
            other_begins.wait(60)
            return SimpleNamespace(reason="converged")
        other_begins.set()
        threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()
        return SimpleNamespace(reason="interrupted" if halt.wait(60) else "late")

    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        reasons = {ending.reason for ending in explore(train, 2)}
    finally:
        signal.signal(signal.SIGINT, handler)
    assert reasons == {"converged", "interrupted"}


def test_ctrl_c_between_two_starts():
    """Those that follow end before they begin; none is missing."""
    calls = []

    def train(i, halt):
        calls.append(i)
        if not halt.is_set() and i == 1:
            raise KeyboardInterrupt
        if i > 1 and not halt.wait(60):
            return SimpleNamespace(reason="late")
        return SimpleNamespace(reason="interrupted" if halt.is_set() else "converged")

    reasons = [ending.reason for ending in explore(train, 4)]
    assert calls.count(1) == 2
    assert reasons[1:] == ["interrupted"] * 3


def test_what_does_not_go_together():
    for combine, n_starts in (("best", 2), ("mean", 1)):
        params = {"n_starts": n_starts, "combine": combine}
        assert_refused({"warm_start": True, **params}, f"warm_start=True.*n_starts={n_starts}")
        net = regressor(**params)
        assert not hasattr(net, "partial_fit")
        with pytest.raises(ValueError, match=f"partial_fit.*n_starts={n_starts}"):
            net.partial_fit(X, NUMBERS)
    assert_refused({"n_starts": 0}, "n_starts")
    assert_refused({"n_starts": 1.5}, "n_starts")
    assert_refused({"combine": "median"}, "combine")


def test_a_single_warning_for_all_starts(recwarn):
    regressor(n_starts=3, max_iter=2, batch_size=100).fit(X, NUMBERS)
    assert sorted(str(warning.message)[:3] for warning in recwarn) == ["Got", "Sto"]
    assert {warning.filename for warning in recwarn} == {__file__}


def test_verbose_says_which_start(capsys):
    regressor(n_starts=2, max_iter=3, verbose=True, n_threads=1).fit(X, NUMBERS)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(", loss")[0] for line in printed] == [
        f"Start {start}: Iteration {epoch}" for start in (1, 2) for epoch in (1, 2, 3)
    ]


def test_max_time_is_shared_by_those_that_follow_one_another():
    net = regressor(n_starts=4, n_threads=2, max_iter=10**9, tol=0, n_iter_no_change=np.inf)
    net.set_params(max_time=0.2).fit(X, NUMBERS)
    for history in net.start_histories_:
        assert history["seconds"][-1] >= 0.1
        assert (history["seconds"][:-1] < 0.1).all()


class Recorder:
    def __init__(self, stop=()):
        self.stop, self.calls, self.fitted = stop, [], []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.calls.append(("end", context.task_name, context.task_id))
        if context.task_name == "epoch":
            self.fitted.append((context.parent.task_id, fitted_estimator))
        return (context.parent is not None and context.parent.task_id) in self.stop


@pytest.mark.skipif(
    not hasattr(CallbackSupportMixin, "set_callbacks"), reason="sklearn.callback begins with 1.9"
)
def test_callbacks():
    """A fit is one task with a start each, and these have their epochs."""
    recorder = Recorder()
    net = regressor(n_starts=3, max_iter=4, combine="mean").set_callbacks(recorder)
    net.fit(X, NUMBERS)
    assert recorder.calls[0] == ("begin", "fit", 0)
    assert recorder.calls[-1] == ("end", "fit", 0)
    starts = [call for call in recorder.calls if call[1] == "start"]
    assert sorted(starts) == [(word, "start", i) for word in ("begin", "end") for i in range(3)]
    for i, member in enumerate(net.estimators_):
        epochs = [fitted for start, fitted in recorder.fitted if start == i]
        assert len(epochs) == 4
        assert_same_bits(epochs[-1], member)
        assert not hasattr(member, "_skl_callbacks")
    stopped = regressor(n_starts=3, max_iter=4, combine="mean").set_callbacks(Recorder({1}))
    stopped.fit(X, NUMBERS)
    assert [member.n_iter_ for member in stopped.estimators_] == [4, 1, 4]
