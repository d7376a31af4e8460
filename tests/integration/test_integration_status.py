"""What people read: `supervisorctl status`, `health`, `explain` and `history` in the states that matter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from pipeline import Site, Worker, until

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A critical worker in quarantine, its reader, which is blocked, one stalled for want of budget, a healthy one."""
    workers = [
        Worker("well"),
        Worker("root", "well.jsonl", entry={"attempts": 1, "verify_within": "1s", "critical": True}),
        Worker("reader", "root.jsonl"),
        Worker("stalled", "well.jsonl"),
    ]
    with Site(workers, defaults={"max_restarts_overall": {"max": 1, "within": "1h"}}) as site:
        site.until_healthy()
        site.set("root", "mute")
        site.until_state("root", "quarantined")
        site.until_state("reader", "blocked")
        site.set("stalled", "mute")
        site.until_state("stalled", "stalled")
        yield site


def status(site: Site, name: str) -> str:
    return site.ctl("status", name).stdout.strip()


def test_status_shows_nothing_but_supervisors_own_words_of_a_healthy_worker(site: Site) -> None:
    assert re.fullmatch(r"well +RUNNING   pid \d+, uptime 0:00:\d\d", status(site, "well"))


def test_status_shows_the_root_of_one_that_is_blocked(site: Site) -> None:
    assert re.search(
        r"RUNNING   pid \d+, uptime \S+; blocked: by root: root.jsonl \S+ old \(max 1s\)$", status(site, "reader")
    )


def test_status_shows_why_one_is_stalled_and_not_restarted(site: Site) -> None:
    line = status(site, "stalled")
    assert re.search(
        r"; stalled: stalled.jsonl \S+ old \(max 1s\); host budget used up \(1 restarts in 1h\), room in", line
    )


def test_status_shows_the_next_probe_of_one_that_is_quarantined(site: Site) -> None:
    assert re.search(r"; quarantined: probe in (1h|59m); ", status(site, "root"))


def test_status_of_all_is_one_line_a_process_and_exits_as_supervisors(site: Site) -> None:
    shown = site.ctl("status")
    assert shown.returncode == 0
    assert len(shown.stdout.splitlines()) == 5


def test_health_is_one_line_a_worker_and_critical_by_its_worst(site: Site) -> None:
    shown = site.ctl("health")
    assert shown.returncode == 2
    assert [line.removeprefix("!").split()[:2] for line in shown.stdout.splitlines()] == [
        ["reader", "blocked"],
        ["root", "quarantined"],
        ["stalled", "stalled"],
        ["well", "healthy"],
    ]
    statuses = {name: site.ctl("health", name).returncode for name in ("well", "reader", "root", "nobody")}
    assert statuses == {"well": 0, "reader": 1, "root": 2, "nobody": 3}


def test_health_over_json_and_over_rpc_are_the_contracts_struct(site: Site) -> None:
    (one,) = json.loads(site.ctl("health", "--json", "reader").stdout)
    assert one.keys() >= {
        "name", "state", "since", "reason", "critical", "process", "outputs", "inputs", "blocked_by", "attempts",
        "budget_left", "next_attempt_in", "last_heal",
    }  # fmt: skip
    assert one["blocked_by"] == ["root"]
    (file,) = one["inputs"]
    assert (file["path"], file["freshness"], file["producer"], file["max_age"]) == ("root.jsonl", "stale", "root", 1)
    assert file["age"] > 2
    assert site.health("root")["attempts"] == 1


def test_explain_tells_the_evidence_the_rule_the_chain_and_what_is_next(site: Site) -> None:
    until(lambda: "root (quarantined)" in " ".join(site.rpc.healer.explain("reader")), "at a heartbeat, if not before")
    told = site.ctl("explain", "reader")
    assert told.returncode == 1
    for part in ("rule: ", "input: root.jsonl stale", "chain: reader <- root.jsonl", "root (quarantined)", "next: "):
        assert part in told.stdout, told.stdout


def test_history_tells_what_was_done_and_refused(site: Site) -> None:
    told = site.ctl("history")
    assert told.returncode == 0
    for word in ("restart", "failed", "quarantined", "blocked", "host budget used up"):
        assert word in told.stdout, told.stdout
    assert len(site.ctl("history", "root", "-n", "1").stdout.splitlines()) == 1


def test_supervisors_own_commands_are_as_they_were(site: Site) -> None:
    assert int(site.ctl("pid", "well").stdout) == site.pid("well")
    for command in ("heal", "health", "explain", "history", "unmonitor", "monitor"):
        assert command in site.ctl("help").stdout
        assert command in site.ctl("help", command).stdout
