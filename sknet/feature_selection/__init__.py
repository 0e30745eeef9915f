"""Feature selection with neural networks, in the form of scikit-learn's selectors."""

from sknet.feature_selection.lassonet import LassoNetSelector

__all__ = ["LassoNetSelector"]
