"""LearningRateDisplay: what the range test found."""

from typing import Any, Self

from sknet.inspection.pictures import COLOURS, GREY, axes, open_frame
from sknet.learning_rates import LearningRateCurve, find_learning_rate

__all__ = ["LearningRateDisplay"]


class LearningRateDisplay:
    """The loss at learning rates that rise from mini-batch to mini-batch.

    Parameters
    ----------
    curve : LearningRateCurve
        What `find_learning_rate` returns.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    sknet.find_learning_rate : The range test.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sknet import MLPClassifier
    >>> from sknet.inspection import LearningRateDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> display = LearningRateDisplay.from_estimator(MLPClassifier(random_state=0), X / 16, y)
    >>> 1e-4 < display.curve.suggestion < 1e-1
    True
    """

    def __init__(self, curve: LearningRateCurve) -> None:
        self.curve = curve

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, sample_weight: Any = None, *, ax: Any = None,
        **range_params: Any,
    ) -> Self:  # fmt: skip
        """Make the range test and draw it; the estimator itself is not touched.

        Parameters
        ----------
        estimator, X, y, sample_weight
            As for `find_learning_rate`.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **range_params
            `lowest`, `highest` and `n_steps` of `find_learning_rate`.

        Returns
        -------
        LearningRateDisplay
        """
        return cls(find_learning_rate(estimator, X, y, sample_weight, **range_params)).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw losses and the suggestion.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : LearningRateDisplay
        """
        self.ax_ = axes(ax, "LearningRateDisplay.plot")
        self.figure_ = self.ax_.figure
        curve = self.curve
        self.ax_.plot(
            curve.learning_rates, curve.losses, color=GREY, linewidth=0.8, label="mini-batch"
        )
        self.ax_.plot(
            curve.learning_rates, curve.smoothed, color=COLOURS[0], linewidth=1.8,
            label="running mean",
        )  # fmt: skip
        self.ax_.axvline(
            curve.suggestion, color=COLOURS[1], linestyle="--",
            label=f"suggestion, {curve.suggestion:.2g}",
        )  # fmt: skip
        self.ax_.set(xscale="log", xlabel="learning rate", ylabel="loss")
        top = min(curve.losses.max(), 2 * curve.smoothed[0])
        self.ax_.set_ylim(0 if curve.losses.min() >= 0 else None, max(top, curve.smoothed.min()))
        self.ax_.legend(frameon=False)
        open_frame(self.ax_)
        return self
