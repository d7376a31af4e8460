"""TOML as the values of JSON: by the standard library where that has a parser (Python 3.11), by tomlkit where not.

tomlkit is slow, but says better what is wrong, so small texts that are refused are read by it, too.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import date, time
from importlib import import_module
from math import isfinite
from types import ModuleType
from typing import Any

import tomlkit
from tomlkit import items
from tomlkit.exceptions import ParseError, TOMLKitError

from supervisor_healer.fixers.texts import MAX_DEPTH, UnreadableError, placed

_SMALL = 100_000  # characters; what is wrong in a larger text is told in the words of the standard library
_DATES = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)?)?|\d\d:\d\d:\d\d(?:\.\d+)?"
)
_PLACE = re.compile(r"(.*) \(at line (\d+), column (\d+)\)", re.DOTALL)
tomllib: ModuleType | None = import_module("tomllib") if sys.version_info >= (3, 11) else None


def value_of(text: str) -> Any:
    """What `text` says; UnreadableError, with line and column, where it is no TOML."""
    try:
        if tomllib is not None:
            return _fast(text, tomllib)
    except RecursionError as error:
        raise UnreadableError(f"nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:
        if len(text) > _SMALL:
            raise _unreadable(text, error) from error
    return _slow(text)


def _slow(text: str) -> Any:
    """The same by tomlkit."""
    try:
        return _plain(tomlkit.parse(text), 0)
    except ParseError as error:
        what = re.sub(r" at line \d+ col \d+$", "", str(error)).replace("character: '\\x00'", "end")
        raise placed(error.line, error.col + 1, what) from error
    except (TOMLKitError, ValueError) as error:
        raise placed(_first_bad_line(text), 1, str(error)) from error
    except RecursionError as error:
        raise UnreadableError(f"nested deeper than {MAX_DEPTH} levels") from error


def _fast(text: str, library: ModuleType) -> Any:
    """What `text` says, by the standard library; ValueError where it is no TOML."""
    value = library.loads(text, parse_float=_fraction)
    written: dict[str, str] = {}
    return _of_json(value, 0, text, written)


def _fraction(word: str) -> float | str:
    number = float(word)
    return number if isfinite(number) else word


def _of_json(value: Any, depth: int, text: str, written: dict[str, str]) -> Any:
    """`value` with dates and times as they are `written` in `text`."""
    if depth > MAX_DEPTH:
        raise UnreadableError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        return {key: _of_json(item, depth + 1, text, written) for key, item in value.items()}
    if isinstance(value, list):
        return [_of_json(item, depth + 1, text, written) for item in value]
    if isinstance(value, date | time):
        if not written:
            written.update(_dates(text))
        return written.get(repr(value), value.isoformat())
    return value


def _dates(text: str) -> Iterator[tuple[str, str]]:
    """Each date and time in `text`: what it is, and how it is written first."""
    assert tomllib is not None
    for word in reversed(list(dict.fromkeys(_DATES.findall(text)))):
        try:
            yield repr(tomllib.loads(f"x = {word}")["x"]), word
        except ValueError:  # in a comment or a text
            continue


def _unreadable(text: str, error: ValueError) -> UnreadableError:
    """What the standard library has against `text`, with its place."""
    found = _PLACE.fullmatch(str(error))
    if found:
        return placed(int(found[2]), int(found[3]), found[1])
    return placed(text.count("\n") + 1, 1, str(error))


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
