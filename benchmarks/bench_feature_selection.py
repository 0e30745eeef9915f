"""Feature selection by LassoNetSelector: fifty features of five tables, and planted features.

    SKNET_DATA=folder python benchmarks/bench_feature_selection.py [--splits 5] [--peer-splits 5]
        [--tables mnist ...] [--save]

The protocol of Lemhadri et al., "LassoNet: a neural network with feature sparsity", JMLR 22 (2021),
tables 1 and 2: a network with one hidden layer of a third as many units as there are columns,
mini-batches of 256 rows, ratio 10, 50 features; then 50 extremely randomised trees, and a network
with the README's recommended setting, on these alone; a fifth of the rows to test. Beside them the
selector's own network on its columns. Missing values become medians of the training rows. For the
path all columns are standardised, since the penalty weighs their coefficients against one another;
afterwards pixels are from 0 to 1. Labels are smoothed a little against overfitting; penalties grow
by 5 %, the selector's default.

Where the package `lassonet` is installed, it walks the path from the same first penalty, with the
same multiplier, learning rate, mini-batches and epochs, on the same splits, or the first of them:
the first features that are 50 or fewer are its choice. Of both there are the seconds of training
with all features, before the path, and of the path itself, and the median ratio; a fit of the
selector also has a network fitted to the columns that it chooses. Without the folder there are
scikit-learn's digits, of which 10 features are chosen.

The planted features are looked for with the README's recommended setting.
"""

import time
import warnings
from functools import partial

import numpy as np
import real_data
from bench_generalisation import FOR_CLASSES, SETTING, epochs
from common import HOST, Report, is_installed, parser
from scipy import ndimage
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, StandardScaler

from sknet import MLPClassifier, MLPRegressor
from sknet.feature_selection import LassoNetSelector

N_FEATURES = 50
PUBLISHED = {  # accuracy with trees, and with a network
    "mice_protein": (0.997, 0.958),
    "mnist": (0.892, 0.873),
    "fashion_mnist": (0.794, 0.800),
    "coil20": (0.993, 0.991),
    "isolet_1560": (0.891, 0.885),
}
PLANTED = ("madelon", "puma32H")


def read(name):
    """X in float32, and classes from 0."""
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        return (X / 16).astype(np.float32), y
    if name == "mice_protein":
        import pandas as pd

        frame = pd.read_csv(real_data.folder() / f"{name}.csv.gz")
        y = frame["class"].to_numpy()
        X = frame.drop(columns=["MouseID", "Genotype", "Treatment", "Behavior", "class"])
        return X.to_numpy(np.float32), LabelEncoder().fit_transform(y)
    with np.load(real_data.folder() / f"{name}.npz") as arrays:
        if "X_test" in arrays:
            return (arrays["X_test"].reshape(-1, 784) / 255).astype(np.float32), arrays["y_test"]
        X, y = arrays["X"].astype(np.float32), arrays["y"]
    if name == "coil20":  # 32 x 32 pixels made 20 x 20
        zoom = partial(ndimage.zoom, zoom=20 / 32, order=1)
        X = np.stack([zoom(image).ravel() for image in X.reshape(-1, 32, 32)])
    return X, LabelEncoder().fit_transform(y)


def split(name, seed):
    X, y = read(name)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, stratify=y, random_state=seed)
    steps = [SimpleImputer(strategy="median")]
    if name in ("mice_protein", "isolet_1560"):  # the others are pixels from 0 to 1
        steps.append(StandardScaler())
    return *_scaled(make_pipeline(*steps), X, X_test), y, y_test


def _scaled(scaler, X, X_test):
    scaler.fit(X)
    return [scaler.transform(rows).astype(np.float32) for rows in (X, X_test)]


