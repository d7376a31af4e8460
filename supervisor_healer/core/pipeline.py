"""The graph: which worker writes what another one reads, and the order that follows from it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from supervisor_healer.core.model import ConfigSpec, ConsumerSpec, FileSpec, WorkerSpec
from supervisor_healer.core.reach import Reach

_PLACEHOLDER = re.compile(r"%\((process_name|process_num)\)(0?[0-9]*)([sd])")
_NUMBERS = re.compile(r"[0-9]+")


def is_pattern(path: str) -> bool:
    """Whether `path` is a glob."""
    return any(mark in path for mark in "*?[")


class Producers:
    """Who writes a path: by the same text, or by a glob on either side that matches the other's.

    As for the file system, a wildcard does not match a slash; literal paths are found by their folder.
    """

    def __init__(self, workers: Iterable[WorkerSpec]) -> None:
        self._by_path: dict[str, list[str]] = defaultdict(list)
        for worker in workers:
            for path in worker.outputs:
                self._by_path[path].append(worker.name)
        self._patterns: dict[int, list[str]] = defaultdict(list)
        self._in_folder: dict[str, list[str]] = defaultdict(list)
        for path in self._by_path:
            if is_pattern(path):
                self._patterns[path.count("/")].append(path)
            else:
                self._in_folder[_folder(path)].append(path)

    def of(self, path: str) -> tuple[str, ...]:
        """Names of the workers that write `path`, each once, in the order of the architecture."""
        matching = [path] if path in self._by_path else []
        if not is_pattern(path):
            matching += [pattern for pattern in self._patterns[path.count("/")] if _matches(path, pattern)]
        elif is_pattern(_folder(path)):
            matching += [other for others in self._in_folder.values() for other in others if _matches(other, path)]
        else:
            matching += [other for other in self._in_folder.get(_folder(path), ()) if _matches(other, path)]
        return tuple(dict.fromkeys(name for other in matching for name in self._by_path[other]))


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _matches(path: str, pattern: str) -> bool:
    parts, wanted = path.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def producers(path: str, workers: Sequence[WorkerSpec]) -> tuple[str, ...]:
    """Names of the `workers` that write `path` (for many paths make one `Producers`)."""
    return Producers(workers).of(path)


def find_cycle(workers: Sequence[WorkerSpec]) -> tuple[str, ...]:
    """The trail of a cycle, workers and files in turn along the data flow and closed, or () if there is none.

    >>> from supervisor_healer.core.model import InputSpec
    >>> find_cycle([WorkerSpec("a", "a", inputs=(InputSpec("y"),), outputs=("x",)),
    ...             WorkerSpec("b", "b", inputs=(InputSpec("x"),), outputs=("y",))])
    ('a', 'x', 'b', 'y', 'a')
    """
    written_by = Producers(workers)
    through: dict[tuple[str, str], str] = {}
    graph: dict[str, list[str]] = {}
    for worker in workers:
        graph[worker.name] = []
        for item in worker.inputs:
            for upstream in written_by.of(item.path):
                graph[worker.name].append(upstream)
                through.setdefault((upstream, worker.name), item.path)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        names: list[str] = error.args[1]
        start = min(range(len(names) - 1), key=lambda at: names[at])
        names = names[start:-1] + names[: start + 1]
        trail = [names[0]]
        for upstream, reader in pairwise(names):
            trail += [through[upstream, reader], reader]
        return tuple(trail)
    return ()


@dataclass(frozen=True, slots=True)
class Expansion:
    """The architecture's entries as one worker a process. `problems`: worker name -> why it cannot be judged."""

    workers: tuple[WorkerSpec, ...]
    files: Mapping[str, FileSpec]
    problems: Mapping[str, str]


