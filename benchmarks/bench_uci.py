"""The UCI suite of the papers on uncertainty: RMSE and coverage of 90 % intervals.

    SKNET_DATA=/path/to/data python benchmarks/bench_uci.py [--turns 20] [--save]

The recommended setting as an ensemble of five, with as many epochs as make 6,000 mini-batches where
35 make fewer, on the splits that the papers published (at most so many as there are turns). A tenth
of the training rows is held out to calibrate the intervals; the network never sees it. Beside it
the RMSE of deep ensembles (Lakshminarayanan, Pritzel and Blundell, NeurIPS 2017) and of MC-dropout
(Gal and Ghahramani, ICML 2016, as the authors ran it again in 2018), from their tables. Without the
folder there is nothing to measure.
"""

import time
import warnings

import numpy as np
import real_data
from bench_generalisation import ENSEMBLE, SETTING, epochs
from common import Report, parser

from sknet import MLPRegressor

COVERAGE = 0.9
PUBLISHED = {  # RMSE of deep ensembles, which gave naval as 0.00, and of MC-dropout
    "boston": (3.28, 2.90),
    "concrete": (6.03, 4.82),
    "energy": (2.09, 0.54),
    "kin8nm": (0.09, 0.0789),
    "naval": (0.00, 0.00074),
    "power": (4.11, 4.01),
    "protein": (4.71, 4.27),
    "wine_red": (0.64, 0.62),
    "yacht": (1.58, 0.67),
}


def read(name):
    """X, y and which rows each split tests on, (n_splits, n)."""
    with np.load(real_data.folder() / f"uci_{name}.npz") as arrays:
        masks = np.unpackbits(arrays["test_mask"], axis=1)[:, : int(arrays["n_rows"])]
        return arrays["X"].astype(float), arrays["y"].astype(float), masks.astype(bool)


def measure(X, y, is_test, seed):
    """RMSE and the part of the test rows inside their interval, of one split."""
    mean, deviation = X[~is_test].mean(axis=0), X[~is_test].std(axis=0)
    X = (X - mean) / np.where(deviation > 0, deviation, 1)
    y_mean, y_deviation = y[~is_test].mean(), y[~is_test].std()
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(~is_test))
    held_out, train = np.split(rows, [max(20, len(rows) // 10)])
    scaled = (y - y_mean) / y_deviation
    net = MLPRegressor(**SETTING, **ENSEMBLE, random_state=seed)
    net.set_params(max_iter=epochs(len(train)))
    net.fit(X[train], scaled[train], X_val=X[held_out], y_val=scaled[held_out])
    predicted = y_mean + y_deviation * net.predict(X[is_test])
    lower, upper = (y_mean + y_deviation * net.predict_interval(X[is_test], COVERAGE)).T
    inside = (lower <= y[is_test]) & (y[is_test] <= upper)
    return np.sqrt(np.mean((predicted - y[is_test]) ** 2)), inside.mean()


def main():
    options = parser(__doc__)
    options.set_defaults(turns=20)
    arguments = options.parse_args()
    if real_data.folder() is None:
        print("Not measured: SKNET_DATA must name the folder with the suite, uci_*.npz.")
        return
    warnings.simplefilter("ignore")
    report = Report("bench_uci", [], arguments.save)
    report.header(
        "table", "rows x columns", "splits", "RMSE, sknet", "deep ensembles", "MC-dropout",
        f"{COVERAGE:.0%} intervals cover", "seconds",
    )  # fmt: skip
    covered, below = [], []
    for name, published in PUBLISHED.items():
        X, y, masks = read(name)
        masks = masks[: arguments.turns]
        begin = time.perf_counter()
        found = np.array([measure(X, y, mask, seed) for seed, mask in enumerate(masks)])
        seconds = time.perf_counter() - begin
        rmse, coverage = found.mean(axis=0)
        below.append(
            [round(rmse, 2) <= value if value == 0 else rmse < value for value in published]
        )
        covered.append(coverage)
        report.row(
            name, f"{X.shape[0]}x{X.shape[1]}", len(masks), f"{rmse:.4g}", *published,
            f"{coverage:.3f}", f"{seconds:.0f}",
        )  # fmt: skip
    n_below = np.sum(below, axis=0)
    report.say(
        f"\nBelow deep ensembles on {n_below[0]} of {len(below)} tables (asked 8), below "
        f"MC-dropout on {n_below[1]} (asked 5); intervals cover {np.mean(covered):.3f} in the mean "
        "(asked 0.88 to 0.92)."
    )
    report.close()


if __name__ == "__main__":
    main()
