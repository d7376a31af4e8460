"""What supervisord is told: only what has changed, in pieces that never hold it up."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from supervisor_healer.core.engine import Engine
from supervisor_healer.core.model import Freshness, Now
from supervisor_healer.core.orders import Answer, Tell
from supervisor_healer.core.verdicts import Verdict
from supervisor_healer.listener.wire import wire_consumer, wire_file, wire_worker
from supervisor_healer.protocol import (
    ListenerNews,
    Publication,
    WireNote,
    WireProgress,
)
from supervisor_healer.words import clean, render

WORKERS_A_PIECE = 50  # workers in one publication: some 50 KB of JSON, parsed in well under a millisecond each
FILES_A_PIECE = 200
ANSWERS_KEPT = 200  # finished requests whose progress is kept until supervisord has it for sure


class Publisher:
    """Collects news between two publications, and hands them out in pieces."""

    def __init__(self, started: float, architecture: str) -> None:
        self.started = started
        self.architecture = architecture
        self.mode = ""
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.loaded = False
        self.restarts_left = -1
        self._sent: dict[str, tuple[object, ...]] = {}
        self._shown: dict[str, tuple[str, ...]] = {}
        self._ages: dict[str, float] = {}
        self._history: list[WireNote] = []
        self._progress: dict[str, WireProgress] = {}
        self._unsent: dict[str, None] = {}
        self._changed: dict[str, None] = {}
        self._refresh: dict[str, None] = {}
        self._consumers: dict[str, None] = {}
        self._files: dict[str, None] = {}
        self._report: dict[str, Any] = {}
        self._latest: dict[str, Any] = {}
        self._full = True

    def begin_anew(self, history: Iterable[WireNote]) -> None:
        """Send everything again: a first publication, another architecture, or a supervisord that forgot."""
        self._sent, self._shown, self._ages = {}, {}, {}
        self._changed, self._refresh = {}, {}
        self._history, self._report = list(history), self._latest
        self._full = True
        self._unsent = dict.fromkeys(self._progress)

    def around(self, consumers: Iterable[str], files: Iterable[str]) -> None:
        """The verdicts on these consumers and files apart have changed, or were dropped."""
        self._consumers.update(dict.fromkeys(consumers))
        self._files.update(dict.fromkeys(files))

    def report(self, report: dict[str, Any]) -> None:
        """A new report, as it is published."""
        self._report = self._latest = report

    def note(self, notes: Iterable[WireNote]) -> None:
        """New lines of history."""
        self._history += notes

    def tell(self, tell: Tell, now: Now) -> None:
        """A step of a request."""
        progress = self._of(tell.request)
        progress["state"] = "running"
        progress["steps"].append({"at": now.wall, "text": render(tell.text, now.mono)})

    def answer(self, answer: Answer, now: Now) -> None:
        """The end of a request."""
        progress = self._of(answer.request)
        progress["state"], progress["exit_status"] = "done", answer.exit_status
        progress["reason"] = render(answer.reason, now.mono)
        finished = [name for name, one in self._progress.items() if one["state"] == "done" and name not in self._unsent]
        for name in finished[:-ANSWERS_KEPT]:
            del self._progress[name]

    def knows(self, request: str) -> bool:
        """Whether this request has been answered or is in hand."""
        return request in self._progress

    def take(self, request: str) -> None:
        """A request has come to us."""
        self._of(request)["state"] = "running"

    def _of(self, request: str) -> WireProgress:
        self._unsent[request] = None
        return self._progress.setdefault(
            request, {"id": request, "state": "running", "exit_status": 0, "steps": [], "reason": ""}
        )

    def has_news(self, engine: Engine | None) -> bool:
        """Whether anything but the ages of files and the evidence of unchanged verdicts is new."""
        if engine is not None:
            self._observe(engine)
        return bool(self._full or self._history or self._unsent or self._changed or self._report)

    def _observe(self, engine: Engine) -> None:
        """Take note of verdicts drawn since the last time: changed at once, mere evidence with a later beat."""
        for name in engine.take_concluded():
            verdict = engine.verdicts.get(name)
            if self._sent.get(name) != (None if verdict is None else _signature(verdict)):
                self._changed[name] = None
            elif verdict is not None and self._shown.get(name) != _remarks(verdict):
                self._refresh[name] = None

    def pieces(self, engine: Engine | None, *, beat: bool) -> Iterable[Publication]:
        """The publications that bring supervisord up to date; at least one, for it is the heartbeat.

        With a `beat` come the ages of files that have moved, and the evidence of some workers whose verdict stands.
        """
        verdicts: Mapping[str, Verdict] = {}
        if engine is not None:
            self._observe(engine)
            verdicts = engine.verdicts
        if self._full:
            self._changed = dict.fromkeys(verdicts)
            if engine is not None:
                self._consumers, self._files = dict.fromkeys(engine.consumers), dict.fromkeys(engine.files_apart)
        gone = [name for name in self._changed if name not in verdicts]
        changed = [name for name in self._changed if name in verdicts]
        if beat:
            due = [name for name in self._refresh if name in verdicts and name not in self._changed]
            changed += due[: max(0, WORKERS_A_PIECE - len(changed))]
        first = True
        while first or changed:
            piece, changed = changed[:WORKERS_A_PIECE], changed[WORKERS_A_PIECE:]
            publication: Publication = {
                "listener": self._listener(loaded=self.loaded and not changed),
                "full": self._full,
                "workers": [wire_worker(verdicts[name]) for name in piece],
                "gone": gone if first else [],
                "consumers": [],
                "files": [],
                "files_gone": [],
                "ages": self._moved(engine) if first and beat and engine is not None else {},
                "history": self._history if first else [],
                "requests": [self._progress[name] for name in self._unsent] if not changed else [],
                "report": self._report if first else {},
            }
            if engine is not None and not changed:
                self._add_around(publication, engine)
            yield publication
            # only here has supervisord taken it: an exception above keeps all of it for the next time
            self._full = False
            for name in piece:
                self._sent[name] = _signature(verdicts[name])
                self._shown[name] = _remarks(verdicts[name])
            for name in (*piece, *publication["gone"]):
                self._changed.pop(name, None)
                self._refresh.pop(name, None)
            if first:
                for name in gone:
                    self._sent.pop(name, None)
                self._ages.update(publication["ages"])
                self._history, self._report = [], {}
            if not changed:
                self._unsent = {}
                for name in (one["name"] for one in publication["consumers"]):
                    self._consumers.pop(name, None)
                for path in (*(one["path"] for one in publication["files"]), *publication["files_gone"]):
                    self._files.pop(path, None)
            first = False

    def _add_around(self, publication: Publication, engine: Engine) -> None:
        """Consumers and files apart that have changed; a great many of them come in several publications."""
        names = [name for name in self._consumers if name in engine.consumers]
        publication["consumers"] = [wire_consumer(engine.consumers[name]) for name in names[:WORKERS_A_PIECE]]
        here = [path for path in self._files if path in engine.files_apart]
        publication["files"] = [wire_file(engine.files_apart[path]) for path in here[:FILES_A_PIECE]]
        publication["files_gone"] = [clean(path) for path in self._files if path not in engine.files_apart]

    def _moved(self, engine: Engine) -> dict[str, float]:
        return {
            clean(path): track.aged_from
            for path, track in engine.tracks.items()
            if track.aged_from is not None and self._ages.get(path) != track.aged_from
        }

    def _listener(self, *, loaded: bool) -> ListenerNews:
        return {
            "pid": os.getpid(),
            "started": self.started,
            "mode": self.mode,
            "architecture": self.architecture,
            "architecture_errors": self.errors,
            "warnings": self.warnings,
            "loaded": loaded,
            "restarts_left": self.restarts_left,
        }


def _signature(verdict: Verdict) -> tuple[object, ...]:
    """What makes a verdict worth telling at once: all but the moments at which healthy files moved."""
    files = tuple(
        (one.path, one.freshness, one.note if one.freshness is Freshness.UNKNOWN else "")
        for one in (*verdict.outputs, *verdict.inputs)
    )
    return (
        verdict.state,
        verdict.since,
        verdict.reason,
        verdict.critical,
        verdict.address,
        files,
        verdict.blocked_by,
        verdict.attempts,
        verdict.budget_left,
        verdict.next_attempt,
        verdict.last_heal,
    )


def _remarks(verdict: Verdict) -> tuple[str, ...]:
    """The texts around a verdict, which may change while it stands; the ages of its files go their own way."""
    return (*verdict.grounds, *verdict.outlook, *(one.note for one in (*verdict.outputs, *verdict.inputs)))
