"""The report of the healing cycle as a value: what was fixed, what failed and needs a person, what waits for whom."""

from __future__ import annotations

from dataclasses import dataclass, replace

from supervisor_healer.core.model import Mode


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the report. `action` is what a person has to do, as the command to type ('' nothing).

    `kind` is worker, file, config, consumer, component or healer; `by` the component healer that tells it; `at` wall.
    """

    subject: str
    kind: str
    message: str
    critical: bool = False
    action: str = ""
    by: str = ""
    blocked_by: tuple[str, ...] = ()
    at: float = 0.0

    def dated(self, wall: float) -> Entry:
        """The same, of this moment unless it has one of its own."""
        return self if self.at else replace(self, at=wall)


@dataclass(frozen=True, slots=True)
class Report:
    """One report. It tells what was done after `since` (wall); the round took `duration` seconds, for `cause`."""

    timestamp: float
    since: float
    duration: float
    cause: str
    mode: Mode
    healed: tuple[Entry, ...] = ()
    failed: tuple[Entry, ...] = ()
    blocked: tuple[Entry, ...] = ()
    warnings: tuple[Entry, ...] = ()
    stats: tuple[tuple[str, int], ...] = ()
