"""What a fitted network goes by: what columns contribute, and pictures of its training."""

from sknet.inspection.attributions import Attributions, attributions
from sknet.inspection.feature_path import FeaturePathDisplay
from sknet.inspection.loss_curve import LossCurveDisplay

__all__ = ["Attributions", "FeaturePathDisplay", "LossCurveDisplay", "attributions"]
