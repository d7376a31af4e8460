"""The backups beside a config: ``NAME.20261124T141337Z.bak``, or ``NAME.20261124T141337Z.1.bak`` for a second one."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from supervisor_healer.fixers.folder import Attributes, Folder
from supervisor_healer.fixers.target import RefusedError

_ATTEMPTS = 10  # names for one backup


@dataclass(frozen=True, slots=True, order=True)
class Backup:
    """One backup; they are ordered as they were made."""

    moment: str
    number: int
    name: str


def found(folder: Folder, name: str) -> list[Backup]:
    """The backups of `name`, the newest first."""
    ours = re.compile(re.escape(name) + r"\.(\d{8}T\d{6}Z)(?:\.([1-9]\d{0,8}))?\.bak")
    matches = filter(None, map(ours.fullmatch, folder.names()))
    return sorted((Backup(match[1], int(match[2] or 0), match[0]) for match in matches), reverse=True)


def make(folder: Folder, name: str, content: bytes, attributes: Attributes) -> tuple[str, bool]:
    """Back `content` up, on the disk when this returns; the backup's name, and whether it is new.

    One that is the newest and the same is not made again: what breaks its config every minute would push out all that
    people may want back. A new one is named after the newest, whatever the clock says, so that names tell their order.
    """
    existing = found(folder, name)
    if existing and _holds(folder, existing[0].name, content):
        return existing[0].name, False
    temporary = folder.write(name, content, attributes)
    try:
        backup = _named(folder, name, temporary)
    except BaseException:
        folder.remove(temporary)
        raise
    try:
        folder.sync()
    except BaseException:
        folder.remove(backup)
        raise
    return backup, True


def _named(folder: Folder, name: str, temporary: str) -> str:
    """Give `temporary` the next free name of a backup of `name`; where locks do not exist, others do so, too."""
    for attempt in range(_ATTEMPTS):
        backup = _next(name, found(folder, name))
        try:
            folder.put(temporary, backup)
        except FileExistsError:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            break
    return backup


def prune(folder: Folder, name: str, keep: int) -> None:
    """Remove the oldest backups beyond `keep`, never the newest."""
    for backup in found(folder, name)[max(1, keep) :]:
        folder.remove(backup.name)


def _next(name: str, existing: list[Backup]) -> str:
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    if not existing or moment > existing[0].moment:
        return f"{name}.{moment}.bak"
    return f"{name}.{existing[0].moment}.{existing[0].number + 1}.bak"


def _holds(folder: Folder, backup: str, content: bytes) -> bool:
    try:
        return folder.read(backup)[0] == content
    except (OSError, RefusedError):
        return False
