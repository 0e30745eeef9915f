"""Every error of the core's border, by its text."""

import subprocess
import sys

import numpy as np
import pytest
from driver import make_data

from sknet import _core


def csr(core, data, indices, indptr):
    return (np.array(data, core.DTYPE), np.array(indices, np.intc), np.array(indptr))


def real(core, *shape):
    return np.zeros(shape, core.DTYPE)


class Parts:
    """All that a Trainer and a Predictor take, for a network from 3 to 2 columns."""

    def __init__(self, core):
        self.core = core
        self.network = core.Network([core.Dense(3, 4), core.BatchNorm(4), core.Dense(4, 2)])
        self.loss = core.LOSSES["squared_error"](2)
        self.optimizer = core.Adam()
        self.data = make_data(core, np.ones((5, 3)), np.ones((5, 2)))
        self.params = real(core, self.network.n_params)
        self.state = self.network.initial_state()
        self.moments = real(core, 2, self.network.n_params)

    def trainer(self, *, batch_size=2, input_gradient=None, **changed):
        parts = vars(self) | changed
        names = ("network", "loss", "optimizer", "data", "params", "state", "moments")
        return self.core.Trainer(
            *(parts[name] for name in names), batch_size=batch_size, input_gradient=input_gradient
        )

    def predictor(self, **changed):
        parts = {"out": real(self.core, 5, 2), "link": None} | vars(self) | changed
        names = ("network", "data", "params", "state", "out", "link")
        return self.core.Predictor(*(parts[name] for name in names))


@pytest.fixture
def parts(core):
    return Parts(core)


def test_the_parts_fit(parts):
    """Or else no error below would say anything."""
    parts.trainer()
    parts.predictor()


def test_data_csr_arrays(core):
    with pytest.raises(ValueError, match="data, indices and indptr of X do not fit together"):
        core.Data(csr(core, [1, 2], [0], [0, 1]), n_features=3)
    with pytest.raises(ValueError, match="data, indices and indptr of X do not fit together"):
        core.Data(csr(core, [1], [0], [0, 2]), n_features=3)


def test_data_rows(core):
    X = real(core, 5, 3)
    with pytest.raises(ValueError, match="y has 4 rows, X has 5"):
        core.Data(X, real(core, 4, 1))
    with pytest.raises(ValueError, match="weight has 6 rows, X has 5"):
        core.Data(X, real(core, 5, 1), real(core, 6))


@pytest.mark.parametrize("which", ["X", "y", "weight", "csr"])
def test_data_dtype(core, which):
    other = np.dtype(np.float32 if np.float64 == core.DTYPE else np.float64)
    arrays = {"X": real(core, 5, 3), "y": real(core, 5, 1), "weight": real(core, 5)}
    if which == "csr":
        data, indices, indptr = csr(core, [1], [0], [0, 1])
        arrays = {"X": (data.astype(other), indices, indptr)}
    else:
        arrays[which] = arrays[which].astype(other)
    with pytest.raises(ValueError, match="Buffer dtype mismatch"):
        core.Data(**arrays)


def test_layers(core):
    for rate in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match=rf"rate must be in \[0, 1\), got {rate}"):
            core.Dropout(3, rate)
    with pytest.raises(ValueError, match="n_in must be a multiple of n_positions=2, got 5"):
        core.PositionDense(5, 3, 2)


def test_elementary_name(core):
    with pytest.raises(ValueError, match=r"name must be 'exp', .*, got 'sin'"):
        core.elementary("sin", real(core, 1))


