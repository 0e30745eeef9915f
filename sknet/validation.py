"""Validation rows: those that are given, those that are split off, and their score."""

import copy
import math
from numbers import Real

import numpy as np
from sklearn.utils.validation import validate_data

from sknet.rows import FLOATS, Rows, checked_weight

__all__ = ["ValidationMixin"]


class ValidationMixin:
    """Checks validation rows, splits them off, and scores a model on them while it is trained."""

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
            rows = self._check_rows_and_targets(X_val, y_val)
        except ValueError as error:
            raise ValueError(f"X_val, y_val: {error}") from error
        rows.weight = checked_weight(sample_weight_val, rows.X, "sample_weight_val")
        return rows

    def _check_rows_and_targets(self, X, y):
        """Rows like those of the fit, as yet without weights."""
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, reset=False,
            dtype=FLOATS, order="C", y_numeric=self._y_is_numeric,
        )  # fmt: skip
        return Rows(X, self._check_y(y, first=False), None)

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
        from sklearn.model_selection import train_test_split  # slow to import, and seldom needed

        train, held_out = train_test_split(
            np.arange(n_samples), test_size=n_val, stratify=stratify, random_state=seed
        )
        return train, held_out

    def _scorer(self, task):
        """What tells score and loss of a model on the validation rows."""
        rows, n_threads = task.validation, task.options.n_threads
        scorer = self._given_scorer(task)

        def score_and_loss(model):
            raw = model.predict(rows.X, n_threads)
            value = task.loss.value(raw, rows.targets, rows.weight)
            if self.scoring is None:
                return self._score_raw(raw, rows.y, rows.weight), value
            return (-value if scorer is None else scorer(model)), value

        return score_and_loss

    def _given_scorer(self, task):
        """The score that `scoring` gives a model; None where there is no scorer."""
        if self.scoring is None or self.scoring == "loss":
            return None
        from sklearn.metrics import check_scoring, get_scorer_names  # as above

        if isinstance(self.scoring, str) and self.scoring not in get_scorer_names():
            raise ValueError(
                "scoring must be 'loss', a callable or one of sklearn.metrics.get_scorer_names(), "
                f"got {self.scoring!r}."
            )
        scorer = check_scoring(self, self.scoring)
        rows = task.validation
        view = copy.copy(self)  # with the numbers of a model while it is trained
        view.n_threads = task.options.n_threads
        vars(view).pop("feature_names_in_", None)  # the rows have been checked, and are an array
        weights = {} if rows.weight is None else {"sample_weight": rows.weight}

        def score(model):
            view._set_model(model)
            value = scorer(view, rows.X, rows.y, **weights)
            if not isinstance(value, Real):
                raise ValueError(f"scoring={self.scoring!r} must return a number, got {value!r}.")
            return float(value)

        return score
