"""Who must notice that a config was changed: by a signal at once, or by a restart that passes the gate."""

from __future__ import annotations

from supervisor_healer.core.memory import Wish
from supervisor_healer.core.model import ConfigSpec, Now, ProcessState
from supervisor_healer.core.orders import Signal
from supervisor_healer.core.record import Record
from supervisor_healer.core.ward import Ward


class Notice:
    """Tells those whom the architecture names."""

    def __init__(self, ward: Ward, record: Record) -> None:
        self._ward = ward
        self._record = record

    def give(self, spec: ConfigSpec, word: str, now: Now, *, halted: bool) -> None:
        """The config was `word` (repaired, restored); once halted nobody is signalled any more."""
        why, named = f"{spec.path} was {word}", self._ward.pipeline.named
        for name in [name for entry in spec.signalled for name in named(entry)]:
            patient = self._ward.patients[name]
            process = patient.process
            if process is None or process.state is not ProcessState.RUNNING or halted:
                continue  # it reads it when it starts
            if patient.memory.unmonitored:
                self._record.note(name, "refused", f"{why}: no SIG{spec.signal}, it is unmonitored")
                continue
            self._record.add(Signal(name, process.address, process.pid, spec.signal))
            self._record.note(name, "signalled", f"SIG{spec.signal} to pid {process.pid}: {why}")
        for name in [name for entry in spec.restarted for name in named(entry)]:
            self._ward.patients[name].memory.wish = Wish(why, now.mono)
            self._record.worker_changed(name)
            self._ward.call([name])
