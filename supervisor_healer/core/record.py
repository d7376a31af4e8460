"""What one turn decides, as it comes together: what to remember, what to order, what to tell, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from supervisor_healer.core.freshness import Track
from supervisor_healer.core.orders import Decision, Note, Remember
from supervisor_healer.core.patient import Patient


class Record:
    """Collects decisions; memories come first in what it gives, for they have to be written before all else."""

    def __init__(self) -> None:
        self._decisions: list[Decision] = []
        self._workers: set[str] = set()
        self._files: set[str] = set()
        self._host = False
        self._memories: list[Remember] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been decided since it was taken."""
        return not (self._decisions or self._workers or self._files or self._host or self._memories)

    def note(self, worker: str, event: str, text: str, evidence: tuple[str, ...] = ()) -> None:
        """A line of history."""
        self._decisions.append(Note(worker, event, text, evidence))

    def remember(self, memory: Remember) -> None:
        """A memory to be written, of what is neither a worker's nor a file's."""
        self._memories.append(memory)

    def add(self, decision: Decision) -> None:
        """An order, or something to be told."""
        self._decisions.append(decision)

    def worker_changed(self, name: str) -> None:
        """Its memory is to be written."""
        self._workers.add(name)

    def files_changed(self, paths: Iterable[str]) -> None:
        """What is known of these files is to be written."""
        self._files.update(paths)

    def host_changed(self) -> None:
        """The restarts of all workers together are to be written."""
        self._host = True

    def take(
        self, patients: Mapping[str, Patient], tracks: Mapping[str, Track], host_restarts: Iterable[float]
    ) -> list[Decision]:
        """This turn's decisions, memories first."""
        taken: list[Decision] = [
            Remember("worker", name, patients[name].memory.as_json())
            for name in sorted(self._workers)
            if name in patients
        ]
        taken += [Remember("file", path, tracks[path].memory()) for path in sorted(self._files) if path in tracks]
        if self._host:
            taken.append(Remember("host", "", {"restarts": list(host_restarts)}))
        taken += [*self._memories, *self._decisions]
        self._decisions, self._workers, self._files, self._host, self._memories = [], set(), set(), False, []
        return taken
