"""Stops and starts: the listener's, an operator's, and whose it was, on a real supervisord."""

from __future__ import annotations

import xmlrpc.client

import pytest
from real_supervisord import Supervisord, fault, until, worker

pytestmark = pytest.mark.real

NOT_RUNNING = 70


def test_the_table_has_every_process(supervisord: Supervisord) -> None:
    table = supervisord.table()
    assert set(table) >= {"wa:wa", "wb:wb", "never:never", "many:0", "many:1", "healer:healer"}
    wa = table["wa:wa"]
    assert wa == {
        "group": "wa", "name": "wa", "statename": "RUNNING", "pid": supervisord.pid("wa"), "start": wa["start"],
        "autorestart": "always", "exitcodes": [0], "exitstatus": -1, "by_operator": False, "listener": False,
    }  # fmt: skip
    assert wa["start"] > 1.7e9
    assert table["healer:healer"]["listener"] is True
    assert table["wb:wb"]["autorestart"] == "never"
    never = table["never:never"]
    assert (never["autorestart"], never["exitcodes"], never["start"]) == ("unexpected", [0, 7], 0.0)
    assert never["by_operator"] is True  # autostart=false and never started


def test_our_stop_and_start(supervisord: Supervisord) -> None:
    pid = supervisord.pid("wa")
    answer = supervisord.order("stopWorker", "wa:wa", pid)
    assert answer["outcome"] == "accepted"
    supervisord.until_state("wa", "STOPPED")
    assert supervisord.table()["wa:wa"]["by_operator"] is False
    assert supervisord.order("stopWorker", "wa:wa", pid)["outcome"] == "already"
    answer = supervisord.order("startWorker", "wa:wa")
    assert (answer["outcome"], answer["statename"]) == ("accepted", "RUNNING")
    assert answer["pid"] not in (0, pid)
    assert supervisord.order("startWorker", "wa:wa")["outcome"] == "already"
    assert supervisord.order("stopWorker", "wa:wa", pid)["outcome"] == "changed"
    assert supervisord.order("stopWorker", "wa:wa", 0)["outcome"] == "failed"


def test_what_is_not_ours_to_order(supervisord: Supervisord) -> None:
    assert supervisord.order("stopWorker", "no:body", 1)["outcome"] == "gone"
    assert supervisord.order("startWorker", "wa:nobody")["outcome"] == "gone"
    assert supervisord.order("startWorker", "wa")["outcome"] == "gone"  # an address is group:name
    answer = supervisord.order("stopWorker", "healer:healer", supervisord.pid("healer"))
    assert (answer["outcome"], answer["reason"]) == ("failed", "an event listener is not a worker")
    assert supervisord.order("startWorker", "never:never")["outcome"] == "operator"


@pytest.mark.parametrize("names", [["wa"], ["wa:*"], ["wa:wa"]])
def test_an_operators_stop_of_a_running_worker(supervisord: Supervisord, names: list[str]) -> None:
    supervisord.rpc.supervisor.stopProcess(*names)
    row = supervisord.table()["wa:wa"]
    assert (row["statename"], row["by_operator"]) == ("STOPPED", True)
    assert supervisord.order("startWorker", "wa:wa")["outcome"] == "operator"
    assert supervisord.order("stopWorker", "wa:wa", 5)["outcome"] == "operator"


def test_an_operators_stop_while_we_have_it_in_hand(supervisord: Supervisord) -> None:
    supervisord.start("slow")
    generation = supervisord.publish(full=False, workers=[])["generation"]
    assert supervisord.order("stopWorker", "slow:slow", supervisord.pid("slow"))["statename"] == "STOPPING"
    assert supervisord.table()["slow:slow"]["by_operator"] is False
    answer = supervisord.order("startWorker", "slow:slow")
    assert (answer["outcome"], answer["reason"]) == ("failed", "still stopping")
    with fault(NOT_RUNNING):
        supervisord.rpc.supervisor.stopProcess("slow")
    assert supervisord.table()["slow:slow"]["by_operator"] is True
    assert supervisord.publish(full=False, workers=[])["generation"] == generation + 1
    supervisord.until_state("slow", "STOPPED")
    assert supervisord.order("startWorker", "slow:slow")["outcome"] == "operator"
    supervisord.rpc.supervisor.startProcess("slow")  # a person's start ends it
    assert supervisord.table()["slow:slow"]["by_operator"] is False
    assert supervisord.order("stopWorker", "slow:slow", supervisord.pid("slow"))["outcome"] == "accepted"
    supervisord.until_state("slow", "STOPPED")
    assert supervisord.order("startWorker", "slow:slow")["outcome"] == "accepted"


def test_an_operators_start_withdraws_his_stop(supervisord: Supervisord) -> None:
    """`supervisorctl restart` of a worker that we are stopping: Supervisor can do neither half, but we can finish."""
    supervisord.start("slow")
    supervisord.order("stopWorker", "slow:slow", supervisord.pid("slow"))
    with fault(NOT_RUNNING):
        supervisord.rpc.supervisor.stopProcess("slow")
    assert supervisord.table()["slow:slow"]["by_operator"] is True
    with pytest.raises(xmlrpc.client.Error):  # spawning asserts that it is not STOPPING
        supervisord.rpc.supervisor.startProcess("slow")
    assert supervisord.table()["slow:slow"]["by_operator"] is False
    supervisord.until_state("slow", "STOPPED")
    assert supervisord.order("startWorker", "slow:slow")["outcome"] == "accepted"


