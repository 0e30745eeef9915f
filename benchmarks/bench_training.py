"""How fast is a fit, beside scikit-learn's? Five networks from tiny to wide, float32 and float64.

    python benchmarks/bench_training.py [--turns 5] [--threads N] [--save]

Competitors fit the same data with the same settings in turns (A B A B ...), so that they share the
machine's ups and downs; the ratio is the median over the turns of the ratio within a turn. A turn
is a first fit, which is not counted (it finds the caches full of the others' data), and then fits
for a quarter of a second, one at the least; it counts with their mean. Each competitor lives in a
process of its own: the threads of one library, which wait busily for a while, must not take the
time of another. scikit-learn is measured with both dtypes and counts with its faster one
in the float32 rows; the float64 rows compare float64 with float64.
"""

import argparse
import datetime
import itertools
import multiprocessing
import platform
import time
import warnings
from pathlib import Path

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier as SklearnMLP

import sknet

TURN = 0.25  # seconds

# rows, features, hidden layers, classes, batch size, solver, epochs, ratio asked for
WORKLOADS = [
    (60_000, 784, (16, 16), 10, 100, "sgd", 1, 5.0),
    (20_000, 50, (100,), 2, 200, "adam", 5, 5.0),
    (50_000, 100, (256, 256, 256), 2, 256, "adam", 1, 2.0),
    (10_000, 1024, (1024, 1024), 10, 256, "adam", 1, 1.3),
    (1_000, 10, (32,), 2, 32, "adam", 30, 30.0),
]


def make_data(n_samples, n_features, n_classes, dtype):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_features), dtype=np.float32).astype(dtype)
    return X, rng.integers(0, n_classes, n_samples)


def flops(n_samples, n_features, hidden, n_classes, epochs):
    """Floating-point operations of the products: forward, and backward but for the first input."""
    sizes = [n_features, *hidden, 1 if n_classes == 2 else n_classes]
    products = [a * b for a, b in itertools.pairwise(sizes)]
    return 2 * n_samples * epochs * (3 * sum(products) - products[0])


def compete(library, dtype, workload, n_threads, connection):
    """Runs in a process of its own: a turn for each message, the answer seconds per fit."""
    warnings.simplefilter("ignore")
    n_samples, n_features, hidden, n_classes, batch_size, solver, epochs, _ = workload
    settings = {
        "hidden_layer_sizes": hidden,
        "solver": solver,
        "batch_size": batch_size,
        "max_iter": epochs,
        "n_iter_no_change": epochs + 1,
        "random_state": 0,
    }
    if library == "sknet":
        estimator = sknet.MLPClassifier(**settings, n_threads=n_threads)
    else:
        estimator = SklearnMLP(**settings)
    data = make_data(n_samples, n_features, n_classes, dtype)
    while connection.recv():
        estimator.fit(*data)
        begin = time.perf_counter()
        n_fits = 0
        while n_fits == 0 or time.perf_counter() - begin < TURN:
            estimator.fit(*data)
            n_fits += 1
        connection.send((time.perf_counter() - begin) / n_fits)


def measure(workload, dtype, turns, n_threads):
    """Seconds per turn of sknet and of scikit-learn in each dtype it is compared in."""
    context = multiprocessing.get_context("spawn")
    keys = [("sknet", dtype), ("scikit-learn", dtype)]
    if dtype == "float32":
        keys.append(("scikit-learn", "float64"))
    competitors = {}
    for key in keys:
        here, there = context.Pipe()
        process = context.Process(target=compete, args=(*key, workload, n_threads, there))
        process.start()
        competitors[key] = process, here
    seconds = {key: [] for key in keys}
    for _ in range(turns):
        for key, (_, connection) in competitors.items():
            time.sleep(0.1)  # until the threads of the last one are at rest
            connection.send(True)
            seconds[key].append(connection.recv())
    for process, connection in competitors.values():
        connection.send(False)
        process.join()
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--save", action="store_true", help="keep the table under results/")
    arguments = parser.parse_args()
    lines = [
        f"bench_training, {datetime.date.today()}: sknet {sknet.__version__}, scikit-learn "
        f"{sklearn.__version__}, NumPy {np.__version__}, Python {platform.python_version()}",
        f"{cpu_name()}; median of {arguments.turns} turns, n_threads={arguments.threads}",
        "",
        "| rows x features, hidden, classes, batch, solver, epochs | dtype | scikit-learn s "
        "| sknet s | GFLOP/s | ratio | asked |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines))
    for workload in WORKLOADS:
        for dtype in ("float32", "float64"):
            seconds = measure(workload, dtype, arguments.turns, arguments.threads)
            lines.append(row(workload, dtype, seconds))
            print(lines[-1], flush=True)
    if arguments.save:
        folder = Path(__file__).parent / "results"
        path = folder / f"{datetime.date.today()}_bench_training.md"
        path.write_text("\n".join(lines) + "\n")
        print(f"\nsaved as {path}")


def row(workload, dtype, seconds):
    n_samples, n_features, hidden, n_classes, batch_size, solver, epochs, asked = workload
    ours = np.array(seconds.pop(("sknet", dtype)))
    theirs = min((np.array(times) for times in seconds.values()), key=np.median)
    rate = flops(n_samples, n_features, hidden, n_classes, epochs) / np.median(ours) / 1e9
    return (
        f"| {n_samples}x{n_features}, {hidden}, {n_classes}, b{batch_size}, {solver}, {epochs} "
        f"| {dtype} | {np.median(theirs):.4f} | {np.median(ours):.4f} | {rate:.0f} "
        f"| {np.median(theirs / ours):.1f} | {asked:g} |"
    )


def cpu_name():
    try:
        text = Path("/proc/cpuinfo").read_text()
        return next(
            line.split(":")[1].strip() for line in text.splitlines() if "model name" in line
        )
    except (OSError, StopIteration):
        return platform.processor()


if __name__ == "__main__":
    main()
