"""Standard deviations, intervals, and samples by dropout."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_fits import LABELS, NUMBERS, X, classifier, regressor

from sknet.losses import Gamma, Poisson, Quantile, Tweedie

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROWS = {"X_val": X[:20], "y_val": NUMBERS[:20]}
TWO = np.column_stack([NUMBERS, 10 * X[:, 0]])
MEAN = {"n_starts": 4, "combine": "mean"}


# Standard deviations ------------------------------------------------------------------------


def parts(net, rows, power=0):
    """Mean, variance of the members and variance function, as the definition has them."""
    members = np.stack([member.predict(rows) for member in getattr(net, "estimators_", [net])])
    mean = members.mean(axis=0)
    return mean, members.var(axis=0), mean**power


@pytest.mark.parametrize("params", [{}, MEAN], ids=["single", "ensemble"])
@pytest.mark.parametrize("y", [NUMBERS, TWO], ids=["one", "two"])
def test_spread_and_noise(params, y):
    net = regressor(max_iter=20, **params).fit(X[20:], y[20:], X_val=X[:20], y_val=y[:20])
    mean, spread, _ = parts(net, X[:20])
    noise = np.maximum(np.mean((y[:20] - mean) ** 2 - spread, axis=0), 0)
    assert_allclose(net.residual_std_, np.sqrt(noise), rtol=1e-10)
    mean, spread, _ = parts(net, X)
    predicted, std = net.predict(X, return_std=True)
    assert_array_equal(predicted, net.predict(X))
    assert_allclose(std, np.sqrt(spread + noise), rtol=1e-10)
    assert std.shape == y.shape
    # Both together are right on average, where the members alone do not differ more than that.
    squares, expected = np.mean(std[:20] ** 2, axis=0), np.mean((y - predicted)[:20] ** 2, axis=0)
    assert_allclose(squares, np.where(noise > 0, expected, spread[:20].mean(axis=0)), rtol=1e-10)
    assert (spread > 0).all() == bool(params)


@pytest.mark.parametrize(
    ("loss", "power"), [("poisson", 1), (Poisson(), 1), (Gamma(), 2), (Tweedie(1.3), 1.3)], ids=str
)
def test_variance_goes_with_the_mean(loss, power):
    y = np.abs(NUMBERS) + 0.1
    net = regressor(loss=loss, max_iter=50, **MEAN)
    net.fit(X[20:], y[20:], X_val=X[:20], y_val=y[:20])
    mean, spread, variance = parts(net, X[:20], power)
    dispersion = max(np.mean(((y[:20] - mean) ** 2 - spread) / variance), 0)
    assert dispersion > 0
    assert net.residual_std_ == pytest.approx(np.sqrt(dispersion))
    mean, spread, variance = parts(net, X, power)
    std = net.predict(X, return_std=True)[1]
    assert_allclose(std, np.sqrt(spread + dispersion * variance), rtol=1e-10)
    lower, _ = net.predict_interval(X, 0.5).T
    assert (lower >= 0).all()


def test_noise_of_the_training_rows_where_there_are_no_others():
    net = regressor(max_iter=20, **MEAN).fit(X, NUMBERS)
    mean, spread, _ = parts(net, X)
    noise = max(np.mean((NUMBERS - mean) ** 2 - spread), 0)
    assert net.residual_std_ == pytest.approx(np.sqrt(noise))
    with pytest.raises(ValueError, match="validation rows"):
        net.predict_interval(X)


def test_weights_of_validation_rows_count():
    weight = np.where(np.arange(20) < 12, 1.0, 0.0)
    net = regressor(max_iter=5, **MEAN)
    net.fit(X[20:], NUMBERS[20:], **ROWS, sample_weight_val=weight)
    interval = net.predict_interval(X)
    few = regressor(max_iter=5, **MEAN)
    few.fit(X[20:], NUMBERS[20:], X_val=X[:12], y_val=NUMBERS[:12])
    assert net.residual_std_ == pytest.approx(few.residual_std_)
    assert_allclose(interval, few.predict_interval(X))
    net.fit(X[20:], NUMBERS[20:], **ROWS, sample_weight_val=7 * weight)  # only shares matter
    assert_allclose(interval, net.predict_interval(X))


# Intervals ----------------------------------------------------------------------------------


def conformal(scores, coverage):
    """The textbook's quantile of n scores: the ceil((n + 1) coverage)-th smallest."""
    return np.sort(scores)[int(np.ceil((len(scores) + 1) * coverage - 1e-9)) - 1]


