"""WeightImageDisplay: what the first hidden units look for, where the columns are pixels."""

from typing import Any, Self

import numpy as np

from sknet.inspection.pictures import DIVERGING, axes, colour_bar, grid, image, single_network

__all__ = ["WeightImageDisplay"]


class WeightImageDisplay:
    """Weights into the first layer as images, one for each unit.

    A pixel that excites the unit is blue, one that inhibits it red; all images have the same
    scale.

    Parameters
    ----------
    weights : ndarray of shape (n_pixels, n_units)
        `coefs_[0]` of a network; or other numbers of this shape, such as
        `loss_gradients(X, y)[0][0]`.
    image_shape : tuple of int
        Height and width.
    label : str, default="weight"
        What the numbers are.

    Attributes
    ----------
    ax_ : matplotlib Axes
        In whose place the images stand.
    figure_ : matplotlib Figure
    images_ : list of matplotlib AxesImage

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sknet import MLPClassifier
    >>> from sknet.inspection import WeightImageDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> net = MLPClassifier((16,), learning_rate_init=0.01, random_state=0).fit(X / 16, y)
    >>> len(WeightImageDisplay.from_estimator(net, (8, 8)).images_)
    16
    """

    def __init__(self, weights: Any, image_shape: Any, label: str = "weight") -> None:
        self.weights = weights
        self.image_shape = image_shape
        self.label = label

    @classmethod
    def from_estimator(
        cls, estimator: Any, image_shape: Any, *, max_units: int = 64, ax: Any = None
    ) -> Self:
        """Draw the first weights of a fitted network.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
            Fitted, a single network.
        image_shape : tuple of int
            Height and width.
        max_units : int, default=64
            As for `plot`.
        ax : matplotlib Axes, default=None
            In whose place to draw; None makes a figure.

        Returns
        -------
        WeightImageDisplay

        Raises
        ------
        ValueError
            If the estimator has no weights, or an image not as many pixels as X has columns.
        """
        return cls(single_network(estimator).coefs_[0], image_shape).plot(
            max_units=max_units, ax=ax
        )

    def plot(self, *, max_units: int = 64, ax: Any = None) -> Self:
        """Draw the weights.

        Parameters
        ----------
        max_units : int, default=64
            How many images to draw, of those units whose weights are largest.
        ax : matplotlib Axes, default=None
            In whose place to draw; None makes a figure.

        Returns
        -------
        self : WeightImageDisplay
        """
        weights = np.asarray(self.weights)
        images = [image(column, self.image_shape, "X") for column in weights.T]
        sizes = np.linalg.norm(weights, axis=0)
        chosen = np.sort(np.argsort(-sizes, kind="stable")[:max_units])
        n_columns = int(np.ceil(np.sqrt(len(chosen))))
        self.ax_ = axes(ax, "WeightImageDisplay.plot", (6.4, 5.4))
        self.figure_ = self.ax_.figure
        largest = np.abs(weights[:, chosen]).max() or 1.0
        parts = grid(self.ax_, len(chosen), n_columns)
        self.images_ = [
            part.imshow(images[i], cmap=DIVERGING, vmin=-largest, vmax=largest)
            for part, i in zip(parts, chosen, strict=True)
        ]
        colour_bar(self.ax_, self.images_[0], self.label)
        return self
