"""False discoveries and power of KnockoffSelector(fdr=0.1), where it is known what matters.

    SKNET_DATA=folder python benchmarks/bench_knockoffs.py [--runs 50] [--save]

Simulated tables of 1,000 rows and 100 correlated columns (normal, correlation 0.5 to the power of
their distance), 20 of which matter, chosen at random:

- linear: y is the sum of their values with coefficients of 0.2 and random signs, plus normal noise
  of deviation 1;
- cubic: the cube of such a sum, of deviation 1 and halved, plus the same noise, the nonlinear
  setting of Lu, Fan, Lv and Noble, "DeepPINK: reproducible feature selection in deep neural
  networks", NeurIPS 2018;
- additive: the sum of a curve of each: sine, square, absolute value, rectified and hyperbolic
  tangent, each with a random sign and deviation 1 on average, plus noise of a quarter of the sum's
  deviation.

Then the table waveform5000, whose last 19 columns are noise; 80 % of its rows, ten times.
"""

import time
import warnings

import numpy as np
import real_data
from common import Report, parser
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sknet import MLPClassifier, MLPRegressor
from sknet.feature_selection import KnockoffSelector

N_ROWS, N_COLUMNS, N_TRUE = 1000, 100, 20
CURVES = (
    lambda x: 1.4 * np.sin(1.5 * x),
    lambda x: (x**2 - 1) / np.sqrt(2),
    lambda x: 1.7 * np.abs(x),
    lambda x: 1.7 * np.maximum(x, 0),
    lambda x: 1.3 * np.tanh(2 * x),
)
NETWORK = {"l1": 1.0, "input_noise": 0.3, "n_starts": 4, "combine": "mean"}


def simulate(kind, seed):
    """X, y, and for each column whether it matters."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(N_ROWS, N_COLUMNS))
    X = noise.copy()
    for column in range(1, N_COLUMNS):
        X[:, column] = 0.5 * X[:, column - 1] + np.sqrt(0.75) * noise[:, column]
    chosen = rng.choice(N_COLUMNS, N_TRUE, replace=False)
    signs = rng.choice([-1, 1], N_TRUE)
    if kind == "linear":
        signal, deviation = 0.2 * X[:, chosen] @ signs, 1.0
    elif kind == "cubic":
        signal, deviation = (X[:, chosen] @ signs / np.sqrt(N_TRUE)) ** 3 / 2, 1.0
    else:
        parts = (sign * CURVES[i % len(CURVES)](X[:, column])
                 for i, (column, sign) in enumerate(zip(chosen, signs, strict=True)))  # fmt: skip
        signal = sum(parts)
        deviation = signal.std() / 4
    y = signal + deviation * rng.normal(size=N_ROWS)
    return X, (y - y.mean()) / y.std(), np.isin(np.arange(N_COLUMNS), chosen)


def main():
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=int, default=50)
    arguments = arguments.parse_args()
    warnings.simplefilter("ignore")
    report = Report("bench_knockoffs", [], arguments.save)
    report.say(f"Means of {arguments.runs} runs (standard errors).")
    report.say()
    report.header("y", "false among chosen", "found of what matters", "seconds")
    for kind in ("linear", "cubic", "additive"):
        false, found, seconds = [], [], []
        for seed in range(arguments.runs):
            X, y, matters = simulate(kind, seed)
            selector = KnockoffSelector(MLPRegressor((32,), **NETWORK), random_state=seed)
            begin = time.perf_counter()
            support = selector.fit(X, y).support_
            seconds.append(time.perf_counter() - begin)
            false.append((support & ~matters).sum() / max(1, support.sum()))
            found.append((support & matters).sum() / N_TRUE)
        cells = [
            f"{np.mean(parts):.3f} ({np.std(parts) / np.sqrt(len(parts)):.3f})"
            for parts in (false, found)
        ]
        report.row(kind, *cells, f"{np.median(seconds):.1f}")
    waveform(report)
    report.close()


def waveform(report):
    if real_data.folder() is None:
        return
    with np.load(real_data.folder() / "waveform5000.npz") as arrays:
        X, y = arrays["X"], arrays["y"]
    X = StandardScaler().fit_transform(X)
    report.say()
    report.header("waveform5000, split", "chosen of the first 21", "of the 19 of noise", "seconds")
    for seed in range(10):
        rows, _, classes, _ = train_test_split(X, y, test_size=0.2, stratify=y, random_state=seed)
        net = MLPClassifier((32,), max_iter=30, **NETWORK)
        begin = time.perf_counter()
        support = KnockoffSelector(net, random_state=seed).fit(rows, classes).support_
        seconds = time.perf_counter() - begin
        report.row(seed, support[:21].sum(), support[21:].sum(), f"{seconds:.1f}")


if __name__ == "__main__":
    main()
