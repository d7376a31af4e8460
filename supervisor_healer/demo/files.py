"""Reading and writing files that other processes read and write at the same moment."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

ROTATE_AT = 1_000_000  # bytes; a JSONL file that has grown past this is renamed to NAME.1
WARM_UP = 65_536  # bytes at the end of a JSONL file that a starting reader looks back at

Row = dict[str, Any]


def write_json(path: Path, value: object) -> None:
    """Replace `path` by `value` as JSON, so that a reader finds the whole old file or the whole new one.

    The temporary file lies beside it, under a name that no reader looks for, and takes its place by one rename.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(json.dumps(value) + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path: Path) -> Row | None:
    """The JSON object in `path`, or None when it is gone or is no JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def append_line(path: Path, row: Mapping[str, object], rotate_at: int = ROTATE_AT) -> None:
    """Append `row` to a JSONL file in one write, after rotating it if it has grown past `rotate_at` bytes."""
    line = (json.dumps(row) + "\n").encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line)
        size = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    if size >= rotate_at:
        path.replace(path.with_name(path.name + ".1"))


class Tail:
    """Follows a JSONL file that another process appends to.

    Gives each complete line once, also across a rotation (what was written to the old file is read to its end
    first) and after a truncation. A line without its newline is not there yet. Lines that are no JSON objects are
    skipped, and named on stderr.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream: IO[bytes] | None = None
        self._identity = (0, 0)
        self._partial = b""

    def warm_up(self) -> list[Row]:
        """The rows already there when a reader starts (the last 64 KiB of them); `read` goes on behind them."""
        if not self._open():
            return []
        assert self._stream is not None
        start = max(0, os.fstat(self._stream.fileno()).st_size - WARM_UP)
        self._stream.seek(start)
        if start:
            self._stream.readline()  # the middle of some line
        return self._drain()

    def read(self) -> list[Row]:
        """The rows that have been completed since the last call."""
        rows: list[Row] = []
        if self._stream is not None:
            if os.fstat(self._stream.fileno()).st_size < self._stream.tell():  # truncated
                self._stream.seek(0)
                self._partial = b""
            rows = self._drain()
            if self._is_current():
                return rows
            rows += self._drain()  # written between our read and the rotation
            self.close()
        if self._open():
            rows += self._drain()
        return rows

    def __enter__(self) -> Tail:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; the next `read` opens it anew, from its beginning."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None
        self._partial = b""

    def _open(self) -> bool:
        try:
            self._stream = self.path.open("rb")
        except FileNotFoundError:
            return False
        status = os.fstat(self._stream.fileno())
        self._identity = (status.st_dev, status.st_ino)
        return True

    def _is_current(self) -> bool:
        """Whether the open file is still the one that the path names; one that is gone for now may come back."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return True
        return (status.st_dev, status.st_ino) == self._identity

    def _drain(self) -> list[Row]:
        assert self._stream is not None
        *lines, self._partial = (self._partial + self._stream.read()).split(b"\n")
        rows = []
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if isinstance(row, dict):
                rows.append(row)
            else:
                print(f"{self.path}: skipped a line that is no JSON object: {line[:80]!r}", file=sys.stderr, flush=True)
        return rows
