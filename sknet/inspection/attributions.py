"""Attributions: how much each column contributes to the output of a network, row by row."""

from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sknet.base import BaseNetwork
from sknet.inspection.columns import origins
from sknet.inspection.multipliers import multipliers
from sknet.typing import ArrayLike, MatrixLike
from sknet.warning import warn

__all__ = ["Attributions", "attributions"]

METHODS = (
    "integrated_gradients", "expected_gradients", "gradient", "gradient_x_input", "deeplift",
)  # fmt: skip
WITH_BASELINE = ("integrated_gradients", "expected_gradients", "deeplift")
COMPLETE = ("integrated_gradients", "deeplift")
TOLERANCE = 1e-3  # of the range of the differences, up to which a sum counts as complete
MOST_STEPS = 4096
PART = 2**21  # numbers of a part of the rows on their way


@dataclass(frozen=True)
class Attributions:
    """What each column contributes to an output, row by row.

    Attributes
    ----------
    values : ndarray of shape (n_samples, n_columns) or (n_samples, n_outputs, n_columns)
        In units of the output; the latter where there are several outputs and no target.
    feature_names : ndarray of shape (n_columns,)
        Names of the columns that the network sees.
    data : ndarray of shape (n_samples, n_columns)
        The rows as the network sees them.
    predictions, base_predictions : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The raw output at the rows and at their baselines; the latter None where the method has no
        baseline.
    gap : float or None
        The largest difference between the sum of a row's values and what its prediction differs
        by from that of its baseline, as a part of the range of these differences; None where the
        method does not promise that they are equal.
    origins : ndarray of shape (n_columns,) or None
        The column of the table that each column was made of; None where nobody knows.
    names_in : ndarray or None
        Names of the columns of the table.
    """

    values: NDArray[Any]
    feature_names: NDArray[Any]
    data: NDArray[Any]
    predictions: NDArray[Any]
    base_predictions: NDArray[Any] | None
    gap: float | None
    origins: NDArray[Any] | None = None
    names_in: NDArray[Any] | None = None

    def by_column(self, X: MatrixLike | None = None) -> Self:
        """The same with the values of all columns that come from one column of the table summed.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features), default=None
            The rows of the table, which become `data`; without it there are none.

        Returns
        -------
        Attributions
            With a column for each column of the table, 0 for those that were dropped.

        Raises
        ------
        ValueError
            If a step of the pipeline mixes columns, so that nobody knows where they come from.
        """
        if self.origins is None or self.names_in is None:
            raise ValueError(
                "by_column() needs to know which column of the table each one comes from: a "
                "pipeline of scalers, imputers, encoders, selectors and ColumnTransformers."
            )
        values = np.zeros((*self.values.shape[:-1], len(self.names_in)), self.values.dtype)
        for place, column in enumerate(self.origins):
            values[..., column] += self.values[..., place]
        rows = np.full((len(values), 0), np.nan) if X is None else _dense(X)
        return replace(
            self, values=values, feature_names=self.names_in, data=rows,
            origins=np.arange(len(self.names_in)),
        )  # fmt: skip


