"""A mount that does not answer: it stops the watch over nothing but what lies on it, and nobody waits for it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from disks import DeadMount, needs_root
from pipeline import Site, Worker, until

pytestmark = [pytest.mark.real, needs_root]

SCHEMA = {"type": "object", "required": ["low"], "properties": {"low": {"type": "number", "default": 0.5}}}
PROMPT = 5.0  # seconds in which whoever asks has an answer, however busy the machine is


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[DeadMount]:
    with DeadMount(tmp_path) as mount:
        yield mount


def promptly(began: float) -> bool:
    return time.monotonic() - began < PROMPT


def assert_at_work(site: Site) -> None:
    """It answers, and a worker that has nothing to do with the mount is healed in its normal time."""
    assert site.listener()["state"] == "running"
    before, progress = site.starts("well"), (site.folder / "well.jsonl").stat().st_mtime
    began = time.monotonic()
    assert site.ctl("health", "well").returncode == 0
    assert promptly(began)
    site.hang("well")
    site.until_heal("well", after=progress)
    healed_at = site.health("well")["last_heal"]["at"]
    assert healed_at - progress < 2 + PROMPT, "stale after 2 s, and healed soon after that"
    assert site.starts("well")["well"] == before["well"] + 1
    assert site.listener()["state"] == "running"


def assert_requests_end(site: Site, status: int) -> None:
    """`heal all` and `verify` do not wait for it."""
    began = time.monotonic()
    assert site.heal("all")["exit_status"] in (0, status)
    assert promptly(began)
    began = time.monotonic()
    assert site.ctl("verify").returncode != 0
    assert promptly(began)


def test_under_an_input_from_outside(mount: DeadMount) -> None:
    source = mount.folder / "in.jsonl"
    source.write_text("x")
    workers = [Worker("well"), Worker("fed", entry={"inputs": [str(source)], "catch_up": "1s"})]
    files = {str(source): {"max_age": "1h"}}
    with Site(workers, architecture={"cycle": "1s", "files": files}) as site:
        site.until_checked()
        mount.die()
        site.hang("fed")
        site.until_said("failed", str(source), "does not answer")
        site.until_state("fed", "blocked")
        assert_at_work(site)
        assert_requests_end(site, 75)
        assert site.starts("fed") == {"fed": 1}
        mount.end()
        source.write_text("new work")
        site.until_heal("fed")
        until(lambda: not site.said("failed", str(source)), "all is said to be well again")


def test_under_a_config(mount: DeadMount) -> None:
    config = mount.folder / "c.json"
    config.write_text('{"low": 1}')
    workers = [Worker("well"), Worker("fed", entry={"inputs": [str(config)]})]
    configs = {str(config): {"schema": SCHEMA}, "other.json": {"schema": SCHEMA}}
    site = Site(workers, architecture={"cycle": "1s", "configs": configs})
    site.write("other.json", '{"low": 1}')
    with site:
        site.until_checked()
        mount.die()
        site.until_said("failed", str(config), "does not answer")
        assert_at_work(site)
        site.write("other.json", "{}")
        until(
            lambda: json.loads(site.read("other.json") or "0") == {"low": 0.5}, "another config is repaired meanwhile"
        )
        assert_requests_end(site, 1)
        mount.end()
        config.write_text("{}")
        until(lambda: config.read_text() != "{}", "it is repaired when it answers again")
        until(lambda: not site.said("failed", str(config)), "all is said to be well again")


def test_under_an_output_and_the_results_file(mount: DeadMount) -> None:
    output, results = mount.folder / "out.jsonl", mount.folder / "results.json"
    site = Site(
        [Worker("well"), Worker("stuck", writes=str(output), options={"stderr_logfile": "NONE"})],
        architecture={"cycle": "1s", "results": str(results)},
    )
    with site:
        site.until_checked()
        until(results.exists, "there are results")
        mount.die()
        site.until_said("failed", str(output), "does not answer")
        site.until_state("stuck", "unknown")
        until(lambda: any("does not answer" in one for one in site.listener()["warnings"]), "the results file, too")
        assert_at_work(site)
        assert_requests_end(site, 75)
        assert "does not answer" in site.ctl("health").stdout
        assert site.starts("stuck") == {"stuck": 1}
        mount.end()
        until(lambda: not site.listener()["warnings"], "the results are written again")
        site.until_healthy()
        until(lambda: not site.said("failed", str(output)), "all is said to be well again")
        before = site.report()["timestamp"]
        until(lambda: json.loads(results.read_text())["timestamp"] > before, "with each round")
