"""The journal's file: opened, checked, brought up to date, locked against a second healer, moved aside if corrupt."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
import time
import urllib.parse

from supervisor_healer.errors import HealerError
from supervisor_healer.listener import journal_place

_MAGIC = b"SQLite format 3\x00"
_APPLICATION_ID = 0x68656C72  # "helr": what tells our database from another program's
_BUSY_TIMEOUT = 0.25  # seconds to wait for a person with an sqlite3 shell; the healer's loop waits with it
_COMPANIONS = ("-wal", "-shm", "-journal", "")  # in the order of moving: a file without its wal is whole, if old

# Statements that lead from version n to n + 1; a new file begins at 0. Add a step, never change one.
SCHEMA: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE memory (kind TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,"
        " PRIMARY KEY (kind, name)) WITHOUT ROWID",
        "CREATE TABLE note (id INTEGER PRIMARY KEY, at REAL NOT NULL, worker TEXT NOT NULL, event TEXT NOT NULL,"
        " text TEXT NOT NULL, evidence TEXT NOT NULL)",
        "CREATE INDEX note_by_worker ON note (worker, id)",
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    ),
)


class JournalError(HealerError):
    """The journal did not take, or cannot take, what it was given."""


class JournalBusyError(JournalError):
    """Another healer holds this journal; `pid` is its process, 0 if that could not be read."""

    def __init__(self, path: str, pid: int) -> None:
        super().__init__(
            f"{path} is in use by another healer (pid {pid or 'unknown'}): two must not act on the same workers."
            " Stop it, or give each its own `state:`"
        )
        self.pid = pid


class Lock:
    """`PATH.lock`, held while this process lives (flock: a killed healer leaves none behind), with its pid inside.

    Not SQLite's own exclusive mode, which would also keep readers out, and does not say who holds it.
    """

    def __init__(self, path: str) -> None:
        self._path = path + ".lock"
        self._of = path
        self._fd = -1

    def hold(self) -> None:
        """Take the lock, or make sure that it is still ours. Raises JournalBusyError, or OSError where it cannot be."""
        if self._fd >= 0 and self._is_in_place():
            return
        self.release()
        fd = journal_place.opened(self._path)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(fd, 32)
            os.close(fd)
            if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
                raise JournalBusyError(self._of, int(holder) if holder.strip().isdigit() else 0) from error
            raise
        self._fd = fd
        with contextlib.suppress(OSError):  # a full disk: the lock holds without its pid
            os.ftruncate(fd, 0)
            os.pwrite(fd, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Let go. The file stays: removing it would let two processes lock two files of one name."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _is_in_place(self) -> bool:
        return same(identity(self._path), os.fstat(self._fd))


def open_for_writing(path: str) -> tuple[sqlite3.Connection, str]:
    """A database at `path` that is whole, ours, up to date and writable, and a warning ('' for none).

    A file that is damaged, or no database at all, is moved aside and a new one begun: the warning says so. Raises
    JournalError, and leaves everything as it is, where the place cannot be written, and for a database that a newer
    version or another program has made.
    """
    try:
        head = _first_bytes(path)
        if head and head != _MAGIC:
            return _begun_anew(path, "is not a database")
        return _opened(path), ""
    except OSError as error:
        raise JournalError(f"cannot write the journal {path}: {error.strerror or error}") from error
    except sqlite3.OperationalError as error:  # locked, read-only, full, I/O error: not the file's own fault
        raise JournalError(f"cannot write the journal {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        return _begun_anew(path, f"is damaged ({error})")


def open_for_reading(path: str) -> sqlite3.Connection | None:
    """The same database where it can be read though not written, as on a disk mounted read-only; None if not even that.

    Budgets that have been used up must be known even when nothing can be added to them.
    """
    try:
        _check_place(path)  # besides, SQLite would wait for ever for the other end of a FIFO
    except OSError:
        return None
    place = urllib.parse.quote(path)
    for mode in ("mode=ro", "mode=ro&immutable=1"):  # the second needs no -shm file, and does without the newest rows
        db = None
        try:
            db = sqlite3.connect(f"file:{place}?{mode}", uri=True, timeout=_BUSY_TIMEOUT, isolation_level=None)
            if (_pragma(db, "application_id"), _pragma(db, "user_version")) == (_APPLICATION_ID, len(SCHEMA)):
                db.execute("SELECT count(*) FROM meta").fetchone()
                return db
        except sqlite3.Error:
            pass
        if db is not None:
            db.close()
    return None


def identity(path: str) -> os.stat_result | None:
    """Which file lies at `path`, None for none."""
    try:
        return os.stat(path)
    except OSError:
        return None


def same(one: os.stat_result | None, other: os.stat_result | None) -> bool:
    """Whether both are one existing file."""
    return one is not None and other is not None and os.path.samestat(one, other)


def wal_of(path: str) -> str:
    """SQLite's write-ahead log of the database `path`."""
    return f"{path}-wal"


