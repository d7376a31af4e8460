"""The event listener process: one loop over supervisord's events, signals and the engine's own timetable."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Mapping

from supervisor_healer.architecture.loader import load
from supervisor_healer.core.model import Architecture, Now
from supervisor_healer.errors import ArchitectureError, ProtocolError, UnreachableError
from supervisor_healer.listener import events, probes
from supervisor_healer.listener.errands import Errands
from supervisor_healer.listener.hands import Hands
from supervisor_healer.listener.journal import Journal, JournalBusyError
from supervisor_healer.listener.publisher import Publisher
from supervisor_healer.listener.supervisor_client import SupervisorClient
from supervisor_healer.listener.watch import Watch
from supervisor_healer.protocol import HEARTBEAT, RING
from supervisor_healer.words import clean, counted

LONGEST_SLEEP = 5.0
RETRY_JOURNAL = 2.0
EVENTS_A_TURN = 64
AFTER_A_BUG = 1.0


def log(text: str) -> None:
    """One line on stderr, where supervisord's `tail` and the listener's stderr_logfile have it."""
    with contextlib.suppress(OSError, ValueError):
        print(time.strftime("%Y-%m-%d %H:%M:%S"), clean(text), file=sys.stderr, flush=True)


def run(architecture_path: str, environ: Mapping[str, str] = os.environ) -> int:
    """Be supervisord's event listener for this architecture until it closes our stdin or sends SIGTERM.

    Returns the exit status: 0 for an orderly end, 2 when it was not started by supervisord.
    """
    try:
        client = SupervisorClient(environ)
    except UnreachableError as error:
        log(f"healer: {error}")
        return 2
    channel = events.EventChannel(*events.claim_streams())
    listener = Listener(architecture_path, channel, client)
    try:
        listener.loop()
    except ProtocolError as error:
        log(f"healer: supervisord's event cannot be read: {error}; supervisord starts us anew")
        return 1
    if listener.told_to_stop:
        # die by the signal: supervisord takes that for unexpected, and starts us again if it was not its own
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
    return 0


class Listener:
    """The loop. Without a usable architecture, or without the journal, it stays up, says why, and acts on nothing."""

    def __init__(self, architecture_path: str, channel: events.EventChannel, client: SupervisorClient) -> None:
        self._path = architecture_path
        self._channel = channel
        self._client = client
        self._publisher = Publisher(time.time(), architecture_path)
        self._watch: Watch | None = None
        self._state = ""
        self._previous: int | None = None
        self._retry_at = float("inf")
        self._heartbeat_at = 0.0
        self._signals: list[int] = []
        self._stumbled = ""
        self._errands = Errands()
        self.told_to_stop = False

    def loop(self) -> None:
        """Serve until the end. Raises ProtocolError if supervisord's events cannot be read any more."""
        wake = self._catch_signals()
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ)
            selector.register(wake, selectors.EVENT_READ)
            selector.register(self._errands, selectors.EVENT_READ)
            self._load(first=True)
            self._channel.start()
            log(f"healer: pid {os.getpid()} watches {self._path}")
            while not self._channel.closed:
                now = probes.read_now()
                ready = selector.select(max(0.0, min(self._next_wake(now) - now.mono, LONGEST_SLEEP)))
                if any(key.fileobj == wake for key, _ in ready):
                    os.read(wake, 4096)
                if signal.SIGTERM in self._signals or signal.SIGINT in self._signals:
                    log("healer: told to stop; what is under way is in the journal and goes on at the next start")
                    self.told_to_stop = True
                    break
                if signal.SIGHUP in self._signals:
                    self._load(first=False)
                self._signals.clear()
                self._receive()
                self._turn_safely()
        if self._watch is not None:
            self._watch.close(probes.read_now())

    def _catch_signals(self) -> int:
        reader, writer = os.pipe()
        for end in (reader, writer):
            os.set_blocking(end, False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _frame: self._signals.append(number))
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        return reader

    def _next_wake(self, now: Now) -> float:
        if self._watch is not None:
            return self._watch.next_wake(now)
        return min(self._heartbeat_at, self._retry_at)

    def _turn_safely(self) -> None:
        """A bug must not end the watch: it is logged, once, and the next turn comes a second later."""
        try:
            self._turn(probes.read_now())
            self._stumbled = ""
        except Exception:
            told = traceback.format_exc()
            if told != self._stumbled:
                self._stumbled = told
                for line in told.splitlines():
                    log(f"healer: bug, please report: {line}")
            time.sleep(AFTER_A_BUG)

    def _turn(self, now: Now) -> None:
        if self._watch is not None:
            self._watch.turn(now)
            return
        if now.mono >= self._retry_at:
            self._load(first=True)
        if now.mono >= self._heartbeat_at:
            self._heartbeat_at = now.mono + HEARTBEAT
            with contextlib.suppress(UnreachableError, ProtocolError):
                for piece in self._publisher.pieces(None, beat=True):
                    self._client.publish(piece)

    # --- supervisord's events --------------------------------------------------------------------------------

    def _receive(self) -> None:
        for _ in range(EVENTS_A_TURN):
            arrived = self._channel.receive()
            if not arrived:
                return
            for event in arrived:
                self._take(event)

    def _take(self, event: events.Event) -> None:
        kind = events.arrival(self._previous, event)
        self._previous = max(self._previous or 0, event.pool_serial)
        watch = self._watch
        if watch is None:
            return
        if kind is events.Arrival.GAP:
            watch.processes_changed()
        match events.meaning(event):
            case events.ProcessStateChanged():
                watch.processes_changed()
            case events.Tick():
                watch.tick()
            case events.Ring(type=kind_of_ring) if kind_of_ring == RING:
                watch.ring()
            case events.SupervisorStopping():
                watch.halt()
            case events.Other() as other if other.lost_change:
                watch.processes_changed()
            case _:
                pass

    # --- the architecture --------------------------------------------------------------------------------------

    def _load(self, *, first: bool) -> None:
        """Read the architecture; a broken one keeps the old one at work, or is waited over until it is mended."""
        self._retry_at = float("inf")
        try:
            architecture = load(self._path)
        except ArchitectureError as error:
            for problem in error.problems:
                log(f"healer: architecture: {problem}")
            if self._watch is not None:
                log("healer: the architecture has errors: going on with the one before")
                self._watch.complain(tuple(map(str, error.problems)), probes.read_now())
            else:
                self._publisher.errors = [clean(str(problem)) for problem in error.problems]
                log("healer: acts on nothing until the architecture is mended; then send SIGHUP")
            return
        if self._watch is not None:
            if architecture.state != self._state:
                log(f"healer: `state` changes to {architecture.state} when the listener is restarted")
            self._watch.adopt(architecture)
            entries = counted(len(architecture.workers), "entry", "entries")
            log(f"healer: {'loaded' if first else 'reloaded'} {self._path}: {entries}")
            return
        self._open(architecture)

    def _open(self, architecture: Architecture) -> None:
        try:
            journal = Journal.open(architecture.state)
        except JournalBusyError as error:
            if [str(error)] != self._publisher.errors:
                log(f"healer: {error}")
            self._publisher.errors = [str(error)]
            self._retry_at = time.monotonic() + RETRY_JOURNAL
            return
        for warning in journal.warnings:
            log(f"healer: {warning}")
        self._state = architecture.state
        self._publisher.errors = []
        hands = Hands(architecture, self._errands, log)
        self._watch = Watch(architecture, self._client, journal, self._publisher, hands, log)
