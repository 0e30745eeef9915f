"""Task: what there is to learn, and how; the same for all networks that learn it."""

from dataclasses import dataclass
from typing import Any

from sknet.averaging import Averaging
from sknet.optimizers import Optimizer
from sknet.rows import Rows
from sknet.schedules import Schedule

__all__ = ["Task", "TrainingOptions"]


@dataclass(frozen=True)
class TrainingOptions:
    """What the estimator's parameters say about training, checked; names as there.

    A norm of 0 is no limit; `frozen` has the numbers of dense layers. `mean_weight` is 0 to divide
    each mini-batch by the sum of its own weights, as scikit-learn does, else it is divided by its
    number of rows times this.
    `unchecked` says that X may hold NaN or infinity, which the first epoch will show. `label`
    stands before what is printed.
    """

    alpha: float
    l1: float
    weight_decay: float
    max_norm: float
    clip_norm: float
    frozen: list
    averaging: Averaging | None
    mixup: float
    batch_size: int
    shuffle: bool
    learning_rate: Schedule
    learning_rate_init: float
    max_iter: int
    max_time: float
    tol: float
    n_iter_no_change: float
    n_threads: int | None
    unchecked: bool
    mean_weight: float
    verbose: bool
    label: str = ""


@dataclass(frozen=True)
class Task:
    """What there is to learn.

    Attributes
    ----------
    rows, validation : Rows
        To train on, and to score on or None; of one dtype, with their targets.
    sizes : list of int
        Units of the hidden layers.
    loss, data : of the core
        The loss, and `rows` as the core takes them.
    solver : Optimizer
    options : TrainingOptions
    incremental : bool
        Whether a single epoch is all that is asked for.
    """

    rows: Rows
    validation: Rows | None
    sizes: list
    loss: Any
    data: Any
    solver: Optimizer
    options: TrainingOptions
    incremental: bool
