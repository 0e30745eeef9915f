"""Teams, jobs, the number of threads, and the GIL."""

import os
import threading
import time

import joblib
import numpy as np
import pytest
from driver import make_data, make_trainer, predict
from teams import TIMEOUT, Task, busy_threads, fits_elsewhere, in_time

from sknet import threads
from sknet.threads import Team, available_threads


@pytest.mark.parametrize("size", range(1, 9))
def test_team_trains_with_the_same_bits(core, size):
    def run():
        task = Task(core)
        with Team(size, work=0) as team:
            assert team.size == size
            assert len(busy_threads()) == size - 1
            task.run(team, 4)
        return task

    task = in_time(run)
    assert (task.params == task.expected(4)).all()
    assert not busy_threads()


def test_team_predicts(core):
    network = core.Network([core.Dense(5, 7, "tanh"), core.Dense(7, 2)])
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 5)).astype(core.DTYPE)
    params = rng.normal(size=network.n_params).astype(core.DTYPE)
    out = np.empty((1000, 2), core.DTYPE)
    job = core.Predictor(network, make_data(core, X), params, network.initial_state(), out)
    with Team(4, work=0) as team:
        for _ in range(3):  # a job may be run again
            out.fill(np.nan)
            in_time(team.run, job)
            assert (out == predict(core, network, X, params)).all()


def test_prediction_that_looks_for_nan(core):
    """NaN and infinity in any row, seen by any worker, abort the job, which may then run again."""
    network = core.Network([core.Dense(5, 3, "relu")])
    X = np.ones((1001, 5), core.DTYPE)
    params, out = np.ones(network.n_params, core.DTYPE), np.empty((1001, 3), core.DTYPE)
    job = core.Predictor(
        network, make_data(core, X), params, network.initial_state(), out, looks=True
    )
    for size in (1, 3):
        with Team(size, work=0) as team:
            for row, bad in [(0, np.nan), (500, np.inf), (1000, -np.inf)]:
                X[row, row % 5] = bad
                in_time(team.run, job)
                assert job.is_aborted
                X[row, row % 5] = 1
                out.fill(np.nan)
                in_time(team.run, job)
                assert not job.is_aborted
                assert (out == 6).all()


def test_every_worker_is_called_once(core64):
    class Calls(core64.Job):
        ranks = []

        def work(self, rank):
            self.ranks.append(rank)

    job = Calls()
    with Team(5, work=0) as team:
        in_time(team.run, job)
        assert sorted(job.ranks) == [0, 1, 2, 3, 4]


def test_little_work_keeps_to_one_thread():
    with Team(None, work=10) as team:
        assert team.size == 1
    with Team(None, work=1e12) as team:
        assert 1 <= team.size <= joblib.cpu_count()


class Failing:
    """A Trainer whose rank 0 does not come."""

    def __init__(self, trainer, exception):
        self.trainer, self.exception = trainer, exception
        self.start, self.abort = trainer.start, trainer.abort

    def work(self, rank):
        if rank == 0:
            raise self.exception
        self.trainer.work(rank)


