"""What the core decides: orders to supervisord and to the hands, what is remembered, noted, and told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from supervisor_healer.core.model import Creation

DONE, FAILED, USAGE, REFUSED = 0, 1, 2, 75  # exit statuses of an `Answer`; 75 is sysexits' EX_TEMPFAIL


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask supervisord to stop this very process (another pid means that somebody was faster)."""

    worker: str
    address: str
    pid: int


@dataclass(frozen=True, slots=True)
class Start:
    """Ask supervisord to start this process, unless an operator has stopped it meanwhile."""

    worker: str
    address: str


@dataclass(frozen=True, slots=True)
class Signal:
    """Have supervisord send `signal` (a name such as ``HUP``) to this very process: a config it reads was mended."""

    worker: str
    address: str
    pid: int
    signal: str


@dataclass(frozen=True, slots=True)
class Create:
    """Make this missing file, with this mtime (a whole number of seconds), unless something stands there."""

    path: str
    made: Creation
    mtime: int


@dataclass(frozen=True, slots=True)
class Repair:
    """Repair this config, or make it from its defaults, if its content still has this digest."""

    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class Restore:
    """Put the newest backup of this config back."""

    path: str


@dataclass(frozen=True, slots=True)
class Consult:
    """Give the report to the component healers, and tell what they answer."""


@dataclass(frozen=True, slots=True)
class Remember:
    """Write a memory to the journal, before what follows.

    `kind` is ``worker``, ``file``, ``care`` (what is mended, by path), ``host`` or ``hands_off``.
    """

    kind: str
    name: str
    memory: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Note:
    """One line of history: an action, an outcome, a refusal or a change of verdict.

    `event` is one of ``convicted restart healed failed idle abandoned completed recovered refused blocked quarantined
    released stopped started monitor unmonitor clock journal architecture bug``, of files and configs ``created repaired
    restored unmended signalled``, of component healers ``component``; ``verdict`` and ``closed`` are for the log alone.
    `worker` is a worker, the path of a file or config, a component healer, or '' for the healer itself.
    """

    worker: str
    event: str
    text: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tell:
    """A step of a request, for the person who waits for it."""

    request: str
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of a request: done, failed, not to be done at all (`USAGE`), or refused for now."""

    request: str
    exit_status: int
    reason: str


Decision = Stop | Start | Signal | Create | Repair | Restore | Consult | Remember | Note | Tell | Answer
