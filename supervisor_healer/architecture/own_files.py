"""What the healer writes must be nothing that it reads, and no file of the pipeline: it would destroy it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from supervisor_healer.architecture.config_schema import is_mended
from supervisor_healer.architecture.draft import Draft
from supervisor_healer.architecture.paths import same_file
from supervisor_healer.architecture.sources import Entry, Sources


def check(sources: Sources, draft: Draft, written: Mapping[str, str]) -> None:
    """Report clashes. `written` are the healer's own files: absolute paths by their keys, `state` and `results`."""
    _against_the_pipeline(sources, draft, written)
    knowledge = dict(_knowledge(sources, draft))
    for key, absolute in written.items():
        setting = sources.settings.get(key)
        what = knowledge.get(_real(absolute)) if absolute else None
        if what and setting is not None:
            sources.error(
                setting, key, f"{setting.value!r} is {what}: the healer would overwrite it", "a path of its own"
            )
    for entry, path, doing in _mended(draft):
        what = knowledge.get(_real(os.path.join(draft.root, path)))
        if what:
            sources.error(entry, entry.field, f"{path} is {what}: the healer would {doing} it", "another file")


def _against_the_pipeline(sources: Sources, draft: Draft, written: Mapping[str, str]) -> None:
    """The healer's own files must not look like one of the pipeline's."""
    uses = {use.path: use for use in reversed(draft.uses)}
    for key, absolute in written.items():
        inside = draft.root if draft.root.endswith("/") else draft.root + "/"
        path = absolute.removeprefix(inside)
        for other in draft.files:
            if not absolute or not same_file(path, other):
                continue
            setting = sources.settings.get(key)
            use = uses.get(other)
            what = f"{other} would be the healer's own file (`{key}`)"
            if setting is not None:
                sources.error(setting, key, what, "a path of its own")
            elif use is not None:
                sources.error(use.entry, use.field, what, f"another path, or `{key}:` elsewhere")
            else:
                entry = draft.config_entries.get(other) or draft.declared[other]
                sources.error(entry, entry.field, what, f"another path, or `{key}:` elsewhere")


def _knowledge(sources: Sources, draft: Draft) -> Iterator[tuple[str, str]]:
    """The files that the healer knows its architecture from, links resolved, each with what it is."""
    for spec in draft.components:
        if spec.command and "/" in spec.command[0]:
            yield _real(spec.command[0]), f"the program of component_healers.{spec.name}"
    for file in draft.files.values():
        if file.create is not None and file.create.copy_of:
            yield _real(os.path.join(draft.root, file.create.copy_of)), f"what {file.path} is copied from"
    for path in draft.schema_files:
        yield _real(path), "a schema of `configs`"
    for path in sources.real_paths:
        yield path, "the architecture file" if len(sources.real_paths) == 1 else "a file of the architecture"


def _mended(draft: Draft) -> Iterator[tuple[Entry, str, str]]:
    """What the healer may write of the pipeline: the entry, its path, and the verb for it."""
    for path, spec in draft.configs.items():
        if is_mended(spec):
            yield draft.config_entries[path], path, "repair"
    for path, file in draft.files.items():
        if file.create is not None and path in draft.declared:
            yield draft.declared[path], path, "create"


def _real(path: str) -> str:
    """`path` with its links resolved; as it is where the system knows no such path (a NUL in the root)."""
    try:
        return os.path.realpath(path)
    except ValueError:
        return path
