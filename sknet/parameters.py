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
from sknet.choices import chosen
from sknet.initializers import INITIALIZERS
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
        "init": [StrOptions({"auto", *INITIALIZERS})],
        "weight_decay": [None, Interval(Real, 0, None, closed="left")],
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

    def _solver(self):
        """The optimizer: for scikit-learn's names with scikit-learn's parameters."""
        if self.solver == "sgd":
            return SGD(self.momentum, self.nesterovs_momentum)
        if self.solver == "adam":
            return Adam(self.beta_1, self.beta_2, self.epsilon)
        if self.solver == "lbfgs":
            return LBFGS(self.max_fun)
        return chosen(self.solver, OPTIMIZERS)

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
        if self._is_lbfgs and self.weight_decay:
            raise ValueError(
                f"weight_decay={self.weight_decay} needs the updates of a stochastic solver; with "
                "solver='lbfgs' use alpha."
            )
        for name in ("dropout", "input_dropout") if self._is_lbfgs else ():
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


@functools.lru_cache(maxsize=128, typed=True)
def _validate_values(cls, *values):
    validate_parameter_constraints(
        cls._parameter_constraints,
        dict(zip(cls._get_param_names(), values, strict=True)),
        caller_name=cls.__name__,
    )
