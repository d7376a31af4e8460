"""What is published: the verdict on each worker, and a line of history where it has changed."""

from __future__ import annotations

from supervisor_healer.core.explanation import explain, headline
from supervisor_healer.core.model import Now, Verdict
from supervisor_healer.core.record import Record
from supervisor_healer.core.triage import Refusal
from supervisor_healer.core.ward import Ward


class Bulletin:
    """The verdicts as they stand. A verdict keeps its date while its state stays, also across lives of the healer.

    `concluded` are the workers whose verdict was drawn, or dropped, since somebody took note of it.
    """

    def __init__(self, ward: Ward, record: Record) -> None:
        self._ward = ward
        self._record = record
        self._said: dict[str, str] = {}
        self.verdicts: dict[str, Verdict] = {}
        self.concluded: set[str] = set()

    def adopt(self) -> None:
        """Forget those who have left."""
        self.concluded |= self.verdicts.keys() - self._ward.patients.keys()
        self.verdicts = {name: verdict for name, verdict in self.verdicts.items() if name in self._ward.patients}

    def conclude(self, name: str, refusal: Refusal | None, now: Now) -> bool:
        """Publish the verdict on one worker; whether those who read its outputs are concerned by it."""
        ward, before = self._ward, self.verdicts.get(name)
        memory = ward.patients[name].memory
        text = "" if refusal is None else refusal.text
        state, said_before = ward.state(name).value, self._said.get(name, "")
        stays = memory.state == state and memory.since_wall > 0.0
        if not stays and not ward.distrusted:
            memory.state, memory.since_wall = state, now.wall
        since = memory.since_wall if memory.state == state else now.wall
        verdict = explain(ward, name, now, since, text, None if refusal is None else refusal.until)
        if not stays and not ward.distrusted:
            self._record.worker_changed(name)
            spec = ward.patients[name].spec
            self._record.files_changed((*spec.outputs, *(item.path for item in spec.inputs)))
            if note := headline(before, verdict):
                self._record.add(note)
            said_before = text  # the headline has said it
        if text and text != said_before:
            self._record.note(name, "refused", f"{verdict.reason}: not restarted", verdict.evidence)
        self._said[name] = text
        self.verdicts[name] = verdict
        self.concluded.add(name)
        return before is None or (before.state, before.blocked_by) != (verdict.state, verdict.blocked_by)
