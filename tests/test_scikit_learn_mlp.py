"""scikit-learn's own tests of its MLPs, as installed, run against sknet's classes."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path

import pytest
import sklearn
from sklearn.utils.fixes import parse_version

pytestmark = pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"), reason="the list is for 1.9"
)

IMPORT = "from sklearn.neural_network import MLPClassifier, MLPRegressor\n"
SEED_FIXTURE = """
import pytest

@pytest.fixture
def global_random_seed():
    return 42
"""
EXPECTED_FAILURES = {
    "test_gradient": "calls the private _loss_grad_lbfgs",
    "test_learning_rate_warmstart": "reads the private _optimizer",
    "test_adaptive_learning_rate": "reads the private _optimizer",
    "test_n_iter_no_change": "reads the private _no_improvement_count",
    "test_n_iter_no_change_inf": "reads the private _no_improvement_count",
    "test_preserve_feature_names[MLPClassifier]": "fits a y of one class, which is an error here",
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """{test: None if passed, else the traceback} of scikit-learn's test_mlp.py."""
    folder = tmp_path_factory.mktemp("mlp")
    package = Path(find_spec("sklearn.neural_network").origin).parent
    source = (package / "tests" / "test_mlp.py").read_text(encoding="utf-8")
    assert source.count(IMPORT) == 1
    source = source.replace(IMPORT, "from sknet import MLPClassifier, MLPRegressor\n")
    (folder / "test_mlp_of_sknet.py").write_text(source, encoding="utf-8")
    (folder / "conftest.py").write_text(SEED_FIXTURE, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "default"]
    command += ["--rootdir", str(folder), "--junitxml", "results.xml", "test_mlp_of_sknet.py"]
    # The child may run elsewhere, so a relative sys.path must not lose the package under test.
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)}
    run = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert run.returncode in (0, 1), run.stdout + run.stderr
    found = {}
    for case in ElementTree.parse(folder / "results.xml").iter("testcase"):
        failure = case.find("failure") if case.find("error") is None else case.find("error")
        found[case.get("name")] = None if failure is None else failure.text
        assert case.find("skipped") is None, f"{case.get('name')} was skipped"
    return found


def test_all_public_behaviour(results):
    assert len(results) > 50
    unexpected = {
        name: traceback
        for name, traceback in results.items()
        if traceback is not None and name not in EXPECTED_FAILURES
    }
    assert not unexpected, "\n".join(
        f"--- {name}\n{traceback}" for name, traceback in unexpected.items()
    )


@pytest.mark.parametrize("name", EXPECTED_FAILURES)
def test_the_list_of_failures_is_not_stale(results, name):
    assert results[name] is not None, f"{name} passes: take it off the list"
    reason = EXPECTED_FAILURES[name]
    says = reason.split()[-1] if "private" in reason else "at least 2 classes"
    assert says in results[name], f"{name} fails for another reason than: {reason}"
