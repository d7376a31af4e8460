"""What is wrong at this moment, in the words of the report, each with the command that a person types next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from supervisor_healer.core.actions import Actions
from supervisor_healer.core.bulletin import Bulletin
from supervisor_healer.core.care import SETTLED, Care, ConfigCare
from supervisor_healer.core.dependencies import Dependencies
from supervisor_healer.core.freshness import Track
from supervisor_healer.core.model import Freshness, Health, Now
from supervisor_healer.core.news import ConfigFound, ConfigState
from supervisor_healer.core.report import Entry
from supervisor_healer.core.upkeep import Upkeep
from supervisor_healer.core.verdicts import ConsumerVerdict, Verdict
from supervisor_healer.core.ward import UNSOUND, Ward
from supervisor_healer.words import ago, listed


class Conditions:
    """Everything that is not as it should be, as of the last verdicts, looks and checks."""

    def __init__(self, ward: Ward, upkeep: Upkeep, dependencies: Dependencies, bulletin: Bulletin) -> None:
        self._ward = ward
        self._upkeep = upkeep
        self._dependencies = dependencies
        self._bulletin = bulletin

    @property
    def _actions(self) -> Actions:
        return Actions(self._ward.pipeline.root)

    @property
    def _verdicts(self) -> Iterable[Verdict]:
        return self._bulletin.verdicts.values()

    # --- what needs a person ---------------------------------------------------------------------------------------

    def failed(self, now: Now) -> Iterator[Entry]:
        """What needs a person."""
        for one in self._verdicts:
            yield from self._failed_worker(one)
        for path, care in self._upkeep.files.items():
            if care.trouble and not self._ward.tracks[path].present:
                full = self._actions.is_of_the_disk(care.trouble)
                action = self._actions.room(path) if full else self._actions.look_at_folder(path)
                yield self._of_path(path, "file", f"cannot be created: {care.trouble}", action)
            yield from self._unanswered(path, "file", care, now)
        for path, config in self._upkeep.configs.items():
            yield from self._bad_config(path, config)
            yield from self._unanswered(path, "config", config, now)
        for path, track in self._ward.tracks.items():
            if track.problem and not track.passing and self._is_sound(path):
                kind = "config" if path in self._upkeep.configs else "file"
                yield self._of_path(
                    path, kind, f"cannot be judged: {track.problem}", self._actions.look_at_itself(path)
                )

    def _failed_worker(self, one: Verdict) -> Iterator[Entry]:
        actions, standing = self._actions, f"{one.worker} is {one.state}: {one.reason}"
        ground = next((path for file in one.outputs if self._ward.tracks[path := file.path].ground), "")
        if one.state is Health.QUARANTINED:
            said = f"{standing}; find the cause first, its log: `{actions.log(one.address)}`"
            yield Entry(one.worker, "worker", said, one.critical, actions.heal(one.worker))
        elif ground:
            beneath = f"{self._ward.tracks[ground].ground} under {ground}"
            said = standing if beneath in one.reason else f"{beneath}; {standing}"
            yield Entry(one.worker, "worker", said, one.critical, actions.room(ground))
        elif one.state in (Health.STALLED, Health.DOWN) and not self._waits(one) and not one.blocked_by:
            yield Entry(one.worker, "worker", standing, one.critical, actions.explain(one.worker))

    def _waits(self, one: Verdict) -> bool:
        """Whether the healer goes on with it by itself: only the moment is not there yet."""
        if one.worker in self._bulletin.waiting:
            return True
        return one.next_attempt is not None and one.last_heal.outcome != "failed"

    def _is_sound(self, path: str) -> bool:
        """Whether there is nothing to be said of its content, as of every file that is no config."""
        care = self._upkeep.configs.get(path)
        return care is None or care.found is None or care.found.state is ConfigState.VALID

    def _unanswered(self, path: str, kind: str, care: Care, now: Now) -> Iterator[Entry]:
        """What is being mended for so long that nobody waits for it any more."""
        if care.busy and not care.is_awaited(now):
            said = f"has been in the works ({care.busy}) for {ago(care.began)}"
            yield self._of_path(path, kind, said, self._actions.look_at_itself(path))

    def _of_path(self, path: str, kind: str, said: str, action: str = "") -> Entry:
        return Entry(path, kind, f"{path} {said}", self._ward.tracks[path].spec.critical, action)

    def _bad_config(self, path: str, care: ConfigCare) -> Iterator[Entry]:
        """A config that is not valid, and that the healer will not or cannot put right."""
        found = care.found
        if found is None or found.state is ConfigState.VALID or care.busy or care.is_left_alone:
            return
        if found.repairs and not care.trouble:
            return  # with the next cycle; see the warnings
        said = found.in_words
        if care.trouble:
            said += f" ({care.trouble})"
        yield self._of_path(path, "config", said, self._to_put_right(path, care, found))

    def _to_put_right(self, path: str, care: ConfigCare, found: ConfigFound) -> str:
        """The next command on the way to a valid config."""
        actions = self._actions
        if actions.is_of_the_disk(care.trouble):
            return actions.room(path)
        if found.state is ConfigState.UNCHECKED:
            return actions.look(path)
        if found.state is ConfigState.UNREADABLE and not found.digest:  # a folder, a FIFO, a link, or not ours to read
            return actions.look_at_itself(path)
        if found.state is ConfigState.MISSING and care.backup:
            return actions.restore(path)
        return actions.edit(path)

    # --- what waits for something else -----------------------------------------------------------------------------

    def blocked(self) -> Iterator[Entry]:
        """Who waits for a root cause, and which."""
        for one in self._verdicts:
            if one.blocked_by and one.state in (Health.BLOCKED, Health.DOWN):
                said, see = f"{one.worker} is {one.state}: {one.reason}", self._see(one.blocked_by)
                yield Entry(one.worker, "worker", said, one.critical, see, blocked_by=one.blocked_by)
        for consumer in self._dependencies.consumers.values():
            if consumer.state is Health.BLOCKED:
                yield self._of_consumer(consumer)

    def _of_consumer(self, one: ConsumerVerdict) -> Entry:
        said = f"{one.name} is {one.state}: {one.reason}"
        return Entry(one.name, "consumer", said, one.critical, self._see(one.blocked_by), blocked_by=one.blocked_by)

    def _see(self, roots: tuple[str, ...]) -> str:
        """Where to look for the root: nothing that only waits needs anything itself."""
        first = roots[0] if roots else ""
        if first in self._ward.patients:
            return self._actions.explain(first)
        care = self._upkeep.configs.get(first)
        if care is not None and care.found is not None and not self._is_sound(first):
            return self._to_put_right(first, care, care.found)
        return self._actions.look(first) if first else ""

    # --- what may become trouble -----------------------------------------------------------------------------------

    def warnings(self) -> Iterator[Entry]:
        """What a person should know of."""
        if why := self._upkeep.hands_off.reason:
            said = f"{why}: no file and no config is mended, and no component healer is asked"
            yield Entry("healer", "healer", said, action=self._actions.monitor("all"))
        by_name = self._bulletin.verdicts
        for one in by_name.values():
            said = f"{one.worker} is {one.state}: {one.reason}"
            if one.state is Health.UNMONITORED:
                yield Entry(one.worker, "worker", said, one.critical, self._actions.monitor(one.worker))
            elif one.state is Health.UNKNOWN:
                yield Entry(one.worker, "worker", said, one.critical, self._actions.explain(one.worker))
        yield from self._poor_files(by_name)
        for path, care in self._upkeep.configs.items():
            yield from self._odd_config(path, care)
        for consumer in self._dependencies.consumers.values():
            if consumer.state in (Health.LATE, Health.UNKNOWN):
                yield self._of_consumer(consumer)

    def _poor_files(self, by_name: Mapping[str, Verdict]) -> Iterator[Entry]:
        """Every file that is not as it should be: with its producer, or with who waits for it."""
        ward = self._ward
        for path, track in ward.tracks.items():
            if track.looked is None or track.problem or not self._is_sound(path):
                continue
            freshness = track.as_input(track.looked).freshness
            if freshness is Freshness.FRESH:
                yield from self._away(path, track)
                continue
            producers = [name for name in ward.pipeline.producers[path] if name in by_name]
            said = ward.diagnosis.aged(path)
            if track.placeholder:
                said += ", made by the healer and written by nobody yet"
            if not producers:
                waiting = self._dependencies.waiting_for(path)
                readers = f"; {listed(waiting)} wait{'s' * (len(waiting) == 1)} for it" if waiting else ""
                action = self._actions.look(path) if freshness in UNSOUND else ""
                yield Entry(path, "file", f"{said}, from outside{readers}", track.spec.critical, action)
            elif any(by_name[name].state not in (Health.HEALTHY, Health.IDLE, Health.STOPPED) for name in producers):
                doing = ", ".join(f"{name} is {by_name[name].state}: {by_name[name].reason}" for name in producers)
                yield Entry(path, "file", f"{said}; {doing}", track.spec.critical)

    def _away(self, path: str, track: Track) -> Iterator[Entry]:
        """A file that is gone, but not for so long that it counts as missing: it may have been rotated, or deleted."""
        gone, looked = track.gone_since, track.looked
        if gone is not None and looked is not None and looked.mono - gone >= SETTLED:
            said = f"is not there for {ago(gone)}; it counts as missing after its limit"
            yield self._of_path(path, "file", said, self._actions.look(path))

    def _odd_config(self, path: str, care: ConfigCare) -> Iterator[Entry]:
        found = care.found
        if found is None or found.state is ConfigState.VALID:
            return
        if care.is_left_alone:
            said = f"{found.state}, left as an operator has put it back: {'; '.join(found.problems)}"
            yield self._of_path(path, "config", said, self._actions.edit(path))
        elif found.repairs and not care.trouble:
            why = self._upkeep.restraint
            when, action = (f"{why}, so not", self._actions.edit(path)) if why else ("with the next cycle", "")
            yield self._of_path(path, "config", f"{found.in_words}; {when}: {'; '.join(found.repairs)}", action)
