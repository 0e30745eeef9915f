"""Ctrl-C: training ends, the best so far is kept, and may go on."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from small_fits import LABELS, NUMBERS, X, assert_same_bits, classifier, regressor

import sknet

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def interrupt(monkeypatch):
    """interrupt(k): Ctrl-C as the call of the core for epoch k (from 0) begins."""
    original = sknet.training._run_epochs

    def at(epoch):
        def run_epochs(team, trainer, params, progress, rates, *rest):
            if epoch < progress.n_epochs + len(rates) // trainer.n_batches:
                raise KeyboardInterrupt
            return original(team, trainer, params, progress, rates, *rest)

        monkeypatch.setattr(sknet.training, "_run_epochs", run_epochs)

    monkeypatch.setattr(sknet.training, "CALL_WORK", 0)  # an epoch per call of the core
    yield at
    monkeypatch.undo()


INTERRUPTED = "interrupted by user"
JUMPY = {"solver": "sgd", "learning_rate_init": 0.8, "batch_size": 10, "max_iter": 30}


def epochs_of(net, y, n):
    """The net as after each of its first n epochs, whichever is best."""
    return [clone(net).set_params(max_iter=i + 1, early_stopping=False).fit(X, y) for i in range(n)]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_interrupt_keeps_the_best(interrupt, n_threads):
    net = classifier(**JUMPY, n_threads=n_threads)
    after = epochs_of(net, LABELS, 9)
    n_epochs = 1 + next(i for i in range(3, 9) if np.argmin(after[i].loss_curve_) != i)
    best = int(np.argmin(after[n_epochs - 1].loss_curve_))
    interrupt(n_epochs)
    with pytest.warns(UserWarning, match=INTERRUPTED):
        net.fit(X, LABELS)
    assert net.n_iter_ == len(net.loss_curve_) == n_epochs
    assert best < n_epochs - 1
    assert_same_bits(net, after[best])
    assert net.best_loss_ == min(net.loss_curve_)
    assert_array_equal(net.predict_proba(X), after[best].predict_proba(X))


def test_interrupt_between_calls_for_several_epochs(interrupt, monkeypatch):
    net = classifier(**JUMPY, tol=0, n_iter_no_change=10)
    after = epochs_of(net, LABELS, 11)
    monkeypatch.setattr(sknet.training, "CALL_WORK", 1e9)
    interrupt(14)
    with pytest.warns(UserWarning, match=INTERRUPTED):
        net.fit(X, LABELS)
    assert net.n_iter_ == len(net.loss_curve_) == 11  # in one call; patience lasts so long
    best = int(np.argmin(net.loss_curve_))
    assert best < 10
    assert_same_bits(net, after[best])


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_so_many_epochs_per_call_change_nothing(monkeypatch, solver):
    """Stopping, schedules and the loss curve are those of one epoch per call."""
    params = {"solver": solver, "learning_rate_init": 0.1, "tol": 1e-3, "n_iter_no_change": 4}
    for schedule in ("constant", "invscaling", "adaptive"):
        net = classifier(**params, max_iter=200, learning_rate=schedule, warm_start=True)
        several = clone(net).fit(X, LABELS)
        with monkeypatch.context() as patch:
            patch.setattr(sknet.training, "CALL_WORK", 0)
            single = clone(net).fit(X, LABELS)
        assert 5 < several.n_iter_ < 200
        assert several.loss_curve_ == single.loss_curve_
        assert_same_bits(several.fit(X, LABELS), single.fit(X, LABELS))


def test_interrupt_with_early_stopping(interrupt):
    net = classifier(**JUMPY, early_stopping=True, n_iter_no_change=50)
    rows = {"X_val": X[:20], "y_val": LABELS[:20]}
    interrupt(6)
    with pytest.warns(UserWarning, match=INTERRUPTED):
        net.fit(X[20:], LABELS[20:], **rows)
    assert len(net.validation_scores_) == net.n_iter_ == 6
    assert net.score(*rows.values()) == max(net.validation_scores_) == net.best_validation_score_


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("make", [classifier, regressor])
def test_interrupt_in_the_first_epoch(interrupt, early_stopping, given, make):
    """The initial weights are a usable model."""
    y = LABELS if make is classifier else NUMBERS
    rows = {"X_val": X, "y_val": y} if given else {}
    interrupt(0)
    net = make(early_stopping=early_stopping)
    with pytest.warns(UserWarning, match=INTERRUPTED):
        net.fit(X, y, **rows)
    assert net.n_iter_ == 0
    assert net.loss_curve_ == []
    assert np.isfinite(net.predict(X)).all()


def test_fit_after_an_interrupt(interrupt, monkeypatch):
    net = regressor(max_iter=8)
    expected = clone(net).fit(X, NUMBERS)
    interrupt(3)
    with pytest.warns(UserWarning, match=INTERRUPTED):
        net.fit(X, NUMBERS)
    monkeypatch.undo()
    assert_same_bits(net.fit(X, NUMBERS), expected)


def test_training_goes_on_after_an_interrupt(interrupt, monkeypatch):
    """Between epochs nothing is lost: warm_start goes on behind the interrupt, bit for bit."""
    net = regressor(max_iter=8, shuffle=True, warm_start=True)
    expected = clone(net).fit(X, NUMBERS)
    interrupt(3)
    with pytest.warns(UserWarning, match=INTERRUPTED):
        net.fit(X, NUMBERS)
    monkeypatch.undo()
    net.set_params(max_iter=5).fit(X, NUMBERS)
    assert_same_bits(net, expected)


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_real_signal(solver, n_threads):
    code = f"""if True:
        import os, signal, threading, warnings
        import numpy as np
        from sknet import MLPRegressor
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have switched it off
        rng = np.random.default_rng(0)
        X = rng.normal(size=(4000, 40))
        net = MLPRegressor((150, 150), solver={solver!r}, n_threads={n_threads}, tol=0,
                           max_iter=10**6, max_fun=10**9, n_iter_no_change=10**6)
        started = threading.Event()
        threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT)).start()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            net.fit(X, rng.normal(size=4000))
        assert [w.category for w in caught] == [UserWarning], caught
        assert "interrupted by user" in str(caught[0].message)
        assert 0 < net.n_iter_ < 10**6
        assert np.isfinite(net.predict(X)).all()
        names = [thread.name for thread in threading.enumerate()]
        assert set(names) <= {{"MainThread", "sknet-helper"}}, names
        print("usable")
    """
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert run.stdout == "usable\n", run.stderr
