"""A config repaired on the disk: backup, temporary file, one last look, one rename.

Whatever happens in between, the old file or the new one stands there whole, and a healer that was killed leaves at
most a backup and a hidden temporary file, which the next repair removes.
"""

from __future__ import annotations

from dataclasses import replace

from supervisor_healer.fixers import assessment, backups
from supervisor_healer.fixers.creation import put_new, wanted
from supervisor_healer.fixers.descent import resolved
from supervisor_healer.fixers.documents import CannotEditError
from supervisor_healer.fixers.folder import Folder
from supervisor_healer.fixers.jobs import Answer, Job
from supervisor_healer.fixers.standing import Standing, answered, failed, rules_of, stand
from supervisor_healer.fixers.target import Look, RefusedError, Target, fingerprint, look, strerror

BUSY = "another healer is repairing in its folder"


class ChangedError(Exception):
    """Somebody is editing the file; the text says how that was seen."""


def check(job: Job) -> Answer:
    """Look, and change nothing."""
    return answered(job, stand(job))


def repair(job: Job) -> Answer:
    """Put right what the schema has a default for."""
    before = stand(job)
    try:
        said, backup = _repaired(job, before)
    except ChangedError as error:
        return answered(job, stand(job), "changed", [str(error)])
    except (RefusedError, CannotEditError, OSError) as error:
        return failed(job, error)
    return answered(job, stand(job), "done" if said else "unneeded", said, backup)


def _repaired(job: Job, before: Standing) -> tuple[list[str], str]:
    target = before.target
    if job["digest"] and job["digest"] != before.seen.digest:
        raise ChangedError("its content has changed since it was checked")
    if before.assessed.state == "valid":
        return [], ""
    if not before.assessed.repairs or target is None:
        raise RefusedError(_hopeless(job, before))
    if before.obstacle:
        raise RefusedError(before.obstacle)
    if before.assessed.state == "missing":
        return _created(job, target, before)
    with Folder(target.home, target.folder) as folder:
        if not folder.lock():
            raise ChangedError(BUSY)
        folder.sweep(target.name)
        content = before.assessed.after
        assert content is not None
        seen = look(target)  # again: a leftover may have been a link to it, and it was read before the lock
        if seen.content != before.seen.content:
            raise ChangedError("it was changed while it was being checked")
        backup = replaced(folder, target, seen, content)
        said = [*map(_past, before.repairs)]
        said += tidied(folder, target, job["keep"])
    return said, target.beside(backup)


def replaced(folder: Folder, target: Target, before: Look, content: bytes, most: int = 0o7777) -> str:
    """Put `content` in the place of what `before` saw at `target`; the name of the backup. The folder is locked.

    What stands there keeps owner and mode, but for what is not in `most` of the mode.
    """
    assert before.content is not None
    assert before.status is not None
    attributes = folder.attributes(target.name, before.status)
    backup, is_new = backups.make(folder, target.name, before.content, attributes, before.status)
    temporary = ""
    try:
        temporary = folder.write(target.name, content, replace(attributes, mode=(attributes.mode or 0) & most))
        _confirm(folder, target, before)
        folder.replace(temporary, target.name)
    except BaseException:
        # without a lock another healer may have taken this backup for its own
        for name in (temporary, backup if is_new and folder.locked else ""):
            if name:
                folder.remove(name)
        raise
    return backup


def _confirm(folder: Folder, target: Target, before: Look) -> None:
    """ChangedError unless the very file that was read still stands at `target`, unchanged."""
    try:
        content, status = folder.read(target.name)
    except (OSError, RefusedError) as error:
        raise ChangedError("it was replaced while it was being repaired") from error
    if fingerprint(status) != before.fingerprint or content != before.content:
        raise ChangedError("it was changed while it was being repaired")
    if resolved(target.absolute) != target.real:
        raise ChangedError("its path leads elsewhere since it was read")


def _created(job: Job, target: Target, before: Standing) -> tuple[list[str], str]:
    content, _ = assessment.made(rules_of(job))
    try:
        afterwards = put_new(target, content, wanted(job))
    except FileExistsError as error:
        raise ChangedError("somebody has made it meanwhile") from error
    return [*map(_past, before.repairs), *afterwards], ""


def tidied(folder: Folder, target: Target, keep: int) -> list[str]:
    """The file is in its place; what fails from here on takes nothing back, but it is said."""
    try:
        folder.sync()
        backups.prune(folder, target.name, keep)
    except OSError as error:
        return [f"afterwards: {strerror(error)}: {target.shown}"]
    return []


def _past(words: str) -> str:
    verb, _, rest = words.partition(" ")
    return {"add": "added", "replace": "replaced", "create": "created"}.get(verb, verb) + " " + rest


def _hopeless(job: Job, before: Standing) -> str:
    if before.assessed.state == "missing" and not job["create"]:
        return "it is missing, and the architecture does not say to create it"
    if before.assessed.state == "unreadable":
        return "it cannot be read, so nothing is changed in it"
    if before.assessed.state == "missing":
        return before.assessed.problems[-1]
    return before.assessed.why or "the schema has no default that would put it right"
