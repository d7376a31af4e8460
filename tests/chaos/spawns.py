"""supervisord's own log: who was started and who ended, when, and who had ordered it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

STAMP = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) [A-Z]+ (.*)")
CLOCK_ERROR = 0.05  # seconds that a moment in the log may lie beside one of ours


class What(Enum):
    """The lines that matter; `name` where there is one is the first group."""

    BOOT = re.compile(r"supervisord started with pid \d+")
    SPAWNED = re.compile(r"spawned: '(.+)' with pid \d+")
    RUNNING = re.compile(r"success: (\S+) entered RUNNING state")
    EXITED = re.compile(r"exited: (\S+) \(")
    STOPPED = re.compile(r"stopped: (\S+) \(")
    GAVE_UP = re.compile(r"gave up: (\S+) entered FATAL state")


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log, `at` in epoch seconds; `worker` is '' for supervisord itself."""

    at: float
    what: What
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator asked for: `stop`, `start`, `restart`, `heal`, `force`, `reload`; `worker` '' for all.

    The call lasted from `begin` to `end`; `done`: supervisord has accepted it.
    """

    kind: str
    worker: str
    begin: float
    end: float
    done: bool = True

    def covers(self, at: float) -> bool:
        return self.begin - CLOCK_ERROR <= at <= self.end + CLOCK_ERROR


@dataclass(frozen=True, slots=True)
class HealersStart:
    """A start that only the healer can have ordered. `decided` is the latest moment at which it may have decided it.

    That is when the process had been stopped for it; of one that was down, when it was started.
    """

    worker: str
    at: float
    decided: float


def parse(log: str) -> list[Event]:
    """The events in a log, in its order."""
    events = []
    for line in log.splitlines():
        if stamped := STAMP.fullmatch(line):
            at = datetime.strptime(stamped[1], "%Y-%m-%d %H:%M:%S,%f").timestamp()
            for what in What:
                if found := what.value.match(stamped[2]):
                    events.append(Event(at, what, *found.groups()))
    return events


def healers_starts(events: Iterable[Event], orders: Iterable[Order], workers: Iterable[str]) -> list[HealersStart]:
    """Every start of `workers` that was neither supervisord's own (at its start, or after a crash within startsecs)
    nor an operator's."""
    orders = list(orders)
    starts = []
    for name in workers:
        asked = [order for order in orders if order.worker == name and order.kind in ("start", "restart")]
        for before, spawn in _spawns(events, name):
            own = not before or (before[-1].what is What.EXITED and _crashed(before))
            if not own and not any(order.covers(spawn.at) for order in asked):
                stopped = before[-1].what is What.STOPPED
                starts.append(HealersStart(name, spawn.at, before[-1].at if stopped else spawn.at))
    return sorted(starts, key=lambda start: start.at)


def _spawns(events: Iterable[Event], name: str) -> Iterator[tuple[list[Event], Event]]:
    """Each start of a worker, with what had happened to it before in the same life of supervisord."""
    before: list[Event] = []
    for event in events:
        if event.what is What.BOOT:
            before = []
        elif event.worker == name:
            if event.what is What.SPAWNED:
                yield before, event
            before = [*before[-3:], event]


def _crashed(before: list[Event]) -> bool:
    """Whether it exited before it was RUNNING, so that supervisord tries again by itself."""
    return [event.what for event in before[-2:]] == [What.SPAWNED, What.EXITED]
