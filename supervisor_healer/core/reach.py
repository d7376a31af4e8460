"""How far a trouble reaches: every worker and consumer downstream of a worker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


class Reach:
    """Everybody downstream of each worker, in the order of the data flow, consumers last.

    A set is one integer with a bit for each of them, so that all the sets of a chain of 2,000 workers take some
    milliseconds and half a megabyte. `order` are the workers, upstream first; `sources` the workers that a consumer
    reads from, by its name.
    """

    def __init__(
        self, order: Sequence[str], downstream: Mapping[str, Iterable[str]], sources: Mapping[str, Iterable[str]]
    ) -> None:
        self._names = (*order, *sources)
        self._place = {name: place for place, name in enumerate(order)}
        self._beyond = dict.fromkeys(order, 0)
        for place, workers in enumerate(sources.values(), len(order)):
            for name in workers:
                self._beyond[name] |= 1 << place
        while self._carry(order, downstream):
            pass  # once is enough, but for a cycle: numprocs may close one at run time

    def _carry(self, order: Sequence[str], downstream: Mapping[str, Iterable[str]]) -> bool:
        """Add to each worker's set those of its readers; whether anything was new."""
        before = dict(self._beyond)
        for name in reversed(order):
            for reader in downstream[name]:
                self._beyond[name] |= self._beyond[reader] | 1 << self._place[reader]
        return self._beyond != before

    def of(self, name: str, most: int) -> tuple[list[str], int]:
        """The first `most` names of those downstream of `name`, and how many there are."""
        beyond = self._beyond[name] & ~(1 << self._place[name])
        count = beyond.bit_count()
        names: list[str] = []
        while beyond and len(names) < most:
            lowest = beyond & -beyond
            names.append(self._names[lowest.bit_length() - 1])
            beyond ^= lowest
        return names, count