def selector(n_columns, n_features, seed):
    net = MLPClassifier(
        (n_columns // 3,), batch_size=256, max_iter=400, label_smoothing=0.05, random_state=seed
    )
    return LassoNetSelector(net, n_features_to_select=n_features)


def peer_path(X, y, ours, dense_epochs):
    """Seconds that the package `lassonet` takes before the path and along it, and its features.

    These as a mask.
    """
    import torch
    from lassonet import LassoNetClassifier

    n_batches = -(-len(X) // 256)
    epochs = -(-ours.path_updates // n_batches)
    sgd = partial(torch.optim.SGD, lr=ours.path_learning_rate, momentum=0.9)
    model = LassoNetClassifier(
        hidden_dims=(X.shape[1] // 3,), M=ours.hierarchy, batch_size=256, val_size=0.01,
        lambda_start=float(ours.path_["lambda"][1]), path_multiplier=ours.path_multiplier,
        optim=(partial(torch.optim.Adam, lr=1e-3), sgd), patience=(None, None),
        n_iters=(dense_epochs, epochs), torch_seed=0, random_state=0, verbose=0, device="cpu",
    )  # fmt: skip
    times = [time.perf_counter()]
    path = model.path(X, y, callback=lambda *_: times.append(time.perf_counter()))
    few = (step.selected for step in path if step.selected.sum() <= ours.n_features_)
    return times[1] - times[0], times[-1] - times[1], next(few).numpy()


def seconds_of(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def models_of(features, X, y, seed):
    """Trees and a network, fitted to these features alone."""
    X = X[:, features]
    network = MLPClassifier(**SETTING, **FOR_CLASSES, random_state=seed)
    network.set_params(max_iter=epochs(len(y)))
    return [model.fit(X, y) for model in (ExtraTreesClassifier(50, random_state=seed), network)]


def measure(name, n_features, seed, with_peer):
    """Accuracies with so many features, seconds of the fit, before the path and along it.

    Accuracies of trees, of a network, and of the selector's own network. Then accuracies of the
    first two with the features of the peer, and its seconds before and along the path, if it is
    asked for.
    """
    X, X_test, y, y_test = split(name, seed)
    scaled, scaled_test = _scaled(StandardScaler(), X, X_test)
    ours = selector(X.shape[1], n_features, seed)
    seconds = HOST.alone(partial(seconds_of, partial(ours.fit, scaled, y)))
    dense = clone(ours.estimator)
    before = HOST.alone(partial(seconds_of, partial(dense.fit, scaled, y)))
    along = seconds - before - ours.estimator_.history_["seconds"][-1]

    def scores(features):
        models = models_of(features, X, y, seed)
        return [model.score(X_test[:, features], y_test) for model in models]

    own = ours.estimator_.score(ours.transform(scaled_test), y_test)
    result = [*scores(ours.get_support()), own], (seconds, before, along)
    if not with_peer:
        return *result, None, None
    *their_seconds, features = HOST.alone(partial(peer_path, scaled, y, ours, dense.n_iter_))
    return *result, scores(features), their_seconds


def main():
    arguments = parser(__doc__)
    arguments.add_argument("--splits", type=int, default=5)
    arguments.add_argument("--peer-splits", type=int, help="the first ones; default: all")
    arguments.add_argument("--tables", nargs="+", help="of the module's PUBLISHED and PLANTED")
    arguments = arguments.parse_args()
    warnings.simplefilter("ignore")
    report = Report("bench_feature_selection", ["lassonet", "torch"], arguments.save)
    names = arguments.tables or ([*PUBLISHED, *PLANTED] if real_data.folder() else ["digits"])
    n_peer = arguments.splits if arguments.peer_splits is None else arguments.peer_splits
    if not is_installed("lassonet"):
        n_peer = 0
    published(report, [name for name in names if name not in PLANTED], arguments.splits, n_peer)
    planted(report, [name for name in names if name in PLANTED], arguments.splits)
    report.close()


def published(report, names, n_splits, n_peer):
    """Tables of which it is published how well fifty features do."""
    if not names:
        return
    n_features = N_FEATURES if real_data.folder() else 10
    report.say(f"Mean accuracy of {n_splits} splits with {n_features} features (published).")
    if n_peer:
        report.say(f"lassonet: on {n_peer} of them, in brackets ours on the same.")
    report.say()
    report.header(
        "table", "trees", "network", "the selector's own", "seconds", "before, along the path",
        "lassonet: trees", "network", "seconds before, along the path", "ratio of both",
        "of the path, least to most",
    )  # fmt: skip
    for name in names:
        splits = [measure(name, n_features, seed, seed < n_peer) for seed in range(n_splits)]
        scores, seconds = (np.array(part) for part in list(zip(*splits, strict=True))[:2])
        trees, network, own = scores.mean(axis=0)
        by_trees, by_network = PUBLISHED.get(name, ("-", "-"))
        cells = f"{trees:.4f} ({by_trees})", f"{network:.4f} ({by_network})", f"{own:.4f}"
        whole, *parts = np.median(seconds, axis=0)
        compared = ["-"] * 5
        if n_peer:
            their_scores = np.mean([split[2] for split in splits[:n_peer]], axis=0)
            theirs = np.array([split[3] for split in splits[:n_peer]])
            on_same = scores[:n_peer].mean(axis=0)
            both = theirs.sum(axis=1) / seconds[:n_peer, 1:].sum(axis=1)
            along = theirs[:, 1] / seconds[:n_peer, 2]
            compared = [
                *(f"{a:.4f} ({b:.4f})" for a, b in zip(their_scores, on_same[:2], strict=True)),
                _pair(np.median(theirs, axis=0)),
                f"{np.median(both):.1f}",
                f"{np.median(along):.1f} ({along.min():.1f}-{along.max():.1f})",
            ]
        report.row(name, *cells, f"{whole:.1f}", _pair(parts), *compared)
    report.say()


def _pair(seconds):
    return ", ".join(f"{part:.1f}" for part in seconds)


def planted(report, names, n_splits):
    """Tables of which it is known what matters, the number of features by cross-validation.

    The fewest ones whose score is within a standard error of the best: what is asked for here is
    which columns matter, not the last bit of accuracy.
    """
    if not names:
        return
    report.header(
        "table, split", "chosen", "of them relevant", "score", "with all columns", "seconds"
    )
    for name in names:
        with np.load(real_data.folder() / f"{name}.npz") as arrays:
            X, y = StandardScaler().fit_transform(arrays["X"]).astype(np.float32), arrays["y"]
        if name == "madelon":  # combinations of one another
            inverse = np.linalg.inv(np.corrcoef(X.T.astype(float)) + 1e-6 * np.eye(X.shape[1]))
            relevant = np.flatnonzero(1 - 1 / np.diag(inverse) > 0.9)
            kind, for_classes = MLPClassifier, FOR_CLASSES
        else:
            y = StandardScaler().fit_transform(y[:, None])[:, 0].astype(np.float32)
            # R^2 is 0.94 with 4 and 15, 0.96 with 3 and 14 as well, which help only together.
            relevant = [3, 4, 14, 15]
            kind, for_classes = MLPRegressor, {}
        for seed in range(n_splits):
            X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=seed)
            net = kind(**SETTING, **for_classes, random_state=0)
            net.set_params(max_iter=epochs(len(y_train)))
            chosen = LassoNetSelector(net, rule="1se")
            seconds = seconds_of(partial(chosen.fit, X_train, y_train))
            report.row(
                f"{name}, {seed}",
                chosen.n_features_,
                np.isin(chosen.get_support(indices=True), relevant).sum(),
                f"{chosen.estimator_.score(chosen.transform(X_test), y_test):.3f}",
                f"{net.fit(X_train, y_train).score(X_test, y_test):.3f}",
                f"{seconds:.0f}",
            )


if __name__ == "__main__":
    main()
