"""Simulated time: two clocks that may part, and what is to happen when."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from supervisor_healer.core.model import Now

SECOND, MINUTE, HOUR, DAY = 1.0, 60.0, 3600.0, 86400.0
EPOCH = 1_700_000_000.0  # wall
BOOT = 5_000.0  # mono


class Timeline:
    """`mono` is true time, in which everything happens; `wall` is what the host's clock shows."""

    def __init__(self) -> None:
        self.mono = BOOT
        self._offset = EPOCH - BOOT
        self._boots = [(0.0, BOOT)]  # elapsed at each boot, mono less elapsed from then on
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    @property
    def wall(self) -> float:
        """Epoch seconds, as the host's clock shows them."""
        return self.mono + self._offset

    @property
    def now(self) -> Now:
        """This moment on both clocks."""
        return Now(self.wall, self.mono)

    @property
    def elapsed(self) -> float:
        """Seconds since the world's beginning, whatever the clocks have done meanwhile."""
        return self.mono - self._boots[-1][1]

    def mono_at(self, elapsed: float) -> float:
        """What the monotonic clock showed then: it has begun anew since, if the host was booted."""
        return elapsed + next(less for since, less in reversed(self._boots) if since <= elapsed)

    @property
    def next_event(self) -> float:
        """When (mono) something happens next."""
        return self._queue[0][0] if self._queue else float("inf")

    def after(self, delay: float, what: Callable[[], None]) -> None:
        """Have `what` happen `delay` seconds from now."""
        self._count += 1
        heapq.heappush(self._queue, (self.mono + delay, self._count, what))

    def pop(self) -> Callable[[], None]:
        """What happens next."""
        return heapq.heappop(self._queue)[2]

    def step(self, seconds: float) -> None:
        """The wall clock jumps; a host that sleeps for so long looks the same, since all else stands still."""
        self._offset += seconds

    def stall(self, seconds: float) -> None:
        """Both clocks go on and nothing runs: a machine that its hypervisor has paused."""
        until = self.mono + seconds
        self._queue = [(max(moment, until), count, what) for moment, count, what in self._queue]
        heapq.heapify(self._queue)
        self.mono = until

    def begin_anew(self, mono: float) -> float:
        """The monotonic clock starts again at `mono`, as after a boot, and nothing is left to happen; by how much."""
        shift = mono - self.mono
        self._queue.clear()
        self._offset -= shift
        self._boots.append((self.elapsed, self._boots[-1][1] + shift))
        self.mono = mono
        return shift
