"""Text as TF-IDF in CSR form: a fit beside scikit-learn's on the same matrix.

    SKNET_DATA=folder python benchmarks/bench_sparse.py [--turns 5] [--save]

With rt_polarity.csv.gz (columns label and sentence) in the folder that SKNET_DATA names, its words;
else made-up texts of as many rows and columns, whose words follow Zipf's law.
"""

import csv
import gzip
import os
import warnings
from pathlib import Path

import numpy as np
from common import Report, compete, n_cpus, parser, ratio
from scipy import sparse


def load(dtype):
    """TF-IDF of the texts, (n_texts, n_words) CSR, and their labels."""
    from sklearn.feature_extraction.text import TfidfTransformer, TfidfVectorizer

    path = Path(os.environ.get("SKNET_DATA", "")) / "rt_polarity.csv.gz"
    if "SKNET_DATA" in os.environ and path.exists():
        with gzip.open(path, "rt", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        vectorizer = TfidfVectorizer(dtype=np.dtype(dtype))
        X = vectorizer.fit_transform([row["sentence"] for row in rows])
        return X, np.array([row["label"] for row in rows])
    rng = np.random.default_rng(0)
    n_texts, n_words, length = 10_000, 18_000, 20
    words = np.minimum(rng.zipf(1.2, (n_texts, length)), n_words) - 1
    counts = sparse.csr_matrix(
        (np.ones(words.size, dtype), words.ravel(), np.arange(0, words.size + 1, length)),
        shape=(n_texts, n_words),
    )
    counts.sum_duplicates()
    return TfidfTransformer().fit_transform(counts).astype(dtype), rng.integers(0, 2, n_texts)


def make(library, dtype, n_threads):
    warnings.simplefilter("ignore")
    X, y = load(dtype)
    settings = {
        "hidden_layer_sizes": (64,), "batch_size": 200, "solver": "adam", "max_iter": 2,
        "n_iter_no_change": 3, "random_state": 0,
    }  # fmt: skip
    if library == "sknet":
        from sknet import MLPClassifier

        estimator = MLPClassifier(**settings, n_threads=n_threads)
    else:
        from sklearn.neural_network import MLPClassifier
        from threadpoolctl import threadpool_limits

        threadpool_limits(n_threads)
        estimator = MLPClassifier(**settings)
    return lambda: estimator.fit(X, y)


def main():
    arguments = parser(__doc__).parse_args()
    report = Report("bench_sparse", [], arguments.save)
    X, _ = load("float32")
    name = "rt_polarity" if "SKNET_DATA" in os.environ else "made-up texts"
    report.say(
        f"{name}: {X.shape[0]} x {X.shape[1]}, {X.nnz / X.shape[0]:.0f} words per text. Seconds "
        f"per fit of (64,), batches of 200, adam, 2 epochs; asked: 5 times scikit-learn.\n"
    )
    report.header("dtype", "sknet", "sknet, 1 thread", "scikit-learn", "ratio")
    for dtype in ("float32", "float64"):
        competitors = {
            "sknet": (make, ("sknet", dtype, None)), "one": (make, ("sknet", dtype, 1))
        }  # fmt: skip
        for peer_dtype in {dtype, "float64"}:
            for n_threads in sorted({1, n_cpus()}):
                key = f"scikit-learn {peer_dtype} {n_threads}"
                competitors[key] = make, ("scikit-learn", peer_dtype, n_threads)
        seconds = compete(competitors, arguments.turns)
        ours, one = seconds.pop("sknet"), seconds.pop("one")
        best = min(seconds.values(), key=np.median)
        report.row(
            dtype, *(f"{np.median(times):.4f}" for times in (ours, one, best)),
            f"{ratio(best, ours):.1f}",
        )  # fmt: skip
    report.close()


if __name__ == "__main__":
    main()
