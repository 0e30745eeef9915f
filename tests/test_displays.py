"""Pictures: what they show, where they are drawn."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, StandardScaler
from small_fits import LABELS, NUMBERS, X, classifier, regressor

from sknet import find_learning_rate
from sknet.feature_selection import LassoNetSelector
from sknet.inspection import (
    AttributionDisplay,
    FeaturePathDisplay,
    LearningRateDisplay,
    LossCurveDisplay,
    LossLandscapeDisplay,
    NetworkDisplay,
    WeightImageDisplay,
    attributions,
)
from sknet.inspection.loss_landscape import _sheet

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


# Attributions -------------------------------------------------------------------------------


def labels_of(ticks):
    return [label.get_text() for label in ticks]


def test_bars_of_one_row():
    net = regressor(max_iter=5).fit(X, NUMBERS)
    found = attributions(net, X[:1])
    display = AttributionDisplay.from_estimator(net, X[:1], max_columns=2)
    order = np.argsort(-np.abs(found.values[0]))
    bars = sorted(display.ax_.patches, key=lambda bar: -bar.get_y())
    assert_allclose(
        [bar.get_width() for bar in bars],
        [*found.values[0, order[:2]], found.values[0, order[2:]].sum()],
    )
    above = [bar.get_facecolor() for bar in bars if bar.get_width() > 0]
    below = [bar.get_facecolor() for bar in bars if bar.get_width() < 0]
    assert not set(above) & set(below)
    names = labels_of(display.ax_.get_yticklabels())[::-1]
    assert names[0] == f"x{order[0]} = {X[0, order[0]]:.4g}"
    assert names[2] == f"{X.shape[1] - 2} other columns"
    assert f"output {found.predictions[0]:.3g}" in display.ax_.get_title(loc="left")


def test_bars_of_several_rows_are_mean_sizes():
    net = regressor(max_iter=5).fit(X, NUMBERS)
    found = attributions(net, X)
    display = AttributionDisplay.from_estimator(net, X, kind="bar")
    sizes = np.abs(found.values).mean(axis=0)
    bars = sorted(display.ax_.patches, key=lambda bar: -bar.get_y())
    assert_allclose([bar.get_width() for bar in bars], np.sort(sizes)[::-1])


def test_swarm():
    net = classifier(max_iter=5).fit(X, LABELS)
    target = net.classes_[1]
    found = attributions(net, X, target=target)
    display = AttributionDisplay.from_estimator(net, X, target=target, max_columns=2)
    order = np.argsort(-np.abs(found.values).mean(axis=0))
    drawn = display.ax_.collections
    assert len(drawn) == 2
    for points, column in zip(drawn, order[:2][::-1]):
        assert_allclose(points.get_offsets()[:, 0], found.values[:, column])
        ranks = np.argsort(np.argsort(X[:, column]))
        assert_array_equal(np.argsort(np.argsort(points.get_array())), ranks)
    assert repr(target) in display.ax_.get_xlabel()


def test_attributions_through_a_pipeline_are_those_of_the_table():
    frame = pd.DataFrame({"number": X[:, 0], "kind": np.where(X[:, 1] > 0, "big", "small")})
    steps = make_column_transformer((StandardScaler(), ["number"]), (OneHotEncoder(), ["kind"]))
    model = make_pipeline(steps, regressor(max_iter=5)).fit(frame, NUMBERS)
    display = AttributionDisplay.from_estimator(model, frame[:1])
    names = labels_of(display.ax_.get_yticklabels())
    kind = frame["kind"][0]
    assert sorted(names) == [f"kind = {kind}", f"number = {X[0, 0]:.4g}"]
    seen = AttributionDisplay.from_estimator(model, frame[:1], by_column=False)
    assert len(seen.ax_.patches) == 3
    many = AttributionDisplay.from_estimator(model, frame)  # no ranks of words
    assert [points.get_array() is None for points in many.ax_.collections].count(True) == 1


def test_attributions_of_sparse_rows():
    rows = sparse.csr_array(np.where(np.abs(X) > 0.5, X, 0))
    model = make_pipeline(MaxAbsScaler(), regressor(max_iter=5)).fit(rows, NUMBERS)
    display = AttributionDisplay.from_estimator(model, rows[:1])
    same = AttributionDisplay.from_estimator(model, rows[:1].toarray())
    assert_array_equal(display.attributions.values, same.attributions.values)
    assert labels_of(display.ax_.get_yticklabels()) == labels_of(same.ax_.get_yticklabels())


def test_images_of_attributions():
    net = regressor(max_iter=5).fit(X[:, :4], NUMBERS)
    found = attributions(net, X[:3, :4])
    display = AttributionDisplay.from_estimator(net, X[:3, :4], image_shape=(2, 2))
    parts = display.ax_.child_axes[:3]
    for part, values in zip(parts, found.values):
        assert_array_equal(part.images[-1].get_array().data, values.reshape(2, 2))
    with pytest.raises(ValueError, match=r"image_shape must hold the 4 columns of X, got \(3, 3\)"):
        AttributionDisplay.from_estimator(net, X[:1, :4], image_shape=(3, 3))
    with pytest.raises(ValueError, match="kind='image' needs image_shape"):
        AttributionDisplay.from_estimator(net, X[:1, :4], kind="image")


def test_attributions_that_cannot_be_drawn():
    net = classifier(max_iter=2).fit(X, np.arange(len(X)) % 3)
    with pytest.raises(ValueError, match="target must choose one of the 3 outputs"):
        AttributionDisplay.from_estimator(net, X[:1])
    with pytest.raises(ValueError, match=r"kind must be 'auto', .* got 'pie'"):
        AttributionDisplay.from_estimator(net, X[:1], target=0, kind="pie")


# Weights ------------------------------------------------------------------------------------


def test_network():
    frame = pd.DataFrame(X[:, :3], columns=["a", "b", "c"])
    net = classifier(hidden_layer_sizes=(5, 4), max_iter=2).fit(frame, np.arange(len(X)) % 3)
    display = NetworkDisplay.from_estimator(net)
    assert [units.tolist() for units in display.units_] == [list(range(n)) for n in (3, 5, 4, 3)]
    segments = display.lines_.get_segments()
    assert len(segments) == 3 * 5 + 5 * 4 + 4 * 3
    texts = labels_of(display.ax_.texts)
    assert texts[:6] == ["a", "b", "c", "0", "1", "2"]
    assert {"3 inputs", "5 units", "4 units", "3 outputs"} <= set(texts)
    # The strongest weight of each layer is the widest, and its colour tells its sign.
    widths = np.array(display.lines_.get_linewidths())
    colours = display.lines_.get_colors()[:, :3]
    strongest = [np.abs(coef).argmax() for coef in net.coefs_]
    signs = [coef.flat[k] > 0 for coef, k in zip(net.coefs_, strongest)]
    layers = [round(segment[0][0] / 2) for segment in segments]
    for layer, sign in enumerate(signs):
        mine = [k for k in range(len(segments)) if layers[k] == layer]
        widest = max(mine, key=lambda k: widths[k])
        assert widths[widest] == widths.max()
        assert (colours[widest][2] > colours[widest][0]) == sign  # blue, or vermilion


def test_network_with_many_units():
    net = regressor(hidden_layer_sizes=(40,), max_iter=2).fit(X, NUMBERS)
    display = NetworkDisplay.from_estimator(net, max_units=6)
    assert len(display.units_[1]) == 6
    weight = np.linalg.norm(net.coefs_[0], axis=0) + np.linalg.norm(net.coefs_[1], axis=1)
    assert_array_equal(display.units_[1], np.sort(np.argsort(-weight)[:6]))
    assert "6 of 40\nunits" in labels_of(display.ax_.texts)
    with pytest.raises(ValueError, match="feature_names must have"):
        NetworkDisplay.from_estimator(net, feature_names=["a"])
    with pytest.raises(ValueError, match="estimator must be a fitted network"):
        NetworkDisplay.from_estimator(regressor())


def test_weight_images():
    net = regressor(hidden_layer_sizes=(5,), max_iter=2).fit(X[:, :4], NUMBERS)
    display = WeightImageDisplay.from_estimator(net, (2, 2))
    for drawn, weights in zip(display.images_, net.coefs_[0].T, strict=True):
        assert_array_equal(drawn.get_array(), weights.reshape(2, 2))
        assert drawn.get_clim() == (-np.abs(net.coefs_[0]).max(), np.abs(net.coefs_[0]).max())
    assert len(display.plot(max_units=2).images_) == 2
    with pytest.raises(ValueError, match="image_shape must hold the 4 columns"):
        WeightImageDisplay.from_estimator(net, (2, 3))
    ensemble = regressor(n_starts=2, combine="mean", max_iter=2).fit(X, NUMBERS)
    with pytest.raises(ValueError, match="ask one of estimators_"):
        WeightImageDisplay.from_estimator(ensemble, (2, 2))


# Training -----------------------------------------------------------------------------------


def test_learning_rates():
    net = classifier()
    curve = find_learning_rate(net, X, LABELS, n_steps=30)
    display = LearningRateDisplay.from_estimator(net, X, LABELS, n_steps=30)
    losses, smoothed, suggestion = display.ax_.lines
    assert_array_equal(losses.get_ydata(), curve.losses)
    assert_array_equal(smoothed.get_xdata(), curve.learning_rates)
    assert_array_equal(smoothed.get_ydata(), curve.smoothed)
    assert suggestion.get_xdata()[0] == curve.suggestion


@pytest.mark.parametrize("n_starts", [1, 3])
def test_loss_landscape(n_starts):
    combine = "mean" if n_starts > 1 else "best"
    net = classifier(hidden_layer_sizes=(3,), max_iter=8, n_starts=n_starts, combine=combine)
    display = LossLandscapeDisplay.from_estimator(net, X, LABELS, n_grid=60)
    fitted = net.fit(X, LABELS)
    members = fitted.estimators_ if n_starts > 1 else [fitted]
    losses = [log_loss(LABELS, member.predict_proba(X)) for member in members]
    assert_allclose(display.end_losses, losses)  # they are the ways of fit
    for rank, i in enumerate(np.argsort(losses)):
        assert_array_equal(np.column_stack(display.lines_[rank].get_data()), display.ways[i])
    assert display.losses.shape == (60, 60)
    for way, loss in zip(display.ways, losses, strict=True):  # and heights are what they met
        column, row = (
            np.abs(places - place).argmin()
            for places, place in zip(display.places, way[-1], strict=True)
        )
        assert_allclose(display.losses[row, column], loss, rtol=0.05)


def test_ways_keep_their_distances():
    """Four ends as far from one another as they can be are so in the picture, or nearly."""
    ends = 5 * np.eye(4)
    trajectories = [np.linspace(0, end, 30) for end in ends]
    ways, weights_at = _sheet(trajectories)
    for way, end in zip(ways, ends, strict=True):
        assert_allclose(weights_at(way[-1:])[0], end, atol=1e-2)
    gaps = [np.linalg.norm(a[-1] - b[-1]) for i, a in enumerate(ways) for b in ways[:i]]
    assert min(gaps) > 0.4 * max(gaps)


def test_loss_landscape_of_other_networks():
    drawn = LossLandscapeDisplay.from_estimator(
        regressor(hidden_layer_sizes=(), solver="lbfgs", max_iter=20), X, NUMBERS, n_grid=5
    )
    assert drawn.losses.min() > 0
    assert len(np.unique(drawn.ways[0], axis=0)) > 2
    early = regressor(hidden_layer_sizes=(3,), max_iter=5, early_stopping=True, n_starts=2)
    assert len(LossLandscapeDisplay.from_estimator(early, X, NUMBERS, n_grid=3).lines_) == 2
    with pytest.raises(ValueError, match="estimator must have normalization=None"):
        LossLandscapeDisplay.from_estimator(regressor(normalization="batch"), X, NUMBERS)
    with pytest.raises(ValueError, match="estimator must be an MLPClassifier or MLPRegressor"):
        LossLandscapeDisplay.from_estimator(StandardScaler(), X, NUMBERS)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        LossLandscapeDisplay.from_estimator(regressor(), np.full_like(X, np.nan), NUMBERS)
    with pytest.raises(ValueError, match="'loss' parameter of MLPRegressor must be"):
        LossLandscapeDisplay.from_estimator(regressor(loss="hubert"), X, NUMBERS)


# What all share -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "draw",
    [
        lambda net, ax: AttributionDisplay.from_estimator(net, X, ax=ax),
        lambda net, ax: AttributionDisplay.from_estimator(net, X[:1], ax=ax),
        lambda net, ax: NetworkDisplay.from_estimator(net, ax=ax),
        lambda net, ax: WeightImageDisplay.from_estimator(net, (1, X.shape[1]), ax=ax),
        lambda net, ax: LearningRateDisplay.from_estimator(net, X, NUMBERS, n_steps=10, ax=ax),
        lambda net, ax: LossLandscapeDisplay.from_estimator(net, X, NUMBERS, n_grid=3, ax=ax),
    ],
    ids=["swarm", "bars", "network", "weights", "learning rates", "landscape"],
)
def test_drawn_where_it_is_asked_for(draw):
    figure, ax = plt.subplots()
    display = draw(regressor(max_iter=3).fit(X, NUMBERS), ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    figure.canvas.draw()


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
