"""Prediction: the fitted network behind coefs_ and intercepts_, and what it says of rows."""

import operator
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from sknet.model import Model
from sknet.rows import FLOATS, is_finite, is_taken_as_it_is
from sknet.typing import MatrixLike

__all__ = ["NORM_ARRAYS", "PredictionMixin"]

NORM_ARRAYS = ("scale", "shift", "mean", "variance")


class PredictionMixin:
    """Raw predictions and hidden units of a network, or of each in `estimators_`."""

    def _check_fitted(self):
        if not (hasattr(self, "coefs_") or self._is_ensemble):
            check_is_fitted(self, "coefs_")  # raises, and says why

    def _set_model(self, model):
        model = model.for_prediction()
        self.coefs_ = list(model.coefs)  # lists of their own: users may set an element
        self.intercepts_ = list(model.intercepts)
        for name in NORM_ARRAYS:
            vars(self).pop(f"norm_{name}s_", None)
        for name, arrays in model.norms.items():
            setattr(self, f"norm_{name}s_", list(arrays))
        self._fitted_model = model

    def _model(self):
        """The fitted network, in step with coefs_ and intercepts_, which users may set."""
        model = getattr(self, "_fitted_model", None)
        if model is None or not (
            _same_arrays(self.coefs_, model.coefs)
            and _same_arrays(self.intercepts_, model.intercepts)
            and all(_same_arrays(self._norms(name), model.norms[name]) for name in model.norms)
        ):
            model = Model.from_arrays(
                self.coefs_,
                self.intercepts_,
                self._activations(self.coefs_[1:]),
                {name: self._norms(name) for name in NORM_ARRAYS if self._norms(name)},
            )
            self._set_model(model)
        return model

    def _norms(self, name):
        """The fitted arrays of this name, one per normalising layer; None where there are none."""
        return getattr(self, f"norm_{name}s_", None)

    def __getstate__(self):
        state = dict(super().__getstate__())
        state.pop("_fitted_model", None)  # made again from coefs_ and intercepts_
        return state

    def _predict(self, X, link="identity", options=None):
        """Predictions through a link of the core with its options; by default the raw outputs.

        Of the wider of the dtypes of X and of the network, as NumPy would have it.
        """
        self._check_fitted()
        model = self._model()
        is_ready = is_taken_as_it_is(X, FLOATS) and self._knows_columns(X)
        if is_ready and X.dtype == model.params.dtype:
            predictions = model.predict(X, self.n_threads, link, options, unchecked=True)
            if predictions is not None:
                return predictions
        return self._predict_checked(self._checked_rows(X, is_ready), link, options)

    def _checked_rows(self, X, is_ready=False):
        """X to predict, as an array or CSR matrix of floats."""
        if is_ready and is_finite(X):
            return X
        return validate_data(self, X, accept_sparse="csr", dtype=FLOATS, order="C", reset=False)

    def _predict_checked(self, X, link="identity", options=None):
        return _predictions(self._model(), X, self.n_threads, link, options)

    def _predict_each(self, X, link="identity", options=None):
        """Predictions of each network, of an ensemble or alone, (n_networks, n, n_predictions).

        X has been checked.
        """
        return np.stack([net._predict_checked(X, link, options) for net in self._networks])

    def _sample(self, X, n_samples, random_state, link="identity", options=None):
        """Predictions with units dropped at random, (n_samples, n, n_predictions)."""
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(f"n_samples must be an integer >= 1, got {n_samples!r}.")
        if not (np.any(self.dropout) or self.input_dropout):
            raise ValueError("predict_samples needs a network with dropout, or input_dropout, > 0.")
        X = self._checked_rows(X)
        networks = self._networks
        rng = check_random_state(random_state)
        keys = rng.randint(0, 2**32, size=len(networks), dtype=np.uint32).tolist()
        samples = []
        for i, (network, key) in enumerate(zip(networks, keys, strict=True)):
            n_draws = len(range(i, n_samples, len(networks)))
            if n_draws:
                samples.append(network._draw(X, link, options, n_draws, key))
        return np.concatenate(samples)

    def _draw(self, X, link, options, n_draws, key):
        fitted = self._model()
        sizes = [coef.shape[1] for coef in fitted.coefs]
        layers = self._declare_layers(sizes[:-1], sizes[-1])
        drawn = fitted.with_layers(layers).predict(
            X.astype(fitted.params.dtype, copy=False), self.n_threads, link, options,
            n_draws=n_draws, key=key,
        )  # fmt: skip
        return drawn.reshape(n_draws, X.shape[0], -1)

    def hidden_activations(self, X: MatrixLike, layer: int = -1) -> NDArray[Any]:
        """Compute what the units of a hidden layer make of each row of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        layer : int, default=-1
            Number of the hidden layer, from 0; -1 is the last one.

        Returns
        -------
        activations : ndarray of shape (n_samples, n_units)
            After normalisation and activation; the members of an ensemble side by side.

        Raises
        ------
        ValueError
            If there is no such layer.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sknet import MLPClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> net = MLPClassifier((4,), solver="lbfgs", alpha=1.0, max_iter=2000, random_state=0)
        >>> net.fit(X, y).hidden_activations(X).shape
        (150, 4)
        """
        self._check_fitted()
        X = self._checked_rows(X)
        parts = self._parts_up_to(layer)
        return np.hstack([_predictions(part, X, self.n_threads) for part in parts])

    def _parts_up_to(self, layer):
        """The fitted networks up to a hidden layer."""
        models = [network._model() for network in self._networks]
        n_hidden = len(models[0].coefs) - 1
        if not (isinstance(layer, Integral) and -n_hidden <= layer < n_hidden):
            raise ValueError(
                f"layer must be the number of a hidden layer, of which there are {n_hidden}, "
                f"counted from 0 or backwards from -1; got {layer!r}."
            )
        return [model.up_to_hidden(layer % n_hidden) for model in models]

    def _n_hidden_units(self, layer):
        return sum(part.network.n_out for part in self._parts_up_to(layer))

    @property
    def _is_ensemble(self):
        """Whether predictions are the mean of several networks'."""
        return "estimators_" in vars(self)

    @property
    def _networks(self):
        """The networks whose predictions are averaged, or the only one."""
        return self.estimators_ if self._is_ensemble else [self]

    def _knows_columns(self, X, first=False):
        """Whether the columns of X, an array without names, are plainly those of the fit."""
        return not hasattr(self, "feature_names_in_") and (
            first or X.shape[1] == self.n_features_in_
        )


def _predictions(model, X, n_threads, link="identity", options=None):
    """For X that is checked, of the wider of the dtypes of X and of the network."""
    predictions = model.predict(X.astype(model.params.dtype, copy=False), n_threads, link, options)
    return predictions.astype(np.result_type(X.dtype, predictions.dtype), copy=False)


def _same_arrays(arrays, others):
    return len(arrays) == len(others) and all(map(operator.is_, arrays, others))
