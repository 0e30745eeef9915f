"""What the pictures share: axes, and colours that the colour-blind tell apart."""

from typing import Any

from sklearn.utils._optional_dependencies import check_matplotlib_support

__all__ = ["COLOURS", "axes"]

# Okabe and Ito, "Color universal design", 2008: blue, vermilion, green, purple, orange, sky blue.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def axes(ax: Any, caller: str, size: tuple[float, float] = (6.4, 4.0)) -> Any:
    """The axes to draw on, new ones if there are none; matplotlib is imported only now."""
    check_matplotlib_support(caller)
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]
