"""The report of the healing cycle: what was fixed, what failed and needs a person, what waits for whom.

Two sources: *deeds*, which happened at a moment and are in the history too, and *conditions*, which are as they are
when the report is made. A deed stays in the report until the cycle after the one that reported it is over.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from supervisor_healer.core.bulletin import Bulletin
from supervisor_healer.core.dependencies import Dependencies
from supervisor_healer.core.freshness import NEVER, Track
from supervisor_healer.core.model import (
    ComponentEntry,
    ComponentResult,
    ConfigState,
    ConsumerVerdict,
    Freshness,
    Health,
    Mode,
    Note,
    Now,
    Verdict,
)
from supervisor_healer.core.upkeep import SETTLED, Care, ConfigCare, Upkeep
from supervisor_healer.core.ward import Ward
from supervisor_healer.words import ago

MAY_BE_SILENT = 2  # rounds for which a component healer's last answer stays in the report without a newer one
_TOUCHY = re.compile(r"[^\w@%+=:,./*?\[\]-]")  # what a shell would take for its own; a pattern's marks are meant so
ESCAPED = r"\\\g<0>"
BAD_FRESHNESS = frozenset({Freshness.STALE, Freshness.MISSING, Freshness.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the report. `action` is what a person has to do, as the command to type ('' nothing).

    `kind` is worker, file, config, consumer, component or healer; `by` the component healer that tells it; `at` wall.
    """

    subject: str
    kind: str
    message: str
    critical: bool = False
    action: str = ""
    by: str = ""
    blocked_by: tuple[str, ...] = ()
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """One report. It tells what was done after `since` (wall); the round took `duration` seconds, for `cause`."""

    timestamp: float
    since: float
    duration: float
    cause: str
    mode: Mode
    healed: tuple[Entry, ...] = ()
    failed: tuple[Entry, ...] = ()
    blocked: tuple[Entry, ...] = ()
    warnings: tuple[Entry, ...] = ()
    stats: tuple[tuple[str, int], ...] = ()


@dataclass(slots=True)
class Deeds:
    """What was done between two rounds."""

    since: float
    healed: list[Entry] = field(default_factory=list)
    restarted: int = 0
    created: int = 0
    repaired: int = 0


