"""Averages of the weights on their way: flatter, and mostly better, than where they end.

A name means the average with its defaults.

Examples
--------
>>> from sknet import MLPClassifier
>>> from sknet.averaging import EMA
>>> MLPClassifier(averaging=EMA(decay=0.99))
MLPClassifier(averaging=EMA(decay=0.99))
"""

from numbers import Real

from sklearn.utils._param_validation import Interval

from sknet.choices import Choice

__all__ = ["AVERAGES", "EMA", "SWA", "Averaging"]


class Averaging(Choice):
    """Base of all averages.

    Attributes
    ----------
    needs_end : bool
        Whether it must know when training will end, as `partial_fit` does not.
    sees_epochs : bool
        Whether it looks at the parameters behind each epoch.
    decay : float
        What stays of the average at each update in the compiled loop; 0 if none is made there.
    """

    _parameter_constraints: dict = {}
    needs_end = False
    sees_epochs = False
    decay = 0.0

    def note_epoch(self, progress, params, done):
        """Takes in the parameters behind an epoch, after this fraction of the epochs."""

    def result(self, progress):
        """The average, or None where there is none yet."""
        raise NotImplementedError


class EMA(Averaging):
    """Exponential moving average over the updates.

    After update number n, from 0, the part d of the average stays and 1 - d comes from the weights,
    with d = min(decay, (1 + n) / (10 + n)): at first an average over the last tenth of training.

    Parameters
    ----------
    decay : float, default=0.999
        In (0, 1): an average over about 1 / (1 - decay) updates.

    References
    ----------
    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control
    Optim. 30, 1992; the beginning is that of TensorFlow's ExponentialMovingAverage.
    """

    _parameter_constraints: dict = {"decay": [Interval(Real, 0, 1, closed="neither")]}

    def __init__(self, decay: float = 0.999) -> None:
        self.decay = decay

    def result(self, progress):
        return progress.moments[-1]


class SWA(Averaging):
    """Stochastic weight averaging: the mean of the weights at the ends of the last epochs.

    Parameters
    ----------
    start : float, default=0.75
        Fraction of `max_iter` after which epochs count, in [0, 1).

    References
    ----------
    Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018.
    """

    _parameter_constraints: dict = {"start": [Interval(Real, 0, 1, closed="left")]}
    needs_end = True
    sees_epochs = True

    def __init__(self, start: float = 0.75) -> None:
        self.start = start

    def note_epoch(self, progress, params, done):
        if done <= self.start:
            progress.average, progress.n_averaged = None, 0
            return
        progress.n_averaged += 1
        if progress.n_averaged == 1:
            progress.average = params.copy()
        else:
            progress.average += (params - progress.average) / progress.n_averaged

    def result(self, progress):
        return progress.average


AVERAGES = {"ema": EMA, "swa": SWA}