def drop_wal(path: str) -> None:
    """Remove the log of a database that is gone: SQLite would play it into what lies at `path` now, and ruin that."""
    for companion in (wal_of(path), f"{path}-shm"):
        with contextlib.suppress(OSError):
            os.unlink(companion)


def _first_bytes(path: str) -> bytes:
    """The beginning of the file, which is made if there is none. Must precede SQLite: a later close drops its locks."""
    fd = journal_place.opened(path)
    try:
        return os.read(fd, len(_MAGIC))
    finally:
        os.close(fd)


def _check_place(path: str) -> None:
    """Raise OSError where one of the database's files is not ours. That they are no links SQLite makes sure of, too."""
    for companion in _COMPANIONS:
        journal_place.check(path + companion)


def _opened(path: str) -> sqlite3.Connection:
    _check_place(path)
    file = os.lstat(path)
    address = f"file:{urllib.parse.quote(path)}?mode=rw"  # which makes no file: ours is there
    db = sqlite3.connect(address, uri=True, timeout=_BUSY_TIMEOUT, isolation_level=None)
    try:
        _check_opened(file, path)
        _check(db, path)
        db.execute("PRAGMA journal_mode = WAL")  # where the file system cannot, SQLite keeps to its rollback journal
        db.execute("PRAGMA journal_size_limit = 4194304")
        migrate(db, SCHEMA)
        return db
    except BaseException:
        db.close()
        raise


def _check_opened(file: os.stat_result, path: str) -> None:
    """Raise JournalError unless it is this file that SQLite has opened, by its name: nothing is written yet."""
    if not journal_place.is_open(file):
        raise JournalError(f"{path} was replaced at the very moment when it was opened")


def _check(db: sqlite3.Connection, path: str) -> None:
    """Raise JournalError for a sound database that is not for us, and sqlite3.DatabaseError for one that is damaged."""
    owner, version = _pragma(db, "application_id"), _pragma(db, "user_version")
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    for (verdict,) in db.execute("PRAGMA quick_check(1)"):
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
    if owner != _APPLICATION_ID and (owner, version, tables) != (0, 0, 0):
        raise JournalError(f"{path} is another program's database: choose another place for `state:`")
    if version > len(SCHEMA):
        raise JournalError(
            f"{path} was written by a newer supervisor_healer (schema {version}, this one knows {len(SCHEMA)}):"
            " upgrade, or choose another place for `state:`"
        )


def migrate(db: sqlite3.Connection, schema: tuple[tuple[str, ...], ...]) -> None:
    """Bring `db` to the last version of `schema`, wholly or not at all. Raises sqlite3.Error.

    Begins a write even if there is nothing to do, so that a database that cannot be written is noticed here.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        version = _pragma(db, "user_version")
        for step in schema[version:]:
            for statement in step:
                db.execute(statement)
        if version < len(schema):
            db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {len(schema)}")
        db.execute("COMMIT")
    except BaseException:
        rollback(db)
        raise


def rollback(db: sqlite3.Connection) -> None:
    """End a transaction that failed; SQLite may have done so already."""
    with contextlib.suppress(sqlite3.Error):
        if db.in_transaction:
            db.execute("ROLLBACK")


def _begun_anew(path: str, why: str) -> tuple[sqlite3.Connection, str]:
    try:
        aside = _move_aside(path)
        _first_bytes(path)
        return _opened(path), f"{path} {why}; moved to {aside}, a new journal is begun: budgets and history start empty"
    except (OSError, sqlite3.Error) as error:
        raise JournalError(f"{path} {why}, and a new journal cannot be begun: {error}") from error


def _move_aside(path: str) -> str:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = f"{path}.corrupt-{stamp}"
    again = 1
    while os.path.lexists(aside):
        again += 1
        aside = f"{path}.corrupt-{stamp}-{again}"
    for suffix in _COMPANIONS:
        with contextlib.suppress(FileNotFoundError):
            os.rename(path + suffix, aside + suffix)
    return aside


def _pragma(db: sqlite3.Connection, name: str) -> int:
    (value,) = db.execute(f"PRAGMA {name}").fetchone()
    return int(value)
