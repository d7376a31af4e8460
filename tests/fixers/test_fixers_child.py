"""The child itself: a job a line, an answer a line, and nothing else on stdout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fixing import BROKEN, REPAIRED, child, job

COMMAND = [sys.executable, "-m", "supervisor_healer.fixers"]


def test_jobs_are_answered_in_order_until_the_input_ends(tmp_path: Path) -> None:
    (tmp_path / "policies.json").write_bytes(BROKEN)
    verbs = ["check", "repair", "check", "restore", "create"]
    answers, status, stderr = child([job(verb, tmp_path) for verb in verbs])
    assert (status, stderr) == (0, "")
    assert [answer["verb"] for answer in answers] == verbs
    assert [answer["outcome"] for answer in answers] == ["", "done", "", "done", "unneeded"]
    assert [answer["state"] for answer in answers] == ["invalid", "valid", "valid", "invalid", "valid"]


def test_each_answer_comes_at_once_as_a_line_of_ascii(tmp_path: Path) -> None:
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for name in ("é.json", "ü.json"):
            process.stdin.write(json.dumps(job("check", tmp_path, name)).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
            assert line.isascii()
            assert json.loads(line)["path"] == name
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait() == 0


GOOD: dict[str, Any] = dict(job("check", Path("/tmp")))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"{}",
        b"{",
        b"\xff",
        b"[" * 100_000,
        *(
            json.dumps({**GOOD, **wrong}).encode()
            for wrong in (
                {"verb": "delete"},
                {"format": "ini"},
                {"root": "relative"},
                {"keep": True},
                {"keep": "10"},
                {"schema": []},
                {"mode": "0644"},
                {"create": 1},
                {"more": 1},
            )
        ),
    ],
)
def test_a_line_that_is_no_job_ends_it(line: bytes) -> None:
    answers, status, stderr = child(line + b"\n" + json.dumps(GOOD).encode() + b"\n")
    assert (answers, status) == ([], 2)
    assert stderr.startswith("no job: ")
    assert stderr.count("\n") == 1


def test_nobody_else_writes_to_stdout(tmp_path: Path) -> None:
    noise = """
import os, jsonschema
real = jsonschema.Draft202012Validator.check_schema
def noisy(*arguments, **more):
    print("hello"); os.write(1, b"hello"); os.system("echo hello")
    return real(*arguments, **more)
jsonschema.Draft202012Validator.check_schema = noisy
"""
    (tmp_path / "policies.json").write_bytes(REPAIRED)
    answers, status, stderr = child([job("check", tmp_path)] * 2, before=noise)
    assert ([answer["state"] for answer in answers], status) == (["valid"] * 2, 0)
    assert stderr.count("hello") == 6


def test_a_mistake_of_ours_costs_one_answer(tmp_path: Path) -> None:
    bug = """
from supervisor_healer.fixers import __main__ as main
def bug(job): raise KeyError("x\\ny")
main.VERBS["repair"] = bug
"""
    answers, status, _ = child([job("repair", tmp_path), job("check", tmp_path)], before=bug)
    assert [answer["outcome"] for answer in answers] == ["failed", ""]
    assert answers[0]["said"] == ["a bug in the healer, please report it: KeyError: 'x\\ny'"]
    assert status == 0


def test_a_listener_that_is_gone_is_no_traceback(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        _, stderr = process.communicate(json.dumps(job("check", tmp_path)).encode() + b"\n", timeout=60)
        assert (process.returncode, stderr) == (0, b"")


def test_it_starts_without_the_libraries_that_only_some_jobs_need() -> None:
    code = "import sys, supervisor_healer.fixers.__main__; print([n for n in sys.modules if n.split('.')[0] in HEAVY])"
    heavy = "HEAVY = {'jsonschema', 'referencing', 'ruamel', 'tomlkit', 'yaml', 'supervisor', 'psutil', 'subprocess'}"
    found = subprocess.run([sys.executable, "-c", f"{heavy}\n{code}"], capture_output=True, check=True, text=True)
    assert found.stdout == "[]\n"
