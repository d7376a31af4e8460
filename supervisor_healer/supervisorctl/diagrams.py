"""The pipeline for documents: a Mermaid flowchart, a Graphviz digraph, or JSON. Pure, and whatever the names hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from supervisor_healer.supervisorctl.drawing import age_text
from supervisor_healer.supervisorctl.graph import CONFIG, CONSUMER, FILE, WORKER, Graph, Node

_GOOD, _WAITING = ("#d9f2dd", "#2e7d32"), ("#fff3cd", "#b8860b")
_BAD, _NEUTRAL = ("#f8d7da", "#b02a37"), ("#e9ecef", "#6c757d")
#: state or freshness -> (fill, border)
COLOURS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("healthy", "idle", "fresh"), _GOOD),
    **dict.fromkeys(("late", "catching_up", "healing", "verifying", "starting"), _WAITING),
    **dict.fromkeys(("blocked", "stalled", "down", "quarantined", "stale", "missing"), _BAD),
    **dict.fromkeys(("stopped", "unmonitored", "unknown"), _NEUTRAL),
}
_MERMAID_SHAPES = {WORKER: ("[", "]"), CONSUMER: ("{{", "}}"), FILE: ("([", "])"), CONFIG: ("[/", "/]")}
_DOT_SHAPES = {WORKER: "box", CONSUMER: "hexagon", FILE: "ellipse", CONFIG: "note"}
_MERMAID_UNSAFE = re.compile(r"[^A-Za-z0-9_./ -]")


def mermaid(graph: Graph, remarks: list[str]) -> Iterator[str]:
    """A flowchart, after `remarks` as comments. A class for each state, and `root` for root causes."""
    yield from (f"%% {remark}" for remark in remarks)
    yield "flowchart LR"
    ids = {key: f"n{number}" for number, key in enumerate(graph.nodes)}
    classes: dict[str, list[str]] = {}
    for key, node in graph.nodes.items():
        opening, closing = _MERMAID_SHAPES[node.kind]
        first, second = (_mermaid_text(text) for text in _label(node))
        yield f'    {ids[key]}{opening}"{first}<br/>{second}"{closing}'
        classes.setdefault(_class(node), []).append(ids[key])
    for source, target in graph.edges():
        yield f"    {ids[source]} --> {ids[target]}"
    for state in sorted(classes):
        fill, border = COLOURS[state]
        yield f"    classDef {state} fill:{fill},stroke:{border},color:#212529"
        yield f"    class {','.join(classes[state])} {state}"
    roots = [ids[key] for key in graph.nodes if key in graph.roots()]
    if roots:
        yield "    classDef root stroke-width:4px"
        yield f"    class {','.join(roots)} root"


def dot(graph: Graph, remarks: list[str]) -> Iterator[str]:
    """A digraph, after `remarks` as comments: filled by state, a thick border for root causes."""
    yield from (f"// {remark}" for remark in remarks)
    yield "digraph pipeline {"
    yield "    rankdir=LR;"
    yield '    node [style=filled, fontname="sans-serif"];'
    ids = {key: f"n{number}" for number, key in enumerate(graph.nodes)}
    roots = graph.roots()
    for key, node in graph.nodes.items():
        fill, border = COLOURS[_class(node)]
        label = "\\n".join(map(_dot_text, _label(node)))
        width = ", penwidth=4" if key in roots else ""
        yield (
            f'    {ids[key]} [label="{label}", shape={_DOT_SHAPES[node.kind]}, fillcolor="{fill}",'
            f' color="{border}"{width}];'
        )
    for source, target in graph.edges():
        yield f"    {ids[source]} -> {ids[target]};"
    yield "}"


def as_struct(graph: Graph) -> dict[str, Any]:
    """Nodes and edges for machines; an edge names its ends by kind and name, as they stand in the nodes."""
    roots = graph.roots()

    def end(node: Node) -> dict[str, str]:
        return {"kind": node.kind, "name": node.name}

    return {
        "nodes": [
            {
                **end(node),
                "state": node.state,
                "age": max(0.0, node.age),
                "critical": node.critical,
                "reason": node.reason,
                "blocked_by": list(node.blocked_by),
                "root": key in roots,
            }
            for key, node in graph.nodes.items()
        ],
        "edges": [
            {"from": end(graph.nodes[source]), "to": end(graph.nodes[target])} for source, target in graph.edges()
        ],
    }


def _label(node: Node) -> tuple[str, str]:
    """Two lines: what it is called, and how it stands."""
    age = "" if node.age < 0 else f" {age_text(node)}"
    return (f"! {node.name}" if node.critical else node.name), f"{node.state}{age}"


def _class(node: Node) -> str:
    """The state, if it is one that we know: it names a class, and states of a later version might not be a word."""
    return node.state if node.state in COLOURS else "unknown"


def _mermaid_text(text: str) -> str:
    """`text` inside a quoted label: whatever might mean something to Mermaid, Markdown or HTML as a character code.

    >>> _mermaid_text('a"<b>#1')
    'a#34;#60;b#62;#35;1'
    """
    return _MERMAID_UNSAFE.sub(lambda match: f"#{ord(match[0])};", text)


def _dot_text(text: str) -> str:
    r"""`text` inside a quoted label: quotes and backslashes escaped, and `&`, since Graphviz reads HTML's entities.

    >>> print(_dot_text('a"b\\N&lt;'))
    a\"b\\N&amp;lt;
    """
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
