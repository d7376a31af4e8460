"""The results file: the latest report as JSON (`results-schema.json`), always whole, never large, never in the way."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import stat
import threading
import time
from typing import Any

from supervisor_healer.fixers.descent import descend, followed, is_inside, resolved
from supervisor_healer.fixers.folder import is_alive
from supervisor_healer.fixers.target import KINDS
from supervisor_healer.words import clean

LARGEST = 256 * 1024  # bytes
MOST_ENTRIES = 200  # of a list
MOST_NAMES = 50  # in `blocked_by`
HISTORY = 100  # entries
LONGEST_TEXT = 500  # characters
AT_MOST_EVERY = 1.0  # seconds between two writings
SILENT_AFTER = 2.0  # seconds of one writing, after which people are told
AT_THE_END = 0.5
_LAYOUT = 8192  # bytes at most that line breaks and indents take
_LISTS = ("healed", "failed", "blocked", "warnings")
_MODE = 0o640  # a report tells of the pipeline, which is not everybody's business


# --- size ----------------------------------------------------------------------------------------------------


def bounded(report: dict[str, Any]) -> dict[str, Any]:
    """`report` below 256 KB: long texts are cut, long lists shortened, and `left_out` says by how many entries.

    What was done and the history lose the oldest, all other lists their last, which are the least critical. Texts may
    hold moments as tokens (`words`), which are never cut in two.
    """
    most = MOST_ENTRIES
    while True:
        result = _shortened(report, most)
        if most == 1 or len(json.dumps(result)) < LARGEST - _LAYOUT:
            return result
        most //= 2


def _shortened(report: dict[str, Any], most: int) -> dict[str, Any]:
    result = dict(report)
    left_out = dict(report.get("left_out", {}))
    for key in _LISTS:
        entries = report.get(key, [])
        if len(entries) > most:
            left_out[key] = left_out.get(key, 0) + len(entries) - most
            result[key] = entries[-most:] if key == "healed" else entries[:most]
    result["history"] = report.get("history", [])[-min(most, HISTORY) :]
    result["left_out"] = left_out
    names = min(most, MOST_NAMES)
    return {key: [_cut(one, names) for one in value] if isinstance(value, list) else _cut(value, names)
            for key, value in result.items()}  # fmt: skip


def _cut(value: Any, names: int) -> Any:
    if isinstance(value, str):
        return _cut_text(value)
    if isinstance(value, list):
        return [_cut(one, names) for one in value[:names]]
    if isinstance(value, dict):
        return {key: _cut(one, names) for key, one in value.items()}
    return value


def _cut_text(text: str) -> str:
    if len(text) <= LONGEST_TEXT:
        return text
    text = text[: LONGEST_TEXT - 3]
    if text.count("\x1f") % 2:
        text = text[: text.rindex("\x1f")]
    return text + "..."


# --- the file ------------------------------------------------------------------------------------------------


def write(path: str, report: dict[str, Any], root: str) -> None:
    """Put `report`, which is bounded first, at `path` in one step: a reader sees the old or the new one, whole.

    A link in the place of the file is never followed. Where `path` lies inside `root`, its folder has to, too, wherever
    links lead; elsewhere only links of root's and of our own are followed. Mode and owner of a file in place are kept.
    Raises OSError, and leaves everything as it was.
    """
    content = _laid_out(bounded(report)).encode("utf-8", "backslashreplace")  # half a surrogate pair: JSON's own escape
    name = os.path.basename(path)
    folder = _folder(path, root)
    try:
        in_place = _in_place(name, folder)
        _sweep(folder, name)
        temporary = f".{name}.{os.getpid()}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            with os.fdopen(
                os.open(temporary, flags, _MODE if in_place is None else 0o600, dir_fd=folder), "wb"
            ) as file:
                if in_place is not None:
                    _dress(file.fileno(), in_place)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise
        with contextlib.suppress(OSError):  # some file systems cannot, and the file is there
            os.fsync(folder)
    finally:
        os.close(folder)


def _folder(path: str, root: str) -> int:
    """The folder of `path`, made where it is missing, and opened."""
    folder = os.path.dirname(path)
    if not is_inside(os.path.normpath(root), os.path.normpath(path)):
        return descend("/", followed(folder), _make)
    home, real = resolved(root), resolved(folder)
    if not is_inside(home, real):
        raise OSError(errno.ELOOP, f"its folder leads to {clean(real)}, outside of the root", path)
    return descend(home, real, _make)


def _make(name: str, folder: int) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o755, dir_fd=folder)


def _laid_out(report: dict[str, Any]) -> str:
    """JSON with a line an entry, for people with `grep`, and made by the fast encoder, which knows no indent."""

    def text(value: object) -> str:
        if isinstance(value, list) and value:
            return "[\n    " + ",\n    ".join(map(text, value)) + "\n  ]"
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    return "{\n  " + ",\n  ".join(f"{text(key)}: {text(value)}" for key, value in report.items()) + "\n}\n"


def _in_place(name: str, folder: int) -> os.stat_result | None:
    """The file in place, None if there is nothing. Raises OSError for anything but a file."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    kind = stat.S_IFMT(found.st_mode)
    if kind != stat.S_IFREG:
        what = KINDS.get(kind, "something else")
        raise OSError(errno.EEXIST, f"{what} is in its place (expected a file, or nothing)", name)
    return found


