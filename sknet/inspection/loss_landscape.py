"""LossLandscapeDisplay: the loss around what training has found, and the ways that led there."""

from typing import Any, Self

import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.spatial.distance import pdist, squareform
from sklearn.manifold import smacof
from sklearn.utils import check_random_state

from sknet.base import BaseNetwork
from sknet.ending import divergence_error
from sknet.explorers import explore
from sknet.inspection.pictures import COLOURS, axes, colour_bar, open_frame
from sknet.learner import Learner
from sknet.progress import Progress

__all__ = ["LossLandscapeDisplay"]

MOST_ROWS = 2000  # that the loss is computed of
MOST_POINTS = 40  # of a way, which tell where it is drawn
SMOOTHING = 1e-6  # of the sheet: it passes a point by that little where points coincide
MARGIN = 0.2  # around the ways, as a part of their extent
N_LEVELS = 14
HIGHEST = 0.9  # quantile of the losses up to which there are levels


class LossLandscapeDisplay:
    """A sheet through the space of the weights, the loss at each of its places as height.

    From each starting point a line leads to where training ended. Weights are drawn such that
    distances stay what they are as far as a plane allows (multidimensional scaling, which begins
    with principal components [1]_); the sheet is a thin plate that goes through all lines [2]_. So
    the height along a line is the loss that training met, and a network that ends higher up than
    others has got stuck in a local minimum. Between the lines it is one sheet of many.

    Parameters
    ----------
    ways : list of ndarray of shape (n_points, 2)
        Where each line goes on the sheet, from its start to its end.
    end_losses : ndarray of shape (n_starts,)
        The loss at the end of each.
    places : tuple of two ndarray of shape (n_grid,)
        Places of the sheet, in both directions.
    losses : ndarray of shape (n_grid, n_grid)
        The loss there; [i, j] at places[1][i] and places[0][j].

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        A line for each start.

    References
    ----------
    .. [1] Li, Xu, Taylor, Studer and Goldstein, "Visualizing the loss landscape of neural nets",
       NeurIPS 2018, section 7, draw the ways on the plane of their principal components.
    .. [2] Duchon, "Splines minimizing rotation-invariant semi-norms in Sobolev spaces", 1977.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from sknet import MLPClassifier
    >>> from sknet.inspection import LossLandscapeDisplay
    >>> X, y = make_moons(noise=0.1, random_state=0)
    >>> net = MLPClassifier((3,), learning_rate_init=0.1, n_starts=3, random_state=0)
    >>> display = LossLandscapeDisplay.from_estimator(net, X, y, n_grid=11)
    >>> len(display.lines_)
    3
    """

    def __init__(self, ways: Any, end_losses: Any, places: Any, losses: Any) -> None:
        self.ways = ways
        self.end_losses = end_losses
        self.places = places
        self.losses = losses

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        n_grid: int = 61,
        ax: Any = None,
    ) -> Self:
        """Train a network as fit does, from all its starts, and draw where it went.

        The estimator itself is not touched. With an integer random_state its fit goes the same
        ways.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
            Its `n_starts` is the number of lines. Without `normalization`, since the size of
            weights that are normalised does not matter.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
        n_grid : int, default=61
            Places in each direction at which the loss is computed, with at most 2,000 rows.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        LossLandscapeDisplay

        Raises
        ------
        ValueError
            If the estimator is none of sknet's, has `normalization`, or diverges.
        """
        if not isinstance(estimator, BaseNetwork):
            raise ValueError(
                f"estimator must be an MLPClassifier or MLPRegressor, got {estimator!r}."
            )
        if estimator.normalization is not None:
            raise ValueError(
                "estimator must have normalization=None, since the size of weights that are "
                f"normalised does not matter; got {estimator.normalization!r}."
            )
        learner = Learner(estimator, X, y, sample_weight)
        network, task = learner.network_and_task(learner.rows, learner.begin(), learner.n_threads)
        recorder = _Recorder()
        ending = explore(network, task, recorder)
        if not ending.is_usable:
            raise divergence_error(network, task.rows.X)
        trajectories = []
        for i, seed in enumerate(network.start_seeds_):
            model = network._begin(task, Progress.begin(int(seed)))
            trajectory = np.array([_flat(model.coefs, model.intercepts), *recorder.of[i]])
            if np.isfinite(trajectory).all():
                trajectories.append(trajectory)
        model, rows = model.for_prediction(), _some(task.rows, network.random_state)

        def loss(params):
            model.params[...] = params
            return task.loss.value(model.predict(rows.X, 1), rows.targets, rows.weight)

        end_losses = np.array([loss(trajectory[-1]) for trajectory in trajectories])
        ways, weights_at = _sheet(trajectories)
        points = np.concatenate(ways)
        margin = MARGIN * np.ptp(points, axis=0)
        low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
        places = tuple(np.linspace(low, high, n_grid).T)
        rows_of_places = (np.column_stack([places[0], np.full(n_grid, y)]) for y in places[1])
        losses = [[loss(weights) for weights in weights_at(row)] for row in rows_of_places]
        return cls(ways, end_losses, places, np.array(losses)).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the landscape and the ways.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : LossLandscapeDisplay
        """
        self.ax_ = axes(ax, "LossLandscapeDisplay.plot", (6.4, 4.8))
        self.figure_ = self.ax_.figure
        self._draw_heights()
        self.lines_ = []
        order = np.argsort(self.end_losses, kind="stable")
        for rank, i in enumerate(order):
            way, colour = self.ways[i], COLOURS[rank % len(COLOURS)]
            self.lines_ += self.ax_.plot(*way.T, color=colour, linewidth=1.6)
            self.ax_.plot(*way[0], "o", color=colour, markeredgecolor="white", markersize=6)
            self.ax_.plot(
                *way[-1], "*", color=colour, markeredgecolor="white", markersize=15,
                label=f"{self.end_losses[i]:.3g}",
            )  # fmt: skip
        self.ax_.legend(
            title="loss at the end", frameon=False, fontsize="small", title_fontsize="small",
            ncols=min(6, len(order)), loc="upper center", bbox_to_anchor=(0.5, 0),
            handletextpad=0, columnspacing=1,
        )  # fmt: skip
        self.ax_.set(xticks=[], yticks=[])
        open_frame(self.ax_)
        return self

    def _draw_heights(self):
        from matplotlib.colors import LogNorm, Normalize

        finite = self.losses[np.isfinite(self.losses)]
        lowest, highest = finite.min(), np.quantile(finite, HIGHEST)
        between = np.geomspace if lowest > 0 else np.linspace
        levels = between(lowest, max(highest, lowest + 1e-12), N_LEVELS)
        norm = (LogNorm if lowest > 0 else Normalize)(levels[0], levels[-1] * 4)
        heights = np.where(np.isfinite(self.losses), self.losses, 2 * finite.max())
        drawn = self.ax_.contourf(
            *self.places, heights, levels=levels, cmap="Greys", norm=norm, extend="max"
        )
        self.ax_.contour(*self.places, heights, levels=levels, colors="white", linewidths=0.4)
        colour_bar(self.ax_, drawn, "loss", format="%.2g")


class _Recorder:
    """In the place of callbacks' tasks: keeps the weights of all starts after each epoch."""

    def __init__(self):
        self.of = {}

    def begin_start(self, estimator, number, n_epochs):
        self.of[number] = []
        return _StartRecorder(self.of[number])


