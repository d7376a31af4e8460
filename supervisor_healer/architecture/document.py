"""A YAML file as plain values, with the line of every key and item: what messages about it are built on.

The tree is built from the parser's events and not from PyYAML's own composer: that one loses the lines, and its
C form recurses without a bound, so that a file of brackets alone would crash the process.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from supervisor_healer.errors import Problem
from supervisor_healer.words import clean

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 40
MAX_ALIASED = 100_000  # values that aliases may add; the file of 5,000 workers has about 100,000 of its own
MAX_NAMES = 16_000_000  # bytes, about, of all fields' dotted names: each holds those of all that it lies in
MAX_KEY = 5_000  # characters; a path has at most 4,096
MAX_PROBLEMS = 100

_ENTRY = 32  # bytes, about, that a line costs besides its name

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_UNPRINTABLE = yaml.reader.Reader.NON_PRINTABLE
_TAG = "tag:yaml.org,2002:"
_COLLECTION_TAGS = (None, "!", _TAG + "map", _TAG + "seq")
_SCALAR_TAGS = (None, "!", *(_TAG + name for name in ("str", "int", "float", "bool", "null")))


@dataclass(frozen=True, slots=True)
class Document:
    """One file: `value` is a mapping, `lines` maps a dotted field (``workers.wb.inputs[0]``) to its line, from 1."""

    path: str
    value: dict[str, Any]
    lines: Mapping[str, int]

    def line(self, name: str) -> int:
        """The line of the field `name`, or of the nearest field around it."""
        while name and name not in self.lines:
            name = name[: max(name.rfind("."), name.rfind("["), 0)]
        return self.lines.get(name, 0)


_ARCHITECTURE = "a mapping: `version: 1`, `workers:` and so on"


def read(path: str, expected: str = _ARCHITECTURE) -> tuple[Document | None, tuple[Problem, ...]]:
    """The file at `path`, or None where nothing can be made of it, and what is wrong with its YAML.

    `expected` says what mapping it should hold. Never raises for what a person may have written or named.
    """
    text, problem = text_of(path)
    if problem is not None:
        return None, (problem,)
    reading = _Reading(path)
    problem = reading.attempt(text)
    if problem is None and not isinstance(reading.root, dict):
        problem = Problem(path, 1, "", f"the file holds {kind(reading.root)}", expected)
        if reading.root is None:
            problem = Problem(path, 0, "", "the file is empty", expected)
    if problem is not None:
        return None, (*reading.problems, problem)
    return Document(path, reading.root, reading.lines), tuple(reading.problems)


def lines_of(path: str, text: str) -> tuple[Mapping[str, int], tuple[Problem, ...]]:
    """The lines of what JSON holds, as far as YAML's syntax has them, and the keys that are given twice."""
    reading = _Reading(path)
    reading.attempt(text)
    return reading.lines, tuple(reading.problems)


