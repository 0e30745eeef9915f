"""Progress: where the training of a network stands."""

import copy
import functools
from dataclasses import dataclass, field
from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state

from sknet.stopping import Patience

__all__ = ["Progress"]

STREAM = 21  # names the family of random numbers; another gives other weights from the same seed


@dataclass
class Progress:
    """All that training needs to go on where it stopped, bit for bit.

    Attributes
    ----------
    weights_rng : numpy.random.Generator
        Draws the initial weights.
    split_seed : int
        Fixed for the whole training: the same validation rows at every continuation.
    key : int
        With the number of the epoch it names the random numbers of an epoch: order and dropout.
    moments : ndarray of shape (n_moments, n_params)
    rule : str
        Of the optimizer whose moments these are, and of an average among them.
    reduction : float
        What the learning rate has been reduced by because training stalled.
    n_updates, n_epochs, n_rows : int
        Mini-batches, epochs and rows seen.
    patience, plateau : Patience
        Since the beginning, and since the learning rate was last reduced, for ReduceOnPlateau.
    params, best_params : ndarray of shape (n_params,) or None
        The latest parameters, and what was given out instead of them: the best ones by what
        decides about stopping, or their average.
    state, best_state : ndarray of shape (n_state,) or None
        The running statistics of normalising layers that go with them.
    average : ndarray of shape (n_params,) or None
        Of the parameters behind the last `n_averaged` epochs, for SWA.
    """

    weights_rng: np.random.Generator
    split_seed: int
    key: int
    moments: np.ndarray | None = None
    rule: str = ""
    reduction: float = 1.0
    n_updates: int = 0
    n_epochs: int = 0
    n_rows: int = 0
    patience: Patience = field(default_factory=Patience)
    plateau: Patience = field(default_factory=Patience)
    params: np.ndarray | None = None
    best_params: np.ndarray | None = None
    state: np.ndarray | None = None
    best_state: np.ndarray | None = None
    average: np.ndarray | None = None
    n_averaged: int = 0

    @classmethod
    def begin(cls, random_state):
        """A new start from what scikit-learn takes for random_state; a RandomState is asked once.

        Weights, split and epochs have streams of their own: another architecture sees the rows
        in the same order.
        """
        if isinstance(random_state, Integral):
            weights, split_seed, key = _seeds_of_number(random_state)
        else:
            weights, split_seed, key = _seeds(check_random_state(random_state))
        return cls(np.random.default_rng(weights), split_seed, key)

    def begin_stage(self, model, rule, n_moments, averaging=None):
        """Gets ready for an optimizer: its moments are kept, in a copy, or begin at zero.

        An average that is made in the compiled loop is one moment more; it begins with the
        parameters.
        """
        self.average, self.n_averaged = None, 0
        has_average = averaging is not None and averaging.decay > 0
        rule += f", {averaging}" * has_average
        moments = model.core.empty(n_moments + has_average, model.network.n_params)
        if self.moments is None or self.rule != rule:
            moments.fill(0)
            moments[n_moments:] = model.params
            self.rule = rule
            self.n_updates = 0
            self.reduction = 1.0
        else:
            moments[...] = self.moments
        self.moments = moments

    def keep_best(self, model):
        """Copies the model's numbers to the best ones."""
        if self.best_params is None:
            self.best_params = model.params.copy()
        else:
            self.best_params[...] = model.params
        self.best_state = model.state.copy()

    def give_out(self, model):
        """Puts what is given out, kept by keep_best(), in place of the model's latest numbers."""
        self.params, self.state = model.params.copy(), model.state.copy()
        model.params[...] = self.best_params
        if self.best_state is not None:
            model.state[...] = self.best_state

    def take_back(self, model):
        """The model's latest numbers again, if it has those that were given out."""
        if self.best_params is not None and np.array_equal(model.params, self.best_params):
            model.params[...], model.state[...] = self.params, self.state

    def copy(self):
        """A copy to train on without touching this one; the moments are left to begin_stage()."""
        return copy.deepcopy(self, {id(self.moments): self.moments})


def _seeds(random_state):
    """A seed for the weights, and two numbers, for the split and for the epochs."""
    entropy = random_state.randint(0, 2**32, size=4, dtype=np.uint32)
    seeds = np.random.SeedSequence(entropy.tolist(), spawn_key=(STREAM,))
    weights, split, epochs = seeds.spawn(3)
    return weights, int(split.generate_state(1)[0]), int(epochs.generate_state(1)[0])


@functools.lru_cache(maxsize=128)  # a RandomState takes as long to make as a small epoch
def _seeds_of_number(number):
    return _seeds(check_random_state(number))
