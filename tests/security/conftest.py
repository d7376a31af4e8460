"""What the tests of the door share; helpers live with the tests of supervisord's side, of fixers and of pipelines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.extend(str(Path(__file__).parent.parent / one) for one in ("supervisord", "fixers", "integration"))

from door import Door
from fuzzing import Fuzz
from real_supervisord import Supervisord


@pytest.fixture(scope="session")
def _security_supervisord() -> Iterator[Supervisord]:
    with Supervisord() as supervisord:
        yield supervisord


@pytest.fixture
def supervisord(_security_supervisord: Supervisord) -> Supervisord:
    """A supervisord with a healer that has just published wa and wb, both healthy and RUNNING."""
    _security_supervisord.settle()
    return _security_supervisord


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """The door of a supervisord that runs nothing, in this process."""
    with Door(tmp_path) as opened:
        yield opened


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> Fuzz:
    """A fuzzer with its share of FUZZ_SECONDS."""
    return Fuzz(request.node.name, sum("fuzz" in item.fixturenames for item in request.session.items))
