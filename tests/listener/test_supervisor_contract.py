"""One suite for two Supervisors: the fake one of the tests, and the real one with the real plugin.

Each scenario has programs of its own, so that all of them can share one supervisord, in any order.
"""

from __future__ import annotations

import os
import signal
import xmlrpc.client
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, cast

import pytest
from fakes.client import AskingClient
from fakes.processes import EXITS_AFTER, Program
from fakes.supervisor import FakeSupervisor
from real_supervisor import RealSupervisor, program, until

from supervisor_healer.core.model import Process, ProcessState
from supervisor_healer.listener.events import Event, ProcessStateChanged, Ring, meaning
from supervisor_healer.listener.supervisor_client import row_to_process
from supervisor_healer.protocol import RING, ProcessRow, Publication, PublishAnswer

PROGRAMS = [
    Program("plain"),
    Program("member", group="grp"),
    Program("auto", autostart=True),
    Program("patient", startsecs=1),
    Program("hasty", startsecs=30),
    Program("never"),
    Program("crash", exits=1, startsecs=1, startretries=1),
    Program("crash_stopped", exits=1, startsecs=1, startretries=9),
    Program("crash_noted", exits=1, startsecs=1, startretries=0),
    Program("brief", exits=3),
    Program("op_running"),
    Program("op_exited"),
    Program("op_hand", stop_delay=1.5),
    Program("op_restart"),
    Program("slow", stop_delay=1.5),
    Program("stubborn", stop_delay=60, stopwaitsecs=1),
    Program("frozen", stopwaitsecs=30),
    Program("killed"),
    Program("requested"),
    Program("told", exits_on={"HUP": 1}),
    Program("told_dead"),
    Program("told_stopping", stop_delay=1.5),
    Program("told_crash", exits=1, startsecs=1, startretries=9),
    *(
        Program(f"{autorestart}_{code}", autorestart=autorestart, exitcodes=(0, 3))
        for autorestart in ("always", "unexpected", "never")
        for code in (0, 1, 3)
    ),
]


class World(Protocol):
    """What a scenario needs of either Supervisor."""

    client: AskingClient

    def events(self) -> list[Event]: ...
    def operator_stop(self, address: str) -> str: ...
    def operator_start(self, address: str) -> str: ...
    def ask(self, verb: str, name: str) -> str: ...
    def exit(self, address: str, code: int) -> None: ...
    def freeze(self, address: str) -> None: ...
    def thaw(self, pid: int) -> None: ...
    def up(self, address: str) -> int: ...
    def until(self, condition: Callable[[], object], what: str) -> None: ...
    def publish(self, **news: Any) -> PublishAnswer: ...


class FakeWorld:
    def __init__(self) -> None:
        self.fake = FakeSupervisor(PROGRAMS)
        self.client = cast("AskingClient", self.fake)
        self._events: list[Event] = []
        self.operator_stop = self.fake.operator_stop
        self.operator_start = self.fake.operator_start
        self.ask = self.fake.ask
        self.exit = self.fake.exit
        self.freeze = self.fake.freeze
        self.thaw = self.fake.thaw

    def events(self) -> list[Event]:
        self._events += self.fake.take_events()
        return self._events

    def up(self, address: str) -> int:
        return self.fake.processes[address].pid

    def until(self, condition: Callable[[], object], what: str) -> None:
        for _ in range(1000):
            self.fake.state()
            if condition():
                return
            self.fake.advance(EXITS_AFTER / 2)
        raise AssertionError(f"not within {500 * EXITS_AFTER:.0f} s: {what}")

    def publish(self, **news: Any) -> PublishAnswer:
        return self.fake.publish(publication(1, **news))


