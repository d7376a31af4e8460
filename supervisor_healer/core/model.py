"""The words of the core as values: what a person declared, and what was seen.

Every path is written as in the architecture: relative to its root where it lies inside, absolute elsewhere.
Every duration is in seconds. A moment is either `wall` (epoch seconds, what mtimes and people use) or `mono`
(seconds of the monotonic clock, what every waiting and counting uses).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

# --- words ---------------------------------------------------------------------------------------------------


class Word(str, Enum):
    """An enum whose members are, and print as, their words, alike on every Python."""

    def __str__(self) -> str:
        return str(self.value)


class Freshness(Word):
    """How a file stands against its limits."""

    FRESH = "fresh"
    LATE = "late"
    STALE = "stale"
    MISSING = "missing"
    UNKNOWN = "unknown"


class Health(Word):
    """The state of a worker; the order is the order of judgement: the first that matches is it."""

    UNKNOWN = "unknown"
    STOPPED = "stopped"
    UNMONITORED = "unmonitored"
    HEALING = "healing"
    VERIFYING = "verifying"
    QUARANTINED = "quarantined"
    DOWN = "down"
    STARTING = "starting"
    HEALTHY = "healthy"
    IDLE = "idle"
    LATE = "late"
    BLOCKED = "blocked"
    CATCHING_UP = "catching_up"
    STALLED = "stalled"


class ProcessState(Word):
    """Supervisor's own names for the state of a process."""

    STOPPED = "STOPPED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
    STOPPING = "STOPPING"
    EXITED = "EXITED"
    FATAL = "FATAL"
    UNKNOWN = "UNKNOWN"


class Kind(Word):
    """A service runs for ever; a job may exit 0 when its work is done."""

    SERVICE = "service"
    JOB = "job"


class Mode(Word):
    """`observe` judges, explains and reports, and never acts."""

    HEAL = "heal"
    OBSERVE = "observe"


# --- what a person declared ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Intensity:
    """At most `max` restarts within `within` seconds (Erlang/OTP's intensity and period)."""

    max: int
    within: float


@dataclass(frozen=True, slots=True)
class Creation:
    """How a missing file is made: with `text` as its whole content, or as a copy of the file at `copy_of` ('' none).

    `mode` None: what the umask gives. `owner` is ``user``, ``user:group`` or ``:group``, '' for the healer's own.
    """

    text: str = ""
    copy_of: str = ""
    mode: int | None = None
    owner: str = ""


@dataclass(frozen=True, slots=True)
class FileSpec:
    """A file of the architecture. `max_age` None: a file that need not move (a config), fresh while it is valid.

    `create` None: the healer reports that it is missing, and does not make it.
    """

    path: str
    max_age: float | None = None
    grace: float = 0.0
    critical: bool = False
    shared: bool = False
    create: Creation | None = None

    @property
    def limit(self) -> float:
        """Seconds from a file's progress to its deadline; infinite without a max_age."""
        return float("inf") if self.max_age is None else self.max_age + self.grace

    @property
    def is_pattern(self) -> bool:
        """Whether the path is a glob, whose newest match is the file's progress."""
        return any(mark in self.path for mark in "*?[")


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of a worker; an input that is not required neither blocks nor has to be fresh."""

    path: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """One entry under `workers`. As loaded it may stand for several processes; `expand` gives one each.

    `program` is ``name`` or ``group:name``. `trigger` None means any input. `catch_up`, `startup_grace` and
    `verify_within` None mean the default of the design, worked out from the files concerned.
    """

    name: str
    program: str
    kind: Kind = Kind.SERVICE
    inputs: tuple[InputSpec, ...] = ()
    outputs: tuple[str, ...] = ()
    trigger: tuple[str, ...] | None = None
    critical: bool = False
    catch_up: float | None = None
    attempts: int = 3
    restarts: Intensity = Intensity(6, 3600.0)
    startup_grace: float | None = None
    verify_within: float | None = None
    retry_after: float = 3600.0


@dataclass(frozen=True, slots=True)
class ConsumerSpec:
    """A reader that supervisord does not run."""

    name: str
    inputs: tuple[InputSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfigSpec:
    """A config that must exist and satisfy its JSON Schema (draft 2020-12).

    `format` is ``json``, ``yaml`` or ``toml``, '' where only its existence is checked. `create`: a missing one is made
    from the defaults in the schema, with `mode` and `owner` as in `Creation`. `repair_values`: a value that the schema
    refuses is replaced by its default, not only reported. `keep` backups are kept. After a repair or restore,
    `signal` (such as ``HUP``) goes to the workers `signalled`, and the workers `restarted` are restarted; both are
    names of entries under `workers`.
    """

    path: str
    format: str = ""
    schema: Mapping[str, object] = field(default_factory=dict)
    create: bool = False
    mode: int | None = None
    owner: str = ""
    repair_values: bool = False
    keep: int = 10
    critical: bool = False
    signal: str = ""
    signalled: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ComponentSpec:
    """A healer that a site has of its own: a Python function ``package.module:function``, or a command with arguments.

    It runs after each cycle's own steps for at most `timeout` seconds.
    """

    name: str
    python: str = ""
    command: tuple[str, ...] = ()
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Architecture:
    """One loaded, checked architecture file. `root`, `state` and `results` are absolute paths ('' for none).

    `restarts_overall` None means the default, `max(5, a third of the workers)` within 10 minutes. `places` maps
    a dotted field such as ``workers.wb`` to ``path:line``, for messages about an entry made later.
    """

    source: str
    root: str
    mode: Mode = Mode.HEAL
    state: str = ""
    results: str = ""
    cycle: float = 60.0
    restarts_overall: Intensity | None = None
    files: Mapping[str, FileSpec] = field(default_factory=dict)
    workers: tuple[WorkerSpec, ...] = ()
    consumers: tuple[ConsumerSpec, ...] = ()
    configs: Mapping[str, ConfigSpec] = field(default_factory=dict)
    component_healers: tuple[ComponentSpec, ...] = ()
    places: Mapping[str, tuple[str, int]] = field(default_factory=dict)


# --- what was seen -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Now:
    """One moment on both clocks, read together."""

    wall: float
    mono: float


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at a file. `problem` says why it could not be judged ('' when it could); `mtime` None: not there.

    `passing`: the problem says nothing against the file (a config that is being checked), and breaks no hold.
    `ground`: what is wrong with the file system under it (full, read-only), '' nothing; None: nobody has looked.
    """

    mtime: float | None = None
    problem: str = ""
    passing: bool = False
    ground: str | None = None


@dataclass(frozen=True, slots=True)
class Process:
    """What supervisord says of one process.

    `start` is wall time, 0.0 if never started. `restarts_itself`: supervisord will start it again without us
    (autorestart, or BACKOFF). `by_operator`: it is down because a person wanted it so, or was never started.
    `exited_well`: its last exit had an expected code.
    """

    address: str
    state: ProcessState
    pid: int = 0
    start: float = 0.0
    restarts_itself: bool = False
    by_operator: bool = False
    exited_well: bool = False
