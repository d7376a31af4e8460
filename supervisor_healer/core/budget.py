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


def add_restart(restarts: Sequence[float], now: float, intensity: Intensity) -> list[float]:
    """The window with one more restart in it; those that have left it are forgotten."""
    return [*recent(restarts, now, intensity), now]


def moved(restarts: Sequence[float], counted: float, now: float | None) -> list[float]:
    """The window with the restart counted at `counted` put at `now` instead, or (None) taken out."""
    rest = list(restarts)
    if counted in rest:
        rest.remove(counted)
    return rest if now is None else [*rest, now]


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


def half_used(restarts: Sequence[float], now: float, intensity: Intensity, left: int | None = None) -> list[float]:
    """The window as if at least half of it were used up, and all but `left` restarts of it where that is known."""
    inside = recent(restarts, now, intensity)
    used = max((intensity.max + 1) // 2, 0 if left is None else intensity.max - left)
    return inside + [now] * max(0, used - len(inside))


@dataclass(slots=True)
class Quarantine:
    """Since when, and when the next probe may come; the wait doubles with each failed probe, up to a day."""

    since: float
    retry_at: float
    wait: float

    def probe_ended(self, now: float, *, failed: bool) -> None:
        """Half-open no more; the next probe, if one is needed, is as far away again, or twice as far."""
        if failed:
            self.wait = min(LONGEST_RETRY, 2 * self.wait)
        self.retry_at = now + self.wait


@dataclass(slots=True)
class Incident:
    """From a conviction or a down until the count resets; a relapse before that continues it.

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
    """What one worker has used up. `restarts` is the sliding window; it outlives incidents.

    `wished` are those of them that component healers have wanted.
    """

    restarts: list[float] = field(default_factory=list)
    incident: Incident | None = None
    quarantine: Quarantine | None = None
    wished: list[float] = field(default_factory=list)

    def convicted(self, now: float) -> bool:
        """An incident begins, unless one goes on; whether it does."""
        if self.incident is not None:
            return False
        self.incident = Incident(now)
        return True

    def attempt_begins(self, now: float, intensity: Intensity, *, by_component: bool = False) -> int:
        """Count an attempt, before it acts; its number in the incident."""
        self.convicted(now)
        assert self.incident is not None
        self.incident.attempts += 1
        self.incident.healthy_since = None
        self.restarts = add_restart(self.restarts, now, intensity)
        self.wished = [*recent(self.wished, now, intensity), *([now] if by_component else [])]
        return self.incident.attempts

    def attempt_ended(self, now: float, *, failed: bool, draw: float) -> None:
        """Count its outcome, and set the wait before the next."""
        if self.incident is not None:
            self.incident.failed += failed
            self.incident.next_at = now + wait_after(self.incident.attempts, draw)
        if self.quarantine is not None:
            self.quarantine.probe_ended(now, failed=failed)

    def attempt_counts(self, counted: float, now: float) -> None:
        """The attempt that was counted at one moment counts at another."""
        if counted in self.wished:
            self.wished = moved(self.wished, counted, now)
        self.restarts = moved(self.restarts, counted, now)

    def attempt_withdrawn(self, counted: float) -> None:
        """The attempt ended before it did anything: give it back."""
        if self.incident is not None:
            self.incident.attempts = max(0, self.incident.attempts - 1)
        self.restarts, self.wished = moved(self.restarts, counted, None), moved(self.wished, counted, None)

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

    def begin_quarantine(self, now: float, retry_after: float) -> None:
        """The first probe may come `retry_after` seconds from now."""
        self.convicted(now)
        self.quarantine = Quarantine(now, now + retry_after, retry_after)

    def release(self) -> None:
        """An operator's heal opens a new budget."""
        self.restarts, self.wished, self.incident, self.quarantine = [], [], None, None

    def close(self) -> None:
        """The incident is over; the window stays, for no incident may reset it."""
        self.incident, self.quarantine = None, None

    def follow_health(self, now: float, *, well: bool, kept: bool, needed: float) -> bool:
        """Follow health towards the reset; whether the incident ended by it.

        `well`: it is healthy now; `kept`: at least not worse than late or idle, which do not interrupt; `needed`:
        seconds of health.
        """
        if self.incident is None:
            return False
        if not kept:
            self.incident.healthy_since = None
        elif well and self.incident.healthy_since is None:
            self.incident.healthy_since = now
        since = self.incident.healthy_since
        if since is not None and now - since >= needed:
            self.close()
            return True
        return False
