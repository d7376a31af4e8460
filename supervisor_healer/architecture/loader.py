"""From the architecture file to an `Architecture`, or to everything that is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from supervisor_healer.architecture import rules
from supervisor_healer.architecture.draft import DEFAULT_CYCLE, Draft
from supervisor_healer.architecture.paths import PathError, single
from supervisor_healer.architecture.sources import Entry, Sources, gather
from supervisor_healer.core.model import Architecture, Mode
from supervisor_healer.errors import ArchitectureError, Problem

_DEFAULT_STATE = "healer.sqlite3"


def load(path: str) -> Architecture:
    """The architecture in the YAML file at `path`. Raises ArchitectureError with every error, in file order."""
    architecture, problems = examine(path)
    if architecture is None:
        raise ArchitectureError(tuple(problem for problem in problems if problem.severity == "error"))
    return architecture


def examine(path: str, *, elsewhere: bool = False) -> tuple[Architecture | None, tuple[Problem, ...]]:
    """The architecture in the YAML file at `path`, None if it has errors, and all errors and warnings in file order.

    `elsewhere`: it is of another host, so its root need not be here. Never raises for what a person may have written.
    """
    sources = gather(path)
    if sources.main is None:
        return None, sources.in_file_order()
    main = Entry("", "", sources.main.value, sources.main)
    root = _root(sources, main, elsewhere=elsewhere)
    draft = Draft(sources, root)
    draft.build()
    cycle = draft.setting("cycle")
    state = _own_file(sources, root, "state", _DEFAULT_STATE)
    results = _own_file(sources, root, "results", "")
    if results and results == state:
        entry = sources.settings.get("results", main)
        sources.error(entry, "results", "the same file as `state`", "another path")
    if not sources.unreadable:
        rules.check(sources, draft, main, {"state": state, "results": results})
    problems = sources.in_file_order()
    if any(problem.severity == "error" for problem in problems):
        return None, problems
    return Architecture(
        source=os.path.abspath(path),
        root=root,
        mode=Mode(draft.setting("mode") or Mode.HEAL),
        state=state,
        results=results,
        cycle=DEFAULT_CYCLE if cycle is None else cycle,
        restarts_overall=draft.defaults.get("max_restarts_overall"),
        files=draft.files,
        workers=tuple(draft.workers),
        consumers=tuple(draft.consumers),
        configs=draft.configs,
        component_healers=tuple(draft.components),
        places=_places(sources),
    ), problems


def _root(sources: Sources, main: Entry, *, elsewhere: bool) -> str:
    """The absolute path of the root; what it is relative to is the folder of the file that names it."""
    entry = sources.settings.get("root", main)
    value = entry.value if entry is not main and "root" not in sources.bad else "."
    folder = os.path.dirname(os.path.abspath(entry.document.path))
    root = os.path.normpath(os.path.join(folder, value))
    if not (elsewhere or os.path.isdir(root)):
        what = "is not a folder" if os.path.lexists(root) else "does not exist"
        sources.error(entry, "root", f"the folder {root} {what}", "an existing folder, relative to this file")
    return root


def _own_file(sources: Sources, root: str, key: str, default: str) -> str:
    """The absolute path of a file that the healer writes for itself; '' for none."""
    entry = sources.settings.get(key)
    value = default if entry is None or key in sources.bad else entry.value
    if not value:
        return ""
    try:
        return os.path.join(root, single(value, root))
    except PathError as error:
        if entry is not None:
            sources.error(entry, key, f"{error.what}: {value!r}", error.expected)
        return ""


def _places(sources: Sources) -> Mapping[str, tuple[str, int]]:
    """Where each entry and setting stands."""
    every = [*sources.settings.values(), *(entry for names in sources.entries.values() for entry in names.values())]
    return {entry.field: (entry.document.path, entry.document.line(entry.field)) for entry in every}
