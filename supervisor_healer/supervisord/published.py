"""What the listener last published, as one memory that answers reads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from supervisor_healer.protocol import HISTORY_KEPT, Publication, WireConsumer, WireFile, WireNote, WireWorker

AGES_SPARE = 1000  # ages of files that nobody has any longer, kept before they are looked for


class Published:
    """The pipeline, its history and the latest report, merged from publications. Knows nothing of processes."""

    def __init__(self) -> None:
        self.workers: dict[str, WireWorker] = {}
        self.consumers: dict[str, WireConsumer] = {}
        self.files: dict[str, WireFile] = {}  # those that no worker has
        self.history: deque[WireNote] = deque(maxlen=HISTORY_KEPT)
        self.report: dict[str, Any] = {}
        self._by_address: dict[str, str] = {}
        self._ages: dict[str, float] = {}  # path -> aged_mono, whoever told it last
        self._ages_most = AGES_SPARE

    def merge(self, news: Publication) -> None:
        """Take in a checked publication; a full one replaces what is held."""
        if news["full"]:
            self.workers.clear()
            self.consumers.clear()
            self.files.clear()
            self.history.clear()
            self.report = {}
            self._ages.clear()
        for name in news["gone"]:
            if self.workers.pop(name, None) is None:
                self.consumers.pop(name, None)
        for path in news["files_gone"]:
            self.files.pop(path, None)
        self._ages.update(news["ages"])
        for worker in news["workers"]:
            self.workers[worker["name"]] = worker
            self._note_ages(worker["inputs"])
            self._note_ages(worker["outputs"])
        for consumer in news["consumers"]:
            self.consumers[consumer["name"]] = consumer
            self._note_ages(consumer["inputs"])
        for file in news["files"]:
            self.files[file["path"]] = file
        self._note_ages(news["files"])
        self._prune_ages()
        if news["full"] or news["gone"] or news["workers"]:
            self._by_address = {worker["address"]: name for name, worker in self.workers.items() if worker["address"]}
        last = self.history[-1]["id"] if self.history else 0
        self.history.extend(note for note in news["history"] if note["id"] > last)  # a repetition adds nothing
        if news["report"]:
            self.report = news["report"]

    def aged_mono(self, file: WireFile) -> float:
        """The moment from which the file's age counts, 0.0 if unknown: as last told, by whichever news of it."""
        return self._ages.get(file["path"], file["aged_mono"])

    def every_file(self) -> Iterator[tuple[str, WireFile]]:
        """Each file as often as somebody has it, with the name of its reader, or ''.

        The first of a path is the one to be believed of it: as its producer has it, else as nobody's, else a reader's.
        """
        for worker in self.workers.values():
            for file in worker["outputs"]:
                yield "", file
        for file in self.files.values():
            yield "", file
        for reader in (*self.workers.values(), *self.consumers.values()):
            for file in reader["inputs"]:
                yield reader["name"], file

    def believed(self, path: str) -> WireFile:
        """The file with this path, which somebody has."""
        return next(file for _, file in self.every_file() if file["path"] == path)

    def path_of(self, name: str) -> str:
        """The file that is called so, or the pattern that it matches (a shell puts names in the place of one); or ''.

        As in the architecture a wildcard does not match a slash.
        """
        parts, found = name.split("/"), ""
        for _, file in self.every_file():
            path = file["path"]
            if path == name:
                return path
            if not found and any(mark in path for mark in "*?["):
                wanted = path.split("/")
                found = path if len(wanted) == len(parts) and all(map(fnmatchcase, parts, wanted)) else ""
        return found

    def readers(self, path: str) -> list[WireWorker | WireConsumer]:
        """Who reads this file, workers first, by name."""
        everybody: list[WireWorker | WireConsumer] = []
        for some in (self.workers, self.consumers):
            everybody += [some[name] for name in sorted(some)]
        return [one for one in everybody if any(file["path"] == path for file in one["inputs"])]

    def reported(self, path: str) -> list[tuple[str, str]]:
        """What the latest report says of a file or config: each message with the action for a person, or ''."""
        sections = [self.report.get(section) for section in ("failed", "warnings")]
        return [
            (str(entry.get("message", "")), str(entry.get("action", "")))
            for entries in sections
            for entry in (entries if isinstance(entries, list) else ())
            if isinstance(entry, dict) and entry.get("subject") == path and entry.get("kind") in ("file", "config")
        ]

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

    def _note_ages(self, files: Iterable[WireFile]) -> None:
        for file in files:
            self._ages[file["path"]] = file["aged_mono"]

    def _prune_ages(self) -> None:
        """Drop the ages of paths that nobody has, once there may be many: they must not fill supervisord."""
        if len(self._ages) > self._ages_most:
            held = {file["path"] for _, file in self.every_file()}
            self._ages = {path: aged for path, aged in self._ages.items() if path in held}
            self._ages_most = 2 * len(self._ages) + AGES_SPARE
