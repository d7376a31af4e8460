"""Short runs of the chaos suite; `make chaos` is the long one."""

from __future__ import annotations

import os

import pytest

from chaos.faults import KINDS, plan
from chaos.sites import ChaosSite, DemoSite, WideSite
from chaos.torment import Tormentor

SEED = os.environ.get("CHAOS_SEED", "1")
STRETCH, PAUSE = 12.0, 0.4  # seconds


@pytest.mark.real
@pytest.mark.timeout(240)
@pytest.mark.parametrize("pipeline", ["demo", "wide"])
def test_all_promises_are_kept_whatever_happens(pipeline: str) -> None:
    site: ChaosSite = DemoSite() if pipeline == "demo" else WideSite(SEED)
    summary = Tormentor(site, SEED).run(0.0, STRETCH, PAUSE)
    print(summary.as_json())
    assert summary.broken == []
    assert summary.restarts > 0, "the healer had something to do"


def test_what_cannot_be_done_here() -> None:
    """On a machine with root and libfaketime every kind of fault comes in a short run of the wide pipeline."""
    site = WideSite(SEED)
    site.__exit__(None)
    if site.lacks:
        pytest.skip("; ".join(f"no {kind}: {why}" for kind, why in site.lacks.items()))
    assert {fault.kind for fault in plan(SEED, site.declared, STRETCH, PAUSE)} == KINDS.keys()
