"""What do several starts cost, beside a single fit on one thread?

    python benchmarks/bench_explorers.py [--turns 5] [--save]

K starts on T threads should take K / T times as long; asked is at most 1.15 times that.
"""

import numpy as np
from bench_training import WORKLOADS
from common import Report, in_turns, n_cpus, parser, ratio
from peers import make_sknet

CASES = [(2, 2), (4, 2), (5, 1), (8, 2)]  # starts, threads
CHOSEN = [workload for workload, *_ in WORKLOADS[1:3]]


def measure(workload, cases, turns):
    """Seconds per fit, (1 + cases, turns), the single fit first, in turns."""
    fits = [make_sknet(workload, "float32", 1)]
    for n_starts, n_threads in cases:
        fits.append(make_sknet(workload, "float32", n_threads, {"n_starts": n_starts}))
    return in_turns(fits, turns)


def main():
    arguments = parser(__doc__).parse_args()
    report = Report("bench_explorers", [], arguments.save)
    cases = [case for case in CASES if case[1] <= n_cpus()]
    report.say("float32, milliseconds per fit.\n")
    report.header("workload", "starts", "threads", "ms", "beside K / T single fits (asked)")
    for workload in CHOSEN:
        single, *others = measure(workload, cases, arguments.turns)
        report.row(workload, 1, 1, f"{np.median(single) * 1e3:.0f}", "")
        for (n_starts, n_threads), seconds in zip(cases, others, strict=True):
            cost = ratio(seconds, single) * n_threads / n_starts
            shown = f"{cost:.2f} (1.15)" if n_starts % n_threads == 0 else f"{cost:.2f}"
            milliseconds = f"{np.median(seconds) * 1e3:.0f}"
            report.row(workload, n_starts, n_threads, milliseconds, shown)
    report.close()


if __name__ == "__main__":
    main()
