"""A scenario file: how the programs of an architecture behave, and what happens to them and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator

from supervisor_healer.architecture import document as yaml_document
from supervisor_healer.architecture import durations, schema
from supervisor_healer.architecture.document import Document
from supervisor_healer.core.model import Architecture
from supervisor_healer.core.pipeline import Producers
from supervisor_healer.errors import Problem
from supervisor_healer.simulation.happenings import BY, EVERY, FOR, HAPPENINGS, Event, Happening
from supervisor_healer.simulation.timeline import MINUTE
from supervisor_healer.words import clean, counted, listed

WATCHED_AFTER = 10 * MINUTE  # after the last event, where no duration is given
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
    if not problems:
        problems += tuple(_check(document, architecture))
    if problems:
        return None, tuple(sorted(problems, key=lambda problem: problem.line))
    return _scenario(document.value), ()


@lru_cache(maxsize=1)
def _validator() -> Draft202012Validator:
    return schema.validator_of(schema_text())


# --- what the schema cannot know -----------------------------------------------------------------------------


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
    seconds = durations.parse(value["duration"]) if "duration" in value else last + WATCHED_AFTER
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
