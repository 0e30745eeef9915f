"""What watches a fit: validation scores, the loss curve, scikit-learn's callbacks."""

from sknet.callbacks import EpochTasks

__all__ = ["Monitor"]


class Monitor:
    """Takes in each epoch of a fit.

    Parameters
    ----------
    estimator : estimator
    rows : Rows
        The training data, for callbacks.
    max_epochs : int
    score : callable(Model) -> float, or None
        Validation score.
    score_decides : bool
        Whether the score decides about stopping, rather than the training loss.

    Attributes
    ----------
    losses, scores : list of float
        Per epoch.
    """

    def __init__(self, estimator, rows, max_epochs, score=None, score_decides=False):
        self._tasks = EpochTasks(estimator, rows, max_epochs)
        self._score = score
        self.score_decides = score_decides
        self.losses = []
        self.scores = []

    @property
    def watches_epochs(self):
        """Whether somebody looks at the model after each epoch."""
        return self._score is not None or self._tasks.has_callbacks

    def begin_epoch(self):
        self._tasks.begin_epoch()

    def score(self, model):
        """The validation score of the model, or None without validation rows."""
        return None if self._score is None else self._score(model)

    def end_epoch(self, model, loss, score):
        """Notes an epoch; returns whether a callback asks to stop."""
        self.losses.append(loss)
        if score is not None:
            self.scores.append(score)
        return self._tasks.end_epoch(lambda: _fitted_attributes(model))

    def end(self):
        """The fit is over, the estimator fitted."""
        self._tasks.end()


def _fitted_attributes(model):
    """Copies of what makes an estimator predict as the model does now."""
    return {
        "coefs_": [coef.copy() for coef in model.coefs],
        "intercepts_": [intercept.copy() for intercept in model.intercepts],
    }
