"""The healer's process in the simulated world: the real core, taking its turns as the listener does.

It wakes when `next_wake` says so or when an event comes, writes its memories down as JSON text before it acts on
them, and can be killed at any decision; another one goes on with what was written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from supervisor_healer.core.engine import Engine
from supervisor_healer.core.model import Now
from supervisor_healer.core.news import (
    Event,
    HealRequest,
    MonitorRequest,
    ProcessTable,
    RestoreRequest,
    VerifyRequest,
)
from supervisor_healer.core.orders import (
    Answer,
    Decision,
    Note,
    Remember,
    Start,
    Stop,
    Tell,
)
from supervisor_healer.core.pipeline import Pipeline
from supervisor_healer.simulation.chronicle import Chronicle, Errand
from supervisor_healer.simulation.disk import Disk
from supervisor_healer.simulation.host import Host
from supervisor_healer.simulation.promises import CLOCKS_APART, OVERSLEPT, Promises
from supervisor_healer.simulation.store import Store
from supervisor_healer.simulation.timeline import Timeline

Request = HealRequest | MonitorRequest | VerifyRequest | RestoreRequest

UNREACHABLE_PAUSE = 1.0  # seconds until supervisord is asked again after a call that failed
TICK = 5.0  # seconds between two of supervisord's beats, at which lost events are made up for
FOLLOW = 0.5  # seconds, the same while a stop or start is under way


@dataclass
class Line:
    """The way between supervisord and the healer, and how it fails: so many further events or calls."""

    lose_events: int = 0
    delay_events: float = 0.0  # seconds
    double_events: int = 0
    lose_orders: int = 0
    lose_answers: int = 0  # the order is carried out, and the healer never hears of it
    latency: float = 0.0  # seconds that a call takes
    deaf: bool = False  # nothing at all comes through


class Healer:
    """`policies` are the engine's; `carry_out` runs the errands; `look` shows a file, and its ground where asked."""

    def __init__(
        self,
        time: Timeline,
        disk: Disk,
        host: Host,
        promises: Promises,
        draw: Callable[[], float],
        carry_out: Callable[[Errand], None],
        look: Callable[[str, bool], Any] | None = None,
    ) -> None:
        self._time, self._host, self._promises = time, host, promises
        self._draw, self._carry_out = draw, carry_out
        self._look = look or (lambda path, with_ground: disk.look(path, with_ground=with_ground))
        self.engine: Engine | None = None
        self.chronicle = Chronicle()
        self.store = Store()
        self.line = Line()
        self.inbox: list[Event] = []
        self.due = float("inf")  # mono
        self.lives = 0
        self.turns = 0
        self.looks: Counter[str] = Counter()
        self.kill_when: Callable[[Decision], bool] | None = None
        self.kill_before = True
        self.killed_at: Callable[[], None] = lambda: None  # what follows a death at a decision
        self.concluded: Callable[[str], None] = lambda _: None
        self.eager = 0.0
        self._blocked_until = 0.0
        self._next_saving = 0.0
        self._cycle = 60.0
        self._last: Now | None = None
        self._asked = float("inf")
        self._resync_due = False
        self._open: dict[str, Request] = {}  # what supervisord keeps for the next healer until it is answered

    # --- its life ------------------------------------------------------------------------------------------------

    def begin(self, pipeline: Pipeline, policies: Mapping[str, Any], *, same_boot: bool = True) -> None:
        """A healer starts: with what the journal knows, and the whole process table."""
        self.lives += 1
        self._cycle = policies["cycle"]
        self.engine = Engine(pipeline, draw=self._draw, **policies)
        now = self._time.now
        if self.store.texts:
            self.engine.restore(self.store.memories(), self.store.seen_alive, now, same_boot=same_boot)
        if lost := self.store.failing or self.store.damaged:
            self.engine.restrict(now, lost, self._promises.restarts_left())
            self.store.damaged = ""
            self._promises.forgotten()
        self.inbox = [self._host.table(), *self._open.values()]
        self._resync_due = False
        self._last, self._asked, self._blocked_until = None, float("inf"), 0.0
        self.due = self._time.mono

    def kill(self, *, orderly: bool = False) -> None:
        """It is gone; an orderly one writes down first what it knows of files."""
        if self.engine is not None and orderly:
            self.store.write(list(self.engine.file_memories()), self._time.now)
        if self.store.unsaved:
            self.store.unsaved.clear()
            self._promises.forgotten()
        self.engine = None
        self.inbox = []
        self.due = float("inf")

    @property
    def life(self) -> int:
        """Which healer this is; 0: there is none."""
        return self.lives if self.engine is not None else 0

    @property
    def next_turn(self) -> float:
        """When (mono) it takes its next turn."""
        if self.engine is None:
            return float("inf")
        wanted = self._time.mono if self.inbox else self.due
        return max(self._time.mono, self._blocked_until, wanted)

    @property
    def hears_all(self) -> bool:
        """Whether every event has reached it, as far as it lives."""
        line = self.line
        return not (line.deaf or line.lose_events or line.delay_events or self._resync_due)

    # --- what it hears -------------------------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """Something for the healer, at once and surely."""
        if self.engine is not None and not self.line.deaf:
            self.inbox.append(event)
            if isinstance(event, Request):
                self._open[event.id] = event

    def forget_requests(self) -> None:
        """supervisord, who keeps them, is gone."""
        for request in self._open:
            self._promises.heal_answered(request)
        self._open.clear()

    def ring(self, event: Event) -> None:
        """An event of supervisord's, by a line on which events get lost, doubled and late."""
        line = self.line
        if self.engine is None or line.deaf:
            return
        if line.lose_events:
            line.lose_events -= 1
            self._resync(FOLLOW if self.engine.under_way else TICK)
        elif line.delay_events:
            self._resync(line.delay_events)
        else:
            self.inbox.append(event)
            if line.double_events:
                line.double_events -= 1
                self.inbox.append(event)

    def _resync(self, after: float) -> None:
        """The whole table, as it is then: an event only rings."""
        if self._resync_due:
            return
        self._resync_due = True
        life = self.lives

        def whole() -> None:
            if life == self.lives:
                self._resync_due = False
                self.hear(self._host.table())

        self._time.after(after, whole)

    # --- one turn ------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Observe, judge, plan, record, act."""
        engine = self.engine
        assert engine is not None
        self.turns += 1
        now = self._time.now
        events, self.inbox = self.inbox, []
        distrust = self._distrust(now)
        for event in events:
            engine.hear(event, now)
            if isinstance(event, ProcessTable):
                self._promises.table_heard(event)
        if self.eager:
            engine.examine_all()
        while paths := engine.wanted(now):
            self._see(engine, paths, now)
        if self.eager:
            self._see(engine, tuple(engine.tracks), now)
        decisions = engine.decide(now)
        self._promises.decided(decisions, distrust)
        if self._execute_all(engine, decisions, now):
            return
        if self._time.mono >= self._next_saving:
            self._next_saving = self._time.mono + self._cycle
            self._record(list(engine.file_memories()), now)
        for name in engine.take_concluded():
            self.concluded(name)
        self.due = engine.next_wake()
        if self.eager:
            self.due = min(self.due, (int(self._time.mono / self.eager + 1e-6) + 1) * self.eager)
        self._last, self._asked = now, self.due

    def _see(self, engine: Engine, paths: Sequence[str], now: Now) -> None:
        asked = engine.grounds(paths, now)
        self.looks.update(paths)
        engine.see({path: self._look(path, path in asked) for path in paths}, now)

    def _distrust(self, now: Now) -> str:
        if self._last is None:
            return ""
        apart = (now.wall - self._last.wall) - (now.mono - self._last.mono)
        if abs(apart) > CLOCKS_APART:
            return f"the clocks have moved {apart:.0f}s apart"
        late = now.mono - max(self._asked, self._last.mono)
        return f"the healer woke {late:.0f}s too late" if late > OVERSLEPT else ""

    def _execute_all(self, engine: Engine, decisions: Sequence[Decision], now: Now) -> bool:
        """Record, answer, order; whether it was killed on the way."""
        record = [one for one in decisions if isinstance(one, Remember | Note)]
        answers = [one for one in decisions if isinstance(one, Tell | Answer)]
        if (report := engine.take_report()) is not None:
            self.chronicle.reports.append(report)
        orders: list[list[Decision]] = [
            [one] for one in decisions if not isinstance(one, Remember | Note | Tell | Answer)
        ]
        batches: tuple[Sequence[Decision], ...] = (record, answers, *orders)
        for batch in batches:  # the journal takes a turn's record as a whole, or not at all
            fatal = self.kill_when is not None and any(map(self.kill_when, batch))
            if not (fatal and self.kill_before):
                self._execute(batch, now)
            if fatal:
                self.kill_when = None
                self.kill()
                self.killed_at()
                return True
        return False

    def _record(self, items: Sequence[Remember], now: Now) -> None:
        if (failed := self.store.write(items, now)) and self.engine is not None and items:
            self.engine.restrict(now, failed)

    def _execute(self, batch: Sequence[Decision], now: Now) -> None:
        self._record([one for one in batch if isinstance(one, Remember)], now)
        elapsed = self._time.elapsed
        for decision in batch:
            match decision:
                case Remember():
                    pass
                case Note():
                    self.chronicle.history.append((elapsed, decision))
                    self._promises.noted(decision)
                case Tell():
                    self.chronicle.told[decision.request].append(decision.text)
                case Answer():
                    self.chronicle.answers[decision.request] = decision
                    self._promises.heal_answered(decision.request)
                    self._open.pop(decision.request, None)
                case Stop() | Start():
                    self.chronicle.orders.append((elapsed, decision))
                    self._call(decision)
                case _:
                    self.chronicle.errands.append((elapsed, decision))
                    self._carry_out(decision)

    def _call(self, order: Stop | Start) -> None:
        line = self.line
        self._promises.ordered(order)
        if line.lose_orders:
            line.lose_orders -= 1
            self._resync(UNREACHABLE_PAUSE)
        elif line.lose_answers:
            line.lose_answers -= 1
            line.lose_events += 2
            self._host.take(order)
            self._resync(UNREACHABLE_PAUSE)
        elif line.latency:
            self._blocked_until = self._time.mono + line.latency
            self._time.after(line.latency, lambda: self._host.take(order))
        else:
            self._host.take(order)
