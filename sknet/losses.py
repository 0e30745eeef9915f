"""Losses: what training minimises. A name means the loss with its defaults.

Examples
--------
>>> from sknet import MLPRegressor
>>> from sknet.losses import Huber
>>> MLPRegressor(loss=Huber(delta=2.0))
MLPRegressor(loss=Huber(delta=2.0))
"""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval

from sknet.choices import Choice
from sknet.typing import ArrayLike

__all__ = [
    "CLASSIFICATION_LOSSES",
    "REGRESSION_LOSSES",
    "AbsoluteError",
    "Focal",
    "Gamma",
    "Hinge",
    "Huber",
    "LogLoss",
    "Loss",
    "Poisson",
    "Quantile",
    "SquaredError",
    "Tweedie",
]


class Loss(Choice):
    """Base of all losses: which loss of the compiled core it is, and what it needs of y.

    Attributes
    ----------
    of_numbers, of_labels, of_classes : str or None
        The name in the core's LOSSES for numbers, for yes/no outputs, and for one class among
        several; None where the loss is not for these.
    is_one_hot : bool
        Whether classes are targets as rows of zeros and a one, not as numbers of classes.
    takes_smoothing : bool
        Whether the targets may be smoothed.
    has_probabilities : bool
        Whether outputs of a classifier are probabilities.
    variance_power : float
        The variance of numbers goes as their mean to this power.
    """

    _parameter_constraints: dict = {}

    of_numbers: str | None = None
    of_labels: str | None = None
    of_classes: str | None = None
    is_one_hot = False
    takes_smoothing = False
    has_probabilities = True
    variance_power = 0.0

    def options(self):
        """What the core's loss is told besides the number of outputs."""
        return {}

    def check_targets(self, y):
        """Raises ValueError for numbers that the loss is not defined for."""


def _require(y, fits, what, loss):
    if not fits.all():
        raise ValueError(f"loss={loss!r} needs y {what}, got a smallest value of {y.min()}.")


class SquaredError(Loss):
    """Squared difference; in a classifier, of logistic outputs and 0/1 targets.

    The regressor's is half of `sklearn.metrics.mean_squared_error`, as scikit-learn's MLP reports
    it. The classifier's is the cost of many textbooks' first network, the sum over the outputs.
    """

    of_numbers = "squared_error"
    of_labels = of_classes = "logistic_squared_error"
    is_one_hot = True
    takes_smoothing = True


class AbsoluteError(Loss):
    """Absolute difference: predicts medians, so that outliers count no more than other rows.

    Its value is `sklearn.metrics.mean_absolute_error`.
    """

    of_numbers = "absolute_error"


class Huber(Loss):
    """Squared difference r up to `delta`, linear beyond: r^2 / 2, then delta (|r| - delta / 2).

    Parameters
    ----------
    delta : float, default=1.35
        In units of y. 1.35 standard deviations of the noise are 95 % as efficient as least
        squares where there are no outliers (Huber, "Robust estimation of a location parameter",
        Annals of Mathematical Statistics 35, 1964).
    """

    _parameter_constraints: dict = {"delta": [Interval(Real, 0, None, closed="neither")]}
    of_numbers = "huber"

    def __init__(self, delta: float = 1.35) -> None:
        self.delta = delta

    def options(self):
        return {"delta": float(self.delta)}


class Quantile(Loss):
    """Pinball loss: predicts one quantile of y given X, or several that cannot cross.

    Its value is `sklearn.metrics.mean_pinball_loss`, of several levels their mean (Koenker and
    Bassett, "Regression quantiles", Econometrica 46, 1978). Several outputs are put in ascending
    order, in training and in prediction (Chernozhukov, Fernandez-Val and Galichon, "Quantile and
    probability curves without crossing", Econometrica 78, 2010).

    Parameters
    ----------
    levels : float or array-like of float, default=0.5
        Between 0 and 1, ascending. Several levels are predicted along one more axis, the last:
        (n_samples, n_levels) or (n_samples, n_outputs, n_levels).
    """

    _parameter_constraints: dict = {
        "levels": [Interval(Real, 0, 1, closed="neither"), "array-like"],
    }
    of_numbers = "quantile"

    def __init__(self, levels: float | ArrayLike = 0.5) -> None:
        self.levels = levels

    def _validate(self):
        super()._validate()
        levels = np.atleast_1d(np.asarray(self.levels, float))
        inside = ((levels > 0) & (levels < 1)).all()
        if levels.ndim > 1 or levels.size == 0 or not inside or (np.diff(levels) <= 0).any():
            raise ValueError(
                "levels must be a number between 0 and 1, or several that ascend, got "
                f"{self.levels!r}."
            )

    def options(self):
        return {"levels": np.atleast_1d(np.asarray(self.levels, float))}


