"""What MLPClassifier and MLPRegressor share: fit, partial_fit, raw prediction, validation rows."""

import copy
import math
import operator
import warnings
from numbers import Real
from typing import Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted, validate_data

from sknet.averaging import AVERAGES
from sknet.callbacks import CallbackSupportMixin
from sknet.ending import CALLER, divergence_error, report
from sknet.layers import mlp
from sknet.methods import NotAvailableError, fitting
from sknet.model import Model, as_data
from sknet.monitor import Monitor, joined
from sknet.parameters import ParametersMixin
from sknet.rows import (
    FLOATS,
    Rows,
    checked_weight,
    is_finite,
    is_plain_target,
    is_taken_as_it_is,
)
from sknet.schedules import SCHEDULES
from sknet.training import Progress, TrainingOptions, fit_lbfgs, fit_minibatch
from sknet.typing import ArrayLike, MatrixLike

__all__ = ["BaseNetwork"]

NORM_ARRAYS = ("scale", "shift", "mean", "variance")
NARROW = 32  # hidden units up to which an epoch takes little longer than reading X


class BaseNetwork(ParametersMixin, CallbackSupportMixin, BaseEstimator):
    """Base of the estimators; what they add is how targets go in and predictions come out."""

    # What a subclass says -------------------------------------------------------------------

    def _check_y(self, y, *, first, classes=None, complete=False):
        """Checks y and returns it as an array.

        Learns from it what there is to learn if it is the first; `classes` are all that will
        come, `complete` says that y must hold all of them.
        """
        raise NotImplementedError

    def _encode(self, y):
        """y as the loss takes it: targets (n, n_targets), n_outputs, and how to make the loss.

        The last is the name of the core's loss and a dict of its options.
        """
        raise NotImplementedError

    def _weights_of_y(self, y, sample_weight):
        """sample_weight, or None, times the weights that y itself calls for."""
        return sample_weight

    def _mean_weight(self, sample_weight):
        """What a row of a mini-batch counts, or 0 for the mean of the mini-batch's own weights."""
        return 0.0

    def _score_raw(self, raw, y, sample_weight):
        """Validation score, higher is better, NaN for outputs that are not finite."""
        raise NotImplementedError

    def _stratify(self, y):
        """What a validation split is stratified by, or None."""
        return

    def _declare_layers(self, sizes, n_outputs):
        """The layers of the network: hidden ones of these sizes, and the outputs."""
        return mlp(
            sizes,
            self._activations(sizes),
            n_outputs,
            dropout=self._dropout_rates(sizes),
            input_dropout=float(self.input_dropout),
            input_noise=float(self.input_noise),
            normalization=self.normalization,
        )

    # Fitting --------------------------------------------------------------------------------

    @fitting
    def fit(
        self,
        X: MatrixLike,
        y: MatrixLike,
        sample_weight: ArrayLike | None = None,
        X_val: MatrixLike | None = None,
        y_val: MatrixLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Fit the network to the training data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows. C-contiguous arrays of float32 or float64 are not copied; CSR input
            stays sparse.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets: class labels or a label indicator matrix for the classifier, numbers for
            the regressor.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; None means 1 each. A row of weight zero is as if
            it were absent. See Notes of the class for what weights mean in mini-batches.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Validation rows. They are scored after each epoch (`validation_scores_`) and, with
            `early_stopping=True`, decide instead of a part split off X.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Targets of the validation rows; must be given with X_val.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the validation rows in their score.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If data or parameters are not usable, or training diverges. The estimator is then as
            it was before the call.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` epochs (or `max_fun` evaluations) did not suffice.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    def _fit(
        self, X, y, sample_weight, validation=(None, None, None), *, incremental=False, classes=None
    ):
        self._refuse_unused()
        continued = (incremental or self.warm_start) and hasattr(self, "coefs_")
        sizes = self._hidden_sizes()
        rows = self._check_training_data(
            X,
            y,
            sample_weight,
            first=not continued,
            classes=classes,
            complete=continued and not incremental,
            sizes=sizes,
        )
        validation = self._check_validation_data(*validation)
        targets, n_outputs, (loss_name, loss_options) = self._encode(rows.y)
        if continued:
            model, progress = self._resume(sizes, n_outputs)
        else:
            model, progress = self._begin(rows.X, sizes, n_outputs)
        dtype = model.params.dtype
        rows.X = rows.X.astype(dtype, copy=False)
        rows.targets = np.ascontiguousarray(targets, dtype)
        if rows.weight is not None:
            rows.weight = np.ascontiguousarray(rows.weight, dtype)
        loss = model.core.LOSSES[loss_name](n_outputs, **loss_options)
        self.n_outputs_ = n_outputs
        self.n_layers_ = len(sizes) + 2
        self.out_activation_ = loss.link
        self._link_options = loss.link_options()
        if self._is_lbfgs:
            monitor = self._run_lbfgs(model, loss, rows)
        else:
            monitor = self._run_minibatch(model, loss, rows, validation, progress, incremental)
        if not np.isfinite(model.params).all():
            raise divergence_error(self, rows.X)
        self._set_model(model)
        monitor.end()
        return self

    def _check_training_data(self, X, y, sample_weight, *, first, classes, complete, sizes):
        """Rows of positive weight, without targets.

        Looking for NaN and infinity in X may be left to the first epoch, since they cannot hide
        there: whatever the activation, the weights of their column become non-finite too. Where an
        epoch takes little longer than reading X once, that is soon enough.
        """
        dtypes = FLOATS if self.dtype == "auto" else [np.dtype(self.dtype)]
        is_ready = is_taken_as_it_is(X, dtypes)
        unchecked = (
            is_ready
            and not self._is_lbfgs
            and sum(sizes) <= NARROW
            and not self.early_stopping  # sets rows aside, which no epoch sees
            and sample_weight is None  # nor rows of weight 0
            and getattr(self, "class_weight", None) is None
        )
        finite = is_ready and (unchecked or is_finite(X))
        if finite and is_plain_target(y, X.shape[0]) and self._knows_columns(X, first):
            if first:
                self.n_features_in_ = X.shape[1]
        else:
            X, y = validate_data(
                self, X, y, accept_sparse="csr", multi_output=True, dtype=dtypes, order="C",
                y_numeric=self._y_is_numeric, reset=first, ensure_all_finite=not finite,
            )  # fmt: skip
        sample_weight = checked_weight(sample_weight, X, "sample_weight")
        rows = Rows(X, y, sample_weight, unchecked=unchecked).with_weight()
        rows.y = self._check_y(rows.y, first=first, classes=classes, complete=complete)
        rows.weight = self._weights_of_y(rows.y, rows.weight)
        if rows.weight is not None and not rows.weight.any():
            raise ValueError("class_weight must leave some row a weight > 0, got zeros only.")
        return rows.with_weight()

    def _knows_columns(self, X, first=False):
        """Whether the columns of X, an array without names, are plainly those of the fit."""
        return not hasattr(self, "feature_names_in_") and (
            first or X.shape[1] == self.n_features_in_
        )

    def _check_validation_data(self, X_val, y_val, sample_weight_val):
        """Rows given by the user for validation, or None."""
        if X_val is None:
            for name, value in (("y_val", y_val), ("sample_weight_val", sample_weight_val)):
                if value is not None:
                    raise ValueError(f"{name} was given without X_val.")
            return None
        if y_val is None:
            raise ValueError("X_val was given without y_val.")
        if self._is_lbfgs:
            raise ValueError(
                "X_val is scored after each epoch, which solver='lbfgs' does not have; "
                "use solver='adam' or 'sgd'."
            )
        try:
            X_val, y_val = validate_data(
                self, X_val, y_val, accept_sparse="csr", multi_output=True, reset=False,
                dtype=FLOATS, order="C", y_numeric=self._y_is_numeric,
            )  # fmt: skip
            y_val = self._check_y(y_val, first=False)
        except ValueError as error:
            raise ValueError(f"X_val, y_val: {error}") from error
        return Rows(X_val, y_val, checked_weight(sample_weight_val, X_val, "sample_weight_val"))

    def _begin(self, X, sizes, n_outputs):
        """A network with new weights, and the beginning of its training."""
        model = Model(self._declare_layers(sizes, n_outputs), X.shape[1], X.dtype)
        progress = Progress.begin(self.random_state)
        model.initialize(self.init, progress.weights_rng, self._activations(sizes, True))
        for name, arrays in (("coefs_init", model.coefs), ("intercepts_init", model.intercepts)):
            given = self._initial_arrays(name, [array.shape for array in arrays])
            for array, initial in zip(arrays, given, strict=True):
                if initial is not None:
                    array[...] = initial
        self.n_iter_ = 0
        self.t_ = 0
        for name in (
            "loss_curve_", "validation_scores_", "best_loss_", "best_validation_score_", "history_"
        ):  # fmt: skip
            vars(self).pop(name, None)
        return model, progress

    def _resume(self, sizes, n_outputs):
        """The fitted network, copied, and where its training stopped."""
        fitted = self._model()
        if [coef.shape[1] for coef in fitted.coefs] != [*sizes, n_outputs]:
            raise ValueError(
                f"To go on training, hidden_layer_sizes={tuple(sizes)} and y with {n_outputs} "
                f"output(s) must fit the network, which has layers of "
                f"{[coef.shape[1] for coef in fitted.coefs]} units."
            )
        if fitted.normalization != self.normalization:
            raise ValueError(
                f"To go on training, normalization={self.normalization!r} must be that of the "
                f"network, {fitted.normalization!r}."
            )
        if self.dtype not in ("auto", fitted.params.dtype.name):
            raise ValueError(
                f"To go on training, dtype={self.dtype!r} must be that of the network, "
                f"{fitted.params.dtype.name!r}."
            )
        model = Model(
            self._declare_layers(sizes, n_outputs), fitted.network.n_in, fitted.params.dtype
        )
        model.params[...], model.state[...] = fitted.params, fitted.state
        progress = getattr(self, "_progress", None)
        if progress is None:
            return model, Progress.begin(self.random_state)
        progress = progress.copy()
        progress.take_back(model)
        return model, progress

    def _run_minibatch(self, model, loss, rows, validation, progress, incremental):
        """Trains the model by mini-batches and sets what fit learns on the way."""
        if self.early_stopping and validation is None:
            train, held_out = self._split(rows.y, progress.split_seed)
            rows, validation = rows.take(train), rows.take(held_out)
        if validation is None and self.scoring is not None:
            raise ValueError(
                f"scoring={self.scoring!r} needs validation rows: early_stopping=True or X_val."
            )
        solver = self._solver()
        optimizer = solver.compiled(model.core)
        averaging = self._averaging()
        progress.begin_stage(model, solver.rule, optimizer.n_moments, averaging)
        if averaging is not None and not self.early_stopping:
            progress.best_params = None  # there may be an older average
        options = self._options(rows, 1 if incremental else self.max_iter, solver)
        if not options.learning_rate.reacts:
            progress.reduction = 1.0
        monitor = Monitor(
            self,
            rows,
            options.max_iter,
            None if validation is None else self._scorer(model, loss, validation),
            self.early_stopping,
        )
        data = as_data(model.core, rows.X, rows.targets, rows.weight)
        rows_before = progress.n_rows
        reason = fit_minibatch(model, optimizer, loss, data, progress, options, monitor)
        self.n_iter_ = len(monitor.losses)
        self.t_ = getattr(self, "t_", 0) + progress.n_rows - rows_before
        self.loss_curve_ = list(getattr(self, "loss_curve_", None) or []) + monitor.losses
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else math.nan
        self.history_ = joined(getattr(self, "history_", {}), monitor.history())
        scores_before = list(getattr(self, "validation_scores_", None) or [])
        self.validation_scores_ = None
        self.best_validation_score_ = None
        if validation is not None:
            self.validation_scores_ = scores_before + monitor.scores
            self.best_validation_score_ = (
                progress.patience.best_score
                if self.early_stopping
                else max(self.validation_scores_, default=-math.inf)
            )
        self.best_loss_ = None if self.early_stopping else progress.patience.best_loss
        report(self, reason, rows.X, model, incremental=incremental)

        gives_best = self.early_stopping or reason == "interrupted" or averaging is not None
        if gives_best and progress.best_params is not None:
            progress.give_out(model)
        else:
            progress.params = progress.best_params = None
        vars(self).pop("_progress", None)
        if self.warm_start or incremental:
            self._progress = progress
        return monitor

    def _run_lbfgs(self, model, loss, rows):
        """Trains the model by L-BFGS and sets what fit learns on the way."""
        monitor = Monitor(self, rows, self.max_iter)
        solver = self._solver()
        total_weight = rows.X.shape[0] if rows.weight is None else np.sum(rows.weight, dtype=float)
        reason, self.n_iter_, self.loss_, message = fit_lbfgs(
            model,
            loss,
            as_data(model.core, rows.X, rows.targets, rows.weight),
            float(total_weight),
            solver,
            self._options(rows, self.max_iter, solver),
            monitor,
        )
        for name in ("loss_curve_", "validation_scores_", "best_validation_score_", "_progress"):
            vars(self).pop(name, None)
        self.history_ = joined({}, monitor.history())
        self.best_loss_ = self.loss_
        report(self, reason, rows.X, model, message=message)
        return monitor

    def _options(self, rows, max_iter, solver):
        n_samples = rows.X.shape[0]
        batch_size = min(200 if self.batch_size == "auto" else self.batch_size, n_samples)
        if self.batch_size != "auto" and self.batch_size > n_samples and not self._is_lbfgs:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be "
                f"clipped: batch_size={self.batch_size}, n_samples={n_samples}.",
                stacklevel=CALLER,
            )
        if self.normalization == "batch" and batch_size < 2:
            raise ValueError(
                "normalization='batch' needs mini-batches of at least 2 rows, got "
                f"batch_size={batch_size}, n_samples={n_samples}."
            )
        if self.mixup and sparse.issparse(rows.X):
            raise ValueError(f"mixup={self.mixup} mixes rows of dense X, got sparse X.")
        decay = solver.weight_decay if self.weight_decay is None else self.weight_decay
        return TrainingOptions(
            alpha=float(self.alpha),
            l1=float(self.l1),
            weight_decay=float(decay),
            max_norm=float(self.max_norm or 0),
            clip_norm=float(self.clip_norm or 0),
            frozen=self._frozen(self.n_layers_ - 1),
            averaging=self._averaging(),
            mixup=float(self.mixup),
            batch_size=batch_size,
            shuffle=self.shuffle,
            learning_rate=self._schedule(),
            learning_rate_init=float(self.learning_rate_init),
            max_iter=max_iter,
            max_time=math.inf if self.max_time is None else float(self.max_time),
            tol=float(self.tol),
            n_iter_no_change=self.n_iter_no_change,
            n_threads=self.n_threads,
            mean_weight=self._mean_weight(rows.weight),
            verbose=bool(self.verbose),
            unchecked=rows.unchecked,
        )

    def _scorer(self, model, loss, rows):
        """What tells score and loss of the model on validation rows."""
        dtype = model.params.dtype
        X = rows.X.astype(dtype, copy=False)
        targets = np.ascontiguousarray(self._encode(rows.y)[0], dtype)
        weight = None if rows.weight is None else np.ascontiguousarray(rows.weight, dtype)
        scorer = self._given_scorer(rows)

        def score_and_loss(model):
            raw = model.predict(X, self.n_threads)
            value = loss.value(raw, targets, weight)
            if self.scoring is None:
                return self._score_raw(raw, rows.y, rows.weight), value
            return (-value if scorer is None else scorer(model)), value

        return score_and_loss

    def _given_scorer(self, rows):
        """The score that `scoring` gives a model on these rows; None where there is no scorer."""
        if self.scoring is None or self.scoring == "loss":
            return None
        if isinstance(self.scoring, str) and self.scoring not in get_scorer_names():
            raise ValueError(
                "scoring must be 'loss', a callable or one of sklearn.metrics.get_scorer_names(), "
                f"got {self.scoring!r}."
            )
        scorer = check_scoring(self, self.scoring)
        view = copy.copy(self)  # with the numbers of a model while it is trained
        vars(view).pop("feature_names_in_", None)  # the rows have been checked, and are an array
        weights = {} if rows.weight is None else {"sample_weight": rows.weight}

        def score(model):
            view._set_model(model)
            value = scorer(view, rows.X, rows.y, **weights)
            if not isinstance(value, Real):
                raise ValueError(f"scoring={self.scoring!r} must return a number, got {value!r}.")
            return float(value)

        return score

    def _split(self, y, seed):
        """Row numbers of the training and the validation part; stratified for classes."""
        n_samples = y.shape[0]
        stratify = self._stratify(y)
        n_val = math.ceil(self.validation_fraction * n_samples)
        if n_val > 0:  # two rows at the least, and one of each class
            n_val = max(n_val, 2, 0 if stratify is None else len(np.unique(stratify)))
        if n_val == 0 or n_val >= n_samples:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                f"your dataset: n_samples={n_samples}, "
                f"validation_fraction={self.validation_fraction}, n_features={self.n_features_in_}."
            )
        train, held_out = train_test_split(
            np.arange(n_samples), test_size=n_val, stratify=stratify, random_state=seed
        )
        return train, held_out

    def _check_partial_fit(self):
        if self._is_lbfgs:
            raise NotAvailableError(
                "partial_fit is only available for stochastic optimizers. "
                f"{self.solver} is not stochastic."
            )
        if self.early_stopping:
            raise NotAvailableError("partial_fit does not support early_stopping=True")
        averaging = self.averaging
        kind = AVERAGES.get(averaging) if isinstance(averaging, str) else averaging
        if getattr(kind, "needs_end", False):
            raise NotAvailableError(
                "partial_fit does not know when training will end, which "
                f"averaging={averaging!r} needs to know."
            )
        kind = SCHEDULES.get(self.learning_rate) if isinstance(self.learning_rate, str) else None
        if getattr(kind or self.learning_rate, "needs_end", callable(self.learning_rate)):
            raise NotAvailableError(
                "partial_fit does not know when training will end, which "
                f"learning_rate={self.learning_rate!r} needs to know."
            )

    # The fitted network ---------------------------------------------------------------------

    def _check_fitted(self):
        if not hasattr(self, "coefs_"):
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
        if not (is_ready and is_finite(X)):
            X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS, order="C", reset=False)
        predictions = model.predict(
            X.astype(model.params.dtype, copy=False), self.n_threads, link, options
        )
        return predictions.astype(np.result_type(X.dtype, predictions.dtype), copy=False)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = not self.mixup
        return tags


def _same_arrays(arrays, others):
    return len(arrays) == len(others) and all(map(operator.is_, arrays, others))
