"""A recorded past played again under another architecture: what was done, what would be done, and the difference."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from supervisor_healer.core.limits import Limits
from supervisor_healer.core.model import Architecture
from supervisor_healer.core.pipeline import Producers
from supervisor_healer.simulation.happenings import HAPPENINGS, Event
from supervisor_healer.simulation.record import ENDS, RELAPSE, Ailment, Record, read
from supervisor_healer.simulation.staging import WRITES
from supervisor_healer.simulation.story import HEALER, Line, Story, tell
from supervisor_healer.simulation.timeline import MINUTE
from supervisor_healer.words import counted, duration, listed

TROUBLE = frozenset(("convicted", "restart", "failed"))
LIMITS = """\
What a journal cannot tell, and what is assumed here instead:
- how the programs work: that each writes at the pace that the limits ask for, and starts up in the shortest time in
  which it was healed; --scenario FILE writes all of it into a file that can be edited
- what would have helped earlier: one restart, where one has helped; where some had failed, any restart from halfway
  between the last that failed and the one that helped
- whether a worker would have recovered without the restart that it got: it is taken to be ailing until then
- which outputs a worker with several went on writing: it is taken to hang as a whole
- the exact moments: ages in the history have two units (7m30s, 41h), the waits between attempts are drawn anew, and
  the next input comes when it comes: recoveries that differ by less than a third of max_age are taken as the same
- what began more than a week before the first line: it is taken to have begun then
- disks, repairs of configs, component healers, and what was never late enough to be noted: they are not replayed
- what operators would have done otherwise: their stops, starts, heals and unmonitors come as they came"""


@dataclass(frozen=True, slots=True)
class Course:
    """How one ailment went, in seconds from its beginning: `restarts`, and when it `ended` (None: it did not) as what.

    `noticed`: whether anything was said of it at all.
    """

    restarts: tuple[float, ...]
    ended: float | None
    outcome: str
    quarantined: bool
    noticed: bool

    def in_words(self) -> str:
        """All of it."""
        if not self.noticed:
            return "nothing: it is over before anybody notices"
        done = counted(len(self.restarts), "restart")
        if self.restarts:
            done += f" (after {listed(map(duration, self.restarts))})"
        parts = [done, *(["quarantined"] if self.quarantined else [])]
        parts.append("not well to the end" if self.ended is None else f"{self.outcome} after {duration(self.ended)}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Pair:
    """One ailment as it went, and as it would go; `same`: seconds of difference that are none."""

    ailment: Ailment
    was: Course
    would: Course
    same: float

    def differences(self) -> Iterator[str]:
        """In what they differ."""
        more = len(self.would.restarts) - len(self.was.restarts)
        if more:
            yield f"{counted(abs(more), 'restart')} {'more' if more > 0 else 'fewer'}"
        if self.would.quarantined != self.was.quarantined:
            yield "quarantined" if self.would.quarantined else "not quarantined"
        if (self.was.ended is None) != (self.would.ended is None):
            yield "never well again" if self.would.ended is None else "well again"
        elif self.was.ended is not None and self.would.ended is not None:
            later = self.would.ended - self.was.ended
            if abs(later) >= self.same:
                yield f"well again {duration(abs(later))} {'later' if later > 0 else 'earlier'}"


@dataclass(frozen=True)
class Contrast:
    """The past of `record` beside the `story` of what would be."""

    record: Record
    story: Story
    pairs: tuple[Pair, ...]

    @property
    def restarts(self) -> tuple[Counter[str], Counter[str]]:
        """Restarts of each worker, as they were and as they would be."""
        was = Counter(line.who for line in self.record.lines if line.event == "restart")
        return was, self.story.restarts


def recorded(lines: Iterable[Line], architecture: Architecture) -> Record:
    """What the history's lines tell of the workers of this architecture."""
    written_by = Producers(architecture.workers)
    limits = Limits(architecture.files)
    workers = {spec.name: limits.startup_grace(spec) for spec in architecture.workers}
    return read(lines, workers, [path for path in architecture.files if not written_by.of(path)])


def play_again(record: Record, architecture: Architecture) -> Contrast:
    """Play the record's scenario, and hold both against each other."""
    scenario, zero = record.scenario(), record.zero
    story = tell(architecture, scenario)
    limits = Limits(architecture.files)
    slack = {spec.name: min(limits.max_ages(spec.outputs), default=MINUTE) / WRITES for spec in architecture.workers}
    past = [line for line in record.lines if line.at >= zero]
    pairs = []
    for ailment in record.ailments:
        later = [one.begins for one in record.ailments if one.worker == ailment.worker and one.begins > ailment.begins]
        ends = min(later, default=float("inf"))
        was = _course(past, ailment.worker, ailment.begins, ends)
        would = _course(_of_healer(story.lines), ailment.worker, ailment.begins - zero, ends - zero)
        pairs.append(Pair(ailment, was, would, slack[ailment.worker]))
    return Contrast(record, story, tuple(pairs))