class ReportBook:
    """Takes note of what is done, and makes the report."""

    def __init__(self, ward: Ward, upkeep: Upkeep, dependencies: Dependencies, bulletin: Bulletin) -> None:
        self._ward = ward
        self._upkeep = upkeep
        self._dependencies = dependencies
        self._bulletin = bulletin
        self._former = Deeds(0.0)
        self._deeds = Deeds(0.0)
        self._components: dict[str, ComponentResult] = {}
        self._silent: Counter[str] = Counter()
        self._turned = NEVER
        self._round = (0.0, "")
        self._said: dict[str, list[str]] = {}
        self.mode = Mode.HEAL
        self.cycle = 60.0

    # --- what is done ----------------------------------------------------------------------------------------------

    def take(self, notes: Iterable[Note], now: Now) -> bool:
        """Lines of history, some of which are deeds; whether the report is to be made anew for them."""
        told = False
        for note in notes:
            told |= note.event in ("healed", "failed", "quarantined", "released", "created", "repaired", "restored")
            if note.event == "restart":
                self._deeds.restarted += 1
            elif note.event == "healed":
                critical = self._ward.is_critical(note.worker) if note.worker in self._ward.patients else False
                self._add(Entry(note.worker, "worker", f"Restarted {note.worker} worker: {note.text}", critical), now)
            elif note.event in ("created", "repaired", "restored"):
                self._mended(note, now)
        return told

    def _mended(self, note: Note, now: Now) -> None:
        path = note.worker
        kind = "config" if path in self._upkeep.configs else "file"
        if kind == "file":
            self._deeds.created += 1
        elif note.event == "repaired":
            self._deeds.repaired += 1
        critical = path in self._ward.tracks and self._ward.tracks[path].spec.critical
        how = "" if note.text == note.event else f": {note.text}"
        self._add(Entry(path, kind, f"{note.event.capitalize()} {path}{how}", critical), now)

    def _add(self, entry: Entry, now: Now) -> None:
        self._deeds.healed.append(
            Entry(entry.subject, entry.kind, entry.message, entry.critical, entry.action, entry.by, at=now.wall)
        )

    def asks_components(self) -> None:
        """The component healers are asked again; what one has told stays until it answers, but not for ever."""
        self._silent.update(self._components.keys())
        self._components = {name: one for name, one in self._components.items() if self._silent[name] <= MAY_BE_SILENT}

    def answered(self, result: ComponentResult, said: Iterable[str]) -> list[str]:
        """What a component healer has told; those lines of `said` that it had not told the last time."""
        self._components[result.name] = result
        self._silent[result.name] = 0
        before = self._said.get(result.name, [])
        self._said[result.name] = list(said)
        return [line for line in said if line not in before]

    def forget_components(self) -> None:
        """There are none any more."""
        self._components, self._said = {}, {}

    def round_ends(self, began: float, now: Now, cause: str) -> None:
        """A round is over: what was done stays in the report for a whole cycle more, however many are asked for."""
        if began - self._turned >= self.cycle:
            self._former, self._deeds = self._deeds, Deeds(now.wall)
            self._turned = began
        self._round = (now.mono - began, cause)

    # --- the report ------------------------------------------------------------------------------------------------

    def compose(self, now: Now) -> Report:
        """The report as of now."""
        took, cause = self._round
        pipeline = self._ward.pipeline
        both = (self._former, self._deeds)
        verdicts = list(self._bulletin.verdicts.values())
        return Report(
            timestamp=now.wall,
            since=self._former.since,
            duration=took,
            cause=cause,
            mode=self.mode,
            healed=_sorted((*(entry for deeds in both for entry in deeds.healed), *self._told("healed")), now),
            failed=_sorted((*self._failed(verdicts, now), *self._told("failed")), now),
            blocked=_sorted(self._blocked(verdicts), now),
            warnings=_sorted((*self._warnings(verdicts), *self._told("warnings")), now),
            stats=(
                ("workers_restarted", sum(deeds.restarted for deeds in both)),
                ("files_repaired", sum(deeds.created for deeds in both)),
                ("configs_fixed", sum(deeds.repaired for deeds in both)),
                ("processes_checked", len(pipeline.workers)),
                ("files_checked", len(pipeline.files) - len(pipeline.configs)),
                ("configs_checked", len(pipeline.configs)),
                ("dependencies_checked", self._dependencies.count()),
            ),
        )

    def _told(self, which: str) -> Iterator[Entry]:
        """What the component healers tell, under their own names."""
        for result in self._components.values():
            entries: tuple[ComponentEntry, ...] = getattr(result, which)
            if result.problem and which == "warnings":
                said = f"the component healer {result.name} did not answer properly: {result.problem}"
                yield Entry(result.name, "component", said, by=result.name)
            for one in entries:
                yield Entry(one.subject, "component", one.message, one.critical, one.action, result.name)

    # --- conditions ------------------------------------------------------------------------------------------------

    def _failed(self, verdicts: Iterable[Verdict], now: Now) -> Iterator[Entry]:
        """What needs a person."""
        for one in verdicts:
            heal = f"supervisorctl heal {one.worker}"
            ground = next((path for file in one.outputs if self._ward.tracks[path := file.path].ground), "")
            if one.state is Health.QUARANTINED:
                said = f"{one.worker} is quarantined: {one.reason}"
                yield Entry(one.worker, "worker", said, one.critical, f"find the cause, then: {heal}")
            elif ground:
                said = f"{self._ward.tracks[ground].ground} under {ground}; {one.worker} is {one.state}: {one.reason}"
                yield Entry(one.worker, "worker", said, one.critical, f"df -h {self._absolute(ground)}")
            elif one.state in (Health.STALLED, Health.DOWN) and not self._waits(one) and not one.blocked_by:
                said = f"{one.worker} is {one.state}: {one.reason}"
                yield Entry(one.worker, "worker", said, one.critical, f"supervisorctl explain {one.worker}")
        for path, care in self._upkeep.files.items():
            if care.trouble and not self._ward.tracks[path].present:
                yield self._untouched(path, "file", f"cannot be created: {care.trouble}")
            yield from self._unanswered(path, "file", care, now)
        for path, config in self._upkeep.configs.items():
            yield from self._bad_config(path, config)
            yield from self._unanswered(path, "config", config, now)
        for path, track in self._ward.tracks.items():
            if track.problem and not track.passing and self._is_sound(path):
                kind = "config" if path in self._upkeep.configs else "file"
                yield self._untouched(path, kind, f"cannot be judged: {track.problem}")

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
            yield self._untouched(path, kind, f"has been in the works ({care.busy}) for {ago(care.began)}")

    def _untouched(self, path: str, kind: str, said: str) -> Entry:
        critical = self._ward.tracks[path].spec.critical
        return Entry(path, kind, f"{path} {said}", critical, f"ls -l {self._absolute(path)}")

    def _bad_config(self, path: str, care: ConfigCare) -> Iterator[Entry]:
        """A config that is not valid, and that the healer will not or cannot put right."""
        found, critical = care.found, self._ward.tracks[path].spec.critical
        if found is None or found.state is ConfigState.VALID or care.busy or care.is_left_alone:
            return
        if found.repairs and not care.trouble:
            return  # with the next cycle; see the warnings
        said = f"{path} {found.state}: {'; '.join(found.problems) or 'no reason given'}"
        if care.trouble:
            said += f" ({care.trouble})"
        action = f"edit {self._absolute(path)}"
        if found.state is ConfigState.MISSING:
            action = f"supervisorctl heal --restore {_TOUCHY.sub(ESCAPED, path)}, or write {self._absolute(path)}"
        yield Entry(path, "config", said, critical, action)

    def _blocked(self, verdicts: Iterable[Verdict]) -> Iterator[Entry]:
        for one in verdicts:
            if one.blocked_by and one.state in (Health.BLOCKED, Health.DOWN):
                said = f"{one.worker} is {one.state}: {one.reason}"
                yield Entry(
                    one.worker, "worker", said, one.critical, self._see(one.blocked_by), blocked_by=one.blocked_by
                )
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
            return f"supervisorctl explain {first}"
        if first in self._upkeep.configs and not self._is_sound(first):
            return f"edit {self._absolute(first)}"
        return f"ls -l {self._absolute(first)}" if first else ""

    def _warnings(self, verdicts: Iterable[Verdict]) -> Iterator[Entry]:
        by_name = {one.worker: one for one in verdicts}
        for one in by_name.values():
            if one.state is Health.UNMONITORED:
                said, action = f"{one.worker} is unmonitored: {one.reason}", f"supervisorctl monitor {one.worker}"
                yield Entry(one.worker, "worker", said, one.critical, action)
            elif one.state is Health.UNKNOWN:
                action = f"supervisorctl explain {one.worker}"
                yield Entry(one.worker, "worker", f"{one.worker} is unknown: {one.reason}", one.critical, action)
        yield from self._poor_files(by_name)
        for path, care in self._upkeep.configs.items():
            yield from self._odd_config(path, care)
        for consumer in self._dependencies.consumers.values():
            if consumer.state in (Health.LATE, Health.UNKNOWN):
                yield self._of_consumer(consumer)

    def _poor_files(self, by_name: dict[str, Verdict]) -> Iterator[Entry]:
        """Every file that is not as it should be: with its producer, or with who waits for it."""
        ward = self._ward
        for path, track in ward.tracks.items():
            if track.looked is None or track.problem:
                continue
            freshness = track.as_input(track.looked).freshness
            if not self._is_sound(path):
                continue
            if freshness is Freshness.FRESH:
                yield from self._away(path, track)
                continue
            producers = [name for name in ward.pipeline.producers[path] if name in by_name]
            waiting = self._dependencies.waiting_for(path)
            said = ward.diagnosis.aged(path)
            if track.placeholder:
                said += ", made by the healer and written by nobody yet"
            if not producers:
                readers = f"; {', '.join(waiting)} wait{'s' * (len(waiting) == 1)} for it" if waiting else ""
                action = f"ls -l {self._absolute(path)}" if freshness in BAD_FRESHNESS else ""
                yield Entry(path, "file", f"{said}, from outside{readers}", track.spec.critical, action)
            elif any(by_name[name].state not in (Health.HEALTHY, Health.IDLE, Health.STOPPED) for name in producers):
                doing = ", ".join(f"{name} is {by_name[name].state}: {by_name[name].reason}" for name in producers)
                yield Entry(path, "file", f"{said}; {doing}", track.spec.critical)

    def _away(self, path: str, track: Track) -> Iterator[Entry]:
        """A file that is gone, but not for so long that it counts as missing: it may have been rotated, or deleted."""
        gone, looked = track.gone_since, track.looked
        if gone is not None and looked is not None and looked.mono - gone >= SETTLED:
            said = f"{path} is not there for {ago(gone)}; it counts as missing after its limit"
            yield Entry(path, "file", said, track.spec.critical, f"ls -l {self._absolute(path)}")

    def _odd_config(self, path: str, care: ConfigCare) -> Iterator[Entry]:
        found, critical = care.found, self._ward.tracks[path].spec.critical
        if found is None or found.state is ConfigState.VALID:
            return
        if care.is_left_alone:
            said = f"{path} {found.state}, left as an operator has put it back: {'; '.join(found.problems)}"
            yield Entry(path, "config", said, critical, f"edit {self._absolute(path)}")
        elif found.repairs and not care.trouble:
            observed = "mode is observe, so not: " if self.mode is Mode.OBSERVE else "with the next cycle: "
            said = f"{path} {found.state}: {'; '.join(found.problems)}; {observed}{'; '.join(found.repairs)}"
            yield Entry(path, "config", said, critical)

    def _absolute(self, path: str) -> str:
        """The path as a person can type it anywhere."""
        root = self._ward.pipeline.root
        place = path if path.startswith("/") or not root else f"{root.rstrip('/')}/{path}"
        return _TOUCHY.sub(ESCAPED, place)


def _sorted(entries: Iterable[Entry], now: Now) -> tuple[Entry, ...]:
    """Critical ones first; conditions hold at the moment of the report."""
    dated = (one if one.at else replace(one, at=now.wall) for one in entries)
    return tuple(sorted(dated, key=lambda one: not one.critical))
