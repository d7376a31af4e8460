"""Waiting for a condition, with a deadline that holds on a busy machine."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

PAUSE = 0.01  # seconds between two looks


def until(
    condition: Callable[[], object],
    what: str = "what was waited for",
    seconds: float = 30.0,
    passing: tuple[type[Exception], ...] = (),
) -> None:
    """Return as soon as `condition` holds; one that raises an error of the kind `passing` does not hold yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(*passing):
            if condition():
                return
        time.sleep(PAUSE)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")
