"""The folder of a file that is to be changed: everything happens in it, by names relative to one open directory.

It is walked to without following a link (`descent`). So a folder that is moved or replaced meanwhile cannot lead a
write elsewhere, and its lock keeps two healers apart.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import stat
import time
from contextlib import suppress
from dataclasses import dataclass

from supervisor_healer.fixers.descent import Make, descend
from supervisor_healer.fixers.owners import named
from supervisor_healer.fixers.target import READING, RefusedError, fingerprint, read, strerror
from supervisor_healer.fixers.texts import LIMIT

_UNSUPPORTED = frozenset({errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
_LEFT_AFTER = 3600.0  # seconds; a temporary file of ours that is older belongs to nobody who still works on it


ACCESS_LIST = "system.posix_acl_access"


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a new file gets: `mode` None what the umask gives, `uid` and `gid` -1 ours, `mtime_ns` 0 now.

    `extended`: these extended attributes, and no access list but one among them; None: what the folder gives.
    """

    mode: int | None = None
    uid: int = -1
    gid: int = -1
    mtime_ns: int = 0
    extended: tuple[tuple[str, bytes], ...] | None = None


class Folder:
    """An open directory; a context manager. `home`, `path` and `make` as in `descend`."""

    def __init__(self, home: str, path: str, make: Make | None = None) -> None:
        self.locked = False
        self._descriptor = descend(home, path, make)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def lock(self) -> bool:
        """Keep other healers out until it is closed; False where one is in it. Where locks do not exist: True."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in (errno.EAGAIN, errno.EACCES)
        self.locked = True
        return True

    def read(self, name: str, limit: int = LIMIT) -> tuple[bytes, os.stat_result]:
        """The content of a regular file in it."""
        return read(name, self._descriptor, limit)

    def attributes(self, name: str, status: os.stat_result) -> Attributes:
        """Mode, owner and, where they can be read, the extended attributes (access lists) of a file in it.

        They are those of the file with this `status`: RefusedError where another has taken its name since.
        """
        extended = []
        descriptor = os.open(name, READING, dir_fd=self._descriptor)
        try:
            if fingerprint(os.fstat(descriptor)) != fingerprint(status):
                raise RefusedError("it is being written at this moment")
            for key in os.listxattr(descriptor):
                extended.append((key, os.getxattr(descriptor, key)))
        except (OSError, AttributeError):  # not on this file system, or not on this system
            extended = []
        finally:
            os.close(descriptor)
        return Attributes(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, extended=tuple(extended))

    def names(self) -> list[str]:
        """Everything in it."""
        return os.listdir(self._descriptor)

    def status(self, name: str) -> os.stat_result:
        """What stands in it under this name, no link followed; OSError."""
        return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)

    def write(self, beside: str, content: bytes, attributes: Attributes) -> str:
        """A new temporary file for `beside`, complete and on the disk; its name. Nothing is left of one that fails."""
        name = f".{beside}.healer-{os.getpid()}-{secrets.token_hex(4)}.tmp"
        descriptor = os.open(
            name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self._descriptor
        )
        try:
            try:
                view = memoryview(content)
                while view:
                    view = view[os.write(descriptor, view) :]
                _dress(descriptor, attributes)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._compare(name, content)
        except BaseException:
            self.remove(name)
            raise
        return name

    def _compare(self, name: str, content: bytes) -> None:
        if self.read(name, max(len(content), LIMIT))[0] != content:
            raise RefusedError("what was written reads back differently: the disk cannot be trusted")

    def replace(self, temporary: str, name: str) -> None:
        """Put a temporary file in the place of `name`, in one step."""
        os.rename(temporary, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def put(self, temporary: str, name: str) -> None:
        """Give a temporary file the name `name`; FileExistsError where there is something of that name."""
        try:
            os.link(temporary, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor, follow_symlinks=False)
        except OSError as error:
            if error.errno not in {*_UNSUPPORTED, errno.EPERM, errno.EMLINK}:
                raise
            self._put_without_links(temporary, name)
        else:
            self.remove(temporary)

    def add(self, name: str, content: bytes, attributes: Attributes) -> None:
        """A new file `name`, whole at once; FileExistsError as for `put`. Nothing is left of one that fails."""
        temporary = self.write(name, content, attributes)
        try:
            self.put(temporary, name)
        except BaseException:
            self.remove(temporary)
            raise

    def _put_without_links(self, temporary: str, name: str) -> None:
        """On file systems that know no hard links: the name is taken first, then filled."""
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=self._descriptor))
        try:
            self.replace(temporary, name)
        except BaseException:
            self.remove(name)
            raise

    def remove(self, name: str) -> None:
        """Remove a file of ours, if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._descriptor)

    def sync(self) -> None:
        """Bring the names in it to the disk."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise

    def leftovers(self, name: str) -> list[str]:
        """Temporary files for `name` of healers that are no more."""
        ours = re.compile(re.escape(f".{name}.healer-") + r"(\d+)-[0-9a-f]{8}\.tmp")
        return [
            entry
            for entry in self.names()
            if (match := ours.fullmatch(entry)) and (not is_alive(int(match[1])) or self._age(entry) > _LEFT_AFTER)
        ]

    def sweep(self, name: str) -> None:
        """Remove the leftovers for `name`, as far as they are files, and ours to remove."""
        for leftover in self.leftovers(name):
            with suppress(OSError):
                self.remove(leftover)

    def links(self, name: str, status: os.stat_result) -> int:
        """How many names the file `name` has, those aside that a killed healer left."""
        if status.st_nlink == 1:
            return 1
        own = [self.status(entry) for entry in self.leftovers(name)]
        return status.st_nlink - sum((one.st_ino, one.st_dev) == (status.st_ino, status.st_dev) for one in own)

    def _age(self, entry: str) -> float:
        try:
            changed = self.status(entry).st_ctime
        except FileNotFoundError:
            return 0.0
        return time.time() - changed


def _dress(descriptor: int, attributes: Attributes) -> None:
    """Give a new file its owner, its extended attributes, its mode, which each of these may change, and its time."""
    status = os.fstat(descriptor)
    uid = -1 if attributes.uid in (-1, status.st_uid) else attributes.uid
    gid = -1 if attributes.gid in (-1, status.st_gid) else attributes.gid
    if (uid, gid) != (-1, -1):
        try:
            os.fchown(descriptor, uid, gid)
        except PermissionError as error:
            owner = named(attributes.uid, attributes.gid)
            raise RefusedError(f"it could not belong to {owner}: {strerror(error)}") from error
    if attributes.extended is not None:
        _extend(descriptor, attributes.extended)
    os.fchmod(descriptor, 0o666 & ~umask() if attributes.mode is None else attributes.mode)
    if attributes.mtime_ns:
        os.utime(descriptor, ns=(attributes.mtime_ns, attributes.mtime_ns))


def _extend(descriptor: int, extended: tuple[tuple[str, bytes], ...]) -> None:
    """Set what can be set, after the access list is gone that whoever owns the folder gives to what is made in it."""
    with suppress(OSError, AttributeError):  # there is none, or no such thing here
        os.removexattr(descriptor, ACCESS_LIST)
    for name, value in extended:
        try:
            os.setxattr(descriptor, name, value)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise


def umask() -> int:
    """The bits that new files do not get; it can only be read by being set."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def is_alive(pid: int) -> bool:
    """Whether there is a process `pid`, whoever's it is; also a number that none can have is answered."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True
