"""What the end of a fit has to be said about: warnings and errors."""

import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import assert_all_finite

from sknet.diagnosis import diagnose, is_constant, unscaled_column

__all__ = ["CALLER", "divergence_error", "report"]

CALLER = 7  # frames from a warning up to the user's call, through _fit and what fit is wrapped in


def report(estimator, reason, X, model, *, incremental=False, message=""):
    """Warns, or raises, where the way training ended calls for it.

    Parameters
    ----------
    estimator : BaseNetwork
    reason : str
        From fit_minibatch or fit_lbfgs.
    X : the training rows
    model : Model
        As it is at the end.
    incremental : bool
        Whether a single epoch was all that was asked for.
    message : str
        SciPy's account of the end.
    """
    if reason == "diverged" and not estimator.early_stopping:
        raise divergence_error(estimator, X)
    if reason == "diverged":
        warnings.warn(
            f"{_divergence_message(estimator, X)} Training ended after epoch {estimator.n_iter_}; "
            "the parameters with the best validation score are kept.",
            ConvergenceWarning,
            stacklevel=CALLER,
        )
    elif reason == "interrupted":
        warnings.warn(
            "Training interrupted by user. The best parameters so far are kept.",
            stacklevel=CALLER,
        )
    elif incremental:
        return
    elif reason == "max_epochs":
        _warn(
            f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the "
            "optimization hasn't converged yet.",
            estimator,
            X,
            model,
        )
    elif reason == "max_time":
        _warn(
            f"max_time={estimator.max_time} seconds were over after {estimator.n_iter_} epochs, "
            "and the optimization hasn't converged yet.",
            estimator,
            X,
            model,
        )
    elif reason == "limit":
        _warn(
            f"lbfgs failed to converge after {estimator.n_iter_} iteration(s): {message}. Increase "
            "max_iter or max_fun, or scale the data.",
            estimator,
            X,
            model,
        )
    elif reason == "converged" and is_constant(model, X):
        _warn(
            "Training has ended with a network whose outputs are the same for all rows.",
            estimator,
            X,
            model,
        )


def _warn(text, estimator, X, model):
    """A ConvergenceWarning with what may be the matter."""
    # Which units are dead is not told by the weights alone where they are normalised.
    activations = [] if model.norms else estimator._activations(model.coefs[1:])
    reasons = diagnose(estimator, X, model.coefs, model.intercepts, activations, estimator.history_)
    warnings.warn(" ".join([text, *reasons]), ConvergenceWarning, stacklevel=CALLER + 1)


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
        name, size = column
        return (
            f"{message}The likely cause is an unscaled column of X: {name} has values up to "
            f"{size:.3g} in size. Scale X, for instance with StandardScaler."
        )
    return (
        f"{message}The likely cause is too large a learning rate: "
        f"learning_rate_init={estimator.learning_rate_init}."
    )
