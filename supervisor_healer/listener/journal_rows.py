"""The journal's tables: one transaction in, rows out."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from supervisor_healer.listener.journal_file import rollback
from supervisor_healer.protocol import WireNote

NOTES_KEPT = 10_000  # lines of history; the oldest go first
_NOTES = "SELECT id, at, worker, event, text, evidence FROM note ORDER BY id DESC LIMIT ?"
_NOTES_OF = "SELECT id, at, worker, event, text, evidence FROM note WHERE worker = ? ORDER BY id DESC LIMIT ?"


@dataclass(frozen=True, slots=True)
class Batch:
    """What is written together. `memories` maps (kind, name) to JSON. `durable`: it has to survive a power cut."""

    memories: Mapping[tuple[str, str], str] = field(default_factory=dict)
    forgotten: Iterable[tuple[str, str]] = ()
    notes: list[WireNote] = field(default_factory=list)
    meta: Mapping[str, str] = field(default_factory=dict)
    durable: bool = False


def write(db: sqlite3.Connection, batch: Batch) -> None:
    """Write `batch` as one transaction.

    Raises sqlite3.Error, or UnicodeError for half a character in a name; nothing is left of the batch then.
    """
    db.execute(f"PRAGMA synchronous = {'FULL' if batch.durable else 'NORMAL'}")
    db.execute("BEGIN IMMEDIATE")
    try:
        db.executemany("DELETE FROM memory WHERE kind = ? AND name = ?", list(batch.forgotten))
        memories = [(*key, body) for key, body in batch.memories.items()]
        db.executemany("INSERT OR REPLACE INTO memory VALUES (?, ?, ?)", memories)
        db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(batch.meta.items()))
        db.executemany("INSERT INTO note VALUES (?, ?, ?, ?, ?, ?)", [_to_row(note) for note in batch.notes])
        if batch.notes:
            db.execute("DELETE FROM note WHERE id <= ?", (batch.notes[-1]["id"] - NOTES_KEPT,))
        db.execute("COMMIT")
    except BaseException:
        rollback(db)
        raise


def read_memories(db: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """Every (kind, name, JSON), unchecked. Raises sqlite3.Error."""
    return db.execute("SELECT kind, name, body FROM memory").fetchall()


def read_meta(db: sqlite3.Connection) -> dict[str, str]:
    """Every fact. Raises sqlite3.Error."""
    return dict(db.execute("SELECT key, value FROM meta").fetchall())


def read_notes(db: sqlite3.Connection, worker: str, limit: int) -> list[WireNote]:
    """The newest `limit` notes of `worker` ('': of all), oldest of them first. Raises sqlite3.Error."""
    found = db.execute(_NOTES_OF, (worker, limit)) if worker else db.execute(_NOTES, (limit,))
    return [_from_row(row) for row in reversed(found.fetchall())]


def read_note_rows(db: sqlite3.Connection) -> list[tuple[object, ...]]:
    """The at, worker, event, text and evidence of every note, oldest first, unchecked. Raises sqlite3.Error."""
    return [row[1:] for row in reversed(db.execute(_NOTES, (NOTES_KEPT,)).fetchall())]


def last_id(db: sqlite3.Connection) -> int:
    """The number of the newest note, 0 if there is none. Raises sqlite3.Error."""
    (newest,) = db.execute("SELECT max(id) FROM note").fetchone()
    return int(newest or 0)


def _to_row(note: WireNote) -> tuple[int, float, str, str, str, str]:
    evidence = json.dumps(note["evidence"], ensure_ascii=True)
    return note["id"], note["at"], note["worker"], note["event"], note["text"], evidence


def _from_row(row: tuple[int, float, str, str, str, str]) -> WireNote:
    number, at, worker, event, text, evidence = row
    try:
        lines = [str(line) for line in json.loads(evidence)]
    except (ValueError, TypeError):
        lines = []
    return {"id": number, "at": at, "worker": worker, "event": event, "text": text, "evidence": lines}
