"""Healers of the site's own: what is run, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from architecture_files import told, write

from supervisor_healer.architecture.loader import load
from supervisor_healer.core.model import ComponentSpec


def test_what_is_run(tmp_path: Path) -> None:
    write(tmp_path, "", "bin/heal")
    text = """\
version: 1
workers: {wa: {}}
include: [more.yaml]
component_healers:
  function: {python: my_site.healing.gate:heal}
  word: {command: heal, timeout: 5s}
  words: {command: "bin/../bin/heal --name 'a b' \\"\\" x/y"}
  list: {command: [/bin/sh, -c, "a | b", ""]}
"""
    write(tmp_path, "component_healers: {other: {python: 'a:b', timeout: 1m}}\n", "more.yaml")
    found = load(write(tmp_path, text))
    assert found.component_healers == (
        ComponentSpec("function", python="my_site.healing.gate:heal"),
        ComponentSpec("word", command=("heal",), timeout=5.0),
        ComponentSpec("words", command=(f"{tmp_path}/bin/heal", "--name", "a b", "", "x/y")),
        ComponentSpec("list", command=("/bin/sh", "-c", "a | b", "")),
        ComponentSpec("other", python="a:b", timeout=60.0),
    )
    assert found.places["component_healers.other"] == (f"{tmp_path}/more.yaml", 1)


# name -> the lines from line 3 on, and what is told
BAD: dict[str, tuple[str, list[str]]] = {
    "nothing": ("component_healers:\n  c: {}\n", [
        "architecture.yaml:4: component_healers.c: nothing says what is to be run"
        " (expected `python: package.module:function` or `command: [...]`)"]),
    "both": ("component_healers:\n  c:\n    python: a:b\n    command: sh\n", [
        "architecture.yaml:4: component_healers.c: python and command exclude each other"
        " (expected `python: package.module:function` or `command: [...]`)"]),
    "unknown key": ("component_healers: {c: {python: 'a:b', timeuot: 3s}}\n", [
        "architecture.yaml:3: component_healers.c.timeuot: unknown key, did you mean 'timeout'?"]),
    "python": ("component_healers: {c: {python: a.b}}\n", [
        "architecture.yaml:3: component_healers.c.python: the text 'a.b' cannot be used"
        " (expected a text, such as mysite.healing:heal_gate)"]),
    "a digit first": ("component_healers: {c: {python: 'a.1b:c'}}\n", [
        "architecture.yaml:3: component_healers.c.python: the text 'a.1b:c' cannot be used"
        " (expected a text, such as mysite.healing:heal_gate)"]),
    "timeout": ("component_healers: {c: {python: 'a:b', timeout: 30}}\n", [
        "architecture.yaml:3: component_healers.c.timeout: the number 30 has no unit"
        " (expected a duration such as 30s, 5m, 1h30m, 24h or 7d)"]),
    "command a number": ("component_healers: {c: {command: [a, 5]}}\n", [
        "architecture.yaml:3: component_healers.c.command[1]: the number 5 cannot be used (expected text)"]),
    "no command": ("component_healers: {c: {command: []}}\n", [
        "architecture.yaml:3: component_healers.c.command: a list cannot be used (expected at least one item,"
        " such as bin/heal-gate --quick or [bin/heal-gate, --quick])"]),
    "blank": ("component_healers: {c: {command: ' '}, d: {command: ['', x]}}\n", [
        "architecture.yaml:3: component_healers.c.command: names no program (expected a program and its arguments)",
        "architecture.yaml:3: component_healers.d.command: names no program (expected a program and its arguments)"]),
    "quote": ('component_healers: {c: {command: "a \'b"}}\n', [
        "architecture.yaml:3: component_healers.c.command: cannot be split into words: No closing quotation"
        " (expected a program and its arguments)"]),
    "NUL": ('component_healers: {c: {command: [a, "b\\0"]}}\n', [
        "architecture.yaml:3: component_healers.c.command: 'b\\x00' cannot be an argument (expected text)"]),
    "home": ("component_healers: {c: {command: '~/heal x'}}\n", [
        "architecture.yaml:3: component_healers.c.command: ~ is not expanded: '~/heal'"
        " (expected an absolute path, or one relative to root)"]),
    "a shell's": ("component_healers: {c: {command: 'sh > log'}}\n", [
        "warning: architecture.yaml:3: component_healers.c.command: > is passed on as an argument: no shell runs the"
        " command (expected `[sh, -c, '...']`, if a shell is meant)"]),
    "not on PATH": ("component_healers: {c: {command: no-such-program}}\n", [
        "warning: architecture.yaml:3: component_healers.c.command: there is no program no-such-program on this PATH"
        " (expected an existing program, or its path)"]),
    "not there": ("component_healers: {c: {command: [bin/none]}}\n", [
        "warning: architecture.yaml:3: component_healers.c.command: there is no file FOLDER/bin/none"
        " (expected an existing program)"]),
    "longer than a cycle": (
        "component_healers:\n  c: {command: sh}\n  d:\n    command: ls\n    timeout: 11s\ncycle: 10s\n", [
            "warning: architecture.yaml:4: component_healers.c: it may take 30s, longer than a cycle (10s)"
            " (expected a shorter `timeout`, or a longer `cycle`)",
            "warning: architecture.yaml:7: component_healers.d.timeout: it may take 11s, longer than a cycle (10s)"
            " (expected a shorter `timeout`, or a longer `cycle`)"]),
    "names": ("component_healers:\n  a b: {command: sh}\n  all: {command: sh}\n", [
        "architecture.yaml:4: component_healers.a b: the name 'a b' cannot be given on a supervisorctl command line"
        " (expected a name without spaces, quotes, * and control characters)",
        "architecture.yaml:5: component_healers.all: `all` stands for every worker (expected another name)"]),
    "a worker's name": ("component_healers:\n  wa: {command: sh}\n", [
        "architecture.yaml:4: component_healers.wa: a worker has the same name, architecture.yaml:2"
        " (expected another name)"]),
    "a consumer's name": ("consumers: {gate: {}}\ncomponent_healers: {gate: {command: sh}}\n", [
        "architecture.yaml:4: component_healers.gate: a consumer has the same name, architecture.yaml:3"
        " (expected another name)"]),
    "not a mapping": ("component_healers: [x]\n", [
        "architecture.yaml:3: component_healers: a list cannot be used (expected a mapping)"]),
    "an entry that is none": ("component_healers:\n  c: a.b:c\n", [
        "architecture.yaml:4: component_healers.c: the text 'a.b:c' cannot be used (expected a mapping)"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_run(name: str, tmp_path: Path) -> None:
    text, expected = BAD[name]
    assert told(tmp_path, text) == [line.replace("FOLDER/", "") for line in expected]
