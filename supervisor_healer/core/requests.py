"""What an operator's `heal` leads to, worker by worker, and when it is answered.

A request stays open until its outcome is known: it may join a restart that is under way, wait for a relative's,
or be refused for now. `heal all` takes roots first and judges what they blocked afterwards, by the ordinary rules, so
that one incident at the head of a chain costs one restart also when a person asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from supervisor_healer.core.diagnosis import Judgement
from supervisor_healer.core.model import Answer, HealRequest, Health, Note, Now, Tell

if TYPE_CHECKING:
    from supervisor_healer.core.engine import Engine

OK, FAILED, USAGE, REFUSED = 0, 1, 2, 75
WORST_FIRST = (USAGE, FAILED, REFUSED, OK)

#: States in which there is nothing to heal.
FINE = frozenset({Health.HEALTHY, Health.IDLE, Health.LATE, Health.STARTING})


@dataclass(slots=True)
class Ticket:
    """An open request: the workers it still waits for, what became of the others, and whom it restarted."""

    request: HealRequest
    members: list[str]
    results: dict[str, tuple[int, str]] = field(default_factory=dict)
    acted: set[str] = field(default_factory=set)
    told: dict[str, str] = field(default_factory=dict)

    @property
    def everyone(self) -> bool:
        """Whether it is `heal all`."""
        return self.request.worker == "all"

    @property
    def open(self) -> list[str]:
        """Members without an outcome yet."""
        return [name for name in self.members if name not in self.results]


class HealDesk:
    """Takes `heal` requests and serves them at each turn; every id acts once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tickets: dict[str, Ticket] = {}
        self.is_due = False

    def take(self, request: HealRequest) -> None:
        """A request, perhaps one that a former life had in hand already."""
        engine = self._engine
        if request.id in self._tickets:
            return
        if request.worker != "all" and request.worker not in engine.patients:
            engine.emit(Answer(request.id, USAGE, f"no worker {request.worker}"))
            return
        members = (
            [request.worker]
            if request.worker != "all"
            else sorted(engine.patients, key=engine.pipeline.rank.__getitem__)
        )
        ticket = Ticket(request, members)
        for name in members:
            memory = engine.patients[name].memory
            if request.id in memory.answered:
                status, reason = memory.answered[request.id]
                ticket.results[name] = (int(status), str(reason))
            elif memory.attempt is not None and request.id in memory.attempt.requests:
                ticket.acted.add(name)
        self._tickets[request.id] = ticket
        self.is_due = True

    def concerns(self) -> set[str]:
        """The workers that somebody waits for."""
        return {name for ticket in self._tickets.values() for name in ticket.open}

    def outcome(self, request: str, worker: str, status: int, reason: str) -> None:
        """An attempt that this request waited for has ended."""
        ticket = self._tickets.get(request)
        if ticket is not None:
            ticket.results.setdefault(worker, (status, reason))
            self.is_due = True

    def step(self, request: str, worker: str, text: str) -> None:
        """A step of an attempt that this request waits for."""
        ticket = self._tickets.get(request)
        everyone = ticket is not None and ticket.everyone
        self._engine.emit(Tell(request, f"{worker}: {text}" if everyone else text))

    def serve(self, now: Now) -> None:
        """Take every open request as far as it goes now."""
        self.is_due = False
        for ticket in list(self._tickets.values()):
            for name in list(ticket.open):
                if name not in self._engine.patients:
                    ticket.results[name] = (USAGE, f"{name} is no longer in the architecture")
                else:
                    self._serve(ticket, name, now)
            if not ticket.open:
                self._finish(ticket)

    def _finish(self, ticket: Ticket) -> None:
        del self._tickets[ticket.request.id]
        if not ticket.everyone:
            status, reason = ticket.results[ticket.request.worker]
        else:
            found = {status for status, _ in ticket.results.values()}
            status = next((status for status in WORST_FIRST if status in found), OK)
            reason = "; ".join(
                f"{name}: {why}" for name, (_, why) in ticket.results.items() if name in ticket.acted or _
            )
            reason = reason or "nothing to heal"
        self._engine.emit(Answer(ticket.request.id, status, reason))

    def _serve(self, ticket: Ticket, name: str, now: Now) -> None:
        engine, request = self._engine, ticket.request
        patient = engine.patients[name]
        state = engine.state(name)
        if ticket.everyone and name not in ticket.acted and state in (Health.STOPPED, Health.UNMONITORED):
            ticket.members.remove(name)
            return
        attempt = patient.memory.attempt
        if attempt is not None:
            self._join(ticket, name)
            return
        judged = engine.diagnosis.judge(patient, now, operator=True)
        if judged.state in FINE:
            self._fine(ticket, name, judged)
        elif judged.state in (Health.UNKNOWN, Health.STOPPED):
            self._refuse(ticket, name, f"{judged.state}: {judged.reason}")
        elif judged.not_fresh and not request.force:
            self._blocked(ticket, name, judged)
        elif ticket.everyone and engine.judged(name).state is Health.CATCHING_UP:
            self._tell(ticket, name, f"waits whether it catches up by itself: {engine.judged(name).reason}")
        else:
            self._act(ticket, name, judged, now)

    def _join(self, ticket: Ticket, name: str) -> None:
        engine, request = self._engine, ticket.request
        attempt = engine.patients[name].memory.attempt
        assert attempt is not None
        stage = attempt.stage.value
        if request.dry_run:
            ticket.results[name] = (OK, f"a restart is under way already ({stage}): {attempt.reason}")
        elif request.id not in attempt.requests:
            if not engine.patients[name].under_way and engine.judged(name).not_fresh:
                waits = ", ".join(engine.judged(name).not_fresh)
                self._refuse(ticket, name, f"restarted already; waits for {waits} before new output can prove it")
                return
            attempt.requests.append(request.id)
            ticket.acted.add(name)
            engine.touch(name)
            self._tell(ticket, name, f"joins the restart that is under way ({stage}): {attempt.reason}")

    def _fine(self, ticket: Ticket, name: str, judged: Judgement) -> None:
        engine = self._engine
        budget = engine.patients[name].memory.budget
        said = f"{judged.state}: {judged.reason}"
        if budget.quarantine is not None and not ticket.request.dry_run:
            budget.release()
            engine.touch(name)
            engine.emit(Note(name, "released", "released from quarantine by an operator"))
            said += "; released from quarantine"
        ticket.results[name] = (OK, said)

    def _blocked(self, ticket: Ticket, name: str, judged: Judgement) -> None:
        """Its inputs are not fresh: refused for now; among `all` it waits while somebody upstream may be healed."""
        engine = self._engine
        roots, _ = engine.roots(name)
        said = f"{judged.state} by {', '.join(roots or judged.not_fresh)}: {judged.reason}"
        if ticket.request.dry_run:
            ticket.results[name] = (OK, f"would not restart it; {said}")
        elif ticket.everyone and not engine.pipeline.ancestors(name).isdisjoint(ticket.open):
            self._tell(ticket, name, f"waits for {', '.join(roots or judged.not_fresh)}")
        else:
            self._refuse(ticket, name, said)

    def _act(self, ticket: Ticket, name: str, judged: Judgement, now: Now) -> None:
        engine, request = self._engine, ticket.request
        refusal = engine.refusal(name, now, operator=True)
        forced = request.force and bool(judged.not_fresh)
        inputs = f"although {', '.join(judged.not_fresh)} is not fresh" if forced else "every required input is fresh"
        if request.dry_run:
            said = f"would not restart it now: {refusal}" if refusal else f"would restart it: {judged.reason}; {inputs}"
            ticket.results[name] = (OK, said)
        elif refusal.endswith("is being restarted"):
            self._tell(ticket, name, f"waits: {refusal}")
        elif refusal:
            self._refuse(ticket, name, refusal)
        else:
            ticket.acted.add(name)
            engine.patients[name].memory.budget.release()
            engine.begin(name, now, judged=judged, request=request.id, forced=forced)

    def _refuse(self, ticket: Ticket, name: str, why: str) -> None:
        if ticket.request.dry_run:
            ticket.results[name] = (OK, f"would not restart it; {why}")
            return
        ticket.results[name] = (REFUSED, why)
        self._engine.emit(Note(name, "refused", f"heal asked for by an operator: {why}"))

    def _tell(self, ticket: Ticket, name: str, text: str) -> None:
        if ticket.told.get(name) != text:
            ticket.told[name] = text
            self._engine.emit(Tell(ticket.request.id, f"{name}: {text}" if ticket.everyone else text))
