"""What MLPClassifier and MLPRegressor share: fit and partial_fit."""

import math
from typing import Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from sknet import _core
from sknet.callbacks import CallbackSupportMixin, FitTasks
from sknet.ending import Ending, divergence_error, report
from sknet.explorers import explore
from sknet.gradients import GradientsMixin
from sknet.layers import mlp
from sknet.methods import fitting
from sknet.model import Model, as_data
from sknet.monitor import Monitor, joined
from sknet.parameters import ParametersMixin
from sknet.prediction import NORM_ARRAYS, PredictionMixin
from sknet.progress import Progress
from sknet.rows import (
    FLOATS,
    Rows,
    checked_weight,
    is_finite,
    is_plain_target,
    is_taken_as_it_is,
)
from sknet.task import Task, TrainingOptions
from sknet.training import fit_lbfgs, fit_minibatch
from sknet.typing import ArrayLike, MatrixLike
from sknet.validation import ValidationMixin
from sknet.warning import warn

__all__ = ["BaseNetwork"]

LEARNED = (
    "coefs_", "intercepts_", *(f"norm_{name}s_" for name in NORM_ARRAYS), "n_iter_", "t_",
    "loss_", "best_loss_", "loss_curve_", "history_", "validation_scores_",
    "best_validation_score_", "start_seeds_", "start_scores_", "start_histories_", "estimators_",
    "residual_std_", "feature_importances_", "_fitted_model", "_progress", "_calibration",
)  # fmt: skip
NARROW = 128  # hidden units up to which reading X once more is a hundredth of an epoch, or more


