"""What is added to the description of a process, so that plain `supervisorctl status` shows health."""

from __future__ import annotations

import time

from supervisor_healer import words
from supervisor_healer.supervisord import processes, structs
from supervisor_healer.supervisord.attendance import BROKEN, SILENT, STOPPED
from supervisor_healer.supervisord.state import State

UNREMARKABLE = ("healthy", "idle")
TEXT_MAX = 300  # characters: a status line is one line


def remark(state: State, address: str) -> str:
    """The text for the process with this ``group:name``: `; stalled: ...`, `; healer not running`, or ''."""
    worker = state.published.at(address)
    standing = state.attendance.state()
    if standing in (STOPPED, BROKEN):
        # until a healer has said whom it watches, it may be anybody
        watched = worker is not None or (not state.published.workers and _is_worker(state, address))
        text = "healer not running" if standing == STOPPED else state.attendance.trouble()
        return f"; {text}" if watched else ""
    if worker is None:
        return ""
    if standing == SILENT:
        return f"; healer silent for {words.duration(state.attendance.silent_for())}"
    if worker["state"] in UNREMARKABLE:
        return ""
    name, reason, _ = structs.verdict(worker, state.attendance, time.monotonic())
    text = f"; {reason}" if reason.startswith(f"{name} ") else f"; {name}: {reason}" if reason else f"; {name}"
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 3] + "..."


def _is_worker(state: State, address: str) -> bool:
    process = state.process_at(address)
    return process is not None and not processes.is_listener(process)
