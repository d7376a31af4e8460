"""The pipeline as a graph of what the healer published: files, workers and consumers, in the order of the data flow.

Pure: structs in, values out. Whatever the architecture says, a drawing must come out of it: what is published may be
older than a half of it, so that a cycle or a name that nobody has is drawn as well as it can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

from supervisor_healer.protocol import producers

Struct = Mapping[str, Any]

WORKER, CONSUMER, FILE, CONFIG = "worker", "consumer", "file", "config"


class Key(NamedTuple):
    """What tells nodes apart: a worker may be called like a file. Configs are files here."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Node:
    """A worker or consumer with its state, or a file with its freshness.

    `age` in seconds (how long in this state; of a file, how old), -1.0 if unknown. `alias` is supervisord's name of it.
    `ground`: what is wrong with the file system under a file.
    """

    kind: str
    name: str
    state: str
    age: float
    critical: bool = False
    reason: str = ""
    blocked_by: tuple[str, ...] = ()
    max_age: float = 0.0
    alias: str = ""
    ground: str = ""

    @property
    def is_file(self) -> bool:
        """Whether it is a file, a config or not."""
        return self.kind in (FILE, CONFIG)

    @property
    def key(self) -> Key:
        """Its place in the graph."""
        return Key(FILE if self.is_file else self.kind, self.name)


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in the order of the data flow, and the neighbours of each, upstream and downstream."""

    nodes: Mapping[Key, Node]
    upstream: Mapping[Key, tuple[Key, ...]]
    downstream: Mapping[Key, tuple[Key, ...]]

    def edges(self) -> list[tuple[Key, Key]]:
        """Every edge along the data flow, in order."""
        return [(source, target) for source in self.nodes for target in self.downstream[source]]

    def roots(self) -> frozenset[Key]:
        """The workers and files that anything is blocked by."""
        names = {root for node in self.nodes.values() for root in node.blocked_by}
        return frozenset(key for key in self.nodes if key.kind != CONSUMER and key.name in names)

    def levels(self) -> dict[Key, int]:
        """How many workers lie upstream of each worker at most, itself counted; of a file: of those that write it."""
        level: dict[Key, int] = {}
        for key, node in self.nodes.items():  # upstream comes first
            level[key] = max((level.get(one, 0) for one in self.upstream[key]), default=0) + (not node.is_file)
        return level

    def named(self, name: str) -> list[Key]:
        """The nodes with this name, path, or supervisord's ``group:name``."""
        group, _, process = name.partition(":")
        short = group if group == process else name  # as supervisord's own names are shown
        return [key for key, node in self.nodes.items() if name == node.name or (short and short == node.alias)]

    def around(self, centre: Iterable[Key]) -> Graph:
        """Only these nodes, with all that is upstream and all that is downstream of them."""
        chosen = set(centre)
        kept = _closure(chosen, self.upstream) | _closure(chosen, self.downstream)

        def only(edges: Mapping[Key, tuple[Key, ...]]) -> dict[Key, tuple[Key, ...]]:
            return {key: tuple(one for one in ends if one in kept) for key, ends in edges.items() if key in kept}

        nodes = {key: node for key, node in self.nodes.items() if key in kept}
        return Graph(nodes, only(self.upstream), only(self.downstream))


def build(workers: Iterable[Struct], consumers: Iterable[Struct], files: Iterable[Struct], now: float) -> Graph:
    """The graph of the structs that supervisord answers; `now` in epoch seconds."""
    workers, consumers, files = list(workers), list(consumers), list(files)
    nodes = {node.key: node for node in map(_file, files)}
    edges: dict[tuple[Key, Key], None] = {}
    names = {str(one["name"]) for one in workers}
    for one in workers:
        node = replace(_reader(WORKER, one, now), alias=str(one["process"]["name"]))
        nodes[node.key] = node
        for struct in one["outputs"]:
            edges[node.key, _known(nodes, struct)] = None
    for kind, readers in ((WORKER, workers), (CONSUMER, consumers)):
        for one in readers:
            if kind == CONSUMER:
                nodes[Key(CONSUMER, str(one["name"]))] = _reader(CONSUMER, one, now)
            for struct in one["inputs"]:
                edges[_known(nodes, struct), Key(kind, str(one["name"]))] = None
    for struct in files:
        for producer in producers(str(struct["producer"]), names):  # also where a glob on one side matches the other
            edges[Key(WORKER, producer), Key(FILE, str(struct["path"]))] = None
    return _ordered(nodes, edges)


def _reader(kind: str, one: Struct, now: float) -> Node:
    age = max(0.0, now - one["since"]) if one["since"] else -1.0
    blocked_by = tuple(map(str, one["blocked_by"]))
    return Node(kind, str(one["name"]), str(one["state"]), age, bool(one["critical"]), str(one["reason"]), blocked_by)


def _file(one: Struct) -> Node:
    kind = CONFIG if one["config"] else FILE
    known = one["freshness"] not in ("missing", "unknown")
    age = float(one["age"]) if known else -1.0
    note = str(one.get("note", ""))
    path, freshness, critical = str(one["path"]), str(one["freshness"]), bool(one["critical"])
    ground = str(one.get("ground", ""))
    return Node(kind, path, freshness, age, critical, reason=note, max_age=float(one["max_age"]), ground=ground)


def _known(nodes: dict[Key, Node], struct: Struct) -> Key:
    """The key of a file, which is added if the list of files did not have it (it was published in between)."""
    node = _file(struct)
    nodes.setdefault(node.key, node)
    return node.key


def _ordered(nodes: Mapping[Key, Node], edges: Mapping[tuple[Key, Key], None]) -> Graph:
    upstream: dict[Key, list[Key]] = {key: [] for key in nodes}
    for source, target in sorted(edges):
        upstream[target].append(source)
    order: list[Key] = []
    sorter = _prepared(upstream)
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += ready
        sorter.done(*ready)
    downstream: dict[Key, list[Key]] = {key: [] for key in nodes}
    for target in order:
        for source in upstream[target]:
            downstream[source].append(target)
    return Graph(
        {key: nodes[key] for key in order},
        {key: tuple(upstream[key]) for key in order},
        {key: tuple(downstream[key]) for key in order},
    )


def _prepared(upstream: dict[Key, list[Key]]) -> TopologicalSorter[Key]:
    """A sorter of this graph, from which an edge of every cycle is taken away."""
    while True:
        sorter = TopologicalSorter(upstream)
        try:
            sorter.prepare()
        except CycleError as error:
            trail: list[Key] = error.args[1]  # each is upstream of the next
            upstream[trail[1]].remove(trail[0])
        else:
            return sorter


def _closure(start: set[Key], edges: Mapping[Key, tuple[Key, ...]]) -> set[Key]:
    reached, todo = set(start), list(start)
    while todo:
        for one in edges[todo.pop()]:
            if one not in reached:
                reached.add(one)
                todo.append(one)
    return reached
