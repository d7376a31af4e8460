"""The simulated supervisord: what becomes of its processes, and of the orders and people that come to it."""

from __future__ import annotations

from typing import Any

import pytest
from brain import chained

from supervisor_healer.core.model import InputSpec, Kind, ProcessState, WorkerSpec
from supervisor_healer.core.orders import Start, Stop
from supervisor_healer.simulation.disk import Disk
from supervisor_healer.simulation.host import Host
from supervisor_healer.simulation.program import Program
from supervisor_healer.simulation.timeline import MINUTE, Timeline

RUNNING, BACKOFF, EXITED, FATAL, STOPPED, STOPPING = (
    ProcessState[name] for name in ("RUNNING", "BACKOFF", "EXITED", "FATAL", "STOPPED", "STOPPING")
)


class Site:
    """One worker that reads `in` and writes `out`, all that is told of it, and the passing of time."""

    def __init__(self, **options: Any) -> None:
        spec = WorkerSpec("a", "a", inputs=(InputSpec("in"),), outputs=("out",), kind=options.pop("kind", Kind.SERVICE))
        self.time, self.told, self.seen = Timeline(), [], []
        self.disk = Disk(self.time)
        self.program = Program(spec, **options)
        self.host = Host(self.time, self.disk, {"a": self.program}, lambda _: ("in",), self.told.append, self)
        self.disk.write("in")
        self.host.spawn("a")
        self.run(2.0)

    def stops(self, _: str) -> None:
        self.seen.append("stops")

    def starts(self, _: str) -> None:
        self.seen.append("starts")

    def settled(self, _: str) -> None:
        self.seen.append(str(self.program.state))

    def run(self, seconds: float) -> None:
        end = self.time.mono + seconds
        while self.time.next_event <= end:
            self.time.mono = max(self.time.mono, self.time.next_event)
            self.time.pop()()
        self.time.mono = end

    def feed(self) -> float:
        """`in` moves; how often `out` has been written since the beginning after a minute."""
        self.disk.write("in")
        self.run(MINUTE)
        return len(self.disk.file("out").writes)


# --- what a program does -------------------------------------------------------------------------------------


def test_it_works_once_for_each_move_of_its_input():
    site = Site()
    assert [site.feed(), site.feed()] == [2, 3]
    site.run(MINUTE)
    assert len(site.disk.file("out").writes) == 3


def test_one_that_works_takes_up_nothing_more_meanwhile():
    site = Site(work=50.0)
    site.disk.write("in")
    site.run(30.0)
    assert not site.disk.file("out").writes
    site.disk.write("in")
    site.run(2 * MINUTE)
    assert len(site.disk.file("out").writes) == 2


def test_one_that_forgets_waits_for_the_next_move_after_its_start():
    for forgets, writes in ((False, 1), (True, 0)):
        site = Site(slow_starts=30.0, forgets=forgets)
        site.run(MINUTE)
        assert len(site.disk.file("out").writes) == writes


def test_a_rare_output_is_written_every_nth_time():
    site = Site(every={"out": 3})
    assert [site.feed() for _ in range(5)] == [0, 1, 1, 1, 2]


def test_a_job_ends_well_when_its_work_is_done():
    site = Site(kind=Kind.JOB)
    assert (site.program.state, site.program.exited_well) == (EXITED, True)


@pytest.mark.parametrize(("what", "value"), [("hung", True), ("cursed", True), ("mute", frozenset(["out"]))])
def test_what_ails_it_keeps_it_from_writing_until_it_is_cured(what: str, value: object):
    site = Site()
    setattr(site.program, what, value)
    assert site.program.ails(site.time.mono)
    assert site.feed() == 1
    site.program.cure()
    assert not site.program.ails(site.time.mono)
    assert site.feed() == 2


def test_one_that_is_delayed_writes_so_much_later():
    site = Site()
    site.program.delayed = 2 * MINUTE
    assert not site.program.ails(site.time.mono)  # it works; to be late is not to be broken
    assert [site.feed() for _ in range(3)] == [1, 1, 2]


def test_a_restart_ends_a_hang_and_no_curse():
    for ailment, writes in (("hung", 2), ("cursed", 1)):
        site = Site()
        setattr(site.program, ailment, True)
        site.host.stop("a")
        site.run(1.0)
        site.host.operator_starts("a")
        assert site.feed() == writes


def test_one_that_recovers_by_itself_does_so():
    site = Site()
    site.program.hung_until = site.time.mono + 30.0
    assert site.program.ails(site.time.mono)
    assert site.feed() == 2


