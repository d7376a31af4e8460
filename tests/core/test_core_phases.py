"""How a process stands, seen from an attempt on it: the phases that the restart's table is read by."""

from __future__ import annotations

import pytest

from supervisor_healer.core.memory import Attempt, Memory, Stage
from supervisor_healer.core.model import Kind, Now, Process, ProcessState, WorkerSpec
from supervisor_healer.core.patient import Patient
from supervisor_healer.core.restart import TABLE, Do, Phase, phase

OLD, NEW = 100.0, 200.0  # starts, before and after the start order at 150
ORDERED = 150.0


def patient(
    state: ProcessState, pid: int = 0, start: float = OLD, kind: Kind = Kind.SERVICE, **process: bool
) -> Patient:
    row = Process("a:a", state, pid, start, **process)
    return Patient(WorkerSpec("a", "a:a", kind), Memory(), "", row, Now(start, start) if start else None)


def attempt(stage: Stage, pid: int = 7) -> Attempt:
    return Attempt("", 0.0, 0.0, stage, pid, started=0.0 if stage is Stage.STOPPING else ORDERED)


S, P = Stage, ProcessState
CASES = [
    (S.STOPPING, patient(P.RUNNING, 7), Phase.SAME, Do.STOP),
    (S.STOPPING, patient(P.STARTING, 7), Phase.SAME, Do.STOP),
    (S.STOPPING, patient(P.STOPPING, 7), Phase.ENDING, Do.WAIT),
    (S.STOPPING, patient(P.STOPPING, 7, by_operator=True), Phase.ENDING, Do.WAIT),
    (S.STOPPING, patient(P.STOPPING, 8), Phase.ENDING, Do.WAIT),
    (S.STOPPING, patient(P.STOPPED), Phase.DOWN, Do.START),
    (S.STOPPING, patient(P.EXITED), Phase.DOWN, Do.START),
    (S.STOPPING, patient(P.FATAL, start=0.0), Phase.DOWN, Do.START),
    (S.STOPPING, patient(P.EXITED, restarts_itself=True), Phase.COMING, Do.WAIT),
    (S.STOPPING, patient(P.BACKOFF, restarts_itself=True), Phase.LOOPING, Do.STOP),
    (S.STOPPING, patient(P.STARTING, 8, NEW), Phase.COMING, Do.WAIT),
    (S.STOPPING, patient(P.RUNNING, 8, NEW), Phase.UP, Do.VERIFY),
    (S.STOPPING, patient(P.STOPPED, by_operator=True), Phase.OPERATOR, Do.ABANDON),
    (S.STOPPING, patient(P.UNKNOWN), Phase.GONE, Do.ABANDON),
    (S.STARTING, patient(P.STOPPED), Phase.DOWN, Do.START),
    (S.STARTING, patient(P.STARTING, 8, NEW), Phase.COMING, Do.WAIT),
    (S.STARTING, patient(P.BACKOFF, 0, NEW, restarts_itself=True), Phase.LOOPING, Do.VERIFY),
    (S.STARTING, patient(P.RUNNING, 8, NEW), Phase.UP, Do.VERIFY),
    (S.STARTING, patient(P.FATAL, 0, NEW), Phase.DIED, Do.FAIL),
    (S.STARTING, patient(P.FATAL, 0, ORDERED - 0.04), Phase.DIED, Do.FAIL),
    (S.STARTING, patient(P.FATAL, 0, ORDERED - 0.06), Phase.DOWN, Do.START),
    (S.STARTING, patient(P.EXITED, 0, NEW, Kind.JOB, exited_well=True), Phase.UP, Do.VERIFY),
    (S.STARTING, patient(P.EXITED, 0, OLD, Kind.JOB, exited_well=True), Phase.DOWN, Do.START),
    (S.STARTING, patient(P.EXITED, 0, NEW, Kind.JOB), Phase.DIED, Do.FAIL),
    (S.STARTING, patient(P.STOPPED, by_operator=True), Phase.OPERATOR, Do.ABANDON),
    (S.VERIFYING, patient(P.RUNNING, 8, NEW), Phase.UP, Do.VERIFY),
    (S.VERIFYING, patient(P.STARTING, 9, NEW), Phase.COMING, Do.VERIFY),
    (S.VERIFYING, patient(P.BACKOFF, 0, NEW, restarts_itself=True), Phase.LOOPING, Do.VERIFY),
    (S.VERIFYING, patient(P.STOPPING, 8, NEW), Phase.ENDING, Do.WAIT),
    (S.VERIFYING, patient(P.STOPPING, 8, NEW, by_operator=True), Phase.OPERATOR, Do.ABANDON),
    (S.VERIFYING, patient(P.EXITED, 0, NEW), Phase.DIED, Do.FAIL),
    (S.VERIFYING, patient(P.UNKNOWN), Phase.GONE, Do.ABANDON),
]


@pytest.mark.parametrize(("stage", "seen", "expected", "do"), CASES)
def test_the_phase_and_what_follows(stage: Stage, seen: Patient, expected: Phase, do: Do):
    assert phase(attempt(stage), seen) is expected
    assert TABLE[stage][expected] is do


def test_a_process_that_is_not_there_is_gone():
    absent = Patient(WorkerSpec("a", "a:a"), Memory())
    assert phase(attempt(Stage.STOPPING), absent) is Phase.GONE


def test_the_table_is_complete():
    assert set(TABLE) == set(Stage)
    assert all(set(row) == set(Phase) for row in TABLE.values())
