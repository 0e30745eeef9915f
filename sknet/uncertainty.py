"""Uncertainty of a regressor's predictions: noise, and intervals by split-conformal calibration."""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sknet.typing import MatrixLike

__all__ = ["Calibration", "UncertaintyMixin"]


class UncertaintyMixin:
    """What a fitted regressor knows of how far off it may be."""

    def predict_interval(self, X: MatrixLike, coverage: float = 0.9) -> NDArray[Any]:
        """Predict an interval for the target of each row.

        Of new rows from where the validation rows came from, at least the part `coverage` has y
        inside, in the mean over such fits: intervals are calibrated on the validation rows
        (split-conformal prediction), which must not have been used otherwise. With several
        quantile levels the lowest and the highest are widened (or narrowed) [1]_; else intervals
        are as wide as `predict(X, return_std=True)` says, times a number [2]_.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        coverage : float, default=0.9
            Between 0 and 1.

        Returns
        -------
        interval : ndarray of shape (n_samples, 2) or (n_samples, n_outputs, 2)
            Lower and upper end.

        Raises
        ------
        ValueError
            If the network was fitted without validation rows (`early_stopping=True` or `X_val`),
            or with too few for this coverage: 0.9 needs 9, 0.99 needs 99.

        Notes
        -----
        Early stopping chooses the epoch by the same rows, which makes intervals a little narrow
        where they are few.

        References
        ----------
        .. [1] Romano, Patterson and Candes, "Conformalized quantile regression", NeurIPS 2019.
        .. [2] Lei et al., "Distribution-free predictive inference for regression", JASA 113, 2018,
           section 5.2.

        Examples
        --------
        >>> import numpy as np
        >>> from sknet import MLPRegressor
        >>> rng = np.random.default_rng(0)
        >>> X = rng.uniform(-1, 1, size=(2000, 1))
        >>> y = X[:, 0] + rng.normal(scale=0.1, size=2000)
        >>> net = MLPRegressor((16,), early_stopping=True, random_state=0).fit(X[:1000], y[:1000])
        >>> lower, upper = net.predict_interval(X[1000:], coverage=0.9).T
        >>> 0.85 < ((lower <= y[1000:]) & (y[1000:] <= upper)).mean() < 0.95
        np.True_
        """
        self._check_fitted()
        if not (isinstance(coverage, Real) and 0 < coverage < 1):
            raise ValueError(f"coverage must be a number between 0 and 1, got {coverage!r}.")
        calibration = getattr(self, "_calibration", None)
        if calibration is None or not calibration.is_held_out:
            raise ValueError(
                "predict_interval needs a fit with validation rows: early_stopping=True or X_val."
            )
        margin = calibration.margin(float(coverage))
        predictions = self._predict_networks(self._checked_rows(X))
        if self._n_levels > 1:
            lower, upper = self._outer_quantiles(predictions)
        else:
            lower = upper = predictions.mean(axis=0)
            spread, variance = self._spread_and_variance(predictions)
            margin = margin * calibration.deviation(spread, variance)
        lower, upper = lower - margin, upper + margin
        if self.out_activation_ == "exp":
            lower = np.maximum(lower, 0)
        middle = (lower + upper) / 2  # where both have been narrowed past one another
        interval = np.stack([np.minimum(lower, middle), np.maximum(upper, middle)], axis=-1)
        return interval[:, 0] if interval.shape[1] == 1 else interval

    def _predict_networks(self, X):
        """Predictions of each network, (n_networks, n, n_predictions), for X that is checked."""
        return self._predict_each(X, self.out_activation_, self._link_options)

    def _predict_with_std(self, X):
        calibration = getattr(self, "_calibration", None)
        if self._n_levels > 1:
            raise ValueError("return_std=True is for a single prediction, got several quantiles.")
        if calibration is None:
            raise ValueError(
                "return_std=True needs combine='mean' or a fit with validation rows: "
                "early_stopping=True or X_val."
            )
        predictions = self._predict_networks(self._checked_rows(X))
        deviation = calibration.deviation(*self._spread_and_variance(predictions))
        return self._shaped(predictions.mean(axis=0)), self._shaped(deviation)

    def _spread_and_variance(self, predictions):
        """Variance among networks, and the variance function of the loss, (n, n_outputs) each."""
        power = self._loss().variance_power
        return predictions.var(axis=0), predictions.mean(axis=0) ** power

    def _outer_quantiles(self, predictions):
        """The lowest and the highest quantile, (n, n_outputs) each."""
        mean = predictions.mean(axis=0)
        mean = mean.reshape(len(mean), -1, self._n_levels)
        return mean[..., 0], mean[..., -1]

    def _calibrate(self, task):
        """Compares predictions with y: of the validation rows, or of the training rows.

        The latter tell an ensemble's noise, though too little of it, but no intervals.
        """
        vars(self).pop("_calibration", None)
        vars(self).pop("residual_std_", None)
        is_held_out = task.validation is not None
        rows = task.validation if is_held_out else task.rows
        if not (is_held_out or (self._is_ensemble and self._n_levels == 1)):
            return
        predictions = self._predict_networks(rows.X).astype(float)
        y = rows.targets.astype(float)
        if self._n_levels > 1:
            ends = self._outer_quantiles(predictions)
            self._calibration = Calibration.of_quantiles(y, *ends, rows.weight)
            return
        spread, variance = self._spread_and_variance(predictions)
        self._calibration = Calibration.of_means(
            y, predictions.mean(axis=0), spread, variance, rows.weight, is_held_out
        )
        deviation = np.sqrt(self._calibration.dispersion)
        self.residual_std_ = float(deviation[0]) if len(deviation) == 1 else deviation


