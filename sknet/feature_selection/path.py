"""The path of LassoNet: a network that is trained with all features, and then with ever fewer."""

import math
from dataclasses import dataclass, replace

import numpy as np

from sknet.callbacks import FitTasks
from sknet.ending import divergence_error
from sknet.feature_selection.groups import Groups
from sknet.layers import Dense, Skip
from sknet.model import Model, as_data
from sknet.monitor import Monitor
from sknet.optimizers import LBFGS, SGD
from sknet.schedules import Constant
from sknet.training import fit_lbfgs, fit_minibatch

__all__ = ["PathOptions", "Step", "walk"]

MOST_STEPS = 100_000  # of a path, which ends long before
MOMENTUM = 0.9
LEAST_BATCH = 200  # rows: in smaller mini-batches chance keeps features in and throws them out
DIVERGED = 10  # times the loss before the path, or of raw outputs of 0
MOST_HALVINGS = 50  # of the learning rate
MOST_ITERATIONS = 100  # of L-BFGS in search of a constant, which takes a handful
WORTH_WHILE = 0.95  # part of the features to which a network is narrowed, or less
HARDLY = 0.25  # part of the updates after which a group that is on its way out is there, at most
PATIENCE = 3  # steps in a row in which it is hardly there, before it is left out for good
SCORED_ROWS = 2000  # of training, at most: all of them would take up to a third of the time
MEDIAN_WEIGHTS = 2  # so many weights of the median group the first penalty would take off


@dataclass(frozen=True)
class PathOptions:
    """How to walk along the path; as in LassoNetSelector, but that lambda_start may be None."""

    groups: Groups
    hierarchy: float
    lambda_start: float | None
    path_multiplier: float
    path_learning_rate: float
    path_updates: int


@dataclass(frozen=True)
class Step:
    """Where the path has come to.

    Attributes
    ----------
    penalty : float
        lambda.
    norms : ndarray of shape (n_groups,)
        Of the weights of each group's linear skip to the outputs, the mean over the step; 0 for
        those that are gone. Mini-batches are samples: they bring a feature back now and then, and
        throw it out again. So it is gone if it was out after half of the updates or more.
    train_score, test_score : float
        With rows that training saw, SCORED_ROWS at most, and with others, NaN if there are none.
    """

    penalty: float
    norms: np.ndarray
    train_score: float
    test_score: float


def walk(network, task, test, options, progress, halt=None):
    """Trains a network on all features, then with a growing penalty until none is left.

    Parameters
    ----------
    network : BaseNetwork
        Whose targets are known; it says what the layers are, and is not changed.
    task : Task
    test : Rows or None
        To score, with their targets.
    options : PathOptions
    progress : Progress
        At its beginning.
    halt : threading.Event or None
        Once it is set, KeyboardInterrupt is raised.

    Returns
    -------
    list of Step
        The first one without penalty, the last one without features.
    """
    path = _Path(network, task, test, options, progress, halt)
    path.train_densely()
    steps = [path.step(0.0, path.norms(), path.outputs())]
    penalty = options.lambda_start or path.first_penalty()
    while steps[-1].norms.any() and len(steps) < MOST_STEPS:
        norms, outputs = path.train(penalty)
        if norms.any():
            steps.append(path.step(penalty, norms, outputs))
            path.narrow()
        else:
            steps.append(path.step(penalty, norms, path.end()))
        penalty *= options.path_multiplier
    return steps


