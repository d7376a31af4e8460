"""Looking at the world: files, frozen processes, the clocks. Nothing here judges, and nothing here raises.

A look tells four things apart, because what follows from them differs:

    Seen(mtime=1720.5)                    a regular file, last moved then
    Seen(mtime=None)                      certainly not there: the healer may call it missing
    Seen(mtime=None, problem="...")       cannot tell (no permission, I/O error, not a file): no evidence
    no entry for the path                 nobody looked
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from fnmatch import translate
from functools import lru_cache

from supervisor_healer.core.model import Now, Seen
from supervisor_healer.fixers.target import KINDS
from supervisor_healer.fixers.target import fingerprint as fingerprint_of

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})
_NOT_THERE = Seen()
_NUL = "its name has a NUL byte"  # the one ValueError of the calls below; its text differs between Pythons
_WILD = re.compile(r"[*?[]")
_SCARCE_BYTES = 1024 * 1024  # a disk with less room than this, and less than a thousandth of its size, is full
_SCARCE_SHARE = 0.001
# Seconds by which a process' creation may differ from the start that supervisord noted: psutil derives it from
# the boot time, which the kernel gives in whole seconds, and a fork may be slow on a busy host.
_START_TOLERANCE = 5.0
_TIGHT = 0.001  # seconds; two readings of the clock this close together count as one
_READINGS = 5


# --- files ---------------------------------------------------------------------------------------------------


def look(root: str, paths: Iterable[str], grounds: Collection[str] = ()) -> dict[str, Seen]:
    """One look at each of `paths`: the last move of a file, of a pattern that of its newest match.

    Paths are relative to the directory `root`, or absolute. Links are followed. A path with one of ``*?[``
    is a pattern, as `glob` has them: wildcards do not match a leading dot, ``[[]`` is a bracket, and a part
    ``**`` stands for any number of directories, here without following links, which may lead in a circle.
    A plain path costs one stat; a pattern lists its directories and costs a stat a match. For those in `grounds`
    the file system is asked, too, whether it could take an output at all.
    """
    seen = {}
    prefix = _prefix(root)
    for path in paths:
        before = "" if path.startswith("/") else prefix
        if is_pattern := "*" in path or "?" in path or "[" in path:
            seen[path] = _look_for_newest(before, path)
        else:
            seen[path] = _look_at(before + path)
        if path in grounds:
            place = before + (_split(path)[0] if is_pattern else path)
            seen[path] = replace(seen[path], ground=_ground(place or "."))
    return seen


def folder(root: str, path: str) -> str:
    """The folder in which a look at `path` begins: that of a file, of a pattern the one before its first wildcard."""
    before = "" if path.startswith("/") else _prefix(root)
    if _WILD.search(path):
        return (before + _split(path)[0]).rstrip("/") or ("/" if path.startswith("/") else ".")
    return os.path.dirname(before + path) or "."


def fingerprint(root: str, path: str) -> tuple[int, ...]:
    """What changes with every change of a file, as a check of it tells it; () where there is none."""
    try:
        return tuple(fingerprint_of(os.stat(path if path.startswith("/") else _prefix(root) + path)))
    except (OSError, ValueError):
        return ()


def _prefix(root: str) -> str:
    return "" if root in {"", "."} else root.rstrip("/") + "/"


def _ground(place: str) -> str:
    """What keeps the file system of `place`, or of its nearest parent that exists, from taking an output; or ''."""
    while True:
        try:
            found = os.statvfs(place)
            break
        except OSError as error:
            parent = os.path.dirname(place.rstrip("/")) or ("/" if place.startswith("/") else ".")
            if error.errno not in _ABSENT or parent == place:
                return ""
            place = parent
        except ValueError:
            return ""
    if found.f_flag & os.ST_RDONLY:
        return "the file system is read-only"
    size, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    if size and free < min(_SCARCE_BYTES, size * _SCARCE_SHARE):
        return f"the disk is full ({free // 1024} KB free)"
    if found.f_files > 0 and found.f_favail == 0:
        return "no free inodes"
    return ""


def _look_at(path: str) -> Seen:
    try:
        found = os.stat(path)
    except OSError as error:
        return _link_to_nowhere(path) if error.errno in _ABSENT else Seen(problem=_why(error))
    except ValueError:
        return Seen(problem=_NUL)
    if stat.S_ISREG(found.st_mode):
        return Seen(found.st_mtime)
    return Seen(problem=f"is {KINDS.get(stat.S_IFMT(found.st_mode), 'of an unknown kind')}, not a file")


def _link_to_nowhere(path: str) -> Seen:
    """A path that leads nowhere: not there, and if that is so because of a link, the link is what to repair."""
    try:
        target = os.readlink(path)
    except OSError:
        return _NOT_THERE
    return Seen(problem=f"is a link to {target}, which does not exist")


def _look_for_newest(before: str, pattern: str) -> Seen:
    """The newest regular file that matches `pattern`; `before` it goes a prefix in which brackets are just that.

    A directory or a dangling link among the matches is passed over, and only named if there is nothing else. But
    where a folder cannot be listed, or a match not looked at, the newest may be just there: that is no evidence.
    """
    newest: float | None = None
    misfit = ""
    directory, parts = _split(pattern)
    troubles: list[str] = []
    for path in _matches((before + directory) or ".", parts, troubles):
        try:
            found = os.stat(path)
        except OSError as error:
            if error.errno not in _ABSENT:
                troubles.append(f"{path}: {_why(error)}")
            elif not misfit:  # gone since it was listed, or a link to nowhere
                misfit = _about(path, _link_to_nowhere(path))
            continue
        if not stat.S_ISREG(found.st_mode):
            misfit = misfit or _about(path, _look_at(path))
        elif newest is None or found.st_mtime > newest:
            newest = found.st_mtime
    if troubles:
        return Seen(problem=troubles[0])
    return Seen(problem=misfit) if newest is None else Seen(newest)


def _about(path: str, seen: Seen) -> str:
    return f"{path} {seen.problem}" if seen.problem else ""


@lru_cache(maxsize=4096)
def _split(pattern: str) -> tuple[str, tuple[str, ...]]:
    """The directory before the first wildcard ('' for none), and the parts from there on."""
    parts = pattern.split("/")
    first = next(index for index, part in enumerate(parts) if _WILD.search(part))
    rest = tuple(part for part in parts[first:] if part)
    return "/".join(parts[:first]) or ("/" if pattern.startswith("/") else ""), rest


@lru_cache(maxsize=4096)
def _matcher(part: str) -> Callable[[str], object]:
    return re.compile(translate(part)).match


def _matches(directory: str, parts: tuple[str, ...], troubles: list[str]) -> Iterator[str]:
    """Paths below `directory` that match `parts`, in no order and never all at once.

    Not `glob`, because that hides a directory that cannot be listed, and so makes a file whose folder lost a
    permission look missing. Here that goes to `troubles`.
    """
    part, rest = parts[0], parts[1:]
    if not _WILD.search(part):
        path = f"{directory}/{part}"
        if rest:
            yield from _matches(path, rest, troubles)
        else:
            yield path
        return
    anywhere = part == "**"
    if anywhere and rest:
        yield from _matches(directory, rest, troubles)
    match, hidden = _matcher("*" if anywhere else part), part.startswith(".")
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                name = entry.name
                if (name.startswith(".") and not hidden) or not match(name):
                    continue
                if anywhere and entry.is_dir(follow_symlinks=False):
                    yield from _matches(entry.path, parts, troubles)
                elif not rest:
                    yield entry.path
                elif not anywhere and _is_directory(entry):
                    yield from _matches(entry.path, rest, troubles)
    except OSError as error:
        if error.errno not in _ABSENT:
            troubles.append(f"cannot list {directory}: {_why(error)}")
    except ValueError:
        troubles.append(_NUL)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    """Links are not followed by `entry.is_dir()`: at one to a dead mount Python 3.10 hangs with all its threads."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir(follow_symlinks=False)


def _why(error: OSError) -> str:
    return error.strerror or str(error)


# --- processes -----------------------------------------------------------------------------------------------


def frozen(pid: int) -> bool:
    """Whether the process is stopped (SIGSTOP, or a debugger), so that it would ignore a stop request until SIGKILL."""
    import psutil  # noqa: PLC0415 -- 1 MB and 15 ms, needed only once something is about to be stopped

    try:
        return psutil.Process(pid).status() in {psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP}
    except (psutil.Error, ValueError, OverflowError):
        return False


def resume(pid: int, expected_start: float) -> bool:
    """Send SIGCONT to the process `pid` if it is still the one meant, and say whether it was sent.

    `expected_start` is the wall time at which supervisord started it. It is that process if it was created then,
    or if supervisord, our own parent, is its parent too: after a step of the clock the two times differ, though
    nothing else has changed. Between this check and the signal psutil looks once more whether the pid was reused.
    """
    import psutil  # noqa: PLC0415

    try:
        process = psutil.Process(pid)
        is_meant = abs(process.create_time() - expected_start) <= _START_TOLERANCE or process.ppid() == os.getppid()
        if is_meant:
            process.resume()
        return is_meant
    except (psutil.Error, ValueError, OverflowError, OSError):
        return False


# --- the host ------------------------------------------------------------------------------------------------


def boot_id() -> str:
    """What tells one boot of the host from another, '' where the system has no such thing.

    The monotonic clock counts from boot, so moments written down before this boot mean nothing after it.
    """
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except (OSError, ValueError):
        return ""


def read_now() -> Now:
    """Both clocks, read together.

    The wall clock is read between two readings of the monotonic one, and again if these lie apart: without this,
    being preempted in between would look like a step of the clock, and a step suspends all judgement.
    """
    best = Now(0.0, 0.0)
    width = float("inf")
    for _ in range(_READINGS):
        before = time.monotonic()
        wall = time.time()
        after = time.monotonic()
        if after - before < width:
            best, width = Now(wall, (before + after) / 2), after - before
        if width <= _TIGHT:
            break
    return best
