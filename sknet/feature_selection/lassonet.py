"""LassoNetSelector: the features that a network keeps while each has to pay for its place."""

import copy
import math
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import get_tags
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from sknet.classifier import MLPClassifier
from sknet.feature_selection.groups import Groups
from sknet.feature_selection.learner import SelectingLearner
from sknet.feature_selection.path import PathOptions
from sknet.methods import fitting
from sknet.regressor import MLPRegressor
from sknet.rows import FLOATS, columns
from sknet.side_by_side import side_by_side
from sknet.threads import available_threads
from sknet.typing import ArrayLike, MatrixLike
from sknet.warning import warn

__all__ = ["LassoNetSelector"]

LADDER = 0.85  # between numbers of features that are compared
SINGLY = 10  # numbers of features up to which all are compared
_NUMBERS = "networks of different numbers of columns are trained from the beginning"
REFUSED = {
    "normalization": "normalised units do not depend on the size of the weights that the penalty "
    "takes away",
    "coefs_init": _NUMBERS,
    "intercepts_init": _NUMBERS,
    "frozen_layers": _NUMBERS,
}


class LassoNetSelector(SelectorMixin, MetaEstimatorMixin, BaseEstimator):
    """Selects features by the path of LassoNet.

    The network gets a linear skip from each feature to the outputs, and a feature may use the
    first hidden layer only as far as its skip allows. The skips are penalised as in the group
    lasso: training starts with all features, then the penalty grows step by step and the features
    leave one after the other [1]_. Those that stay longest are chosen, and `estimator_` is fitted
    anew to these columns alone.

    Scale the columns first, for instance with StandardScaler: the penalty compares their weights.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        The network: its loss, hidden layers, batch size, regularisation, random_state and so on.
        Before the path it is trained with all features, as its solver, `max_iter`, `early_stopping`
        and so on say; along the path the rate and the mini-batches are those below, and there is
        no `alpha`, `l1` or `weight_decay`, which would take out weak features before the penalty
        does.
        `n_starts`, `combine` and `averaging` count only when `estimator_` is fitted. It must do
        without `normalization`, which would undo what the penalty takes off the weights of hidden
        units, and without given weights (`coefs_init`, `frozen_layers`).
    n_features_to_select : "auto", int or float, default="auto"
        How many features to choose; a float between 0 and 1 is a part of them. "auto" compares
        numbers of features by cross-validation: in each fold there is a path of its own, and
        networks are fitted to its last 1, 2, 3, ... features and scored. Groups are chosen whole,
        as many as fit in.
    rule : {"best", "1se"}, default="best"
        With "auto": the number of features with the best score, or the smallest one within a
        standard error of it.
    cv : int, cross-validation generator or iterable, default=5
        With "auto": the folds, as for scikit-learn's searches. They are trained side by side, one
        thread each.
    groups : list of lists of int or str, default=None
        Columns, by number or name, that come and go together, such as the columns of a category
        that is one-hot encoded. Each column must be in one group. None is a group for each.
    hierarchy : float, default=10.0
        How much larger the weights of a feature into the hidden layer may be than its skip. Near 0
        is a linear model; without limit the penalty would not keep hidden units away. 10 is
        recommended in [1]_.
    lambda_start : "auto" or float, default="auto"
        The first penalty. "auto" is one that would take twice its weight off the median feature
        if training gave nothing back; as it does, few leave so early.
    path_multiplier : float, default=1.05
        From a penalty to the next; above 1. With a smaller one fewer features leave at once, and
        the path takes longer.
    path_learning_rate : float, default=0.03
        Of the gradient descent with momentum 0.9 along the path. Where that diverges, it is halved.
    path_updates : int, default=100
        Mini-batches of training with each penalty, made up to whole epochs. They have 200 rows at
        the least, if there are so many: in smaller ones chance brings irrelevant features back.

    Attributes
    ----------
    support_ : ndarray of shape (n_features_in_,)
        True for the features that are chosen.
    n_features_ : int
        How many they are.
    ranking_ : ndarray of shape (n_features_in_,)
        1 for the features that are chosen, 2 for the one that left the path last among the others,
        and so on.
    feature_importances_ : ndarray of shape (n_features_in_,)
        The penalty (lambda) at which each feature leaves for good.
    lambda_ : float
        The first penalty of the path which no more features survive than are chosen.
    path_ : dict of ndarray
        A row per step of the path: "lambda", the first one 0; "n_features"; "support"
        (n_steps, n_features_in_); "coef_norm", of the same shape, the norm of the skip of each
        feature, or of its group; "train_score" of the penalised network, accuracy or R^2, with
        2,000 of the rows or all that there are, and "validation_score": with "auto" the mean over
        the folds, else with the rows that `early_stopping` sets aside, if it does.
    cv_results_ : dict of ndarray
        With "auto": "n_features" and, of the networks fitted to so many, "mean_test_score",
        "std_test_score" and "split0_test_score", "split1_test_score", ...
    estimator_ : MLPClassifier, MLPRegressor or None
        The network fitted to the columns that are chosen; None if there are none.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if X had names.

    References
    ----------
    .. [1] Lemhadri, Ruan, Abraham and Tibshirani, "LassoNet: a neural network with feature
       sparsity", Journal of Machine Learning Research 22 (127), 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sknet import MLPClassifier
    >>> from sknet.feature_selection import LassoNetSelector
    >>> X = np.random.default_rng(0).normal(size=(500, 20))
    >>> y = X[:, 2] + X[:, 5] * X[:, 11] > 0
    >>> net = MLPClassifier((32,), max_iter=1000, random_state=0)
    >>> selector = LassoNetSelector(net, n_features_to_select=3).fit(X, y)
    >>> selector.get_support(indices=True)
    array([ 2,  5, 11])
    >>> selector.transform(X).shape
    (500, 3)
    """

    _parameter_constraints: dict = {
        "estimator": [MLPClassifier, MLPRegressor],
        "n_features_to_select": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="right"),
        ],
        "rule": [StrOptions({"best", "1se"})],
        "cv": ["cv_object"],
        "groups": [None, "array-like"],
        "hierarchy": [Interval(Real, 0, None, closed="neither")],
        "lambda_start": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "path_multiplier": [Interval(Real, 1, None, closed="neither")],
        "path_learning_rate": [Interval(Real, 0, None, closed="neither")],
        "path_updates": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        n_features_to_select: Any = "auto",
        rule: str = "best",
        cv: Any = 5,
        groups: Any = None,
        hierarchy: float = 10.0,
        lambda_start: Any = "auto",
        path_multiplier: float = 1.05,
        path_learning_rate: float = 0.03,
        path_updates: int = 100,
    ) -> None:
        self.estimator = estimator
        self.n_features_to_select = n_features_to_select
        self.rule = rule
        self.cv = cv
        self.groups = groups
        self.hierarchy = hierarchy
        self.lambda_start = lambda_start
        self.path_multiplier = path_multiplier
        self.path_learning_rate = path_learning_rate
        self.path_updates = path_updates

    @fitting
    def fit(self, X: MatrixLike, y: MatrixLike, sample_weight: ArrayLike | None = None) -> Self:
        """Walk the path, choose features, and fit the network to them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets as for the network.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, in training and in scores; None means 1 each.

        Returns
        -------
        self : object
            The fitted selector.

        Raises
        ------
        ValueError
            If more features are asked for than there are, the groups do not hold each column once,
            the estimator has a parameter that does not go with the path, or training fails.

        Warns
        -----
        UserWarning
            If no feature is chosen.
        """
        X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS, order="C")
        for name, why in REFUSED.items():
            if (value := getattr(self.estimator, name)) is not None:
                raise ValueError(f"estimator must have {name}=None, since {why}; got {value!r}.")
        learner = SelectingLearner(self.estimator, X, y, sample_weight)
        groups = Groups.of(self.groups, X.shape[1], getattr(self, "feature_names_in_", None))
        options = PathOptions(
            groups,
            float(self.hierarchy),
            None if self.lambda_start == "auto" else float(self.lambda_start),
            float(self.path_multiplier),
            float(self.path_learning_rate),
            self.path_updates,
        )
        vars(self).pop("cv_results_", None)
        if self.n_features_to_select == "auto":
            steps, validation_scores = self._compare(learner, options)
            n_chosen, reason = self._best_number(), "a constant prediction has the best score"
        else:
            n_chosen = self._number_asked_for(X.shape[1])
            reason = f"each group has more than {n_chosen} of them"
            steps = learner.walk(options, learner.begin(), n_threads=learner.n_threads)
            validation_scores = np.array([step.test_score for step in steps])
        self._note_path(steps, validation_scores, groups)
        self._choose(n_chosen, steps, groups)
        if self.n_features_:
            chosen = columns(X, self.support_)
            self.estimator_ = clone(self.estimator).fit(chosen, y, sample_weight)
        else:
            self.estimator_ = None
            warn(f"No features were selected: {reason}.")
        return self

    def _number_asked_for(self, n_features):
        asked = self.n_features_to_select
        number = asked if isinstance(asked, Integral) else max(1, int(asked * n_features))
        if number > n_features:
            raise ValueError(
                f"n_features_to_select={asked} must be at most the number of columns of X, "
                f"{n_features}."
            )
        return number

    def _compare(self, learner, options):
        """Compares numbers of features by cross-validation: sets cv_results_.

        Returns the steps of the path of all rows, and the mean score of the folds' paths at each.
        """
        folds = list(learner.folds(self.cv))
        numbers = _ladder(len(options.groups.features))
        starts = [learner.begin() for _ in range(len(folds) + 1)]

        def run(i, halt):
            if i == len(folds):
                return learner.walk(options, starts[i], n_threads=1, halt=halt)
            train, test = folds[i]
            steps = learner.walk(options, starts[i], train, test, n_threads=1, halt=halt)
            order, scores = _order(steps), []
            for number in numbers:
                support = _first(order, options.groups, number)
                scores.append(
                    learner.score_with(support, train, test, halt)
                    if support.any()
                    else steps[-1].test_score
                )
            return steps, scores

        n_threads = learner.n_threads or available_threads()
        *results, steps = side_by_side(run, len(starts), n_threads)
        scores = np.array([of_fold for _, of_fold in results])  # (n_folds, n_numbers)
        self.cv_results_ = {
            "n_features": np.array(numbers),
            "mean_test_score": scores.mean(axis=0),
            "std_test_score": scores.std(axis=0),
        } | {f"split{i}_test_score": of_fold for i, of_fold in enumerate(scores)}
        along = [_scores_at(path, [step.penalty for step in steps]) for path, _ in results]
        return steps, np.mean(along, axis=0)

    def _best_number(self):
        """The number of features that the rule chooses."""
        results = self.cv_results_
        means = np.where(np.isnan(results["mean_test_score"]), -np.inf, results["mean_test_score"])
        numbers = results["n_features"]
        best = np.argmax(means)  # the fewest features among equals, since numbers ascend
        if self.rule == "best":
            return numbers[best]
        n_folds = sum(name.startswith("split") for name in results)
        error = results["std_test_score"][best] / math.sqrt(max(1, n_folds - 1))
        return numbers[np.argmax(means >= means[best] - error)]

    def _note_path(self, steps, validation_scores, groups):
        coef_norm = np.array([groups.of_features(step.norms) for step in steps])
        support = coef_norm > 0
        self.path_ = {
            "lambda": np.array([step.penalty for step in steps]),
            "n_features": support.sum(axis=1),
            "support": support,
            "coef_norm": coef_norm,
            "train_score": np.array([step.train_score for step in steps]),
        }
        if not np.isnan(validation_scores).all():
            self.path_["validation_score"] = validation_scores
        leaves = _last_step(coef_norm) + 1
        self.feature_importances_ = self.path_["lambda"][np.minimum(leaves, len(steps) - 1)]

    def _choose(self, n_chosen, steps, groups):
        order = _order(steps)
        self.support_ = _first(order, groups, n_chosen)
        self.n_features_ = int(self.support_.sum())
        rank = np.empty(len(order), int)
        rank[order] = np.arange(len(order))
        n_before = np.sum(np.cumsum(groups.sizes[order]) <= n_chosen)
        self.ranking_ = np.maximum(1, groups.of_features(rank) - n_before + 2)
        few_enough = self.path_["n_features"] <= self.n_features_
        self.lambda_ = float(self.path_["lambda"][np.argmax(few_enough)])

    def _get_support_mask(self):
        check_is_fitted(self)
        return self.support_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags.sparse = inner.input_tags.sparse
        tags.target_tags = copy.copy(inner.target_tags)
        return tags


def _ladder(n_features):
    """Numbers of features to compare, ascending: 0, few ones singly, then in equal ratios."""
    numbers = {0, *range(1, min(SINGLY, n_features) + 1)}
    number = float(n_features)
    while number > SINGLY:
        numbers.add(round(number))
        number *= LADDER
    return sorted(numbers)


def _last_step(norms):
    """The last step in which each column of norms (n_steps, n) is not 0; -1 for none."""
    steps = np.arange(len(norms))[:, None]
    return np.where(norms > 0, steps, -1).max(axis=0)


def _order(steps):
    """The groups, the one that stays longest first; of those that leave together the heaviest."""
    norms = np.array([step.norms for step in steps])
    last = _last_step(norms)
    return np.lexsort((-norms[last, np.arange(len(last))], -last))


def _first(order, groups, n_features):
    """The features, True or False, of the first groups that have no more than n_features."""
    chosen = np.zeros(len(order), bool)
    chosen[order] = np.cumsum(groups.sizes[order]) <= n_features
    return groups.of_features(chosen)


def _scores_at(steps, penalties):
    """The test scores of a path where the penalty is that large."""
    places = np.searchsorted([step.penalty for step in steps], penalties, side="right") - 1
    return np.array([step.test_score for step in steps])[places]
