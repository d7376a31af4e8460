"""What is known of the configs: the last check of each, which holds as long as the file is the same.

A look at a config costs one stat. Only when that shows another file than the one checked is it checked again, by a
repairing child; until then nobody can say whether it is valid, and whoever reads it is not restarted.

A config that is written faster than it can be checked would never be the one that was checked. So once it has changed
after each of `STREAK` checks in a row, it is checked once in `PAUSE` seconds, and a look takes what the last check has
found if that is at most `RECENT` seconds old.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from supervisor_healer.core.model import Architecture, ConfigSpec, Now, Seen
from supervisor_healer.core.news import ConfigFound, ConfigState, Mended
from supervisor_healer.core.orders import Create, Repair, Restore
from supervisor_healer.fixers.jobs import Answer, Job
from supervisor_healer.listener.mender import UNCHECKED, Mender
from supervisor_healer.words import clean

BEING_CHECKED = "is being checked"
STREAK = 3  # checks in a row, each soon after the one before: only then is it slowed down and its last check believed
CALM = 3.0  # seconds without a change that end a streak
PAUSE = 1.0  # seconds from one check in a streak to the next, or
PAUSE_SHARE = 2  # ... so many times what the last one took
RECENT = 2.0  # seconds
RETRY_SILENT = (60.0, 600.0)  # seconds; a check that was given up took long, and perhaps a whole core
RETRY_CHANGED = 20.0  # seconds, then twice that, and so on: as often as it was given up, if the file has changed
RETRY_UNSEEN = 30.0  # seconds; what could not be opened may be open now, though nothing at the file itself tells

Fingerprint = tuple[int, ...]


@dataclass(slots=True)
class Known:
    """A check's answer, which came at `at` (mono).

    It is about the file with the fingerprint that it was `asked` for, or that it found itself. `asked` None: it was a
    repair, which leaves another file than the one that was looked at. `until` (mono): then it is asked for again.
    """

    asked: Fingerprint | None
    answer: Answer
    at: float
    until: float = math.inf

    def is_about(self, fingerprint: Fingerprint) -> bool:
        """Whether the file with this fingerprint is the one that was checked."""
        if fingerprint or self.answer["state"] == "missing":
            return fingerprint in (self.asked, tuple(self.answer["fingerprint"]))
        return fingerprint == self.asked  # an answer without a fingerprint need not be about a file that is not there


@dataclass(slots=True)
class Entry:
    """One config. `asked`: what the check that is under way is about, since `asked_at` (mono).

    `took`: the seconds that the last one needed. `wanted`: what another is to be about, as soon as it is `due`.
    `streak`: how many came soon after the one before, and `given_up`, how many were given up, in a row.
    """

    known: Known | None = None
    asked: Fingerprint | None = None
    asked_at: float = -math.inf
    took: float = 0.0
    wanted: Fingerprint | None = None
    streak: int = 0
    given_up: int = 0

    @property
    def pause(self) -> float:
        """Seconds from one check in a streak to the next."""
        return max(PAUSE, PAUSE_SHARE * self.took)

    def due(self, fingerprint: Fingerprint) -> float:
        """When (mono) a file that has changed may be checked: one that is gone at once, for that takes no time."""
        if self.known is not None and self.given_up > 1 and fingerprint:
            return self.known.at + min(RETRY_SILENT[-1], RETRY_CHANGED * 2.0 ** (self.given_up - 2))
        return self.asked_at + self.pause if self.streak >= STREAK else -math.inf

    def begin(self, fingerprint: Fingerprint, now: Now) -> None:
        """A check is under way from now on."""
        soon = self.known is not None and now.mono < self.known.at + self.pause + CALM
        self.streak = self.streak + 1 if soon else 0
        self.asked, self.asked_at, self.wanted = fingerprint, now.mono, None

    def take(self, answer: Answer, now: Now) -> bool:
        """The answer to a check; False if it says less than the one before."""
        asked, self.asked = self.asked, None
        self.took = now.mono - self.asked_at
        self.given_up = self.given_up + 1 if answer["state"] == UNCHECKED else 0
        until = math.inf
        if self.given_up:
            until = now.mono + RETRY_SILENT[min(self.given_up, len(RETRY_SILENT)) - 1]
        elif answer["state"] == "unreadable" and not answer["fingerprint"]:
            if self.is_restless(now):
                return False  # it was always being written just then
            until = now.mono + RETRY_UNSEEN
        self.known = Known(asked, answer, now.mono, until)
        return True

    def is_restless(self, now: Now) -> bool:
        """Whether it is written faster than it can be checked, and what the last check has found is believed."""
        return self.known is not None and self.streak >= STREAK and now.mono < self.known.at + RECENT

    def stands_for(self, look: Seen, now: Now) -> bool:
        """Whether the last check is believed though the file has changed since."""
        if self.known is None:
            return False
        if self.given_up:
            return self.given_up > 1 or self.asked is None
        return self.is_restless(now) and (self.known.answer["state"] == "missing") == (look.mtime is None)


class ConfigBook:
    """The configs of one architecture, and how they stand. Call `go_on` when `next_due` has come."""

    def __init__(self, architecture: Architecture, mender: Mender) -> None:
        self._root = architecture.root
        self.specs: Mapping[str, ConfigSpec] = architecture.configs
        self._mender = mender
        self._entries = {path: Entry() for path in self.specs}
        self._wanting: set[str] = set()
        self._jobs: dict[int, Job] = {}  # by id: those that this book has made, and not those of the one before

    # --- looking -------------------------------------------------------------------------------------------------

    def judged(
        self, seen: Mapping[str, Seen], fingerprints: Mapping[str, Fingerprint], now: Now
    ) -> Iterator[tuple[str, Seen]]:
        """The looks at configs, with what their content says; has those checked that have changed."""
        for path, look in seen.items():
            fingerprint = fingerprints.get(path)
            yield path, look if fingerprint is None else self._judged(path, fingerprint, look, now)  # None: it hangs

    def _judged(self, path: str, fingerprint: Fingerprint, look: Seen, now: Now) -> Seen:
        entry = self._entries[path]
        known = entry.known
        if known is not None and known.is_about(fingerprint):
            entry.wanted = None
            if now.mono >= known.until:
                self._want(path, fingerprint, now)
            return _with_content(look, known.answer)
        self._want(path, fingerprint, now)
        if known is not None and entry.stands_for(look, now):
            return _with_content(look, known.answer)
        return Seen(look.mtime, look.problem or BEING_CHECKED, passing=True)

    def _want(self, path: str, fingerprint: Fingerprint, now: Now) -> None:
        entry = self._entries[path]
        if entry.asked is None:
            entry.wanted = fingerprint
            self._wanting.add(path)
            self._ask(path, now)

    def _ask(self, path: str, now: Now) -> None:
        """Have it checked, if it is time."""
        entry = self._entries[path]
        if entry.wanted is None:
            self._wanting.discard(path)
        elif now.mono >= entry.due(entry.wanted):
            self._wanting.discard(path)
            entry.begin(entry.wanted, now)
            self._mender.submit(self._job("check", path), suspect=entry.given_up > 0)

    @property
    def next_due(self) -> float:
        """When (mono) a check is due that has to wait."""
        entries = [self._entries[path] for path in self._wanting]
        return min((one.due(one.wanted) for one in entries if one.wanted is not None), default=math.inf)

    def go_on(self, now: Now) -> None:
        """Have checked what had to wait."""
        for path in list(self._wanting):
            self._ask(path, now)

    # --- answers ---------------------------------------------------------------------------------------------------

    def take(self, job: Job, answer: Answer, now: Now) -> ConfigFound | Mended | None:
        """An answer for the core; None if it is of no use any more."""
        path, checks = job["path"], job["verb"] == "check"
        ours = self._jobs.pop(id(job), None) is job
        if job["root"] != self._root:
            return None
        if job["verb"] == "create":
            return _mended(answer, None)
        entry = self._entries.get(path)
        if entry is None:
            return None
        if not ours:  # another architecture was in force, which may have had another schema
            entry.known = None
            return None if checks else _mended(answer, _found(answer))  # that holds until the next look
        if checks:
            return _found(answer) if entry.take(answer, now) else None
        entry.known = None if answer["outcome"] == "lost" else Known(None, answer, now.mono)
        return _mended(answer, _found(answer))

    def job_for(self, order: Create | Repair | Restore) -> Job:
        """What a repairing child is told for an order of the core's."""
        match order:
            case Create():
                made = order.made
                job = self._job("create", order.path)
                job["text"], job["copy_of"], job["mode"], job["owner"] = made.text, made.copy_of, made.mode, made.owner
                job["mtime_ns"] = order.mtime * 10**9
                return job
            case Repair():
                job = self._job("repair", order.path)
                job["digest"] = order.digest
                return job
            case Restore():
                return self._job("restore", order.path)

    def _job(self, verb: str, path: str) -> Job:
        spec = self.specs.get(path, ConfigSpec(path))
        job: Job = {
            "verb": verb,
            "root": self._root,
            "path": path,
            "format": spec.format,
            "schema": dict(spec.schema),
            "create": spec.create,
            "repair_values": spec.repair_values,
            "keep": spec.keep,
            "mode": spec.mode,
            "owner": spec.owner,
            "digest": "",
            "text": "",
            "copy_of": "",
            "mtime_ns": 0,
        }
        self._jobs[id(job)] = job
        return job


def _with_content(look: Seen, answer: Answer) -> Seen:
    """A look at a file whose content was checked: one that does not hold what it must is no evidence of anything."""
    if answer["state"] in ("valid", "missing") or look.problem:
        return look
    return replace(look, problem=f"{answer['state']}: {'; '.join(_cleaned(answer['problems'][:3]))}")


def _found(answer: Answer) -> ConfigFound:
    return ConfigFound(
        answer["path"],
        ConfigState(answer["state"]),
        _cleaned(answer["problems"]),
        _cleaned(answer["repairs"]),
        answer["digest"],
    )


def _mended(answer: Answer, found: ConfigFound | None) -> Mended:
    mtime = answer["fingerprint"][0] / 1e9 if answer["outcome"] == "done" and answer["fingerprint"] else None
    return Mended(
        answer["verb"], answer["path"], answer["outcome"], _cleaned(answer["said"]), answer["backup"], found, mtime
    )


def _cleaned(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(clean, texts))
