"""What the pictures share: axes, and colours that the colour-blind tell apart."""

from typing import Any

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support

__all__ = [
    "COLOURS",
    "DIVERGING",
    "GREY",
    "axes",
    "colour_bar",
    "grid",
    "image",
    "open_frame",
    "single_network",
]

# Okabe and Ito, "Color universal design", 2008: blue, vermilion, green, purple, orange, sky blue.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DIVERGING = "RdBu"  # below zero in red, above in blue
GREY = "#BBBBBB"  # of what is there, but not the point


def axes(ax: Any, caller: str, size: tuple[float, float] = (6.4, 4.0)) -> Any:
    """The axes to draw on, new ones if there are none; matplotlib is imported only now."""
    check_matplotlib_support(caller)
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]


def open_frame(ax: Any) -> None:
    """Takes the frame away above and on the right."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def colour_bar(ax: Any, drawn: Any, label: str, **options: Any) -> Any:
    """A bar beside the axes that tells what the colours of `drawn` are."""
    bar = ax.figure.colorbar(drawn, ax=ax, aspect=30, pad=0.02, **options)
    bar.set_label(label)
    bar.outline.set_visible(False)
    return bar


def grid(ax: Any, n: int, n_columns: int, gap: float = 0.06) -> list[Any]:
    """n axes without ticks in the place of one, row by row.

    Parameters
    ----------
    ax : matplotlib Axes
        Which is not to be seen any more.
    n, n_columns : int
    gap : float
        Between two of them, as a part of one.
    """
    n_rows = -(-n // n_columns)
    width = 1 / (n_columns + (n_columns - 1) * gap)
    height = 1 / (n_rows + (n_rows - 1) * gap)
    ax.set_axis_off()
    parts = []
    for i in range(n):
        row, column = divmod(i, n_columns)
        bottom = 1 - height - row * height * (1 + gap)
        part = ax.inset_axes((column * width * (1 + gap), bottom, width, height))
        part.set(xticks=[], yticks=[])
        parts.append(part)
    return parts


def image(values: Any, image_shape: Any, name: str) -> Any:
    """A row of pixels as an image.

    Raises
    ------
    ValueError
        If the shape does not hold as many.
    """
    if np.prod(image_shape) != np.size(values):
        raise ValueError(
            f"image_shape must hold the {np.size(values)} columns of {name}, got {image_shape}."
        )
    return np.reshape(values, image_shape)


def single_network(estimator: Any) -> Any:
    """The estimator, if it has weights of its own.

    Raises
    ------
    ValueError
        If it has not.
    """
    if not hasattr(estimator, "coefs_"):
        raise ValueError(
            "estimator must be a fitted network with weights of its own; ask one of estimators_ of "
            f"an ensemble. Got {estimator!r}."
        )
    return estimator
