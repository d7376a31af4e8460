"""What must outlive the healer: one memory a worker, as plain JSON values, written before what depends on it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from supervisor_healer.core.budget import LONGEST_WAIT, Budget, Incident, Quarantine
from supervisor_healer.core.model import Now
from supervisor_healer.core.verdicts import LastHeal

ANSWERS_KEPT = 20


class Stage(str, Enum):
    """How far a restart has come."""

    STOPPING = "stopping"
    STARTING = "starting"
    VERIFYING = "verifying"


@dataclass(slots=True)
class Attempt:
    """A restart under way: why, how far, and what would prove it.

    `counted` is the moment that stands for it in the windows of the budgets. `owed` are the outputs that must move;
    empty with `any_output` means that one of all is enough. `pid` is the process to be stopped, 0 if there was none.
    `started` (mono) is the look before the start order, `started_wall` its wall time: only a later move counts.
    `wished`: it rests on a wish, not on the outputs. `spent` seconds of `verify_within` have run; the clock runs
    (`clock_from`) while work is pending and the inputs are fresh. `requests` are the ids of the
    operators' requests that wait for it.
    """

    reason: str
    began: float
    counted: float
    stage: Stage
    pid: int = 0
    owed: list[str] = field(default_factory=list)
    any_output: bool = False
    verify_within: float = 0.0
    by_operator: bool = False
    forced: bool = False
    probe: bool = False
    wished: bool = False
    requests: list[str] = field(default_factory=list)
    started: float = 0.0
    started_wall: float = 0.0
    moved: list[str] = field(default_factory=list)
    spent: float = 0.0
    clock_from: float | None = None

    def run_clock(self, now: float, *, runs: bool) -> None:
        """Count the time since the last look if the clock ran then; it runs on from here if `runs`."""
        if self.clock_from is not None:
            self.spent += now - self.clock_from
        self.clock_from = now if runs else None

    def keep_to(self, outputs: Collection[str]) -> None:
        """The architecture has changed: only what is still an output of this worker can prove its restart."""
        self.owed = [path for path in self.owed if path in outputs]
        self.moved = [path for path in self.moved if path in outputs]
        self.any_output = not self.owed

    def distrust(self, now: Now) -> None:
        """The clock was stepped, or we slept: what passed since the last look does not count."""
        self.clock_from = None
        if self.started:
            self.started_wall = now.wall - (now.mono - self.started)


@dataclass(slots=True)
class Wish:
    """A restart that is wanted although the worker's outputs do not convict it, and why; it waits for the gate.

    `since` (mono): a later start has fulfilled it. `source` is the component healer that asked ('' for a repair); its
    wish holds for one decision only, since it can ask again.
    """

    reason: str
    since: float
    source: str = ""


@dataclass(slots=True)
class Memory:
    """What is remembered of a worker. Moments are mono unless named `*_wall`.

    `pending`: output -> (first move of a triggering input after it that a look found, the output's mtime then).
    `first_start`: the first start without new output, from which the start-up grace counts; `first_pid` is that process
    (-1: it was seen only after it had died), `more_starts` how many have been seen since.
    `wish`: a restart that is wanted for another reason than its outputs.
    `answered`: outcomes of the last requests, for a listener that died before it could tell. `state` and `since_wall`:
    the last verdict, so that a healer that starts anew does not date it anew.
    """

    budget: Budget = field(default_factory=Budget)
    attempt: Attempt | None = None
    pending: dict[str, tuple[float, float | None]] = field(default_factory=dict)
    first_start: float | None = None
    first_start_wall: float = 0.0
    first_pid: int = 0
    more_starts: int = 0
    unmonitored: bool = False
    unmonitored_until: float | None = None
    last_heal: LastHeal = field(default_factory=LastHeal)
    answered: dict[str, list[Any]] = field(default_factory=dict)
    state: str = ""
    since_wall: float = 0.0
    wish: Wish | None = None

    def answer(self, request: str, status: int, reason: str) -> None:
        """Remember what became of a request."""
        keep_answer(self.answered, request, status, reason)

    def as_json(self) -> dict[str, object]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any], now: float, shift: float | None = None) -> Memory:
        """What `as_json` gave, on the same boot; `shift` moves moments of an earlier one onto this monotonic clock.

        No moment of the past comes out later than `now`, and no wait longer than it can be: after a boot with a wrong
        clock a restart counts as recent rather than as long ago, and nobody waits for a moment of another boot's clock.
        What rests on looks at files (pending work, first start) is of one boot only.
        """

        moved = shift or 0.0

        def past(value: float) -> float:
            return min(value + moved, now)

        memory = cls(
            budget=_budget(data["budget"], past, now, shift),
            attempt=None if data["attempt"] is None else _attempt(data["attempt"], past),
            unmonitored=data["unmonitored"],
            unmonitored_until=None if data["unmonitored_until"] is None else data["unmonitored_until"] + moved,
            last_heal=LastHeal(**data["last_heal"]),
            answered=dict(data["answered"]),
            state=data["state"],
            since_wall=data["since_wall"],
        )
        if (wish := data.get("wish")) is not None:
            memory.wish = Wish(**wish)
            memory.wish.since = past(wish["since"])
        if shift is None:
            memory.pending = {path: (past(moment), mtime) for path, (moment, mtime) in data["pending"].items()}
            first = data["first_start"]
            memory.first_start = None if first is None else past(first)
            memory.first_start_wall, memory.first_pid = data["first_start_wall"], data["first_pid"]
            memory.more_starts = data.get("more_starts", 0)
        return memory


def keep_answer(answered: dict[str, list[Any]], request: str, status: int, reason: str) -> None:
    """Remember what became of a request, and forget those long past."""
    answered[request] = [status, reason]
    for old in list(answered)[:-ANSWERS_KEPT]:
        del answered[old]


def _budget(data: Mapping[str, Any], past: Callable[[float], float], now: float, shift: float | None) -> Budget:
    moved = shift or 0.0
    budget = Budget([past(moment) for moment in data["restarts"]])
    budget.wished = [past(moment) for moment in data.get("wished", [])]
    if (incident := data["incident"]) is not None:
        budget.incident = Incident(**incident)
        budget.incident.opened = past(incident["opened"])
        budget.incident.next_at = min(incident["next_at"] + moved, now + LONGEST_WAIT)
        healthy = incident["healthy_since"]
        budget.incident.healthy_since = None if healthy is None or shift is not None else past(healthy)
    if (quarantine := data["quarantine"]) is not None:
        budget.quarantine = Quarantine(**quarantine)
        budget.quarantine.since = past(quarantine["since"])
        budget.quarantine.retry_at = min(quarantine["retry_at"] + moved, now + quarantine["wait"])
    return budget


def _attempt(data: Mapping[str, Any], past: Callable[[float], float]) -> Attempt:
    attempt = Attempt(**data)
    attempt.stage = Stage(data["stage"])
    attempt.began, attempt.counted = past(attempt.began), past(attempt.counted)
    attempt.started = past(attempt.started) if attempt.started else 0.0
    attempt.clock_from = None
    return attempt
