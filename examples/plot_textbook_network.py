"""The textbook's network of 784, 16, 16 and 10 units, looked into.

What do the first sixteen units look for? Textbooks show their weights as images. And which weights
would change the loss most if they moved a little: to which weights is the network sensitive? The
script trains the network, then draws its layers with the weights between them, the first weights as
images, and the gradient of the loss with respect to each of them, for test images it gets wrong.

Run it with ``python examples/plot_textbook_network.py mnist.npz``, where the file holds the arrays
X_train, y_train, X_test and y_test with pixels from 0 to 255; or name a folder that has the file in
the environment variable SKNET_DATA. Without a file it takes the small digits of scikit-learn. It
writes plot_textbook_network.png into the current folder, or where ``--output`` says. It needs
matplotlib.
"""

import argparse
import os
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from sknet import MLPClassifier
from sknet.inspection import NetworkDisplay, WeightImageDisplay


def load(path):
    """Images with pixels from 0 to 1 and their classes, and the size of a mini-batch."""
    if path is None:
        X, y = load_digits(return_X_y=True)
        X = (X / 16).astype(np.float32)
        return *train_test_split(X, y, stratify=y, random_state=0), 10
    with np.load(path) as data:
        X_train, X_test = ((data[name] / 255).astype(np.float32) for name in ("X_train", "X_test"))
        return X_train, X_test, data["y_train"], data["y_test"], 100


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", nargs="?", help="an MNIST .npz")
    parser.add_argument("--output", default="plot_textbook_network.png")
    parser.add_argument("--epochs", type=int, default=30)
    args = parser.parse_args()
    path = args.path or Path(os.environ.get("SKNET_DATA", ""), "mnist.npz")
    if args.path is None and not path.exists():
        path = None
    warnings.simplefilter("ignore", ConvergenceWarning)  # so many epochs are what is asked for
    X, X_test, y, y_test, batch_size = load(path)
    side = int(np.sqrt(X.shape[1]))
    net = MLPClassifier(
        (16, 16), batch_size=batch_size, learning_rate_init=0.002, alpha=0.01,
        max_iter=args.epochs, random_state=0,
    ).fit(X, y)  # fmt: skip
    is_wrong = net.predict(X_test) != y_test
    print(f"test accuracy: {1 - is_wrong.mean():.4f}; {is_wrong.sum()} images are wrong")
    coefs, _ = net.loss_gradients(X_test[is_wrong], y_test[is_wrong])
    for number, gradient in enumerate(coefs):
        print(f"mean size of the loss's slope in the weights of layer {number + 1}: "
              f"{np.abs(gradient).mean():.2g}")  # fmt: skip

    figure, panels = plt.subplots(1, 3, figsize=(14, 4.6), layout="constrained")
    NetworkDisplay.from_estimator(net, ax=panels[0])
    panels[0].set_title("its strongest weights", loc="left", fontsize="medium")
    WeightImageDisplay.from_estimator(net, (side, side), ax=panels[1])
    panels[1].set_title("what the first units look for", loc="left", fontsize="medium")
    WeightImageDisplay(coefs[0], (side, side), "slope of the loss").plot(ax=panels[2])
    panels[2].set_title("slope of the loss where it is wrong", loc="left", fontsize="medium")
    figure.savefig(args.output, dpi=110)
    print(f"drawn: {args.output}")


if __name__ == "__main__":
    main()
