"""A kill at each step: a reader finds the old file or the new one, whole, and the next healer finishes the work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import killing
from fixing import BACKUP, BROKEN, REPAIRED, job

OLD, NEW = BROKEN.decode(), REPAIRED.decode()
BACKED_UP = {"policies.json": NEW, "policies.json.20260101T000000Z.bak": OLD}


def kills(
    verb: str, root: Path, files: dict[str, str], path: str = "policies.json", **more: Any
) -> list[dict[str, Any]]:
    """What was found after each kill; the last row of each half is of a job that got through."""
    root.mkdir()
    command = [sys.executable, killing.__file__, json.dumps(job(verb, root, path, **more)), json.dumps(files)]
    found = subprocess.run(command, capture_output=True, check=True, timeout=100, text=True)
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert len(rows) > 10
    assert sum(not row["killed"] for row in rows) == 2
    return rows


def hidden(files: dict[str, str]) -> list[str]:
    return [name for name in files if name.startswith(".") or "/." in name]


def test_a_repair_killed_at_each_step(tmp_path: Path) -> None:
    rows = kills("repair", tmp_path / "root", {"policies.json": OLD})
    for row in rows:
        for files in (row["found"], row["finally"]):
            assert files["policies.json"] in (OLD, NEW), row
            saved = [text for name, text in files.items() if BACKUP.fullmatch(name)]
            assert set(saved) <= {OLD}, row
            assert files["policies.json"] == OLD or saved, row
        assert row["answer"]["outcome"] == ("unneeded" if row["found"]["policies.json"] == NEW else "done")
        assert row["finally"]["policies.json"] == NEW
        if row["answer"]["outcome"] == "done":
            assert hidden(row["finally"]) == []
    assert {row["found"]["policies.json"] for row in rows if row["killed"]} == {OLD, NEW}


def test_a_restore_killed_at_each_step(tmp_path: Path) -> None:
    rows = kills("restore", tmp_path / "root", BACKED_UP)
    for row in rows:
        for files in (row["found"], row["finally"]):
            assert files["policies.json"] in (OLD, NEW), row
            saved = {text for name, text in files.items() if BACKUP.fullmatch(name)}
            assert saved <= {OLD, NEW}, row
            assert {files["policies.json"], *saved} == {OLD, NEW}, row  # nothing is lost
        assert hidden(row["finally"]) == []


def test_a_restore_of_a_missing_config_killed_at_each_step(tmp_path: Path) -> None:
    backup = {name: text for name, text in BACKED_UP.items() if name != "policies.json"}
    for row in kills("restore", tmp_path / "root", backup):
        assert row["found"].get("policies.json") in (None, OLD), row
        assert row["finally"]["policies.json"] == OLD
        assert hidden(row["finally"]) == []


def test_a_creation_killed_at_each_step(tmp_path: Path) -> None:
    rows = kills("create", tmp_path / "root", {}, "a/b/x.json", text=NEW, mtime_ns=10**18, mode=0o640)
    for row in rows:
        assert row["found"].get("a/b/x.json") in (None, NEW), row
        assert row["answer"]["outcome"] in ("done", "unneeded")
        assert row["finally"]["a/b/x.json"] == NEW


def test_a_config_made_of_defaults_killed_at_each_step(tmp_path: Path) -> None:
    made = '{\n  "long_ofi_requirement": 0.5,\n  "short_ofi_requirement": 0.5\n}\n'
    for row in kills("repair", tmp_path / "root", {}, "a/policies.json", create=True):
        assert row["found"].get("a/policies.json") in (None, made), row
        assert row["finally"]["a/policies.json"] == made
        assert row["answer"]["state"] == "valid"
