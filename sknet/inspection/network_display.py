"""NetworkDisplay: the layers of a network, its units, and the weights between them."""

from typing import Any, Self

import numpy as np

from sknet.inspection.pictures import COLOURS, axes, single_network

__all__ = ["NetworkDisplay"]

MOST_LINES = 2000  # the largest weights are drawn; more of them would be a grey wall
LAYER_GAP = 2.0  # between two layers; the height is 1


class NetworkDisplay:
    """A network as units in layers, with lines for the weights between them.

    Positive weights are blue, negative ones vermilion; the larger a weight among those of its
    layer, the wider and darker is its line.

    Parameters
    ----------
    coefs : list of ndarray of shape (n_in, n_out)
        `coefs_` of a network.
    feature_names : array-like of shape (n_features,), default=None
        What to write beside the inputs; None for their numbers.
    output_names : array-like of shape (n_outputs,), default=None
        What to write beside the outputs.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : matplotlib LineCollection
    units_ : list of ndarray
        Numbers of the units that are drawn, of each layer.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknet import MLPClassifier
    >>> from sknet.inspection import NetworkDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> net = MLPClassifier((5,), learning_rate_init=0.05, random_state=0).fit(X, y)
    >>> display = NetworkDisplay.from_estimator(net)
    >>> [len(units) for units in display.units_]
    [4, 5, 3]
    """

    def __init__(self, coefs: Any, feature_names: Any = None, output_names: Any = None) -> None:
        self.coefs = coefs
        self.feature_names = feature_names
        self.output_names = output_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        feature_names: Any = None,
        output_names: Any = None,
        max_units: int = 16,
        ax: Any = None,
    ) -> Self:
        """Draw a fitted network.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
            Fitted, a single network.
        feature_names : array-like of shape (n_features,), default=None
            None for the names of the columns, or their numbers.
        output_names : array-like of shape (n_outputs,), default=None
            None for the classes; of two classes the second, for which the only output speaks.
        max_units : int, default=16
            As for `plot`.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        NetworkDisplay

        Raises
        ------
        ValueError
            If the estimator has no weights, or names do not fit it.
        """
        coefs = single_network(estimator).coefs_
        if feature_names is None:
            feature_names = getattr(estimator, "feature_names_in_", None)
        n_outputs = coefs[-1].shape[1]
        if output_names is None and hasattr(estimator, "classes_"):
            output_names = list(estimator.classes_)[-n_outputs:]
        for name, names, n in (
            ("feature_names", feature_names, coefs[0].shape[0]),
            ("output_names", output_names, n_outputs),
        ):
            if names is not None and len(names) != n:
                raise ValueError(f"{name} must have {n} elements, got {len(names)}.")
        return cls(coefs, feature_names, output_names).plot(max_units=max_units, ax=ax)

    def plot(self, *, max_units: int = 16, ax: Any = None) -> Self:
        """Draw the network.

        Parameters
        ----------
        max_units : int, default=16
            How many units of a layer to draw: those with the largest weights on both sides. A
            line below says how many there are.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : NetworkDisplay
        """
        coefs = [np.asarray(coef, float) for coef in self.coefs]
        self.units_ = _chosen(coefs, max_units)
        tallest = max(len(units) for units in self.units_)
        size = (2.4 + 1.6 * len(coefs), 1.2 + 0.28 * tallest)
        self.ax_ = axes(ax, "NetworkDisplay.plot", size)
        self.figure_ = self.ax_.figure
        from matplotlib.collections import LineCollection
        from matplotlib.colors import to_rgb

        places = [
            np.column_stack([np.full(len(units), LAYER_GAP * i), _heights(len(units), tallest)])
            for i, units in enumerate(self.units_)
        ]
        ends, weights, shares = [], [], []
        for i, coef in enumerate(coefs):
            drawn = coef[np.ix_(self.units_[i], self.units_[i + 1])]
            pairs = np.indices(drawn.shape).reshape(2, -1)
            ends.append(np.stack([places[i][pairs[0]], places[i + 1][pairs[1]]], axis=1))
            weights.append(drawn.ravel())
            shares.append(np.abs(drawn).ravel() / (np.abs(drawn).max(initial=0) or 1.0))
        ends, weights, shares = map(np.concatenate, (ends, weights, shares))
        order = np.argsort(shares, kind="stable")[-MOST_LINES:]  # the strongest on top
        positive, negative = to_rgb(COLOURS[0]), to_rgb(COLOURS[1])
        colours = [
            (*(positive if weights[k] > 0 else negative), 0.08 + 0.87 * shares[k]) for k in order
        ]
        self.lines_ = LineCollection(
            ends[order], colors=colours, linewidths=0.2 + 2.3 * shares[order], zorder=1
        )
        self.ax_.add_collection(self.lines_)
        for points in places:
            self.ax_.scatter(*points.T, s=90, color="white", edgecolors="black", zorder=2)
        self._write(places, coefs)
        self.ax_.set_axis_off()
        return self

    def _write(self, places, coefs):
        sizes = [coefs[0].shape[0], *(coef.shape[1] for coef in coefs)]
        style = {"fontsize": "small", "va": "center", "textcoords": "offset points"}
        for side, names, align, shift in (
            (0, self.feature_names, "right", -8), (-1, self.output_names, "left", 8),
        ):  # fmt: skip
            for place, unit in zip(places[side], self.units_[side], strict=True):
                name = unit if names is None else names[unit]
                self.ax_.annotate(str(name), place, (shift, 0), ha=align, **style)
        lowest = min(points[:, 1].min() for points in places)
        for i, (points, size, units) in enumerate(zip(places, sizes, self.units_, strict=True)):
            kind = "inputs" if i == 0 else "outputs" if i == len(coefs) else "units"
            kind = kind[:-1] if size == 1 else kind
            told = f"{size} {kind}" if len(units) == size else f"{len(units)} of {size}\n{kind}"
            self.ax_.text(
                points[0, 0], lowest - 0.08, told, ha="center", va="top", fontsize="small",
                color="#555555",
            )  # fmt: skip
        self.ax_.autoscale_view()
        self.ax_.margins(x=0.1)
        self.ax_.set_ylim(lowest - 0.2, None)


def _chosen(coefs, most):
    """Numbers of the units of each layer that have the largest weights, no more than `most`."""
    sizes = [coefs[0].shape[0], *(coef.shape[1] for coef in coefs)]
    chosen = []
    for i, size in enumerate(sizes):
        weight = np.zeros(size)
        if i > 0:
            weight += np.linalg.norm(coefs[i - 1], axis=0)
        if i < len(coefs):
            weight += np.linalg.norm(coefs[i], axis=1)
        chosen.append(np.sort(np.argsort(-weight, kind="stable")[:most]))
    return chosen


def _heights(n, tallest):
    """Heights of n units, the first on top, centred beside a layer of the most."""
    return ((n - 1) / 2 - np.arange(n)) / max(1, tallest - 1)
