"""A story as a person reads it at three in the morning, and as a program does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from supervisor_healer.core.model import Mode
from supervisor_healer.simulation.happenings import HAPPENINGS, Event
from supervisor_healer.simulation.story import FINE, HEALER, SCENARIO, Line, Recovery, Story
from supervisor_healer.simulation.timeline import DAY
from supervisor_healer.words import counted, duration

REPEATED = 2  # times that the same is told
QUIET = 60.0  # seconds without a line that are worth a line
MARKS = {SCENARIO: ">"}
DEEDS = frozenset(
    ("restart", "healed", "failed", "idle", "abandoned", "completed", "quarantined", "released", "created", "repaired")
)
MONITORING = frozenset(("monitor", "unmonitor"))
SAYS_IT_ITSELF = frozenset(("verdict", "convicted", "blocked", "more"))  # events whose texts begin with the state
_NUMBER = re.compile(r"[0-9.]+\w*")
CALM = tuple(f"{before} -> {after}: " for before in FINE for after in FINE)


def pages(story: Story, events: Sequence[Event], title: str, mode: Mode) -> Iterator[str]:
    """The whole of it, line by line."""
    yield f"{title}, mode {mode}: {duration(story.seconds)} are simulated, nothing is touched."
    yield "> is what happens, * what the healer does; all else is what it sees."
    yield ""
    yield from _beginning(story)
    last = 0.0
    width = max((len(line.who) for line in story.lines), default=0)
    for line in _folded(_worth_telling(story)):
        yield from _silence(last, line.at)
        last = line.at
        mark = MARKS.get(line.by, "*" if line.event in DEEDS else " ")
        yield f"{clock(line.at)} {mark} {line.who:{width}}  {_said(line)}"
    if not story.broken:
        yield from _silence(last, story.seconds)
    yield ""
    yield from _ending(story, events)


def clock(seconds: float) -> str:
    """A moment of the story.

    >>> clock(64.2), clock(90061)
    (' 0:01:04', '1d 01:01:01')
    """
    days, rest = divmod(int(seconds), int(DAY))
    hours, minutes, left = rest // 3600, rest % 3600 // 60, rest % 60
    return f"{days}d {hours:02}:{minutes:02}:{left:02}" if days else f"{hours:2}:{minutes:02}:{left:02}"


def _beginning(story: Story) -> Iterator[str]:
    if not story.unwell:
        yield f"{clock(0)}   all is well: {counted(len(story.states), 'worker')} healthy or idle"
    for name, state in story.unwell.items():
        yield f"{clock(0)}   {name} does not become well by itself, it is {state}: look at `period` and `work`"


def _silence(begins: float, ends: float) -> Iterator[str]:
    if ends - begins >= QUIET:
        yield f"           {duration(ends - begins)}: nothing happens"


def _worth_telling(story: Story) -> Iterator[Line]:
    """Healthy and idle are one to a reader; a deed needs no verdict beside it, a note no answer that says the same."""
    deeds = {(line.at, line.who) for line in story.lines if line.event in DEEDS}
    said = {line.text.removesuffix(", by an operator") for line in story.lines if line.event in MONITORING}
    for line in story.lines:
        dull = line.event == "verdict" and (line.text.startswith(CALM) or (line.at, line.who) in deeds)
        if not (dull or line.event == "closed" or (line.event == "answer" and line.text in said)):
            yield line


def _folded(lines: Iterable[Line]) -> Iterator[Line]:
    """What comes again and again between two of the scenario's events is told a few times, and then counted."""
    told: Counter[tuple[str, str]] = Counter()
    hidden: list[Line] = []
    for line in lines:
        key = (line.who, _NUMBER.sub("", line.text))
        told[key] += 1
        if line.by == SCENARIO:
            told.clear()
        elif line.event not in DEEDS and told[key] > REPEATED:
            hidden.append(line)
            continue
        yield from _counted(hidden)
        hidden = []
        yield line
    yield from _counted(hidden)


def _counted(hidden: Sequence[Line]) -> Iterator[Line]:
    if hidden:
        yield Line(
            hidden[-1].at, HEALER, "", "more", f"... {counted(len(hidden), 'line')} more of this kind until here"
        )


def _said(line: Line) -> str:
    if line.by == SCENARIO or line.event in SAYS_IT_ITSELF or line.event in line.text.split("(")[0].split(":")[0]:
        return line.text
    return f"{line.event}: {line.text}"


def _ending(story: Story, events: Sequence[Event]) -> Iterator[str]:
    restarts = story.restarts
    yield f"at the end, after {duration(story.seconds)}:"
    width = max(map(len, story.states), default=0)
    for name, (state, reason) in story.states.items():
        said = counted(restarts[name], "restart")
        yield f"  {name:{width}}  {said:11} {state}" + ("" if state in FINE else f": {reason}")
    recoveries = story.recoveries(events)
    if recoveries:
        yield "what became of it:"
    for recovery in recoveries:
        event = recovery.event
        said = HAPPENINGS[event.what].said(event)
        yield f"  {clock(event.at)} {event.target} {said} -> {outcome(recovery)}"
    yield "needs a person: " + (counted(len(story.persons), "thing") if story.persons else "nobody, nothing")
    for entry in story.persons:
        yield f"  {entry.subject}: {entry.message}"
        if entry.action:
            yield f"    -> {entry.action}"
    if story.broken:
        yield f"A PROMISE WAS BROKEN, please report this with both files: {story.broken}"


def outcome(recovery: Recovery) -> str:
    """What came of an event, in words."""
    if recovery.seconds == 0.0 and not recovery.restarts:
        return "nobody was late for it"
    done = counted(recovery.restarts, "restart")
    if recovery.seconds is None:
        return f"{done}, not well again"
    return f"{done}, well again after {duration(recovery.seconds)}"


def as_json(story: Story, events: Sequence[Event], mode: Mode) -> dict[str, Any]:
    """The whole of it for a program; moments and durations in seconds."""
    return {
        "mode": mode.value,
        "seconds": story.seconds,
        "lines": [
            {
                "at": round(line.at, 3), "by": line.by, "who": line.who, "event": line.event, "text": line.text,
                "evidence": list(line.evidence),
            }
            for line in story.lines
        ],
        "outcomes": [
            {
                "at": one.event.at, "what": one.event.what, "target": one.event.target, "restarts": one.restarts,
                "well_after": None if one.seconds is None else round(one.seconds, 3),
            }
            for one in story.recoveries(events)
        ],
        "restarts": {name: story.restarts[name] for name in story.states},
        "needs_person": [
            {"subject": one.subject, "message": one.message, "critical": one.critical, "action": one.action}
            for one in story.persons
        ],
        "states": {name: {"state": state.value, "reason": reason} for name, (state, reason) in story.states.items()},
        "broken": story.broken,
    }  # fmt: skip
