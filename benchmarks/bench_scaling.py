"""Does the time grow with the data, and no faster? Rows, features, and width, one at a time.

    python benchmarks/bench_scaling.py [--turns 5] [--save]

Told as nanoseconds per row and epoch, and per row, epoch and product where the network changes.
The largest data are many times the caches.
"""

import numpy as np
from common import Report, compete, parser, ratio
from peers import Workload, make_sknet

ROWS = [10_000, 30_000, 100_000, 300_000, 1_000_000]
FEATURES = [3, 10, 30, 100, 300, 1_000]
WIDTHS = [10, 30, 100, 300, 1_000]


def measure(workloads, turns):
    """{workload: nanoseconds per row and epoch, (turns,)}"""
    competitors = {workload: (make_sknet, (workload, "float32", None)) for workload in workloads}
    return {
        workload: seconds * 1e9 / workload.n_samples / workload.epochs
        for workload, seconds in compete(competitors, turns).items()
    }


def main():
    arguments = parser(__doc__).parse_args()
    report = Report("bench_scaling", [], arguments.save)
    report.say("float32; fits with batches of 200 rows, adam, one hidden layer.")

    # As many rows in all: what a fit does once, whatever its size, is spread over as many.
    report.say("\n## Rows: 50 features, 100 units\n")
    report.header("rows", "MB of X", "ns per row and epoch", "beside the fewest (asked)")
    rows = [Workload(n, 50, (100,), 2, 200, "adam", ROWS[-1] // n) for n in ROWS]
    nanoseconds = measure(rows, arguments.turns)
    for workload in rows:
        growth = 1 / ratio(nanoseconds[rows[0]], nanoseconds[workload])
        report.row(
            workload.n_samples, round(workload.n_samples * 50 * 4e-6),
            f"{np.median(nanoseconds[workload]):.0f}",
            f"{growth:.2f}{' (1.2)' if workload is rows[-1] else ''}",
        )  # fmt: skip

    for title, workloads, shown in [
        ("Features: 20000 rows, 100 units",
         [Workload(20_000, n, (100,), 2, 200, "adam", 5) for n in FEATURES], "n_features"),
        ("Width: 20000 rows, 50 features",
         [Workload(20_000, 50, (n,), 2, 200, "adam", 5) for n in WIDTHS], "hidden"),
    ]:  # fmt: skip
        report.say(f"\n## {title}\n")
        report.header(shown, "ns per row and epoch", "GFLOP/s")
        nanoseconds = measure(workloads, arguments.turns)
        for workload in workloads:
            per_row = np.median(nanoseconds[workload])
            flops = workload.flops / workload.n_samples / workload.epochs
            report.row(getattr(workload, shown), f"{per_row:.0f}", f"{flops / per_row:.0f}")
    report.close()


if __name__ == "__main__":
    main()
