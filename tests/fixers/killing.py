"""Kills a job at each of its steps on the disk, and says what a reader finds there afterwards.

Run as ``python killing.py JOB FILES``, both JSON: a job, and the files that stand in its root at its beginning. For
n = 1, 2, ... the job is done in a process that kills itself before, or half-way through, its n-th call of a function
that changes something on a disk, until one gets through. A line of JSON for each: the call, the files found then, and
the answer and files after the job was done once more.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from supervisor_healer.fixers import schema  # noqa: F401 -- imported once, not in each process
from supervisor_healer.fixers.__main__ import done

CALLS = (
    "write", "fsync", "rename", "replace", "link", "unlink", "mkdir", "rmdir", "fchmod", "fchown", "chown", "utime",
    "setxattr",
)  # fmt: skip


def die_at(number: int, halfway: bool) -> None:
    """Patch `os` in this process, so that it dies at the call of this `number`, counted over all CALLS."""
    count = 0

    def patched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                if halfway and name == "write":
                    real(arguments[0], arguments[1][: len(arguments[1]) // 2])
                elif halfway:
                    real(*arguments, **more)
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **more)

        return call

    for name in CALLS:
        setattr(os, name, patched(name, getattr(os, name)))


def found(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text("utf-8") for path in sorted(folder.rglob("*")) if path.is_file()
    }


def main() -> None:
    job, files = json.loads(sys.argv[1]), json.loads(sys.argv[2])
    root = Path(job["root"])
    for halfway in (False, True):
        number, status = 0, 1
        while status != 0:
            number += 1
            shutil.rmtree(root)
            root.mkdir()
            for name, content in files.items():
                (root / name).write_text(content, "utf-8")
            pid = os.fork()
            if pid == 0:
                die_at(number, halfway)
                done(job)
                os._exit(0)
            status = os.waitpid(pid, 0)[1]
            after_death = found(root)
            answer = done(job)
            row = {"at": number, "halfway": halfway, "killed": status != 0, "found": after_death, "answer": answer}
            print(json.dumps({**row, "finally": found(root)}), flush=True)


if __name__ == "__main__":
    main()
