"""Warnings at the line of the user's that led to them."""

import sys
import warnings

__all__ = ["warn"]


def warn(message, category=UserWarning):
    """Warns at the nearest line outside of this package, however many calls lie between."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and _is_ours(frame):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_ours(frame):
    name = frame.f_globals.get("__name__", "")
    return name.partition(".")[0] == "sknet" or name == "sklearn.base"  # which wraps each fit
