"""Hands jobs to repairing children, and has an answer for each, whatever becomes of the child.

One child does what there is to do. When it has been silent at a job for `SLOW` seconds and others wait, another child
takes the others, and so on for at most `CHILDREN`. They end when there has been nothing to do for `LINGER` seconds.
"""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

from supervisor_healer.fixers.jobs import Answer, Job
from supervisor_healer.listener import interpreter
from supervisor_healer.listener.errands import Ended, Errands, Line
from supervisor_healer.words import duration

KEY = "fixer"
PATIENCE = 20.0  # seconds for one file
SLOW = 0.5  # seconds at one file, after which others do not wait for it any more
START_UP = 0.5  # seconds that a child may take longer over its first
LINGER = 2.5  # seconds: longer than the pause between two checks of a config that is written all the time
CHILDREN = 4  # at once; a mend may have one more, if they are all at checks that take long
SUSPECTS = 2  # checks at once of files that a check was given up on
COMMAND = interpreter.command("supervisor_healer.fixers")
FIELDS = frozenset(Answer.__annotations__)
UNCHECKED = "could not be checked"  # the state of a file about which there is no answer

Place = tuple[str, str]  # root and path


@dataclass(slots=True, eq=False)
class Task:
    """A job on its way. `suspect`: it took too long before. `slow_at`: when (mono) others do not wait any more."""

    job: Job
    suspect: bool = False
    again: bool = False
    slow_at: float = math.inf
    prodded: bool = False

    @property
    def place(self) -> Place:
        """Jobs for one place are done one after the other, in order."""
        return self.job["root"], self.job["path"]

    @property
    def mends(self) -> bool:
        """Whether it changes something; checks wait for it."""
        return self.job["verb"] != "check"


class Mender:
    """A queue in front of a few children. Put it to work again (`go_on`) when `next_due` has come."""

    def __init__(self, errands: Errands) -> None:
        self._errands = errands
        self._waiting: dict[Place, deque[Task]] = {}
        self._mending: dict[Place, None] = {}  # the places for which a mend waits
        self._busy: dict[str, Task] = {}  # by child
        self._idle: dict[str, float] = {}  # child -> since when (mono)
        self._numbers = count(1)

    def submit(self, job: Job, *, suspect: bool = False) -> None:
        """Have this done, after all that was submitted before for the same file, and mends before checks."""
        task = Task(job, suspect)
        self._waiting.setdefault(task.place, deque()).append(task)
        if task.mends:
            self._mending[task.place] = None
        self.go_on(time.monotonic())

    def forget_checks(self) -> None:
        """Nobody wants to know any more what has not been begun."""
        for place, tasks in list(self._waiting.items()):
            self._waiting[place] = deque(task for task in tasks if task.mends)
            if not self._waiting[place]:
                del self._waiting[place]

    @property
    def next_due(self) -> float:
        """When (mono) to `go_on` even if no child says anything."""
        slow = (task.slow_at for task in self._busy.values() if not task.prodded)
        return min([*slow, *(since + LINGER for since in self._idle.values())], default=math.inf)

    def go_on(self, now: float) -> None:
        """Give out what can be given out, and let those go that have had nothing to do for a while."""
        for key, task in self._busy.items():
            if now >= task.slow_at and not task.prodded:
                task.prodded = True
                self._errands.prod(key)
        while (fit := self._next()) is not None and (key := self._hand(fit, now)):
            self._take_out(fit)
            self._busy[key] = fit
            self._errands.feed(key, json.dumps(fit.job, ensure_ascii=True).encode("ascii") + b"\n")
        for key in [key for key, since in self._idle.items() if now >= since + LINGER]:
            del self._idle[key]
            self._errands.close_stdin(key)

    def _next(self) -> Task | None:
        """The job to be done next: mends first, and last the checks that took too long before."""
        at = {task.place for task in self._busy.values()}
        for place in self._mending:
            if place not in at:
                return self._waiting[place][0]
        suspect: Task | None = None
        for place, tasks in self._waiting.items():
            if place in at:
                continue
            if not tasks[0].suspect:
                return tasks[0]
            suspect = suspect or tasks[0]
        return suspect if sum(task.suspect for task in self._busy.values()) < SUSPECTS else None

    def _hand(self, task: Task, now: float) -> str:
        """A child that can take it now, '' if there is none."""
        if len(self._busy) >= CHILDREN + task.mends:
            return ""
        task.slow_at = now + SLOW
        if self._idle:
            key, _ = self._idle.popitem()
            return key
        if not all(now >= other.slow_at for other in self._busy.values()):
            return ""
        task.slow_at += START_UP
        key = f"{KEY} {next(self._numbers)}"
        self._errands.start(key, COMMAND, timeout=PATIENCE, per_line=True)
        return key

    def _take_out(self, task: Task) -> None:
        tasks = self._waiting[task.place]
        tasks.popleft()
        if not tasks:
            del self._waiting[task.place]
        if not any(other.mends for other in tasks):
            self._mending.pop(task.place, None)

    # --- answers ---------------------------------------------------------------------------------------------------

    def collect(self, news: Iterable[Line | Ended], now: float) -> list[tuple[Job, Answer]]:
        """The answers that these news from our children hold, each with its job."""
        answers: list[tuple[Job, Answer]] = []
        for one in news:
            task = self._busy.pop(one.key, None)
            if isinstance(one, Ended):
                self._idle.pop(one.key, None)
                answers += self._ended(task, one)
            elif task is not None:
                self._idle[one.key] = now
                answers.append((task.job, _answered(task.job, one.text)))
        self.go_on(now)
        return answers

    def _ended(self, task: Task | None, end: Ended) -> list[tuple[Job, Answer]]:
        """What it was at has failed. A check that was not given up is tried once more: it may not be to blame."""
        if task is None:
            return []
        if not end.why and not task.mends and not task.again:
            task.again, task.prodded = True, False
            self._waiting.setdefault(task.place, deque()).appendleft(task)
            return []
        last = end.stderr.strip().splitlines()[-1:] or [f"it ended with status {end.status}"]
        why = end.why or last[0]
        if why.startswith("no answer within"):
            why = f"it took longer than {duration(PATIENCE)}"
        return [(task.job, unanswered(task.job, why))]


def _answered(job: Job, line: str) -> Answer:
    try:
        answer = json.loads(line)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or answer.keys() != FIELDS or answer["path"] != job["path"]:
        return unanswered(job, f"the fixer has answered nonsense: {line[:100]}")
    found: Answer = answer  # type: ignore[assignment]  # our own program, of the same version
    return found


def unanswered(job: Job, why: str) -> Answer:
    """The answer in place of one that did not come; what was to be done may have been done."""
    checks = job["verb"] == "check"
    return {
        "verb": job["verb"],
        "path": job["path"],
        "state": UNCHECKED,
        "problems": [why],
        "repairs": [],
        "digest": "",
        "fingerprint": [],
        "outcome": "" if checks else "lost",
        "said": [] if checks else [f"not done: {why}"],
        "backup": "",
    }
