"""Checks what came over the wire against the TypedDicts of the protocol, before any of it is kept.

A publication is held for hours and read by people: a bug in the listener must show as a fault at `publish`,
never as an exception in somebody's `status`. The checkers are built once from the protocol's own types, so
that the protocol is written down in one place.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints, is_typeddict

from supervisor_healer import words
from supervisor_healer.errors import ProtocolError

TEXT_MAX = 4096  # characters kept of any one text
DEPTH_MAX = 12  # levels of a free-form value (the report)
STEP_MAX = 100  # characters shown of a key that leads to a misfit
FREE_FORM_MAX = 1_000_000  # values and characters kept of a free-form value; what comes after them is left out

T = TypeVar("T")
Checker = Callable[[object], object]


class MisfitError(Exception):
    """A value does not fit; `trail` leads to it from the inside out."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
        self.trail: list[str] = []

    def inside(self, step: str) -> MisfitError:
        """The same misfit, one level further out."""
        self.trail.append(step)
        return self


def fitting(value: object, shape: type[T]) -> T:
    """`value` as the TypedDict (or other type of the protocol) `shape`: numbers finite, texts clean and short.

    Raises ProtocolError naming the place, such as ``workers[3].inputs[0].path: expected text, got int``.
    """
    try:
        return cast(T, _checker(cast(Any, shape))(value))
    except MisfitError as misfit:
        place = "".join(reversed(misfit.trail)).lstrip(".")
        raise ProtocolError(f"{place}: {misfit.what}" if place else misfit.what) from misfit


@functools.cache
def _checker(hint: Any) -> Checker:
    """The function that checks one value against the type `hint`."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is list:
        return functools.partial(_list, _checker(arguments[0]))
    if origin is dict:
        return functools.partial(_mapping, _checker(arguments[1]))
    if is_typeddict(hint):
        return functools.partial(_struct, {name: _checker(kind) for name, kind in get_type_hints(hint).items()})
    raise TypeError(f"no checker for {hint!r}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _wrong("text", value)
    if len(value) > TEXT_MAX:
        value = value[: TEXT_MAX - 3] + "..."
    text = words.clean_but_tokens(value)
    if "\x1f" in text:
        try:
            words.render(text, 0.0)
        except (ValueError, OverflowError):
            raise MisfitError("a moment in this text cannot be read") from None
    return text


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong("true or false", value)
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong("a whole number", value)
    if abs(value) > 2**53:
        raise MisfitError("this number is too large")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong("a number", value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise MisfitError("this number is not finite")
    return number


def _list(item: Checker, value: object) -> list[object]:
    if not isinstance(value, list):
        raise _wrong("a list", value)
    checked: list[object] = []
    for index, entry in enumerate(value):
        try:
            checked.append(item(entry))
        except MisfitError as misfit:
            raise misfit.inside(f"[{index}]") from None
    return checked


def _mapping(item: Checker, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _wrong("an object", value)
    checked: dict[str, object] = {}
    for key, entry in value.items():
        try:
            checked[_text(key)] = item(entry)
        except MisfitError as misfit:
            raise misfit.inside(f".{str(key)[:STEP_MAX]!r}") from None
    return checked


def _struct(fields: dict[str, Checker], value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _wrong("an object", value)
    if value.keys() != fields.keys():
        missing, unknown = sorted(fields.keys() - value.keys()), sorted(map(repr, value.keys() - fields.keys()))
        raise MisfitError("; ".join(
            [f"without {', '.join(missing)}"] * bool(missing) + [f"unknown: {', '.join(unknown)[:200]}"] * bool(unknown)
        ))  # fmt: skip
    checked: dict[str, object] = {}
    for name, check in fields.items():
        try:
            checked[name] = check(value[name])
        except MisfitError as misfit:
            raise misfit.inside(f".{name}") from None
    return checked


class _Room:
    """How much of a free-form value may still be kept."""

    def __init__(self, size: int) -> None:
        self.left = size

    def take(self, size: int) -> None:
        """Note that so many values and characters have been kept."""
        self.left -= size


def _anything(value: object) -> object:
    """Free-form JSON as XML-RPC can carry it: no null, no number beyond a double, no control characters; bounded."""
    return _free(value, DEPTH_MAX, _Room(FREE_FORM_MAX))


def _free(value: object, depth: int, room: _Room) -> object:
    room.take(1)
    if depth == 0:
        raise MisfitError(f"nested more than {DEPTH_MAX} levels deep")
    if isinstance(value, list):
        return [_free(entry, depth - 1, room) for entry in value if room.left > 0]
    if isinstance(value, dict):
        kept: dict[str, object] = {}
        for key, entry in value.items():
            if room.left > 0:
                name = _text(key)
                room.take(len(name))
                kept[name] = _free(entry, depth - 1, room)
        return kept
    kept_scalar = _scalar(value)
    room.take(len(kept_scalar) if isinstance(kept_scalar, str) else 0)
    return kept_scalar


def _scalar(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool) or (isinstance(value, int) and -(2**31) <= value < 2**31):
        return value
    return _number(value) if isinstance(value, (int, float)) else _text(value)


def _wrong(expected: str, value: object) -> MisfitError:
    return MisfitError(f"expected {expected}, got {type(value).__name__}")


_PLAIN: dict[Any, Checker] = {str: _text, bool: _truth, int: _whole, float: _number, Any: _anything}
