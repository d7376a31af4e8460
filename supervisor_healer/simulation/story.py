"""A scenario played under an architecture: what happens, what the healer does about it, and how it ends."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from supervisor_healer.core.model import Architecture, Health
from supervisor_healer.core.report import Entry
from supervisor_healer.simulation.happenings import HAPPENINGS, REQUESTS, Event
from supervisor_healer.simulation.scenario import Scenario
from supervisor_healer.simulation.schedule import Schedule
from supervisor_healer.simulation.staging import plan_of, schedule_of
from supervisor_healer.simulation.timeline import MINUTE
from supervisor_healer.simulation.world import HEAD_START, BrokenPromiseError, World
from supervisor_healer.words import render

FINE = frozenset((Health.HEALTHY, Health.IDLE))
WARMING = 5  # so many times the longest max_age at most does it take until all is well
SCENARIO, HEALER = "scenario", "healer"
UNHEARD = "refused: the healer is not running (exit status 7)"


@dataclass(frozen=True, slots=True)
class Line:
    """What happened, `at` so many seconds: to whom, by whose doing, in one word (`event`) and in words.

    `by`: ``scenario`` or ``healer``; `event`: a key of HAPPENINGS, of the healer a note's event.
    """

    at: float
    by: str
    who: str
    event: str
    text: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Episode:
    """A worker is not well (neither healthy nor idle), from `begins` to `ends` (s; None: still not at the end)."""

    worker: str
    begins: float
    ends: float | None


@dataclass(frozen=True, slots=True)
class Recovery:
    """What came of one event that ails somebody: `restarts` of its target, and seconds until all that it had disturbed
    was well again; 0.0: nobody was late for it, None: not to the end."""

    event: Event
    seconds: float | None
    restarts: int


@dataclass
class Story:
    """`states`: worker -> state and reason at the end; `unwell`: those that were not well when it began.

    `persons`: what needs a person at the end. `broken`: the promise that did not hold, '' all did.
    """

    seconds: float
    lines: list[Line] = field(default_factory=list)
    episodes: list[Episode] = field(default_factory=list)
    states: dict[str, tuple[Health, str]] = field(default_factory=dict)
    unwell: dict[str, Health] = field(default_factory=dict)
    persons: tuple[Entry, ...] = ()
    broken: str = ""

    @property
    def restarts(self) -> Counter[str]:
        """Restarts of each worker."""
        return Counter(line.who for line in self.lines if line.event == "restart")

    def recoveries(self, events: Sequence[Event]) -> list[Recovery]:
        """What came of each event that ails somebody, until the same strikes the same target again."""
        ailing = [event for event in events if HAPPENINGS[event.what].ails]
        return [self._recovery(event, [other for other in ailing if other.at > event.at]) for event in ailing]

    def _recovery(self, event: Event, later: Iterable[Event]) -> Recovery:
        until = min((other.at for other in later if other.target == event.target), default=float("inf"))
        restarts = sum(
            line.event == "restart" and line.who == event.worker and event.at <= line.at < until for line in self.lines
        )
        concerned = [
            episode
            for episode in sorted(self.episodes, key=lambda episode: episode.begins)
            if episode.worker == (event.worker or episode.worker)
            and episode.begins < until
            and (episode.ends is None or episode.ends > event.at)
        ]
        if not concerned:
            return Recovery(event, 0.0, restarts)
        lasts = max(event.at + event.lasts, concerned[0].begins, concerned[0].ends or 0.0)
        ends = [episode.ends for episode in concerned if episode.begins <= lasts]
        return Recovery(event, None if None in ends else max(filter(None, ends)) - event.at, restarts)


def tell(architecture: Architecture, scenario: Scenario, progress: Callable[[float], None] = lambda _: None) -> Story:
    """Play it. `progress` is told of the seconds that have passed, now and then."""
    world = World(plan_of(architecture, scenario))
    world.run(HEAD_START)
    world.begin_healer()
    schedule = Schedule(world, schedule_of(architecture, scenario))
    return _Teller(world, schedule, Story(scenario.seconds)).tell(scenario.events, progress)


class _Teller:
    """Plays events in a world and writes down what follows."""

    def __init__(self, world: World, schedule: Schedule, story: Story) -> None:
        self._world, self._schedule, self._story = world, schedule, story
        self._zero = 0.0  # elapsed
        self._noted = self._answered = 0
        self._open: dict[str, float] = {}  # worker that is not well -> since when
        self._struck: dict[int, int] = {}  # event, by its id -> which process of its worker it has struck

    def tell(self, events: Sequence[Event], progress: Callable[[float], None]) -> Story:
        """From the moment at which all is well to the end."""
        story, number = self._story, count()
        try:
            self._warm_up()
            queue = [(event.at, next(number), event, False) for event in events]
            heapq.heapify(queue)
            while queue and queue[0][0] <= story.seconds:
                moment, _, event, is_over = heapq.heappop(queue)
                self._pass_until(moment)
                progress(moment)
                if ends := self._end(event) if is_over else self._strike(event):
                    heapq.heappush(queue, (ends, next(number), event, True))
            self._pass_until(story.seconds)
        except BrokenPromiseError as error:
            self._drain()
            story.broken = str(error.violation)
        self._conclude()
        return story

    @property
    def _now(self) -> float:
        return self._world.time.elapsed - self._zero

    def _warm_up(self) -> None:
        """Until all is well; what is told of that is not part of the story."""
        world = self._world
        files, workers = world.pipeline.files, world.pipeline.workers.values()
        longest = max((files[path].max_age or 0.0 for spec in workers for path in spec.outputs), default=0.0)

        def is_well() -> bool:
            return world.healer.turns > 0 and all(state in FINE for state in world.states().values())

        self._schedule.run(WARMING * max(longest, MINUTE), is_well)
        self._zero = world.time.elapsed
        self._noted = len(world.healer.chronicle.history)
        self._story.unwell = {name: state for name, state in world.states().items() if state not in FINE}
        self._open = dict.fromkeys(self._story.unwell, 0.0)

    def _pass_until(self, moment: float) -> None:
        self._schedule.run(max(0.0, moment - self._now), self._drain)
        self._drain()

    def _strike(self, event: Event) -> float:
        """It happens; when it is over, 0.0 if that is not to be told."""
        happening = HAPPENINGS[event.what]
        self._say(event, happening.said(event))
        if event.what in REQUESTS and self._world.healer.engine is None:
            self._story.lines.append(Line(self._now, HEALER, "operator", "answer", UNHEARD))
        happening.strike(self._world, event)
        self._struck[id(event)] = self._process(event)
        return event.at + event.lasts if event.lasts and happening.over else 0.0

    def _end(self, event: Event) -> float:
        """It is over; what was wrong with one process alone has ended with that, and is not told."""
        happening = HAPPENINGS[event.what]
        if happening.undo is not None:
            happening.undo(self._world, event)
        if happening.undo is not None or self._struck[id(event)] == self._process(event):
            self._say(event, happening.over)
        return 0.0

    def _process(self, event: Event) -> int:
        program = self._world.programs.get(event.worker)
        return 0 if program is None else program.generation

    def _say(self, event: Event, text: str) -> None:
        who = event.target or HAPPENINGS[event.what].target
        self._story.lines.append(Line(self._now, SCENARIO, who, event.what, text))

    def _drain(self) -> bool:
        """Write down what the healer has said since the last call. It never stops the world."""
        world, chronicle = self._world, self._world.healer.chronicle
        mono = world.time.mono
        if len(chronicle.answers) > self._answered:
            for answer in [*chronicle.answers.values()][self._answered :]:
                self._story.lines.append(Line(self._now, HEALER, "operator", "answer", render(answer.reason, mono)))
            self._answered = len(chronicle.answers)
        if len(chronicle.history) == self._noted:
            return False
        for at, note in chronicle.history[self._noted :]:
            evidence = tuple(render(one, mono) for one in note.evidence)
            text = render(note.text, mono)
            self._story.lines.append(Line(at - self._zero, HEALER, note.worker or "healer", note.event, text, evidence))
            self._follow(note.worker)
        self._noted = len(chronicle.history)
        return False

    def _follow(self, name: str) -> None:
        """When a worker begins to be unwell, and ends."""
        if name not in self._world.pipeline.workers or self._world.healer.engine is None:
            return
        if self._world.state(name) not in FINE:
            self._open.setdefault(name, self._now)
        elif name in self._open:
            self._story.episodes.append(Episode(name, self._open.pop(name), self._now))

    def _conclude(self) -> None:
        story, world, engine = self._story, self._world, self._world.healer.engine
        story.episodes += [Episode(name, since, None) for name, since in self._open.items()]
        for name, state in world.states().items():
            reason = engine.verdicts[name].reason if engine is not None and name in engine.verdicts else ""
            story.states[name] = (state, render(reason, world.time.mono))
        reports = world.healer.chronicle.reports
        entries = reports[-1].failed if reports else ()
        story.persons = tuple(replace(one, message=render(one.message, world.time.mono)) for one in entries)
