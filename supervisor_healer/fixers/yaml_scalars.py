"""What a scalar of YAML says: by YAML 1.2's core schema, and by YAML 1.1 as PyYAML's safe loader has it.

Which of the two a worker reads by depends on its library. `yes` is text to one and true to the other, `010` is ten or
eight, `16:30:00` text or 59,400 seconds. Both read dates; here they stay as they are written, as do infinity and NaN,
which JSON's numbers do not have.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from yaml.constructor import SafeConstructor
from yaml.nodes import ScalarNode
from yaml.resolver import Resolver

PREFIX = "tag:yaml.org,2002:"
V11, V12 = (1, 1), (1, 2)

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {
    word: value for value, name in ((True, "true"), (False, "false")) for word in (name, name.title(), name.upper())
}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASES = {"0o": 8, "0x": 16}

_PYYAML = SafeConstructor()
_CONSTRUCT: dict[str, Callable[[ScalarNode], Any]] = {
    "null": _PYYAML.construct_yaml_null,
    "bool": _PYYAML.construct_yaml_bool,
    "int": _PYYAML.construct_yaml_int,
    "float": _PYYAML.construct_yaml_float,
}


@dataclass(frozen=True, slots=True)
class Twofold:
    """A scalar that YAML 1.1 and YAML 1.2 read differently."""

    v11: Any
    v12: Any


class ScalarError(ValueError):
    """A scalar that is not what its tag, or its form, says that it is."""


class Scalars:
    """Scalars of one document, each text understood once."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def plain(self, text: str) -> Any:
        """What `text` without quotes and tag says, a Twofold where the versions differ; ScalarError where nothing."""
        try:
            return self._known[text]
        except KeyError:
            value = self._known[text] = _twofold(lambda: _plain_11(text), lambda: _plain_12(text), text)
            return value

    def tagged(self, text: str, tag: str) -> Any:
        """What `text` says with an explicit `tag`; KeyError for a tag that is not known here."""
        kind = tag.removeprefix(PREFIX) if tag.startswith(PREFIX) else ""
        if kind in ("str", "timestamp", "merge", "value"):
            return text
        construct = _CONSTRUCT[kind]
        try:
            return _twofold(lambda: _finite(construct(_node(text)), text), lambda: _tagged_12(text, kind), text)
        except ScalarError as error:
            raise ScalarError(f"{text[:60]!r} cannot be read as {kind}") from error


def _twofold(read_11: Callable[[], Any], read_12: Callable[[], Any], text: str) -> Any:
    """Both readings, one where they are alike or where the other is an error."""
    values = []
    for read in (read_11, read_12):
        try:
            values.append(read())
        except (ValueError, KeyError, ArithmeticError):
            continue
    if not values:
        raise ScalarError(f"{text[:60]!r} cannot be read as a number")
    v11, v12 = values[0], values[-1]
    return v12 if type(v11) is type(v12) and v11 == v12 else Twofold(v11, v12)


def _plain_11(text: str) -> Any:
    for tag, pattern in Resolver.yaml_implicit_resolvers.get(text[:1], ()):
        if pattern.match(text):
            construct = _CONSTRUCT.get(tag.removeprefix(PREFIX))
            return text if construct is None else _finite(construct(_node(text)), text)
    return text


def _plain_12(text: str) -> Any:
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text[2:], _BASES[text[:2]]) if text[:2] in _BASES else int(text)
    return _finite(float(text), text) if _FLOAT.fullmatch(text) else text


def _tagged_12(text: str, kind: str) -> Any:
    if kind == "null":
        return None
    value = _plain_12(text)
    if kind == "float" and type(value) is int:
        return _finite(float(value), text)
    if type(value).__name__ != kind:
        raise ValueError(kind)
    return value


def _finite(value: Any, text: str) -> Any:
    return text if isinstance(value, float) and not abs(value) < float("inf") else value


def _node(text: str) -> ScalarNode:
    return ScalarNode("", text)
