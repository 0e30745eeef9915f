"""FeaturePathDisplay: scores and weights along the path of a selector."""

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sknet.feature_selection import LassoNetSelector
from sknet.inspection.pictures import COLOURS, GREY, axes, open_frame

__all__ = ["FeaturePathDisplay"]


class FeaturePathDisplay:
    """The path of a LassoNetSelector: scores above, below it what each feature weighs.

    Features that were chosen have colours, as many as there are; the penalty that leaves no more
    of them is marked.

    Parameters
    ----------
    path : dict of ndarray
        `path_` of the selector.
    support : ndarray of shape (n_features,)
        True for the features that were chosen.
    chosen_lambda : float
        `lambda_` of the selector.
    feature_names : array-like of shape (n_features,), default=None
        None for the numbers of the columns.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Of the scores.
    weights_ax_ : matplotlib Axes
        Of the weights.
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import numpy as np
    >>> from sknet import MLPClassifier
    >>> from sknet.feature_selection import LassoNetSelector
    >>> from sknet.inspection import FeaturePathDisplay
    >>> X = np.random.default_rng(0).normal(size=(500, 8))
    >>> net = MLPClassifier((16,), max_iter=1000, random_state=0)
    >>> selector = LassoNetSelector(net, n_features_to_select=2).fit(X, X[:, 1] + X[:, 4] > 0)
    >>> display = FeaturePathDisplay.from_estimator(selector)
    >>> len(display.weights_ax_.get_legend().get_texts())
    2
    """

    def __init__(
        self, path: dict[str, Any], support: Any, chosen_lambda: float, feature_names: Any = None
    ) -> None:
        self.path = path
        self.support = support
        self.chosen_lambda = chosen_lambda
        self.feature_names = feature_names

    @classmethod
    def from_estimator(cls, estimator: Any, *, feature_names: Any = None, ax: Any = None) -> Self:
        """Draw the path of a fitted selector.

        Parameters
        ----------
        estimator : LassoNetSelector
            Fitted.
        feature_names : array-like of shape (n_features,), default=None
            None for the names of the columns, or their numbers.
        ax : matplotlib Axes, default=None
            Where to draw, in two parts; None makes a figure.

        Returns
        -------
        FeaturePathDisplay

        Raises
        ------
        ValueError
            If the estimator is no LassoNetSelector.
        NotFittedError
            If it is not fitted.
        """
        if not isinstance(estimator, LassoNetSelector):
            raise ValueError(f"estimator must be a LassoNetSelector, got {estimator!r}.")
        check_is_fitted(estimator)
        if feature_names is None:
            feature_names = getattr(estimator, "feature_names_in_", None)
        return cls(estimator.path_, estimator.support_, estimator.lambda_, feature_names).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the path.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw, in two parts; None makes a figure.

        Returns
        -------
        self : FeaturePathDisplay
        """
        ax = axes(ax, "FeaturePathDisplay.plot", (6.4, 5.4))
        self.figure_ = ax.figure
        ax.set_axis_off()
        self.ax_ = ax.inset_axes((0, 0.56, 1, 0.44))
        self.weights_ax_ = ax.inset_axes((0, 0, 1, 0.48), sharex=self.ax_)
        self._draw_scores()
        self._draw_weights()
        for part in (self.ax_, self.weights_ax_):
            part.axvline(self.chosen_lambda, color="black", linestyle=":", linewidth=1)
            open_frame(part)
        self.ax_.tick_params(labelbottom=False)
        return self

    def _draw_scores(self):
        names = [name for name in ("train_score", "validation_score") if name in self.path]
        for name, colour in zip(names, COLOURS, strict=False):
            label = {"train_score": "training", "validation_score": "validation"}[name]
            self.ax_.plot(self.path["lambda"][1:], self.path[name][1:], color=colour, label=label)
        self.ax_.set(xscale="log", ylabel="score")
        self.ax_.legend(frameon=False, loc="lower left")
        self.ax_.set_title(
            f"{np.sum(self.support)} of {len(self.support)} features", loc="left", fontsize="medium"
        )

    def _draw_weights(self):
        penalties, norms = self.path["lambda"][1:], self.path["coef_norm"][1:]
        norms = np.where(norms > 0, norms, np.nan)
        names = np.arange(len(self.support)) if self.feature_names is None else self.feature_names
        last = np.nanmax(np.where(norms > 0, penalties[:, None], np.nan), axis=0, initial=0)
        order = np.argsort(-last)
        coloured = [i for i in order if self.support[i]][: len(COLOURS)]
        for i in order[::-1]:
            if i not in coloured:
                style = {"color": GREY, "linewidth": 0.8}
                self.weights_ax_.plot(penalties, norms[:, i], **style)
        for i, colour in zip(coloured, COLOURS, strict=False):
            self.weights_ax_.plot(penalties, norms[:, i], color=colour, label=str(names[i]))
        self.weights_ax_.set(yscale="log", xlabel="penalty", ylabel="weight of the skip")
        if coloured:
            # Behind it lie lines, which would run through its words.
            self.weights_ax_.legend(edgecolor="none", loc="lower left", fontsize="small")
