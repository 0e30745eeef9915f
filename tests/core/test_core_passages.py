"""Gradients with respect to the rows of X, and what they tell of its columns."""

from itertools import pairwise

import numpy as np
import pytest
from driver import make_data, work
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse


def network_and_rows(core, n=250, widths=(6, 9, 5, 3), activation="tanh", extra=()):
    rng = np.random.default_rng(0)
    layers = [
        core.Dense(n_in, n_out, activation if i < len(widths) - 2 else "identity")
        for i, (n_in, n_out) in enumerate(pairwise(widths))
    ]
    network = core.Network([*layers, *extra])
    X = rng.normal(size=(n, widths[0])).astype(core.DTYPE)
    X[rng.random(X.shape) < 0.5] = 0
    return network, X, rng.normal(size=network.n_params).astype(core.DTYPE) / 2


def gradients(core, network, X, params, seeds, size=1):
    out = np.full((X.shape[0], seeds.shape[1], X.shape[1]), np.nan, core.DTYPE)
    seeds = np.ascontiguousarray(seeds, core.DTYPE)
    state = network.initial_state()
    work(core.Gradients(network, make_data(core, X), params, state, seeds, out), size)
    return out


def outputs(core, network, X, params):
    out = np.empty((X.shape[0], network.n_out), core.DTYPE)
    work(core.Predictor(network, make_data(core, X), params, network.initial_state(), out))
    return out


def finite_differences(core, network, X, params, step=1e-6):
    """(n, n_outputs, n_features)"""
    moves = step * np.eye(X.shape[1])
    return np.stack(
        [
            outputs(core, network, X + move, params) - outputs(core, network, X - move, params)
            for move in moves
        ],
        axis=2,
    ) / (2 * step)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("kind", ["chain", "skip", "norm", "one output", "wide"])
