"""How a missing file is made: every form of `create`, and every one that cannot be meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from architecture_files import errors, told, write
from hypothesis import given
from hypothesis import strategies as st

from supervisor_healer.architecture import creation
from supervisor_healer.architecture.loader import load
from supervisor_healer.core.model import Creation

GOOD: dict[str, tuple[str, Creation | None]] = {
    "true": ("true", Creation()),
    "false": ("false", None),
    "empty": ("empty", Creation()),
    "empty, in full": ("{empty: true, mode: '0600', owner: 'u:g'}", Creation(mode=0o600, owner="u:g")),
    "no content": ("{content: ''}", Creation()),
    "content": ('{content: "# ü\\n", mode: "644"}', Creation("# ü\n", mode=0o644)),
    "content as it stands": ("{content: '%(process_name)s'}", Creation("%(process_name)s")),
    "a set-group-ID bit": ("{empty: true, mode: '2640', owner: ':g'}", Creation(mode=0o2640, owner=":g")),
    "user": ("{empty: true, owner: '1000'}", Creation(owner="1000")),
    "a mapping": (
        "{json: {b: [1, 2.5, true, ~, ü], a: {}}}",
        Creation('{\n  "b": [\n    1,\n    2.5,\n    true,\n    null,\n    "ü"\n  ],\n  "a": {}\n}\n'),
    ),
    "null": ("{json: ~}", Creation("null\n")),
    "a text": ("{json: 'x'}", Creation('"x"\n')),
    "a day is the text that it was": ("{json: 2024-01-01}", Creation('"2024-01-01"\n')),
    "copy": ("{copy: ./templates//w.json, mode: '0644'}", Creation(copy_of="templates/w.json", mode=0o644)),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_made(name: str, tmp_path: Path) -> None:
    text, expected = GOOD[name]
    write(tmp_path, "{}", "templates/w.json")
    path = write(
        tmp_path, f"version: 1\nworkers: {{wa: {{outputs: [a]}}}}\nfiles: {{a: {{max_age: 5m, create: {text}}}}}\n"
    )
    assert load(path).files["a"].create == expected


# name -> what follows `create:` at the file `a` in line 4, and what is told
BAD: dict[str, tuple[str, list[str]]] = {
    "a word": (
        "full",
        ["architecture.yaml:4: files.a.create: the text 'full' cannot be used (expected a text, such as empty or"
         ' {content: "[]", mode: "0644"} or {json: {weights: {}}} or {copy: templates/weights.json})']),
    "nothing": ("{mode: '0644'}", [
        "architecture.yaml:4: files.a.create: nothing says what the file would hold"
        " (expected one of empty, content, json and copy)"]),
    "two": ("{copy: b, json: 1}", [
        "architecture.yaml:4: files.a.create: json and copy exclude each other"
        " (expected one of empty, content, json and copy)"]),
    "empty false": ("{empty: false}", [
        "architecture.yaml:4: files.a.create.empty: false cannot be used (expected true)"]),
    "unknown key": ("{contents: x}", [
        "architecture.yaml:4: files.a.create.contents: unknown key, did you mean 'content'?"]),
    "content a number": ("{content: 5}", [
        "architecture.yaml:4: files.a.create.content: the number 5 cannot be used (expected text)"]),
    "octal": ("{empty: true, mode: 0644}", [
        "architecture.yaml:4: files.a.create.mode: the number 420, and not text: without quotes YAML reads 0644 as 420"
        ' and 644 as decimal (expected three or four octal digits in quotes, such as "0644")']),
    "decimal": ("{empty: true, mode: 644}", [
        "architecture.yaml:4: files.a.create.mode: the number 644, and not text: without quotes YAML reads 0644 as 420"
        ' and 644 as decimal (expected three or four octal digits in quotes, such as "0644")']),
    "no digit of eight": ("{empty: true, mode: '0680'}", [
        "architecture.yaml:4: files.a.create.mode: the text '0680' cannot be used"
        ' (expected three or four octal digits in quotes, such as "0644")']),
    "Python's octal": ("{empty: true, mode: 0o644}", [
        "architecture.yaml:4: files.a.create.mode: the text '0o644' cannot be used"
        ' (expected three or four octal digits in quotes, such as "0644")']),
    "mode a word": ("{empty: true, mode: yes}", [
        "architecture.yaml:4: files.a.create.mode: true cannot be used"
        ' (expected three or four octal digits in quotes, such as "0644")']),
    "owner": ("{empty: true, owner: 'u:'}", [
        "architecture.yaml:4: files.a.create.owner: the text 'u:' cannot be used"
        " (expected a text, such as trader or trader:trading or :trading)"]),
    "owner a number": ("{empty: true, owner: 1000}", [
        "architecture.yaml:4: files.a.create.owner: the number 1000 cannot be used"
        " (expected text, such as trader or trader:trading or :trading)"]),
    "NaN": ("{json: {x: .nan}}", [
        "architecture.yaml:4: files.a.create.json: NaN and the infinities are no JSON values (expected a JSON value)"]),
    "a tag": ("{json: !!timestamp 2024-01-01}", [
        "architecture.yaml:4: files.a.create.json: the tag tag:yaml.org,2002:timestamp"
        " (expected plain YAML without tags)"]),
    "copy of itself": ("{copy: x/../a}", [
        "warning: architecture.yaml:4: files.a.create.copy: the file to copy, a, is not there"
        " (expected an existing file)",
        "architecture.yaml:4: files.a.create.copy: this is the file itself (expected another file)"]),
    "copy from outside": ("{copy: ../b}", [
        "architecture.yaml:4: files.a.create.copy: leaves the root FOLDER: '../b'"
        " (expected a path inside root, or an absolute one)"]),
    "copy of a pattern": ("{copy: 'b*'}", [
        "architecture.yaml:4: files.a.create.copy: a pattern is no single file: 'b*' (expected one file)"]),
    "copy with a placeholder": ("{copy: 'b%(process_num)d'}", [
        "architecture.yaml:4: files.a.create.copy: only a worker's paths are filled in: 'b%(process_num)d'"
        " (expected a path without placeholders)"]),
    "copy of nothing": ("{copy: b}", [
        "warning: architecture.yaml:4: files.a.create.copy: the file to copy, b, is not there"
        " (expected an existing file)"]),
    "copy of a folder": ("{copy: folder}", [
        "warning: architecture.yaml:4: files.a.create.copy: the file to copy, folder, is no regular file"
        " (expected an existing file)"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_made(name: str, tmp_path: Path) -> None:
    text, expected = BAD[name]
    (tmp_path / "folder").mkdir()
    found = told(tmp_path, f"files:\n  a: {{create: {text}}}\n")
    assert found == [line.replace("FOLDER", str(tmp_path)) for line in expected]


def test_a_config_is_created_as_a_config(tmp_path: Path) -> None:
    assert told(tmp_path, "files: {c.json: {create: empty}}\nconfigs: {c.json: {}}\n") == [
        "architecture.yaml:3: files.c.json.create: c.json is a config (expected `configs: {c.json: {create: true}}`)"
    ]


def test_keys_of_a_creation_beside_it(tmp_path: Path) -> None:
    found = told(tmp_path, "files: {a: {content: x, mode: '0644', owner: u}}\n")
    assert found == [
        "architecture.yaml:3: files.a.content: does not belong here (expected in `create: {...}` of a file)",
        "architecture.yaml:3: files.a.mode: does not belong here (expected at the top level (heal or observe);"
        " permissions stand in `create: {...}` of a file, or at a config)",
        "architecture.yaml:3: files.a.owner: does not belong here"
        " (expected in `create: {...}` of a file, or at a config)",
    ]


def test_a_default_holds_for_single_files_that_say_nothing(tmp_path: Path) -> None:
    write(tmp_path, "x", "template")
    text = """\
