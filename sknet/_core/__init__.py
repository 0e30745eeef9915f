"""The compiled core: one binary per dtype and CPU level, picked here."""

import functools
import importlib
import os

import numpy as np

__all__ = ["best_cpu_level", "cpu_level", "cpu_levels", "load"]

# From the best to the one that runs everywhere; the folder of a binary is "float64_<level>".
CPU_LEVELS = {"x86-64-v4": "x86_64_v4", "x86-64-v3": "x86_64_v3", "baseline": "baseline"}


def load(dtype):
    """The core for this dtype, compiled for the best CPU level this machine has.

    Parameters
    ----------
    dtype : np.float32 or np.float64

    Returns
    -------
    module
        With the classes of the core (Network, Trainer, ...) and its registries ACTIVATIONS,
        LOSSES, OPTIMIZERS and LAYERS.
    """
    return _load_wanted(np.dtype(dtype).itemsize * 8, os.environ.get("SKNET_CPU"))


def best_cpu_level():
    """Name of the best CPU level this machine can run."""
    return _load(64, "baseline").best_cpu_level()


def cpu_levels():
    """Names of all CPU levels this machine can run, the best one first."""
    levels = list(CPU_LEVELS)
    return levels[levels.index(best_cpu_level()) :]


def cpu_level():
    """Name of the CPU level in use: the best of this machine, or what SKNET_CPU says.

    Raises
    ------
    ValueError
        If SKNET_CPU names no level, or one this machine cannot run.
    """
    return _checked_level(os.environ.get("SKNET_CPU"))


def _checked_level(wanted):
    best = best_cpu_level()
    if wanted is None:
        return best
    if wanted not in CPU_LEVELS:
        raise ValueError(f"SKNET_CPU must be one of {list(CPU_LEVELS)}, got {wanted!r}")
    if wanted not in cpu_levels():
        raise ValueError(f"SKNET_CPU={wanted} was asked for, but this machine has only {best}")
    return wanted


@functools.cache  # every prediction asks
def _load_wanted(bits, wanted):
    return _load(bits, _checked_level(wanted))


def _load(bits, level):
    try:
        return importlib.import_module(f"sknet._core.float{bits}_{CPU_LEVELS[level]}.core")
    except ModuleNotFoundError as error:
        folder = os.path.dirname(os.path.dirname(__file__))
        raise ImportError(
            f"Python found sknet in {folder}, where it is not compiled. If it is installed too, "
            "start Python in another folder or with -P; if not, run: python -m pip install ."
        ) from error