def attributions(
    estimator: Any,
    X: MatrixLike,
    *,
    method: Literal[
        "integrated_gradients", "expected_gradients", "gradient", "gradient_x_input", "deeplift"
    ] = "integrated_gradients",
    baseline: ArrayLike | None = None,
    target: Any = None,
    n_steps: int = 64,
    random_state: int | np.random.RandomState | None = 0,
) -> Attributions:
    """Compute how much each column contributes to the raw output of a network, row by row.

    Raw outputs are logits of the classifier; of the regressor the prediction, or its logarithm
    where `out_activation_` is 'exp'. Of an ensemble they are the mean of its members'.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor or Pipeline that ends in one
        Fitted. Of a pipeline the columns are those that the network sees, after all steps before
        it; `by_column` of the result sums them up again.
    X : array-like, data frame or sparse matrix of shape (n_samples, n_features)
        Rows as for `estimator.predict`.
    method : str, default="integrated_gradients"
        - "integrated_gradients": the gradient along the straight line from the baseline to the
          row, times their difference [1]_. Values of a row sum to the difference of the outputs.
        - "expected_gradients": the same from many baselines, at a random place of each line [2]_;
          baseline must be given, rows of a background such as the training data.
        - "gradient": of the output with respect to each column.
        - "gradient_x_input": the same times the column.
        - "deeplift": differences propagated through the layers, by the rescale rule [3]_. Values
          of a row sum to the difference of the outputs.
    baseline : array-like of shape (n_features,), (1, n_features) or (n_baselines, n_features)
        The row to compare with, like a row of X; for a data frame a data frame. None is a row of
        zeros as the network sees it, which is the mean of standardised columns. Several rows are
        for "expected_gradients".
    target : class label, int, array-like of shape (n_samples,) or None, default=None
        Whose output, as for `input_gradients`. None means all outputs.
    n_steps : int, default=64
        Places at which gradients are taken; with "integrated_gradients" at least so many: they
        are doubled for rows whose sum is off by more than a thousandth of the range.
    random_state : int, RandomState instance or None, default=0
        Of "expected_gradients".

    Returns
    -------
    Attributions

    Raises
    ------
    ValueError
        If the estimator is none of sknet's, or the baseline does not fit X or the method.
    NotFittedError
        If it is not fitted.

    Warns
    -----
    UserWarning
        If values do not sum to the differences of outputs within a thousandth of their range.

    References
    ----------
    .. [1] Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks", ICML 2017,
       equation 1.
    .. [2] Erion, Janizek, Sturmfels, Lundberg and Lee, "Improving performance of deep learning
       models with axiomatic attribution priors and expected gradients", Nature Machine
       Intelligence 3, 2021.
    .. [3] Shrikumar, Greenside and Kundaje, "Learning important features through propagating
       activation differences", ICML 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sknet import MLPRegressor
    >>> from sknet.inspection import attributions
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 2))
    >>> net = MLPRegressor((), solver="lbfgs", random_state=0).fit(X, 3 * X[:, 0] - X[:, 1])
    >>> attributions(net, [[2.0, 1.0]]).values.round(2)
    array([[ 6., -1.]])
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}.")
    if not isinstance(n_steps, Integral) or n_steps < 1:
        raise ValueError(f"n_steps must be an integer >= 1, got {n_steps!r}.")
    if baseline is not None and method not in WITH_BASELINE:
        raise ValueError(f"baseline is not for method={method!r}, which has none.")
    if baseline is None and method == "expected_gradients":
        raise ValueError("method='expected_gradients' needs baseline: rows of a background.")
    seen = _Seen(estimator)
    rows = seen.rows(X)
    bases = seen.baselines(baseline, X, rows.shape[1])
    if len(bases) > 1 and method != "expected_gradients":
        raise ValueError(
            f"baseline must be one row for method={method!r}, got {len(bases)}; several are for "
            "'expected_gradients'."
        )
    network = seen.network
    seeds = network._output_weights(target, len(rows))
    outputs = _outputs(network, rows, seeds)
    base_outputs = gap = None
    if method == "gradient":
        values = network._gradients_of_sums(rows, seeds)
    elif method == "gradient_x_input":
        values = network._gradients_of_sums(rows, seeds) * rows[:, None]
    elif method == "expected_gradients":
        rng = check_random_state(random_state)
        values, base_outputs = _expected_gradients(network, rows, bases, seeds, n_steps, rng)
    else:
        base_outputs = np.broadcast_to(_outputs(network, bases, seeds), outputs.shape).copy()
        differences = outputs - base_outputs
        if method == "deeplift":
            values = _deeplift(network, rows, bases, seeds)
        else:
            values = _integrated_gradients(network, rows, bases, seeds, n_steps, differences)
        gap = _gaps(values, differences).max(initial=0)
        if gap > TOLERANCE:
            warn(
                f"The values do not sum to the difference of the outputs: off by {gap:.2g} of the "
                "range. Give more n_steps."
            )
    single = seeds.shape[1] == 1
    return Attributions(
        values[:, 0] if single else values,
        seen.names,
        rows,
        outputs[:, 0] if single else outputs,
        base_outputs if base_outputs is None or not single else base_outputs[:, 0],
        gap,
        seen.origins,
        seen.names_in,
    )


class _Seen:
    """The network of an estimator, and what it sees of a table."""

    def __init__(self, estimator):
        is_pipeline = isinstance(estimator, Pipeline)
        self.network = estimator.steps[-1][1] if is_pipeline else estimator
        if not isinstance(self.network, BaseNetwork):
            raise ValueError(
                "estimator must be an MLPClassifier or MLPRegressor of sknet, or a Pipeline that "
                f"ends in one, got {estimator!r}."
            )
        self.network._check_fitted()
        self._before = estimator[:-1] if is_pipeline and len(estimator.steps) > 1 else None
        n_seen = self.network.n_features_in_
        self.names_in = getattr(estimator, "feature_names_in_", None)
        if self._before is None:
            self.origins = np.arange(n_seen)
            self.names = _named(self.names_in, n_seen)
            self.names_in = self.names
            return
        check_is_fitted(self._before)
        n_in = self._before.n_features_in_
        self.names_in = _named(self.names_in, n_in)
        self.origins = origins(self._before, n_in)
        if self.origins is not None and len(self.origins) != n_seen:
            self.origins = None
        try:
            self.names = np.asarray(self._before.get_feature_names_out(), object)
        except (AttributeError, ValueError):  # a step that does not tell
            self.names = _named(None, n_seen)

    def rows(self, X):
        """X as the network sees it, dense, of float64."""
        if self._before is not None:
            X = self._before.transform(X)
        X = self.network._checked_rows(X)
        return _dense(X).astype(float)

    def baselines(self, baseline, X, n_columns):
        """The rows to compare with, as the network sees them."""
        if baseline is None:
            return np.zeros((1, n_columns))
        if not hasattr(baseline, "columns") and not sparse.issparse(baseline):
            baseline = np.atleast_2d(np.asarray(baseline))
            if hasattr(X, "columns") and baseline.shape[1] == len(X.columns):
                baseline = type(X)(baseline, columns=X.columns)
        if np.ndim(baseline) != 2 or baseline.shape[1] != len(self.names_in):
            raise ValueError(
                f"baseline must have {len(self.names_in)} columns, as X has, got an array of shape "
                f"{np.shape(baseline)}."
            )
        try:
            return self.rows(baseline)
        except ValueError as error:
            raise ValueError(f"baseline: {error}") from error


def _dense(X):
    return X.toarray() if sparse.issparse(X) else np.asarray(X)


def _named(names, n):
    return np.array([f"x{i}" for i in range(n)], object) if names is None else np.asarray(names)


def _outputs(network, rows, seeds):
    """Weighted sums of the raw outputs, (n, n_sums); a single row goes with all weights."""
    raw = network._predict_each(rows).mean(axis=0)
    return (seeds @ raw[:, :, None])[:, :, 0]


def _deeplift(network, rows, bases, seeds):
    found = [
        multipliers(model, rows, bases, seeds, network.n_threads)
        for model in network._folded_models()
    ]
    return np.mean(found, axis=0) * (rows - bases)[:, None]


def _integrated_gradients(network, rows, bases, seeds, n_steps, differences):
    """By the midpoint rule; more steps for rows whose sum is off."""
    values = np.zeros((len(rows), seeds.shape[1], rows.shape[1]))
    todo = np.arange(len(rows))
    places = np.broadcast_to(seeds, (len(rows), *seeds.shape[1:]))
    while len(todo):
        values[todo] = _along_lines(network, rows[todo], bases, places[todo], n_steps)
        gaps = _gaps(values, differences)
        todo = np.flatnonzero((gaps > TOLERANCE / 2).any(axis=1))
        n_steps *= 2
        if n_steps > MOST_STEPS:
            break
    return values


def _along_lines(network, rows, bases, seeds, n_steps):
    """The mean gradient on the way from the baseline, times the difference."""
    shares = (np.arange(n_steps) + 0.5) / n_steps
    values = np.empty((len(rows), seeds.shape[1], rows.shape[1]))
    per_part = max(1, PART // (n_steps * rows.shape[1] * (1 + seeds.shape[1])))
    for begin in range(0, len(rows), per_part):
        part = slice(begin, begin + per_part)
        difference = rows[part] - bases
        line = bases + shares[:, None] * difference[:, None]  # (n, n_steps, n_columns)
        gradients = network._gradients_of_sums(
            line.reshape(-1, rows.shape[1]), np.repeat(seeds[part], n_steps, axis=0)
        )
        mean = gradients.reshape(len(difference), n_steps, *values.shape[1:]).mean(axis=1)
        values[part] = mean * difference[:, None]
    return values


def _expected_gradients(network, rows, bases, seeds, n_steps, rng):
    """Each step has a baseline, all of them in turn, and a place on the line from its own part."""
    values = np.zeros((len(rows), seeds.shape[1], rows.shape[1]))
    base_outputs = np.zeros((len(rows), seeds.shape[1]))
    order = np.concatenate([rng.permutation(len(bases)) for _ in range(-(-n_steps // len(bases)))])
    shares = (rng.permutation(n_steps) + rng.uniform(size=n_steps)) / n_steps
    for number, share in zip(order, shares, strict=False):
        difference = rows - bases[number]
        gradients = network._gradients_of_sums(bases[number] + share * difference, seeds)
        values += gradients * difference[:, None] / n_steps
        base_outputs += _outputs(network, bases[number : number + 1], seeds) / n_steps
    return values, base_outputs


def _gaps(values, differences):
    """How far each sum is off, as a part of the range of the differences, (n, n_sums)."""
    extent = np.ptp(np.append(differences, 0.0))
    return np.abs(values.sum(axis=2) - differences) / max(extent, np.finfo(float).tiny)
