"""The one memory that all namespaces in this supervisord share, and the events that keep it true.

The factories run once per HTTP server, before supervisord daemonizes, and again after a `reload`, in the same
interpreter but with a new supervisord object, after all subscriptions were cleared. So the memory belongs to the
supervisord object: a new one begins a new life, in which nothing of the old one is believed.
"""

from __future__ import annotations

import contextlib
import traceback
from collections import Counter
from typing import Any

from supervisor import events

from supervisor_healer import words
from supervisor_healer.protocol import RING, Order, OrderAnswer, ProcessRow, Publication, PublishAnswer, SignalOrder
from supervisor_healer.supervisord import processes
from supervisor_healer.supervisord.attendance import Attendance
from supervisor_healer.supervisord.operators import OperatorStops
from supervisor_healer.supervisord.published import Published
from supervisor_healer.supervisord.requests import RequestBook


class State:
    """What is known in one life of a supervisord object."""

    def __init__(self, supervisord: Any, generation: int) -> None:
        self.supervisord = supervisord
        self.published = Published()
        self.requests = RequestBook()
        self.operators = OperatorStops()
        self.attendance = Attendance(supervisord)
        self.generation = generation
        self._complained: set[str] = set()
        self._budget_left: dict[str, int] = {}  # of the last listener that knew it and is gone
        self._starts: Counter[str] = Counter()  # address -> the listener's starts since it published last

    def subscribe(self) -> None:
        """Follow the process table. An exception in a callback would kill supervisord: none leaves these."""
        events.subscribe(events.ProcessStateEvent, self._on_process_state)
        events.subscribe(events.ProcessGroupEvent, self._on_process_group)

    def publish(self, news: Publication) -> PublishAnswer:
        """Take in a checked publication. Raises ProtocolError, and changes nothing, if its sender is not welcome."""
        self.expire()
        before = self.attendance.news
        self.attendance.announce(news["listener"], full=news["full"])
        left: dict[str, int] = {}
        if before is not None and before["pid"] != news["listener"]["pid"]:
            if before["loaded"]:  # else it died before it knew, and the one before it counts
                self._budget_left = {
                    name: max(0, worker["budget_left"] - self._starts[worker["address"]])
                    for name, worker in self.published.workers.items()
                }
                self._budget_left[""] = max(0, before["restarts_left"] - self._starts.total())
            left = self._budget_left
        self._starts.clear()
        self.published.merge(news)
        self.requests.progress(news["requests"], news["listener"]["pid"])
        return {"requests": self.requests.count_open(), "generation": self.generation, "budget_left": left}

    def expire(self) -> None:
        """End the requests that have waited too long. Looked at before every use: no timer runs in here."""
        self.requests.expire(self.attendance.now(), self.attendance.gone_for())

    def reap(self) -> None:
        """Notice children that have died: an idle supervisord looks only once a second."""
        self.supervisord.reap()

    def ring(self) -> None:
        """Tell the listener to fetch. The event carries nothing, so that a late or doubled one does no harm."""
        try:
            events.notify(events.RemoteCommunicationEvent(RING, ""))
        except Exception:
            self.complain("ringing for the listener")

    def operator_stops(self, meant: list[Any]) -> None:
        """A person stops these processes; note those whom Supervisor will only answer "not running"."""
        down = [
            process for process in meant if not processes.is_listener(process) and not processes.is_running(process)
        ]
        news = [process for process in down if self.operators.note(processes.address_of(process))]
        if news:
            self.generation += 1
            self.ring()

    def operator_starts(self, meant: list[Any]) -> None:
        """A person starts these processes: a stop noted before holds no longer, even where Supervisor refuses to start.

        It refuses while our own stop is under way; the healer's start that follows is then what was asked for.
        """
        if [process for process in meant if self.operators.withdraw(processes.address_of(process))]:
            self.generation += 1
            self.ring()

    def rows(self) -> list[ProcessRow]:
        """The process table."""
        return processes.rows(self.supervisord, self.operators)

    def stop(self, order: Order) -> OrderAnswer:
        """The listener's stop."""
        return processes.stop(self.supervisord, self.operators, order)

    def start(self, order: Order) -> OrderAnswer:
        """The listener's start. It is counted here too: the listener may die before it publishes what it has used."""
        answer = processes.start(self.supervisord, self.operators, order)
        if answer["outcome"] == "accepted":
            self._starts[order["address"]] += 1
        return answer

    def signal(self, order: SignalOrder) -> OrderAnswer:
        """The listener's signal."""
        return processes.signal(self.supervisord, self.operators, order)

    def process_at(self, address: str) -> Any | None:
        """supervisord's process with this ``group:name``, or None."""
        return processes.find(self.supervisord, address)

    def complain(self, doing: str) -> None:
        """Log the exception at hand, once for each thing that was being done; no line looks like supervisord's own."""
        if doing not in self._complained:
            self._complained.add(doing)
            told = "".join(f"\n  {words.clean(line)}" for line in traceback.format_exc().split("\n"))
            with contextlib.suppress(Exception):
                self.supervisord.options.logger.warn(f"supervisor_healer: {doing} failed:{told}")

    def _on_process_state(self, event: Any) -> None:
        try:
            if isinstance(event, events.ProcessStateStartingEvent) and self.operators.forget(
                processes.address_of(event.process)
            ):
                self.generation += 1
            self.attendance.process_changed(event.process)
        except Exception:
            self.complain("following a process")

    def _on_process_group(self, event: Any) -> None:
        try:
            self.operators.forget_group(str(event.group))
            self.generation += 1
        except Exception:
            self.complain("following a process group")


class _Life:
    """The state of the supervisord object that lives now."""

    state: State | None = None


def shared(supervisord: Any) -> State:
    """The state of this supervisord object, made and subscribed when it is first asked for."""
    state = _Life.state
    if state is None or state.supervisord is not supervisord:
        state = _Life.state = State(supervisord, state.generation + 1 if state else 0)
        state.subscribe()
    return state
