"""What a report must not show of a config: reports, logs and the history are read by more people than some configs.

Nothing of one that not everybody may read or that lies outside of the root, and of any other no value that the schema
calls `writeOnly`. What is shown then is the field, the rule, and what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from supervisor_healer.fixers.documents import Path, field_of
from supervisor_healer.fixers.phrases import shown

_DEEPEST = 100  # levels of a schema; what lies deeper is taken for a secret
_NO_SCHEMAS = frozenset(("properties", "$defs", "definitions", "default", "const", "enum", "examples"))
_PLACE = re.compile(r"line \d+, column \d+: ")


@dataclass(frozen=True, slots=True)
class Discretion:
    """Whether every value is to be kept back, else the `names` of the properties whose values are."""

    everything: bool = False
    names: frozenset[str] = frozenset()

    @property
    def strict(self) -> Discretion:
        """For values of which it is not known where they belong: all or none."""
        return Discretion(self.everything or bool(self.names))

    def hides(self, path: Path, value: Any) -> bool:
        """Whether `value`, which stands at `path`, must not be shown; what holds others may hold a secret."""
        if self.everything or not self.names:
            return self.everything
        return isinstance(value, dict | list) or not self.names.isdisjoint(map(str, path))

    def shown(self, path: Path, value: Any) -> str:
        """`value` with a blank after it, '' where it must not be shown."""
        return "" if self.hides(path, value) else f"{shown(value)} "

    def member(self, name: str, value: Any) -> str:
        """One of the fields of a new config, in words."""
        return name if self.hides((name,), value) else f"{name} = {shown(value)}"

    def addition(self, path: Path, value: Any) -> str:
        """The default that is given to a field, in words."""
        return f"{field_of(path)} " + ("with its default" if self.hides(path, value) else f"= {shown(value)}")

    def replacement(self, path: Path, old: Any, new: Any) -> str:
        """The default that takes the place of a value, in words."""
        if self.hides(path, old) or self.hides(path, new):
            return f"{field_of(path)} by its default"
        return f"{field_of(path)} = {shown(old)} by {shown(new)}"


def of(schema: Any, lookup: Callable[[str], Any], everything: bool) -> Discretion:
    """What `schema` wants kept back, or all; `lookup` gives what a reference in it means."""
    if everything or _is_secret(schema, lookup, ()):
        return Discretion(everything=True)
    properties = (item for node in _nodes(schema) for item in _mapping(node.get("properties")).items())
    return Discretion(names=frozenset(name for name, part in properties if _is_secret(part, lookup, ())))


def unreadable(text: str, format_name: str) -> str:
    """Why a document cannot be read, without what stands in it."""
    place = _PLACE.match(text)
    return f"{place[0] if place else ''}it cannot be read as {format_name.upper()}"


def _is_secret(part: Any, lookup: Callable[[str], Any], above: tuple[int, ...]) -> bool:
    """Whether a schema, or one for something in its value that has no name, says `writeOnly`."""
    if isinstance(part, list):
        return any(_is_secret(one, lookup, above) for one in part)
    if not isinstance(part, dict) or id(part) in above:
        return False
    if part.get("writeOnly") is True or len(above) > _DEEPEST:
        return True
    above = (*above, id(part))
    reference = part.get("$ref")
    if isinstance(reference, str) and _is_secret(lookup(reference), lookup, above):
        return True
    return any(_is_secret(inner, lookup, above) for key, inner in part.items() if key not in _NO_SCHEMAS)


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
