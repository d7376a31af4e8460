"""The architecture file: what it comes to when it is right, and where and how it is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from architecture_files import errors, write

from supervisor_healer.architecture.loader import examine, load
from supervisor_healer.core.model import Creation, FileSpec, InputSpec, Intensity, Kind, Mode, WorkerSpec

FULL = """\
version: 1
root: ..
mode: observe
state: var/healer.sqlite3
results: /srv/results.json
cycle: 2m
defaults:
  attempts: 4
  restarts: {max: 7, within: 2h}
  max_restarts_overall: {max: 9, within: 5m}
  max_age: 10m
  catch_up: 15s
files:
  ./features//part_*.json: {max_age: 60m}
  logs/x/../signals.jsonl: {max_age: 5m, critical: true}
  out/*.jsonl: {max_age: 1m, grace: 5s, shared: true}
  outside.json: {max_age: 24h, create: true}
workers:
  engine:
    inputs: [features/part_*.json]
    outputs: [logs/signals.jsonl]
  predictor:
    program: pipeline:predictor_00
    kind: job
    inputs: [logs/signals.jsonl, {path: hints.jsonl, required: false}, configs/policy.json]
    trigger: [./logs/signals.jsonl]
    outputs: [out/a.jsonl, out/b.jsonl]
    critical: false
    catch_up: 0s
    attempts: 2
    restarts: {max: 3, within: 30m}
    startup_grace: 90s
    verify_within: 4m
    retry_after: 2h
  lonely: {}
consumers:
  gate: {inputs: [out/a.jsonl, {path: /data/else.json, required: false}]}
configs:
  configs/policy.json:
    create: true
    critical: true
    schema: {type: object, required: [limit], properties: {limit: {type: number, default: 0.5}}}
"""


def test_a_full_file(tmp_path: Path) -> None:
    path = write(tmp_path, FULL, "conf/architecture.yaml")
    found = load(path)
    assert (found.source, found.root, found.mode, found.cycle) == (path, str(tmp_path), Mode.OBSERVE, 120.0)
    assert (found.state, found.results) == (f"{tmp_path}/var/healer.sqlite3", "/srv/results.json")
    assert found.restarts_overall == Intensity(9, 300.0)
    engine, predictor, lonely = found.workers
    many = Intensity(7, 7200.0)
    assert engine == WorkerSpec(
        "engine", "engine", inputs=(InputSpec("features/part_*.json"),), outputs=("logs/signals.jsonl",),
        critical=True, catch_up=15.0, attempts=4, restarts=many,
    )  # fmt: skip
    assert predictor == WorkerSpec(
        "predictor", "pipeline:predictor_00", kind=Kind.JOB,
        inputs=(InputSpec("logs/signals.jsonl"), InputSpec("hints.jsonl", False), InputSpec("configs/policy.json")),
        outputs=("out/a.jsonl", "out/b.jsonl"), trigger=("logs/signals.jsonl",), critical=False, catch_up=0.0,
        attempts=2, restarts=Intensity(3, 1800.0), startup_grace=90.0, verify_within=240.0, retry_after=7200.0,
    )  # fmt: skip
    assert lonely == WorkerSpec("lonely", "lonely", catch_up=15.0, attempts=4, restarts=many)
    assert {file.path: file for file in found.files.values()} == dict(found.files)
    assert dict(found.files) == {
        "features/part_*.json": FileSpec("features/part_*.json", 3600.0, 1800.0),
        "logs/signals.jsonl": FileSpec("logs/signals.jsonl", 300.0, 150.0, critical=True),
        "hints.jsonl": FileSpec("hints.jsonl", 600.0, 300.0),
        "configs/policy.json": FileSpec("configs/policy.json", None, 0.0, critical=True),
        "out/a.jsonl": FileSpec("out/a.jsonl", 60.0, 5.0, shared=True),
        "out/b.jsonl": FileSpec("out/b.jsonl", 60.0, 5.0, shared=True),
        "/data/else.json": FileSpec("/data/else.json", 600.0, 300.0),
        "outside.json": FileSpec("outside.json", 86400.0, 43200.0, create=Creation()),
    }
    (gate,) = found.consumers
    assert gate.inputs == (InputSpec("out/a.jsonl"), InputSpec("/data/else.json", False))
    policy = found.configs["configs/policy.json"]
    assert (policy.create, policy.critical, policy.schema["required"]) == (True, True, ["limit"])
    assert found.places["workers.predictor"] == (path, 22)
    assert found.places["defaults.attempts"] == (path, 8)


def test_the_least_that_works(tmp_path: Path) -> None:
    found = load(write(tmp_path, "version: 1\nworkers: {wa: {}}\n"))
    assert (found.root, found.state, found.results) == (str(tmp_path), f"{tmp_path}/healer.sqlite3", "")
    assert (found.mode, found.cycle, found.restarts_overall) == (Mode.HEAL, 60.0, None)
    assert found.workers == (WorkerSpec("wa", "wa"),)


def test_the_root_is_relative_to_the_file_and_not_to_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "version: 1\nworkers: {wa: {outputs: [a]}}\ndefaults: {max_age: 5m}\n", "conf/a.yaml")
    monkeypatch.chdir(tmp_path)
    found = load("conf/a.yaml")
    assert (found.source, found.root) == (f"{tmp_path}/conf/a.yaml", f"{tmp_path}/conf")


def test_paths_have_one_form(tmp_path: Path) -> None:
    outputs = f"[./a, b//c, x/../d, {tmp_path}/e, /elsewhere//f, {tmp_path}x/g, '[ab]?', h%, 'i[!]x]']"
    text = f"version: 1\ndefaults: {{max_age: 5m}}\nworkers: {{wa: {{outputs: {outputs}}}}}\n"
    (worker,) = load(write(tmp_path, text)).workers
    beside = f"{tmp_path}x/g"
    assert worker.outputs == ("a", "b/c", "d", "e", "/elsewhere/f", beside, "[ab]?", "h%", "i[!]x]")


def test_an_entry_of_the_same_text_goes_before_a_glob(tmp_path: Path) -> None:
    text = """\
version: 1
files:
  logs/*.jsonl: {max_age: 5m}
  logs/a.jsonl: {max_age: 1m}
  logs/old/*.jsonl: {max_age: 9m}
workers:
  wa: {outputs: [logs/a.jsonl, logs/b.jsonl, logs/%(process_name)s.jsonl]}
"""
    files = load(write(tmp_path, text)).files
    assert {path: file.max_age for path, file in files.items()} == {
        "logs/a.jsonl": 60.0, "logs/b.jsonl": 300.0, "logs/%(process_name)s.jsonl": 300.0, "logs/old/*.jsonl": 540.0,
    }  # fmt: skip


# name -> the lines after `version: 1` and a default max_age (so the first one is line 3), and for each error
# its line, its field and a phrase
BAD: dict[str, tuple[str, list[tuple[int, str, str]]]] = {
    # --- the shape
    "unknown key": ("wrokers: {}\nworkers: {wa: {}}\n", [(3, "wrokers", "unknown key, did you mean 'workers'?")]),
    "unknown worker key": (
        "workers:\n  wa:\n    ouputs: [a]\n", [(5, "workers.wa.ouputs", "unknown key, did you mean 'outputs'?")]),
    "nothing like it": ("workers:\n  wa: {zz: 1}\n", [(4, "workers.wa.zz", "unknown key (expected one of program, ")]),
    "key of a file": (
        "workers:\n  wa: {max_age: 5m}\n", [(4, "workers.wa.max_age", "does not belong here (expected under `files")]),
    "overall at a worker": (
        "workers:\n  wa:\n    max_restarts_overall: {max: 5, within: 1m}\n",
        [(5, "workers.wa.max_restarts_overall", "does not belong here (expected only under `defaults`)")]),
    "workers a list": ("workers: [wa]\n", [(3, "workers", "a list cannot be used (expected a mapping")]),
    "empty entry": ("workers:\n  wa:\n", [(4, "workers.wa", "an empty value cannot be used (expected a mapping")]),
    "mode": ("mode: heel\nworkers: {wa: {}}\n", [(3, "mode", "did you mean 'heal'? (expected one of heal, observe)")]),
    "kind": ("workers: {wa: {kind: batch}}\n", [(3, "workers.wa.kind", "expected one of service, job")]),
    "boolean": ("workers: {wa: {critical: 1}}\n", [(3, "workers.wa.critical", "expected true or false")]),
    "program": ("workers: {wa: {program: 'a:b:c'}}\n", [(3, "workers.wa.program", "such as predictor or pipeline:")]),
    "inputs a text": ("workers: {wa: {inputs: a}}\n", [(3, "workers.wa.inputs", "the text 'a' cannot be used")]),
    "input without path": (
        "workers:\n  wa:\n    inputs:\n      - {required: no}\n",
        [(6, "workers.wa.inputs[0]", "the key 'path' is missing")]),
    "empty path": ("workers: {wa: {outputs: ['']}}\n", [(3, "workers.wa.outputs[0]", "an empty text cannot be used")]),
    "trigger word": ("workers: {wa: {trigger: all}}\n", [(3, "workers.wa.trigger", "the text 'all' cannot be used")]),
    "no workers": ("files: {}\n", [(0, "", "there are no workers")]),
    "workers empty": ("files: {}\nworkers: {}\n", [(4, "workers", "there are no workers")]),
    # --- durations and numbers
    "no unit": ("cycle: 60\nworkers: {wa: {}}\n", [(3, "cycle", "the number 60 has no unit (expected a duration")]),
    "not a duration": ("workers: {wa: {catch_up: soon}}\n", [(3, "workers.wa.catch_up", "'soon' is not a duration")]),
    "negative": ("workers: {wa: {startup_grace: -5m}}\n", [(3, "workers.wa.startup_grace", "'-5m' is negative")]),
    "zero": ("workers: {wa: {verify_within: 0s}}\n", [(3, "workers.wa.verify_within", "a duration of zero means")]),
    "too long": ("workers: {wa: {retry_after: 99999d}}\n", [(3, "workers.wa.retry_after", "longer than 100 years")]),
    "max_age zero": ("files: {a: {max_age: 0m}}\nworkers: {wa: {}}\n", [(3, "files.a.max_age", "zero means nothing")]),
    "attempts": ("workers: {wa: {attempts: 0}}\n", [(3, "workers.wa.attempts", "expected a whole number from 1 on")]),
    "restarts": (
        "workers: {wa: {restarts: {max: 0, within: 0s}}}\n",
        [(3, "workers.wa.restarts.max", "from 1 on"), (3, "workers.wa.restarts.within", "zero means nothing")]),
    "half a window": ("workers: {wa: {restarts: {max: 3}}}\n", [(3, "workers.wa.restarts", "'within' is missing")]),
    # --- paths
    "root missing": ("root: nowhere\nworkers: {wa: {}}\n", [(3, "root", "nowhere does not exist (expected an exist")]),
    "root a file": ("root: architecture.yaml\nworkers: {wa: {}}\n", [(3, "root", "is not a folder")]),
    "leaves root": (
        "workers:\n  wa:\n    outputs:\n      - ../a\n", [(6, "workers.wa.outputs[0]", "leaves the root")]),
    "input leaves root": (
        "workers: {wa: {inputs: [{path: x/../../a}]}}\n", [(3, "workers.wa.inputs[0]", "leaves the root")]),
    "state leaves root": ("state: ../s.sqlite3\nworkers: {wa: {}}\n", [(3, "state", "leaves the root")]),
    "results a pattern": ("results: r*.json\nworkers: {wa: {}}\n", [(3, "results", "a pattern is no single file")]),
    "results is state": ("results: ./healer.sqlite3\nworkers: {wa: {}}\n", [(3, "results", "same file as `state`")]),
    "the root itself": ("workers: {wa: {outputs: [.]}}\n", [(3, "workers.wa.outputs[0]", "the root folder itself")]),
    "folder": ("workers: {wa: {outputs: [logs/]}}\n", [(3, "workers.wa.outputs[0]", "ends in / is a folder")]),
    "home": ("workers: {wa: {outputs: [~/a]}}\n", [(3, "workers.wa.outputs[0]", "~ is not expanded")]),
    "control": ('workers: {wa: {outputs: ["a\\nb"]}}\n', [(3, "workers.wa.outputs[0]", "a control character")]),
    "unclosed": ("workers: {wa: {outputs: ['a[b']}}\n", [(3, "workers.wa.outputs[0]", "a [ that is not closed")]),
    "empty range": ("workers: {wa: {outputs: ['a[z-a]']}}\n", [(3, "workers.wa.outputs[0]", "matches no file")]),
    "recursive": ("workers: {wa: {outputs: ['a/**/b']}}\n", [(3, "workers.wa.outputs[0]", "** is not supported")]),
    "placeholder": (
        "workers: {wa: {outputs: ['a%(group_name)s']}}\n",
        [(3, "workers.wa.outputs[0]", "unknown placeholder '%(group_name)s'")]),
    "placeholder without type": (
        "workers: {wa: {outputs: ['a%(process_num)']}}\n", [(3, "workers.wa.outputs[0]", "unknown placeholder")]),
    "placeholder of nobody": (
        "workers: {wa: {}}\nconsumers: {c: {inputs: ['a%(process_num)d']}}\n",
        [(4, "consumers.c.inputs[0]", "only a worker's paths are filled in")]),
    "listed twice": (
        "workers: {wa: {outputs: [a, b, ./a]}}\n",
        [(3, "workers.wa.outputs[2]", "a is listed twice, first as workers.wa.outputs[0]")]),
    "same file twice": (
        "files:\n  a: {}\n  ./a: {}\nworkers: {wa: {}}\n", [(5, "files../a", "the same file as a, ")]),
    "two globs": (
        "files:\n  '*.json': {}\n  'a*': {}\nworkers:\n  wa: {outputs: [a.json]}\n",
        [(7, "workers.wa.outputs[0]", "a.json is matched by 2 entries of files: ")]),
    "created pattern": ("files:\n  'a*': {create: true}\nworkers: {wa: {}}\n", [(4, "files.a*.create", "a pattern")]),
    "created config": (
        "configs:\n  'a*': {create: true}\nworkers: {wa: {}}\n",
        [(4, "configs.a*", "a pattern cannot be a config (expected one file)")]),
    "grace of a config": (
        "configs: {c: {}}\nfiles: {c: {grace: 5m}}\nworkers: {wa: {}}\n", [(4, "files.c.grace", "without a max_age")]),
    "config's schema": (
        "configs: {c.json: {schema: {type: objekt}}}\nworkers: {wa: {}}\n",
        [(3, "configs.c.json.schema.type", "not a JSON Schema: 'objekt' is not")]),
    # --- names
    "space": ("workers: {w a: {}}\n", [(3, "workers.w a", "cannot be given on a supervisorctl command line")]),
    "star": ("workers: {'w*': {}}\n", [(3, "workers.w*", "cannot be given on a supervisorctl command line")]),
    "control name": ('workers: {"w\\ta": {}}\n', [(3, "workers.w?a", "cannot be given on a supervisorctl command")]),
    "no name": ("workers: {'': {}}\n", [(3, "workers.", "cannot be given on a supervisorctl command line")]),
    "all": ("workers: {all: {}}\n", [(3, "workers.all", "`all` stands for every worker")]),
    "option": ("workers: {-x: {}}\n", [(3, "workers.-x", "reads as an option")]),
    "consumer's name": (
        "workers: {wa: {}}\nconsumers:\n  wa: {}\n", [(5, "consumers.wa", "a worker has the same name, ")]),
    "one program": (
        "workers:\n  wa: {}\n  wb: {program: wa}\n",
        [(5, "workers.wb.program", "the program wa already belongs to the worker wa")]),
    "one program, as a process": (
        "workers:\n  wa: {program: 'p:p'}\n  wb: {program: p}\n  wc: {program: 'p:q'}\n  p: {}\n",
        [(5, "workers.wb.program", "the program p already belongs to the worker wa"),
         (7, "workers.p.program", "the program p already belongs to the worker wa")]),
    # --- the graph
    "two producers": (
        "workers:\n  wa: {outputs: [a]}\n  wb:\n    outputs: [b, ./a]\n",
        [(6, "workers.wb.outputs[1]", "a is already written by wa, ")]),
    "two producers, one a glob": (
        "workers:\n  wa: {outputs: ['*.x']}\n  wb:\n    outputs: [a.x]\n",
        [(4, "workers.wa.outputs[0]", "a.x is already written by wb, ")]),
    "two templates": (
        "workers:\n  wa: {outputs: ['%(process_num)d.x']}\n  wb: {outputs: ['%(process_num)d.x']}\n",
        [(5, "workers.wb.outputs[0]", "%(process_num)d.x is already written by wa")]),
    "own input": (
        "workers:\n  wa:\n    inputs: [b, a]\n    outputs: [a]\n",
        [(5, "workers.wa.inputs[1]", "the worker writes its own input a")]),
    "own input by glob": (
        "workers: {wa: {inputs: [a.x], outputs: ['*.x']}}\n", [(3, "workers.wa.inputs[0]", "its own input a.x")]),
    "cycle": (
        "workers:\n  wa: {inputs: [a.jsonl], outputs: [b.jsonl]}\n  wb: {inputs: [b.jsonl], outputs: [a.jsonl]}\n",
        [(4, "workers.wa", "wait for each other: wa -> b.jsonl -> wb -> a.jsonl -> wa (expected")]),
    "two cycles": (
        "workers:\n  wa: {inputs: [a], outputs: [b]}\n  wb: {inputs: [b], outputs: [a]}\n"
        "  wc: {inputs: [c], outputs: [d]}\n  wd: {inputs: [d], outputs: [c]}\n",
        [(4, "workers.wa", "wa -> b -> wb -> a -> wa"), (6, "workers.wc", "wc -> d -> wd -> c -> wc")]),
    # --- checks that can never fire
    "trigger not an input": (
        "workers:\n  wa: {inputs: [logs/a], outputs: [b], trigger: [logs/c]}\n",
        [(4, "workers.wa.trigger[0]", "logs/c is not an input, did you mean 'logs/a'?")]),
    "trigger a config": (
        "configs: {c: {}}\nworkers:\n  wa: {inputs: [a, c], outputs: [b], trigger: [c]}\n",
        [(5, "workers.wa.trigger[0]", "c has no max_age: it never makes work pending")]),
    "trigger nothing": (
        "workers: {wa: {inputs: [a], outputs: [b], trigger: []}}\n",
        [(3, "workers.wa.trigger", "a list cannot be used (expected at least one item")]),
    # --- includes
    "include missing": ("workers: {wa: {}}\ninclude: [no.yaml]\n", [(4, "include[0]", "there is no file ")]),
    "include itself": (
        "workers: {wa: {}}\ninclude: [architecture.yaml]\n", [(4, "include[0]", "includes form a loop: ")]),
    "include a text": ("workers: {wa: {}}\ninclude: x.yaml\n", [(4, "include", "the text 'x.yaml' cannot be used")]),
    "include control": ('workers: {wa: {}}\ninclude: ["a\\0"]\n', [(4, "include[0]", "a control character")]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_where_and_how_a_file_is_wrong(name: str, tmp_path: Path) -> None:
    text, expected = BAD[name]
    path = write(tmp_path, f"version: 1\ndefaults: {{max_age: 5m}}\n{text}")
    found = [problem for problem in errors(path) if problem.severity == "error"]
    assert [(problem.path, problem.line, problem.field) for problem in found] == [
        (path, line, field) for line, field, _ in expected
    ]
    for problem, (_, _, phrase) in zip(found, expected, strict=True):
        assert phrase in str(problem)


@pytest.mark.parametrize(
    ("text", "line", "field", "phrase"),
    [
        ("workers: {wa: {}}\n", 1, "", "the key 'version' is missing (expected `version: 1`)"),
        ("version: 2\nworkers: {wa: {}}\n", 1, "version", "the number 2 cannot be used (expected 1)"),
        ("version: '1'\nworkers: {wa: {}}\n", 1, "version", "the text '1' cannot be used (expected 1)"),
        ("version: 1\nworkers:\n  wa: {inputs: [a]}\n", 3, "workers.wa.inputs[0]", "no max_age for a (expected"),
        ("version: 1\nworkers: {wa: {}}\nfiles:\n  a: {critical: true}\n", 4, "files.a", "no max_age for a"),
        ("version: 1\nworkers: {wa: {}}\nconsumers: {c: {inputs: [a]}}\n", 3, "consumers.c.inputs[0]", "no max_age"),
    ],
)
def test_what_is_missing(text: str, line: int, field: str, phrase: str, tmp_path: Path) -> None:
    (problem,) = errors(write(tmp_path, text))
    assert (problem.line, problem.field) == (line, field)
    assert phrase in str(problem)


def test_a_refused_max_age_is_not_also_called_missing(tmp_path: Path) -> None:
    for text in (
        "files: {a: {max_age: 5}}\n", "files: {a: {max_aeg: 5m}}\n", "files: {a: 5}\n", "files: 5\n",
        "defaults: {max_age: 5}\n", "defaults: 5\n", "files: {'*': {max_age: 5}}\n",
    ):  # fmt: skip
        assert len(errors(write(tmp_path, f"version: 1\n{text}workers: {{wa: {{outputs: [a]}}}}\n"))) == 1


def test_all_errors_at_once_in_file_order(tmp_path: Path) -> None:
    text = """\
version: 1
mod: heal
files:
  a: {max_age: 5}
include: [more/*.yaml]
workers:
  wa:
    inputs: [a, b]
    outputs: [c]
    ouputs: [d]
  w a:
    attempts: none
"""
    path = write(tmp_path, text)
    more = write(tmp_path, "workers:\n  wb:\n    outputs: [../x]\n  wc: {outputs: [e, c]}\n", "more/1.yaml")
    broken = write(tmp_path, "workers: {\n", "more/2.yaml")
    assert [(problem.path, problem.line, problem.field) for problem in errors(path)] == [
        (path, 2, "mod"),
        (path, 4, "files.a.max_age"),
        (path, 10, "workers.wa.ouputs"),
        (path, 12, "workers.w a.attempts"),
        (more, 3, "workers.wb.outputs[0]"),
        (broken, 2, ""),
    ]
    os.remove(broken)
    assert [(problem.path, problem.line, problem.field) for problem in errors(path)] == [
        (path, 2, "mod"),
        (path, 4, "files.a.max_age"),
        (path, 8, "workers.wa.inputs[1]"),
        (path, 9, "workers.wa.outputs[0]"),
        (path, 10, "workers.wa.ouputs"),
        (path, 11, "workers.w a"),
        (path, 12, "workers.w a.attempts"),
        (more, 3, "workers.wb.outputs[0]"),
        (more, 4, "workers.wc.outputs[0]"),
        (more, 4, "workers.wc.outputs[1]"),
    ]


# --- includes -------------------------------------------------------------------------------------------------


def test_included_files_add_to_the_whole(tmp_path: Path) -> None:
    path = write(tmp_path, "version: 1\ninclude: [w/*.yaml, more.yaml]\ndefaults: {max_age: 5m}\n", "conf/a.yaml")
    write(tmp_path, "workers: {wb: {inputs: [a], outputs: [b]}}\n", "conf/w/2.yaml")
    write(tmp_path, "version: 1\nworkers: {wa: {outputs: [a]}}\ninclude: [../more.yaml]\n", "conf/w/1.yaml")
    write(tmp_path, "root: ..\ndefaults: {attempts: 9}\nfiles: {a: {max_age: 1m}}\n", "conf/more.yaml")
    found = load(path)
    assert [(worker.name, worker.attempts) for worker in found.workers] == [("wa", 9), ("wb", 9)]
    assert found.root == str(tmp_path)
    assert found.files["a"].max_age == 60.0
    assert found.places["workers.wb"] == (f"{tmp_path}/conf/w/2.yaml", 1)


def test_an_entry_given_in_two_files_names_both_places(tmp_path: Path) -> None:
    path = write(tmp_path, "version: 1\nmode: heal\nworkers:\n  wa: {}\ninclude: [b.yaml]\ndefaults: {attempts: 2}\n")
    more = write(tmp_path, "mode: heal\nworkers:\n  wa: {}\ndefaults: {attempts: 2}\n", "b.yaml")
    assert [str(problem) for problem in errors(path)] == [
        f"{more}:1: mode: given twice, first at {path}:2 (expected one of them)",
        f"{more}:3: workers.wa: given twice, first at {path}:4 (expected one of them)",
        f"{more}:4: defaults.attempts: given twice, first at {path}:6 (expected one of them)",
    ]


def test_include_loops_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, "version: 1\nworkers: {wa: {}}\ninclude: [b.yaml]\n")
    second = write(tmp_path, "include: [c.yaml]\n", "b.yaml")
    third = write(tmp_path, "files: {}\ninclude: [./architecture.yaml]\n", "c.yaml")
    (problem,) = errors(path)
    assert (problem.path, problem.line, problem.field) == (third, 2, "include[0]")
    assert f"{path} -> {second} -> {third} -> {path}" in problem.what


