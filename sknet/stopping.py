"""When to stop: patience over epochs, judged by training loss or by validation score."""

import math
from dataclasses import dataclass

__all__ = ["Patience"]


@dataclass
class Patience:
    """Counts the epochs without improvement, by scikit-learn's rules.

    Attributes
    ----------
    best_loss, best_score : float
        The lowest training loss and the highest validation score so far.
    n_bad_epochs : int
        Consecutive epochs that did not improve the best value by `tol`.
    """

    best_loss: float = math.inf
    best_score: float = -math.inf
    n_bad_epochs: int = 0

    def update(self, loss, score, tol):
        """Takes in an epoch; says whether its parameters are the best so far.

        Parameters
        ----------
        loss : float
        score : float or None
            The validation score (higher is better, may be NaN) if that is what decides; None to
            decide by the loss.
        tol : float
        """
        if score is None:
            self.n_bad_epochs = self.n_bad_epochs + 1 if loss > self.best_loss - tol else 0
            is_best = loss < self.best_loss
            if is_best:
                self.best_loss = loss
        else:
            self.n_bad_epochs = self.n_bad_epochs + 1 if score < self.best_score + tol else 0
            is_best = score > self.best_score
            if is_best:
                self.best_score = score
        return is_best
