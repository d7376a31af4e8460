"""What the core concludes about workers, consumers and files, as it is published.

Texts hold moments as tokens (see `words`).
"""

from __future__ import annotations

from dataclasses import dataclass

from supervisor_healer import words
from supervisor_healer.core.model import Freshness, Health


@dataclass(frozen=True, slots=True)
class FileVerdict:
    """A file as one worker sees it. `aged_from` is the mono moment from which its age counts, None if unknown.

    `critical` as it was declared; `config`: it stands under `configs`. `ground`: what is wrong with the file system
    under it, '' nothing.
    """

    path: str
    freshness: Freshness
    aged_from: float | None
    max_age: float | None
    grace: float
    producer: str
    note: str = ""
    critical: bool = False
    config: bool = False
    ground: str = ""


@dataclass(frozen=True, slots=True)
class ConsumerVerdict:
    """What is concluded about a reader that supervisord does not run; `state` is healthy, late, blocked or unknown.

    `explanation` is what follows from its inputs: the chains to the root causes, and what happens next.
    """

    name: str
    state: Health
    since: float
    reason: str
    critical: bool
    inputs: tuple[FileVerdict, ...] = ()
    blocked_by: tuple[str, ...] = ()
    explanation: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LastHeal:
    """The outcome of the last attempt on a worker; `at` is wall time, 0.0 if there was none."""

    at: float = 0.0
    outcome: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is concluded about one worker, and why: `reason` for a status line, `evidence` for `explain`.

    The evidence is `grounds` (verdict, rule, process), a line for each file, and `outlook` (chain, budget, what next).

    `next_attempt` is a mono moment, None when no attempt is being waited for. Texts hold moments as tokens
    (see `words`), so that a verdict stays equal while nothing but time has changed.
    """

    worker: str
    state: Health
    since: float
    reason: str
    critical: bool
    address: str
    outputs: tuple[FileVerdict, ...] = ()
    inputs: tuple[FileVerdict, ...] = ()
    blocked_by: tuple[str, ...] = ()
    attempts: int = 0
    budget_left: int = 0
    next_attempt: float | None = None
    last_heal: LastHeal = LastHeal()
    grounds: tuple[str, ...] = ()
    outlook: tuple[str, ...] = ()

    @property
    def evidence(self) -> tuple[str, ...]:
        """All that led to it, line by line."""
        outputs = (file_line("output", one, "") for one in self.outputs)
        inputs = (file_line("input", one, f"from {one.producer or 'outside'}") for one in self.inputs)
        return (*self.grounds, *outputs, *inputs, *self.outlook)


def file_line(kind: str, one: FileVerdict, source: str) -> str:
    """One file of a verdict in words."""
    line = words.file_line(
        kind, one.path, one.freshness.value, one.aged_from, one.max_age or 0.0, one.grace, source, one.note
    )
    return words.clean_but_tokens(line)
