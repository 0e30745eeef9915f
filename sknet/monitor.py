"""What watches a fit: its history, validation scores, scikit-learn's callbacks."""

import time

import numpy as np

__all__ = ["Monitor", "joined"]

COLUMNS = (
    "loss",
    "validation_loss",
    "validation_score",
    "learning_rate",
    "gradient_norm",
    "seconds",
)


class Monitor:
    """Takes in each epoch of a fit.

    Parameters
    ----------
    tasks : FitTasks
        For callbacks.
    score : callable(Model) -> (float, float), or None
        Validation score and validation loss.
    score_decides : bool
        Whether the score decides about stopping, rather than the training loss.
    halt : threading.Event or None
        Once it is set, training is to end.

    Attributes
    ----------
    columns : dict of list of float
        Per epoch, as far as there is something to say: see history().
    losses, scores : list of float
        Of these, the losses and the validation scores.
    """

    def __init__(self, tasks, score=None, score_decides=False, halt=None):
        self._tasks = tasks
        self._score = score
        self._halt = halt
        self.score_decides = score_decides
        self.columns = {name: [] for name in COLUMNS}
        self.losses, self.scores = self.columns["loss"], self.columns["validation_score"]
        self._start = time.perf_counter()

    @property
    def watches_epochs(self):
        """Whether somebody looks at the model after each epoch."""
        return self._score is not None or self._tasks.has_callbacks

    @property
    def is_halted(self):
        """Whether training is to end at once."""
        return self._halt is not None and self._halt.is_set()

    @property
    def seconds(self):
        """How long the epochs that were noted have taken."""
        return self.columns["seconds"][-1]

    def begin_epoch(self):
        self._tasks.begin_epoch()

    def score(self, model):
        """The validation score of the model, or None without validation rows."""
        if self._score is None:
            return None
        score, loss = self._score(model)
        self.scores.append(score)
        self.columns["validation_loss"].append(loss)
        return score

    def note_epochs(self, n_epochs, learning_rates=(), gradient_norms=()):
        """Notes epochs that have just been trained, in one call of the core."""
        seconds = self.columns["seconds"]
        before = seconds[-1] if seconds else 0.0
        each = (time.perf_counter() - self._start - before) / n_epochs
        seconds.extend(before + each * (i + 1) for i in range(n_epochs))
        self.columns["learning_rate"].extend(learning_rates)
        self.columns["gradient_norm"].extend(gradient_norms)

    def end_epoch(self, model, loss):
        """Notes the loss of an epoch; returns whether a callback asks to stop."""
        self.losses.append(loss)
        return self._tasks.end_epoch(lambda: _fitted_attributes(model))

    def history(self):
        """Arrays of an element per epoch, by name; what nobody has looked at is left out."""
        n_epochs = len(self.losses)  # the last call of the core may have trained more
        return {
            name: np.array(values[:n_epochs]) for name, values in self.columns.items() if values
        }


def joined(before, history):
    """The history of a training that went on; epochs are counted from 1, gaps are NaN."""
    n_before, n_epochs = len(before.get("epoch", ())), len(history.get("loss", ()))
    together = {"epoch": np.arange(1, n_before + n_epochs + 1)}
    if not n_before:
        return together | history
    for name in COLUMNS:
        if name in before or name in history:
            first, last = (
                part[name] if name in part else np.full(n, np.nan)
                for part, n in ((before, n_before), (history, n_epochs))
            )
            together[name] = np.concatenate([first, last])
    together["seconds"][n_before:] += before["seconds"][-1]
    return together


def _fitted_attributes(model):
    """Copies of what makes an estimator predict as the model does now."""
    return {
        "coefs_": [coef.copy() for coef in model.coefs],
        "intercepts_": [intercept.copy() for intercept in model.intercepts],
    } | {
        f"norm_{name}s_": [array.copy() for array in arrays] for name, arrays in model.norms.items()
    }