def kind(value: object) -> str:
    """What sort of thing `value` is, in YAML's words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}" if abs(value) < 1e15 else "a huge number"
    if isinstance(value, str):
        return f"the text {value[:60]!r}" if value else "an empty text"
    return {type(None): "an empty value", list: "a list", dict: "a mapping"}.get(type(value), "something else")


def text_of(path: str, expected: str = "a YAML file") -> tuple[str, Problem | None]:
    """The text of the file at `path`, and why it has none that can be used."""
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            what = "is a folder" if stat.S_ISDIR(mode) else "is not a regular file"
            return "", Problem(path, 0, "", what, expected)
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return "", Problem(clean(path), 0, "", f"cannot be read: {what}", expected)
    if len(data) > MAX_BYTES:
        return "", Problem(path, 0, "", "is too large", f"at most {MAX_BYTES // 1024 // 1024} MB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return "", Problem(path, line, "", f"the byte 0x{data[error.start]:02x} is not UTF-8", "a file in UTF-8")
    unprintable = _UNPRINTABLE.search(text)
    if unprintable is not None:
        line = text.count("\n", 0, unprintable.start()) + 1
        return "", Problem(path, line, "", f"the control character {unprintable[0]!r}", "text")
    return text, None


def _syntax(path: str, text: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    number = mark.line + 1 if mark else 0
    lines = re.split("\r\n|[\r\n\x85\u2028\u2029]", text)  # as YAML counts them
    line = lines[number - 1] if 0 < number <= len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return Problem(path, number, "", "a tab in the indentation", "spaces")
    what = clean(error.problem or error.context or "cannot be read")
    if error.context and error.problem:
        what += f" ({clean(error.context)})"
    return Problem(path, number, "", f"not YAML: {what}")


class _UnusableError(Exception):
    """The file cannot be read any further."""

    def __init__(self, line: int, name: str, what: str, expected: str = "") -> None:
        super().__init__(what)
        self.line, self.field, self.what, self.expected = line, name, what, expected


@dataclass(slots=True)
class _Frame:
    """A mapping or list that is being read. `name` is its dotted field, None where it is being skipped."""

    value: dict[str, Any] | list[Any]
    name: str | None
    anchor: str | None
    size: int = 1
    awaits_key: bool = True
    key: str | None = None


@dataclass(slots=True)
class _Reading:
    path: str
    root: Any = None
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    frames: list[_Frame] = field(default_factory=list)
    anchors: dict[str, tuple[Any, int] | None] = field(default_factory=dict)
    aliased: int = 0
    named: int = 0
    documents: int = 0

    def attempt(self, text: str) -> Problem | None:
        """Read `text`; what made it impossible to read to its end, or None."""
        try:
            self._run(Loader(text))
        except _UnusableError as error:
            return Problem(self.path, error.line, error.field, error.what, error.expected)
        except yaml.MarkedYAMLError as error:
            return _syntax(self.path, text, error)
        except (yaml.YAMLError, ValueError) as error:
            return Problem(self.path, 0, "", f"not YAML: {clean(str(error))}")
        return None

    def _run(self, loader: Any) -> None:
        while loader.check_event():
            event = loader.get_event()
            line = event.start_mark.line + 1
            if isinstance(event, yaml.ScalarEvent):
                value = self._scalar(loader, event, line)
                if event.anchor:
                    self.anchors[event.anchor] = (value, 1)
                self._place(value, line, 1)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                self._open(event, line)
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                frame = self.frames.pop()
                if frame.anchor:
                    self.anchors[frame.anchor] = (frame.value, frame.size)
                if self.frames:
                    self.frames[-1].size += frame.size
            elif isinstance(event, yaml.AliasEvent):
                self._place(*self._alias(event, line))
            elif isinstance(event, yaml.DocumentStartEvent):
                self.documents += 1
                if self.documents > 1:
                    raise _UnusableError(line, "", "a second document begins here", "one document in a file")

    def _problem(self, line: int, name: str | None, what: str, expected: str = "") -> None:
        if name is None:
            return  # inside what is skipped anyway
        self.problems.append(Problem(self.path, line, name, what, expected))
        if len(self.problems) >= MAX_PROBLEMS:
            raise _UnusableError(line, "", f"{MAX_PROBLEMS} problems so far: the rest of the file was not read")

    def _open(self, event: Any, line: int) -> None:
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        if event.tag not in _COLLECTION_TAGS:
            self._problem(line, self._name(), f"the tag {clean(event.tag)}", "plain YAML without tags")
        if len(self.frames) >= MAX_DEPTH:
            raise _UnusableError(line, (self._name() or "").partition("[")[0], f"nested deeper than {MAX_DEPTH} levels")
        name = self._place(value, line, 0)
        self.frames.append(_Frame(value, name, event.anchor))
        if event.anchor:
            self.anchors[event.anchor] = None

    def _alias(self, event: Any, line: int) -> tuple[Any, int, int]:
        if event.anchor not in self.anchors:
            raise _UnusableError(line, self._name() or "", f"the alias *{clean(event.anchor)} has no anchor before it")
        found = self.anchors[event.anchor]
        if found is None:
            raise _UnusableError(line, self._name() or "", f"the alias *{clean(event.anchor)} contains itself")
        value, size = found
        self.aliased += size
        if self.aliased > MAX_ALIASED:
            raise _UnusableError(line, self._name() or "", f"aliases stand for more than {MAX_ALIASED} values")
        return value, line, size

    def _name(self) -> str | None:
        """The field that the next value belongs to."""
        if not self.frames:
            return ""
        frame = self.frames[-1]
        if frame.name is None or isinstance(frame.value, list):
            return None if frame.name is None else f"{frame.name}[{len(frame.value)}]"
        if frame.awaits_key:
            return frame.name
        return None if frame.key is None else f"{frame.name}.{frame.key}" if frame.name else frame.key

    def _place(self, value: Any, line: int, size: int) -> str | None:
        """Put `value` where it belongs; the dotted field it has there, None where it is to be skipped."""
        name = self._name()
        if not self.frames:
            self.root = value
            return name
        frame = self.frames[-1]
        frame.size += size
        if isinstance(frame.value, list):
            if name is not None:
                self._keep(name, line)
                frame.value.append(value)
        elif frame.awaits_key:
            frame.awaits_key = False
            frame.key = self._key(frame, value, line)
            return None
        else:
            frame.awaits_key = True
            if name is not None and frame.key is not None:
                frame.value[frame.key] = value
        return name

    def _key(self, frame: _Frame, value: Any, line: int) -> str | None:
        """The key, with its line kept, or None where what follows must be skipped."""
        if not isinstance(value, str):
            what = f"a key that is {kind(value)}"
            self._problem(line, frame.name, what, "text: put it in quotes" if value is not None else "text")
            return None
        if len(value) > MAX_KEY:
            raise _UnusableError(line, "", f"a key of {len(value):,} characters", f"at most {MAX_KEY:,}")
        name = f"{frame.name}.{value}" if frame.name else value
        if value == "<<":
            self._problem(line, frame.name, "a merge key (<<)", "the key `defaults`, or an alias for a whole value")
            return None
        if value in frame.value:
            before = f"line {self.lines.get(name, 0)}"
            self._problem(line, name, f"given twice in this file, first on {before}", "one of them")
            return None
        if frame.name is not None:
            self._keep(name, line)
        return value

    def _keep(self, name: str, line: int) -> None:
        self.named += len(name) + _ENTRY
        if self.named > MAX_NAMES:
            raise _UnusableError(
                line, "", "more fields, or longer names, than an architecture can need", "a part of it"
            )
        self.lines[name] = line

    def _scalar(self, loader: Any, event: Any, line: int) -> Any:
        if event.tag not in _SCALAR_TAGS:
            self._problem(line, self._name(), f"the tag {clean(event.tag)}", "plain YAML without tags")
            return event.value
        tag = event.tag or loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        try:
            return _CONSTRUCT[tag](event.value) if tag in _CONSTRUCT else event.value
        except (ValueError, KeyError):
            return event.value


_CONSTRUCTOR = yaml.constructor.SafeConstructor()


def _integer(text: str) -> object:
    if ":" in text:  # YAML 1.1 reads 1:30 as 90
        return text
    return _CONSTRUCTOR.construct_yaml_int(yaml.ScalarNode(_TAG + "int", text))


def _float(text: str) -> object:
    if ":" in text:
        return text
    return _CONSTRUCTOR.construct_yaml_float(yaml.ScalarNode(_TAG + "float", text))


_CONSTRUCT = {
    _TAG + "null": lambda _: None,
    _TAG + "bool": lambda text: _CONSTRUCTOR.bool_values[text.lower()],
    _TAG + "int": _integer,
    _TAG + "float": _float,
}
