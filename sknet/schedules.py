"""Learning-rate schedules of SGD, as scikit-learn defines them."""

__all__ = ["SCHEDULES"]


def constant(initial, current, t, power_t):
    """`initial`, for ever."""
    return initial


def invscaling(initial, current, t, power_t):
    """initial / (t + 1)^power_t after t rows."""
    return initial / (t + 1) ** power_t


def adaptive(initial, current, t, power_t):
    """Stays as it is: divided by 5 where training would otherwise stop (see stopping.py)."""
    return current


# Called after each epoch: (initial rate, current rate, rows seen so far, power_t) -> next rate.
SCHEDULES = {"constant": constant, "invscaling": invscaling, "adaptive": adaptive}
