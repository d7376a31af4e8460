"""JSON edited by position: members are inserted in the style of their siblings, values replaced in place.

The standard library parses; where something is to be changed, the members of the mappings on the way to it are found
with the library's own scanner, so that no second grammar is written here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isinf
from typing import Any

from supervisor_healer.fixers.documents import (
    CannotEditError,
    Edit,
    OneReading,
    Path,
    Splice,
    by_container,
    field_of,
    rank_of_addition,
    spliced,
)
from supervisor_healer.fixers.texts import (
    LIMIT,
    MAX_DEPTH,
    UnreadableError,
    newline_of,
    placed,
    separator_like,
    unreadable,
)

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]|[^\s",:\[\]{}]+', re.DOTALL)
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}
_BLANKS = re.compile(r"[ \t\r\n]*")
_LONGEST_NUMBER = 300  # digits; Python refuses to read whole numbers of more than 4300
_scan = json.JSONDecoder(strict=True).raw_decode


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an object or item of an array: offsets into the text. An item's key is its index, of no length."""

    key: str | int
    key_start: int
    key_end: int
    start: int
    end: int


class JsonFormat:
    """JSON as RFC 8259 has it: no comments, no NaN, no key twice."""

    largest = LIMIT
    pace = 2_000_000

    def read(self, text: str) -> JsonDocument:
        """`text` as a document."""
        if text.count("[") + text.count("{") > MAX_DEPTH:
            _refuse_depth(text)
        twice = False

        def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            nonlocal twice
            found = dict(pairs)
            twice = twice or len(found) < len(pairs)
            return found

        try:
            value = json.loads(
                text, object_pairs_hook=unique, parse_constant=_refuse, parse_int=_whole, parse_float=_fraction
            )
        except json.JSONDecodeError as error:
            what = re.sub("( starting)? at$", "", error.msg)
            raise placed(error.lineno, error.colno, what) from error
        except _WordError as error:
            word = str(error)
            at = next((one.start() for one in _TOKEN.finditer(text) if one[0].startswith(word)), 0)
            shown = word if len(word) < _LONGEST_NUMBER else f"a number of {len(word)} digits"
            raise unreadable(text, at, f"{shown} cannot be used as a number") from error
        if twice:
            raise _duplicate(text)
        return JsonDocument(text, value)

    def write(self, value: dict[str, Any]) -> str:
        """A new document with an indentation of 2."""
        return _rendered(value, "  ", ascii_only=False) + "\n"


FORMAT = JsonFormat()


