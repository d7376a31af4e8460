"""Root causes, and the ways that lead to them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

WAYS_KEPT = 3  # roots to which the way is known; whoever is further down needs no other ones for his own nearest


class Link(NamedTuple):
    """A step towards a root: `reader` waits for `path`, which `source` writes ('' where nobody here does)."""

    reader: str
    path: str
    source: str


class Way(NamedTuple):
    """The first step towards a root that is `distance` steps away."""

    root: str
    distance: int
    link: Link


class Causes(NamedTuple):
    """Root causes (workers and paths) of what keeps a worker from fresh inputs.

    `ways` lead to the nearest of them, the nearest first; at most `WAYS_KEPT`.
    """

    roots: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()


def causes(roots: Iterable[str], ways: Iterable[Way]) -> Causes:
    """The roots, each once, with the shortest ways to the nearest."""
    nearest: dict[str, Way] = {}
    for way in sorted(ways, key=lambda one: one.distance):
        nearest.setdefault(way.root, way)
    return Causes(tuple(dict.fromkeys(roots)), tuple(nearest.values())[:WAYS_KEPT])


def by_themselves(reader: str, not_fresh: tuple[str, ...]) -> Causes:
    """Nobody upstream is to blame: the inputs themselves are."""
    return causes(not_fresh, (Way(path, 1, Link(reader, path, "")) for path in not_fresh))
