"""Labels: which there are, and their numbers. Integers are counted, anything else is sorted."""

import numpy as np

__all__ = ["distinct", "encode"]


def distinct(y):
    """The distinct values of an array y of shape (n,), sorted."""
    low, span = _range(y)
    if span > y.shape[0]:
        return np.unique(y)
    return (np.flatnonzero(np.bincount(_offsets(y, low))) + low).astype(y.dtype)


def encode(y, classes):
    """For each element of y its place in `classes`, which are sorted and hold it."""
    low, span = _range(y)
    if span > y.shape[0] or classes.dtype.kind not in "iu":
        return np.searchsorted(classes, y)
    places = np.searchsorted(classes, np.arange(low, low + span))
    return places[_offsets(y, low)]


def _range(y):
    """The smallest value and the number of values up to the largest; inf if there are too many."""
    if y.dtype.kind not in "iu" or not y.shape[0]:
        return 0, np.inf
    low, high = int(y.min()), int(y.max())
    if max(-low, high) > np.iinfo(np.intp).max:
        return 0, np.inf
    return low, high - low + 1


def _offsets(y, low):
    return np.subtract(y, low, dtype=np.intp, casting="unsafe")
