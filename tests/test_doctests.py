"""The examples in the docstrings of the installed package."""

import doctest
import importlib
import pkgutil

import pytest

import sknet
from sknet.feature_selection import KnockoffSelector, LassoNetSelector

MODULES = ["sknet"] + [
    module.name
    for module in pkgutil.walk_packages(sknet.__path__, "sknet.")
    if not module.name.startswith("sknet._core.")
]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    assert doctest.testmod(importlib.import_module(name), optionflags=FLAGS).failed == 0


@pytest.mark.parametrize(
    "public",
    [
        sknet.HiddenFeatures,
        KnockoffSelector,
        LassoNetSelector,
        sknet.MLPClassifier,
        sknet.MLPRegressor,
    ],
)
def test_public_classes_have_examples(public):
    [test] = [test for test in doctest.DocTestFinder().find(public, "it") if test.name == "it"]
    assert test.examples