class _StartRecorder:
    has_callbacks = True

    def __init__(self, weights):
        self._weights = weights

    def begin_epoch(self):
        pass

    def end_epoch(self, fitted_attributes):
        attributes = fitted_attributes()
        self._weights.append(_flat(attributes["coefs_"], attributes["intercepts_"]))
        return False

    def end(self):
        pass


def _flat(coefs, intercepts):
    """All weights in the order of a model's params."""
    parts = [part.ravel() for pair in zip(coefs, intercepts, strict=True) for part in pair]
    return np.concatenate(parts).astype(float)


def _sheet(trajectories):
    """The ways on the sheet, and a function from its places (n, 2) to weights (n, n_params)."""
    parts = [
        trajectory[np.linspace(0, len(trajectory) - 1, MOST_POINTS, dtype=int)]
        for trajectory in trajectories
    ]
    weights = np.concatenate(parts)
    centred = weights - weights.mean(axis=0)
    components = np.linalg.svd(centred, full_matrices=False)[2][:2]
    distances = squareform(pdist(weights))
    placed, _ = smacof(distances, init=centred @ components.T, n_init=1)
    placed /= distances.max() or 1.0
    return np.split(placed, len(parts)), RBFInterpolator(placed, weights, smoothing=SMOOTHING)


def _some(rows, seed):
    """All rows, or MOST_ROWS of them."""
    n = len(rows.y)
    if n <= MOST_ROWS:
        return rows
    return rows.take(np.sort(check_random_state(seed).permutation(n)[:MOST_ROWS]))
