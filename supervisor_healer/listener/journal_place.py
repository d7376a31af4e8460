"""The journal's files on the disk: reached through nobody else's link, and nobody else's files.

By default they lie in the root of the pipeline, where others may write. What they put there in the place of one of our
files (a link, a second name of another file, a journal of their own making) is not used.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from supervisor_healer.fixers.descent import descend
from supervisor_healer.fixers.owners import named
from supervisor_healer.fixers.target import KINDS

_FILE_MODE = 0o640
_FOLDER_MODE = 0o750
_OPEN_FILES = "/proc/self/fd"


def opened(path: str) -> int:
    """Our file at `path`, which is made if there is none, to read and write; its folder is made, too. Raises OSError.

    `path` is absolute and without links; where one has come in since it was resolved, that is an error.
    """
    folder, name = os.path.split(path)
    descriptor = descend("/", folder, _make, listed=False)
    try:
        _check_at(name, descriptor)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        fd = os.open(name, flags, _FILE_MODE, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    try:
        _check(os.fstat(fd), name)
    except OSError:
        os.close(fd)
        raise
    return fd


def check(path: str) -> None:
    """Raise OSError for something at `path` that is not our own file; nothing there is right, too."""
    folder, name = os.path.split(path)
    descriptor = descend("/", folder, listed=False)
    try:
        _check_at(name, descriptor)
    finally:
        os.close(descriptor)


def is_open(file: os.stat_result) -> bool:
    """Whether this process has this very file open; where the system does not tell: yes."""
    try:
        entries = os.listdir(_OPEN_FILES)
    except OSError:
        return True
    for entry in entries:
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(int(entry)), file):
                return True
    return False


def _make(name: str, folder: int) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, _FOLDER_MODE, dir_fd=folder)


def _check_at(name: str, folder: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        _check(os.stat(name, dir_fd=folder, follow_symlinks=False), name)


def _check(status: os.stat_result, name: str) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, f"{name} is {KINDS.get(kind, 'something else')} (expected a file)", name)
    if status.st_uid not in (0, os.geteuid()):
        raise OSError(errno.EPERM, f"{name} belongs to {named(status.st_uid, -1)} (expected {_ourselves()})", name)
    if status.st_nlink > 1:
        raise OSError(errno.EMLINK, f"{name} has {status.st_nlink} hard links (expected a file of its own)", name)


def _ourselves() -> str:
    return named(os.geteuid(), -1)
