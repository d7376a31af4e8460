"""What was done since the last rounds, and what the component healers told: the part of the report that happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from supervisor_healer.core.freshness import NEVER
from supervisor_healer.core.model import Now
from supervisor_healer.core.news import ComponentEntry, ComponentResult
from supervisor_healer.core.orders import Note
from supervisor_healer.core.report import Entry
from supervisor_healer.core.upkeep import Upkeep
from supervisor_healer.core.ward import Ward

MAY_BE_SILENT = 2  # rounds for which a component healer's last answer stays in the report without a newer one


@dataclass(slots=True)
class Period:
    """What was done between two rounds."""

    since: float
    healed: list[Entry] = field(default_factory=list)
    restarted: int = 0
    created: int = 0
    repaired: int = 0


class Deeds:
    """Takes note of what is done. A deed stays until the cycle after the one that reported it is over."""

    def __init__(self, ward: Ward, upkeep: Upkeep) -> None:
        self._ward = ward
        self._upkeep = upkeep
        self._former = Period(0.0)
        self._now = Period(0.0)
        self._turned = NEVER

    @property
    def since(self) -> float:
        """The wall moment from which on all is told."""
        return self._former.since

    @property
    def healed(self) -> Iterator[Entry]:
        """What was put right, the oldest first."""
        return (entry for period in (self._former, self._now) for entry in period.healed)

    def counts(self) -> tuple[tuple[str, int], ...]:
        """How often what was done."""
        both = (self._former, self._now)
        return (
            ("workers_restarted", sum(period.restarted for period in both)),
            ("files_repaired", sum(period.created for period in both)),
            ("configs_fixed", sum(period.repaired for period in both)),
        )

    def take(self, notes: Iterable[Note], now: Now) -> bool:
        """Lines of history, some of which are deeds; whether the report is to be made anew for them."""
        told = False
        for note in notes:
            told |= note.event in ("healed", "failed", "quarantined", "released", "created", "repaired", "restored")
            if note.event == "restart":
                self._now.restarted += 1
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
            self._now.created += 1
        elif note.event == "repaired":
            self._now.repaired += 1
        critical = path in self._ward.tracks and self._ward.tracks[path].spec.critical
        how = "" if note.text == note.event else f": {note.text}"
        self._add(Entry(path, kind, f"{note.event.capitalize()} {path}{how}", critical), now)

    def _add(self, entry: Entry, now: Now) -> None:
        self._now.healed.append(entry.dated(now.wall))

    def round_ends(self, began: float, cycle: float, now: Now) -> None:
        """A round is over: what was done stays for a whole cycle more, however many are asked for."""
        if began - self._turned >= cycle:
            self._former, self._now = self._now, Period(now.wall)
            self._turned = began


class Told:
    """What the component healers have told, each under its own name."""

    def __init__(self) -> None:
        self._results: dict[str, ComponentResult] = {}
        self._silent: Counter[str] = Counter()
        self._said: dict[str, list[str]] = {}

    def are_asked(self) -> None:
        """They are asked again; what one has told stays until it answers, but not for ever."""
        self._silent.update(self._results.keys())
        self._results = {name: one for name, one in self._results.items() if self._silent[name] <= MAY_BE_SILENT}

    def answered(self, result: ComponentResult, said: Sequence[str]) -> list[str]:
        """What one has told; those lines of `said` that it had not told the last time."""
        self._results[result.name] = result
        self._silent[result.name] = 0
        before = self._said.get(result.name, [])
        new = [line for line in dict.fromkeys(said) if line not in before]
        self._said[result.name] = [*before, *new] if result.problem else list(said)  # a poor answer ends no repetition
        return new

    def forget(self) -> None:
        """There are none any more."""
        self._results, self._said = {}, {}

    def entries(self, which: str) -> Iterator[Entry]:
        """Their `healed`, `failed` or `warnings`."""
        for result in self._results.values():
            entries: tuple[ComponentEntry, ...] = getattr(result, which)
            if result.problem and which == "warnings":
                said = f"the component healer {result.name} did not answer properly: {result.problem}"
                yield Entry(result.name, "component", said, by=result.name)
            for one in entries:
                yield Entry(one.subject, "component", one.message, one.critical, one.action, result.name)
