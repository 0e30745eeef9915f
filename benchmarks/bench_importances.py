"""What feature_importances_ cost: the part of a fit's time that they take at its end.

    SKNET_DATA=folder python benchmarks/bench_importances.py [--turns 5] [--save]

The workloads of bench_training in float32, and the text of bench_sparse. Asked is less than 2 %.
"""

import time
import warnings

import bench_sparse
import numpy as np
from bench_training import WORKLOADS
from common import Report, in_turns, parser
from peers import settings

ASKED = 2  # per cent


def measure(parameters, X, y, turns):
    """Seconds of the importances and of all of the fit, (n_fits, 2)."""
    from sknet import MLPClassifier

    warnings.simplefilter("ignore")
    spent = []

    class Timed(MLPClassifier):
        def _note_importances(self, task):
            begin = time.perf_counter()
            super()._note_importances(task)
            spent.append([time.perf_counter() - begin, 0])

    def fit():
        begin = time.perf_counter()
        Timed(**parameters).fit(X, y)
        spent[-1][1] = time.perf_counter() - begin

    in_turns([fit], turns)
    return np.array(spent)


def cases():
    """Name, parameters, X and y of each fit."""
    for workload, *_ in WORKLOADS:
        yield str(workload), settings(workload), *workload.data("float32")
    X, y = bench_sparse.load("float32")
    for epochs in (1, 20):
        parameters = {"hidden_layer_sizes": (64,), "max_iter": epochs, "random_state": 0}
        yield f"text, {X.shape[0]}x{X.shape[1]}, (64,), {epochs}", parameters, X, y


def main():
    arguments = parser(__doc__).parse_args()
    report = Report("bench_importances", [], arguments.save)
    report.header("workload", "ms per fit", "of them importances", f"per cent ({ASKED})")
    for name, parameters, X, y in cases():
        spent = measure(parameters, X, y, arguments.turns)
        part, whole = np.median(spent, axis=0) * 1e3
        share = 100 * np.median(spent[:, 0] / spent[:, 1])
        report.row(name, f"{whole:.2f}", f"{part:.3f}", f"{share:.2f}")
    report.close()


if __name__ == "__main__":
    main()
