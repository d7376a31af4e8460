"""Restarts that are wished although the outputs do not ask for them: after a repair, or by a component healer.

They pass the same gate, budget and order as any other. A repair's wish waits until it is fulfilled. A component
healer's is decided once, since it can ask again, and may use no more than half of a worker's window: the rest is for
real stalls.
"""

from __future__ import annotations

from collections.abc import Collection

from supervisor_healer.core.budget import room_at
from supervisor_healer.core.freshness import INFINITE
from supervisor_healer.core.memory import Wish
from supervisor_healer.core.model import Health, Intensity, Now
from supervisor_healer.core.record import Record
from supervisor_healer.core.refusal import Refusal
from supervisor_healer.core.ward import Ward
from supervisor_healer.words import duration, timeless, until


class Wishes:
    """The wishes of all workers; each lies in its worker's memory."""

    def __init__(self, ward: Ward, record: Record) -> None:
        self._ward = ward
        self._record = record
        self._denied: dict[tuple[str, str], str] = {}  # (worker, component healer) -> what it was last told

    def take(self, name: str, reason: str, source: str, now: Now) -> None:
        """A component healer wants it restarted."""
        memory = self._ward.patients[name].memory
        if memory.wish is not None and not memory.wish.source:
            self._deny(name, source, f"{reason}: a restart is wanted already, {memory.wish.reason}")
            return
        memory.wish = Wish(reason, now.mono, source)
        self._record.worker_changed(name)
        self._ward.call([name])

    def forget_denials(self, source: str, names: Collection[str]) -> None:
        """This component healer has answered, and wants nothing of others than these: what it asks later is news."""
        for name, healer in list(self._denied):
            if healer == source and name not in names:
                del self._denied[name, healer]

    def stands(self, name: str) -> bool:
        """Whether a repair or a component healer wants it restarted, and nothing but the gate can be in the way."""
        patient = self._ward.patients[name]
        wish, start = patient.memory.wish, patient.start
        if wish is None:
            return False
        gone = patient.is_gone or patient.is_stopped or patient.process is None
        if (start is not None and start.mono > wish.since) or (gone and not wish.source):
            self._drop(name)  # it has noticed by a start of its own, or will with its next
            return False
        why = ""
        if patient.memory.unmonitored:
            why = "it is unmonitored"
        elif gone:
            why = f"it is {self._ward.judged(name).state}"
        elif patient.memory.attempt is not None and wish.source:
            why = "a restart is under way already"
        if why:
            self._deny(name, wish.source, f"{wish.reason}: no restart, {why}")
            self._drop(name)
            return False
        return patient.memory.attempt is None

    def refusal(self, name: str, now: Now) -> Refusal | None:
        """Why its wish alone does not lead to a restart now."""
        judged, patient = self._ward.judged(name), self._ward.patients[name]
        if judged.state in (Health.UNKNOWN, Health.DOWN):  # down: somebody is stopping it
            return Refusal(f"{judged.state}: {judged.reason}")
        obstacle = self._ward.diagnosis.unconfirmed(patient, now)
        if obstacle is not None:
            return Refusal(obstacle[0], None if obstacle[1] == INFINITE else obstacle[1])
        wish, whole = patient.memory.wish, patient.spec.restarts
        assert wish is not None
        share = Intensity(max(1, whole.max // 2), whole.within)
        room = room_at(patient.memory.budget.wished, now.mono, share)
        if wish.source and room > now.mono:
            limit = f"{share.max} of its {whole.max} restarts in {duration(whole.within)}"
            return Refusal(f"component healers may use {limit}, room in {until(room)}", room)
        return None

    def granted(self, name: str) -> None:
        """It is restarted, for whatever reason."""
        for key in [key for key in self._denied if key[0] == name]:
            del self._denied[key]

    def hold(self, name: str, refusal: Refusal) -> bool:
        """Whether its wish waits: a component healer's does not."""
        wish = self._ward.patients[name].memory.wish
        assert wish is not None
        if wish.source:
            self._deny(name, wish.source, f"{wish.reason}: not restarted, {refusal.text}")
            self._drop(name)
        return not wish.source

    def _drop(self, name: str) -> None:
        self._ward.patients[name].memory.wish = None
        self._record.worker_changed(name)

    def _deny(self, name: str, source: str, said: str) -> None:
        """A wish is not granted: told once, since a component healer may ask for the same in each round."""
        if self._denied.get((name, source)) != timeless(said):
            self._denied[name, source] = timeless(said)
            self._record.note(name, "refused", said)
