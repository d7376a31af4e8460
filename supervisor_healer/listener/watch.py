"""One turn of the healer: observe, judge, plan, record, act, publish. Everything that waits is in `main`."""

from __future__ import annotations

import heapq
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from supervisor_healer.architecture.paths import PathError, normalised
from supervisor_healer.core.engine import Engine
from supervisor_healer.core.model import Architecture, Now
from supervisor_healer.core.news import (
    HealRequest,
    MonitorRequest,
    ProcessTable,
    RestoreRequest,
    VerifyRequest,
)
from supervisor_healer.core.orders import (
    Answer,
    Consult,
    Create,
    Decision,
    Note,
    Remember,
    Repair,
    Restore,
    Signal,
    Start,
    Stop,
    Tell,
)
from supervisor_healer.core.pipeline import Pipeline, expand
from supervisor_healer.errors import ProtocolError, UnreachableError
from supervisor_healer.listener import probes
from supervisor_healer.listener.dispatch import Dispatch
from supervisor_healer.listener.hands import Hands
from supervisor_healer.listener.journal import Journal, JournalError, StampedNote
from supervisor_healer.listener.publisher import Publisher
from supervisor_healer.listener.results import bounded
from supervisor_healer.listener.rpc import RefusedError, ShuttingDownError
from supervisor_healer.listener.supervisor_client import SupervisorClient, row_to_process
from supervisor_healer.listener.wire import wire_report
from supervisor_healer.protocol import HEARTBEAT, HISTORY_KEPT, WireRequest
from supervisor_healer.words import counted, render

FIRST_FOLLOW, LONGEST_FOLLOW = 0.005, 0.5  # seconds between two looks at a process that is being stopped or started
TABLE_SHARE = 20  # the process table is read so seldom that it takes no more than a twentieth of the time,
TABLE_SHARE_UNDER_WAY = 4  # ... or a quarter while a stop or start is under way
GLANCES_A_BEAT = 1000  # files, some 5 us each
FEW_FILES = 100
REPORT_HISTORY = 50  # lines
SHORTEST_BEAT = 0.5  # seconds
RETRY_UNREACHABLE = 1.0
RETRY_JOURNAL = 60.0
UNREACHABLE_SAID_AGAIN = 60.0

#: Events of a note that are for the log alone; all others are history.
LOG_ONLY = frozenset({"verdict", "closed"})