class RealWorld:
    def __init__(self, real: RealSupervisor) -> None:
        self.real = real
        self.client = real.client
        self.events = real.events
        self.listener = int(real.rpc.supervisor.getProcessInfo("healer")["pid"])

    def operator_stop(self, address: str) -> str:
        return self._ctl(self.real.rpc.supervisor.stopProcess, address)

    def operator_start(self, address: str) -> str:
        return self._ctl(self.real.rpc.supervisor.startProcess, address)

    @staticmethod
    def _ctl(call: Callable[[str, bool], object], address: str) -> str:
        try:
            call(address, False)
        except xmlrpc.client.Fault as fault:
            return fault.faultString.partition(":")[0]
        return ""

    def ask(self, verb: str, name: str) -> str:
        return str(getattr(self.real.rpc.healer, verb)(name))

    def exit(self, address: str, code: int) -> None:
        os.kill(self.up(address), {0: signal.SIGUSR1, 3: signal.SIGUSR2, 1: signal.SIGHUP, -1: signal.SIGKILL}[code])

    def freeze(self, address: str) -> None:
        os.kill(self.up(address), signal.SIGSTOP)

    def thaw(self, pid: int) -> None:
        os.kill(pid, signal.SIGCONT)

    def up(self, address: str) -> int:
        """The pid, once the worker handles its signals: until its exec, supervisord's own handlers swallow them."""
        until(lambda: self.real.ready_pid(address), f"{address} handles signals")
        return self.real.ready_pid(address)

    def until(self, condition: Callable[[], object], what: str) -> None:
        # the call wakes supervisord's loop, so that it notices at once what its children do
        until(lambda: self.client.state() and condition(), what)

    def publish(self, **news: Any) -> PublishAnswer:
        return self.client.publish(publication(self.listener, **news))


def publication(pid: int, **news: Any) -> Publication:
    whole = {
        "listener": {
            "pid": pid, "started": 1.0, "mode": "heal", "architecture": "a", "architecture_errors": [],
            "warnings": [], "loaded": True, "restarts_left": 5,
        },
        "full": True, "workers": [worker("requested")], "gone": [], "consumers": [], "files": [], "files_gone": [],
        "ages": {}, "history": [], "requests": [],
        "report": {}, **news,
    }  # fmt: skip
    return cast("Publication", whole)


def worker(name: str) -> dict[str, object]:
    return {
        "name": name, "address": f"{name}:{name}", "state": "healthy", "since": 1.0, "reason": "", "critical": False,
        "inputs": [], "outputs": [], "blocked_by": [], "attempts": 0, "budget_left": 6, "next_attempt_mono": 0.0,
        "last_heal": {"at": 0.0, "outcome": "", "reason": ""}, "explanation": [], "outlook": [],
    }  # fmt: skip


def sections() -> str:
    """PROGRAMS as supervisord.conf has them."""
    parts = []
    for one in PROGRAMS:
        parts.append(program(
            one.name, exits=one.exits, stop_delay=one.stop_delay, autostart=one.autostart,
            autorestart={"always": "true", "never": "false"}.get(one.autorestart, one.autorestart),
            startsecs=int(one.startsecs), startretries=one.startretries, stopwaitsecs=int(one.stopwaitsecs),
            exitcodes=",".join(map(str, one.exitcodes)),
        ))  # fmt: skip
        if one.group:
            parts.append(f"[group:{one.group}]\nprograms={one.name}\n")
    return "\n".join(parts)


@pytest.fixture(scope="module")
def _real() -> Iterator[RealWorld]:
    with RealSupervisor(sections()) as real:
        until(real.events, "the listener listens")
        yield RealWorld(real)


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.real)])
def world(request: pytest.FixtureRequest) -> World:
    return cast("World", FakeWorld() if request.param == "fake" else request.getfixturevalue("_real"))


# --- helpers of the scenarios --------------------------------------------------------------------------------


def changes(world: World, address: str) -> list[ProcessStateChanged]:
    said = [meaning(event) for event in world.events()]
    return [one for one in said if isinstance(one, ProcessStateChanged) and one.address == address]


def states(world: World, address: str) -> list[str]:
    return [one.state for one in changes(world, address)]


def row(world: World, address: str) -> ProcessRow:
    (found,) = [one for one in world.client.process_table() if f"{one['group']}:{one['name']}" == address]
    return found


def is_in(world: World, address: str, state: str) -> Callable[[], bool]:
    def look() -> bool:
        seen = world.client.process(address)
        return seen is not None and seen.statename == state

    return look


def start(world: World, address: str, state: str = "RUNNING") -> int:
    """An operator starts it; its pid, once it is in `state` and handles its signals."""
    assert world.operator_start(address) == ""
    world.until(is_in(world, address, state), f"{address} is {state}")
    return world.up(address)


