"""Making requests, and following them until they are done."""

from __future__ import annotations

import argparse
import json
import time
import xmlrpc.client
from collections.abc import Callable
from typing import Any

from supervisor_healer.protocol import DONE, FAILED, NO_HEALER, USAGE
from supervisor_healer.supervisorctl import rendering
from supervisor_healer.supervisorctl.following import ended, follow
from supervisor_healer.supervisorctl.statuses import BAD_NAME, INCORRECT_PARAMETERS, NOT_RUNNING, UNKNOWN_METHOD

Out = Callable[[str], None]
Struct = dict[str, Any]

LOADING_PATIENCE = 15.0  # seconds to wait for a healer that has only just started to know its workers


def request(
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
        out(as_json([*refused, *followed]))
    return [*refused, *followed]


def request_one(server: Any, name: str, ask: Callable[[str], str]) -> Struct:
    """Make one request and wait for its end, without a word; one that could not be made is answered as done."""
    asked, refused = _submit(server, [name], ask)
    [done] = refused or follow(server, asked, lambda _line: None)
    return done


def members(server: Any, name: str) -> list[Struct]:
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


def fault_text(fault: xmlrpc.client.Fault) -> str:
    """A fault's text without Supervisor's word for its code."""
    code, _, text = fault.faultString.partition(": ")
    return text if text and code.isupper() else fault.faultString


def as_json(value: object) -> str:
    """`value` for machines."""
    return json.dumps(value, indent=2, sort_keys=True)


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
            meant = [one["name"] for one in members(server, name)] if fault.faultCode == BAD_NAME else []
            for member in meant:
                asked[_ask(server, member, ask)] = member
            if not meant:
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
    return ended("", name, status, fault_text(fault))
