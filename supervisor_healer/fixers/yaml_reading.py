"""YAML as the values of JSON, within the bounds of a config: in one pass over its events, without nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from yaml.events import AliasEvent, MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent

from supervisor_healer.fixers.texts import MAX_DEPTH
from supervisor_healer.fixers.yaml_events import NodeError, end, first
from supervisor_healer.fixers.yaml_scalars import PREFIX, V11, V12, ScalarError, Scalars, Twofold

_MAX_NODES = 1_000_000  # values with every alias written out; more is an attack, not a config


@dataclass(frozen=True, slots=True)
class Anchored:
    """What an alias stands for: its value, how many values that are, how deep they nest; a scalar's text is a key."""

    value: Any
    nodes: int
    height: int
    key: str | None


def readings(events: Any) -> tuple[Any, Any]:
    """What a parser's `events` say by YAML 1.2 and by YAML 1.1, the same object where that is the same.

    NodeError for what no config should hold; yaml.YAMLError for what is no YAML.
    """
    try:
        event, version = first(events)
        if event is None:
            return None, None
        reader = _Reader(events)
        value = reader.value(event, 1)
        end(events)
    finally:
        events.dispose()
    if not reader.twofold:
        return value, value
    if version is not None:
        value = _reading(value, V11 if tuple(version) <= V11 else V12)
        return value, value
    return _reading(value, V12), _reading(value, V11)


class _Reader:
    """Events into values; scalars that the versions of YAML read differently stay Twofold."""

    def __init__(self, events: Any) -> None:
        self.twofold = False
        self._next = events.get_event
        self._scalars = Scalars()
        self._anchors: dict[str | None, Anchored | None] = {}  # None: still open
        self._nodes = 0
        self._deepest = 0

    def value(self, event: Any, depth: int) -> Any:
        """What begins with `event` at nesting level `depth`."""
        if depth > MAX_DEPTH:
            raise NodeError(f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
        self._nodes += 1
        self._deepest = max(self._deepest, depth)
        if type(event) is AliasEvent:
            return self._alias(event, depth)
        if event.anchor is None:
            return self._content(event, depth)
        self._anchors[event.anchor] = None
        nodes, deepest = self._nodes, self._deepest
        self._deepest = depth
        value = self._content(event, depth)
        key = event.value if type(event) is ScalarEvent else None
        self._anchors[event.anchor] = Anchored(value, self._nodes - nodes + 1, self._deepest - depth, key)
        self._deepest = max(deepest, self._deepest)
        return value

    def _content(self, event: Any, depth: int) -> Any:
        if type(event) is ScalarEvent:
            return self._scalar(event)
        is_mapping = type(event) is MappingStartEvent
        if not event.implicit and event.tag not in (None, "!", PREFIX + ("map" if is_mapping else "seq")):
            raise _tag_error(event)
        return self._mapping(depth) if is_mapping else self._sequence(depth)

    def _alias(self, event: Any, depth: int) -> Any:
        if event.anchor not in self._anchors:
            raise NodeError(f"found undefined alias {event.anchor!r}", event.start_mark)
        anchored = self._anchors[event.anchor]
        if anchored is None or depth + anchored.height > MAX_DEPTH:
            raise NodeError(f"its aliases nest deeper than {MAX_DEPTH} levels", event.start_mark)
        self._deepest = max(self._deepest, depth + anchored.height)
        self._nodes += anchored.nodes - 1
        if self._nodes > _MAX_NODES:
            raise NodeError(f"its aliases stand for more than {_MAX_NODES} values", event.start_mark)
        return anchored.value

    def _sequence(self, depth: int) -> list[Any]:
        items = []
        while type(event := self._next()) is not SequenceEndEvent:
            items.append(self.value(event, depth + 1))
        return items

    def _mapping(self, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while type(event := self._next()) is not MappingEndEvent:
            key = self._key(event)
            item = self._next()
            if key is None:
                for mapping in self._merged(self.value(item, depth + 1), item):
                    merged = {**mapping, **merged}
                continue
            if key in own:
                raise NodeError(f"the key {key[:60]!r} stands in this mapping twice", event.start_mark)
            own[key] = self.value(item, depth + 1)
        return {**merged, **own} if merged else own

    def _key(self, event: Any) -> str | None:
        """A key as it is written, None for that of a merge."""
        if type(event) is AliasEvent and event.anchor not in self._anchors:
            raise NodeError(f"found undefined alias {event.anchor!r}", event.start_mark)
        anchored = self._anchors.get(event.anchor) if type(event) is AliasEvent else None
        if anchored is not None and anchored.key is not None:
            return anchored.key
        if type(event) is not ScalarEvent:
            raise NodeError("a key has to be a single value", event.start_mark)
        if event.anchor is not None:
            self._anchors[event.anchor] = Anchored(event.value, 1, 0, event.value)
        is_merge = (event.value == "<<" and event.implicit[0]) or event.tag == PREFIX + "merge"
        return None if is_merge else str(event.value)

    def _merged(self, value: Any, event: Any) -> Iterator[dict[str, Any]]:
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, dict):
                raise NodeError("only mappings can be merged", event.start_mark)
            yield item

    def _scalar(self, event: Any) -> Any:
        plain, quoted = event.implicit
        if not plain and (quoted or event.tag is None):
            return str(event.value)
        try:
            value = self._scalars.plain(event.value) if plain else self._scalars.tagged(event.value, event.tag)
        except ScalarError as error:
            raise NodeError(str(error), event.start_mark) from error
        except KeyError as error:
            raise _tag_error(event) from error
        if type(value) is Twofold:
            self.twofold = True
        return value


def _reading(value: Any, version: tuple[int, int]) -> Any:
    """`value` with its scalars as one version of YAML has them."""
    if isinstance(value, dict):
        return {key: _reading(item, version) for key, item in value.items()}
    if isinstance(value, list):
        return [_reading(item, version) for item in value]
    if isinstance(value, Twofold):
        return value.v11 if version == V11 else value.v12
    return value


def _tag_error(event: Any) -> NodeError:
    return NodeError(f"the tag {event.tag.replace(PREFIX, '!!')} is not one that is known here", event.start_mark)
