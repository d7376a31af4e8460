"""A restart, from the intent to its proof, as a table of (stage, how its process stands) -> what to do next.

The stage is in the journal and the process is in supervisord, so the table also completes what a healer that
died in the middle has begun: nothing else is needed to go on, and nothing is done twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

from supervisor_healer.core.memory import Attempt, Stage
from supervisor_healer.core.model import ProcessState
from supervisor_healer.core.patient import Patient

START_TOLERANCE = 0.05  # seconds by which a start put back from supervisord's wall clock may seem too early


class Phase(Enum):
    """How the process stands, seen from the attempt."""

    GONE = auto()  # supervisord has no such process any more
    OPERATOR = auto()  # a person stopped it
    SAME = auto()  # the process that is to be stopped is still up
    ENDING = auto()  # STOPPING
    DOWN = auto()  # down, and not started since the start order
    DIED = auto()  # started since the start order, and down for good
    COMING = auto()  # STARTING, or about to be started by supervisord
    LOOPING = auto()  # BACKOFF: it has died while starting, and supervisord will try again
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
        Phase.LOOPING: Do.STOP,
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
        Phase.LOOPING: Do.VERIFY,
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
        Phase.LOOPING: Do.VERIFY,
        Phase.UP: Do.VERIFY,
    },
}


def phase(attempt: Attempt, patient: Patient) -> Phase:
    """How the worker's process stands, seen from its attempt."""
    process = patient.process
    if process is None or process.state is ProcessState.UNKNOWN:
        return Phase.GONE
    if process.state is ProcessState.STOPPING and process.pid == attempt.pid and attempt.stage is Stage.STOPPING:
        return Phase.ENDING  # also where a person has stopped it too: he may be about to start it again
    if patient.is_stopped:
        return Phase.OPERATOR
    if process.state is ProcessState.STOPPING:
        return Phase.ENDING
    if patient.is_gone:
        if not _began_since(attempt, patient):
            return Phase.DOWN
        return Phase.UP if patient.is_done else Phase.DIED
    if process.state is ProcessState.BACKOFF:
        return Phase.LOOPING
    if attempt.stage is Stage.STOPPING and process.pid == attempt.pid:
        return Phase.SAME
    return Phase.UP if process.state is ProcessState.RUNNING else Phase.COMING


def _began_since(attempt: Attempt, patient: Patient) -> bool:
    """Whether its process is of the start that was ordered, or of a later one."""
    if not attempt.started or patient.start is None:
        return False
    return patient.start.mono >= attempt.started - START_TOLERANCE
