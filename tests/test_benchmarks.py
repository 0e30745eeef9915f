"""The benchmarks run, on little data, and their competitors do what is said of them."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sknet import _core

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def test_each_says_what_it_does(monkeypatch):
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)  # a script finds what lies beside it
    scripts = sorted(BENCHMARKS.glob("bench_*.py"))
    assert len(scripts) == 17
    for script in scripts:
        text = subprocess.check_output([sys.executable, script, "--help"], text=True)
        assert f"benchmarks/{script.name}" in text


def test_a_failing_competitor_is_told_by_its_error(load):
    common = load("common")
    with pytest.raises(RuntimeError, match=r"the product failed(.|\n)*no-such-dtype"):
        common.compete({"the product": (common.gemm, ("no-such-dtype", 2))}, turns=1)


def test_saved_tables_stay(load, monkeypatch, tmp_path):
    common = load("common")
    monkeypatch.setattr(common, "RESULTS", tmp_path)
    for number in range(3):
        report = common.Report("bench_nothing", [], save=True)
        report.say(f"run {number}")
        report.close()
    texts = {path.name[11:]: path.read_text() for path in tmp_path.iterdir()}
    assert sorted(texts) == ["bench_nothing.md", "bench_nothing_2.md", "bench_nothing_3.md"]
    assert all("run 1" in text for name, text in texts.items() if "_2" in name)
    assert all(f" ({_core.cpu_level()}), " in text for text in texts.values())


def test_turns_wait_for_a_quiet_host(load, monkeypatch):
    host = load("host")
    now = [0.0]
    monkeypatch.setattr(host.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(host.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    looks = []
    quiet, disturbed = [1.0, 1.05], [1.0, 1.2]
    ours = host.Host()
    monkeypatch.setattr(ours, "look", lambda: looks.pop(0))

    looks[:] = [quiet, quiet]
    assert ours.alone(lambda: "at once") == "at once"
    assert (ours.n_turns, ours.n_alone, now[0]) == (1, 1, 0)
    looks[:] = [disturbed, disturbed, quiet, disturbed]
    assert ours.alone(lambda: len(looks)) == 1  # after two pauses; the last look comes behind it
    assert (ours.n_turns, ours.n_alone) == (2, 1)
    assert now[0] == pytest.approx(2 * host.PAUSE)
    looks[:] = [disturbed] * 100
    begin = now[0]
    assert ours.alone(lambda: "at last", patience=1.0) == "at last"
    assert now[0] - begin == pytest.approx(1.0, abs=2 * host.PAUSE)
    assert (ours.n_turns, ours.n_alone) == (3, 1)
    for waited in (0.5, 0.25, 0.125, 0.125):  # less and less on a busy host
        looks[:] = [disturbed] * 100
        begin = now[0]
        ours.alone(lambda: None, patience=1.0)
        assert now[0] - begin == pytest.approx(waited, abs=host.PAUSE)
    looks[:] = [quiet, quiet]
    ours.alone(lambda: None, patience=1.0)
    looks[:] = [disturbed] * 100
    begin = now[0]
    ours.alone(lambda: None, patience=1.0)
    assert now[0] - begin == pytest.approx(1.0, abs=2 * host.PAUSE)
    assert "in 2 of 9 turns" in str(ours)
    looks[:] = [[0.8, 1.0], quiet, quiet]  # one lucky loop does not make all others slow
    ours.is_quiet()
    ours.alone(lambda: None)
    assert (ours.n_turns, ours.n_alone) == (10, 3)


def test_a_look_at_the_host(load):
    ours = load("host").Host()
    seconds = ours.look()
    assert len(seconds) >= 1
    assert all(0 < second < 10 for second in seconds)
    ours.close()


def test_training(load):
    peers, training = load("peers"), load("bench_training")
    workload = peers.Workload(100, 3, (4,), 2, 20, "adam", 2)
    assert workload.flops == 2 * 100 * 2 * (3 * 4 + 4 + 4 + 4 + 3 * 4)
    compared = {"scikit-learn": peers.PEERS["scikit-learn"]}
    ours, product, products, theirs = training.measure(workload, "float32", compared, 1, 1)
    assert ours.shape == product.shape == products.shape == theirs["scikit-learn"].shape == (1,)
    assert 0 < ours < theirs["scikit-learn"]


@pytest.mark.parametrize("n_samples", [100, 110, 7])
def test_products(load, monkeypatch, n_samples):
    """All that the operations of a workload stand for, the last mini-batch being smaller."""
    peers = load("peers")
    workload = peers.Workload(n_samples, 3, (4, 5), 2, 20, "adam", 2)
    flops, matmul = [], np.matmul

    def counted(A, B, out):
        flops.append(2 * A.shape[0] * A.shape[1] * B.shape[1])
        return matmul(A, B, out=out)

    monkeypatch.setattr(np, "matmul", counted)
    peers.make_products(workload, "float32")()
    assert sum(flops) == workload.flops


def test_regularisers(load):
    peers, regularisers = load("peers"), load("bench_regularisers")
    workload = peers.Workload(300, 3, (4,), 2, 100, "adam", 2)
    seconds = regularisers.measure(regularisers.OPTIONS[:2], 3, workload)
    assert seconds.shape == (3, 3)
    assert (seconds > 0).all()


def test_explorers(load):
    peers, explorers = load("peers"), load("bench_explorers")
    workload = peers.Workload(300, 3, (4,), 2, 100, "adam", 2)
    seconds = explorers.measure(workload, [(2, 1), (4, 2)], 3)
    assert seconds.shape == (3, 3)
    assert (seconds > 0).all()


def test_importances(load):
    importances = load("bench_importances")
    X = np.random.default_rng(0).normal(size=(300, 3))
    spent = importances.measure({"max_iter": 2}, X, X[:, 0] > 0, 2)
    assert len(spent) > 2
    assert (spent[:, 0] > 0).all()
    assert (spent[:, 0] < spent[:, 1]).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_feature_selection(load):
    selection = load("bench_feature_selection")
    accuracies, seconds, *_ = selection.measure("digits", 10, seed=0, with_peer=False)
    assert 0.8 < min(accuracies) < max(accuracies) < 0.99
    assert min(seconds) > 0  # what is left for the path, too


@pytest.mark.parametrize("kind", ["linear", "cubic", "additive"])
def test_simulated_tables(load, kind):
    X, y, matters = load("bench_knockoffs").simulate(kind, seed=0)
    assert X.shape == (1000, 100)
    assert matters.sum() == 20
    neighbours = np.corrcoef(X.T)[np.arange(99), np.arange(1, 100)]
    assert abs(neighbours.mean() - 0.5) < 0.02
    # Curves of the columns that matter tell most of y, of the others nothing.
    curves = [np.hstack([f(X[:, part]) for f in (np.array, np.abs, np.sin)])
              for part in (matters, ~matters)]  # fmt: skip
    told, untold = (1 - np.linalg.lstsq(c, y, rcond=None)[1][0] / len(y) for c in curves)
    assert told > 0.4
    assert untold < told - 0.1


def test_uci(load, monkeypatch):
    uci = load("bench_uci")
    rng = np.random.default_rng(0)
    X = rng.normal(5, 3, size=(300, 3))
    y = 100 + 10 * X[:, 0] + rng.normal(size=300)
    monkeypatch.setattr(load("bench_generalisation"), "LEAST_UPDATES", 500)
    rmse, coverage = uci.measure(X, y, np.arange(300) < 60, seed=0)
    assert 0.8 < rmse < 3
    assert 0.75 < coverage <= 1


@pytest.mark.parametrize("name", ["bench_uci", "bench_images"])
def test_data_that_is_not_there(load, name, monkeypatch, capsys):
    monkeypatch.delenv("SKNET_DATA", raising=False)
    monkeypatch.setattr("sys.argv", [name])
    load(name).main()
    assert "Not measured: SKNET_DATA must name the folder" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_generalisation(load, monkeypatch):
    generalisation, real_data = load("bench_generalisation"), load("real_data")
    monkeypatch.delenv("SKNET_DATA", raising=False)
    assert set(real_data.tables()) == set(real_data.EMBEDDED)
    for name, has_classes in (("wine", True), ("diabetes", False)):
        measured = generalisation.measure(name, has_classes, 2)
        assert list(measured) == ["scikit-learn", "sknet", "sknet, 5 starts"]
        for found in measured.values():
            assert found.shape == (2, 2)
            assert (found >= 0).all()
        X, y, X_test, y_test = real_data.split(name, 3)
        assert np.allclose(X.mean(axis=0), 0)
        assert np.allclose(X.std(axis=0), 1)
        assert len(X) == len(y) > 3 * len(X_test) == 3 * len(y_test)


def test_the_recommended_setting_is_the_readmes(load):
    generalisation = load("bench_generalisation")
    text = (BENCHMARKS.parent / "README.md").read_text(encoding="utf-8")
    code = next(part for part in text.split("```")[1::2] if "n_starts=5" in part)
    names = {}
    exec(code.removeprefix("python\n").split("net.fit(")[0], names)
    expected = generalisation.SETTING | generalisation.FOR_CLASSES | generalisation.ENSEMBLE
    given = names["net"].get_params(deep=False)
    default = type(names["net"])().get_params(deep=False)
    assert {n: repr(v) for n, v in given.items() if repr(v) != repr(default[n])} == {
        name: repr(value) for name, value in expected.items()
    }


@pytest.mark.parametrize("name", ["scikit-learn", "torch", "skorch", "JAX"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_peers_train_the_same_network(load, monkeypatch, name, solver, n_classes):
    """From other starting points, but the loss on the training data falls as far."""
    peers = load("peers")
    peer = peers.PEERS[name]
    pytest.importorskip(peer.module)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1010, 5)).astype(np.float32)
    y = np.arange(1010) % n_classes
    X[:, 0] += 3 * y
    monkeypatch.setattr(peers.Workload, "data", lambda *_: (X, y))
    workload = peers.Workload(1010, 5, (50,), n_classes, 20, solver, 10)
    ours = training_loss(peers.make_sknet(workload, "float32", 1)(), X, y)
    theirs = training_loss(peer.make(workload, "float32", 2)(), X, y)
    assert ours == pytest.approx(theirs, rel=0.25, abs=0.02)
    assert ours < 0.6


def training_loss(fitted, X, y):
    """Log loss of a fitted estimator, a torch module or JAX's parameters."""
    from sklearn.metrics import log_loss

    if hasattr(fitted, "predict_proba"):
        return log_loss(y, fitted.predict_proba(X))
    if isinstance(fitted, tuple):
        raw = X
        for i, (W, b) in enumerate(fitted[0]):
            raw = (np.maximum(raw, 0) if i else raw) @ np.asarray(W) + np.asarray(b)
    else:
        raw = fitted(__import__("torch").from_numpy(X)).detach().numpy()
    if raw.shape[1] == 1:
        raw = np.hstack([np.zeros_like(raw), raw])
    odds = np.exp(raw - raw.max(axis=1, keepdims=True))
    return log_loss(y, odds / odds.sum(axis=1, keepdims=True))


