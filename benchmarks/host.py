"""Do the processors belong to us alone while we measure?

Those of a virtual machine are often threads of cores whose other thread serves another guest. A
loop of the interpreter shows it: it fills a core with instructions, and beside a busy neighbour
takes up to twice as long. So each turn waits a while for a moment in which it runs fast on all
processors; whether it still does after the turn is only told, since otherwise long turns would be
dropped more often than short ones.
"""

import contextlib
import multiprocessing
import os
import time

LOOP = 100_000  # rounds of the loop: a few milliseconds
FASTEST = 5  # loops, of which the slowest shows the best speed
LEAST = 0.9  # of a processor's best speed, for which it counts as ours
PAUSE = 0.1  # seconds between looks at a disturbed host
MOST = 16  # processors that are looked at
PATIENCE = 1.0  # seconds that a turn waits at the most
MOST_HALVINGS = 3  # of them: after so many turns in a row that waited in vain


class Host:
    """Measures while nobody else is busy.

    Attributes
    ----------
    n_turns, n_alone : how many turns were measured; and how many of them undisturbed
    """

    def __init__(self):
        self.n_turns = self.n_alone = 0
        self._connections = []
        self._in_vain = 0  # turns in a row
        self._fastest = []  # seconds of the loop

    def alone(self, measure, patience=PATIENCE):
        """``measure()``, as soon as the host is quiet or ``patience`` is lost.

        On a host that is busy all the time it is lost sooner from turn to turn.
        """
        end = time.perf_counter() + patience / 2 ** min(self._in_vain, MOST_HALVINGS)
        while not (was_quiet := self.is_quiet()) and time.perf_counter() < end:
            time.sleep(PAUSE)
        self._in_vain = 0 if was_quiet else self._in_vain + 1
        result = measure()
        self.n_turns += 1
        self.n_alone += was_quiet and self.is_quiet()
        return result

    def is_quiet(self):
        """Whether every processor runs nearly as fast as any has run before.

        The very fastest loops do not count: a processor runs ahead of itself for a moment.
        """
        seconds = self.look()
        self._fastest = sorted([*self._fastest, *seconds])[:FASTEST]
        return self._fastest[-1] >= LEAST * max(seconds)

    def look(self):
        """Seconds that the loop takes on each processor, all at once."""
        if not self._connections:
            self._start()
            for _ in range(30):  # the fastest of these are what a processor can do
                self.is_quiet()
        for connection in self._connections:
            connection.send(True)
        return [connection.recv() for connection in self._connections]

    def close(self):
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.send(False)
        self._connections = []

    def __str__(self):
        return (
            f"All processors were ours alone in {self.n_alone} of {self.n_turns} turns (before and "
            f"after them a loop ran at {LEAST:.0%} of its best speed or more)."
        )

    def _start(self):
        context = multiprocessing.get_context("spawn")
        for cpu in _processors()[:MOST]:
            here, there = context.Pipe()
            context.Process(target=_loop_when_asked, args=(cpu, there), daemon=True).start()
            self._connections.append(here)


def _processors():
    """Their numbers; None for one that cannot be chosen."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return [None] * os.cpu_count()


def _loop_when_asked(cpu, connection):
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    while connection.recv():
        connection.send(min(_seconds_of_a_loop() for _ in range(3)))


def _seconds_of_a_loop():
    begin = time.perf_counter()
    for _ in range(LOOP):
        pass
    return time.perf_counter() - begin
