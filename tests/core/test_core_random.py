"""The random order of the rows of an epoch."""

from itertools import permutations

import numpy as np
from scipy import stats


def test_orders_are_permutations(core):
    for n in (0, 1, 2, 3, 1000, 100_003):
        order = core.epoch_order(n, 5)
        assert order.dtype == np.intp
        np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_every_variant_has_the_same_orders(core, core64):
    np.testing.assert_array_equal(core.epoch_order(1000, 2**63), core64.epoch_order(1000, 2**63))


def test_all_orders_are_equally_likely(core):
    """Those of the epochs of one fit, whose keys lie 2^32 apart, and of many fits."""
    n_drawn = 24 * 500
    for step in (1, 1 << 32):
        drawn = [tuple(core.epoch_order(4, i * step)) for i in range(n_drawn)]
        counts = [drawn.count(order) for order in permutations(range(4))]
        assert sum(counts) == n_drawn
        assert stats.chisquare(counts).pvalue > 1e-3


def test_where_a_row_lands_is_uniform_and_independent_of_other_epochs(core):
    """Also in long orders: a tenth of the epoch by a tenth, one epoch by the next."""
    n = 50_000
    tenths = [core.epoch_order(n, epoch << 32) * 10 // n for epoch in range(3)]
    for before, after in ((np.arange(n) * 10 // n, tenths[0]), tenths[:2], tenths[1:]):
        table = np.histogram2d(before, after, bins=10)[0]
        assert stats.chisquare(table.ravel()).pvalue > 1e-3
