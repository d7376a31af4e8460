"""The words of the core as values: what a person declared, what was seen, what is decided.

Every path is written as in the architecture: relative to its root where it lies inside, absolute elsewhere.
Every duration is in seconds. A moment is either `wall` (epoch seconds, what mtimes and people use) or `mono`
(seconds of the monotonic clock, what every waiting and counting uses).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from supervisor_healer import words

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


# --- what is decided -----------------------------------------------------------------------------------------


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

    `kind` is ``worker``, ``file``, ``care`` (what is mended, by path) or ``host``.
    """

    kind: str
    name: str
    memory: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Note:
    """One line of history: an action, an outcome, a refusal or a change of verdict.

    `event` is one of ``convicted restart healed failed idle abandoned completed recovered refused blocked quarantined
    released monitor unmonitor clock journal architecture bug``, of files and configs ``created repaired restored
    unmended signalled``, of component healers ``component``; ``verdict`` and ``closed`` are for the log alone.
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
    """The end of a request: 0 done, 1 failed, 75 refused for now (sysexits' EX_TEMPFAIL)."""

    request: str
    exit_status: int
    reason: str


Event = (
    ProcessTable | OrderFailed | HealRequest | MonitorRequest | VerifyRequest | RestoreRequest
    | ConfigFound | Mended | ComponentResult
)  # fmt: skip
Decision = Stop | Start | Signal | Create | Repair | Restore | Consult | Remember | Note | Tell | Answer


# --- what is concluded ---------------------------------------------------------------------------------------


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
