"""One supervisord for the tests that leave nothing behind; the others start their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from real_supervisord import Supervisord


@pytest.fixture(scope="session")
def _shared_supervisord() -> Iterator[Supervisord]:
    with Supervisord() as supervisord:
        yield supervisord


@pytest.fixture
def supervisord(_shared_supervisord: Supervisord) -> Supervisord:
    """A supervisord with a healer that has just published wa and wb, both healthy and RUNNING."""
    _shared_supervisord.settle()
    return _shared_supervisord
