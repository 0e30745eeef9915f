"""Feature selection with neural networks, in the form of scikit-learn's selectors."""

from sknet.feature_selection.knockoffs import KnockoffSelector
from sknet.feature_selection.lassonet import LassoNetSelector

__all__ = ["KnockoffSelector", "LassoNetSelector"]
