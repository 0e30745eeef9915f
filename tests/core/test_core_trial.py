"""Trials whether one worker does without the others: the same bits, whatever comes of them."""

import math
import threading
import warnings

import numpy as np
import pytest
from driver import make_data, make_network, make_trainer, work
from sklearn.exceptions import ConvergenceWarning
from teams import TIMEOUT, Task, in_time

from sknet import MLPClassifier, threads
from sknet.threads import Team

PART = 7  # mini-batches by the team, and by rank 0 alone


def outcome(core, size, patience, *, shards=False, batch_size=10, epochs=4, **restraints):
    """Trained numbers as bytes, sums of the epochs, and the trainer, of a call of 4 epochs."""
    rng = np.random.default_rng(0)
    if shards:
        network = core.Network(
            [core.Dense(12, 40, "relu"), core.Dropout(40, 0.3), core.Dense(40, 3)]
        )
        restraints["n_shards"] = 4
    else:
        network = make_network(core, "BatchNorm", 12, 3)
    X, y = rng.normal(size=(125, 12)), rng.integers(0, 3, (125, 1))
    params = (rng.normal(size=network.n_params) / 4).astype(core.DTYPE)
    trainer, state, moments = make_trainer(
        core, network, core.LOSSES["softmax_log_loss"](3), core.Adam(), make_data(core, X, y),
        params, batch_size=batch_size, averaging=0.9, **restraints,
    )  # fmt: skip
    trainer.set_epochs(np.full(epochs * trainer.n_batches, 0.01), 0, 7, True)
    best = np.zeros(network.n_params, core.DTYPE)
    trainer.keep_best(best, np.inf)
    in_time(work, trainer, size, patience)
    numbers = [array.tobytes() for array in (params, state, moments, best)]
    return numbers, (trainer.results(), trainer.gradient_norms()), trainer


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"clip_norm": 0.1},
        {"max_norm": 0.5},
        {"shards": True},
        {"batch_size": 50, "epochs": 20},  # a trial that spans epochs, three mini-batches each
        {"batch_size": 50, "epochs": 20, "shards": True},
        {"batch_size": 16, "epochs": 2},  # two mini-batches after the trial
    ],
)
def test_the_bits_are_the_same_whoever_ends_it(core, size, options):
    numbers, sums, _ = outcome(core, 1, None, **options)
    for patience in (0, math.inf, 1):
        numbers_tried, sums_tried, trainer = outcome(core, size, patience, **options)
        assert numbers_tried == numbers
        assert sums_tried == sums
        if patience != 1:
            assert trainer.trial.ends_alone == (patience > 0)
            assert 0 < trainer.trial.team_seconds < trainer.trial.seconds < TIMEOUT
            assert 0 < trainer.trial.alone_seconds < trainer.trial.seconds


def test_too_few_mini_batches_for_a_trial(core):
    with pytest.raises(ValueError, match="more than 14 mini-batches"):
        outcome(core, 3, math.inf, batch_size=20, epochs=2)
    assert threads.LEAST_ROUNDS > 2 * PART


def test_a_trial_is_over_with_the_call(core):
    _, _, trainer = outcome(core, 3, math.inf)
    trainer.start(3)
    assert trainer.trial is None
    trainer.abort()


class Job:
    """Notes how many threads work on it, and whether it is asked to try with fewer."""

    def __init__(self, clock, team_seconds, alone_seconds, waiting=0):
        self.trial, self.clock, self.waiting = self, clock, waiting
        self.team_seconds, self.alone_seconds, self.seconds = team_seconds, alone_seconds, 1

    def start(self, size):
        self.size, self.tries, self.ranks = size, False, set()
        self.lock = threading.Lock()

    def try_alone(self, patience):
        self.tries, self.patience = True, patience

    def work(self, rank):
        with self.lock:
            self.ranks.add(rank)
        if rank == 0:
            self.clock.now += self.seconds + self.waiting


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

        perf_counter = monotonic

    clock = Clock()
    monkeypatch.setattr(threads, "time", clock)
    return clock


def run(team, job, n_rounds):
    in_time(team.run, job, n_rounds)
    assert job.ranks == set(range(job.size))
    return job.size, job.tries


