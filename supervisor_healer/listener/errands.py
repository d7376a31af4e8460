"""Child processes that are followed without ever waiting for them, and that can be given up.

Each runs in a session of its own and is killed with all that it has started there; what it leaves behind there when it
ends by itself is ended, too, but for a daemon that has begun a session of its own. A shell starts it: a change to a
folder, or a program, on a dead network mount then hangs there. In `subprocess` it would hang the listener with it.
When the listener is killed, they are, too (`guard`).
"""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

from supervisor_healer.listener.child import CANNOT, MEGABYTE, Child, Ended, Line
from supervisor_healer.listener.guard import Guard
from supervisor_healer.listener.interpreter import environment

__all__ = ["MEGABYTE", "Ended", "Errands", "Line"]

AT_THE_END = 0.5  # seconds that children have, once the listener itself goes
_SHELL = "/bin/sh"
_LAUNCH = 'read -r go || exit; cd "$1" || exit 126; shift; exec "$@"'
_GO = b"\n"  # a shell reads a pipe byte by byte, so as to take no more than this


class Errands:
    """Children by key. Put it into a selector as it is; `collect` when it is readable or `next_deadline` has come."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._running: dict[str, Child] = {}
        self._left: list[Child] = []  # they have ended for everybody else, but are not reaped
        self._stillborn: list[Ended] = []
        self._guard = Guard()

    def fileno(self) -> int:
        """What a selector waits on (epoll and kqueue are descriptors themselves)."""
        return int(self._selector.fileno())  # type: ignore[attr-defined,unused-ignore]

    def running(self, key: str) -> bool:
        """Whether the child has been started and its `Ended` has not come yet."""
        return key in self._running or any(ended.key == key for ended in self._stillborn)

    def next_deadline(self) -> float:
        """When (mono) to `collect` even if nothing can be read; infinite if there is no such time."""
        if self._stillborn:
            return 0.0
        children = [*self._running.values(), *self._left]
        return min((child.due for child in children), default=math.inf)

    def start(
        self,
        key: str,
        argv: Sequence[str],
        *,
        timeout: float,
        stdin: bytes = b"",
        cwd: str = "/",
        env: Mapping[str, str] | None = None,
        per_line: bool = False,
        limit: int = MEGABYTE,
    ) -> None:
        """Start a child; that it cannot be started is told by `collect`. `cwd` is absolute. One at a time for a key.
        Relative folders in PYTHONPATH do not reach it.

        It is killed when it says more than `limit` bytes (`per_line`: in one line), or has not ended `timeout` seconds
        after its start. With `per_line` stdin stays open, and a line of it is owed a line of stdout: the time counts
        from the last line, or from the `feed` if nothing was owed before it, and at the end from `close_stdin`.
        """
        if self.running(key):
            raise ValueError(f"{key} is still running")
        command = [_SHELL, "-c", _LAUNCH, CANNOT, cwd, *argv]
        try:
            process = subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment(os.environ if env is None else env),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else ""
            self._stillborn.append(Ended(key, None, b"", "", f"{CANNOT}: {why or error}"))
            return
        self._guard.watch(process.pid)
        with contextlib.suppress(OSError):
            assert process.stdin is not None
            process.stdin.write(_GO)  # only now: if we are killed before it is watched, it does not begin
        child = Child(key, process, self._selector, timeout, per_line, limit)
        self._running[key] = child
        child.feed(stdin)
        if not per_line:
            child.close_stdin()

    def feed(self, key: str, data: bytes) -> None:
        """Write to the child's stdin, as fast as it reads. To one that has ended, nothing happens."""
        if key in self._running:
            self._running[key].feed(data)

    def prod(self, key: str) -> None:
        """Have the child go on, should somebody have stopped it (SIGSTOP)."""
        if key in self._running:
            self._running[key].signal(signal.SIGCONT)

    def close_stdin(self, key: str) -> None:
        """Close the child's stdin once all has been written, so that it ends."""
        if key in self._running:
            self._running[key].close_stdin()

    def collect(self, now_mono: float) -> list[Line | Ended]:
        """What children have said and which have ended since the last time. Kills what is due."""
        news: list[Line | Ended] = [*self._stillborn]
        self._stillborn.clear()
        for ready, _ in self._selector.select(0):
            child, stream = ready.data
            child.serve(stream)
        for key, child in list(self._running.items()):
            exited = child.has_exited()
            if exited:
                child.drain()
            news += child.lines(now_mono)
            child.judge(now_mono)
            if exited or child.is_lost(now_mono):
                del self._running[key]
                news.append(child.end(now_mono))
                if not child.has_company:
                    self._guard.forget(child.process.pid)
                self._left.append(child)
        for child in list(self._left):
            if child.reap(now_mono):
                self._left.remove(child)
                self._guard.forget(child.process.pid)
        return news

    def abandon_all(self, patience: float = AT_THE_END) -> None:
        """Kill them all, and wait at most `patience` seconds for those that want to put things in order first."""
        children = [*self._running.values(), *self._left]
        deadline = time.monotonic() + patience
        for child in self._running.values():
            child.kill(0.0, "abandoned")
        while time.monotonic() < deadline and not all(child.has_exited() for child in self._running.values()):
            time.sleep(0.01)
        for child in children:
            child.close()
            child.signal(signal.SIGKILL)
        while children and time.monotonic() < deadline + patience:
            children = [child for child in children if child.process.poll() is None]
            time.sleep(0.01 if children else 0)
        self._running.clear()
        self._left.clear()
        self._guard.close()
