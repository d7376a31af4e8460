"""The worker of this benchmark: `worker.py run|start|stop FOLDER NAME`.

`run` writes `FOLDER/NAME.out` some time after the file that `FOLDER/NAME.reads` names has moved. `start` and `stop`
are what Monit is given as its start and stop programs; each adds a line to `FOLDER/deeds`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PAUSE = 0.1  # seconds between two looks at the input
WORK = 1.5  # seconds from an input's move to the output


def run(folder: Path, name: str) -> None:
    """Work for ever."""
    source = folder / (folder / f"{name}.reads").read_text()
    seen = 0
    while True:
        moved = source.stat().st_mtime_ns
        if moved != seen:
            time.sleep(WORK)
            (folder / f"{name}.out").write_text(str(moved))
            seen = moved
        time.sleep(PAUSE)


def start(folder: Path, name: str) -> None:
    """A new process, in a session of its own; a second one no more than `supervisorctl start` would."""
    if _is_running(folder, name):
        return
    command = [sys.executable, "-SE", __file__, "run", str(folder), name]
    child = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL)
    (folder / f"{name}.pid").write_text(str(child.pid))
    _note(folder, name, "start")


def _is_running(folder: Path, name: str) -> bool:
    try:
        stat = Path(f"/proc/{(folder / f'{name}.pid').read_text()}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def stop(folder: Path, name: str) -> None:
    """Its process is killed, frozen or not."""
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        os.kill(int((folder / f"{name}.pid").read_text()), signal.SIGKILL)
    _note(folder, name, "stop")


def _note(folder: Path, name: str, deed: str) -> None:
    with (folder / "deeds").open("a") as deeds:
        deeds.write(f"{time.time():.3f} {name} {deed}\n")


if __name__ == "__main__":
    {"run": run, "start": start, "stop": stop}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
