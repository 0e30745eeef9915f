"""The compiled core knows nothing of scikit-learn."""

import subprocess
import sys
from pathlib import Path

from sknet import _core

# A bare package stands in for sknet: sknet/__init__.py, which needs scikit-learn, is not run.
CODE = """
import sys, types
sys.modules["sklearn"] = None
sknet = sys.modules["sknet"] = types.ModuleType("sknet")
sknet.__path__ = [sys.argv[1]]
import numpy as np
from sknet import _core
for level in _core.cpu_levels():
    for bits in (32, 64):
        core = _core._load(bits, level)
        network = core.Network([core.Dense(3, 2)])
        out = np.full((4, 2), np.nan, core.DTYPE)
        job = core.Predictor(
            network, core.Data(np.ones((4, 3), core.DTYPE)), np.ones(8, core.DTYPE),
            network.initial_state(), out,
        )
        job.start(1)
        job.work(0)
        assert (out == 4).all()
for name in ("joblib", "threadpoolctl"):
    assert name not in sys.modules, name
assert {name for name in sys.modules if name.startswith("sklearn")} == {"sklearn"}
print("done")
"""


def test_core_works_without_scikit_learn():
    folder = Path(_core.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(folder)], capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.stderr) == ("done\n", "")
