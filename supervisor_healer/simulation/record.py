"""What a journal's history tells of the past: who ailed, from when to when, and what people did meanwhile.

A note's evidence holds the age of every file of its worker as of that moment, so the beginning of an incident is known
better than its discovery: it is the last progress of the output that became stale.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from supervisor_healer.architecture import durations
from supervisor_healer.simulation.happenings import Event
from supervisor_healer.simulation.scenario import ALL, WATCHED_AFTER, Habits, Scenario
from supervisor_healer.simulation.story import Line
from supervisor_healer.simulation.timeline import DAY, MINUTE

BEFORE = 7 * DAY  # so long before the first line at most has anything begun
SHORT = 1.0  # seconds that anything lasts at least
LEAD = MINUTE  # from the beginning of the scenario to the first event
RELAPSE = 600.0  # seconds within which a death after a restart is the same ailment
STARTSECS = 1.0  # seconds that any start takes
FATAL_AFTER = 8.0  # seconds from a death to FATAL: supervisord's own tries, startretries=3
ENDS = frozenset(("healed", "idle", "recovered"))
OPERATOR = "asked for by an operator"

PEOPLE: Mapping[str, str] = {"stopped": "stop", "started": "start"}

_OUTPUT = re.compile(r"output: (.+?) (stale|missing)(?:, (\S+) old)?(?: \(|,|$)")
_INPUT = re.compile(r"input: (.+?) fresh, .*in order for (\S+?)(?:,|$)")
_ROOT = re.compile(r"(.+) \((?:late|stale|missing|unknown)(?:, (\S+) old)?\)")
_STARTED = re.compile(r"process: .* started (\S+) ago")
_HEALED = re.compile(r"new output in .+ (\S+) after the start")
_FOR = re.compile(r"unmonitored(?: for (\S+))?, by an operator")
_STEP = re.compile(r"the wall clock was stepped by ([+-])(\S+),")
_SLEPT = re.compile(r"the healer woke (\S+) too late")

#: What ails a worker -> what it is called where restarts had failed before one helped.
AGAIN: Mapping[str, str] = {"hang": "hang_again", "die": "crash_loop"}


@dataclass(slots=True)
class Ailment:
    """One worker ails. `begins` and `ends` (None: not to the end of the record) are moments of the record's clock.

    `restarts` are those that were made meanwhile, `failed` when the last of them had turned out to be in vain.
    `by_itself`: no restart has ended it. `life`: how long its processes have lived at least, where it crashed again.
    """

    worker: str
    what: str
    begins: float
    ends: float | None = None
    restarts: list[float] = field(default_factory=list)
    failed: float | None = None
    by_itself: bool = False
    life: float = 0.0

    def relapses(self, at: float) -> bool:
        """Whether a death at this moment is the same ailment again; if so, it is not over."""
        if self.what not in ("die", "crash_loop") or self.by_itself or not self.restarts:
            return False
        if self.ends is None or at - self.ends > RELAPSE:
            return False
        life = at - self.restarts[-1]
        self.what, self.failed, self.ends = "crash_loop", at, None
        self.life = min(life, self.life or life)
        return True

    def events(self) -> Iterator[Event]:
        """The same as a scenario has it: until it was over by itself, or until a restart would have helped."""
        if self.failed is None:
            over = self.ends if self.by_itself and self.what == "hang" else None
            yield Event(self.begins, self.what, self.worker, lasts=0.0 if over is None else self._until(over))
            return
        what = AGAIN.get(self.what, self.what)
        if self.ends is None or self.by_itself or not self.restarts:
            yield Event(self.begins, what, self.worker, by=self.life)
            if self.ends is not None:
                yield Event(self.ends, "recover", self.worker)
            return
        curable = (self.failed + self.restarts[-1]) / 2
        yield Event(self.begins, what, self.worker, lasts=self._until(curable), by=self.life)

    def _until(self, moment: float) -> float:
        return max(SHORT, moment - self.begins)  # a damaged history may have it end before it began


@dataclass(slots=True)
class Record:
    """What is told of the past; moments are those of the record's clock, its steps taken out.

    `without`: workers that the architecture does not have; `spoilt`: so many lines could not be understood.
    """

    lines: list[Line] = field(default_factory=list)
    ailments: list[Ailment] = field(default_factory=list)
    others: list[Event] = field(default_factory=list)
    habits: dict[str, Habits] = field(default_factory=dict)
    without: set[str] = field(default_factory=set)
    spoilt: int = 0

    @property
    def zero(self) -> float:
        """The moment of the record at which its scenario begins."""
        return min([*(one.begins for one in self.ailments), *(event.at for event in self.others)]) - LEAD

    def wall(self, at: float) -> float:
        """What the host's clock showed at this moment of the record."""
        steps = {"clock_forward": 1.0, "clock_back": -1.0}
        return at + sum(steps.get(event.what, 0.0) * event.by for event in self.others if event.at <= at)

    def scenario(self) -> Scenario:
        """The same as a scenario."""
        zero = self.zero
        events = [*(event for one in self.ailments for event in one.events()), *self.others]
        moved = sorted((replace(event, at=event.at - zero) for event in events), key=lambda event: event.at)
        last = max([self.lines[-1].at - zero, *(event.at + event.lasts for event in moved)])
        return Scenario(last + WATCHED_AFTER, tuple(moved), self.habits)


