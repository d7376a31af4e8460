"""What the three processes say to each other: typed, versioned, ASCII JSON.

    listener    -- publish(Publication) ---------------->  plugin in supervisord   answers PublishAnswer
    listener    -- takeRequests(), getProcessTable() ---->  plugin                  answers [WireRequest], [ProcessRow]
    listener    -- stopWorker(Order), startWorker(Order) ->  plugin                  answers OrderAnswer
    listener    -- signalWorker(SignalOrder) ------------->  plugin                  answers OrderAnswer
    ctl, others -- heal, getRequest, getWorkerHealth ... ->  plugin                  answers XML-RPC structs (DESIGN 7)

Everything the listener and the plugin exchange is one string of ASCII JSON, `{"version": ..., "body": ...}`;
both sides come from one installation, so another version means a half-done upgrade and is refused as such.
What the plugin answers to anybody else are plain XML-RPC structs: no None, no tuples, doubles for what can grow.

Texts in a publication hold moments as tokens (`words`); the plugin renders them when somebody reads.
Moments: `*_mono` is CLOCK_MONOTONIC, shared by all processes of a host; every other time is epoch seconds.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, TypedDict

from supervisor_healer.errors import ProtocolError

VERSION = 2
API_VERSION = "1.0"

HEARTBEAT = 5.0  # seconds between two publications at the latest
SILENT_AFTER = 16.0  # seconds without one, after which a RUNNING listener is called silent
REQUEST_EXPIRES = 60.0  # seconds that a request may wait before a listener has taken it
ORPHAN_EXPIRES = 10.0  # seconds that a request nobody has taken outlives the listener that was there when it came
REQUESTS_KEPT = 1000  # requests remembered in supervisord; the oldest finished one is forgotten first
MESSAGE_MAX = 16 * 1024 * 1024  # characters of one message, hundreds of times a large one: JSON is read in one go
HISTORY_KEPT = 500  # history entries that supervisord holds for getHistory
RING = "supervisor_healer"  # type of the REMOTE_COMMUNICATION event that says "fetch"; it carries nothing

# Exit statuses of `heal`, and of a finished request (DESIGN 7).
DONE, FAILED, USAGE, NO_HEALER, REFUSED = 0, 1, 2, 7, 75


class WireFile(TypedDict):
    """A file as one worker sees it; its age is counted from `aged_mono` (0.0: unknown), or from `ages[path]`."""

    path: str
    freshness: str
    aged_mono: float
    max_age: float  # 0.0: none
    grace: float
    producer: str  # a worker's name, several joined by ", ", or '' for outside
    note: str  # what a judgement adds: `work pending for ...`, `not required`, why it cannot be read
    critical: bool
    config: bool  # it stands under `configs`
    ground: str  # what is wrong with the file system under it (full, read-only), '' nothing


class WireHeal(TypedDict):
    """The outcome of the last attempt: `outcome` '' if there was none."""

    at: float
    outcome: str
    reason: str


class WireWorker(TypedDict):
    """What the listener publishes of one worker. `address` is supervisord's ``group:name``, '' if there is none.

    `explanation` (verdict, rule, process), a line for each file, and `outlook` (chain, budget, what is next) together
    are what `explain` prints; the files' lines are made when it is read, since healthy files move all the time.
    """

    name: str
    address: str
    state: str
    since: float
    reason: str
    critical: bool
    inputs: list[WireFile]
    outputs: list[WireFile]
    blocked_by: list[str]
    attempts: int
    budget_left: int
    next_attempt_mono: float  # 0.0: none
    last_heal: WireHeal
    explanation: list[str]
    outlook: list[str]


class WireConsumer(TypedDict):
    """A reader that supervisord does not run: `state` is healthy, late, blocked or unknown, as for a worker.

    `explanation`: the chains to the root causes, and what happens next.
    """

    name: str
    state: str
    since: float
    reason: str
    critical: bool
    inputs: list[WireFile]
    blocked_by: list[str]
    explanation: list[str]


class WireNote(TypedDict):
    """One line of history. `id` grows by one with each; `worker` '' means the healer itself."""

    id: int
    at: float
    worker: str
    event: str
    text: str
    evidence: list[str]


class WireStep(TypedDict):
    """One step of a request."""

    at: float
    text: str


class WireProgress(TypedDict):
    """What has happened to a request: `steps` are all so far, `exit_status` counts once `state` is ``done``."""

    id: str
    state: str  # queued | running | done
    exit_status: int
    steps: list[WireStep]
    reason: str


class WireRequest(TypedDict):
    """A request that is still open. `verb` is heal, monitor, unmonitor, verify or restore.

    `name` is a worker or ``all``; for verify always ``all``, for restore the path of a config.
    """

    id: str
    verb: str
    name: str
    dry_run: bool
    force: bool
    seconds: float


class ListenerNews(TypedDict):
    """The listener about itself. `architecture_errors` not empty: it is up, and acts on nothing.

    `restarts_left`: how many restarts all workers together may still have; -1 before it knows.
    """

    pid: int
    started: float
    mode: str  # heal | observe
    architecture: str
    architecture_errors: list[str]
    warnings: list[str]  # e.g. the journal cannot be written
    loaded: bool  # the first judgement of all workers has been published
    restarts_left: int


class Publication(TypedDict):
    """News since the last publication; `full` replaces everything held (the first, and after SIGHUP).

    A large first judgement comes in several, the first of them `full`, so that supervisord is never held up long.
    An empty one is a heartbeat. `consumers` and `files` hold those that have changed; `files` are the ones that no
    worker has, as input or output. `ages` (path -> aged_mono) refreshes files of those that are not sent again.
    `report` is the latest report (`results-schema.json` says its form); {}: the one before still holds.
    """

    listener: ListenerNews
    full: bool
    workers: list[WireWorker]
    gone: list[str]
    consumers: list[WireConsumer]
    files: list[WireFile]
    files_gone: list[str]
    ages: dict[str, float]
    history: list[WireNote]
    requests: list[WireProgress]
    report: dict[str, Any]


class PublishAnswer(TypedDict):
    """What the listener learns by publishing.

    `requests`: how many are open. `generation` changes when groups come or go, or an operator's stop was noted.
    `budget_left`, by worker ('': all together), is what the listener before this one had last published; {} but in the
    answer to a new listener's first publication. A journal that cannot be written is made up for with it.
    """

    requests: int
    generation: int
    budget_left: dict[str, int]


class ProcessRow(TypedDict):
    """One process as supervisord holds it. `start` is 0.0 if it was never started.

    `autorestart` is always, unexpected or never. `by_operator`: it is down because a person stopped it (also
    while it was already down: Supervisor itself forgets that), or because it was never started.
    """

    group: str
    name: str
    statename: str
    pid: int
    start: float
    autorestart: str
    exitcodes: list[int]
    exitstatus: int  # -1: none
    by_operator: bool
    listener: bool  # an event listener, not a worker


class Order(TypedDict):
    """Stop or start `address` (``group:name``). `pid`: the process meant by a stop, 0 for one in BACKOFF."""

    address: str
    pid: int


class SignalOrder(TypedDict):
    """Send `signal` (a name such as ``HUP``) to the process `pid` at `address`, if it is still that one."""

    address: str
    pid: int
    signal: str


class OrderAnswer(TypedDict):
    """What became of an order, and how the process stands right after it.

    `outcome`: accepted; already (it is there already: not running for stop, running for start);
    operator (an operator has stopped it: not ours to start or stop); changed (another pid than ordered);
    gone (no such process); failed (supervisord said no, `reason` says why).
    """

    outcome: str
    reason: str
    statename: str
    pid: int


def producers(joined: str, names: Collection[str]) -> list[str]:
    """The workers of a WireFile's `producer`, where several are joined by ", "; a name may hold that, too.

    >>> producers("a, b, c", {"a, b", "c"})
    ['a, b', 'c']
    """
    found: list[str] = []
    composed = sorted((f"{name}, " for name in names if ", " in name), key=len, reverse=True)
    text, place = f"{joined}, " if joined else "", 0
    while place < len(text):
        plain = text[place : text.index(", ", place) + 2]
        taken = next((name for name in composed if text.startswith(name, place)), plain)
        if taken[:-2] in names:
            found.append(taken[:-2])
        place += len(taken)
    return found


def encode(body: Any) -> str:
    """`body` as one ASCII JSON string with the protocol's version."""
    return json.dumps({"version": VERSION, "body": body}, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def decode(text: object) -> Any:
    """The body of what `encode` made.

    Raises ProtocolError for anything else, and for another version.
    """
    if not isinstance(text, str):
        raise ProtocolError(f"expected a JSON string, got {type(text).__name__}")
    if len(text) > MESSAGE_MAX:
        raise ProtocolError(f"a message of {len(text)} characters, of {MESSAGE_MAX} at most")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not JSON: {error}") from error
    if not isinstance(message, dict) or "body" not in message:
        raise ProtocolError("expected an object with `version` and `body`")
    version = message.get("version")
    if version != VERSION:
        shown = version if isinstance(version, int) else type(version).__name__
        raise ProtocolError(
            f"protocol version {shown}, expected {VERSION}: supervisord and the healer run different"
            " versions of supervisor_healer; restart supervisord after an upgrade"
        )
    return message["body"]
