"""Optimizers: how weights follow their gradients. A name means the optimizer with its defaults.

The learning rate is the estimator's, `learning_rate_init` and `learning_rate`.

Examples
--------
>>> from sknet import MLPClassifier
>>> from sknet.optimizers import AdamW
>>> MLPClassifier(solver=AdamW(beta_2=0.95))
MLPClassifier(solver=AdamW(beta_2=0.95))
"""

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval

from sknet.choices import Choice

__all__ = [
    "LBFGS",
    "OPTIMIZERS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Lion",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
]

DECAY_RATE = [Interval(Real, 0, 1, closed="left")]
POSITIVE = [Interval(Real, 0, None, closed="neither")]


class Optimizer(Choice):
    """Base of all optimizers.

    Attributes
    ----------
    rule : str
        The name in the core's OPTIMIZERS. Its parameters are those of the optimizer, but for
        weight_decay.
    """

    _parameter_constraints: dict = {}
    rule = ""
    weight_decay = 0.0

    def compiled(self, core):
        """The update rule in the compiled core."""
        parameters = self.get_params(deep=False)
        parameters.pop("weight_decay", None)
        return core.OPTIMIZERS[self.rule](**parameters)


class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

    Parameters
    ----------
    momentum : float, default=0.9
        Between 0 and 1.
    nesterov : bool, default=True
        Whether to look ahead (Sutskever et al., ICML 2013).
    """

    _parameter_constraints: dict = {
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterov": ["boolean"],
    }
    rule = "sgd"

    def __init__(self, momentum: float = 0.9, nesterov: bool = True) -> None:
        self.momentum = momentum
        self.nesterov = nesterov


class RMSprop(Optimizer):
    """Steps divided by the root of the mean square of late gradients (Tieleman and Hinton, 2012).

    Parameters
    ----------
    decay : float, default=0.99
        Of the mean square, in [0, 1).
    momentum : float, default=0.0
        In [0, 1).
    epsilon : float, default=1e-8
        Added to the root.
    """

    _parameter_constraints: dict = {
        "decay": DECAY_RATE,
        "momentum": DECAY_RATE,
        "epsilon": POSITIVE,
    }
    rule = "rmsprop"

    def __init__(self, decay: float = 0.99, momentum: float = 0.0, epsilon: float = 1e-8) -> None:
        self.decay = decay
        self.momentum = momentum
        self.epsilon = epsilon


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients (Duchi et al., JMLR 2011).

    Parameters
    ----------
    epsilon : float, default=1e-10
        Added to the root.
    """

    _parameter_constraints: dict = {"epsilon": POSITIVE}
    rule = "adagrad"

    def __init__(self, epsilon: float = 1e-10) -> None:
        self.epsilon = epsilon


class Adam(Optimizer):
    """Momentum, divided by the root of the mean square (Kingma and Ba, ICLR 2015).

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of the mean and of the mean square of gradients, in [0, 1).
    epsilon : float, default=1e-8
        Added to the root.
    """

    _parameter_constraints: dict = {
        "beta_1": DECAY_RATE,
        "beta_2": DECAY_RATE,
        "epsilon": POSITIVE,
    }
    rule = "adam"

    def __init__(self, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon


class AdamW(Adam):
    """Adam with weight decay beside its step (Loshchilov and Hutter, ICLR 2019).

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of the mean and of the mean square of gradients, in [0, 1).
    epsilon : float, default=1e-8
        Added to the root.
    weight_decay : float, default=0.01
        Each update first takes this part, times the learning rate, off the weights; intercepts
        are left alone. The estimator's `weight_decay`, if given, counts instead.
    """

    _parameter_constraints: dict = {
        **Adam._parameter_constraints,
        "weight_decay": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(beta_1, beta_2, epsilon)
        self.weight_decay = weight_decay


class NAdam(Adam):
    """Adam with Nesterov's look-ahead (Dozat, ICLR workshop 2016).

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of the mean and of the mean square of gradients, in [0, 1).
    epsilon : float, default=1e-8
        Added to the root.
    momentum_decay : float, default=0.004
        How fast the momentum of update t grows to beta_1: it is beta_1 (1 - 0.96^(t d) / 2).
    """

    _parameter_constraints: dict = {
        **Adam._parameter_constraints,
        "momentum_decay": [Interval(Real, 0, None, closed="left")],
    }
    rule = "nadam"

    def __init__(
        self,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        momentum_decay: float = 0.004,
    ) -> None:
        super().__init__(beta_1, beta_2, epsilon)
        self.momentum_decay = momentum_decay


class RAdam(Adam):
    """Adam with a warm-up of its own: steps are rectified while the mean square is not yet known
    well (Liu et al., ICLR 2020).

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of the mean and of the mean square of gradients, in [0, 1).
    epsilon : float, default=1e-8
        Added to the root.
    """

    rule = "radam"


class Lion(Optimizer):
    """Steps of one size, along the sign of the momentum (Chen et al., NeurIPS 2023).

    Its authors advise a learning rate 3 to 10 times below that of Adam.

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.99
        In the mix of momentum and gradient whose sign is taken, and of the momentum, in [0, 1).
    """

    _parameter_constraints: dict = {"beta_1": DECAY_RATE, "beta_2": DECAY_RATE}
    rule = "lion"

    def __init__(self, beta_1: float = 0.9, beta_2: float = 0.99) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2


class LBFGS(Optimizer):
    """Quasi-Newton steps on all rows: SciPy's L-BFGS-B (Byrd, Lu, Nocedal and Zhu, 1995).

    Parameters
    ----------
    max_fun : int, default=15000
        Most evaluations of the loss.
    n_corrections : int, default=10
        Steps it remembers for its picture of the curvature.
    """

    _parameter_constraints: dict = {
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "n_corrections": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, max_fun: int = 15000, n_corrections: int = 10) -> None:
        self.max_fun = max_fun
        self.n_corrections = n_corrections


OPTIMIZERS = {
    "sgd": SGD,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
    "adam": Adam,
    "adamw": AdamW,
    "nadam": NAdam,
    "radam": RAdam,
    "lion": Lion,
    "lbfgs": LBFGS,
}