@pytest.mark.parametrize(
    ("sizes", "inputs", "message"),
    [
        ([], None, "layers must not be empty"),
        ([(3, 4), (5, 2)], None, "step 1 expects 5 columns, slot 1 has 4"),
        ([(3, 3)], [()], r"step 0 must read 1 slots, got \(\)"),
        ([(3, 3)], [(0, 0, 0)], r"step 0 must read 1 slots, got \(0, 0, 0\)"),
        ([(3, 3)], [(1,)], "step 0 reads slot 1, which is not written before it"),
        ([(3, 3), (3, 3)], [(0,), (-1,)], "step 1 reads slot -1, which is not written before it"),
        ([(3, 3), (3, 3)], [(0,), (0,)], r"nothing reads slots \[1\]"),
    ],
)
def test_network(core, sizes, inputs, message):
    with pytest.raises(ValueError, match=message):
        core.Network([core.Dense(*size) for size in sizes], inputs)


def test_trainer_sizes(core, parts):
    with pytest.raises(ValueError, match="X has 4 columns, the network takes 3"):
        parts.trainer(data=make_data(core, np.ones((5, 4)), np.ones((5, 2))))
    with pytest.raises(ValueError, match="outputs, the loss and y do not fit together"):
        parts.trainer(loss=core.LOSSES["squared_error"](3))
    with pytest.raises(ValueError, match="outputs, the loss and y do not fit together"):
        parts.trainer(data=make_data(core, np.ones((5, 3)), np.ones((5, 1))))
    with pytest.raises(ValueError, match="outputs, the loss and y do not fit together"):
        parts.trainer(data=make_data(core, np.ones((5, 3))))
    with pytest.raises(ValueError, match="params and state must have"):
        parts.trainer(params=parts.params[1:])
    with pytest.raises(ValueError, match="params and state must have"):
        parts.trainer(state=parts.state[1:])
    for moments in (parts.moments[:1], parts.moments[:, 1:].copy()):
        with pytest.raises(ValueError, match=r"moments must have shape \(optimizer.n_moments"):
            parts.trainer(moments=moments)
    with pytest.raises(ValueError, match="the rows of moments must be contiguous"):
        parts.trainer(moments=np.repeat(parts.moments, 2, axis=1)[:, ::2])
    for batch_size in (0, -1):
        with pytest.raises(ValueError, match=f"batch_size must be at least 1, got {batch_size}"):
            parts.trainer(batch_size=batch_size)


def test_trainer_input_gradient(core, parts):
    message = "input_gradient needs a network made for it and the shape of X"
    with pytest.raises(ValueError, match=message):
        parts.trainer(input_gradient=real(core, 5, 3))
    parts.network = core.Network(parts.network.layers, input_gradient=True)
    for shape in ((4, 3), (5, 2)):
        with pytest.raises(ValueError, match=message):
            parts.trainer(input_gradient=real(core, *shape))
    trainer = parts.trainer(input_gradient=real(core, 5, 3))
    with pytest.raises(ValueError, match="input_gradient needs shuffle=False"):
        trainer.set_epochs(np.zeros(3), 0, 0, shuffle=True)


def test_trainer_set_epochs(parts):
    trainer = parts.trainer()
    with pytest.raises(ValueError, match="learning_rates must have 3 elements"):
        trainer.set_epochs(np.zeros(2), 0, 0)


def test_predictor(core, parts):
    with pytest.raises(ValueError, match="X has 4 columns, the network takes 3"):
        parts.predictor(data=make_data(core, np.ones((5, 4))))
    with pytest.raises(ValueError, match="params and state must have"):
        parts.predictor(params=parts.params[1:])
    with pytest.raises(ValueError, match="params and state must have"):
        parts.predictor(state=parts.state[1:])
    for shape in ((4, 2), (5, 3)):
        with pytest.raises(ValueError, match="out must have a row per row of X and a column per"):
            parts.predictor(out=real(core, *shape))
    with pytest.raises(ValueError, match="the link takes 3 columns, the network has 2"):
        parts.predictor(link=core.LINKS["softmax"](3))
    with pytest.raises(ValueError, match="n_outputs must be 1, got 2"):
        core.LINKS["logistic_pair"](2)


@pytest.mark.parametrize("name", ["network", "loss", "optimizer", "data", "params", "moments"])
def test_none_is_refused(parts, name):
    with pytest.raises(TypeError):
        parts.trainer(**{name: None})


