"""YAML edited by position: the parser's marks say where something is to be inserted.

A round trip through a dumper would wrap long lines and indent anew what people have indented otherwise, so a document
is never dumped. It is read by YAML 1.2 and by YAML 1.1, since it is not known by which its readers go: to PyYAML `yes`
is true, `010` is eight. What is written means the same in both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from yaml.error import YAMLError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from supervisor_healer.fixers.documents import (
    CannotEditError,
    Edit,
    Path,
    Splice,
    by_container,
    field_of,
    rank_of_addition,
    spliced,
)
from supervisor_healer.fixers.texts import UnreadableError, indentation, line_end, newline_of, placed, separator_like
from supervisor_healer.fixers.yaml_events import NodeError, parser, unreadable_yaml
from supervisor_healer.fixers.yaml_nodes import composed
from supervisor_healer.fixers.yaml_reading import readings
from supervisor_healer.fixers.yaml_style import block, flow, key_of, quoted

_SMALL = 250_000  # characters; what libyaml refuses in a larger text stays refused
_COMMENT = re.compile(r"[ \t]*(,?)[ \t]+#[^\r\n]*(?=\r?\n)")  # of the last member of a mapping in braces


class YamlFormat:
    """One YAML document with the standard tags."""

    largest = 1_000_000  # nodes take a hundred times the room of their text
    pace = 300_000

    def read(self, text: str) -> YamlDocument:
        """`text` as a document."""
        try:
            try:
                return YamlDocument(text, *readings(parser(text)), parser)
            except YAMLError as error:
                if len(text) > _SMALL:
                    raise unreadable_yaml(text, error) from error
            return _second_opinion(text)
        except NodeError as error:
            raise placed(error.line, error.column, str(error)) from error

    def write(self, value: dict[str, Any]) -> str:
        """A new document in block style."""
        if not value:
            return "{}\n"
        return "\n".join(block(value, "", "  ")) + "\n"


FORMAT = YamlFormat()


def _second_opinion(text: str) -> YamlDocument:
    """What libyaml refuses, as another parser of YAML 1.2 reads it; what is wrong is told in that one's words."""
    from supervisor_healer.fixers.yaml_ruamel import RuamelParser  # noqa: PLC0415 -- it takes a while to import

    try:
        return YamlDocument(text, *readings(RuamelParser(text)), RuamelParser)
    except YAMLError as error:
        raise unreadable_yaml(text, error) from error
    except RecursionError as error:
        raise UnreadableError("nested too deeply") from error


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """A YAML text, what it says by YAML 1.2 and by YAML 1.1, and who can parse it."""

    text: str
    value: Any
    other: Any
    parser: Callable[[str], Any]

    def edited(self, edits: Sequence[Edit]) -> str:
        """The text with all `edits` made and nothing else changed."""
        return spliced(self.text, _Places(self.text, composed(self.parser(self.text))).splices(edits))


