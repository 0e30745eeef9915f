"""DeepLIFT's multipliers: what a difference of each input makes of the outputs, layer by layer."""

import numpy as np

from sknet.layers import Activate, Dense, LayerNorm
from sknet.model import Model

__all__ = ["multipliers"]

SMALL = 1e-7  # difference of an input, below which the slope is that at the point


def multipliers(model, X, baseline, seeds, n_threads):
    """Multipliers m with sum_j m_j (x_j - b_j) = sum_o seed_o (f_o(x) - f_o(b)).

    The rescale rule of Shrikumar, Greenside and Kundaje, "Learning important features through
    propagating activation differences", ICML 2017, equation 9. Layer normalisation multiplies two
    numbers that both differ: of a b - a' b' each difference gets the mean of the other factor,
    which is exact.

    Parameters
    ----------
    model : Model
        For prediction, without batch normalisation (`Model.folded`).
    X : ndarray of shape (n, n_features)
    baseline : ndarray of shape (1 or n, n_features)
    seeds : ndarray of shape (1 or n, n_sums, n_out)
    n_threads : int or None

    Returns
    -------
    ndarray of shape (n, n_sums, n_features)
    """
    ends = [X.astype(float), np.broadcast_to(baseline, X.shape).astype(float)]
    steps = []  # functions from the multipliers of a layer's outputs to those of its inputs
    denses = iter(zip(model.coefs, model.intercepts, strict=True))
    scales = iter(zip(model.norms.get("scale", ()), model.norms.get("shift", ()), strict=True))
    for layer in model.layers:
        if isinstance(layer, Dense):
            coef, intercept = next(denses)
            steps.append(_through_dense(coef))
            ends = [rows @ coef + intercept for rows in ends]
        if isinstance(layer, LayerNorm):
            scale, shift = next(scales)
            steps.append(_through_layer_norm(ends, scale, layer.epsilon))
            ends = [_normalised(rows, layer.epsilon) * scale + shift for rows in ends]
        if isinstance(layer, Activate | Dense):
            slope, ends = _activate(layer.activation, ends, n_threads)
            if slope is not None:
                steps.append(_through_slope(slope))
    found = np.broadcast_to(seeds, (len(X), *seeds.shape[1:])).astype(float)
    for step in reversed(steps):
        found = step(found)
    return found


def _through_dense(coef):
    return lambda found: found @ coef.T


def _through_slope(slope):
    return lambda found: found * slope[:, None]


def _activate(name, ends, n_threads):
    """Slopes between the two ends, None where they are 1; and what comes out at both."""
    if name == "identity":
        return None, ends
    unit = Model((Activate(name),), ends[0].shape[1], float)
    values = [unit.predict(np.ascontiguousarray(rows), n_threads) for rows in ends]
    difference = ends[0] - ends[1]
    is_small = np.abs(difference) < SMALL
    slope = (values[0] - values[1]) / np.where(is_small, 1, difference)
    if is_small.any():
        ones = np.ones((1, 1, ends[0].shape[1]))  # each output follows its own input alone
        slopes = unit.input_gradients(np.ascontiguousarray(ends[0]), ones, n_threads)[:, 0]
        slope = np.where(is_small, slopes, slope)
    return slope, values


def _through_layer_norm(ends, scale, epsilon):
    centred = [rows - rows.mean(axis=1, keepdims=True) for rows in ends]
    variances = [np.mean(rows**2, axis=1, keepdims=True) for rows in centred]
    factors = [1 / np.sqrt(variance + epsilon) for variance in variances]
    centre, factor = (centred[0] + centred[1]) / 2, (factors[0] + factors[1]) / 2
    difference = variances[0] - variances[1]
    is_small = np.abs(difference) < SMALL
    slope = np.where(
        is_small,
        -0.5 * factors[0] ** 3,
        (factors[0] - factors[1]) / np.where(is_small, 1, difference),
    )

    def step(found):
        weighted = found * scale
        along = 2 * np.mean(weighted * centre[:, None], axis=2, keepdims=True)
        of_centred = weighted * factor[:, None] + along * (slope * centre)[:, None]
        return of_centred - of_centred.mean(axis=2, keepdims=True)

    return step


def _normalised(rows, epsilon):
    centred = rows - rows.mean(axis=1, keepdims=True)
    return centred / np.sqrt(np.mean(centred**2, axis=1, keepdims=True) + epsilon)
