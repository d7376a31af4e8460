"""What an operator's `heal` leads to, worker by worker, and when it is answered.

A request stays open until its outcome is known: it may join a restart that is under way, wait for a relative's,
or be refused for now. `heal all` takes roots first and judges what they blocked afterwards, by the ordinary rules, so
that one incident at the head of a chain costs one restart also when a person asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from supervisor_healer.core.account import Account
from supervisor_healer.core.diagnosis import FINE, Judgement
from supervisor_healer.core.memory import Attempt
from supervisor_healer.core.model import Health, Now
from supervisor_healer.core.news import HealRequest, VerifyRequest
from supervisor_healer.core.orders import DONE, FAILED, REFUSED, USAGE, Answer, Tell
from supervisor_healer.core.record import Record
from supervisor_healer.core.triage import Triage
from supervisor_healer.core.upkeep import Upkeep
from supervisor_healer.core.ward import Ward
from supervisor_healer.words import counted, listed

WORST_FIRST = (USAGE, FAILED, REFUSED, DONE)
REHEARSAL = "dry run"  # the cause of a round in which everything is looked at, and nothing mended


class Rounds(Protocol):
    """The healing cycle, as far as requests have to do with it."""

    completed: int

    def ask(self, cause: str, *, mends: bool) -> int:
        """Begin one as soon as may be; the number that `completed` has when it is over."""


class Begin(Protocol):
    """Begins an attempt on one worker, for a request."""

    def __call__(self, name: str, now: Now, *, judged: Judgement, request: str, forced: bool) -> None:
        """Begin it; `judged` are the grounds, `forced` says that the inputs were ignored."""


@dataclass(slots=True)
class Ticket:
    """An open request: whom it still waits for, what became of the others, and with whom it has done anything.

    `round`: the healing cycle, by number, that it has asked for; 0 none. `heal all` is answered when that is over.
    `remark`: what is to be said besides.
    """

    request: HealRequest
    waiting: dict[str, None]
    results: dict[str, tuple[int, str]] = field(default_factory=dict)
    acted: set[str] = field(default_factory=set)
    round: int = 0
    told: dict[str, str] = field(default_factory=dict)
    remark: str = ""

    @property
    def everyone(self) -> bool:
        """Whether it is `heal all`."""
        return self.request.worker == "all"

    def is_over(self, completed: int) -> bool:
        """Whether it can be answered, when so many rounds are over."""
        return not self.waiting and not (self.everyone and self.round > completed)

    def settle(self, name: str, status: int, reason: str) -> None:
        """What became of this worker."""
        self.waiting.pop(name, None)
        self.results[name] = (status, reason)

    def answer(self) -> Answer:
        """The end: of several workers the worst, and what there is to say of each."""
        if not self.everyone:
            return Answer(self.request.id, *self.results[self.request.worker])
        found = {status for status, _ in self.results.values()}
        worst = next((status for status in WORST_FIRST if status in found), DONE)
        said = [
            f"{name}: {why}" for name, (status, why) in self.results.items() if status != DONE or name in self.acted
        ]
        said = [*(said or ["nothing to heal"]), *([self.remark] if self.remark else [])]
        return Answer(self.request.id, worst, "; ".join(said))


class HealDesk:
    """Takes `heal` requests and serves them at each turn; every id acts once."""

    def __init__(self, ward: Ward, triage: Triage, upkeep: Upkeep, record: Record) -> None:
        self._ward = ward
        self._triage = triage
        self._upkeep = upkeep
        self._account = Account(ward, upkeep)
        self._record = record
        self._tickets: dict[str, Ticket] = {}
        self._verifying: dict[str, int] = {}
        self.round: Rounds

    @property
    def is_due(self) -> bool:
        """Whether an answer is ready to be given."""
        over = self.round.completed
        return any(ticket.is_over(over) for ticket in self._tickets.values()) or any(
            number <= over for number in self._verifying.values()
        )

    def waits_for(self, name: str) -> bool:
        """Whether somebody has asked for this worker and has no answer yet."""
        return any(name in ticket.waiting for ticket in self._tickets.values())

    def take(self, request: HealRequest) -> None:
        """A request, perhaps one that a former life had in hand already."""
        patients = self._ward.patients
        if request.id in self._tickets:
            return
        if request.worker != "all" and request.worker not in patients:
            self._record.add(Answer(request.id, USAGE, f"no worker {request.worker}"))
            return
        members = [request.worker]
        if request.worker == "all":
            members = sorted(patients, key=self._ward.pipeline.rank.__getitem__)
        ticket = self._tickets[request.id] = Ticket(request, dict.fromkeys(members))
        for name in members:
            memory = patients[name].memory
            if request.id in memory.answered:
                status, reason = memory.answered[request.id]
                ticket.settle(name, int(status), str(reason))
            elif memory.attempt is not None and request.id in memory.attempt.requests:
                ticket.acted.add(name)
        if request.dry_run:
            ticket.round = self.round.ask(REHEARSAL, mends=False)
        elif ticket.waiting or ticket.everyone:
            ticket.round = self.round.ask(f"heal {request.worker}", mends=True)
        self._ward.call(ticket.waiting)

    def verify(self, request: VerifyRequest) -> None:
        """A look at everything: answered when a whole round has been made since."""
        if request.id not in self._verifying:
            self._verifying[request.id] = self.round.ask("verify", mends=False)

    def step(self, request: str, worker: str, text: str) -> None:
        """A step of an attempt that this request waits for."""
        ticket = self._tickets.get(request)
        everyone = ticket is not None and ticket.everyone
        self._record.add(Tell(request, f"{worker}: {text}" if everyone else text))

    def outcome(self, request: str, worker: str, status: int, reason: str) -> None:
        """An attempt that this request waited for has ended."""
        if request in self._tickets:
            self._tickets[request].settle(worker, status, reason)

    def forget_leavers(self) -> None:
        """The architecture has changed: who is no longer in it will not be healed."""
        for ticket in self._tickets.values():
            for name in [name for name in ticket.waiting if name not in self._ward.patients]:
                ticket.settle(name, USAGE, f"{name} is no longer in the architecture")

    def serve(self, names: Iterable[str], now: Now, begin: Begin) -> None:
        """Take every open request as far as it goes now, for the workers just judged."""
        for ticket in list(self._tickets.values()):
            for name in [name for name in names if name in ticket.waiting]:
                self._serve(ticket, name, now, begin)
            if ticket.everyone and 0 < ticket.round <= self.round.completed:
                self._add_mended(ticket)
            if ticket.is_over(self.round.completed):
                del self._tickets[ticket.request.id]
                self._record.add(ticket.answer())
        for request in [one for one, number in self._verifying.items() if number <= self.round.completed]:
            del self._verifying[request]
            pipeline = self._ward.pipeline
            said = f"looked at {counted(len(pipeline.workers), 'worker')} and {counted(len(pipeline.files), 'file')}"
            if paths := self._upkeep.being_checked:
                said += f"; still being checked: {listed(paths)}"
            self._record.add(Answer(request, DONE, said))

    def _add_mended(self, ticket: Ticket) -> None:
        """`heal all` also says what became of files and configs, or would, as soon as its round is over."""
        ticket.round = 0
        if ticket.request.dry_run:
            outcomes = {path: (DONE, said) for path, said in self._account.plans().items()}
        else:
            outcomes = self._account.outcomes()
        for path, (status, said) in outcomes.items():
            self._tell(ticket, path, said)
            ticket.settle(path, status, said)
            ticket.acted.add(path)
        if self._account.left_alone:
            ticket.remark = f"files and configs are left alone: {self._account.left_alone}"
        elif ticket.request.dry_run and self._upkeep.restraint:
            ticket.remark = f"nothing would be done: {self._upkeep.restraint}"

    def _serve(self, ticket: Ticket, name: str, now: Now, begin: Begin) -> None:
        ward, state = self._ward, self._ward.state(name)
        patient = ward.patients[name]
        if ticket.everyone and name not in ticket.acted and state in (Health.STOPPED, Health.UNMONITORED):
            del ticket.waiting[name]
            return
        if patient.memory.attempt is not None:
            self._join(ticket, name, patient.memory.attempt)
            return
        if not ticket.request.force:
            round_comes = ticket.round > self.round.completed and not ticket.request.dry_run
            if path := self._upkeep.awaited_by(name, now, round_comes=round_comes):
                self._tell(ticket, name, f"waits for {path}, which is being checked and mended")
                return
        judged = ward.diagnosis.judge(patient, now, operator=True)
        if judged.state in FINE:
            self._fine(ticket, name, judged)
        elif judged.state in (Health.UNKNOWN, Health.STOPPED):
            self._refuse(ticket, name, f"{judged.state}: {judged.reason}")
        elif judged.not_fresh and not ticket.request.force:
            self._blocked(ticket, name, judged)
        elif ticket.everyone and ward.judged(name).state is Health.CATCHING_UP:
            said = f"whether it catches up by itself: {ward.judged(name).reason}"
            if ticket.request.dry_run:
                self._would(ticket, name, f"would wait {said}")
            else:
                self._tell(ticket, name, f"waits {said}")
        else:
            self._act(ticket, name, judged, now, begin)

    def _join(self, ticket: Ticket, name: str, attempt: Attempt) -> None:
        """A restart is under way already: its outcome is this request's too."""
        request, stage, judged = ticket.request, attempt.stage.value, self._ward.judged(name)
        if request.dry_run:
            self._would(ticket, name, f"a restart is under way already ({stage}): {attempt.reason}")
        elif request.id in attempt.requests:
            return
        elif not self._ward.patients[name].under_way and judged.not_fresh:
            waits = listed(judged.not_fresh)
            self._refuse(ticket, name, f"restarted already; waits for {waits} before new output can prove it")
        else:
            attempt.requests.append(request.id)
            ticket.acted.add(name)
            self._record.worker_changed(name)
            self._tell(ticket, name, f"joins the restart that is under way ({stage}): {attempt.reason}")

    def _fine(self, ticket: Ticket, name: str, judged: Judgement) -> None:
        budget = self._ward.patients[name].memory.budget
        said = f"{judged.state}: {judged.reason}"
        if budget.quarantine is not None and not ticket.request.dry_run:
            budget.release()
            self._record.worker_changed(name)
            self._record.note(name, "released", "released from quarantine by an operator")
            said += "; released from quarantine"
        ticket.settle(name, DONE, said)

    def _blocked(self, ticket: Ticket, name: str, judged: Judgement) -> None:
        """Its inputs are not fresh: refused for now; among `all` it waits while somebody upstream may be healed."""
        roots = listed(self._ward.causes(name).roots)
        said = f"{judged.state} by {roots}: {judged.reason}"
        mended = [] if not ticket.request.dry_run else self._account.first_mended(name)
        if mended and set(judged.not_fresh) <= set(mended):
            would = f"would repair {listed(mended)} first, and then judge it anew"
            self._would(ticket, name, f"{would}; {said}")
        elif ticket.request.dry_run:
            self._would(ticket, name, f"would not restart it; {said}")
        elif ticket.everyone and not self._ward.pipeline.ancestors(name).isdisjoint(ticket.waiting):
            self._tell(ticket, name, f"waits for {roots}")
        else:
            self._refuse(ticket, name, said)

    def _act(self, ticket: Ticket, name: str, judged: Judgement, now: Now, begin: Begin) -> None:
        request, refusal = ticket.request, self._triage.refusal(name, now, operator=True, forced=ticket.request.force)
        forced = request.force and bool(judged.not_fresh)
        if request.dry_run:
            inputs = f"although not fresh: {listed(judged.not_fresh)}" if forced else "every required input is fresh"
            would = f"would restart it: {judged.reason}; {inputs}"
            self._would(ticket, name, would if refusal is None else f"would not restart it now: {refusal.text}")
        elif refusal is None:
            ticket.acted.add(name)
            self._ward.patients[name].memory.budget.release()
            begin(name, now, judged=judged, request=request.id, forced=forced)
        elif refusal.passes:
            self._tell(ticket, name, f"waits: {refusal.text}")
        else:
            self._refuse(ticket, name, refusal.text)

    def _refuse(self, ticket: Ticket, name: str, why: str) -> None:
        if ticket.request.dry_run:
            self._would(ticket, name, f"would not restart it; {why}")
            return
        ticket.settle(name, REFUSED, why)
        self._record.note(name, "refused", f"heal asked for by an operator: {why}")

    def _would(self, ticket: Ticket, name: str, said: str) -> None:
        """A dry run's answer about one worker that is not simply fine."""
        ticket.acted.add(name)
        ticket.settle(name, DONE, said)

    def _tell(self, ticket: Ticket, name: str, text: str) -> None:
        if ticket.told.get(name) != text:
            ticket.told[name] = text
            self._record.add(Tell(ticket.request.id, f"{name}: {text}" if ticket.everyone else text))
