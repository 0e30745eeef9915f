"""What the end of a fit has to be said about: warnings and errors."""

from dataclasses import dataclass
from typing import Any

from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import assert_all_finite

from sknet.diagnosis import diagnose, is_constant, unscaled_column
from sknet.warning import warn

__all__ = ["Ending", "divergence_error", "report"]


@dataclass(frozen=True)
class Ending:
    """How the training of a network ended.

    Attributes
    ----------
    estimator : BaseNetwork
        Which has that network, if it is usable.
    reason : str
        From fit_minibatch or fit_lbfgs.
    message : str
        SciPy's account of it.
    is_usable : bool
        Whether there are numbers to predict with.
    n_starts, n_diverged : int
        How many starts there were, and how many of them are left out because they diverged.
    """

    estimator: Any
    reason: str
    message: str
    is_usable: bool
    n_starts: int = 1
    n_diverged: int = 0


def report(ending, task):
    """Warns where the way training ended calls for it.

    A schedule that leads to max_iter has come to its end there; another one has not.

    Parameters
    ----------
    ending : Ending
        Of a usable network.
    task : Task
    """
    estimator, reason, X = ending.estimator, ending.reason, task.rows.X
    if ending.n_diverged:
        warn(
            f"{ending.n_diverged} of {ending.n_starts} starts diverged and are left "
            f"out. {_divergence_message(estimator, X)}",
            ConvergenceWarning,
        )
    if reason == "diverged":
        warn(
            f"{_divergence_message(estimator, X)} Training ended after epoch {estimator.n_iter_}; "
            "the parameters with the best validation score are kept.",
            ConvergenceWarning,
        )
    elif reason == "interrupted":
        warn("Training interrupted by user. The best parameters so far are kept.")
    elif task.incremental:
        return
    elif reason == "max_epochs" and not task.options.learning_rate.needs_end:
        _warn_of_training(
            f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the "
            "optimization hasn't converged yet.",
            estimator,
            X,
        )
    elif reason == "max_time":
        _warn_of_training(
            f"max_time={estimator.max_time} seconds were over after {estimator.n_iter_} epochs, "
            "and the optimization hasn't converged yet.",
            estimator,
            X,
        )
    elif reason == "limit":
        _warn_of_training(
            f"lbfgs failed to converge after {estimator.n_iter_} iteration(s): {ending.message}. "
            "Increase max_iter or max_fun, or scale the data.",
            estimator,
            X,
        )
    elif reason in ("converged", "max_epochs") and is_constant(estimator._model(), X):
        _warn_of_training(
            "Training has ended with a network whose outputs are the same for all rows.",
            estimator,
            X,
        )


def _warn_of_training(text, estimator, X):
    """A ConvergenceWarning with what may be the matter."""
    reasons = diagnose(estimator, X, estimator._model(), estimator.history_)
    warn(" ".join([text, *reasons]), ConvergenceWarning)


def divergence_error(estimator, X):
    """The error for parameters that are not finite; another is raised if X itself is not."""
    assert_all_finite(X, input_name="X", estimator_name=type(estimator).__name__)
    return ValueError(_divergence_message(estimator, X))


def _divergence_message(estimator, X):
    """Says that training has diverged, and of what, as far as can be seen."""
    message = (
        "Solver produced non-finite parameter weights. The input data may contain large "
        "values and need to be preprocessed. "
    )
    column = unscaled_column(estimator, X)
    if column is not None:
        return (
            f"{message}The likely cause is an unscaled column of X: {column}. Scale X, for "
            "instance with StandardScaler."
        )
    return (
        f"{message}The likely cause is too large a learning rate: "
        f"learning_rate_init={estimator.learning_rate_init}."
    )
