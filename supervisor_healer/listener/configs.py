"""What is known of the configs: the last check of each, which holds as long as the file is the same.

A look at a config costs one stat. Only when that shows another file than the one checked is it checked again, by the
repairing child; until then nobody can say whether it is valid, and whoever reads it is not restarted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from supervisor_healer.core.model import (
    Architecture,
    ConfigFound,
    ConfigSpec,
    ConfigState,
    Create,
    Mended,
    Now,
    Repair,
    Restore,
    Seen,
)
from supervisor_healer.fixers.jobs import Answer, Job
from supervisor_healer.listener.mender import Mender
from supervisor_healer.words import clean

BEING_CHECKED = "is being checked"
RETRY_SILENT = 600.0  # seconds; a check that was given up took long, and perhaps a whole core

Fingerprint = tuple[int, ...]


@dataclass(slots=True)
class Known:
    """A check's answer. It is about the file with the fingerprint that it was `asked` for, or that it found itself.

    `asked` None: it was a repair, which leaves another file than the one that was looked at.
    """

    asked: Fingerprint | None
    answer: Answer
    until: float = float("inf")  # mono: a check that did not come to an end is made again then

    def is_about(self, fingerprint: Fingerprint, now: Now) -> bool:
        """Whether the file with this fingerprint is the one that was checked."""
        return now.mono < self.until and fingerprint in (self.asked, tuple(self.answer["fingerprint"]))


class ConfigBook:
    """The configs of one architecture, and how they stand."""

    def __init__(self, architecture: Architecture, mender: Mender) -> None:
        self._root = architecture.root
        self.specs: Mapping[str, ConfigSpec] = architecture.configs
        self._mender = mender
        self._known: dict[str, Known] = {}
        self._checking: dict[str, Fingerprint] = {}
        self._jobs: dict[int, Job] = {}  # by id: those that this book has made, and not those of the one before

    # --- looking -------------------------------------------------------------------------------------------------

    def judged(
        self, seen: Mapping[str, Seen], fingerprints: Mapping[str, Fingerprint], now: Now
    ) -> Iterator[tuple[str, Seen]]:
        """The looks at configs, with what their content says; has those checked that have changed."""
        for path, look in seen.items():
            fingerprint, known = fingerprints.get(path), self._known.get(path)
            if fingerprint is None:
                yield path, look  # it hangs
            elif known is None or not known.is_about(fingerprint, now):
                yield path, self._check(path, fingerprint, look)
            else:
                yield path, _with_content(look, known.answer)

    def _check(self, path: str, fingerprint: Fingerprint, look: Seen) -> Seen:
        if path not in self._checking:
            self._checking[path] = fingerprint
            self._mender.submit(self._job("check", path))
        return Seen(look.mtime, look.problem or BEING_CHECKED, passing=True)

    # --- answers ---------------------------------------------------------------------------------------------------

    def take(self, job: Job, answer: Answer, now: Now) -> ConfigFound | Mended | None:
        """An answer for the core; None if it is of no use any more."""
        path = job["path"]
        ours = self._jobs.pop(id(job), None) is job
        if job["root"] != self._root:
            return None
        if job["verb"] == "create":
            return _mended(answer, None)
        if not ours:  # another architecture was in force, which may have had another schema
            self._known.pop(path, None)
            return None if job["verb"] == "check" or path not in self.specs else _mended(answer, None)
        asked = self._checking.pop(path, None) if job["verb"] == "check" else None
        if path not in self.specs:
            return None
        silent = answer["state"] == "unreadable" and not answer["digest"] and not answer["fingerprint"]
        if answer["outcome"] == "lost":
            self._known.pop(path, None)  # the next look asks
        else:
            self._known[path] = Known(asked, answer, now.mono + RETRY_SILENT if silent else float("inf"))
        found = _found(answer)
        return found if job["verb"] == "check" else _mended(answer, found)

    def job_for(self, order: Create | Repair | Restore) -> Job:
        """What the repairing child is told for an order of the core's."""
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
