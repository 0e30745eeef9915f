"""Trainings on teams of threads, for the tests of teams and of what they share."""

import contextlib
import threading

import numpy as np
from driver import make_data, make_network, make_trainer, train

from sknet import _core, threads
from sknet.threads import Team

TIMEOUT = 60  # seconds after which what should end at once is said to hang


def in_time(function, *args):
    """function(*args) in a thread of its own: a hang is a failure, not the end of the tests."""
    outcome = {}

    def target():
        try:
            outcome["result"] = function(*args)
        except BaseException as exception:
            outcome["exception"] = exception

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    assert not thread.is_alive(), f"no end after {TIMEOUT} s"
    if "exception" in outcome:
        raise outcome["exception"]
    return outcome["result"]


def busy_threads():
    return [
        thread
        for thread in threading.enumerate()
        if thread.name.startswith("sknet-") and thread not in threads._shared.idle_helpers
    ]


class Task:
    """A small training, epoch by epoch, on any team."""

    def __init__(self, core, n=200, width=12, batch_size=40):
        rng = np.random.default_rng(0)
        self.network = make_network(core, "BatchNorm", 12, 3, width=width)
        self.X, self.y = rng.normal(size=(n, 12)), rng.integers(0, 3, (n, 1))
        self.params = (rng.normal(size=self.network.n_params) / 4).astype(core.DTYPE)
        self.start = self.params.copy()
        self.core, self.epoch, self.batch_size = core, 0, batch_size
        self.loss = core.LOSSES["softmax_log_loss"](3)
        self.trainer, self.state, self.moments = make_trainer(
            core, self.network, self.loss, core.Adam(), make_data(core, self.X, self.y),
            self.params, batch_size=batch_size,
        )  # fmt: skip

    def next_epoch(self):
        n = self.trainer.n_batches
        self.trainer.set_epochs(np.full(n, 0.01), self.epoch * n, self.epoch << 32)
        self.epoch += 1
        return self.trainer

    def run(self, team, epochs):
        for _ in range(epochs):
            team.run(self.next_epoch())
        return self

    def expected(self, epochs):
        """Parameters after as many epochs on one thread."""
        return train(
            self.core, self.network, self.loss, self.X, self.y, params=self.start, epochs=epochs,
            optimizer=self.core.Adam(), batch_size=self.batch_size,
        ).params  # fmt: skip


def fit(n_threads, epochs=3, **options):
    """Trains a task on a team of its own and returns its parameters as bytes."""
    task = Task(_core.load(np.float64), **options)
    with Team(n_threads, work=0) as team:
        return task.run(team, epochs).params.tobytes()


@contextlib.contextmanager
def fits_elsewhere(n):
    """Teams of n other threads at work."""
    begun, end = threading.Barrier(n + 1), threading.Event()

    def hold():
        with Team(1, work=0):
            begun.wait(TIMEOUT)
            end.wait(TIMEOUT)

    others = [threading.Thread(target=hold) for _ in range(n)]
    for other in others:
        other.start()
    try:
        begun.wait(TIMEOUT)
        yield
    finally:
        end.set()
        for other in others:
            other.join(TIMEOUT)
