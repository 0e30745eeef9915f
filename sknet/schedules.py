"""Learning-rate schedules. A name means the schedule with its defaults; a callable is one, too.

A schedule says by what factor of `learning_rate_init` each update goes.

Examples
--------
>>> from sknet import MLPClassifier
>>> from sknet.schedules import Cosine
>>> MLPClassifier(learning_rate=Cosine(warmup=0.05))
MLPClassifier(learning_rate=Cosine(warmup=0.05))
"""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval

from sknet.choices import Choice, chosen

__all__ = [
    "SCHEDULES",
    "Adaptive",
    "Constant",
    "CosLog",
    "Cosine",
    "CosineRestarts",
    "Exponential",
    "Following",
    "InvScaling",
    "OneCycle",
    "ReduceOnPlateau",
    "Schedule",
    "Step",
    "When",
    "as_schedule",
]

FRACTION = [Interval(Real, 0, 1, closed="both")]
EPOCHS = [Interval(Integral, 1, None, closed="left")]


@dataclass(frozen=True)
class When:
    """Where in training some updates stand.

    Attributes
    ----------
    done : ndarray of shape (n_updates,)
        Fraction of this fit's updates made before, from 0 to below 1.
    n_epochs : ndarray of shape (n_updates,)
        Whole epochs made before, in all fits.
    n_rows : ndarray of shape (n_updates,)
        Rows seen in them.
    """

    done: np.ndarray
    n_epochs: np.ndarray
    n_rows: np.ndarray


class Schedule(Choice):
    """Base of all schedules.

    Parameters
    ----------
    warmup : float, default=0.0
        Fraction of training in which the learning rate first grows evenly from 0. What follows
        the fraction done takes the rest of training.

    Attributes
    ----------
    needs_end : bool
        Whether it must know when training will end, as `partial_fit` does not.
    reacts : bool
        Whether the rate is also reduced where training stalls; see training.py.
    """

    _parameter_constraints: dict = {"warmup": [Interval(Real, 0, 1, closed="left")]}
    needs_end = False
    reacts = False

    def __init__(self, warmup: float = 0.0) -> None:
        self.warmup = warmup

    def factors(self, when):
        """The factor of each update, of shape (n_updates,), the warm-up left aside."""
        raise NotImplementedError

    def rates(self, when):
        """The factor of each update, (n_updates,)."""
        if not self.warmup:
            return self.factors(when)
        done = np.maximum(0, when.done - self.warmup) / (1 - self.warmup)
        after = self.factors(When(done, when.n_epochs, when.n_rows))
        return np.minimum(1, when.done / self.warmup) * after


class Constant(Schedule):
    """The same for ever.

    Parameters
    ----------
    warmup : float, default=0.0
        See Schedule.
    """

    def factors(self, when):
        return np.ones(len(when.done))


class InvScaling(Schedule):
    """1 / (n_rows + 1)^power_t, after the n_rows rows of whole epochs.

    Parameters
    ----------
    power_t : float, default=0.5
    warmup : float, default=0.0
        See Schedule.
    """

    _parameter_constraints: dict = {
        **Schedule._parameter_constraints,
        "power_t": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, power_t: float = 0.5, warmup: float = 0.0) -> None:
        super().__init__(warmup)
        self.power_t = power_t

    def factors(self, when):
        return 1 / (when.n_rows + 1.0) ** self.power_t


class Adaptive(Constant):
    """Divided by 5 where training would otherwise stop, down to a rate of 1e-6.

    Parameters
    ----------
    warmup : float, default=0.0
        See Schedule.
    """

    reacts = True