def test_a_glob_does_not_include_the_file_that_it_stands_in(tmp_path: Path) -> None:
    path = write(tmp_path, "version: 1\nworkers: {wa: {}}\ninclude: ['*.yaml']\n")
    write(tmp_path, "workers: {wb: {}}\ninclude: ['*.yaml']\n", "b.yaml")
    assert [worker.name for worker in load(path).workers] == ["wa", "wb"]


def test_includes_end_somewhere(tmp_path: Path) -> None:
    path = write(tmp_path, "version: 1\nworkers: {wa: {}}\ninclude: [1.yaml]\n")
    for number in range(1, 40):
        write(tmp_path, f"include: [{number + 1}.yaml]\n", f"{number}.yaml")
    (problem,) = errors(path)
    assert "includes are nested deeper than 20 files" in problem.what


def test_a_glob_that_includes_nothing_is_a_warning(tmp_path: Path) -> None:
    architecture, (problem,) = examine(write(tmp_path, "version: 1\nworkers: {wa: {}}\ninclude: [w/*.yaml]\n"))
    assert architecture is not None
    assert (problem.line, problem.field, problem.severity) == (3, "include[0]", "warning")
    assert "no file matches 'w/*.yaml'" in problem.what


# --- the graph ------------------------------------------------------------------------------------------------


