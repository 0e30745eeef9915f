"""Images with the recommended setting: MNIST and Fashion-MNIST, 784-800-800-10 with dropout.

    SKNET_DATA=/path/to/data python benchmarks/bench_images.py [--save]

Layers this wide want a lower learning rate than the setting's, and 60,000 rows larger mini-batches.
Pixels go from 0 to 1. Without the folder there is nothing to measure.
"""

import time
import warnings

import numpy as np
import real_data
from bench_generalisation import FOR_CLASSES, SETTING
from common import Report, parser

from sknet import MLPClassifier

OPTIONS = {
    "hidden_layer_sizes": (800, 800),
    "learning_rate_init": 0.0012,
    "batch_size": 128,
    "dropout": 0.25,
}
ASKED = {"mnist": 98.6, "fashion_mnist": 90.3}  # % of the test images


def read(name):
    """Training and test images, float32, and their classes."""
    with np.load(real_data.folder() / f"{name}.npz") as arrays:
        images = ((arrays[part] / 255).astype(np.float32) for part in ("X_train", "X_test"))
        X, X_test = (part.reshape(len(part), -1) for part in images)
        return X, X_test, arrays["y_train"], arrays["y_test"]


def main():
    arguments = parser(__doc__).parse_args()
    if real_data.folder() is None:
        print("Not measured: SKNET_DATA must name the folder with mnist.npz and fashion_mnist.npz.")
        return
    warnings.simplefilter("ignore")
    report = Report("bench_images", [], arguments.save)
    report.say(f"The setting, with {OPTIONS}.\n")
    report.header("images", "test accuracy, % (asked)", "epochs", "seconds")
    for name, asked in ASKED.items():
        X, X_test, y, y_test = read(name)
        net = MLPClassifier(**(SETTING | FOR_CLASSES | OPTIONS), random_state=0)
        begin = time.perf_counter()
        net.fit(X, y)
        seconds = time.perf_counter() - begin
        accuracy = 100 * net.score(X_test, y_test)
        report.row(name, f"{accuracy:.2f} ({asked})", net.n_iter_, f"{seconds:.0f}")
    report.close()


if __name__ == "__main__":
    main()
