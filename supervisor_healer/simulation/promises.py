"""The promises of the README, checked against the truth at every order and every word of the healer's.

Each method is told what is about to happen, and each violation names the promise it breaks (`PROMISES`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from supervisor_healer.core.care import MENDS
from supervisor_healer.core.model import Intensity, Mode, ProcessState
from supervisor_healer.core.news import ProcessTable
from supervisor_healer.core.orders import Answer, Create, Decision, Note, Repair, Restore, Signal, Start, Stop
from supervisor_healer.simulation.disk import Disk, TrueFile, written_as
from supervisor_healer.simulation.program import Program
from supervisor_healer.simulation.timeline import Timeline
from supervisor_healer.simulation.truth import Truth

CLOCKS_APART = 5.0  # seconds: by so much at most may the clocks part between two turns
OVERSLEPT = 15.0  # seconds
ROUNDING = 0.001  # seconds
PROVEN = frozenset(("healed", "failed", "idle"))  # the words for the end of an attempt that was carried out
RUNS_AT_LEAST = 0.5  # seconds of slack for a worker without outputs, which is healed by running

#: Invariant -> the promise of the README that it checks, by number.
PROMISES: Mapping[str, int] = {
    "inputs_fresh": 1,
    "operators_stop": 2,
    "budget": 3,
    "host_budget": 3,
    "attempts": 3,
    "root_only": 4,
    "relatives_apart": 4,
    "new_output": 5,
    "mends": 6,
    "signals": 7,
    "evidence": 7,
    "mode": 7,
    "unharmed": 8,
    "explained": 10,
    "keeps_pace": 9,
    "recovers": 4,
    "left_stopped": 2,
}


LONG_BEFORE = (float("-inf"), 0)  # a write by none of its processes


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that did not hold, `at` seconds after the world's beginning."""

    invariant: str
    at: float
    text: str

    def __str__(self) -> str:
        return f"{self.invariant} (promise {PROMISES[self.invariant]}) at {self.at:.1f}s: {self.text}"


