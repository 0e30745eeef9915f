"""KnockoffSelector: its knockoffs, its promise, and how it fits in with scikit-learn."""

import pickle
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknet import MLPClassifier, MLPRegressor
from sknet.feature_selection import KnockoffSelector, LassoNetSelector
from sknet.feature_selection.gaussian_knockoffs import VARIANCES, GaussianKnockoffs
from sknet.feature_selection.knockoffs import _e_values, _enough, _knockoff_plus, _threshold

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
MIX = np.eye(20) + 0.08 * RNG.normal(size=(20, 20))
X = RNG.normal(size=(600, 20)) @ MIX
X *= np.geomspace(0.5, 2, 20)
TRUE = np.arange(12)
NUMBERS = (X[:, TRUE] / X[:, TRUE].std(axis=0)).sum(axis=1) + 0.5 * RNG.normal(size=600)


class Correlations(BaseEstimator):
    """As importances the squared correlations with y; knows what it was fitted to."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None):
        self.X_, self.weight_ = X, sample_weight
        self.feature_importances_ = np.corrcoef(X.T, y)[-1, :-1] ** 2
        return self


def network(**params):
    given = {"solver": "adamw", "weight_decay": 1.0, "input_noise": 0.3}
    return MLPRegressor((16,), **(given | params))


def fit(estimator=None, X=X, y=NUMBERS, **params):
    estimator = Correlations() if estimator is None else estimator
    return KnockoffSelector(estimator, **({"random_state": 0} | params)).fit(X, y)


def chosen(fitted):
    return fitted.get_support(indices=True).tolist()


# Normal knockoffs ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", VARIANCES)
def test_knockoffs_have_the_moments_of_the_columns(method):
    many = RNG.normal(size=(200_000, 20)) @ MIX + np.arange(20)
    copies = GaussianKnockoffs(many, method).draw(np.random.default_rng(1))
    assert_allclose(copies.mean(axis=0), many.mean(axis=0), atol=0.02)
    joint = np.corrcoef(np.hstack([many, copies]).T)
    own, crossed = joint[:20, :20], joint[:20, 20:]
    assert_allclose(joint[20:, 20:], own, atol=0.01)
    others = ~np.eye(20, dtype=bool)
    assert_allclose(crossed[others], own[others], atol=0.01)
    assert (np.diag(crossed) < 0.9).all()  # they are no mere copies


def test_variances():
    covariance = np.corrcoef(X.T)
    same = VARIANCES["equicorrelated"](covariance)
    assert_array_equal(same, same[0])
    least = np.linalg.eigvalsh(2 * covariance - np.diag(same))[0]
    assert 0 < least < 1e-5

    def entropy(s):
        sign, log_det = np.linalg.slogdet(2 * covariance - np.diag(s))
        return log_det + np.log(s).sum() if sign > 0 and (s > 0).all() else -np.inf

    best = VARIANCES["maximum_entropy"](covariance)
    assert entropy(best) > entropy(same * 0.9)
    for _ in range(50):
        assert entropy(best) >= entropy(best * np.exp(0.05 * RNG.normal(size=len(best))))
    assert_allclose(VARIANCES["maximum_entropy"](np.eye(3)), 1, rtol=1e-5)
    assert_allclose(VARIANCES["equicorrelated"](np.eye(3)), 1, rtol=1e-5)


@pytest.mark.parametrize("method", VARIANCES)
def test_fewer_rows_than_columns_and_columns_that_repeat(method):
    wide = RNG.normal(size=(30, 80)).astype(np.float32)
    wide[:, 1], wide[:, 2] = wide[:, 0], 3
    copies = GaussianKnockoffs(wide, method).draw(np.random.default_rng(1))
    assert copies.dtype == np.float32
    assert np.isfinite(copies).all()
    assert_array_equal(copies[:, 2], 3)
    assert np.abs(copies - wide)[:, 5].max() > 0.1
    constant = np.full((10, 3), 7.0)
    copies = GaussianKnockoffs(constant, method).draw(np.random.default_rng(1))
    assert_array_equal(copies, constant)


# The choice ---------------------------------------------------------------------------------


def brute_force(statistics, suffices):
    for size in sorted(abs(w) for w in statistics if w):
        n_positive = sum(w >= size for w in statistics)
        n_negative = sum(w <= -size for w in statistics)
        if suffices(n_positive, n_negative):
            return size
    return np.inf


@pytest.mark.parametrize("fdr", [0.1, 0.2, 0.5])
def test_thresholds(fdr):
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(200):
        statistics = np.r_[rng.uniform(0, 3, size=25), rng.normal(size=30)].round(1)
        plus = brute_force(statistics, lambda above, below: 1 + below <= fdr * above)
        assert _knockoff_plus(statistics, fdr) == plus
        several = brute_force(
            statistics,
            lambda above, below: above >= 1 / fdr and (1 + below <= fdr / 2 * above or below == 0),
        )
        assert _threshold(statistics, fdr) == several
        found += np.isfinite(several)
    assert found > 50
    assert _knockoff_plus(np.zeros(5), fdr) == _threshold(np.zeros(5), fdr) == np.inf


@pytest.mark.parametrize("rule", [_knockoff_plus, _threshold])
def test_e_values_of_false_features_sum_to_their_number_at_most(rule):
    """Signs of false features are coin flips; that is all there is to the promise."""
    rng = np.random.default_rng(1)
    sums = []
    for _ in range(5000):
        false = rng.exponential(size=40) * rng.choice([-1, 1], 40)
        statistics = np.r_[rng.uniform(0, 3, size=20), false]
        sums.append(_e_values(statistics, rule(statistics, 0.2))[20:].sum())
    error = np.std(sums) / np.sqrt(len(sums))
    assert np.mean(sums) <= 60 + 3 * error
    assert np.mean(sums) > 20  # it is no empty promise


def test_enough():
    assert _enough(np.array([10.0, 9, 10, 3]), 0.1).tolist() == [False] * 4
    assert _enough(np.array([20.0, 0, 20, 3]), 0.1).tolist() == [True, False, True, False]
    assert _enough(np.array([20.0, 0, 19, 3]), 0.1).tolist() == [False] * 4
    assert _enough(np.array([20.0, 7, 19, 3]), 0.2).tolist() == [True, True, True, False]


def test_one_draw_is_the_knockoff_filter():
    rng = np.random.default_rng(1)
    for _ in range(100):
        statistics = np.r_[rng.uniform(0, 3, size=25), rng.normal(size=30)]
        threshold = _knockoff_plus(statistics, 0.2)
        assert_array_equal(_enough(_e_values(statistics, threshold), 0.2), statistics >= threshold)


@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (network(), NUMBERS),
        (network(loss="huber"), NUMBERS),
        (network(n_starts=2, combine="mean", dtype="float32"), NUMBERS),
        (network(), np.column_stack([NUMBERS, X[:, 0]])),
        (MLPClassifier((16,), solver="adamw", weight_decay=1.0), NUMBERS > 0),
        (MLPClassifier((16,), solver="adamw", weight_decay=1.0),
         np.digitize(NUMBERS, [-2, 2])),
        (LassoNetSelector(network(), n_features_to_select=1, path_updates=20), NUMBERS),
        (ExtraTreesRegressor(50), NUMBERS),
    ],
    ids=[
        "squared error", "huber", "ensemble", "outputs", "binary", "multiclass", "LassoNet",
        "trees",
    ],
)  # fmt: skip
def test_finds_what_matters(estimator, y):
    scaled = StandardScaler().fit_transform(X)
    fitted = fit(estimator, scaled, y)
    assert fitted.support_[TRUE].sum() >= 8
    assert fitted.support_[12:].sum() <= 2
    assert fitted.n_features_ == fitted.support_.sum()
    assert fitted.transform(scaled).shape == (600, fitted.n_features_)
    assert fitted.statistics_.shape == (10, 20)
    assert fitted.thresholds_.shape == (10,)
    assert_allclose(
        fitted.e_values_,
        np.mean(
            [_e_values(*row) for row in zip(fitted.statistics_, fitted.thresholds_, strict=True)],
            axis=0,
        ),
    )


@pytest.mark.filterwarnings("ignore:No features were selected")
def test_seldom_chooses_anything_where_nothing_matters():
    n_wrong = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        rows, y = rng.normal(size=(100, 30)), rng.normal(size=100)
        n_wrong += fit(X=rows, y=y, fdr=0.2, n_draws=1, random_state=seed).n_features_ > 0
    assert n_wrong <= 14  # 8 are expected at most


def test_nothing_chosen_is_warned_of():
    told = "No features were selected: fdr=0.01 takes at least 100"
    with pytest.warns(UserWarning, match=told) as warned:
        fitted = fit(fdr=0.01)
    assert warned[0].filename == __file__
    assert fitted.n_features_ == 0
    with pytest.warns(UserWarning, match="No features were selected"):
        assert fitted.transform(X).shape == (600, 0)


# Knockoffs that are given -------------------------------------------------------------------


def test_given_knockoffs():
    drawn = np.random.default_rng(5).normal(size=(3, 600, 20))
    stacked = fit(knockoffs=drawn, n_draws=3)
    own = iter(drawn)
    from_function = fit(knockoffs=lambda X, rng: next(own), n_draws=3)
    assert_array_equal(stacked.statistics_, from_function.statistics_)
    single = fit(knockoffs=drawn[0].tolist(), n_draws=2)
    assert_allclose(single.statistics_[0], stacked.statistics_[0], atol=1e-12)
    assert_allclose(single.statistics_[0], single.statistics_[1], atol=1e-12)  # no chance

    def corrs(rows):
        return np.corrcoef(rows.T, NUMBERS)[-1, :-1] ** 2

    assert_allclose(stacked.statistics_[1], corrs(X) - corrs(drawn[1]), atol=1e-12)


def test_a_function_draws_from_the_selector():
    def permuted(X, rng):
        return X[rng.permutation(len(X))]

    first, second, other = (fit(knockoffs=permuted, random_state=s) for s in (0, 0, 1))
    assert_array_equal(first.statistics_, second.statistics_)
    assert not np.array_equal(first.statistics_, other.statistics_)
    assert not np.array_equal(first.statistics_[0], first.statistics_[1])


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (np.zeros((600, 19)), r"\(600, 20\), got \(600, 19\)"),
        (np.zeros((2, 600, 20)), r"\(10, 600, 20\), got \(2, 600, 20\)"),
        (lambda X, rng: X[:5], r"\(600, 20\), got \(5, 20\)"),
    ],
)
def test_knockoffs_of_the_wrong_shape(given, asked):
    with pytest.raises(ValueError, match=f"knockoffs must have shape {asked}"):
        fit(knockoffs=given)


# At home ------------------------------------------------------------------------------------


def test_the_same_bits_from_the_same_seed():
    fits = [fit(network(n_threads=n), n_draws=2) for n in (1, 2)]
    assert_array_equal(fits[0].statistics_, fits[1].statistics_)
    again = pickle.loads(pickle.dumps(clone(fits[0]))).fit(X, NUMBERS)
    assert_array_equal(fits[0].statistics_, again.statistics_)
    inner = fit(network(random_state=7), n_draws=2)  # the selector's counts
    assert_array_equal(fits[0].statistics_, inner.statistics_)
    other = fit(network(), n_draws=2, random_state=1)
    assert not np.array_equal(fits[0].statistics_, other.statistics_)


def test_seeds_of_nested_estimators_are_the_selectors():
    nested = LassoNetSelector(network(), n_features_to_select=1, path_updates=5)
    fits = [fit(nested, n_draws=1, fdr=0.5) for _ in range(2)]
    assert_array_equal(fits[0].statistics_, fits[1].statistics_)


def test_random_numbers_are_not_those_of_the_data():
    """A selector of seed 0 for X drawn from seed 0: its noise is another."""
    rows = np.random.default_rng(0).normal(size=(600, 20))
    seen = []

    class Spy(Correlations):
        def fit(self, X, y):
            seen.append(X)
            return super().fit(X, y)

    with pytest.warns(UserWarning, match="No features"):
        fit(Spy(), rows, n_draws=1)
    joint = np.abs(np.corrcoef(seen[0].T))
    assert (joint - np.eye(40)).max() < 0.3


def test_rows_weights_and_frames():
    weight = np.linspace(0.5, 1.5, 600)
    frame = pd.DataFrame(X, columns=[f"column {i}" for i in range(20)])
    fitted = KnockoffSelector(network(), fdr=0.2, n_draws=2, random_state=0)
    fitted.set_output(transform="pandas").fit(frame, NUMBERS, weight)
    kept = fitted.transform(frame)
    assert kept.columns.tolist() == [f"column {i}" for i in chosen(fitted)]
    assert fitted.inverse_transform(kept.to_numpy()).shape == X.shape
    plain = KnockoffSelector(network(), fdr=0.2, n_draws=2, random_state=0).fit(X, NUMBERS)
    assert not np.array_equal(plain.statistics_, fitted.statistics_)
    assert fit(X=X.astype(np.float32), n_draws=1).statistics_.dtype == float


@pytest.mark.filterwarnings("ignore:No features were selected")
def test_pipeline_and_grid_search():
    pipeline = make_pipeline(
        StandardScaler(), KnockoffSelector(Correlations(), random_state=0), LinearRegression()
    )
    search = GridSearchCV(pipeline, {"knockoffselector__fdr": [0.2, 0.3]}, cv=3)
    assert search.fit(X, NUMBERS).best_score_ > 0.5


class Bare(BaseEstimator):
    def fit(self, X, y):
        return self


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"fdr": 0}, "'fdr' parameter of KnockoffSelector must be a float in the range"),
        ({"fdr": 1.0}, "'fdr' parameter"),
        ({"n_draws": 0}, "'n_draws' parameter"),
        ({"knockoffs": "sdp"}, "'knockoffs' parameter of KnockoffSelector must be a str among"),
        ({"estimator": Bare()}, r"estimator must have feature_importances_ .* got Bare\(\)"),
        ({"estimator": 3}, "'estimator' parameter"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        KnockoffSelector(**({"estimator": Correlations()} | params)).fit(X, NUMBERS)


def test_bad_rows_leave_a_fitted_selector_fitted():
    fitted = fit(fdr=0.3)
    before = chosen(fitted)
    for rows in (np.full_like(X, np.nan), X[:, 0]):
        with pytest.raises(ValueError, match=r"contains NaN|Expected 2D"):
            fitted.fit(rows, NUMBERS)
    with pytest.raises(ValueError, match="inconsistent"):
        fitted.set_params(estimator=network()).fit(X, NUMBERS[:-1])
    assert chosen(fitted) == before


def test_ctrl_c_ends_all_draws():
    before_signal = signal.signal(signal.SIGINT, signal.default_int_handler)  # may be ignored here
    try:
        _interrupt_draws()
    finally:
        signal.signal(signal.SIGINT, before_signal)


def _interrupt_draws():
    fitted = fit(fdr=0.3)
    before = chosen(fitted)
    slow = network(max_iter=50_000, tol=0, n_iter_no_change=50_000)  # minutes
    timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
    timer.start()
    begin = time.monotonic()
    with pytest.warns(UserWarning, match="interrupted"), pytest.raises(KeyboardInterrupt):
        fitted.set_params(estimator=slow).fit(X, NUMBERS)
    assert time.monotonic() - begin < 30
    assert chosen(fitted) == before
