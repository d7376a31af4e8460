"""What must outlive the healer: one memory a worker, as plain JSON values, written before what depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from supervisor_healer.core.budget import Budget, Incident, Quarantine
from supervisor_healer.core.model import LastHeal


class Stage(str, Enum):
    """How far a restart has come."""

    STOPPING = "stopping"
    STARTING = "starting"
    VERIFYING = "verifying"


@dataclass(slots=True)
class Attempt:
    """A restart under way: why, how far, and what would prove it.

    `owed` are the outputs that must move; empty with `any_output` means that one of all is enough. `pid` is the process
    to be stopped. `started` (mono) is the look before the start order, `started_wall` its wall time: only a move found
    after it counts. `running_since` is since when the started process has been RUNNING (it proves a worker without outputs). `spent`
    seconds of `verify_within` have run; the clock runs (`clock_from`) while work is pending and the inputs are fresh.
    """

    reason: str
    began: float
    began_wall: float
    stage: Stage
    pid: int = 0
    owed: list[str] = field(default_factory=list)
    any_output: bool = False
    verify_within: float = 0.0
    by_operator: bool = False
    forced: bool = False
    probe: bool = False
    requests: list[str] = field(default_factory=list)
    started: float = 0.0
    started_wall: float = 0.0
    moved: list[str] = field(default_factory=list)
    running_since: float | None = None
    spent: float = 0.0
    clock_from: float | None = None


@dataclass(slots=True)
class Memory:
    """What is remembered of a worker. Moments are mono unless named `*_wall`.

    `pending`: output -> [first move of a triggering input after it that a look found, the output's mtime then]. `first_start`: the first start
    without new output, from which the start-up grace counts; `first_pid` is that process (-1: it was seen
    only after it had died). `answered`: outcomes of the requests that the last attempt served, for a listener that died
    before it could tell.
    """

    budget: Budget = field(default_factory=Budget)
    attempt: Attempt | None = None
    pending: dict[str, tuple[float, float | None]] = field(default_factory=dict)
    first_start: float | None = None
    first_start_wall: float = 0.0
    first_pid: int = 0
    unmonitored: bool = False
    unmonitored_until: float | None = None
    last_heal: LastHeal = LastHeal()
    answered: dict[str, list[Any]] = field(default_factory=dict)
    state: str = ""
    since_wall: float = 0.0

    def as_json(self) -> dict[str, object]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any], shift: float, now: float) -> Memory:
        """What `as_json` gave; `shift` moves moments of an earlier boot onto this one's monotonic clock.

        No moment of the past comes out later than `now`: after a boot with a wrong clock a restart counts as recent
        rather than as long ago.
        """

        def past(value: float | None) -> float | None:
            return None if value is None else min(value + shift, now)

        def moment(value: float | None) -> float:
            return past(value) or 0.0

        budget = data.get("budget") or {}
        incident = budget.get("incident")
        quarantine = budget.get("quarantine")
        attempt = data.get("attempt")
        until = data.get("unmonitored_until")
        memory = cls(
            budget=Budget(
                restarts=[min(value + shift, now) for value in budget.get("restarts", [])],
                incident=incident
                and Incident(
                    moment(incident["opened"]),
                    incident["attempts"],
                    incident["failed"],
                    incident["next_at"] + shift,
                    past(incident["healthy_since"]) if not shift else None,
                ),
                quarantine=quarantine
                and Quarantine(moment(quarantine["since"]), quarantine["retry_at"] + shift, quarantine["wait"]),
            ),
            attempt=attempt and Attempt(**{**attempt, "stage": Stage(attempt["stage"])}),
            pending={}
            if shift
            else {path: (min(at, now), mtime) for path, (at, mtime) in data.get("pending", {}).items()},
            unmonitored=bool(data.get("unmonitored")),
            unmonitored_until=None if until is None else until + shift,
            last_heal=LastHeal(**(data.get("last_heal") or {})),
            answered=dict(data.get("answered", {})),
            state=data.get("state", ""),
            since_wall=data.get("since_wall", 0.0),
        )
        if not shift:
            memory.first_start = past(data.get("first_start"))
            memory.first_start_wall = data.get("first_start_wall", 0.0)
            memory.first_pid = data.get("first_pid", 0)
        if memory.attempt is not None:
            memory.attempt.began = moment(memory.attempt.began)
            memory.attempt.started = moment(memory.attempt.started)
            memory.attempt.running_since = memory.attempt.clock_from = None
        return memory
