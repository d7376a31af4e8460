"""The book of the healing cycle: it takes note of what is done, sees what is, and makes the report of both.

*Deeds* happened at a moment and are in the history, too; *conditions* are as they are when the report is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from supervisor_healer.core.bulletin import Bulletin
from supervisor_healer.core.conditions import Conditions
from supervisor_healer.core.deeds import Deeds, Told
from supervisor_healer.core.dependencies import Dependencies
from supervisor_healer.core.model import Mode, Now
from supervisor_healer.core.news import ComponentResult
from supervisor_healer.core.orders import Note
from supervisor_healer.core.report import Entry, Report
from supervisor_healer.core.upkeep import Upkeep
from supervisor_healer.core.ward import Ward


class ReportBook:
    """Takes note of what is done, and makes the report. `cycle` is in seconds."""

    def __init__(self, ward: Ward, upkeep: Upkeep, dependencies: Dependencies, bulletin: Bulletin) -> None:
        self._ward = ward
        self._dependencies = dependencies
        self._deeds = Deeds(ward, upkeep)
        self._conditions = Conditions(ward, upkeep, dependencies, bulletin)
        self._told = Told()
        self._round = (0.0, "")
        self.mode = Mode.HEAL
        self.cycle = 60.0

    def take(self, notes: Iterable[Note], now: Now) -> bool:
        """Lines of history, some of which are deeds; whether the report is to be made anew for them."""
        return self._deeds.take(notes, now)

    def asks_components(self) -> None:
        """The component healers are asked again."""
        self._told.are_asked()

    def answered(self, result: ComponentResult, said: Sequence[str]) -> list[str]:
        """What a component healer has told; those lines of `said` that it had not told the last time."""
        return self._told.answered(result, said)

    def forget_components(self) -> None:
        """There are none any more."""
        self._told.forget()

    def round_ends(self, began: float, now: Now, cause: str) -> None:
        """A round is over, that `began` (mono) for this cause."""
        self._deeds.round_ends(began, self.cycle, now)
        self._round = (now.mono - began, cause)

    def compose(self, now: Now) -> Report:
        """The report as of now."""
        took, cause = self._round
        pipeline, conditions, told = self._ward.pipeline, self._conditions, self._told
        return Report(
            timestamp=now.wall,
            since=self._deeds.since,
            duration=took,
            cause=cause,
            mode=self.mode,
            healed=_sorted((*self._deeds.healed, *told.entries("healed")), now),
            failed=_sorted((*conditions.failed(now), *told.entries("failed")), now),
            blocked=_sorted(conditions.blocked(), now),
            warnings=_sorted((*conditions.warnings(), *told.entries("warnings")), now),
            stats=(
                *self._deeds.counts(),
                ("processes_checked", len(pipeline.workers)),
                ("files_checked", len(pipeline.files) - len(pipeline.configs)),
                ("configs_checked", len(pipeline.configs)),
                ("dependencies_checked", self._dependencies.count()),
            ),
        )


def _sorted(entries: Iterable[Entry], now: Now) -> tuple[Entry, ...]:
    """Critical ones first; conditions hold at the moment of the report."""
    return tuple(sorted((one.dated(now.wall) for one in entries), key=lambda one: not one.critical))
