"""LossCurveDisplay: how the loss fell, of all starts."""

from typing import Any, Self

import numpy as np

from sknet.inspection.pictures import COLOURS, axes, open_frame

__all__ = ["LossCurveDisplay"]


class LossCurveDisplay:
    """Loss of each epoch: of the training rows, and of the validation rows if there were any.

    Of several starting points there is a line for each, the one that was kept strong; of an
    ensemble all are.

    Parameters
    ----------
    histories : list of dict
        `history_` of each start.
    best : int or None, default=None
        Which start was kept; None for all.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        Training, then validation, of each start.

    See Also
    --------
    MLPClassifier : Its `history_` has more columns.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknet import MLPClassifier
    >>> from sknet.inspection import LossCurveDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier(learning_rate_init=0.01, early_stopping=True, random_state=0).fit(X, y)
    >>> display = LossCurveDisplay.from_estimator(net)
    >>> len(display.lines_)
    2
    """

    def __init__(self, histories: list[dict[str, Any]], best: int | None = None) -> None:
        self.histories = histories
        self.best = best

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> Self:
        """Draw the losses of a fitted network.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
            Fitted.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        LossCurveDisplay

        Raises
        ------
        ValueError
            If the estimator has no history: it is not fitted, or its weights were set by hand.
        """
        histories = getattr(estimator, "start_histories_", None)
        best = None
        if histories is None:
            histories = [getattr(estimator, "history_", {})]
        elif estimator.combine == "best":
            best = int(np.nanargmax(estimator.start_scores_))
        histories = [history for history in histories if len(history.get("loss", ()))]
        if not histories:
            raise ValueError(
                f"estimator must have a history of its training: fit it first, got {estimator!r}."
            )
        return cls(histories, best).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the losses.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : LossCurveDisplay
        """
        self.ax_ = axes(ax, "LossCurveDisplay.plot")
        self.figure_ = self.ax_.figure
        self.lines_ = []
        lowest = np.inf
        for i, history in enumerate(self.histories):
            is_strong = self.best in (None, i)
            style = {"alpha": 1.0 if is_strong else 0.35, "linewidth": 1.8 if is_strong else 1.0}
            labels = ("training", "validation")
            for name, label, colour in zip(
                ("loss", "validation_loss"), labels, COLOURS, strict=False
            ):
                if name not in history:
                    continue
                epochs = np.arange(1, len(history[name]) + 1)
                is_first = label not in [line.get_label() for line in self.lines_]
                self.lines_ += self.ax_.plot(
                    epochs, history[name], color=colour, **style,
                    label=label if is_first and is_strong else "_",
                )  # fmt: skip
                lowest = min(lowest, np.nanmin(history[name]))
        self.ax_.set(xlabel="epoch", ylabel="loss")
        if lowest > 0:
            from matplotlib.ticker import LogLocator, NullFormatter

            self.ax_.set_yscale("log")
            self.ax_.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            self.ax_.yaxis.set_major_formatter("{x:g}")
            self.ax_.yaxis.set_minor_formatter(NullFormatter())
        self.ax_.legend(frameon=False)
        open_frame(self.ax_)
        return self
