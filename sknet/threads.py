"""Threads: how many a fit may use, the team that runs a job, and BLAS held to one thread.

The number of threads never changes a result, only its time; so it may follow what the machine has
to spare at the moment.
"""

import functools
import math
import os
import queue
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager

import joblib
import threadpoolctl

__all__ = ["Team", "available_threads", "run_job", "single_threaded_blas"]

# Multiply-adds between two barriers, and in all, per thread: below twice that a second one costs
# more than it brings. To wake a thread takes 0.02 ms, to start one 0.2, and each barrier its
# microseconds.
WORK_PER_THREAD = 900_000
TOTAL_PER_THREAD = 10_000_000
TRIAL_SECONDS = 0.5  # between two trials: as long as a host leaves cores where they are
TRIAL_ROUNDS = 200  # and so many rounds, as a trial takes 14
LEAST_ROUNDS = 15  # of a job that tries
MOST_KINDS = 100  # of jobs, that findings are kept of
IDLE_SECONDS = 1  # that a thread without a team waits for the next one


def available_threads():
    """How many threads a fit may use here when n_threads is None.

    The cores of this process or container, no more than OMP_NUM_THREADS, one inside a nested
    joblib worker, and no more than a fair share among the fits now running in this process.
    """
    affinity = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    n_threads = _cpu_count(affinity, os.environ.get("LOKY_MAX_CPU_COUNT"))
    limit = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if limit.isdigit() and int(limit) > 0:
        n_threads = min(n_threads, int(limit))
    n_threads = min(n_threads, joblib.effective_n_jobs(n_threads))
    return max(1, n_threads // max(1, len(_shared.leaders)))


@functools.lru_cache(maxsize=16)  # a container's share stands in files; reading them takes 0.1 ms
def _cpu_count(affinity, loky_max_cpu_count):
    return joblib.cpu_count()


def worth_while(work, total):
    """How many threads so much work keeps busy; parameters as of Team."""
    return max(1, int(min(work / WORK_PER_THREAD, total / TOTAL_PER_THREAD, 2**30)))


class Team:
    """Threads that work on a job together, the calling thread being one of them.

    Use it as a context manager: from its beginning to its end the other threads are its own and
    make one call without the GIL per job. Then they wait a little for the next team.

    Parameters
    ----------
    n_threads : int or None
        None for what is available and worth while.
    work, total : float
        Multiply-adds between two barriers of a job, and of all jobs together: little work keeps
        to few threads. Ignored when n_threads is given.
    most : int
        Threads that the jobs can use, whatever n_threads is.
    kind : hashable or None
        What makes jobs alike. Those of a kind try from time to time whether the calling thread is
        faster alone, if n_threads is None, and go by what the last trial found.
    """

    def __init__(self, n_threads, work, total=math.inf, most=sys.maxsize, kind=None):
        self._n_threads = None if n_threads is None else min(n_threads, most)
        self._worth_while = min(worth_while(work, total), most)
        tries = n_threads is None and self._worth_while > 1 and kind is not None
        self._finding = _finding(kind) if tries else None
        self._helpers = []
        self._done = queue.SimpleQueue()

    def __enter__(self):
        with _shared.lock:
            _shared.leaders[threading.get_ident()] += 1
        n_threads = self._n_threads
        if n_threads is None:
            n_threads = self._worth_while
            n_threads = 1 if n_threads == 1 else min(n_threads, available_threads())
        with _shared.lock:
            while self.size < n_threads and _shared.idle_helpers:
                self._helpers.append(_shared.idle_helpers.pop())
        while self.size < n_threads:
            helper = _Helper()
            try:
                helper.start()
            except RuntimeError:  # no more threads to be had: a smaller team
                break
            self._helpers.append(helper)
        return self

    def __exit__(self, *exception):
        leader = threading.get_ident()
        with _shared.lock:
            _shared.idle_helpers.extend(self._helpers)
            _shared.leaders[leader] -= 1
            if not _shared.leaders[leader]:
                del _shared.leaders[leader]

    @property
    def size(self):
        """Number of threads, the calling one included."""
        return 1 + len(self._helpers)

    def run(self, job, n_rounds=0):
        """Runs job.work(rank) on every thread and returns when all are done.

        Of a job that can try_alone(), n_rounds says how often its threads meet.
        """
        finding = self._finding if self._helpers else None
        tries = finding is not None and finding.is_due(n_rounds)
        helpers = [] if finding is not None and finding.is_alone and not tries else self._helpers
        job.start(1 + len(helpers))
        if tries:
            job.try_alone(finding.patience)
        begun = time.perf_counter()
        n_called = 0
        try:
            for helper in helpers:
                n_called += 1
                helper.inbox.put((job, n_called, self._done))
            job.work(0)
        except BaseException:  # Ctrl-C, just before the work: nobody must wait for rank 0
            job.abort()
            raise
        finally:
            for _ in range(n_called):
                self._done.get()
        if tries:
            finding.note(job.trial, n_rounds, time.perf_counter() - begun)


class _Finding:
    """Whether the calling thread is faster alone, with jobs of one kind.

    A trial is short, and the machine may have been busy just then: a team breaks up only when a
    second one, in the next job, finds the same.

    Attributes
    ----------
    is_alone : bool
    is_doubtful : bool
        Whether there is a team that was slower in the last trial.
    """

    def __init__(self):
        self.is_alone = self.is_doubtful = False
        self.n_untried = 0
        self.next_trial = 0.0

    @property
    def patience(self):
        """Of a trial: whether it may leave the rest of its job to the calling thread."""
        return 1 if self.is_alone or self.is_doubtful else 0

    def is_due(self, n_rounds):
        """Whether a job of so many rounds is to try again."""
        self.n_untried += n_rounds
        now = time.monotonic()
        if n_rounds < LEAST_ROUNDS or self.n_untried < TRIAL_ROUNDS or now < self.next_trial:
            return False
        self.n_untried, self.next_trial = 0, now + TRIAL_SECONDS
        return True

    def note(self, trial, n_rounds, seconds):
        """Learns from a trial, in a job of so many rounds that took so long."""
        waiting = seconds - trial.seconds  # until the others had woken up, and had told their end
        alone, together = n_rounds * trial.alone_seconds, n_rounds * trial.team_seconds + waiting
        is_first = not (self.is_alone or self.is_doubtful)
        self.is_doubtful = alone <= together and is_first
        self.is_alone = alone <= together and not is_first
        if self.is_doubtful:
            self.n_untried, self.next_trial = TRIAL_ROUNDS, 0.0


def _finding(kind):
    with _shared.lock:
        finding = _shared.findings.pop(kind, None) or _Finding()
        _shared.findings[kind] = finding  # the last used stands last
        if len(_shared.findings) > MOST_KINDS:
            del _shared.findings[next(iter(_shared.findings))]
    return finding


class _Helper(threading.Thread):
    """A thread that works for one team after another: to start one takes as long as a small fit."""

    def __init__(self):
        super().__init__(name="sknet-helper", daemon=True)
        self.inbox = queue.SimpleQueue()

    def run(self):
        while (call := self._next_call()) is not None:
            job, rank, done = call
            job.work(rank)
            del job, call  # they hold arrays
            done.put(rank)

    def _next_call(self):
        """Job, rank and where to report; None if no team has wanted this thread for a while."""
        while True:
            try:
                return self.inbox.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with _shared.lock:
                    if self in _shared.idle_helpers:
                        _shared.idle_helpers.remove(self)
                        return None


def run_job(job, n_threads, work):
    """Runs a single job on no more threads than its work keeps busy; parameters as of Team.

    Of a job after a fit, or a prediction, so many are enough even where n_threads is larger.
    """
    most = worth_while(work, work)
    if most == 1:
        job.start(1)
        job.work(0)
        return
    with Team(n_threads, work, work, most) as team:
        team.run(job)


@contextmanager
def single_threaded_blas():
    """Holds BLAS to one thread, so that its sums do not depend on the number of threads.

    The limit is one per process: the first of several holders sets it, the last one lifts it.
    """
    with _shared.lock:
        _shared.n_blas_holders += 1
        if _shared.n_blas_holders == 1:
            _shared.blas_keeper = _BlasKeeper()
    try:
        yield
    finally:
        with _shared.lock:
            _shared.n_blas_holders -= 1
            if _shared.n_blas_holders == 0:
                _shared.blas_keeper.release()


@functools.cache
def _blas_libraries():
    """What there is of BLAS, NumPy's and SciPy's; looking for it takes longer than a small fit."""
    import scipy.linalg  # noqa: F401  brings SciPy's

    return threadpoolctl.ThreadpoolController().select(user_api="blas")


class _BlasKeeper:
    """A thread that limits BLAS and lifts the limit again.

    It must be one thread that does both: threadpoolctl ignores what other threads ask for while
    the one that asked first is alive.
    """

    def __init__(self):
        self._limited = threading.Event()
        self._released = threading.Event()
        self.limit = None
        self._thread = threading.Thread(target=self._keep, name="sknet-blas", daemon=True)
        self._thread.start()
        self._limited.wait()

    def _keep(self):
        try:
            with _blas_libraries().limit(limits=1) as self.limit:
                self._limited.set()
                self._released.wait()
                self.limit = None
        finally:
            self._limited.set()

    def release(self):
        self._released.set()
        self._thread.join()


class _Shared:
    """What the fits of one process share, under a lock."""

    def __init__(self):
        self.lock = threading.Lock()
        self.leaders = Counter()  # calling threads with a team at work: how many, one in another
        self.idle_helpers = []
        self.findings = {}  # by kind of job
        self.n_blas_holders = 0
        self.blas_keeper = None


def _after_fork():
    """In a forked child no other thread lives: nobody holds anything any more."""
    global _shared
    keeper = _shared.blas_keeper
    _shared = _Shared()
    if keeper is not None and keeper.limit is not None:
        # By a thread that ends, so that it is free again which thread sets the next limit.
        lifting = threading.Thread(target=keeper.limit.restore_original_limits)
        lifting.start()
        lifting.join()


_shared = _Shared()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