def expand(
    workers: Sequence[WorkerSpec], files: Mapping[str, FileSpec], processes: Mapping[str, Sequence[str]]
) -> Expansion:
    """One worker for each process that an entry stands for; `processes` maps a group to its process names.

    An entry for a single process keeps its key as its name. One for a group, or a program with numprocs, gives
    a worker ``key:process_name`` for each process, its paths filled in. An entry that no process fits stays, with
    a problem: it may be added to supervisord later.
    """
    result: list[WorkerSpec] = []
    all_files = dict(files)
    problems: dict[str, str] = {}
    for spec in workers:
        group, colon, name = spec.program.partition(":")
        members = processes.get(group, ())
        fitting = [member for member in members if not colon or member == name]
        if not fitting:
            result.append(spec)
            problems[spec.name] = _no_program(spec.program, processes)
        for process in fitting:
            alone = bool(colon) or fitting == [group]
            fill = _filler(process, 0 if alone and not colon else _number(process, members))
            result.append(_filled(spec, spec.name if alone else f"{spec.name}:{process}", f"{group}:{process}", fill))
            for path in (*spec.outputs, *(item.path for item in spec.inputs)):
                if path in files:
                    all_files.setdefault(fill(path), replace(files[path], path=fill(path)))
    problems.update(_collisions(result, all_files))
    problems.update(_shared_processes([spec for spec in result if spec.name not in problems]))
    return Expansion(tuple(result), all_files, problems)


def _number(process: str, members: Sequence[str]) -> int:
    """The process_num in a process's name: the number by which the members of its group differ, else its last one.

    supervisord keeps no process_num, but makes every name with it. ``0_node7`` and ``1_node7`` are 0 and 1.
    """
    numbers = [_NUMBERS.findall(name) for name in members]
    own = _NUMBERS.findall(process)
    if len({len(found) for found in numbers}) == 1:
        for place in reversed(range(len(own))):
            if len({int(found[place]) for found in numbers}) == len(numbers):
                return int(own[place])
    return int(own[-1]) if own else 0


def _filler(process: str, number: int) -> Callable[[str], str]:
    values = {"process_name": process, "process_num": number}

    def fill(path: str) -> str:
        def one(match: re.Match[str]) -> str:
            value = values[match[1]]
            return ("%" + match[2] + (match[3] if isinstance(value, int) else "s")) % value

        return _PLACEHOLDER.sub(one, path)

    return fill


def _filled(spec: WorkerSpec, name: str, address: str, fill: Callable[[str], str]) -> WorkerSpec:
    return replace(
        spec,
        name=name,
        program=address,
        inputs=tuple(replace(item, path=fill(item.path)) for item in spec.inputs),
        outputs=tuple(fill(path) for path in spec.outputs),
        trigger=None if spec.trigger is None else tuple(fill(path) for path in spec.trigger),
    )


def _no_program(program: str, processes: Mapping[str, Sequence[str]]) -> str:
    inside = [f"{group}:{program}" for group, members in processes.items() if program in members]
    hint = f"; did you mean {inside[0]}?" if inside else ""
    return f"supervisord has no program {program}{hint}"


def _shared_processes(workers: Sequence[WorkerSpec]) -> dict[str, str]:
    """Two workers on one process would each have a budget for it."""
    owners: dict[str, list[str]] = defaultdict(list)
    for worker in workers:
        owners[worker.program].append(worker.name)
    return {
        name: f"process {program} belongs to {' and '.join(names)}: give each worker its own program"
        for program, names in owners.items()
        if len(names) > 1
        for name in names
    }


def _collisions(workers: Sequence[WorkerSpec], files: Mapping[str, FileSpec]) -> dict[str, str]:
    writers: dict[str, list[str]] = defaultdict(list)
    for worker in workers:
        for path in worker.outputs:
            writers[path].append(worker.name)
    return {
        name: f"{path} is written by {', '.join(names)}: give each its own path, or say `shared: true`"
        for path, names in writers.items()
        if len(names) > 1 and not files.get(path, FileSpec(path)).shared
        for name in names
    }


