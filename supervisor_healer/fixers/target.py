"""The file that a path of the architecture means, and a look at it that can neither block nor be led astray."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field

from supervisor_healer.errors import HealerError
from supervisor_healer.fixers.descent import descend, is_inside, resolved
from supervisor_healer.fixers.texts import LIMIT

READING = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
_ATTEMPTS = 3  # looks at a file that is being written

KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a symbolic link",
}


class RefusedError(HealerError):
    """Something that must not, or cannot, be done to a file; the text says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a path leads. `folder` is without links; it is walked to from `home`, which it lies in.

    `inside`: whether that is in the root. `outside`: why nothing may be changed there, '' where it may.
    """

    shown: str
    absolute: str
    home: str
    folder: str
    name: str
    is_link: bool
    inside: bool
    outside: str

    @property
    def real(self) -> str:
        """The path without symbolic links."""
        return os.path.join(self.folder, self.name)

    def beside(self, name: str) -> str:
        """The path of another file in the same folder, written as this one's is."""
        if self.is_link:
            return os.path.join(self.folder, name)
        return os.path.join(os.path.dirname(self.shown), name)


@dataclass(frozen=True, slots=True)
class Look:
    """What stands at a target: `problem` '' where it is a file that can be read. `content` is None if not asked for."""

    state: str
    problem: str = ""
    content: bytes | None = None
    status: os.stat_result | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return "" if self.content is None else hashlib.sha256(self.content).hexdigest()

    @property
    def fingerprint(self) -> list[int]:
        """What changes when the file is written, replaced or given another mode."""
        return [] if self.status is None else fingerprint(self.status)


@dataclass(frozen=True, slots=True)
class _Opened:
    content: bytes | None = field(repr=False)
    status: os.stat_result


def fingerprint(status: os.stat_result) -> list[int]:
    """Modification and change in nanoseconds, size, inode and device."""
    return [status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev]


def locate(root: str, path: str) -> Target:
    """Where `path` leads. What may be changed lies inside `root`, or was declared by an absolute path without links.

    Raises RefusedError for a path that no file can have, and for links that lead in circles.
    """
    absolute = os.path.join(root, path)
    if "\0" in absolute:
        raise RefusedError("its name has a NUL byte")
    is_link = os.path.islink(absolute)
    try:
        real = resolved(absolute) if is_link else _beneath(absolute)
        home = resolved(root)
    except OSError as error:
        raise RefusedError(strerror(error)) from error
    folder, name = os.path.split(real)
    if is_link and os.path.islink(real):
        raise RefusedError("it is a symbolic link that leads in circles")
    inside = is_inside(home, folder)
    declared = os.path.isabs(path) and real == os.path.normpath(path)
    outside = "" if inside or declared else f"it leads to {real}, outside of the root"
    return Target(path, absolute, home if inside else "/", folder, name or ".", is_link, inside, outside)


def source(root: str, path: str) -> Target:
    """The file at `path`, which is only read. It lies inside `root` where `path` does, wherever links lead.

    One elsewhere is the architecture's own word, but for a link in its place. Raises RefusedError.
    """
    target = locate(root, path)
    if is_inside(os.path.normpath(root), os.path.normpath(target.absolute)):
        if target.outside:
            raise RefusedError(target.outside)
    elif target.is_link:
        raise RefusedError("it is a symbolic link (expected a file)")
    return target


def look(target: Target, whole: bool = True) -> Look:
    """What stands at `target`; with its content if it is `whole`, or not too large."""
    for _ in range(_ATTEMPTS):
        try:
            folder = descend(target.home, target.folder, listed=False)
            try:
                found = _open(target.name, whole, folder)
            finally:
                os.close(folder)
        except FileNotFoundError:
            if target.is_link:
                return Look("unreadable", f"it is a symbolic link to {target.real}, which is not there")
            return Look("missing", "is missing")
        except OSError as error:
            return Look("unreadable", strerror(error))
        except RefusedError as error:
            return Look("unreadable", str(error))
        if found is not None:
            return Look("valid", "", found.content, found.status)
    return Look("unreadable", "it is being written at this moment")


def read(name: str, folder: int, limit: int = LIMIT) -> tuple[bytes, os.stat_result]:
    """The content of a regular file of at most `limit` bytes in an open folder; OSError or RefusedError."""
    found = _open(name, True, folder, limit)
    if found is None or found.content is None:
        raise RefusedError("it is being written at this moment")
    return found.content, found.status


def strerror(error: OSError) -> str:
    """What the system says of an error, without numbers and paths."""
    return error.strerror or str(error) or type(error).__name__


def _beneath(absolute: str) -> str:
    """The path of a file that is no link itself, in its real folder."""
    folder, name = os.path.split(absolute)
    if name in ("", ".", ".."):
        return resolved(absolute)
    return os.path.join(resolved(folder), name)


def _open(name: str, whole: bool, folder: int, limit: int = LIMIT) -> _Opened | None:
    """A regular file's content and status, None if it changed while it was read.

    Its kind is looked at before it is opened: opening a device can do something, and opening a FIFO can wait.
    """
    _check_kind(os.stat(name, dir_fd=folder, follow_symlinks=False))
    descriptor = os.open(name, READING, dir_fd=folder)
    try:
        status = os.fstat(descriptor)
        _check_kind(status)
        if status.st_size > limit:
            if whole:
                raise RefusedError(f"it is too large: {status.st_size:,} bytes (at most {limit:,})")
            return _Opened(None, status)
        content = _read_all(descriptor, limit)
        after = os.fstat(descriptor)
        return _Opened(content, after) if fingerprint(after) == fingerprint(status) else None
    finally:
        os.close(descriptor)


def _read_all(descriptor: int, limit: int) -> bytes:
    parts, size = [], 0
    while size <= limit:
        part = os.read(descriptor, 1 << 20)
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _check_kind(status: os.stat_result) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise RefusedError(f"it is {KINDS.get(kind, 'something else')} (expected a file)")
