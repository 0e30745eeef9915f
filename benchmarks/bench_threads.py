"""What do threads bring, and is the number that sknet takes by itself the right one?

    python benchmarks/bench_threads.py [--turns 5] [--save]

First the workloads of bench_training on one thread and on all. Then networks and mini-batches of
many sizes: n_threads=None against the better of one and all. Since a few percent are asked about,
there are three times as many turns as asked for.
"""

import numpy as np
from bench_training import WORKLOADS
from common import Report, in_turns, n_cpus, parser, ratio
from peers import Workload, make_sknet

ASKED = {0: 1.7, 2: 1.7, 3: 1.7}  # of the workloads, all threads over one
CHOICES = [
    Workload(4_000, n_features, (width,), 2, batch_size, "adam", 1)
    for n_features, width in [(10, 10), (30, 30), (30, 100), (100, 100), (100, 300)]
    for batch_size in (32, 200, 1_000)
]


def measure(workload, turns):
    """Seconds per fit, {name: (turns,)}, in turns.

    In one process, unlike a competition of libraries: sknet's threads end with the fit, and two
    processes that run the same code may differ by more than 5 % for as long as they live.
    """
    numbers = {"one": 1, "all": n_cpus(), "chosen": None}
    fits = {name: make_sknet(workload, "float32", number) for name, number in numbers.items()}
    return dict(zip(fits, in_turns(fits.values(), turns), strict=True))


def main():
    arguments = parser(__doc__).parse_args()
    report = Report("bench_threads", [], arguments.save)
    report.say(f"Milliseconds per fit, float32; all: {n_cpus()} threads.\n")
    report.header(
        "rows x features, hidden, classes, batch, solver, epochs", "one", "all", "chosen",
        "one / all (asked)", "better / chosen (asked)",
    )  # fmt: skip
    workloads = [workload for workload, *_ in WORKLOADS] + CHOICES
    for i, workload in enumerate(workloads):
        seconds = measure(workload, 3 * arguments.turns)
        one, every, chosen = seconds["one"], seconds["all"], seconds["chosen"]
        better = one if np.median(one) < np.median(every) else every
        asked = f" ({ASKED[i]})" if i in ASKED else ""
        report.row(
            workload, *(f"{np.median(times) * 1e3:.2f}" for times in (one, every, chosen)),
            f"{ratio(one, every):.2f}{asked}", f"{ratio(better, chosen):.2f} (0.95)",
        )  # fmt: skip
    report.close()


if __name__ == "__main__":
    main()
