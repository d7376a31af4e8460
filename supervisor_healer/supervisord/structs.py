"""The structs that anybody may read over XML-RPC, made from what the listener published.

No None, no tuples, every number that can grow a double (XML-RPC integers have 32 bits), no control characters.
Texts are rendered here, at the moment of reading: "41h old" is true when it is said.
"""

from __future__ import annotations

import time
from typing import Any

from supervisor_healer import words
from supervisor_healer.protocol import WireConsumer, WireFile, WireNote, WireWorker
from supervisor_healer.supervisord import processes
from supervisor_healer.supervisord.attendance import RUNNING, Attendance
from supervisor_healer.supervisord.published import Published
from supervisor_healer.supervisord.requests import Request

_NO_CHARACTERS = {0xFFFE: "?", 0xFFFF: "?"}  # XML has no way to write them


def rendered(text: str, now: float | None = None) -> str:
    """`text` with its moments in words, as of now (monotonic), fit for XML."""
    return words.render(text, time.monotonic() if now is None else now).translate(_NO_CHARACTERS)


def clamped(number: int) -> int:
    """`number` within what an XML-RPC integer holds."""
    return max(-(2**31), min(2**31 - 1, number))


def worker(wire: WireWorker, published: Published, attendance: Attendance, process: Any | None) -> dict[str, Any]:
    """The Worker struct. Without a listener that runs, the state is `unknown` and the last verdict in the reason."""
    now = time.monotonic()
    current = attendance.state() == RUNNING
    return {
        **_reader(wire, published, attendance, now),
        "process": _process(process, wire["address"]),
        "outputs": [_file(file, published.aged_mono(file), now, current=current) for file in wire["outputs"]],
        "attempts": clamped(wire["attempts"]),
        "budget_left": clamped(wire["budget_left"]),
        "next_attempt_in": max(0.0, wire["next_attempt_mono"] - now) if current and wire["next_attempt_mono"] else 0.0,
        "last_heal": {
            "at": wire["last_heal"]["at"],
            "outcome": rendered(wire["last_heal"]["outcome"], now),
            "reason": rendered(wire["last_heal"]["reason"], now),
        },
    }


def consumer(wire: WireConsumer, published: Published, attendance: Attendance) -> dict[str, Any]:
    """The Consumer struct. Without a listener that runs, the state is `unknown`, as for a worker."""
    return _reader(wire, published, attendance, time.monotonic())


def files(published: Published, attendance: Attendance, only: str = "") -> list[dict[str, Any]]:
    """Every file once, by path: as its producer has it (else as nobody's, else as a reader), and who reads it.

    With `only` that one.
    """
    now = time.monotonic()
    current = attendance.state() == RUNNING
    first: dict[str, WireFile] = {}
    readers: dict[str, dict[str, None]] = {}
    for reader, file in published.every_file():
        first.setdefault(file["path"], file)
        if reader:
            readers.setdefault(file["path"], {})[reader] = None
    return [
        {
            **_file(first[path], published.aged_mono(first[path]), now, current=current),
            "note": rendered(first[path]["note"], now),
            "readers": [rendered(name, now) for name in sorted(readers.get(path, ()))],
        }
        for path in ([only] if only else sorted(first))
    ]


def verdict(wire: WireWorker | WireConsumer, attendance: Attendance, now: float) -> tuple[str, str, float]:
    """State, reason and since (epoch) of a worker or consumer, as they may be believed at this moment."""
    state, reason = rendered(wire["state"], now), rendered(wire["reason"], now)
    trouble = attendance.trouble()
    if not trouble:
        return state, reason, wire["since"]
    last = f"{state}: {reason}" if reason else state
    return "unknown", f"{trouble}; last verdict: {last}", attendance.since()


def request(kept: Request) -> dict[str, Any]:
    """The Request struct; `exit_status` counts once `state` is done."""
    now = time.monotonic()
    return {
        "id": kept.wire["id"],
        "name": rendered(kept.wire["name"], now),
        "state": kept.state,
        "exit_status": clamped(kept.exit_status),
        "steps": [{"at": step["at"], "text": rendered(step["text"], now)} for step in kept.steps],
        "reason": rendered(kept.reason, now),
    }


def note(wire: WireNote) -> dict[str, Any]:
    """One line of history. `worker` '' means the healer itself."""
    now = time.monotonic()
    return {
        "id": float(wire["id"]),
        "at": wire["at"],
        "worker": rendered(wire["worker"], now),
        "event": rendered(wire["event"], now),
        "text": rendered(wire["text"], now),
        "evidence": [rendered(line, now) for line in wire["evidence"]],
    }


def listener(attendance: Attendance) -> dict[str, Any]:
    """The Listener struct."""
    news = attendance.news
    return {
        "state": attendance.state(),
        "pid": attendance.pid,
        "since": attendance.since(),
        "last_publish": attendance.last_publish,
        "architecture_errors": [] if news is None else [rendered(error) for error in news["architecture_errors"]],
        "name": rendered(attendance.name),
        "mode": "" if news is None else rendered(news["mode"]),
        "loaded": False if news is None else news["loaded"],
        "warnings": [rendered(warning) for warning in attendance.warnings()],
        "trouble": rendered(attendance.trouble()),
    }


def free_form(value: Any, now: float) -> Any:
    """A report as it was published, with its texts rendered."""
    if isinstance(value, str):
        return rendered(value, now)
    if isinstance(value, list):
        return [free_form(entry, now) for entry in value]
    if isinstance(value, dict):
        return {rendered(key, now): free_form(entry, now) for key, entry in value.items()}
    return value


def _reader(
    wire: WireWorker | WireConsumer, published: Published, attendance: Attendance, now: float
) -> dict[str, Any]:
    """What workers and consumers have in common."""
    state, reason, since = verdict(wire, attendance, now)
    current = attendance.state() == RUNNING
    return {
        "name": rendered(wire["name"], now),
        "state": state,
        "since": since,
        "reason": reason,
        "critical": wire["critical"],
        "inputs": [_file(file, published.aged_mono(file), now, current=current) for file in wire["inputs"]],
        "blocked_by": [rendered(root, now) for root in wire["blocked_by"]] if current else [],
    }


def _file(file: WireFile, aged_mono: float, now: float, *, current: bool) -> dict[str, Any]:
    freshness = rendered(file["freshness"], now) if current else "unknown"
    known = aged_mono != 0.0 and freshness not in ("missing", "unknown")
    return {
        "path": rendered(file["path"], now),
        "freshness": freshness,
        "age": max(0.0, now - aged_mono) if known else 0.0,
        "max_age": file["max_age"],
        "grace": file["grace"],
        "producer": rendered(file["producer"], now),
        "critical": file["critical"],
        "config": file["config"],
        "ground": rendered(file["ground"], now) if current else "",
    }


def _process(process: Any | None, address: str) -> dict[str, Any]:
    """The process as supervisord has it at this moment; empty if there is none."""
    if process is None:
        return {"name": rendered(processes.short_name(address)), "statename": "", "pid": 0, "start": 0.0}
    return {
        "name": rendered(processes.short_name(processes.address_of(process))),
        "statename": processes.statename(process),
        "pid": int(process.pid or 0),
        "start": float(process.laststart or 0.0),
    }