def test_gradients_are_finite_differences(core64, kind, size):
    core = core64
    if kind == "skip":  # X is read twice, and one slot is read by two layers
        layers = [core.Dense(6, 9, "tanh"), core.Dense(9, 3), core.Dense(6, 3), core.Add(3)]
        network = core.Network(layers, [(0,), (1,), (0,), (2, 3)])
        _, X, _ = network_and_rows(core)
        params = np.random.default_rng(1).normal(size=network.n_params)
    elif kind == "norm":
        network, X, params = network_and_rows(core, extra=[core.LayerNorm(3)])
    elif kind == "wide":
        network, X, params = network_and_rows(core, widths=(70, 130, 2))
    else:
        last = 1 if kind == "one output" else 3
        network, X, params = network_and_rows(core, widths=(6, 9, 5, last))
    expected = finite_differences(core, network, X, params)
    seeds = np.eye(network.n_out)[None]
    assert_allclose(
        gradients(core, network, X, params, seeds, size), expected, rtol=1e-6, atol=1e-7
    )
    seeds = np.random.default_rng(2).normal(size=(len(X), 2, network.n_out))  # of each row
    assert_allclose(
        gradients(core, network, X, params, seeds, size), seeds @ expected, rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("n", [1, 3, 96, 97, 1000])
def test_gradients_have_the_same_bits_for_sparse_rows_and_any_team(core, n):
    network, X, params = network_and_rows(core, n)
    seeds = np.eye(3)[None]
    expected = gradients(core, network, X, params, seeds)
    for rows in (X, sparse.csr_array(X)):
        for size in (1, 4):
            assert_array_equal(gradients(core, network, rows, params, seeds, size), expected)


def test_gradients_of_sparse_rows_for_a_layer_that_wants_them_dense(core64):
    core = core64
    layers = [core.LayerNorm(6), core.Dense(6, 3, "tanh")]
    network = core.Network(layers)
    _, X, _ = network_and_rows(core)
    params = np.random.default_rng(0).normal(size=network.n_params)
    seeds = np.eye(3)[None]
    assert_array_equal(
        gradients(core, network, sparse.csr_array(X), params, seeds),
        gradients(core, network, X, params, seeds),
    )


def importances(core, network, X, params, n_rows, weight=None, size=1, n_sparse_rows=None):
    data = make_data(core, X, None, weight)
    job = core.Importances(
        network, data, params, network.initial_state(), n_rows, n_sparse_rows or n_rows
    )
    work(job, size)
    first = job.result()
    work(job, size)  # a job may be run again
    assert_array_equal(job.result(), first)
    return first


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_rows", [1, 2, 100, 250])
def test_importances_are_mean_sizes_of_gradients_in_deviations(core64, n_rows, weighted):
    core = core64
    network, X, params = network_and_rows(core)
    X[:, 1] += 1000  # the deviation of such a column must not drown
    X[:, 2] = 7
    weight = np.random.default_rng(3).random(250) if weighted else np.ones(250)
    numbers = np.arange(n_rows) * 250 // n_rows
    rows, w = X[numbers], weight[numbers]
    slopes = np.abs(gradients(core, network, rows, params, np.eye(3)[None])).sum(axis=1)
    deviation = np.sqrt(
        np.average((rows - np.average(rows, axis=0, weights=w)) ** 2, axis=0, weights=w)
    )
    expected = np.average(slopes, axis=0, weights=w) * deviation
    expected /= expected.sum() or 1
    given = weight if weighted else None
    result = importances(core, network, X, params, n_rows, given)
    assert_allclose(result, expected, rtol=1e-9, atol=1e-12)
    assert result[2] == 0
    for size in (2, 5):
        assert_array_equal(importances(core, network, X, params, n_rows, given, size), result)
    sparse_rows = sparse.csr_array(X)
    assert_allclose(
        importances(core, network, sparse_rows, params, n_rows, given),
        expected,
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_deviations_of_sparse_columns_are_those_of_more_rows(core64, weighted):
    """Three rows tell the slopes, which hardly differ; nearly all columns are zero in them."""
    rng = np.random.default_rng(0)
    X = sparse.random_array((400, 300), density=0.01, rng=rng, format="csr")
    network = core64.Network([core64.Dense(300, 1)])
    params = rng.normal(size=network.n_params)
    weight = rng.random(400) if weighted else np.ones(400)
    rows, w = X.toarray()[::2], weight[::2]
    mean = np.average(rows, axis=0, weights=w)
    expected = np.abs(params[:300]) * np.sqrt(np.average((rows - mean) ** 2, axis=0, weights=w))
    given = weight if weighted else None
    for size in (1, 3):
        result = importances(core64, network, X, params, 3, given, size, n_sparse_rows=200)
        assert_allclose(result, expected / expected.sum(), rtol=1e-9)
        assert_array_equal(result > 0, (rows != 0).any(axis=0))


def test_wide_rows_pass_in_smaller_blocks(core64):
    """Thirteen at a time."""
    core, n_features = core64, 20_000
    network = core.Network([core.Dense(n_features, 2)])
    rng = np.random.default_rng(0)
    X, params = rng.normal(size=(40, n_features)), rng.normal(size=network.n_params)
    W = params[: 2 * n_features].reshape(n_features, 2)
    gradient = gradients(core, network, X, params, np.eye(2)[None], 2)
    assert_array_equal(gradient, np.broadcast_to(W.T, gradient.shape))
    expected = np.abs(W).sum(axis=1) * X.std(axis=0)
    assert_allclose(importances(core, network, X, params, 40), expected / expected.sum(), rtol=1e-9)


def test_importances_of_a_network_that_follows_nothing(core):
    network, X, params = network_and_rows(core)
    params[:] = 0
    assert_array_equal(importances(core, network, X, params, 100), np.zeros(6))


def test_errors(core):
    network, X, params = network_and_rows(core)
    data, state = make_data(core, X), network.initial_state()
    seeds, out = np.ones((1, 2, 3), core.DTYPE), np.empty((250, 2, 6), core.DTYPE)
    core.Gradients(network, data, params, state, seeds, out)
    for bad in (np.ones((2, 2, 3)), np.ones((1, 2, 4))):
        with pytest.raises(ValueError, match=r"seeds must have shape \(1 or n_samples, n_sums"):
            core.Gradients(network, data, params, state, bad.astype(core.DTYPE), out)
    for shape in [(249, 2, 6), (250, 1, 6), (250, 2, 5)]:
        with pytest.raises(ValueError, match=r"out must have shape \(n_samples, n_sums, n_feat"):
            core.Gradients(network, data, params, state, seeds, np.empty(shape, core.DTYPE))
    for n_rows in (0, 251):
        with pytest.raises(ValueError, match=f"n_rows must be from 1 to 250, got {n_rows}"):
            core.Importances(network, data, params, state, n_rows, 5)
    with pytest.raises(ValueError, match="X has 6 columns, the network takes 5"):
        core.Importances(core.Network([core.Dense(5, 1)]), data, params, state, 5, 5)
    with pytest.raises(ValueError, match="params and state must have"):
        core.Importances(network, data, params[1:], state, 5, 5)
    for layer in (core.Dropout(3, 0.5), core.Noise(3, 0.5), core.BatchNorm(3)):
        network, X, params = network_and_rows(core, extra=[layer])
        with pytest.raises(ValueError, match=f"need one without {type(layer).__name__}"):
            core.Importances(network, data, params, network.initial_state(), 5, 5)


@pytest.mark.parametrize("size", [1, 3])
def test_silent_units(core, size):
    """They are 0 for all rows that are looked at, whatever happens for others."""
    network, X, params = network_and_rows(core, activation="relu")
    layers = network.param_slices()
    params[layers[0]][-9:] = [0, -1e6, 0, 0, 0, 0, 0, 0, -1e6]  # intercepts
    numbers = np.arange(100) * 250 // 100
    unseen = np.setdiff1d(np.arange(250), numbers)
    params[layers[0]][-2] = 0
    params[layers[0]].reshape(7, 9)[:6, 7] = 0
    params[layers[0]].reshape(7, 9)[2, 7] = 1
    X[:, 2] = -1
    X[unseen, 2] = 1  # unit 7 speaks for these alone
    for rows in (X, sparse.csr_array(X)):
        data = make_data(core, rows)
        job = core.SilentUnits(network, data, params, network.initial_state(), 100)
        for _ in range(2):  # a job may be run again
            work(job, size)
            silent = job.result()
            assert [len(step) for step in silent] == [9, 5, 3]
            assert_array_equal(np.flatnonzero(silent[0]), [1, 7, 8])
            assert not silent[2].any()
