"""The range test: which learning rates suit an estimator and its data."""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params
from sklearn.utils.validation import _num_samples, indexable

__all__ = ["LearningRateCurve", "find_learning_rate"]

SMOOTHING = 0.9  # what stays of the running mean of the losses at each step
DIVERGED = 4  # smoothed loss over the lowest, at which the test ends
SAFETY = 10  # by which the suggestion stays below the rate of the lowest loss


@dataclass(frozen=True)
class LearningRateCurve:
    """What the range test has found.

    Attributes
    ----------
    learning_rates : ndarray of shape (n_steps,)
        Of each step, rising.
    losses : ndarray of shape (n_steps,)
        Loss of the mini-batch of each step, before the step.
    smoothed : ndarray of shape (n_steps,)
        Running mean of the losses.
    suggestion : float
        A tenth of the learning rate at which `smoothed` is lowest: use it for
        `learning_rate_init`.
    """

    learning_rates: NDArray
    losses: NDArray
    smoothed: NDArray
    suggestion: float


@validate_params(
    {
        "lowest": [Interval(Real, 0, None, closed="neither")],
        "highest": [Interval(Real, 0, None, closed="neither")],
        "n_steps": [Interval(Integral, 10, None, closed="left")],
    },
    prefer_skip_nested_validation=False,
)
def find_learning_rate(
    estimator, X, y, sample_weight=None, *, lowest=1e-6, highest=10.0, n_steps=200
):
    """Train a clone of the estimator for some mini-batches, each with a higher learning rate.

    At first the loss stays, then it falls, then it rises: the learning rate to use is well below
    where it is lowest. The estimator itself is not touched.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        With a stochastic solver. Its schedule, stopping and averaging are left out, and of several
        starts all but the first.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Training rows, scaled as they will be.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,), default=None
    lowest, highest : float, default=1e-6, 10.0
        First and last learning rate; in between they grow by a constant factor.
    n_steps : int, default=200
        Mini-batches. The rows are taken in random order, again and again.

    Returns
    -------
    curve : LearningRateCurve
        It ends early where the loss has become four times the lowest.

    Raises
    ------
    ValueError
        If `highest` is not above `lowest`, or for what the estimator cannot be trained on.

    References
    ----------
    Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.3.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sknet import MLPClassifier, find_learning_rate
    >>> X, y = load_digits(return_X_y=True)
    >>> curve = find_learning_rate(MLPClassifier(random_state=0), X / 16, y)
    >>> 1e-4 < curve.suggestion < 1e-1
    True
    """
    if not highest > lowest:
        raise ValueError(f"highest must be above lowest={lowest}, got {highest}.")
    net = clone(estimator).set_params(
        learning_rate="constant", early_stopping=False, scoring=None, averaging=None,
        max_time=None, n_starts=1, combine="best", warm_start=False, verbose=False,
    )  # fmt: skip
    X, y, sample_weight = indexable(X, y, sample_weight)
    X, y = _by_rows(X), np.asarray(y)
    weights = None if sample_weight is None else np.asarray(sample_weight)
    batches = _batches(net, _num_samples(X))
    classes = {"classes": _classes(y)} if is_classifier(net) else {}
    rates = np.geomspace(lowest, highest, n_steps)
    losses, smoothed, mean = [], [], 0.0
    for i, rate in enumerate(rates):
        rows = next(batches)
        net.set_params(learning_rate_init=float(rate))
        try:
            net.partial_fit(X[rows], y[rows], None if weights is None else weights[rows], **classes)
        except ValueError:
            if i == 0 or not np.isfinite(losses[-1]):
                raise
            break  # the weights are no longer finite
        losses.append(net.loss_curve_[-1])
        mean = SMOOTHING * mean + (1 - SMOOTHING) * losses[-1]
        smoothed.append(mean / (1 - SMOOTHING ** (i + 1)))
        if smoothed[-1] > DIVERGED * min(smoothed) > 0:
            break
    n = len(losses)
    best = int(np.argmin(smoothed))
    return LearningRateCurve(
        rates[:n], np.array(losses), np.array(smoothed), float(rates[best] / SAFETY)
    )


def _by_rows(X):
    """X as something whose rows can be taken by their numbers."""
    return X.tocsr() if hasattr(X, "tocsr") else np.asarray(X)


def _classes(y):
    return np.unique(y) if y.ndim == 1 else np.arange(y.shape[1])


def _batches(net, n_samples):
    """Numbers of the rows of mini-batches, in epochs of random order, without end."""
    rng = check_random_state(net.random_state)
    size = min(200 if net.batch_size == "auto" else net.batch_size, n_samples)
    while True:
        order = rng.permutation(n_samples)
        yield from (order[i : i + size] for i in range(0, n_samples - size + 1, size))
