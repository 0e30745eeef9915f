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
    "plot_swimming_pool.py": (
        [],
        [
            r"200 days to learn from, 21 columns, of which 3 matter; swimmers differ by \d+",
            r"all columns +21( +\d+\.\d){2}",
            r"what matters +3( +\d+\.\d){2}",
            r"LassoNetSelector +\d+( +\d+\.\d){3}",
            r"RFECV +\d+( +\d+\.\d){3}",
            r"SequentialFeatureSelector +\d+( +\d+\.\d){3}",
            r"LassoNetSelector keeps temperature, humidity, rain",
            r"drawn: plot_swimming_pool.png",
        ],
    ),
    "plot_loan_explained.py": (
        [],
        [
            r"3000 applicants to learn from, 1000 new ones",
            r"area under the ROC curve: 0\.\d{3}",
            r"refused at a risk of 7\d%; columns for and against, in log-odds:",
            r" *[+-]\d\.\d\d  months late = \d",
            r"sum of all ([+-]\d\.\d{3}); difference from a typical applicant \1",
            r"drawn: plot_loan_explained.png",
        ],
    ),
    "plot_mnist_pixels.py": (
        [],
        [
            r"1347 images of 8 x 8 pixels",
            rf"all pixels: +accuracy {NUMBER}",
            r"LassoNetSelector: +accuracy 0\.[89]\d\d\d with 12 pixels, [\d.]+ s",
            rf"SelectKBest: +accuracy {NUMBER} with 12 pixels, [\d.]+ s",
            r"drawn: plot_mnist_pixels.png",
        ],
    ),
    "plot_explorers.py": (
        ["--starts", "3"],
        [
            r"(0\.\d{3} ){2}0\.\d{3}",
            r"the one with the lowest loss \(combine='best'\): 0\.\d{3}",
            r"mean of their probabilities \(combine='mean'\): +0\.\d{3}",
            r"drawn: plot_explorers.png",
        ],
    ),
    "plot_textbook_network.py": (
        ["--epochs", "5"],
        [
            rf"test accuracy: {NUMBER}; \d+ images are wrong",
            r"mean size of the loss's slope in the weights of layer 3: [\d.e-]+",
            r"drawn: plot_textbook_network.png",
        ],
    ),
}
NEEDS = {
    "mixed_frame.py": ["pandas"],
    "claims_with_exposure.py": ["pandas"],
    "plot_loan_explained.py": ["pandas"],
}


def test_every_example_has_a_case():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_example(name, tmp_path):
    arguments, promised = CASES[name]
    for module in [*NEEDS.get(name, ()), *["matplotlib"] * name.startswith("plot_")]:
        pytest.importorskip(module)
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


def test_every_picture_has_its_place():
    text = (EXAMPLES.parent / "README.md").read_text()
    for name in CASES:
        assert f"(examples/{name})" in text
    shown = set(re.findall(r"\(examples/pictures/(\w+)\.png\)", text))
    assert shown == {name[5:-3] for name in CASES if name.startswith("plot_")}
    assert shown == {path.stem for path in (EXAMPLES / "pictures").iterdir()}
