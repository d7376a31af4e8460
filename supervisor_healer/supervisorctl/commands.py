"""What the healer's commands do, over an XML-RPC proxy of supervisord: the same in supervisorctl and outside it.

Every command answers its exit status and says what it has to say through `out`, a line at a time.
"""

from __future__ import annotations

import argparse
import json
import time
import xmlrpc.client
from collections.abc import Callable, Iterable
from typing import Any

from supervisor_healer.protocol import DONE, FAILED, NO_HEALER, REFUSED, USAGE
from supervisor_healer.supervisorctl import rendering
from supervisor_healer.supervisorctl.following import follow

Out = Callable[[str], None]
Struct = dict[str, Any]

# Supervisor's fault codes (supervisor.xmlrpc.Faults), without the weight of importing it.
UNKNOWN_METHOD, INCORRECT_PARAMETERS, BAD_NAME, NOT_RUNNING = 1, 2, 10, 70

# The monitoring-plugin convention, for health and explain.
WELL, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3

LOADING_PATIENCE = 15.0  # seconds to wait for a healer that has only just started to know its workers

_BY_STATE = {
    **dict.fromkeys(("healthy", "idle", "starting", "stopped", "unmonitored"), WELL),
    **dict.fromkeys(("late", "catching_up", "healing", "verifying"), WARNING),
    **dict.fromkeys(("blocked", "stalled", "down", "quarantined"), CRITICAL),
}


def run(command: str, args: argparse.Namespace, server: Any, out: Out) -> int:
    """Run one command with its parsed arguments; lets faults and connection errors through."""
    return _COMMANDS[command](args, server, out)


def worst(statuses: Iterable[int], order: tuple[int, ...]) -> int:
    """The status that stands first in `order`; 0 if there is none."""
    found = set(statuses)
    return next((status for status in order if status in found), min(found, default=0))


def health_status(worker: Struct) -> int:
    """The monitoring status of one worker: what is critical for one that is critical is a warning for another."""
    status = _BY_STATE.get(worker["state"], UNKNOWN)
    return WARNING if status == CRITICAL and not worker["critical"] else status


def health(args: argparse.Namespace, server: Any, out: Out) -> int:
    """A line a worker, and what is wrong with the healer itself."""
    listener = server.healer.getListenerState()
    workers, unknown = _workers(server, args.names)
    if args.json:
        out(_as_json(workers))
    else:
        for line in rendering.listener_lines(listener):
            out(line)
        for line in rendering.health_lines(workers, time.time()):
            out(line)
        if not workers and not args.names and listener["state"] == "running":
            out("the healer has judged no worker yet")
        _say(unknown, out)
    return _status(workers, listener, missing=bool(unknown) or not workers)


def explain(args: argparse.Namespace, server: Any, out: Out) -> int:
    """The evidence, the rule, the root cause, and what happens next."""
    listener = server.healer.getListenerState()
    workers, unknown = _workers(server, args.names)
    told = [{**one, "explanation": server.healer.explain(one["name"])} for one in workers]
    if args.json:
        out(_as_json(told))
    else:
        for line in rendering.listener_lines(listener) if listener["state"] == "broken" else ():
            out(line)
        for one in told:
            for line in rendering.explanation_lines(one, one["explanation"], time.time()):
                out(line)
        _say(unknown, out)
    return _status(workers, listener, missing=bool(unknown))


def history(args: argparse.Namespace, server: Any, out: Out) -> int:
    """What was done, and refused. Without a healer: what supervisord still holds of it, and 7."""
    listener = server.healer.getListenerState()
    status = NO_HEALER if listener["state"] == "stopped" else DONE
    missing = _history_missing(listener)
    try:
        notes = server.healer.getHistory(args.name, args.n)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != BAD_NAME:
            raise
        names = [one["name"] for one in _expand(server, args.name)]
        if not names and not missing:
            out(f"{args.name}: ERROR: {_text(fault)}")
            return status or USAGE
        notes = [note for name in names for note in server.healer.getHistory(name, args.n)]
        notes = sorted(notes, key=lambda note: float(note["id"]))[-args.n :]
    if args.json:
        out(_as_json(notes))
    else:
        if listener["trouble"]:
            out(listener["trouble"])
        for line in rendering.history_lines(notes, evidence=args.verbose):
            out(line)
        if not notes and not status:
            out(missing or "nothing was done, and nothing refused")
    return status


def _history_missing(listener: Struct) -> str:
    """Why a healer that runs has no history to show, or ''."""
    if listener["state"] == "broken":
        return "the history is not loaded: the architecture has errors (see `supervisorctl health`)"
    if listener["state"] == "stopped" or listener["loaded"]:
        return ""
    return "the history is not loaded yet; try again"


def heal(args: argparse.Namespace, server: Any, out: Out) -> int:
    """One request a name: all of them made, then followed until they are done."""
    options = {"dry_run": args.dry_run, "force": args.force}
    done = _request(server, args.names, lambda name: server.healer.heal(name, options), args, out)
    return worst((one["exit_status"] for one in done), (NO_HEALER, USAGE, FAILED, REFUSED, DONE))


