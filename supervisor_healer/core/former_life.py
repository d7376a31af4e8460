"""What a former life of the healer remembered, given back to those whom it concerns."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from supervisor_healer.core.memory import Memory
from supervisor_healer.core.model import Now
from supervisor_healer.core.record import Record
from supervisor_healer.core.triage import Triage
from supervisor_healer.core.upkeep import Upkeep
from supervisor_healer.core.ward import Ward

MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError)  # what a memory of another shape raises


class FormerLife:
    """Gives memories back at `now`. `shift` moves moments of another boot onto this monotonic clock, None: the same."""

    def __init__(
        self, ward: Ward, triage: Triage, upkeep: Upkeep, record: Record, now: Now, shift: float | None
    ) -> None:
        self._ward = ward
        self._triage = triage
        self._upkeep = upkeep
        self._record = record
        self._now = now
        self._shift = shift

    def give_back(self, memories: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        """Memories by kind and name; what was seen of files is of one boot only."""
        for name, memory in memories.get("worker", {}).items():
            try:
                self._worker(name, memory)
            except MISSHAPEN as error:
                self._pass_over(name, error)
        for path, memory in memories.get("file", {}).items():
            if path in self._ward.tracks and self._shift is None:
                self._ward.tracks[path].recall(memory)
            elif path in self._ward.tracks:
                self._ward.tracks[path].recall_own(memory)
        for path, memory in memories.get("care", {}).items():
            with suppress(*MISSHAPEN):  # all that is lost is whom to tell of a repair, and what to leave alone
                self._upkeep.recall(path, memory, lambda moment: min(moment + (self._shift or 0.0), self._now.mono))
        if (left := memories.get("hands_off", {}).get("")) is not None:
            try:
                self._upkeep.hands_off.recall(left, lambda moment: moment + (self._shift or 0.0))
            except MISSHAPEN:
                self._upkeep.hands_off.take(0.0, self._now)  # the report says how that is ended
        try:
            self._host(memories.get("host", {}).get("", {"restarts": []}))
        except MISSHAPEN as error:
            self._pass_over("", error)

    def _worker(self, name: str, data: Mapping[str, Any]) -> None:
        memory = Memory.from_json(data, self._now.mono, self._shift)
        if self._ward.give_back(name, memory) and memory.attempt is not None:
            self._ward.in_treatment.add(name)
            said = f"a restart that a former healer began ({memory.attempt.stage.value}) is completed"
            self._record.note(name, "completed", f"{said}: {memory.attempt.reason}")

    def _host(self, data: Mapping[str, Any]) -> None:
        moved = self._shift or 0.0
        self._triage.host.restarts = [min(moment + moved, self._now.mono) for moment in data["restarts"]]

    def _pass_over(self, name: str, error: Exception) -> None:
        """A memory that another version of the healer wrote, say: no reason not to come up, but to be careful."""
        if name and name not in self._ward.patients:
            return
        if name:
            self._triage.restrict_worker(name, self._now)
        else:
            self._triage.restrict_host(self._now)
        said = f"what was remembered of it cannot be read ({type(error).__name__}: {error})"
        self._record.note(name, "journal", f"{said}: restarts are limited as if half of its budget were used up")
