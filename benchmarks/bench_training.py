"""How fast is a fit, beside scikit-learn, torch, skorch and JAX? Five networks from tiny to wide.

    python benchmarks/bench_training.py [--turns 5] [--threads N] [--rows 1 3] [--save]

All train the same network on the same data: same batch size, solver, epochs and penalty. Peers run
with one thread and with all, scikit-learn in the float32 rows with both dtypes as well; each counts
with what is fastest. JAX runs one jitted lax.scan per epoch; its compile time is told apart. The
share of the peak compares the products of our whole fit with NumPy's product of matrices of 2048
rows and columns, in the same turns. Beside it stands what NumPy's BLAS has of it in the products of
this network alone, with nothing in between: how near to the peak they come at this hour.
"""

import time

import numpy as np
from common import Report, compete, gemm, n_cpus, parser, ratio
from peers import PEERS, Workload, make_jax, make_products, make_sknet

# Workload; in float32 the ratios asked for per peer and the share of peak; float64's ratio.
WORKLOADS = [
    (Workload(60_000, 784, (16, 16), 10, 100, "sgd", 1), (13, 11, 25, 5), 60, 6),
    (Workload(20_000, 50, (100,), 2, 200, "adam", 5), (13, 14, 50, 5), 55, 7),
    (Workload(50_000, 100, (256, 256, 256), 2, 256, "adam", 1), (3.3, 1.8, 3.6, 1.6), 92, 2),
    (Workload(10_000, 1024, (1024, 1024), 10, 256, "adam", 1), (2.2, 1.2, 1.45, 1.05), 90, 1.4),
    (Workload(1_000, 10, (32,), 2, 32, "adam", 30), (60, 110, 300, 5), None, 40),
]
GEMM = 2048  # rows and columns of the product that shows the peak


def measure(workload, dtype, peers, turns, n_threads):
    """Seconds per turn: sknet, the peak's product, a fit's products alone, each peer's best."""
    competitors = {"sknet": (make_sknet, (workload, dtype, n_threads))}
    variants = {}
    for name, peer in peers.items():
        dtypes = peer.dtypes if dtype == "float32" else [dtype]
        for peer_dtype in dtypes:
            for peer_threads in sorted({1, n_cpus()}):
                key = f"{name} {peer_dtype} {peer_threads}"
                competitors[key] = peer.make, (workload, peer_dtype, peer_threads)
                variants.setdefault(name, []).append(key)
    competitors["gemm"] = gemm, (dtype, GEMM)
    competitors["products"] = make_products, (workload, dtype)
    seconds = compete(competitors, turns)
    best = {
        name: min((seconds[key] for key in keys), key=np.median) for name, keys in variants.items()
    }
    return seconds["sknet"], seconds["gemm"], seconds["products"], best


def compile_time(workload):
    """Seconds that JAX's first fit takes beyond its second."""
    fit = make_jax(workload, "float32", n_cpus())
    times = []
    for _ in range(2):
        begin = time.perf_counter()
        fit()
        times.append(time.perf_counter() - begin)
    return times[0] - times[1]


def main():
    arguments = parser(__doc__)
    arguments.add_argument("--threads", type=int, default=None, help="n_threads of sknet")
    arguments.add_argument("--rows", type=int, nargs="+", default=range(1, len(WORKLOADS) + 1))
    arguments.add_argument("--dtypes", nargs="+", default=["float32", "float64"])
    arguments = arguments.parse_args()
    report = Report("bench_training", ["torch", "skorch", "jax"], arguments.save)
    report.say(
        f"Seconds per fit, medians of {arguments.turns} turns; behind them sknet's ratio to the "
        f"peer (asked for); n_threads={arguments.threads}."
    )
    peers = {name: peer for name, peer in PEERS.items() if peer.is_installed}
    for dtype in arguments.dtypes:
        compared = peers if dtype == "float32" else {"scikit-learn": peers["scikit-learn"]}
        report.say(f"\n## {dtype}\n")
        report.header(
            "rows x features, hidden, classes, batch, solver, epochs", "sknet", *compared,
            "GFLOP/s", "share of peak", "products by NumPy",
            *["JAX compiles"] * ("JAX" in compared),
        )  # fmt: skip
        for number in arguments.rows:
            workload, asked, share_asked, asked_in_double = WORKLOADS[number - 1]
            marks = dict(zip(PEERS, asked if dtype == "float32" else [asked_in_double]))
            ours, product, products, theirs = measure(
                workload, dtype, compared, arguments.turns, arguments.threads
            )
            rate, peak = workload.flops / ours, 2 * GEMM**3 / product
            share = np.median(rate / peak)
            share_by_numpy = np.median(workload.flops / products / peak)
            asked_share = f" ({share_asked})" if share_asked and dtype == "float32" else ""
            report.row(
                workload,
                f"{np.median(ours):.4f}",
                *(
                    f"{np.median(seconds):.4f}: {ratio(seconds, ours):.1f} ({marks[name]:g})"
                    for name, seconds in theirs.items()
                ),
                f"{np.median(rate) / 1e9:.0f}",
                f"{share:.0%}{asked_share}",
                f"{share_by_numpy:.0%}",
                *[f"{compile_time(workload):.1f}"] * ("JAX" in compared),
            )
    report.close()


if __name__ == "__main__":
    main()
