"""The pipeline as text: stage after stage, each worker with what it reads and writes, and every state beside it.

A stage is a distance from the sources, so that the drawing grows in length with the pipeline and never in width.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from supervisor_healer import words
from supervisor_healer.supervisorctl.graph import CONSUMER, WORKER, Graph, Key, Node

ROOT = "ROOT CAUSE"
NAMES_SHOWN = 5  # readers of a file that are named; a config may have hundreds
_NAME_MAX = 48  # columns; a longer name pushes its own line to the right, not everybody's
_UNREMARKABLE = ("healthy", "idle")


class _Row(NamedTuple):
    mark: str
    name: str
    state: str = ""
    age: str = ""
    remark: str = ""


def lines(graph: Graph) -> Iterator[str]:
    """The drawing, a line at a time; nothing for an empty pipeline."""
    sections = [(title, rows) for title, rows in _sections(graph) if rows]
    every = [row for _, rows in sections for row in rows]
    name_width = min(_NAME_MAX, max((len(row.name) for row in every), default=0))
    state_width = max((len(row.state) for row in every), default=0)
    age_width = max((len(row.age) for row in every), default=0)
    for title, rows in sections:
        yield f"{title}:"
        for mark, name, state, age, remark in rows:
            yield f"{mark} {name:<{name_width}}  {state:<{state_width}}  {age:>{age_width}}  {remark}".rstrip()


def age_text(node: Node) -> str:
    """How long it has been in its state, or how old a file is; `-` if unknown."""
    return "-" if node.age < 0 else words.duration(node.age)


def named(names: Iterable[str], count: int) -> str:
    """The first few of `count` names.

    >>> named("abcdefg", 7)
    'a, b, c, d, e and 2 more'
    """
    return words.some(list(islice(names, NAMES_SHOWN)), count)


def _sections(graph: Graph) -> Iterator[tuple[str, list[_Row]]]:
    roots = graph.roots()
    outside = [key for key, node in graph.nodes.items() if node.is_file and not graph.upstream[key]]
    yield "from outside", [_file_row(graph, key, roots, "") for key in outside if graph.downstream[key]]
    stages: dict[int, list[Key]] = defaultdict(list)
    for key, level in graph.levels().items():
        if key.kind == WORKER:
            stages[level].append(key)
    for level in sorted(stages):
        yield f"stage {level}", [row for key in sorted(stages[level]) for row in _reader_rows(graph, key, roots)]
    consumers = sorted(key for key in graph.nodes if key.kind == CONSUMER)
    yield "consumers", [row for key in consumers for row in _reader_rows(graph, key, roots)]
    yield "read by nobody here", [_file_row(graph, key, roots, "") for key in outside if not graph.downstream[key]]


def _reader_rows(graph: Graph, key: Key, roots: frozenset[Key]) -> Iterator[_Row]:
    node = graph.nodes[key]
    remark = "" if node.state in _UNREMARKABLE else node.reason
    if node.blocked_by and not remark.startswith("by "):
        remark = ": ".join(filter(None, (f"by {named(node.blocked_by, len(node.blocked_by))}", remark)))
    yield _Row("!" if node.critical else " ", node.name, node.state, age_text(node), _marked(key, roots, remark))
    for source in graph.upstream[key]:
        yield _Row(" ", f"  <- {source.name}", graph.nodes[source].state, age_text(graph.nodes[source]))
    for target in graph.downstream[key]:
        yield _file_row(graph, target, roots, "  -> ")


def _file_row(graph: Graph, key: Key, roots: frozenset[Key], arrow: str) -> _Row:
    node, readers = graph.nodes[key], graph.downstream[key]
    remark = f"to {named((one.name for one in readers), len(readers))}" if readers else ""
    if node.state not in ("fresh", "late") and node.reason:
        remark = "; ".join(filter(None, (remark, node.reason)))
    mark = "!" if node.critical else " "
    return _Row(mark, arrow + node.name, node.state, age_text(node), _marked(key, roots, remark))


def _marked(key: Key, roots: frozenset[Key], remark: str) -> str:
    return (f"{ROOT}; {remark}" if remark else ROOT) if key in roots else remark
