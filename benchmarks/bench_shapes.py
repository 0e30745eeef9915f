"""Forty networks and mini-batches that nothing was tuned for, each beside scikit-learn.

    python benchmarks/bench_shapes.py [--turns 5] [--save]

Odd widths, batches of 1 to 1000 rows, 3 to 300 features, depths of 1 to 10, every activation,
regression with 1 and 50 outputs, L-BFGS: in float32 with scikit-learn at its faster dtype, and
both in float64. On none should sknet be slower. scikit-learn has no dropout; the rows with dropout
compare a fit of sknet with it to one of scikit-learn without.
"""

import itertools
import warnings

import numpy as np
from common import Report, compete, n_cpus, parser, ratio


def case(n_samples=2_000, n_features=30, hidden=(50,), n_outputs=0, n_classes=2, **settings):
    """What differs from one hidden layer of 50 on 2000 x 30, two classes, batches of 200, adam."""
    settings = {"max_iter": 5, "batch_size": 200, "solver": "adam"} | settings
    return n_samples, n_features, hidden, n_outputs, n_classes, settings


CASES = [
    # widths and features, odd and even
    *(
        case(n_features=n_features, hidden=(width,))
        for n_features, width in itertools.product((3, 17, 300), (17, 33, 129))
    ),
    # mini-batches, from one row to all of them
    case(n_samples=1_000, batch_size=1, max_iter=1),
    case(batch_size=1, hidden=(129,), n_samples=500, max_iter=1),
    case(batch_size=7),
    case(batch_size=7, hidden=(33, 17), solver="sgd"),
    case(batch_size=1_000),
    case(batch_size=1_000, n_samples=10_000, hidden=(129,)),
    # depth
    case(hidden=(17, 33)),
    case(hidden=(33,) * 3),
    case(hidden=(17,) * 5, n_classes=5),
    case(hidden=(33,) * 10),
    case(hidden=(129,) * 10, max_iter=2),
    # activations and classes
    *(
        case(activation=activation, n_classes=n_classes)
        for activation, n_classes in [
            ("identity", 2), ("logistic", 3), ("tanh", 10), ("relu", 100), ("tanh", 2)
        ]
    ),
    # solvers
    case(solver="sgd"),
    case(solver="sgd", nesterovs_momentum=False, learning_rate="invscaling", n_features=300),
    case(solver="sgd", momentum=0.0, batch_size=33),
    case(solver="lbfgs", max_iter=10),
    case(solver="lbfgs", max_iter=10, n_samples=20_000, n_features=50, hidden=(100,)),
    case(solver="lbfgs", max_iter=10, n_classes=10, hidden=(33, 33), activation="tanh"),
    # regression
    case(n_outputs=1),
    case(n_outputs=50),
    case(n_outputs=1, hidden=(129, 33), activation="tanh", n_samples=5_000),
    case(n_outputs=50, solver="lbfgs", max_iter=10),
    # early stopping, many and few rows
    case(early_stopping=True),
    case(n_samples=50_000, n_features=10, hidden=(20,), max_iter=1),
    case(n_samples=100, n_features=5, hidden=(10,), batch_size=10, max_iter=20),
    # dropout
    case(dropout=0.5),
    case(dropout=0.2, hidden=(129, 33)),
]  # fmt: skip


def describe(case):
    n_samples, n_features, hidden, n_outputs, n_classes, settings = case
    task = f"{n_outputs} outputs" if n_outputs else f"{n_classes} classes"
    widths = f"({hidden[0]},) * {len(hidden)}" if len({*hidden}) == 1 < len(hidden) else hidden
    more = [f"{name}={value}" for name, value in settings.items()]
    return f"{n_samples}x{n_features}, {widths}, {task}, {', '.join(more)}"


def make(library, case, dtype, n_threads):
    n_samples, n_features, hidden, n_outputs, n_classes, settings = case
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_features)).astype(dtype)
    if n_outputs:
        y = rng.standard_normal((n_samples, n_outputs)).squeeze().astype(dtype)
    else:
        y = np.arange(n_samples) % n_classes
    settings = {"n_iter_no_change": settings["max_iter"] + 1, "random_state": 0} | settings
    dropout = settings.pop("dropout", 0)
    if library == "sknet":
        MLPClassifier, MLPRegressor = with_dropout(dropout)
        settings["n_threads"] = n_threads
    else:
        from sklearn.neural_network import MLPClassifier, MLPRegressor
        from threadpoolctl import threadpool_limits

        threadpool_limits(n_threads)
    Estimator = MLPRegressor if n_outputs else MLPClassifier
    estimator = Estimator(hidden_layer_sizes=hidden, **settings)
    return lambda: estimator.fit(X, y)


def with_dropout(rate):
    """The estimators, with dropout behind each hidden layer if the rate is not 0."""
    import sknet
    from sknet.layers import Dropout

    class Mixin:
        def _declare_layers(self, sizes, n_outputs):
            *hidden, last = super()._declare_layers(sizes, n_outputs)
            return (*itertools.chain(*((layer, Dropout(rate)) for layer in hidden)), last)

    estimators = sknet.MLPClassifier, sknet.MLPRegressor
    return [type(base.__name__, (Mixin, base), {}) for base in estimators] if rate else estimators


def measure(case, turns):
    """Ratios in float32 and float64, and milliseconds of sknet in float32."""
    keys = [("sknet", case, dtype, None) for dtype in ("float32", "float64")]
    keys += [
        ("scikit-learn", case, dtype, n_threads)
        for dtype in ("float32", "float64")
        for n_threads in sorted({1, n_cpus()})
    ]
    seconds = compete({key[:1] + key[2:]: (make, key) for key in keys}, turns)

    def best(*dtypes):
        times = [seconds[key] for key in seconds if key[0] != "sknet" and key[1] in dtypes]
        return min(times, key=np.median)

    ours = seconds["sknet", "float32", None]
    return (
        np.median(ours) * 1e3,
        ratio(best("float32", "float64"), ours),
        ratio(best("float64"), seconds["sknet", "float64", None]),
    )


def main():
    arguments = parser(__doc__).parse_args()
    report = Report("bench_shapes", [], arguments.save)
    report.say(f"{len(CASES)} shapes; asked: no ratio below 1, geometric mean at least 6.\n")
    report.header("shape", "sknet, float32, ms", "ratio, float32", "ratio, float64")
    ratios = []
    for case in CASES:
        milliseconds, *both = measure(case, arguments.turns)
        ratios.append(both)
        report.row(describe(case), f"{milliseconds:.2f}", *(f"{value:.1f}" for value in both))
    for name, values in [
        ("least", np.min(ratios, axis=0)),
        ("geometric mean", np.exp(np.mean(np.log(ratios), axis=0))),
    ]:
        report.row(f"**{name}**", "", *(f"**{value:.1f}**" for value in values))
    report.close()


if __name__ == "__main__":
    main()
