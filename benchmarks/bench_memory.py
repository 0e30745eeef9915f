"""How much memory do fit and predict take beyond X and y? (Linux)

    python benchmarks/bench_memory.py [--save]

Each case runs in a process of its own; what counts is the highest resident memory during the call
beyond what was resident when it began: X, y and all libraries were. A copy of X would show as its
whole size. A fit may take four times the parameters (they, their gradient, two moments), the
mini-batch's activations, their gradients and what is made of them, and 30 MB; predict 30 MB.
"""

import multiprocessing
import warnings
from pathlib import Path

import numpy as np
from common import Report, parser
from peers import Workload, settings

MB = 1_000_000
CASES = [
    Workload(200_000, 300, (100,), 2, 200, "adam", 1),
    Workload(60_000, 784, (16, 16), 10, 100, "sgd", 1),
    Workload(50_000, 100, (256, 256, 256), 2, 256, "adam", 1),
    Workload(10_000, 1024, (1024, 1024), 10, 256, "adam", 1),
]


def resident(what):
    """Bytes: VmRSS, what is resident now, or VmHWM, the highest since reset_peak()."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {what}")


def reset_peak():
    Path("/proc/self/clear_refs").write_text("5")


def extra(library, workload, dtype, method):
    """Bytes that the call takes, at the most, beyond what is resident when it begins."""
    warnings.simplefilter("ignore")
    if library == "sknet":
        from sknet import MLPClassifier
    else:
        from sklearn.neural_network import MLPClassifier
    estimator = MLPClassifier(**settings(workload))
    X, y = workload.data(dtype)
    if method == "predict":
        estimator.fit(X[:1_000], y[:1_000])
        estimator.predict(X[:1_000])
    else:  # what libraries load or make once
        MLPClassifier((2,), max_iter=1).fit(X[:1_000, :2].copy(), y[:1_000])
    reset_peak()
    before = resident("VmRSS")
    result = estimator.fit(X, y) if method == "fit" else estimator.predict(X)
    taken = resident("VmHWM") - before
    del result
    return taken


def allowed(workload, dtype, method):
    if method == "predict":
        return 30 * MB
    size = np.dtype(dtype).itemsize
    n_params = sum((a + 1) * b for a, b in zip(workload.sizes, workload.sizes[1:]))
    per_row = workload.n_features + 3 * sum(workload.sizes[1:])
    return (4 * n_params + workload.batch_size * per_row) * size + 30 * MB


def main():
    arguments = parser(__doc__).parse_args()
    report = Report("bench_memory", [], arguments.save)
    report.say("MB beyond X and y.\n")
    report.header(
        "rows x features, hidden, classes, batch, solver, epochs", "call", "dtype", "X",
        "sknet", "asked: at most", "scikit-learn",
    )  # fmt: skip
    context = multiprocessing.get_context("spawn")
    for workload in CASES:
        for method in ("fit", "predict"):
            for dtype in ("float32", "float64"):
                taken = []
                for library in ("sknet", "scikit-learn"):
                    with context.Pool(1) as pool:
                        taken.append(pool.apply(extra, (library, workload, dtype, method)))
                ours, theirs = taken
                size = workload.n_samples * workload.n_features * np.dtype(dtype).itemsize
                report.row(
                    workload, method, dtype, f"{size / MB:.0f}", f"{ours / MB:.1f}",
                    f"{allowed(workload, dtype, method) / MB:.0f}", f"{theirs / MB:.1f}",
                )  # fmt: skip
    report.close()


if __name__ == "__main__":
    main()
