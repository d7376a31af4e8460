"""Hands jobs to the repairing child one after the other, and has an answer for each, whatever becomes of the child."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable

from supervisor_healer.fixers.jobs import Answer, Job
from supervisor_healer.listener import interpreter
from supervisor_healer.listener.errands import Ended, Errands, Line

KEY = "fixer"
PATIENCE = 20.0  # seconds for one file
COMMAND = interpreter.command("supervisor_healer.fixers")
FIELDS = frozenset(Answer.__annotations__)


class Mender:
    """A queue in front of one child, which is started when there is work and ends when there is none."""

    def __init__(self, errands: Errands) -> None:
        self._errands = errands
        self._waiting: deque[Job] = deque()
        self._given: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """Have this done, after all that was submitted before."""
        self._waiting.append(job)
        self._start()

    def _start(self) -> None:
        """A child takes all that is there; what comes later waits for the next one."""
        if not self._waiting or self._errands.running(KEY):
            return
        self._given, self._waiting = self._waiting, deque()
        lines = "".join(json.dumps(job, ensure_ascii=True) + "\n" for job in self._given)
        self._errands.start(KEY, COMMAND, timeout=PATIENCE, stdin=lines.encode("ascii"), per_line=True)
        self._errands.close_stdin(KEY)

    def collect(self, news: Iterable[Line | Ended]) -> list[tuple[Job, Answer]]:
        """The answers that these news from our children hold, each with its job."""
        answers: list[tuple[Job, Answer]] = []
        for one in news:
            if one.key != KEY:
                continue
            if isinstance(one, Line):
                answers += self._answered(one.text)
            else:
                answers += self._ended(one)
        self._start()
        return answers

    def _answered(self, line: str) -> list[tuple[Job, Answer]]:
        if not self._given:
            return []
        job = self._given.popleft()
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or answer.keys() != FIELDS or answer["path"] != job["path"]:
            return [(job, unanswered(job, f"the fixer has answered nonsense: {line[:100]}"))]
        return [(job, Answer(**answer))]  # type: ignore[typeddict-item]  # our own program, of the same version

    def _ended(self, end: Ended) -> list[tuple[Job, Answer]]:
        """What it was at has failed; the rest is done by another child."""
        if not self._given:
            return []
        job = self._given.popleft()
        self._waiting.extendleft(reversed(self._given))
        self._given.clear()
        last = end.stderr.strip().splitlines()[-1:] or [f"it ended with status {end.status}"]
        return [(job, unanswered(job, f"not done: {end.why or last[0]}"))]


def unanswered(job: Job, why: str) -> Answer:
    """The answer in place of one that did not come; what was to be done may have been done."""
    return {
        "verb": job["verb"],
        "path": job["path"],
        "state": "unreadable",
        "problems": [why],
        "repairs": [],
        "digest": "",
        "fingerprint": [],
        "outcome": "" if job["verb"] == "check" else "lost",
        "said": [] if job["verb"] == "check" else [why],
        "backup": "",
    }