@dataclass(frozen=True)
class Calibration:
    """What a fit has learned about how far its predictions are off.

    Attributes
    ----------
    dispersion : ndarray of shape (n_outputs,) or None
        Variance of the noise, in units of the loss's variance function; None for quantiles.
    scores, ranks : ndarray of shape (n_outputs, n_rows)
        How far off the calibration rows are, sorted, and the share of weight up to each of them.
    n_rows : float
        How many rows of equal weight the calibration rows are worth.
    is_held_out : bool
        Whether the network was not trained on these rows.
    """

    dispersion: np.ndarray | None
    scores: np.ndarray
    ranks: np.ndarray
    n_rows: float
    is_held_out: bool = True

    @classmethod
    def of_means(cls, y, mean, spread, variance, weight, is_held_out):
        """Of predicted means; all arrays (n_rows, n_outputs), weight (n_rows,) or None.

        The noise is what squared errors have beyond the spread of the members, the variance among
        them; so that both together are right on average.
        """
        squares = (y - mean) ** 2
        dispersion = np.average((squares - spread) / variance, axis=0, weights=weight)
        dispersion = np.maximum(dispersion, 0.0)
        deviation = _positive(np.sqrt(spread + dispersion * variance))
        return cls(dispersion, *_ranked(np.sqrt(squares) / deviation, weight), is_held_out)

    @classmethod
    def of_quantiles(cls, y, lower, upper, weight):
        """Of the lowest and the highest of several quantiles, arrays (n_rows, n_outputs)."""
        return cls(None, *_ranked(np.maximum(lower - y, y - upper), weight))

    def margin(self, coverage):
        """By how much to widen, so that so large a part of new rows is covered, (n_outputs,).

        Raises
        ------
        ValueError
            If there are too few rows to say.
        """
        rank = coverage * (1 + 1 / self.n_rows)  # a new row may come anywhere among them
        if rank > 1:
            raise ValueError(
                f"coverage={coverage} needs at least {coverage / (1 - coverage):.0f} validation "
                f"rows, got {self.n_rows:.0f}."
            )
        # Sums of shares are a little off.
        places = [np.searchsorted(ranks, rank - 1e-9) for ranks in self.ranks]
        return np.array([scores[place] for scores, place in zip(self.scores, places, strict=True)])

    def deviation(self, spread, variance):
        """Standard deviation of new y around their predicted means, arrays (n_rows, n_outputs)."""
        return np.sqrt(spread + self.dispersion * variance)


def _ranked(scores, weight):
    """Scores (n_rows, n_outputs), sorted per output, their shares of weight, and worth in rows."""
    weight = np.ones(len(scores)) if weight is None else np.asarray(weight, float)
    order = np.argsort(scores.T, axis=1, kind="stable")
    ranks = np.cumsum(weight[order], axis=1) / weight.sum()
    n_rows = weight.sum() ** 2 / (weight**2).sum()
    return np.take_along_axis(scores.T, order, axis=1), ranks, float(n_rows)


def _positive(deviation):
    """Deviations, those of exactly 0 being the smallest number above it."""
    return np.maximum(deviation, np.finfo(float).tiny)
