"""The durations that a person may declare, or that follow from the files concerned (the defaults of the design)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from supervisor_healer.core.freshness import INFINITE
from supervisor_healer.core.model import FileSpec, InputSpec, WorkerSpec

DEFAULT_GRACE = 60.0  # start-up grace of a worker without outputs
SHORTEST_CATCH_UP = 60.0
SHORTEST_RESET = 600.0


class Limits:
    """Worked out for the workers of one pipeline; all results in seconds."""

    def __init__(self, files: Mapping[str, FileSpec]) -> None:
        self._files = files

    def max_ages(self, paths: Iterable[str]) -> list[float]:
        """The max_age of each of `paths` that has one."""
        return [age for path in paths if (age := self._files[path].max_age) is not None]

    def startup_grace(self, spec: WorkerSpec) -> float:
        """Its own, or its outputs' largest max_age, or a minute."""
        if spec.startup_grace is not None:
            return spec.startup_grace
        return max(self.max_ages(spec.outputs), default=DEFAULT_GRACE)

    def longest_limit(self, paths: Iterable[str], default: float) -> float:
        """The largest max_age + grace among `paths`."""
        limits = [limit for path in paths if (limit := self._files[path].limit) < INFINITE]
        return max(limits, default=default)

    def verify_within(self, spec: WorkerSpec, stale: tuple[str, ...]) -> float:
        """Its own, or startup_grace + max_age + grace of the outputs that were stale (or of all)."""
        if spec.verify_within is not None:
            return spec.verify_within
        grace = self.startup_grace(spec)
        return grace + self.longest_limit(stale or spec.outputs, grace)

    def catch_up(self, spec: WorkerSpec, output: str, item: InputSpec) -> float:
        """How long this input must have been in order before a stale `output` convicts ('': it has no outputs)."""
        if spec.catch_up is not None:
            return spec.catch_up
        own_pace = max(SHORTEST_CATCH_UP, 3 * (self._files[item.path].max_age or 0.0))
        return min(self._files[output].max_age or 0.0, own_pace) if output else own_pace

    def reset_after(self, spec: WorkerSpec) -> float:
        """How much health ends an incident: ten minutes, or three times the largest max_age."""
        return max(SHORTEST_RESET, 3 * max(self.max_ages(spec.outputs), default=0.0))

    def triggers(self, spec: WorkerSpec) -> tuple[str, ...]:
        """The inputs whose move makes work pending. None: the worker keeps its own time, and always owes output."""
        return tuple(
            item.path
            for item in spec.inputs
            if self._files[item.path].max_age is not None and (spec.trigger is None or item.path in spec.trigger)
        )