class _Path:
    """A network with a linear skip, on its way."""

    def __init__(self, network, task, test, options, progress, halt):
        self._network, self._task, self._test = network, task, test
        self._scored = _some(task.rows)
        self._options, self._progress, self._halt = options, progress, halt
        layers = network._declare_layers(task.sizes, network.n_outputs_)
        self._first = next(i for i, layer in enumerate(layers) if isinstance(layer, Dense))
        if task.sizes:
            layers = (*layers[: self._first], Skip(layers[self._first :]))
        self._layers = layers
        self._take(options.groups)
        names = [*network._activations(task.sizes, True), "identity"]
        self._model.initialize(network.init, progress.weights_rng, names[: len(self._model.coefs)])
        self._present = np.arange(len(options.groups.ends))
        self._absences = np.zeros(len(self._present), int)  # the last ones, in steps
        self._optimizer = SGD(MOMENTUM, nesterov=False).compiled(self._model.core)
        self._learning_rate = options.path_learning_rate
        n_samples = len(task.rows.y)
        batch_size = max(task.options.batch_size, min(LEAST_BATCH, n_samples))
        n_batches = math.ceil(n_samples / batch_size)
        n_epochs = math.ceil(options.path_updates / n_batches)
        self._n_updates = n_epochs * n_batches  # of each step
        self._training = replace(
            task.options,
            averaging=None,
            batch_size=batch_size,
            learning_rate=Constant(),
            max_iter=n_epochs,
            max_time=math.inf,
            # These would take out weak features before their turn.
            alpha=0.0,
            l1=0.0,
            weight_decay=0.0,
            n_iter_no_change=math.inf,
            verbose=False,
        )

    def _take(self, groups):
        """Makes a model of the features of these groups, which are the task's columns."""
        task = self._task
        self._groups = groups
        self._model = Model(self._layers, task.rows.X.shape[1], task.rows.X.dtype)
        hidden, skip = -1, self._first  # steps of the network: without hidden layer it is the skip
        if task.sizes:
            hidden, skip = self._first, len(self._model.network.layers) - 2
        self._hierarchy = self._model.core.Hierarchy(
            self._model.network, skip, hidden, groups.features, groups.ends, self._options.hierarchy
        )

    def narrow(self):
        """Leaves out for good the groups that have hardly been there for some steps.

        Once they are enough for the network to be trained faster without them.
        """
        hardly = self._hierarchy.presence <= HARDLY * self._n_updates
        self._absences = np.where(hardly, self._absences + 1, 0)
        stay = self._absences < PATIENCE
        if stay.mean() > WORTH_WHILE or not stay.any():
            return
        support = self._groups.of_features(stay)
        before, moments = self._model, self._progress.moments
        task = self._task
        rows = task.rows.with_columns(support)
        data = as_data(before.core, rows.X, rows.targets, rows.weight)
        self._task = replace(task, rows=rows, data=data)
        self._scored = self._scored.with_columns(support)
        self._test = None if self._test is None else self._test.with_columns(support)
        self._take(self._groups.some(stay))
        self._progress.best_params = None  # of the wider network
        self._progress.moments = before.core.empty(len(moments), self._model.network.n_params)
        for old, new in zip(
            (before.params, *moments), (self._model.params, *self._progress.moments), strict=True
        ):
            for parts, narrow in zip(before.views(old), self._model.views(new), strict=True):
                for part, kept in zip(parts, narrow, strict=True):
                    of_features = part.shape[0] == len(support) != kept.shape[0]
                    kept[...] = part[support] if of_features else part
        self._present, self._absences = self._present[stay], self._absences[stay]

    def train_densely(self):
        """Trains with all features, as the estimator says; then the optimizer is another one."""
        task, model, progress = self._task, self._model, self._progress
        options = replace(task.options, averaging=None, verbose=False)
        if self._network._is_lbfgs:
            reason, *_ = fit_lbfgs(
                model, task.loss, task.data, task.rows.total_weight, task.solver, options,
                self._monitor(),
            )  # fmt: skip
        else:
            optimizer = task.solver.compiled(model.core)
            progress.begin_stage(model, task.solver.rule, optimizer.n_moments)
            score = None if task.validation is None else self._network._scorer(task)
            monitor = self._monitor(score)
            reason = fit_minibatch(
                model, optimizer, task.loss, task.data, progress, options, monitor
            )
            if monitor.score_decides:
                progress.give_out(model)
        if reason == "interrupted":
            raise KeyboardInterrupt
        if not np.isfinite(model.params).all():
            raise divergence_error(self._network, task.rows.X)
        raw = self.outputs()
        self._large_loss = max(self._loss(raw), self._loss(np.zeros_like(raw)))
        progress.moments = None
        progress.begin_stage(model, "path", self._optimizer.n_moments)

    def train(self, penalty):
        """Trains with this penalty; returns the norms of the groups, as in Step, and the outputs.

        Where training diverges, it is taken back and goes on at half the learning rate.
        """
        hierarchy = self._hierarchy
        hierarchy.strength = penalty
        before = self.numbers()
        for _ in range(MOST_HALVINGS):
            hierarchy.norms[:] = hierarchy.presence[:] = 0
            monitor = self._monitor()
            reason = fit_minibatch(
                self._model,
                self._optimizer,
                self._task.loss,
                self._task.data,
                self._progress,
                replace(self._training, learning_rate_init=self._learning_rate),
                monitor,
                [hierarchy],
            )
            if reason == "interrupted":
                raise KeyboardInterrupt
            raw = self.outputs()
            if reason != "diverged" and self._loss(raw) < DIVERGED * self._large_loss:
                norms = np.zeros(len(self._options.groups.ends))
                norms[self._present] = np.where(
                    hierarchy.presence > self._n_updates / 2, hierarchy.norms / self._n_updates, 0
                )
                return norms, raw
            self.take_back(before)
            self._progress.moments.fill(0)  # else the momentum of the old rate goes on
            self._learning_rate /= 2
        raise divergence_error(self._network, self._task.rows.X)

    def end(self):
        """Makes of the network the best constant, as it is without features; returns the outputs.

        By L-BFGS, since after mini-batches the intercepts would lie a little beside it.
        """
        task = self._task
        self._model = Model((Dense(self._network.n_outputs_),), 1, task.rows.X.dtype)
        rows = _without_features(task.rows)
        data = as_data(self._model.core, rows.X, rows.targets, rows.weight)
        self._task = replace(task, rows=rows, data=data)
        self._scored = _without_features(self._scored)
        self._test = None if self._test is None else _without_features(self._test)
        options = replace(self._training, max_iter=MOST_ITERATIONS)
        reason, *_ = fit_lbfgs(
            self._model, task.loss, data, rows.total_weight, LBFGS(), options, self._monitor()
        )
        if reason == "interrupted":
            raise KeyboardInterrupt
        return self.outputs()

    def numbers(self):
        """Copies of what training changes."""
        return [array.copy() for array in self._arrays]

    def take_back(self, numbers):
        """Puts those copies in place of what training has changed since."""
        for array, before in zip(self._arrays, numbers, strict=True):
            array[...] = before

    @property
    def _arrays(self):
        return self._model.params, self._model.state, self._progress.moments

    def norms(self):
        """Of the weights of each group's skip."""
        return self._options.groups.norms(self._model.coefs[-1])

    def outputs(self):
        """Raw outputs for the rows of training that are scored."""
        return self._raw(self._scored)

    def step(self, penalty, norms, outputs):
        """Where the path has come to with this penalty; `outputs` as of outputs()."""
        test = math.nan if self._test is None else self._score(self._test, self._raw(self._test))
        return Step(penalty, norms, self._score(self._scored, outputs), test)

    def first_penalty(self):
        """One that takes MEDIAN_WEIGHTS times its weight off the median group, with those below it.

        If training gives nothing back. It gives so much back that few groups leave so early, and
        penalties below it would do nothing but take time, the more as the network is still whole.
        Each update at the rate r takes r * lambda off |v| + ratio |u|_1, where v is what a group
        weighs in the skip and u in the hidden layer; the penalties up to lambda, so many updates
        each, take the geometric sum of that.
        """
        options, groups, coefs = self._options, self._options.groups, self._model.coefs
        weights = self.norms()
        if self._task.sizes:
            weights = weights + options.hierarchy * groups.sums(np.abs(coefs[0]).sum(axis=1))
        each = options.path_learning_rate * self._n_updates / (1 - 1 / options.path_multiplier)
        return max(MEDIAN_WEIGHTS * np.median(weights) / each, np.finfo(float).tiny)

    def _monitor(self, score=None):
        tasks = FitTasks(self._network, self._task.rows, 0)
        return Monitor(tasks, score, score is not None, self._halt)

    def _score(self, rows, raw):
        return self._network._score_raw(raw, rows.y, rows.weight)

    def _raw(self, rows):
        return self._model.predict(rows.X, self._task.options.n_threads)

    def _loss(self, raw):
        rows = self._scored
        return self._task.loss.value(raw, rows.targets, rows.weight)


def _some(rows):
    """These rows, or SCORED_ROWS of those that count: always the same, at random places."""
    if len(rows.y) <= SCORED_ROWS:
        return rows
    rows = rows.with_weight()
    generator = np.random.default_rng(0)
    n_scored = min(SCORED_ROWS, len(rows.y))
    return rows.take(np.sort(generator.choice(len(rows.y), n_scored, replace=False)))


def _without_features(rows):
    """These rows with nothing but a column of zeros."""
    return replace(rows, X=np.zeros((len(rows.y), 1), rows.X.dtype))
