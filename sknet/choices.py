"""Choices: parameters that are a name or an object with details of its own."""

import functools

from sklearn.base import BaseEstimator

__all__ = ["Choice", "chosen"]


class Choice(BaseEstimator):
    """Base of the objects that say more than a name: which loss, optimizer, schedule.

    They hold parameters and nothing else. They print as they were written, clone, pickle, and
    their parameters are found by grid search: `solver__beta_2` of `solver=AdamW()`.
    """

    @classmethod
    @functools.cache  # each fit asks
    def _get_param_names(cls):
        return super()._get_param_names()

    def _validate(self):
        """Checks the parameters: where they are used, as scikit-learn does."""
        self._validate_params()


def chosen(value, registry):
    """The object that `value` means: for a name the one with its defaults, else itself, checked."""
    if isinstance(value, str):
        return registry[value]()
    value._validate()
    return value
