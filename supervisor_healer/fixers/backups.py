"""The backups beside a config: ``NAME.20261124T141337Z.bak``, or ``NAME.20261124T141337Z.1.bak`` for a second one.

Whoever may write in the folder can give a file such a name: to have the healer put it back with the rights of the
config, or take it for a backup that it need not make. So one that does not belong to the config's owner is none.
"""

from __future__ import annotations

import os
import re
import stat
import time
from dataclasses import dataclass, replace

from supervisor_healer.fixers.folder import ACCESS_LIST, Attributes, Folder
from supervisor_healer.fixers.target import RefusedError

_ATTEMPTS = 10  # names for one backup
_MODE = 0o640  # what a backup may have of the mode of its config
_MODE_KEPT = "user.supervisor_healer.mode"  # the extended attribute with the mode that its config had


@dataclass(frozen=True, slots=True, order=True)
class Backup:
    """One backup; they are ordered as they were made."""

    moment: str
    number: int
    name: str


def found(folder: Folder, name: str, config: os.stat_result | None) -> list[Backup]:
    """The backups of `name` that belong to whom `config` belongs, the newest first; None: whoever they belong to."""
    owner = None if config is None else (config.st_uid, config.st_gid)
    return [backup for backup in _named_so(folder, name) if owner is None or _owner(folder, backup.name) == owner]


def attributes(folder: Folder, backup: str, status: os.stat_result) -> Attributes:
    """What the config had of which this is the backup, as far as that is known; else the backup's own."""
    own = folder.attributes(backup, status)
    extended = dict(own.extended or ())
    kept = extended.pop(_MODE_KEPT, b"")
    mode = int(kept, 8) & 0o777 if re.fullmatch(rb"[0-7]{1,4}", kept) else own.mode
    return replace(own, mode=mode, extended=tuple(extended.items()))


def _owner(folder: Folder, backup: str) -> tuple[int, int] | None:
    """To whom a backup belongs; None for one that is gone, or that is another file's second name."""
    try:
        status = folder.status(backup)
    except OSError:
        return None
    return None if stat.S_ISREG(status.st_mode) and status.st_nlink > 1 else (status.st_uid, status.st_gid)


def _named_so(folder: Folder, name: str) -> list[Backup]:
    """Everything that is called as a backup of `name`, the newest first."""
    ours = re.compile(re.escape(name) + r"\.(\d{8}T\d{6}Z)(?:\.([1-9]\d{0,8}))?\.bak")
    matches = filter(None, map(ours.fullmatch, folder.names()))
    return sorted((Backup(match[1], int(match[2] or 0), match[0]) for match in matches), reverse=True)


def make(folder: Folder, name: str, content: bytes, config: Attributes, status: os.stat_result) -> tuple[str, bool]:
    """Back `content` of `config` up, on the disk when this returns; the backup's name, and whether it is new.

    One that is the newest and the same is not made again: what breaks its config every minute would push out all that
    people may want back. A new one is named after the newest, whatever the clock says, so that names tell their order.
    """
    existing = found(folder, name, status)
    if existing and _holds(folder, existing[0].name, content):
        return existing[0].name, False
    temporary = folder.write(name, content, _discreet(config))
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


def _discreet(config: Attributes) -> Attributes:
    """What the backup of a file with such attributes gets: no more than 0640, whoever may read the file itself."""
    mode = config.mode or 0
    extended = [(key, value) for key, value in config.extended or () if key != ACCESS_LIST]
    return replace(config, mode=mode & _MODE, extended=(*extended, (_MODE_KEPT, b"%04o" % mode)))


def _named(folder: Folder, name: str, temporary: str) -> str:
    """Give `temporary` the next free name of a backup of `name`; where locks do not exist, others do so, too."""
    for attempt in range(_ATTEMPTS):
        backup = _next(name, _named_so(folder, name))
        try:
            folder.put(temporary, backup)
        except FileExistsError:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            break
    return backup


def prune(folder: Folder, name: str, keep: int) -> None:
    """Remove the oldest backups beyond `keep`, never the newest, and none of another owner's than the file `name`."""
    for backup in found(folder, name, folder.status(name))[max(1, keep) :]:
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
