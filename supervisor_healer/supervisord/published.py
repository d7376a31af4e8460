"""What the listener last published, as one memory that answers reads."""

from __future__ import annotations

from collections import deque
from typing import Any

from supervisor_healer.protocol import HISTORY_KEPT, Publication, WireFile, WireNote, WireWorker


class Published:
    """The workers, their history and the latest report, merged from publications. Knows nothing of processes."""

    def __init__(self) -> None:
        self.workers: dict[str, WireWorker] = {}
        self.history: deque[WireNote] = deque(maxlen=HISTORY_KEPT)
        self.report: dict[str, Any] = {}
        self._by_address: dict[str, str] = {}
        self._turn = 0  # counts publications
        self._worker_turn: dict[str, int] = {}
        self._ages: dict[str, tuple[int, float]] = {}

    def merge(self, news: Publication) -> None:
        """Take in a checked publication; a full one replaces what is held."""
        self._turn += 1
        if news["full"]:
            self.workers.clear()
            self.history.clear()
            self.report = {}
            self._worker_turn.clear()
            self._ages.clear()
        for name in news["gone"]:
            self.workers.pop(name, None)
            self._worker_turn.pop(name, None)
        for worker in news["workers"]:
            self.workers[worker["name"]] = worker
            self._worker_turn[worker["name"]] = self._turn
        if news["full"] or news["gone"] or news["workers"]:
            self._by_address = {worker["address"]: name for name, worker in self.workers.items() if worker["address"]}
        for path, aged in news["ages"].items():
            self._ages[path] = (self._turn, aged)
        if len(self._ages) > 2 * sum(len(w["inputs"]) + len(w["outputs"]) for w in self.workers.values()) + 1000:
            self._ages.clear()  # paths that no worker has: a bug of the sender's must not fill supervisord
        last = self.history[-1]["id"] if self.history else 0
        self.history.extend(note for note in news["history"] if note["id"] > last)  # a repetition adds nothing
        if news["report"]:
            self.report = news["report"]

    def aged_mono(self, worker: str, file: WireFile) -> float:
        """The moment from which the file's age counts, 0.0 if unknown: as published with the worker, or since."""
        turn, aged = self._ages.get(file["path"], (0, 0.0))
        return aged if turn > self._worker_turn.get(worker, 0) else file["aged_mono"]

    def named(self, name: str) -> WireWorker | None:
        """The worker with this name, or with supervisord's ``group:name``, or ``name`` where the group is the same."""
        found = self.workers.get(name)
        if found is None:
            found = self.at(name if ":" in name else f"{name}:{name}")
        return found

    def at(self, address: str) -> WireWorker | None:
        """The worker whose process has this ``group:name``."""
        return self.workers.get(self._by_address.get(address, ""))

    def notes(self, name: str, limit: int) -> list[WireNote]:
        """The last `limit` lines of history (0: all that is held), oldest first; `name` '' means of everybody."""
        notes = [note for note in self.history if not name or note["worker"] == name]
        return notes[-limit:] if limit else notes
