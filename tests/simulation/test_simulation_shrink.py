"""A case that breaks a promise is cut down to the faults that it takes: no fewer, no more, in bounded time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import pytest
from sabotage import PLAN, case

from supervisor_healer.simulation import shrink as shrinking
from supervisor_healer.simulation.case import Case, Fault, Outcome
from supervisor_healer.simulation.promises import Violation
from supervisor_healer.simulation.shrink import narrow, shrink
from supervisor_healer.simulation.timeline import HOUR

HANGS = Case(0, "single staged", PLAN, [Fault(60.0 * number, f"hang {number}") for number in range(12)], HOUR)


def playing(
    breaks: Callable[[Collection[int]], bool],
    at: float = 2000.0,
    invariant: str = "budget",
    runs: list[Case] | None = None,
) -> Callable[[Case], Outcome]:
    """A run that breaks a promise if `breaks` says so of the numbers of the case's faults."""

    def play(played: Case) -> Outcome:
        if runs is not None:
            runs.append(played)
        numbers = {int(fault.what.split()[1]) for fault in played.faults}
        violations = (Violation(invariant, at, "broken"),) if breaks(numbers) else ()
        return Outcome(played.seed, played.kind, 0.0, violations=violations)

    return play


@pytest.mark.parametrize("needed", [(), (0,), (3, 7), (0, 11), (4, 5, 6), tuple(range(12))])
def test_exactly_the_faults_that_it_takes_are_kept(needed: Sequence[int]) -> None:
    shrunk = shrink(HANGS, Violation("budget", 2000.0, "broken"), playing(set(needed).issubset))
    assert shrunk.kept == tuple(needed)
    assert shrunk.violation == Violation("budget", 2000.0, "broken")


def test_no_fault_can_be_left_out_of_what_is_kept_where_several_ways_lead_there() -> None:
    def breaks(numbers: Collection[int]) -> bool:
        return {1, 2} <= set(numbers) or {2, 3, 4} <= set(numbers) or 9 in numbers

    shrunk = shrink(HANGS, Violation("budget", 2000.0, "broken"), playing(breaks))
    assert breaks(shrunk.kept)
    assert not any(breaks(set(shrunk.kept) - {index}) for index in shrunk.kept)


def test_a_fault_that_can_be_left_out_only_after_a_later_one_is_left_out() -> None:
    def breaks(numbers: Collection[int]) -> bool:
        return 5 in numbers and (3 in numbers or 8 not in numbers)  # 8 prevents it, unless 3 comes first

    shrunk = shrink(HANGS, Violation("budget", 2000.0, "broken"), playing(breaks))
    assert shrunk.kept == (5,)


def test_another_broken_promise_is_another_story() -> None:
    def play(played: Case) -> Outcome:
        whole = len(played.faults) == len(HANGS.faults)
        violation = Violation("budget" if whole else "root_only", 2000.0, "broken")
        return Outcome(played.seed, played.kind, 0.0, violations=(violation,))

    assert len(shrink(HANGS, Violation("budget", 2000.0, "broken"), play).kept) == len(HANGS.faults)


def test_faults_after_the_violation_are_left_out_without_a_run() -> None:
    runs: list[Case] = []
    shrunk = shrink(HANGS, Violation("budget", 130.0, "broken"), playing({1, 2}.issubset, at=130.0, runs=runs))
    assert shrunk.kept == (1, 2)
    assert all(fault.at <= 130.0 for played in runs for fault in played.faults)


def test_the_runs_are_bounded_and_what_was_found_until_then_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shrinking, "RUNS_AT_MOST", 4)
    shrunk = shrink(HANGS, Violation("budget", 2000.0, "broken"), playing({3, 7}.issubset))
    assert shrunk.runs == 4
    assert {3, 7} < set(shrunk.kept)
    assert len(shrunk.kept) < len(HANGS.faults)


def test_the_faults_end_early_where_it_happens_after_their_end() -> None:
    long = replace(HANGS, seconds=24 * HOUR)

    def play(played: Case) -> Outcome:
        broken = played.seconds >= 180.0 + 20 * 60.0  # some time after the fault
        violations = (Violation("recovers", 30 * HOUR, "broken"),) if broken and len(played.faults) else ()
        return Outcome(played.seed, played.kind, 0.0, violations=violations)

    shrunk = shrink(replace(long, faults=long.faults[3:4]), Violation("recovers", 30 * HOUR, "broken"), play)
    assert shrunk.until == 180.0 + HOUR


def test_a_run_that_ends_at_the_violation_needs_no_other_end() -> None:
    assert shrink(HANGS, Violation("budget", 2000.0, "broken"), playing({3}.issubset)).until is None


def test_the_same_case_shrinks_to_the_same() -> None:
    violation = Violation("budget", 2000.0, "broken")
    assert shrink(HANGS, violation, playing({3, 7}.issubset)) == shrink(HANGS, violation, playing({3, 7}.issubset))


def test_a_narrowed_case_has_the_faults_that_were_named_and_those_that_come_in_time() -> None:
    whole = case("hang", "die", "remove", "hang")
    assert narrow(whole) == whole
    assert [fault.what for fault in narrow(whole, (1, 3)).faults] == ["die", "hang"]
    assert narrow(whole, (), 600.0) == replace(whole, faults=[], seconds=600.0)
    assert [fault.what for fault in narrow(whole, (1, 3), 130.0).faults] == ["die"]
