"""Files that should exist and configs that must hold: what is mended, what was, and what a person has to do.

The listener looks and checks; here it is decided what to do about what it has found. Mending happens in the healing
cycle (`round`), for at most `MENDS` times, since whoever breaks a file again and again will not be cured by it.
What is about to be mended is remembered first: a healer that comes after us tells those who must notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from supervisor_healer.core.budget import add_restart, room_at
from supervisor_healer.core.freshness import OwnWrite
from supervisor_healer.core.memory import Wish
from supervisor_healer.core.model import (
    Answer,
    ConfigFound,
    ConfigSpec,
    ConfigState,
    Create,
    Intensity,
    Mended,
    Mode,
    Now,
    ProcessState,
    Remember,
    Repair,
    Restore,
    RestoreRequest,
    Signal,
    Tell,
)
from supervisor_healer.core.record import Record
from supervisor_healer.core.ward import Ward
from supervisor_healer.words import duration

MENDS = Intensity(6, 3600.0)  # of one file: more than that is a fight with somebody
SETTLED = 2.0  # seconds that a file must have been gone before the cycle makes it anew: it may be being replaced
ANSWERS_KEPT = 20

DONE, FAILED, USAGE, REFUSED = 0, 1, 2, 75


@dataclass(slots=True)
class Care:
    """What is done about one file or config.

    `busy` is what is under way ('' nothing), `trouble` why it cannot be mended. `mends` are the moments (mono) of the
    last mends, `said` what was last told of it in the history, `outcome` what came of it in the last round, as an exit
    status and in words.
    """

    busy: str = ""
    trouble: str = ""
    mends: list[float] = field(default_factory=list)
    said: str = ""
    outcome: tuple[int, str] | None = None


@dataclass(slots=True)
class ConfigCare(Care):
    """Of a config besides: what the last check `found`, and what must outlive the healer.

    `left_alone`: the content (digest) that an operator has put back. `intent`: the verb of what was begun, the digest
    before it, and the request it is for. `answered`: what became of the last requests.
    """

    found: ConfigFound | None = None
    left_alone: str = ""
    intent: tuple[str, str, str] | None = None
    answered: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def is_left_alone(self) -> bool:
        """Whether an operator has put back just this content."""
        return self.found is not None and bool(self.left_alone) and self.found.digest == self.left_alone

    def as_json(self) -> dict[str, object]:
        """Plain JSON values."""
        return {
            "left_alone": self.left_alone,
            "mends": list(self.mends),
            "intent": None if self.intent is None else list(self.intent),
            "answered": self.answered,
        }

    def recall(self, data: Mapping[str, Any], past: Callable[[float], float]) -> None:
        """Take back what `as_json` gave; `past` puts a moment on this monotonic clock."""
        self.left_alone = str(data["left_alone"])
        self.mends = [past(moment) for moment in data["mends"]]
        if data["intent"] is not None:
            verb, digest, request = map(str, data["intent"])
            self.intent = (verb, digest, request)
        self.answered = dict(data["answered"])


class Upkeep:
    """The care of every file that may be created and of every config."""

    def __init__(self, ward: Ward, record: Record) -> None:
        self._ward = ward
        self._record = record
        self.configs: dict[str, ConfigCare] = {}
        self.files: dict[str, Care] = {}
        self.mode = Mode.HEAL

    def adopt(self) -> None:
        """Go on with the ward's pipeline, keeping what is known of what stays."""
        pipeline = self._ward.pipeline
        self.configs = {path: self.configs.get(path) or ConfigCare() for path in pipeline.configs}
        made = [path for path, spec in pipeline.files.items() if spec.create is not None and path not in self.configs]
        self.files = {path: self.files.get(path) or Care() for path in made}

    def recall(self, path: str, data: Mapping[str, Any], past: Callable[[float], float]) -> None:
        """What a former life remembered of a config."""
        if path in self.configs:
            self.configs[path].recall(data, past)

    # --- what is under way ---------------------------------------------------------------------------------------

    @property
    def unchecked(self) -> bool:
        """Whether any config is still being checked."""
        return any(self._ward.tracks[path].passing for path in self.configs)

    @property
    def busy(self) -> bool:
        """Whether anything is being mended."""
        return any(care.busy for care in (*self.configs.values(), *self.files.values()))

    def awaited_by(self, name: str) -> str:
        """A file that this worker reads and that is about to be checked or mended; '' if there is none."""
        for item in self._ward.patients[name].spec.inputs:
            care = self.configs.get(item.path) or self.files.get(item.path)
            if care is not None and (care.busy or self._ward.tracks[item.path].passing):
                return item.path
        return ""

    # --- the plan of a cycle -------------------------------------------------------------------------------------

    def plan(self, now: Now, *, asked: bool) -> None:
        """Order what is to be created and repaired; `asked`: by a person, who opens a new budget."""
        if self.mode is Mode.OBSERVE:
            return
        for care in (*self.files.values(), *self.configs.values()):
            care.outcome = None
        for path, care in self.files.items():
            if self._is_to_be_made(path, now, asked=asked) and self._may(care, now, asked=asked):
                self._create(path, care, now)
        for path, config in self.configs.items():
            if self._is_to_be_repaired(config) and self._may(config, now, asked=asked):
                self._begin(path, config, "repair", "")

    def _is_to_be_made(self, path: str, now: Now, *, asked: bool) -> bool:
        """Certainly not there, and not merely between a rename and the next write."""
        track = self._ward.tracks[path]
        if track.looked != now or track.present or track.placeholder or track.problem:
            return False
        return asked or now.mono - track.seen_mono >= SETTLED

    def _is_to_be_repaired(self, care: ConfigCare) -> bool:
        found = care.found
        return found is not None and bool(found.repairs) and not care.is_left_alone

    def _may(self, care: Care, now: Now, *, asked: bool) -> bool:
        if care.busy:
            return False
        if asked:
            care.mends = []
        if room_at(care.mends, now.mono, MENDS) > now.mono:
            care.trouble = (
                f"mended {MENDS.max} times in {duration(MENDS.within)}: somebody undoes it, so it is left as it is"
            )
            return False
        care.mends = add_restart(care.mends, now.mono, MENDS)
        return True

    def _create(self, path: str, care: Care, now: Now) -> None:
        care.busy = "create"
        track, mtime = self._ward.tracks[path], int(now.wall) // 2 * 2  # a whole, even second: any file system keeps it
        made = track.spec.create
        assert made is not None
        track.own = OwnWrite(float(mtime), made=True)
        self._record.files_changed([path])
        self._record.add(Create(path, made, mtime))

    def _begin(self, path: str, care: ConfigCare, verb: str, request: str) -> None:
        digest = "" if care.found is None else care.found.digest
        care.busy, care.intent = verb, (verb, digest, request)
        self._remember(path, care)
        self._record.add(Repair(path, digest) if verb == "repair" else Restore(path))

    def _remember(self, path: str, care: ConfigCare) -> None:
        self._record.remember(Remember("config", path, care.as_json()))

    def outcomes(self) -> dict[str, tuple[int, str]]:
        """What the last round has done, and what it could not put right, by path: an exit status, and words."""
        every = {**self.files, **self.configs}
        results = {path: care.outcome for path, care in every.items() if care.outcome is not None}
        for path, care in self.configs.items():
            found = care.found
            unsound = found is not None and found.state is not ConfigState.VALID and not care.is_left_alone
            if path not in results and unsound and found is not None:
                results[path] = (FAILED, f"{found.state}: {'; '.join(found.problems)}")
        return results

    # --- what comes in -------------------------------------------------------------------------------------------

    def found(self, event: ConfigFound, now: Now) -> None:
        """A check has told how a config stands; also whether a former life's repair was done."""
        care = self.configs.get(event.path)
        if care is None:
            return
        care.found = event
        if event.state is ConfigState.VALID:
            care.trouble = ""
        if care.intent is not None and not care.busy:
            verb, digest, request = care.intent
            care.intent = None
            if event.digest != digest:
                said = f"the {verb} that a former healer began is done"
                self._done(event.path, care, Mended(verb, event.path, "done", (said,), found=event), now)
                self._answer(care, request, DONE, said)
            elif verb == "restore" and request:
                self._begin(event.path, care, verb, request)
            self._remember(event.path, care)
        self._concerns(event.path)

    def mended(self, event: Mended, now: Now) -> None:
        """What came of an order."""
        care = self.configs.get(event.path) or self.files.get(event.path)
        if care is None or not care.busy:
            return  # it has left the architecture meanwhile
        care.busy = ""
        said = "; ".join(event.said)
        status = {"done": DONE, "unneeded": DONE, "changed": REFUSED}.get(event.outcome, FAILED)
        care.outcome = None if event.outcome == "unneeded" else (status, said)
        if isinstance(care, ConfigCare):
            request = "" if care.intent is None else care.intent[2]
            care.intent = None
            care.found = event.found or care.found
            if event.verb == "restore" and event.outcome in ("done", "unneeded") and care.found is not None:
                care.left_alone = care.found.digest
        if event.outcome == "done":
            self._done(event.path, care, event, now)
        elif event.outcome == "failed":
            care.trouble = said
            if care.said != said:
                care.said = said
                self._record.note(event.path, "unmended", said, () if event.found is None else event.found.problems)
        elif event.outcome == "changed" and care.mends:
            care.mends.pop()
        if event.verb == "create" and event.outcome != "done":
            self._ward.tracks[event.path].own = None
            self._record.files_changed([event.path])
        if isinstance(care, ConfigCare):
            self._answer(care, request, status, said)
            self._remember(event.path, care)
        self._concerns(event.path)

    def _done(self, path: str, care: Care, event: Mended, now: Now) -> None:
        care.trouble = care.said = ""
        word = {"create": "created", "restore": "restored"}.get(event.verb, "repaired")
        backup = f" (backup {event.backup})" if event.backup and event.verb == "repair" else ""
        said = "; ".join(event.said)
        self._record.note(path, word, f"{said}{backup}")
        if event.mtime is not None and event.verb != "create":
            self._ward.tracks[path].own = OwnWrite(event.mtime, made=False)
            self._record.files_changed([path])
        spec = self._ward.pipeline.configs.get(path)
        if spec is not None:
            self._tell_readers(spec, word, now)

    def _concerns(self, path: str) -> None:
        """It is to be looked at again, and those who read it judged anew."""
        self._ward.call(self._ward.pipeline.readers.get(path, ()))

    # --- who must notice -----------------------------------------------------------------------------------------

    def _tell_readers(self, spec: ConfigSpec, word: str, now: Now) -> None:
        why = f"{spec.path} was {word}"
        for name in [name for entry in spec.signalled for name in self._ward.pipeline.named(entry)]:
            patient = self._ward.patients[name]
            process = patient.process
            if patient.memory.unmonitored:
                self._record.note(name, "refused", f"{why}: no SIG{spec.signal}, it is unmonitored")
            elif process is not None and process.state is ProcessState.RUNNING:
                self._record.add(Signal(name, process.address, process.pid, spec.signal))
                self._record.note(name, "signalled", f"SIG{spec.signal} to pid {process.pid}: {why}")
        for name in [name for entry in spec.restarted for name in self._ward.pipeline.named(entry)]:
            self._ward.patients[name].memory.wish = Wish(why, now.mono)
            self._record.worker_changed(name)
            self._ward.call([name])

    # --- an operator's restore -----------------------------------------------------------------------------------

    def restore(self, request: RestoreRequest, halted: str) -> None:
        """Put the newest backup of a config back; each id acts once."""
        path = request.path
        care = self.configs.get(path)
        if care is None:
            known = ", ".join(sorted(self.configs)[:5]) or "none"
            self._record.add(Answer(request.id, USAGE, f"{path} is no config of the architecture (these are: {known})"))
        elif request.id in care.answered:
            status, reason = care.answered[request.id]
            self._record.add(Answer(request.id, int(status), str(reason)))
        elif self.mode is Mode.OBSERVE or halted:
            self._record.add(Answer(request.id, REFUSED, halted or "mode is observe"))
        elif care.intent is not None and care.intent[2] == request.id:
            pass  # it is under way, or a former healer began it: the check tells
        elif care.busy or care.intent is not None:
            self._record.add(Answer(request.id, REFUSED, f"{path} is being mended at this moment; try again"))
        else:
            self._record.add(Tell(request.id, f"puts the newest backup of {path} back"))
            self._begin(path, care, "restore", request.id)

    def _answer(self, care: ConfigCare, request: str, status: int, reason: str) -> None:
        if not request:
            return
        care.answered[request] = [status, reason]
        for old in list(care.answered)[:-ANSWERS_KEPT]:
            del care.answered[old]
        self._record.add(Answer(request, status, reason))
