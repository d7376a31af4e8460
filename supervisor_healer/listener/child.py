"""One child process of the listener: its pipes, its clock, and its end. Nothing here waits; see `errands`."""

from __future__ import annotations

import contextlib
import math
import os
import re
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import IO

from supervisor_healer.listener.process_group import is_left
from supervisor_healer.words import duration

CANNOT = "cannot be started"  # the name of the shell that starts a child, and so the beginning of what it says
MEGABYTE = 1024 * 1024
END_TO_TERM = 0.5  # seconds that a daemon has to begin a session of its own, once what has started it has ended
TERM_TO_KILL = 2.0  # seconds
KILL_TO_LOST = 0.5  # seconds after SIGKILL, after which nobody waits for the child any more
_REAP_AGAIN = 1.0
_POLL = 0.25  # seconds between two looks at a child where the system has no pidfd to tell of its end
_STDERR_KEPT = 2048
_CHUNK = 65536
_CHUNKS_A_TURN = 16
_NOT_LAUNCHED = re.compile(rf"{CANNOT}: (?:exec: )?(?:line )?\d+: (?:exec: )?(.*)")


@dataclass(frozen=True, slots=True)
class Line:
    """One complete line of a child's stdout, without its end."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a child. `status` is as in `subprocess` (-15: by SIGTERM), None where it was killed or never ran.

    `stdout`: all of it, or what came after the last line that was told of. `stderr`: its last 2 KB. `why` is '' for an
    end of its own, else what was wrong.
    """

    key: str
    status: int | None
    stdout: bytes
    stderr: str
    why: str


