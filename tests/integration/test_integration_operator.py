"""An operator's stop is never undone, whenever it comes; his start is an end to it."""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Callable

import pytest
from pipeline import Site, Worker, chain, section, until

pytestmark = pytest.mark.real

NOT_RUNNING = 70  # Supervisor's fault for a stop of what does not run


def stop_what_does_not_run(site: Site, name: str) -> None:
    with pytest.raises(xmlrpc.client.Fault) as caught:
        site.rpc.supervisor.stopProcess(name)
    assert caught.value.faultCode == NOT_RUNNING


def test_a_stopped_worker_stays_stopped_until_its_operator_starts_it() -> None:
    with Site(chain("wa", "wb", "wc")) as site:
        site.until_healthy()
        site.rpc.supervisor.stopProcess("wb")
        site.until_state("wb", "stopped")
        site.until_state("wc", "blocked")
        assert site.health("wc")["blocked_by"] == ["wb"]
        refused = site.heal("wb")
        assert (refused["exit_status"], refused["reason"]) == (75, "stopped: stopped by an operator")
        assert site.heal("wb", force=True)["exit_status"] == 75
        site.until_judged_again("wb")
        assert site.starts() == {"wa": 1, "wb": 1, "wc": 1}
        site.rpc.supervisor.startProcess("wb")
        site.until_healthy()
        site.hang("wb")  # it is watched again
        site.until_heal("wb")
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 3, "wc": 1}


def test_a_stop_of_what_is_down_already_is_respected() -> None:
    """Supervisor answers it "not running", and emits no event."""
    down = {"autorestart": "false"}
    fatal = {"autorestart": "false", "startsecs": 1, "startretries": 0}
    workers = [
        Worker("outside", watched=False),
        Worker("exited", "outside.jsonl", options=down),
        Worker("fatal", "outside.jsonl", options=fatal),
    ]
    with Site(workers) as site:
        site.until_healthy()
        site.set("outside", "mute")
        site.until_state("exited", "blocked")
        site.until_state("fatal", "blocked")
        site.set("exited", "exit", "1")
        site.set("fatal", "fail")
        site.rpc.supervisor.stopProcess("fatal")
        site.rpc.supervisor.startProcess("fatal", False)
        site.until_statename("fatal", "FATAL")
        site.clear("fatal", "fail")
        for name in ("exited", "fatal"):
            site.until_state(name, "down")
            stop_what_does_not_run(site, name)
            site.until_state(name, "stopped")
        before = site.starts()
        site.clear("outside", "mute")
        for name in ("exited", "fatal"):
            site.until_judged_again(name)
            assert site.heal(name)["exit_status"] == 75
            assert site.health(name)["inputs"][0]["freshness"] == "fresh"
        assert site.starts() == before
        site.rpc.supervisor.startProcess("exited")
        site.until_state("exited", "healthy")
        assert site.state("fatal") == "stopped"


@pytest.mark.parametrize(
    "stop",
    [
        pytest.param(lambda site: stop_what_does_not_run(site, "wb"), id="stop wb"),
        pytest.param(lambda site: site.rpc.supervisor.stopProcessGroup("wb", False), id="stop wb:*"),
        pytest.param(lambda site: site.rpc.supervisor.stopAllProcesses(False), id="stop all"),
    ],
)
def test_a_stop_while_the_healer_is_stopping_that_very_worker(stop: Callable[[Site], None]) -> None:
    with Site(chain("wa", "wb")) as site:
        site.until_healthy()
        site.set("wb", "slow")
        site.hang("wb")
        site.until_statename("wb", "STOPPING")
        site.until_state("wb", "healing")
        joined = site.ask("wb")
        until(lambda: site.rpc.healer.getRequest(joined)["steps"], "the request has joined")
        stop(site)
        site.clear("wb", "slow")
        site.until_statename("wb", "STOPPED")
        if site.listener()["state"] != "running":  # stop all
            site.until_statename("healer", "STOPPED")
            site.rpc.supervisor.startProcess("healer")
        site.until_state("wb", "stopped")
        assert site.answer(joined)["exit_status"] == 75
        site.until_judged_again("wb")
        assert site.statename("wb") == "STOPPED"
        assert site.starts("wb") == {"wb": 1}
        assert dict(site.history("wb"))["abandoned"] == "an operator stopped it meanwhile"


def test_a_stop_while_the_healer_is_starting_that_very_worker() -> None:
    with Site(chain("wa", "wb", options={"startsecs": 3})) as site:
        site.until_healthy()
        site.hang("wb")
        until(lambda: site.starts("wb") == {"wb": 2}, "it is started again")
        assert site.statename("wb") == "STARTING"
        site.rpc.supervisor.stopProcess("wb")
        site.until_state("wb", "stopped")
        site.until_judged_again("wb")
        assert site.statename("wb") == "STOPPED"
        assert site.starts("wb") == {"wb": 2}
        assert dict(site.history("wb"))["abandoned"] == "an operator stopped it meanwhile"


def test_a_stop_of_a_group_and_of_everything() -> None:
    group = section("group:pair", {"programs": "wb,wc"})
    workers = chain("wa", "wb", "wc")
    for worker in workers[1:]:
        worker.entry = {"program": f"pair:{worker.name}"}
    with Site(workers, conf=group) as site:
        site.until_healthy()
        site.rpc.supervisor.stopProcessGroup("pair")
        for name in ("wb", "wc"):
            site.until_state(name, "stopped")
        site.until_judged_again("wc")
        site.rpc.supervisor.startProcessGroup("pair")
        site.until_healthy()
        site.rpc.supervisor.stopAllProcesses()
        site.rpc.supervisor.startProcess("healer")
        site.until_healer()
        for name in ("wa", "wb", "wc"):
            site.until_state(name, "stopped")
            site.until_judged_again(name, 2)
        assert site.starts() == {"wa": 1, "wb": 2, "wc": 2}


def test_what_was_never_started_is_left_alone() -> None:
    with Site([Worker("wa"), Worker("wb", "wa.jsonl", options={"autostart": "false"})]) as site:
        site.until_state("wb", "stopped")
        refused = site.heal("wb")
        assert (refused["exit_status"], refused["reason"]) == (75, "stopped: never started (autostart=false)")
        site.until_judged_again("wb")
        assert site.starts() == {"wa": 1, "wb": 0}
        site.rpc.supervisor.startProcess("wb")
        site.until_healthy()
