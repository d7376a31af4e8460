"""From a case that breaks a promise to the few of its faults that it takes, and no more time than that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from supervisor_healer.simulation.case import Case, Outcome
from supervisor_healer.simulation.promises import Violation
from supervisor_healer.simulation.run import play
from supervisor_healer.simulation.timeline import HOUR, MINUTE

RUNS_AT_MOST = 80
QUIET = (0.0, 10 * MINUTE, HOUR, 6 * HOUR)  # seconds to try between the last fault and the end of all faults

Kept = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shrunk:
    """`kept` indexes the faults of the case that was shrunk; `until`: the seconds to which it was cut, or None."""

    kept: Kept
    until: float | None
    violation: Violation
    runs: int


def narrow(case: Case, kept: Sequence[int] | None = None, until: float | None = None) -> Case:
    """The case with only these of its faults, all of them ended after `until` seconds; None: as it is."""
    faults = case.faults if kept is None else [case.faults[index] for index in kept]
    if until is None:
        return replace(case, faults=faults)
    return replace(case, faults=[fault for fault in faults if fault.at <= until], seconds=until)


def shrink(case: Case, violation: Violation, play: Callable[[Case], Outcome] = play) -> Shrunk:
    """A smallest list of faults that still breaks the same promise in the same way: no fault can be left out of it.

    It takes `RUNS_AT_MOST` runs; where they do not suffice the list is only smaller. What was not struck before the
    violation had no part in it.
    """
    search = _Search(case, violation, play)
    kept = tuple(index for index, fault in enumerate(case.faults) if fault.at <= violation.at)
    kept = search.fewest(kept)
    until = search.shortest(kept)
    return Shrunk(kept, until, search.seen[kept, until], search.runs)


class _Search:
    """The runs of one search. `seen` has what each of them broke, the same invariant or nothing."""

    def __init__(self, case: Case, violation: Violation, play: Callable[[Case], Outcome]) -> None:
        self._case, self._invariant, self._play = case, violation.invariant, play
        self._whole = violation
        self.seen: dict[tuple[Kept, float | None], Violation] = {}
        self.runs = 0

    def fewest(self, kept: Kept) -> Kept:
        """Leave out ever smaller pieces, and single faults until none can be left out."""
        self.seen[kept, None] = self._whole
        size = len(kept)
        while size:
            before, start = kept, 0
            while start < len(kept):
                fewer = kept[:start] + kept[start + size :]
                if self._breaks(fewer):
                    kept = fewer
                else:
                    start += size
            size = min(size, len(kept)) if size == 1 and kept != before else size // 2
        return kept

    def shortest(self, kept: Kept) -> float | None:
        """The earliest end of all faults with which it still happens, if it happens after their end at all."""
        if self.seen[kept, None].at <= self._case.seconds:
            return None
        last = max((self._case.faults[index].at for index in kept), default=0.0)
        ends = (last + quiet for quiet in QUIET)
        return next((end for end in ends if end < self._case.seconds and self._breaks(kept, end)), None)

    def _breaks(self, kept: Kept, until: float | None = None) -> bool:
        if (kept, until) in self.seen:
            return True
        if self.runs >= RUNS_AT_MOST:
            return False
        self.runs += 1
        for violation in self._play(narrow(self._case, kept, until)).violations:
            if violation.invariant == self._invariant:
                self.seen[kept, until] = violation
                return True
        return False
