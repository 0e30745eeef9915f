"""How fast is a prediction: of one row, and of very many?

    python benchmarks/bench_predict.py [--turns 5] [--save]

One row is what a service answers with; there the time goes into checks. Many rows are computed in
blocks: the table says how much memory a call takes beyond its result. torch has no checks at all.
"""

import threading
import time
import warnings
from pathlib import Path

import numpy as np
from common import Report, compete, is_installed, n_cpus, parser, ratio

ROWS, FEATURES, HIDDEN = 200_000, 50, (100,)


def fitted(library, dtype, n_threads):
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((2_000, FEATURES)).astype(dtype), rng.integers(0, 2, 2_000)
    if library == "sknet":
        from sknet import MLPClassifier

        return MLPClassifier(HIDDEN, max_iter=2, random_state=0, n_threads=n_threads).fit(X, y)
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    threadpool_limits(n_threads)
    return MLPClassifier(HIDDEN, max_iter=2, random_state=0).fit(X, y)


def make(library, method, n_rows, dtype, n_threads):
    X = np.random.default_rng(1).standard_normal((n_rows, FEATURES)).astype(dtype)
    if library == "torch":
        return make_torch(X, n_threads)
    estimator = fitted(library, dtype, n_threads)
    predict = getattr(estimator, method)
    return lambda: predict(X)


def make_torch(X, n_threads):
    """No checks, no estimator: what torch's forward pass costs by itself."""
    import torch

    torch.set_num_threads(n_threads)
    module = torch.nn.Sequential(
        torch.nn.Linear(FEATURES, *HIDDEN), torch.nn.ReLU(), torch.nn.Linear(*HIDDEN, 1)
    ).to(torch.from_numpy(X).dtype)

    def predict():
        with torch.inference_mode():
            return torch.sigmoid(module(torch.from_numpy(X))).numpy()

    return predict


def extra_memory(dtype):
    """Bytes that predict_proba of ROWS rows takes beyond X and its result, at the most."""
    estimator = fitted("sknet", dtype, None)
    X = np.random.default_rng(1).standard_normal((ROWS, FEATURES)).astype(dtype)
    estimator.predict_proba(X[:10])  # what is loaded or made once
    before, highest, done = resident(), [0], threading.Event()

    def watch():
        while not done.is_set():
            highest[0] = max(highest[0], resident())
            time.sleep(0.0002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(20):
        result = estimator.predict_proba(X)
    done.set()
    watcher.join()
    return highest[0] - before - result.nbytes


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def main():
    arguments = parser(__doc__).parse_args()
    report = Report("bench_predict", ["torch"], arguments.save)
    for method, n_rows, unit, asked in [
        ("predict_proba", 1, 1e6, "at most 15 us"),
        ("predict", 1, 1e6, ""),
        ("predict_proba", ROWS, 1e3, "6 times scikit-learn"),
        ("predict", ROWS, 1e3, ""),
    ]:
        report.say(
            f"\n`{method}` of {n_rows} x {FEATURES} through {HIDDEN}, "
            f"{'us' if unit == 1e6 else 'ms'}{'; asked: ' if asked else ''}{asked}\n"
        )
        report.header("dtype", "sknet", "scikit-learn", "ratio", "torch's forward", "ratio")
        for dtype in ("float32", "float64"):
            competitors = {"sknet": (make, ("sknet", method, n_rows, dtype, None))}
            libraries = ["scikit-learn", *["torch"] * is_installed("torch")]
            for library in libraries:
                for n_threads in sorted({1, n_cpus()}):
                    key = f"{library} {n_threads}"
                    competitors[key] = make, (library, method, n_rows, dtype, n_threads)
            seconds = compete(competitors, arguments.turns)
            ours, cells = seconds["sknet"], []
            for library in libraries:
                keys = [key for key in seconds if key.startswith(library)]
                best = min((seconds[key] for key in keys), key=np.median)
                cells += [f"{np.median(best) * unit:.1f}", f"{ratio(best, ours):.1f}"]
            report.row(dtype, f"{np.median(ours) * unit:.1f}", *cells)
    report.say("\nMemory of `predict_proba` beyond X and its result; asked: a few megabytes\n")
    report.header("dtype", "MB")
    for dtype in ("float32", "float64"):
        report.row(dtype, f"{extra_memory(dtype) / 1e6:.1f}")
    report.close()


if __name__ == "__main__":
    main()
