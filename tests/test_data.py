"""Rows and targets in every form they come in."""

import pickle
import tracemalloc

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, Ridge

from sknet import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6)) * (RNG.random((60, 6)) < 0.6)
CODES = (X @ RNG.normal(size=(6, 3))).argmax(axis=1)
NUMBERS = X @ RNG.normal(size=6)
SOLVERS = pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
BOTH = pytest.mark.parametrize("Estimator", [MLPClassifier, MLPRegressor])


def fitted(Estimator, X, y=None, **params):
    if y is None:
        y = CODES if Estimator is MLPClassifier else NUMBERS
    params = {
        "hidden_layer_sizes": (7,),
        "max_iter": 6,
        "random_state": 0,
        "batch_size": 25,
    } | params
    return Estimator(**params).fit(X, y)


def outputs(net, X):
    return getattr(net, "predict_proba", net.predict)(X)


def assert_same_bits(a, b):
    for name in ("coefs_", "intercepts_"):
        for ours, others in zip(getattr(a, name), getattr(b, name), strict=True):
            assert ours.dtype == others.dtype
            assert_array_equal(ours, others)


def memory_mapped(array, folder):
    joblib.dump(array, folder / "array")
    return joblib.load(folder / "array", mmap_mode="r")


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def misaligned(array):
    raw = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    raw[...] = array
    assert not raw.flags.aligned
    return raw


LAYOUTS = {
    "C": lambda X, folder: np.ascontiguousarray(X),
    "F": lambda X, folder: np.asfortranarray(X),
    "read-only": lambda X, folder: read_only(X),
    "read-only F": lambda X, folder: read_only(np.asfortranarray(X)),
    "memory-mapped": memory_mapped,
    "columns of more": lambda X, folder: np.hstack([X, X])[:, : X.shape[1]],
    "every other": lambda X, folder: np.repeat(np.repeat(X, 2, axis=0), 2, axis=1)[::2, ::2],
    "backwards": lambda X, folder: X[::-1, ::-1].copy()[::-1, ::-1],
    "misaligned": lambda X, folder: misaligned(X),
    "byte-swapped": lambda X, folder: X.astype(X.dtype.newbyteorder()),
    "list": lambda X, folder: X.tolist(),
}


# Dense rows ---------------------------------------------------------------------------------


@BOTH
@SOLVERS
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(Estimator, solver, layout, tmp_path):
    rows = LAYOUTS[layout](X, tmp_path)
    before = np.array(rows)
    net = fitted(Estimator, rows, solver=solver)
    expected = fitted(Estimator, X, solver=solver)
    assert_same_bits(net, expected)
    assert_array_equal(outputs(net, rows), outputs(expected, X))
    assert_array_equal(rows, before)


@BOTH
@SOLVERS
@pytest.mark.parametrize("layout", ["F", "read-only", "every other", "memory-mapped"])
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_layouts_of_other_dtypes(Estimator, solver, layout, dtype, tmp_path):
    rows = (10 * X).astype(dtype)
    expected = fitted(Estimator, rows, solver=solver)
    assert_same_bits(fitted(Estimator, LAYOUTS[layout](rows, tmp_path), solver=solver), expected)


@BOTH
@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8", "bool", "float16", "object"])
def test_dtypes(Estimator, dtype):
    """Computed in float64, as the same numbers of type float64."""
    rows = (abs(X) * 3).astype(dtype)
    net, expected = fitted(Estimator, rows), fitted(Estimator, rows.astype(float))
    assert net.coefs_[0].dtype == np.float64
    assert_same_bits(net, expected)
    assert_array_equal(outputs(net, rows), outputs(expected, rows.astype(float)))


@BOTH
@SOLVERS
def test_float32_stays(Estimator, solver):
    rows = X.astype(np.float32)
    net = fitted(Estimator, rows, solver=solver)
    assert {array.dtype for array in net.coefs_ + net.intercepts_} == {np.dtype(np.float32)}
    assert outputs(net, rows).dtype == np.float32
    double = fitted(Estimator, rows.astype(float), solver=solver, max_iter=3)
    single = fitted(Estimator, rows, solver=solver, max_iter=3)
    assert_allclose(outputs(single, rows), outputs(double, rows), rtol=1e-3, atol=1e-4)


