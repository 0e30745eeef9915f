"""Trainings side by side: each on one thread of a team, whichever is free."""

import math
import threading

import sklearn

from sknet.threads import Team

__all__ = ["side_by_side"]


def side_by_side(task, n_tasks, n_threads):
    """What task(i, halt) returns for each i below n_tasks, in their order.

    Each runs in one thread, so that it does not matter how many run at a time.

    Parameters
    ----------
    task : callable(int, threading.Event)
        Is to end soon once the event is set, which it may do itself. Ctrl-C and an error in one of
        the tasks set it; the first error is raised when all have ended.
    n_tasks, n_threads : int
    """
    tasks = _Tasks(task, n_tasks)
    with Team(min(n_threads, n_tasks), math.inf) as team:
        team.run(tasks)
    return tasks.results()


class _Tasks:
    """The job of a team."""

    def __init__(self, task, n_tasks):
        self._task, self._n_tasks = task, n_tasks
        self._numbers = iter(range(n_tasks))  # next() of it is safe from several threads
        self._results, self._errors = {}, []
        self._halt = threading.Event()
        self._config = sklearn.get_config()  # of this thread; others have their own

    def start(self, size):
        self._size, self._ended = size, threading.Semaphore(0)

    def abort(self):
        self._halt.set()

    def work(self, rank):
        try:
            with sklearn.config_context(**self._config):
                for i in self._numbers:
                    self._results[i] = self._task(i, self._halt)
        except BaseException as error:  # whatever it is, the calling thread waits for this one
            self._errors.append(error)
            self._halt.set()
        self._ended.release()
        if rank == 0:
            self._wait()

    def _wait(self):
        n_ended = 0
        while n_ended < self._size:
            try:
                self._ended.acquire()
                n_ended += 1
            except KeyboardInterrupt:
                self._halt.set()

    def results(self):
        if self._errors:
            raise self._errors[0]
        return [self._results[i] for i in range(self._n_tasks)]
