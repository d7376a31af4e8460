"""Where requests are handed in: kept for the listener, or refused at once if nobody would act on them."""

from __future__ import annotations

from supervisor.xmlrpc import Faults, RPCError

from supervisor_healer import words
from supervisor_healer.protocol import REQUESTS_KEPT
from supervisor_healer.supervisord import arguments
from supervisor_healer.supervisord.attendance import BROKEN, STOPPED
from supervisor_healer.supervisord.state import State

ALL = "all"
ANYTHING = "worker, consumer or file"


def ask_for(
    state: State, verb: str, name: object, *, dry_run: bool = False, force: bool = False, seconds: float = 0.0
) -> str:
    """Keep a request for a worker, or for all, and answer its id. Raises RPCError."""
    asked = arguments.text(name, "name")
    _refuse_without_healer(state)
    worker = None if asked == ALL else state.published.named(asked)
    if worker is None and asked != ALL:
        news = state.attendance.news
        if news is not None and not news["loaded"]:
            raise RPCError(
                Faults.NOT_RUNNING,
                f"the healer has only just started and has not judged {words.clean(asked)!r} yet; try again",
            )
        raise bad_name(state, asked)
    target = worker["name"] if worker else ALL
    return _keep(state, verb, target, dry_run=dry_run, force=force, seconds=seconds)


def ask(state: State, verb: str, target: str) -> str:
    """Keep a request whose target only the listener can judge, and answer its id. Raises RPCError."""
    _refuse_without_healer(state)
    return _keep(state, verb, target, dry_run=False, force=False, seconds=0.0)


def bad_name(state: State, name: str, what: str = "worker") -> RPCError:
    """The fault for `what` nobody knows; without a healer, or with a broken architecture, that may be why."""
    trouble = state.attendance.trouble()
    if state.attendance.state() == BROKEN:
        return RPCError(Faults.BAD_NAME, f"nothing is known of {name!r}: the architecture has errors")
    return RPCError(Faults.BAD_NAME, f"no {what} {name!r} is known" + (f"; {trouble}" if trouble else ""))


def _refuse_without_healer(state: State) -> None:
    state.reap()  # a listener killed a moment ago must not be taken for running
    standing = state.attendance.state()
    if standing == STOPPED:
        raise RPCError(Faults.NOT_RUNNING, f"{state.attendance.trouble()}; {state.attendance.advice()}")
    if standing == BROKEN:
        raise RPCError(
            Faults.NOT_RUNNING, "the healer acts on nothing: its architecture is broken; see `supervisorctl health`"
        )


def _keep(state: State, verb: str, target: str, *, dry_run: bool, force: bool, seconds: float) -> str:
    state.expire()
    now = state.attendance.now()
    request_id = state.requests.accept(verb, target, now, dry_run=dry_run, force=force, seconds=seconds)
    if request_id is None:
        raise RPCError(Faults.FAILED, f"{REQUESTS_KEPT} requests are open already; {state.attendance.advice()}")
    state.ring()
    return request_id
