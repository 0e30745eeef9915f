"""The examples in the docstrings of the installed package."""

import doctest
import importlib
import pkgutil

import pytest

import sknet

MODULES = ["sknet"] + [f"sknet.{module.name}" for module in pkgutil.iter_modules(sknet.__path__)]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    assert doctest.testmod(importlib.import_module(name), optionflags=FLAGS).failed == 0


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_public_classes_have_examples(name):
    [test] = [
        test
        for test in doctest.DocTestFinder().find(getattr(sknet, name), name)
        if test.name == name
    ]
    assert test.examples
