"""A config's newest backup put back, at an operator's word: so that the restore can be undone, with a backup first."""

from __future__ import annotations

import os

from supervisor_healer.fixers import backups
from supervisor_healer.fixers.folder import Folder
from supervisor_healer.fixers.jobs import Answer, Job
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
        existing = backups.found(folder, target.name)
        if not existing:
            raise RefusedError(f"there is no backup of {job['path']}")
        newest = existing[0].name
        try:
            content, status = folder.read(newest)
        except RefusedError as error:
            raise RefusedError(f"the newest backup ({newest}) cannot be used: {error}") from error
        before = look(target)
        if before.content == content:
            return "unneeded", [f"the newest backup ({newest}) is what stands there already"], target.beside(newest)
        _put(folder, target, before, content, newest, status)
        kept = "" if before.content is None else ", after what stood there was backed up"
        afterwards = tidied(folder, target, job["keep"])
    return "done", [f"put back {newest}{kept}", *afterwards], target.beside(newest)


def _put(folder: Folder, target: Target, before: Look, content: bytes, newest: str, status: os.stat_result) -> None:
    if before.state == "missing":
        folder.add(target.name, content, folder.attributes(newest, status))
        return
    if before.content is None or before.status is None:
        raise RefusedError(f"something else is in its place: {before.problem}")
    if folder.links(target.name, before.status) > 1:
        raise RefusedError("it has hard links, and only this one would be restored")
    replaced(folder, target, before, content)
