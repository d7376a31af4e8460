"""Jobs for the repairing child, done in this process or in one of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from supervisor_healer.fixers.__main__ import done
from supervisor_healer.fixers.jobs import Answer, Job

IS_ROOT = os.geteuid() == 0
NOBODY = 65534  # an unprivileged user

POLICIES: dict[str, Any] = {
    "type": "object",
    "required": ["long_ofi_requirement", "short_ofi_requirement"],
    "properties": {
        "long_ofi_requirement": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
        "short_ofi_requirement": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
    },
}
BROKEN = b'{\n  "version": 3,\n  "short_ofi_requirement": 0.25\n}\n'
REPAIRED = b'{\n  "version": 3,\n  "short_ofi_requirement": 0.25,\n  "long_ofi_requirement": 0.5\n}\n'
BACKUP = re.compile(r"(?P<name>.*)\.(?P<moment>\d{8}T\d{6}Z)(\.(?P<number>\d+))?\.bak")


def job(verb: str, root: Path, path: str = "policies.json", **more: Any) -> Job:
    """A job with the rules of the demonstration's policies."""
    base: dict[str, Any] = {
        "verb": verb, "root": str(root), "path": path, "format": path.rpartition(".")[2], "schema": POLICIES,
        "create": False, "repair_values": False, "keep": 10, "mode": None, "owner": "", "digest": "", "text": "",
        "copy_of": "", "mtime_ns": 0,
    }  # fmt: skip
    if verb == "create":
        base |= {"format": "", "schema": {}}
    return cast(Job, base | more)


def do(verb: str, root: Path, path: str = "policies.json", **more: Any) -> Answer:
    """The answer to such a job; what the healer has made a mistake in is an error of the test."""
    answer = done(job(verb, root, path, **more))
    assert not any("a bug in the healer" in line for line in answer["said"] + answer["problems"]), answer
    return answer


def child(jobs: list[Job] | bytes, before: str = "", **more: Any) -> tuple[list[Answer], int, str]:
    """What a child of its own answers; `before` is Python that runs in it first."""
    lines = jobs if isinstance(jobs, bytes) else b"".join(json.dumps(one).encode() + b"\n" for one in jobs)
    main = "import sys; from supervisor_healer.fixers.__main__ import main; sys.exit(main())"
    found = subprocess.run(
        [sys.executable, "-c", f"{before}\n{main}"], input=lines, capture_output=True, check=False, timeout=100, **more
    )
    return [json.loads(line) for line in found.stdout.splitlines()], found.returncode, found.stderr.decode()


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def backups(folder: Path, name: str = "policies.json") -> list[Path]:
    """The backups of `name` as a person would find them, the newest last."""
    matches = [(entry, match) for entry in folder.iterdir() if (match := BACKUP.fullmatch(entry.name))]
    found = [(match["moment"], int(match["number"] or 0), entry) for entry, match in matches if match["name"] == name]
    return [entry for *_, entry in sorted(found)]


@contextmanager
def small_tmpfs(at: Path, size: str = "64k") -> Iterator[Path]:
    """A file system of its own that is soon full; for root only."""
    at.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "none", str(at)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)
