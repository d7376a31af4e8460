"""The ways in which Monit can be told what depends on what, as control files.

Worker wN reads fN-1 and writes fN; f0 comes from outside. In all of them Monit looks every second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

LIMIT = 5  # seconds that an output may be old
OUTSIDE_LIMIT = 3  # seconds that f0 may be old


@dataclass(frozen=True)
class Site:
    """Where a recipe is tried: a folder, the command that starts and stops its workers, and how many there are."""

    folder: Path
    worker: str
    monit: str
    workers: int

    def methods(self, name: str) -> str:
        """A worker's start and stop programs."""
        return "".join(
            f'  {verb} program = "{self.worker} {verb} {self.folder} {name}" with timeout 5 seconds\n'
            for verb in ("start", "stop")
        )

    def process(self, number: int, *lines: str) -> str:
        """The check of a worker's process."""
        name = f"w{number}"
        return _service(f"process {name} with pidfile {self.folder / name}.pid", self.methods(name), *lines)

    def file(self, number: int, *lines: str) -> str:
        """The check of a file."""
        path = self.folder / (f"w{number}.out" if number else "f0")
        return _service(f"file f{number} with path {path}", *lines)

    @property
    def numbers(self) -> range:
        """Those of the workers."""
        return range(1, self.workers + 1)


def _service(head: str, *lines: str) -> str:
    return "\n".join([f"check {head}", *(f"  {line.strip()}" for text in lines for line in text.splitlines()), ""])


def _old(limit: int, action: str) -> str:
    return f"if timestamp > {limit} seconds then {action}"


def _worker_depends(site: Site) -> Iterator[str]:
    yield site.file(0, _old(OUTSIDE_LIMIT, "alert"))
    for number in site.numbers:
        yield site.file(number, _old(LIMIT, "restart"))
        yield site.process(number, f"depends on f{number}")


def _output_owns(site: Site, outside: str = "alert") -> Iterator[str]:
    yield site.file(0, _old(OUTSIDE_LIMIT, outside))
    for number in site.numbers:
        methods, rule = site.methods(f"w{number}"), _old(LIMIT, "restart")
        yield site.file(number, methods, rule, f"depends on f{number - 1}")


def _exec_restart(site: Site) -> Iterator[str]:
    yield site.file(0, _old(OUTSIDE_LIMIT, "alert"))
    for number in site.numbers:
        restart = f'exec "/usr/bin/{site.monit} restart w{number}" repeat every {LIMIT} cycles'
        yield site.file(number, _old(LIMIT, restart), f"depends on f{number - 1}")
        yield site.process(number)


def _exec_restart_all(site: Site) -> Iterator[str]:
    yield site.file(0, _old(OUTSIDE_LIMIT, "alert"))
    for number in site.numbers:
        restart = f'exec "/usr/bin/{site.monit} restart w{number}" repeat every {LIMIT} cycles'
        yield site.file(number, _old(LIMIT, restart), "depends on " + ", ".join(f"f{up}" for up in range(number)))
        yield site.process(number)


def _worker_only(site: Site) -> Iterator[str]:
    yield site.file(0, _old(OUTSIDE_LIMIT, "alert"))
    for number in site.numbers:
        restart = f'exec "/usr/bin/{site.monit} restart w{number}" repeat every {LIMIT} cycles'
        yield site.file(number, _old(LIMIT, restart))
        yield site.process(number, f"depends on f{number - 1}")


#: Name -> the services of its control file.
RECIPES: dict[str, Callable[[Site], Iterator[str]]] = {
    "the worker depends on its output": _worker_depends,
    "the output owns start and stop and depends on the input": _output_owns,
    "the output depends on the input and executes `monit restart`": _exec_restart,
    "the output depends on all inputs up to the source and executes `monit restart`": _exec_restart_all,
    "only the worker depends on the input": _worker_only,
    "a stale input is unmonitored": lambda site: _output_owns(site, "unmonitor"),
    "a stale input is stopped": lambda site: _output_owns(site, "stop"),
}
