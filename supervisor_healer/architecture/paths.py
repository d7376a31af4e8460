"""Paths as an architecture writes them: relative to its root where they lie inside, absolute elsewhere."""

from __future__ import annotations

import os
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatchcase

from supervisor_healer.core.pipeline import is_pattern
from supervisor_healer.words import clean

_PLACEHOLDER = re.compile(r"%\((process_name\)s|process_num\)(0?[1-9][0-9]?)?[ds])")


class PathError(ValueError):
    """A path that cannot be used; `expected` says what can."""

    def __init__(self, what: str, expected: str = "") -> None:
        super().__init__(what)
        self.what, self.expected = what, expected


def normalised(path: str, root: str) -> str:
    """`path` in the one form that it is compared in: ``./a``, ``a//b/..`` and ``ROOT/a`` are all ``a``.

    `root` is absolute. Nothing is looked up on the disk, so symbolic links stay as written. Raises PathError for
    a path that leaves the root, names no file or can match none.
    """
    if not path or clean(path) != path:
        raise PathError("a control character in the path" if path else "an empty path", "a file")
    if path.startswith("~"):
        raise PathError("~ is not expanded", "an absolute path, or one relative to root")
    if path.endswith("/"):
        raise PathError("a path that ends in / is a folder", "a file")
    absolute = os.path.isabs(path)
    result = posixpath.normpath(posixpath.join(root, path))
    inside = root if root.endswith("/") else root + "/"
    if result == root:
        raise PathError("this is the root folder itself", "a file")
    if result.startswith("//"):  # POSIX lets two slashes mean something else; nobody here does
        result = result[1:]
    if result.startswith(inside):
        result = result[len(inside) :]
    elif not absolute:
        raise PathError(f"leaves the root {root}", "a path inside root, or an absolute one")
    if is_pattern(result):
        _check_pattern(result)
    return result


def single(path: str, root: str) -> str:
    """Like `normalised`, for a single file: no pattern. Raises PathError."""
    result = normalised(path, root)
    if is_pattern(result):
        raise PathError("a pattern is no single file", "one file")
    return result


def check_placeholders(path: str, *, allowed: bool) -> None:
    """Raises PathError unless every ``%(...)`` in `path` is one that is filled in for a worker's processes."""
    rest = _PLACEHOLDER.sub("", path)
    if "%(" in rest:
        start = rest.index("%(")
        raise PathError(f"unknown placeholder {rest[start : start + 30]!r}", "%(process_name)s or %(process_num)d")
    if rest != path and not allowed:
        raise PathError("only a worker's paths are filled in", "a path without placeholders")


def _check_pattern(path: str) -> None:
    if "**" in path:
        raise PathError("** is not supported", "* within one folder, such as logs/*/a.jsonl")
    for part in path.split("/"):
        at = 0
        while (start := part.find("[", at)) >= 0:
            end = part.find("]", start + 3 if part[start + 1 : start + 2] == "!" else start + 2)
            if end < 0:
                raise PathError("a [ that is not closed: this pattern matches no file", "[abc], [0-9] or [[] for a [")
            for low, high in re.findall(r"(.)-(.)", part[start + 1 : end]):
                if low > high:
                    raise PathError(f"{low}-{high} is empty: this pattern matches no file", f"[{high}-{low}]")
            at = end + 1


class Patterns:
    """Globs among a set of paths, found by a path that they match, without trying each of them.

    A glob's ``*`` stays within one folder, so only globs with the same number of parts, and the same folders
    before their first mark, come into question.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._by_start: dict[tuple[int, str], list[str]] = defaultdict(list)
        for path in paths:
            if is_pattern(path):
                self._by_start[(path.count("/"), _start(path))].append(path)

    def matching(self, path: str) -> tuple[str, ...]:
        """The globs that match the literal `path`."""
        if not self._by_start:
            return ()
        slashes = path.count("/")
        found: list[str] = []
        start = path
        while start:
            start = start[: start.rfind("/", 0, len(start) - 1) + 1]
            found += [glob for glob in self._by_start.get((slashes, start), ()) if matches(glob, path)]
        return tuple(found)


def _start(pattern: str) -> str:
    """The folders before a glob's first mark, with the last slash."""
    first = next(at for at, char in enumerate(pattern) if char in "*?[")
    return pattern[: pattern.rfind("/", 0, first) + 1]


def matches(pattern: str, path: str) -> bool:
    """Whether the glob `pattern` matches `path`, part by part."""
    parts, names = pattern.split("/"), path.split("/")
    return len(parts) == len(names) and all(map(fnmatchcase, names, parts))


def same_file(one: str, other: str) -> bool:
    """Whether two paths, either of which may be a glob, can be one file."""
    return one == other or (is_pattern(one) and matches(one, other)) or (is_pattern(other) and matches(other, one))
