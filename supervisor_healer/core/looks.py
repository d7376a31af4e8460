"""Which files a decision needs a look at, and when the next look is due: as late as possible, and never too late."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from supervisor_healer.core.freshness import INFINITE, NEVER
from supervisor_healer.core.model import Freshness, Health, Now
from supervisor_healer.core.patient import Patient
from supervisor_healer.core.timetable import Timetable
from supervisor_healer.core.ward import Ward

POLL_SHORTEST, POLL_LONGEST = 0.1, 5.0  # seconds between two looks while something is awaited
POLL_SHARE = 20  # ... a twentieth of what is awaited
PENDING_SHARE = 10  # an input is looked at so often for each max_age of an output that may be waiting for it
ATTENTION = 1.0  # seconds between two looks while an operator waits, or right after the clock was in doubt
ORDER_PATIENCE = 5.0  # seconds after which a stop or start that has had no effect is looked at again
SOONEST = 0.001  # seconds; a turn never asks for another at the same moment because of time alone


class Looks:
    """The timetable of the workers, and of the files that no worker's own looks keep up to date.

    Every file that is written by a worker under the same path is looked at with that worker, at the latest when it
    would turn late or stale. `waits_for` tells whether an operator waits for a worker; `cycle` is the longest pause.
    """

    def __init__(self, ward: Ward, waits_for: Callable[[str], bool], cycle: float) -> None:
        self._ward = ward
        self._waits_for = waits_for
        self.cycle = cycle
        self._workers = Timetable()
        self._files = Timetable()
        self._files_due: set[str] = set()
        self._seen: set[str] = set()  # in this turn
        self._alone: frozenset[str] = frozenset()

    def adopt(self) -> None:
        """Begin anew with the ward's pipeline: everything is due."""
        self._workers, self._files = Timetable(), Timetable()
        written = {path for spec in self._ward.pipeline.workers.values() for path in spec.outputs}
        self._alone = frozenset(path for path in self._ward.pipeline.files if path not in written)
        self._files_due = set(self._alone)

    @property
    def next_due(self) -> float:
        """The mono moment at which the next worker or file is due, NEVER if one is already."""
        return NEVER if self._files_due else min(self._workers.first, self._files.first)

    def begin_turn(self, now: Now) -> None:
        """Who is due now is to be examined, and what is due now to be looked at."""
        self._ward.call(self._workers.take_due(now.mono))
        self._files_due.update(self._files.take_due(now.mono))
        self._seen.clear()

    def want(self, paths: Iterable[str]) -> None:
        """These are to be looked at in this turn or the next, whether a worker needs them or not."""
        self._files_due.update(path for path in paths if path in self._ward.tracks)

    def grounds(self, paths: Iterable[str], now: Now, *, outputs: bool) -> set[str]:
        """Those of `paths` that seem overdue, or whose producer has died: the file system under them may be why.

        `outputs`: all that are outputs. Even a write that fails for want of room moves the mtime on some file systems.
        """
        producers = self._ward.pipeline.producers
        return {path for path in paths if (outputs and producers[path]) or self._is_suspicious(path, now)}

    def _is_suspicious(self, path: str, now: Now) -> bool:
        ward = self._ward
        producers = [ward.patients[name] for name in ward.pipeline.producers[path]]
        if not producers:
            return False
        return not all(one.runs for one in producers) or ward.tracks[path].as_input(now).counts is not Freshness.FRESH

    def wanted(self, now: Now) -> tuple[str, ...]:
        """The files that the workers due now need a look at, given what has been seen in this turn."""
        ward = self._ward
        needed = dict.fromkeys(self._files_due)
        asked: set[str] = set()
        while fresh := ward.due - asked:
            asked |= fresh
            for name in sorted(fresh, key=ward.pipeline.rank.__getitem__):
                needed.update(dict.fromkeys(self._needs(ward.patients[name], now)))
        return tuple(path for path in needed if path not in self._seen)

    def seen(self, path: str, moved: bool, now: Now) -> None:
        """A look was taken: set the next, and wake those whom a move concerns."""
        self._seen.add(path)
        self._files_due.discard(path)
        if path in self._alone:
            self._files.set(path, self._file_due(path, now))
        if moved:
            pipeline = self._ward.pipeline
            for name in (*pipeline.producers[path], *pipeline.readers.get(path, ())):
                if self._ward.state(name) not in (Health.HEALTHY, Health.STOPPED):
                    self._ward.call([name])

    def _needs(self, patient: Patient, now: Now) -> Iterator[str]:
        """Outputs always; inputs as soon as a decision may rest on them; and who keeps an input fresh by being idle."""
        yield from patient.spec.outputs
        if not self._seen.issuperset(patient.spec.outputs):
            return
        if self._doubts(patient, now):
            for item in patient.spec.inputs:
                yield item.path
                if item.path in self._seen:
                    self._call_idle_producers(item.path, patient, now)

    def _doubts(self, patient: Patient, now: Now) -> bool:
        """Whether its judgement may rest on more than its outputs."""
        name = patient.spec.name
        memory = patient.memory
        if memory.attempt is not None or memory.wish is not None or not patient.runs or not patient.spec.outputs:
            return True
        if self._ward.state(name) is not Health.HEALTHY or self._waits_for(name):
            return True
        tracks = [self._ward.tracks[path] for path in patient.spec.outputs]
        return any(
            now.mono >= track.moved_mono + min(track.spec.grace, track.spec.max_age or INFINITE)
            or track.as_input(now).counts is not Freshness.FRESH
            for track in tracks
        )

    def _call_idle_producers(self, path: str, patient: Patient, now: Now) -> None:
        """An old input counts as fresh only while its producer is idle: that too has to be seen now."""
        if self._ward.tracks[path].as_input(now).counts is Freshness.FRESH:
            return
        for producer in self._ward.pipeline.producers[path]:
            if self._ward.state(producer) is Health.IDLE or self._waits_for(patient.spec.name):
                self._ward.call([producer])

    # --- when to look again --------------------------------------------------------------------------------------

    def _file_due(self, path: str, now: Now) -> float:
        """When it may turn late or stale, so that no gap in it is missed; often while that has happened."""
        track = self._ward.tracks[path]
        changes = track.as_input(now).changes_at
        if changes == INFINITE:
            changes = now.mono + _poll(track.spec.max_age or self.cycle * POLL_SHARE)
        return max(min(changes, now.mono + self.cycle), now.mono + SOONEST)

    def schedule(self, name: str, next_attempt: float | None, now: Now) -> None:
        """Look again at the moments that the judgement depends on, and often while something is awaited."""
        moments = [moment for moment in self._moments(name, next_attempt, now) if moment > now.mono]
        self._workers.set(name, max(min(moments), now.mono + SOONEST))

    def _moments(self, name: str, next_attempt: float | None, now: Now) -> Iterable[float]:
        ward, patient = self._ward, self._ward.patients[name]
        memory, judged, state = patient.memory, ward.judged(name), ward.state(name)
        yield now.mono + self.cycle
        yield judged.changes_at
        if next_attempt is not None:
            yield next_attempt
        if memory.unmonitored_until is not None:
            yield memory.unmonitored_until
        incident = memory.budget.incident
        if incident is not None and incident.healthy_since is not None:
            yield incident.healthy_since + ward.limits.reset_after(patient.spec)
        if ward.distrusted or self._waits_for(name):
            yield now.mono + ATTENTION
        if memory.wish is not None:
            files = (*patient.spec.outputs, *(item.path for item in patient.spec.inputs))
            yield now.mono + _poll(min(ward.limits.max_ages(files), default=INFINITE))
        if patient.under_way:
            yield now.mono + ORDER_PATIENCE
        elif state is Health.HEALTHY:
            yield from self._pending_looks(patient, now)
        elif state not in (Health.STOPPED, Health.UNKNOWN):
            ages = ward.limits.max_ages((*patient.spec.outputs, *judged.not_fresh))
            yield now.mono + _poll(min(ages, default=INFINITE))

    def _pending_looks(self, patient: Patient, now: Now) -> Iterable[float]:
        """A healthy worker's input is looked at when its output is `grace` old, then ten times until it is late."""
        if not self._ward.limits.triggers(patient.spec):
            return
        for view in self._ward.judged(patient.spec.name).outputs:
            track = self._ward.tracks[view.path]
            if track.spec.max_age is not None:
                first = track.moved_mono + min(track.spec.grace, track.spec.max_age)
                if now.mono < first:
                    yield first
                elif view.pending is None:
                    yield now.mono + track.spec.max_age / PENDING_SHARE


def _poll(awaited: float) -> float:
    return min(POLL_LONGEST, max(POLL_SHORTEST, awaited / POLL_SHARE))
