"""Declarations of layers: what a network is made of, without its numbers.

A declaration is a frozen dataclass, named as its layer in the compiled core, as are its fields.
"""

from dataclasses import dataclass

__all__ = [
    "NORMS",
    "Activate",
    "BatchNorm",
    "Dense",
    "Dropout",
    "LayerNorm",
    "Noise",
    "PositionDense",
    "Residual",
    "Skip",
    "mlp",
]


@dataclass(frozen=True)
class Dense:
    """Y = f(X W + b) with `n_units` columns."""

    n_units: int
    activation: str = "identity"


@dataclass(frozen=True)
class PositionDense:
    """The same dense layer at each of `n_positions` groups of columns: a convolution of width 1."""

    n_units: int
    n_positions: int
    activation: str = "identity"


@dataclass(frozen=True)
class Activate:
    """An activation by itself, where it does not follow its dense layer at once."""

    activation: str


@dataclass(frozen=True)
class Dropout:
    """Each unit is dropped with probability `rate` while training (Srivastava et al. 2014)."""

    rate: float


@dataclass(frozen=True)
class Noise:
    """Normal noise of standard deviation `deviation` is added while training (Bishop 1995)."""

    deviation: float


@dataclass(frozen=True)
class LayerNorm:
    """Each row is normalised by its own mean and variance (Ba, Kiros and Hinton 2016)."""

    epsilon: float = 1e-5


@dataclass(frozen=True)
class BatchNorm:
    """Each column is normalised over blocks of 32 or more rows (Ioffe and Szegedy 2015)."""

    momentum: float = 0.9
    epsilon: float = 1e-5


@dataclass(frozen=True)
class Residual:
    """The sum of the input and what `layers` make of it; they must keep the number of columns."""

    layers: tuple


@dataclass(frozen=True)
class Skip:
    """The sum of what `layers` make of the input, and of X W with as many columns."""

    layers: tuple


NORMS = {"batch": BatchNorm, "layer": LayerNorm}


def mlp(
    hidden_layer_sizes,
    activations,
    n_outputs,
    *,
    dropout=(),
    input_dropout=0.0,
    input_noise=0.0,
    normalization=None,
):
    """The multilayer perceptron: hidden dense layers with their activations, then a linear one.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int
    activations : sequence of str
        One per hidden layer.
    n_outputs : int
    dropout : sequence of float
        Rate of the units of each hidden layer; () is none.
    input_dropout : float
        Rate of the columns of X.
    input_noise : float
        Standard deviation of noise on the columns of X.
    normalization : {"batch", "layer"} or None
        Of what comes out of each hidden layer, before its activation.

    Returns
    -------
    tuple of declarations

    Examples
    --------
    >>> from sknet.layers import mlp
    >>> mlp((16,), ["relu"], 3)
    (Dense(n_units=16, activation='relu'), Dense(n_units=3, activation='identity'))
    """
    layers = [Noise(input_noise), Dropout(input_dropout)]
    for i, (size, activation) in enumerate(zip(hidden_layer_sizes, activations, strict=True)):
        if normalization is None:
            layers.append(Dense(size, activation))
        else:
            layers += [Dense(size), NORMS[normalization](), Activate(activation)]
        layers.append(Dropout(dropout[i] if dropout else 0.0))
    idle = (Noise(0.0), Dropout(0.0))
    return tuple(layer for layer in (*layers, Dense(n_outputs)) if layer not in idle)
