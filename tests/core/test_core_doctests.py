"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from supervisor_healer import core, words

MODULES = [words.__name__, *(f"{core.__name__}.{module.name}" for module in pkgutil.iter_modules(core.__path__))]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
