"""Files that should exist and configs that must hold: what is mended, what was, and what a person has to do.

The listener looks and checks; here it is decided what to do about what it has found. Mending happens in the healing
cycle (`round`), for at most `MENDS` times, since whoever breaks a file again and again will not be cured by it.
What is about to be mended is remembered first: a healer that comes after us tells those who must notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from supervisor_healer.core.budget import add_restart, room_at
from supervisor_healer.core.care import CHECK_PATIENCE, MENDS, SETTLED, Care, ConfigCare
from supervisor_healer.core.freshness import NEVER, OwnWrite, Track
from supervisor_healer.core.hands_off import HandsOff
from supervisor_healer.core.memory import keep_answer
from supervisor_healer.core.model import Mode, Now
from supervisor_healer.core.news import ConfigFound, ConfigState, Mended, RestoreRequest
from supervisor_healer.core.notice import Notice
from supervisor_healer.core.orders import DONE, FAILED, REFUSED, USAGE, Answer, Create, Remember, Repair, Restore, Tell
from supervisor_healer.core.record import Record
from supervisor_healer.core.ward import Ward
from supervisor_healer.words import duration, listed

UNSEEN = frozenset({ConfigState.UNREADABLE, ConfigState.UNCHECKED})  # without a digest: nobody knows what stands there


class Upkeep:
    """The care of every file that may be created and of every config. `halted`: why nothing is ordered any more."""

    def __init__(self, ward: Ward, record: Record) -> None:
        self._ward = ward
        self._record = record
        self.configs: dict[str, ConfigCare] = {}
        self.files: dict[str, Care] = {}
        self.mode = Mode.HEAL
        self.halted = ""
        self.hands_off = HandsOff()
        self._notice = Notice(ward, record)
        self._root = ""
        self._absent: dict[str, ConfigCare] = {}  # configs that have left the architecture, and may come back
        self._open: dict[str, None] = {}  # what this round has still to go through
        self._asked = False

    def adopt(self) -> None:
        """Go on with the ward's pipeline, keeping what is known of what stays."""
        pipeline = self._ward.pipeline
        moved, self._root = pipeline.root != self._root, pipeline.root
        for path in [path for path in self.configs if moved or path not in pipeline.configs]:
            self._let_go(path, self.configs.pop(path))
        if moved:
            self.files, self._absent = {}, {}  # the same paths are other files now
        self.configs = {
            path: self.configs.get(path) or self._absent.pop(path, None) or ConfigCare() for path in pipeline.configs
        }
        made = [path for path, spec in pipeline.files.items() if spec.create is not None and path not in self.configs]
        self.files = {path: self.files.get(path) or Care() for path in made}

    def _let_go(self, path: str, care: ConfigCare) -> None:
        """It has left the architecture: who waits for it is told; what was begun is seen when it comes back."""
        request = care.asked
        if care.intent is not None:
            verb, digest, request = care.intent
            care.intent = (verb, digest, "")
        self._answer(care, request, REFUSED, f"{path} is no longer in the architecture")
        care.busy = care.asked = ""
        care.found = None
        self._absent[path] = care

    def recall(self, path: str, data: Mapping[str, Any], past: Callable[[float], float]) -> None:
        """What a former life remembered of a file or config."""
        care = self._care(path)
        if care is not None:
            care.recall(data, past)

    def _care(self, path: str) -> Care | None:
        return self.configs.get(path) or self.files.get(path)

    # --- what is under way ---------------------------------------------------------------------------------------

    def is_mending(self, now: Now) -> bool:
        """Whether anything is being mended that a round waits for."""
        return any(care.is_awaited(now) for care in (*self.configs.values(), *self.files.values()))

    @property
    def being_checked(self) -> tuple[str, ...]:
        """What the last round has not gone through, since it is still being checked."""
        return tuple(self._open)

    def awaited_by(self, name: str, now: Now, *, round_comes: bool) -> str:
        """A file that this worker reads and that is being checked or mended; '' if there is none.

        `round_comes`: what can be mended will be, too.
        """
        for item in self._ward.patients[name].spec.inputs:
            care = self._care(item.path)
            if care is None:
                continue
            track = self._ward.tracks[item.path]
            checked = track.passing and now.mono < track.passing_since + CHECK_PATIENCE
            if checked or care.is_awaited(now) or (round_comes and self.would_repair(item.path)):
                return item.path
        return ""

    def would_repair(self, path: str) -> bool:
        """Whether a round that a person asks for would repair this config, as far as is known of it."""
        care = self.configs.get(path)
        return care is not None and not care.busy and not self.restraint and self._is_to_be_repaired(care)

    def is_absent(self, path: str) -> bool:
        """Whether this file would be made by a round that a person asks for, as of the last look."""
        return self._ward.tracks[path].gone_since is not None

    def take_hands_off(self, seconds: float | None, now: Now) -> None:
        """`unmonitor all` for so many seconds (0: until further notice), or `monitor all` (None)."""
        self.hands_off.take(seconds, now)
        self._record.remember(Remember("hands_off", "", self.hands_off.as_json()))

    def go_back_to_work(self, now: Now) -> bool:
        """If the time of `unmonitor all` is over; whether that is so."""
        if now.mono < self.hands_off.ends:
            return False
        self.take_hands_off(None, now)
        self._record.note("", "monitor", "files and configs are mended again: the time set has passed")
        return True

    @property
    def restraint(self) -> str:
        """Why nothing is mended, whatever is found; '' where it is."""
        return self._forbidden or self.hands_off.reason

    @property
    def _forbidden(self) -> str:
        """Why nothing is done about any file, not even at a person's word."""
        return self.halted or ("mode is observe" if self.mode is Mode.OBSERVE else "")

    # --- a round -------------------------------------------------------------------------------------------------

    def begin_round(self, *, asked: bool) -> None:
        """Everything is to be gone through; `asked`: by a person, who opens a new budget."""
        self._open, self._asked = dict.fromkeys((*self.files, *self.configs)), asked
        for care in (*self.files.values(), *self.configs.values()):
            care.outcome = None

    def go_on(self, now: Now, *, mends: bool) -> None:
        """Order what is to be created and repaired; what is still being checked is left for a later turn."""
        for path in list(self._open):
            care = self._care(path)
            if isinstance(care, ConfigCare) and self._ward.tracks[path].passing:
                continue
            del self._open[path]
            if care is None or not mends or self.restraint:
                continue
            if isinstance(care, ConfigCare):
                if self._is_to_be_repaired(care) and self._is_settled(path, care, now) and self._may(path, care, now):
                    self._begin(path, care, "repair", "", now)
            elif self._is_to_be_made(path, care, now) and self._may(path, care, now):
                self._create(path, care, now)

    def _is_to_be_made(self, path: str, care: Care, now: Now) -> bool:
        """Certainly not there, and not merely between a rename and the next write."""
        track = self._ward.tracks[path]
        if track.present or track.placeholder:
            care.is_fine()
        return track.looked == now and track.gone_since is not None and self._has_been_gone(track, now)

    def _is_settled(self, path: str, care: ConfigCare, now: Now) -> bool:
        """Not missing, or certainly so: an editor may be replacing it."""
        if care.found is None or care.found.state is not ConfigState.MISSING:
            return True
        return self._has_been_gone(self._ward.tracks[path], now)

    def _has_been_gone(self, track: Track, now: Now) -> bool:
        """For long enough to be made anew. A person who asks need not wait."""
        if self._asked or track.seen_mono == NEVER:
            return True
        return track.gone_since is not None and now.mono - track.gone_since >= SETTLED

    def _is_to_be_repaired(self, care: ConfigCare) -> bool:
        found = care.found
        return found is not None and bool(found.repairs) and not care.is_left_alone

    def _may(self, path: str, care: Care, now: Now) -> bool:
        """Whether it may be mended once more; a repair that changed nothing is taken back from the count."""
        if care.busy:
            return False
        if self._asked:
            care.mends = []
        if room_at(care.mends, now.mono, MENDS) > now.mono:
            done = f"mended {MENDS.max} times in {duration(MENDS.within)}"
            self._cannot(path, care, f"{done}: somebody undoes it, so it is left as it is")
            return False
        care.mends = add_restart(care.mends, now.mono, MENDS)
        care.began = now.mono
        return True

    def _cannot(self, path: str, care: Care, why: str, evidence: tuple[str, ...] = (), of: str | None = None) -> None:
        """It cannot be mended; `of` is the content (digest) for which that is so, None: whatever stands there."""
        care.trouble = why
        if isinstance(care, ConfigCare):
            care.trouble_of = of
        self._say_once(path, care, why, evidence)

    def _say_once(self, path: str, care: Care, why: str, evidence: tuple[str, ...]) -> None:
        if care.said != why:
            care.said = why
            self._record.note(path, "unmended", why, evidence)

    def _create(self, path: str, care: Care, now: Now) -> None:
        care.busy = "create"
        track, mtime = self._ward.tracks[path], int(now.wall) // 2 * 2  # a whole, even second: any file system keeps it
        made = track.spec.create
        assert made is not None
        track.own = OwnWrite(float(mtime))
        self._record.files_changed([path])
        self._remember(path, care)
        self._record.add(Create(path, made, mtime))

    def _begin(self, path: str, care: ConfigCare, verb: str, request: str, now: Now) -> None:
        digest = "" if care.found is None else care.found.digest
        care.busy, care.began, care.intent = verb, now.mono, (verb, digest, request)
        self._remember(path, care)
        self._record.add(Repair(path, digest) if verb == "repair" else Restore(path))

    def _remember(self, path: str, care: Care) -> None:
        self._record.remember(Remember("care", path, care.as_json()))

    # --- what comes in -------------------------------------------------------------------------------------------

    def found(self, event: ConfigFound, now: Now) -> bool:
        """A check has told how a config stands, and whether a former life's repair was done; whether that is news."""
        care = self.configs.get(event.path)
        if care is None:
            return False
        before = care.found
        care.take(event)
        silent = event.state in UNSEEN and not event.digest
        if care.intent is not None and not care.busy and not silent:
            self._complete(event.path, care, event, now)
        if care.asked and not care.busy and not silent:
            request, care.asked = care.asked, ""
            self._restore(event.path, care, request, now)
        self._concerns(event.path)
        return before is None or (before.state, before.problems) != (event.state, event.problems)

    def _complete(self, path: str, care: ConfigCare, event: ConfigFound, now: Now) -> None:
        """What was begun, and not seen to end (the healer or its child was killed), was done if the content changed."""
        assert care.intent is not None
        verb, digest, request = care.intent
        care.intent = None
        if event.state is not ConfigState.MISSING and event.digest != digest:
            said = f"the {verb} that was cut short is done"
            if verb == "restore":
                care.left_alone = event.digest
            self._done(path, care, Mended(verb, path, "done", (said,), found=event), now)
            self._answer(care, request, DONE, said)
        elif request:
            self._restore(path, care, request, now)
        self._remember(path, care)

    def mended(self, event: Mended, now: Now) -> None:
        """What came of an order."""
        care = self._care(event.path)
        if care is None or care.busy != event.verb:
            return  # it has left the architecture meanwhile
        care.busy = ""
        said = "; ".join(event.said)
        status = {"done": DONE, "unneeded": DONE, "changed": REFUSED}.get(event.outcome, FAILED)
        care.outcome = None if event.outcome == "unneeded" else (status, said)
        request, content = "", None
        if isinstance(care, ConfigCare):
            verb, content, request = care.intent or (event.verb, "", "")
            care.intent = (verb, content, "") if event.outcome == "lost" else None  # the next check tells
            care.found, care.backup = event.found or care.found, event.backup or care.backup
            if event.verb == "restore" and event.outcome in ("done", "unneeded") and care.found is not None:
                care.left_alone = care.found.digest
        if event.outcome == "done":
            self._done(event.path, care, event, now)
        else:
            if event.verb != "restore":
                care.mends = care.mends[:-1]
            if event.outcome in ("failed", "lost"):
                self._failed(event, care, said, content)
        if event.verb == "create" and event.outcome != "done":
            self._ward.tracks[event.path].own = None
            self._record.files_changed([event.path])
        if isinstance(care, ConfigCare):
            assert care.found is not None  # nothing is ordered before the first check
            care.take(care.found)  # whatever has failed, perhaps there is nothing left to be mended
            self._answer(care, request, status, said)
        self._remember(event.path, care)
        self._concerns(event.path)

    def _failed(self, event: Mended, care: Care, said: str, content: str | None) -> None:
        """An order has come to nothing. That of a restore concerns its operator, not what stands there."""
        problems = () if event.found is None else event.found.problems
        if event.verb == "restore":
            self._say_once(event.path, care, said, problems)
        else:
            self._cannot(event.path, care, said, problems, content)

    def _done(self, path: str, care: Care, event: Mended, now: Now) -> None:
        care.is_fine()
        word = {"create": "created", "restore": "restored"}.get(event.verb, "repaired")
        backup = f" (backup {event.backup})" if event.backup and event.verb == "repair" else ""
        said = "; ".join(event.said)
        self._record.note(path, word, f"{said}{backup}")
        if event.mtime is not None and event.verb != "create":
            self._ward.tracks[path].wrote(event.mtime)
            self._record.files_changed([path])
        spec = self._ward.pipeline.configs.get(path)
        if spec is not None:
            self._notice.give(spec, word, now, halted=bool(self.halted))

    def _concerns(self, path: str) -> None:
        """It is to be looked at again, and those who read or write it judged anew."""
        pipeline = self._ward.pipeline
        self._ward.call((*pipeline.producers[path], *pipeline.readers.get(path, ())))

    # --- an operator's restore -----------------------------------------------------------------------------------

    def restore(self, request: RestoreRequest, now: Now) -> None:
        """Put the newest backup of a config back; each id acts once."""
        path = request.path
        care = self.configs.get(path)
        if care is None:
            known = listed(sorted(self.configs)) or "none"
            self._record.add(Answer(request.id, USAGE, f"{path} is no config of the architecture (these are: {known})"))
        elif request.id in care.answered:
            status, reason = care.answered[request.id]
            self._record.add(Answer(request.id, int(status), str(reason)))
        elif request.id in (care.asked, "" if care.intent is None else care.intent[2]):
            pass  # it is under way, or a former healer began it: the check tells
        elif care.busy or care.intent is not None or care.asked:
            self._record.add(Answer(request.id, REFUSED, f"{path} is being mended at this moment; try again"))
        elif care.found is None:
            care.asked = request.id  # whether a restore was done can be told only by what stood there before
        else:
            self._restore(path, care, request.id, now)

    def _restore(self, path: str, care: ConfigCare, request: str, now: Now) -> None:
        if self._forbidden:
            self._record.add(Answer(request, REFUSED, self._forbidden))
            return
        self._record.add(Tell(request, f"puts the newest backup of {path} back"))
        self._begin(path, care, "restore", request, now)

    def _answer(self, care: ConfigCare, request: str, status: int, reason: str) -> None:
        if not request:
            return
        keep_answer(care.answered, request, status, reason)
        self._record.add(Answer(request, status, reason))
