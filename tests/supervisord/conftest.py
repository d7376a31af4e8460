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
    _shared_supervisord.start("healer", "wa", "wb")
    for request in _shared_supervisord.take():
        _shared_supervisord.publish()
        _shared_supervisord.progress(request["id"], "done")
    _shared_supervisord.publish()
    return _shared_supervisord
