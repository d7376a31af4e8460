"""Looks that can be given up: a stat on a dead network mount hangs in the kernel, and must not hang the listener.

The looking is done by a thread that is kept for it. The listener waits for as long as the thread gets on. When it has
been at one path for longer than `patience`, it is left there, the path is answered as a problem, and a new thread
does the rest. While the thread hangs, nobody else is sent after it: its path, all others in the same folder, and if
the mount point does not answer either, all others on the same mount are answered at once in the same way. A pattern
stands for the other patterns in its folder only: it may take long just because it has so many matches.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from supervisor_healer.core.model import Seen
from supervisor_healer.core.pipeline import is_pattern
from supervisor_healer.listener import probes
from supervisor_healer.words import ago

PATIENCE = 0.25  # seconds at one path
SHORTEST = 0.05  # seconds: what is left of the patience once something hangs, however much more there is to look at
LONGEST = 2.0  # seconds: for a path that is known to take long and to answer, such as a pattern with 100,000 matches
_MOUNTS = "/proc/self/mountinfo"
_OCTAL = re.compile(r"\\([0-7]{3})")


class Look(Protocol):
    """As `probes.look`."""

    def __call__(self, root: str, paths: Iterable[str], grounds: Collection[str] = ()) -> dict[str, Seen]:
        """One look at each of `paths`."""


class Lookout:
    """Looks at files below `root`, which may be changed between two looks. For one thread's use."""

    def __init__(self, root: str, patience: float = PATIENCE, look: Look = probes.look) -> None:
        self.root = root
        self._patience = patience
        self._look = look
        self._worker: _Worker | None = None
        self._hangs: list[_Hang] = []
        self._mounts: tuple[str, ...] = ()
        self._silent: dict[str, _Worker] = {}  # mount points that do not answer, and the thread that has asked
        # root and path: its folder and mount, as of the last discovery
        self._places: dict[tuple[str, str], tuple[str, str]] = {}
        self._slow: dict[str, float] = {}  # paths that were given up and have answered in the end, in so many seconds

    def look(self, paths: Iterable[str], grounds: Collection[str] = ()) -> dict[str, Seen]:
        """As `probes.look`, and never longer than about `patience`: a path that hangs is answered with a problem."""
        root, look = self.root, self._look

        def one(path: str) -> Seen:
            return look(root, (path,), grounds)[path]

        seen, missed = self._do(list(paths), one)
        for path, problem in missed.items():
            seen[path] = Seen(problem=problem)
        return seen

    def fingerprints(self, paths: Iterable[str]) -> dict[str, tuple[int, ...]]:
        """`probes.fingerprint` of each path; one that hangs is not in the answer."""
        root = self.root
        return self._do(list(paths), lambda path: probes.fingerprint(root, path))[0]

    @property
    def hung(self) -> tuple[tuple[str, float], ...]:
        """The paths that looks hang on, and since when (mono): one for each mount or folder."""
        self._welcome_back()
        return tuple((hang.path, hang.since) for hang in self._hangs)

    def close(self) -> None:
        """Let the kept thread end. A look after this one begins anew."""
        if self._worker is not None:
            self._worker.give_up()
            self._worker = None

    def _do(self, paths: list[str], one: Callable[[str], Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """`one` of each path, and for those that had to be left out the problem in words."""
        done: dict[str, Any] = {}
        missed: dict[str, str] = {}
        patience = self._patience
        self._welcome_back()
        while True:
            if self._hangs:
                missed.update(self._covered(paths))
                paths = [path for path in paths if path not in missed]
            if not paths:
                return done, missed
            try:
                worker = self._ready()
            except RuntimeError as error:
                missed.update((path, f"cannot be looked at: {error}") for path in paths)
                return done, missed
            hang = worker.work(paths, one, patience, self._slow)
            if worker.error is not None:
                self.close()
                raise worker.error
            done.update(worker.done)
            if hang is None:
                return done, missed
            self._worker = None
            patience = min(patience, max(SHORTEST, patience / 2))
            paths = [path for path in paths if path not in done]
            if hang[0] in paths:
                self._hangs.append(self._assess(worker, *hang))

    def _ready(self) -> _Worker:
        """The kept thread, or a new one. Raises RuntimeError where the system allows no more threads."""
        if self._worker is None:
            self._worker = _Worker()
        return self._worker

    def _assess(self, worker: _Worker, path: str, since: float) -> _Hang:
        """What hangs there: the whole mount, or this folder only (a link to a dead mount, a slow pattern)?"""
        self._mounts = _mount_points()
        self._places = {}
        folder, mount = self._place(path)
        if mount and mount not in self._silent:
            with contextlib.suppress(RuntimeError):
                asked = self._ready()
                if asked.work([mount], _ask, min(self._patience, SHORTEST), {}) is not None:
                    self._worker = None
                    self._silent[mount] = asked
        return _Hang(worker, path, since, folder, mount)

    def _covered(self, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Those of `paths` that would hang as well, and the problem in words."""
        by_folder = {hang.folder: hang for hang in self._hangs}
        by_mount = {hang.mount: hang for hang in self._hangs if hang.mount in self._silent}
        for path in paths:
            folder, mount = self._place(path)
            hang = by_folder.get(folder) or by_folder.get(folder.removesuffix("/*") or "/") or by_mount.get(mount)
            if hang is not None:
                what = "it" if path == hang.path else hang.path
                yield path, f"does not answer: a look at {what} has hung for {ago(hang.since)}"

    def _welcome_back(self) -> None:
        """Forget the hangs whose threads have come back: their paths are looked at again."""
        if not self._hangs and not self._silent:
            return
        for hang in self._hangs:
            took = hang.worker.ended - hang.since
            if hang.worker.busy:
                continue
            self._slow.pop(hang.path, None)
            if took < LONGEST:
                self._slow[hang.path] = took
        self._hangs = [hang for hang in self._hangs if hang.worker.busy]
        self._silent = {mount: asked for mount, asked in self._silent.items() if asked.busy}

    def _place(self, path: str) -> tuple[str, str]:
        """Folder (of a pattern ``FOLDER/*``) and mount point ('' unknown), by name: following links might hang."""
        place = self._places.get((self.root, path))
        if place is None:
            folder = os.path.normpath(probes.folder(self.root, path))
            inside = folder.rstrip("/") + "/"
            mount = next((mount for mount in self._mounts if inside.startswith(mount.rstrip("/") + "/")), "")
            place = inside + "*" if is_pattern(path) else folder, mount
            self._places[self.root, path] = place
        return place


@dataclass(frozen=True, slots=True)
class _Hang:
    """A thread that has been left at `path`, which is in `folder`, on `mount` ('' where mounts are not known)."""

    worker: _Worker
    path: str
    since: float
    folder: str
    mount: str


class _Worker:
    """One thread. Two locks are its bell and its answer: the cheapest way to hand over, some 15 us there and back."""

    def __init__(self) -> None:
        self.done: dict[str, Any] = {}
        self.error: Exception | None = None
        self.busy = False
        self.ended = 0.0
        self._paths: list[str] = []
        self._one: Callable[[str], Any] = str
        self._at: tuple[str, float] | None = None
        self._given_up = False
        self._bell, self._answer = threading.Lock(), threading.Lock()
        self._bell.acquire()
        self._answer.acquire()
        threading.Thread(target=self._live, name="lookout", daemon=True).start()

    def work(
        self, paths: list[str], one: Callable[[str], Any], patience: float, slow: Mapping[str, float]
    ) -> tuple[str, float] | None:
        """`one` of each path into `done`; None when all is done, else the path that it hangs on, and since when.

        It has then been given up, and may still add to `done`.
        """
        self.done, self._paths, self._one = {}, paths, one
        self.busy = True
        self._bell.release()
        wait = patience
        overslept = False
        began = time.monotonic()
        while not self._answer.acquire(timeout=wait):
            at, now = self._at, time.monotonic()
            if at is None:  # it has not begun: a busy host
                wait, began = patience, now
                continue
            if now - began - wait > SHORTEST and not overslept:  # we were frozen, and so was the thread
                wait, began, overslept = patience, now, True
                continue
            allowed = max(patience, min(LONGEST, 2 * slow.get(at[0], 0.0)))
            wait, began = at[1] + allowed - now, now
            if wait <= 0:
                self.give_up()
                return at
        return None

    def give_up(self) -> None:
        """Let the thread end, when it comes back from where it is."""
        self._given_up = True
        with contextlib.suppress(RuntimeError):  # rung already
            self._bell.release()

    def _live(self) -> None:
        while self._bell.acquire() and not self._given_up:
            try:
                for path in self._paths:
                    if self._given_up:
                        break
                    self._at = (path, time.monotonic())
                    self.done[path] = self._one(path)
            except Exception as error:  # a bug in the look: whoever waits shall have it
                self.error = error
            self._at = None
            self.ended = time.monotonic()
            self.busy = False
            self._answer.release()


def _ask(mount: str) -> None:
    """Does the mount answer? Not by its attributes: those may be remembered for a minute after its server is gone."""
    with contextlib.suppress(OSError):
        os.statvfs(mount)


def _mount_points() -> tuple[str, ...]:
    """Where file systems are mounted, longest first; () where the system does not say."""
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            rows = [line.split(" ") for line in file]
    except OSError:
        return ()
    places = {_OCTAL.sub(lambda match: chr(int(match[1], 8)), row[4]) for row in rows if len(row) > 4}
    return tuple(sorted(places, key=len, reverse=True))
