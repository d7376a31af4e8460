"""Small files that would grow in memory, or never end: refused with a reason, in the memory and time there is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fixing import child, job

from supervisor_healer.architecture import config_schema
from supervisor_healer.listener import components
from supervisor_healer.listener.errands import MEGABYTE, Ended

MB = 1 << 20
ROOM = 512 * MB  # of address space for whoever reads: a host has more, and a bomb wants all of it

EXAMINE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), resource.RLIM_INFINITY))
from supervisor_healer.architecture.loader import examine
architecture, problems = examine(sys.argv[1])
print(architecture is None, *problems, sep="\\n")
"""


def examined(folder: Path, text: str) -> str:
    """What is wrong with an architecture file of this text, read in a process with little room."""
    path = folder / "architecture.yaml"
    path.write_text(text)
    command = [sys.executable, "-c", EXAMINE, str(path), str(ROOM)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert found.returncode == 0, found.stderr[-500:]
    is_refused, _, problems = found.stdout.partition("\n")
    assert is_refused == "True"
    return problems


def laughs(levels: int, again: str = "[*a{0},*a{0}]") -> str:
    """Each level is twice the one before."""
    lines = [f"a{level + 1}: &a{level + 1} {again.format(level)}" for level in range(levels)]
    return "\n".join(["a0: &a0 [x]", *lines, ""])


NESTED = "{" + ("k" * 1000 + ": {") * 35 + "x: [" + "1," * 1_000_000 + "1]" + "}" * 36
YAML = {
    "aliases": ("version: 1\n" + laughs(60), "aliases stand for more than 100000 values"),
    "an alias within itself": ("version: 1\nworkers: &a {w: *a}", "the alias *a contains itself"),
    "depth": ("[" * 4_000_000, "nest"),  # in our words, or those of PyYAML from 6.0.4 on
    "depth of mappings": ("{a: " * 1_000_000, "nested deeper than 40 levels"),
    "size": ("a" * (4 * MB + 1), "is too large (expected at most 4 MB)"),
    "a long key": ("? " + "k" * MB + "\n: [" + "1," * 1_000_000 + "1]", "a key of 1,048,576 characters"),
    "long names of many fields": (NESTED, "more fields, or longer names, than an architecture can need"),
    "many fields": ("version: 1\nx: [" + "[]," * 600_000 + "]", "more fields, or longer names"),
    "many problems": ("version: 1\n" + "".join(f"k{at}: 1\n" for at in range(5_000)), "unknown key"),
    "many keys twice": ("a: 1\n" * 5_000, "given twice in this file"),
    "a long number": ("version: " + "9" * 1_000_000, "version"),
}


@pytest.mark.parametrize("name", YAML)
def test_an_architecture_file(tmp_path: Path, name: str) -> None:
    text, why = YAML[name]
    problems = examined(tmp_path, text)
    assert why in problems
    assert len(problems) < MB


@pytest.mark.parametrize(
    ("text", "why"),
    [("[" * MB, "not JSON: nested too deeply"), ('{"a":' * MB, "is too large"), ('{"a":1' + "1" * MB + "}", "")],
)
def test_a_schema_file(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "schema.json").write_text(text)
    problems = examined(tmp_path, "version: 1\nworkers: {}\nconfigs:\n  a.json: {schema: schema.json}\n")
    assert re.search(rf"schema.json:\d*:? .*{why}", problems), problems


# --- schemas that do not end ------------------------------------------------------------------------------------


def branching(levels: int) -> dict[str, Any]:
    """Each definition is applied twice by the one before: no cycle, and no end."""
    found: dict[str, Any] = {f"d{at}": {"allOf": [{"$ref": f"#/$defs/d{at + 1}"}] * 2} for at in range(levels)}
    return {**found, f"d{levels}": {"type": "object"}}


EVIL = {"type": "string", "pattern": "^(a+)+$", "default": "a" * 64 + "!"}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"x": EVIL}},
        {"$defs": branching(60), "properties": {"x": {"$ref": "#/$defs/d0", "default": {}}}},
    ],
    ids=["pattern", "references"],
)
def test_a_default_that_cannot_be_checked_in_time(schema: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """By the listener itself, which has other things to do."""
    monkeypatch.setattr(config_schema, "_PATIENCE", 0.2)
    (fault,) = config_schema.faults(schema, "json")
    assert fault.path == ("properties", "x", "default")
    assert fault.what.startswith("cannot be checked within")


def test_what_a_new_file_would_lack_is_not_looked_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_schema, "_PATIENCE", 0.2)
    levels: dict[str, Any] = {"n60": {"default": 1}}
    for at in range(60):
        both = {name: {"$ref": f"#/$defs/n{at + 1}"} for name in "ab"}
        levels[f"n{at}"] = {"type": "object", "required": ["a", "b"], "properties": both}
    assert config_schema.lacking({"$defs": levels, "$ref": "#/$defs/n0"}) == ()


def test_a_child_has_a_limit(tmp_path: Path) -> None:
    """What takes too long is the mender's to end; until then it may not take the memory of the host."""
    (tmp_path / "policies.json").write_text("{}")
    eats = "import supervisor_healer.fixers.__main__ as it; it.VERBS['check'] = lambda job: b' ' * (3 << 30)"
    answers, status, _ = child([job("check", tmp_path), job("repair", tmp_path)], before=eats)
    assert status == 0
    assert answers[0]["problems"] == ["it takes more than 2 GB of memory"]
    assert answers[1]["outcome"] == "done"  # and it goes on


# --- configs -----------------------------------------------------------------------------------------------------

CONFIGS = {
    "JSON depth": ("json", "[" * 9_000_000, "nested deeper than 100 levels"),
    "JSON size": ("json", " " * 10_000_001, "it is too large"),
    "a JSON number": ("json", '{"a":' + "9" * 9_000_000 + "}", "a number of 9000000 digits cannot be used"),
    "YAML depth": ("yaml", "[" * 9_000_000, "nest"),
    "YAML aliases": ("yaml", laughs(60), "aliases stand for more than 1000000 values"),
    "YAML merges": (
        "yaml",
        laughs(60, "{{<<: [*a{0}, *a{0}]}}").replace("[x]", "{x: 1}"),
        "aliases stand for more than 1000000 values",
    ),
    "TOML depth": ("toml", "a = " + "[" * 9_000_000, "nest"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config(tmp_path: Path, name: str) -> None:
    form, text, why = CONFIGS[name]
    (tmp_path / f"config.{form}").write_text(text)
    room = f"import supervisor_healer.fixers.__main__ as it; it.MOST_MEMORY = {ROOM}"
    (answer,), status, _ = child([job("repair", tmp_path, f"config.{form}")], before=room)
    assert (status, answer["state"], answer["outcome"]) == (0, "unreadable", "failed")
    assert why in answer["problems"][0]
    assert (tmp_path / f"config.{form}").stat().st_size == len(text)


# --- what a component healer says ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"[" * MEGABYTE, "its answer is not JSON"),
        (b'{"healed": ' * 90_000, "its answer is not JSON"),
        (b'{"healed": [' + b"1" * (MEGABYTE - 20) + b"]}", "its answer is not"),
        (json.dumps({"healed": ["x"] * 201}).encode(), "healed has 201 entries (at most 200)"),
        (json.dumps({"x" * 900_000: 1}).encode(), "unknown key"),
    ],
)
def test_an_answer_of_a_component_healer(answer: bytes, why: str) -> None:
    found = components.parse("gate", Ended("component gate", 0, answer, "", ""))
    assert why in found.problem
    assert len(found.problem) <= components.LONGEST_TEXT
