"""What do threads bring, and is the number that sknet takes by itself the right one?

    python benchmarks/bench_threads.py [--turns 5] [--save]

First the workloads of bench_training on one thread and on all, and as many fits at once as there
are processors, each on one thread and with data of its own. Those hand nothing to each other: what
the processors bring to them is the limit for the threads of one fit. Then networks and mini-batches
of many sizes: n_threads=None against the better of one and all. Since a few percent are asked
about, there are three times as many turns as asked for, and a turn of these fits of a few
milliseconds is ten of them.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from bench_training import WORKLOADS
from common import Report, in_turns, n_cpus, parser, ratio
from peers import Workload, make_sknet

REPEATS = 10  # of the small fits, in a turn
ASKED = {0: 1.7, 2: 1.7, 3: 1.7}  # of the workloads, all threads over one
CHOICES = [
    Workload(4_000, n_features, (width,), 2, batch_size, "adam", 1)
    for n_features, width in [(10, 10), (30, 30), (30, 100), (100, 100), (100, 300)]
    for batch_size in (32, 200, 1_000)
]


def side_by_side(workload):
    """As many fits at once as there are processors, each on one thread."""
    fits = [make_sknet(workload, "float32", 1) for _ in range(n_cpus())]
    pool = ThreadPoolExecutor(len(fits))

    def run():
        for future in [pool.submit(fit) for fit in fits]:
            future.result()

    return run


def repeated(fit):
    def run():
        for _ in range(REPEATS):
            fit()

    return run


def measure(workload, turns, is_small):
    """Seconds per fit, {name: (turns,)}, in turns; of larger ones those side by side, too.

    In one process, unlike a competition of libraries: sknet's threads end with the fit, and two
    processes that run the same code may differ by more than 5 % for as long as they live.
    """
    numbers = {"one": 1, "all": n_cpus(), "chosen": None}
    fits = {name: make_sknet(workload, "float32", number) for name, number in numbers.items()}
    if is_small:
        calls = [repeated(fit) for fit in fits.values()]
        return dict(zip(fits, in_turns(calls, turns) / REPEATS, strict=True))
    fits["side by side"] = side_by_side(workload)
    return dict(zip(fits, in_turns(fits.values(), turns), strict=True))


def main():
    arguments = parser(__doc__).parse_args()
    report = Report("bench_threads", [], arguments.save)
    report.say(f"Milliseconds per fit, float32; all: {n_cpus()} threads.\n")
    report.header(
        "rows x features, hidden, classes, batch, solver, epochs", "one", "all", "chosen",
        "one / all (asked)", "its limit", "better / chosen (asked)",
    )  # fmt: skip
    workloads = [workload for workload, *_ in WORKLOADS] + CHOICES
    for i, workload in enumerate(workloads):
        is_small = i >= len(WORKLOADS)
        seconds = measure(workload, 3 * arguments.turns, is_small)
        one, every, chosen = seconds["one"], seconds["all"], seconds["chosen"]
        better = one if np.median(one) < np.median(every) else every
        asked = f" ({ASKED[i]})" if i in ASKED else ""
        limit = f"{n_cpus() * ratio(one, seconds['side by side']):.2f}" if not is_small else ""
        report.row(
            workload, *(f"{np.median(times) * 1e3:.2f}" for times in (one, every, chosen)),
            f"{ratio(one, every):.2f}{asked}", limit, f"{ratio(better, chosen):.2f} (0.95)",
        )  # fmt: skip
    report.close()


if __name__ == "__main__":
    main()
