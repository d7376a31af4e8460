"""The way down to a folder, step by step, each relative to the one before and none through a link.

Whoever may write in a folder may put a link there at any moment. A path that was looked at a moment ago then leads
elsewhere; an open directory does not. So a path is resolved once, and is walked as it was resolved.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

_ATTEMPTS = 20
_MOST_LINKS = 40  # on one way, as in the kernel
REPLACED = "its folder was replaced by a link meanwhile"
# A folder on the way needs to be entered, not read.
_STEP = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
_LAST = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

Make = Callable[[str, int], None]  # makes the folder of this name in this open one; that it is there is no error


def is_inside(home: str, path: str) -> bool:
    """Whether `path` is `home` or lies below it, as both are written; both are absolute and have no `..`."""
    return os.path.commonpath([home, path]) == home


def resolved(path: str) -> str:
    """`path` without links. Raises OSError where it never stays the same for as long as that takes."""
    for _ in range(_ATTEMPTS):
        try:
            return os.path.realpath(path)
        except OSError:  # what was a link a moment ago is none any more
            continue
    raise OSError(errno.EBUSY, "its path is being changed at this moment", path)


def followed(path: str) -> str:
    """The absolute `path` without links, where each of them belongs to root or to ourselves.

    For what the healer writes of its own: whoever owns a folder on the way may put a link there, and must not choose
    by it where we write. Raises OSError.
    """
    done: list[str] = []
    rest = path.split("/")[::-1]
    links = 0
    while rest:
        name = rest.pop()
        if name == "..":
            del done[-1:]
        if name in ("", ".", ".."):
            continue
        here = "/".join(["", *done, name])
        try:
            status = os.lstat(here)
        except FileNotFoundError:
            status = None
        if status is None or not stat.S_ISLNK(status.st_mode):
            done.append(name)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if status.st_uid not in (0, os.geteuid()):
            raise OSError(errno.ELOOP, f"{here} is a symbolic link of another user's", path)
        target = os.readlink(here)
        rest += target.split("/")[::-1]
        if target.startswith("/"):
            done = []
    return "/".join(["", *done])


def descend(home: str, folder: str, make: Make | None = None, listed: bool = True) -> int:
    """`folder`, which lies inside `home` and was resolved with it, opened; the caller closes it.

    With `listed` it can be read, locked and brought to the disk, else it serves to open what is in it.

    `home` itself is trusted. Every step below it has to be a folder, no link; one that is missing is made with `make`.
    Raises OSError, with ELOOP where a link has taken the place of a folder.
    """
    names = [name for name in os.path.relpath(folder, home).split("/") if name != "."]
    last = _LAST if listed else _STEP
    descriptor = os.open(home, _STEP if names else last)
    for number, name in enumerate(names, 1):
        flags = _STEP if number < len(names) else last
        try:
            inner = _stepped(name, descriptor, flags, make)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def _stepped(name: str, folder: int, flags: int, make: Make | None) -> int:
    try:
        return _into(name, folder, flags)
    except FileNotFoundError:
        if make is None:
            raise
    make(name, folder)
    return _into(name, folder, flags)


def _into(name: str, folder: int, flags: int) -> int:
    try:
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP) and _is_link(name, folder):
            raise OSError(errno.ELOOP, REPLACED, name) from error
        raise


def _is_link(name: str, folder: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False
