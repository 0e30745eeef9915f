"""Why training has not come further, in sentences for a warning.

Looks at the history of the fit and at no more than a few hundred rows of X, and few where training
was short, since many fits end with a warning and should not take longer for it.
"""

import numpy as np
from scipy import sparse

from sknet.layers import Dense

__all__ = ["diagnose", "is_constant", "unscaled_column"]

LOOKED_AT = 200  # rows of X, at the most
LEAST = 50  # rows that pass the network once more, at the least,
PART = 200  # and no more than one for so many that have passed it in training
WIDEST = 2000  # columns of X up to which so many rows are made dense
LARGE = 100  # size of numbers in X that training does not like
RISE = 1.1  # loss over its lowest, from which on it has risen
EXPLODED = 100  # gradient norm over its median, from which on it has exploded
SAME = 1e-6  # difference of outputs, beside their size, up to which they are the same
VANISHED = 1e-3  # gradient norm over its first, below which it has vanished


def diagnose(estimator, X, model, history):
    """What may have kept training from converging, and what to do about it.

    Parameters
    ----------
    estimator : BaseNetwork
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        The training rows.
    model : Model
        The network at the end of training.
    history : dict of ndarray
        As `history_`.

    Returns
    -------
    sentences : list of str
    """
    passed = len(history.get("loss", ())) * X.shape[0]
    n_rows = min(LOOKED_AT, max(LEAST, passed // PART), X.shape[0])
    found = [
        _about_columns(estimator, _some_rows(X, LOOKED_AT)),
        _about_units(X, n_rows, model, estimator.n_threads),
        _about_gradients(history),
        _about_loss(estimator, history),
    ]
    return [sentence for sentence in found if sentence]


def is_constant(model, X):
    """Whether the model says the same of all rows of X, as far as a few hundred tell."""
    raw = model.predict(_some_rows(X, LOOKED_AT), 1)
    return bool((raw.max(axis=0) - raw.min(axis=0) <= SAME * (1 + np.abs(raw[0]))).all())


def unscaled_column(estimator, X):
    """The column of X with the largest numbers: "column 2 ('pay'), from 0 to 9e+06"; or None."""
    lowest, highest = (_by_columns(bounds) for bounds in (X.min(axis=0), X.max(axis=0)))
    column = int(np.argmax(np.maximum(-lowest, highest)))
    if not max(-lowest[column], highest[column]) > LARGE:
        return None
    name = f"column {column}"
    if hasattr(estimator, "feature_names_in_"):
        name += f" ({estimator.feature_names_in_[column]!r})"
    return f"{name}, from {lowest[column]:.3g} to {highest[column]:.3g}"


def _by_columns(bounds):
    return bounds.toarray().ravel() if sparse.issparse(bounds) else np.asarray(bounds).ravel()


def _some_rows(X, most):
    """Rows from all over X, dense unless they are very wide."""
    rows = X[:: -(-X.shape[0] // most)]
    if sparse.issparse(rows):
        return rows.toarray() if X.shape[1] <= WIDEST else rows
    return np.ascontiguousarray(rows)


def _about_columns(estimator, rows):
    if rows.min() >= -LARGE and rows.max() <= LARGE:
        return ""
    column = unscaled_column(estimator, rows)
    if column is None:
        return ""
    return f"X is not scaled: {column}; scale it, for instance with StandardScaler."


def _about_units(X, n_rows, model, n_threads):
    """Relu units that no row makes positive have no gradient and will not come back."""
    dead, hidden = [], -1
    for layer, silent in zip(model.layers, model.silent_units(X, n_rows, n_threads), strict=True):
        hidden += isinstance(layer, Dense)
        if getattr(layer, "activation", None) == "relu" and silent.any():
            dead.append(f"{silent.sum()} of {len(silent)} units of hidden layer {hidden}")
    if not dead:
        return ""
    return (
        f"Dead relu units, 0 for all of {n_rows} rows: {', '.join(dead)}; lower "
        "learning_rate_init, scale X, or use activation='leaky_relu'."
    )


def _about_gradients(history):
    norms = history.get("gradient_norm", np.zeros(0))
    if len(norms) < 3 or not norms[0] > 0:
        return ""
    middle = np.sort(norms)[len(norms) // 2]
    if norms[-1] > EXPLODED * middle:
        return (
            f"Gradients exploded: their norm rose from {middle:.3g} to {norms[-1]:.3g}; lower "
            "learning_rate_init, or use clip_norm."
        )
    loss = history["loss"]
    if norms[-1] < VANISHED * norms[0] and loss[-1] > 0.9 * loss[0] > 0:
        return (
            f"Gradients vanished: their norm fell from {norms[0]:.3g} to {norms[-1]:.3g} while the "
            "loss stayed; use fewer layers, another activation or init."
        )
    return ""


def _about_loss(estimator, history):
    loss = history.get("loss", np.zeros(0))
    if len(loss) < 2:
        return ""
    best = int(np.argmin(loss))
    if loss[-1] > RISE * loss[best] > 0:
        return (
            f"The loss rose from {loss[best]:.3g} in epoch {best + 1} to {loss[-1]:.3g}; lower "
            f"learning_rate_init={estimator.learning_rate_init}, or let it fall: "
            "learning_rate='cosine'."
        )
    before = loss[-1 - max(1, len(loss) // 10)]
    if loss[-1] < before:
        return (
            f"The loss was still falling, from {before:.4g} to {loss[-1]:.4g} in the last tenth of "
            "the epochs; give it more of them, or a higher learning_rate_init."
        )
    return ""
