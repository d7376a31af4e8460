"""A scenario file: how the programs of an architecture behave, and what happens to them and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator

from supervisor_healer.architecture import document as yaml_document
from supervisor_healer.architecture import durations, schema
from supervisor_healer.architecture.document import MAX_PROBLEMS, Document
from supervisor_healer.core.model import Architecture
from supervisor_healer.core.pipeline import Producers
from supervisor_healer.errors import Problem
from supervisor_healer.simulation.happenings import BY, EVERY, FOR, HAPPENINGS, Event, Happening
from supervisor_healer.simulation.timeline import DAY, MINUTE
from supervisor_healer.words import clean, counted, duration, listed

WATCHED_AFTER = 10 * MINUTE  # after the last event, where no duration is given
LONGEST = 366 * DAY  # seconds that are played; a simulated year of a small pipeline takes minutes
SHORTEST = 0.05  # seconds; what happens more often takes for ever to play
MOST_EVENTS = 10_000
ALL = "all"

_EXPECTED = "a mapping: `events:`, and perhaps `duration:`, `programs:` and `sources:`"
_HAPPENS_TO = {"worker": "worker", "workers": "worker", "file": "file", "source": "file"}


@dataclass(frozen=True, slots=True)
class Habits:
    """How one program behaves, in seconds; None: as the limits of its outputs suggest."""

    period: float | None = None
    work: float = 0.0
    startup: float = 0.0
    autorestart: bool | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """`seconds` from the moment at which all is well; `sources`: path of a file from outside -> its period (s)."""

    seconds: float
    events: tuple[Event, ...] = ()
    programs: Mapping[str, Habits] = field(default_factory=dict)
    sources: Mapping[str, float] = field(default_factory=dict)


def schema_text() -> str:
    """The JSON Schema of the file as shipped, for editors."""
    return files(__package__).joinpath("scenario-schema.json").read_text("utf-8")


def load(path: str, architecture: Architecture) -> tuple[Scenario | None, tuple[Problem, ...]]:
    """The scenario in the YAML file at `path`, None if it has errors, and all errors in file order.

    Never raises for what a person may have written.
    """
    document, problems = yaml_document.read(path, _EXPECTED)
    if document is None:
        return None, problems
    problems += schema.problems(document, validator=_validator())
    for check in (_limits(document), _check(document, architecture)):
        if not problems:
            problems = tuple(islice(check, MAX_PROBLEMS))
    if problems:
        return None, tuple(sorted(problems, key=lambda problem: problem.line))
    return _scenario(document.value), ()


@lru_cache(maxsize=1)
def _validator() -> Draft202012Validator:
    return schema.validator_of(schema_text())


# --- what the schema cannot know -----------------------------------------------------------------------------


def _limits(document: Document) -> Iterator[Problem]:
    """What would take for ever to play, and durations that are none after all."""
    value = document.value
    if len(value["events"]) > MOST_EVENTS:
        what = f"{len(value['events'])} events are more than can be played at once"
        yield Problem(document.path, document.line("events"), "events", what, f"at most {MOST_EVENTS}")
    for place, key, text in _durations(value):
        if (wrong := _wrong_duration(key, text)) is not None:
            yield Problem(document.path, document.line(place), clean(place), *wrong)


def _durations(value: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Each duration of the file: its place, its key, and how it is written."""
    if "duration" in value:
        yield "duration", "duration", value["duration"]
    for path, period in value.get("sources", {}).items():
        yield f"sources.{path}", "period", period
    for name, habits in value.get("programs", {}).items():
        yield from ((f"programs.{name}.{key}", key, text) for key, text in habits.items() if key != "autorestart")
    for number, event in enumerate(value["events"]):
        keys = [key for key in ("at", FOR, BY, EVERY) if key in event]
        yield from ((f"events[{number}].{key}", key, event[key]) for key in keys)


def _wrong_duration(key: str, text: str) -> tuple[str, str] | None:
    """What is wrong with it, and what was expected. A clock may be set by more than is played."""
    try:
        seconds = durations.parse(text)
    except ValueError as error:
        return clean(str(error)), durations.EXPECTED
    if seconds > LONGEST and key != BY:
        return f"{text!r} is longer than what can be played", f"at most {duration(LONGEST)}"
    if seconds < SHORTEST and key in ("period", FOR, BY, EVERY):
        return f"{text!r} is too short to be played", f"at least {SHORTEST}s"
    return None


def _check(document: Document, architecture: Architecture) -> Iterator[Problem]:
    workers = [spec.name for spec in architecture.workers]
    written_by = Producers(architecture.workers)
    sources = [path for path in architecture.files if not written_by.of(path)]
    for name in document.value.get("programs", {}):
        yield from _unknown(document, f"programs.{name}", name, "worker", workers)
    for path in document.value.get("sources", {}):
        yield from _no_source(document, f"sources.{path}", path, architecture, sources)
    for number, event in enumerate(document.value["events"]):
        place, happening = f"events[{number}]", HAPPENINGS[event["what"]]
        yield from _keys(document, place, event, happening)
        if "worker" in event and not (event["worker"] == ALL and happening.target == "workers"):
            yield from _unknown(document, f"{place}.worker", event["worker"], "worker", workers)
        if "file" in event and happening.target == "source":
            yield from _no_source(document, f"{place}.file", event["file"], architecture, sources)
        elif "file" in event:
            yield from _unknown(document, f"{place}.file", event["file"], "file", list(architecture.files))


