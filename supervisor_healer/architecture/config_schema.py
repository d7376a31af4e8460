"""The JSON Schema of a config, as a person wrote it: whether it is one, and whether what it promises can be kept."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from supervisor_healer.architecture.creation import as_json
from supervisor_healer.core.model import ConfigSpec
from supervisor_healer.words import clean

Path = tuple[str | int, ...]

DRAFT = "https://json-schema.org/draft/2020-12/schema"

_ONE = (
    "additionalProperties", "propertyNames", "items", "contains", "not", "if", "then", "else", "unevaluatedItems",
    "unevaluatedProperties", "contentSchema",
)  # fmt: skip
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPPINGS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_SAME_VALUE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")
_REFERENCES = ("$ref", "$dynamicRef")
_OPEN_QUESTIONS = ("allOf", "anyOf", "oneOf", "if", "dependentSchemas", "patternProperties", "$dynamicRef")
_LONGEST = 200
_PATIENCE = 2.0  # seconds for the defaults of one schema


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong at `path` within a schema."""

    path: Path
    what: str
    expected: str = ""
    severity: str = "error"


class _TooLongError(Exception):
    """The time for one schema is up."""


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Raise _TooLongError where what is done within takes longer than `_PATIENCE`.

    A pattern can backtrack, and references can branch, for longer than anybody lives; the listener reads schemas
    itself. Signals reach the main thread only: elsewhere there is no limit.
    """

    def end(*_: object) -> None:
        raise _TooLongError

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    began = time.monotonic()
    handler = signal.signal(signal.SIGALRM, end)
    left, interval = signal.setitimer(signal.ITIMER_REAL, _PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:  # somebody else's, who waits for less now
            signal.setitimer(signal.ITIMER_REAL, max(0.001, left - (time.monotonic() - began)), interval)


def faults(schema: Mapping[str, Any], config_format: str) -> list[Fault]:
    """What is wrong with `schema` for a config of this format; nothing of it is looked up outside of it."""
    problem = as_json(schema)[1]
    if problem:
        return [Fault((), f"not a JSON Schema: {problem}")]
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return [Fault(tuple(error.absolute_path), f"not a JSON Schema: {clean(error.message)[:_LONGEST]}")]
    except RecursionError:
        return [Fault((), "not a JSON Schema: nested too deeply")]
    shape = Shape.of(schema)
    return (
        list(_faults_of_references(shape))
        or list(_endless(shape))
        or [
            *_faults_of_draft(schema),
            *_faults_of_defaults(schema, shape, config_format),
        ]
    )


def has_default(schema: Mapping[str, Any]) -> bool:
    """Whether anything in `schema` says what a field is repaired with."""
    return any("default" in part for part in Shape.of(schema).parts.values())


def is_mended(spec: ConfigSpec) -> bool:
    """Whether the healer may ever write this config: to make it, or to repair a field."""
    return spec.create or has_default(spec.schema)


def lacking(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The required fields that no default fills in a new file, dotted; '' stands for the file as a whole.

    Says nothing where it depends on more than `required`, `properties` and references.

    >>> lacking({"required": ["a", "b"], "properties": {"a": {"default": 1}, "b": {"type": "number"}}})
    ('b',)
    """
    shape = Shape.of(schema)
    top = shape.resolved(schema)
    if top is None or "default" in top:
        return ()
    if not _may_be_object(top):
        return ("",)
    try:
        with _limited():
            return tuple(_lacking(top, shape, (), 0))
    except _TooLongError:
        return ()


@dataclass(frozen=True, slots=True)
class Shape:
    """The subschemas of a schema by their place, and by their `$anchor`."""

    parts: dict[Path, dict[str, Any]]
    _places: dict[tuple[str, ...], Any] = field(default_factory=dict)
    _anchors: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, schema: Mapping[str, Any]) -> Shape:
        """All subschemas of `schema`, itself included, without following references."""
        shape = cls({})
        waiting: list[tuple[Path, Any]] = [((), schema)]
        while waiting:
            path, part = waiting.pop()
            shape._places[tuple(map(str, path))] = part
            if isinstance(part, dict):
                shape.parts[path] = part
                for key in ("$anchor", "$dynamicAnchor"):
                    if isinstance(part.get(key), str):
                        shape._anchors[part[key]] = part
                waiting += [((*path, *step), inner) for step, inner in _inside(part)]
        return shape

    def find(self, reference: str) -> Any:
        """What ``#...`` points at, None if that is no schema here."""
        pointer = unquote(reference[1:])
        if pointer and not pointer.startswith("/"):
            return self._anchors.get(pointer)
        steps = (step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])
        return self._places.get(tuple(steps))

    def resolved(self, part: Any) -> dict[str, Any] | None:
        """`part` with its chain of references laid under it; None for no mapping, or a chain without an end."""
        result: dict[str, Any] = {}
        for _ in range(len(self.parts) + 1):
            if not isinstance(part, dict):
                return None
            result = {**part, **result}
            if "$ref" not in part:
                return result
            part = self.find(part["$ref"])
        return None


