"""What is published: the verdict on each worker, and a line of history where it has changed."""

from __future__ import annotations

from supervisor_healer.core.explanation import explain, grounds_of, headline
from supervisor_healer.core.model import Now
from supervisor_healer.core.record import Record
from supervisor_healer.core.refusal import Refusal
from supervisor_healer.core.verdicts import Verdict
from supervisor_healer.core.ward import Ward


class Bulletin:
    """The verdicts as they stand. A verdict keeps its date while its state stays, also across lives of the healer.

    `concluded` are the workers whose verdict was drawn, or dropped, since somebody took note of it; `waiting` those
    that only wait for a relative, or for supervisord, before they are treated.
    """

    def __init__(self, ward: Ward, record: Record) -> None:
        self._ward = ward
        self._record = record
        self._said: dict[str, str] = {}
        self._fingerprints: dict[str, tuple[object, ...]] = {}
        self.verdicts: dict[str, Verdict] = {}
        self.concluded: set[str] = set()
        self.waiting: set[str] = set()

    def adopt(self) -> None:
        """Forget those who have left, and word every verdict anew: limits and producers may be other ones."""
        self._fingerprints = {}
        self.concluded |= self.verdicts.keys() - self._ward.patients.keys()
        self.verdicts = {name: verdict for name, verdict in self.verdicts.items() if name in self._ward.patients}

    def conclude(self, name: str, refusal: Refusal | None, now: Now) -> bool:
        """Publish the verdict on one worker; whether those who read its outputs are concerned by it."""
        ward, before = self._ward, self.verdicts.get(name)
        text, until = ("", None) if refusal is None else (refusal.text, refusal.until)
        (self.waiting.add if refusal is not None and refusal.passes else self.waiting.discard)(name)
        grounds = grounds_of(ward, name, now, text, until)
        fingerprint = grounds.fingerprint(ward)
        if before is not None and self._fingerprints.get(name) == fingerprint:
            return False
        self._fingerprints[name] = fingerprint
        self.concluded.add(name)
        memory, state = ward.patients[name].memory, grounds.state.value
        changed = not (memory.state == state and memory.since_wall) and not ward.distrusted
        if changed:
            memory.state, memory.since_wall = state, now.wall
        verdict = explain(ward, grounds, memory.since_wall if memory.state == state else now.wall)
        self.verdicts[name] = verdict
        if changed:
            self._record.worker_changed(name)
            self._record.files_changed((*(one.path for one in verdict.outputs), *(one.path for one in verdict.inputs)))
            if note := headline(before, verdict):
                self._record.add(note)
        elif text and text != self._said.get(name):  # what a headline says needs no second line
            wish = None if ward.judged(name).may_be_healed else memory.wish
            said = f"{verdict.reason}: not restarted" if wish is None else f"{wish.reason}: not restarted yet, {text}"
            self._record.note(name, "refused", said, verdict.evidence)
        self._said[name] = text
        return before is None or (before.state, before.blocked_by) != (verdict.state, verdict.blocked_by)