def test_a_stop_of_what_is_in_backoff(supervisord: Supervisord) -> None:
    supervisord.rpc.supervisor.startProcess("flapping", False)
    supervisord.until_state("flapping", "BACKOFF")
    assert supervisord.order("stopWorker", "flapping:flapping", 0)["outcome"] == "accepted"
    assert supervisord.table()["flapping:flapping"]["statename"] == "STOPPED"


def _stop_one(supervisord: Supervisord) -> None:
    with fault(NOT_RUNNING):
        supervisord.rpc.supervisor.stopProcess("wb", False)


def _stop_group(supervisord: Supervisord) -> None:
    assert supervisord.rpc.supervisor.stopProcessGroup("wb") == []


def _stop_everything(supervisord: Supervisord) -> None:
    stopped = supervisord.rpc.supervisor.stopAllProcesses()
    assert "wb" not in [one["name"] for one in stopped]
    supervisord.start("healer", "wa")
    supervisord.publish()


@pytest.mark.parametrize("stop", [_stop_one, _stop_group, _stop_everything])
def test_an_operators_stop_of_what_is_down_already(supervisord: Supervisord, stop: object) -> None:
    assert callable(stop)
    supervisord.kill("wb")
    supervisord.until_state("wb", "EXITED")
    row = supervisord.table()["wb:wb"]
    assert (row["by_operator"], row["exitstatus"]) == (False, -1)  # killed by a signal
    stop(supervisord)
    assert supervisord.table()["wb:wb"]["by_operator"] is True
    assert supervisord.order("startWorker", "wb:wb")["outcome"] == "operator"
    supervisord.start("wb")
    supervisord.kill("wb")
    supervisord.until_state("wb", "EXITED")
    assert supervisord.table()["wb:wb"]["by_operator"] is False
    assert supervisord.order("startWorker", "wb:wb")["outcome"] == "accepted"


def test_a_group_that_comes_back_is_a_new_one(supervisord: Supervisord) -> None:
    generation = supervisord.publish(full=False, workers=[])["generation"]
    supervisord.kill("wb")
    supervisord.until_state("wb", "EXITED")
    _stop_one(supervisord)
    supervisord.rpc.supervisor.removeProcessGroup("wb")
    assert supervisord.order("startWorker", "wb:wb")["outcome"] == "gone"
    assert supervisord.rpc.healer.getWorkerHealth("wb")["process"]["statename"] == ""
    supervisord.rpc.supervisor.addProcessGroup("wb")
    supervisord.until_state("wb", "RUNNING")
    assert supervisord.publish(full=False, workers=[])["generation"] >= generation + 3
    assert supervisord.table()["wb:wb"]["by_operator"] is False


def test_stops_behave_as_supervisors_own(supervisord: Supervisord) -> None:
    rpc = supervisord.rpc.supervisor
    supervisord.start("many:0", "many:1")
    stopped = rpc.stopProcessGroup("many")
    assert sorted(one["name"] for one in stopped) == ["0", "1"]
    assert {one["description"] for one in stopped} == {"OK"}
    with fault(10):
        rpc.stopProcess("nobody")
    with fault(10):
        rpc.stopProcessGroup("nobody")
    with fault(2):
        rpc.stopProcess()
    assert rpc.startProcess("wa:*") == []


@pytest.mark.parametrize(
    ("state", "reason", "text"),
    [
        ("healthy", "all is well", ""),
        ("idle", "no work", ""),
        ("stalled", "wa.jsonl 41h old", "; stalled: wa.jsonl 41h old"),
        ("starting", "", "; starting"),
        ("stopped", "stopped by an operator", "; stopped by an operator"),
        ("blocked", "x" * 1000, "; blocked: xxx"),
    ],
)
def test_status_tells_health(supervisord: Supervisord, state: str, reason: str, text: str) -> None:
    supervisord.publish(workers=[worker("wa", state, reason)])
    description = supervisord.description("wa")
    assert description.startswith(f"pid {supervisord.pid('wa')}, uptime 0:0")
    assert (text in description) if text else (";" not in description)
    assert len(description) < 400
    assert ";" not in supervisord.description("wb")  # not watched
    everyone = {one["name"]: one["description"] for one in supervisord.rpc.supervisor.getAllProcessInfo()}
    assert text in everyone["wa"]


def test_status_of_a_dead_worker(supervisord: Supervisord) -> None:
    supervisord.publish(workers=[worker("wb", "down", "waiting for fresh input x")])
    supervisord.kill("wb")
    supervisord.until_state("wb", "EXITED")
    assert supervisord.description("wb").endswith("M; down: waiting for fresh input x")
    until(lambda: "down: waiting" in supervisord.ctl("status", "wb").stdout, "supervisorctl status shows it")


def test_the_end_of_supervisord_takes_no_orders() -> None:
    with Supervisord() as own:
        own.start("slow", "wa")
        own.rpc.supervisor.shutdown()
        until(lambda: own.order("startWorker", "wa:wa")["reason"] == "supervisord is shutting down", "refused", 0.8)
        own.table()