class BaseNetwork(
    ParametersMixin,
    ValidationMixin,
    PredictionMixin,
    GradientsMixin,
    CallbackSupportMixin,
    BaseEstimator,
):
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
        if not continued:
            self._forget()
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
        targets, n_outputs, loss = self._encode(rows.y)
        model, progress = self._resume(sizes, n_outputs) if continued else (None, None)
        if progress is None:
            progress = Progress.begin(self.random_state)
        dtype = rows.X.dtype if model is None else model.params.dtype
        rows.convert(targets, dtype)
        if validation is not None:
            validation.convert(self._encode(validation.y)[0], dtype)
        elif self.early_stopping and not self._is_lbfgs:
            train, held_out = self._split(rows.y, progress.split_seed)
            rows, validation = rows.take(train), rows.take(held_out)
        self.n_outputs_ = n_outputs
        self.n_layers_ = len(sizes) + 2
        task = self._task(rows, validation, sizes, loss, incremental)
        self._note_link(task.loss)
        if self._explores:
            tasks = FitTasks(self, rows, self.n_starts, are_parallel=True)
            ending = explore(self, task, tasks)
        else:
            tasks = FitTasks(self, rows, task.options.max_iter)
            ending = self._train(model, progress, task, tasks)
        if not ending.is_usable:
            raise divergence_error(self, rows.X)
        self._is_interrupted = ending.reason == "interrupted"
        self._calibrate(task)
        self._note_importances(task)
        report(ending, task)
        tasks.end()
        return self

    def _task(self, rows, validation, sizes, loss, incremental):
        """What there is to learn, as training takes it."""
        core = _core.load(rows.X.dtype)
        name, loss_options = loss
        solver = self._solver()
        return Task(
            rows,
            validation,
            sizes,
            core.LOSSES[name](self.n_outputs_, **loss_options),
            as_data(core, rows.X, rows.targets, rows.weight),
            solver,
            self._options(rows, 1 if incremental else self.max_iter, solver),
            incremental,
        )

    def _note_link(self, loss):
        """Learns from the core's loss what makes predictions of raw outputs."""
        self.out_activation_ = loss.link
        self._link_options = loss.link_options()

    def _calibrate(self, task):
        """Looks how far off predictions are, for an estimator that will be asked."""

    def _forget(self):
        """Takes away what an earlier fit has learned."""
        for name in LEARNED:
            vars(self).pop(name, None)

    def _learn_from(self, other):
        """Takes over what another estimator of this kind has learned."""
        for name in LEARNED:
            if name in vars(other):
                setattr(self, name, vars(other)[name])

    def _check_training_data(self, X, y, sample_weight, *, first, classes, complete, sizes):
        """Rows of positive weight, without targets.

        Looking for NaN and infinity in X may be left to the first epoch, since they cannot hide
        there: whatever the activation, the weights of their column become non-finite too. Where an
        epoch is short beside reading X once, that is soon enough.
        """
        dtypes = FLOATS if self.dtype == "auto" else [np.dtype(self.dtype)]
        is_ready = is_taken_as_it_is(X, dtypes)
        unchecked = (
            is_ready
            and not self._is_lbfgs
            and sum(sizes) <= NARROW
            and not self.frozen_layers  # a saturated unit hides an infinity from the layers behind
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

    def _train(self, model, progress, task, tasks, halt=None):
        """Trains a network, a new one if there is none, and sets what fit learns on the way.

        Parameters
        ----------
        model : Model or None
        progress : Progress
            Where its training stands.
        task : Task
        tasks : FitTasks
            For callbacks; each epoch is one.
        halt : threading.Event or None
            Once it is set, training ends as it does when interrupted.

        Returns
        -------
        ending : Ending
        """
        if model is None:
            model = self._begin(task, progress)
        run = self._run_lbfgs if self._is_lbfgs else self._run_minibatch
        reason, message = run(model, progress, task, tasks, halt)
        is_usable = bool(np.isfinite(model.params).all()) and (
            reason != "diverged" or self.early_stopping
        )
        if is_usable:
            self._set_model(model)
        return Ending(self, reason, message, is_usable)

    def _begin(self, task, progress):
        """A network with new weights."""
        X, sizes = task.rows.X, task.sizes
        model = Model(self._declare_layers(sizes, self.n_outputs_), X.shape[1], X.dtype)
        model.initialize(self.init, progress.weights_rng, self._activations(sizes, True))
        for name, arrays in (("coefs_init", model.coefs), ("intercepts_init", model.intercepts)):
            given = self._initial_arrays(name, [array.shape for array in arrays])
            for array, initial in zip(arrays, given, strict=True):
                if initial is not None:
                    array[...] = initial
        self.n_iter_ = 0
        self.t_ = 0
        return model

    def _resume(self, sizes, n_outputs):
        """The fitted network, copied, and where its training stopped, None if nobody knows."""
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
        if progress is not None:
            progress = progress.copy()
            progress.take_back(model)
        return model, progress

    def _run_minibatch(self, model, progress, task, tasks, halt):
        """Trains the model by mini-batches and sets what fit learns on the way."""
        options, solver, validation = task.options, task.solver, task.validation
        if validation is None and self.scoring is not None:
            raise ValueError(
                f"scoring={self.scoring!r} needs validation rows: early_stopping=True or X_val."
            )
        optimizer = solver.compiled(model.core)
        progress.begin_stage(model, solver.rule, optimizer.n_moments, options.averaging)
        if options.averaging is not None and not self.early_stopping:
            progress.best_params = None  # there may be an older average
        if not options.learning_rate.reacts:
            progress.reduction = 1.0
        score = None if validation is None else self._scorer(task)
        monitor = Monitor(tasks, score, self.early_stopping, halt)
        rows_before = progress.n_rows
        reason = fit_minibatch(model, optimizer, task.loss, task.data, progress, options, monitor)
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
        gives_best = self.early_stopping or reason == "interrupted" or options.averaging is not None
        if gives_best and progress.best_params is not None:
            progress.give_out(model)
        else:
            progress.params = progress.best_params = None
        vars(self).pop("_progress", None)
        if self.warm_start or task.incremental:
            self._progress = progress
        return reason, ""

    def _run_lbfgs(self, model, progress, task, tasks, halt):
        """Trains the model by L-BFGS and sets what fit learns on the way."""
        monitor, total_weight = Monitor(tasks, halt=halt), task.rows.total_weight
        reason, self.n_iter_, self.loss_, message = fit_lbfgs(
            model, task.loss, task.data, total_weight, task.solver, task.options, monitor
        )
        for name in ("loss_curve_", "validation_scores_", "best_validation_score_", "_progress"):
            vars(self).pop(name, None)
        self.history_ = joined({}, monitor.history())
        self.best_loss_ = self.loss_
        return reason, message

    def _options(self, rows, max_iter, solver):
        n_samples = rows.X.shape[0]
        batch_size = min(200 if self.batch_size == "auto" else self.batch_size, n_samples)
        if self.batch_size != "auto" and self.batch_size > n_samples and not self._is_lbfgs:
            warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be "
                f"clipped: batch_size={self.batch_size}, n_samples={n_samples}."
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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = not self.mixup
        return tags
