"""What the estimators' methods are wrapped in."""

import functools
import types
from collections.abc import Callable
from typing import Any, TypeVar, cast

from sklearn.base import _fit_context

__all__ = ["NotAvailableError", "fitting", "when_available"]

Method = TypeVar("Method", bound=Callable[..., Any])


class NotAvailableError(AttributeError, ValueError):
    """A method that the parameters rule out: absent for hasattr, a ValueError when called."""


def when_available(check: Callable[[Any], None]) -> Callable[[Method], Method]:
    """Makes a method an attribute only where check(estimator) does not raise NotAvailableError."""

    class Available:
        def __init__(self, method):
            self.method = method
            functools.update_wrapper(self, method)

        def __get__(self, estimator, owner=None):
            if estimator is None:
                return self.method
            check(estimator)
            return types.MethodType(self.method, estimator)

    return cast(Callable[[Method], Method], Available)


def fitting(method: Method) -> Method:
    """What fit and partial_fit have in common.

    Parameters are checked and callbacks torn down, as scikit-learn does it; and when the method
    raises, the estimator is left as it was: a fitted one stays fitted.
    """
    checked = _fit_context(prefer_skip_nested_validation=True)(method)

    @functools.wraps(method)
    def fit_or_nothing(self, *args, **kwargs):
        before = dict(vars(self))
        try:
            return checked(self, *args, **kwargs)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return cast(Method, fit_or_nothing)