@pytest.mark.parametrize("exception", [KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_nobody_waits_for_a_rank_0_that_fails(core64, size, exception):
    def run():
        task = Task(core64)
        with Team(size, work=0) as team:
            with pytest.raises(exception):
                team.run(Failing(task.next_epoch(), exception))
            assert (task.params == task.start).all()  # what one worker cannot end is not begun
            task.epoch = 0
            task.run(team, 2)  # the team is as good as before
        assert not busy_threads()
        return task

    task = in_time(run)
    assert (task.params == task.expected(2)).all()


def test_helpers_end_after_an_exception():
    def run():
        with Team(4, work=0):
            assert len(busy_threads()) == 3
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_time(run)
    assert not busy_threads()


@pytest.mark.parametrize("n_startable", [0, 1, 2])
def test_a_thread_that_cannot_start_makes_a_smaller_team(core64, monkeypatch, n_startable):
    start = threading.Thread.start
    left = [n_startable]

    def start_some(thread):
        if not left[0]:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(thread)

    task = Task(core64)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start_some)
        patch.setattr(threads._shared, "idle_helpers", [])
        team = Team(8, work=0).__enter__()
    try:
        assert team.size == 1 + n_startable
        in_time(task.run, team, 3)
    finally:
        team.__exit__(None, None, None)
    assert (task.params == task.expected(3)).all()


class RollCall:
    """A job that notes who worked on it."""

    def start(self, size):
        self.size, self.threads = size, {}

    def work(self, rank):
        time.sleep(0.02)
        self.threads[rank] = threading.current_thread()


def helpers_of(team):
    """The threads of a team, the calling one left out."""
    job = RollCall()
    in_time(team.run, job)
    assert sorted(job.threads) == list(range(job.size)) == list(range(team.size))
    return {job.threads[rank] for rank in range(1, job.size)}


def test_teams_take_over_threads():
    with Team(4, work=0) as team:
        first = helpers_of(team)
        with Team(3, work=0) as other:
            others = helpers_of(other)
            assert len(first | others) == 5  # nobody serves two
            assert helpers_of(team) == first
    assert not busy_threads()
    with Team(6, work=0) as team:
        assert helpers_of(team) == first | others


def test_idle_threads_go_home(monkeypatch):
    monkeypatch.setattr(threads, "IDLE_SECONDS", 0.01)
    with Team(4, work=0) as team:
        first = helpers_of(team)
        time.sleep(0.1)  # nobody leaves a team between two of its jobs
        assert helpers_of(team) == first
    for thread in first:
        thread.join(TIMEOUT)
        assert not thread.is_alive()
        assert thread not in threads._shared.idle_helpers
    with Team(4, work=0) as team:
        assert not helpers_of(team) & first


# --------------------------------------------------------------------------------------------
# How many threads


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", 1), ("3", 3), ("2,4", 2), (" 5 ", 5), ("99", 8), ("0", 8), ("", 8), ("many", 8)],
)
def test_available_threads_heeds_omp_num_threads(eight_cores, monkeypatch, value, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert available_threads() == expected


def test_available_threads_heeds_joblib(eight_cores, monkeypatch):
    assert available_threads() == 8
    monkeypatch.setattr(joblib, "effective_n_jobs", lambda n_jobs: 1)
    assert available_threads() == 1


def test_available_threads_heeds_a_new_limit(monkeypatch):
    """What was found before is found again only under the same limits."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)
    assert available_threads() == joblib.cpu_count()
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert available_threads() == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_available_threads_heeds_the_affinity(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = os.sched_getaffinity(0)
    assert available_threads() == joblib.cpu_count()
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert available_threads() == 1
    finally:
        os.sched_setaffinity(0, cores)


@pytest.mark.parametrize(("n_others", "size"), [(0, 8), (1, 4), (2, 2), (3, 2), (7, 1), (20, 1)])
def test_running_teams_share_the_cores(eight_cores, n_others, size):
    with fits_elsewhere(n_others):
        with Team(None, work=1e12) as team:
            assert team.size == size
            with Team(None, work=1e12) as inner:  # a prediction within a fit, while that waits
                assert inner.size == size
        with Team(5, work=0) as asked_for:
            assert asked_for.size == 5
    assert available_threads() == 8


def test_a_team_that_ends_by_an_exception_gives_its_share_back(eight_cores):
    with fits_elsewhere(1):
        with pytest.raises(ZeroDivisionError), Team(1, work=0):
            assert available_threads() == 4
            raise ZeroDivisionError
        assert available_threads() == 8
    assert available_threads() == 8


# --------------------------------------------------------------------------------------------
# The GIL


@pytest.mark.parametrize("form", ["Trainer", "Predictor"])
def test_python_threads_advance_during_a_job(core64, form):
    """Work of many tenths of a second; with the GIL held the other thread would not wake at all."""
    n, width = 3000, 600
    network = core64.Network(
        [core64.Dense(12, width), core64.Dense(width, width), core64.Dense(width, 1)]
    )
    rng = np.random.default_rng(0)
    X, params = rng.normal(size=(n, 12)), rng.normal(size=network.n_params) / width
    loss, y = core64.LOSSES["squared_error"](1), np.zeros((n, 1))
    if form == "Trainer":
        data = make_data(core64, X, y)
        job, *_ = make_trainer(core64, network, loss, core64.SGD(), data, params, batch_size=100)
        job.set_epochs(np.zeros(job.n_batches), 0, 0)
    else:
        X = np.tile(X, (4, 1))
        out = np.empty((4 * n, 1))
        job = core64.Predictor(network, make_data(core64, X), params, network.initial_state(), out)
    count, done = [0], threading.Event()

    def count_up():
        while not done.is_set():
            count[0] += 1
            time.sleep(0.0005)

    counter = threading.Thread(target=count_up)
    counter.start()
    try:
        job.start(1)
        begin = count[0]
        job.work(0)
        advanced = count[0] - begin
    finally:
        done.set()
        counter.join()
    assert advanced >= 8
