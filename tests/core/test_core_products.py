"""Matrix products: right for every shape, and the same bits for a row wherever it stands."""

import numpy as np
import pytest
from driver import as_real, make_network, predict, train
from scipy import sparse

ROWS = (1, 2, 5, 6, 7, 17, 33, 96, 97, 129, 200)
SIZES = (1, 2, 5, 6, 7, 15, 16, 17, 31, 32, 33, 129)


def random_sparse(rng, n, m, density=0.3):
    """A CSR array with empty rows and columns and its sorted indices."""
    X = rng.normal(size=(n, m))
    X[rng.random(X.shape) > density] = 0
    X[::4] = 0
    X[:, 1::5] = 0
    return sparse.csr_array(X)


def bound(core, A, B):
    """What rounding may do to A @ B, where the terms are summed in any order."""
    return 2 * A.shape[1] * np.finfo(core.DTYPE).eps * (np.abs(A) @ np.abs(B)) + 1e-300


@pytest.mark.parametrize("k", SIZES)
def test_forward_product(core, k):
    rng = np.random.default_rng(k)
    for n in ROWS:
        for m in SIZES:
            X, W = rng.normal(size=(n, k)), rng.normal(size=(k, m))
            X, W, b = as_real(core, X), as_real(core, W), as_real(core, rng.normal(size=m))
            network = core.Network([core.Dense(k, m)])
            Y = predict(core, network, X, np.r_[W.ravel(), b])
            X, W = np.c_[X, np.ones(n)].astype(float), np.vstack([W, b]).astype(float)
            assert (np.abs(Y - X @ W) <= bound(core, X, W)).all(), (n, k, m)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("k", SIZES)
def test_gradient_products(core, k, form):
    """dW = X.T dY and dX = dY W.T, by sums in double and by packed products."""
    rng = np.random.default_rng(k)
    for n in (1, 2, 7, 33, 129, 300):
        for m in (1, 5, 16, 33, 129):
            network = core.Network([core.Dense(k, m)], input_gradient=True)
            X, W = as_real(core, rng.normal(size=(n, k))), as_real(core, rng.normal(size=(k, m)))
            X[rng.random(X.shape) < 0.3] = 0
            dX = np.full(X.shape, np.nan, core.DTYPE)
            y = as_real(core, rng.integers(0, 2, (n, m)))
            # Squared error at zero outputs: dY = -y, exactly.
            run = train(
                core, network, core.LOSSES["squared_error"](m), form(X), y,
                params=np.zeros(network.n_params), total_weight=1,
            )  # fmt: skip
            X, W, y = X.astype(float), W.astype(float), y.astype(float)
            dW, db = run.moments[0, :-m].reshape(k, m), run.moments[0, -m:]
            assert (np.abs(dW + X.T @ y) <= bound(core, X.T, y)).all(), (n, k, m)
            assert (db == -y.sum(axis=0)).all()

            # Once more at weights W, for the gradient of X.
            run = train(
                core, network, core.LOSSES["squared_error"](m), form(as_real(core, X)), y,
                params=np.r_[W.ravel(), np.zeros(m)], total_weight=1, input_gradient=dX,
            )  # fmt: skip
            dY = X @ W - y
            slack = bound(core, X, W) @ np.abs(W.T) + bound(core, dY, W.T)
            assert (np.abs(dX - dY @ W.T) <= slack).all(), (n, k, m)


@pytest.mark.parametrize(
    "kind", ["Dense", "PositionDense", "Dropout", "LayerNorm", "BatchNorm", "Add"]
)
def test_a_row_has_the_same_bits_anywhere(core, kind):
    rng = np.random.default_rng(0)
    network = make_network(core, kind, 21, 3, width=39)
    X = as_real(core, rng.normal(size=(211, 21)))
    params = rng.normal(size=network.n_params)
    together = predict(core, network, X, params, link="softmax")
    for i in (*range(14), 94, 95, 96, 97, 98, 209, 210):
        assert (predict(core, network, X[i : i + 1], params, link="softmax") == together[i]).all()
    for n in range(1, 14):
        assert (predict(core, network, X[:n], params, link="softmax") == together[:n]).all()
        assert (predict(core, network, X[n:], params, link="softmax") == together[n:]).all()
    order = rng.permutation(211)
    assert (predict(core, network, X[order], params, link="softmax") == together[order]).all()
    for size in (2, 3, 8):
        assert (predict(core, network, X, params, link="softmax", size=size) == together).all()


@pytest.mark.parametrize("k", [1, 6, 33, 129])
def test_csr_has_the_bits_of_dense(core, k):
    rng = np.random.default_rng(k)
    for n in (1, 4, 7, 33, 200):
        for m in (1, 5, 16, 33):
            X = random_sparse(rng, n, k)
            network = core.Network([core.Dense(k, m, "tanh"), core.Dense(m, 2)])
            assert network.takes_sparse
            params = rng.normal(size=network.n_params)
            dense = predict(core, network, X.toarray(), params)
            assert (predict(core, network, X, params) == dense).all(), (n, k, m)


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("k", [1, 6, 33, 129])
def test_training_on_csr_has_the_bits_of_dense(core, k, weighted):
    rng = np.random.default_rng(k)
    for n in (1, 4, 7, 33, 200):
        for m in (1, 5, 16, 33):
            X, y = random_sparse(rng, n, k), rng.normal(size=(n, 2))
            w = rng.uniform(0.5, 2, n) if weighted else None
            network = core.Network([core.Dense(k, m, "tanh"), core.Dense(m, 2)])
            params, loss = rng.normal(size=network.n_params), core.LOSSES["squared_error"](2)
            runs = [
                train(core, network, loss, form, y, w, params=params, optimizer=core.SGD(),
                      epochs=2)
                for form in (X, X.toarray())
            ]  # fmt: skip
            assert runs[0].same_bits(runs[1]), (n, k, m)


