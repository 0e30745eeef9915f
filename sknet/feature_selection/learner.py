"""What a selector has an estimator learn, without touching it: paths, and fits to some columns."""

import copy
import math
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state

from sknet.callbacks import FitTasks, leave_callbacks
from sknet.feature_selection.path import walk
from sknet.progress import Progress

__all__ = ["Learner", "columns"]


def columns(X, support):
    """The columns of X, an array or a CSR matrix, for which support is True."""
    chosen = X[:, support]
    return chosen if sparse.issparse(X) else np.ascontiguousarray(chosen)


class Learner:
    """An estimator's copy, and the rows that it is to learn from.

    Parameters
    ----------
    estimator : BaseNetwork
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        Checked by the selector.
    y, sample_weight : as for the estimator's fit

    Attributes
    ----------
    n_threads : int or None
        Of the estimator.
    """

    def __init__(self, estimator, X, y, sample_weight):
        network = leave_callbacks(clone(estimator))
        if not isinstance(network.random_state, Integral):  # threads are not to draw from it
            rng = check_random_state(network.random_state)
            network.random_state = int(rng.randint(np.iinfo(np.int32).max))
        network._refuse_unused()
        self._sizes = network._hidden_sizes()
        network.n_layers_ = len(self._sizes) + 2
        self._X, self._y, self._sample_weight = X, y, sample_weight
        self._rows = network._check_training_data(
            X, y, sample_weight, first=True, classes=None, complete=False, sizes=self._sizes
        )
        targets, network.n_outputs_, self._loss = network._encode(self._rows.y)
        self._rows.convert(targets, self._rows.X.dtype)
        self._rows.unchecked = False
        self._network = network
        self.n_threads = network.n_threads

    def begin(self):
        """Where a training of its own begins."""
        return Progress.begin(self._network.random_state)

    def folds(self, cv):
        """Rows to learn from and rows to score, for each fold of a cross-validation."""
        positions = np.full(self._X.shape[0], -1)
        kept = self._kept()
        positions[kept] = np.arange(len(kept))
        splits = check_cv(cv, self._y, classifier=is_classifier(self._network))
        for parts in splits.split(self._X, self._y):
            numbers = [positions[part] for part in parts]
            yield [self._rows.take(part[part >= 0]) for part in numbers]

    def _kept(self):
        """Numbers of the rows whose weight is positive."""
        kept = np.arange(self._X.shape[0])
        if self._sample_weight is not None:
            kept = kept[np.asarray(self._sample_weight) > 0]
        if len(kept) > len(self._rows.y):  # by class_weight
            kept = kept[self._network._weights_of_y(np.asarray(self._y)[kept], None) > 0]
        return kept

    def walk(self, options, progress, rows=None, test=None, n_threads=None, halt=None):
        """The steps of a path; see walk().

        Of all rows, unless some are given; the test rows are those that the network sets aside
        (`early_stopping`), unless others are given.
        """
        rows = self._rows if rows is None else rows
        network, task = self._network_and_task(rows, progress, n_threads)
        test = task.validation if test is None else test
        return walk(network, task, test, options, progress, halt)

    def score_with(self, support, train, test, halt):
        """The score of the network fitted to some of the columns, on one thread."""
        train, test = copy.copy(train), copy.copy(test)
        train.X, test.X = columns(train.X, support), columns(test.X, support)
        progress = self.begin()
        network, task = self._network_and_task(train, progress, 1)
        ending = network._train(None, progress, task, FitTasks(network, train, 0), halt)
        if ending.reason == "interrupted":
            raise KeyboardInterrupt
        if not ending.is_usable:
            return math.nan
        raw = network._model().predict(test.X, 1)
        return network._score_raw(raw, test.y, test.weight)

    def _network_and_task(self, rows, progress, n_threads):
        """A copy of the network, and what there is for it to learn.

        With validation rows, if it asks for early stopping.
        """
        network, validation = copy.copy(self._network), None
        network.n_threads = n_threads
        if network.early_stopping and not network._is_lbfgs:
            train, held_out = network._split(rows.y, progress.split_seed)
            rows, validation = rows.take(train), rows.take(held_out)
        if network.batch_size != "auto":  # larger ones have been warned of
            network.batch_size = min(network.batch_size, len(rows.y))
        task = network._task(rows, validation, self._sizes, self._loss, False)
        network._note_link(task.loss)
        return network, task
