"""YAML with its lines, and every way in which a file can fail to be one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor_healer.architecture import document, schema
from supervisor_healer.architecture.loader import examine


def _write(folder: Path, data: str | bytes) -> str:
    path = folder / "architecture.yaml"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return str(path)


@pytest.fixture(params=["c", "python"], autouse=True)
def _both_loaders(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "python":
        monkeypatch.setattr(document, "Loader", yaml.SafeLoader)


def test_every_key_and_item_has_its_line(tmp_path: Path) -> None:
    text = """\
version: 1
# a remark
workers:
  wb:
    inputs:
      - a.jsonl
      - {path: b.jsonl,
         required: false}
    outputs: [c.jsonl, d.jsonl]
"""
    found, problems = document.read(_write(tmp_path, text))
    assert problems == ()
    assert found is not None
    assert found.value["workers"]["wb"]["inputs"][1] == {"path": "b.jsonl", "required": False}
    assert found.lines == {
        "version": 1, "workers": 3, "workers.wb": 4, "workers.wb.inputs": 5, "workers.wb.inputs[0]": 6,
        "workers.wb.inputs[1]": 7, "workers.wb.inputs[1].path": 7, "workers.wb.inputs[1].required": 8,
        "workers.wb.outputs": 9, "workers.wb.outputs[0]": 9, "workers.wb.outputs[1]": 9,
    }  # fmt: skip
    assert found.line("workers.wb.outputs[1].nothing.here") == 9
    assert found.line("nothing") == 0


def test_values_are_read_as_people_mean_them(tmp_path: Path) -> None:
    text = "a: yes\nb: 1:30\nc: 2024-01-01\nd: 010\ne: ~\nf: '5'\ng: !!str 5\nh: 1.5\ni: 0x_\nj: &x [1]\nk: *x\n"
    found, problems = document.read(_write(tmp_path, text))
    assert problems == ()
    assert found is not None
    assert found.value == {
        "a": True, "b": "1:30", "c": "2024-01-01", "d": 8, "e": None, "f": "5", "g": "5", "h": 1.5, "i": "0x_",
        "j": [1], "k": [1],
    }  # fmt: skip


_BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdef", "bcdefg", strict=True)
)

UNREADABLE = {
    "empty": ("", 0, "", "the file is empty"),
    "comments": ("# nothing\n", 0, "", "the file is empty"),
    "list": ("- a\n", 1, "", "the file holds a list"),
    "text": ("hello\n", 1, "", "the file holds the text 'hello'"),
    "number": ("5\n", 1, "", "the file holds the number 5"),
    "tab": ("version: 1\nworkers:\n\twa: {}\n", 3, "", "a tab in the indentation (expected spaces)"),
    "open bracket": ("version: 1\nworkers: {wa: [\n", 3, "", "not YAML"),
    "bad indent": ("version: 1\n workers: {}\n", 2, "", "not YAML"),
    "two documents": ("version: 1\n---\nversion: 1\n", 2, "", "a second document begins here"),
    "latin-1": (b"version: 1\nworkers: {w\xe4: {}}\n", 2, "", "the byte 0xe4 is not UTF-8"),
    "utf-16": ("version: 1\n".encode("utf-16"), 1, "", "is not UTF-8"),
    "control": ("version: 1\nroot: a\x00b\n", 2, "", "the control character '\\x00'"),
    "too large": ("#" * (document.MAX_BYTES + 1), 0, "", "is too large (expected at most 4 MB)"),
    "too deep": ("version: 1\nworkers: " + "[" * 500, 2, "workers", "nested deeper than 40 levels"),
    "alias bomb": (_BOMB, 5, "e[7]", "aliases stand for more than 100000 values"),
    "recursive alias": ("a: &a\n  b: *a\n", 2, "a.b", "the alias *a contains itself"),
    "unknown alias": ("a: *b\n", 1, "a", "alias"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_files_of_which_nothing_can_be_made(name: str, tmp_path: Path) -> None:
    data, line, field, phrase = UNREADABLE[name]
    path = _write(tmp_path, data)
    found, problems = document.read(path)
    assert found is None
    (problem,) = problems
    assert (problem.path, problem.line, problem.severity) == (path, line, "error")
    assert phrase in str(problem)
    assert problem.field == field
    assert examine(path) == (None, problems)


USABLE_BUT_WRONG = {
    "twice": ("a: 1\nb: 2\na: 3\n", 3, "a", "given twice in this file, first on line 1"),
    "twice below": ("w:\n  x: 1\n  x:\n    y: 2\n", 3, "w.x", "given twice in this file, first on line 2"),
    "yes as a name": ("workers:\n  yes: {}\n", 2, "workers", "a key that is true (expected text: put it in quotes)"),
    "number as a name": ("workers:\n  5: {}\n", 2, "workers", "a key that is the number 5"),
    "list as a name": ("workers:\n  [a]: {}\n", 2, "workers", "a key that is a list"),
    "no name": ("workers:\n  ~: {}\n", 2, "workers", "a key that is an empty value"),
    "merge": ("a: &a {b: 1}\nc:\n  <<: *a\n", 3, "c", "a merge key (<<)"),
    "python tag": ("a: !!python/object/apply:os.system [ls]\n", 1, "a", "the tag tag:yaml.org,2002:python/object"),
    "own tag": ("a: !secret x\n", 1, "a", "the tag !secret"),
}


@pytest.mark.parametrize("name", USABLE_BUT_WRONG)
def test_entries_that_cannot_be_meant(name: str, tmp_path: Path) -> None:
    text, line, field, phrase = USABLE_BUT_WRONG[name]
    found, (problem,) = document.read(_write(tmp_path, text))
    assert found is not None
    assert (problem.line, problem.field) == (line, field)
    assert phrase in str(problem)


def test_what_is_given_twice_keeps_its_first_value(tmp_path: Path) -> None:
    found, _ = document.read(_write(tmp_path, "a: {x: 1}\na: {x: 2, y: [3]}\nb: 4\n"))
    assert found is not None
    assert found.value == {"a": {"x": 1}, "b": 4}
    assert found.line("a.y[0]") == 1


def test_problems_are_not_listed_without_end(tmp_path: Path) -> None:
    _, problems = document.read(_write(tmp_path, "a: 1\n" * 5000))
    assert len(problems) == document.MAX_PROBLEMS + 1
    assert "the rest of the file was not read" in problems[-1].what


def test_files_that_are_not_there_or_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, phrase in [
        (tmp_path / "none.yaml", "cannot be read: No such file or directory"),
        (tmp_path, "is a folder"),
        (tmp_path / "pipe", "is not a regular file"),
        ("nul\0.yaml", "cannot be read"),
    ]:
        found, (problem,) = document.read(str(path))
        assert found is None
        assert phrase in problem.what


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = _write(tmp_path, "version: 1\n")
    os.chmod(path, 0)
    assert "cannot be read: Permission denied" in document.read(path)[1][0].what


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    found, problems = document.read(_write(tmp_path, b"\xef\xbb\xbfversion: 1\n"))
    assert problems == ()
    assert found is not None
    assert found.value == {"version": 1}


_QUIET = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
_SCHEMA = json.loads(schema.text())
_KNOWN = {key for part in (_SCHEMA, *_SCHEMA["$defs"].values()) for key in part.get("properties", {})}
_OF_SCHEMAS = ("type", "required", "properties", "default", "$ref", "allOf")
_NAMES = ("wa", "wb", "a.jsonl", "c.json", "c.toml", "*.jsonl", "%(process_name)s", "all")
_KEYS = st.sampled_from([*sorted(_KNOWN), *_NAMES, *_OF_SCHEMAS])
_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), _KEYS,
    st.sampled_from(["5m", "0s", "-1s", "any", "heal", "job", "../..", "~", "[", "x\ny", "\0"]),
    st.sampled_from(["empty", "0644", "u:g", "HUP", "values", "toml", "a.b:c", "sh -c '", "#", "s.json", "object"]),
)  # fmt: skip
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS | st.text(max_size=3), inner, max_size=5),
    max_leaves=25,
)
_WORKERS = st.dictionaries(_KEYS, st.dictionaries(_KEYS, _TREES, max_size=5), max_size=4)


@_QUIET
@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_never_a_traceback_whatever_the_bytes(tmp_path: Path, data: bytes) -> None:
    architecture, problems = examine(_write(tmp_path, data))
    assert architecture is None
    assert all(str(problem).startswith(problem.path) for problem in problems)


@_QUIET
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "version": st.just(1),
            **dict.fromkeys(("workers", "files", "consumers", "configs", "component_healers"), _WORKERS),
            **dict.fromkeys(("defaults", "include"), _TREES),
            "root": _LEAVES,
        },
    )
)
def test_never_a_traceback_whatever_the_yaml(tmp_path: Path, tree: object) -> None:
    architecture, problems = examine(_write(tmp_path, yaml.safe_dump(tree, allow_unicode=True)))
    assert (architecture is None) == any(problem.severity == "error" for problem in problems)
    assert all("\n" not in str(problem) for problem in problems)
