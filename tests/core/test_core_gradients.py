"""Gradients of every layer, activation and loss against finite differences."""

from dataclasses import fields, is_dataclass

import numpy as np
import pytest
from driver import make_data, make_loss, make_network, make_targets, make_trainer, work

from sknet import _core, layers
from sknet.model import Program

REGISTRY = _core.load(np.float64)
STEP = 3e-6

# (rows, rows per mini-batch, columns of X and units): one small mini-batch, with sums in double;
# several mini-batches, the last one smaller; the same with packed products
SIZES = {"exact": (21, 21, 6), "small": (21, 8, 6), "packed": (160, 64, 24)}


class Problem:
    """The loss of a network as a function of its parameters and of X."""

    def __init__(self, core, kind, activation, loss, weighted, size, seed=0):
        n, batch_size, width = SIZES[size]
        rng = np.random.default_rng(seed)
        self.n, self.n_out, self.core = n, 3, core
        self.network = make_network(
            core, kind, width, self.n_out, activation, width, input_gradient=True
        )
        self.X = rng.normal(size=(n, width))
        self.params = rng.normal(size=self.network.n_params) / np.sqrt(width)
        weight = rng.uniform(0.5, 2, n) if weighted else None
        self.weight = np.ones(n) if weight is None else weight
        self.total = self.weight.sum()
        self.loss = make_loss(core, loss, self.n_out)
        self.input_gradient = np.zeros_like(self.X)
        self.trainer, _, self.moments = make_trainer(
            core, self.network, self.loss, core.GradientSum(),
            make_data(core, self.X, make_targets(rng, loss, n, self.n_out), weight), self.params,
            batch_size=batch_size, total_weight=self.total, input_gradient=self.input_gradient,
        )  # fmt: skip
        self.rates = np.zeros(self.trainer.n_batches)

    def value(self):
        """The loss at what self.params and self.X now hold; fills the gradients."""
        self.moments.fill(0)
        self.trainer.set_epochs(self.rates, 0, 7)
        work(self.trainer)
        return self.trainer.results()[0][0] / self.loss.value_scale

    def slope(self, array, place):
        """Central difference along one element of self.params or self.X."""
        kept = array[place]
        array[place] = kept + STEP
        above = self.value()
        array[place] = kept - STEP
        below = self.value()
        array[place] = kept
        return (above - below) / (2 * STEP)


# Every layer with every activation, and every layer with every loss.
PAIRS = sorted(
    {(activation, "softmax_log_loss") for activation in REGISTRY.ACTIVATIONS}
    | {("tanh", loss) for loss in REGISTRY.LOSSES}
)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize(("activation", "loss"), PAIRS)
@pytest.mark.parametrize("kind", REGISTRY.LAYERS)
def test_gradient_is_the_finite_difference(core64, kind, activation, loss, weighted, size):
    problem = Problem(core64, kind, activation, loss, weighted, size)
    problem.value()
    gradient = problem.moments[0].copy()
    # The core's gradient of a row's loss is per unit of its weight.
    dX = problem.input_gradient * problem.weight[:, None] / problem.total
    rng = np.random.default_rng(1)

    # Some parameters of each layer, each side of each mini-batch of X.
    places = [
        place
        for part in problem.network.param_slices()
        for place in rng.permutation(np.arange(part.start, part.stop))[:8]
    ]
    numeric = np.array([problem.slope(problem.params, place) for place in places])
    assert np.abs(numeric - gradient[places]).max() < 1e-6 * np.abs(gradient).max()

    cells = [(i, rng.integers(problem.X.shape[1])) for i in (0, 6, 7, 8, problem.n - 1)]
    numeric = np.array([problem.slope(problem.X, cell) for cell in cells])
    analytic = np.array([dX[cell] for cell in cells])
    assert np.abs(numeric - analytic).max() < 1e-6 * np.abs(dX).max()


def test_layers_and_their_declarations_correspond(core):
    declared = {
        name: declaration
        for name in layers.__all__
        if is_dataclass(declaration := getattr(layers, name))
    }
    assert set(declared) - {"Residual", "Skip"} == set(core.LAYERS) - {"Add"}

    arguments = {"n_units": 4, "n_positions": 2, "activation": "tanh", "rate": 0.25}
    arguments |= {"deviation": 0.125}
    arguments |= {"epsilon": 0.5, "momentum": 0.75}
    for name in set(declared) & set(core.LAYERS):
        given = {field.name: arguments[field.name] for field in fields(declared[name])}
        layer = core.LAYERS[name](6, **given)
        assert layer.n_in == 6
        for field in set(given) & {"rate", "deviation", "epsilon", "momentum", "n_positions"}:
            assert getattr(layer, field) == given[field]
        if "activation" in given:
            assert type(layer.activation) is core.ACTIVATIONS["tanh"]


def test_defaults_of_declarations_are_those_of_the_layers(core):
    for name in ("LayerNorm", "BatchNorm"):
        declaration, layer = getattr(layers, name)(), core.LAYERS[name](3)
        for field in fields(declaration):
            assert getattr(layer, field.name) == getattr(declaration, field.name)
    for layer in (core.Dense(2, 3), core.PositionDense(2, 3, 1)):
        assert type(layer.activation) is core.ACTIVATIONS[layers.Dense(3).activation]


def test_residual_compiles_to_add(core):
    """Residual((a, b)) reads slot i twice: by a, and by the sum behind b."""
    program = Program(core, 4)
    inner = layers.Residual((layers.Dense(4),))
    program.extend([layers.Dense(4, "tanh"), layers.Residual((layers.Dense(4), inner))])
    assert [type(layer).__name__ for layer in program.layers] == [
        "Dense", "Dense", "Dense", "Add", "Add",
    ]  # fmt: skip
    assert program.inputs == [(0,), (1,), (2,), (3, 2), (4, 1)]
    assert core.Network(program.layers, program.inputs).n_out == 4