def _of_healer(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if line.by == HEALER]


def _course(lines: Iterable[Line], worker: str, begins: float, ends: float) -> Course:
    mine = [line for line in lines if line.who == worker and begins <= line.at < ends]
    end = next((line for line in mine if line.event in ENDS and not _relapses(mine, line)), None)
    until = ends if end is None else end.at
    within = [line for line in mine if line.at <= until]
    return Course(
        tuple(line.at - begins for line in within if line.event == "restart"),
        None if end is None else end.at - begins,
        "" if end is None else "recovered by itself" if end.event == "recovered" else end.event,
        any(line.event == "quarantined" for line in within),
        bool(within),
    )


def _relapses(lines: Iterable[Line], end: Line) -> bool:
    """Whether it is soon not well again."""
    return any(line.event in TROUBLE and end.at < line.at <= end.at + RELAPSE for line in lines)


# --- in words ------------------------------------------------------------------------------------------------


def pages(contrast: Contrast, title: str) -> Iterator[str]:
    """The whole of it, line by line."""
    record, pairs = contrast.record, contrast.pairs
    yield f"{title}: {counted(len(pairs), 'incident')}, {counted(len(record.others), 'other event')}"
    for pair in pairs:
        yield ""
        yield f"{moment(record.wall(pair.ailment.begins))}  {pair.ailment.worker} {_what(pair.ailment)}"
        yield f"  was       {pair.was.in_words()}"
        yield f"  would be  {pair.would.in_words()}"
        yield f"  -> {', '.join(pair.differences()) or 'no difference'}"
    if record.others:
        yield ""
        yield "besides, as it was recorded:"
    for event in record.others:
        yield f"{moment(record.wall(event.at))}  {_who(event)} {HAPPENINGS[event.what].said(event)}"
    yield ""
    yield from _totals(contrast)
    yield ""
    if record.without:
        yield f"not in this architecture, and not replayed: {listed(sorted(record.without))}"
    yield LIMITS


def _totals(contrast: Contrast) -> Iterator[str]:
    was, would = contrast.restarts
    names = [*contrast.story.states, *(name for name in was if name not in contrast.story.states)]
    told = [name for name in names if was[name] or would[name]]
    width = max(map(len, [*told, "quarantines"]))
    quarantines = [
        sum(line.event == "quarantined" for line in lines) for lines in (contrast.record.lines, contrast.story.lines)
    ]
    yield f"{'restarts':{width}}  {'was':>8}  {'would be':>8}"
    for name in told:
        yield f"{name:{width}}  {was[name]:8}  {would[name]:8}"
    yield f"{'all':{width}}  {was.total():8}  {would.total():8}"
    yield f"{'quarantines':{width}}  {quarantines[0]:8}  {quarantines[1]:8}"
    ailing = {pair.ailment.worker for pair in contrast.pairs}
    for name in told:
        if would[name] and name not in ailing:
            yield f"{name} would be restarted although nothing ails it in the record"
    if contrast.story.broken:
        yield f"A PROMISE WAS BROKEN, please report this with both files: {contrast.story.broken}"


def _what(ailment: Ailment) -> str:
    event = next(iter(ailment.events()))
    return HAPPENINGS[event.what].said(event)


def _who(event: Event) -> str:
    return event.target or HAPPENINGS[event.what].target


def moment(wall: float) -> str:
    """A moment (epoch seconds) in this host's time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall))


def as_json(contrast: Contrast) -> dict[str, Any]:
    """The whole of it for a program; moments are epoch seconds, durations seconds."""
    was, would = contrast.restarts

    def course(one: Course) -> dict[str, Any]:
        return {
            "restarts_after": [round(after, 3) for after in one.restarts],
            "well_after": None if one.ended is None else round(one.ended, 3),
            "outcome": one.outcome,
            "quarantined": one.quarantined,
            "noticed": one.noticed,
        }

    return {
        "incidents": [
            {
                "at": round(contrast.record.wall(pair.ailment.begins), 3),
                "worker": pair.ailment.worker,
                "what": _what(pair.ailment),
                "was": course(pair.was),
                "would_be": course(pair.would),
                "differences": list(pair.differences()),
            }
            for pair in contrast.pairs
        ],
        "others": [
            {"at": round(contrast.record.wall(event.at), 3), "what": event.what, "target": event.target}
            for event in contrast.record.others
        ],
        "restarts": {name: {"was": was[name], "would_be": would[name]} for name in {**contrast.story.states, **was}},
        "not_in_architecture": sorted(contrast.record.without),
        "broken": contrast.story.broken,
    }
