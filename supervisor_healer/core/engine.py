"""The brain: facts and looks come in, decisions go out. It does no I/O and has no clock of its own.

One turn, as the listener and the simulator both take it:

    engine.hear(event, now)                          what supervisord or an operator said, as it comes
    while paths := engine.wanted(now):               look only at what the decisions due now need,
        engine.see({path: look(path) ...}, now)      and again, at what these looks have made necessary
    decisions = engine.decide(now)                   remember first, then order; each with its reason
    sleep until engine.next_wake() or an event

`now` is the same value throughout a turn, so that "an observation taken for this very decision" can be checked.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from supervisor_healer.core.budget import Quarantine, add_restart, reset_after, room_at
from supervisor_healer.core.diagnosis import DOWN_STATES, Diagnosis, Judgement, Patient
from supervisor_healer.core.explanation import Grounds, explain, headline
from supervisor_healer.core.freshness import INFINITE, NEVER, Track
from supervisor_healer.core.memory import Attempt, Memory, Stage
from supervisor_healer.core.model import (
    Answer,
    Decision,
    Event,
    Freshness,
    HealRequest,
    Health,
    Intensity,
    LastHeal,
    Mode,
    MonitorRequest,
    Note,
    Now,
    OrderFailed,
    Process,
    ProcessState,
    ProcessTable,
    Remember,
    Seen,
    Start,
    Stop,
    Verdict,
)
from supervisor_healer.core.pipeline import Pipeline
from supervisor_healer.core.requests import FINE, HealDesk
from supervisor_healer.core.restart import TABLE, Do, Proof, phase, verify
from supervisor_healer.words import duration, until

CLOCK_TOLERANCE = 5.0  # seconds by which the clocks may move apart between two turns
OVERSLEPT = 15.0  # seconds by which the listener may wake too late
REORDER_AFTER = 5.0  # seconds after which an order that had no effect is given again
OVERALL_WITHIN = 600.0
POLL_SHORTEST, POLL_LONGEST = 0.1, 5.0  # seconds between two looks while something is awaited
POLL_SHARE = 20  # ... a twentieth of what is awaited
DIED_UNSEEN = -1  # pid of a process that had died before it was seen: whatever is there now is another one

PROCESSES_ONLY = Judgement(Health.UNKNOWN, "not judged yet")


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
    ) -> None:
        self._draw = draw
        self._mode = mode
        self._cycle = cycle
        self._overall_wanted = restarts_overall
        self._now: Now | None = None
        self._asked = INFINITE
        self._turn: Now | None = None
        self._distrusted = ""
        self._halted = ""
        self._heap: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}
        self._dirty: set[str] = set()
        self._touched: set[str] = set()
        self._files_touched: set[str] = set()
        self._ordered: dict[str, float] = {}
        self._refusing: dict[str, str] = {}
        self._refusals: dict[str, str] = {}
        self._out: list[Decision] = []
        self.host_restarts: list[float] = []
        self.tracks: dict[str, Track] = {}
        self.patients: dict[str, Patient] = {}
        self.verdicts: dict[str, Verdict] = {}
        self._judged: dict[str, Judgement] = {}
        self._processes: dict[str, Process] = {}
        self.desk = HealDesk(self)
        self._adopt(pipeline)

    # --- the architecture -----------------------------------------------------------------------------------

    def adopt(self, pipeline: Pipeline, *, mode: Mode, cycle: float, restarts_overall: Intensity | None) -> None:
        """Go on with another pipeline (SIGHUP, or processes came and went), keeping what is known of what stays."""
        self._mode, self._cycle, self._overall_wanted = mode, cycle, restarts_overall
        self._adopt(pipeline)

    def _adopt(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.tracks = {path: self._track(path) for path in pipeline.files}
        patients = {}
        for name, spec in pipeline.workers.items():
            patient = self.patients.get(name) or Patient(spec, Memory())
            patient.spec, patient.problem = spec, pipeline.problems.get(name, "")
            process = self._processes.get(spec.program)
            if patient.process is not None and patient.process.address != spec.program:
                patient.process = patient.start = None
            if process is not None and self._now is not None:
                self._take_process(patient, process, self._now)
            patients[name] = patient
        self.patients = patients
        self.verdicts = {name: verdict for name, verdict in self.verdicts.items() if name in patients}
        self._judged = {name: judged for name, judged in self._judged.items() if name in patients}
        self.diagnosis = Diagnosis(pipeline, self.tracks, self.patients, self.state)
        self._dirty = set(patients)
        self._due, self._heap = {}, []

    def _track(self, path: str) -> Track:
        track = self.tracks.get(path) or Track(self.pipeline.files[path])
        track.spec = self.pipeline.files[path]
        return track

    @property
    def restarts_overall(self) -> Intensity:
        """The limit over all workers: as declared, or max(5, a third of the workers) in 10 minutes."""
        return self._overall_wanted or Intensity(max(5, len(self.patients) // 3), OVERALL_WITHIN)

    # --- what comes in --------------------------------------------------------------------------------------

    def restore(
        self,
        memories: Mapping[str, Mapping[str, Mapping[str, object]]],
        before: Now | None,
        now: Now,
        *,
        same_boot: bool,
    ) -> None:
        """Take back what a former life remembered (kind -> name -> memory), when the clocks stood at `before`."""
        shift = 0.0
        if before is not None and not same_boot:
            shift = (now.mono - max(0.0, now.wall - before.wall)) - before.mono
        for name, memory in memories.get("worker", {}).items():
            if name in self.patients:
                patient = self.patients[name]
                patient.memory = Memory.from_json(memory, shift, now.mono)
                if patient.memory.attempt is not None:
                    said = f"a restart that a former healer began ({patient.memory.attempt.stage.value}) is completed"
                    self._out.append(Note(name, "completed", f"{said}: {patient.memory.attempt.reason}"))
        if same_boot:
            for path, memory in memories.get("file", {}).items():
                if path in self.tracks and memory:
                    self.tracks[path].recall(memory)
            self._now = before
        host = memories.get("host", {}).get("", {}).get("restarts", [])
        if isinstance(host, list):
            self.host_restarts = [min(float(moment) + shift, now.mono) for moment in host]

    def restrict(self, now: Now, why: str) -> None:
        """The past is lost (no journal): act as if half of every budget were used up."""
        for name, patient in self.patients.items():
            half, known = (patient.spec.restarts.max + 1) // 2, patient.memory.budget.restarts
            patient.memory.budget.restarts = known + [now.mono] * (half - len(known))
            self._touched.add(name)
        half = (self.restarts_overall.max + 1) // 2
        self.host_restarts = self.host_restarts + [now.mono] * (half - len(self.host_restarts))
        self._out.append(Note("", "journal", f"{why}: restarts are limited as if half of each budget were used up"))

    def halt(self, why: str) -> None:
        """supervisord is going down: order nothing any more."""
        self._halted = why

    def hear(self, event: Event, now: Now) -> None:
        """Take in what supervisord or an operator said; the turn's looks and decisions follow it."""
        match event:
            case ProcessTable():
                self._take_table(event, now)
            case OrderFailed():
                self._order_failed(event, now)
            case HealRequest():
                self.desk.take(event)
            case MonitorRequest():
                self._monitor(event, now)

    def _take_table(self, table: ProcessTable, now: Now) -> None:
        addresses = {process.address for process in table.processes}
        for process in table.processes:
            self._processes[process.address] = process
        if table.complete:
            self._processes = {process.address: process for process in table.processes}
        for name, patient in self.patients.items():
            process_now = self._processes.get(patient.spec.program)
            if process_now is None:
                if patient.process is not None:
                    patient.process = patient.start = None
                    self._dirty.add(name)
            elif patient.spec.program in addresses and process_now != patient.process:
                self._take_process(patient, process_now, now)
                self._dirty.add(name)

    def _take_process(self, patient: Patient, process: Process, now: Now) -> None:
        known = patient.process
        patient.process = process
        if process.start == 0.0:
            patient.start = None
        elif known is None or known.start != process.start or patient.start is None:
            patient.start = Now(process.start, min(now.mono, now.mono - (now.wall - process.start)))
            self._count_grace_from(patient)

    def _count_grace_from(self, patient: Patient) -> None:
        """The start-up grace counts from the first start without new output, not anew from each."""
        memory, start = patient.memory, patient.start
        assert start is not None
        first = memory.first_start
        if first is not None and first <= start.mono:
            if patient.spec.outputs:
                proven = any(
                    self.tracks[path].moved_since(memory.first_start_wall, first) for path in patient.spec.outputs
                )
            else:
                proven = False
            if not proven:
                return
        process = patient.process
        pid = 0 if process is None else process.pid
        if process is not None and process.state is ProcessState.BACKOFF:
            pid = DIED_UNSEEN
        memory.first_start, memory.first_start_wall, memory.first_pid = start.mono, start.wall, pid
        self._touched.add(patient.spec.name)

    def _order_failed(self, event: OrderFailed, now: Now) -> None:
        patient = self.patients.get(event.worker)
        if patient is not None and patient.memory.attempt is not None:
            self._dirty.add(event.worker)
            self._end(patient, Do.FAIL, f"supervisord refused: {event.reason}", now)

    def _monitor(self, request: MonitorRequest, now: Now) -> None:
        names = list(self.patients) if request.worker == "all" else [request.worker]
        if any(name not in self.patients for name in names):
            self._out.append(Answer(request.id, 2, f"no worker {request.worker}"))
            return
        for name in names:
            memory = self.patients[name].memory
            memory.unmonitored = request.seconds is not None
            memory.unmonitored_until = now.mono + request.seconds if request.seconds else None
            self._touched.add(name)
            self._dirty.add(name)
        event = "monitor" if request.seconds is None else "unmonitor"
        said = "monitored again" if request.seconds is None else "unmonitored"
        said += f" for {duration(request.seconds)}" if request.seconds else ""
        self._out.append(Note("" if request.worker == "all" else request.worker, event, f"{said}, by an operator"))
        self._out.append(Answer(request.id, 0, said))

    # --- the looks ------------------------------------------------------------------------------------------

    def next_wake(self) -> float:
        """The mono moment of the next turn, if no event comes before."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        first = self._heap[0][0] if self._heap else INFINITE
        if self._dirty or self._out or (self.desk.is_due and not self._halted):
            first = NEVER
        self._asked = min(first, INFINITE if self._now is None else self._now.mono + self._cycle)
        return self._asked

    def wanted(self, now: Now) -> tuple[str, ...]:
        """The files that the decisions due at `now` need a look at; ask again after `see`, until it is empty."""
        if self._turn != now:
            self._begin_turn(now)
        needs: dict[str, None] = {}
        for name in sorted(self._dirty, key=self._rank):
            if name in self.patients:
                for path in self._needs(self.patients[name], now):
                    track = self.tracks[path]
                    if track.looked is None or track.looked.mono != now.mono:
                        needs[path] = None
            elif name in self.tracks:
                needs[name] = None
        return tuple(needs)

    def see(self, looks: Mapping[str, Seen], now: Now) -> None:
        """Take in the looks that `wanted` asked for."""
        for path, seen in looks.items():
            if path in self.tracks:
                self.tracks[path].see(seen, now)
                if path in self._dirty:
                    self._dirty.discard(path)
                    self._schedule(path, self._outside_due(path, now))

    def _rank(self, name: str) -> int:
        return self.pipeline.rank.get(name, -1)

    def _begin_turn(self, now: Now) -> None:
        self._turn = now
        self._distrusted = self._clock_trouble(now)
        if self._distrusted:
            self._distrust(now)
        self._now = now
        while self._heap and self._heap[0][0] <= now.mono:
            moment, name = heapq.heappop(self._heap)
            if self._due.get(name) == moment:
                self._dirty.add(name)
        self._dirty |= self.desk.concerns()
        for path in self.pipeline.outside:
            if path not in self._due:
                self._dirty.add(path)

    def _clock_trouble(self, now: Now) -> str:
        if self._now is None:
            return ""
        apart = (now.wall - self._now.wall) - (now.mono - self._now.mono)
        if abs(apart) > CLOCK_TOLERANCE:
            return f"the wall clock was stepped by {'+' if apart > 0 else '-'}{duration(abs(apart))}, or the host slept"
        late = now.mono - max(self._asked, self._now.mono)
        if late > OVERSLEPT and self._asked < INFINITE:
            return f"the healer woke {duration(late)} too late"
        return ""

    def _distrust(self, now: Now) -> None:
        """Convict nobody now, and begin to count from here."""
        for track in self.tracks.values():
            track.distrust(now)
        for name, patient in self.patients.items():
            pending = patient.memory.pending
            patient.memory.pending = {path: (now.mono, mtime) for path, (_, mtime) in pending.items()}
            if patient.start is not None:
                patient.start = Now(now.wall - (now.mono - patient.start.mono), patient.start.mono)
            if patient.memory.first_start is not None:
                patient.memory.first_start_wall = now.wall - (now.mono - patient.memory.first_start)
            if patient.memory.attempt is not None:
                patient.memory.attempt.clock_from = None
            if patient.memory.attempt is not None and patient.memory.attempt.started:
                patient.memory.attempt.started_wall = now.wall - (now.mono - patient.memory.attempt.started)
            self._touched.add(name)
        self._dirty |= set(self.patients)
        self._out.append(Note("", "clock", f"{self._distrusted}: nobody is convicted, every age counts from now on"))

    def _needs(self, patient: Patient, now: Now) -> Iterable[str]:
        """Outputs always; inputs as soon as a decision may rest on them; upstream workers' files with a conviction."""
        spec = patient.spec
        yield from spec.outputs
        name = spec.name
        waiting = patient.memory.attempt is not None or name in self.desk.concerns()
        doubtful = self.state(name) is not Health.HEALTHY or waiting
        stale = False
        for path in spec.outputs:
            track = self.tracks[path]
            if track.looked is None or track.looked.mono != now.mono:
                continue
            max_age = track.spec.max_age or INFINITE
            doubtful = doubtful or now.mono >= track.moved_mono + min(track.spec.grace, max_age)
            doubtful = doubtful or track.as_input(now).counts is not Freshness.FRESH
            stale = stale or track.as_output(now, one_look=waiting).counts is Freshness.STALE
        if doubtful or not spec.outputs:
            for item in spec.inputs:
                yield item.path
        if stale or patient.is_down or waiting:
            for upstream in self.pipeline.upstream[name]:
                if upstream not in self._dirty and self._due.get(upstream) != now.mono:
                    self._schedule(upstream, now.mono)
                    yield from self.patients[upstream].spec.outputs
                    if self.state(upstream) is not Health.HEALTHY:
                        yield from (item.path for item in self.patients[upstream].spec.inputs)

    # --- the decisions --------------------------------------------------------------------------------------

    def decide(self, now: Now) -> list[Decision]:
        """Judge who is due, and decide: what to remember first, then what to order and to tell."""
        if self._turn != now:
            self._begin_turn(now)
        dirty = sorted((name for name in self._dirty if name in self.patients), key=self._rank)
        self._dirty = set()
        for name in dirty:
            self._examine(self.patients[name], now)
        if not self._distrusted and not self._halted:
            self.desk.serve(now)
            self._plan(dirty, now)
        for name in dirty:
            self._conclude(self.patients[name], now)
        self._distrusted = ""
        self._turn = None
        return self._collect()

    def _collect(self) -> list[Decision]:
        out, self._out = self._out, []
        remembered: list[Decision] = [
            Remember("worker", name, self.patients[name].memory.as_json())
            for name in sorted(self._touched)
            if name in self.patients
        ]
        remembered += [Remember("file", path, self.tracks[path].memory()) for path in sorted(self._files_touched)]
        if any(isinstance(decision, Note) and decision.event == "restart" for decision in out):
            remembered.append(Remember("host", "", {"restarts": list(self.host_restarts)}))
        self._touched, self._files_touched = set(), set()
        return remembered + out

    def file_memories(self) -> list[Remember]:
        """All that is known of the files, for the journal at every cycle and at the end."""
        return [Remember("file", path, track.memory()) for path, track in self.tracks.items() if track.looked]

    def _examine(self, patient: Patient, now: Now) -> None:
        """Judge the evidence, and take an attempt that is under way one step further."""
        memory = patient.memory
        if memory.unmonitored and memory.unmonitored_until is not None and now.mono >= memory.unmonitored_until:
            memory.unmonitored, memory.unmonitored_until = False, None
            self._touched.add(patient.spec.name)
            self._out.append(Note(patient.spec.name, "monitor", "monitored again: the time set has passed"))
        if patient.start is not None and memory.first_start is None:
            self._count_grace_from(patient)
        self.diagnosis.note_pending(patient)
        self._judged[patient.spec.name] = self.diagnosis.judge(patient, now)
        if memory.attempt is not None and not self._halted:
            self._follow(patient, memory.attempt, now)
        self._follow_health(patient, now)

    def _follow_health(self, patient: Patient, now: Now) -> None:
        budget, judged = patient.memory.budget, self._judged[patient.spec.name]
        if budget.incident is None and budget.quarantine is None:
            return
        ages = [self.tracks[path].spec.max_age or 0.0 for path in patient.spec.outputs]
        healthy = judged.state is Health.HEALTHY
        if budget.quarantine is not None and patient.spec.outputs:
            since = budget.quarantine.since
            healthy = healthy and any(self.tracks[path].moved_mono > since for path in patient.spec.outputs)
        kept = judged.state in (Health.IDLE, Health.LATE)
        quarantined = budget.quarantine is not None
        had = budget.incident.healthy_since if budget.incident is not None else None
        if budget.health(now.mono, healthy=healthy, kept=kept, needed=reset_after(max(ages, default=0.0))):
            words = "healthy for long enough: the incident is over" + (
                " and the quarantine ends" if quarantined else ""
            )
            self._out.append(Note(patient.spec.name, "released" if quarantined else "closed", words))
            self._touched.add(patient.spec.name)
        elif budget.incident is not None and budget.incident.healthy_since != had:
            self._touched.add(patient.spec.name)

    # --- one attempt ----------------------------------------------------------------------------------------

    def _plan(self, names: list[str], now: Now) -> None:
        """Begin what may begin: critical first, then fewest attempts, then longest stale; roots before their readers."""
        candidates = []
        for name in names:
            patient, judged = self.patients[name], self._judged[name]
            if patient.memory.attempt is not None or patient.memory.unmonitored:
                continue
            startable = judged.state is Health.DOWN and patient.is_down and not judged.not_fresh
            if judged.state is Health.STALLED or startable:
                incident = patient.memory.budget.incident
                age = min((self.tracks[path].moved_mono for path in judged.stale), default=now.mono)
                order = (not self.is_critical(name), incident.attempts if incident else 0, age)
                candidates.append((order, name))
        waiting = {name for _, name in candidates}
        for _, name in sorted(candidates):
            refusal = self.refusal(name, now)
            elder = next((other for other in sorted(waiting - {name}) if other in self.pipeline.ancestors(name)), "")
            if not refusal and elder and not self.refusal(elder, now):
                refusal = f"{elder}, upstream of it, goes first"
            if refusal:
                self._refuse(name, refusal, now)
            else:
                self.begin(name, now)

    def refusal(self, name: str, now: Now, *, operator: bool = False) -> str:
        """Why no attempt on `name` may begin now ('' if it may): mode, budget, wait, relatives, host."""
        patient = self.patients[name]
        spec, budget = patient.spec, patient.memory.budget
        if self._halted:
            return self._halted
        if self._mode is Mode.OBSERVE:
            return "mode is observe"
        if not operator:
            window = room_at(budget.restarts, now.mono, spec.restarts)
            if budget.quarantine is not None:
                if now.mono < budget.quarantine.retry_at:
                    return f"quarantined, probe in {until(budget.quarantine.retry_at)}"
                if window > now.mono:
                    return f"quarantined, restarts window full for {until(window)}"
            elif used := budget.used_up(now.mono, spec.attempts, spec.restarts):
                return f"budget used up: {used}"
            elif budget.incident is not None and now.mono < budget.incident.next_at:
                return f"next attempt in {until(budget.incident.next_at)}"
        process = patient.process
        if process is not None and not process.pid and (process.state not in DOWN_STATES or process.restarts_itself):
            return f"process {process.state}: supervisord is about to start it again"
        for other in sorted(self.pipeline.relatives(name)):
            if self.patients[other].under_way:
                return f"{other} is being restarted"
        room = room_at(self.host_restarts, now.mono, self.restarts_overall)
        if room > now.mono:
            limit = self.restarts_overall
            return f"host budget used up ({limit.max} restarts in {duration(limit.within)}), room in {until(room)}"
        return ""

    def _refuse(self, name: str, refusal: str, now: Now) -> None:
        budget = self.patients[name].memory.budget
        if refusal.startswith("budget used up") and budget.quarantine is None:
            self._quarantine(name, refusal, now)
        else:
            self._refusing[name] = refusal

    def _quarantine(self, name: str, why: str, now: Now) -> None:
        patient = self.patients[name]
        patient.memory.budget.quarantine = Quarantine.begin(now.mono, patient.spec.retry_after)
        self._touched.add(name)
        retry = duration(patient.spec.retry_after)
        said = f"{why}; needs a person: a probe comes in {retry}, `supervisorctl heal {name}` releases it"
        self._out.append(Note(name, "quarantined", said, self._evidence(name)))

    def begin(
        self, name: str, now: Now, *, judged: Judgement | None = None, request: str = "", forced: bool = False
    ) -> None:
        """Begin an attempt; what is under way goes into memory before any order."""
        patient = self.patients[name]
        judged = judged or self._judged[name]
        memory, process = patient.memory, patient.process
        assert process is not None
        memory.attempt = Attempt(
            reason=judged.reason,
            began=now.mono,
            began_wall=now.wall,
            stage=Stage.STOPPING if process.pid else Stage.STARTING,
            pid=process.pid,
            owed=list(judged.stale),
            any_output=not judged.stale,
            verify_within=self.diagnosis.verify_within(patient.spec, judged.stale),
            by_operator=bool(request),
            forced=forced,
            probe=memory.budget.quarantine is not None,
            requests=[request] if request else [],
        )
        memory.answered = {}
        memory.budget.attempt_begins(now.mono, patient.spec.restarts)
        self.host_restarts = add_restart(self.host_restarts, now.mono, self.restarts_overall)
        for path in patient.spec.outputs:
            self.tracks[path].break_hold()
        self._touched.add(name)
        self._files_touched.update(patient.spec.outputs)
        self._refusals.pop(name, None)
        number = memory.budget.incident.attempts if memory.budget.incident else 1
        kind = "probe" if memory.attempt.probe else "forced restart" if forced else "restart"
        asked = ", asked for by an operator" if request else ""
        inputs = "inputs ignored" if forced else "every required input is fresh"
        said = f"{kind} (attempt {number}{asked}): {judged.reason}; {inputs}"
        self._out.append(Note(name, "restart", said, self._evidence(name)))
        self.tell(patient, said)
        self._follow(patient, memory.attempt, now)

    def _follow(self, patient: Patient, attempt: Attempt, now: Now) -> None:
        """One step of the table; every order is given once, and again only when it had no effect for a while."""
        name = patient.spec.name
        do = TABLE[attempt.stage][phase(attempt, patient)]
        process = patient.process
        if do in (Do.STOP, Do.START) and now.mono - self._ordered.get(f"{do.name} {name}", NEVER) < REORDER_AFTER:
            return
        if do is Do.STOP and process is not None:
            if self._distrusted:
                return
            if objection := self._objection(patient, attempt, now):
                self._withdraw(patient, attempt, objection, now)
                return
            self._order(patient, do, now)
            self._out.append(Stop(name, process.address, process.pid))
            self.tell(patient, f"stop pid {process.pid}")
        elif do is Do.START and process is not None:
            if process.state is not ProcessState.STOPPED and (objection := self._objection(patient, attempt, now)):
                self._withdraw(patient, attempt, objection, now)
                return
            attempt.stage = Stage.STARTING
            attempt.started, attempt.started_wall = now.mono, now.wall
            self._order(patient, do, now)
            self._out.append(Start(name, process.address))
            self.tell(patient, "start")
        elif do is Do.VERIFY:
            self._verify(patient, attempt, now)
        elif do is Do.FAIL:
            state = "gone" if process is None else process.state
            self._end(patient, Do.FAIL, f"the process is {state} after the start", now)
        elif do is Do.ABANDON:
            gone = process is None or process.state is ProcessState.UNKNOWN
            why = "supervisord no longer knows the process" if gone else "an operator stopped it meanwhile"
            self._end(patient, Do.ABANDON, why, now)

    def _order(self, patient: Patient, do: Do, now: Now) -> None:
        self._ordered[f"{do.name} {patient.spec.name}"] = now.mono
        self._touched.add(patient.spec.name)
        self._schedule(patient.spec.name, now.mono + REORDER_AFTER)

    def _verify(self, patient: Patient, attempt: Attempt, now: Now) -> None:
        name = patient.spec.name
        if attempt.stage is not Stage.VERIFYING:
            if not attempt.started and patient.start is not None:
                attempt.started, attempt.started_wall = patient.start.mono, patient.start.wall
            attempt.stage = Stage.VERIFYING
            self._touched.add(name)
            self._call_relatives(name)
            pid = patient.process.pid if patient.process else 0
            self.tell(patient, f"{patient.process.state if patient.process else ''} as pid {pid}; waits for new output")
        grace = self.diagnosis.startup_grace(patient.spec)
        result = verify(attempt, patient, self._judged[name], self.tracks, now, grace)
        if result.proof is Proof.HEALED:
            self._end(patient, Do.VERIFY, result.reason, now)
        elif result.proof is Proof.IDLE:
            self._end(patient, Do.WAIT, result.reason, now)
        elif result.proof is Proof.FAILED:
            self._end(patient, Do.FAIL, result.reason, now)
        elif result.proof is Proof.PAUSED:
            self._answer(patient, attempt, 75, f"restarted; {result.reason}")
            attempt.requests = []

    def _call_relatives(self, name: str) -> None:
        """Its stop and start are over: those up and down the stream that waited for it may go."""
        for other in self.pipeline.relatives(name):
            if self.judged(other).state in (Health.STALLED, Health.DOWN):
                self._dirty.add(other)

    def _objection(self, patient: Patient, attempt: Attempt, now: Now) -> str:
        """Why an order that has had no effect yet must not be given (again): the grounds it was decided on are gone.

        A worker that our own stop has brought down is past this: it has to come up again.
        """
        judged = self._judged[patient.spec.name]
        if attempt.by_operator:
            judged = self.diagnosis.judge(patient, now, operator=True)
            grounds = judged.state not in FINE
        else:
            grounds = judged.state in (Health.STALLED, Health.DOWN)
        if judged.not_fresh and not attempt.forced:
            return f"{', '.join(judged.not_fresh)} no longer fresh"
        return "" if grounds else f"it is {judged.state} now: {judged.reason}"

    def _withdraw(self, patient: Patient, attempt: Attempt, objection: str, now: Now) -> None:
        patient.memory.budget.attempt_withdrawn()
        self.host_restarts = self.host_restarts[:-1]
        self._close(patient, attempt, "abandoned", f"not carried out: {objection}", 75, now)

    def _end(self, patient: Patient, how: Do, reason: str, now: Now) -> None:
        """An attempt's outcome: VERIFY healed, WAIT idle, FAIL failed, ABANDON abandoned."""
        attempt = patient.memory.attempt
        assert attempt is not None
        budget = patient.memory.budget
        outcome, status = {
            Do.VERIFY: ("healed", 0),
            Do.WAIT: ("idle", 0),
            Do.FAIL: ("failed", 1),
            Do.ABANDON: ("abandoned", 75),
        }[how]
        budget.attempt_ended(now.mono, failed=how is Do.FAIL, draw=self._draw())
        if how is Do.WAIT:
            budget.close()
        if how is Do.FAIL and budget.quarantine is not None:
            budget.quarantine.probe_failed(now.mono)
        self._close(patient, attempt, outcome, reason, status, now)
        used = budget.incident is not None and budget.incident.failed >= patient.spec.attempts
        if how is Do.FAIL and used and budget.quarantine is None:
            why = budget.used_up(now.mono, patient.spec.attempts, patient.spec.restarts)
            self._quarantine(patient.spec.name, f"budget used up: {why}", now)

    def _close(self, patient: Patient, attempt: Attempt, outcome: str, reason: str, status: int, now: Now) -> None:
        name, memory = patient.spec.name, patient.memory
        memory.attempt = None
        memory.last_heal = LastHeal(now.wall, outcome, reason)
        self._answer(patient, attempt, status, reason)
        self._call_relatives(name)
        self._ordered.pop(f"STOP {name}", None)
        self._ordered.pop(f"START {name}", None)
        self._touched.add(name)
        self._files_touched.update(patient.spec.outputs)
        self._dirty.add(name)
        self._out.append(Note(name, outcome, reason, self._evidence(name)))

    def _answer(self, patient: Patient, attempt: Attempt, status: int, reason: str) -> None:
        for request in attempt.requests:
            self.desk.outcome(request, patient.spec.name, status, reason)
            patient.memory.answered[request] = [status, reason]
        if attempt.requests:
            self._touched.add(patient.spec.name)

    def tell(self, patient: Patient, text: str) -> None:
        """A step, for those who wait for this worker's attempt."""
        attempt = patient.memory.attempt
        for request in attempt.requests if attempt is not None else ():
            self.desk.step(request, patient.spec.name, text)

    # --- the conclusion -------------------------------------------------------------------------------------

    def state(self, name: str) -> Health:
        """A worker's state as it stands now: what was judged, with what is laid over it."""
        judged = self._judged.get(name, PROCESSES_ONLY)
        patient = self.patients[name]
        memory = patient.memory
        if self._distrusted or judged.state in (Health.UNKNOWN, Health.STOPPED):
            attempt_over = memory.attempt is None or not patient.under_way
            if self._distrusted or attempt_over or judged.state is Health.STOPPED or patient.process is None:
                return Health.STOPPED if judged.state is Health.STOPPED else Health.UNKNOWN
        by_operator = memory.attempt is not None and memory.attempt.by_operator
        if memory.unmonitored and not by_operator:
            return Health.UNMONITORED
        if memory.attempt is not None:
            if patient.under_way:
                return Health.HEALING
            if not judged.not_fresh:
                return Health.VERIFYING
        elif memory.budget.quarantine is not None:
            return Health.QUARANTINED
        return judged.state

    def judged(self, name: str) -> Judgement:
        """The judgement from the evidence alone, as of the last look."""
        return self._judged.get(name, PROCESSES_ONLY)

    def is_critical(self, name: str) -> bool:
        """A worker is critical if it or one of its outputs says so."""
        spec = self.patients[name].spec
        return spec.critical or any(self.tracks[path].spec.critical for path in spec.outputs)

    def roots(self, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(root causes, trail to the first) of what keeps `name` from fresh inputs; empty where nothing does."""
        if not self.judged(name).not_fresh:
            return (), ()
        return self.diagnosis.roots(name, lambda worker: self.judged(worker).not_fresh)

    def emit(self, decision: Decision) -> None:
        """Add a decision to this turn's."""
        self._out.append(decision)

    def touch(self, name: str) -> None:
        """This worker's memory has changed, and is to be written."""
        self._touched.add(name)

    def _evidence(self, name: str) -> tuple[str, ...]:
        return self._explain(name, self._turn or self._now or Now(0.0, 0.0)).evidence

    def _explain(self, name: str, now: Now) -> Verdict:
        patient, judged = self.patients[name], self.judged(name)
        roots, trail = self.roots(name)
        wants = judged.state is Health.STALLED or (judged.state is Health.DOWN and not judged.not_fresh)
        refusal = self.refusal(name, now) if wants and patient.memory.attempt is None else ""
        grounds = Grounds(
            patient,
            judged,
            self.state(name),
            roots,
            trail,
            self.is_critical(name),
            refusal,
            self._next_attempt(patient, now) if refusal else None,
            self._distrusted,
        )
        return explain(grounds, self.pipeline, self.tracks, self.state, self.diagnosis.aged, now)

    def _next_attempt(self, patient: Patient, now: Now) -> float | None:
        """The mono moment at which the budget allows the next attempt, None if it is not the budget that forbids it."""
        budget = patient.memory.budget
        moments = [room_at(self.host_restarts, now.mono, self.restarts_overall)]
        if budget.quarantine is not None:
            moments += [budget.quarantine.retry_at, room_at(budget.restarts, now.mono, patient.spec.restarts)]
        elif budget.incident is not None:
            moments.append(budget.incident.next_at)
        return max(moments) if max(moments) > now.mono else None

    def _conclude(self, patient: Patient, now: Now) -> None:
        """Publish the verdict if it has changed, note what matters, and set the next look."""
        name = patient.spec.name
        before = self.verdicts.get(name)
        verdict = self._explain(name, now)
        refusal = self._refusing.pop(name, "")
        memory = patient.memory
        if memory.state == verdict.state.value and memory.since_wall:
            verdict = replace(verdict, since=memory.since_wall)
        elif not self._distrusted:
            memory.state, memory.since_wall = verdict.state.value, now.wall
            self._touched.add(name)
            self._files_touched.update((*patient.spec.outputs, *(item.path for item in patient.spec.inputs)))
            if note := headline(before, verdict):
                self._out.append(note)
            self._refusals[name] = refusal  # the headline has said it
        if refusal and self._refusals.get(name) != refusal:
            self._out.append(Note(name, "refused", f"{verdict.reason}: not restarted", verdict.evidence))
        self._refusals[name] = refusal
        self.verdicts[name] = verdict
        if before is None or (before.state, before.blocked_by) != (verdict.state, verdict.blocked_by):
            for reader in self.pipeline.downstream[name]:
                self._dirty.add(reader)
        self._schedule(name, self._due_after(patient, verdict, now))

    # --- the timetable --------------------------------------------------------------------------------------

    def _schedule(self, name: str, moment: float) -> None:
        self._due[name] = moment
        heapq.heappush(self._heap, (moment, name))

    def _outside_due(self, path: str, now: Now) -> float:
        """An input from outside: looked at when it may turn late or stale, so that no gap in it is missed."""
        track = self.tracks[path]
        changes = track.as_input(now).changes_at
        poll = _poll(track.spec.max_age or self._cycle * POLL_SHARE)
        return min(changes if changes < INFINITE else now.mono + poll, now.mono + self._cycle)

    def _due_after(self, patient: Patient, verdict: Verdict, now: Now) -> float:
        """When to look again: at the moments the judgement depends on, and often while something is awaited."""
        judged = self._judged[patient.spec.name]
        moments = [now.mono + self._cycle, judged.changes_at]
        memory = patient.memory
        if verdict.next_attempt is not None:
            moments.append(verdict.next_attempt)
        if memory.unmonitored_until is not None:
            moments.append(memory.unmonitored_until)
        incident = memory.budget.incident
        if incident is not None and incident.healthy_since is not None:
            ages = [self.tracks[path].spec.max_age or 0.0 for path in patient.spec.outputs]
            moments.append(incident.healthy_since + reset_after(max(ages, default=0.0)))
        ages = [age for path in patient.spec.outputs if (age := self.tracks[path].spec.max_age)]
        ages += [age for path in judged.not_fresh if (age := self.tracks[path].spec.max_age)]
        if memory.attempt is not None:
            moments.append(now.mono + (_poll(min(ages, default=1.0)) if not patient.under_way else REORDER_AFTER))
        elif verdict.state in (Health.STOPPED, Health.UNKNOWN):
            pass
        elif verdict.state is Health.HEALTHY:
            moments += self._pending_looks(patient, now)
        else:
            moments.append(now.mono + _poll(min(ages, default=20.0)))
        if self._distrusted:
            moments.append(now.mono + 1.0)
        return max(min(moment for moment in moments if moment > now.mono), now.mono + 0.001)

    def _pending_looks(self, patient: Patient, now: Now) -> list[float]:
        """A healthy worker's input is looked at when its output is `grace` old, then ten times until it is late."""
        moments = []
        triggers = self.diagnosis.triggers(patient.spec)
        for view in self._judged[patient.spec.name].outputs:
            track = self.tracks[view.path]
            if not triggers or view.pending is not None or track.spec.max_age is None:
                continue
            first = track.moved_mono + min(track.spec.grace, track.spec.max_age)
            moments.append(first if now.mono < first else now.mono + track.spec.max_age / 10)
        return moments


def _poll(max_age: float) -> float:
    return min(POLL_LONGEST, max(POLL_SHORTEST, max_age / POLL_SHARE))
