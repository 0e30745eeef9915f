"""KnockoffSelector: features that stand out from copies of theirs which know nothing of y."""

import copy
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from sknet.feature_selection.gaussian_knockoffs import VARIANCES, GaussianKnockoffs
from sknet.methods import fitting
from sknet.rows import FLOATS
from sknet.threads import single_threaded_blas
from sknet.typing import ArrayLike, MatrixLike
from sknet.warning import warn

__all__ = ["KnockoffSelector"]

STREAM = 31  # names the family of random numbers, so that no data made from the same seed share it


class KnockoffSelector(SelectorMixin, MetaEstimatorMixin, BaseEstimator):
    """Selects features so that only a given part of them is expected to be false.

    Each column gets a knockoff, a copy that relates to the other columns as the column does and
    knows nothing of y. A network is fitted to columns and knockoffs together; a column that does
    not matter is then as likely to be less important than its knockoff as more so, and the number
    of those that are less important tells how many of the others are there by chance [1]_.
    Several draws of knockoffs, each with a network of its own, vote by e-values [2]_, so that the
    choice depends little on chance.

    A feature is false if y does not depend on it once all other columns are known. The promise
    rests on the knockoffs: it holds for any y and any network, but the rows must be independent
    and the columns nearly normal, or the knockoffs given. Scale the columns first, for instance
    with StandardScaler, as the network wants them.

    Parameters
    ----------
    estimator : estimator object
        Has `feature_importances_` once it is fitted. Networks that overfit little find most, above
        all with `l1`, which lets go of inputs that do not help:
        `MLPRegressor((32,), l1=1.0, input_noise=0.3, n_starts=4, combine="mean")` is a good
        beginning. Its own random_state is not used.
    fdr : float, default=0.1
        False discovery rate: the expected part of false features among those that are chosen.
        Fewer than 1 / fdr features are never chosen, as so few cannot tell.
    n_draws : int, default=10
        Draws of knockoffs. More of them make the choice steadier and take longer; with 1 it is the
        knockoff+ filter of [1]_.
    knockoffs : {"maximum_entropy", "equicorrelated"}, callable or array-like, \
            default="maximum_entropy"
        Normal knockoffs from the means and covariances of X, with variances that differ from
        column to column, or the same for all. Or a function of X and a numpy Generator that
        returns an array of the shape of X. Or the knockoffs themselves, of shape
        (n_samples, n_features) or (n_draws, n_samples, n_features).
    random_state : int, RandomState instance or None, default=None
        Of the knockoffs, and of the estimators that are fitted.

    Attributes
    ----------
    support_ : ndarray of shape (n_features_in_,)
        True for the features that are chosen.
    n_features_ : int
        How many they are.
    statistics_ : ndarray of shape (n_draws, n_features_in_)
        For each draw, by how much the importance of a column exceeds that of its knockoff.
    thresholds_ : ndarray of shape (n_draws,)
        What a statistic must reach to have a vote; infinity where no draw tells features apart.
    e_values_ : ndarray of shape (n_features_in_,)
        Mean votes. Of k features that are chosen each has n_features_in_ / (fdr * k) or more.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if X had names.

    References
    ----------
    .. [1] Candes, Fan, Janson and Lv, "Panning for gold: model-X knockoffs for high dimensional
       controlled variable selection", Journal of the Royal Statistical Society B 80, 2018.
    .. [2] Ren and Barber, "Derandomised knockoffs: leveraging e-values for false discovery rate
       control", Journal of the Royal Statistical Society B 86, 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sknet import MLPRegressor
    >>> from sknet.feature_selection import KnockoffSelector
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 30))
    >>> y = X[:, :12].sum(axis=1) + rng.normal(size=500)
    >>> net = MLPRegressor((16,), l1=1.0, input_noise=0.3)
    >>> selector = KnockoffSelector(net, random_state=0).fit(X, y)
    >>> selector.get_support(indices=True)
    array([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11])
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit"])],
        "fdr": [Interval(Real, 0, 1, closed="neither")],
        "n_draws": [Interval(Integral, 1, None, closed="left")],
        "knockoffs": [StrOptions(set(VARIANCES)), callable, "array-like"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        fdr: float = 0.1,
        n_draws: int = 10,
        knockoffs: Any = "maximum_entropy",
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.fdr = fdr
        self.n_draws = n_draws
        self.knockoffs = knockoffs
        self.random_state = random_state

    @fitting
    def fit(self, X: MatrixLike, y: MatrixLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the estimator to columns and knockoffs, once per draw, and choose features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets as for the estimator.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows for the estimator; None means 1 each. Knockoffs are made from all
            rows alike.

        Returns
        -------
        self : object
            The fitted selector.

        Raises
        ------
        ValueError
            If given knockoffs do not have the shape of X, or the estimator has no importances.

        Warns
        -----
        UserWarning
            If no feature is chosen.
        """
        X = validate_data(self, X, dtype=FLOATS, ensure_min_samples=2)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        rng = np.random.default_rng([seed, STREAM])
        draw = self._source(X, rng)
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.statistics_ = np.array(
            [self._statistics(X, draw(i), y, weights, rng) for i in range(self.n_draws)]
        )
        # A single draw votes by the rate itself; for several, see _threshold.
        rule = _threshold if self.n_draws > 1 else _knockoff_plus
        self.thresholds_ = np.array([rule(row, self.fdr) for row in self.statistics_])
        self.e_values_ = np.mean(
            [_e_values(*row) for row in zip(self.statistics_, self.thresholds_, strict=True)],
            axis=0,
        )
        self.support_ = _enough(self.e_values_, self.fdr)
        self.n_features_ = int(self.support_.sum())
        if not self.n_features_:
            least = int(np.ceil(1 / self.fdr - 1e-9))
            warn(
                f"No features were selected: fdr={self.fdr} takes at least {least} that stand out "
                f"from their knockoffs, X has {X.shape[1]} columns."
            )
        return self

    def _source(self, X, rng):
        """A function of the number of a draw that returns knockoffs."""
        if isinstance(self.knockoffs, str):
            with single_threaded_blas():
                gaussian = GaussianKnockoffs(X, self.knockoffs)

            def draw(i):
                with single_threaded_blas():
                    return gaussian.draw(rng)

            return draw
        if callable(self.knockoffs):
            return lambda i: self._checked(self.knockoffs(X, rng), X.shape, X.dtype)
        shape = X.shape if np.ndim(self.knockoffs) == 2 else (self.n_draws, *X.shape)
        given = self._checked(self.knockoffs, shape, X.dtype)
        return lambda i: given if given.ndim == 2 else given[i]

    @staticmethod
    def _checked(knockoffs, shape, dtype):
        knockoffs = np.asarray(knockoffs, dtype=dtype)
        if knockoffs.shape != shape:
            raise ValueError(f"knockoffs must have shape {shape}, got {knockoffs.shape}.")
        return knockoffs

    def _statistics(self, X, knockoffs, y, weights, rng):
        """By how much the importance of each column exceeds that of its knockoff.

        Which of the two comes first is left to chance, so that an estimator's liking for some
        places means nothing.
        """
        swapped = rng.random(X.shape[1]) < 0.5
        both = np.hstack([np.where(swapped, knockoffs, X), np.where(swapped, X, knockoffs)])
        estimator = clone(self.estimator)
        seeded = {
            name: int(rng.integers(np.iinfo(np.int32).max))
            for name in sorted(estimator.get_params())
            if name.rpartition("__")[2] == "random_state"
        }
        estimator.set_params(**seeded).fit(both, y, **weights)
        if getattr(estimator, "_is_interrupted", False):
            raise KeyboardInterrupt
        importances = getattr(estimator, "feature_importances_", None)
        if importances is None:
            raise ValueError(
                f"estimator must have feature_importances_ once it is fitted, got {estimator!r}."
            )
        first, second = np.split(np.asarray(importances, float), 2)
        return np.where(swapped, second - first, first - second)

    def _get_support_mask(self):
        check_is_fitted(self)
        return self.support_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.target_tags = copy.copy(get_tags(self.estimator).target_tags)
        return tags


