"""A mount that hangs whoever looks at it: FUSE without its other end, as a network mount without its server.

It lives in a mount namespace of a child process, and so never longer than that.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

NEW_NAMESPACE, PRIVATE, RECURSIVE = 0x20000, 1 << 18, 0x4000
LONGEST = 60  # seconds


def run(script: str, *arguments: str) -> str:
    """What `script`, which calls `mount`, prints. Skips the test where such a mount is not permitted."""
    if sys.platform != "linux" or os.geteuid() or not os.path.exists("/dev/fuse"):
        pytest.skip("needs root, Linux and FUSE")
    command = [sys.executable, "-c", script, *arguments]
    here = Path(__file__).parent
    environ = {**os.environ, "PYTHONPATH": f"{here}:{here.parent}"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST + 30, env=environ, check=False)
    if done.stdout.startswith("skip"):
        pytest.skip(done.stdout)
    assert not done.returncode, done.stderr
    return done.stdout


def mount(folder: str) -> int:
    """In the child: mount it at `folder`. Whoever looks there hangs until the returned descriptor is closed."""
    signal.alarm(LONGEST)  # whatever happens: with this process go its descriptor and its mount
    libc = ctypes.CDLL(None, use_errno=True)

    def call(name: str, *arguments: object) -> None:
        if getattr(libc, name)(*arguments):
            print("skip", name, os.strerror(ctypes.get_errno()))
            sys.exit()

    call("unshare", NEW_NAMESPACE)
    call("mount", b"none", b"/", None, RECURSIVE | PRIVATE, None)
    try:
        fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        print("skip", error)
        sys.exit()
    options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()
    call("mount", b"nobody", os.fsencode(folder), b"fuse", 0, options)
    return fuse