def test_a_shared_file_may_have_several_producers(tmp_path: Path) -> None:
    text = "version: 1\nfiles: {a: {max_age: 5m, shared: true}}\nworkers: {wa: {outputs: [a]}, wb: {outputs: ['a']}}\n"
    assert len(load(write(tmp_path, text)).workers) == 2


def test_a_slow_trigger_is_a_warning(tmp_path: Path) -> None:
    text = """\
version: 1
files: {table: {max_age: 24h}, quick: {max_age: 5m}, out: {max_age: 5m}, slow: {max_age: 7d}}
workers:
  wa:
    inputs:
      - quick
      - table
    outputs: [slow, out]
  wb: {inputs: [quick, {path: table}], outputs: [other], trigger: [quick]}
  wc: {inputs: [table], outputs: []}
defaults: {max_age: 5m}
"""
    architecture, (problem,) = examine(write(tmp_path, text))
    assert architecture is not None
    assert (problem.line, problem.field, problem.severity) == (7, "workers.wa.inputs[1]", "warning")
    assert "may rest for 24h, longer than out may (7m30s with grace)" in problem.what


def test_warnings_do_not_stop_a_load_and_are_not_raised(tmp_path: Path) -> None:
    text = "version: 1\nfiles: {a: {max_age: 1h}, b: {max_age: 1m}}\nworkers: {wa: {inputs: [a], outputs: [b]}}\n"
    assert load(write(tmp_path, text)).workers
    (problem,) = errors(write(tmp_path, text + "mod: heal\n"))
    assert problem.field == "mod"
