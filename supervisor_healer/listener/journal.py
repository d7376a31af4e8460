"""What outlives the healer: memories of workers and files, the history, and when it was last seen.

An intent is written here before the action that it announces. That has to survive three ends:

- of the healer (SIGKILL): a commit has reached the kernel, which is all that a process' death asks for;
- of supervisord and the session: the same;
- of the host (power): the commit has to be on the disk. In WAL mode SQLite syncs each commit only with
  `synchronous = FULL`; with NORMAL a power cut takes everything since the last checkpoint, which may be hours of
  restarts from the budget. So whatever tells of a worker, and every note, is written with FULL (one fdatasync,
  milliseconds, at most a few times per restart), and memories of files alone, which come with every round and are
  only seen again a little later if lost, with NORMAL (no sync at all).

Where the disk does not take it, the journal goes on in memory (`degraded`) with all it knows, and says so.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from supervisor_healer.core.model import Now
from supervisor_healer.core.orders import Note, Remember
from supervisor_healer.fixers.descent import followed
from supervisor_healer.listener.journal_file import (
    JournalBusyError,
    JournalError,
    Lock,
    drop_wal,
    identity,
    open_for_reading,
    open_for_writing,
    same,
    wal_of,
)
from supervisor_healer.listener.journal_rows import (
    NOTES_KEPT,
    Batch,
    last_id,
    read_memories,
    read_meta,
    read_notes,
    write,
)
from supervisor_healer.protocol import WireNote
from supervisor_healer.words import clean, render

__all__ = ["Journal", "JournalBusyError", "JournalError", "StampedNote"]

_LOSS_BEARABLE = "file"  # the kind of memory that a power cut may take


@dataclass(frozen=True, slots=True)
class StampedNote:
    """A note and when it was made. Tokens in its text are rendered as of then: history does not age."""

    at: Now
    note: Note


class Journal:
    """One journal. Use `Journal.open`.

    `degraded` is True while nothing reaches the disk: what is written now does not outlive this process.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self.degraded = True
        self._lock = Lock(self.path)
        self._db: sqlite3.Connection | None = None
        self._identity: os.stat_result | None = None
        self._wal_identity: os.stat_result | None = None
        self._trouble = "not opened"
        self._lasting: list[str] = []
        # All memories and meta, as text: served from here, and all there is to go on with when the disk fails.
        self._memories: dict[tuple[str, str], str] = {}
        self._meta: dict[str, str] = {}
        self._forgotten: set[tuple[str, str]] = set()
        self._unsaved: deque[WireNote] = deque(maxlen=NOTES_KEPT)
        self._last_id = 0

    @classmethod
    def open(cls, path: str) -> Journal:
        """The journal at `path`, made if there is none.

        Raises JournalBusyError if another healer holds it, and nothing else: see `degraded` and `warnings`.
        """
        journal = cls(path)
        try:
            journal.reopen(may_be_busy=False)
        except BaseException:
            journal.close()
            raise
        return journal

    def close(self) -> None:
        """Let go of file and lock."""
        self._let_go()
        self._lock.release()
        self.degraded = True
        self._trouble = f"the journal {self.path} is closed"

    @property
    def warnings(self) -> list[str]:
        """What a person should know: why it is degraded, what was moved aside."""
        now = [f"{self._trouble}; until it can be written, what is done is remembered in memory only"]
        return [*self._lasting, *(now if self.degraded else [])]

    # --- writing ---------------------------------------------------------------------------------------------

    def remember(
        self, items: Iterable[Remember], notes: Iterable[StampedNote] = (), meta: Mapping[str, str] | None = None
    ) -> list[WireNote]:
        """Write all of it, or nothing, and return the notes as they are kept, with their numbers.

        Raises JournalError if a memory is no finite JSON (a bug: nothing was written and nothing else changes), and
        if the disk did not take it. In the second case the journal is `degraded` from then on, and the same call
        again will succeed in memory: whether to act on an intent that is not on disk is the caller's decision.
        """
        memories = {(item.kind, item.name): _dumped(item) for item in items}
        self._stay_in_place()
        numbered = [_wire(self._last_id + count, stamped) for count, stamped in enumerate(notes, 1)]
        durable = bool(numbered) or any(kind != _LOSS_BEARABLE for kind, _ in memories)
        self._save(Batch(memories, (), numbered, dict(meta or {}), durable))
        self._memories.update(memories)
        self._forgotten -= memories.keys()
        self._meta.update(meta or {})
        self._last_id += len(numbered)
        return numbered

    def forget(self, kind: str, name: str) -> None:
        """Drop a memory, if there is one. Raises JournalError as `remember` does."""
        self._stay_in_place()
        self._save(Batch(forgotten=[(kind, name)]))
        self._memories.pop((kind, name), None)
        if self.degraded:
            self._forgotten.add((kind, name))

    def set_meta(self, meta: Mapping[str, str]) -> None:
        """Write facts about the host and the last run; these may be lost in a power cut. Raises JournalError."""
        self.remember((), (), meta)

    def reopen(self, *, may_be_busy: bool = True) -> bool:
        """Try to get (back) to the disk with all that is known; True if the journal is there.

        Call it now and then while `degraded`; it costs a check of the whole file, some milliseconds. What the disk
        knows of other workers and files is taken in, so `memories` may hold more afterwards; of the same ones, what
        is held here is newer. Raises JournalBusyError only if not `may_be_busy`; otherwise that is one more reason
        to stay degraded.
        """
        if not self.degraded:
            return True
        self._let_go()
        try:
            self._db = self._opened()
            self._merge(self._db)
            write(self._db, Batch(self._memories, self._forgotten, list(self._unsaved), self._meta, durable=True))
            self._identity, self._wal_identity = identity(self.path), identity(wal_of(self.path))
        except JournalBusyError as error:
            self._trouble = str(error)
            if not may_be_busy:
                raise
            return False
        except (JournalError, sqlite3.Error, OSError) as error:
            self._trouble = str(error)
            self._read_only()
            return False
        self.degraded = False
        self._unsaved.clear()
        self._forgotten.clear()
        return True

    # --- reading ---------------------------------------------------------------------------------------------

    def memories(self) -> dict[str, dict[str, dict[str, Any]]]:
        """All memories, ``kind -> name -> memory``, as copies."""
        result: dict[str, dict[str, dict[str, Any]]] = {}
        for (kind, name), body in self._memories.items():
            result.setdefault(kind, {})[name] = json.loads(body)
        return result

    def get_meta(self, key: str, default: str = "") -> str:
        """A fact written by `set_meta`, perhaps by an earlier run."""
        return self._meta.get(key, default)

    def history(self, worker: str, limit: int) -> list[WireNote]:
        """The newest `limit` notes of `worker` ('': of all), oldest of them first."""
        unsaved = [note for note in self._unsaved if worker in {"", note["worker"]}] if self.degraded else []
        missing = limit - len(unsaved)
        return [*self._saved_notes(worker, missing), *unsaved][-limit:] if limit > 0 else []

    @property
    def last_note_id(self) -> int:
        """The number of the newest note, 0 before the first. It grows by one a note, also across restarts."""
        return self._last_id

    # --- inside ----------------------------------------------------------------------------------------------

    def _opened(self) -> sqlite3.Connection:
        try:
            self._resolve()
            self._lock.hold()
        except OSError as error:
            raise JournalError(f"cannot write the journal {self.path}: {error.strerror or error}") from error
        db, warning = open_for_writing(self.path)
        if warning:
            self._warn(warning)
        return db

    def _resolve(self) -> None:
        """Know where the path leads, links followed that are not somebody else's."""
        path = followed(self.path)
        if path != self.path:
            self._lock.release()
            self.path, self._lock = path, Lock(path)

    def _warn(self, text: str) -> None:
        if text not in self._lasting:
            self._lasting.append(text)

    def _let_go(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _read_only(self) -> None:
        """What cannot be written may still be read, and budgets that are used up must be known."""
        self._let_go()
        db = open_for_reading(self.path)
        if db is not None:
            try:
                self._load(db)
                self._db = db
            except sqlite3.Error:
                db.close()

    def _load(self, db: sqlite3.Connection) -> None:
        """Take in what the disk knows and memory does not. Raises sqlite3.Error."""
        for kind, name, body in read_memories(db):
            if (kind, name) in self._memories or (kind, name) in self._forgotten:
                continue
            if _is_object(body):
                self._memories[kind, name] = body
            else:
                self._warn(f"{self.path}: the memory of {clean(kind)} {clean(name)} is unreadable and ignored")
        for key, value in read_meta(db).items():
            self._meta.setdefault(key, value)
        self._last_id = max(self._last_id, last_id(db))

    def _merge(self, db: sqlite3.Connection) -> None:
        """Take in what the disk knows; notes made meanwhile go after those that it has."""
        newest = last_id(db)
        shift = newest + 1 - self._unsaved[0]["id"] if self._unsaved else 0
        if shift > 0:
            for note in self._unsaved:
                note["id"] += shift
            self._last_id += shift
        self._load(db)

    def _save(self, batch: Batch) -> None:
        """Write to the disk, or while degraded keep what the disk is to get later. Raises JournalError."""
        if self.degraded or self._db is None:
            self._unsaved.extend(batch.notes)
            return
        try:
            write(self._db, batch)
        except UnicodeError as error:
            raise JournalError(f"not text that can be stored: {error}") from error
        except (sqlite3.Error, OSError) as error:
            self._degrade(f"cannot be written: {error}")
            raise JournalError(self._trouble) from error

    def _stay_in_place(self) -> None:
        """If the file was removed or replaced under us, begin it again: nobody would ever read what we write there."""
        if self.degraded or same(self._identity, identity(self.path)):
            return
        self._degrade("was removed or replaced while in use")
        self._let_go()
        if same(self._wal_identity, identity(wal_of(self.path))):
            drop_wal(self.path)
        self.reopen()

    def _degrade(self, why: str) -> None:
        self.degraded = True
        self._trouble = f"the journal {self.path} {why}"

    def _saved_notes(self, worker: str, limit: int) -> list[WireNote]:
        if self._db is None or limit <= 0:
            return []
        try:
            return read_notes(self._db, worker, limit)
        except sqlite3.Error:
            return []  # history is for people; nothing is decided by it


def _dumped(item: Remember) -> str:
    """ASCII JSON; no NaN and no infinity, which would be no JSON, and in a moment would be a bug."""
    try:
        return json.dumps(dict(item.memory), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise JournalError(f"the memory of {item.kind} {item.name} cannot be written: {error}") from error


def _is_object(body: object) -> bool:
    try:
        return isinstance(body, str) and isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


def _wire(number: int, stamped: StampedNote) -> WireNote:
    note, now = stamped.note, stamped.at
    return {
        "id": number,
        "at": now.wall,
        "worker": clean(note.worker),
        "event": note.event,
        "text": render(note.text, now.mono),
        "evidence": [render(line, now.mono) for line in note.evidence],
    }