def dead(pid: int) -> bool:
    """Whether a child of supervisord's is dead, be it reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def told(world: World, address: str, *expected: str) -> None:
    world.until(lambda: len(states(world, address)) >= len(expected), f"{len(expected)} events of {address}")
    assert states(world, address) == list(expected)


# --- scenarios -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["plain:plain", "grp:member"])
def test_stop_and_start(world: World, address: str) -> None:
    pid = start(world, address)
    seen = row(world, address)
    assert (seen["statename"], seen["pid"], seen["by_operator"], seen["exitstatus"]) == ("RUNNING", pid, False, -1)
    answer = world.client.stop_worker(address, pid)
    assert answer["outcome"] == "accepted"
    assert answer["statename"] in {"STOPPING", "STOPPED"}
    world.until(is_in(world, address, "STOPPED"), "it has stopped")
    stopped = row(world, address)
    assert (stopped["pid"], stopped["by_operator"], stopped["start"]) == (0, False, seen["start"])
    assert world.client.stop_worker(address, pid)["outcome"] == "already"
    answer = world.client.start_worker(address)
    assert (answer["outcome"], answer["statename"]) == ("accepted", "RUNNING")
    assert answer["pid"] not in {0, pid}
    assert world.client.start_worker(address)["outcome"] == "already"
    assert world.client.stop_worker(address, pid) == {
        "outcome": "changed", "statename": "RUNNING", "pid": answer["pid"],
        "reason": f"pid {pid} was meant, it is pid {answer['pid']} now",
    }  # fmt: skip
    assert world.client.stop_worker(address, 0)["outcome"] == "failed"
    assert row(world, address)["start"] >= seen["start"]
    told(world, address, "STARTING", "RUNNING", "STOPPING", "STOPPED", "STARTING", "RUNNING")
    said = changes(world, address)
    assert [one.pid for one in said] == [0, pid, pid, pid, 0, answer["pid"]]
    assert [one.from_state for one in said] == ["STOPPED", "STARTING", "RUNNING", "STOPPING", "STOPPED", "STARTING"]


@pytest.mark.parametrize("address", ["no:body", "plain:nobody", "plain", ""])
def test_no_such_process(world: World, address: str) -> None:
    assert world.client.stop_worker(address, 5) == {
        "outcome": "gone", "statename": "", "pid": 0, "reason": f"supervisord has no process {address!r}",
    }  # fmt: skip
    assert world.client.start_worker(address)["outcome"] == "gone"


def test_started_by_supervisord(world: World) -> None:
    world.until(is_in(world, "auto:auto", "RUNNING"), "it was started")
    assert not row(world, "auto:auto")["by_operator"]
    told(world, "auto:auto", "STARTING", "RUNNING")


def test_never_started(world: World) -> None:
    seen = row(world, "never:never")
    assert (seen["statename"], seen["start"], seen["by_operator"]) == ("STOPPED", 0.0, True)
    assert world.client.start_worker("never:never")["outcome"] == "operator"
    assert world.client.stop_worker("never:never", 5)["outcome"] == "operator"
    assert states(world, "never:never") == []


def test_it_takes_startsecs_to_be_running(world: World) -> None:
    address = "patient:patient"
    pid = start(world, address)
    world.client.stop_worker(address, pid)
    world.until(is_in(world, address, "STOPPED"), "it has stopped")
    answer = world.client.start_worker(address)
    assert (answer["outcome"], answer["statename"]) == ("accepted", "STARTING")
    assert world.client.start_worker(address)["outcome"] == "already"
    world.until(is_in(world, address, "RUNNING"), "its startsecs have passed")
    told(world, address, "STARTING", "RUNNING", "STOPPING", "STOPPED", "STARTING", "RUNNING")


def test_stopped_while_starting(world: World) -> None:
    address = "hasty:hasty"
    pid = start(world, address, "STARTING")
    assert world.client.stop_worker(address, pid)["outcome"] == "accepted"
    world.until(is_in(world, address, "STOPPED"), "it has stopped")
    told(world, address, "STARTING", "STOPPING", "STOPPED")
    assert not row(world, address)["by_operator"]


def test_still_stopping(world: World) -> None:
    address = "slow:slow"
    pid = start(world, address)
    assert world.client.stop_worker(address, pid)["statename"] == "STOPPING"
    seen = row(world, address)
    assert (seen["statename"], seen["pid"], seen["by_operator"]) == ("STOPPING", pid, False)
    assert world.client.stop_worker(address, pid)["outcome"] == "already"
    answer = world.client.start_worker(address)
    assert (answer["outcome"], answer["reason"], answer["pid"]) == ("failed", "still stopping", pid)
    world.until(is_in(world, address, "STOPPED"), "it has stopped")
    assert world.client.start_worker(address)["outcome"] == "accepted"
    told(world, address, "STARTING", "RUNNING", "STOPPING", "STOPPED", "STARTING", "RUNNING")


def test_killed_after_stopwaitsecs(world: World) -> None:
    address = "stubborn:stubborn"
    world.client.stop_worker(address, start(world, address))
    world.until(is_in(world, address, "STOPPED"), "it was killed")
    assert row(world, address)["exitstatus"] == -1
    told(world, address, "STARTING", "RUNNING", "STOPPING", "STOPPED")


def test_a_frozen_process_goes_once_it_is_thawed(world: World) -> None:
    address = "frozen:frozen"
    pid = start(world, address)
    world.freeze(address)
    assert world.client.stop_worker(address, pid)["statename"] == "STOPPING"
    assert is_in(world, address, "STOPPING")()
    world.thaw(pid)
    world.until(is_in(world, address, "STOPPED"), "it has stopped")
    assert row(world, address)["exitstatus"] == 0


# --- signals -------------------------------------------------------------------------------------------------


def test_a_signal_reaches_the_process_that_is_meant(world: World) -> None:
    address = "told:told"
    pid = start(world, address)
    accepted = {"outcome": "accepted", "reason": "", "statename": "RUNNING", "pid": pid}
    assert world.client.signal_worker(address, pid, "WINCH") == accepted  # ignored by default
    assert world.client.signal_worker(address, pid, "SIGWINCH") == accepted
    assert is_in(world, address, "RUNNING")()
    assert world.client.signal_worker(address, pid + 1, "HUP") == {
        "outcome": "changed", "statename": "RUNNING", "pid": pid,
        "reason": f"pid {pid + 1} was meant, it is pid {pid} now",
    }  # fmt: skip
    assert world.client.signal_worker(address, 0, "HUP")["outcome"] == "changed"
    for nonsense in ("NONSENSE", "", "99999"):
        failed = world.client.signal_worker(address, pid, nonsense)
        assert (failed["outcome"], failed["statename"], failed["pid"]) == ("failed", "RUNNING", pid)
        assert "is not a valid signal" in failed["reason"]
    assert world.client.signal_worker(address, pid, "HUP")["outcome"] == "accepted"
    world.until(is_in(world, address, "EXITED"), "it has got the signal")
    assert row(world, address)["exitstatus"] == 1
    assert world.client.signal_worker(address, pid, "HUP") == {
        "outcome": "failed", "reason": "it is EXITED", "statename": "EXITED", "pid": 0
    }  # fmt: skip
    assert world.client.start_worker(address)["outcome"] == "accepted"
    assert world.client.signal_worker(address, pid, "HUP")["outcome"] == "changed"
    told(world, address, "STARTING", "RUNNING", "EXITED", "STARTING", "RUNNING")


def test_a_process_that_has_died_unnoticed_gets_no_signal(world: World) -> None:
    pid = start(world, "told_dead:told_dead")
    world.exit("told_dead:told_dead", 3)
    world.until(lambda: dead(pid) or isinstance(world, FakeWorld), "it is dead")
    assert world.client.signal_worker("told_dead:told_dead", pid, "HUP")["reason"] == "it is EXITED"


def test_no_signal_to_what_is_not_there(world: World) -> None:
    assert world.client.signal_worker("no:body", 5, "HUP") == {
        "outcome": "gone", "statename": "", "pid": 0, "reason": "supervisord has no process 'no:body'",
    }  # fmt: skip
    assert world.client.signal_worker("never:never", 5, "HUP")["outcome"] == "operator"
    assert world.operator_start("told_crash:told_crash") == ""
    world.until(is_in(world, "told_crash:told_crash", "BACKOFF"), "it crashed")
    assert world.client.signal_worker("told_crash:told_crash", 0, "HUP")["reason"] == "it is BACKOFF"
    assert world.operator_stop("told_crash:told_crash") == ""
    assert world.client.signal_worker("told_crash:told_crash", 0, "HUP")["outcome"] == "operator"


def test_no_signal_to_what_is_on_its_way_down(world: World) -> None:
    address = "told_stopping:told_stopping"
    pid = start(world, address)
    assert world.client.stop_worker(address, pid)["statename"] == "STOPPING"
    assert world.client.signal_worker(address, pid, "HUP") == {
        "outcome": "failed", "reason": "it is STOPPING", "statename": "STOPPING", "pid": pid
    }  # fmt: skip
    assert world.operator_stop(address) == "NOT_RUNNING"
    assert world.client.signal_worker(address, pid, "HUP")["outcome"] == "operator"
    world.until(is_in(world, address, "STOPPED"), "it has stopped")
    assert world.client.signal_worker(address, pid, "HUP")["outcome"] == "operator"


# --- ends of its own -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 3])
@pytest.mark.parametrize("autorestart", ["always", "unexpected", "never"])
def test_exits(world: World, autorestart: str, code: int) -> None:
    """`restarts_itself` and `exited_well` say beforehand what supervisord then does."""
    name = f"{autorestart}_{code}"
    address = f"{name}:{name}"
    start(world, address)
    before = row_to_process(row(world, address))
    world.exit(address, code)
    world.until(lambda: "EXITED" in states(world, address), "its end was noticed")
    end = changes(world, address)[2]
    assert (end.state, end.pid, end.expected) == ("EXITED", before.pid, code in {0, 3})
    restarts = autorestart == "always" or (autorestart == "unexpected" and code == 1)
    after = Process(
        address, ProcessState.EXITED, start=before.start, restarts_itself=restarts, exited_well=code in {0, 3}
    )
    if restarts:
        told(world, address, "STARTING", "RUNNING", "EXITED", "STARTING", "RUNNING")
        assert world.client.process(address).pid not in {0, before.pid}  # type: ignore[union-attr]
    else:
        told(world, address, "STARTING", "RUNNING", "EXITED")
        assert row_to_process(row(world, address)) == after
        assert row(world, address)["exitstatus"] == code
        assert world.client.stop_worker(address, before.pid)["outcome"] == "already"
        assert world.client.start_worker(address)["outcome"] == "accepted"


def test_killed_by_a_signal(world: World) -> None:
    start(world, "killed:killed")
    world.exit("killed:killed", -1)
    world.until(is_in(world, "killed:killed", "EXITED"), "its end was noticed")
    seen = row(world, "killed:killed")
    assert (seen["exitstatus"], seen["by_operator"]) == (-1, False)
    assert not row_to_process(seen).exited_well


def test_exits_at_once_without_startsecs(world: World) -> None:
    assert world.operator_start("brief:brief") == ""
    world.until(is_in(world, "brief:brief", "EXITED"), "its end was noticed")
    told(world, "brief:brief", "STARTING", "RUNNING", "EXITED")
    assert not changes(world, "brief:brief")[2].expected


def test_crashes_until_it_is_fatal(world: World) -> None:
    address = "crash:crash"
    assert world.operator_start(address) == ""
    world.until(is_in(world, address, "BACKOFF"), "it crashed")
    seen = row(world, address)
    assert row_to_process(seen).restarts_itself
    assert seen["pid"] == 0
    world.until(is_in(world, address, "FATAL"), "supervisord gave up")
    told(world, address, "STARTING", "BACKOFF", "STARTING", "BACKOFF", "FATAL")
    seen = row(world, address)
    assert (seen["by_operator"], seen["exitstatus"], row_to_process(seen).restarts_itself) == (False, -1, False)
    assert world.client.stop_worker(address, 5)["outcome"] == "already"
    assert world.client.start_worker(address)["outcome"] == "accepted"
    world.until(is_in(world, address, "FATAL"), "supervisord gave up again")


def test_orders_in_backoff(world: World) -> None:
    address = "crash_stopped:crash_stopped"
    assert world.operator_start(address) == ""
    world.until(lambda: states(world, address).count("BACKOFF") >= 3, "it waits for 3 s")
    assert world.client.start_worker(address)["outcome"] == "already"
    assert world.client.stop_worker(address, 5)["outcome"] == "changed"
    assert world.operator_stop(address) == ""
    assert is_in(world, address, "STOPPED")()
    assert row(world, address)["by_operator"]
    world.until(lambda: states(world, address)[-1] == "STOPPED", "the event has come")
    assert changes(world, address)[-1].from_state == "BACKOFF"


# --- an operator ---------------------------------------------------------------------------------------------


def test_an_operators_stop_of_a_running_worker(world: World) -> None:
    address = "op_running:op_running"
    pid = start(world, address)
    generation = world.publish()["generation"]
    assert world.operator_stop(address) == ""
    assert row(world, address)["by_operator"]
    world.until(is_in(world, address, "STOPPED"), "it has stopped")
    assert row(world, address)["by_operator"]
    assert world.publish()["generation"] == generation  # there are events for this
    assert world.client.start_worker(address)["outcome"] == "operator"
    assert world.client.stop_worker(address, pid)["outcome"] == "operator"
    assert world.operator_start(address) == ""
    assert not row(world, address)["by_operator"]
    told(world, address, "STARTING", "RUNNING", "STOPPING", "STOPPED", "STARTING", "RUNNING")


@pytest.mark.parametrize(("name", "state"), [("op_exited", "EXITED"), ("crash_noted", "FATAL")])
def test_an_operators_stop_of_what_is_down(world: World, name: str, state: str) -> None:
    address = f"{name}:{name}"
    assert world.operator_start(address) == ""
    if state == "EXITED":
        world.exit(address, 3)
    world.until(is_in(world, address, state), f"it is {state}")
    assert not row(world, address)["by_operator"]
    world.until(lambda: states(world, address)[-1] == state, "the event has come")
    before, rings = states(world, address), len(world.events())
    generation = world.publish()["generation"]
    assert world.operator_stop(address) == "NOT_RUNNING"
    assert world.operator_stop(address) == "NOT_RUNNING"
    assert row(world, address)["by_operator"]
    assert world.publish()["generation"] == generation + 1
    assert world.client.start_worker(address)["outcome"] == "operator"
    assert world.client.stop_worker(address, 5)["outcome"] == "operator"
    world.until(lambda: Ring(RING, "") in map(meaning, world.events()[rings:]), "the bell has rung")
    assert states(world, address) == before
    assert world.operator_start(address) == ""
    assert world.publish()["generation"] == generation + 2
    assert not row(world, address)["by_operator"]


def test_an_operators_stop_of_what_we_have_in_hand(world: World) -> None:
    address = "op_hand:op_hand"
    pid = start(world, address)
    assert world.client.stop_worker(address, pid)["statename"] == "STOPPING"
    assert world.operator_stop(address) == "NOT_RUNNING"
    assert row(world, address)["by_operator"]
    world.until(is_in(world, address, "STOPPED"), "it has stopped")
    assert row(world, address)["by_operator"]
    assert world.client.start_worker(address)["outcome"] == "operator"
    told(world, address, "STARTING", "RUNNING", "STOPPING", "STOPPED")


def test_after_an_operators_start_a_stop_of_ours_is_ours(world: World) -> None:
    address = "op_restart:op_restart"
    start(world, address)
    world.operator_stop(address)
    world.until(is_in(world, address, "STOPPED"), "it has stopped")
    pid = start(world, address)
    world.client.stop_worker(address, pid)
    world.until(is_in(world, address, "STOPPED"), "it has stopped")
    assert not row(world, address)["by_operator"]
    assert world.client.start_worker(address)["outcome"] == "accepted"


def test_requests_stay_open_until_they_are_done(world: World) -> None:
    world.publish()
    rings = len(world.events())
    request_id = world.ask("heal", "requested")
    world.until(lambda: Ring(RING, "") in map(meaning, world.events()[rings:]), "the bell has rung")
    assert world.publish(full=False)["requests"] == 1
    taken = world.client.take_requests()
    assert taken == [
        {"id": request_id, "verb": "heal", "name": "requested", "dry_run": False, "force": False, "seconds": 0.0}
    ]
    assert world.client.take_requests() == taken
    progress = {"id": request_id, "state": "running", "exit_status": 0, "steps": [], "reason": ""}
    assert world.publish(full=False, requests=[progress])["requests"] == 1
    assert world.publish(full=False, requests=[{**progress, "state": "done"}])["requests"] == 0
    assert world.client.take_requests() == []
