"""The estimators' tests once more on each CPU level that is not in use by itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sknet import _core

FILES = ["test_numbers", "test_continuation", "test_weights", "test_data", "test_common_checks"]
OTHERS = _core.cpu_levels()[1:]


@pytest.mark.skipif("SKNET_CPU" in os.environ, reason="this run is on a variant of its own")
@pytest.mark.parametrize("level", OTHERS)
def test_on_another_variant(level):
    folder = Path(__file__).parent
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        + [str(folder / f"{name}.py") for name in FILES],
        env=os.environ | {"SKNET_CPU": level},
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
    assert " passed" in run.stdout
