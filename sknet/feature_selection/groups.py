"""Groups of features that are chosen together."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np

__all__ = ["Groups"]


@dataclass(frozen=True)
class Groups:
    """A partition of the features.

    Attributes
    ----------
    features : ndarray of shape (n_features,)
        Those of the first group, of the second, ...
    ends : ndarray of shape (n_groups,)
        Where each group ends among them.
    """

    features: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, groups, n_features, names=None):
        """What the parameter `groups` says: lists of numbers or of names; None for each by itself.

        Raises
        ------
        ValueError
            If a feature is unknown, or is not in exactly one group.
        """
        if groups is None:
            return cls(np.arange(n_features), np.arange(1, n_features + 1))
        numbers = {} if names is None else {name: i for i, name in enumerate(names)}
        lists = [_numbers(group, numbers, n_features) for group in groups]
        features = np.array([i for group in lists for i in group], np.intp)
        counts = np.bincount(features, minlength=n_features)
        for wrong, what in ((counts > 1, "more than one group"), (counts == 0, "no group")):
            if wrong.any():
                some = np.flatnonzero(wrong)[:5].tolist()
                raise ValueError(
                    f"groups must hold each of the {n_features} columns of X once; in {what}: "
                    f"{', '.join(str(i if names is None else names[i]) for i in some)}."
                )
        return cls(features, np.cumsum([len(group) for group in lists]))

    @property
    def sizes(self):
        """Features of each group."""
        return np.diff(self.ends, prepend=0)

    def some(self, chosen):
        """The groups for which chosen is True, their features numbered anew."""
        support = self.of_features(chosen)
        stays = support[self.features]
        numbers = np.cumsum(support) - 1
        return Groups(numbers[self.features[stays]], np.cumsum(self.sizes[chosen]))

    def sums(self, values):
        """The sum over each group of values (n_features,)."""
        return np.add.reduceat(values[self.features], [0, *self.ends[:-1]])

    def norms(self, coef):
        """The norm of each group's rows of coef (n_features, n_outputs)."""
        return np.sqrt(self.sums(np.sum(np.square(coef, dtype=float), axis=1)))

    def of_features(self, values):
        """What each feature has, (n_features, ...), of what each group has."""
        values = np.asarray(values)
        found = np.empty((len(self.features), *values.shape[1:]), values.dtype)
        found[self.features] = np.repeat(values, self.sizes, axis=0)
        return found


def _numbers(group, numbers, n_features):
    """The numbers of a group's columns, which may be given by name."""
    if np.ndim(group) != 1 or not len(group):
        raise ValueError(f"groups must hold lists of columns, none of them empty, got {group!r}.")
    found = []
    for column in group:
        if isinstance(column, Integral) and 0 <= column < n_features:
            found.append(int(column))
        elif isinstance(column, str) and column in numbers:
            found.append(numbers[column])
        else:
            what = "names or numbers" if numbers else "numbers"
            raise ValueError(
                f"groups must hold {what} of the {n_features} columns of X, got {column!r}."
            )
    return found
