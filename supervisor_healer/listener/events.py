"""The stdin protocol of a Supervisor event listener: bytes in, events out, and nothing ever waits.

supervisord sends one event at a time, a header line and a payload, and the next one after our answer:

    ver:3.0 server:ID serial:21 pool:healer poolserial:10 eventname:PROCESS_STATE_EXITED len:66\\n
    processname:ensemble groupname:ensemble from_state:RUNNING expected:0 pid:2766

What makes this harder than it looks (each reproduced on Supervisor 4.3.0):

- `len` counts characters of the UTF-8 payload, not bytes.
- `ID` is free text: it may hold spaces and colons, which break `childutils.get_headers`.
- A result other than OK, or anything else on stdout, ends the listener's life: see `claim_streams`.
- An event comes again, and out of turn, when *another* listener dies with it in hand: Supervisor looks for
  the owner of a rejected event by comparing processes, and these compare by priority, which all event
  listeners share. So an event may also be one that this listener has never subscribed to. See `Arrival`.
"""

from __future__ import annotations

import codecs
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from supervisor_healer.errors import ProtocolError

READY = b"READY\n"
ANSWER = b"RESULT 2\nOK"  # never FAIL: supervisord would send the event again at once, thousands of times

_HEADER = re.compile(
    rb"ver:(?P<ver>\S+) server:(?P<server>.*?) serial:(?P<serial>\d{1,18}) pool:(?P<pool>.*?)"
    rb" poolserial:(?P<poolserial>\d{1,18}) eventname:(?P<eventname>\S+) len:(?P<len>\d{1,18})"
)
_BEGINNING = b"ver:"
_LONGEST_HEADER = 16 * 1024  # bytes; most have some 120
_LONGEST_BODY = 1024 * 1024  # characters; supervisord limits nothing, but nothing that concerns us comes near this
_FROM_STATE = re.compile(r"(\w+)((?: \w+:-?\d{1,18})*)\s*")
_PROCESS_STATE = "PROCESS_STATE_"


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it came. `serial` counts all of supervisord's events, `pool_serial` those of this listener."""

    name: str
    serial: int
    pool_serial: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class ProcessStateChanged:
    """A process went from one state to another; states are Supervisor's names (``RUNNING``).

    `pid` is 0 where Supervisor does not say it: in STARTING (the event precedes the fork), BACKOFF, FATAL and
    UNKNOWN. In EXITED and STOPPED it is the pid that was. `expected` is False for an exit code that is not among
    the program's `exitcodes`, and True for every other event.
    """

    group: str
    name: str
    state: str
    from_state: str
    pid: int
    expected: bool

    @property
    def address(self) -> str:
        """The process as Supervisor addresses it, ``group:name``."""
        return f"{self.group}:{self.name}"


@dataclass(frozen=True, slots=True)
class Tick:
    """TICK_5 and its kin; `when` is wall time, rounded down to the period."""

    when: float


@dataclass(frozen=True, slots=True)
class Ring:
    """A REMOTE_COMMUNICATION event. Whoever reaches the socket may send one, so it only rings (`protocol.RING`)."""

    type: str
    data: str


@dataclass(frozen=True, slots=True)
class SupervisorRunning:
    """supervisord has started (or been reloaded) and now runs its loop."""


@dataclass(frozen=True, slots=True)
class SupervisorStopping:
    """supervisord shuts down or reloads: every stop that follows is its own."""


@dataclass(frozen=True, slots=True)
class Other:
    """Any other event, and one whose payload is not of the form it should have.

    `name` beginning with ``PROCESS_STATE_`` thus means a change that could not be read: as good as lost.
    """

    name: str

    @property
    def lost_change(self) -> bool:
        """Whether a process changed its state and we cannot tell which: the process table must be read anew."""
        return self.name.startswith(_PROCESS_STATE)


Meaning = ProcessStateChanged | Tick | Ring | SupervisorRunning | SupervisorStopping | Other


def meaning(event: Event) -> Meaning:
    """What `event` says. Never raises: what cannot be understood is `Other`."""
    name, body = event.name, event.body
    if name.startswith(_PROCESS_STATE):
        return _process_state(name, body)
    if name.startswith("TICK_"):
        key, _, when = body.strip().partition(":")
        return Tick(float(when)) if key == "when" and when.isdecimal() else Other(name)
    if name == "REMOTE_COMMUNICATION":
        head, _, data = body.partition("\n")
        key, _, kind = head.partition(":")
        return Ring(kind, data) if key == "type" else Other(name)
    if name == "SUPERVISOR_STATE_CHANGE_RUNNING":
        return SupervisorRunning()
    if name == "SUPERVISOR_STATE_CHANGE_STOPPING":
        return SupervisorStopping()
    return Other(name)


def _process_state(name: str, body: str) -> ProcessStateChanged | Other:
    who, _, state = body.rpartition(" from_state:")
    process, named, group = who.removeprefix("processname:").partition(" groupname:")
    match = _FROM_STATE.fullmatch(state)
    if not (who.startswith("processname:") and process and named and match):
        return Other(name)
    extra = dict(word.split(":") for word in match[2].split())
    return ProcessStateChanged(
        group=group,
        name=process,
        state=name.removeprefix(_PROCESS_STATE),
        from_state=match[1],
        pid=int(extra.get("pid", 0)),
        expected=extra.get("expected", "1") != "0",
    )


class Arrival(Enum):
    """How an event stands to those before it."""

    NEXT = "next"  # the one that was due
    GAP = "gap"  # events before it are lost (buffer_size), or come later: read the process table
    OLD = "old"  # a repetition, or overtaken: what it says is no longer news, do not apply it


