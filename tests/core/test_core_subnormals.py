"""Subnormal numbers count as zero while the core computes, and there alone."""

import platform

import numpy as np
import pytest
from driver import predict, train

pytestmark = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="other processors keep them"
)


def product_of_small(dtype):
    """Subnormal, unless this thread makes zeros of such results."""
    small = np.full(1, np.sqrt(np.finfo(dtype).tiny) / 4, dtype)
    return small * small


@pytest.mark.parametrize("n", [1, 70])  # few rows, whose weights are not packed, and many
def test_results_and_operands(core, n):
    tiny = float(np.finfo(core.DTYPE).tiny)
    network = core.Network([core.Dense(1, 2)])
    for x, w in (
        (2.0**-20, tiny * 2.0**19),  # a subnormal result
        (1.0, tiny / 2),  # and operand
    ):
        params = np.array([w, 1.0, 0.0, 0.0])
        assert np.all(predict(core, network, np.full((n, 1), x), params) == [0, x])
    assert product_of_small(core.DTYPE) > 0


@pytest.mark.parametrize("size", [1, 2])
def test_momentum_that_dies_away_becomes_zero(core, size):
    """The first row moves a relu unit, which is silent for all others: they halve its momentum."""
    info = np.finfo(core.DTYPE)
    n_halvings = 5 - info.minexp
    network = core.Network([core.Dense(1, 1, "relu"), core.Dense(1, 1)])
    X = np.full((1 + n_halvings, 1), -1.0)
    X[0] = 1

    def momentum(n):
        run = train(
            core, network, core.LOSSES["squared_error"](1), X[:n], np.zeros((n, 1)), size=size,
            params=[0.5, 0, 1, 0], optimizer=core.SGD(0.5, False), batch_size=1,
        )  # fmt: skip
        return float(run.moments[0, 0])

    assert 0 < abs(momentum(2)) * 0.5 ** (n_halvings - 1) < info.tiny
    assert momentum(1 + n_halvings) == 0
    assert product_of_small(core.DTYPE) > 0
