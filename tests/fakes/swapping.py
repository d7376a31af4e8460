"""Somebody who may write in a folder, and swaps one of those in it for a link to elsewhere, and back, all the time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SWAP = """
import ctypes, os, sys
one, other = map(os.fsencode, sys.argv[1:])
renameat2 = ctypes.CDLL(None).renameat2
print("begun", flush=True)
while True:
    for _ in range(50):
        renameat2(-100, one, -100, other, 2)  # AT_FDCWD, RENAME_EXCHANGE: there is always one of both
    os.sched_yield()
"""


@contextmanager
def swapped(one: Path, other: Path) -> Iterator[None]:
    """`one` and `other` change places, again and again, by a process of its own."""
    with subprocess.Popen([sys.executable, "-c", SWAP, str(one), str(other)], stdout=subprocess.PIPE) as swapper:
        try:
            assert swapper.stdout is not None
            assert swapper.stdout.readline() == b"begun\n"
            yield
        finally:
            swapper.kill()