def arrival(previous: int | None, event: Event) -> Arrival:
    """How `event` stands to the highest `pool_serial` had so far, None before the first.

    >>> arrival(7, Event("TICK_5", 90, 9, {}, "when:5"))  # 8 never came
    <Arrival.GAP: 'gap'>

    An event in hand at a listener's death reaches its successor again; that is its first, hence NEXT.
    """
    if previous is None or event.pool_serial == previous + 1:
        return Arrival.NEXT
    return Arrival.OLD if event.pool_serial <= previous else Arrival.GAP


class EventParser:
    """Bytes of any cut to events; holds what is not yet complete."""

    def __init__(self) -> None:
        self._buffer = b""
        self._oversized: Event | None = None  # its body is being thrown away
        self._to_skip = 0  # characters of it
        self._skipper = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")

    @property
    def incomplete(self) -> bool:
        """Whether a part of an event waits for its rest: at the end of the stream it means a cut-off event."""
        return bool(self._buffer) or self._oversized is not None

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes, in order.

        Raises ProtocolError for bytes that are no event. There is no way to find the next event's beginning
        then, so the parser is of no further use.
        """
        self._buffer += data
        events = []
        while (event := self._next()) is not None:
            events.append(event)
        return events

    def _next(self) -> Event | None:
        if self._oversized is not None:
            return self._skipped(self._oversized)
        if not self._buffer:
            return None
        line, newline, _ = self._buffer[:_LONGEST_HEADER].partition(b"\n")
        if not newline and len(line) < _LONGEST_HEADER and line.startswith(_BEGINNING[: len(line)]):
            return None  # so far it may become one
        match = _HEADER.fullmatch(line)
        if match is None or not newline:
            raise ProtocolError(f"not an event of supervisord: {_shortened(line)}")
        length = int(match["len"])
        headers = {key: value.decode(errors="replace") for key, value in match.groupdict().items()}
        event = Event(headers["eventname"], int(match["serial"]), int(match["poolserial"]), headers, "")
        if length > _LONGEST_BODY:
            self._oversized, self._to_skip = event, length
            self._buffer = self._buffer[len(line) + 1 :]
            return self._skipped(event)
        taken = _characters(self._buffer, len(line) + 1, length)
        if taken is None:
            return None
        body, end = taken
        self._buffer = self._buffer[end:]
        return replace(event, body=body)

    def _skipped(self, event: Event) -> Event | None:
        """An event too large to be one of ours: its body is thrown away as it comes, and what follows is kept."""
        text = self._skipper.decode(self._buffer)
        if len(text) < self._to_skip:
            self._to_skip -= len(text)
            self._buffer = b""
            return None
        self._buffer = text[self._to_skip :].encode(errors="surrogateescape") + self._skipper.getstate()[0]
        self._skipper.reset()
        self._oversized = None
        return event


def _characters(buffer: bytes, start: int, count: int) -> tuple[str, int] | None:
    """The `count` characters from byte `start` on, and the byte after them; None if they are not all there yet."""
    if len(buffer) - start < count:
        return None
    decoder = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")  # what follows them is not judged here
    text = decoder.decode(buffer[start : start + 4 * count])[:count]
    try:
        end = start + len(text.encode())
    except UnicodeEncodeError as error:
        raise ProtocolError(f"an event that is not UTF-8: {_shortened(buffer[start:])}") from error
    return (text, end) if len(text) == count else None


def _shortened(data: bytes) -> str:
    """`data` for an error message: its beginning, quoted."""
    return ascii(data[:80].decode(errors="backslashreplace")) + ("..." if len(data) > 80 else "")


class EventChannel:
    """The two descriptors on which supervisord talks to its event listener.

    Call `start` once everything is set up, then `receive` whenever `stdin_fd` is readable.
    """

    def __init__(self, stdin_fd: int, stdout_fd: int) -> None:
        self.stdin_fd = stdin_fd
        self.stdout_fd = stdout_fd
        self.closed = False  # supervisord is gone, or has closed our stdin: there is nobody left to work for
        self._parser = EventParser()
        os.set_blocking(stdin_fd, False)

    def fileno(self) -> int:
        """The descriptor to wait on, so that a selector takes the channel itself."""
        return self.stdin_fd

    def start(self) -> None:
        """Tell supervisord that we are ready. Exactly once: a second READY ends the listener's life."""
        self._write(READY)

    def receive(self) -> list[Event]:
        """The events that are there, each already answered; [] if there is none yet, or at the end (`closed`).

        They are answered as soon as they have been read and before anybody acts on them. What an event says
        is only a hint: after a crash the process table is read anew, so nothing is lost by answering early,
        and supervisord never holds back the next event while we work on this one.

        Raises ProtocolError for bytes that are no event.
        """
        try:
            data = os.read(self.stdin_fd, 65536)
        except BlockingIOError:
            return []
        except OSError:  # the other end of the pipe went away in a way that is not an EOF
            data = b""
        if not data:
            self.closed = True
            return []
        events = self._parser.feed(data)
        if events:
            self._write((ANSWER + READY) * len(events))
        return events

    def _write(self, data: bytes) -> None:
        # some 20 bytes into a pipe that supervisord empties before it sends more: this cannot wait
        try:
            while data:
                data = data[os.write(self.stdout_fd, data) :]
        except BrokenPipeError:
            self.closed = True


def claim_streams() -> tuple[int, int]:
    """Take stdin and stdout for the protocol alone, and return descriptors for them.

    Descriptor 1 and `sys.stdout` lead to stderr from here on, descriptor 0 to /dev/null: a print, a library or
    a child can then neither write into the protocol (which puts the listener into UNKNOWN for ever, while
    `supervisorctl status` still says RUNNING) nor eat an event. Children do not inherit the returned ones.
    """
    stdin, stdout = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return stdin, stdout
