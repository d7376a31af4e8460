"""What is known at this moment: the pipeline, its files, its workers, the last judgement on each, and who is due."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from supervisor_healer.core.causes import Causes, Link, Way, by_themselves, causes
from supervisor_healer.core.diagnosis import Diagnosis, Judgement
from supervisor_healer.core.examination import Examination, InputView
from supervisor_healer.core.freshness import Track
from supervisor_healer.core.limits import Limits
from supervisor_healer.core.memory import Memory
from supervisor_healer.core.model import Freshness, Health, InputSpec, Kind, Now, Process
from supervisor_healer.core.news import ProcessTable
from supervisor_healer.core.patient import Patient
from supervisor_healer.core.pipeline import Pipeline

#: A worker in one of these states is not itself the root of what is wrong downstream; its own inputs may be.
PASSED_THROUGH = frozenset({Health.HEALTHY, Health.IDLE, Health.LATE, Health.BLOCKED, Health.CATCHING_UP})

#: An input from outside in one of these is a root of its own; one that is only late may still come.
UNSOUND = frozenset({Freshness.STALE, Freshness.MISSING, Freshness.UNKNOWN})

NOT_JUDGED = Judgement(Health.UNKNOWN, "not judged yet")


class Leaver(NamedTuple):
    """A process that left the architecture while it was being restarted; `pid` is the one to be stopped."""

    worker: str
    address: str
    pid: int
    left: float


class Ward:
    """The facts, and what follows from them at once. `due` are the workers to be examined in this turn or the next.

    `in_treatment` are those with an attempt, `distrusted` says why no clock can be trusted in this turn ('': it can).
    """

    def __init__(self) -> None:
        self.tracks: dict[str, Track] = {}
        self.patients: dict[str, Patient] = {}
        self.due: set[str] = set()
        self.in_treatment: set[str] = set()
        self.distrusted = ""
        self._processes: dict[str, Process] = {}
        self._absent: dict[str, Memory] = {}  # of workers that are not here now, and may come back with their budget
        self._heard = Now(0.0, 0.0)
        self._at: dict[str, list[str]] = {}
        self._judged: dict[str, Judgement] = {}
        self._causes: dict[str, Causes] = {}

    # --- what comes in -----------------------------------------------------------------------------------------

    def adopt(self, pipeline: Pipeline) -> list[Leaver]:
        """Go on with another pipeline, keeping what is known of what stays; whose processes left while under way."""
        before = self.patients
        self.pipeline = pipeline
        self.limits = Limits(pipeline.files)
        self.tracks = {path: self._track(path) for path in pipeline.files}
        self.patients = {}
        self._at = defaultdict(list)
        leaving = [
            self._leaver(patient)
            for name, patient in before.items()
            if name not in pipeline.workers and patient.under_way and patient.process is not None
        ]
        for name in before.keys() - pipeline.workers.keys():
            self._absent[name] = before[name].memory
            self._absent[name].attempt = None
        for name, spec in pipeline.workers.items():
            patient = before.get(name) or Patient(spec, self._absent.pop(name, Memory()))
            if patient.spec.program != spec.program and patient.process is not None:
                leaving += [self._leaver(patient)] if patient.under_way else []
                patient.process = patient.start = None
            patient.spec, patient.problem = spec, pipeline.problems.get(name, "")
            if patient.memory.attempt is not None:
                patient.memory.attempt.keep_to(spec.outputs)
            self.patients[name] = patient
            self._at[spec.program].append(name)
        self._judged = {name: judged for name, judged in self._judged.items() if name in self.patients}
        self._causes = {}
        self.in_treatment &= self.patients.keys()
        self._examination = Examination(self.tracks, self.limits, self._producers, self.state)
        self.diagnosis = Diagnosis(self._examination, self.tracks, self.limits)
        for process in self._processes.values():
            self._take(process.address, process, self._heard)
        self.due = set(self.patients)
        return leaving

    def give_back(self, name: str, memory: Memory) -> bool:
        """What a former life remembered of a worker; whether that worker is here."""
        if name not in self.patients:
            memory.attempt = None
            self._absent[name] = memory
            return False
        patient = self.patients[name]
        patient.memory = memory
        if memory.attempt is not None:
            memory.attempt.keep_to(patient.spec.outputs)
        return True

    def _leaver(self, patient: Patient) -> Leaver:
        attempt, process = patient.memory.attempt, patient.process
        assert attempt is not None
        assert process is not None
        return Leaver(patient.spec.name, process.address, attempt.pid, self._heard.mono)

    def _track(self, path: str) -> Track:
        track = self.tracks.get(path) or Track(self.pipeline.files[path])
        track.spec = self.pipeline.files[path]
        return track

    def _producers(self, path: str) -> tuple[Patient, ...]:
        return tuple(self.patients[name] for name in self.pipeline.producers[path])

    def hear(self, table: ProcessTable, now: Now) -> None:
        """Take in processes; the workers that have changed are due."""
        self._heard = now
        for process in table.processes:
            if self._processes.get(process.address) != process:
                self._processes[process.address] = process
                self._take(process.address, process, now)
        if table.complete and len(self._processes) > len(table.processes):
            for address in self._processes.keys() - {process.address for process in table.processes}:
                del self._processes[address]
                self._take(address, None, now)

    def watches(self, address: str) -> bool:
        """Whether the process at `address` belongs to a worker of this architecture."""
        return bool(self._at.get(address))

    def process_at(self, address: str) -> Process | None:
        """What supervisord last said of the process at `address`."""
        return self._processes.get(address)

    def _take(self, address: str, process: Process | None, now: Now) -> None:
        for name in self._at.get(address, ()):
            self.due.add(name)
            patient = self.patients[name]
            ran_before = patient.start is not None
            begins = patient.take(process, now)
            if begins and ran_before and patient.spec.kind is Kind.SERVICE:
                self.break_holds(patient)
            if patient.is_stopped or patient.is_down:
                patient.memory.first_start = None  # whoever starts it again gives it a grace of its own
            elif begins:
                self._count_grace(patient)

    def _count_grace(self, patient: Patient) -> None:
        first, start = patient.memory.first_start, patient.start
        assert start is not None
        if first is None or first > start.mono or self._examination.has_produced(patient):
            patient.count_grace_from_this_start()
        else:
            patient.memory.more_starts += 1

    def break_holds(self, patient: Patient) -> None:
        """It is being restarted, by whomever: who reads its outputs is judged by what comes after."""
        for path in patient.spec.outputs:
            self.tracks[path].break_hold()

    def call(self, names: Iterable[str]) -> None:
        """These are to be examined, in this turn or the next."""
        self.due.update(names)

    def distrust(self, why: str, now: Now) -> None:
        """The clock cannot be trusted: convict nobody in this turn, and count every age from here."""
        self.distrusted = why
        for track in self.tracks.values():
            track.distrust(now)
        for patient in self.patients.values():
            memory = patient.memory
            memory.pending = {path: (now.mono, mtime) for path, (_, mtime) in memory.pending.items()}
            if patient.start is not None:
                patient.start = _put_on_wall(patient.start.mono, now)
            if memory.first_start is not None:
                memory.first_start_wall = _put_on_wall(memory.first_start, now).wall
            if memory.attempt is not None:
                memory.attempt.distrust(now)
        self.due = set(self.patients)

    # --- judgement ---------------------------------------------------------------------------------------------

    def judge(self, name: str, now: Now) -> None:
        """Judge the evidence on one worker anew."""
        patient = self.patients[name]
        self._examination.note_pending(patient)
        judged = self._judged[name] = self.diagnosis.judge(patient, now)
        if judged.state is Health.HEALTHY and not patient.spec.outputs:
            patient.memory.first_start = None  # it has proven itself: the next start has a grace of its own
        self._causes.pop(name, None)

    def doubt(self, name: str, why: str) -> None:
        """It cannot be judged at all."""
        self._judged[name] = Judgement(Health.UNKNOWN, why)

    def judged(self, name: str) -> Judgement:
        """The judgement from the evidence alone, as of the last look."""
        return self._judged.get(name, NOT_JUDGED)

    def state(self, name: str) -> Health:
        """A worker's state as it stands now: what was judged, with what is laid over it, in the table's order."""
        judged, patient = self.judged(name), self.patients[name]
        memory = patient.memory
        if judged.state is Health.STOPPED:
            return Health.STOPPED
        if self.distrusted or (judged.state is Health.UNKNOWN and not patient.under_way):
            return Health.UNKNOWN
        attempt = memory.attempt
        if memory.unmonitored and not (attempt is not None and attempt.by_operator):
            return Health.UNMONITORED
        if patient.under_way:
            return Health.HEALING
        if attempt is not None and not judged.not_fresh:
            return Health.VERIFYING
        if memory.budget.quarantine is not None:
            return Health.QUARANTINED
        return judged.state

    def is_critical(self, name: str) -> bool:
        """A worker is critical if it or one of its outputs says so."""
        spec = self.patients[name].spec
        return spec.critical or any(self.tracks[path].spec.critical for path in spec.outputs)

    def causes(self, name: str) -> Causes:
        """The root causes of what keeps `name` from fresh inputs; where there is none, those inputs themselves."""
        not_fresh = self.judged(name).not_fresh
        found = self._upstream_causes(name)
        return found if found.roots else by_themselves(name, not_fresh)

    def causes_of(self, reader: str, views: Iterable[InputView], not_fresh: tuple[str, ...]) -> Causes:
        """The root causes of what a reader that is no worker lacks; where there is none, those inputs themselves."""
        for path in not_fresh:
            for source in self.pipeline.producers[path]:
                if self.state(source) in PASSED_THROUGH:
                    self._upstream_causes(source)
        found = self._directly_upstream(reader, views, not_fresh)
        return found if found.roots else by_themselves(reader, not_fresh)

    def view(self, item: InputSpec, now: Now) -> InputView:
        """One input as any reader of it sees it."""
        return self._examination.view(item, now)

    def trail(self, way: Way) -> Iterator[Link]:
        """The steps to a root cause, from the first one on."""
        onward: Way | None = way
        while onward is not None:
            yield onward.link
            source = onward.link.source
            ways = self._upstream_causes(source).ways if source and self.state(source) in PASSED_THROUGH else ()
            onward = next((one for one in ways if one.root == way.root), None)

    def _upstream_causes(self, name: str) -> Causes:
        """Kept for every worker on the way, so that the outage of a long chain is walked once."""
        missing, open_ends = set(), [name]
        while open_ends:
            if (worker := open_ends.pop()) not in self._causes and worker not in missing:
                missing.add(worker)
                sources = (source for path in self.judged(worker).not_fresh for source in self.pipeline.producers[path])
                open_ends += [source for source in sources if self.state(source) in PASSED_THROUGH]
        for worker in sorted(missing, key=self.pipeline.rank.__getitem__):
            judged = self.judged(worker)
            self._causes[worker] = self._directly_upstream(worker, judged.inputs, judged.not_fresh)
        return self._causes[name]

    def _directly_upstream(self, name: str, views: Iterable[InputView], not_fresh: tuple[str, ...]) -> Causes:
        unsound = {view.item.path for view in views if view.standing.counts in UNSOUND}
        roots: list[str] = []
        ways: list[Way] = []
        for path in not_fresh:
            sources = self.pipeline.producers[path]
            if not sources and path in unsound:
                ways.append(Way(path, 1, Link(name, path, "")))
                roots.append(path)
            for source in sources:
                link = Link(name, path, source)
                if self.state(source) not in PASSED_THROUGH:
                    ways.append(Way(source, 1, link))
                    roots.append(source)
                else:
                    beyond = self._causes.get(source, Causes())
                    ways += (Way(root, distance + 1, link) for root, distance, _ in beyond.ways)
                    roots += beyond.roots
        return causes(roots, ways)

    def forget_causes(self, names: Iterable[str]) -> None:
        """Something upstream of these has changed."""
        for name in names:
            self._causes.pop(name, None)


def _put_on_wall(mono: float, now: Now) -> Now:
    return Now(now.wall - (now.mono - mono), mono)
