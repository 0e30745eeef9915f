"""The parameters that both estimators have: what they may be, and what they mean."""

import functools
import inspect
from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import (
    Interval,
    Options,
    StrOptions,
    validate_parameter_constraints,
)

from sknet import _core
from sknet.averaging import AVERAGES, Averaging
from sknet.choices import chosen
from sknet.initializers import INITIALIZERS
from sknet.layers import NORMS
from sknet.methods import NotAvailableError
from sknet.optimizers import LBFGS, OPTIMIZERS, SGD, Adam, Optimizer
from sknet.schedules import SCHEDULES, InvScaling, Schedule, as_schedule

__all__ = ["ParametersMixin"]

# Parameters of scikit-learn's that belong to one of its solvers.
FLAT_PARAMETERS = {
    "momentum": "sgd",
    "nesterovs_momentum": "sgd",
    "beta_1": "adam",
    "beta_2": "adam",
    "epsilon": "adam",
    "max_fun": "lbfgs",
}
_REGISTRIES = _core.load(np.float64)  # its names are those of every binary


class ParametersMixin:
    """Checks an estimator's parameters and makes of them what training takes."""

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(_REGISTRIES.ACTIVATIONS)), "array-like"],
        "solver": [StrOptions(set(OPTIMIZERS)), Optimizer],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions(set(SCHEDULES)), Schedule, callable],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "scoring": [None, str, callable],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
        "input_dropout": [Interval(Real, 0, 1, closed="left")],
        "input_noise": [Interval(Real, 0, None, closed="left")],
        "mixup": [Interval(Real, 0, None, closed="left")],
        "normalization": [None, StrOptions(set(NORMS))],
        "init": [StrOptions({"auto", *INITIALIZERS})],
        "weight_decay": [None, Interval(Real, 0, None, closed="left")],
        "l1": [Interval(Real, 0, None, closed="left")],
        "max_norm": [None, Interval(Real, 0, None, closed="neither")],
        "clip_norm": [None, Interval(Real, 0, None, closed="neither")],
        "coefs_init": [None, list, tuple],
        "intercepts_init": [None, list, tuple],
        "frozen_layers": [None, list, tuple],
        "averaging": [None, StrOptions(set(AVERAGES)), Averaging],
        "max_time": [None, Interval(Real, 0, None, closed="neither")],
        "n_starts": [Interval(Integral, 1, None, closed="left")],
        "combine": [StrOptions({"best", "mean"})],
        "n_threads": [None, Interval(Integral, 1, None, closed="left")],
        "dtype": [StrOptions({"auto", "float32", "float64"})],
    }

    @classmethod
    @functools.cache
    def _get_param_names(cls):
        return super()._get_param_names()

    def _validate_params(self):
        """scikit-learn's check, once for the same values: it takes a fifth of a small fit."""
        values = [getattr(self, name) for name in self._get_param_names()]
        try:
            hash(tuple(values))
        except TypeError:  # a list, a dict
            super()._validate_params()
        else:
            _validate_values(type(self), *values)

    @property
    def _is_lbfgs(self):
        return self.solver == "lbfgs" or isinstance(self.solver, LBFGS)

    @property
    def _explores(self):
        """Whether there are starts to combine, be it a mean of one."""
        return self.n_starts > 1 or self.combine == "mean"

    def _solver(self):
        """The optimizer: for scikit-learn's names with scikit-learn's parameters."""
        if self.solver == "sgd":
            return SGD(self.momentum, self.nesterovs_momentum)
        if self.solver == "adam":
            return Adam(self.beta_1, self.beta_2, self.epsilon)
        if self.solver == "lbfgs":
            return LBFGS(self.max_fun)
        return chosen(self.solver, OPTIMIZERS)

    def _averaging(self):
        """The average of the weights, or None."""
        return None if self.averaging is None else chosen(self.averaging, AVERAGES)

    def _schedule(self):
        """The learning-rate schedule."""
        if self.learning_rate == "invscaling":
            return InvScaling(self.power_t)
        return as_schedule(self.learning_rate)

    def _dropout_rates(self, sizes):
        """Rate of each hidden layer."""
        if isinstance(self.dropout, Real):
            return [float(self.dropout)] * len(sizes)
        rates = list(self.dropout)
        if len(rates) != len(sizes):
            raise ValueError(
                f"dropout must be one rate, or one per hidden layer: {len(sizes)}, "
                f"got {len(rates)}."
            )
        for rate in rates:
            if not (isinstance(rate, Real) and 0 <= rate < 1):
                raise ValueError(f"dropout must hold rates in [0, 1), got {rate!r}.")
        return [float(rate) for rate in rates]

    def _activations(self, sizes, with_output=False):
        """Name of the activation of each hidden layer; of the output the last one, for "auto"."""
        if isinstance(self.activation, str):
            return [self.activation] * (len(sizes) + with_output)
        names = list(self.activation)
        for name in names:
            if not (isinstance(name, str) and name in _REGISTRIES.ACTIVATIONS):
                raise ValueError(
                    f"activation must hold names among {sorted(_REGISTRIES.ACTIVATIONS)}, "
                    f"got {name!r}."
                )
        if len(names) != len(sizes):
            raise ValueError(
                f"activation must be one name, or one per hidden layer: {len(sizes)}, "
                f"got {len(names)}."
            )
        return names + (names[-1:] or ["identity"]) * with_output

    def _frozen(self, n_layers):
        """Numbers of the frozen layers, in order."""
        names = [f"hidden_{i}" for i in range(n_layers - 1)] + ["output"]
        frozen = list(self.frozen_layers or ())
        for name in frozen:
            if name not in names:
                raise ValueError(f"frozen_layers must hold names among {names}, got {name!r}.")
        if set(frozen) == set(names):
            raise ValueError(f"frozen_layers must leave a layer to train, got all: {frozen}.")
        return [i for i, name in enumerate(names) if name in frozen]

    def _initial_arrays(self, name, shapes):
        """What coefs_init or intercepts_init gives for each layer: an array or None."""
        given = getattr(self, name)
        if given is None:
            return [None] * len(shapes)
        if len(given) != len(shapes):
            raise ValueError(f"{name} must have {len(shapes)} arrays, got {len(given)}.")
        arrays = [None if array is None else np.asarray(array) for array in given]
        for i, (array, shape) in enumerate(zip(arrays, shapes, strict=True)):
            if array is None:
                continue
            if array.shape != shape:
                raise ValueError(f"{name}[{i}] must have shape {shape}, got {array.shape}.")
            if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
                raise ValueError(f"{name}[{i}] must hold finite numbers.")
        return arrays

    def _hidden_sizes(self):
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if np.iterable(sizes) else [sizes]
        for size in sizes:
            if not isinstance(size, Integral) or isinstance(size, bool) or size <= 0:
                raise ValueError(
                    f"hidden_layer_sizes must be > 0, integers all of them, got {sizes}."
                )
        return [int(size) for size in sizes]

    def _refuse_unused(self):
        """Raises for parameters that the chosen solver would not look at.

        scikit-learn's own names ignore one another's parameters, as scikit-learn does.
        """
        for name in ("weight_decay", "l1", "max_norm", "clip_norm") if self._is_lbfgs else ():
            if getattr(self, name):
                raise ValueError(
                    f"{name}={getattr(self, name)} needs the updates of a stochastic solver; with "
                    "solver='lbfgs' use alpha."
                )
        if self._is_lbfgs and self.normalization == "batch":
            raise ValueError(
                "normalization='batch' needs mini-batches; with solver='lbfgs' use 'layer'."
            )
        if self._is_lbfgs and self.averaging is not None:
            raise ValueError(
                f"averaging={self.averaging!r} is over the updates of a stochastic solver, "
                "solver='lbfgs' ends at a minimum."
            )
        random = ("dropout", "input_dropout", "input_noise", "mixup")
        for name in random if self._is_lbfgs else ():
            if np.any(getattr(self, name)):
                raise ValueError(
                    f"{name}={getattr(self, name)} makes each step see another network; "
                    "solver='lbfgs' needs the same one at all steps."
                )
        if self._is_lbfgs and self.learning_rate not in ("constant", "invscaling", "adaptive"):
            raise ValueError(
                f"learning_rate={self.learning_rate!r} needs the updates of a stochastic solver, "
                "solver='lbfgs' finds its own steps."
            )
        if self._is_lbfgs and self.scoring is not None:
            raise ValueError(
                f"scoring={self.scoring!r} is for validation rows, which solver='lbfgs' does not "
                "look at."
            )
        if self.warm_start and self._explores:
            raise ValueError(
                "warm_start=True goes on with one network, got "
                f"n_starts={self.n_starts}, combine={self.combine!r}."
            )
        if self.solver in ("sgd", "adam", "lbfgs"):
            return
        defaults = inspect.signature(type(self)).parameters
        for name, owner in FLAT_PARAMETERS.items():
            value = getattr(self, name)
            if value != defaults[name].default:
                raise ValueError(
                    f"{name}={value} belongs to solver={owner!r}; with solver={self.solver!r} say "
                    "it in the optimizer object, see sknet.optimizers."
                )

    def _check_partial_fit(self):
        if self._is_lbfgs:
            raise NotAvailableError(
                "partial_fit is only available for stochastic optimizers. "
                f"{self.solver} is not stochastic."
            )
        if self.early_stopping:
            raise NotAvailableError("partial_fit does not support early_stopping=True")
        if self._explores:
            raise NotAvailableError(
                "partial_fit trains one network, got "
                f"n_starts={self.n_starts}, combine={self.combine!r}."
            )
        averaging = self.averaging
        kind = AVERAGES.get(averaging) if isinstance(averaging, str) else averaging
        if getattr(kind, "needs_end", False):
            raise NotAvailableError(
                "partial_fit does not know when training will end, which "
                f"averaging={averaging!r} needs to know."
            )
        kind = SCHEDULES.get(self.learning_rate) if isinstance(self.learning_rate, str) else None
        if getattr(kind or self.learning_rate, "needs_end", callable(self.learning_rate)):
            raise NotAvailableError(
                "partial_fit does not know when training will end, which "
                f"learning_rate={self.learning_rate!r} needs to know."
            )


@functools.lru_cache(maxsize=128, typed=True)
def _validate_values(cls, *values):
    validate_parameter_constraints(
        cls._parameter_constraints,
        dict(zip(cls._get_param_names(), values, strict=True)),
        caller_name=cls.__name__,
    )
