"""MNIST: the textbook's network of 784, 16, 16 and 10 units, trained in three ways.

The first network of many textbooks has logistic units, a squared cost and plain stochastic gradient
descent on mini-batches of 100 images. This script trains it, then the same network with rectified
linear units and the log-loss, then with adam in place of plain descent, and prints the test
accuracy after each epoch, one column per random seed.

Run it with ``python examples/mnist_textbook.py mnist.npz``, where the file holds the arrays
X_train, y_train, X_test and y_test with pixels from 0 to 255; or name a folder that has the file in
the environment variable SKNET_DATA. Without a file it takes the small digits of scikit-learn, on
mini-batches of 10. ``--epochs`` and ``--seeds`` say how many.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sknet import MLPClassifier

# The squared error is the plain sum over the outputs: its gradient is twice that of the textbooks
# that halve it, and so are the steps.
NETWORKS = {
    "logistic units, squared error, SGD": {
        "activation": "logistic",
        "loss": "squared_error",
        "solver": "sgd",
        "momentum": 0,
        "learning_rate_init": 2.0,
    },
    "relu, log-loss, SGD": {"solver": "sgd", "momentum": 0, "learning_rate_init": 0.1},
    "relu, log-loss, adam": {"solver": "adam", "learning_rate_init": 0.001},
}


def load(path):
    """Images with pixels from 0 to 1 and their classes, and the size of a mini-batch."""
    if path is None:
        X, y = load_digits(return_X_y=True)
        X = (X / 16).astype(np.float32)
        X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
        return X_train, X_test, y_train, y_test, 10  # few images make few steps
    with np.load(path) as data:
        X_train, X_test = ((data[name] / 255).astype(np.float32) for name in ("X_train", "X_test"))
        return X_train, X_test, data["y_train"], data["y_test"], 100


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", nargs="?", help="an MNIST .npz")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    path = args.path or Path(os.environ.get("SKNET_DATA", ""), "mnist.npz")
    if args.path is None and not path.exists():
        path = None

    X_train, X_test, y_train, y_test, batch_size = load(path)
    name = "digits" if path is None else "MNIST"
    print(f"{name}: {len(X_train)} training images, {len(X_test)} test images")

    for name, parameters in NETWORKS.items():
        print(f"\n{name}\ntest accuracy (%) of {args.seeds} seed(s)")
        nets = [
            MLPClassifier((16, 16), batch_size=batch_size, alpha=0, random_state=seed, **parameters)
            for seed in range(args.seeds)
        ]
        begin = time.perf_counter()
        for epoch in range(1, args.epochs + 1):
            for net in nets:
                net.partial_fit(X_train, y_train, classes=range(10))
            scores = [100 * net.score(X_test, y_test) for net in nets]
            print(f"epoch {epoch:2}:", *(f"{score:6.2f}" for score in scores))
        seconds = time.perf_counter() - begin
        print(f"median {np.median(scores):.2f} % after {args.epochs} epochs, {seconds:.1f} s")


if __name__ == "__main__":
    main()
