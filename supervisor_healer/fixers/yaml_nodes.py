"""The nodes of a YAML document as the values of JSON, within the bounds of a config."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Any

from ruamel.yaml.composer import Composer
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from supervisor_healer.fixers.texts import MAX_DEPTH

_MAX_NODES = 1_000_000  # values with every alias written out; more is an attack, not a config
_PREFIX = "tag:yaml.org,2002:"


class BoundedComposer(Composer):
    """Refuses deep nesting where it begins, and gives an alias the place where it stands, not its anchor's."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """The next node with all that is in it."""
        event = self.parser.peek_event()
        if self._depth >= MAX_DEPTH:
            raise NodeError(f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(event, AliasEvent):
            node = copy(node)
            node.start_mark, node.end_mark = event.start_mark, event.end_mark
            if isinstance(node, ScalarNode):
                node.style = None
            else:
                node.flow_style = True
        return node


class NodeError(Exception):
    """A node that no config should hold; `line` and `column` from 1."""

    def __init__(self, what: str, mark: Any) -> None:
        super().__init__(what)
        self.line, self.column = mark.line + 1, mark.column + 1


class Values:
    """Nodes as the values of JSON."""

    def __init__(self, yaml: Any) -> None:
        self._constructor = yaml.constructor
        self._nodes = 0
        self._depth = 0

    def of(self, node: Node) -> Any:
        """What `node` says; NodeError where no config should say it."""
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise NodeError(f"its aliases stand for more than {_MAX_NODES} values", node.start_mark)
        if self._depth > MAX_DEPTH:
            raise NodeError(f"its aliases nest deeper than {MAX_DEPTH} levels", node.start_mark)
        self._depth += 1
        kind = str(node.tag).removeprefix(_PREFIX)
        if isinstance(node, MappingNode) and kind == "map":
            value: Any = self._mapping(node)
        elif isinstance(node, SequenceNode) and kind == "seq":
            value = [self.of(item) for item in node.value]
        elif isinstance(node, ScalarNode):
            value = self._scalar(node, kind)
        else:
            raise _tag_error(node)
        self._depth -= 1
        return value

    def _mapping(self, node: MappingNode) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, item in node.value:
            if not isinstance(key, ScalarNode):
                raise NodeError("a key has to be a single value", key.start_mark)
            if key.tag == _PREFIX + "merge":
                for mapping in self._merged(item):
                    merged = {**mapping, **merged}
                continue
            if key.value in own:
                raise NodeError(f"the key {key.value[:60]!r} stands in this mapping twice", key.start_mark)
            own[key.value] = self.of(item)
        return {**merged, **own}

    def _merged(self, node: Node) -> Iterator[dict[str, Any]]:
        for item in node.value if isinstance(node, SequenceNode) else [node]:
            if not isinstance(item, MappingNode):
                raise NodeError("only mappings can be merged", item.start_mark)
            yield self.of(item)

    def _scalar(self, node: ScalarNode, kind: str) -> Any:
        """Dates and times stay as they are written, so do infinity and NaN, which JSON's numbers do not have."""
        if kind in ("str", "timestamp", "merge", "value"):
            return str(node.value)
        try:
            if kind == "null":
                return None
            if kind == "bool":
                return bool(self._constructor.construct_yaml_bool(node))
            if kind == "int":
                return int(self._constructor.construct_yaml_int(node))
            if kind == "float":
                number = float(self._constructor.construct_yaml_float(node))
                return number if abs(number) < float("inf") else str(node.value)
        except (ValueError, KeyError) as error:
            raise NodeError(f"{node.value[:60]!r} cannot be read as {kind}", node.start_mark) from error
        raise _tag_error(node)


def _tag_error(node: Node) -> NodeError:
    return NodeError(f"the tag {str(node.tag).replace(_PREFIX, '!!')} is not one that is known here", node.start_mark)
