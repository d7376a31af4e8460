"""Looks at the files of a pipeline many times a second, and keeps what it saw for as long as somebody may ask."""

from __future__ import annotations

import glob
import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

EVERY = 0.05  # seconds between two looks
KEPT = 300.0  # seconds; longer than a round with its recovery, at the end of which it is asked for


@dataclass(frozen=True, slots=True)
class Look:
    """From `at` to `until` the file had this `mtime`, and (a config) was `valid`; `mtime` None: it was not there."""

    at: float
    until: float
    mtime: float | None
    valid: bool = True

    def was_fresh(self, since: float, by: float, max_age: float) -> bool:
        """Whether it was fresh at some moment between `since` and `by`."""
        moment = max(self.at, since)
        if self.mtime is None or not self.valid or moment > min(self.until, by):
            return False
        return moment - self.mtime < max_age


@dataclass(slots=True)
class Film:
    """What was seen of one file: looks that follow upon each other, the oldest first."""

    looks: deque[Look] = field(default_factory=deque)

    def add(self, at: float, mtime: float | None, valid: bool) -> None:
        """A look at `at`; one that shows what the last one showed lengthens it.

        One that shows another mtime tells of the time since then, too: there may be less than 50 ms between a write and
        a restart that waited for it.
        """
        last = self.looks[-1] if self.looks else None
        if last and at - last.until < 2 * KEPT and (last.mtime, last.valid) == (mtime, valid):
            self.looks[-1] = Look(last.at, at, mtime, valid)
        else:
            since = at if last is None or mtime is None else min(at, max(last.until, mtime))
            self.looks.append(Look(since, at, mtime, valid))
        while self.looks[0].until < at - KEPT:
            self.looks.popleft()

    def was_fresh(self, since: float, by: float, max_age: float) -> bool:
        """Whether the file was fresh at a moment between `since` and `by`; looks may be added meanwhile."""
        recent = itertools.takewhile(lambda look: look.until >= since, reversed(list(self.looks)))
        return any(look.was_fresh(since, by, max_age) for look in recent)


class Sampler:
    """A thread; a context manager. `gaps` are the times in which it did not come to look: (from, to)."""

    def __init__(self, root: Path, paths: Mapping[str, Callable[[bytes], bool] | None]) -> None:
        """`paths`, relative to `root`, may be patterns, whose newest match counts; a config comes with a test of it."""
        self._root = root
        self._paths = paths
        self._checked: dict[str, tuple[tuple[int, int, int], bool]] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.films = {path: Film() for path in paths}
        self.gaps: deque[tuple[float, float]] = deque(maxlen=1000)
        self.last = 0.0

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(EVERY):
            at = time.time()
            if self.last and at - self.last > 10 * EVERY:
                self.gaps.append((self.last, at))
            for path, test in self._paths.items():
                self.films[path].add(at, *self._look(path, test))
            self.last = at

    def _look(self, path: str, test: Callable[[bytes], bool] | None) -> tuple[float | None, bool]:
        place = os.path.join(self._root, path)
        try:
            if "*" in path:
                return max((os.stat(found).st_mtime for found in glob.glob(place)), default=None), True
            status = os.stat(place)
            if test is None:
                return status.st_mtime, True
            key = (status.st_mtime_ns, status.st_ino, status.st_size)
            if path not in self._checked or self._checked[path][0] != key:
                self._checked[path] = (key, test(Path(place).read_bytes()))
            return status.st_mtime, self._checked[path][1]
        except FileNotFoundError:
            return None, True
