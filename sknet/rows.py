"""The rows of a fit, and checks of X and of weights."""

import copy
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.utils.validation import _check_sample_weight

from sknet import _core

__all__ = [
    "FLOATS",
    "Rows",
    "checked_weight",
    "columns",
    "is_finite",
    "is_plain_target",
    "is_taken_as_it_is",
]

FLOATS = [np.float64, np.float32]  # what X may be; other types become the first
ARRAYS = (np.ndarray, np.memmap)  # np.matrix and other subclasses are left to scikit-learn


@dataclass
class Rows:
    """Rows to train on or to score.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (n, n_features)
    y : ndarray of shape (n,) or (n, n_outputs)
    weight : ndarray of shape (n,), or None for weights of 1
    targets : ndarray of shape (n, n_targets) or None
        y as the loss takes it.
    unchecked : bool
        Whether nobody has looked for NaN and infinity in X yet.
    """

    X: np.ndarray | sparse.csr_matrix | sparse.csr_array
    y: np.ndarray
    weight: np.ndarray | None
    targets: np.ndarray | None = None
    unchecked: bool = False

    @property
    def total_weight(self):
        """The sum of the weights."""
        if self.weight is None:
            return float(self.X.shape[0])
        return float(np.sum(self.weight, dtype=float))

    def convert(self, targets, dtype):
        """Makes X and weights of this dtype, and takes in the targets."""
        self.X = self.X.astype(dtype, copy=False)
        self.targets = np.ascontiguousarray(targets, dtype)
        if self.weight is not None:
            self.weight = np.ascontiguousarray(self.weight, dtype)

    def take(self, numbers):
        """The rows of these numbers."""
        return Rows(
            self.X[numbers],
            self.y[numbers],
            None if self.weight is None else self.weight[numbers],
            None if self.targets is None else self.targets[numbers],
            self.unchecked,
        )

    def with_columns(self, support):
        """These rows with the columns of X for which support is True."""
        rows = copy.copy(self)
        rows.X = columns(self.X, support)
        return rows

    def with_weight(self):
        """The rows of positive weight."""
        if self.weight is None or self.weight.all():
            return self
        return self.take(np.flatnonzero(self.weight))


def is_taken_as_it_is(X, dtypes):
    """Whether X is an array of rows and columns that the core can read."""
    return (
        type(X) in ARRAYS
        and X.ndim == 2
        and X.dtype in dtypes
        and X.flags.c_contiguous
        and X.shape[0] > 0
        and X.shape[1] > 0
    )


def is_finite(X):
    """Whether the core can say that X, which it can read, has no NaN and no infinity."""
    return _core.load(X.dtype).all_finite(X)


def is_plain_target(y, n_samples):
    """Whether y is an array of n_samples numbers that nobody need look at more closely."""
    return (
        type(y) is np.ndarray
        and y.shape == (n_samples,)
        and (y.dtype.kind in "iu" or (y.dtype in FLOATS and bool(np.isfinite(y).all())))
    )


def checked_weight(sample_weight, X, name):
    """Weights as an array of X's dtype, or None; they must be finite, >= 0 and not all zero."""
    if sample_weight is None:
        return None
    try:
        sample_weight = _check_sample_weight(
            sample_weight, X, dtype=X.dtype, ensure_non_negative=True
        )
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if not sample_weight.any():
        raise ValueError(f"{name} must have at least one element > 0, got zeros only.")
    return sample_weight


def columns(X, support):
    """The columns of X, an array or a CSR matrix, for which support is True."""
    if sparse.issparse(X):
        return X[:, support]
    return np.take(X, np.flatnonzero(support), axis=1)  # X[:, support] takes many times as long
