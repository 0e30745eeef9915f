"""Overfitting, and what helps: curves of the training and the test error on a small noisy table.

Two interleaved half circles of points, hidden among twelve columns of nothing but noise; one label
in ten is wrong. A network can learn the 200 training rows by heart, and does: its error on them
falls to nothing while the error on new rows rises. The script trains scikit-learn's default network
and five of sknet's that fight this, and draws both errors epoch by epoch.

Run it with ``python examples/plot_overfitting.py``; it writes plot_overfitting.png into the current
folder, or where ``--output`` says. It needs matplotlib.
"""

import argparse
import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
import sklearn.neural_network
from matplotlib.lines import Line2D
from sklearn.datasets import make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from sknet import MLPClassifier

N_TRAIN, N_TEST, N_NOISE = 200, 5000, 12
DROPOUT = {"dropout": 0.5, "input_dropout": 0.5}
WAYS = {  # what is changed; all else is scikit-learn's default
    "dropout": DROPOUT,
    "weight decay": {"weight_decay": 10.0},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.3, "scoring": "loss"},
    "averaging, with weight decay": {"averaging": "swa", "weight_decay": 10.0},
    "ten explorers, with dropout": {"n_starts": 10, "combine": "mean", **DROPOUT},
}
TRAIN_COLOUR, TEST_COLOUR = "#0072B2", "#D55E00"  # told apart by the colour-blind, too


def make_data():
    """Training and test rows, scaled."""
    rng = np.random.default_rng(0)
    n_rows = N_TRAIN + N_TEST
    X, y = make_moons(n_rows, noise=0.25, random_state=0)
    X = np.hstack([X, rng.normal(size=(n_rows, N_NOISE))])
    is_wrong = rng.random(n_rows) < 0.1
    is_wrong[N_TRAIN:] = False  # the test labels are right
    y = np.where(is_wrong, 1 - y, y)
    X = StandardScaler().fit(X[:N_TRAIN]).transform(X)
    return X[:N_TRAIN], X[N_TRAIN:], y[:N_TRAIN], y[N_TRAIN:]


def errors(net, data, epochs):
    """Training and test errors in %, of fits that end after so many epochs."""
    X, X_test, y, y_test = data
    found = []
    for n_epochs in epochs:
        net.set_params(max_iter=n_epochs, tol=0, n_iter_no_change=n_epochs, random_state=0)
        net.fit(X, y)
        found.append([100 - 100 * net.score(X, y), 100 - 100 * net.score(X_test, y_test)])
    return np.transpose(found)


def draw(panel, title, epochs, train, test, reference):
    """One network's curves, and where scikit-learn's default ends."""
    panel.axhline(reference, color="0.6", linewidth=1, linestyle=":")
    panel.plot(epochs, train, color=TRAIN_COLOUR, linestyle="--")
    panel.plot(epochs, test, color=TEST_COLOUR)
    for errors, colour in ((train, TRAIN_COLOUR), (test, TEST_COLOUR)):
        panel.annotate(
            f"{errors[-1]:.1f}", (epochs[-1], errors[-1]), xytext=(4, 0), color=colour,
            textcoords="offset points", va="center",
        )  # fmt: skip
    panel.set_title(title, fontsize=10)
    panel.spines[["top", "right"]].set_visible(False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", default="plot_overfitting.png")
    parser.add_argument("--epochs", type=int, default=1000)
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # training for ever is the point here
    begin = time.perf_counter()
    data = make_data()
    epochs = np.unique(np.linspace(1, args.epochs, 15, dtype=int))
    nets = {"scikit-learn's default": sklearn.neural_network.MLPClassifier()}
    nets |= {name: MLPClassifier(**params) for name, params in WAYS.items()}
    found = {name: errors(net, data, epochs) for name, net in nets.items()}
    reference = found["scikit-learn's default"][1, -1]

    figure, panels = plt.subplots(2, 3, figsize=(9, 5.4), sharex=True, sharey=True)
    print(f"errors in % after {args.epochs} epochs:   training    test     gap")
    for panel, (name, (train, test)) in zip(panels.flat, found.items(), strict=True):
        draw(panel, name, epochs, train, test, reference)
        print(f"{name:28}{train[-1]:18.1f}{test[-1]:8.1f}{test[-1] - train[-1]:8.1f}")
    panels[0, 0].set_ylim(-1, 40)
    panels[0, 0].set_xlim(0, args.epochs)
    figure.supxlabel("epochs", fontsize=10, y=0.03)
    figure.supylabel("wrong classes (%)", fontsize=10)
    handles = [
        Line2D([], [], color=TRAIN_COLOUR, linestyle="--", label="training rows"),
        Line2D([], [], color=TEST_COLOUR, label="new rows"),
        Line2D([], [], color="0.6", linestyle=":", label="scikit-learn's default on new rows"),
    ]
    figure.legend(handles=handles, loc="upper center", ncols=3, frameon=False, fontsize=10)
    figure.tight_layout(rect=(0, 0, 0.99, 0.95))
    figure.savefig(args.output, dpi=120)
    print(f"drawn: {args.output}, {time.perf_counter() - begin:.1f} s")


if __name__ == "__main__":
    main()
