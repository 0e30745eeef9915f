"""Fixtures shared by all tests."""

import os

import numpy as np
import pytest

from sknet import _core

# Tests that start Python want the installed package, not the folder they are run in.
os.environ["PYTHONSAFEPATH"] = "1"

LEVELS = tuple(reversed(_core.CPU_LEVELS))


def compiled(bits, level):
    """The compiled core of this dtype and CPU level, if this machine can run it."""
    if level not in _core.cpu_levels():
        pytest.skip(f"this machine cannot run {level}")
    return _core._load(bits, level)


@pytest.fixture(autouse=True)
def global_seed():
    """Some of scikit-learn's checks leave random_state at None, and a start may diverge."""
    np.random.seed(0)  # noqa: NPY002


@pytest.fixture(
    scope="session",
    params=[(bits, level) for level in LEVELS for bits in (32, 64)],
    ids=lambda param: f"float{param[0]}-{param[1]}",
)
def core(request):
    """Each compiled variant of the core."""
    return compiled(*request.param)


@pytest.fixture(scope="session", params=LEVELS)
def core64(request):
    """Each CPU level of the core in float64."""
    return compiled(64, request.param)
