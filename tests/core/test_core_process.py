"""What the fits of one process share: BLAS held to one thread, and forks."""

import os
import signal
import threading
import time

import pytest
import scipy.linalg  # noqa: F401  brings its BLAS, which single_threaded_blas() must hold too
import threadpoolctl
from teams import TIMEOUT, fit, fits_elsewhere, in_time

from sknet import threads
from sknet.threads import available_threads, single_threaded_blas

# --------------------------------------------------------------------------------------------
# BLAS


def blas_threads():
    return [
        pool["num_threads"]
        for pool in threadpoolctl.threadpool_info()
        if pool["user_api"] == "blas"
    ]


def forget_who_controls_blas():
    """threadpoolctl >= 3.7 lets one thread only set the limits of OpenBLAS, the first to do so."""
    controller = getattr(threadpoolctl, "OpenBLASController", None)
    if hasattr(controller, "clear_controlling_thread"):
        controller.clear_controlling_thread(force=True)


@pytest.fixture
def two_blas_threads():
    """The threads of each BLAS, two or more, nobody having limited them."""
    before = blas_threads()
    if not before or set(before) == {1}:
        pytest.skip("no BLAS here whose threads can be limited")
    forget_who_controls_blas()
    yield before
    forget_who_controls_blas()
    threadpoolctl.threadpool_limits(limits=max(before), user_api="blas")
    forget_who_controls_blas()


def test_blas_is_held_to_one_thread(two_blas_threads):
    with single_threaded_blas():
        assert set(blas_threads()) == {1}
        with single_threaded_blas():
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {1}
    assert blas_threads() == two_blas_threads


def test_blas_is_released_after_an_exception(two_blas_threads):
    with pytest.raises(ZeroDivisionError), single_threaded_blas():
        raise ZeroDivisionError
    assert blas_threads() == two_blas_threads


def test_blas_is_held_in_whichever_thread(two_blas_threads):
    """In one thread after the other, while the first is alive."""

    def hold():
        with single_threaded_blas():
            return blas_threads()

    for _ in range(2):
        assert set(hold()) == {1}
        assert set(in_time(hold)) == {1}
        assert blas_threads() == two_blas_threads


@pytest.mark.parametrize("outlives", [False, True], ids=["threads end", "threads live on"])
def test_overlapping_holders_of_blas_in_threads(two_blas_threads, outlives):
    """The one who came first leaves first; the limit stays until the last one leaves."""
    entered, leave, left = ([threading.Event() for _ in range(3)] for _ in range(3))
    end = threading.Event()

    def hold(i):
        with single_threaded_blas():
            entered[i].set()
            leave[i].wait(TIMEOUT)
        left[i].set()
        if outlives:
            end.wait(TIMEOUT)

    holders = [threading.Thread(target=hold, args=(i,)) for i in range(3)]
    for i in range(3):
        holders[i].start()
        assert entered[i].wait(TIMEOUT)
    held = []
    for i in range(3):
        held.append(set(blas_threads()))
        leave[i].set()
        assert left[i].wait(TIMEOUT)
        if not outlives:
            holders[i].join(TIMEOUT)
    after = blas_threads()
    end.set()
    for holder in holders:
        holder.join(TIMEOUT)
    assert held == [{1}] * 3
    assert after == two_blas_threads


# --------------------------------------------------------------------------------------------
# Fork

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
# Python 3.12 warns of any fork beside threads; that is what these tests are about.
beside_threads = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def in_child(function):
    """Whether function() returns true in a forked child, within the timeout."""
    pid = os.fork()
    if pid == 0:
        status = 2
        try:
            signal.alarm(TIMEOUT)  # ends the child, whatever it hangs in
            status = 0 if function() else 1
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    assert not os.WIFSIGNALED(status), f"child ended by signal {os.WTERMSIG(status)}"
    return os.WEXITSTATUS(status) == 0


@needs_fork
@beside_threads
@pytest.mark.parametrize("size", [1, 2, 4])
def test_fork_after_a_fit(size):
    expected = fit(size)
    assert in_child(lambda: fit(size) == expected)
    assert fit(size) == expected


@needs_fork
@beside_threads
def test_fork_while_another_thread_fits():
    expected = fit(1)
    stop, begun = threading.Event(), threading.Event()

    def keep_fitting():
        while not stop.is_set():
            with single_threaded_blas():
                fit(2, epochs=20, n=2000)
            begun.set()

    def child():
        with single_threaded_blas():
            return fit(2) == expected and set(blas_threads()) <= {1}

    fitting = threading.Thread(target=keep_fitting)
    fitting.start()
    try:
        assert begun.wait(TIMEOUT)
        for attempt in range(8):
            time.sleep(0.003 * attempt)
            assert in_child(child)
    finally:
        stop.set()
        fitting.join(TIMEOUT)
    assert not fitting.is_alive()


@needs_fork
@beside_threads
def test_child_counts_no_teams_of_its_parent(eight_cores):
    with fits_elsewhere(3):
        assert available_threads() == 2
        assert in_child(lambda: available_threads() == 8)


@needs_fork
@beside_threads
def test_child_of_a_holder_of_blas_has_its_threads_back(two_blas_threads):
    with single_threaded_blas():
        assert in_child(lambda: blas_threads() == two_blas_threads)
        assert set(blas_threads()) == {1}


@needs_fork
@beside_threads
def test_fork_in_the_moment_another_thread_takes_blas(monkeypatch):
    """The limit is being set, its lock held: the child must still be able to take it."""
    libraries, taking, forked = threads._blas_libraries, threading.Event(), threading.Event()

    class SlowLibraries:
        def limit(self, **options):
            taking.set()
            assert forked.wait(TIMEOUT)
            return libraries().limit(**options)

    def take():
        with single_threaded_blas():
            pass

    def child():
        threads._blas_libraries = libraries
        signal.alarm(5)
        take()
        return True

    monkeypatch.setattr(threads, "_shared", threads._Shared())  # nobody has held BLAS before
    with monkeypatch.context() as patch:
        patch.setattr(threads, "_blas_libraries", SlowLibraries)
        taker = threading.Thread(target=take)
        taker.start()
        assert taking.wait(TIMEOUT)
        try:
            assert in_child(child)
        finally:
            forked.set()
            taker.join(TIMEOUT)