def test_cpu_level(monkeypatch):
    monkeypatch.setenv("SKNET_CPU", "z80")
    with pytest.raises(ValueError, match=r"SKNET_CPU must be one of \[.*\], got 'z80'"):
        _core.cpu_level()
    monkeypatch.setenv("SKNET_CPU", "baseline")
    assert _core.cpu_level() == "baseline"
    assert _core.load(np.float32) is _core._load(32, "baseline")
    monkeypatch.setattr(_core, "best_cpu_level", lambda: "x86-64-v3")
    assert _core.cpu_levels() == ["x86-64-v3", "baseline"]
    monkeypatch.setenv("SKNET_CPU", "x86-64-v4")
    with pytest.raises(ValueError, match="SKNET_CPU=x86-64-v4 was asked for, but this machine"):
        _core.cpu_level()
    monkeypatch.setenv("SKNET_CPU", "x86-64-v3")
    assert _core.cpu_level() == "x86-64-v3"
    monkeypatch.delenv("SKNET_CPU")
    assert _core.cpu_level() == "x86-64-v3"


@pytest.mark.parametrize("shape", [(1,), (7,), (64,), (1, 5), (2, 33), (3, 16), (2, 0), (0, 4)])
def test_empty_begins_rows_on_cache_lines(core, shape):
    array = core.empty(*shape)
    assert array.shape == shape
    assert array.dtype == core.DTYPE
    assert array.strides[-1] == core.DTYPE.itemsize
    for row in np.atleast_2d(array):
        assert row.__array_interface__["data"][0] % 64 == 0 or not row.size


def test_core_says_what_it_is(core):
    assert core is _core._load(core.DTYPE.itemsize * 8, core.CPU_LEVEL)


# --------------------------------------------------------------------------------------------
# What would end the process if it were not refused: each in a process of its own

PROLOGUE = """
import numpy as np
from sknet import _core
c = _core.load(np.float64)
def train(network, n, batch_size):
    X, y = np.ones((n, network.n_in)), np.ones((n, network.n_out))
    params, state = np.ones(network.n_params), network.initial_state()
    moments = np.zeros((1, network.n_params))
    loss, data = c.LOSSES["squared_error"](network.n_out), c.Data(X, y)
    trainer = c.Trainer(network, loss, c.SGD(), data, params, state, moments, batch_size=batch_size)
    trainer.set_epochs(np.zeros(trainer.n_batches), 0, 0)
    trainer.start(1)
    trainer.work(0)
"""


def run_alone(code):
    """Runs code in a new process; returns its exit status and the end of its errors."""
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + code],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stderr[-300:]


@pytest.mark.parametrize("batch_size", [64, 128])
@pytest.mark.parametrize(
    "network",
    [
        "c.Network([c.PositionDense(40, 1, 40)])",
        "c.Network([c.Dropout(40, 0), c.Add(40)], [(0,), (1, 1)])",
    ],
    ids=["PositionDense", "Add"],
)
def test_last_mini_batch_may_have_longer_blocks(network, batch_size):
    """64 rows make two blocks of 32, but 63 rows one of 63: scratch must be enough for it."""
    assert run_alone(f"train({network}, {2 * batch_size - 1}, {batch_size})") == (0, "")


@pytest.mark.parametrize(
    "code",
    [
        "c.Network([c.Dense(3, 3), c.Dense(3, 3)], [(0,)])",
        "train(c.Network([c.Dense(3, 3), c.Add(3)]), 4, 4)",
        "train(c.Network([c.Dense(3, 3)]), 0, 4)",
        "c.Dense(3, 0)",
        "c.PositionDense(3, 0, 1)",
        "c.PositionDense(3, 2, 0)",
    ],
    ids=["too few inputs", "Add of one slot", "no rows", "no units", "no units at positions",
         "no positions"],
)  # fmt: skip
def test_refused_before_it_crashes(code):
    status, errors = run_alone(code)
    assert status == 1, f"ended with {status}"
    assert "ValueError" in errors
