"""Who may be treated now, in which order, and why not: mode, disk, budget, waits, relatives, and the whole host."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Protocol

from supervisor_healer.core.actions import Actions
from supervisor_healer.core.budget import half_used, recent, room_at
from supervisor_healer.core.explanation import evidence
from supervisor_healer.core.model import Health, Intensity, Mode, Now, ProcessState
from supervisor_healer.core.patient import Patient
from supervisor_healer.core.record import Record
from supervisor_healer.core.refusal import Refusal
from supervisor_healer.core.ward import Ward
from supervisor_healer.core.wishes import Wishes
from supervisor_healer.words import ago, duration, until

OVERALL_WITHIN = 600.0
OVERALL_LEAST = 5
ALL_TOGETHER = ""  # stands for all workers where each is meant by its name


class Begin(Protocol):
    """Begins an attempt on one worker."""

    def __call__(self, name: str, now: Now, *, wished: bool = False) -> None:
        """Begin it; `wished`: for the reason of a wish, not for what its outputs say."""


class HostBudget:
    """How many restarts of all workers together: many stalls at once point at the host, not at the workers."""

    def __init__(self, declared: Intensity | None) -> None:
        self.declared = declared
        self.restarts: list[float] = []

    def intensity(self, workers: int) -> Intensity:
        """As declared, or max(5, a third of the workers) in 10 minutes."""
        return self.declared or Intensity(max(OVERALL_LEAST, workers // 3), OVERALL_WITHIN)


class Triage:
    """Decides who is treated next. It never starts anything itself: `plan` calls `begin` for those who may go."""

    def __init__(self, ward: Ward, record: Record, mode: Mode, overall: Intensity | None) -> None:
        self._ward = ward
        self._record = record
        self.mode = mode
        self.host = HostBudget(overall)
        self.halted = ""
        self.refused: dict[str, Refusal] = {}
        self._held_up: dict[str, set[str]] = defaultdict(set)
        self.wishes = Wishes(ward, record)

    @property
    def overall(self) -> Intensity:
        """The limit over all workers together."""
        return self.host.intensity(len(self._ward.patients))

    def restrict(self, now: Now, left: Mapping[str, int]) -> None:
        """The past is lost: act as if half of every budget were used up, or all but what is known to be `left`.

        `left` is by worker; ALL_TOGETHER there is what all together had left.
        """
        for name in self._ward.patients:
            self.restrict_worker(name, now, left.get(name))
        self.restrict_host(now, left.get(ALL_TOGETHER))

    def restrict_worker(self, name: str, now: Now, left: int | None = None) -> None:
        """The past of one worker is lost: act as if half of its budget were used up."""
        patient = self._ward.patients[name]
        budget = patient.memory.budget
        budget.restarts = half_used(budget.restarts, now.mono, patient.spec.restarts, left)
        self._record.worker_changed(name)

    def restrict_host(self, now: Now, left: int | None = None) -> None:
        """The past of all workers together is lost: act as if half of their common budget were used up."""
        self.host.restarts = half_used(self.host.restarts, now.mono, self.overall, left)
        self._record.host_changed()

    def host_left(self, now: Now) -> int:
        """Restarts still allowed to all workers together."""
        return max(0, self.overall.max - len(recent(self.host.restarts, now.mono, self.overall)))

    # --- who may go --------------------------------------------------------------------------------------------

    def plan(self, names: Iterable[str], now: Now, begin: Begin) -> None:
        """Begin what may begin: critical first, fewest attempts, longest stale; but roots before their readers."""
        names = list(names)
        candidates = [name for name in names if self._is_candidate(name)]
        for name in candidates:
            if self._ward.patients[name].memory.budget.convicted(now.mono):
                self._record.worker_changed(name)
        wished = [name for name in names if name not in candidates and self.wishes.stands(name)]
        for name in self._in_order([*candidates, *wished]):
            by_wish = name in wished
            refusal = (self.wishes.refusal(name, now) if by_wish else None) or self.refusal(name, now)
            if refusal is None:
                self.wishes.granted(name)
                begin(name, now, wished=by_wish)
                continue
            if by_wish:
                if self.wishes.hold(name, refusal):
                    self.refused[name] = refusal
                continue
            if refusal.exhausted:
                self.quarantine(name, refusal.text, now)
                refusal = self.refusal(name, now) or refusal
            if self._ward.patients[name].memory.wish is not None:
                self.wishes.hold(name, refusal)
            self.refused[name] = refusal

    def _is_candidate(self, name: str) -> bool:
        patient, judged = self._ward.patients[name], self._ward.judged(name)
        if patient.memory.attempt is not None or patient.memory.unmonitored or not judged.may_be_healed:
            return False
        return judged.state is Health.STALLED or patient.is_down

    def _in_order(self, candidates: list[str]) -> Iterable[str]:
        ordered: dict[str, None] = {}
        waiting = set(candidates)
        for name in sorted(candidates, key=self._urgency):
            if len(waiting) > 1:
                elders = waiting & self._ward.pipeline.ancestors(name)
                ordered.update(dict.fromkeys(sorted(elders, key=self._ward.pipeline.rank.__getitem__)))
            ordered[name] = None
        return ordered

    def _urgency(self, name: str) -> tuple[bool, int, float, str]:
        patient, ward = self._ward.patients[name], self._ward
        incident = patient.memory.budget.incident
        stale_since = min((ward.tracks[path].moved_mono for path in ward.judged(name).stale), default=0.0)
        return not ward.is_critical(name), incident.attempts if incident else 0, stale_since, name

    def refusal(self, name: str, now: Now, *, operator: bool = False, forced: bool = False) -> Refusal | None:
        """Why no attempt on `name` may begin now. An operator's own heal opens a new budget and skips the wait.

        `forced`: he does not care for the file system under its outputs either.
        """
        if self.halted:
            return Refusal(self.halted)
        if self.mode is Mode.OBSERVE:
            return Refusal("mode is observe")
        patient = self._ward.patients[name]
        if not forced and (refusal := self._by_ground(patient, now, operator=operator)) is not None:
            return refusal
        if not operator and (refusal := self._by_budget(patient, now)) is not None:
            return refusal
        process = patient.process
        assert process is not None
        looping = process.state is ProcessState.BACKOFF and operator  # he may want an end of it
        if process.state is ProcessState.STARTING or (process.restarts_itself and not looping):
            return Refusal("supervisord is starting it itself", passes=True)
        if other := self._relative_under_way(name):
            self._held_up[other].add(name)
            return Refusal(f"{other} is being restarted", passes=True)
        room = room_at(self.host.restarts, now.mono, self.overall)
        if room > now.mono:
            limit = f"{self.overall.max} restarts in {duration(self.overall.within)}"
            return Refusal(f"host budget used up ({limit}), room in {until(room)}", room)
        return None

    def _by_ground(self, patient: Patient, now: Now, *, operator: bool) -> Refusal | None:
        """A full or read-only file system under an output is cured by no restart, and may be all that was wrong."""
        for path in patient.spec.outputs:
            track = self._ward.tracks[path]
            if track.ground:
                return Refusal(f"{track.ground} under {path}: a restart would not help")
            ends = track.sound_since + (track.spec.max_age or 0.0)
            if now.mono < ends and patient.runs and not operator:
                since = ago(track.sound_since)
                return Refusal(f"the file system under {path} is in order again for {since}: it may recover", ends)
        return None

    def _by_budget(self, patient: Patient, now: Now) -> Refusal | None:
        budget, spec = patient.memory.budget, patient.spec
        if budget.quarantine is not None:
            window = room_at(budget.restarts, now.mono, spec.restarts)
            if now.mono < budget.quarantine.retry_at:
                at = max(budget.quarantine.retry_at, window)
                return Refusal(f"quarantined, probe in {until(at)}", at)
            if window > now.mono:
                return Refusal(f"quarantined, restarts window full for {until(window)}", window)
            return None
        if used := budget.used_up(now.mono, spec.attempts, spec.restarts):
            return Refusal(f"budget used up: {used}", exhausted=True)
        if budget.incident is not None and now.mono < budget.incident.next_at:
            return Refusal(f"next attempt in {until(budget.incident.next_at)}", budget.incident.next_at)
        return None

    def _relative_under_way(self, name: str) -> str:
        """A worker up or down the stream that is being stopped or started: two of them never go together."""
        ward = self._ward
        busy = sorted(other for other in ward.in_treatment if other != name and ward.patients[other].under_way)
        return next((other for other in busy if other in ward.pipeline.relatives(name)), "")

    def release_relatives(self, name: str) -> None:
        """Its stop and start are over: those up and down the stream that waited for it may go."""
        self._ward.call(held for held in self._held_up.pop(name, ()) if held in self._ward.patients)

    # --- what becomes of a budget ------------------------------------------------------------------------------

    def quarantine(self, name: str, why: str, now: Now) -> None:
        """Too much in vain: from here on a person is needed, and there are rare probes meanwhile."""
        patient = self._ward.patients[name]
        patient.memory.budget.begin_quarantine(now.mono, patient.spec.retry_after)
        self._record.worker_changed(name)
        retry = duration(patient.spec.retry_after)
        said = f"{why}; needs a person: a probe comes in {retry}, `{Actions.heal(name)}` releases it"
        self._record.note(name, "quarantined", said, evidence(self._ward, name, now))

    def follow_health(self, name: str, now: Now) -> None:
        """Health for long enough ends an incident, and a quarantine if there was new output in it."""
        patient, state = self._ward.patients[name], self._ward.judged(name).state
        budget = patient.memory.budget
        if budget.incident is None:
            return
        quarantine, had = budget.quarantine, budget.incident.healthy_since
        well = state is Health.HEALTHY
        if quarantine is not None:
            moved = [self._ward.tracks[path].moved_mono for path in patient.spec.outputs]
            proven = max(moved, default=now.mono) > quarantine.since
            well = proven and state in (Health.HEALTHY, Health.IDLE)
        kept = well or state in (Health.IDLE, Health.LATE)
        if budget.follow_health(now.mono, well=well, kept=kept, needed=self._ward.limits.reset_after(patient.spec)):
            said = "healthy for long enough: the incident is over"
            if quarantine is not None:
                self._record.note(name, "released", f"{said}, and so is the quarantine")
            else:
                self._record.note(name, "closed", said)
            self._record.worker_changed(name)
        elif budget.incident.healthy_since != had:
            self._record.worker_changed(name)