class Pipeline:
    """The expanded architecture as a graph. Immutable; a changed process table or architecture makes a new one.

    `rank` orders the workers along the data flow (an upstream worker has the smaller rank); `outside` are the files
    that no worker here writes, and `apart` those that none reads or writes. `readers` of a path are workers,
    `consumers` are readers that supervisord does not run, and `consumed` says which of them read a path.
    """

    def __init__(
        self,
        expansion: Expansion,
        *,
        root: str = "",
        consumers: Iterable[ConsumerSpec] = (),
        configs: Mapping[str, ConfigSpec] | None = None,
    ) -> None:
        self.root = root
        self.problems = dict(expansion.problems)
        self.workers: dict[str, WorkerSpec] = {spec.name: spec for spec in expansion.workers}
        written_by = Producers(expansion.workers)
        self.files: dict[str, FileSpec] = {}
        self.producers: dict[str, tuple[str, ...]] = {}
        self.upstream: dict[str, tuple[str, ...]] = {}
        downstream: dict[str, list[str]] = {name: [] for name in self.workers}
        readers: dict[str, list[str]] = defaultdict(list)
        for spec in expansion.workers:
            sources: list[str] = []
            for path in (*spec.outputs, *(item.path for item in spec.inputs)):
                if path not in self.files:
                    self.files[path] = expansion.files.get(path, FileSpec(path))
                    self.producers[path] = written_by.of(path)
            for item in spec.inputs:
                readers[item.path].append(spec.name)
                sources += self.producers[item.path]
            self.upstream[spec.name] = tuple(dict.fromkeys(name for name in sources if name != spec.name))
            for name in self.upstream[spec.name]:
                downstream[name].append(spec.name)
        self.consumers = {spec.name: spec for spec in consumers}
        self.configs = dict(configs or {})
        consumed: dict[str, list[str]] = defaultdict(list)
        for consumer in self.consumers.values():
            for item in consumer.inputs:
                consumed[item.path].append(consumer.name)
        self.consumed = {path: tuple(names) for path, names in consumed.items()}
        self.apart: list[str] = []
        for path in (*self.consumed, *self.configs, *expansion.files):
            if path not in self.files and not (path in expansion.files and _PLACEHOLDER.search(path)):
                self.files[path] = expansion.files.get(path, FileSpec(path))
                self.producers[path] = written_by.of(path)
                self.apart.append(path)
        self.downstream = {name: tuple(names) for name, names in downstream.items()}
        self.readers = {path: tuple(names) for path, names in readers.items()}
        self.outside = tuple(path for path, names in self.producers.items() if not names)
        self.rank = self._ranks()
        self._relatives: dict[str, frozenset[str]] = {}

    def _ranks(self) -> dict[str, int]:
        """Rank along the data flow; workers of a cycle (numprocs may close one at run time) come last, as problems."""
        try:
            return {name: rank for rank, name in enumerate(TopologicalSorter(self.upstream).static_order())}
        except CycleError as error:
            trail = " -> ".join(reversed(error.args[1]))
            for name in error.args[1]:
                self.problems.setdefault(name, f"its inputs and outputs form a cycle: {trail}")
            return {name: rank for rank, name in enumerate(self.workers)}

    @cached_property
    def reach(self) -> Reach:
        """Who is downstream of each worker, consumers too."""
        sources = {
            name: [source for item in spec.inputs for source in self.producers[item.path]]
            for name, spec in self.consumers.items()
        }
        return Reach(sorted(self.workers, key=self.rank.__getitem__), self.downstream, sources)

    def named(self, entry: str) -> list[str]:
        """The workers that an entry under `workers` stands for."""
        return [name for name in self.workers if name == entry or name.startswith(f"{entry}:")]

    def relatives(self, name: str) -> frozenset[str]:
        """Every worker up or down the stream from `name`: those that are never stopped or started with it."""
        if name not in self._relatives:
            found = self._closure(name, self.upstream) | self._closure(name, self.downstream)
            self._relatives[name] = frozenset(found - {name})
        return self._relatives[name]

    def ancestors(self, name: str) -> set[str]:
        """Every worker upstream of `name`."""
        return self._closure(name, self.upstream) - {name}

    @staticmethod
    def _closure(name: str, edges: Mapping[str, tuple[str, ...]]) -> set[str]:
        found: set[str] = set()
        open_ends = [name]
        while open_ends:
            for other in edges[open_ends.pop()]:
                if other not in found:
                    found.add(other)
                    open_ends.append(other)
        return found
