"""A restart, from the intent to its proof, as a table of (stage, how its process stands) -> what to do next.

The stage is in the journal and the process is in supervisord, so the table also completes what a healer that
died in the middle has begun: nothing else is needed to go on, and nothing is done twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from supervisor_healer.core.diagnosis import DOWN_STATES, Judgement, Patient
from supervisor_healer.core.freshness import INFINITE, Track
from supervisor_healer.core.memory import Attempt, Stage
from supervisor_healer.core.model import Now, ProcessState
from supervisor_healer.words import duration

START_TOLERANCE = 0.05  # seconds by which a start put back from supervisord's wall clock may seem too early


class Phase(Enum):
    """How the process stands, seen from the attempt."""

    GONE = auto()  # supervisord has no such process any more
    OPERATOR = auto()  # a person stopped it
    SAME = auto()  # the process that is to be stopped is still up
    ENDING = auto()  # STOPPING
    DOWN = auto()  # down, and not started since the start order
    DIED = auto()  # started since the start order, and down for good
    COMING = auto()  # STARTING, BACKOFF, or to be restarted by supervisord
    UP = auto()  # RUNNING, or a job that has done its work


class Do(Enum):
    """What to do next."""

    WAIT = auto()
    STOP = auto()
    START = auto()
    VERIFY = auto()
    FAIL = auto()
    ABANDON = auto()


TABLE: Mapping[Stage, Mapping[Phase, Do]] = {
    Stage.STOPPING: {
        Phase.GONE: Do.ABANDON,
        Phase.OPERATOR: Do.ABANDON,
        Phase.SAME: Do.STOP,
        Phase.ENDING: Do.WAIT,
        Phase.DOWN: Do.START,
        Phase.DIED: Do.START,
        Phase.COMING: Do.WAIT,  # somebody was faster; its start is known only when it is up
        Phase.UP: Do.VERIFY,
    },
    Stage.STARTING: {
        Phase.GONE: Do.ABANDON,
        Phase.OPERATOR: Do.ABANDON,
        Phase.SAME: Do.VERIFY,
        Phase.ENDING: Do.WAIT,
        Phase.DOWN: Do.START,
        Phase.DIED: Do.FAIL,
        Phase.COMING: Do.WAIT,
        Phase.UP: Do.VERIFY,
    },
    Stage.VERIFYING: {
        Phase.GONE: Do.ABANDON,
        Phase.OPERATOR: Do.ABANDON,
        Phase.SAME: Do.VERIFY,
        Phase.ENDING: Do.WAIT,
        Phase.DOWN: Do.FAIL,
        Phase.DIED: Do.FAIL,
        Phase.COMING: Do.VERIFY,
        Phase.UP: Do.VERIFY,
    },
}


def phase(attempt: Attempt, patient: Patient) -> Phase:
    """How the worker's process stands, seen from its attempt."""
    process = patient.process
    if process is None or process.state is ProcessState.UNKNOWN:
        return Phase.GONE
    if process.by_operator and process.state in (*DOWN_STATES, ProcessState.STOPPING):
        return Phase.OPERATOR
    if process.state is ProcessState.STOPPING:
        return Phase.ENDING
    if process.state in DOWN_STATES and not process.restarts_itself:
        began = patient.start is not None and patient.start.mono >= attempt.started - START_TOLERANCE
        if not (attempt.started and began):
            return Phase.DOWN
        return Phase.UP if patient.runs else Phase.DIED
    if attempt.stage is Stage.STOPPING and process.pid == attempt.pid != 0:
        return Phase.SAME
    return Phase.UP if process.state is ProcessState.RUNNING else Phase.COMING


class Proof(Enum):
    """Where a verification stands."""

    WAITING = auto()
    PAUSED = auto()  # inputs no longer fresh: nothing can be proven now
    HEALED = auto()
    FAILED = auto()
    IDLE = auto()  # nothing to do came in for as long as an output may take


@dataclass(frozen=True, slots=True)
class Verification:
    """A proof with its words; `changes_at` is the mono moment at which time alone may decide it."""

    proof: Proof
    reason: str
    changes_at: float = INFINITE


def verify(
    attempt: Attempt, patient: Patient, judgement: Judgement, tracks: Mapping[str, Track], now: Now, grace: float
) -> Verification:
    """Look for the output that proves the restart; runs the attempt's clock (it is changed in place).

    `grace` is the start-up grace in seconds, the proof of a worker without outputs.
    """
    if not patient.spec.outputs:
        return _verify_by_running(attempt, patient, now, grace)
    wanted = attempt.owed or list(patient.spec.outputs)
    moved = [path for path in wanted if tracks[path].moved_since(attempt.started_wall, attempt.started)]
    attempt.moved = moved
    if moved and (attempt.any_output or len(moved) == len(wanted)):
        took = duration(max(0.0, now.mono - attempt.started))
        return Verification(Proof.HEALED, f"new output in {', '.join(moved)} {took} after the start")
    waiting = [path for path in wanted if path not in moved]
    pending = any(view.pending is not None for view in judgement.outputs if view.path in waiting)
    open_gate = not judgement.not_fresh
    if attempt.clock_from is not None:
        attempt.spent += now.mono - attempt.clock_from
    attempt.clock_from = now.mono if pending and open_gate else None
    owed = ", ".join(waiting)
    if not open_gate:
        return Verification(Proof.PAUSED, f"waits for {', '.join(judgement.not_fresh)} before {owed} can prove it")
    if not pending:
        max_age = max((tracks[path].spec.max_age or 0.0 for path in waiting), default=0.0)
        if now.mono >= attempt.started + max_age:
            return Verification(Proof.IDLE, f"restarted, and no work has come in for {duration(max_age)}")
        return Verification(Proof.WAITING, f"no work for {owed} yet", attempt.started + max_age)
    if attempt.spent >= attempt.verify_within:
        return Verification(
            Proof.FAILED, f"restarted, but no new output in {owed} within {duration(attempt.verify_within)}"
        )
    return Verification(
        Proof.WAITING, f"waits for new output in {owed}", now.mono + attempt.verify_within - attempt.spent
    )


def _verify_by_running(attempt: Attempt, patient: Patient, now: Now, grace: float) -> Verification:
    running = patient.runs and patient.start is not None
    since = patient.start.mono if running and patient.start is not None else None
    attempt.running_since = since
    if since is not None and now.mono - since >= grace:
        return Verification(Proof.HEALED, f"running for {duration(grace)}; it has no outputs to be proven by")
    if attempt.clock_from is not None:
        attempt.spent += now.mono - attempt.clock_from
    attempt.clock_from = now.mono
    if attempt.spent >= attempt.verify_within:
        return Verification(Proof.FAILED, f"restarted, but never up for {duration(grace)}")
    ends = now.mono + attempt.verify_within - attempt.spent
    return Verification(
        Proof.WAITING, "waits for its start-up grace", min(ends, INFINITE if since is None else since + grace)
    )
