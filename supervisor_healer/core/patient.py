"""One worker as the core sees it: what was declared, what is remembered, and how its process stands."""

from __future__ import annotations

from dataclasses import dataclass

from supervisor_healer.core.memory import Memory, Stage
from supervisor_healer.core.model import Kind, Now, Process, ProcessState, WorkerSpec

#: States in which there is no process, though supervisord may be about to start one again.
DOWN_STATES = frozenset({ProcessState.STOPPED, ProcessState.EXITED, ProcessState.FATAL})

DIED_UNSEEN = -1  # pid of a process that had died before it was seen: whatever is there now is another one


@dataclass(slots=True)
class Patient:
    """One worker and everything that is known of it. `start` is its process's start on both clocks."""

    spec: WorkerSpec
    memory: Memory
    problem: str = ""
    process: Process | None = None
    start: Now | None = None

    @property
    def is_done(self) -> bool:
        """A job that has exited as it should: its outputs say the rest."""
        process = self.process
        if process is None or self.spec.kind is not Kind.JOB:
            return False
        return process.state is ProcessState.EXITED and process.exited_well

    @property
    def runs(self) -> bool:
        """RUNNING, or a job that has done its work."""
        return self.process is not None and (self.process.state is ProcessState.RUNNING or self.is_done)

    @property
    def is_gone(self) -> bool:
        """There is no process, and supervisord will not start one by itself."""
        process = self.process
        return process is not None and process.state in DOWN_STATES and not process.restarts_itself

    @property
    def is_down(self) -> bool:
        """Gone, and not because its work is done."""
        return self.is_gone and not self.is_done

    @property
    def is_stopped(self) -> bool:
        """Down, or going down, because a person wants it so (or never started)."""
        process = self.process
        if process is None or not process.by_operator:
            return False
        return process.state in DOWN_STATES or process.state is ProcessState.STOPPING

    @property
    def under_way(self) -> bool:
        """Whether a stop or start of it is under way."""
        attempt = self.memory.attempt
        return attempt is not None and attempt.stage is not Stage.VERIFYING

    def take(self, process: Process | None, now: Now) -> bool:
        """What supervisord says of its process; whether that is a start not known before."""
        known, self.process = self.process, process
        if process is None or process.start == 0.0:
            self.start = None
            return False
        if known is not None and known.start == process.start and self.start is not None:
            return False
        self.start = Now(process.start, min(now.mono, now.mono - (now.wall - process.start)))
        return True

    def count_grace_from_this_start(self) -> None:
        """The start-up grace counts from the first start without new output, not anew from each."""
        memory, start, process = self.memory, self.start, self.process
        assert start is not None
        assert process is not None
        memory.first_start, memory.first_start_wall = start.mono, start.wall
        memory.more_starts = 0
        memory.first_pid = DIED_UNSEEN if process.state is ProcessState.BACKOFF else process.pid
