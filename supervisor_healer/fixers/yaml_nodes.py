"""A YAML text as nodes that know where they stand, for a text that has been read already (see `yaml_reading`)."""

from __future__ import annotations

from copy import copy
from typing import Any

from yaml.events import AliasEvent, MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from supervisor_healer.fixers.yaml_events import first


def composed(events: Any) -> Node | None:
    """The root of what a parser's `events` say. What an alias stands for is a node of its own, at the alias' place."""
    try:
        event, _ = first(events)
        return None if event is None else _Composer(events).node(event)
    finally:
        events.dispose()


class _Composer:
    """Events into nodes. Their tags are of no interest here."""

    def __init__(self, events: Any) -> None:
        self._next = events.get_event
        self._anchors: dict[str | None, Node] = {}

    def node(self, event: Any) -> Any:
        """The node that begins with `event`."""
        start: Any = event.start_mark
        stop: Any = event.end_mark
        node: Any
        if isinstance(event, AliasEvent):
            return self._alias(event)
        if isinstance(event, ScalarEvent):
            node = ScalarNode("", event.value, start, stop, event.style)
        elif isinstance(event, MappingStartEvent):
            node = MappingNode("", [], start, None, event.flow_style)
            while not isinstance(one := self._next(), MappingEndEvent):
                key = self.node(one)
                node.value.append((key, self.node(self._next())))
            node.end_mark = one.end_mark
        else:
            node = SequenceNode("", [], start, None, event.flow_style)
            while not isinstance(one := self._next(), SequenceEndEvent):
                node.value.append(self.node(one))
            node.end_mark = one.end_mark
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any) -> Any:
        node: Any = copy(self._anchors[event.anchor])
        node.start_mark, node.end_mark = event.start_mark, event.end_mark
        if isinstance(node, ScalarNode):
            node.style = None
        else:
            node.flow_style = True
        return node
