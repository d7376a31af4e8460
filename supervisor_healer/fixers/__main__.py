"""The repairing child: reads a job a line, answers a line each, ends with its input."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import IO

from supervisor_healer.fixers.creation import create
from supervisor_healer.fixers.jobs import Answer, Job
from supervisor_healer.fixers.repair import check, repair
from supervisor_healer.fixers.restore import restore
from supervisor_healer.words import clean

VERBS: dict[str, Callable[[Job], Answer]] = {"check": check, "repair": repair, "restore": restore, "create": create}
MOST_MEMORY = 2 << 30  # bytes of address space; a config of 10 MB takes at most half of it
FORMATS = ("", "json", "yaml", "toml")
_TYPES: dict[str, tuple[type, ...]] = {
    "verb": (str,), "root": (str,), "path": (str,), "format": (str,), "schema": (dict,), "create": (bool,),
    "repair_values": (bool,), "keep": (int,), "mode": (int, type(None)), "owner": (str,), "digest": (str,),
    "text": (str,), "copy_of": (str,), "mtime_ns": (int,),
}  # fmt: skip


def parse(line: bytes) -> Job:
    """A line as a job; ValueError where it is none."""
    job = json.loads(line)
    if not isinstance(job, dict) or job.keys() != _TYPES.keys():
        raise ValueError(f"a job has the keys {', '.join(_TYPES)}")
    for key, types in _TYPES.items():
        if not isinstance(job[key], types) or (isinstance(job[key], bool) and bool not in types):
            raise ValueError(f"{key} is {job[key]!r}")
    if job["verb"] not in VERBS or job["format"] not in FORMATS:
        raise ValueError(f"the verb is {job['verb']!r}, the format {job['format']!r}")
    if not os.path.isabs(job["root"]):
        raise ValueError(f"the root {job['root']!r} is not absolute")
    found: Job = job  # type: ignore[assignment] # its keys and types have just been looked at
    return found


def done(job: Job) -> Answer:
    """The answer to a job, also where we have made a mistake: one file must not stop the work on the others."""
    try:
        return VERBS[job["verb"]](job)
    except MemoryError:
        said = f"it takes more than {MOST_MEMORY >> 30} GB of memory"
    except Exception as error:
        said = clean(f"a bug in the healer, please report it: {type(error).__name__}: {error}")[:200]
    return Answer(
        verb=job["verb"], path=job["path"], state="unreadable", problems=[said], repairs=[], digest="",
        fingerprint=[], outcome="" if job["verb"] == "check" else "failed", said=[said], backup="",
    )  # fmt: skip


def limit_memory() -> None:
    """A small file can ask for any amount: by references that branch again and again, say. Not from the whole host."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY or soft > MOST_MEMORY:
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, hard))


def serve(jobs: IO[bytes], answers: IO[bytes]) -> int:
    """Answer every job of `jobs`; the exit status."""
    for line in iter(jobs.readline, b""):
        try:
            job = parse(line)
        except (ValueError, RecursionError) as error:
            print(clean(f"no job: {error}"), file=sys.stderr, flush=True)
            return 2
        answers.write(json.dumps(done(job)).encode() + b"\n")
        answers.flush()
    return 0


def main() -> int:
    """Serve on stdin and stdout, and keep everybody else away from stdout."""
    limit_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the listener ends our input
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        sys.stdout = sys.stderr
        try:
            return serve(sys.stdin.buffer, answers)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), answers.fileno())  # for the flush at closing
            return 0


if __name__ == "__main__":
    sys.exit(main())
