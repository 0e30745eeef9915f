"""Pictures: what they show, where they are drawn."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError
from small_fits import NUMBERS, X, regressor

from sknet.feature_selection import LassoNetSelector
from sknet.inspection import FeaturePathDisplay, LossCurveDisplay

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_loss_curve():
    net = regressor(max_iter=7, early_stopping=True).fit(X, NUMBERS)
    display = LossCurveDisplay.from_estimator(net)
    training, validation = display.lines_
    assert_array_equal(training.get_xdata(), np.arange(1, 8))
    assert_array_equal(training.get_ydata(), net.loss_curve_)
    assert_array_equal(validation.get_ydata(), net.history_["validation_loss"])
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["training", "validation"]
    assert display.ax_.get_yscale() == "log"
    assert display.figure_ is display.ax_.figure
    ax = plt.subplots()[1]
    assert display.plot(ax).ax_ is ax


@pytest.mark.parametrize("combine", ["best", "mean"])
def test_loss_curves_of_several_starts(combine):
    net = regressor(max_iter=5, n_starts=3, combine=combine).fit(X, NUMBERS)
    display = LossCurveDisplay.from_estimator(net)
    for line, history in zip(display.lines_, net.start_histories_, strict=True):
        assert_array_equal(line.get_ydata(), history["loss"])
    strong = [line.get_alpha() == 1 for line in display.lines_]
    best = np.arange(3) == np.argmax(net.start_scores_)
    assert strong == (best.tolist() if combine == "best" else [True] * 3)
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["training"]


def test_loss_curve_of_what_has_none():
    with pytest.raises(ValueError, match="estimator must have a history of its training"):
        LossCurveDisplay.from_estimator(regressor())


@pytest.mark.parametrize("how", [2, "auto"])
def test_feature_path(how):
    selector = LassoNetSelector(
        regressor(max_iter=50), n_features_to_select=how, path_multiplier=1.5, cv=2
    ).fit(X, X[:, 1] + X[:, 3])
    display = FeaturePathDisplay.from_estimator(selector, feature_names=list("abcd"))
    labels = [line.get_label() for line in display.ax_.lines]
    assert labels[: 1 + (how == "auto")] == ["training", "validation"][: 1 + (how == "auto")]
    path = selector.path_
    assert_array_equal(display.ax_.lines[0].get_xdata(), path["lambda"][1:])
    assert_array_equal(display.ax_.lines[0].get_ydata(), path["train_score"][1:])
    for ax in (display.ax_, display.weights_ax_):
        assert ax.lines[-1].get_xdata()[0] == selector.lambda_
    drawn = {line.get_label(): line.get_ydata() for line in display.weights_ax_.lines}
    for i in selector.get_support(indices=True):
        norms = path["coef_norm"][1:, i]
        assert_array_equal(drawn["abcd"[i]], np.where(norms > 0, norms, np.nan))
    assert len(display.weights_ax_.lines) == 5  # each feature, and where it was chosen
    names = [text.get_text() for text in display.weights_ax_.get_legend().get_texts()]
    assert sorted(names) == sorted("abcd"[i] for i in selector.get_support(indices=True))
    fig, ax = plt.subplots()
    assert display.plot(ax).figure_ is fig


def test_feature_path_of_others():
    with pytest.raises(ValueError, match="estimator must be a LassoNetSelector"):
        FeaturePathDisplay.from_estimator(regressor())
    with pytest.raises(NotFittedError):
        FeaturePathDisplay.from_estimator(LassoNetSelector(regressor()))


def test_matplotlib_is_imported_by_drawing_alone():
    code = """if True:
        import sys
        import sknet.inspection
        assert "matplotlib" not in sys.modules
        sys.modules["matplotlib"] = None
        from sknet import MLPRegressor
        net = MLPRegressor(max_iter=2).fit([[0.0], [1.0]], [0, 1])
        try:
            sknet.inspection.LossCurveDisplay.from_estimator(net)
        except ImportError as error:
            assert "LossCurveDisplay.plot requires matplotlib" in str(error), error
            print("told")
    """
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True
    )
    assert run.stdout == "told\n", run.stderr
