"""Descriptors and memory of supervisord and of its healer, and whether they grow."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

SETTLED = 60.0  # seconds after which a process has taken what it takes at its start
MORE_FDS = 3  # connections that happen to be open


@dataclass(frozen=True, slots=True)
class Reading:
    """What one process held at a moment; rss in KiB."""

    at: float
    age: float
    role: str
    pid: int
    fds: int
    rss: float


@dataclass(frozen=True, slots=True)
class Slope:
    """KiB an hour, with its standard error; NaN where there is too little to tell."""

    per_hour: float
    error: float

    def grows(self, tolerated: float) -> bool:
        """Whether it is, beyond doubt (two standard errors), more than `tolerated` KiB an hour."""
        return self.per_hour - 2 * self.error > tolerated


def read(role: str, pid: int, now: float) -> Reading:
    """Read one process. Raises psutil.NoSuchProcess."""
    process = psutil.Process(pid)
    with process.oneshot():
        started, rss = process.create_time(), process.memory_info().rss / 1024
        return Reading(now, now - started, role, pid, process.num_fds(), rss)


def more_descriptors(before: Iterable[Reading], after: Iterable[Reading]) -> list[str]:
    """Who has more descriptors at the second quiet moment than at the first, whatever process it is by now."""
    had = {reading.role: reading.fds for reading in before}
    return [
        f"descriptors: {one.role} had {had[one.role]}, and has {one.fds}"
        for one in after
        if one.fds > had[one.role] + MORE_FDS
    ]


def slope(readings: Iterable[Reading]) -> Slope:
    """How the memory of a role grows, by least squares: one slope for all its processes, each with its own level.

    What a process reads in its first `SETTLED` seconds does not count.
    """
    lives: dict[int, list[Reading]] = defaultdict(list)
    for reading in readings:
        if reading.age > SETTLED:
            lives[reading.pid].append(reading)
    points: list[tuple[float, float]] = []
    for life in lives.values():
        at = sum(one.at for one in life) / len(life)
        level = sum(one.rss for one in life) / len(life)
        points += [((one.at - at) / 3600, one.rss - level) for one in life]
    spread = sum(x * x for x, _ in points)
    free = len(points) - len(lives) - 1
    if free < 1 or not spread:
        return Slope(math.nan, math.nan)
    rise = sum(x * y for x, y in points) / spread
    rest = sum((y - rise * x) ** 2 for x, y in points)
    return Slope(rise, math.sqrt(rest / free / spread))
