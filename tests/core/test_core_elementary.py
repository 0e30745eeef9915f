"""Elementary functions of the core against NumPy in more precision; all_finite."""

import numpy as np
import pytest
from driver import as_real
from scipy import special

INF = np.inf
FUNCTIONS = {
    "exp": np.exp,
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "softplus": lambda x: np.logaddexp(0, x),
    "elu": lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x),
    "normal_cdf": lambda x: special.ndtr(x.astype(float)),
}


def tolerance(core, name):
    if np.float64 == core.DTYPE:
        return 1e-15
    return {"softplus": 3e-7, "elu": 3e-7, "normal_cdf": 4e-7}.get(name, 2e-7)


def reference(name, x):
    """In extended precision where the machine has it."""
    with np.errstate(over="ignore"):
        return FUNCTIONS[name](x.astype(np.longdouble))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_relative_error(core, name):
    largest = 87 if np.float32 == core.DTYPE else 708
    rng = np.random.default_rng(0)
    x = np.r_[
        np.linspace(-largest, largest, 40_001), np.linspace(-20, 20, 40_001),
        rng.normal(size=20_000), rng.normal(scale=1e-3, size=1000), 10.0 ** np.arange(-30, 2),
        -(10.0 ** np.arange(-30, 2)), 0.625, np.nextafter(0.625, 0), -0.625,
    ]  # fmt: skip
    x = as_real(core, x)
    if name == "normal_cdf":
        x = x[np.abs(x) < np.sqrt(2 * largest) - 1]
    expected = reference(name, x)
    error = np.abs(core.elementary(name, x) - expected)
    error /= np.where(expected == 0, 1, np.abs(expected))
    if name == "normal_cdf":  # x^2 / 2 is rounded before exp(-x^2 / 2)
        error /= 1 + np.minimum(x, 0) ** 2
    assert error.max() < tolerance(core, name)


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("exp", 0.0, 1), ("exp", -0.0, 1), ("exp", INF, INF), ("exp", 1e30, INF),
        ("logistic", 0.0, 0.5), ("logistic", INF, 1), ("logistic", 800.0, 1),
        ("tanh", 0.0, 0), ("tanh", INF, 1), ("tanh", -INF, -1), ("tanh", 800.0, 1),
        ("tanh", -800.0, -1), ("elu", 0.0, 0), ("elu", -INF, -1), ("elu", INF, INF),
        ("normal_cdf", 0.0, 0.5), ("normal_cdf", INF, 1), ("softplus", 800.0, 800),
        ("softplus", INF, INF),
    ],
)  # fmt: skip
def test_special_values(core, name, x, expected):
    assert core.elementary(name, as_real(core, [x]))[0] == expected


def test_very_negative_is_tiny_and_positive(core):
    """No subnormal numbers, which are slow, and no zero, whose logarithm is infinite."""
    tiny = np.finfo(core.DTYPE).tiny
    for name in ("exp", "logistic", "softplus", "normal_cdf"):
        y = core.elementary(name, as_real(core, [-1e30, -INF, -1000, -88 * 10]))
        assert ((y >= tiny) & (y < 4 * tiny)).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nan_stays_nan(core, name):
    for n in (1, 3, 16, 17):  # in vectors and in what remains of them
        for place in range(n):
            x = np.zeros(n, core.DTYPE)
            x[place] = np.nan
            assert (np.isnan(core.elementary(name, x)) == np.isnan(x)).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_value_does_not_depend_on_its_place(core, name):
    x = as_real(core, np.random.default_rng(0).normal(scale=5, size=67))
    alone = [core.elementary(name, x[i : i + 1])[0] for i in range(67)]
    assert (core.elementary(name, x) == alone).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_monotone(core, name):
    """As far as the error allows."""
    y = core.elementary(name, as_real(core, np.linspace(-30, 30, 100_001)))
    assert (np.diff(y) >= -2 * tolerance(core, name) * np.abs(y[1:])).all()
    assert y[0] < y[-1]


@pytest.mark.parametrize("n", [1, 2, 7, 8, 31, 64, 1000])
def test_all_finite(core, n):
    info = np.finfo(core.DTYPE)
    rng = np.random.default_rng(n)
    finite = [0.0, -0.0, 1.0, info.max, -info.max, info.tiny, info.smallest_subnormal]
    X = rng.choice(np.array(finite, core.DTYPE), (n, 3))
    assert core.all_finite(X) is True
    for bad in (np.nan, -np.nan, np.inf, -np.inf):
        place = rng.integers(n), rng.integers(3)
        kept, X[place] = X[place], bad
        assert core.all_finite(X) is False
        X[place] = kept
    assert core.all_finite(X) is True
    assert core.all_finite(X[:0]) is True