@pytest.mark.parametrize("coverage", [0.05, 0.5, 0.8, 0.9, 20 / 21])
@pytest.mark.parametrize("params", [{}, MEAN], ids=["single", "ensemble"])
def test_intervals_of_means(params, coverage):
    net = regressor(max_iter=20, **params).fit(X[20:], NUMBERS[20:], **ROWS)
    predicted, std = net.predict(X, return_std=True)
    margin = conformal(np.abs(NUMBERS[:20] - predicted[:20]) / std[:20], coverage)
    expected = np.column_stack([predicted - margin * std, predicted + margin * std])
    assert_allclose(net.predict_interval(X, coverage), expected, rtol=1e-9)
    lower, upper = net.predict_interval(X[:20], coverage).T
    inside = (lower - 1e-9 <= NUMBERS[:20]) & (NUMBERS[:20] <= upper + 1e-9)
    assert inside.sum() == np.ceil(21 * coverage - 1e-9)


@pytest.mark.parametrize("params", [{}, MEAN], ids=["single", "ensemble"])
def test_intervals_of_quantiles(params):
    net = regressor(loss=Quantile([0.2, 0.5, 0.7]), max_iter=20, **params)
    net.fit(X[20:], NUMBERS[20:], **ROWS)
    lower, _, upper = net.predict(X).T
    scores = np.maximum(lower - NUMBERS, NUMBERS - upper)[:20]
    for coverage in (0.8, 0.9):
        margin = conformal(scores, coverage)
        expected = np.column_stack([lower - margin, upper + margin])
        assert_allclose(net.predict_interval(X, coverage), expected, rtol=1e-9)
    interval = net.predict_interval(X, 0.05)  # narrowed, maybe to a point
    assert (interval[:, 0] <= interval[:, 1]).all()
    assert not hasattr(net, "residual_std_")


@pytest.mark.parametrize("loss", ["squared_error", Quantile([0.1, 0.9])], ids=str)
def test_intervals_of_several_outputs(loss):
    net = regressor(loss=loss, max_iter=20, early_stopping=True, validation_fraction=0.3)
    intervals = net.fit(X, TWO).predict_interval(X, 0.8)
    assert intervals.shape == (60, 2, 2)
    width = (intervals[..., 1] - intervals[..., 0]).mean(axis=0)
    assert width[1] > 2 * width[0]  # each output has its own


