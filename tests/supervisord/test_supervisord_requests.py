"""Requests and the listener's attendance, on a real supervisord."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from real_supervisord import Supervisord, fault, until, worker

from supervisor_healer.supervisord import make_healer_rpcinterface, make_main_rpcinterface

pytestmark = pytest.mark.real

BAD_NAME, INCORRECT, FAILED, NOT_RUNNING = 10, 2, 30, 70


@pytest.fixture
def own() -> Iterator[Supervisord]:
    """A supervisord whose healer is started, and has not yet reported."""
    with Supervisord() as supervisord:
        yield supervisord


def rings(supervisord: Supervisord) -> int:
    return sum("type:supervisor_healer" in event for event in supervisord.events)


def test_a_request_is_kept_rung_for_taken_and_followed(supervisord: Supervisord) -> None:
    healer, before = supervisord.rpc.healer, rings(supervisord)
    request = healer.heal("wa:wa", {"dry_run": True})
    until(lambda: rings(supervisord) == before + 1, "the bell is heard")
    assert healer.getRequest(request) == {
        "id": request, "name": "wa", "state": "queued", "exit_status": 0, "steps": [], "reason": ""
    }  # fmt: skip
    expected = {"id": request, "verb": "heal", "name": "wa", "dry_run": True, "force": False, "seconds": 0.0}
    assert supervisord.take() == [expected]
    assert healer.getRequest(request)["state"] == "running"
    supervisord.progress(request, "running", "looking")
    assert healer.getRequest(request)["steps"] == [{"at": 1.0, "text": "looking"}]
    supervisord.progress(request, "done", "looking", "refused", status=75, reason="blocked by wb")
    done = healer.getRequest(request)
    assert (done["state"], done["exit_status"], done["reason"]) == ("done", 75, "blocked by wb")
    assert [step["text"] for step in done["steps"]] == ["looking", "refused"]
    supervisord.progress(request, "running", "again")  # what is done stays done
    assert healer.getRequest(request) == done
    assert supervisord.take() == []


def test_open_requests_are_counted_and_taken_again(supervisord: Supervisord) -> None:
    healer = supervisord.rpc.healer
    first, second, third = healer.heal("all"), healer.unmonitor("wb", 90), healer.monitor("wb")
    assert len({first, second, third}) == 3
    assert supervisord.publish(full=False, workers=[])["requests"] == 3
    taken = supervisord.take()
    assert [(one["verb"], one["name"], one["seconds"]) for one in taken] == [
        ("heal", "all", 0.0), ("unmonitor", "wb", 90.0), ("monitor", "wb", 0.0)
    ]  # fmt: skip
    assert supervisord.take() == taken  # asking twice loses nothing


def test_without_a_listener_requests_are_refused_at_once(supervisord: Supervisord) -> None:
    healer = supervisord.rpc.healer
    supervisord.publish(workers=[worker("wa", "stalled", "old"), worker("wb")])
    supervisord.kill("healer")
    for call in (healer.heal, healer.monitor, healer.unmonitor):  # at once: supervisord has not noticed by itself
        with fault(NOT_RUNNING, "healer not running (EXITED", "supervisorctl tail healer stderr"):
            call("wa")
    one = healer.getWorkerHealth("wa")
    assert one["state"] == "unknown"
    assert one["reason"].startswith("healer not running (EXITED ")
    assert one["reason"].endswith("ago); last verdict: stalled: old")
    assert one["outputs"][0]["freshness"] == "unknown"
    assert "healer not running" in healer.explain("wa")[0]
    state = healer.getListenerState()
    assert (state["state"], state["pid"], state["name"]) == ("stopped", 0, "healer")
    assert abs(state["since"] - time.time()) < 5
    supervisord.start("healer")
    assert healer.getListenerState()["state"] == "stopped"  # another pid, which has not announced itself
    with fault(NOT_RUNNING, "has not reported yet"):
        healer.heal("wa")
    assert supervisord.take() == []  # nothing refused is kept
    supervisord.publish()
    assert healer.getListenerState()["state"] == "running"
    assert healer.getWorkerHealth("wa")["state"] == "healthy"


def test_a_request_in_hand_goes_to_the_next_listener(supervisord: Supervisord) -> None:
    healer = supervisord.rpc.healer
    request = healer.heal("wa")
    assert [one["id"] for one in supervisord.take()] == [request]
    supervisord.progress(request, "running", "stopping")
    supervisord.kill("healer")
    supervisord.until_state("healer", "EXITED")
    assert healer.getRequest(request)["state"] == "running"
    supervisord.start("healer")
    assert supervisord.publish()["requests"] == 1
    assert [one["id"] for one in supervisord.take()] == [request]
    supervisord.progress(request, "running", "starting")
    supervisord.progress(request, "done", "starting", "RUNNING", reason="healed")
    done = healer.getRequest(request)
    assert done["reason"] == "healed"
    assert [step["text"] for step in done["steps"]] == ["stopping", "starting", "RUNNING"]


def test_who_may_publish(supervisord: Supervisord) -> None:
    with fault(INCORRECT, "is not a process that supervisord runs"):
        supervisord.publish(pid=os.getpid())
    with fault(INCORRECT, "another healer is at work, healer (pid"):
        supervisord.publish(pid=supervisord.pid("wa"))
    supervisord.kill("healer")
    supervisord.until_state("healer", "EXITED")
    supervisord.start("healer")
    with fault(INCORRECT, "must be a full one"):
        supervisord.publish(full=False)


def test_a_broken_architecture_refuses(supervisord: Supervisord) -> None:
    healer = supervisord.rpc.healer
    supervisord.publish(architecture_errors=["a.yaml:3: workers.x: nonsense"], warnings=["careful"])
    state = healer.getListenerState()
    assert state["state"] == "broken"
    assert state["architecture_errors"] == ["a.yaml:3: workers.x: nonsense"]
    assert state["warnings"] == ["careful"]
    with fault(NOT_RUNNING, "supervisorctl health"):
        healer.heal("wa")
    assert healer.getWorkerHealth("wa")["state"] == "unknown"
    assert supervisord.description("wa").endswith("; healer: architecture broken (supervisorctl health)")


def test_a_listener_that_has_not_judged_yet(supervisord: Supervisord) -> None:
    supervisord.publish(workers=[], loaded=False)
    with fault(NOT_RUNNING, "only just started"):
        supervisord.rpc.healer.heal("wa")
    assert supervisord.rpc.healer.heal("all")


def test_nothing_was_ever_published(own: Supervisord) -> None:
    healer = own.rpc.healer
    assert healer.getAllWorkerHealth() == []
    state = healer.getListenerState()
    assert (state["state"], state["pid"], state["since"], state["architecture_errors"]) == ("stopped", 0, 0.0, [])
    with fault(NOT_RUNNING, "has not reported yet", "supervisorctl status healer"):
        healer.heal("wa")
    assert own.description("wa").endswith("; healer not running")
    assert "healer" not in own.description("healer")
    with fault(BAD_NAME, "has not reported yet"):
        healer.getWorkerHealth("wa")
    own.rpc.supervisor.stopProcess("healer")
    own.rpc.supervisor.removeProcessGroup("healer")
    with fault(NOT_RUNNING, "[eventlistener:healer]"):
        healer.heal("wa")


def test_a_broken_architecture_from_the_start_is_seen_in_status(own: Supervisord) -> None:
    own.start("healer", "wa")
    own.publish(workers=[], architecture_errors=["a.yaml:3: workers.x: nonsense"], loaded=False)
    for name in ("wa", "wb", "never"):
        assert own.description(name).endswith("; healer: architecture broken (supervisorctl health)")
    assert "healer" not in own.description("healer")
    own.publish(workers=[worker("wa")])
    assert "healer" not in own.description("wa") + own.description("wb")
    own.publish(architecture_errors=["a.yaml:3: workers.x: nonsense"], workers=[worker("wa")])
    assert own.description("wa").endswith("; healer: architecture broken (supervisorctl health)")
    assert "healer" not in own.description("wb")  # it is known who is watched


def test_a_reload_begins_a_new_life(own: Supervisord) -> None:
    own.start("wa", "healer")
    own.publish(workers=[worker("wa", "stalled", "old")])
    request = own.rpc.healer.heal("wa")
    own.rpc.supervisor.stopProcess("never:never") if own.info("never")["statename"] != "STOPPED" else None
    with fault(NOT_RUNNING):
        own.rpc.supervisor.stopProcess("crash")  # noted as an operator's
    generation = own.publish()["generation"]
    pid = own.pid("wa")
    own.rpc.supervisor.restart()
    until(lambda: own.pid("wa") not in (0, pid), "supervisord has reloaded")
    own.start("healer")
    assert own.rpc.healer.getAllWorkerHealth() == []
    with fault(BAD_NAME):
        own.rpc.healer.getRequest(request)
    answer = own.publish()
    assert answer["requests"] == 0
    assert answer["generation"] > generation
    with fault(NOT_RUNNING):
        own.rpc.supervisor.stopProcess("crash")
    after = own.publish()["generation"]
    assert after == answer["generation"] + 1  # noted once
    own.rpc.supervisor.startProcess("crash")
    until(lambda: own.publish()["generation"] == after + 1, "the start is heard, once")
    assert "supervisor_healer:" not in own.log  # no complaint


def test_both_servers_share_one_memory_and_a_password() -> None:
    with Supervisord(inet=(port := 20000 + os.getpid() % 20000), password="s3cret") as own:
        own.start("healer", "wa")
        own.publish(workers=[worker("wa", "late")])
        other = own.server_at(f"http://127.0.0.1:{port}")
        request = other.healer.heal("wa")
        assert [one["id"] for one in own.take()] == [request]
        assert other.supervisor.getProcessInfo("wa")["description"].endswith("; late")


def test_the_healer_namespace_alone_works() -> None:
    rpc = """[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[rpcinterface:healer]
supervisor.rpcinterface_factory=supervisor_healer.supervisord:make_healer_rpcinterface
"""
    with Supervisord(rpc=rpc) as own:
        own.start("healer", "wa")
        own.publish(workers=[worker("wa", "stalled")])
        assert own.rpc.healer.getWorkerHealth("wa")["state"] == "stalled"
        assert "stalled" not in own.description("wa")


def test_a_silent_listener_accepts_and_says_so() -> None:
    with Supervisord(SILENT_AFTER=0.5, REQUEST_EXPIRES=1.5) as own:
        own.start("healer", "wa")
        own.publish(workers=[worker("wa", "stalled", "old")])
        os.kill(own.pid("healer"), signal.SIGSTOP)
        until(lambda: own.rpc.healer.getListenerState()["state"] == "silent", "it is called silent")
        assert "; healer silent for " in own.description("wa")
        assert own.rpc.healer.getWorkerHealth("wa")["reason"].startswith("healer silent for ")
        request = own.rpc.healer.heal("wa")
        assert own.rpc.healer.getRequest(request)["state"] == "queued"
        own.publish(full=False, workers=[])
        assert own.rpc.healer.getListenerState()["state"] == "running"
        until(lambda: own.rpc.healer.getRequest(request)["state"] == "done", "nobody takes it")
        done = own.rpc.healer.getRequest(request)
        assert done["exit_status"] == 7
        assert "no healer has taken it within 1.5s" in done["reason"]
        assert own.take() == []


def test_requests_end_when_their_listener_stays_away() -> None:
    with Supervisord(REQUEST_EXPIRES=2.0, ORPHAN_EXPIRES=0.5) as own:
        own.start("healer", "wa")
        own.publish()
        healer = own.rpc.healer
        taken = healer.heal("wa")
        own.take()
        queued = healer.heal("wa")
        own.kill("healer")
        until(lambda: healer.getRequest(queued)["state"] == "done", "what nobody took ends")
        assert "went away before it took" in healer.getRequest(queued)["reason"]
        assert healer.getRequest(taken)["state"] == "running"
        until(lambda: healer.getRequest(taken)["state"] == "done", "what was in hand ends later")
        assert healer.getRequest(taken)["exit_status"] == 7
        own.start("healer")
        assert own.publish()["requests"] == 0
        own.progress(taken, "done", reason="healed")  # a listener knows better
        assert healer.getRequest(taken)["exit_status"] == 0


def test_so_many_requests_are_kept_and_no_more() -> None:
    with Supervisord(REQUESTS_KEPT=2) as own:
        own.start("healer", "wa")
        own.publish()
        healer = own.rpc.healer
        first, second = healer.heal("wa"), healer.heal("wa")
        with fault(FAILED, "2 requests are open already"):
            healer.heal("wa")
        own.progress(second, "done")
        third = healer.heal("wa")  # in the place of the oldest that is finished
        with fault(BAD_NAME, "keeps the last 2"):
            healer.getRequest(second)
        assert [request["id"] for request in own.take()] == [first, third]


@pytest.mark.parametrize("factory", [make_healer_rpcinterface, make_main_rpcinterface])
def test_an_option_that_does_not_exist_is_an_error(factory: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match=r"unknown option.*: retries"):
        factory(object(), retries="3")


def test_what_a_healer_had_left_is_told_to_those_after_it_until_one_knows_better(own: Supervisord) -> None:
    """One that is killed before it has given back its past, or has found it lost, must not wipe out what is known."""
    known = {"wa": 2, "": 1}

    def next_healer(**news: object) -> dict[str, int]:
        if own.info("healer")["statename"] == "RUNNING":
            own.rpc.supervisor.stopProcess("healer")
        own.start("healer")
        left: dict[str, int] = own.publish(**news)["budget_left"]
        return left

    assert next_healer(workers=[worker("wa", budget_left=2)], restarts_left=1) == {}
    assert next_healer(workers=[], loaded=False, restarts_left=-1) == known
    assert next_healer(workers=[worker("wa", budget_left=1)], restarts_left=0) == known
    assert next_healer(workers=[]) == {"wa": 1, "": 0}


def test_a_start_that_its_healer_did_not_live_to_publish_counts_as_used(own: Supervisord) -> None:
    own.start("healer")
    own.publish(workers=[worker("wb", budget_left=2)], restarts_left=4)
    own.rpc.supervisor.stopProcess("wb")
    own.rpc.supervisor.startProcess("wb")  # somebody else's does not
    address = worker("wb")["address"]
    assert own.order("startWorker", address)["outcome"] == "already"
    own.kill("wb")
    until(lambda: own.order("startWorker", address)["outcome"] == "accepted", "the start of wb")
    own.rpc.supervisor.stopProcess("healer")
    own.start("healer")
    assert own.publish()["budget_left"] == {"wb": 1, "": 3}
