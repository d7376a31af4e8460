"""pip-audit for `make lint`: fails on what it finds, and says in a line where nobody can be asked."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

COMMAND = ("-m", "pip_audit", "--format", "json", "--progress-spinner", "off", "--skip-editable", "--timeout", "5")
PATIENCE = 120  # seconds for all of it
UNREACHED = ("connect", "timed out", "resolve")  # what it says then


def verdict(output: str, errors: str) -> tuple[int, list[str]]:
    """The exit status and the lines for what pip-audit has said on stdout and stderr."""
    try:
        dependencies: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = errors.strip().rpartition("\n")[2]
        if any(word in errors.lower() for word in UNREACHED):
            return 0, [f"pip-audit: not done, its service cannot be reached: {last}"]
        return 1, [f"pip-audit: it did not work: {last}"]
    bad = [
        f"pip-audit: {one['name']} {one['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or '-'}"
        for one in dependencies
        for found in one.get("vulns", [])
    ]
    if bad:
        return 1, bad
    asked = sum("vulns" in one for one in dependencies)
    if not asked:
        return 0, ["pip-audit: not done, its service knows none of our packages, as behind a mirror of PyPI"]
    return 0, [f"pip-audit: nothing is known against {asked} of {len(dependencies)} packages"]


def main() -> int:
    """Ask about what is installed beside this Python."""
    try:
        found = subprocess.run(
            [sys.executable, *COMMAND], capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        status, lines = verdict(found.stdout, found.stderr)
    except subprocess.TimeoutExpired:
        status, lines = 0, [f"pip-audit: not done, its service timed out after {PATIENCE} s"]
    print(*lines, sep="\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
