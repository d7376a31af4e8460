"""What the core hears: of processes, of what was checked and mended, of component healers, and from operators."""

from __future__ import annotations

from dataclasses import dataclass

from supervisor_healer.core.model import Process, Word


@dataclass(frozen=True, slots=True)
class ProcessTable:
    """Processes as supervisord holds them now; `complete`: one that is not in it is gone."""

    processes: tuple[Process, ...]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class OrderFailed:
    """supervisord refused a stop or a start of `worker` for good; `reason` is its own."""

    worker: str
    reason: str


class ConfigState(Word):
    """What a check of a config has found; `unreadable` is one that cannot be parsed, or is no file at all.

    Unchecked is one whose check did not come to an end: nothing speaks for it or against it.
    """

    VALID = "valid"
    MISSING = "missing"
    INVALID = "invalid"
    UNREADABLE = "unreadable"
    UNCHECKED = "could not be checked"


@dataclass(frozen=True, slots=True)
class ConfigFound:
    """A check of a config: its state, what is wrong, and what a repair would do, in words (() when it could do none).

    `digest` tells one content from another, '' for none.
    """

    path: str
    state: ConfigState
    problems: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()
    digest: str = ""

    @property
    def in_words(self) -> str:
        """Its state, and what is wrong."""
        return f"{self.state}: {'; '.join(self.problems) or 'no reason given'}"


@dataclass(frozen=True, slots=True)
class Mended:
    """What came of a `Create`, `Repair` or `Restore`: done, unneeded, changed, failed or lost.

    Changed: somebody was editing it. Lost: whoever was at it was killed, and may have done it before that.
    `said`: what was done, or why not. `backup`: the one that was made, or put back. `found`: how a config stands now.
    `mtime`: that of the file as we have left it, None if we did not write it.
    """

    verb: str
    path: str
    outcome: str
    said: tuple[str, ...] = ()
    backup: str = ""
    found: ConfigFound | None = None
    mtime: float | None = None


@dataclass(frozen=True, slots=True)
class ComponentEntry:
    """One thing that a component healer tells: what it is about, and what a person should do ('' nothing)."""

    subject: str
    message: str
    critical: bool = False
    action: str = ""


@dataclass(frozen=True, slots=True)
class ComponentResult:
    """What a component healer has answered; `problem` is why nothing of it can be used ('' it can).

    `restarts` are the workers that it wants restarted, each with its reason.
    """

    name: str
    healed: tuple[ComponentEntry, ...] = ()
    failed: tuple[ComponentEntry, ...] = ()
    warnings: tuple[ComponentEntry, ...] = ()
    restarts: tuple[tuple[str, str], ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """An operator's `verify`: a fresh look at everything, without healing."""

    id: str


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """An operator's `heal --restore`: the newest backup of the config at `path` is to be put back."""

    id: str
    path: str


@dataclass(frozen=True, slots=True)
class HealRequest:
    """An operator's `heal`: `worker` is a name, or ``all``."""

    id: str
    worker: str
    dry_run: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class MonitorRequest:
    """An operator's `monitor` (`seconds` None) or `unmonitor` (`seconds` 0: until `monitor`)."""

    id: str
    worker: str
    seconds: float | None = None


Event = (
    ProcessTable | OrderFailed | HealRequest | MonitorRequest | VerifyRequest | RestoreRequest
    | ConfigFound | Mended | ComponentResult
)  # fmt: skip
