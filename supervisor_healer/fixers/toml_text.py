"""TOML edited by position: tomlkit says where a value stands and how a new line is written.

It is slow, so a text is read by the standard library's `tomllib` where there is one, and tomlkit is asked only about
what is to be changed, and about what is wrong in a small text. It puts a new key at the end of its table's text, below
comments that belong to the next table. So the line that it writes is moved up to the last key of its own table,
wherever the result still says the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import tomlkit
from tomlkit import items
from tomlkit.exceptions import ParseError, TOMLKitError

from supervisor_healer.fixers.documents import (
    CannotEditError,
    Edit,
    OneReading,
    Path,
    Splice,
    by_container,
    changed,
    field_of,
    rank_of_addition,
    same,
    spliced,
)
from supervisor_healer.fixers.texts import UnreadableError, indentation, line_end, newline_of
from supervisor_healer.fixers.toml_reading import value_of

_SENTINEL = "\ue000healer{}\ue000"  # stands in for a value to find its place


class TomlFormat:
    """TOML 1.0."""

    largest = 200_000  # tomlkit parses some 150,000 a second
    pace = 40_000

    def read(self, text: str) -> TomlDocument:
        """`text` as a document."""
        return TomlDocument(text, value_of(text))

    def write(self, value: dict[str, Any]) -> str:
        """A new document."""
        _check_sayable(value)
        return tomlkit.dumps(value)


FORMAT = TomlFormat()


class TomlDocument(OneReading):
    """A TOML text, and what it says."""

    def edited(self, edits: Sequence[Edit]) -> str:
        """The text with all `edits` made and nothing else changed."""
        for edit in edits:
            _check_sayable(edit.value)
        text = self.text.replace("\r\n", "\n")
        try:
            new = spliced(text, _splices(text, edits))
        except (ParseError, TOMLKitError, ValueError, RecursionError) as error:
            raise CannotEditError("the library that could edit it cannot read it") from error
        return _with_newlines_of(self.text, new)


@dataclass(frozen=True, slots=True)
class _Addition:
    """The new keys of one table. `last` is the path of its last key that stands on a line, () where there is none."""

    container: Path
    edits: list[Edit]
    last: Path = ()
    inline: bool = False


def _splices(text: str, edits: Sequence[Edit]) -> Iterator[Splice]:
    """What makes `edits` in `text`, whose lines end with LF."""
    document = tomlkit.parse(text)
    if tomlkit.dumps(document) != text:
        raise CannotEditError("the file cannot be written back as it is")
    additions = [_addition(document, path, group) for path, group in by_container(edits).items()]
    replaced = [edit for edit in edits if edit.replaces]
    wanted = [edit.path for edit in replaced]
    wanted += [one.container if one.inline else one.last for one in additions if one.inline or one.last]
    places = _places(text, wanted)
    for edit in replaced:
        start, source = places[edit.path]
        yield Splice(start, start + len(source), _rendered(edit.value))
    written: list[Splice] = []
    for one in additions:
        yield _added_inline(one, *places[one.container]) if one.inline else _added(text, document, one, places, written)


def _addition(document: Any, container: Path, edits: list[Edit]) -> _Addition:
    table = _item_at(document, container)
    if isinstance(table, items.InlineTable):
        return _Addition(container, edits, inline=True)
    if not hasattr(table, "add"):
        raise CannotEditError(f"{field_of(container)} is written in several places")
    last = next((key for key in reversed(list(table)) if _stands_on_a_line(table[key])), None)
    return _Addition(container, edits, () if last is None else (*container, str(last)))


def _added(
    text: str, document: Any, addition: _Addition, places: dict[Path, tuple[int, str]], written: list[Splice]
) -> Splice:
    """The new lines of one table: below its last key, or where tomlkit has them. `written`: what that has added."""
    before = tomlkit.dumps(document)
    table = _item_at(document, addition.container)
    for edit in addition.edits:
        table.add(str(edit.path[-1]), _item(edit.value))
    own = _difference(before, tomlkit.dumps(document))
    start = own.start
    for earlier in reversed(written):
        start = max(earlier.start, start - len(earlier.text)) if start > earlier.start else start
    written.append(own)
    rank = rank_of_addition(addition.container)
    candidates = [Splice(start, start, own.text, rank)]
    if addition.last:
        at, source = places[addition.last]
        end, indent = line_end(text, at + len(source)), indentation(text, at)
        lines = "".join("\n" + indent + line.lstrip(" \t") for line in own.text.strip("\n").split("\n"))
        candidates.insert(0, Splice(end, end, lines, rank))
    expected = changed(value_of(text), addition.edits)
    for candidate in candidates:
        if _says(spliced(text, [candidate]), expected):
            return candidate
    field = field_of(addition.container) or "the document"
    raise CannotEditError(f"there is no place for a key of {field} but by reformatting")


def _added_inline(addition: _Addition, start: int, source: str) -> Splice:
    """The new keys behind the last one of a table in braces."""
    members = ", ".join(f"{_key(str(edit.path[-1]))} = {_rendered(edit.value)}" for edit in addition.edits)
    body = source[:-1].rstrip()
    at = start + len(body)
    return Splice(at, at, members if body == "{" else f", {members}", rank_of_addition(addition.container))


def _places(text: str, paths: Iterable[Path]) -> dict[Path, tuple[int, str]]:
    """Where the values at `paths` begin in `text`, and how they are written there.

    A stand-in is put for each value, and looked for in the text that this gives; those within another one's value wait
    for the next round.
    """
    found: dict[Path, tuple[int, str]] = {}
    pending = sorted(set(paths), key=len)
    while pending:
        document = tomlkit.parse(text)
        now = [path for path in pending if not any(path[: len(other)] == other for other in pending if other != path)]
        sources = [_put_sentinel(document, path, _SENTINEL.format(index)) for index, path in enumerate(now)]
        marked, shift = tomlkit.dumps(document), 0
        places = sorted((marked.find(_SENTINEL.format(index)), index) for index in range(len(now)))
        for at, index in places:
            sentinel, source = _SENTINEL.format(index), sources[index]
            start = at - 1 + shift  # it stands in quotes
            if not source or at < 0 or not text.startswith(source, start):
                raise CannotEditError(f"{field_of(now[index])} has no place of its own")
            found[now[index]] = (start, source)
            shift += len(source) - len(sentinel) - 2
        pending = [path for path in pending if path not in now]
    return found


def _put_sentinel(document: Any, path: Path, sentinel: str) -> str:
    """Put `sentinel` in the place of a value; how that was written."""
    table = _item_at(document, path[:-1])
    item = table[path[-1]]
    source = str(item.as_string()) if hasattr(item, "as_string") else ""
    if isinstance(item, bool):  # given without its item
        source = str(item).lower()
    table[path[-1]] = sentinel
    return source


def _item_at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


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
    return isinstance(item, items.InlineTable) or not isinstance(item, dict | items.AoT)


def _says(text: str, expected: Any) -> bool:
    try:
        return same(value_of(text), expected)
    except UnreadableError:
        return False


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


def _with_newlines_of(old: str, new: str) -> str:
    """`new`, made of `old` with every line ending as LF, with those of `old`; where they are mixed there is no way."""
    if "\r\n" not in old:
        return new
    if newline_of(old) == "\n" or old.count("\n") != old.count("\r\n"):
        raise CannotEditError("the file mixes line endings")
    return new.replace("\n", "\r\n")