@dataclass(frozen=True, slots=True)
class _Places:
    """A YAML text and its nodes."""

    text: str
    root: Node | None

    def splices(self, edits: Sequence[Edit]) -> list[Splice]:
        """What makes `edits`, and changes nothing else."""
        splices = [self._replacement(edit) for edit in edits if edit.replaces]
        for path, group in by_container(edits).items():
            splices += self._addition(path, group)
        return splices

    def _replacement(self, edit: Edit) -> Splice:
        key, node = self._find(edit.path)
        if (isinstance(node, ScalarNode) and node.style in ("|", ">")) or getattr(node, "flow_style", True) is False:
            raise CannotEditError("a value of several lines cannot be replaced with the formatting kept")
        if _is_empty(node):
            end = self._after_colon(key)
            return Splice(end, end, " " + flow(edit.value))
        return Splice(node.start_mark.index, node.end_mark.index, flow(edit.value))

    def _addition(self, container: Path, edits: list[Edit]) -> list[Splice]:
        _, node = self._find(container)
        if self._is_alias(node):
            raise CannotEditError(f"{field_of(container)} stands elsewhere (an alias)")
        if not isinstance(node, MappingNode):
            raise CannotEditError(f"{field_of(container)} is not a mapping")
        rank = rank_of_addition(container)
        if not node.value:
            members = ", ".join(f"{key_of(edit.path[-1])}: {flow(edit.value)}" for edit in edits)
            start = self.text.index("{", node.start_mark.index) + 1  # an anchor or a tag may come first
            return [Splice(start, start, members, rank)]
        if node.flow_style:
            return self._flow_addition(node, edits, rank)
        return [self._block_addition(node, edits, rank)]

    def _block_addition(self, node: MappingNode, edits: list[Edit], rank: int) -> Splice:
        """New lines below the last one of a block mapping, where its keys begin."""
        indent = " " * node.value[0][0].start_mark.column
        lines = block({str(edit.path[-1]): edit.value for edit in edits}, indent, self._unit())
        end, newline = self._end(node), newline_of(self.text)
        if end and self.text[end - 1] == "\n":  # below a literal text, whose end is the next line's beginning
            return Splice(end, end, "".join(line + newline for line in lines), rank)
        end = self._past_inner_comments(line_end(self.text, end), len(indent))
        return Splice(end, end, "".join(newline + line for line in lines), rank)

    def _past_inner_comments(self, end: int, column: int) -> int:
        """Behind the comments on the next lines that are indented more than `column`: they belong to what is above."""
        while comment := re.compile(rf"\r?\n {{{column + 1},}}#[^\r\n]*").match(self.text, end):
            end = comment.end()
        return end

    def _flow_addition(self, node: MappingNode, edits: list[Edit], rank: int) -> list[Splice]:
        """New members behind the last one of a mapping in braces, and its comment, apart as the others are."""
        (key, value), end = node.value[-1], self._end_of_member(*node.value[-1])
        if len(node.value) > 1:
            between = self.text[self._end_of_member(*node.value[-2]) : key.start_mark.index]
        else:
            lead = self.text[self.text.index("{", node.start_mark.index) + 1 : key.start_mark.index]
            between = "," + (lead if "\n" in lead else " ")
        if between.strip() != ",":  # with a comment in it
            between = ", "
        in_quotes = key.style == '"'
        tight = in_quotes and self.text[key.end_mark.index : value.start_mark.index] == ":"
        separator = separator_like(between)[0]
        write, colon = quoted if in_quotes else key_of, ":" if tight else ": "
        members = [f"{write(str(edit.path[-1]))}{colon}{flow(edit.value)}" for edit in edits]
        comment = _COMMENT.match(self.text, end)
        if comment is None:
            return [Splice(end, end, "".join(separator + member for member in members), rank)]
        line = separator if separator[:1] in "\r\n" else newline_of(self.text) + self._indent_within(node, key)
        comma = "" if line == separator else ","
        text = f"{comma}{line}".join(members)
        splices = [Splice(comment.end(), comment.end(), line + text + (comma if comment[1] else ""), rank)]
        return splices if comment[1] or not comma else [Splice(end, end, comma, rank), *splices]

    def _indent_within(self, node: Node, key: Node) -> str:
        """The indentation of a new line in a mapping in braces: that of its last key, or one step more than its own."""
        indent = indentation(self.text, key.start_mark.index)
        return indent + self._unit() if node.start_mark.line == key.start_mark.line else indent

    def _find(self, path: Path) -> tuple[Node, Node]:
        """The key and the value at `path`; only what is written there, not what a merge brings in."""
        key = node = self.root
        for step in path:
            found: tuple[Node, Node] | None = None
            if self._is_alias(node):
                pass
            elif isinstance(node, MappingNode):
                found = next((pair for pair in node.value if pair[0].value == step), None)
            elif isinstance(node, SequenceNode) and isinstance(step, int):
                found = (node, node.value[step])
            if found is None:
                raise CannotEditError(f"{field_of(path)} stands elsewhere (an alias or a merge)")
            key, node = found
        if key is None or node is None:
            raise CannotEditError("the document is empty")
        return key, node

    def _is_alias(self, node: Node | None) -> bool:
        return node is not None and self.text.startswith("*", node.start_mark.index)

    def _end(self, node: Node) -> int:
        """Where what `node` says ends; the mark of a block collection lies at whatever comes next."""
        if getattr(node, "flow_style", True) or not node.value:
            return int(node.end_mark.index)
        if isinstance(node, MappingNode):
            return self._end_of_member(*node.value[-1])
        if _is_empty(node.value[-1]):
            raise CannotEditError("a list that ends with nothing has no certain end")
        return self._end(node.value[-1])

    def _end_of_member(self, key: Node, value: Node) -> int:
        return self._after_colon(key) if _is_empty(value) else self._end(value)

    def _after_colon(self, key: Node) -> int:
        end = int(key.end_mark.index)
        colon = re.compile(r"[ \t]*:").match(self.text, end)
        return colon.end() if colon else end

    def _unit(self) -> str:
        """One step of indentation: that of the first mapping in the outermost one, else two blanks."""
        if isinstance(self.root, MappingNode):
            for key, value in self.root.value:
                if isinstance(value, MappingNode) and not value.flow_style and value.value:
                    return " " * max(1, int(value.value[0][0].start_mark.column - key.start_mark.column))
        return "  "


def _is_empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and not node.value and node.start_mark.index == node.end_mark.index
