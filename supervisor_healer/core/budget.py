"""How often is too often: the sliding window, the waits between attempts, and the quarantine at their end.

Words after Erlang/OTP's supervisor: an intensity is so many restarts within a period. All moments are mono.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from supervisor_healer.core.model import Intensity

FIRST_WAIT = 30.0
LONGEST_WAIT = 1800.0
LONGEST_RETRY = 86400.0
RESET_AFTER = 600.0


def add_restart(restarts: Sequence[float], now: float, intensity: Intensity) -> list[float]:
    """The window with one more restart in it; those that have left it are forgotten."""
    return [*recent(restarts, now, intensity), now]


def recent(restarts: Sequence[float], now: float, intensity: Intensity) -> list[float]:
    """The restarts still in the window: those less than `within` ago."""
    return [moment for moment in restarts if now - moment < intensity.within]


def room_at(restarts: Sequence[float], now: float, intensity: Intensity) -> float:
    """The first moment at which one more restart is allowed: `now`, or when enough have left the window."""
    inside = sorted(recent(restarts, now, intensity))
    if len(inside) < intensity.max:
        return now
    return inside[len(inside) - intensity.max] + intensity.within


def wait_after(attempt: int, draw: float) -> float:
    """Seconds to wait after the `attempt`-th (from 1), good or bad; `draw` is uniform in [0, 1).

    ``U(0.5, 1) * min(30m, 30s * 2^(n-1))``: 15 to 30 s after the first, 30 to 60 after the second.
    """
    return (0.5 + draw / 2) * min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempt - 1, 16))


def reset_after(max_age: float) -> float:
    """Seconds of health after which an incident's count resets."""
    return max(RESET_AFTER, 3 * max_age)


@dataclass(slots=True)
class Quarantine:
    """Since when, and when the next probe may come; the wait doubles with each failed probe, up to a day."""

    since: float
    retry_at: float
    wait: float

    @classmethod
    def begin(cls, now: float, retry_after: float) -> Quarantine:
        """A quarantine with its first probe `retry_after` from now."""
        return cls(now, now + retry_after, retry_after)

    def probe_failed(self, now: float) -> None:
        """Half-open no more: wait twice as long."""
        self.wait = min(LONGEST_RETRY, 2 * self.wait)
        self.retry_at = now + self.wait


@dataclass(slots=True)
class Incident:
    """From a conviction until the count resets; a relapse before that continues it.

    `attempts` counts all attempts, `failed` those that brought nothing; `next_at` is when the next may come,
    `healthy_since` the beginning of the health that may end it.
    """

    opened: float
    attempts: int = 0
    failed: int = 0
    next_at: float = 0.0
    healthy_since: float | None = None


@dataclass(slots=True)
class Budget:
    """What one worker has used up. `restarts` is the sliding window; it outlives incidents."""

    restarts: list[float] = field(default_factory=list)
    incident: Incident | None = None
    quarantine: Quarantine | None = None

    def attempt_begins(self, now: float, intensity: Intensity) -> None:
        """Count an attempt, before it acts."""
        if self.incident is None:
            self.incident = Incident(now)
        self.incident.attempts += 1
        self.incident.healthy_since = None
        self.restarts = add_restart(self.restarts, now, intensity)

    def attempt_ended(self, now: float, *, failed: bool, draw: float) -> None:
        """Count its outcome, and set the wait before the next."""
        if self.incident is not None:
            self.incident.failed += failed
            self.incident.next_at = now + wait_after(self.incident.attempts, draw)

    def attempt_withdrawn(self) -> None:
        """It ended before it did anything: give it back."""
        if self.incident is not None:
            self.incident.attempts = max(0, self.incident.attempts - 1)
        self.restarts = self.restarts[:-1]

    def used_up(self, now: float, attempts: int, intensity: Intensity) -> str:
        """Why there is nothing left ('' while there is)."""
        if self.incident is not None and self.incident.failed >= attempts:
            return f"{self.incident.failed} failed attempts in one incident (at most {attempts})"
        inside = len(recent(self.restarts, now, intensity))
        if inside >= intensity.max:
            return f"{inside} restarts in the window (at most {intensity.max})"
        return ""

    def left(self, now: float, intensity: Intensity) -> int:
        """Restarts still allowed in the window."""
        return max(0, intensity.max - len(recent(self.restarts, now, intensity)))

    def release(self) -> None:
        """An operator's heal opens a new budget."""
        self.restarts, self.incident, self.quarantine = [], None, None

    def close(self) -> None:
        """The incident is over; the window stays, for no incident may reset it."""
        self.incident, self.quarantine = None, None

    def health(self, now: float, *, healthy: bool, kept: bool, needed: float) -> bool:
        """Follow health towards the reset; whether the incident ended by it.

        `healthy`: it is now; `kept`: late or idle, which do not interrupt; `needed`: seconds of health.
        """
        if self.incident is None:
            return False
        if healthy and self.incident.healthy_since is None:
            self.incident.healthy_since = now
        if not (healthy or kept):
            self.incident.healthy_since = None
        since = self.incident.healthy_since
        if since is not None and now - since >= needed:
            self.close()
            return True
        return False
