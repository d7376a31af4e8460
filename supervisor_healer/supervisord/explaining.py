"""What `explain` tells of a worker, a consumer or a file, made when it is read from what was published."""

from __future__ import annotations

import time
from collections.abc import Iterable

from supervisor_healer import words
from supervisor_healer.protocol import WireConsumer, WireFile, WireWorker, producers
from supervisor_healer.supervisord.attendance import Attendance
from supervisor_healer.supervisord.published import Published
from supervisor_healer.supervisord.structs import rendered

READERS_SHOWN = 10


def explanation(name: str, published: Published, attendance: Attendance) -> list[str] | None:
    """The lines about whatever has this name; without a listener that runs they are old, and the first one says so.

    None if nobody has it. A worker comes before a consumer, and a consumer before a file.
    """
    if worker := published.named(name):
        lines = _of_worker(worker, published)
    elif consumer := published.consumers.get(name):
        lines = _of_consumer(consumer, published)
    elif path := published.path_of(name):
        lines = _of_file(path, published)
    else:
        return None
    trouble, now = attendance.trouble(), time.monotonic()
    told = [rendered(line, now) for line in lines]
    return [f"{trouble}; what follows is its last verdict", *told] if trouble else told


def _of_worker(wire: WireWorker, published: Published) -> list[str]:
    """Verdict, rule and process; a line a file; chains, budget, and what is next."""
    outputs = [_file_line("output", file, "", published) for file in wire["outputs"]]
    return [*wire["explanation"], *outputs, *_inputs(wire, published), *wire["outlook"]]


def _of_consumer(wire: WireConsumer, published: Published) -> list[str]:
    """Verdict; a line a file; chains, and what is next."""
    return [f"{wire['state']}: {wire['reason']}", *_inputs(wire, published), *wire["explanation"]]


def _of_file(path: str, published: Published) -> list[str]:
    """How it stands, who writes and who reads it, what the report says of it, and what is next."""
    file = published.believed(path)
    writers = producers(file["producer"], published.workers)
    said = [f"{name} ({_verdict(published.workers[name])})" for name in writers]
    readers = published.readers(path)
    lines = [
        _file_line("config" if file["config"] else "file", file, "", published),
        f"written by: {'; '.join(said) or 'nobody here: it comes from outside'}",
        f"read by: {words.some(_stated(readers[:READERS_SHOWN]), len(readers)) or 'nobody here'}",
    ]
    if file["freshness"] in ("fresh", "late"):
        return [*lines, "next: nothing" if file["freshness"] == "fresh" else "next: it moves, or becomes stale"]
    entries = published.reported(path)
    lines += [f"reported: {message}" for message, _ in entries]
    if actions := [action for _, action in entries if action]:
        return [*lines, *(f"next, for a person: {action}" for action in actions)]
    if writers:
        return [*lines, f"next: nothing here: see {', '.join(writers)} (`supervisorctl explain {writers[0]}`)"]
    return [*lines, f"next: {_to_do(file, told=bool(entries))}"]


def _to_do(file: WireFile, *, told: bool) -> str:
    """What happens next where the report, if it has `told` of this file, asks for nobody."""
    if not file["config"]:
        return "whoever writes it has to write again"
    return "the healing cycle puts it right, as reported" if told else "what is wrong with it has to be put right"


def _inputs(wire: WireWorker | WireConsumer, published: Published) -> list[str]:
    return [_file_line("input", file, f"from {file['producer'] or 'outside'}", published) for file in wire["inputs"]]


def _file_line(kind: str, file: WireFile, source: str, published: Published) -> str:
    aged, limits = published.aged_mono(file) or None, (file["max_age"], file["grace"])
    return words.file_line(kind, file["path"], file["freshness"], aged, *limits, source, file["note"])


def _verdict(wire: WireWorker) -> str:
    return f"{wire['state']}: {wire['reason']}" if wire["reason"] else wire["state"]


def _stated(readers: Iterable[WireWorker | WireConsumer]) -> list[str]:
    return [f"{one['name']} ({one['state']})" for one in readers]
