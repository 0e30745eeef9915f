"""AttributionDisplay: what columns contribute, as bars, as a swarm of points, or as an image."""

from typing import Any, Literal, Self

import numpy as np

from sknet.inspection.attributions import Attributions, attributions
from sknet.inspection.pictures import (
    COLOURS,
    DIVERGING,
    GREY,
    axes,
    colour_bar,
    grid,
    image,
    open_frame,
)

__all__ = ["AttributionDisplay"]

N_BINS = 60  # of the values, whose points stand above one another in a swarm
MOST_IMAGES = 16


class AttributionDisplay:
    """What columns contribute to the output of a network.

    Of one row bars, one for each column, as the answer to why the output is what it is; of many
    rows a point for each row and column, coloured by the value of the column. Columns stand in
    the order of their size. Where columns are pixels, `image_shape` makes images of them: what
    speaks for the output in blue, against it in red.

    Parameters
    ----------
    attributions : Attributions
        With values of one output: give `attributions` a target.
    target : object, default=None
        What to call the output.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    attributions : Computes them, and says what the methods are.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sknet import MLPClassifier
    >>> from sknet.inspection import AttributionDisplay
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> model = make_pipeline(StandardScaler(), MLPClassifier(max_iter=500, random_state=0))
    >>> display = AttributionDisplay.from_estimator(model.fit(X, y), X[:1], target=0)
    >>> [text.get_text() for text in display.ax_.get_yticklabels()][-1]
    'proline = 1,065'
    """

    def __init__(self, attributions: Attributions, target: Any = None) -> None:
        self.attributions = attributions
        self.target = target

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        target: Any = None,
        method: Any = "integrated_gradients",
        baseline: Any = None,
        n_steps: int = 64,
        by_column: bool = True,
        kind: Literal["auto", "bar", "beeswarm", "image"] = "auto",
        max_columns: int = 10,
        image_shape: Any = None,
        ax: Any = None,
    ) -> Self:
        """Compute attributions and draw them.

        Parameters
        ----------
        estimator : MLPClassifier, MLPRegressor or Pipeline that ends in one
            Fitted.
        X : array-like, data frame or sparse matrix of shape (n_samples, n_features)
        target, method, baseline, n_steps
            As for `attributions`. Of several outputs one must be chosen by target.
        by_column : bool, default=True
            Of a pipeline: whether to sum what comes from the same column of X, such as the
            columns of a category that is one-hot encoded, where that is known.
        kind, max_columns, image_shape, ax
            As for `plot`.

        Returns
        -------
        AttributionDisplay

        Raises
        ------
        ValueError
            If there are several outputs and no target; as `attributions` and `plot`.
        """
        found = attributions(
            estimator, X, method=method, baseline=baseline, target=target, n_steps=n_steps
        )
        if by_column and found.origins is not None and hasattr(estimator, "steps"):
            found = found.by_column(X)
        return cls(found, target).plot(
            kind, max_columns=max_columns, image_shape=image_shape, ax=ax
        )

    def plot(
        self,
        kind: Literal["auto", "bar", "beeswarm", "image"] = "auto",
        *,
        max_columns: int = 10,
        image_shape: Any = None,
        ax: Any = None,
    ) -> Self:
        """Draw the attributions.

        Parameters
        ----------
        kind : {"auto", "bar", "beeswarm", "image"}, default="auto"
            "bar" draws the values of one row, of several rows the mean sizes. "auto" is an image
            with image_shape, of up to 16 rows, else bars for one row and a beeswarm for several.
        max_columns : int, default=10
            How many columns to show; bars sum up the others as one.
        image_shape : tuple of int, default=None
            Height and width of the images that the columns make.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : AttributionDisplay

        Raises
        ------
        ValueError
            If there are values of several outputs, or the shape does not hold as many pixels as
            there are columns.
        """
        values = self.attributions.values
        if values.ndim != 2:
            raise ValueError(
                f"target must choose one of the {values.shape[1]} outputs that there are values of."
            )
        if kind == "auto":
            kind = "bar" if len(values) == 1 else "beeswarm"
            kind = "image" if image_shape is not None else kind
        if kind == "image" and image_shape is None:
            raise ValueError("kind='image' needs image_shape, height and width; got None.")
        if kind not in ("bar", "beeswarm", "image"):
            raise ValueError(f"kind must be 'auto', 'bar', 'beeswarm' or 'image', got {kind!r}.")
        n_lines = min(max_columns, values.shape[1])
        height = 4.0 if kind == "image" else 1.2 + 0.32 * n_lines
        self.ax_ = axes(ax, "AttributionDisplay.plot", (6.4, height))
        self.figure_ = self.ax_.figure
        if kind == "image":
            self._draw_images(image_shape)
        elif kind == "bar":
            self._draw_bars(max_columns)
        else:
            self._draw_swarm(max_columns)
        return self

    def _order(self, max_columns):
        """Numbers of the columns to show, the largest first, and of the others."""
        order = np.argsort(-np.abs(self.attributions.values).mean(axis=0), kind="stable")
        return order[:max_columns], order[max_columns:]

    def _of_what(self):
        return "output" if self.target is None else f"output for {self.target!r}"

    def _draw_bars(self, max_columns):
        found, ax = self.attributions, self.ax_
        shown, others = self._order(max_columns)
        is_single = len(found.values) == 1
        row = found.values[0] if is_single else np.abs(found.values).mean(axis=0)
        names = [
            f"{found.feature_names[i]} = {_told(found.data[0, i])}"
            if is_single and found.data.shape[1]
            else str(found.feature_names[i])
            for i in shown
        ]
        lengths = row[shown]
        if len(others):
            names.append(f"{len(others)} other columns")
            lengths = np.append(lengths, row[others].sum())
        places = np.arange(len(names))[::-1]
        colours = [COLOURS[0] if length >= 0 else COLOURS[1] for length in lengths]
        bars = ax.barh(places, lengths, color=colours, height=0.7)
        sign = "+" if is_single else ""
        told = [f"{length:{sign}.2g}" if length else "0" for length in lengths]
        ax.bar_label(bars, told, padding=3, fontsize="small")
        ax.set_yticks(places[::-1], names[::-1])
        ax.margins(x=0.12)
        ax.axvline(0, color="black", linewidth=0.8)
        what = "contribution to the" if is_single else "mean size of contributions to the"
        ax.set_xlabel(f"{what} {self._of_what()}")
        if is_single and found.base_predictions is not None:
            ax.set_title(
                f"{self._of_what()} {found.predictions[0]:.3g}, "
                f"at the baseline {found.base_predictions[0]:.3g}",
                loc="left", fontsize="medium",
            )  # fmt: skip
        open_frame(ax)
        ax.spines["left"].set_visible(False)
        ax.tick_params(left=False)

    def _draw_swarm(self, max_columns):
        found, ax = self.attributions, self.ax_
        shown, _ = self._order(max_columns)
        extent = np.ptp(found.values[:, shown])
        ax.axvline(0, color="black", linewidth=0.8)
        coloured = None
        for place, i in enumerate(shown[::-1]):
            values = found.values[:, i]
            ranks = _ranks(found.data[:, i]) if found.data.shape[1] else None
            style = {"color": GREY} if ranks is None else {"c": ranks, "cmap": "cividis"}
            if ranks is not None:
                style |= {"vmin": 0, "vmax": 1}
            points = ax.scatter(
                values, place + _offsets(values, extent), s=8, **style, linewidths=0
            )
            coloured = coloured if ranks is None else points
        ax.set_yticks(range(len(shown)), [str(found.feature_names[i]) for i in shown[::-1]])
        ax.set_ylim(-0.6, len(shown) - 0.4)
        ax.set_xlabel(f"contribution to the {self._of_what()}")
        open_frame(ax)
        ax.spines["left"].set_visible(False)
        ax.tick_params(left=False)
        if coloured is not None:
            bar = colour_bar(ax, coloured, "value of the column", ticks=[0, 1])
            bar.ax.set_yticklabels(["low", "high"])
            bar.ax.yaxis.labelpad = -12

    def _draw_images(self, image_shape):
        found = self.attributions
        n = min(len(found.values), MOST_IMAGES)
        largest = np.abs(found.values[:n]).max() or 1.0
        parts = grid(self.ax_, n, int(np.ceil(np.sqrt(n))))
        for part, values, row in zip(parts, found.values, found.data, strict=False):
            part.imshow(image(row, image_shape, "X"), cmap="Greys", alpha=0.4)
            drawn = part.imshow(
                image(values, image_shape, "X"), cmap=DIVERGING, vmin=-largest, vmax=largest,
                alpha=np.minimum(1, 2 * np.abs(image(values, image_shape, "X")) / largest),
            )  # fmt: skip
        colour_bar(self.ax_, _opaque(drawn), f"contribution to the {self._of_what()}")


def _told(value):
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return f"{number:,.0f}" if number.is_integer() else f"{number:.4g}"


def _ranks(column):
    """Where each number stands among the others, from 0 to 1; None for what are no numbers."""
    try:
        numbers = np.asarray(column, float)
    except (TypeError, ValueError):
        return None
    _, places = np.unique(numbers, return_inverse=True)
    return places / max(1, places.max())


def _offsets(values, extent):
    """How far from its line each point stands, so that none hides another."""
    bins = np.round(N_BINS * values / (extent or 1.0)).astype(int)
    offsets = np.zeros(len(values))
    for number in np.unique(bins):
        inside = np.flatnonzero(bins == number)
        offsets[inside] = np.arange(len(inside)) - (len(inside) - 1) / 2
    return 0.4 * offsets / max(6, np.abs(offsets).max())


def _opaque(drawn):
    """What a colour bar of an image that is partly transparent shows."""
    from matplotlib.cm import ScalarMappable

    return ScalarMappable(drawn.norm, drawn.cmap)