class Promises:
    """Watches one world. `broken` is called with each violation."""

    def __init__(
        self,
        time: Timeline,
        disk: Disk,
        programs: Mapping[str, Program],
        truth: Truth,
        broken: Callable[[Violation], None],
    ) -> None:
        self._time, self._disk, self._programs, self._truth, self._broken = time, disk, programs, truth, broken
        self.mode = Mode.HEAL
        self.halted = False  # supervisord is going down
        self.overall: Intensity | None = None
        # operators' heals that are not answered yet -> for whom, and whether --force
        self._heals: dict[str, tuple[frozenset[str], bool]] = {}
        self.untold: set[str] = set()  # stopped by an operator, and the news may not have reached the healer
        self.judges_need = True  # whether a restart that nobody needed is a violation
        self.restarts: dict[str, list[float]] = defaultdict(list)
        self.host_restarts: list[float] = []
        self.needless: list[tuple[float, str]] = []
        self._mends: dict[str, list[float]] = defaultdict(list)
        self._wished: dict[str, float] = {}  # worker -> mono
        self._in_hand: set[str] = set()
        self._explained: set[str] = set()
        self._failed: dict[str, list[float]] = defaultdict(list)  # worker -> when an attempt on it has failed

    @property
    def restarted(self) -> int:
        """Restarts of all workers, operators' heals included."""
        return len(self.host_restarts)

    def violate(self, invariant: str, text: str) -> None:
        """One promise is broken."""
        self._broken(Violation(invariant, self._time.elapsed, text))

    # --- what an order does --------------------------------------------------------------------------------------

    def ordered(self, order: Stop | Start) -> None:
        """The healer gives an order, whatever becomes of it."""
        name = order.worker
        if self._programs[name].row().by_operator and name not in self.untold:
            self.violate("operators_stop", f"{order} although an operator has stopped it")
        if name not in self._truth.pipeline.workers:
            return  # it has left the architecture, and is only seen to its start
        for other in self._in_hand & self._truth.pipeline.relatives(name):
            self.violate("relatives_apart", f"{order} while its relative {other} is being restarted")
        if name not in self._in_hand:  # whom the healer has stopped has to come up again
            self._check_may_act(order)

    def stops(self, name: str) -> None:
        """Its process is stopped, for a restart."""
        self._check_gate(name)
        self._check_need(name)
        self._in_hand.add(name)

    def starts(self, name: str) -> None:
        """It is started: after our stop, or as one that was down."""
        if name not in self._in_hand:
            self._check_gate(name)
        self._in_hand.add(name)
        self._count(name)

    def settled(self, name: str) -> None:
        """Its process has come up, or ended, or an operator has taken it: it is in nobody's hand."""
        self._in_hand.discard(name)

    def heal_asked(self, request: str, names: Iterable[str], *, force: bool) -> None:
        """An operator's heal opens new budgets; until it is answered it takes a worker that only waits as well."""
        self._heals[request] = (frozenset(names), force)
        for name in self._heals[request][0]:
            self.restarts[name] = []
            self._failed[name] = []
        self._mends.clear()

    def table_heard(self, table: ProcessTable) -> None:
        """The healer has been told of these processes, so of an operator's stop of them, too."""
        told = {process.address for process in table.processes}
        self.untold = {name for name in self.untold if self._programs[name].address not in told}

    def heal_answered(self, request: str) -> None:
        """What an operator's word excused is over."""
        self._heals.pop(request, None)

    def wished(self, entries: Iterable[str]) -> None:
        """A repair or a component healer wants these restarted although nothing ails them: once, by whomever."""
        for entry in entries:
            self._wished.update(dict.fromkeys(self._truth.pipeline.named(entry), self._time.mono))

    def _is_wished(self, name: str) -> bool:
        return name in self._wished and self._wished[name] >= self._programs[name].start_mono

    def _is_asked(self, name: str, *, force: bool = False) -> bool:
        return any(name in names and (forced or not force) for names, forced in self._heals.values())

    def reloaded(self) -> None:
        """supervisord has stopped everything itself."""
        self._in_hand.clear()

    def forgotten(self) -> None:
        """What the healer knew is lost, and it cannot know how many attempts have failed."""
        self._failed.clear()

    def rebooted(self, shift: float) -> None:
        """The monotonic clock began anew."""
        self.restarts = defaultdict(list, {n: [at + shift for at in times] for n, times in self.restarts.items()})
        self.host_restarts = [at + shift for at in self.host_restarts]
        self._mends = defaultdict(list, {path: [at + shift for at in times] for path, times in self._mends.items()})
        self._wished.clear()
        self._failed.clear()
        self._in_hand.clear()

    def _check_gate(self, name: str) -> None:
        if self._is_asked(name, force=True):
            return
        for item in self._programs[name].spec.inputs:
            if item.required and not self._truth.is_fresh(item.path):
                self.violate("inputs_fresh", f"{name} restarted although {item.path} is not fresh")

    def _check_need(self, name: str) -> None:
        """Nobody is restarted who only waited for input, or was catching up."""
        if self._truth.ails(name) or self._is_wished(name):
            return
        self.needless.append((self._time.elapsed, name))
        if self.judges_need and not self._is_asked(name) and not self._truth.looks_stalled(name):
            self.violate("root_only", f"{name} restarted although nothing ails it and it is not late")

    def restarts_left(self) -> dict[str, int]:
        """What each worker's budget still allows, and under '' that of all together: supervisord remembers it for a
        healer that has lost its journal."""
        left = {name: self._left(self.restarts[name], one.spec.restarts) for name, one in self._programs.items()}
        return {**left, "": self._left(self.host_restarts, self._host_limit())}

    def _count(self, name: str) -> None:
        for restarts, limit, invariant, whose in (
            (self.restarts[name], self._programs[name].spec.restarts, "budget", f"{name}:"),
            (self.host_restarts, self._host_limit(), "host_budget", "all workers together:"),
        ):
            if self._left(restarts, limit) == 0:
                self.violate(invariant, f"{whose} more than {limit.max} restarts within {limit.within:.0f}s")
            restarts.append(self._time.mono)

    def _left(self, restarts: Sequence[float], limit: Intensity) -> int:
        inside = sum(self._time.mono - moment < limit.within - ROUNDING for moment in restarts)
        return max(0, limit.max - inside)

    def _host_limit(self) -> Intensity:
        return self.overall or Intensity(max(5, len(self._truth.pipeline.workers) // 3), 600.0)

    def _check_may_act(self, order: Decision) -> None:
        if self.mode is Mode.OBSERVE or self.halted:
            self.violate("mode", f"{order} in mode observe, or after the halt")

    # --- files and configs ---------------------------------------------------------------------------------------

    def mend_ordered(self, order: Create | Repair | Restore) -> None:
        """A file or config is to be mended: not in a fight with somebody, unless an operator has asked."""
        self._check_may_act(order)
        recent = [moment for moment in self._mends[order.path] if self._time.mono - moment < MENDS.within - ROUNDING]
        if not isinstance(order, Restore) and len(recent) >= MENDS.max:
            self.violate("mends", f"{order} after {len(recent)} others")

    def mended(self, path: str, ordered: float) -> None:
        """That has changed it; it was `ordered` then (mono)."""
        self._mends[path].append(ordered)

    def signalled(self, order: Signal) -> None:
        """A process is signalled: that very one, and only while it runs."""
        self._check_may_act(order)
        program = self._programs[order.worker]
        if program.state is not ProcessState.RUNNING or program.pid != order.pid:
            self.violate("signals", f"{order} although it is {program.state} as {program.pid}")

    # --- what the healer decides and says ------------------------------------------------------------------------

    def decided(self, decisions: Sequence[Decision], distrust: str) -> None:
        """A turn's decisions; `distrust`: why no evidence of this turn could be trusted ('' it could)."""
        begun = {one.worker for one in decisions if isinstance(one, Note) and one.event == "restart"}
        acted = begun | {one.path for one in decisions if isinstance(one, Create | Repair)}
        if distrust and acted:
            self.violate("evidence", f"{', '.join(sorted(acted))} restarted or mended in a turn in which {distrust}")
        self._explained |= begun
        for decision in decisions:
            match decision:
                case Note() if not decision.text or (
                    decision.worker and decision.event == "restart" and not decision.evidence
                ):
                    self.violate("explained", f"{decision} without a reason")
                case Answer() if not decision.reason:
                    self.violate("explained", f"{decision} without a reason")
                case Stop() | Start() if decision.worker not in self._explained:
                    self.violate("explained", f"{decision} without a note")
                case _:
                    pass

    def noted(self, note: Note) -> None:
        """A line of history is written."""
        name = note.worker
        if note.event == "restart":
            self._explained.add(name)
            self._check_attempts(name)
        elif note.event in PROVEN:
            self._explained.discard(name)
        if note.event == "failed":
            self._failed[name].append(self._time.mono)
        elif note.event == "idle":
            self._failed[name] = []
        elif note.event == "healed":
            self._check_healed(name)

    def _check_attempts(self, name: str) -> None:
        """After so many failed attempts, and no output since the first, there are only probes."""
        spec = self._truth.pipeline.workers[name]
        last = max((self._last_write(name, path)[0] for path in spec.outputs), default=self._time.mono)
        failed = [moment for moment in self._failed[name] if moment > last]
        if len(failed) >= spec.attempts and self._time.mono - failed[-1] < spec.retry_after - 1.0:
            self.violate("attempts", f"{name} restarted after {len(failed)} failed attempts")

    def _last_write(self, name: str, path: str) -> tuple[float, int]:
        """When (mono) it has last written this output, and as which process of its."""
        file = self._disk.files.get(written_as(path), TrueFile(path))
        return file.last_by.get(name, LONG_BEFORE)

    def _check_healed(self, name: str) -> None:
        program = self._programs[name]
        spec = self._truth.pipeline.workers[name]
        if not spec.outputs:
            grace = spec.startup_grace if spec.startup_grace is not None else 60.0
            if self._time.mono - program.start_mono < grace - RUNS_AT_LEAST:
                self.violate("new_output", f"{name} called healed before its start-up grace")
            return
        for path in spec.outputs:
            moment, generation = self._last_write(name, path)
            if generation == program.generation and moment >= program.start_mono:
                return
        self.violate("new_output", f"{name} called healed without new output")
