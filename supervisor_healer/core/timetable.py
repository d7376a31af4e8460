"""A heap of deadlines: who is to be looked at when. What is not due costs nothing."""

from __future__ import annotations

import heapq

from supervisor_healer.core.freshness import INFINITE

SPARE = 64  # outdated entries that are carried along before the heap is made anew


class Timetable:
    """One moment (mono) for each key; a later `set` replaces it."""

    def __init__(self) -> None:
        self._moments: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def set(self, key: str, moment: float) -> None:
        """`key` is due at `moment`, and not as it was before."""
        if self._moments.get(key) == moment:
            return
        self._moments[key] = moment
        heapq.heappush(self._heap, (moment, key))
        if len(self._heap) > 2 * len(self._moments) + SPARE:
            self._heap = [(moment, key) for key, moment in self._moments.items()]
            heapq.heapify(self._heap)

    @property
    def first(self) -> float:
        """The earliest moment, infinite when nothing is due."""
        while self._heap and self._moments.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else INFINITE

    def take_due(self, now: float) -> list[str]:
        """All keys whose moment has come; they are not due any more."""
        due = []
        while self.first <= now:
            _, key = heapq.heappop(self._heap)
            del self._moments[key]
            due.append(key)
        return due
