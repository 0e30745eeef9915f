"""Threads change no bit: of one fit, of many fits at once, of fits in forked children."""

import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
import threadpoolctl
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone

from sknet import MLPClassifier, MLPRegressor, _core, threads

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 20)) * (RNG.random((300, 20)) < 0.5)
LABELS = (X @ RNG.normal(size=(20, 4))).argmax(axis=1)
NUMBERS = X @ RNG.normal(size=(20, 2))
PARAMS = {"hidden_layer_sizes": (33, 10), "max_iter": 5, "random_state": 0, "batch_size": 70}
TIMEOUT = 30  # seconds, far more than a fit takes: for what hangs
SOLVERS = pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])


def fitted(Estimator=MLPClassifier, X=X, sample_weight=None, **params):
    y = LABELS if Estimator is MLPClassifier else NUMBERS
    return Estimator(**{**PARAMS, **params}).fit(X, y, sample_weight)


def bits(net):
    """All of the parameters as bytes."""
    return b"".join(array.tobytes() for array in [*net.coefs_, *net.intercepts_])


def blas_threads():
    return [
        (info["filepath"], info["num_threads"])
        for info in threadpoolctl.threadpool_info()
        if info["user_api"] == "blas"
    ]


@SOLVERS
@pytest.mark.parametrize("Estimator", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_number_of_threads(solver, Estimator, container, dtype):
    """More threads than cores, too; each way of sharing the work out."""
    rows = container(X)
    nets = [
        fitted(Estimator, rows, solver=solver, dtype=dtype, n_threads=n_threads)
        for n_threads in (1, 2, 3, 4, 8, None)
    ]
    outputs = getattr(nets[0], "predict_proba", nets[0].predict)(rows)
    for net in nets[1:]:
        assert bits(net) == bits(nets[0])
        assert net.loss_ == nets[0].loss_
        assert_array_equal(getattr(net, "predict_proba", net.predict)(rows), outputs)
    assert bits(fitted(Estimator, rows, solver=solver, dtype=dtype, random_state=1)) != bits(
        nets[0]
    )


@SOLVERS
def test_number_of_threads_with_weights(solver):
    sample_weight = np.random.default_rng(3).uniform(0, 2, 300)
    nets = [
        fitted(sample_weight=sample_weight, solver=solver, n_threads=n, class_weight="balanced")
        for n in (1, 2, 3, 8)
    ]
    assert len({bits(net) for net in nets}) == 1


def test_number_of_threads_on_a_large_batch():
    """Enough work per mini-batch for n_threads=None to take several."""
    rng = np.random.default_rng(0)
    rows, y = rng.normal(size=(3000, 30)), rng.normal(size=3000)
    params = {"batch_size": 1500, "hidden_layer_sizes": (100, 20), "max_iter": 2}
    nets = [
        MLPRegressor(**{**PARAMS, **params}, solver=solver, n_threads=n).fit(rows, y)
        for solver in ("adam", "lbfgs")
        for n in (None, 1, 2, 5)
    ]
    assert len({bits(net) for net in nets[:4]}) == len({bits(net) for net in nets[4:]}) == 1


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_number_of_threads_that_share_the_hidden_units(container, dtype):
    """And training that is continued, by another number of threads, as if it had never stopped."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(900, 30)) * (rng.random((900, 30)) < 0.5)
    y = rows @ rng.normal(size=(30, 2)) > 0
    core = _core.load(np.dtype(dtype))
    network = core.Network([core.Dense(30, 128, "relu"), core.Dense(128, 2)])
    assert core.best_n_shards(network, 200) == 4
    params = {**PARAMS, "hidden_layer_sizes": (128,), "batch_size": 200, "dtype": dtype}
    nets = [
        MLPClassifier(**{**params, "max_iter": 6}, n_threads=n).fit(container(rows), y)
        for n in (1, 2, 3, None)
    ]
    continued = MLPClassifier(**{**params, "max_iter": 2}, n_threads=2, warm_start=True)
    for n_threads in (2, 1, 3):
        continued = pickle.loads(pickle.dumps(continued)).set_params(n_threads=n_threads)
        continued.fit(container(rows), y)
    assert {bits(net) for net in nets} == {bits(continued)}
    assert {net.loss_ for net in nets} == {continued.loss_}


def test_one_row_needs_no_other_thread(monkeypatch):
    net = fitted(n_threads=4)
    expected = net.predict_proba(X[:1])
    monkeypatch.delattr(threads.Team, "run")
    assert_array_equal(net.predict_proba(X[:1]), expected)
    with pytest.raises(AttributeError, match="run"):
        net.predict_proba(np.tile(X, (200, 1)))


@pytest.mark.parametrize("n_threads", [None, 1, 2])
def test_fits_at_once(n_threads):
    nets = [
        MLPClassifier(**{**PARAMS, "random_state": i}, solver=solver, n_threads=n_threads)
        for i, solver in enumerate(["sgd", "adam", "lbfgs", "lbfgs"] * 2)
    ]
    alone = [bits(clone(net).fit(X, LABELS)) for net in nets]
    assert len(set(alone)) == 8
    before = blas_threads()
    assert before
    for _ in range(3):
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(lambda net: bits(clone(net).fit(X, LABELS)), nets))
        assert together == alone
        assert blas_threads() == before


def test_predictions_at_once():
    net = fitted()
    expected = net.predict_proba(X)
    with ThreadPoolExecutor(8) as pool:
        for outputs in pool.map(lambda _: net.predict_proba(X), range(40)):
            assert_array_equal(outputs, expected)


@pytest.mark.parametrize("error", [False, True])
def test_blas_has_its_threads_back(error):
    with threadpoolctl.threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        rows = X.copy()
        if error:
            rows[3, 3] = np.inf
            with pytest.raises(ValueError, match="infinity"):
                fitted(X=rows, solver="lbfgs")
        else:
            fitted(X=rows, solver="lbfgs")
        assert blas_threads() == before


def helpers():
    return {thread for thread in threading.enumerate() if thread.name == "sknet-helper"}


@SOLVERS
def test_no_thread_is_left(solver):
    """Idle ones go home after a while, and the next team starts others."""
    others = threading.active_count() - len(helpers())
    expected = bits(fitted(solver=solver, n_threads=4))
    with pytest.raises(ValueError, match="inconsistent"):
        fitted(X=X[:9], solver=solver, n_threads=4)
    assert threading.active_count() - len(helpers()) == others
    deadline = time.monotonic() + TIMEOUT
    while helpers() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not helpers()
    assert bits(fitted(solver=solver, n_threads=4)) == expected


def fit_bits(solver, X, y, n_threads):
    """Bits of a fit and the threads there were (in joblib's workers)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bits(MLPClassifier(**PARAMS, solver=solver, n_threads=n_threads).fit(X, y))


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_joblib(backend):
    solvers = ["sgd", "adam", "lbfgs"]
    alone = [fit_bits(solver, X, LABELS, None) for solver in solvers for n in range(2)]
    before = blas_threads()
    together = joblib.Parallel(n_jobs=3, backend=backend)(
        joblib.delayed(fit_bits)(solver, X, LABELS, n) for solver in solvers for n in (None, 2)
    )
    assert together == alone
    assert blas_threads() == before


@pytest.mark.parametrize("limit", ["1", "3", "1,2", "", "0", "many"])
def test_omp_num_threads(limit):
    """Respected where n_threads is None; it changes no bit."""
    code = """if True:
        import zlib
        import numpy as np
        from sknet import MLPRegressor
        from sknet.threads import available_threads
        X = np.random.default_rng(0).normal(size=(4000, 50))
        net = MLPRegressor((100,), random_state=0, max_iter=2, batch_size=2000).fit(X, X[:, 0])
        print(available_threads(), zlib.crc32(net.coefs_[0].tobytes()))
    """
    env = {**os.environ, "OMP_NUM_THREADS": limit}
    command = [sys.executable, "-W", "ignore", "-c", code]
    run = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    n_threads, checksum = map(int, run.stdout.split())
    assert 1 <= n_threads <= {"1": 1, "3": 3, "1,2": 1}.get(limit, joblib.cpu_count())
    rows = np.random.default_rng(0).normal(size=(4000, 50))
    net = MLPRegressor((100,), random_state=0, max_iter=2, batch_size=2000, n_threads=2)
    assert checksum == zlib.crc32(net.fit(rows, rows[:, 0]).coefs_[0].tobytes())


# Forks --------------------------------------------------------------------------------------


def in_child(function):
    """What function() returns (bytes) in a forked child; fails if it hangs or dies."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 and later warn of any fork of a process with threads, JAX of any at all.
        warnings.filterwarnings("ignore", message=".*fork")
        child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(function())
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    result, hangs, deadline = b"", False, time.monotonic() + TIMEOUT
    while not hangs:
        hangs = not select.select([reading], [], [], max(0, deadline - time.monotonic()))[0]
        chunk = b"" if hangs else os.read(reading, 1 << 16)
        if not chunk:
            break
        result += chunk
    os.close(reading)
    if hangs:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert not hangs, "the child hangs"
    assert status == 0, f"the child died with status {status}"
    return result


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


@needs_fork
@SOLVERS
@pytest.mark.parametrize("n_threads", [None, 1, 2])
def test_fork_after_a_fit(solver, n_threads):
    expected = bits(fitted(solver=solver, n_threads=n_threads))
    before = blas_threads()
    for _ in range(3):
        assert in_child(lambda: bits(fitted(solver=solver, n_threads=n_threads))) == expected
    assert blas_threads() == before
    assert bits(fitted(solver=solver, n_threads=n_threads)) == expected


@needs_fork
@SOLVERS
def test_fork_while_another_thread_fits(solver):
    """At 20 moments; the other thread goes on undisturbed."""
    expected = bits(fitted(solver=solver, n_threads=2))
    others, stop = set(), threading.Event()

    def fit_on_and_on():
        while not stop.is_set():
            others.add(bits(fitted(solver=solver, n_threads=2)))

    before = blas_threads()
    background = threading.Thread(target=fit_on_and_on)
    background.start()
    try:
        for i in range(20):
            time.sleep(0.001 * (i % 7))
            assert in_child(lambda: bits(fitted(solver=solver, n_threads=2))) == expected
    finally:
        stop.set()
        background.join(TIMEOUT)
    assert not background.is_alive()
    assert others == {expected}
    assert blas_threads() == before


@needs_fork
def test_blas_threads_in_a_child_of_a_fit():
    """A child forked in the middle of an L-BFGS fit is not held to one BLAS thread for ever."""
    with threadpoolctl.threadpool_limits(limits=2, user_api="blas"):
        expected = repr(blas_threads()).encode()
        stop = threading.Event()

        def fit_on_and_on():
            while not stop.is_set():
                fitted(solver="lbfgs", n_threads=1)

        background = threading.Thread(target=fit_on_and_on)
        background.start()
        try:
            for _ in range(10):
                assert in_child(lambda: repr(blas_threads()).encode()) == expected
        finally:
            stop.set()
            background.join(TIMEOUT)
    assert not background.is_alive()