def _dress(descriptor: int, like: os.stat_result) -> None:
    """Give a new file the owner and the mode of the one whose place it takes.

    A healer that may not give files away keeps it, with the old group if it is in that; whoever is in the group that
    it has instead may no more than everybody.
    """
    mode = stat.S_IMODE(like.st_mode) & 0o777
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (like.st_uid, like.st_gid):
        try:
            os.fchown(descriptor, like.st_uid, like.st_gid)
        except PermissionError:
            try:
                os.fchown(descriptor, -1, like.st_gid)
            except PermissionError:
                mode &= ~0o070 | (mode & 0o007) << 3
    os.fchmod(descriptor, mode)


def _sweep(folder: int, name: str) -> None:
    """Remove what healers that were killed have left half written, and what we have in an earlier life."""
    leftover = re.compile(rf"\.{re.escape(name)}\.(\d+)\.tmp")
    with contextlib.suppress(OSError):
        for entry in os.listdir(folder):
            match = leftover.fullmatch(entry)
            if match and (int(match[1]) == os.getpid() or not is_alive(int(match[1]))):
                with contextlib.suppress(OSError):
                    os.unlink(entry, dir_fd=folder)


# --- in a thread of its own ----------------------------------------------------------------------------------


class ResultsWriter:
    """Writes the newest report whenever there is one, at most once a second. A disk that hangs holds up only itself."""

    def __init__(self, path: str, root: str) -> None:
        self.path = path
        self.root = root
        self._news = threading.Condition()
        self._pending: dict[str, Any] | None = None
        self._writing_since: tuple[float, float] | None = None  # mono, wall
        self._problem = ""
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def problem(self) -> str:
        """Why the newest report is not in the file, '' if it is, or will be in a moment."""
        since = self._writing_since
        if since is not None and time.monotonic() - since[0] > SILENT_AFTER:
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since[1]))
            return f"{self.path} does not answer: it has been written to since {when}"
        return self._problem

    def submit(self, report: dict[str, Any]) -> None:
        """Have `report` written soon; one that still waits is forgotten. `report` must not be changed any more."""
        with self._news:
            self._pending = report
            self._news.notify()
            if self._thread is not None or self._closed:
                return
        thread = threading.Thread(target=self._work, name="results", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._problem = f"{self.path} cannot be written: {error}"
        else:
            self._thread = thread

    def close(self, patience: float = AT_THE_END) -> None:
        """Write what is still to be written, for at most `patience` seconds."""
        with self._news:
            self._closed = True
            self._news.notify()
        if self._thread is not None:
            self._thread.join(patience)

    def _work(self) -> None:
        next_at = 0.0
        while True:
            with self._news:
                while self._pending is None and not self._closed:
                    self._news.wait()
                while not self._closed and (wait := next_at - time.monotonic()) > 0:
                    self._news.wait(wait)
                report, self._pending = self._pending, None
                if report is None:
                    return
                self._writing_since = (time.monotonic(), time.time())
            problem = ""
            try:
                write(self.path, report, self.root)
            except OSError as error:
                problem = f"{self.path} cannot be written: {error.strerror or error}"
            except Exception as error:
                problem = f"{self.path} cannot be written, a bug in the healer: {type(error).__name__}: {error}"
            with self._news:
                self._problem, self._writing_since = problem, None
            next_at = time.monotonic() + AT_MOST_EVERY