class Watch:
    """The healer at work on one architecture. `log` writes one line for a person."""

    def __init__(
        self,
        architecture: Architecture,
        client: SupervisorClient,
        journal: Journal,
        publisher: Publisher,
        hands: Hands,
        log: Callable[[str], None],
    ) -> None:
        self._architecture = architecture
        self._client = client
        self._journal = journal
        self._publisher = publisher
        self._hands = hands
        self._log = log
        self._dispatch = Dispatch(client, log)
        self._addresses: dict[str, list[str]] = {}
        self.engine = Engine(
            _pipeline(architecture, {}), draw=random.Random(os.urandom(16)).random, **_policies(architecture)
        )
        self._report: dict[str, Any] = {}
        self._around_due = True
        self._beat = HEARTBEAT
        self._welcome = False
        self._known = False
        self._table_wanted = True
        self._table_ready_at = 0.0
        self._requests_wanted = True
        self._generation = -1
        self._budget_left: Mapping[str, int] = {}
        self._next_heartbeat = 0.0
        self._next_saving = 0.0
        self._next_journal = 0.0
        self._follow_wait = FIRST_FOLLOW
        self._trouble = ""
        self._trouble_said = float("-inf")
        self._quiet_until = 0.0
        self._complaints: list[str] = []
        publisher.mode = architecture.mode.value

    # --- what the outside says ---------------------------------------------------------------------------------

    def processes_changed(self) -> None:
        """A process changed its state, or events were lost: the table tells what is true now."""
        self._table_wanted = True
        self._follow_wait = FIRST_FOLLOW

    def ring(self) -> None:
        """There may be requests, or an operator's stop: fetch them."""
        self._requests_wanted = self._table_wanted = True

    def tick(self) -> None:
        """supervisord's own beat: answer it with ours."""
        self._next_heartbeat = 0.0

    def halt(self) -> None:
        """supervisord goes down or reloads; its stops are not an operator's, and nothing may be started."""
        self.engine.halt("supervisord is shutting down")
        self._log("supervisord is shutting down: nothing is stopped or started from now on")

    def adopt(self, architecture: Architecture) -> None:
        """Go on with another architecture (SIGHUP)."""
        self._architecture = architecture
        self._complaints = []
        self._publisher.mode = architecture.mode.value
        self._hands.adopt(architecture)
        self._expand(self._addresses)
        self.engine.begin_round("reload")
        self._publisher.begin_anew(self._journal.history("", HISTORY_KEPT))

    def complain(self, problems: Sequence[str], now: Now) -> None:
        """The new architecture is broken and the old one goes on: a person must hear of it."""
        self._complaints = [f"the new architecture is not used: {problem}" for problem in problems]
        text = f"{counted(len(problems), 'error')}, the one before stays in use: {problems[0]}"
        self._write((), [StampedNote(now, Note("", "architecture", text, tuple(problems)))], now)

    # --- one turn ------------------------------------------------------------------------------------------------

    def next_wake(self, now: Now) -> float:
        """The mono moment of the next turn, if nothing happens before."""
        moments = [self.engine.next_wake() if self._known else float("inf"), self._next_heartbeat, self._next_saving]
        moments.append(self._hands.next_wake)
        if self.engine.under_way:
            moments.append(max(now.mono + self._follow_wait, self._table_ready_at))
        if self._table_wanted or self._requests_wanted:
            moments.append(max(self._table_ready_at, self._quiet_until))
        if self._publisher.has_news(self.engine):
            moments.append(max(now.mono, self._quiet_until))
        return min(moments)

    def turn(self, now: Now) -> None:
        """Take in what is new, decide, carry it out, publish.

        Nothing is decided before supervisord has taken our first publication: it refuses a second healer.
        """
        if not self._welcome:
            self._publish(now)
        self._fetch(now)
        for event in self._hands.collect(now):
            self.engine.hear(event, now)
        if self._known and self._welcome:
            self._decide(now)
        self._publish(now)
        self._save(now)

    def _fetch(self, now: Now) -> None:
        if now.mono < self._quiet_until or not self._welcome:
            return
        try:
            if (self._table_wanted or self.engine.under_way) and now.mono >= self._table_ready_at:
                self._fetch_table(now)
            if self._requests_wanted and self._known:
                self._requests_wanted = False
                for request in self._client.take_requests():
                    self._take_request(request, now)
        except (UnreachableError, ProtocolError) as error:
            self._unreachable(error, now)

    def _fetch_table(self, now: Now) -> None:
        began = time.monotonic()
        self._table_wanted = False
        rows = [row for row in self._client.process_table() if not row["listener"]]
        took = time.monotonic() - began
        self._table_ready_at = now.mono + took * TABLE_SHARE
        if self.engine.under_way:
            self._table_ready_at = now.mono + took * TABLE_SHARE_UNDER_WAY
            self._follow_wait = min(LONGEST_FOLLOW, 2 * self._follow_wait)
        addresses: dict[str, list[str]] = {}
        for row in rows:
            addresses.setdefault(row["group"], []).append(row["name"])
        if addresses != self._addresses or not self._known:
            self._expand(addresses)
        if not self._known:
            self._begin(now)
        self.engine.hear(ProcessTable(tuple(map(row_to_process, rows))), now)

    def _expand(self, addresses: dict[str, list[str]]) -> None:
        self._addresses = addresses
        self._beat = _beat(self._architecture)
        pipeline = _pipeline(self._architecture, addresses)
        self._around_due = True
        self.engine.adopt(pipeline, **_policies(self._architecture))
        for name, problem in pipeline.problems.items():
            self._log(f"{name}: {problem}")

    def _begin(self, now: Now) -> None:
        """The first table: only now is it known which workers there are, so that their past can be given back."""
        self._known = True
        before, same_boot = self._former_now()
        self.engine.restore(self._journal.memories(), before, now, same_boot=same_boot)
        lost = "; ".join(self._journal.warnings)
        if before is None and self._budget_left:  # supervisord has known a healer before this one
            lost = lost or "the journal of the healer before is gone"
        if lost:
            self.engine.restrict(now, lost, self._budget_left)
        self._publisher.begin_anew(self._journal.history("", HISTORY_KEPT))

    def _former_now(self) -> tuple[Now | None, bool]:
        wall, mono = self._journal.get_meta("wall"), self._journal.get_meta("mono")
        if not wall or not mono:
            return None, False
        boot = probes.boot_id()
        return Now(float(wall), float(mono)), bool(boot) and self._journal.get_meta("boot") == boot

    def _take_request(self, request: WireRequest, now: Now) -> None:
        if self._publisher.knows(request["id"]):
            return
        self._publisher.take(request["id"])
        number, name = request["id"], request["name"]
        match request["verb"]:
            case "heal":
                self.engine.hear(HealRequest(number, name, request["dry_run"], request["force"]), now)
            case "verify":
                self.engine.hear(VerifyRequest(number), now)
            case "restore":
                self.engine.hear(RestoreRequest(number, self._within_root(name)), now)
            case verb:
                seconds = request["seconds"] if verb == "unmonitor" else None
                self.engine.hear(MonitorRequest(number, name, seconds), now)

    def _within_root(self, path: str) -> str:
        """A path as the architecture has it, however a person has typed it."""
        try:
            return normalised(path, self._architecture.root)
        except PathError:
            return path

    # --- decisions ---------------------------------------------------------------------------------------------------

    def _decide(self, now: Now) -> None:
        while paths := self.engine.wanted(now):
            self.engine.see(self._hands.look(self.engine, paths, now), now)
        beat = now.mono >= self._next_heartbeat
        if beat:
            self._glance(now)
        decisions = self.engine.decide(now)
        self._record(decisions, now)
        self._report_on(now, beat=beat)
        for decision in decisions:
            if isinstance(decision, Tell):
                self._publisher.tell(decision, now)
            elif isinstance(decision, Answer):
                self._publisher.answer(decision, now)
                self._next_heartbeat = now.mono  # who asked shall see all of what was looked at for it
        for decision in decisions:
            match decision:
                case Stop() | Start() | Signal():
                    self._give(decision, now)
                case Create() | Repair() | Restore():
                    self._hands.mend(decision)
                case Consult():
                    self._hands.consult(self._report, now)
                case _:
                    pass

    def _report_on(self, now: Now, *, beat: bool) -> None:
        """Pass a new report on, and what has changed about consumers and files apart."""
        report = self.engine.take_report()
        if report is not None:
            self._report = wire_report(report, self._journal.history("", REPORT_HISTORY))
            self._publisher.report(bounded(self._report))
            self._hands.write_results(self._report, now)
        if report is not None or beat or self._around_due:
            self._around_due = False
            self._publisher.around(*self.engine.look_around(now))

    def _glance(self, now: Now) -> None:
        """No decision needs these looks: they keep true, to a heartbeat, the ages that people read."""
        tracks = self.engine.tracks
        looked = {
            path: track.looked.mono for path, track in tracks.items() if track.looked and not track.spec.is_pattern
        }
        old = [path for path, moment in looked.items() if now.mono - moment >= self._beat / 2]
        paths = heapq.nsmallest(GLANCES_A_BEAT, old, key=looked.__getitem__)
        self.engine.see(self._hands.look(self.engine, paths, now), now)

    def _record(self, decisions: Sequence[Decision], now: Now) -> None:
        """Log, and write to the journal before anything is done."""
        notes = [decision for decision in decisions if isinstance(decision, Note)]
        for note in notes:
            self._log(render(f"{note.worker or 'healer'}: {note.event}: {note.text}", now.mono))
        kept = [StampedNote(now, note) for note in notes if note.event not in LOG_ONLY]
        items = [decision for decision in decisions if isinstance(decision, Remember)]
        if items or kept:
            self._write(items, kept, now)

    def _write(self, items: Sequence[Remember], notes: Sequence[StampedNote], now: Now) -> None:
        meta = {"boot": probes.boot_id(), "wall": repr(now.wall), "mono": repr(now.mono)}
        try:
            written = self._journal.remember(items, notes, meta)
        except JournalError as error:
            self._log(f"healer: journal: {error}")
            self._next_journal = now.mono + RETRY_JOURNAL
            self.engine.restrict(now, str(error))
            if not self._journal.degraded:
                return  # not the disk's fault: these items cannot be stored, and would not be the next time either
            written = self._journal.remember(items, notes, meta)  # in memory now
        self._publisher.note(written)

    def _give(self, order: Stop | Start | Signal, now: Now) -> None:
        """Give one order. What comes of a stop or a start is seen in the process table, which is read right after."""
        if not isinstance(order, Signal):
            self._table_wanted, self._table_ready_at, self._follow_wait = True, 0.0, FIRST_FOLLOW
        patient = self.engine.patients.get(order.worker)
        process = None if patient is None else patient.process
        try:
            failed = self._dispatch.give(order, process.start if process else 0.0)
        except (UnreachableError, ProtocolError) as error:
            self._unreachable(error, now)
            return
        if failed is not None:
            self.engine.hear(failed, now)

    # --- publishing and saving --------------------------------------------------------------------------------------

    def _publish(self, now: Now) -> None:
        beat = now.mono >= self._next_heartbeat
        if now.mono < self._quiet_until or not (beat or self._publisher.has_news(self.engine)):
            return
        self._publisher.warnings = [*self._complaints, *self._journal.warnings, *self._hands.problems()]
        self._publisher.restarts_left = self.engine.host_left(now) if self._known else -1
        self._publisher.loaded = self._known and bool(self.engine.verdicts or not self.engine.patients)
        try:
            for piece in self._publisher.pieces(self.engine if self._known else None, beat=beat):
                answer = self._client.publish(piece)
                self._welcome = True
                self._budget_left = answer["budget_left"] or self._budget_left
                if answer["generation"] != self._generation:
                    self._table_wanted = True
                    self._generation = answer["generation"]
                if answer["requests"]:
                    self._requests_wanted = self._requests_wanted or beat
            self._next_heartbeat = now.mono + self._beat
            if self._trouble:
                self._log("healer: supervisord answers again")
                self._trouble = ""
        except (UnreachableError, ProtocolError) as error:
            self._unreachable(error, now)

    def _unreachable(self, error: Exception, now: Now) -> None:
        """Say so, at most once a minute while it stays the same, and try again in a second."""
        self._quiet_until = now.mono + RETRY_UNREACHABLE
        self._next_heartbeat = self._quiet_until
        self._table_wanted = self._requests_wanted = True
        if isinstance(error, ShuttingDownError):
            self.engine.halt("supervisord is shutting down")
            return
        if isinstance(error, RefusedError):
            self._welcome = False
        if str(error) != self._trouble or now.mono - self._trouble_said >= UNREACHABLE_SAID_AGAIN:
            self._trouble, self._trouble_said = str(error), now.mono
            self._log(f"healer: {error}")

    def _save(self, now: Now) -> None:
        """What is known of the files, once a cycle: a healer that starts later goes on from there."""
        if not self._known or now.mono < self._next_saving:
            return
        self._next_saving = now.mono + self._architecture.cycle
        if self._journal.degraded and now.mono >= self._next_journal:
            self._next_journal = now.mono + RETRY_JOURNAL
            if self._journal.reopen():
                self._log("healer: the journal can be written again")
        self._write(self.engine.file_memories(), (), now)

    def close(self, now: Now) -> None:
        """Write what is known, and let go of the journal and the connection."""
        if self._known:
            self._write(self.engine.file_memories(), (), now)
        self._journal.close()
        self._hands.close()
        self._client.close()


def _pipeline(architecture: Architecture, addresses: Mapping[str, Sequence[str]]) -> Pipeline:
    """The architecture with one worker for each of supervisord's processes (group -> process names)."""
    expansion = expand(architecture.workers, architecture.files, addresses)
    return Pipeline(expansion, root=architecture.root, consumers=architecture.consumers, configs=architecture.configs)


def _policies(architecture: Architecture) -> dict[str, Any]:
    """What the engine goes by besides the pipeline."""
    return {
        "mode": architecture.mode,
        "cycle": architecture.cycle,
        "restarts_overall": architecture.restarts_overall,
        "has_components": bool(architecture.component_healers),
    }


def _beat(architecture: Architecture) -> float:
    """Seconds between two heartbeats: short where limits are short and files few, so that no age reads absurdly."""
    shortest = min((spec.max_age for spec in architecture.files.values() if spec.max_age), default=HEARTBEAT)
    if len(architecture.files) > FEW_FILES:
        return HEARTBEAT
    return min(HEARTBEAT, max(SHORTEST_BEAT, shortest / 4))
