"""supervisord's own process table: finding, listing, stopping, starting and signalling, without waiting.

An address is always ``group:name``, which means one process whatever else is called the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from supervisor.datatypes import RestartUnconditionally, RestartWhenExitUnexpected, signal_number
from supervisor.process import EventListenerPool
from supervisor.rpcinterface import SupervisorNamespaceRPCInterface
from supervisor.states import RUNNING_STATES, ProcessStates, SupervisorStates, getProcessStateDescription
from supervisor.xmlrpc import Faults, RPCError

from supervisor_healer.protocol import Order, OrderAnswer, ProcessRow, SignalOrder
from supervisor_healer.supervisord.operators import OperatorStops


def address_of(process: Any) -> str:
    """The ``group:name`` of `process`."""
    return f"{process.group.config.name}:{process.config.name}"


def short_name(address: str) -> str:
    """An address as Supervisor prints it: ``name`` alone where the group has the same name."""
    group, _, name = address.partition(":")
    return name if group == name else address


def find(supervisord: Any, address: str) -> Any | None:
    """The process with this address, or None."""
    group_name, _, name = address.partition(":")
    group = supervisord.process_groups.get(group_name)
    return None if group is None else group.processes.get(name)


def every(supervisord: Any) -> Iterator[Any]:
    """All processes, event listeners too."""
    for group in supervisord.process_groups.values():
        yield from group.processes.values()


def is_listener(process: Any) -> bool:
    """Whether `process` is an event listener, which is never ours to stop or start."""
    return isinstance(process.group, EventListenerPool)


def is_running(process: Any) -> bool:
    """In Supervisor's sense: RUNNING, STARTING or BACKOFF, what `stop` can stop."""
    return process.get_state() in RUNNING_STATES


def statename(process: Any) -> str:
    """Supervisor's word for the state of `process`."""
    return str(getProcessStateDescription(process.get_state()) or "UNKNOWN")


def by_operator(process: Any, operators: OperatorStops) -> bool:
    """Whether `process` is down because a person wanted it so, or was never started and is not to start by itself."""
    if is_running(process):
        return False
    if operators.noted(address_of(process)):
        return True
    if not process.laststart:
        return not process.config.autostart
    stopped = process.get_state() in (ProcessStates.STOPPED, ProcessStates.STOPPING)
    return stopped and not operators.ours(address_of(process))


def row(process: Any, operators: OperatorStops) -> ProcessRow:
    """One process as the protocol has it."""
    config = process.config
    return {
        "group": str(process.group.config.name),
        "name": str(config.name),
        "statename": statename(process),
        "pid": int(process.pid or 0),
        "start": float(process.laststart or 0.0),
        "autorestart": _autorestart(config.autorestart),
        "exitcodes": [int(code) for code in config.exitcodes],
        "exitstatus": -1 if process.exitstatus is None else int(process.exitstatus),
        "by_operator": by_operator(process, operators),
        "listener": is_listener(process),
    }


def rows(supervisord: Any, operators: OperatorStops) -> list[ProcessRow]:
    """Every process as the protocol has it: what `getAllProcessInfo` costs seconds for, in milliseconds."""
    return [row(process, operators) for process in every(supervisord)]


def stop(supervisord: Any, operators: OperatorStops, order: Order) -> OrderAnswer:
    """Send the stop signal to the very process that was ordered, and remember that this stop is ours."""
    process = find(supervisord, order["address"])
    refusal = _refusal(supervisord, process, order["address"])
    if refusal is not None or process is None:
        return refusal or _answer("gone", "")
    wrong = _not_to_stop(process, operators, order["pid"])
    if wrong is not None:
        return wrong
    operators.remember_ours(order["address"])
    problem = process.stop()
    if problem is not None:
        operators.forget(order["address"])
        return _answer("failed", str(problem), process)
    supervisord.reap()  # as Supervisor's own stopProcess does: it may be gone already
    return _answer("accepted", "", process)


def start(supervisord: Any, operators: OperatorStops, order: Order) -> OrderAnswer:
    """Start a process, unless an operator wants it down: our last look before a worker comes up by our hand."""
    process = find(supervisord, order["address"])
    refusal = _refusal(supervisord, process, order["address"])
    if refusal is not None or process is None:
        return refusal or _answer("gone", "")
    if is_running(process):
        return _answer("already", f"it is {statename(process)}", process)
    if by_operator(process, operators):
        return _answer("operator", "an operator has stopped it", process)
    if process.get_state() == ProcessStates.STOPPING:
        return _answer("failed", "still stopping", process)
    try:
        SupervisorNamespaceRPCInterface(supervisord).startProcess(order["address"], wait=False)
    except RPCError as error:
        outcome = "already" if error.code == Faults.ALREADY_STARTED else "failed"
        return _answer(outcome, str(error.text), process)
    return _answer("accepted", "", process)


def signal(supervisord: Any, operators: OperatorStops, order: SignalOrder) -> OrderAnswer:
    """Send a signal to the very process that was ordered, the way Supervisor's own signalProcess does.

    One that is on its way down gets none: what it should notice it will see when it starts.
    """
    supervisord.reap()  # else a process that has just died would take it, and nobody would know
    process = find(supervisord, order["address"])
    refusal = _refusal(supervisord, process, order["address"])
    if refusal is not None or process is None:
        return refusal or _answer("gone", "")
    if by_operator(process, operators):
        return _answer("operator", "an operator has stopped it", process)
    if process.get_state() not in (ProcessStates.RUNNING, ProcessStates.STARTING):
        return _answer("failed", f"it is {statename(process)}", process)
    if process.pid != order["pid"]:
        return _answer("changed", f"pid {order['pid']} was meant, it is pid {process.pid} now", process)
    try:
        problem = process.signal(signal_number(order["signal"]))
    except Exception as error:  # a name that is no signal, first of all
        return _answer("failed", str(error), process)
    return _answer("accepted", "", process) if problem is None else _answer("failed", str(problem), process)


def _not_to_stop(process: Any, operators: OperatorStops, pid: int) -> OrderAnswer | None:
    """What makes a stop of this pid needless or wrong."""
    if not is_running(process):
        if by_operator(process, operators):
            return _answer("operator", "an operator has stopped it", process)
        return _answer("already", f"it is {statename(process)}", process)
    if pid < 0 or (pid == 0 and process.get_state() != ProcessStates.BACKOFF):
        return _answer("failed", "no pid was given: which process to stop?", process)
    if process.pid != pid:
        return _answer("changed", f"pid {pid} was meant, it is pid {process.pid} now", process)
    return None


def _refusal(supervisord: Any, process: Any | None, address: str) -> OrderAnswer | None:
    """What forbids any order to this process, whatever its state."""
    if process is None:
        return _answer("gone", f"supervisord has no process {address!r}")
    if is_listener(process):
        return _answer("failed", "an event listener is not a worker", process)
    if supervisord.options.mood < SupervisorStates.RUNNING:
        return _answer("failed", "supervisord is shutting down", process)
    if process.get_state() == ProcessStates.UNKNOWN:
        return _answer("failed", "supervisord does not know its state (UNKNOWN)", process)
    return None


def _answer(outcome: str, reason: str, process: Any | None = None) -> OrderAnswer:
    return {
        "outcome": outcome,
        "reason": reason,
        "statename": "" if process is None else statename(process),
        "pid": 0 if process is None else int(process.pid or 0),
    }


def _autorestart(value: Any) -> str:
    if value is RestartUnconditionally:
        return "always"
    return "unexpected" if value is RestartWhenExitUnexpected else "never"
