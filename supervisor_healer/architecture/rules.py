"""What must hold between the entries of an architecture: one producer a file, no cycles, checks that can fire."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from supervisor_healer.architecture import own_files
from supervisor_healer.architecture.config_schema import is_mended
from supervisor_healer.architecture.draft import DEFAULT_CYCLE, Draft
from supervisor_healer.architecture.paths import Patterns, same_file
from supervisor_healer.architecture.schema import suggestion
from supervisor_healer.architecture.sources import Entry, Sources
from supervisor_healer.core.model import FileSpec, WorkerSpec
from supervisor_healer.core.pipeline import find_cycle, is_pattern
from supervisor_healer.words import clean, duration

_MAX_CYCLES = 10
_FORBIDDEN_IN_NAMES = "*\"'\\"


def check(sources: Sources, draft: Draft, main: Entry, written: Mapping[str, str]) -> None:
    """Report to `sources` everything that the entries of `draft` cannot mean together.

    `written` are the files that the healer writes for itself: absolute paths by their keys, `state` and `results`.
    """
    if not sources.entries["workers"] and not sources.is_bad("workers"):
        name = "workers" if "workers" in main.value else ""
        sources.error(main, name, "there are no workers", "`workers: {NAME: {inputs: [...], outputs: [...]}}`")
    _check_names(sources)
    _check_components(sources, draft)
    own_files.check(sources, draft, written)
    _check_programs(sources, draft)
    looping = _check_own_inputs(sources, draft)
    _check_producers(sources, draft)
    _check_configs(sources, draft)
    _check_cycles(sources, [_without(worker, looping[worker.name]) for worker in draft.workers])
    for worker in draft.workers:
        _check_trigger(sources, draft, worker)


def _check_names(sources: Sources) -> None:
    workers, consumers = sources.entries["workers"], sources.entries["consumers"]
    components = sources.entries["component_healers"]
    for entry in (*workers.values(), *consumers.values(), *components.values()):
        name = entry.name
        if not name or name != clean(name) or any(char.isspace() or char in _FORBIDDEN_IN_NAMES for char in name):
            what = f"the name {name!r} cannot be given on a supervisorctl command line"
            sources.error(entry, entry.field, what, "a name without spaces, quotes, * and control characters")
        elif name == "all" or name.startswith("-"):
            what = "`all` stands for every worker" if name == "all" else "a name with - in front reads as an option"
            is_worker = entry is workers.get(name)
            expected = "another name; `program:` holds the one in supervisord" if is_worker else "another name"
            sources.error(entry, entry.field, what, expected)
    _check_clashes(sources, workers, consumers, "worker")
    _check_clashes(sources, workers, components, "worker")
    _check_clashes(sources, consumers, components, "consumer")


def _check_clashes(sources: Sources, firsts: Mapping[str, Entry], others: Mapping[str, Entry], kind: str) -> None:
    for name, entry in others.items():
        if name in firsts:
            what = f"a {kind} has the same name, {firsts[name].place}"
            sources.error(entry, entry.field, what, "another name")


def _check_components(sources: Sources, draft: Draft) -> None:
    cycle = draft.setting("cycle") or DEFAULT_CYCLE
    for spec in draft.components:
        entry = sources.entries["component_healers"][spec.name]
        if spec.timeout > cycle:
            what = f"it may take {duration(spec.timeout)}, longer than a cycle ({duration(cycle)})"
            name = f"{entry.field}.timeout" if "timeout" in entry.value else entry.field
            sources.warning(entry, name, what, "a shorter `timeout`, or a longer `cycle`")


def _check_configs(sources: Sources, draft: Draft) -> None:
    """A repair and a worker that writes the same file would fight; so would a signal and a restart."""
    for path, spec in draft.configs.items():
        entry = draft.config_entries[path]
        for name in spec.signalled:
            if name in spec.restarted:
                at = spec.signalled.index(name)
                what = f"{name} is restarted as well"
                sources.error(entry, f"{entry.field}.reload.workers[{at}]", what, "either `reload` or `restart`")
    written = {path for path, spec in draft.configs.items() if is_mended(spec)}
    for worker in draft.workers:
        entry = sources.entries["workers"][worker.name]
        for output in worker.outputs:
            for path in written if is_pattern(output) else written & {output}:
                if same_file(output, path):
                    what = f"{path} is also repaired under `configs`: the worker and the healer may undo each other"
                    name = draft.field(entry, "outputs", output)
                    sources.warning(entry, name, what, "one writer, or a `schema` without defaults")


def _check_programs(sources: Sources, draft: Draft) -> None:
    taken: dict[str, WorkerSpec] = {}
    for worker in draft.workers:
        group, _, name = worker.program.partition(":")
        first = taken.setdefault(group if name == group else worker.program, worker)  # `p:p` is `p`
        if first is not worker:
            entry = sources.entries["workers"][worker.name]
            what = f"the program {worker.program} already belongs to the worker {first.name}"
            sources.error(entry, f"{entry.field}.program", what, "one worker for a program")


def _check_own_inputs(sources: Sources, draft: Draft) -> dict[str, set[str]]:
    """The inputs of each worker that it writes itself, reported."""
    looping: dict[str, set[str]] = defaultdict(set)
    for worker in draft.workers:
        for item in worker.inputs:
            if any(same_file(item.path, output) for output in worker.outputs):
                looping[worker.name].add(item.path)
                what = f"the worker writes its own input {item.path}"
                entry = sources.entries["workers"][worker.name]
                sources.error(entry, draft.field(entry, "inputs", item.path), what, "an input that others write")
    return looping


def _check_producers(sources: Sources, draft: Draft) -> None:
    writers: dict[str, list[str]] = defaultdict(list)
    for worker in draft.workers:
        for path in worker.outputs:
            writers[path].append(worker.name)
    patterns = Patterns(writers)
    for path, names in writers.items():
        first, *others = names
        claims = [(name, path) for name in others]
        if not is_pattern(path):
            claims += [(name, glob) for glob in patterns.matching(path) for name in writers[glob] if name != first]
        if draft.files[path].shared:
            continue
        for name, claimed in claims:
            entry = sources.entries["workers"][name]
            what = f"{path} is already written by {first}, {sources.entries['workers'][first].place}"
            sources.error(entry, draft.field(entry, "outputs", claimed), what, "one producer, or `shared: true`")


def _check_cycles(sources: Sources, workers: list[WorkerSpec]) -> None:
    for _ in range(_MAX_CYCLES):
        trail = find_cycle(workers)
        if not trail:
            return
        entry = sources.entries["workers"][trail[0]]
        what = f"workers wait for each other: {' -> '.join(trail)}"
        sources.error(entry, entry.field, what, "files that flow one way")
        # open this cycle where it closes, to find the next one
        reader, closing = trail[-1], trail[-2]
        workers = [_without(worker, {closing}) if worker.name == reader else worker for worker in workers]


def _check_trigger(sources: Sources, draft: Draft, worker: WorkerSpec) -> None:
    entry = sources.entries["workers"][worker.name]
    inputs = {item.path for item in worker.inputs}
    triggers = inputs if worker.trigger is None else set(worker.trigger)
    if worker.trigger is not None and not sources.is_bad(f"{entry.field}.inputs"):
        for path in worker.trigger:
            name = draft.field(entry, "trigger", path)
            if path not in inputs:
                sources.error(entry, name, f"{path} is not an input" + suggestion(path, inputs), "one of the inputs")
            elif draft.files[path].max_age is None and path in draft.configs:
                what = f"{path} has no max_age: it never makes work pending"
                sources.error(entry, name, what, "an input with a max_age")
    limits = [draft.files[path] for path in worker.outputs if draft.files[path].max_age is not None]
    if not limits:
        return
    shortest = min(limits, key=lambda file: file.limit)
    for item in worker.inputs:
        max_age = draft.files[item.path].max_age
        if item.path in triggers and max_age is not None and max_age > shortest.limit:
            _warn_of_slow_trigger(sources, draft.field(entry, "inputs", item.path), entry, max_age, shortest)


def _warn_of_slow_trigger(sources: Sources, name: str, entry: Entry, max_age: float, output: FileSpec) -> None:
    what = (
        f"this input may rest for {duration(max_age)}, longer than {output.path} may ({duration(output.limit)} with"
        " grace): while it rests the worker is idle, and a hang is seen only once the input has moved again"
    )
    sources.warning(entry, name, what, "a `trigger:` without it, or a larger max_age of the output")


def _without(worker: WorkerSpec, paths: Iterable[str]) -> WorkerSpec:
    """`worker` without these inputs."""
    dropped = set(paths)
    if not dropped:
        return worker
    return replace(worker, inputs=tuple(item for item in worker.inputs if item.path not in dropped))
