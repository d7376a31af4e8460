"""What the healer's commands do, over an XML-RPC proxy of supervisord: the same in supervisorctl and outside it.

Every command answers its exit status and says what it has to say through `out`, a line at a time.
"""

from __future__ import annotations

import argparse
import time
import xmlrpc.client
from collections.abc import Callable, Iterable
from typing import Any

from supervisor_healer.protocol import DONE, FAILED, NO_HEALER, REFUSED, USAGE
from supervisor_healer.supervisorctl import naming, overviews, rendering
from supervisor_healer.supervisorctl.asking import Out, Struct, as_json, fault_text, members, request
from supervisor_healer.supervisorctl.statuses import BAD_NAME, UNKNOWN, WORST_FIRST, health_status, worst


def run(command: str, args: argparse.Namespace, server: Any, out: Out) -> int:
    """Run one command with its parsed arguments; lets faults and connection errors through."""
    return _COMMANDS[command](args, server, out)


def health(args: argparse.Namespace, server: Any, out: Out) -> int:
    """A line a worker, and what is wrong with the healer itself."""
    listener = server.healer.getListenerState()
    workers, unknown = naming.workers(server, args.names)
    if args.json:
        out(as_json(workers))
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
    """The evidence, the rule, the root cause, and what happens next: of workers, consumers and files."""
    listener = server.healer.getListenerState()
    workers, left = naming.workers(server, args.names)
    others, unknown = naming.others(server, [name for name, _ in left], listener)
    told = [
        {**one, "explanation": server.healer.explain(one["path"] if "path" in one else one["name"])}
        for one in [*workers, *(one for one, _ in others)]
    ]
    if args.json:
        out(as_json(told))
    else:
        for line in rendering.listener_lines(listener) if listener["state"] == "broken" else ():
            out(line)
        for one in told:
            for line in rendering.explanation_lines(one, one["explanation"], time.time()):
                out(line)
        _say(unknown, out)
    return _status(workers, listener, missing=bool(unknown), more=(status for _, status in others))


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
        names = [one["name"] for one in members(server, args.name)]
        if not names and not missing:
            out(f"{args.name}: ERROR: {fault_text(fault)}")
            return status or USAGE
        notes = [note for name in names for note in server.healer.getHistory(name, args.n)]
        notes = sorted(notes, key=lambda note: float(note["id"]))[-args.n :]
    if args.json:
        out(as_json(notes))
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
    """One request a name, or one to restore a config: all of them made, then followed until they are done."""
    options = {"dry_run": args.dry_run, "force": args.force}
    if args.restore:
        done = request(server, [args.restore], server.healer.restore, args, out)
    else:
        done = request(server, args.names, lambda name: server.healer.heal(name, options), args, out)
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
    "report": overviews.report,
    "verify": overviews.verify,
    "graph": overviews.graph,
}


def _switch(args: argparse.Namespace, server: Any, ask: Callable[[str], str], out: Out) -> int:
    done = request(server, [args.name], ask, args, out)
    statuses = [one["exit_status"] if one["exit_status"] in (DONE, USAGE, NO_HEALER) else FAILED for one in done]
    return worst(statuses, (NO_HEALER, USAGE, FAILED, DONE))


def _status(workers: list[Struct], listener: Struct, *, missing: bool, more: Iterable[int] = ()) -> int:
    if listener["state"] == "broken":
        return UNKNOWN
    statuses = [*map(health_status, workers), *more] + [UNKNOWN] * missing
    return worst(statuses, WORST_FIRST)


def _say(unknown: list[tuple[str, str]], out: Out) -> None:
    for name, text in unknown:
        out(f"{name}: ERROR: {text}")