def test_a_team_tries_now_and_then_and_shrinks(eight_cores, clock, monkeypatch):
    monkeypatch.setattr(threads._shared, "findings", {})
    monkeypatch.setattr(threads, "TRIAL_SECONDS", 10)
    job = Job(clock, team_seconds=3, alone_seconds=2)
    with Team(None, work=1e12, kind="a") as team:
        assert run(team, job, 100) == (8, False)  # too few so far
        assert run(team, job, 14) == (8, False)
        assert run(team, job, 100) == (8, True)
        assert job.patience == 0
        assert run(team, job, 14) == (8, False)
        assert run(team, job, 15) == (8, True)  # at once, as the first found the team slower
        assert job.patience == 1
        assert run(team, job, 1000) == (1, False)  # too early
        job.alone_seconds = 4
        clock.now += 10
        assert run(team, job, 14) == (1, False)  # too few for a trial
    with Team(None, work=1e12, kind="b") as other:
        assert run(other, job, 20) == (8, False)
    with Team(None, work=1e12, kind="a") as team:  # goes on with what is known
        assert run(team, job, 15) == (8, True)
        assert job.patience == 1
        assert run(team, job, 15) == (8, False)
        clock.now += 10
        assert run(team, job, 100) == (8, False)  # too few since the last one


def test_one_slow_moment_breaks_no_team_up(eight_cores, clock, monkeypatch):
    monkeypatch.setattr(threads._shared, "findings", {})
    job = Job(clock, team_seconds=3, alone_seconds=2)
    with Team(None, work=1e12, kind="a") as team:
        assert run(team, job, 200) == (8, True)
        job.alone_seconds = 4
        assert run(team, job, 200) == (8, True)
        assert run(team, job, 15) == (8, False)
        clock.now += 10
        job.alone_seconds = 2
        assert run(team, job, 200) == (8, True)
        assert job.patience == 0  # the doubt is over
        assert run(team, job, 200) == (8, True)
        assert run(team, job, 20) == (1, False)


@pytest.mark.parametrize(("n_rounds", "size"), [(250, 8), (210, 1)])
def test_waiting_for_the_others_counts(eight_cores, clock, monkeypatch, n_rounds, size):
    """Which makes short jobs faster alone, though each mini-batch takes longer."""
    monkeypatch.setattr(threads._shared, "findings", {})
    with Team(None, work=1e12, kind="a") as team:
        job = Job(clock, team_seconds=3, alone_seconds=4, waiting=230)
        for _ in range(2):
            assert run(team, job, n_rounds)[0] == 8
        assert run(team, job, 10) == (size, False)


@pytest.mark.parametrize(("n_threads", "kind"), [(4, "a"), (None, None), (1, "a")])
def test_a_team_does_not_try(eight_cores, clock, n_threads, kind):
    """A number that was asked for is kept."""
    with Team(n_threads, work=1e12, kind=kind) as team:
        size = team.size
        for _ in range(2):
            assert run(team, Job(clock, 2, 1), 1000) == (size, False)


def test_few_findings_are_kept(eight_cores, clock, monkeypatch):
    """Those used last, with the process as a whole."""
    monkeypatch.setattr(threads._shared, "findings", {})
    for kind in [0, *range(1, threads.MOST_KINDS), 0, "new"]:
        Team(None, work=1e12, kind=kind)
    assert list(threads._shared.findings) == [*range(2, threads.MOST_KINDS), 0, "new"]


def test_a_fit_says_what_kind_it_is(monkeypatch):
    """As another fit of the same network to other rows; not as one of other mini-batches."""
    rng = np.random.default_rng(0)

    def kinds(n, **options):
        before = set(threads._shared.findings)
        X, y = rng.normal(size=(n, 9)), rng.integers(0, 2, n)
        options = {"batch_size": 37, "max_iter": 1, **options}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            MLPClassifier((23, 19), **options).fit(X, y)
        return set(threads._shared.findings) - before

    assert not kinds(100)  # one thread is enough for so little work
    monkeypatch.setattr(threads, "WORK_PER_THREAD", 1)
    monkeypatch.setattr(threads, "TOTAL_PER_THREAD", 1)
    assert len(kinds(100)) == 1
    assert not kinds(200)
    for options in ({"batch_size": 36}, {"dropout": 0.1}, {"dtype": "float32"}):
        assert len(kinds(100, **options)) == 1
    assert not kinds(100, batch_size=35, n_threads=2)


def test_a_training_that_goes_on_alone_and_together_again(core, eight_cores, clock, monkeypatch):
    """Epoch by epoch on a team that changes; the numbers are those of one thread."""
    monkeypatch.setattr(threads._shared, "findings", {})
    task = Task(core, n=400, batch_size=10)
    n_trials = 0
    for _ in range(30):
        with Team(None, work=1e12, kind="a") as team:
            job = task.next_epoch()
            in_time(team.run, job, job.n_batches)
        n_trials += job.trial is not None
        clock.now += 0.125
    assert n_trials == 6  # in the fifth epoch, and each fifth after it
    assert (task.params == task.expected(30)).all()
