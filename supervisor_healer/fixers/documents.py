"""A config as a document: its value, and edits that leave everything else in it byte for byte.

No format writes a document anew. Each finds the place in the text where something is to be inserted or replaced, so
comments, order, quotes, indentation and line endings stay by construction; whoever edits reads the result again and
compares its value (see `assessment`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from supervisor_healer.errors import HealerError

Path = tuple[str | int, ...]


class CannotEditError(HealerError):
    """The text gives no place for an edit without being written anew."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A value to put at `path`: added to its mapping, or in place of what stands there (`replaces`)."""

    path: Path
    value: Any
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Splice:
    """`text` in place of what stands from `start` to `end`. At one place, a lower `rank` comes first."""

    start: int
    end: int
    text: str
    rank: int = 0


class Document(Protocol):
    """A text that has been read."""

    @property
    def text(self) -> str: ...  # noqa: D102 - as it was given

    @property
    def value(self) -> Any:
        """What it says, in the types of JSON; dates and times as they are written."""

    @property
    def other(self) -> Any:
        """What it says to who reads it by an older version of the format; where that is the same, `value` itself."""

    def edited(self, edits: Sequence[Edit]) -> str:
        """The text with all `edits` made and nothing else changed; CannotEditError where one has no place."""


@dataclass(frozen=True, slots=True)
class OneReading:
    """What the documents of a format that has one version only have in common."""

    text: str
    value: Any

    @property
    def other(self) -> Any:
        """The same."""
        return self.value


class Format(Protocol):
    """One way to write a config.

    `largest` is the longest text that is edited, in characters, `pace` how many of them it gets through in a second on
    a slow day.
    """

    @property
    def largest(self) -> int: ...  # noqa: D102 - a constant

    @property
    def pace(self) -> int: ...  # noqa: D102 - a constant

    def read(self, text: str) -> Document:
        """`text` as a document; UnreadableError, with line and column, where it is none."""

    def write(self, value: dict[str, Any]) -> str:
        """A new document; CannotEditError where the format cannot say `value`."""


def of(name: str) -> Format:
    """The format called `name`; its library is imported only now, so that a child starts fast."""
    module = import_module(f"supervisor_healer.fixers.{name}_text")
    form: Format = module.FORMAT
    return form


def by_container(edits: Iterable[Edit]) -> dict[Path, list[Edit]]:
    """The additions in `edits`, those to one mapping together, in order."""
    groups: dict[Path, list[Edit]] = {}
    for edit in edits:
        if not edit.replaces:
            groups.setdefault(edit.path[:-1], []).append(edit)
    return groups


def spliced(text: str, splices: Iterable[Splice]) -> str:
    """`text` with all `splices` made."""
    parts, at = [], 0
    for splice in sorted(splices, key=lambda one: (one.start, one.rank)):
        if splice.start < at:
            raise CannotEditError("two changes fall on one place")
        parts += [text[at : splice.start], splice.text]
        at = splice.end
    return "".join([*parts, text[at:]])


def rank_of_addition(container: Path) -> int:
    """Of what falls on the end of one line: replaced values first, then the innermost mapping's additions."""
    return 1000 - len(container)


def changed(value: Any, edits: Iterable[Edit]) -> Any:
    """`value` as it must read when all `edits` have been made; what is on no edit's way is shared with it."""
    for edit in edits:
        value = _put(value, edit.path, edit.value)
    return value


def _put(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = _put(value[path[0]] if len(path) > 1 else None, path[1:], new)
    return copy


def same(one: Any, other: Any) -> bool:
    """Whether two values are alike in their types, too: 1 is neither 1.0 nor true."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) or (one != one and other != other)  # noqa: PLR0124 - a NaN differs from itself


def field_of(path: Iterable[str | int]) -> str:
    """`path` as people write it: ``workers[0].name``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
