"""Explorers: networks from several starting points, trained side by side on the same rows."""

import copy
import math
from dataclasses import replace
from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state

from sknet.callbacks import leave_callbacks
from sknet.progress import Progress
from sknet.side_by_side import side_by_side
from sknet.threads import available_threads

__all__ = ["explore"]


def explore(estimator, task, tasks):
    """Trains the estimator's network from `n_starts` starting points, and combines them.

    Each start is what a fit with its seed would be, on one thread; so it does not matter how many
    run at a time. Sets `start_seeds_`, `start_scores_`, `start_histories_` and either all that the
    best start has learned or, for combine="mean", `estimators_`.

    Parameters
    ----------
    estimator : BaseNetwork
    task : Task
    tasks : FitTasks

    Returns
    -------
    ending : Ending
        Of the start with the best score.
    """
    seeds = _seeds(estimator.random_state, estimator.n_starts)
    members = [_member(estimator, seed) for seed in seeds]
    n_threads = min(estimator.n_threads or available_threads(), len(members))
    # Those of one thread follow one another, and share its time.
    max_time = task.options.max_time / math.ceil(len(members) / n_threads)
    options = replace(task.options, n_threads=1, max_time=max_time)

    def train(i, halt):
        mine = replace(task, options=replace(options, label=f"Start {i + 1}: "))
        part = tasks.begin_start(members[i], i, options.max_iter)
        ending = members[i]._train(None, Progress.begin(seeds[i]), mine, part, halt)
        part.end()
        return ending

    endings = side_by_side(_ending_all(train), len(members), n_threads)
    for member in members:
        leave_callbacks(member)
    scores = np.array([_score(ending) for ending in endings])
    ranks = np.where(np.isnan(scores), -np.inf, scores)
    begun = [ending.is_usable and ending.estimator.n_iter_ > 0 for ending in endings]
    usable = np.flatnonzero(begun if any(begun) else [ending.is_usable for ending in endings])
    if not len(usable):
        return endings[0]
    best = endings[usable[np.argmax(ranks[usable])]]
    estimator.start_seeds_ = np.array(seeds)
    estimator.start_scores_ = scores
    estimator.start_histories_ = [getattr(member, "history_", {}) for member in members]
    if estimator.combine == "best":
        estimator._learn_from(best.estimator)
    else:
        estimator.estimators_ = [members[i] for i in usable]
        estimator.n_iter_ = max(member.n_iter_ for member in estimator.estimators_)
        estimator.loss_ = float(np.mean([member.loss_ for member in estimator.estimators_]))
    is_interrupted = any(ending.reason == "interrupted" for ending in endings)
    return replace(
        best,
        reason="interrupted" if is_interrupted else best.reason,
        n_starts=len(members),
        n_diverged=sum(not ending.is_usable for ending in endings),
    )


def _seeds(random_state, n_starts):
    """A random_state for each start; the first is that of the estimator, if it is a number."""
    rng = check_random_state(random_state)
    seeds = rng.randint(np.iinfo(np.int32).max, size=n_starts).tolist()
    if isinstance(random_state, Integral):
        seeds = [int(random_state), *seeds[:-1]]
    return seeds


def _member(estimator, seed):
    """The estimator as a single start of it, not trained yet."""
    member = copy.copy(estimator)
    member.random_state, member.n_starts, member.combine = seed, 1, "best"
    return member


def _ending_all(train):
    """train(i, halt) such that an interrupt of one start, whenever it comes, ends all of them."""

    def train_or_end(i, halt):
        try:
            ending = train(i, halt)
        except KeyboardInterrupt:  # outside of its training: it ends before it begins
            halt.set()
            ending = train(i, halt)
        if ending.reason == "interrupted":
            halt.set()
        return ending

    return train_or_end


def _score(ending):
    """Validation score of a start, without validation rows minus its loss; NaN if it diverged."""
    member = ending.estimator
    if not ending.is_usable:
        return math.nan
    if member.early_stopping and getattr(member, "validation_scores_", None) is not None:
        return member.best_validation_score_
    if getattr(member, "validation_scores_", None):
        return member.validation_scores_[-1]
    return -(member.best_loss_ if ending.reason == "interrupted" else member.loss_)
