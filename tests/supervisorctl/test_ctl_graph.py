"""The pipeline as a graph, and how it is drawn: as text, for Mermaid, for Graphviz."""

from __future__ import annotations

import doctest
import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_structs import CONSUMERS, FILES, NASTY, NOW, WORKERS, consumer, file, worker

from supervisor_healer import protocol, words
from supervisor_healer.supervisorctl import diagrams, drawing, graph, stages
from supervisor_healer.supervisorctl.graph import CONSUMER, FILE, WORKER, Graph, Key


def whole() -> Graph:
    return graph.build(WORKERS, CONSUMERS, FILES, NOW)


def names(keys: object) -> list[str]:
    assert isinstance(keys, (list, tuple, dict))
    return [key.name for key in keys]


@pytest.mark.parametrize("module", [graph, drawing, diagrams, stages, protocol])
def test_the_examples_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_the_order_is_that_of_the_data_flow() -> None:
    order = names(whole().nodes)
    assert order[:3] == ["alone.json", "c.json", "raw.csv"]
    flow = ["raw.csv", "engine", "signals.jsonl", "predictor", "predictions.jsonl", "gate"]
    assert [name for name in order if name in flow] == flow
    assert [(source.name, target.name) for source, target in whole().edges()] == [
        ("c.json", "gate"), ("raw.csv", "engine"), ("engine", "signals.jsonl"), ("signals.jsonl", "predictor"),
        ("predictor", "predictions.jsonl"), ("predictions.jsonl", "gate"),
    ]  # fmt: skip
    assert [key.name for key in whole().roots()] == ["predictor"]


def test_the_drawing() -> None:
    assert list(drawing.lines(whole())) == [
        "from outside:",
        "  c.json                  fresh      12s  to gate",
        "  raw.csv                 fresh      12s  to engine",
        "stage 1:",
        "  engine                  healthy  8m20s",
        "    <- raw.csv            fresh      12s",
        "    -> signals.jsonl      fresh      12s  to predictor",
        "stage 2:",
        "! predictor               stalled  8m20s  ROOT CAUSE; predictions.jsonl 41h old",
        "    <- signals.jsonl      fresh      12s",
        "    -> predictions.jsonl  stale      41h  to gate",
        "consumers:",
        "  gate                    blocked  8m20s  by predictor: predictions.jsonl 41h old",
        "    <- c.json             fresh      12s",
        "    <- predictions.jsonl  stale      41h",
        "read by nobody here:",
        "  alone.json              missing      -  no such file",
    ]
    assert list(drawing.lines(graph.build([], [], [], NOW))) == []


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("engine", "raw.csv engine signals.jsonl predictor predictions.jsonl gate"),
        ("group:engine", "raw.csv engine signals.jsonl predictor predictions.jsonl gate"),
        ("c.json", "c.json gate"),
        ("predictions.jsonl", "raw.csv engine signals.jsonl predictor predictions.jsonl gate"),
        ("alone.json", "alone.json"),
        ("gate", "c.json raw.csv engine signals.jsonl predictor predictions.jsonl gate"),
    ],
)
def test_a_name_restricts_to_what_is_up_and_down_of_it(name: str, kept: str) -> None:
    part = whole().around(whole().named(name))
    assert names(part.nodes) == kept.split()
    assert {key for edge in part.edges() for key in edge} <= set(part.nodes)
    assert whole().named("nobody") == whole().named("") == []


def test_a_name_may_be_of_several_kinds() -> None:
    drawn = graph.build([worker("x", outputs=(file("y"),))], [consumer("x")], [file("x")], NOW)
    assert set(drawn.named("x")) == {Key(WORKER, "x"), Key(CONSUMER, "x"), Key(FILE, "x")}