class ReduceOnPlateau(Constant):
    """Multiplied by `factor` when `patience` epochs have not improved the loss, or the validation
    score, by the estimator's `tol`.

    Parameters
    ----------
    factor : float, default=0.1
        Between 0 and 1.
    patience : int, default=5
        Epochs. The estimator's `n_iter_no_change`, after which training ends, should be larger.
    lowest : float, default=1e-6
        Learning rate below which it is not reduced.
    warmup : float, default=0.0
        See Schedule.
    """

    _parameter_constraints: dict = {
        **Schedule._parameter_constraints,
        "factor": [Interval(Real, 0, 1, closed="neither")],
        "patience": EPOCHS,
        "lowest": [Interval(Real, 0, None, closed="left")],
    }
    reacts = True

    def __init__(
        self, factor: float = 0.1, patience: int = 5, lowest: float = 1e-6, warmup: float = 0.0
    ) -> None:
        super().__init__(warmup)
        self.factor = factor
        self.patience = patience
        self.lowest = lowest


class Step(Schedule):
    """Multiplied by `factor` after every `n_epochs` epochs.

    Parameters
    ----------
    n_epochs : int, default=30
    factor : float, default=0.1
        Between 0 and 1.
    warmup : float, default=0.0
        See Schedule.
    """

    _parameter_constraints: dict = {
        **Schedule._parameter_constraints,
        "n_epochs": EPOCHS,
        "factor": FRACTION,
    }

    def __init__(self, n_epochs: int = 30, factor: float = 0.1, warmup: float = 0.0) -> None:
        super().__init__(warmup)
        self.n_epochs = n_epochs
        self.factor = factor

    def factors(self, when):
        return float(self.factor) ** (when.n_epochs // self.n_epochs)


class Exponential(Schedule):
    """Multiplied by `factor` after every epoch.

    Parameters
    ----------
    factor : float, default=0.95
        Between 0 and 1.
    warmup : float, default=0.0
        See Schedule.
    """

    _parameter_constraints: dict = {**Schedule._parameter_constraints, "factor": FRACTION}

    def __init__(self, factor: float = 0.95, warmup: float = 0.0) -> None:
        super().__init__(warmup)
        self.factor = factor

    def factors(self, when):
        return float(self.factor) ** when.n_epochs


class Cosine(Schedule):
    """Half a cosine, from 1 to `end` (Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5).

    Parameters
    ----------
    end : float, default=0.0
        Factor at the end of training.
    warmup : float, default=0.0
        See Schedule.
    """

    _parameter_constraints: dict = {**Schedule._parameter_constraints, "end": FRACTION}
    needs_end = True

    def __init__(self, end: float = 0.0, warmup: float = 0.0) -> None:
        super().__init__(warmup)
        self.end = end

    def factors(self, when):
        return _half_cosine(1.0, self.end, when.done)


class CosineRestarts(Schedule):
    """Half cosines from 1 to `end`, each `multiple` times as long as the one before.

    Loshchilov and Hutter, as above, section 3.

    Parameters
    ----------
    n_epochs : int, default=10
        Of the first one. It falls after each epoch.
    multiple : int, default=2
    end : float, default=0.0
        Factor that each would reach where the next one begins.
    warmup : float, default=0.0
        See Schedule.
    """

    _parameter_constraints: dict = {
        **Schedule._parameter_constraints,
        "n_epochs": EPOCHS,
        "multiple": EPOCHS,
        "end": FRACTION,
    }

    def __init__(
        self, n_epochs: int = 10, multiple: int = 2, end: float = 0.0, warmup: float = 0.0
    ) -> None:
        super().__init__(warmup)
        self.n_epochs = n_epochs
        self.multiple = multiple
        self.end = end

    def factors(self, when):
        begin, length = np.zeros(len(when.done)), np.full(len(when.done), float(self.n_epochs))
        while (over := when.n_epochs >= begin + length).any():
            begin += np.where(over, length, 0)
            length *= np.where(over, self.multiple, 1)
        return _half_cosine(1.0, self.end, (when.n_epochs - begin) / length)


class OneCycle(Schedule):
    """Up from `start` to 1 and down to `end`, each half a cosine: few epochs at a high rate.

    Smith and Topin, "Super-convergence", 2017. `learning_rate_init` is the highest rate.

    Parameters
    ----------
    rise : float, default=0.3
        Fraction of training in which it grows.
    start : float, default=0.04
        Factor at the beginning.
    end : float, default=4e-6
        Factor at the end.
    warmup : float, default=0.0
        See Schedule.
    """

    _parameter_constraints: dict = {
        **Schedule._parameter_constraints,
        "rise": [Interval(Real, 0, 1, closed="neither")],
        "start": FRACTION,
        "end": FRACTION,
    }
    needs_end = True

    def __init__(
        self, rise: float = 0.3, start: float = 0.04, end: float = 4e-6, warmup: float = 0.0
    ) -> None:
        super().__init__(warmup)
        self.rise = rise
        self.start = start
        self.end = end

    def factors(self, when):
        return np.where(
            when.done < self.rise,
            _half_cosine(self.start, 1.0, when.done / self.rise),
            _half_cosine(1.0, self.end, (when.done - self.rise) / (1 - self.rise)),
        )


class CosLog(Schedule):
    """Cycles (1 - cos(2 pi log2(1 + (2^n_cycles - 1) t))) / 2 of the fraction t done: each about
    twice as long as the one before, from 0 up to 1 and back.

    Holzmueller, Grinsztajn and Steinwart, "Better by default", NeurIPS 2024, section 3.

    Parameters
    ----------
    n_cycles : int, default=4
    warmup : float, default=0.0
        See Schedule.
    """

    _parameter_constraints: dict = {**Schedule._parameter_constraints, "n_cycles": EPOCHS}
    needs_end = True

    def __init__(self, n_cycles: int = 4, warmup: float = 0.0) -> None:
        super().__init__(warmup)
        self.n_cycles = n_cycles

    def factors(self, when):
        cycles = np.log2(1 + (2.0**self.n_cycles - 1) * when.done)
        return 0.5 * (1 - np.cos(2 * np.pi * cycles))


class Following(Schedule):
    """What a callable says: the factor as a function of the fraction of training done.

    Parameters
    ----------
    function : callable(float) -> float
        Takes a number from 0 to below 1 and returns a factor >= 0.
    warmup : float, default=0.0
        See Schedule.
    """

    _parameter_constraints: dict = {**Schedule._parameter_constraints, "function": [callable]}
    needs_end = True

    def __init__(self, function: Callable[[float], float], warmup: float = 0.0) -> None:
        super().__init__(warmup)
        self.function = function

    def factors(self, when):
        factors = [self.function(float(done)) for done in when.done]
        try:
            values = np.array(factors, float)
        except (TypeError, ValueError):
            values = np.full(len(factors), np.nan)
        if values.shape != when.done.shape or not (np.isfinite(values) & (values >= 0)).all():
            wrong = [value for value in factors if not _is_factor(value)]
            raise ValueError(
                "learning_rate, a function of the fraction done, must return finite numbers >= 0, "
                f"got {wrong[0]!r}."
            )
        return values


def _is_factor(value):
    return isinstance(value, Real) and np.isfinite(value) and value >= 0


def _half_cosine(begin, end, done):
    return end + (begin - end) * 0.5 * (1 + np.cos(np.pi * done))


def as_schedule(learning_rate):
    """The schedule that a name, an object or a callable means."""
    if isinstance(learning_rate, type):
        raise ValueError(
            f"learning_rate must be an object, got the class {learning_rate.__name__}."
        )
    if callable(learning_rate):
        learning_rate = Following(learning_rate)
    return chosen(learning_rate, SCHEDULES)


SCHEDULES = {
    "constant": Constant,
    "invscaling": InvScaling,
    "adaptive": Adaptive,
    "step": Step,
    "exponential": Exponential,
    "cosine": Cosine,
    "cosine_restarts": CosineRestarts,
    "one_cycle": OneCycle,
    "coslog": CosLog,
    "reduce_on_plateau": ReduceOnPlateau,
}
