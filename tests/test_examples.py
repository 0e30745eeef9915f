"""Each example runs without data files, warns of nothing and prints what it promises."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"

NUMBER = r"\d\.\d{4}"

CASES = {
    "quickstart.py": (
        [],
        [
            r"cross-validated accuracy: +0\.9[6-9]\d\d",
            r"test accuracy: +0\.9[6-9]\d\d",
            r"best parameters: +alpha=.*hidden_layer_sizes=.*",
            r"time: +[\d.]+ s for \d+ fits",
        ],
    ),
    "mnist_textbook.py": (
        ["--epochs", "3", "--seeds", "2"],
        [
            r"digits: \d+ training images, \d+ test images",
            r"logistic units, squared error, SGD",
            r"relu, log-loss, SGD",
            r"relu, log-loss, adam",
            r"epoch  3:( +\d+\.\d\d){2}",
            r"median \d+\.\d\d % after 3 epochs, [\d.]+ s",
        ],
    ),
    "sparse_text.py": (
        [],
        [
            r"X: CSR, \d+ x \d+, density \d\.\d+%",
            rf"test accuracy: +{NUMBER}",
            rf"F1 of spam: +{NUMBER}",
            r"time: +[\d.]+ s, \d+ epochs",
        ],
    ),
    "mixed_frame.py": (
        [],
        [
            r"made-up table: \d+ rows",
            r"best parameters: +alpha=.*hidden_layer_sizes=.*",
            rf"grid search, accuracy: +{NUMBER}",
            rf"cross-validated accuracy: +{NUMBER} \+- {NUMBER}",
            rf"cross-validated roc_auc: +{NUMBER} \+- {NUMBER}",
            rf"test accuracy: +{NUMBER}",
            rf"test roc_auc: +{NUMBER}",
            r"time: +[\d.]+ s",
        ],
    ),
    "claims_with_exposure.py": (
        [],
        [
            r"made-up policies: \d+ policies to train on, \d+ to test on",
            rf"PoissonRegressor: +mean Poisson deviance {NUMBER}, [\d.]+ s",
            rf"gradient boosting: +mean Poisson deviance {NUMBER}, [\d.]+ s",
            rf"networks: +mean Poisson deviance {NUMBER}, [\d.]+ s",
        ],
    ),
    "plot_overfitting.py": (
        ["--epochs", "60"],
        [
            r"errors in % after 60 epochs: +training +test +gap",
            r"scikit-learn's default( +-?\d+\.\d){3}",
            r"ten explorers, with dropout( +-?\d+\.\d){3}",
            r"drawn: plot_overfitting.png, [\d.]+ s",
        ],
    ),
}
NEEDS = {
    "mixed_frame.py": "pandas",
    "claims_with_exposure.py": "pandas",
    "plot_overfitting.py": "matplotlib",
}


def test_every_example_has_a_case():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_example(name, tmp_path):
    arguments, promised = CASES[name]
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    environment = {key: value for key, value in os.environ.items() if key != "SKNET_DATA"}
    run = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    lines = run.stdout.splitlines()
    for pattern in promised:
        assert any(re.fullmatch(pattern, line) for line in lines), (pattern, run.stdout)
