"""The brain: facts and looks come in, decisions go out. It does no I/O and has no clock of its own.

One turn, as the listener and the simulator both take it:

    engine.hear(event, now)                          what supervisord or an operator said, as it comes
    while paths := engine.wanted(now):               look only at what the decisions due now need,
        engine.see({path: look(path) ...}, now)      and again, at what these looks have made necessary
    decisions = engine.decide(now)                   remember first, then order; each with its reason
    sleep until engine.next_wake() or an event

`now` is the same value throughout a turn, so that "an observation taken for this very decision" can be checked.

Within a turn every worker that is due is examined, upstream first (`Diagnosis`, `Treatment.follow`); operators are
served (`HealDesk`); who may be treated next is decided (`Triage`); and the verdicts are published (`Bulletin`), with
the next look at each (`Looks`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from supervisor_healer.core.book import ReportBook
from supervisor_healer.core.bulletin import Bulletin
from supervisor_healer.core.clock import Clock
from supervisor_healer.core.dependencies import Dependencies
from supervisor_healer.core.former_life import FormerLife
from supervisor_healer.core.freshness import NEVER, Track
from supervisor_healer.core.looks import Looks
from supervisor_healer.core.model import Health, Intensity, Mode, Now, Seen
from supervisor_healer.core.news import (
    ComponentResult,
    ConfigFound,
    Event,
    HealRequest,
    Mended,
    MonitorRequest,
    OrderFailed,
    ProcessTable,
    RestoreRequest,
    VerifyRequest,
)
from supervisor_healer.core.orders import USAGE, Answer, Decision, Note, Remember
from supervisor_healer.core.patient import Patient
from supervisor_healer.core.pipeline import Pipeline
from supervisor_healer.core.record import Record
from supervisor_healer.core.report import Report
from supervisor_healer.core.requests import HealDesk
from supervisor_healer.core.round import Round
from supervisor_healer.core.treatment import Treatment
from supervisor_healer.core.triage import Triage
from supervisor_healer.core.upkeep import Upkeep
from supervisor_healer.core.verdicts import ConsumerVerdict, FileVerdict, Verdict
from supervisor_healer.core.ward import Ward
from supervisor_healer.words import duration

LEAVER_PATIENCE = 1.0  # seconds between two looks at a process that has left the architecture while under way


class Engine:
    """Judges every worker of a pipeline and decides what to do. `draw` gives uniform numbers in [0, 1)."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        draw: Callable[[], float],
        mode: Mode = Mode.HEAL,
        cycle: float = 60.0,
        restarts_overall: Intensity | None = None,
        has_components: bool = False,
    ) -> None:
        self._clock = Clock()
        self._in_turn = False
        self._record = Record()
        self._ward = Ward()
        self._triage = Triage(self._ward, self._record, mode, restarts_overall)
        self._upkeep = Upkeep(self._ward, self._record)
        self._desk = HealDesk(self._ward, self._triage, self._upkeep, self._record)
        self._treatment = Treatment(self._ward, self._record, self._triage, self._desk, draw)
        self._looks = Looks(self._ward, self._desk.waits_for, cycle)
        self._bulletin = Bulletin(self._ward, self._record)
        self._dependencies = Dependencies(self._ward)
        self._book = ReportBook(self._ward, self._upkeep, self._dependencies, self._bulletin)
        self._round = Round(self._ward, self._upkeep, self._looks, self._book, self._record)
        self._desk.round = self._round
        self._report: Report | None = None
        self._make_report = False
        self.adopt(pipeline, mode=mode, cycle=cycle, restarts_overall=restarts_overall, has_components=has_components)

    # --- what others may see ------------------------------------------------------------------------------------

    @property
    def pipeline(self) -> Pipeline:
        """The expanded architecture that is worked with now."""
        return self._ward.pipeline

    @property
    def patients(self) -> Mapping[str, Patient]:
        """The workers by name."""
        return self._ward.patients

    @property
    def tracks(self) -> Mapping[str, Track]:
        """The files by path."""
        return self._ward.tracks

    @property
    def verdicts(self) -> Mapping[str, Verdict]:
        """What is concluded about each worker, as of the last turn that had reason to look."""
        return self._bulletin.verdicts

    def take_concluded(self) -> set[str]:
        """The workers whose verdict was drawn, or dropped, since this was last asked."""
        concluded, self._bulletin.concluded = self._bulletin.concluded, set()
        return concluded

    @property
    def consumers(self) -> Mapping[str, ConsumerVerdict]:
        """What is concluded about each reader that supervisord does not run, as of the last `look_around`."""
        return self._dependencies.consumers

    @property
    def files_apart(self) -> Mapping[str, FileVerdict]:
        """The files that neither a worker nor a consumer has, as of the last `look_around`."""
        return self._dependencies.files

    def look_around(self, now: Now) -> tuple[set[str], set[str]]:
        """Conclude about consumers and files apart; the names and paths that have changed since this was last asked."""
        self._dependencies.conclude(now)
        consumers, files = self._dependencies.concluded_consumers, self._dependencies.concluded_files
        self._dependencies.concluded_consumers, self._dependencies.concluded_files = set(), set()
        return consumers, files

    def take_report(self) -> Report | None:
        """The latest report, if it was made since this was last asked."""
        report, self._report = self._report, None
        return report

    @property
    def under_way(self) -> bool:
        """Whether any stop or start is under way, so that the process table is worth a look."""
        return any(self._ward.patients[name].under_way for name in self._ward.in_treatment)

    @property
    def host_restarts(self) -> list[float]:
        """The restarts of all workers together that still count (mono)."""
        return self._triage.host.restarts

    def host_left(self, now: Now) -> int:
        """Restarts still allowed to all workers together."""
        return self._triage.host_left(now)

    @property
    def restarts_overall(self) -> Intensity:
        """The limit over all workers."""
        return self._triage.overall

    def state(self, name: str) -> Health:
        """A worker's state as it stands now."""
        return self._ward.state(name)

    # --- what comes in ------------------------------------------------------------------------------------------

    def adopt(
        self,
        pipeline: Pipeline,
        *,
        mode: Mode,
        cycle: float,
        restarts_overall: Intensity | None,
        has_components: bool = False,
    ) -> None:
        """Go on with another pipeline (SIGHUP, or processes came and went), keeping what is known of what stays."""
        self._triage.mode = self._upkeep.mode = self._book.mode = mode
        self._triage.host.declared, self._looks.cycle, self._round.cycle = restarts_overall, cycle, cycle
        self._round.has_components = has_components
        self._book.cycle = cycle
        if not has_components:
            self._book.forget_components()
        for leaver in self._ward.adopt(pipeline):
            self._treatment.let_go(leaver)
        self._looks.adopt()
        self._bulletin.adopt()
        self._upkeep.adopt()
        self._dependencies.adopt()
        self._desk.forget_leavers()

    def begin_round(self, cause: str) -> None:
        """Have a round made as soon as may be: another architecture may want other things mended."""
        self._round.ask(cause, mends=True)

    def restore(
        self,
        memories: Mapping[str, Mapping[str, Mapping[str, Any]]],
        before: Now | None,
        now: Now,
        *,
        same_boot: bool,
    ) -> None:
        """Take back what a former life remembered (kind -> name -> memory), when the clocks stood at `before`."""
        shift = None
        if same_boot:
            self._clock.last = before
        else:
            shift = 0.0 if before is None else now.mono - max(0.0, now.wall - before.wall) - before.mono
        FormerLife(self._ward, self._triage, self._upkeep, self._record, now, shift).give_back(memories)

    def restrict(self, now: Now, why: str, left: Mapping[str, int] | None = None) -> None:
        """The past is lost (no journal): act as if half of every budget were used up.

        `left` says, by worker, how many restarts a former healer had left where somebody remembers it; '' of all
        together.
        """
        self._triage.restrict(now, left or {})
        self.examine_all()
        said = f"{why}: restarts are limited as if half of each budget were used up"
        self._record.note("", "journal", said)

    def halt(self, why: str) -> None:
        """supervisord is going down: order nothing any more."""
        self._triage.halted = self._upkeep.halted = why

    def hear(self, event: Event, now: Now) -> None:
        """Take in what supervisord or an operator said; the turn's looks and decisions follow it."""
        match event:
            case ProcessTable():
                self._ward.hear(event, now)
            case OrderFailed():
                self._treatment.order_failed(event.worker, event.reason, now)
            case HealRequest():
                self._desk.take(event)
            case MonitorRequest():
                self._monitor(event, now)
            case VerifyRequest():
                self._desk.verify(event)
            case RestoreRequest():
                self._upkeep.restore(event, now)
            case ConfigFound():
                self._make_report |= self._upkeep.found(event, now)
                self._looks.want([event.path])
            case Mended():
                self._upkeep.mended(event, now)
                self._looks.want([event.path])
            case _:
                self._consulted(event, now)

    def _consulted(self, result: ComponentResult, now: Now) -> None:
        """What a component healer says joins the report; a restart that it wants passes the same gate and budget."""
        self._make_report = True
        pipeline, healer = self._ward.pipeline, result.name
        lines = [f"{entry.subject}: {entry.message}" for entry in (*result.healed, *result.failed)]
        lines += [
            f"wants a restart of {name}: no such worker" for name, _ in result.restarts if not pipeline.named(name)
        ]
        if result.problem:
            lines.append(f"did not answer properly: {result.problem}")
        for line in self._book.answered(result, lines):
            self._record.note(healer, "component", line)
        wishes = self._triage.wishes
        wishes.forget_denials(healer, {name for entry, _ in result.restarts for name in pipeline.named(entry)})
        for entry_name, why in result.restarts:
            for worker in pipeline.named(entry_name):
                wishes.take(worker, f"{healer} wants it restarted" + (f": {why}" if why else ""), healer, now)

    def _monitor(self, request: MonitorRequest, now: Now) -> None:
        names = list(self._ward.patients) if request.worker == "all" else [request.worker]
        if any(name not in self._ward.patients for name in names):
            self._record.add(Answer(request.id, USAGE, f"no worker {request.worker}"))
            return
        event, said = "monitor", "monitored again"
        if request.seconds is not None:
            event, said = "unmonitor", "unmonitored" + (f" for {duration(request.seconds)}" if request.seconds else "")
        if request.worker == "all":
            self._upkeep.take_hands_off(request.seconds, now)
        for name in names:
            memory = self._ward.patients[name].memory
            memory.unmonitored = request.seconds is not None
            memory.unmonitored_until = now.mono + request.seconds if request.seconds else None
            self._record.worker_changed(name)
        self._ward.call(names)
        self._record.note("" if request.worker == "all" else request.worker, event, f"{said}, by an operator")
        self._record.add(Answer(request.id, 0, said))

    # --- one turn -----------------------------------------------------------------------------------------------

    def next_wake(self) -> float:
        """The mono moment of the next turn, if no event comes before."""
        moments = [self._looks.next_due, self._round.next_due, self._upkeep.hands_off.ends]
        if self._ward.due or not self._record.is_empty or (self._desk.is_due and not self._triage.halted):
            moments.append(NEVER)
        if self._clock.last is not None:
            moments.append(self._clock.last.mono + self._looks.cycle)
            if self._treatment.somebody_leaves:
                moments.append(self._clock.last.mono + LEAVER_PATIENCE)
        self._clock.asked = min(moments)
        return self._clock.asked

    def wanted(self, now: Now) -> tuple[str, ...]:
        """The files that the decisions due at `now` need a look at; ask again after `see`, until it is empty."""
        self._begin_turn(now)
        return self._looks.wanted(now)

    def see(self, looks: Mapping[str, Seen], now: Now) -> None:
        """Take in the looks that `wanted` asked for."""
        for path, seen in looks.items():
            if path in self._ward.tracks:
                self._looks.seen(path, self._ward.tracks[path].see(seen, now), now)

    def examine_all(self) -> None:
        """Examine every worker in the coming turn, due or not."""
        self._ward.call(self._ward.patients)

    def decide(self, now: Now) -> list[Decision]:
        """Judge who is due, and decide: what to remember first, then what to order and to tell."""
        self._begin_turn(now)
        self._in_turn = False
        over = False
        names = sorted(self._ward.due, key=self._ward.pipeline.rank.__getitem__)
        self._ward.due.clear()
        for name in names:
            self._examine_safely(name, now)
        if not self._triage.halted:
            self._treatment.see_off(now)
        if not self._ward.distrusted:
            over = self._round.step(now, halted=bool(self._triage.halted))
            if not self._triage.halted:
                self._desk.serve(names, now, self._treatment.begin)
            self._triage.plan(names, now, self._treatment.begin)
        if not self._triage.halted:  # whatever stops now is stopped by supervisord itself, which says nothing of it
            self._conclude(names, now)
        self._ward.distrusted = ""
        decisions = self._record.take(self._ward.patients, self._ward.tracks, self._triage.host.restarts)
        self._make_report |= self._book.take((one for one in decisions if isinstance(one, Note)), now)
        if over or (self._make_report and self._round.completed):  # not before all of it was looked at once
            self._make_report = False
            self._dependencies.conclude(now)
            self._report = self._book.compose(now)
        return decisions

    def file_memories(self) -> list[Remember]:
        """All that moves on by itself (files, the clocks of attempts), for the journal: every cycle, and at the end."""
        files = [Remember("file", path, track.memory()) for path, track in self.tracks.items() if track.looked]
        attempts = sorted(self._ward.in_treatment)
        return [*files, *(Remember("worker", name, self._ward.patients[name].memory.as_json()) for name in attempts)]

    def _begin_turn(self, now: Now) -> None:
        if self._in_turn:
            return
        self._in_turn = True
        if trouble := self._clock.trouble(now):
            self._ward.distrust(trouble, now)
            for name in self._ward.patients:
                self._record.worker_changed(name)
            self._record.note("", "clock", f"{trouble}: nobody is convicted, every age counts from now on")
        self._make_report |= self._upkeep.go_back_to_work(now)
        if not self._ward.distrusted:
            self._round.begin_turn(now)
        self._looks.begin_turn(now)

    def grounds(self, paths: Iterable[str], now: Now) -> set[str]:
        """Those of `paths` at which the file system is to be looked at as well."""
        return self._looks.grounds(paths, now, outputs=self._round.is_under_way)

    def _examine_safely(self, name: str, now: Now) -> None:
        """One worker that cannot be judged, for a bug of ours, must not end the watch over the others."""
        try:
            self._examine(name, now)
        except Exception as error:
            why = f"the healer has a bug ({type(error).__name__}: {error})"
            if self._ward.judged(name).reason != why:
                self._record.note(name, "bug", f"{why}: it is not judged, please report this")
            self._ward.doubt(name, why)

    def _examine(self, name: str, now: Now) -> None:
        """Judge the evidence, and take an attempt that is under way one step further."""
        memory = self._ward.patients[name].memory
        if memory.unmonitored_until is not None and now.mono >= memory.unmonitored_until:
            memory.unmonitored, memory.unmonitored_until = False, None
            self._record.worker_changed(name)
            self._record.note(name, "monitor", "monitored again: the time set has passed")
        self._ward.judge(name, now)
        if not self._triage.halted:
            self._treatment.follow(name, now)
        self._triage.follow_health(name, now)

    def _conclude(self, names: list[str], now: Now) -> None:
        examined = set(names)
        for name in names:
            refusal = self._triage.refused.pop(name, None)
            if self._bulletin.conclude(name, refusal, now):
                readers = self._ward.pipeline.downstream[name]
                self._ward.forget_causes(readers)
                self._ward.call(reader for reader in readers if reader not in examined)
            self._looks.schedule(name, None if refusal is None else refusal.until, now)
