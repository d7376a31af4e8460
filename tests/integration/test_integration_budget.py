"""How often is too often: backoff, quarantine, its probes and its end."""

from __future__ import annotations

import pytest
from pipeline import Site, Worker, chain, listener_with, until

pytestmark = pytest.mark.real


def test_after_a_failed_attempt_the_next_comes_when_the_wait_is_over() -> None:
    hasty = listener_with("supervisor_healer.core.budget.FIRST_WAIT", 6.0)  # not 30
    with Site(chain("wa", "wb"), defaults={"verify_within": "4s"}, healer=hasty) as site:
        site.until_healthy()
        site.set("wb", "mute")
        site.until_heal("wb", "failed")
        site.until_state("wb", "stalled")
        waiting = site.health("wb")
        assert 0 < waiting["next_attempt_in"] <= 6
        assert (waiting["attempts"], waiting["budget_left"]) == (1, 5)
        assert "next attempt in" in waiting["reason"]
        assert site.starts("wb") == {"wb": 2}
        site.clear("wb", "mute")
        site.hang("wb")  # the second attempt will help
        site.until_heal("wb", after=waiting["last_heal"]["at"])
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 3}
        assert site.health("wb")["attempts"] == 2
        assert [event for event in site.events("wb") if event in ("restart", "failed", "healed")] == [
            "restart",
            "failed",
            "restart",
            "healed",
        ]
        failed, second = (
            next(note["at"] for note in site.rpc.healer.getHistory("wb", 0) if note["event"] == event)
            for event in ("failed", "healed")
        )
        assert second - failed >= 3


def test_failed_attempts_quarantine_it_and_an_operators_heal_releases_it() -> None:
    policy = {"attempts": 1, "verify_within": "4s"}
    with Site(chain("wa", "wb", "wc"), defaults=policy) as site:
        site.until_healthy()
        site.set("wb", "mute")
        site.until_state("wb", "quarantined")
        site.until_state("wc", "blocked")
        assert site.health("wc")["blocked_by"] == ["wb"]
        reason = dict(site.history("wb"))["quarantined"]
        assert "1 failed attempts in one incident (at most 1)" in reason
        assert "`supervisorctl heal wb` releases it" in reason
        site.until_judged_again("wb")
        assert site.starts() == {"wa": 1, "wb": 2, "wc": 1}
        failed = site.heal("wb")
        assert failed["exit_status"] == 1
        site.until_state("wb", "quarantined")
        site.clear("wb", "mute")
        site.hang("wb")
        assert site.heal("wb")["exit_status"] == 0
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 4, "wc": 1}
        assert site.health("wb")["budget_left"] == 5


def test_a_quarantine_is_probed_after_a_while_and_twice_as_long_after_a_failed_probe() -> None:
    policy = {"attempts": 1, "verify_within": "4s", "retry_after": "1s"}
    with Site(chain("wa", "wb"), defaults=policy) as site:
        site.until_healthy()
        site.set("wb", "mute")
        until(lambda: site.events("wb").count("failed") == 2, "the probe fails too")
        assert dict(site.history("wb"))["restart"].startswith("probe (attempt 2)")
        site.until_state("wb", "quarantined")
        site.hang("wb")
        site.clear("wb", "mute")
        site.until_heal("wb")
        times = {"quarantined": 0.0, "healed": 0.0}
        failed = []
        for note in site.rpc.healer.getHistory("wb", 0):
            if note["event"] in times:
                times[note["event"]] = note["at"]
            elif note["event"] == "failed":
                failed.append(note["at"])
        assert failed[1] - times["quarantined"] >= 1
        assert times["healed"] - failed[1] >= 2
        assert site.starts() == {"wa": 1, "wb": 4}
        # healed, and for a while still on probation
        assert site.state("wb") == "quarantined"
        assert "healthy" in site.health("wb")["reason"]


def test_the_window_of_restarts_counts_good_ones_too() -> None:
    with Site(
        [Worker("wa", options={"autorestart": "false"})], defaults={"restarts": {"max": 1, "within": "1h"}}
    ) as site:
        site.until_healthy()
        site.set("wa", "exit", "1")
        site.until_heal("wa")
        site.set("wa", "exit", "1")
        site.until_state("wa", "quarantined")
        assert "1 restarts in the window (at most 1)" in dict(site.history("wa"))["quarantined"]
        site.until_judged_again("wa")
        assert site.starts() == {"wa": 2}
        assert site.heal("wa")["exit_status"] == 0
        site.until_healthy()
        assert site.starts() == {"wa": 3}


def test_a_crash_loop_is_named_and_its_restarts_left_to_supervisord() -> None:
    """It dies within its startsecs again and again: BACKOFF, which one more restart would not change."""
    options = {"startsecs": 3, "startretries": 100}
    site = Site([Worker("wa"), Worker("wb", "wa.jsonl", options=options)])
    site.set("wb", "fail")
    with site:
        until(lambda: "convicted" in site.events("wb"), "it is convicted")
        assert "stalled: crash loop" in dict(site.history("wb"))["convicted"]
        site.clear("wb", "fail")
        site.until_healthy()
        assert "restart" not in site.events()
        assert site.starts("wa") == {"wa": 1}