def read(lines: Iterable[Line], workers: Mapping[str, float], sources: Sequence[str]) -> Record:
    """What the history's `lines` tell of these workers (name -> start-up grace) and of these files from outside."""
    return _Reading(workers, frozenset(sources)).read(lines)


class _Reading:
    """Goes through the lines once, oldest first."""

    def __init__(self, workers: Mapping[str, float], sources: frozenset[str]) -> None:
        self._workers, self._sources = workers, sources
        self._record = Record()
        self._ailing: dict[str, Ailment] = {}
        self._last: dict[str, Ailment] = {}  # the one before
        self._well_since: dict[str, float] = {}
        self._away: dict[str, float] = {}  # source -> since when
        self._stepped = 0.0
        self._earliest = 0.0

    def read(self, lines: Iterable[Line]) -> Record:
        """All of them."""
        for given in lines:
            line = replace(given, at=given.at - self._stepped)
            if not self._record.lines:
                self._earliest = line.at - BEFORE
            try:
                self._take(line)
            except ValueError:  # a duration that is none
                self._record.spoilt += 1
            else:
                self._record.lines.append(line)
        for path, since in self._away.items():
            self._record.others.append(Event(since, "source_stops", file=path))
        self._record.others.sort(key=lambda event: event.at)
        return self._record

    def _take(self, line: Line) -> None:
        """One line. Raises ValueError where it holds a duration that is none."""
        if line.event == "clock":
            self._clock(line)
        elif line.event in ("monitor", "unmonitor"):
            self._monitor(line)
        elif line.who not in self._workers:
            if line.event in ("convicted", "restart", "blocked"):
                self._record.without.add(line.who)
        else:
            self._worker(line)

    # --- workers -------------------------------------------------------------------------------------------------

    def _worker(self, line: Line) -> None:
        self._returns(line)
        ailment = self._ailing.get(line.who)
        match line.event:
            case "convicted":
                self._convicted(line)
            case "restart":
                self._restarted(line)
            case "blocked":
                self._blocked(line)
            case "failed" if ailment is not None:
                ailment.failed = line.at
                if "FATAL" in line.text:
                    ailment.what = "fail_to_start"
                elif "EXITED" in line.text and ailment.what == "hang":
                    ailment.what = "die"
            case "stopped" | "started":
                self._record.others.append(Event(line.at, PEOPLE[line.event], line.who))
                self._over(line, by_itself=False)
            case "refused" if line.text.startswith("heal " + OPERATOR):
                self._record.others.append(Event(line.at, "heal", line.who))
            case event if event in ENDS:
                self._started_up(line)
                self._over(line, by_itself=event == "recovered")
            case _:
                pass

    def _convicted(self, line: Line) -> Ailment | None:
        """The ailment that this line tells of: the one that is known, or a new one if its evidence says so."""
        name = line.who
        if name in self._ailing:
            return self._ailing[name]
        verdict = line.evidence[0] if line.evidence else line.text
        begins, what = line.at, ""
        if verdict.startswith("down: process EXITED"):
            what = "die"
            self._habits(name, autorestart=False)
        elif verdict.startswith("down: process FATAL"):
            what, begins = "fail_to_start", line.at - FATAL_AFTER
        elif (progress := _last_progress(line)) is not None:
            what = "crash_loop" if "crash loop" in verdict else "hang"
            begins = progress
        if not what:
            return None
        if what == "die" and name in self._last and self._last[name].relapses(line.at):
            ailment = self._ailing[name] = self._last[name]
            return ailment
        begins = max(begins, self._earliest, self._well_since.get(name, begins))
        self._ailing[name] = ailment = Ailment(name, what, begins)
        self._record.ailments.append(ailment)
        return ailment

    def _restarted(self, line: Line) -> None:
        ailment = self._convicted(line)
        if ailment is not None:
            ailment.restarts.append(line.at)
        if OPERATOR in line.text:
            what = "force" if line.text.startswith("forced") else "heal"
            self._record.others.append(Event(line.at, what, line.who))

    def _started_up(self, line: Line) -> None:
        """From a start to the first output it takes what it takes to start; the quickest tells, if it is no wait."""
        if (found := _HEALED.search(line.text)) is not None:
            took = durations.parse(found[1])
            known = self._record.habits.get(line.who, Habits()).startup or took
            if STARTSECS < took <= self._workers[line.who]:
                self._habits(line.who, startup=min(took, known))

    def _habits(self, name: str, **known: Any) -> None:
        self._record.habits[name] = replace(self._record.habits.get(name, Habits()), **known)

    def _over(self, line: Line, *, by_itself: bool) -> None:
        self._well_since[line.who] = line.at
        ailment = self._ailing.pop(line.who, None)
        if ailment is not None:
            ailment.ends, ailment.by_itself = line.at, by_itself
            self._last[line.who] = ailment

    # --- files from outside --------------------------------------------------------------------------------------

    def _blocked(self, line: Line) -> None:
        """The files at the ends of its chains to the roots, if nobody here writes them."""
        for chain in line.evidence:
            if chain.startswith("chain: ") and (found := _ROOT.fullmatch(chain.split(" <- ")[-1])) is not None:
                path, age = found.groups()
                if path in self._sources:
                    since = line.at - (durations.parse(age) if age else 0.0)
                    self._away.setdefault(path, max(since, self._earliest))

    def _returns(self, line: Line) -> None:
        """Files that have been in order again since some time."""
        for shown in line.evidence:
            if (found := _INPUT.match(shown)) is not None and found[1] in self._away:
                back = line.at - durations.parse(found[2])
                since = self._away.pop(found[1])
                self._record.others.append(Event(since, "source_stops", file=found[1], lasts=max(SHORT, back - since)))

    # --- people and clocks ---------------------------------------------------------------------------------------

    def _monitor(self, line: Line) -> None:
        name = line.who if line.who in self._workers else ALL
        if line.event == "monitor" and "by an operator" in line.text:
            self._record.others.append(Event(line.at, "monitor", name))
        elif (found := _FOR.match(line.text)) is not None:
            lasts = durations.parse(found[1]) if found[1] else 0.0
            self._record.others.append(Event(line.at, "unmonitor", name, lasts=lasts))

    def _clock(self, line: Line) -> None:
        if (found := _STEP.match(line.text)) is not None:
            by = durations.parse(found[2])
            ahead = found[1] == "+"
            self._stepped += by if ahead else -by
            at = line.at - by if ahead else line.at + by
            self._record.others.append(Event(at, "clock_forward" if ahead else "clock_back", by=by))
        elif (found := _SLEPT.match(line.text)) is not None:
            asleep = durations.parse(found[1])
            self._record.others.append(Event(line.at - asleep, "pause", lasts=asleep))


def _last_progress(line: Line) -> float | None:
    """When the outputs that are stale last moved, or if they never did the process started; None: none is stale."""
    stale = [found for shown in line.evidence if (found := _OUTPUT.match(shown)) is not None]
    ages = [durations.parse(found[3]) for found in stale if found[3]]
    if not ages and stale:
        ages = [durations.parse(found[1]) for shown in line.evidence if (found := _STARTED.match(shown)) is not None]
    return line.at - min(ages) if ages else None
