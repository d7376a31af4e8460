"""Small file systems that run full, turn read-only, or do not answer."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
ROOM = 256 * 1024


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own at `folder`, with little room."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "none", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(path: Path) -> None:
    """Take all the room there is, in a file at `path`."""
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


def remount(folder: Path, how: str) -> None:
    """`how`: ro or rw."""
    subprocess.run(["mount", "-o", f"remount,{how}", folder], check=True)


class DeadMount:
    """A FUSE mount whose requests nobody answers, as a network mount without its server; a context manager.

    It is made by `die`, over whatever is in `folder`. After `end` that is there again, and whoever hung comes back.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fuse = -1

    def __enter__(self) -> DeadMount:
        try:
            os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
        except OSError as error:
            pytest.skip(f"/dev/fuse: {error}")
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def die(self) -> None:
        """From now on nobody answers."""
        self._fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self._fuse},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
        if self._libc.mount(b"nobody", os.fsencode(self.folder), b"fuse", 0, options):
            error = os.strerror(ctypes.get_errno())
            os.close(self._fuse)
            self._fuse = -1
            pytest.skip(f"mount: {error}")

    def end(self) -> None:
        """Let everybody go who hangs there, and unmount it."""
        if self._fuse >= 0:
            os.close(self._fuse)
            self._fuse = -1
            self._libc.umount2(os.fsencode(self.folder), 2)  # MNT_DETACH
