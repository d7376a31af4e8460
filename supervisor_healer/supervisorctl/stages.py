"""The walk through the pipeline that `verify` shows: a line a stage, in the order of the data flow. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from supervisor_healer import words
from supervisor_healer.supervisorctl.drawing import age_text, named
from supervisor_healer.supervisorctl.graph import CONSUMER, FILE, WORKER, Graph, Key, Node
from supervisor_healer.supervisorctl.statuses import (
    CRITICAL,
    UNKNOWN,
    WARNING,
    WELL,
    WORST_FIRST,
    file_status,
    health_status,
    worst,
)

VERDICTS = {WELL: "OK", WARNING: "WARNING", CRITICAL: "CRITICAL", UNKNOWN: "UNKNOWN"}
_OK = ("healthy", "idle", "fresh")
_LOUD = ("blocked", "stalled", "down", "quarantined", "stale", "missing", "unknown")
_NAME_MAX = 40  # columns


@dataclass(frozen=True, slots=True)
class Stage:
    """One worker with its outputs, one consumer, or one file that no worker here answers for.

    `ground`: what is wrong with a file system under its outputs, which is told before it shows in its state.
    """

    kind: str
    name: str
    state: str
    critical: bool
    status: int  # as of health
    text: str
    ground: str = ""

    @property
    def word(self) -> str:
        """`ok`, or the state; in capitals where it does not work."""
        if self.ground and self.state in _OK:
            return "DISK"
        return "ok" if self.state in _OK else self.state.upper() if self.state in _LOUD else self.state


def walk(graph: Graph) -> list[Stage]:
    """Every stage: files from outside, workers, consumers, then configs and files that nobody reads."""
    outside = [key for key, node in graph.nodes.items() if node.is_file and not graph.upstream[key]]
    first = [key for key in outside if graph.nodes[key].kind == FILE and graph.downstream[key]]
    last = [key for key in outside if key not in set(first)]
    of_kind = {kind: [key for key in graph.nodes if key.kind == kind] for kind in (WORKER, CONSUMER)}
    return [
        *(of_file(graph, key) for key in first),
        *(_worker(graph, key) for key in of_kind[WORKER]),
        *(_consumer(graph.nodes[key]) for key in of_kind[CONSUMER]),
        *(of_file(graph, key) for key in last),
    ]


def lines(stages: list[Stage]) -> Iterator[str]:
    """A line a stage; `!` marks what is critical."""
    word_width = max((len(one.word) for one in stages), default=0)
    name_width = min(_NAME_MAX, max((len(one.name) for one in stages), default=0))
    for one in stages:
        mark = "!" if one.critical else " "
        yield f"{mark} {one.word:<{word_width}}  {one.name:<{name_width}}  {one.text}".rstrip()


def summary(stages: list[Stage], status: int) -> str:
    """One line about all of them.

    >>> summary([Stage("worker", "a", "idle", False, 0, ""), Stage("worker", "b", "down", False, 1, "")], 1)
    'WARNING: 2 stages, 1 ok, 1 DOWN'
    """
    words_of = Counter(one.word for one in stages)
    counts = [f"{words_of[word]} {word}" for word in sorted(words_of, key=lambda word: (word != "ok", word))]
    return ", ".join([f"{VERDICTS.get(status, 'UNKNOWN')}: {words.counted(len(stages), 'stage')}", *counts])


def status(stages: list[Stage]) -> int:
    """The worst of them; unknown where there is none."""
    return worst([one.status for one in stages] or [UNKNOWN], WORST_FIRST)


def as_structs(stages: list[Stage]) -> list[dict[str, Any]]:
    """The stages for machines."""
    return [asdict(one) for one in stages]


def _worker(graph: Graph, key: Key) -> Stage:
    node = graph.nodes[key]
    outputs = [_standing(graph.nodes[target]) for target in graph.downstream[key]]
    grounds = [
        f"{one.ground} under {one.name}" for one in map(graph.nodes.__getitem__, graph.downstream[key]) if one.ground
    ]
    said = "; ".join(grounds) if node.state in _OK else node.reason
    text = "; ".join(filter(None, (said, f"writes {named(outputs, len(outputs))}" if outputs else "")))
    stage = _stage(node, text)
    if not grounds:
        return stage
    status = worst((stage.status, file_status("unknown", critical=node.critical)), WORST_FIRST)
    return replace(stage, status=status, ground="; ".join(grounds))


def _consumer(node: Node) -> Stage:
    return _stage(node, "" if node.state in _OK else node.reason)


def _stage(node: Node, text: str) -> Stage:
    weight = health_status({"state": node.state, "critical": node.critical})
    return Stage(node.kind, node.name, node.state, node.critical, weight, text)


def of_file(graph: Graph, key: Key) -> Stage:
    """A file or config by itself: it is critical if it says so, or if it has a critical reader."""
    node = graph.nodes[key]
    readers = graph.downstream[key]
    critical = node.critical or any(graph.nodes[reader].critical for reader in readers)
    age = "" if node.age < 0 or not node.max_age else f"{age_text(node)} old (max {words.duration(node.max_age)})"
    read_by = f"read by {named((reader.name for reader in readers), len(readers))}" if readers else "read by nobody"
    text = ", ".join(filter(None, (age, node.reason, "from outside" if node.kind == FILE else node.kind, read_by)))
    return Stage(node.kind, node.name, node.state, critical, file_status(node.state, critical=critical), text)


def _standing(node: Node) -> str:
    return f"{node.name} ({node.state})" if node.age < 0 else f"{node.name} ({node.state}, {age_text(node)} old)"