KINDS = {
    "means": {},
    "ensemble": MEAN,
    "quantiles": {"loss": Quantile([0.05, 0.95])},
    "one quantile": {"loss": "quantile"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_coverage_of_new_rows(kind):
    """What is promised comes true, also where the noise depends on X."""
    rng = np.random.default_rng(0)
    rows = rng.uniform(-1, 1, size=(22500, 2))
    y = np.sin(3 * rows[:, 0]) + (0.1 + np.abs(rows[:, 1])) * rng.normal(size=len(rows))
    net = regressor(hidden_layer_sizes=(30,), max_iter=30, early_stopping=True, **KINDS[kind])
    net.set_params(validation_fraction=0.4, learning_rate_init=0.01).fit(rows[:2500], y[:2500])
    for coverage in (0.5, 0.9):
        lower, upper = net.predict_interval(rows[2500:], coverage).T
        inside = np.mean((lower <= y[2500:]) & (y[2500:] <= upper))
        # Four standard deviations for 1000 validation rows.
        assert abs(inside - coverage) < 4 * np.sqrt(coverage * (1 - coverage) / 1000)
    width = upper - lower
    if kind == "quantiles":  # they follow the noise
        assert width[np.abs(rows[2500:, 1]) > 0.8].mean() > 2 * width[
            np.abs(rows[2500:, 1]) < 0.2
        ].mean()  # fmt: skip


def test_counts():
    rng = np.random.default_rng(0)
    rows = rng.uniform(-1, 1, size=(12000, 2))
    y = rng.poisson(np.exp(1 + rows[:, 0]))
    net = regressor(loss="poisson", learning_rate_init=0.02, max_iter=50, early_stopping=True)
    net.set_params(validation_fraction=0.4).fit(rows[:2000], y[:2000])
    lower, upper = net.predict_interval(rows[2000:], 0.9).T
    assert (lower >= 0).all()
    assert 0.86 < np.mean((lower <= y[2000:]) & (y[2000:] <= upper)) < 0.95  # counts have ties
    assert (upper - lower)[rows[2000:, 0] > 0.5].mean() > (upper - lower)[
        rows[2000:, 0] < -0.5
    ].mean()  # fmt: skip
    assert 0.7 < net.residual_std_ < 1.3


def test_a_perfect_fit_has_intervals_of_no_width():
    net = regressor(hidden_layer_sizes=(), max_iter=1).fit(X, NUMBERS, X_val=X, y_val=NUMBERS)
    y = net.predict(X)
    net.set_params(coefs_init=net.coefs_, intercepts_init=net.intercepts_)
    net.set_params(learning_rate_init=1e-300).fit(X, y, X_val=X, y_val=y)
    assert net.residual_std_ == 0
    assert_array_equal(net.predict_interval(X), np.column_stack([y, y]))


def test_in_a_pipeline():
    net = make_pipeline(StandardScaler(), regressor(early_stopping=True, max_iter=5, **MEAN))
    net.fit(X, NUMBERS)
    std = net.predict(X, return_std=True)[1]
    assert std.shape == (60,)
    assert net[-1].predict_interval(net[:-1].transform(X), 0.5).shape == (60, 2)


def test_continued_training_forgets_the_calibration():
    net = regressor(warm_start=True, max_iter=5).fit(X[20:], NUMBERS[20:], **ROWS)
    assert net.predict_interval(X, 0.5).shape == (60, 2)
    net.fit(X[20:], NUMBERS[20:])
    assert not hasattr(net, "residual_std_")
    with pytest.raises(ValueError, match="validation rows"):
        net.predict_interval(X, 0.5)


def test_errors():
    net = regressor(max_iter=5).fit(X, NUMBERS)
    with pytest.raises(ValueError, match=r"return_std=True needs combine='mean' or .*validation"):
        net.predict(X, return_std=True)
    with pytest.raises(ValueError, match="needs a fit with validation rows"):
        net.predict_interval(X)
    net.fit(X[20:], NUMBERS[20:], **ROWS)
    for coverage in (0, 1, 1.5, -0.1, "0.9", None, np.nan):
        with pytest.raises(ValueError, match="coverage must be a number between 0 and 1, got"):
            net.predict_interval(X, coverage)
    with pytest.raises(
        ValueError, match=r"coverage=0\.99 needs at least 99 validation rows, got 20"
    ):
        net.predict_interval(X, 0.99)
    net.set_params(loss=Quantile([0.1, 0.9])).fit(X, NUMBERS, **ROWS)
    with pytest.raises(ValueError, match="several quantiles"):
        net.predict(X, return_std=True)


# Samples by dropout -------------------------------------------------------------------------


def linear_network(rate=0.3, **params):
    """A network whose outputs under dropout have a mean and a variance that one can compute."""
    return regressor(
        hidden_layer_sizes=(40,), activation="identity", dropout=rate, max_iter=5, **params
    ).fit(X, NUMBERS)


def test_samples_have_the_mean_and_the_variance_of_dropout():
    net = linear_network()
    n = 4000
    samples = net.predict_samples(X, n)
    assert samples.shape == (n, 60)
    hidden = X @ net.coefs_[0] + net.intercepts_[0]
    variance = np.sum((hidden * net.coefs_[1][:, 0]) ** 2, axis=1) * 0.3 / 0.7
    # Six standard deviations of mean and variance.
    error = (samples.mean(axis=0) - net.predict(X)) / np.sqrt(variance / n)
    assert np.abs(error).max() < 6
    assert_allclose(samples.var(axis=0), variance, rtol=6 * np.sqrt(3 / n))


def test_samples_are_independent():
    """Rows drop units of their own, beyond the first block of rows too, and so do samples."""
    net = linear_network()
    rows = np.tile(X[:1], (300, 1))
    samples = net.predict_samples(rows, 50)
    assert len(np.unique(samples.round(12))) > 0.99 * samples.size


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_samples_are_the_same_bits(dtype):
    net = linear_network(dtype=dtype)
    rows = np.tile(X, (10, 1))
    samples = net.predict_samples(rows, 30)
    for n_threads in (1, 2, 5):
        assert_array_equal(net.set_params(n_threads=n_threads).predict_samples(rows, 30), samples)
    assert_array_equal(net.predict_samples(rows, 10), samples[:10])
    assert (net.predict_samples(rows, 30, random_state=1) != samples).any()
    others = [net.predict_samples(rows, 3, random_state=None) for _ in range(2)]
    assert (others[0] != others[1]).any()
    state = np.random.RandomState(0)
    assert_array_equal(net.predict_samples(rows, 30, random_state=state), samples)
    assert (net.predict_samples(rows, 30, random_state=state) != samples).any()


def test_a_rate_of_nearly_nothing_is_the_prediction():
    net = linear_network(rate=1e-9)
    assert_allclose(net.predict_samples(X, 3), [net.predict(X)] * 3, rtol=1e-6)


def test_dropped_columns():
    net = regressor(hidden_layer_sizes=(), input_dropout=0.5, max_iter=5).fit(X, NUMBERS)
    row = np.eye(4)[:1]
    samples = net.predict_samples(row, 200)
    intercept = net.intercepts_[0][0]
    possible = [intercept, intercept + 2 * net.coefs_[0][0, 0]]
    assert {np.abs(sample - possible).min() < 1e-12 for sample in samples[:, 0]} == {True}
    assert 60 < np.sum(np.abs(samples[:, 0] - intercept) < 1e-12) < 140
    csr = net.predict_samples(sparse.csr_matrix(X), 5)
    assert_allclose(csr, net.predict_samples(X, 5), rtol=1e-12)


@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_with_normalization(normalization):
    """Samples have the running statistics, and differ by what is dropped only."""
    net = regressor(dropout=0.5, normalization=normalization, max_iter=5).fit(X, NUMBERS)
    samples = net.predict_samples(X, 2000)
    assert np.abs(samples.mean(axis=0) - net.predict(X)).max() < 6 * samples.std(axis=0).max() / 44


def test_an_ensembles_samples_are_its_members():
    net = regressor(dropout=0.2, max_iter=5, n_starts=3, combine="mean").fit(X, NUMBERS)
    samples = net.predict_samples(X, 7)
    assert samples.shape == (7, 60)
    keys = np.random.RandomState(0).randint(0, 2**32, size=3, dtype=np.uint32)
    assert len(set(keys)) == 3
    many = net.predict_samples(X, 3000)
    for i, member in enumerate(net.estimators_):
        part = many[1000 * i : 1000 * (i + 1)]
        own = member.predict_samples(X, 1000)
        error = (part.mean(axis=0) - own.mean(axis=0)) / np.sqrt(2 * part.var(axis=0) / 1000)
        assert np.abs(error).max() < 6


@pytest.mark.parametrize(
    ("y", "params", "n_columns"),
    [
        (LABELS, {}, 2),
        (np.digitize(X[:, 0], [-0.5, 0.5]), {}, 3),
        (np.digitize(X[:, 0], [-0.5, 0.5]), {"loss": "squared_error"}, 3),
        (np.eye(2, dtype=int)[LABELS], {}, 2),
    ],
    ids=["binary", "multiclass", "squares", "multilabel"],
)
def test_samples_of_probabilities(y, params, n_columns):
    net = classifier(hidden_layer_sizes=(40,), dropout=0.1, max_iter=5, **params).fit(X, y)
    samples = net.predict_samples(X, 500)
    assert samples.shape == (500, 60, n_columns)
    assert ((samples > 0) & (samples < 1)).all()
    if y.ndim == 1:
        assert_allclose(samples.sum(axis=-1), 1)
    assert_allclose(samples.mean(axis=0), net.predict_proba(X), atol=0.03)
    assert samples.std(axis=0).min() > 0
    net.set_params(loss="hinge")
    assert not hasattr(net, "predict_samples")


def test_sample_errors():
    net = regressor(max_iter=2).fit(X, NUMBERS)
    with pytest.raises(ValueError, match="dropout, or input_dropout, > 0"):
        net.predict_samples(X)
    net = linear_network()
    for n_samples in (0, -1, 2.5, None, "many"):
        with pytest.raises(ValueError, match="n_samples must be an integer >= 1, got"):
            net.predict_samples(X, n_samples)
    with pytest.raises(ValueError, match="4 features"):
        net.predict_samples(X[:, :2], 3)
