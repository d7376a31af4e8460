"""Workers that run and write nothing: healed when their inputs are fresh, left alone when they are not."""

from __future__ import annotations

import pytest
from pipeline import Site, Worker, chain, until

pytestmark = pytest.mark.real


def test_a_hanging_worker_is_restarted_once_and_proven_by_new_output() -> None:
    with Site(chain("wa", "wb", "wc")) as site:
        site.until_healthy()
        hung = site.pid("wb")
        site.hang("wb")
        site.until_heal("wb")
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 2, "wc": 1}
        assert f" {hung}\n" not in site.read("wb.jsonl").splitlines(keepends=True)[-1]
        assert [event for event in site.events("wb") if event != "convicted"] == ["restart", "healed"]
        restart = next(note for note in site.rpc.healer.getHistory("wb", 0) if note["event"] == "restart")
        assert any("wa.jsonl fresh" in line for line in restart["evidence"]), restart
        assert site.health("wb")["attempts"] == 1
        assert site.health("wb")["budget_left"] == 5


def test_a_frozen_worker_goes_without_its_stopwaitsecs() -> None:
    with Site(chain("wa", "wb", options={"stopwaitsecs": 600})) as site:
        site.until_healthy()
        site.freeze("wb")
        site.until_heal("wb")
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 2}
        assert "was frozen: sent SIGCONT after the stop request" in site.read("healer.err")
        assert "killing 'wb'" not in site.read("supervisord.log")  # no SIGKILL


def test_a_worker_without_fresh_inputs_is_blocked_until_its_source_is_back() -> None:
    with Site([Worker("outside", watched=False), *chain("wa", "wb", source="outside.jsonl")]) as site:
        site.until_healthy()
        site.set("outside", "mute")
        site.until_state("wa", "blocked")
        site.until_state("wb", "blocked")
        assert site.health("wa")["blocked_by"] == ["outside.jsonl"]
        assert site.health("wb")["blocked_by"] == ["outside.jsonl"]
        refused = site.heal("wb")
        assert refused["exit_status"] == 75
        assert "outside.jsonl" in refused["reason"]
        site.clear("outside", "mute")
        site.until_healthy()
        assert site.starts() == {"outside": 1, "wa": 1, "wb": 1}
        assert "recovered" in site.events("wb")


def test_workers_that_hang_too_are_healed_in_order_once_the_source_is_back() -> None:
    with Site([Worker("outside", watched=False), *chain("wa", "wb", source="outside.jsonl")]) as site:
        site.until_healthy()
        site.hang("wa", "wb")
        site.set("outside", "mute")
        site.until_state("wb", "blocked")
        site.until_state("wa", "blocked")
        assert site.starts("wa", "wb") == {"wa": 1, "wb": 1}
        site.clear("outside", "mute")
        site.until_heal("wb")
        site.until_healthy()
        assert site.starts() == {"outside": 1, "wa": 2, "wb": 2}
        order = [(note["worker"], note["event"]) for note in site.rpc.healer.getHistory("", 0)]
        assert order.index(("wa", "restart")) < order.index(("wb", "restart"))


def test_a_chain_of_four_whose_head_froze_costs_one_restart() -> None:
    names = ("wa", "wb", "wc", "wd")
    with Site(chain(*names)) as site:
        site.until_healthy()
        site.set("wa", "slow")  # the incident lasts until all below have felt it
        site.hang("wa")
        for name in names[1:]:
            site.until_state(name, "blocked")
            assert site.health(name)["blocked_by"] == ["wa"]
        site.clear("wa", "slow")
        site.until_heal("wa")
        site.until_healthy()
        assert site.starts() == {"wa": 2, "wb": 1, "wc": 1, "wd": 1}


def test_one_that_turns_fresh_by_itself_costs_nothing() -> None:
    with Site(chain("wa", "wb"), defaults={"catch_up": "1h"}) as site:
        site.until_healthy()
        site.set("wb", "mute")
        site.until_state("wb", "catching_up")
        site.clear("wb", "mute")
        site.until_healthy()
        until(lambda: "recovered" in site.events("wb"), "the recovery is told")
        assert site.starts() == {"wa": 1, "wb": 1}
        assert site.health("wb")["attempts"] == 0
        assert "by itself, was catching_up" in dict(site.history("wb"))["recovered"]


def test_mode_observe_judges_and_explains_and_never_acts() -> None:
    with Site(chain("wa", "wb"), architecture={"mode": "observe"}) as site:
        site.until_healthy()
        site.hang("wb")
        site.until_state("wb", "stalled")
        refused = site.heal("wb")
        assert (refused["exit_status"], refused["reason"]) == (75, "mode is observe")
        site.until_judged_again("wb")
        assert site.starts() == {"wa": 1, "wb": 1}
        assert "mode is observe" in site.health("wb")["reason"]


def test_what_cannot_be_looked_at_is_no_evidence() -> None:
    with Site(chain("wa", "wb")) as site:
        site.until_healthy()
        site.set("wb", "mute")
        (site.folder / "wb.jsonl").unlink()
        (site.folder / "wb.jsonl").mkdir()
        site.until_state("wb", "unknown")
        assert "is a directory" in site.health("wb")["reason"]
        assert site.heal("wb")["exit_status"] == 75
        site.until_judged_again("wb")
        assert site.starts() == {"wa": 1, "wb": 1}
        (site.folder / "wb.jsonl").rmdir()
        site.clear("wb", "mute")
        site.until_healthy()


def test_a_missing_input_and_a_missing_output() -> None:
    with Site([Worker("outside", watched=False), *chain("wa", source="outside.jsonl")]) as site:
        site.until_healthy()
        site.set("outside", "mute")
        (site.folder / "outside.jsonl").unlink()
        until(lambda: site.health("wa")["inputs"][0]["freshness"] == "missing", "the input is missing")
        site.until_state("wa", "blocked")
        assert site.health("wa")["blocked_by"] == ["outside.jsonl"]
        site.clear("outside", "mute")
        site.until_healthy()
        site.set("wa", "mute")
        (site.folder / "wa.jsonl").unlink()
        until(lambda: site.starts("wa") == {"wa": 2}, "it is restarted")
        site.clear("wa", "mute")
        site.until_heal("wa")
        site.until_healthy()
        assert site.starts() == {"outside": 1, "wa": 2}


def test_a_rotation_is_no_stall_and_a_pattern_means_its_newest_match() -> None:
    rotated = Worker("wb", "wa.jsonl", entry={"outputs": ["wb*.jsonl"]})
    with Site([Worker("wa"), rotated], defaults={"catch_up": "1h"}) as site:
        site.until_healthy()
        for number in range(3):
            (site.folder / "wa.jsonl").rename(site.folder / f"old.{number}")
            (site.folder / "wb.jsonl").rename(site.folder / f"wb-{number}.jsonl")
            until(lambda: (site.folder / "wa.jsonl").exists() and (site.folder / "wb.jsonl").exists(), "both are anew")
            site.until_judged_again("wb", 1)
        site.until_healthy()
        assert site.events() == []
        site.set("wb", "mute")
        for path in site.folder.glob("wb*.jsonl"):
            path.rename(path.with_suffix(".gone"))
        until(lambda: site.health("wb")["outputs"][0]["freshness"] == "missing", "no match is missing")
        site.until_state("wb", "catching_up")
        assert site.starts() == {"wa": 1, "wb": 1}
