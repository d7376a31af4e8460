"""An operator's `heal`, through supervisorctl: what it does in each state, and the exit status it ends with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pipeline import Site, Worker, chain, until

pytestmark = pytest.mark.real

ELSEWHERE = {  # a worker in each state in which there is nothing to heal, or nothing that may be healed
    "healthy": 0,
    "late": 0,
    "idle": 0,
    "starting": 0,
    "blocked": 75,
    "stopped": 75,
    "unknown": 75,
}


@pytest.fixture(scope="module")
def quiet() -> Iterator[Site]:
    """A site with a worker in each of these states, named after it, in which none is restarted."""
    workers = [
        Worker("healthy"),
        Worker("late"),
        Worker("idle", "resting.jsonl"),
        Worker("starting", entry={"startup_grace": "1h"}),
        Worker("outside", watched=False),
        Worker("blocked", "outside.jsonl"),
        Worker("stopped", options={"autostart": "false"}),
        Worker("unknown", entry={"program": "nowhere"}),
    ]
    files = {"late.jsonl": {"max_age": "1s", "grace": "1h"}, "resting.jsonl": {"max_age": "1h"}}
    site = Site(workers, architecture={"files": files})
    site.write("resting.jsonl", "")
    site.set("starting", "mute")
    with site:
        until(lambda: site.state("late") == site.state("blocked") == "healthy", "they are well at first")
        site.set("late", "mute")
        site.set("outside", "mute")
        for state in ELSEWHERE:
            site.until_state(state, state)
        yield site


@pytest.mark.parametrize(("state", "status"), ELSEWHERE.items())
def test_heal_of_one_that_is(quiet: Site, state: str, status: int) -> None:
    before = quiet.starts()
    asked = quiet.ctl("heal", state)
    assert asked.returncode == status, asked.stdout + asked.stderr
    assert state in asked.stdout
    dry = quiet.ctl("heal", "--dry-run", state)
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert quiet.starts() == before
    assert quiet.state(state) == state


def test_heal_of_several_ends_with_the_worst_of_them(quiet: Site) -> None:
    before = quiet.starts()
    assert quiet.ctl("heal", "healthy", "late").returncode == 0
    assert quiet.ctl("heal", "healthy", "blocked").returncode == 75
    both = quiet.ctl("heal", "blocked", "nobody")
    assert both.returncode == 2
    assert "nobody" in both.stdout
    assert quiet.ctl("heal").returncode == 2
    assert quiet.ctl("heal", "--no-wait", "blocked").returncode == 0
    assert quiet.starts() == before


def test_heal_all_leaves_out_what_is_stopped_and_ends_with_what_is_blocked(quiet: Site) -> None:
    before = quiet.starts()
    told = quiet.ctl("heal", "--json", "all")
    assert told.returncode == 75
    (request,) = json.loads(told.stdout)
    assert "blocked:" in request["reason"]
    assert "stopped:" not in request["reason"]
    assert quiet.starts() == before


def test_an_answer_over_json_has_the_contracts_fields(quiet: Site) -> None:
    (request,) = json.loads(quiet.ctl("heal", "--json", "blocked").stdout)
    assert request.keys() == {"id", "name", "state", "exit_status", "steps", "reason"}
    assert (request["name"], request["state"], request["exit_status"]) == ("blocked", "done", 75)
    assert "outside.jsonl" in request["reason"]


def test_heal_acts_on_one_that_is_catching_up_and_shows_each_step() -> None:
    with Site(chain("wa", "wb"), defaults={"catch_up": "1h"}) as site:
        site.until_healthy()
        site.hang("wb")
        site.until_state("wb", "catching_up")
        dry = site.ctl("heal", "--dry-run", "wb")
        assert dry.returncode == 0
        assert "would restart it: wb.jsonl" in dry.stdout
        assert site.starts("wb") == {"wb": 1}
        pid = site.pid("wb")
        done = site.ctl("heal", "wb")
        assert done.returncode == 0, done.stdout
        for step in (f"stop pid {pid}", "start", f"RUNNING as pid {site.pid('wb')}", "new output in wb.jsonl"):
            assert step in done.stdout
        assert site.starts() == {"wa": 1, "wb": 2}


def test_heal_acts_on_one_that_is_stalled_and_does_not_wait_for_the_next_attempt() -> None:
    with Site(chain("wa", "wb"), defaults={"verify_within": "4s"}) as site:
        site.until_healthy()
        site.set("wb", "mute")
        site.until_heal("wb", "failed")
        site.until_state("wb", "stalled")
        assert "next attempt in" in site.health("wb")["reason"]
        site.hang("wb")
        site.clear("wb", "mute")
        done = site.ctl("heal", "wb")
        assert done.returncode == 0, done.stdout
        assert site.starts() == {"wa": 1, "wb": 3}
        assert site.health("wb")["attempts"] == 1  # a new budget


def test_heal_acts_on_one_that_is_unmonitored_which_it_stays() -> None:
    with Site(chain("wa", "wb")) as site:
        site.until_healthy()
        assert site.ctl("unmonitor", "wb").returncode == 0
        assert site.state("wb") == "unmonitored"
        site.hang("wb")
        until(lambda: "stalled" in site.health("wb")["reason"], "it is seen")
        site.until_judged_again("wb")
        assert site.starts("wb") == {"wb": 1}
        done = site.ctl("heal", "wb")
        assert done.returncode == 0, done.stdout
        assert site.starts("wb") == {"wb": 2}
        assert site.state("wb") == "unmonitored"
        assert site.ctl("monitor", "wb").returncode == 0
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 2}


def test_unmonitor_for_a_while_ends_by_itself() -> None:
    with Site([Worker("wa")]) as site:
        site.until_healthy()
        assert site.ctl("unmonitor", "wa", "4s").returncode == 0
        assert site.state("wa") == "unmonitored"
        site.hang("wa")
        site.until_heal("wa")
        assert site.starts() == {"wa": 2}
        assert [event for event in site.events("wa") if event != "convicted"] == [
            "unmonitor",
            "monitor",
            "restart",
            "healed",
        ]


def test_heals_of_one_that_is_being_restarted_join() -> None:
    with Site(chain("wa", "wb")) as site:
        site.until_healthy()
        site.set("wb", "slow")
        site.set("wb", "mute")
        site.until_state("wb", "healing")
        first = site.ask("wb")
        until(lambda: steps(site, first), "it joins")
        assert "joins the restart that is under way (stopping)" in steps(site, first)[0]
        site.clear("wb", "slow")
        site.until_state("wb", "verifying")
        second = site.ask("wb")
        until(lambda: steps(site, second), "it joins")
        assert "joins the restart that is under way (verifying)" in steps(site, second)[0]
        site.clear("wb", "mute")
        assert [site.answer(one)["exit_status"] for one in (first, second)] == [0, 0]
        assert site.starts() == {"wa": 1, "wb": 2}


def test_many_heals_at_once_cost_one_restart_and_all_are_answered() -> None:
    with Site(chain("wa", "wb"), defaults={"catch_up": "1h"}) as site:
        site.until_healthy()
        site.hang("wb")
        site.until_state("wb", "catching_up")
        requests = [site.ask("wb") for _ in range(20)] + [site.ask("all")]
        assert [site.answer(one)["exit_status"] for one in requests] == [0] * 21
        assert site.starts() == {"wa": 1, "wb": 2}


def test_heal_all_heals_the_root_and_lets_the_others_catch_up() -> None:
    with Site(chain("wa", "wb", "wc"), defaults={"catch_up": "1h"}) as site:
        site.until_healthy()
        site.set("wa", "mute")
        for name in ("wb", "wc"):
            site.until_state(name, "blocked")
        site.until_state("wa", "healing", "verifying")  # without inputs there is nothing to wait for
        request = site.ask("all")
        until(lambda: steps(site, request), "it has begun")
        site.clear("wa", "mute")
        assert site.answer(request)["exit_status"] == 0
        site.until_healthy()
        assert site.starts() == {"wa": 2, "wb": 1, "wc": 1}


def test_force_ignores_the_inputs_but_never_an_operators_stop() -> None:
    with Site([Worker("outside", watched=False), *chain("wa", "wb", source="outside.jsonl")]) as site:
        site.until_healthy()
        site.set("outside", "mute")
        site.until_state("wa", "blocked")
        forced = site.ctl("heal", "--force", "wa")
        assert site.starts() == {"outside": 1, "wa": 2, "wb": 1}
        assert "inputs ignored" in forced.stdout
        assert forced.returncode in (0, 75)  # it may have written at its start; else there is nothing to prove it by
        site.rpc.supervisor.stopProcess("wa")
        site.until_state("wa", "stopped")
        assert site.ctl("heal", "--force", "wa").returncode == 75
        assert site.starts() == {"outside": 1, "wa": 2, "wb": 1}


def test_a_heal_that_fails_exits_1() -> None:
    options = {"autorestart": "false", "startsecs": 1, "startretries": 0}
    workers = [Worker("wa"), Worker("wb", "wa.jsonl", options=options)]
    with Site(workers, defaults={"catch_up": "1h", "verify_within": "2s"}) as site:
        site.until_healthy()
        site.set("wb", "mute")
        site.until_state("wb", "catching_up")
        mute = site.ctl("heal", "wb")
        assert mute.returncode == 1, mute.stdout
        assert "no new output in wb.jsonl within 2s" in mute.stdout
        site.set("wb", "fail")
        site.set("wb", "exit", "1")
        site.until_state("wb", "down")
        fatal = site.ctl("heal", "wb")
        assert fatal.returncode == 1, fatal.stdout
        assert "FATAL" in fatal.stdout
        assert site.starts() == {"wa": 1, "wb": 3}


def test_the_hosts_budget_holds_for_an_operator_too() -> None:
    overall = {"max_restarts_overall": {"max": 1, "within": "1h"}}
    with Site([Worker("wa"), Worker("wb")], defaults=overall) as site:
        site.until_healthy()
        site.hang("wa")
        site.until_heal("wa")
        site.hang("wb")
        site.until_state("wb", "stalled")
        refused = site.ctl("heal", "wb")
        assert refused.returncode == 75
        assert re.search(r"host budget used up \(1 restarts in 1h\)", refused.stdout), refused.stdout
        site.until_judged_again("wb")
        assert site.starts() == {"wa": 2, "wb": 1}
        assert "host budget used up" in site.ctl("status", "wb").stdout


def steps(site: Site, request_id: str) -> list[Any]:
    return [step["text"] for step in site.rpc.healer.getRequest(request_id)["steps"]]
