"""Knockoffs of columns, from their means and covariances."""

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigvalsh
from scipy.optimize import minimize
from sklearn.covariance import LedoitWolf

__all__ = ["VARIANCES", "GaussianKnockoffs"]

INSIDE = 1 - 1e-6  # as far as variances go to where the covariance becomes singular


class GaussianKnockoffs:
    """Copies of the columns of X that have their means and covariances and know nothing of y.

    A copy differs from its column by independent noise of a given variance, and has the column's
    covariance with each of the others [1]_. The covariance is that of Ledoit and Wolf, which is
    shrunk hardly where rows are many and as much as it takes where they are few. Columns are
    standardised for it; a constant one is its own copy.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    method : str
        Name in VARIANCES.

    References
    ----------
    .. [1] Candes, Fan, Janson and Lv, "Panning for gold: model-X knockoffs for high dimensional
       controlled variable selection", Journal of the Royal Statistical Society B 80, 2018,
       section 3.
    """

    def __init__(self, X, method):
        self._X = X
        X = X.astype(float)
        self._varies = np.ptp(X, axis=0) > 0
        self._mean, self._scale = X.mean(axis=0), X.std(axis=0)
        Z = self._standardised()
        if not Z.shape[1]:
            return
        covariance = LedoitWolf(assume_centered=True).fit(Z).covariance_
        variances = VARIANCES[method](covariance)
        # Given X, a copy is normal: these are its mean, as weights of X, and its covariance.
        self._weights = -cho_solve(cho_factor(covariance), np.diag(variances))
        spread = np.diag(2 * variances) + variances[:, None] * self._weights
        self._weights[np.diag_indices_from(self._weights)] += 1
        self._root = np.linalg.cholesky((spread + spread.T) / 2)

    def _standardised(self):
        varies = self._varies
        return (self._X[:, varies] - self._mean[varies]) / self._scale[varies]

    def draw(self, rng):
        """A copy of X, drawn with a numpy Generator."""
        copies = self._X.copy()
        Z = self._standardised()
        if Z.shape[1]:
            noise = rng.standard_normal(Z.shape) @ self._root.T
            drawn = (Z @ self._weights + noise) * self._scale[self._varies]
            copies[:, self._varies] = drawn + self._mean[self._varies]
        return copies


def equicorrelated(covariance):
    """The same variance for all columns, as large as the covariance allows."""
    least = eigvalsh(covariance, subset_by_index=[0, 0])[0]
    return np.full(len(covariance), INSIDE * min(1.0, 2 * least))


def maximum_entropy(covariance):
    """The variances with which columns and copies together have the largest entropy.

    They minimise -log det(2 covariance - diag(s)) - sum(log s), a convex function; see Gimenez and
    Zou, "Improving the stability of the knockoff procedure", AISTATS 2019, and Spector and Janson,
    "Powerful knockoffs via minimizing reconstructability", Annals of Statistics 50, 2022, who find
    more power than with the largest sum of variances (SDP).
    """

    def inverse(variances):
        factor = cho_factor(2 * covariance - np.diag(variances), lower=True)
        return cho_solve(factor, np.eye(len(variances))), factor[0]

    # In logarithms, which keep the variances positive and the function convex.
    def value_and_gradient(logarithms):
        variances = np.exp(logarithms)
        try:
            inverted, root = inverse(variances)
        except np.linalg.LinAlgError:  # they are too large
            return np.inf, np.zeros_like(variances)
        value = -2 * np.log(np.diag(root)).sum() - logarithms.sum()
        return value, np.diag(inverted) * variances - 1

    def hessian(logarithms):
        variances = np.exp(logarithms)
        inverted, _ = inverse(variances)
        return np.outer(variances, variances) * inverted**2 + np.diag(np.diag(inverted) * variances)

    start = np.log(equicorrelated(covariance) / 2)
    return np.exp(
        minimize(value_and_gradient, start, jac=True, hess=hessian, method="trust-exact").x
    )


VARIANCES = {"maximum_entropy": maximum_entropy, "equicorrelated": equicorrelated}
