"""TOML edited by position: tomlkit reads it, and says where a value stands and how a new line is written.

tomlkit puts a new key at the end of its table's text, below comments that belong to the next table. So the line that
it writes is moved up to the last key of its own table, wherever the result still says the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import tomlkit
from tomlkit import items
from tomlkit.exceptions import ParseError, TOMLKitError

from supervisor_healer.fixers.documents import (
    CannotEditError,
    Edit,
    Path,
    Splice,
    by_container,
    changed,
    field_of,
    same,
    spliced,
)
from supervisor_healer.fixers.texts import MAX_DEPTH, UnreadableError, line_end, newline_of, placed

_SENTINEL = "\ue000healer\ue000"  # stands in for a value to find its place


class TomlFormat:
    """TOML 1.0."""

    def read(self, text: str) -> TomlDocument:
        """`text` as a document."""
        try:
            return TomlDocument(text, _plain(tomlkit.parse(text), 0))
        except ParseError as error:
            what = re.sub(r" at line \d+ col \d+$", "", str(error)).replace("character: '\\x00'", "end")
            raise placed(error.line, error.col + 1, what) from error
        except (TOMLKitError, ValueError) as error:
            raise placed(_first_bad_line(text), 1, str(error)) from error
        except RecursionError as error:
            raise UnreadableError(f"nested deeper than {MAX_DEPTH} levels") from error

    def write(self, value: dict[str, Any]) -> str:
        """A new document."""
        _check_sayable(value)
        return tomlkit.dumps(value)


FORMAT = TomlFormat()


@dataclass(frozen=True, slots=True)
class TomlDocument:
    """A TOML text, and what it says."""

    text: str
    value: Any

    @property
    def other(self) -> Any:
        """The same: this format has one version only."""
        return self.value

    def edited(self, edits: Sequence[Edit]) -> str:
        """The text with all `edits` made and nothing else changed."""
        for edit in edits:
            _check_sayable(edit.value)
        text = self.text.replace("\r\n", "\n")
        if tomlkit.dumps(tomlkit.parse(text)) != text:
            raise CannotEditError("the file cannot be written back as it is")
        for edit in edits:
            if edit.replaces:
                start, source = _place(text, edit.path)
                text = spliced(text, [Splice(start, start + len(source), _rendered(edit.value))])
        for container, group in by_container(edits).items():
            text = _added(text, container, group)
        return _with_newlines_of(self.text, text)


def _added(text: str, container: Path, edits: list[Edit]) -> str:
    """`text` with new keys in one table."""
    document = tomlkit.parse(text)
    expected = changed(_plain(document, 0), edits)
    table: Any = document
    for step in container:
        table = table[step]
    if isinstance(table, items.InlineTable):
        return _added_inline(text, container, edits)
    if not hasattr(table, "add"):
        raise CannotEditError(f"{field_of(container)} is written in several places")
    last = next((key for key in reversed(list(table)) if _stands_on_a_line(table[key])), None)
    for edit in edits:
        table.add(str(edit.path[-1]), _item(edit.value))
    splice = _difference(text, tomlkit.dumps(document))
    candidates = [spliced(text, [splice])]
    if last is not None:
        start, source = _place(text, (*container, last))
        end = line_end(text, start + len(source))
        candidates.insert(0, spliced(text, [Splice(end, end, "\n" + splice.text.strip("\n"))]))
    for candidate in candidates:
        if _says(candidate, expected):
            return candidate
    raise CannotEditError(f"there is no place for a key of {field_of(container) or 'the document'} but by reformatting")


def _added_inline(text: str, container: Path, edits: list[Edit]) -> str:
    """`text` with new keys behind the last one of a table in braces."""
    start, source = _place(text, container)
    members = ", ".join(f"{_key(str(edit.path[-1]))} = {_rendered(edit.value)}" for edit in edits)
    body = source[:-1].rstrip()
    at = start + len(body)
    return spliced(text, [Splice(at, at, members if body == "{" else f", {members}")])


def _place(text: str, path: Path) -> tuple[int, str]:
    """Where the value at `path` begins in `text`, and how it is written there."""
    document = tomlkit.parse(text)
    table: Any = document
    for step in path[:-1]:
        table = table[step]
    item = table[path[-1]]
    source = str(item.as_string()) if hasattr(item, "as_string") else ""
    if isinstance(item, bool):  # given without its item
        source = str(item).lower()
    table[path[-1]] = _SENTINEL
    start = tomlkit.dumps(document).find(_SENTINEL) - 1
    if not source or start < 0 or not text.startswith(source, start):
        raise CannotEditError(f"{field_of(path)} has no place of its own")
    return start, source


def _difference(old: str, new: str) -> Splice:
    """The one insertion that makes `new` of `old`."""
    longest = min(len(old), len(new))
    start = next((index for index in range(longest) if old[index] != new[index]), longest)
    added = len(new) - len(old)
    if added < 0 or old[start:] != new[start + added :]:
        raise CannotEditError("it cannot be added without reformatting the file")
    return Splice(start, start, new[start : start + added])


def _stands_on_a_line(item: Any) -> bool:
    """Whether this is ``key = value``, and not a table of its own."""
    return not isinstance(item, (items.Table, items.AoT)) and not (
        isinstance(item, dict) and not isinstance(item, items.InlineTable)
    )


def _says(text: str, expected: Any) -> bool:
    try:
        return same(_plain(tomlkit.parse(text), 0), expected)
    except (TOMLKitError, ValueError):
        return False


def _plain(item: Any, depth: int) -> Any:
    """An item as a value of JSON; dates, infinity and NaN, which JSON does not have, as they are written."""
    if depth > MAX_DEPTH:
        raise UnreadableError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(item, dict):
        return {str(key): _plain(value, depth + 1) for key, value in item.items()}
    if isinstance(item, list):
        return [_plain(value, depth + 1) for value in item]
    if isinstance(item, bool | items.Bool):
        return bool(item)
    if isinstance(item, str):
        return str(item)
    if isinstance(item, int):
        return int(item)
    if isinstance(item, float) and isfinite(item):
        return float(item)
    return str(item.as_string())


def _check_sayable(value: Any) -> None:
    """CannotEditError where TOML has no way to say `value`."""
    if isinstance(value, dict):
        for key, item in value.items():
            _check_sayable(str(key))
            _check_sayable(item)
    elif isinstance(value, list):
        for item in value:
            _check_sayable(item)
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise CannotEditError("TOML cannot say half of a surrogate pair") from error
    elif value is None:
        raise CannotEditError("TOML has no null")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise CannotEditError("TOML has no whole numbers of more than 64 bits")


def _item(value: Any) -> Any:
    """`value` for a line of its own: a mapping as a table in braces."""
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        for key, item in value.items():
            table.append(key, _item(item))
        return table
    if isinstance(value, list):
        array = tomlkit.array()
        for item in value:
            array.append(_item(item))
        return array
    return tomlkit.item(value)


def _rendered(value: Any) -> str:
    return str(_item(value).as_string())


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else str(tomlkit.item(text).as_string())


def _first_bad_line(text: str) -> int:
    """The first line up to which `text` cannot be read, for an error without a place."""
    lines = text.split("\n")
    good, bad = 0, len(lines)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            tomlkit.parse("\n".join(lines[:middle]) + "\n")
            good = middle
        except (TOMLKitError, ValueError):
            bad = middle
    return bad


def _with_newlines_of(old: str, new: str) -> str:
    """`new`, made of `old` with every line ending as LF, with those of `old`; where they are mixed there is no way."""
    if "\r\n" not in old:
        return new
    if newline_of(old) == "\n" or old.count("\n") != old.count("\r\n"):
        raise CannotEditError("the file mixes line endings")
    return new.replace("\n", "\r\n")
