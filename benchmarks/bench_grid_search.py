"""Many small fits at once: a grid search in threads, which need the GIL to be free.

    python benchmarks/bench_grid_search.py [--turns 5] [--save]

The same GridSearchCV with n_jobs=1 and with n_jobs=2 under joblib's threading backend, n_threads=1
in each fit and all else left as it is by default; the scores must be the same to the last bit.
Beside it the same in two processes, which share no GIL: what the two processors of the host give.
scikit-learn's classifier runs the same grid in two processes, which suits it best.
"""

import warnings

import joblib
import numpy as np
from common import Report, compete, parser, ratio
from joblib.externals.loky import get_reusable_executor

GRID = {"alpha": [1e-5, 1e-4, 1e-3, 1e-2], "hidden_layer_sizes": [(20,), (50,)]}  # times 5 folds


def make(library, backend, n_jobs):
    from sklearn.datasets import make_classification
    from sklearn.model_selection import GridSearchCV
    from threadpoolctl import threadpool_limits

    warnings.simplefilter("ignore")
    X, y = make_classification(2_000, 20, n_informative=8, random_state=0)
    if library == "sknet":
        from sknet import MLPClassifier

        estimator = MLPClassifier(random_state=0, n_threads=1)
    else:
        from sklearn.neural_network import MLPClassifier

        threadpool_limits(1)
        estimator = MLPClassifier(random_state=0)

    def search():
        search = GridSearchCV(estimator, GRID, cv=5, n_jobs=n_jobs, refit=False)
        with joblib.parallel_config(backend):
            return search.fit(X, y).cv_results_["mean_test_score"]

    if backend == "loky":  # its processes would be waited for at the end, for minutes
        search.close = lambda: get_reusable_executor().shutdown()
    return search


def main():
    arguments = parser(__doc__).parse_args()
    report = Report("bench_grid_search", [], arguments.save)
    n_fits = 5 * int(np.prod([len(values) for values in GRID.values()]))
    report.say(f"Milliseconds per search of {n_fits} fits.\n")
    report.header("", "n_jobs", "ms", "sknet's n_jobs=1 beside it", "asked")
    cases = {
        ("sknet", "threading", 1): "",
        ("sknet", "threading", 2): "1.8",
        ("sknet", "loky", 2): "",
        ("scikit-learn", "loky", 2): "",
    }
    seconds = compete({case: (make, case) for case in cases}, arguments.turns)
    one = seconds["sknet", "threading", 1]
    for (library, backend, n_jobs), asked in cases.items():
        times = seconds[library, backend, n_jobs]
        report.row(
            f"{library}, {backend}", n_jobs, f"{np.median(times) * 1e3:.0f}",
            f"{ratio(one, times):.2f}", asked,
        )  # fmt: skip
    one, two = (make("sknet", "threading", n_jobs)() for n_jobs in (1, 2))
    report.say(f"\nSame scores bit for bit: {'yes' if np.array_equal(one, two) else 'NO'}")
    report.close()


if __name__ == "__main__":
    main()