class JsonDocument(OneReading):
    """A JSON text, and what it says."""

    def edited(self, edits: Sequence[Edit]) -> str:
        """The text with all `edits` made and nothing else changed."""
        splices = [self._replacement(edit) for edit in edits if edit.replaces]
        splices += [self._addition(path, group) for path, group in by_container(edits).items()]
        return spliced(self.text, splices)

    def _replacement(self, edit: Edit) -> Splice:
        return Splice(*self._span(edit.path), self._value(edit.value, None))

    def _addition(self, container: Path, edits: list[Edit]) -> Splice:
        """The new members of one object, after its last one."""
        start, _ = self._span(container)
        members = list(_members(self.text, start))
        if not members:
            return self._first_members(container, start, edits)
        last = members[-1]
        colon = self.text[last.key_end : last.start]
        if len(members) > 1:
            between = self.text[members[-2].end : last.key_start]
        else:
            between = "," + self.text[start + 1 : last.key_start]
            between = ", " if between == "," and not colon.endswith(":") else between
        separator, indent = separator_like(between)
        colon = ": " if "\n" in colon else colon
        text = "".join(f"{separator}{self._key(edit)}{colon}{self._value(edit.value, indent)}" for edit in edits)
        return Splice(last.end, last.end, text, rank_of_addition(container))

    def _first_members(self, container: Path, start: int, edits: list[Edit]) -> Splice:
        """The members of an object that has none: on its line, or on lines of their own where it spans several."""
        blanks = _BLANKS.match(self.text, start + 1)[0]  # type: ignore[index] # it matches the empty text, too
        if "\n" not in blanks:
            members = ", ".join(f"{self._key(edit)}: {self._value(edit.value, None)}" for edit in edits)
            return Splice(start + 1, start + 1, blanks + members, rank_of_addition(container))
        indent = blanks.rpartition("\n")[2] + self._unit()
        line = newline_of(self.text) + indent
        members = f",{line}".join(f"{self._key(edit)}: {self._value(edit.value, indent)}" for edit in edits)
        return Splice(start + 1, start + 1, line + members, rank_of_addition(container))

    def _span(self, path: Path) -> tuple[int, int]:
        """Where the value at `path` begins and ends."""
        start = _skip(self.text, 0)
        end = _scan(self.text, start)[1]
        for step in path:
            member = next((one for one in _members(self.text, start) if one.key == step), None)
            if member is None:
                raise CannotEditError(f"{field_of(path)} was not found")
            start, end = member.start, member.end
        return start, end

    def _key(self, edit: Edit) -> str:
        return json.dumps(edit.path[-1], ensure_ascii=self.text.isascii())

    def _value(self, value: Any, indent: str | None) -> str:
        """`value` as it stands behind its key: on one line (`indent` None), or with its lines indented by `indent`."""
        if indent is None:
            return _rendered(value, None, ascii_only=self.text.isascii())
        lines = _rendered(value, self._unit(), ascii_only=self.text.isascii()).split("\n")
        return (newline_of(self.text) + indent).join(lines)

    def _unit(self) -> str:
        """One step of indentation: that of the first member of the outermost object, else two blanks."""
        first = re.match(r"\s*\{[ \t]*\r?\n([ \t]+)\"", self.text)
        return first[1] if first else "  "


def _members(text: str, start: int) -> Iterator[Member]:
    """The members of the object, or the items of the array, that begins at `start`; none of anything else."""
    opening = text[start]
    if opening not in "[{":
        return
    at, index = _skip(text, start + 1), 0
    while text[at] not in "]}":
        key_start, key, key_end = at, index, at
        if opening == "{":
            key, key_end = _scan(text, at)
            at = _skip(text, _skip(text, key_end) + 1)
        end = _scan(text, at)[1]
        yield Member(key, key_start, key_end, at, end)
        at, index = _skip(text, end), index + 1
        if text[at] == ",":
            at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    return _BLANKS.match(text, at).end()  # type: ignore[union-attr] # it matches the empty text, too


def _rendered(value: Any, unit: str | None, *, ascii_only: bool) -> str:
    try:
        text = json.dumps(value, indent=unit, ensure_ascii=ascii_only, allow_nan=False)
        if not ascii_only:
            text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can say
        return _rendered(value, unit, ascii_only=True)
    except ValueError as error:
        raise CannotEditError("JSON has no such number") from error
    return text


class _WordError(Exception):
    """A number that is none; the message is how it is written."""


def _refuse(word: str) -> float:
    raise _WordError(word)


def _whole(word: str) -> int:
    if len(word) > _LONGEST_NUMBER:
        raise _WordError(word)
    return int(word)


def _fraction(word: str) -> float:
    number = float(word)
    if isinf(number):
        raise _WordError(word)
    return number


def _duplicate(text: str) -> UnreadableError:
    """The error at the first key that its object has already."""
    pending = [_skip(text, 0)]
    found: list[tuple[int, str]] = []
    while pending:
        seen: set[str | int] = set()
        for member in _members(text, pending.pop()):
            if member.key in seen:
                found.append((member.key_start, str(member.key)))
            seen.add(member.key)
            pending.append(member.start)
    at, key = min(found)
    return unreadable(text, at, f'"{key[:60]}" stands in this object twice')


def _refuse_depth(text: str) -> None:
    """UnreadableError at the first bracket that is nested too deeply."""
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += _STEPS.get(token[0], 0)
        if depth > MAX_DEPTH:
            raise unreadable(text, token.start(), f"nested deeper than {MAX_DEPTH} levels")
