"""The architecture's workers against the programs that supervisord would run."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterator, Mapping

from supervisor_healer.architecture.configuration import Configuration
from supervisor_healer.architecture.listener_conf import healers
from supervisor_healer.core.model import Architecture, WorkerSpec
from supervisor_healer.core.pipeline import expand, find_cycle
from supervisor_healer.errors import Problem
from supervisor_healer.words import clean

_MOST_NAMES = 8
_MOST_HINTS = 50  # each looks through every process


def check_programs(found: Configuration, architecture: Architecture) -> Iterator[Problem]:
    """Workers whose program is not there, or that collide once there is one for each process."""
    listeners = {section.name.partition(":")[2].strip() for section in healers(found)}
    known: list[WorkerSpec] = []
    unknown = 0
    for worker in architecture.workers:
        group, colon, name = worker.program.partition(":")
        members = found.processes.get(group)
        if group in listeners:
            yield _at(architecture, worker, "program", "this is the healer itself", "a program that it watches")
        elif members is None or (colon and members and name not in members):
            unknown += 1
            yield _no_program(found, architecture, worker, is_hinted=unknown <= _MOST_HINTS)
        else:
            known.append(worker)
    if found.is_exact:
        yield from _check_expansion(found.processes, architecture, known)


def _no_program(found: Configuration, architecture: Architecture, worker: WorkerSpec, *, is_hinted: bool) -> Problem:
    hint, expected = _hint(found.processes, worker.program) if is_hinted else ("", "")
    what = f"supervisord would run no program {clean(worker.program)!r}{hint}"
    return _at(architecture, worker, "program", what, clean(expected or "a [program:...] of that name"))


def _hint(processes: Mapping[str, tuple[str, ...]], program: str) -> tuple[str, str]:
    """A hint at what was meant by a program that is not there, and the names that would do."""
    group, colon, name = program.partition(":")
    if colon and group in processes:
        return "", f"one of {_some([f'{group}:{member}' for member in processes[group]])}"
    wanted = name or group
    addresses = [(member, f"{one}:{member}") for one, members in processes.items() for member in members]
    if inside := [address for member, address in addresses if member == wanted]:
        return (" (programs of a group are called GROUP:NAME)" if not colon else ""), _some(inside)
    if numbered := [address for member, address in addresses if member.startswith(f"{wanted}_")]:
        return f"; it runs as {_some(numbered)}", "GROUP:NAME, or the group for all its processes"
    close = difflib.get_close_matches(program, processes, n=1)
    if close:
        return f", did you mean {close[0]!r}?", ""
    return "", f"one of {_some(list(processes))}" if processes else ""


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _check_expansion(
    processes: Mapping[str, tuple[str, ...]], architecture: Architecture, workers: list[WorkerSpec]
) -> Iterator[Problem]:
    expansion = expand(workers, architecture.files, processes)
    entries = {worker.name: worker for worker in workers}

    def entry(name: str) -> WorkerSpec:
        """The entry that the worker of one process comes from; a process name holds no colon."""
        return entries.get(name) or entries[name.rpartition(":")[0]]

    by_address: dict[str, list[WorkerSpec]] = defaultdict(list)
    by_name: dict[str, list[WorkerSpec]] = defaultdict(list)
    for worker in expansion.workers:
        by_address[worker.program].append(worker)
        by_name[worker.name].append(worker)
    doubled = {worker.name for several in by_address.values() if len(several) > 1 for worker in several}
    reported: set[str] = set()
    for name, text in expansion.problems.items():
        if text not in reported and name not in doubled:
            reported.add(text)
            yield _at(architecture, entry(name), "outputs", clean(text))
    for address, several in by_address.items():
        if len(several) > 1:
            names = " and ".join(worker.name for worker in several)
            what = f"the process {clean(address)} is watched as {clean(names)}"
            yield _at(architecture, entry(several[-1].name), "program", what, "one worker for a process")
    for name, several in by_name.items():
        if len(several) > 1:
            what = f"two workers would be called {clean(name)}, one of them for a process of a group"
            yield _at(architecture, entries[name], "", what, "another name")
    trail = find_cycle(expansion.workers)
    if trail:
        what = f"workers wait for each other: {clean(' -> '.join(trail))}"
        yield _at(architecture, entry(trail[0]), "", what, "files that flow one way")


def _at(architecture: Architecture, worker: WorkerSpec, key: str, what: str, expected: str = "") -> Problem:
    field = f"workers.{worker.name}"
    path, line = architecture.places.get(field, (architecture.source, 0))
    return Problem(path, line, f"{field}.{key}" if key else field, what, expected)