def _inside(part: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    for key, value in part.items():
        if key in _ONE:
            yield (key,), value
        elif key in _LISTS and isinstance(value, list):
            yield from (((key, at), item) for at, item in enumerate(value))
        elif key in _MAPPINGS and isinstance(value, dict):
            yield from (((key, name), item) for name, item in value.items())


def _faults_of_references(shape: Shape) -> Iterator[Fault]:
    for path, part in shape.parts.items():
        if path and "$id" in part:
            yield Fault((*path, "$id"), "an $id inside a schema", "$anchor, or a reference such as #/$defs/limit")
        for key in _REFERENCES:
            reference = part.get(key)
            if not isinstance(reference, str):
                continue
            if not reference.startswith("#"):
                what = f"{reference!r} lies outside of this schema, and nothing is fetched"
                yield Fault((*path, key), what, "a reference within it, such as #/$defs/limit")
            elif shape.find(reference) is None:
                yield Fault((*path, key), f"{reference!r} points at no schema here", "such as #/$defs/limit")


def _endless(shape: Shape) -> Iterator[Fault]:
    """A schema that is applied to a value because it is applied to that value: no validator comes to an end of it."""
    graph = {id(part): {id(other) for other in _in_place(part, shape)} for part in shape.parts.values()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle = set(error.args[1])
        for path, part in shape.parts.items():
            for key in _REFERENCES:
                if id(part) in cycle and key in part and id(shape.find(part[key])) in cycle:
                    yield Fault((*path, key), f"{part[key]!r} leads back to itself", "a schema at its end")
                    return


def _in_place(part: dict[str, Any], shape: Shape) -> Iterator[dict[str, Any]]:
    """The schemas that hold for the same value as `part`."""
    inner = [value for (key, *_), value in _inside(part) if key in _SAME_VALUE]
    inner += [shape.find(part[key]) for key in _REFERENCES if key in part]
    return (other for other in inner if isinstance(other, dict))


def _faults_of_draft(schema: Mapping[str, Any]) -> Iterator[Fault]:
    named = schema.get("$schema")
    if named is not None and str(named).rstrip("#") != DRAFT:
        yield Fault(("$schema",), f"{clean(str(named))!r}: it is read as draft 2020-12", DRAFT, "warning")


def _faults_of_defaults(schema: Mapping[str, Any], shape: Shape, config_format: str) -> Iterator[Fault]:
    validator: Any = Draft202012Validator(schema)
    place: Path = ()
    try:
        with _limited():
            for path, part in shape.parts.items():
                if "default" in part:
                    place = (*path, "default")
                    yield from _faults_of_default(validator.evolve(schema=part), part["default"], place, config_format)
    except _TooLongError:
        expected = "no repetition inside a repetition in a `pattern`, and references that do not branch again and again"
        yield Fault(place, f"cannot be checked within {_PATIENCE:.0f}s", expected)


def _faults_of_default(validator: Any, default: Any, place: Path, config_format: str) -> list[Fault]:
    if config_format == "toml" and _holds_null(default):
        return [Fault(place, "TOML has no null", "another default")]
    try:
        broken = next(validator.iter_errors(default), None)
    except (RecursionError, ArithmeticError, re.error) as error:
        return [Fault(place, f"cannot be checked: {type(error).__name__}", "a simpler schema")]
    if broken is None:
        return []
    return [Fault(place, f"breaks its own schema: {clean(broken.message)[:_LONGEST]}", "a valid default")]


def _holds_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_null, value.values()))
    return value is None or (isinstance(value, list) and any(map(_holds_null, value)))


def _may_be_object(part: Mapping[str, Any]) -> bool:
    types = part.get("type", "object")
    return types == "object" or (isinstance(types, list) and "object" in types)


def _lacking(part: Mapping[str, Any], shape: Shape, path: tuple[str, ...], depth: int) -> Iterator[str]:
    """What lacks in `part`, a mapping that a repair makes of the fields that are required in it."""
    if depth > len(shape.parts) or any(key in part for key in _OPEN_QUESTIONS):
        return
    properties = part.get("properties", {})
    for name in part.get("required", ()):
        inner = shape.resolved(properties.get(name, {}))
        if inner is None:
            yield ".".join((*path, name))
        elif "default" in inner or any(key in inner for key in _OPEN_QUESTIONS):
            continue
        elif inner.get("required") and inner.get("type", "object") == "object":
            yield from _lacking(inner, shape, (*path, name), depth + 1)
        elif name in properties or not isinstance(part.get("additionalProperties"), dict):
            yield ".".join((*path, name))