@BOTH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("given", [np.float32, np.float64, np.int64])
def test_dtype_parameter(Estimator, dtype, given):
    rows = (4 * X).round().astype(given)
    net = fitted(Estimator, rows, dtype=dtype)
    assert {array.dtype for array in net.coefs_ + net.intercepts_} == {np.dtype(dtype)}
    assert_same_bits(net, fitted(Estimator, rows.astype(dtype)))
    assert isinstance(net.loss_, float)


@BOTH
@SOLVERS
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_x_is_not_copied(Estimator, solver, container):
    """Neither a C-contiguous array nor a CSR one, in fit or in predict."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20_000, 100)) * (rng.random((20_000, 100)) < 0.5)
    rows = container(rows)
    n_bytes = rows.nbytes if isinstance(rows, np.ndarray) else rows.data.nbytes
    y = np.arange(20_000) % 2
    net = Estimator((3,), solver=solver, max_iter=2, random_state=0, n_threads=2)
    net.fit(rows[:50], y[:50])
    tracemalloc.start()
    try:
        net.fit(rows, y)
        net.predict(rows)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        (2 * rows).sum()
        assert tracemalloc.get_traced_memory()[1] > n_bytes  # a copy would have been seen
    finally:
        tracemalloc.stop()
    assert peak < n_bytes / 2


# Sparse rows --------------------------------------------------------------------------------

CONTAINERS = [sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix, sparse.csc_array]
CONTAINERS += [sparse.coo_array, sparse.lil_matrix]


@BOTH
@SOLVERS
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse(Estimator, solver, container, dtype):
    """The result of dense rows: the same up to the order of sums."""
    dense = X.astype(dtype)
    rows = container(dense)
    net, expected = fitted(Estimator, rows, solver=solver), fitted(Estimator, dense, solver=solver)
    tol = 1e-9 if dtype == np.float64 else 2e-3
    assert net.coefs_[0].dtype == dtype
    for coef, other in zip(net.coefs_ + net.intercepts_, expected.coefs_ + expected.intercepts_):
        assert_allclose(coef, other, rtol=tol, atol=tol)
    for other in (dense, container(dense)):
        assert_allclose(outputs(net, other), outputs(expected, dense), rtol=tol, atol=tol)
    assert_array_equal(rows.toarray(), dense)
    assert_same_bits(net, fitted(Estimator, sparse.csr_array(dense), solver=solver))


@BOTH
def test_sparse_early_stopping_and_weights(Estimator):
    y = CODES if Estimator is MLPClassifier else NUMBERS
    weight = np.where(np.arange(60) % 7 == 0, 0.0, 1.5)
    params = {"early_stopping": True, "validation_fraction": 0.3, "random_state": 0}
    net, expected = (
        Estimator((7,), **params, max_iter=10).fit(rows, y, weight)
        for rows in (sparse.csr_array(X), X)
    )
    assert_allclose(net.validation_scores_, expected.validation_scores_, rtol=1e-9)
    assert_allclose(net.loss_curve_, expected.loss_curve_, rtol=1e-9)


@BOTH
@SOLVERS
def test_sparse_oddities(Estimator, solver):
    """64-bit indices, unsorted ones, explicit zeros, duplicates, empty rows and columns."""
    dense = X.copy()
    dense[::5] = 0
    dense[:, 2] = 0
    clean = sparse.csr_array(dense)
    expected = fitted(Estimator, clean, solver=solver)

    wide = clean.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    assert wide.indices.dtype == np.int64

    unsorted = clean.copy()
    for begin, end in zip(unsorted.indptr, unsorted.indptr[1:]):
        unsorted.indices[begin:end] = unsorted.indices[begin:end][::-1].copy()
        unsorted.data[begin:end] = unsorted.data[begin:end][::-1].copy()
    unsorted.has_sorted_indices = False

    for rows in (wide, unsorted):
        copies = [array.copy() for array in (rows.data, rows.indices, rows.indptr)]
        net = fitted(Estimator, rows, solver=solver)
        assert_same_bits(net, expected)
        assert_array_equal(outputs(net, rows), outputs(expected, clean))
        for array, copy in zip((rows.data, rows.indices, rows.indptr), copies):
            assert_array_equal(array, copy)  # the caller's own arrays are left alone
            assert array.dtype == copy.dtype

    zeros = clean.copy()
    zeros.data[::3] = 0
    net, other = (
        fitted(Estimator, zeros, solver=solver),
        fitted(Estimator, zeros.toarray(), solver=solver),
    )
    assert_allclose(outputs(net, zeros), outputs(other, zeros.toarray()), rtol=1e-9, atol=1e-12)

    twice = sparse.coo_array(
        (
            np.r_[clean.data / 2, clean.data / 2],
            (np.tile(clean.tocoo().row, 2), np.tile(clean.tocoo().col, 2)),
        ),
        shape=clean.shape,
    )
    net = fitted(Estimator, twice, solver=solver)
    assert_allclose(outputs(net, clean), outputs(expected, clean), rtol=1e-9, atol=1e-12)


def test_read_only_sparse():
    rows = sparse.csr_array(X)
    expected = fitted(MLPClassifier, rows)
    for array in (rows.data, rows.indices, rows.indptr):
        array.flags.writeable = False
    assert_same_bits(fitted(MLPClassifier, rows), expected)


def test_wide_sparse_rows_are_not_made_dense():
    rows = sparse.random_array(
        (20_000, 20_000), density=1e-4, format="csr", rng=np.random.default_rng(0)
    )
    y = np.arange(20_000) % 2
    net = MLPClassifier((2,), max_iter=1, random_state=0)
    tracemalloc.start()
    try:
        net.fit(rows, y).predict(rows)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000 * 20_000 * 8 / 30


# Frames -------------------------------------------------------------------------------------

NAMES = list("abcdef")


@BOTH
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(Estimator, library):
    module = pytest.importorskip(library)
    frame = module.DataFrame(dict(zip(NAMES, X.T)))
    y = CODES if Estimator is MLPClassifier else NUMBERS
    net = fitted(Estimator, frame, module.Series(y))
    expected = fitted(Estimator, X)
    assert_same_bits(net, expected)
    assert net.feature_names_in_.tolist() == NAMES
    assert not hasattr(expected, "feature_names_in_")
    assert_array_equal(outputs(net, frame), outputs(expected, X))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        net.predict(X)
    with pytest.warns(UserWarning, match="X has feature names, but MLP.* was fitted without"):
        expected.predict(frame)
    renamed = module.DataFrame(dict(zip(NAMES[::-1], X.T)))
    with pytest.raises(ValueError, match="feature names should match those that were passed"):
        net.predict(renamed)
    assert_array_equal(pickle.loads(pickle.dumps(net)).feature_names_in_, net.feature_names_in_)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_of_mixed_numbers_and_labels(library):
    module = pytest.importorskip(library)
    columns = {"a": (9 * X[:, 0]).astype(int), "b": X[:, 1] > 0, "c": X[:, 2].astype(np.float32)}
    labels = np.array(["no", "yes", "perhaps"])[CODES]
    net = fitted(MLPClassifier, module.DataFrame(columns), module.Series(labels))
    plain = np.column_stack(list(columns.values())).astype(float)
    assert_same_bits(net, fitted(MLPClassifier, plain, labels))
    assert set(net.predict(module.DataFrame(columns))) <= set(labels)


def test_pandas_extension_types_and_early_stopping():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=NAMES).astype("Float64")
    y = pd.Series(np.array(["a", "b", "c"])[CODES], dtype="category", index=range(100, 160))
    net = fitted(MLPClassifier, frame, y, early_stopping=True, validation_fraction=0.2)
    assert net.classes_.tolist() == ["a", "b", "c"]
    expected = fitted(MLPClassifier, X, np.asarray(y), early_stopping=True, validation_fraction=0.2)
    assert_same_bits(net, expected)


# Targets ------------------------------------------------------------------------------------

LABELS = {
    "str": np.array(["cat", "dog", "a mouse"]),
    "object": np.array(["cat", "dog", "mouse"], dtype=object),
    "negative": np.array([-5, 0, 3]),
    "float": np.array([1.0, 2.0, 5.0]),
    "uint8": np.array([3, 200, 255], np.uint8),
    "large": np.array([2**40, 2**50, 2**60]),
}


@SOLVERS
@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_labels(solver, kind, n_classes):
    codes = CODES % n_classes
    labels = np.sort(LABELS[kind])[:n_classes]
    net = fitted(MLPClassifier, X, labels[codes], solver=solver)
    expected = fitted(MLPClassifier, X, codes, solver=solver)
    assert_same_bits(net, expected)
    assert_array_equal(net.classes_, labels)
    assert net.classes_.dtype == labels.dtype
    assert_array_equal(net.predict(X), labels[expected.predict(X)])
    assert net.predict(X).dtype == labels.dtype
    assert net.score(X, labels[codes]) == expected.score(X, codes)
    assert_same_bits(fitted(MLPClassifier, X, labels[codes].tolist(), solver=solver), expected)


def test_boolean_labels():
    net = fitted(MLPClassifier, X, CODES == 1)
    assert net.classes_.dtype == net.predict(X).dtype == bool
    assert_same_bits(net, fitted(MLPClassifier, X, (CODES == 1).astype(int)))


def test_column_of_labels():
    with pytest.warns(UserWarning, match="column-vector y was passed when a 1d array"):
        net = fitted(MLPClassifier, X, CODES[:, None])
    assert_same_bits(net, fitted(MLPClassifier, X, CODES))
    assert net.predict(X).shape == (60,)


@SOLVERS
def test_multilabel(solver):
    Y = np.column_stack([CODES == 0, CODES == 1, X[:, 0] > 0, X[:, 1] > 0]).astype(int)
    net = fitted(MLPClassifier, X, Y, solver=solver)
    assert (net.n_outputs_, net.out_activation_) == (4, "logistic")
    assert net.predict(X).shape == Y.shape
    assert set(np.unique(net.predict(X))) == {0, 1}
    for container in (sparse.csr_matrix, sparse.csc_array):
        assert_same_bits(fitted(MLPClassifier, X, container(Y), solver=solver), net)
    assert_same_bits(fitted(MLPClassifier, X, Y.astype(bool), solver=solver), net)
    assert_same_bits(
        fitted(MLPClassifier, sparse.csr_array(X), Y, solver=solver),
        fitted(MLPClassifier, sparse.csr_array(X), sparse.csr_array(Y), solver=solver),
    )
    alone = fitted(MLPClassifier, X, Y[:, :2], solver=solver, hidden_layer_sizes=(), max_iter=300)
    assert (alone.predict(X) == Y[:, :2]).mean() > 0.5
    assert net.score(X, Y) == (net.predict(X) == Y).all(axis=1).mean()


def test_multilabel_early_stopping_and_partial_fit():
    Y = np.column_stack([CODES == 0, CODES == 1, X[:, 0] > 0]).astype(int)
    net = fitted(MLPClassifier, X, Y, early_stopping=True, validation_fraction=0.3)
    assert len(net.validation_scores_) == net.n_iter_
    whole = fitted(MLPClassifier, X, Y, max_iter=3)
    parts = MLPClassifier((7,), random_state=0, batch_size=25)
    for _ in range(3):
        parts.partial_fit(X, Y, classes=[0, 1, 2])
    assert_same_bits(parts, whole)


@SOLVERS
@pytest.mark.parametrize("n_outputs", [2, 5])
def test_several_outputs(solver, n_outputs):
    Y = X @ RNG.normal(size=(6, n_outputs))
    net = fitted(MLPRegressor, X, Y, solver=solver)
    assert net.predict(X).shape == (60, n_outputs)
    assert net.n_outputs_ == n_outputs
    for rows in (np.asfortranarray(Y), Y.tolist(), read_only(Y)):
        assert_same_bits(fitted(MLPRegressor, X, rows, solver=solver), net)


def test_dtype_of_y():
    for dtype in (np.float32, np.int64, bool, object):
        y = np.round(NUMBERS).astype(dtype)
        assert_same_bits(fitted(MLPRegressor, X, y), fitted(MLPRegressor, X, y.astype(float)))


def test_column_of_numbers():
    with pytest.warns(UserWarning, match="column-vector y was passed when a 1d array"):
        net = fitted(MLPRegressor, X, NUMBERS[:, None])
    assert net.predict(X).shape == (60,)
    assert_same_bits(net, fitted(MLPRegressor, X, NUMBERS))


# The network --------------------------------------------------------------------------------


def test_no_hidden_layer_is_the_linear_model():
    params = {"solver": "lbfgs", "tol": 1e-9, "max_iter": 1000, "random_state": 0}
    net = MLPRegressor((), alpha=2.0, **params).fit(X, NUMBERS)
    ridge = Ridge(alpha=2.0).fit(X, NUMBERS)
    assert len(net.coefs_) == 1
    assert net.n_layers_ == 2
    assert_allclose(net.predict(X), ridge.predict(X), atol=1e-3)
    rows, y = load_iris(return_X_y=True)
    for labels in (y == 2, y):
        net = MLPClassifier((), alpha=1.0, **params).fit(rows, labels)
        theirs = LogisticRegression(C=1.0, tol=1e-9, max_iter=1000).fit(rows, labels)
        assert_allclose(net.predict_proba(rows), theirs.predict_proba(rows), atol=1e-3)


@pytest.mark.parametrize("sizes", [[], (), np.array([], int)])
def test_forms_of_no_hidden_layer(sizes):
    assert [coef.shape for coef in fitted(MLPRegressor, X, hidden_layer_sizes=sizes).coefs_] == [
        (6, 1)
    ]


def test_forms_of_hidden_layer_sizes():
    expected = fitted(MLPRegressor, X, hidden_layer_sizes=(7,))
    for sizes in (7, [7], np.array([7]), np.int64(7), (np.int32(7),)):
        assert_same_bits(fitted(MLPRegressor, X, hidden_layer_sizes=sizes), expected)
    net = fitted(MLPClassifier, X, hidden_layer_sizes=(5, 4, 3, 2))
    assert [coef.shape for coef in net.coefs_] == [(6, 5), (5, 4), (4, 3), (3, 2), (2, 3)]
    assert [intercept.shape for intercept in net.intercepts_] == [(5,), (4,), (3,), (2,), (3,)]


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_can_be_set(Estimator, dtype):
    net, other = (
        fitted(Estimator, X.astype(dtype)),
        fitted(Estimator, X.astype(dtype), random_state=1),
    )
    rows = X.astype(dtype)
    expected = outputs(other, rows)
    assert (outputs(net, rows) != expected).any()

    def copies(arrays):
        return [array.copy() for array in arrays]

    whole = fitted(Estimator, rows)
    whole.coefs_, whole.intercepts_ = copies(other.coefs_), copies(other.intercepts_)
    in_place, by_item = fitted(Estimator, rows), fitted(Estimator, rows)
    for name in ("coefs_", "intercepts_"):
        for i, array in enumerate(getattr(other, name)):
            getattr(in_place, name)[i][...] = array
            getattr(by_item, name)[i] = array.copy()
    for changed in (whole, in_place, by_item):
        assert_array_equal(outputs(changed, rows), expected)
        assert_array_equal(outputs(pickle.loads(pickle.dumps(changed)), rows), expected)
        assert_same_bits(changed, other)
    whole.coefs_[0][...] = 0  # in place after setting, too
    assert (outputs(whole, rows) != expected).any()
    assert_array_equal(
        outputs(whole, rows), np.tile(outputs(whole, rows)[:1], (60,) + (1,) * (expected.ndim - 1))
    )
    if Estimator is MLPRegressor:
        by_item.intercepts_[-1] += 1
        assert_allclose(outputs(by_item, rows), expected + 1, rtol=1e-5)


@SOLVERS
def test_training_goes_on_from_set_weights(solver):
    net = fitted(MLPRegressor, X, solver=solver, warm_start=True)
    other = fitted(MLPRegressor, X, solver=solver, random_state=5, max_iter=300)
    loss = other.loss_
    net.coefs_, net.intercepts_ = list(other.coefs_), list(other.intercepts_)
    net.set_params(max_iter=1, learning_rate_init=1e-6).fit(X, NUMBERS)
    assert net.loss_ == pytest.approx(loss, rel=0.1)
    assert len(fitted(MLPRegressor, X, solver=solver).coefs_) == 2
    assert abs(fitted(MLPRegressor, X, solver=solver, max_iter=1).loss_ - loss) > 0.2 * loss
    assert_array_equal(
        other.coefs_[0],
        fitted(MLPRegressor, X, solver=solver, random_state=5, max_iter=300).coefs_[0],
    )


def test_one_row_and_one_column():
    net = fitted(MLPRegressor, X[:1], NUMBERS[:1], batch_size="auto")
    assert net.predict(X[:1]).shape == (1,)
    net = fitted(MLPClassifier, X[:, :1], CODES)
    assert net.predict_proba(X[:3, :1]).shape == (3, 3)
    assert net.predict(X[:1, :1]).shape == (1,)
