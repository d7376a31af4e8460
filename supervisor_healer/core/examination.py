"""What there is to see of one worker: how its outputs and inputs stand, what work waits for it, and since when."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from supervisor_healer.core.freshness import NEVER, Standing, Track
from supervisor_healer.core.limits import Limits
from supervisor_healer.core.model import Freshness, Health, InputSpec, Now
from supervisor_healer.core.patient import Patient


@dataclass(frozen=True, slots=True)
class OutputView:
    """One output as its producer is judged by it. `pending` is since when work waits for it, None if none does."""

    path: str
    standing: Standing
    pending: float | None


@dataclass(frozen=True, slots=True)
class InputView:
    """One input as the gate sees it. `fresh` is after allowing for an idle producer, `held_since` None: no hold."""

    item: InputSpec
    standing: Standing
    fresh: bool
    idle: bool
    held_since: float | None
    healing: str


@dataclass(frozen=True, slots=True)
class Case:
    """All that one judgement rests on. `operator`: for an explicit heal, by one look and without the inputs' hold."""

    patient: Patient
    now: Now
    operator: bool
    outputs: tuple[OutputView, ...]
    inputs: tuple[InputView, ...]
    owing: tuple[OutputView, ...]
    stale: tuple[str, ...]
    not_fresh: tuple[str, ...]


class Examination:
    """Sees workers by their tracks. `producers` names who writes a path, `state_of` gives a producer's state."""

    def __init__(
        self,
        tracks: Mapping[str, Track],
        limits: Limits,
        producers: Callable[[str], tuple[Patient, ...]],
        state_of: Callable[[str], Health],
    ) -> None:
        self._tracks = tracks
        self._limits = limits
        self._producers = producers
        self._state_of = state_of

    def examine(self, patient: Patient, now: Now, *, operator: bool = False) -> Case:
        """How its files stand now; an `operator` wants its outputs judged by one look."""
        outputs = self._outputs(patient, now, operator)
        inputs = tuple(self.view(item, now) for item in patient.spec.inputs)
        return Case(
            patient,
            now,
            operator,
            outputs,
            inputs,
            owing=tuple(view for view in outputs if view.standing.counts is not Freshness.FRESH),
            stale=tuple(view.path for view in outputs if view.standing.counts is Freshness.STALE),
            not_fresh=tuple(view.item.path for view in inputs if view.item.required and not view.fresh),
        )

    def _outputs(self, patient: Patient, now: Now, one_look: bool) -> tuple[OutputView, ...]:
        floor = None
        if patient.start is not None:
            grace = self._limits.startup_grace(patient.spec)
            floor = Now(patient.start.wall + grace, patient.start.mono + grace)
        return tuple(
            OutputView(
                path,
                self._tracks[path].as_output(now, floor=floor, one_look=one_look),
                self._pending_since(patient, path),
            )
            for path in patient.spec.outputs
        )

    def view(self, item: InputSpec, now: Now) -> InputView:
        """One whose only producers are idle is as new as it can be."""
        track = self._tracks[item.path]
        standing = track.as_input(now)
        producers = self._producers(item.path)
        idle = (
            standing.counts in (Freshness.FRESH, Freshness.LATE, Freshness.STALE)
            and bool(producers)
            and all(self._state_of(producer.spec.name) is Health.IDLE for producer in producers)
        )
        healing = next((producer.spec.name for producer in producers if producer.under_way), "")
        return InputView(item, standing, standing.counts is Freshness.FRESH or idle, idle, track.held_since, healing)

    def _pending_since(self, patient: Patient, path: str) -> float | None:
        if self._limits.triggers(patient.spec):
            known = patient.memory.pending.get(path)
            return None if known is None else known[0]
        track = self._tracks[path]
        start = NEVER if patient.start is None else patient.start.mono
        return track.moved_mono if track.mtime is not None else max(track.first_look, start)

    def note_pending(self, patient: Patient) -> None:
        """Remember the first move of a triggering input after each output that a look has found."""
        pending = patient.memory.pending
        for path in [path for path in pending if path not in patient.spec.outputs]:
            del pending[path]
        triggers = [self._tracks[path] for path in self._limits.triggers(patient.spec)]
        for path in patient.spec.outputs:
            output = self._tracks[path]
            if path in pending and pending[path][1] != output.mtime:
                del pending[path]
            if path not in pending and output.looked is not None:
                moves = [track.moved_mono for track in triggers if _moved_after(track, output, patient)]
                if moves:
                    pending[path] = (min(moves), output.mtime)

    def has_produced(self, patient: Patient) -> bool:
        """Whether any of its outputs has moved since the start from which its start-up grace counts."""
        memory = patient.memory
        if memory.first_start is None:
            return False
        first, wall = memory.first_start, memory.first_start_wall
        return any(self._tracks[path].moved_since(wall, first) for path in patient.spec.outputs)


def _moved_after(trigger: Track, output: Track, patient: Patient) -> bool:
    """Whether a trigger has moved after an output; one never seen: after the process start."""
    if output.mtime is not None:
        return trigger.moved_after(output)
    return patient.start is not None and trigger.moved_since(patient.start.wall, patient.start.mono)