class Child:
    """One child, its pipes and its clock."""

    def __init__(
        self,
        key: str,
        process: subprocess.Popen[bytes],
        selector: selectors.BaseSelector,
        timeout: float,
        per_line: bool,
        limit: int,
    ) -> None:
        self.key = key
        self.process = process
        self._selector = selector
        self._timeout = timeout
        self._per_line = per_line
        self._limit = limit
        self._why = ""
        self._deadline = math.inf if per_line else time.monotonic() + timeout
        self._dismiss_at = math.inf
        self._kill_at = math.inf
        self._lost_at = math.inf
        self._reap_at = math.inf
        self._owed = 0
        self._to_write = bytearray()
        self._closing = False
        self._out = bytearray()
        self._err = b""
        self._pidfd = -1
        with contextlib.suppress(AttributeError, OSError):
            self._pidfd = os.pidfd_open(process.pid)
            selector.register(self._pidfd, selectors.EVENT_READ, (self, None))
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            if pipe is not process.stdin:
                selector.register(pipe, selectors.EVENT_READ, (self, pipe))

    @property
    def due(self) -> float:
        """When (mono) something has to be done about it, or asked, even if it says nothing."""
        poll = math.inf if self._pidfd >= 0 or self._reap_at < math.inf else time.monotonic() + _POLL
        return min(self._deadline, self._kill_at, self._lost_at, self._reap_at, poll)

    @property
    def has_company(self) -> bool:
        """Whether we will see to what it has started, after its end: some of that may be left."""
        return bool(self._why) or self._dismiss_at < math.inf

    # --- talking -----------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Write what can be written now, and the rest as the child reads."""
        if self.process.stdin is None or self.process.stdin.closed or self._closing or not data:
            return
        if self._per_line and self._owed <= 0:
            self._deadline = time.monotonic() + self._timeout
        self._owed += data.count(b"\n")
        self._to_write += data
        self._write()

    def close_stdin(self) -> None:
        """Close stdin once all has been written."""
        if self._per_line and self._owed <= 0 and not self._closing:
            self._deadline = time.monotonic() + self._timeout
        self._closing = True
        self._write()

    def serve(self, stream: IO[bytes] | None) -> None:
        """Read or write `stream`, which is ready; None: the child has exited, which is asked for anyway."""
        if stream is None:
            return
        if stream is self.process.stdin:
            self._write()
        elif not stream.closed:
            self._read(stream, _CHUNKS_A_TURN)

    def _write(self) -> None:
        pipe = self.process.stdin
        assert pipe is not None
        if pipe.closed:
            return
        try:
            while self._to_write:
                del self._to_write[: os.write(pipe.fileno(), self._to_write[:_CHUNK])]
        except BlockingIOError:
            with contextlib.suppress(KeyError):
                self._selector.register(pipe, selectors.EVENT_WRITE, (self, pipe))
            return
        except OSError:  # it does not want to hear it
            self._to_write.clear()
            self._closing = True
        if self._closing:
            self._close(pipe)
        else:
            with contextlib.suppress(KeyError):
                self._selector.unregister(pipe)

    def _read(self, pipe: IO[bytes], chunks: int) -> None:
        for _ in range(chunks):
            try:
                data = os.read(pipe.fileno(), _CHUNK)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._close(pipe)
                return
            if pipe is self.process.stderr:
                self._err = (self._err + data)[-_STDERR_KEPT:]
                continue
            if not self._why:
                self._out += data
            if len(self._out) > self._limit and not self._per_line:
                return

    def lines(self, now: float) -> list[Line]:
        """The lines that have become complete."""
        if not self._per_line or self._why:
            return []
        *whole, rest = self._out.split(b"\n")
        if whole:
            self._out = rest
            self._owed = max(0, self._owed - len(whole))
            self._deadline = now + self._timeout if self._owed or self._closing else math.inf
        return [Line(self.key, line.decode(errors="replace")) for line in whole]

    # --- ending ------------------------------------------------------------------------------------------------

    def has_exited(self) -> bool:
        """Whether the child is dead. Where it can be, it is not reaped yet: until then its group's number stays its."""
        if not hasattr(os, "waitid"):
            return self.process.poll() is not None
        try:
            return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def drain(self) -> None:
        """Read what a dead child has left. A process that it started may hold its pipes open for ever."""
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None and not pipe.closed:
                self._read(pipe, self._limit // _CHUNK + 2)

    def judge(self, now: float) -> None:
        """Kill what says too much or takes too long."""
        if len(self._out) > self._limit:
            self.kill(now, f"said more than {_size(self._limit)}{' in a line' * self._per_line}: killed")
            self._close(self.process.stdout)  # else reading it would keep us busy until it is gone
        elif now >= self._deadline and not self.has_exited():
            self.kill(now, f"no answer within {duration(self._timeout)}: killed")
        if now >= self._kill_at:
            self.signal(signal.SIGKILL)
            self._kill_at, self._lost_at = math.inf, now + KILL_TO_LOST

    def kill(self, now: float, why: str) -> None:
        """Ask the group to go; what it still says is not kept, but for its complaints."""
        if not self._why:
            self._why = why
            self._deadline, self._kill_at = math.inf, now + TERM_TO_KILL
            self._close(self.process.stdin)  # but not the others: a broken pipe would keep it from a proper end
            self.signal(signal.SIGTERM)
            self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        """To the child and all that it has started and that has not begun a session of its own."""
        with contextlib.suppress(OSError):
            if self.process.returncode is None:
                os.killpg(self.process.pid, number)

    def is_lost(self, now: float) -> bool:
        """Whether not even SIGKILL has ended it in time: it sleeps in the kernel, and goes when that lets it."""
        return now >= self._lost_at

    def end(self, now: float) -> Ended:
        """The last that is heard of it. `reap` sees to what is left of its group: nobody else would ever end it."""
        self._deadline = self._lost_at = math.inf
        self._reap_at = now
        status = None
        if not self._why:
            status = self._status()
            if self.process.returncode is None and is_left(self.process.pid):
                self._dismiss_at = now + END_TO_TERM
        self._forget_pidfd()
        stderr = self._err.decode(errors="replace").strip()
        unlaunched = _NOT_LAUNCHED.match(stderr) if status in {126, 127} else None
        if unlaunched:
            return Ended(self.key, None, b"", "", f"{CANNOT}: {unlaunched[1]}")
        stdout = b"" if self._why and not self._per_line else bytes(self._out)
        return Ended(self.key, status, stdout[: self._limit], stderr, self._why)

    def _status(self) -> int | None:
        """How it has ended. It is not reaped by that where that can be, see `has_exited`."""
        if hasattr(os, "waitid"):
            with contextlib.suppress(ChildProcessError):
                found = os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if found is not None:
                    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
        self.process.poll()
        return self.process.returncode

    def reap(self, now: float) -> bool:
        """Whether nothing is left of it; called again and again after its end."""
        if now >= self._dismiss_at:
            self._dismiss_at = math.inf
            if is_left(self.process.pid):
                self._kill_at = now + TERM_TO_KILL
                self.signal(signal.SIGTERM)
                self.signal(signal.SIGCONT)
        if now >= self._kill_at:
            self.signal(signal.SIGKILL)
            self._kill_at = math.inf
        self._reap_at = min(self._dismiss_at, self._kill_at)
        if self._reap_at < math.inf:
            return False
        self._reap_at = now + _REAP_AGAIN
        if self.process.poll() is None:
            return False
        self.close()
        return True

    def close(self) -> None:
        """Let go of all descriptors."""
        self._close(self.process.stdin, self.process.stdout, self.process.stderr)
        self._forget_pidfd()

    def _forget_pidfd(self) -> None:
        if self._pidfd >= 0:
            with contextlib.suppress(KeyError):
                self._selector.unregister(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def _close(self, *pipes: IO[bytes] | None) -> None:
        for pipe in pipes:
            if pipe is not None and not pipe.closed:
                with contextlib.suppress(KeyError):
                    self._selector.unregister(pipe)
                with contextlib.suppress(OSError):
                    pipe.close()


def _size(number: int) -> str:
    return f"{number // MEGABYTE} MB" if number >= MEGABYTE else f"{number // 1024} KB"
