"""The hierarchical projection of LassoNet, against its definition, and in training."""

import numpy as np
import pytest
from driver import as_real, train

RATIO = 3.0


def by_sorting(v, u, by, ratio):
    """The operator as Lemhadri et al. (2021), algorithm 2, have it; v, u of one group."""
    norm = np.linalg.norm(v)
    sizes = np.append(np.sort(np.abs(u))[::-1], 0)
    sums = np.concatenate([[0], np.cumsum(sizes[:-1])])
    n = np.arange(len(sizes))
    shares = np.maximum(0, 1 - (by - ratio * sums) / norm) / (1 + n * ratio**2)
    levels = ratio * shares * norm
    m = np.argmax(sizes <= levels)
    return shares[m] * v, np.sign(u) * np.minimum(np.abs(u), levels[m])


def lassonet(core, n_in=6, n_hidden=40, n_out=3):
    """Steps: hidden, outputs of the hidden layer, skip, sum."""
    return core.Network(
        [
            core.Dense(n_in, n_hidden, "tanh"),
            core.Dense(n_hidden, n_out),
            core.Dense(n_in, n_out, bias=False),
            core.Add(n_out),
        ],
        [(0,), (1,), (0,), (2, 3)],
    )


def hierarchy(core, network, groups, strength, hidden=0, skip=2, ratio=RATIO):
    features = np.concatenate(groups).astype(np.intp)
    ends = np.cumsum([len(group) for group in groups])
    projection = core.Hierarchy(network, skip, hidden, features, ends, ratio)
    projection.strength = strength
    return projection


def parts(network, params):
    """Weights into the hidden layer, and of the skip."""
    first, _, skip, _ = network.param_slices()
    n_in, n_hidden = network.n_in, network.layers[0].n_out
    return params[first][: n_in * n_hidden].reshape(n_in, n_hidden), params[skip].reshape(n_in, -1)


def some_data(network, n=64, seed=0):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n, network.n_in)), rng.normal(size=(n, network.n_out))
    return X, y, rng.normal(size=network.n_params) * 0.3


