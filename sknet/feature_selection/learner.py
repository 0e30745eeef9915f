"""What a selector has an estimator learn: paths, and fits to some columns."""

import math

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv

from sknet.callbacks import FitTasks
from sknet.feature_selection.path import walk
from sknet.learner import Learner

__all__ = ["SelectingLearner"]


class SelectingLearner(Learner):
    """Adds what there is to learn of columns; X has been checked by the selector."""

    def __init__(self, estimator, X, y, sample_weight):
        super().__init__(estimator, X, y, sample_weight)
        self._X, self._y, self._sample_weight = X, y, sample_weight

    def folds(self, cv):
        """Rows to learn from and rows to score, for each fold of a cross-validation."""
        positions = np.full(self._X.shape[0], -1)
        kept = self._kept()
        positions[kept] = np.arange(len(kept))
        splits = check_cv(cv, self._y, classifier=is_classifier(self._network))
        for parts in splits.split(self._X, self._y):
            numbers = [positions[part] for part in parts]
            yield [self.rows.take(part[part >= 0]) for part in numbers]

    def _kept(self):
        """Numbers of the rows whose weight is positive."""
        kept = np.arange(self._X.shape[0])
        if self._sample_weight is not None:
            kept = kept[np.asarray(self._sample_weight) > 0]
        if len(kept) > len(self.rows.y):  # by class_weight
            kept = kept[self._network._weights_of_y(np.asarray(self._y)[kept], None) > 0]
        return kept

    def walk(self, options, progress, rows=None, test=None, n_threads=None, halt=None):
        """The steps of a path; see walk().

        Of all rows, unless some are given; the test rows are those that the network sets aside
        (`early_stopping`), unless others are given.
        """
        rows = self.rows if rows is None else rows
        network, task = self.network_and_task(rows, progress, n_threads)
        test = task.validation if test is None else test
        return walk(network, task, test, options, progress, halt)

    def score_with(self, support, train, test, halt):
        """The score of the network fitted to some of the columns, on one thread."""
        train, test = train.with_columns(support), test.with_columns(support)
        progress = self.begin()
        network, task = self.network_and_task(train, progress, 1)
        ending = network._train(None, progress, task, FitTasks(network, train, 0), halt)
        if ending.reason == "interrupted":
            raise KeyboardInterrupt
        if not ending.is_usable:
            return math.nan
        raw = network._model().predict(test.X, 1)
        return network._score_raw(raw, test.y, test.weight)
