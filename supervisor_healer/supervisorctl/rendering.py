"""How answers look on a terminal. Pure: structs in, lines out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from supervisor_healer import words
from supervisor_healer.protocol import DONE, FAILED, NO_HEALER, REFUSED, USAGE

Struct = Mapping[str, Any]

_NAME_MAX = 40  # columns; a longer name pushes its own line to the right, not everybody's
_OUTCOMES = {DONE: "", FAILED: "FAILED: ", USAGE: "ERROR: ", NO_HEALER: "NO HEALER: ", REFUSED: "not now: "}


def health_lines(workers: Iterable[Struct], now: float) -> Iterator[str]:
    """A line a worker: `!` if critical, name, state, how long (as of `now`, epoch seconds), reason."""
    rows = [
        ("!" if one["critical"] else " ", str(one["name"]), str(one["state"]), since(one["since"], now), one["reason"])
        for one in workers
    ]
    name_width = min(_NAME_MAX, max((len(row[1]) for row in rows), default=0))
    state_width = max((len(row[2]) for row in rows), default=0)
    since_width = max((len(row[3]) for row in rows), default=0)
    for mark, name, state, age, reason in rows:
        yield f"{mark} {name:<{name_width}}  {state:<{state_width}}  {age:>{since_width}}  {reason}".rstrip()


def explanation_lines(one: Struct, explanation: Iterable[str], now: float) -> Iterator[str]:
    """Which worker, consumer or file, and since when; then the verdict and what led to it."""
    critical = ", critical" if one["critical"] else ""
    if "path" in one:
        yield f"{one['path']} ({one['freshness']}{critical})"
    else:
        yield f"{one['name']} ({one['state']} for {since(one['since'], now)}{critical})"
    for line in explanation:
        yield f"  {line}"


def listener_lines(listener: Struct) -> Iterator[str]:
    """What a person must know of the healer itself; nothing while all is well."""
    if listener["trouble"] and listener["state"] != "broken":
        yield f"{listener['trouble']}"
    if listener["state"] == "broken":
        yield "the healer acts on nothing, its architecture has errors:"
        for error in listener["architecture_errors"]:
            yield f"  {error}"
    if listener["state"] == "running" and listener["mode"] == "observe":
        yield "mode observe: the healer judges and reports, and restarts nothing"
    for warning in listener["warnings"]:
        yield f"warning: {warning}"


def history_lines(notes: Iterable[Struct], *, evidence: bool) -> Iterator[str]:
    """A line an entry, in local time; with `evidence`, what was seen then below it."""
    for note in notes:
        text = titled(note["event"], note["text"])
        yield f"{moment(note['at'])}  {note['worker'] or 'healer'}  {text}"
        for line in note["evidence"] if evidence else ():
            yield f"    {line}"


def titled(title: str, text: str) -> str:
    """`title: text`, or `text` alone where it begins with that word."""
    return text if text.startswith(title) else f"{title}: {text}"


def step_line(name: str, step: Struct) -> str:
    """One step of a request, at its local time of day."""
    return f"{time.strftime('%H:%M:%S', time.localtime(step['at']))} {name}: {step['text']}"


def result_line(name: str, exit_status: int, reason: str) -> str:
    """The end of a request."""
    text = reason or ("done" if exit_status == DONE else "no reason given")
    return f"{name}: {_OUTCOMES.get(exit_status, 'FAILED: ')}{text}"


def moment(epoch: float) -> str:
    """Epoch seconds as local date and time, as it stands in a log."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(epoch))


def since(epoch: float, now: float) -> str:
    """How long ago, `-` if unknown."""
    return words.duration(max(0.0, now - epoch)) if epoch else "-"
