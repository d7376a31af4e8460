"""The simulated files: what the healer can see of them, and what is true of them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from supervisor_healer.core.model import Seen
from supervisor_healer.core.pipeline import is_pattern
from supervisor_healer.simulation.timeline import Timeline

WRITES_KEPT = 512
LONG_AGO = float("-inf")


@dataclass
class TrueFile:
    """A file as it is. `mtime` is wall time, None: it is not there; all other moments are true (mono) ones.

    `written` is its last write, `dated_back` by how much its mtime lags behind that, `gone_at` its last removal,
    `writes` the last writes; `last_by` is writer -> when he wrote last, and as which process of his.
    """

    path: str
    mtime: float | None = None
    written: float = LONG_AGO
    gone_at: float = LONG_AGO
    dated_back: float = 0.0
    problem: str = ""
    writes: deque[float] = field(default_factory=lambda: deque(maxlen=WRITES_KEPT))
    last_by: dict[str, tuple[float, int]] = field(default_factory=dict)


class Disk:
    """All files by path. `grain` and `lag` (seconds) are how mtimes deceive: cut to a whole grain, or too old."""

    def __init__(self, time: Timeline) -> None:
        self.files: dict[str, TrueFile] = {}
        self.ground: dict[str, str] = {}  # path -> what is wrong with the file system under it
        self.grain = 0.0
        self.lag = 0.0
        self.ahead: dict[str, float] = {}  # path -> so many seconds in the future its writer dates it
        self._time = time

    def file(self, path: str) -> TrueFile:
        """The file at `path`, which need not be there yet."""
        found = self.files.get(path)
        if found is None:
            found = self.files[path] = TrueFile(path)
        return found

    def write(self, path: str, writer: str = "", generation: int = 0, mtime: float | None = None) -> None:
        """`writer` writes it, as his `generation`-th process."""
        file = self.file(path)
        if mtime is None:
            mtime = self._time.wall - self.lag + self.ahead.get(path, 0.0)
        file.mtime = mtime - mtime % self.grain if self.grain else mtime
        file.written = self._time.mono
        file.dated_back = max(0.0, self._time.wall - file.mtime)
        file.writes.append(file.written)
        file.last_by[writer] = (file.written, generation)

    def remove(self, path: str) -> None:
        """It is gone; when it was written is still true."""
        file = self.file(path)
        if file.mtime is not None:
            file.mtime, file.gone_at = None, self._time.mono

    def matching(self, path: str) -> list[TrueFile]:
        """The files that a path of the architecture stands for, there or gone."""
        if is_pattern(path):
            return [found for name, found in self.files.items() if fnmatchcase(name, path)]
        return [self.files[path]] if path in self.files else []

    def newest(self, path: str) -> TrueFile:
        """The one of them that was written last among those that are there, or one that never was."""
        if path in self.files and self.files[path].mtime is not None:
            return self.files[path]
        present = [found for found in self.matching(path) if found.mtime is not None]
        return max(present, key=lambda found: found.written, default=TrueFile(path))

    def look(self, path: str, *, with_ground: bool = False) -> Seen:
        """What a look shows."""
        matching = self.matching(path)
        for found in matching:
            if found.problem:
                return Seen(None, found.problem)
        mtime = max((found.mtime for found in matching if found.mtime is not None), default=None)
        return Seen(mtime, ground=self.ground.get(path, "") if with_ground else "")

    def shift(self, seconds: float) -> None:
        """The monotonic clock began anew: put what is true by it on the new one."""
        for file in self.files.values():
            file.written += seconds
            file.gone_at += seconds
            file.writes = deque((moment + seconds for moment in file.writes), maxlen=WRITES_KEPT)
            file.last_by = {by: (moment + seconds, generation) for by, (moment, generation) in file.last_by.items()}


def written_as(path: str) -> str:
    """The path that a producer of `path` writes: a pattern stands for one file of that form here."""
    return path.replace("*", "1")
