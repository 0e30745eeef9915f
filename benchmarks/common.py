"""What the benchmarks share: turns, tables, what is said of the machine."""

import argparse
import contextlib
import datetime
import importlib.metadata
import importlib.util
import multiprocessing
import platform
import sys
import time
import traceback
from pathlib import Path

import joblib
import numpy as np
from host import Host

TURN = 0.25  # seconds that a competitor works per turn, at the least
REST = 0.2  # seconds after a competitor's turn: until its threads sleep
RESULTS = Path(__file__).parent / "results"
HOST = Host()


def parser(doc):
    """What every benchmark can be told."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=5, help="turns of each competitor")
    parser.add_argument("--save", action="store_true", help="keep the tables under results/")
    return parser


def compete(competitors, turns):
    """Seconds per call of each competitor, {name: (turns,)}, measured in turns (A B A B ...).

    ``competitors`` is {name: (make, arguments)}; ``make(*arguments)`` is called in a process of the
    competitor's own and returns the function that is timed: the threads of one library, which wait
    busily for a while, must not take the time of another. If there is something to close at the
    end, the function has an attribute ``close``.
    """
    context = multiprocessing.get_context("spawn")
    processes = {}
    try:
        for name, (make, arguments) in competitors.items():
            here, there = context.Pipe()
            process = context.Process(target=_take_turns, args=(make, arguments, there))
            process.start()
            processes[name] = process, here
            _answer(name, here)  # data made and libraries loaded, before anything is timed
        seconds = {name: [] for name in competitors}
        for _ in range(turns):
            for name, (_, here) in processes.items():
                seconds[name].append(HOST.alone(lambda n=name, h=here: _ask(n, h)))
    finally:
        for process, here in processes.values():
            with contextlib.suppress(OSError):
                here.send(False)
            process.join()
    return {name: np.array(times) for name, times in seconds.items()}


def turn(call):
    """Seconds per call in one turn.

    A first call is not counted (it finds the caches full of the others' data); then come calls for
    TURN seconds, one at the least, which count with their mean.
    """
    call()
    begin = time.perf_counter()
    n_calls = 0
    while n_calls == 0 or time.perf_counter() - begin < TURN:
        call()
        n_calls += 1
    return (time.perf_counter() - begin) / n_calls


def in_turns(calls, turns):
    """Seconds per call of each, (n_calls, turns), measured in turns in this process."""
    rounds = [[HOST.alone(lambda c=call: turn(c)) for call in calls] for _ in range(turns)]
    return np.transpose(rounds)


def _take_turns(make, arguments, connection):
    try:
        call = make(*arguments)
        connection.send(0.0)
        while connection.recv():
            connection.send(turn(call))
        getattr(call, "close", lambda: None)()
    except Exception:
        connection.send(traceback.format_exc())


def _ask(name, connection):
    connection.send(True)
    seconds = _answer(name, connection)
    time.sleep(REST)
    return seconds


def _answer(name, connection):
    answer = connection.recv()
    if isinstance(answer, str):
        raise RuntimeError(f"{name} failed:\n{answer}")
    return answer


def gemm(dtype, size):
    """Makes a product of square matrices by NumPy's BLAS, on all its threads."""
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((2, size, size)).astype(dtype)
    C = np.empty_like(A)
    return lambda: np.matmul(A, B, out=C)


def is_installed(module):
    return importlib.util.find_spec(module) is not None


def ratio(theirs, ours):
    """The median over the turns of the ratio within a turn."""
    return float(np.median(theirs / ours))


class Report:
    """Prints lines as they come and keeps them for a file."""

    def __init__(self, name, modules, save=False):
        from sknet import _core  # here: processes of peers import this module as well

        self.name, self.save, self.lines = name, save, []
        versions = [f"Python {platform.python_version()}"]
        missing = []
        for module in ("sknet", "numpy", "scipy", "scikit-learn", *modules):
            try:
                versions.append(f"{module} {importlib.metadata.version(module)}")
            except importlib.metadata.PackageNotFoundError:
                missing.append(module)
        self.say(f"# {name}, {datetime.date.today()}")
        self.say()
        machine = f"{cpu_name()} ({_core.cpu_level()}), {n_cpus()} CPUs, {platform.system()}"
        self.say(f"{machine}; {', '.join(versions)}.")
        if missing:
            self.say(f"Not installed, so not compared: {', '.join(missing)}.")
        self.say()

    def say(self, line=""):
        self.lines.append(line)
        print(line, flush=True)

    def header(self, *columns):
        self.row(*columns)
        self.row(*["---"] * len(columns))

    def row(self, *cells):
        self.say(f"| {' | '.join(str(cell) for cell in cells)} |")

    def close(self):
        if HOST.n_turns:
            self.say()
            self.say(str(HOST))
        if self.save:
            RESULTS.mkdir(exist_ok=True)
            path = _unused(RESULTS / f"{datetime.date.today()}_{self.name}.md")
            path.write_text("\n".join(self.lines) + "\n")
            print(f"\nsaved as {path}", file=sys.stderr)


def _unused(path):
    """The path, with a number in its name if there is such a file: a table is never lost."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem}_{number}")
    return free


def n_cpus():
    return joblib.cpu_count()


def cpu_name():
    try:
        text = Path("/proc/cpuinfo").read_text()
        return next(
            line.split(":")[1].strip() for line in text.splitlines() if "model name" in line
        )
    except (OSError, StopIteration):
        return platform.processor()