class Poisson(Loss):
    """Half the Poisson deviance, log link: for counts, and for rates with their exposure as weight.

    Its value is half of `sklearn.metrics.mean_poisson_deviance`; of several outputs their sum, as
    scikit-learn's MLP reports it.
    """

    of_numbers = "poisson"
    variance_power = 1.0

    def check_targets(self, y):
        _require(y, y >= 0, ">= 0", "poisson")


class Gamma(Loss):
    """Half the gamma deviance, log link: for positive numbers whose spread grows with their mean.

    Its value is half of `sklearn.metrics.mean_gamma_deviance`.
    """

    of_numbers = "gamma"
    variance_power = 2.0

    def check_targets(self, y):
        _require(y, y > 0, "> 0", "gamma")


class Tweedie(Loss):
    """Half the Tweedie deviance, log link: for sums of a random number of positive amounts.

    Its value is half of `sklearn.metrics.mean_tweedie_deviance` of this power (Jorgensen, "The
    theory of dispersion models", 1997, chapter 4).

    Parameters
    ----------
    power : float, default=1.5
        Between 1, the Poisson deviance, and 2, the gamma deviance, both included.
    """

    _parameter_constraints: dict = {"power": [Interval(Real, 1, 2, closed="both")]}

    def __init__(self, power: float = 1.5) -> None:
        self.power = power

    @property
    def variance_power(self):
        return float(self.power)

    @property
    def of_numbers(self):
        return {1: "poisson", 2: "gamma"}.get(self.power, "tweedie")

    def options(self):
        return {"power": float(self.power)} if self.of_numbers == "tweedie" else {}

    def check_targets(self, y):
        if self.power == 2:
            _require(y, y > 0, "> 0", self)
        else:
            _require(y, y >= 0, ">= 0", self)


class LogLoss(Loss):
    """Negative log-likelihood: of softmax outputs for several classes, of logistic ones for two
    classes and for labels.

    Its value is `sklearn.metrics.log_loss`, for labels the sum over them.
    """

    of_labels = "logistic_log_loss"
    of_classes = "softmax_log_loss"
    takes_smoothing = True


class Focal(Loss):
    """Log-loss times (1 - p)^gamma, with p the probability of the true class.

    Rows that the network already gets right count less (Lin et al., "Focal loss for dense object
    detection", ICCV 2017).

    Parameters
    ----------
    gamma : float, default=2.0
        0 is the log-loss.
    """

    _parameter_constraints: dict = {"gamma": [Interval(Real, 0, None, closed="left")]}
    of_labels = "logistic_focal"
    of_classes = "softmax_focal"

    def __init__(self, gamma: float = 2.0) -> None:
        self.gamma = gamma

    def options(self):
        return {"gamma": float(self.gamma)}


class Hinge(Loss):
    """Hinge loss: of two classes max(0, 1 - u), u being the output, or its negative for no.

    Of several classes max(0, 1 + the highest other output - the output of the true class): Crammer
    and Singer, JMLR 2, 2001. Its value is `sklearn.metrics.hinge_loss`, for labels the sum over
    them. Outputs are margins, there are no probabilities.
    """

    of_labels = "hinge"
    of_classes = "multiclass_hinge"
    has_probabilities = False


REGRESSION_LOSSES = {
    "squared_error": SquaredError,
    "absolute_error": AbsoluteError,
    "huber": Huber,
    "quantile": Quantile,
    "poisson": Poisson,
    "gamma": Gamma,
    "tweedie": Tweedie,
}
CLASSIFICATION_LOSSES = {
    "log_loss": LogLoss,
    "squared_error": SquaredError,
    "hinge": Hinge,
    "focal": Focal,
}