@pytest.mark.parametrize("n_hidden", [1, 5, 40, 100])
@pytest.mark.parametrize("groups", [[[0], [1], [2], [3], [4], [5]], [[4, 1], [0], [5, 3, 2]]])
@pytest.mark.parametrize("strength", [0.0, 0.5, 20.0])
def test_projection_is_the_published_operator(core, groups, strength, n_hidden):
    """After one update by a gradient that is known."""
    network = lassonet(core, n_hidden=n_hidden)
    X, y, params = some_data(network)
    options = {"params": params, "optimizer": core.SGD(0.0, False), "rate": 0.1}
    loss = core.LOSSES["squared_error"](3)
    free = train(core, network, loss, X, y, **options)
    projection = hierarchy(core, network, groups, strength)
    run = train(core, network, loss, X, y, projections=[projection], **options)
    U, V = parts(network, free.params.astype(float))
    n_gone = 0
    for group in groups:
        v, u = by_sorting(V[group].ravel(), U[group].ravel(), strength * 0.1, RATIO)
        V[group], U[group] = v.reshape(len(group), -1), u.reshape(len(group), -1)
        n_gone += not v.any()
    got = parts(network, run.params)
    tolerance = 1e-12 if np.float64 == core.DTYPE else 1e-5
    np.testing.assert_allclose(got[0], U, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(got[1], V, rtol=tolerance, atol=tolerance)
    for group in groups:  # what is gone is exactly 0, and all at once
        assert got[0][group].any() == got[1][group].any()
    assert strength or not n_gone
    norms = np.array([np.linalg.norm(V[group]) for group in groups])
    np.testing.assert_allclose(projection.norms, norms, rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(projection.presence, norms > 0)
    rest = slice(network.param_slices()[0].start + U.size, network.param_slices()[2].start)
    assert run.params[rest].tobytes() == free.params[rest].tobytes()


def test_a_strong_penalty_takes_all_features_and_a_weak_one_none(core):
    network = lassonet(core)
    X, y, params = some_data(network)
    loss = core.LOSSES["squared_error"](3)
    groups = [[i] for i in range(6)]
    for strength, any_left in ((1e3, False), (1e-3, True)):
        projection = hierarchy(core, network, groups, strength)
        run = train(
            core, network, loss, X, y, params=params, rate=0.1, projections=[projection],
            optimizer=core.SGD(0.0, False), epochs=3,
        )  # fmt: skip
        U, V = parts(network, run.params)
        assert (V.any(axis=1) == any_left).all()
        assert (np.abs(U).max(axis=1) <= RATIO * np.linalg.norm(V, axis=1) * (1 + 1e-5)).all()


def test_without_hidden_layer_it_is_the_group_lasso(core):
    network = core.Network([core.Dense(6, 3)])
    X, y, params = some_data(network)
    loss = core.LOSSES["squared_error"](3)
    options = {"params": params, "optimizer": core.SGD(0.0, False), "rate": 0.1}
    free = train(core, network, loss, X, y, **options).params
    projection = hierarchy(core, network, [[i] for i in range(6)], 4.0, hidden=-1, skip=0)
    got = train(core, network, loss, X, y, projections=[projection], **options).params
    V = free[:18].reshape(6, 3).astype(float)
    V *= np.maximum(0, 1 - 0.4 / np.linalg.norm(V, axis=1, keepdims=True))
    assert (~V.any(axis=1)).any()
    assert V.any()
    np.testing.assert_allclose(got[:18].reshape(6, 3), V, rtol=1e-5, atol=1e-6)
    assert got[18:].tobytes() == free[18:].tobytes()


def test_a_feature_without_skip_weights_leaves(core):
    network = lassonet(core)
    X, y, params = some_data(network)
    X[:, 2] = 0  # no gradient either
    params[network.param_slices()[2]].reshape(6, 3)[2] = 0
    run = train(
        core, network, core.LOSSES["squared_error"](3), X, y, params=params, rate=0.01,
        projections=[hierarchy(core, network, [[i] for i in range(6)], 0.0)],
    )  # fmt: skip
    U, V = parts(network, run.params)
    assert not U[2].any()
    assert not V[2].any()


@pytest.mark.parametrize(("n_hidden", "strength"), [(7, 200.0), (300, 8000.0)])
def test_any_number_of_threads_gives_the_same_bits(core, n_hidden, strength):
    network = lassonet(core, n_in=50, n_hidden=n_hidden)
    X, y, params = some_data(network, n=200)
    groups = [range(i, i + 5) for i in range(0, 50, 5)]
    runs = [
        train(
            core, network, core.LOSSES["squared_error"](3), X, y, params=params, size=size,
            projections=[
                core.MaxNorm(network, 2.0), hierarchy(core, network, groups, strength)
            ],
            optimizer=core.SGD(0.9, False), epochs=3, batch_size=50, shuffle=True,
        )
        for size in (1, 2, 3, 8)
    ]  # fmt: skip
    U, V = parts(network, runs[0].params)
    for group in groups:
        assert np.abs(U[group]).max() <= RATIO * np.linalg.norm(V[group]) * (1 + 1e-5)
    assert all(run.same_bits(runs[0]) for run in runs[1:])


def test_weights_are_packed_after_the_projection(core):
    """Else the next mini-batch would see those before it."""
    network = lassonet(core)
    X, y, params = some_data(network)
    groups = [[i] for i in range(6)]
    loss = core.LOSSES["squared_error"](3)
    options = {"optimizer": core.SGD(0.0, False), "rate": 0.05}

    def projected(params, projection, **more):
        return train(
            core, network, loss, X, y, params=params, projections=[projection], **options, **more
        ).params

    singly, projection = as_real(core, params), hierarchy(core, network, groups, 3.0)
    for _ in range(3):
        singly = projected(singly, projection)
    at_once = projected(params, hierarchy(core, network, groups, 3.0), epochs=3)
    assert at_once.tobytes() == singly.tobytes()


@pytest.mark.parametrize("strengths", [(0.5, 20.0, 0.0), (0.0, 5.0, 60.0), (3.0, 3.0, 3.0)])
def test_the_level_before_does_not_matter(core, strengths):
    """It is where the search for the next one begins, too high or too low."""
    network = lassonet(core, n_hidden=600)
    X, y, params = some_data(network)
    groups = [[4, 1], [0], [5, 3, 2]]
    options = {"optimizer": core.SGD(0.0, False), "rate": 0.05}
    used = hierarchy(core, network, groups, 0.0)
    for strength in strengths:
        used.strength = strength
        runs = [
            train(
                core, network, core.LOSSES["squared_error"](3), X, y, params=params,
                projections=[projection], **options,
            )
            for projection in (used, hierarchy(core, network, groups, strength))
        ]  # fmt: skip
        tolerance = 1e-12 if np.float64 == core.DTYPE else 1e-5
        np.testing.assert_allclose(runs[0].params, runs[1].params, rtol=tolerance, atol=tolerance)
        params = runs[1].params + 0.1 * as_real(core, np.sign(params))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"skip": 3}, "step 3 must be dense, of 6 columns"),
        ({"hidden": 1}, "step 1 must be dense, of 6 columns"),
        ({"groups": [[0, 1, 2, 3, 4, 4]]}, "each feature must be in one group"),
        ({"groups": [[0, 1, 2, 3, 4, 5], []]}, "groups must have features and end at 6"),
        ({"ratio": 0.0}, "ratio must be above 0"),
    ],
)
def test_errors(core64, change, match):
    options = {"groups": [[i] for i in range(6)], "strength": 1.0} | change
    with pytest.raises(ValueError, match=match):
        hierarchy(core64, lassonet(core64), **options)


def test_errors_of_projections(core64):
    network = lassonet(core64)
    with pytest.raises(ValueError, match="max_norm must be above 0, got 0"):
        core64.MaxNorm(network, 0)
    with pytest.raises(ValueError, match="projections must be at most 2"):
        core64.Restraints(projections=[core64.MaxNorm(network, 1.0)] * 3)
    with pytest.raises(TypeError, match="projections must hold a Projection each"):
        core64.Restraints(projections=[1.0])