version: 1
defaults: {max_age: 5m, create: {copy: template, mode: "0600"}}
files:
  own: {create: empty}
  not: {create: false}
  'rule/*': {max_age: 1m}
  'made/*': {create: {content: x}}
workers:
  wa: {outputs: [own, not, 'glob*', rule/a, made/b, plain, template], inputs: [c.json]}
configs: {c.json: {}}
"""
    made = {path: file.create for path, file in load(write(tmp_path, text)).files.items()}
    default = Creation(copy_of="template", mode=0o600)
    assert made == {
        "own": Creation(), "not": None, "glob*": None, "rule/a": default, "made/b": Creation("x"), "plain": default,
        "template": None, "c.json": None,
    }  # fmt: skip


def test_a_default_that_cannot_be_made_is_told_once(tmp_path: Path) -> None:
    text = "version: 1\ndefaults: {max_age: 5m, create: {copy: a, json: 1}}\nworkers: {wa: {outputs: [a, b, c]}}\n"
    (problem,) = errors(write(tmp_path, text))
    assert (problem.line, problem.field) == (2, "defaults.create")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(_VALUES)
def test_json_is_written_as_json(value: object) -> None:
    text, problem = creation.as_json(value)
    if not problem:
        assert json.loads(text) == value
        assert text.endswith("\n")
        text.encode()


def test_what_is_no_json() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    large = ["x" * creation.MAX_TEXT, "y"]
    for value, problem in (
        (deep, "nested too deeply"),
        (large, "larger than 4 MB"),
        ({"a": float("inf")}, "NaN and the infinities are no JSON values"),
        (["\ud800"], "the character '\\ud800' cannot be written in UTF-8"),
    ):
        assert creation.as_json(value)[1] == problem
