"""What a fitted network goes by: what columns contribute, and pictures of it and its training."""

from sknet.inspection.attribution_display import AttributionDisplay
from sknet.inspection.attributions import Attributions, attributions
from sknet.inspection.feature_path import FeaturePathDisplay
from sknet.inspection.learning_rate import LearningRateDisplay
from sknet.inspection.loss_curve import LossCurveDisplay
from sknet.inspection.loss_landscape import LossLandscapeDisplay
from sknet.inspection.network_display import NetworkDisplay
from sknet.inspection.weight_images import WeightImageDisplay

__all__ = [
    "AttributionDisplay",
    "Attributions",
    "FeaturePathDisplay",
    "LearningRateDisplay",
    "LossCurveDisplay",
    "LossLandscapeDisplay",
    "NetworkDisplay",
    "WeightImageDisplay",
    "attributions",
]
