"""Initial weights: functions that draw W of one dense layer, and INITIALIZERS by name.

Each takes a numpy.random.Generator and the array `coef` (n_in, n_out), which it fills in place.
Intercepts begin at zero, but with "auto".
"""

import math

import numpy as np

from sknet.threads import single_threaded_blas

__all__ = ["INITIALIZERS", "initialize"]


def initialize(name, rng, coef, intercept, activation):
    """Fills the weights and intercepts of a dense layer in place.

    Parameters
    ----------
    name : str
        "auto" or a name in INITIALIZERS.
    rng : numpy.random.Generator
    coef : ndarray of shape (n_in, n_out)
    intercept : ndarray of shape (n_out,)
    activation : str
        Name of the network's hidden activation, for "auto".
    """
    if name == "auto":
        auto(rng, coef, intercept, activation)
    else:
        INITIALIZERS[name](rng, coef)
        intercept[...] = 0


def auto(rng, coef, intercept, activation):
    """As scikit-learn: glorot_uniform, and intercepts from the same interval.

    For the logistic function, whose slope at zero is smaller, the bound is
    sqrt(2 / (n_in + n_out)).
    """
    factor = 2.0 if activation == "logistic" else 6.0
    bound = math.sqrt(factor / sum(coef.shape))
    coef[...] = rng.uniform(-bound, bound, coef.shape)
    intercept[...] = rng.uniform(-bound, bound, intercept.shape)


def glorot_uniform(rng, coef):
    """Uniform in +-sqrt(6 / (n_in + n_out)): Glorot and Bengio, AISTATS 2010, equation 16."""
    bound = math.sqrt(6 / sum(coef.shape))
    coef[...] = rng.uniform(-bound, bound, coef.shape)


def glorot_normal(rng, coef):
    """Normal of variance 2 / (n_in + n_out): their equation 12."""
    coef[...] = rng.normal(scale=math.sqrt(2 / sum(coef.shape)), size=coef.shape)


def he_uniform(rng, coef):
    """Uniform in +-sqrt(6 / n_in): the variance of he_normal."""
    bound = math.sqrt(6 / coef.shape[0])
    coef[...] = rng.uniform(-bound, bound, coef.shape)


def he_normal(rng, coef):
    """Normal of variance 2 / n_in, for relu: He et al., ICCV 2015, equation 10."""
    coef[...] = rng.normal(scale=math.sqrt(2 / coef.shape[0]), size=coef.shape)


def lecun_normal(rng, coef):
    """Normal of variance 1 / n_in, for selu: LeCun et al., "Efficient backprop", 1998."""
    coef[...] = rng.normal(scale=math.sqrt(1 / coef.shape[0]), size=coef.shape)


def orthogonal(rng, coef):
    """Orthonormal columns, or rows where there are fewer: Saxe, McClelland and Ganguli, ICLR 2014.

    The Q of a normal matrix's QR decomposition, with R's diagonal made positive: uniform among
    such matrices (Mezzadri, Notices of the AMS 54, 2007).
    """
    n_in, n_out = coef.shape
    normal = rng.normal(size=(max(n_in, n_out), min(n_in, n_out)))
    with single_threaded_blas():  # the same bits on any number of threads
        Q, R = np.linalg.qr(normal)
    Q *= np.sign(np.diag(R))
    coef[...] = Q if n_in >= n_out else Q.T


INITIALIZERS = {
    "glorot_uniform": glorot_uniform,
    "glorot_normal": glorot_normal,
    "he_uniform": he_uniform,
    "he_normal": he_normal,
    "lecun_normal": lecun_normal,
    "orthogonal": orthogonal,
}