def _counts(statistics):
    """Sizes of the statistics, ascending, and how many of that size or more have either sign."""
    sizes = np.unique(np.abs(statistics[statistics != 0]))
    n_positive = np.sum(statistics >= sizes[:, None], axis=1)
    n_negative = np.sum(statistics <= -sizes[:, None], axis=1)
    return sizes, n_positive, n_negative


def _first(sizes, suffice):
    return sizes[np.argmax(suffice)] if suffice.any() else np.inf


def _knockoff_plus(statistics, fdr):
    """The least size from which on 1 + negatives are no more than fdr times the positives."""
    sizes, n_positive, n_negative = _counts(statistics)
    return _first(sizes, 1 + n_negative <= fdr * n_positive)


def _threshold(statistics, fdr):
    """As _knockoff_plus, at half the rate, or without negatives where that is asking too much.

    Draws that stop right at the rate would leave nothing to differ about: whatever misses one vote
    would fall out. At half the rate a feature needs half of the votes [2]_. For 1 / fdr to 2 / fdr
    positives no number of negatives meets half the rate, and 0 comes nearest. E-values allow every
    rule that goes by counts of what has at least this size.
    """
    sizes, n_positive, n_negative = _counts(statistics)
    allowed = np.maximum(1, fdr / 2 * n_positive)
    return _first(sizes, (fdr * n_positive >= 1) & (1 + n_negative <= allowed))


def _e_values(statistics, threshold):
    """The votes of a draw: n_features / (1 + negatives) each, for what reaches the threshold."""
    n_negative = np.sum(statistics <= -threshold)
    return len(statistics) * (statistics >= threshold) / (1 + n_negative)


def _enough(e_values, fdr):
    """The largest set of k features whose e-values are n_features / (fdr k) or more (e-BH).

    See Wang and Ramdas, "False discovery rate control with e-values", Journal of the Royal
    Statistical Society B 84, 2022.
    """
    n = len(e_values)
    descending = np.sort(e_values)[::-1]
    suffice = np.flatnonzero(descending * fdr * np.arange(1, n + 1) >= n * (1 - 1e-9))
    if not len(suffice):
        return np.zeros(n, bool)
    return e_values >= descending[suffice[-1]]
