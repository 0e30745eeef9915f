"""Names for the types of arguments, for type checkers."""

from typing import Literal, TypeAlias

from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix

__all__ = [
    "Activation",
    "ArrayLike",
    "ClassificationLossName",
    "Initializer",
    "MatrixLike",
    "RegressionLossName",
    "ScheduleName",
    "SolverName",
]

MatrixLike: TypeAlias = ArrayLike | sparray | spmatrix  # data frames are array-like

Activation: TypeAlias = Literal[
    "identity", "logistic", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish",
    "softplus",
]  # fmt: skip
ClassificationLossName: TypeAlias = Literal["log_loss", "squared_error", "hinge", "focal"]
RegressionLossName: TypeAlias = Literal[
    "squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma", "tweedie"
]
Initializer: TypeAlias = Literal[
    "auto", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_normal",
    "orthogonal",
]  # fmt: skip
SolverName: TypeAlias = Literal[
    "sgd", "rmsprop", "adagrad", "adam", "adamw", "nadam", "radam", "lion", "lbfgs"
]
ScheduleName: TypeAlias = Literal[
    "constant", "invscaling", "adaptive", "step", "exponential", "cosine", "cosine_restarts",
    "one_cycle", "coslog", "reduce_on_plateau",
]  # fmt: skip