@pytest.mark.filterwarnings("ignore:.*Maximum iterations")
def test_shapes(load):
    shapes = load("bench_shapes")
    assert len(shapes.CASES) == 40
    assert all(shapes.describe(case) for case in shapes.CASES)
    (milliseconds, *ratios) = shapes.measure(shapes.case(n_samples=50, max_iter=2), 1)
    assert milliseconds > 0
    assert min(ratios) > 0
    plain, _ = shapes.with_dropout(0)
    dropping, _ = shapes.with_dropout(0.5)
    X, y = np.random.default_rng(0).standard_normal((50, 3)), np.arange(50) % 2
    losses = [
        estimator((20, 20), max_iter=5, random_state=0, n_iter_no_change=9).fit(X, y).loss_
        for estimator in (plain, dropping)
    ]
    assert losses[0] != losses[1]


def test_memory_sees_a_copy():
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("needs Linux")
    code = (  # in a process of its own, as in the bench: some libraries keep what is freed
        "import bench_memory as memory, numpy as np; memory.reset_peak(); "
        "before = memory.resident('VmRSS'); np.ones(5_000_000); "
        "print(memory.resident('VmHWM') - before)"
    )
    code = f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r}); {code}"
    assert 38e6 < int(subprocess.check_output([sys.executable, "-c", code])) < 60e6


def test_grid_search_scores_are_the_same(load):
    search = load("bench_grid_search")
    assert np.array_equal(
        search.make("sknet", "threading", 1)(), search.make("sknet", "threading", 2)()
    )


def test_sparse_text_without_a_folder(load, monkeypatch):
    monkeypatch.delenv("SKNET_DATA", raising=False)
    X, y = load("bench_sparse").load("float32")
    assert X.shape[0] == len(y)
    assert X.dtype == np.float32
    assert 0 < X.nnz / X.shape[0] < 30