@pytest.mark.parametrize("m", [1, 5, 16, 33, 70])
@pytest.mark.parametrize("k", [1, 6, 33, 129])
def test_an_order_has_the_bits_of_rows_put_in_that_order(core, k, m):
    """Whether the layer reads the rows where they stand or gets a copy."""
    rng = np.random.default_rng(k)
    loss = core.LOSSES["squared_error"](2)
    for n, batch_size in ((7, 3), (100, 70), (205, 205), (700, 300)):
        X, y = rng.normal(size=(n, k)), rng.normal(size=(n, 2))
        network = core.Network([core.Dense(k, m, "tanh"), core.Dense(m, 2)])
        params = rng.normal(size=network.n_params)
        options = {"params": params, "optimizer": core.SGD(), "batch_size": batch_size}
        shuffled = train(core, network, loss, X, y, shuffle=True, **options)
        order = core.epoch_order(n, 0)
        plain = train(core, network, loss, X[order], y[order], **options)
        assert shuffled.same_bits(plain), (n, batch_size)


def test_csr_without_entries(core):
    network = core.Network([core.Dense(3, 2)])
    X = sparse.csr_array((5, 3))
    assert (predict(core, network, X, np.arange(8.0)) == [6, 7]).all()
    run = train(
        core, network, core.LOSSES["squared_error"](2), X, np.zeros((5, 2)), params=np.ones(8)
    )
    assert run.moments.tolist() == [[0, 0, 0, 0, 0, 0, 1, 1]]


def test_duplicate_entries_of_csr_are_summed(core):
    data, indices, indptr = np.array([1.0, 2, 3, 4, 5]), np.array([0, 2, 2, 1, 1]), [0, 3, 3, 5]
    X = sparse.csr_array((data, indices, np.array(indptr)), shape=(3, 4))
    rng = np.random.default_rng(0)
    y = rng.normal(size=(3, 5))
    for first in (core.Dense(4, 5), core.PositionDense(4, 5, 1)):
        network = core.Network([first])
        params = rng.normal(size=network.n_params)
        expected = predict(core, network, X.toarray(), params)
        np.testing.assert_allclose(predict(core, network, X, params), expected, rtol=2e-6)
        for repeats in (1, 700):  # sums in double, and products
            form = [sparse.vstack([X] * repeats, format="csr"), np.tile(X.toarray(), (repeats, 1))]
            runs = [
                train(core, network, core.LOSSES["squared_error"](5), Z, np.tile(y, (repeats, 1)),
                      params=params)
                for Z in form
            ]  # fmt: skip
            assert runs[0].moments.any()
            np.testing.assert_allclose(runs[0].moments, runs[1].moments, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["PositionDense", "Dropout", "LayerNorm", "BatchNorm", "Add"])
def test_csr_is_made_dense_for_layers_that_do_not_take_it(core, kind):
    rng = np.random.default_rng(0)
    X = random_sparse(rng, 130, 12)
    network = make_network(core, kind, 12, 2)
    assert not network.takes_sparse
    params = rng.normal(size=network.n_params)
    assert (
        predict(core, network, X, params, size=2) == predict(core, network, X.toarray(), params)
    ).all()
    y = rng.normal(size=(130, 2))
    for shuffle in (False, True):
        runs = [
            train(core, network, core.LOSSES["squared_error"](2), form, y, params=params,
                  optimizer=core.Adam(), epochs=2, batch_size=40, shuffle=shuffle)
            for form in (X, X.toarray())
        ]  # fmt: skip
        assert runs[0].same_bits(runs[1])


def test_no_rows(core):
    with pytest.raises(ValueError, match="at least one row and one column, got 0, 3"):
        core.Data(np.empty((0, 3), core.DTYPE))


# (n, k, m): a dense layer sums its gradients in double, by blocks of rows, or by tiles of W.
WAYS = {"double": (40, 6, 5), "blocks": (200, 30, 20), "tiles": (170, 150, 140)}


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("part", [1, 0.6], ids=["one batch", "two batches"])
@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_sum_gradients(core, way, part, form, weighted):
    n, k, m = WAYS[way]
    rng = np.random.default_rng(n)
    X, y = random_sparse(rng, n, k).toarray(), rng.normal(size=(n, m))
    w = rng.uniform(0.5, 2, n) if weighted else None
    W = rng.normal(size=(k, m)) / 4
    params = np.r_[W.ravel(), np.zeros(m)]
    network, loss = core.Network([core.Dense(k, m)]), core.LOSSES["squared_error"](m)
    runs = [
        train(core, network, loss, form(X), y, w, params=params, size=size, total_weight=1.0,
              batch_size=int(part * n))
        for size in (1, 3)
    ]  # fmt: skip
    assert runs[0].same_bits(runs[1])
    X, y, W = (np.float64(as_real(core, array)) for array in (X, y, W))
    dZ = X @ W - y
    if weighted:
        dZ *= np.float64(as_real(core, w))[:, None]
    expected = np.r_[(X.T @ dZ).ravel(), dZ.sum(axis=0)]
    scale = np.r_[(np.abs(X).T @ np.abs(dZ)).ravel(), np.abs(dZ).sum(axis=0)].max()
    error = np.abs(runs[0].moments[0] - expected).max() / scale
    assert error < 200 * np.finfo(core.DTYPE).eps
