"""A config's newest backup put back, at an operator's word: so that the restore can be undone, with a backup first."""

from __future__ import annotations

import stat

from supervisor_healer.fixers import backups
from supervisor_healer.fixers.backups import Backup
from supervisor_healer.fixers.folder import Attributes, Folder
from supervisor_healer.fixers.jobs import Answer, Job
from supervisor_healer.fixers.owners import named
from supervisor_healer.fixers.repair import BUSY, ChangedError, replaced, tidied
from supervisor_healer.fixers.standing import answered, failed, stand
from supervisor_healer.fixers.target import Look, RefusedError, Target, locate, look


def restore(job: Job) -> Answer:
    """Put the newest backup in the place of the config. It need not be valid: the answer tells."""
    try:
        target = locate(job["root"], job["path"])
        outcome, said, backup = _restored(job, target)
    except ChangedError as error:
        return answered(job, stand(job), "changed", [str(error)])
    except (RefusedError, OSError) as error:
        return failed(job, error)
    return answered(job, stand(job), outcome, said, backup)


def _restored(job: Job, target: Target) -> tuple[str, list[str], str]:
    """The outcome, its words, and the path of the backup."""
    if target.outside:
        raise RefusedError(target.outside)
    try:
        opened = Folder(target.home, target.folder)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RefusedError(f"there is no backup of {job['path']}") from error
    with opened as folder:
        if not folder.lock():
            raise ChangedError(BUSY)
        folder.sweep(target.name)
        before = look(target)
        existing = backups.found(folder, target.name, before.status)
        if not existing:
            raise RefusedError(_no_backup(job, before, backups.found(folder, target.name, None)))
        newest = existing[0].name
        try:
            content, status = folder.read(newest)
        except RefusedError as error:
            raise RefusedError(f"the newest backup ({newest}) cannot be used: {error}") from error
        if before.content == content:
            return "unneeded", [f"the newest backup ({newest}) is what stands there already"], target.beside(newest)
        narrowed = _put(folder, target, before, content, backups.attributes(folder, newest, status))
        kept = "" if before.content is None else ", after what stood there was backed up"
        afterwards = tidied(folder, target, job["keep"])
    return "done", [f"put back {newest}{kept}", *narrowed, *afterwards], target.beside(newest)


def _no_backup(job: Job, before: Look, others: list[Backup]) -> str:
    said = f"there is no backup of {job['path']}"
    if before.status is None or not others:
        return said
    return f"{said} that belongs to {named(before.status.st_uid, before.status.st_gid)}, as the file does"


def _put(folder: Folder, target: Target, before: Look, content: bytes, backup: Attributes) -> list[str]:
    """What there is to say of the mode: nobody may do more with what is put back than with what was backed up."""
    if before.state == "missing":
        folder.add(target.name, content, backup)
        return []
    if before.content is None or before.status is None:
        raise RefusedError(f"something else is in its place: {before.problem}")
    if folder.links(target.name, before.status) > 1:
        raise RefusedError("it has hard links, and only this one would be restored")
    most = backup.mode or 0
    replaced(folder, target, before, content, most)
    mode = stat.S_IMODE(before.status.st_mode)
    return [f"its mode is {mode & most:04o} now, as that of the backup"] if mode & ~most else []
