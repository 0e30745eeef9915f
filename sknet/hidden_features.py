"""HiddenFeatures: what a network's hidden layer makes of the rows, as features for other models."""

from numbers import Integral
from typing import Any, Self

from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    clone,
)
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from sknet.classifier import MLPClassifier
from sknet.methods import fitting
from sknet.regressor import MLPRegressor
from sknet.typing import ArrayLike, MatrixLike

__all__ = ["HiddenFeatures"]


class HiddenFeatures(
    ClassNamePrefixFeaturesOutMixin, MetaEstimatorMixin, TransformerMixin, BaseEstimator
):
    """The hidden units of a network as features for any other model.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        The network. It is fitted inside, in a copy, unless `prefit`.
    layer : int, default=-1
        Number of the hidden layer, from 0; -1 is the last one.
    prefit : bool, default=False
        Whether `estimator` is fitted already, and taken as it is: then `fit` learns nothing, and a
        copy of it is not made. False is the default so that cross-validation trains the network on
        the training rows alone.

    Attributes
    ----------
    estimator_ : MLPClassifier or MLPRegressor
        The fitted network.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if X had names.

    See Also
    --------
    MLPClassifier.hidden_activations : The same numbers from a fitted network.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sknet import HiddenFeatures, MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((16, 4), solver="lbfgs", alpha=1.0, max_iter=2000, random_state=0)
    >>> model = make_pipeline(StandardScaler(), HiddenFeatures(net), KNeighborsClassifier())
    >>> model.fit(X, y).score(X, y) > 0.95
    True
    """

    _parameter_constraints: dict = {
        "estimator": [MLPClassifier, MLPRegressor],
        "layer": [Integral],
        "prefit": ["boolean"],
    }

    def __init__(self, estimator: Any, *, layer: int = -1, prefit: bool = False) -> None:
        self.estimator = estimator
        self.layer = layer
        self.prefit = prefit

    @fitting
    def fit(
        self, X: MatrixLike, y: MatrixLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Fit the network, unless it is fitted already.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets as for the network.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; None means 1 each.

        Returns
        -------
        self : object
            The fitted transformer.

        Raises
        ------
        ValueError
            If the network has no hidden layer of this number, or its training fails.
        NotFittedError
            If `prefit` and the network is not fitted.
        """
        estimator = self.estimator
        if self.prefit:
            check_is_fitted(estimator)
        else:
            estimator = clone(estimator).fit(X, y, sample_weight)
        self._n_features_out = estimator._n_hidden_units(self.layer)
        self.estimator_ = estimator
        self.n_features_in_ = estimator.n_features_in_
        vars(self).pop("feature_names_in_", None)
        if hasattr(estimator, "feature_names_in_"):
            self.feature_names_in_ = estimator.feature_names_in_
        return self

    def transform(self, X: MatrixLike) -> NDArray[Any]:
        """Compute the hidden units of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        X_hidden : ndarray of shape (n_samples, n_units)
            Those of the members of an ensemble side by side.
        """
        check_is_fitted(self)
        return self.estimator_.hidden_activations(X, self.layer)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags.sparse = inner.input_tags.sparse
        tags.target_tags.required = not self.prefit
        return tags
