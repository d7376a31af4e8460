"""The report of the healing cycle: what was fixed, what failed and needs a person, what waits for whom.

Two sources: *deeds*, which happened at a moment and are in the history too, and *conditions*, which are as they are
when the report is made. A deed stays in the report until the cycle after the one that reported it is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from supervisor_healer.core.bulletin import Bulletin
from supervisor_healer.core.dependencies import Dependencies
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
from supervisor_healer.core.upkeep import ConfigCare, Upkeep
from supervisor_healer.core.ward import Ward

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
        self._round = (0.0, "")
        self.mode = Mode.HEAL

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
        self._add(Entry(path, kind, f"{note.event.capitalize()} {path}: {note.text}", critical), now)

    def _add(self, entry: Entry, now: Now) -> None:
        self._deeds.healed.append(
            Entry(entry.subject, entry.kind, entry.message, entry.critical, entry.action, entry.by, at=now.wall)
        )

    def answered(self, result: ComponentResult) -> None:
        """What a component healer has told in this round."""
        self._components[result.name] = result

    def round_ends(self, now: Now, took: float, cause: str) -> None:
        """A round is over: what it did stays in the report until the next one is over, too."""
        self._former, self._deeds = self._deeds, Deeds(now.wall)
        self._round = (took, cause)
        self._components = {}

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
            healed=(*(entry for deeds in both for entry in deeds.healed), *self._told("healed", now)),
            failed=(*self._dated(self._failed(verdicts), now), *self._told("failed", now)),
            blocked=tuple(self._dated(self._blocked(verdicts), now)),
            warnings=(*self._dated(self._warnings(verdicts), now), *self._told("warnings", now)),
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

    @staticmethod
    def _dated(entries: Iterable[Entry], now: Now) -> Iterator[Entry]:
        """Conditions hold at the moment of the report; critical ones come first."""
        for entry in sorted(entries, key=lambda one: not one.critical):
            yield Entry(
                entry.subject, entry.kind, entry.message, entry.critical, entry.action, entry.by, entry.blocked_by,
                now.wall,
            )  # fmt: skip

    def _told(self, which: str, now: Now) -> Iterator[Entry]:
        """What the component healers tell, under their own names."""
        for result in self._components.values():
            entries: tuple[ComponentEntry, ...] = getattr(result, which)
            if result.problem and which == "warnings":
                said = f"the component healer {result.name} did not answer properly: {result.problem}"
                yield Entry(result.name, "component", said, by=result.name, at=now.wall)
            for one in entries:
                yield Entry(one.subject, "component", one.message, one.critical, one.action, result.name, at=now.wall)

    # --- conditions ------------------------------------------------------------------------------------------------

    def _failed(self, verdicts: Iterable[Verdict]) -> Iterator[Entry]:
        """What needs a person."""
        for one in verdicts:
            heal = f"supervisorctl heal {one.worker}"
            ground = next((path for file in one.outputs if self._ward.tracks[path := file.path].ground), "")
            if one.state is Health.QUARANTINED:
                said = f"{one.worker} is quarantined: {one.reason}"
                yield Entry(one.worker, "worker", said, one.critical, f"find the cause, then: {heal}")
            elif one.state in (Health.STALLED, Health.DOWN) and ground:
                look = f"df -h {self._absolute(ground)}"
                yield Entry(one.worker, "worker", f"{one.worker} is {one.state}: {one.reason}", one.critical, look)
            elif one.state in (Health.STALLED, Health.DOWN) and not self._waits(one) and not one.blocked_by:
                said = f"{one.worker} is {one.state}: {one.reason}"
                yield Entry(one.worker, "worker", said, one.critical, f"supervisorctl explain {one.worker}")
        for path, care in self._upkeep.files.items():
            if care.trouble:
                yield self._untouched(path, "file", f"cannot be created: {care.trouble}")
        for path, care in self._upkeep.configs.items():
            yield from self._bad_config(path, care)
        for path, track in self._ward.tracks.items():
            if track.problem and not track.passing and path not in self._upkeep.configs:
                yield self._untouched(path, "file", f"cannot be judged: {track.problem}")

    @staticmethod
    def _waits(one: Verdict) -> bool:
        """Whether the healer goes on with it by itself: only the moment is not there yet."""
        return one.next_attempt is not None and one.last_heal.outcome != "failed"

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
            action = f"supervisorctl heal --restore {path}, or write {self._absolute(path)}"
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
            if track.looked is None or track.problem or path in self._upkeep.configs:
                continue
            freshness = track.as_input(track.looked).freshness
            if freshness is Freshness.FRESH:
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
        return path if path.startswith("/") or not root else f"{root.rstrip('/')}/{path}"
