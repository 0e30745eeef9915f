"""Labels: which there are, and their numbers. Integers are counted, anything else is sorted."""

import numpy as np

__all__ = ["distinct", "encode"]

HIGHEST = np.iinfo(np.intp).max


def distinct(y):
    """The distinct values of an array y of shape (n,), sorted."""
    if y.dtype.kind not in "iu" or not y.shape[0]:
        return np.unique(y)
    low, high = int(y.min()), int(y.max())
    if high - low >= y.shape[0] or max(-low, high) > HIGHEST:
        return np.unique(y)
    if low >= 0 and high <= 2 * y.shape[0]:
        low = 0  # a few empty places are cheaper than a difference
    return (np.flatnonzero(np.bincount(_offsets(y, low))) + low).astype(y.dtype)


def encode(y, classes):
    """For each element of y its place in `classes`, which are sorted and hold it."""
    if classes.dtype.kind not in "iu" or y.dtype.kind not in "iu":
        return np.searchsorted(classes, y)
    low, high = int(classes[0]), int(classes[-1])
    if high - low > 4 * y.shape[0] or max(-low, high) > HIGHEST:
        return np.searchsorted(classes, y)
    offsets = _offsets(y, low)
    if high - low == classes.shape[0] - 1:
        return offsets
    return np.searchsorted(classes, np.arange(low, high + 1))[offsets]


def _offsets(y, low):
    """y - low, of type intp; y itself, if it is that already."""
    if low == 0:
        return y.astype(np.intp, copy=False)
    return np.subtract(y, low, dtype=np.intp, casting="unsafe")
