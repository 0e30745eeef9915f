"""Labels are counted or sorted, with the same outcome."""

import numpy as np
import pytest

from sknet.labels import distinct, encode

RNG = np.random.default_rng(0)
LABELS = {
    "digits": RNG.integers(0, 10, 500),
    "some missing": RNG.integers(0, 10, 500) // 3 * 3,
    "negative": RNG.integers(-20, -3, 500),
    "whole int8": np.arange(-128, 128).repeat(2).astype(np.int8)[::-1],
    "uint8": RNG.integers(200, 256, 500).astype(np.uint8),
    "far apart": np.array([10**15, -5, 3, 10**15]),
    "huge": np.array([2**64 - 1, 2**64 - 2, 2**64 - 1] * 3, np.uint64),
    "lowest": np.array([-(2**63), -(2**63) + 1] * 3),
    "one": np.array([7]),
    "booleans": RNG.integers(0, 2, 50).astype(bool),
    "floats": RNG.integers(0, 3, 50) / 2,
    "strings": np.array(["b", "a", "cc", "a"]),
    "objects": np.array(["b", "a", "cc", "a"], object),
    "from three on": RNG.integers(3, 10, 500),
    "wide": RNG.integers(0, 900, 500),
    "not contiguous": RNG.integers(0, 10, 500)[::7],
}


@pytest.mark.parametrize("name", LABELS)
def test_distinct_and_encode(name):
    y = LABELS[name]
    expected, codes = np.unique(y, return_inverse=True)
    found = distinct(y)
    assert found.dtype == y.dtype
    assert found.tolist() == expected.tolist()
    assert encode(y, expected).tolist() == codes.tolist()


def test_encode_by_more_classes_than_there_are():
    y = np.array([4, 2, 2, 4])
    assert encode(y, np.array([-1, 2, 3, 4, 99])).tolist() == [3, 1, 1, 3]
    assert encode(y, np.array([-1, 2, 4, 9])).tolist() == [2, 1, 1, 2]
    assert encode(y, np.array([2.0, 4.0])).tolist() == [1, 0, 0, 1]
    assert encode(np.empty(0, int), np.array([2, 4])).tolist() == []