def test_a_root_that_is_a_file_is_marked_and_a_consumer_never_is() -> None:
    bare = worker("wa", "blocked", (file("raw.csv", "stale", 9.0),), blocked_by=["raw.csv", "gone"], reason="")
    drawn = graph.build([bare], [consumer("gone")], [], NOW)
    said = list(drawing.lines(drawn))
    assert said[1] == "  raw.csv       stale       9s  ROOT CAUSE; to wa"
    assert said[3] == "  wa            blocked  8m20s  by raw.csv, gone"
    assert sum(drawing.ROOT in line for line in said) == 1


def test_who_writes_is_known_also_where_a_glob_matches() -> None:
    workers = [
        worker("a", outputs=(file("d/*.json"),)),
        worker("b, c", outputs=(file("d/x.json"),)),
        worker("reader", inputs=(file("d/x.json", producer="a, b, c"),)),
    ]
    drawn = graph.build(workers, [], [file("d/x.json", producer="a, b, c"), file("d/*.json", producer="a")], NOW)
    assert set(drawn.upstream[Key(FILE, "d/x.json")]) == {Key(WORKER, "a"), Key(WORKER, "b, c")}
    assert drawn.levels()[Key(WORKER, "reader")] == 2


@pytest.mark.parametrize("joined", ["nobody", "nobody, a", "a, nobody"])
def test_producers_that_nobody_knows_are_passed_over(joined: str) -> None:
    assert protocol.producers(joined, {"a"}) == ["a"] * ("a" in joined.split(", "))


def test_a_cycle_is_drawn_all_the_same() -> None:
    workers = [
        worker("a", inputs=(file("y"),), outputs=(file("x"),)),
        worker("b", inputs=(file("x"),), outputs=(file("y"),)),
        worker("self", inputs=(file("z"),), outputs=(file("z"),)),
    ]
    drawn = graph.build(workers, [], [file("x", producer="a"), file("y", producer="b"), file("z")], NOW)
    assert len(drawn.nodes) == 6
    assert sum(line.startswith("  ") and "<-" not in line for line in drawing.lines(drawn)) >= 3
    assert len(list(diagrams.dot(drawn.around(drawn.named("a")), []))) > 4


def test_a_file_that_is_not_in_the_list_is_drawn() -> None:
    drawn = graph.build(WORKERS, CONSUMERS, [], NOW)
    assert set(names(drawn.nodes)) == {one["path"] for one in FILES if one["path"] != "alone.json"} | {
        "engine", "predictor", "gate"
    }  # fmt: skip


def test_two_hundred_workers_stay_readable() -> None:
    files = [file(f"stage_{number}/output.jsonl", producer=f"worker_{number}") for number in range(200)]
    config = file("settings.json", max_age=0.0)
    workers = [
        worker(
            f"worker_{number}", inputs=(files[number - 1], config) if number else (config,), outputs=(files[number],)
        )
        for number in range(200)
    ]
    said = list(drawing.lines(graph.build(workers, [], [*files, config], NOW)))
    assert max(map(len, said)) < 120
    assert "and 195 more" in said[1]
    for number in range(200):
        assert sum(line.startswith(f"  worker_{number} ") for line in said) == 1
        assert f"stage {number + 1}:" in said


# --- Mermaid and Graphviz ------------------------------------------------------------------------------------

printable = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\u2028\u2029"), min_size=1)


def named_so(name: str) -> Graph:
    made = file(name, "a word", producer=name)
    return graph.build(
        [worker(name, "stalled", (file("c", max_age=0.0),), (made,), critical=True, reason=name)],
        [consumer(name, inputs=(made,), blocked_by=[name])],
        [made],
        NOW,
    )