def test_what_it_needs_and_is_too_old_keeps_it_waiting():
    site = Site(needs={"table": 5 * MINUTE})
    assert site.feed() == 0
    site.disk.write("table")
    assert site.feed() == 1


def test_on_a_full_disk_nothing_is_written():
    site = Site()
    site.disk.ground["out"] = "full"
    assert site.feed() == 1


# --- the life of a process -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("autorestart", "state"), [(False, EXITED), (True, RUNNING)])
def test_one_that_dies_comes_up_by_itself_if_it_is_to(autorestart: bool, state: ProcessState):
    site = Site(autorestart=autorestart)
    pid = site.program.pid
    site.host.die("a")
    assert site.program.state is EXITED
    site.run(5.0)
    assert site.program.state is state
    assert site.program.pid != pid


@pytest.mark.parametrize(("doomed", "state"), [(2, RUNNING), (4, FATAL)])
def test_one_whose_starts_crash_backs_off_and_is_given_up(doomed: int, state: ProcessState):
    site = Site(retries=3)
    site.program.doomed = doomed
    site.host.die("a")
    site.host.operator_starts("a")
    site.run(0.6)
    assert (site.program.state, site.program.row().restarts_itself) == (BACKOFF, True)
    site.run(MINUTE)
    assert site.program.state is state


def test_one_that_crashes_after_each_start_does_so_again_and_again():
    site = Site(autorestart=True)
    site.program.crash_after = 20.0
    site.host.die("a")
    site.run(2 * MINUTE)
    assert site.host.starts["a"] in (6, 7)


def test_a_stop_takes_its_time():
    site = Site(stop_delay=8.0)
    site.host.operator_stops("a")
    site.run(7.0)
    assert site.program.state is STOPPING
    site.run(2.0)
    row = site.program.row()
    assert (row.state, row.by_operator, row.pid) == (STOPPED, True, 0)


# --- orders --------------------------------------------------------------------------------------------------


def ordered(site: Site, order: Stop | Start) -> list[str]:
    """What the order has brought about."""
    site.seen.clear()
    site.host.take(order)
    return site.seen


def test_a_stop_is_for_this_very_process():
    site = Site()
    assert ordered(site, Stop("a", "a:a", site.program.pid + 1)) == []
    assert ordered(site, Stop("a", "a:a", 0)) == []
    assert site.told[-1].reason == "no pid was given"
    assert ordered(site, Stop("a", "a:a", site.program.pid)) == ["stops"]


def test_a_backoff_is_ended_without_a_pid():
    site = Site()
    site.program.doomed = 9
    site.host.die("a")
    site.host.operator_starts("a")
    site.run(0.6)
    assert ordered(site, Stop("a", "a:a", 0)) == ["stops"]
    assert site.program.state is STOPPED


def test_a_start_waits_for_the_end_of_the_stop():
    site = Site(stop_delay=8.0)
    ordered(site, Stop("a", "a:a", site.program.pid))
    assert ordered(site, Start("a", "a:a")) == []
    assert site.told[-1].reason == "still stopping"
    site.run(9.0)
    assert ordered(site, Start("a", "a:a")) == ["starts"]


def test_a_start_is_never_over_a_person_and_never_a_second_one():
    site = Site()
    assert ordered(site, Start("a", "a:a")) == []
    site.host.operator_stops("a")
    site.run(1.0)
    assert ordered(site, Start("a", "a:a")) == []
    assert site.program.state is STOPPED


def test_an_ambush_comes_before_the_order_takes_effect_and_once():
    site = Site()
    site.host.die("a")
    site.host.ambush = site.host.operator_stops
    assert ordered(site, Start("a", "a:a")) == [str(EXITED)]
    assert site.program.row().by_operator
    assert site.host.ambush is None


# --- a host that goes down -----------------------------------------------------------------------------------


def test_whoever_was_there_before_a_boot_does_nothing_after_it():
    world = chained()
    before = {name: len(world.disk.file(name).writes) for name in ("a.out", "b.out")}
    world.host.forget()
    world.run(10 * MINUTE)
    assert {name: len(world.disk.file(name).writes) for name in before} == before
    assert not any(program.up for program in world.programs.values())


def test_one_that_is_never_started_by_itself_counts_as_a_persons_wish():
    program = Program(WorkerSpec("a", "a"), autostart=False)
    assert program.row().by_operator
