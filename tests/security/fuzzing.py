"""Inputs without end: the kept cases first, then new ones, by number in the usual suite and by time in `make fuzz`."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisWarning

T = TypeVar("T")


class Fuzz:
    """Tries inputs. FUZZ_SECONDS are for all fuzzers of the run together; without them each has a few examples."""

    def __init__(self, name: str, sharers: int) -> None:
        self._name = name
        self._seconds = float(os.environ.get("FUZZ_SECONDS", "0")) / max(1, sharers)

    def __call__(self, check: Callable[[T], object], inputs: st.SearchStrategy[T], kept: Iterable[T] = ()) -> None:
        """`check` the kept cases, then examples of `inputs`; what fails is shrunk only in the usual suite."""
        tried = 0

        def counted(one: T) -> None:
            nonlocal tried
            tried += 1
            check(one)

        for case in kept:
            counted(case)
        usual = settings.get_profile("healer").max_examples
        attempt = settings(
            max_examples=usual if self._seconds else usual // 5,
            phases=[Phase.generate] if self._seconds else [Phase.generate, Phase.shrink],
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )(given(inputs)(counted))
        until = time.monotonic() + self._seconds
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HypothesisWarning)  # of strategies that it has to write many words about
            attempt()
            while time.monotonic() < until:
                attempt()
        if self._seconds:
            print(f"\n{self._name}: {tried} inputs tried")
