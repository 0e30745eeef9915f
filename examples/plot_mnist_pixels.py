"""Fifty pixels: which ones does it take to tell digits apart?

LassoNetSelector starts with all 784 pixels, then takes away those that a network can do without,
until fifty are left. A network that sees these alone is compared with one that sees the whole
image, and with fifty pixels that are chosen by a test of each on its own (SelectKBest).

Run it with ``python examples/plot_mnist_pixels.py mnist.npz``, where the file holds the arrays
X_train, y_train, X_test and y_test with pixels from 0 to 255; or name a folder that has the file in
the environment variable SKNET_DATA. Without a file it takes 12 of the 64 pixels of scikit-learn's
digits. It writes plot_mnist_pixels.png into the current folder, or where ``--output`` says. It
needs matplotlib.
"""

import argparse
import os
import time
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectKBest
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sknet import MLPClassifier
from sknet.feature_selection import LassoNetSelector

N_IMAGES = 10_000  # to learn from; more of them choose much the same pixels
COLOURS = {"LassoNetSelector": "#D55E00", "SelectKBest": "#0072B2"}


def load(path):
    """Images with pixels from 0 to 1, their classes, and how many pixels to keep."""
    if path is None:
        X, y = load_digits(return_X_y=True)
        return *train_test_split((X / 16).astype(np.float32), y, stratify=y, random_state=0), 12
    with np.load(path) as data:
        X, X_test = ((data[name] / 255).astype(np.float32) for name in ("X_train", "X_test"))
        return X[:N_IMAGES], X_test, data["y_train"][:N_IMAGES], data["y_test"], 50


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", nargs="?", help="an MNIST .npz")
    parser.add_argument("--output", default="plot_mnist_pixels.png")
    args = parser.parse_args()
    path = args.path or Path(os.environ.get("SKNET_DATA", ""), "mnist.npz")
    if args.path is None and not path.exists():
        path = None
    warnings.simplefilter("ignore", ConvergenceWarning)  # so many epochs are enough here
    warnings.filterwarnings("ignore", "Features|invalid value|divide")  # pixels always white
    X, X_test, y, y_test, n_kept = load(path)
    side = int(np.sqrt(X.shape[1]))
    print(f"{len(X)} images of {side} x {side} pixels")
    scaler = StandardScaler().fit(X)  # the path compares weights
    scaled, scaled_test = scaler.transform(X), scaler.transform(X_test)

    def make_network():
        return MLPClassifier((64,), max_iter=60, alpha=1e-3, random_state=0)

    selectors = {
        "LassoNetSelector": LassoNetSelector(make_network(), n_features_to_select=n_kept),
        "SelectKBest": SelectKBest(k=n_kept),
    }
    accuracy = {"all pixels": make_network().fit(scaled, y).score(scaled_test, y_test)}
    print(f"all pixels:        accuracy {accuracy['all pixels']:.4f}")
    for name, selector in selectors.items():
        begin = time.perf_counter()
        selector.fit(scaled, y)
        seconds = time.perf_counter() - begin
        net = make_network().fit(selector.transform(scaled), y)
        accuracy[name] = net.score(selector.transform(scaled_test), y_test)
        print(f"{name + ':':19}accuracy {accuracy[name]:.4f} with {n_kept} pixels, {seconds:.1f} s")

    figure, panels = plt.subplots(1, 4, figsize=(10, 3), layout="constrained")
    for panel, (name, selector) in zip(panels, selectors.items(), strict=False):
        panel.imshow(X.mean(axis=0).reshape(side, side), cmap="Greys", alpha=0.6)
        rows, columns = np.divmod(selector.get_support(indices=True), side)
        panel.scatter(columns, rows, marker="s", s=1000 / side, color=COLOURS[name])
        panel.set_title(
            f"{name}\n{accuracy[name]:.1%} with {n_kept} pixels", fontsize="medium", loc="left"
        )
    support = selectors["LassoNetSelector"].get_support()
    digit = X_test[0].reshape(side, side)
    panels[2].imshow(digit, cmap="Greys")
    panels[2].set_title(f"the whole image\n{accuracy['all pixels']:.1%}", fontsize="medium",
                        loc="left")  # fmt: skip
    seen = np.where(support.reshape(side, side), digit, np.nan)
    panels[3].set_facecolor("#CFE3F0")
    panels[3].imshow(seen, cmap="Greys", vmin=0, vmax=1)
    panels[3].set_title("what the network\nsees of it", fontsize="medium", loc="left")
    for panel in panels:
        panel.set(xticks=[], yticks=[])
    figure.savefig(args.output, dpi=110)
    print(f"drawn: {args.output}")


if __name__ == "__main__":
    main()
