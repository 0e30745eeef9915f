"""Neural networks with the interface of scikit-learn on a compiled core."""

from sknet._version import __version__
from sknet.classifier import MLPClassifier
from sknet.hidden_features import HiddenFeatures
from sknet.learning_rates import find_learning_rate
from sknet.regressor import MLPRegressor
from sknet.versions import show_versions

__all__ = [
    "HiddenFeatures",
    "MLPClassifier",
    "MLPRegressor",
    "__version__",
    "find_learning_rate",
    "show_versions",
]
