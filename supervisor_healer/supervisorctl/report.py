"""The report of the latest healing cycle for a person: first what needs one. Pure.

It comes from whatever healer was last there, perhaps of another version, so nothing in it is taken for granted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from supervisor_healer import words
from supervisor_healer.supervisorctl import rendering

HISTORY_SHOWN = 10  # lines

_SECTIONS = (
    ("failed", "failed (needs a person)"),
    ("blocked", "blocked"),
    ("warnings", "warnings"),
    ("healed", "healed"),
)
_CHECKED = (
    ("processes_checked", "process", "processes"), ("files_checked", "file", ""), ("configs_checked", "config", ""),
    ("dependencies_checked", "dependency", "dependencies"),
)  # fmt: skip
_DONE = (
    ("workers_restarted", "worker restarted", "workers restarted"),
    ("files_repaired", "file repaired", "files repaired"), ("configs_fixed", "config fixed", "configs fixed"),
)  # fmt: skip


def lines(report: Mapping[str, Any], now: float) -> Iterator[str]:
    """The report, a line at a time; `now` in epoch seconds."""
    yield _headline(report, now)
    shown = False
    for section, title in _SECTIONS:
        rows = list(_section(report, section))
        if rows:
            shown = True
            since = _number(report, "since")
            yield f"{title}, since {rendering.moment(since)}:" if section == "healed" and since else f"{title}:"
            yield from rows
    if not shown:
        yield "nothing failed, nothing is blocked, nothing to warn of"
    stats = report.get("stats")
    if isinstance(stats, dict):
        yield _stats(stats)
    history = [entry for entry in _list(report, "history") if isinstance(entry, dict)][-HISTORY_SHOWN:]
    if history:
        yield f"history, the last {len(history)}:" if len(history) > 1 else "history:"
        for entry in history:
            note = {
                "at": _number(entry, "at"),
                "worker": _text(entry, "subject"),
                "event": _text(entry, "event"),
                "text": _text(entry, "text"),
            }
            yield from (f"  {line}" for line in rendering.history_lines([note], evidence=False))


def _headline(report: Mapping[str, Any], now: float) -> str:
    at = _number(report, "timestamp")
    when = f" of {rendering.moment(at)} ({rendering.since(at, now)} ago)" if at else ""
    mode = f"mode {_text(report, 'mode')}" if _text(report, "mode") else ""
    took = f"took {words.duration(_number(report, 'duration'))}"
    return f"report{when}: {', '.join(filter(None, (_text(report, 'cause'), took, mode)))}"


def _section(report: Mapping[str, Any], section: str) -> Iterator[str]:
    for entry in _list(report, section):
        if not isinstance(entry, dict):
            continue
        mark = "!" if entry.get("critical") is True else " "
        yield f"{mark} {_sentence(entry)}"
        if _text(entry, "action"):
            yield f"    -> {_text(entry, 'action')}"
    left_out = report.get("left_out")
    count = _number(left_out, section) if isinstance(left_out, dict) else 0.0
    if count > 0:
        yield f"  ... and {count:.0f} more, left out of the report"


def _sentence(entry: Mapping[str, Any]) -> str:
    """The message, with what it does not say itself: whom it is about, who blocks it, and who tells it."""
    subject, message = _text(entry, "subject") or "healer", _text(entry, "message")
    text = message if subject in message else f"{subject}: {message}"
    blockers = [blocker for blocker in map(str, _list(entry, "blocked_by")) if blocker not in message]
    if blockers:
        text += f" (blocked by {', '.join(blockers)})"
    return f"{text} (by {_text(entry, 'by')})" if _text(entry, "by") else text


def _stats(stats: Mapping[str, Any]) -> str:
    checked = [words.counted(int(_number(stats, key)), *forms) for key, *forms in _CHECKED if key in stats]
    done = [words.counted(int(_number(stats, key)), *forms) for key, *forms in _DONE if key in stats]
    return f"checked: {', '.join(checked) or '-'}; done: {', '.join(done) or '-'}"


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key, "")
    return words.clean(value if isinstance(value, str) else str(value))


def _number(entry: Mapping[str, Any], key: str) -> float:
    value = entry.get(key, 0.0)
    return float(value) if isinstance(value, (int, float)) else 0.0


def _list(entry: Mapping[str, Any], key: str) -> list[Any]:
    value = entry.get(key)
    return value if isinstance(value, list) else []
