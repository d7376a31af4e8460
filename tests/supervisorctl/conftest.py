"""One supervisord for all of these; the helper lives with the tests of supervisord's side."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "supervisord"))

from real_supervisord import Supervisord


@pytest.fixture(scope="session")
def _ctl_supervisord() -> Iterator[Supervisord]:
    with Supervisord() as supervisord:
        yield supervisord


@pytest.fixture
def supervisord(_ctl_supervisord: Supervisord) -> Supervisord:
    """A supervisord with a healer that has just published wa and wb, both healthy and RUNNING."""
    _ctl_supervisord.settle()
    return _ctl_supervisord
