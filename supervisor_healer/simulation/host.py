"""The simulated supervisord and its processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from supervisor_healer.core.model import Kind, ProcessState
from supervisor_healer.core.news import OrderFailed, ProcessTable
from supervisor_healer.core.orders import Start, Stop
from supervisor_healer.simulation.disk import Disk, written_as
from supervisor_healer.simulation.program import LONG_AGO, Program
from supervisor_healer.simulation.timeline import Timeline

SETTLED = (ProcessState.RUNNING, ProcessState.FATAL, ProcessState.BACKOFF, ProcessState.EXITED)
DOWN = (ProcessState.STOPPED, ProcessState.EXITED, ProcessState.FATAL)
RESTART_PAUSE = 0.5  # seconds from an exit to supervisord's own restart


class Witness(Protocol):
    """Who is told, before it happens, what an order of the healer's does to a process."""

    def stops(self, name: str) -> None:
        """A process is stopped."""

    def starts(self, name: str) -> None:
        """A process is started."""

    def settled(self, name: str) -> None:
        """It has come up, or ended, or an operator has taken it."""


class Host:
    """Programs under supervisord. `tell` gives the healer a process table; `triggers` are a worker's inputs."""

    def __init__(
        self,
        time: Timeline,
        disk: Disk,
        programs: dict[str, Program],
        triggers: Callable[[str], tuple[str, ...]],
        tell: Callable[[ProcessTable | OrderFailed], None],
        witness: Witness,
    ) -> None:
        self.programs = programs
        self.starts: Counter[str] = Counter()  # every start of a process
        self.ambush: Callable[[str], None] | None = None  # comes between the healer's next order and its effect
        self._time, self._disk, self._triggers, self._tell, self._witness = time, disk, triggers, tell, witness
        self._pids = 100

    def table(self) -> ProcessTable:
        """All processes, as supervisord holds them now."""
        return ProcessTable(tuple(program.row() for program in self.programs.values() if program.known))

    # --- the life of a process -----------------------------------------------------------------------------------

    def spawn(self, name: str) -> None:
        """A process begins."""
        program = self.programs[name]
        self._pids += 1
        self.starts[name] += 1
        program.generation += 1
        program.pid, program.start, program.start_mono = self._pids, self._time.wall, self._time.mono
        program.hung = program.exited_well = program.by_operator = False
        program.hung_until = 0.0
        if program.forgets:
            program.consumed = self._newest(name)
        generation = program.generation
        self._change(name, ProcessState.STARTING)
        if program.doomed:
            program.doomed -= 1
            self._time.after(program.startsecs / 2, lambda: self._crash_early(name, generation))
            return
        self._time.after(program.startsecs, lambda: self._up(name, generation))
        if program.crash_after:
            self._time.after(program.crash_after, lambda: self._exit(name, generation, well=False))
        self._time.after(max(program.slow_starts, program.startsecs), lambda: self._work(name, generation))

    def die(self, name: str, *, well: bool = False) -> None:
        """Its process ends by itself."""
        self._exit(name, self.programs[name].generation, well=well)

    def stop(self, name: str) -> None:
        """Its process is told to end, and does."""
        program = self.programs[name]
        generation = program.generation
        if program.state is ProcessState.BACKOFF:
            self._change(name, ProcessState.STOPPED)
            return
        self._change(name, ProcessState.STOPPING)

        def gone() -> None:
            if program.generation == generation and program.state is ProcessState.STOPPING:
                program.pid = 0
                self._change(name, ProcessState.STOPPED)

        self._time.after(program.stop_delay, gone)

    def forget(self) -> None:
        """The host goes down: no process is left."""
        for program in self.programs.values():
            program.state, program.pid, program.start = ProcessState.STOPPED, 0, 0.0
            program.by_operator = False
            program.crashes.clear()
            program.generation += 1

    def _crash_early(self, name: str, generation: int) -> None:
        program = self.programs[name]
        if program.generation != generation or program.state is not ProcessState.STARTING:
            return
        program.pid = 0
        program.crashes.append(self._time.mono)
        program.tries += 1
        if program.tries > program.retries:
            program.tries = 0
            self._change(name, ProcessState.FATAL)
            return
        self._change(name, ProcessState.BACKOFF)
        tries = program.tries

        def again() -> None:
            if program.state is ProcessState.BACKOFF and program.tries == tries:
                self.spawn(name)

        self._time.after(float(tries), again)

    def _up(self, name: str, generation: int) -> None:
        program = self.programs[name]
        if program.generation == generation and program.state is ProcessState.STARTING:
            program.tries = 0
            self._change(name, ProcessState.RUNNING)

    def _exit(self, name: str, generation: int, *, well: bool) -> None:
        program = self.programs[name]
        if program.generation != generation or not program.up:
            return
        if program.state is ProcessState.STARTING:
            self._crash_early(name, generation)
            return
        program.pid, program.exited_well = 0, well
        if not well:
            program.crashes.append(self._time.mono)
        self._change(name, ProcessState.EXITED)
        if program.restarts_itself:

            def again() -> None:
                if program.generation == generation and program.restarts_itself:
                    self.spawn(name)

            self._time.after(RESTART_PAUSE, again)

    def _change(self, name: str, state: ProcessState) -> None:
        program = self.programs[name]
        program.state = state
        if state in SETTLED:
            self._witness.settled(name)
        self._tell(ProcessTable((program.row(),), complete=False))

    # --- what its program does -----------------------------------------------------------------------------------

    def _newest(self, name: str) -> float:
        """When the newest of its triggering inputs moved; now, if it has none."""
        triggers = self._triggers(name)
        if not triggers:
            return self._time.mono
        return max((self._disk.newest(path).written for path in triggers), default=LONG_AGO)

    def _has_what_it_needs(self, program: Program) -> bool:
        return all(self._time.mono - self._disk.newest(path).written < age for path, age in program.needs.items())

    def _work(self, name: str, generation: int) -> None:
        program = self.programs[name]
        if program.generation != generation or not program.up:
            return
        if not program.idles(self._time.mono) and self._has_what_it_needs(program):
            newest = self._newest(name)
            if newest > program.consumed:
                takes = program.work + program.delayed
                if takes:
                    self._time.after(takes, lambda: self._finish(name, generation, newest))
                    return
                self._produce(name, generation, newest)
        self._time.after(program.period, lambda: self._work(name, generation))

    def _finish(self, name: str, generation: int, consumed: float) -> None:
        """The work that it had taken up is done, unless it hangs by now; it looks for more."""
        self._produce(name, generation, consumed)
        self._time.after(self.programs[name].period, lambda: self._work(name, generation))

    def _produce(self, name: str, generation: int, consumed: float) -> None:
        program = self.programs[name]
        if program.generation != generation or not program.up or program.idles(self._time.mono):
            return
        program.consumed = max(program.consumed, consumed)
        program.rounds += 1
        for path in program.spec.outputs:
            if path in program.mute or path in self._disk.ground or program.rounds % program.every.get(path, 1):
                continue
            self._disk.write(written_as(path), name, generation)
        if program.spec.kind is Kind.JOB:
            self._exit(name, generation, well=True)

    # --- what people and the healer ask of it --------------------------------------------------------------------

    def operator_stops(self, name: str) -> None:
        """`supervisorctl stop`; noted even where nothing runs."""
        program = self.programs[name]
        program.by_operator = True
        self._witness.settled(name)
        if program.up or program.state is ProcessState.BACKOFF:
            self.stop(name)
        else:
            self._tell(ProcessTable((program.row(),), complete=False))

    def operator_starts(self, name: str) -> None:
        """`supervisorctl start`."""
        program = self.programs[name]
        program.by_operator = False
        if program.state in DOWN:
            program.tries = 0
            self.spawn(name)

    def take(self, order: Stop | Start) -> None:
        """An order of the healer's, as our namespace carries it out: never on another process, never over a person."""
        name, program = order.worker, self.programs[order.worker]
        if self.ambush is not None:
            ambush, self.ambush = self.ambush, None
            ambush(name)
        as_it_is = ProcessTable((program.row(),), complete=False)
        if isinstance(order, Stop):
            if program.state is ProcessState.BACKOFF and order.pid == 0:
                self._witness.stops(name)
                self.stop(name)
            elif order.pid <= 0:
                self._tell(OrderFailed(name, "no pid was given"))
            elif program.up and program.pid == order.pid:
                self._witness.stops(name)
                self.stop(name)
            else:
                self._tell(as_it_is)
        elif program.state is ProcessState.STOPPING:
            self._tell(OrderFailed(name, "still stopping"))
        elif program.state not in DOWN or as_it_is.processes[0].by_operator:
            self._tell(as_it_is)
        else:
            self._witness.starts(name)
            program.tries = 0
            self.spawn(name)
