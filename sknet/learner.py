"""Training an estimator's network without touching the estimator."""

import copy
from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.utils import assert_all_finite, check_random_state

from sknet.callbacks import leave_callbacks
from sknet.progress import Progress

__all__ = ["Learner"]


class Learner:
    """An estimator's copy, and the rows that it is to learn from.

    Parameters
    ----------
    estimator : BaseNetwork
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y, sample_weight : as for the estimator's fit

    Attributes
    ----------
    rows : Rows
        With targets as training takes them.
    n_threads : int or None
        Of the estimator.
    """

    def __init__(self, estimator, X, y, sample_weight):
        network = leave_callbacks(clone(estimator))
        network._validate_params()
        if not isinstance(network.random_state, Integral):  # threads are not to draw from it
            rng = check_random_state(network.random_state)
            network.random_state = int(rng.randint(np.iinfo(np.int32).max))
        network._refuse_unused()
        self._sizes = network._hidden_sizes()
        network.n_layers_ = len(self._sizes) + 2
        self.rows = network._check_training_data(
            X, y, sample_weight, first=True, classes=None, complete=False, sizes=self._sizes
        )
        targets, network.n_outputs_, self._loss = network._encode(self.rows.y)
        self.rows.convert(targets, self.rows.X.dtype)
        if self.rows.unchecked:
            assert_all_finite(self.rows.X, input_name="X")
            self.rows.unchecked = False
        self._network = network
        self.n_threads = network.n_threads

    def begin(self):
        """Where a training of its own begins."""
        return Progress.begin(self._network.random_state)

    def network_and_task(self, rows, progress, n_threads):
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