def test_the_flowchart() -> None:
    said = list(diagrams.mermaid(whole(), ["healer not running"]))
    assert said[:2] == ["%% healer not running", "flowchart LR"]
    assert '    n0(["alone.json<br/>missing"])' in said
    assert '    n1[/"c.json<br/>fresh 12s"/]' in said
    assert '    n3["engine<br/>healthy 8m20s"]' in said
    assert '    n5["#33; predictor<br/>stalled 8m20s"]' in said
    assert '    n7{{"gate<br/>blocked 8m20s"}}' in said
    assert "    n2 --> n3" in said
    assert "    class n5 stalled" in said
    assert said[-2:] == ["    classDef root stroke-width:4px", "    class n5 root"]
    assert list(diagrams.mermaid(graph.build([], [], [], NOW), [])) == ["flowchart LR"]


def test_the_digraph() -> None:
    said = list(diagrams.dot(whole(), ["healer not running"]))
    assert said[:2] == ["// healer not running", "digraph pipeline {"]
    assert said[-1] == "}"
    assert (
        r'    n5 [label="! predictor\nstalled 8m20s", shape=box, fillcolor="#f8d7da", color="#b02a37", penwidth=4];'
        in said
    )
    assert "    n2 -> n3;" in said


def mermaid_labels(lines: list[str]) -> list[str]:
    """The labels as Mermaid reads them; nothing but what is safe between the quotes."""
    found = []
    for line in lines:
        match = re.fullmatch(r'    n\d+(?:\[/?|\(\[|\{\{)"([^"]*)"(?:/?\]|\]\)|\}\})', line)
        if match:
            first, broken, second = match[1].partition("<br/>")
            assert broken
            assert re.fullmatch(r"(?:[A-Za-z0-9_./ -]|#\d+;)*", first + second)
            found.append(re.sub(r"#(\d+);", lambda code: chr(int(code[1])), first))
    return found


DOT_LINE = re.compile(
    r'    n\d+ \[label="((?:[^"\\]|\\.)*)", shape=\w+, fillcolor="#\w{6}", color="#\w{6}"(?:, penwidth=4)?\];'
    r"|    n\d+ -> n\d+;"
)


def dot_labels(lines: list[str]) -> list[str]:
    """The labels as Graphviz reads them: escapes first, then HTML's entities."""
    found = []
    for line in lines[3:-1]:
        match = DOT_LINE.fullmatch(line)
        assert match, line
        if match[1] is not None:
            first, second = re.split(r"(?<!\\)(?:\\\\)*\\n", match[1].replace(r"\\", "\0"))
            assert second
            found.append(html.unescape(first.replace(r"\"", '"').replace("\0", "\\")))
    return found


@given(printable)
def test_any_name_survives_in_a_diagram(name: str) -> None:
    name = words.clean(name)
    drawn = named_so(name)
    expected = sorted(["c", name, name, f"! {name}"])
    assert sorted(mermaid_labels(list(diagrams.mermaid(drawn, [])))) == expected
    assert sorted(dot_labels(list(diagrams.dot(drawn, [])))) == expected


def test_a_nasty_name_survives_in_a_diagram() -> None:
    drawn = named_so(NASTY)
    assert f"! {NASTY}" in mermaid_labels(list(diagrams.mermaid(drawn, [])))
    assert f"! {NASTY}" in dot_labels(list(diagrams.dot(drawn, [])))
    assert any(line == "    class n2 unknown" for line in diagrams.mermaid(drawn, []))  # a state that we do not know
    assert any(NASTY in line for line in drawing.lines(drawn))


def test_nodes_and_edges_for_machines() -> None:
    struct = diagrams.as_struct(whole())
    predictor = next(node for node in struct["nodes"] if node["name"] == "predictor")
    assert predictor == {
        "kind": "worker", "name": "predictor", "state": "stalled", "age": 500.0, "critical": True,
        "reason": "predictions.jsonl 41h old", "blocked_by": [], "root": True,
    }  # fmt: skip
    assert {"from": {"kind": "config", "name": "c.json"}, "to": {"kind": "consumer", "name": "gate"}} in struct["edges"]
    assert [node["age"] for node in struct["nodes"] if node["name"] == "alone.json"] == [0.0]