def monitor(args: argparse.Namespace, server: Any, out: Out) -> int:
    """Have a worker acted on again."""
    return _switch(args, server, server.healer.monitor, out)


def unmonitor(args: argparse.Namespace, server: Any, out: Out) -> int:
    """Have a worker left alone."""
    return _switch(args, server, lambda name: server.healer.unmonitor(name, args.seconds), out)


_COMMANDS: dict[str, Callable[[argparse.Namespace, Any, Out], int]] = {
    "heal": heal,
    "health": health,
    "explain": explain,
    "history": history,
    "monitor": monitor,
    "unmonitor": unmonitor,
}


def _switch(args: argparse.Namespace, server: Any, ask: Callable[[str], str], out: Out) -> int:
    done = _request(server, [args.name], ask, args, out)
    statuses = [one["exit_status"] if one["exit_status"] in (DONE, USAGE, NO_HEALER) else FAILED for one in done]
    return worst(statuses, (NO_HEALER, USAGE, FAILED, DONE))


def _request(
    server: Any, names: list[str], ask: Callable[[str], str], args: argparse.Namespace, out: Out
) -> list[Struct]:
    """Make a request for every name and follow them; what could not be asked for counts as done, with its status."""
    tell: Out = (lambda _line: None) if args.json else out
    asked, refused = _submit(server, names, ask)
    for one in refused:
        tell(rendering.result_line(one["name"], one["exit_status"], one["reason"]))
    if getattr(args, "no_wait", False):
        followed = [{**server.healer.getRequest(request_id), "exit_status": DONE} for request_id in asked]
        for request_id in asked:
            tell(request_id)
    else:
        followed = follow(server, asked, tell)
    if args.json:
        out(_as_json([*refused, *followed]))
    return [*refused, *followed]


def _submit(server: Any, names: list[str], ask: Callable[[str], str]) -> tuple[dict[str, str], list[Struct]]:
    """Ids with the names they are for, and what was refused. A healer that is not there is asked only once."""
    asked: dict[str, str] = {}
    refused: list[Struct] = []
    for name in dict.fromkeys(names):
        try:
            asked[_ask(server, name, ask)] = name
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == UNKNOWN_METHOD:
                raise
            members = [one["name"] for one in _expand(server, name)] if fault.faultCode == BAD_NAME else []
            for member in members:
                asked[_ask(server, member, ask)] = member
            if not members:
                refused.append(_refused(name, fault))
            if fault.faultCode == NOT_RUNNING:
                break
    return asked, refused


def _ask(server: Any, name: str, ask: Callable[[str], str]) -> str:
    """Make one request, with patience for a healer that has started and not yet judged its workers."""
    deadline = time.monotonic() + LOADING_PATIENCE
    while True:
        try:
            return ask(name)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != NOT_RUNNING or time.monotonic() > deadline:
                raise
            listener = server.healer.getListenerState()
            if listener["state"] != "running" or listener["loaded"]:
                raise
        time.sleep(0.25)


def _refused(name: str, fault: xmlrpc.client.Fault) -> Struct:
    status = {BAD_NAME: USAGE, INCORRECT_PARAMETERS: USAGE, NOT_RUNNING: NO_HEALER}.get(fault.faultCode, FAILED)
    return {"id": "", "name": name, "state": "done", "exit_status": status, "steps": [], "reason": _text(fault)}


def _workers(server: Any, names: list[str]) -> tuple[list[Struct], list[tuple[str, str]]]:
    """The workers meant by these names (none: all), and the names that mean none, with what supervisord says."""
    if not names:
        return server.healer.getAllWorkerHealth(), []
    found: dict[str, Struct] = {}
    unknown: list[tuple[str, str]] = []
    for name in names:
        try:
            matching = [server.healer.getWorkerHealth(name)]
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != BAD_NAME:
                raise
            matching = _expand(server, name)
            if not matching:
                unknown.append((name, _text(fault)))
        found.update((one["name"], one) for one in matching)
    return list(found.values()), unknown


def _expand(server: Any, name: str) -> list[Struct]:
    """The workers of an entry that stands for several (`key` or `key:*`), or of a group of supervisord's."""
    group = name.removesuffix(":*")
    if not group or ":" in group:
        return []
    return [
        one
        for one in server.healer.getAllWorkerHealth()
        # a process is called by its group alone where it has the same name
        if one["name"].startswith(f"{group}:") or f"{one['process']['name']}:".startswith(f"{group}:")
    ]


def _status(workers: list[Struct], listener: Struct, *, missing: bool) -> int:
    if listener["state"] == "broken":
        return UNKNOWN
    statuses = [health_status(one) for one in workers] + [UNKNOWN] * missing
    return worst(statuses, (CRITICAL, WARNING, UNKNOWN, WELL))


def _say(unknown: list[tuple[str, str]], out: Out) -> None:
    for name, text in unknown:
        out(f"{name}: ERROR: {text}")


def _text(fault: xmlrpc.client.Fault) -> str:
    """A fault's text without Supervisor's word for its code."""
    code, _, text = fault.faultString.partition(": ")
    return text if text and code.isupper() else fault.faultString


def _as_json(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True)
