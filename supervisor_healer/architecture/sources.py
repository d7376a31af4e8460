"""The architecture file with all that it includes: every entry with the file that it stands in."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from supervisor_healer.architecture import document as yaml_document
from supervisor_healer.architecture import durations, schema
from supervisor_healer.architecture.document import Document
from supervisor_healer.architecture.paths import PathError, check_placeholders, normalised, single
from supervisor_healer.core.pipeline import is_pattern
from supervisor_healer.errors import Problem
from supervisor_healer.words import clean

SECTIONS = ("files", "workers", "consumers", "configs", "component_healers")

_MAX_INCLUDE_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry such as ``workers.wb``, or one setting such as ``defaults.attempts``, as it was written."""

    name: str
    field: str
    value: Any
    document: Document

    @property
    def place(self) -> str:
        """``path:line``."""
        return f"{self.document.path}:{self.document.line(self.field)}"


@dataclass(slots=True)
class Sources:
    """What was read, and every problem found so far (also by those who judge it later).

    `bad` holds the fields that the schema refused: whoever builds on them would only report the same again.
    `unreadable`: a file is missing from the whole, so what refers to it must not be called an error.
    """

    main: Document | None = None
    order: dict[str, int] = field(default_factory=dict)
    real_paths: set[str] = field(default_factory=set)
    settings: dict[str, Entry] = field(default_factory=dict)
    entries: dict[str, dict[str, Entry]] = field(default_factory=lambda: {section: {} for section in SECTIONS})
    bad: set[str] = field(default_factory=set)
    unreadable: bool = False
    problems: list[Problem] = field(default_factory=list)

    def error(self, entry: Entry, name: str, what: str, expected: str = "", severity: str = "error") -> None:
        """Report something about the field `name`, which lies in the file of `entry`."""
        document = entry.document
        self.problems.append(
            Problem(document.path, document.line(name), clean(name), clean(what), clean(expected), severity)
        )

    def warning(self, entry: Entry, name: str, what: str, expected: str = "") -> None:
        """Report something that works, but hardly as it was meant."""
        self.error(entry, name, what, expected, "warning")

    def in_file_order(self) -> tuple[Problem, ...]:
        """Every problem once, by file (as they are read) and line."""
        once = dict.fromkeys(self.problems)
        return tuple(sorted(once, key=lambda problem: (self.order.get(problem.path, -1), problem.line)))

    def is_bad(self, name: str) -> bool:
        """Whether the schema refused the field `name` itself, or something in it."""
        return bool(self.bad) and any(
            bad == name or (bad.startswith(name) and bad[len(name)] in ".[") for bad in self.bad
        )

    def get(self, entry: Entry, key: str) -> Any:
        """The value of `key` within an entry; None where it is not given or was refused."""
        if not isinstance(entry.value, dict) or f"{entry.field}.{key}" in self.bad:
            return None
        return entry.value.get(key)

    def items(self, entry: Entry, key: str) -> Iterator[tuple[str, Any]]:
        """The items of a list within an entry that the schema accepts, each with its field."""
        for at, item in enumerate(self.get(entry, key) or ()):
            name = f"{entry.field}.{key}[{at}]"
            if not self.is_bad(name):
                yield name, item

    def path(self, entry: Entry, name: str, value: str, root: str, *, of_worker: bool = False) -> str | None:
        """`value` in its one form; None when it had to be reported. `of_worker`: with placeholders for processes."""
        return self._checked(entry, name, value, root, of_worker, normalised)

    def single_path(self, entry: Entry, name: str, value: str, root: str) -> str | None:
        """Like `path`, for one that stands for exactly one file: no glob, no placeholders."""
        return self._checked(entry, name, value, root, False, single)

    def _checked(
        self, entry: Entry, name: str, value: str, root: str, of_worker: bool, form: Callable[[str, str], str]
    ) -> str | None:
        try:
            check_placeholders(value, allowed=of_worker)
            return form(value, root)
        except PathError as error:
            self.error(entry, name, f"{error.what}: {value!r}", error.expected)
            return None

    def seconds(self, entry: Entry, name: str, value: object) -> float | None:
        """A duration in seconds; None where it is not given or cannot be read, which is then reported."""
        if value is None:
            return None
        try:
            return durations.parse(value)
        except ValueError as error:
            self.error(entry, name, str(error), durations.EXPECTED)
            return None


def gather(path: str) -> Sources:
    """Read the architecture file at `path` and what it includes. Never raises for what a person may have written."""
    sources = Sources()
    _read(sources, path, ())
    return sources


def _read(sources: Sources, path: str, trail: tuple[str, ...]) -> None:
    sources.order[path] = len(sources.order)
    sources.real_paths.add(os.path.realpath(path))
    document, problems = yaml_document.read(path)
    sources.problems += problems
    if document is None:
        sources.unreadable = True
        return
    if sources.main is None:
        sources.main = document
    refused = schema.problems(document, included=bool(trail))
    sources.problems += refused
    sources.bad.update(problem.field for problem in refused)
    _merge(sources, document)
    _include(sources, document, (*trail, path))


def _merge(sources: Sources, document: Document) -> None:
    for key, value in document.value.items():
        if key in SECTIONS and isinstance(value, dict):
            _put(sources, sources.entries[key], key, value, document)
        elif key == "defaults" and isinstance(value, dict):
            _put(sources, sources.settings, key, value, document)
        elif key in ("root", "mode", "state", "results", "cycle"):
            _put(sources, sources.settings, "", {key: value}, document)


def _put(sources: Sources, into: dict[str, Entry], section: str, values: dict[str, Any], document: Document) -> None:
    for name, value in values.items():
        entry = Entry(name, f"{section}.{name}" if section else name, value, document)
        key = entry.field if into is sources.settings else name
        first = into.setdefault(key, entry)
        if first is not entry:
            sources.error(entry, entry.field, f"given twice, first at {first.place}", "one of them")


def _include(sources: Sources, document: Document, trail: tuple[str, ...]) -> None:
    whole = Entry("include", "include", document.value, document)
    include = document.value.get("include")
    if not isinstance(include, list) or "include" in sources.bad:
        return
    seen = {os.path.realpath(path) for path in trail}
    for at, item in enumerate(include):
        name = f"include[{at}]"
        if not isinstance(item, str) or not item or clean(item) != item:
            if isinstance(item, str) and item:
                sources.error(whole, name, "a control character in the path", "a file")
            continue
        path = os.path.normpath(os.path.join(os.path.dirname(document.path), item))
        if len(trail) > _MAX_INCLUDE_DEPTH:
            sources.error(whole, name, f"includes are nested deeper than {_MAX_INCLUDE_DEPTH} files")
        elif is_pattern(item):
            found = sorted(glob.glob(path))
            if not found:
                sources.warning(whole, name, f"no file matches {item!r}", "at least one file")
            for match in found:
                if os.path.realpath(match) not in seen:
                    _read_once(sources, match, trail)
        elif not os.path.exists(path):
            sources.error(whole, name, f"there is no file {path!r}", "a path relative to this file")
            sources.unreadable = True
        elif os.path.realpath(path) in seen:
            sources.error(whole, name, f"includes form a loop: {' -> '.join((*trail, path))}")
        else:
            _read_once(sources, path, trail)


def _read_once(sources: Sources, path: str, trail: tuple[str, ...]) -> None:
    if os.path.realpath(path) not in sources.real_paths:
        _read(sources, path, trail)
