"""What a fitted network goes by: which columns made the difference, and how much."""

from sknet.inspection.attributions import Attributions, attributions

__all__ = ["Attributions", "attributions"]