def _keys(document: Document, place: str, event: Mapping[str, Any], happening: Happening) -> Iterator[Problem]:
    """The keys that this event must have, and those that mean nothing to it."""
    what, target = event["what"], _HAPPENS_TO.get(happening.target, "")
    needs = [*filter(None, [target]), *happening.needs]
    for key in needs:
        if key not in event:
            example = "NAME" if key == "worker" else "PATH" if key == "file" else "5m"
            yield Problem(document.path, document.line(place), place, f"{what} needs `{key}`", f"`{key}: {example}`")
    for key in event:
        if key not in ("at", "what", *needs, *happening.takes):
            known = listed(f"`{one}`" for one in (*needs, *happening.takes)) or "no further key"
            yield Problem(document.path, document.line(f"{place}.{key}"), f"{place}.{key}", f"{what} has no such key",
                          known)  # fmt: skip


def _unknown(document: Document, place: str, name: str, noun: str, known: list[str]) -> Iterator[Problem]:
    if name not in known:
        hint = schema.suggestion(name, known)
        what = f"the architecture has no {noun} {clean(name)!r}{hint}"
        yield Problem(document.path, document.line(place), clean(place), what, "" if hint else _one_of(known))


def _no_source(
    document: Document, place: str, path: str, architecture: Architecture, sources: list[str]
) -> Iterator[Problem]:
    if path in architecture.files and path not in sources:
        what = "a worker of the architecture writes it"
        yield Problem(document.path, document.line(place), clean(place), what, _one_of(sources, "a file from outside"))
    else:
        yield from _unknown(document, place, path, "file", sources)


def _one_of(names: list[str], otherwise: str = "") -> str:
    return f"one of {clean(listed(names))}" if names else otherwise


# --- from values to the scenario, and back -------------------------------------------------------------------


def _scenario(value: Mapping[str, Any]) -> Scenario:
    events = tuple(sorted(map(_event, value["events"]), key=lambda event: event.at))
    last = max(event.at + event.lasts for event in events)
    seconds = durations.parse(value["duration"]) if "duration" in value else min(LONGEST, last + WATCHED_AFTER)
    programs = {name: _habits(given) for name, given in value.get("programs", {}).items()}
    sources = {path: durations.parse(period) for path, period in value.get("sources", {}).items()}
    return Scenario(seconds, events, programs, sources)


def _event(given: Mapping[str, Any]) -> Event:
    def seconds(key: str) -> float:
        return durations.parse(given[key]) if key in given else 0.0

    return Event(
        seconds("at"), given["what"], given.get("worker", ""), given.get("file", ""),
        seconds(FOR), seconds(BY), seconds(EVERY),
    )  # fmt: skip


def _habits(given: Mapping[str, Any]) -> Habits:
    def seconds(key: str) -> float:
        return durations.parse(given.get(key, "0s"))

    period = durations.parse(given["period"]) if "period" in given else None
    return Habits(period, seconds("work"), seconds("startup"), given.get("autorestart"))


def as_yaml(scenario: Scenario, comment: str) -> str:
    """The scenario as a file that a person can edit; `comment` stands at its head."""
    import yaml  # noqa: PLC0415 - only who writes one needs the writer

    lines = [*(f"# {line}".rstrip() for line in comment.splitlines()), f"duration: {exact(scenario.seconds)}"]
    programs = {name: given for name, habits in scenario.programs.items() if (given := _plain(habits))}
    sources = {path: exact(period) for path, period in scenario.sources.items()}
    for key, named in (("programs", programs), ("sources", sources)):
        if named:
            lines.append(yaml.safe_dump({key: named}, default_flow_style=None, allow_unicode=True).rstrip())
    lines.append(f"events: # {counted(len(scenario.events), 'event')}")
    for event in scenario.events:
        keys = {"at": exact(event.at), "what": event.what}
        keys |= {key: text for key, text in (("worker", event.worker), ("file", event.file)) if text}
        keys |= {
            key: exact(number) for key, number in ((FOR, event.lasts), (BY, event.by), (EVERY, event.every)) if number
        }
        flow = yaml.safe_dump(keys, default_flow_style=True, allow_unicode=True, width=10_000, sort_keys=False)
        lines.append(f"  - {flow.rstrip()}")
    return "\n".join(lines) + "\n"


def _plain(habits: Habits) -> dict[str, Any]:
    given = {"period": habits.period, "work": habits.work, "startup": habits.startup}
    plain: dict[str, Any] = {key: exact(seconds) for key, seconds in given.items() if seconds}
    return plain if habits.autorestart is None else {**plain, "autorestart": habits.autorestart}


def exact(seconds: float) -> str:
    """A duration that reads back as the same, to a tenth of a second.

    >>> exact(0), exact(5400), exact(90061.5)
    ('0s', '1h30m', '1d1h1m1.5s')
    """
    tenths = round(seconds * 10)
    text = ""
    for size, unit in ((864000, "d"), (36000, "h"), (600, "m")):
        count, tenths = divmod(tenths, size)
        text += f"{count}{unit}" if count else ""
    if tenths or not text:
        text += f"{tenths // 10}{f'.{tenths % 10}' if tenths % 10 else ''}s"
    return text
