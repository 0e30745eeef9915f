"""What a fitted network follows: gradients of its outputs and of its loss."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sknet.model import as_data
from sknet.rows import checked_weight
from sknet.training import loss_gradient
from sknet.typing import ArrayLike, MatrixLike

__all__ = ["GradientsMixin"]

# Rows that tell the importances of the columns: a row passes forward once, and back once per
# output, which in training is a third of the products each.
MOST_ROWS = 2000
MOST_NUMBERS = 4_000_000  # of these rows, made dense
PART = 400  # of the passes of training: about a hundredth of its time
LEAST_PASSES = 40
SPARSE_COST = 100  # of a product with an element of sparse X, in products with dense rows
LEAST_SPARSE_ROWS = 1000  # that tell how much the columns of sparse X vary
SPARSE_PART = 10  # of the rows of training, counted once per epoch: a short fit wants fewer


class GradientsMixin:
    """Gradients of a fitted network, and what they say of the columns of X."""

    def input_gradients(self, X: MatrixLike, target: Any = None) -> NDArray[Any]:
        """Compute the gradient of the raw outputs with respect to each row of X.

        Raw outputs are those before the last function: logits of the classifier; of the
        regressor the prediction, or its logarithm where `out_activation_` is 'exp'. Those of an
        ensemble are the mean of its members'.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        target : class label, int, array-like of shape (n_samples,) or None, default=None
            Whose output: one of `classes_`, for the regressor the number of an output; or one for
            each row. For the first of two classes it is the only output times -1. None means all
            outputs.

        Returns
        -------
        gradients : ndarray of shape (n_samples, n_features) or (n_samples, n_outputs, n_features)
            The latter if there are several outputs and `target` is None. In units of the output
            per unit of the column.

        Raises
        ------
        ValueError
            If `target` is no class or output.

        Examples
        --------
        >>> import numpy as np
        >>> from sknet import MLPRegressor
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(500, 2))
        >>> net = MLPRegressor((), solver="lbfgs", random_state=0).fit(X, 3 * X[:, 0] - X[:, 1])
        >>> net.input_gradients(X[:1]).round(2)
        array([[ 3., -1.]])
        """
        self._check_fitted()
        X = self._checked_rows(X)
        seeds = self._output_weights(target, X.shape[0])
        gradients = self._gradients_of_sums(X, seeds)
        return gradients[:, 0] if seeds.shape[1] == 1 else gradients

    def _gradients_of_sums(self, X, seeds):
        """Gradients of weighted sums of the raw outputs, (n, n_sums, n_features).

        X has been checked; seeds (1 or n, n_sums, n_outputs) are the weights.
        """
        models = self._folded_models()
        dtype = models[0].params.dtype
        gradients = [
            model.input_gradients(X.astype(dtype, copy=False), seeds, self.n_threads)
            for model in models
        ]
        mean = np.mean(gradients, axis=0)
        return mean.astype(np.result_type(X.dtype, dtype), copy=False)

    def _folded_models(self):
        """The fitted networks, those of an ensemble or one, without batch normalisation."""
        return [network._model().folded() for network in self._networks]

    def _output_weights(self, target, n_samples):
        """What each raw output counts, (1 or n_samples, n_sums, n_outputs)."""
        n_outputs = self._networks[0]._model().network.n_out
        if target is None:
            return np.eye(n_outputs)[None]
        names = getattr(self, "classes_", np.arange(n_outputs))
        targets = np.asarray(target)
        if targets.shape not in ((), (n_samples,)):
            raise ValueError(
                f"target must be one for all rows or one for each of {n_samples}, got an array of "
                f"shape {targets.shape}."
            )
        targets = targets.reshape(-1)
        is_text = names.dtype.kind in "OUS"
        known = np.zeros(len(targets), bool)
        if is_text == (targets.dtype.kind in "OUS"):
            known = np.isin(targets, names)
        if not known.all():
            what = "classes" if hasattr(self, "classes_") else "outputs"
            raise ValueError(
                f"target must be among the {what} {names.tolist()}, got "
                f"{targets[~known].tolist()[0]!r}."
            )
        places = np.searchsorted(names, targets)
        if n_outputs == 1 and len(names) == 2:
            return np.where(places == 1, 1.0, -1.0)[:, None, None]
        return np.eye(n_outputs)[places][:, None]

    def loss_gradients(
        self, X: MatrixLike, y: MatrixLike, sample_weight: ArrayLike | None = None
    ) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """Compute how the mean loss of some rows changes with each weight of the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets as for `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the mean; None means 1 each. `class_weight` is not applied.

        Returns
        -------
        coef_gradients, intercept_gradients : lists of ndarray
            An array for each of `coefs_` and of `intercepts_`, of its shape: the derivative of the
            loss, without penalties, with respect to each element.

        Raises
        ------
        ValueError
            If y does not fit the network, or the estimator is an ensemble (`combine='mean'`), which
            has no weights of its own: ask one of `estimators_`.

        Examples
        --------
        >>> import numpy as np
        >>> from sknet import MLPRegressor
        >>> X, y = np.array([[0.0], [1.0], [2.0]]), np.array([0.0, 1.0, 2.0])
        >>> net = MLPRegressor((), solver="lbfgs", alpha=0, random_state=0).fit(X, y)
        >>> coef_gradients, intercept_gradients = net.loss_gradients(X, y + 1)
        >>> intercept_gradients[0].round(3)  # a higher intercept would lower the loss
        array([-1.])
        """
        self._check_fitted()
        if self._is_ensemble:
            raise ValueError(
                "loss_gradients needs a single network, got an ensemble (combine='mean'); ask one "
                "of estimators_."
            )
        rows = self._check_rows_and_targets(X, y)
        rows.weight = checked_weight(sample_weight, rows.X, "sample_weight")
        targets, n_outputs, (name, options) = self._encode(rows.y)
        model = self._model()
        folded = model.folded()
        if n_outputs != folded.network.n_out:
            raise ValueError(f"y must have {folded.network.n_out} outputs, got {n_outputs}.")
        rows.convert(targets, folded.params.dtype)
        core = folded.core
        gradient = loss_gradient(
            folded,
            core.LOSSES[name](n_outputs, **options),
            as_data(core, rows.X, rows.targets, rows.weight),
            rows.total_weight,
            self.n_threads,
        )
        coefs, intercepts = folded.views(gradient)
        factors = model.norm_factors()
        return (
            [array * factor for array, factor in zip(coefs, factors, strict=True)],
            [array * factor for array, factor in zip(intercepts, factors, strict=True)],
        )

    def _note_importances(self, task):
        """Sets feature_importances_, from some of the training rows."""
        for network in self._networks:
            model = network._fitted_model.folded()
            n_rows = _n_rows(model, task, network.n_iter_)
            n_sparse_rows = _n_sparse_rows(task.data.n_samples, network.n_iter_)
            network.feature_importances_ = model.importances(
                task.data, n_rows, n_sparse_rows, self.n_threads
            )
        if self._is_ensemble:
            self.feature_importances_ = np.mean(
                [network.feature_importances_ for network in self.estimators_], axis=0
            )


def _n_rows(model, task, n_epochs):
    """How many rows to look at, after so many epochs."""
    n_samples, n_features = task.data.n_samples, task.data.n_features
    passes = 3 * n_epochs * n_samples / PART
    if task.data.is_sparse:
        in_first = model.coefs[0].size / model.network.n_weights
        dense_part = min(1.0, SPARSE_COST * task.rows.X.nnz / (n_samples * n_features))
        passes *= in_first * dense_part + 1 - in_first
    n_rows = int(max(LEAST_PASSES, passes) / (1 + model.network.n_out))
    return max(1, min(n_rows, n_samples, MOST_ROWS, MOST_NUMBERS // n_features))


def _n_sparse_rows(n_samples, n_epochs):
    """How many rows of sparse X tell how much its columns vary, after so many epochs."""
    return min(n_samples, MOST_ROWS, max(LEAST_SPARSE_ROWS, n_epochs * n_samples // SPARSE_PART))
