"""Initial weights: functions that draw the W and b of one dense layer."""

import numpy as np

__all__ = ["glorot_uniform"]


def glorot_uniform(rng, coef, intercept, activation):
    """Fills `coef` and `intercept` in place, both uniform in (-bound, bound).

    bound = sqrt(6 / (n_in + n_out)), Glorot and Bengio (2010), equation 16; for the logistic
    function, whose slope at zero is smaller, sqrt(2 / (n_in + n_out)). As scikit-learn does,
    which draws the intercepts from the same interval.

    Parameters
    ----------
    rng : numpy.random.Generator
    coef : ndarray of shape (n_in, n_out)
    intercept : ndarray of shape (n_out,)
    activation : str
        Name of the hidden activation of the network.
    """
    factor = 2.0 if activation == "logistic" else 6.0
    bound = np.sqrt(factor / sum(coef.shape))
    coef[...] = rng.uniform(-bound, bound, coef.shape)
    intercept[...] = rng.uniform(-bound, bound, intercept.shape)
