"""Uncertainty of a regressor's predictions: noise, and intervals by split-conformal calibration."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Calibration"]


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
