"""Explorers: where training ends depends on where it starts.

A small network is trained from several starting points on two spirals. Some of them get stuck in
a local minimum, others find a way into a valley that is deeper. The script draws a plane through
the space of the weights with the way of each explorer, and the losses epoch by epoch; and prints
what keeping the best of them, or the mean of all, is worth on new points.

Run it with ``python examples/plot_explorers.py``; it writes plot_explorers.png into the current
folder, or where ``--output`` says. It needs matplotlib.
"""

import argparse
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sknet import MLPClassifier
from sknet.inspection import LossCurveDisplay, LossLandscapeDisplay


def spirals(rng, n):
    """Points of two spirals that wind around each other."""
    y = rng.integers(0, 2, n)
    turn = 1.5 * np.pi * np.sqrt(rng.random(n))
    angle = turn + np.pi * y
    X = turn[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]) / np.pi
    return X + rng.normal(0, 0.08, X.shape), y


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", default="plot_explorers.png")
    parser.add_argument("--starts", type=int, default=6)
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # some never arrive
    rng = np.random.default_rng(0)
    X, y = spirals(rng, 400)
    X_test, y_test = spirals(rng, 5000)
    net = MLPClassifier(
        (3,), activation="tanh", learning_rate_init=0.1, max_iter=300, n_iter_no_change=300,
        tol=0, alpha=0, n_starts=args.starts, random_state=0,
    )  # fmt: skip

    best = net.fit(X, y)
    print("accuracy on new points of networks from each starting point:")
    mean = MLPClassifier(**best.get_params()).set_params(combine="mean").fit(X, y)
    members = [member.score(X_test, y_test) for member in mean.estimators_]
    print(*(f"{accuracy:.3f}" for accuracy in members))
    print(f"the one with the lowest loss (combine='best'): {best.score(X_test, y_test):.3f}")
    print(f"mean of their probabilities (combine='mean'):  {mean.score(X_test, y_test):.3f}")

    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 4.4), width_ratios=(1.5, 1), layout="constrained"
    )
    LossLandscapeDisplay.from_estimator(net, X, y, ax=left)
    left.set_title(f"the loss, and {args.starts} ways through it", loc="left", fontsize="medium")
    LossCurveDisplay.from_estimator(best, ax=right)
    right.set_title("epoch by epoch", loc="left", fontsize="medium")
    figure.savefig(args.output, dpi=110)
    print(f"drawn: {args.output}")


if __name__ == "__main__":
    main()
