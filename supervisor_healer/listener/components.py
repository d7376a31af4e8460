"""Healers that a site has of its own: how they are run, and what their answers say.

    {"healed": [{"subject": "gate", "message": "refetched", "critical": false, "action": ""}],
     "failed": [...], "warnings": ["a text alone is about the component itself"],
     "restart": ["signal_resolver", {"worker": "gate", "reason": "its cache is gone"}]}

Every key may be left out. An answer in which anything else stands is not used at all: half of it might be misread.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from supervisor_healer.core.model import ComponentSpec
from supervisor_healer.core.news import ComponentEntry, ComponentResult
from supervisor_healer.listener import interpreter
from supervisor_healer.listener.errands import Ended
from supervisor_healer.words import clean

T = TypeVar("T")

MOST_ENTRIES = 200
LONGEST_TEXT = 500
_LISTS = ("healed", "failed", "warnings")
_ENTRY: Mapping[str, type] = {"subject": str, "message": str, "critical": bool, "action": str}
_RESTART: Mapping[str, type] = {"worker": str, "reason": str}
_KINDS = {str: "text", bool: "true or false"}


class _NonsenseError(ValueError):
    """What is wrong with an answer."""


def command_of(spec: ComponentSpec) -> list[str]:
    """The command that runs it: with the report as JSON on stdin, and the answer on stdout."""
    if spec.python:
        return list(interpreter.command("supervisor_healer.fixers.component", spec.python))
    return list(spec.command)


def parse(name: str, ended: Ended) -> ComponentResult:
    """What the component healer `name` has answered. Never raises: what is wrong with it is its `problem`."""
    if ended.why:
        return ComponentResult(name, problem=clean(ended.why))
    if ended.status:
        status = _signal(-ended.status) if ended.status < 0 else f"exit status {ended.status}"
        last = ended.stderr.strip().rpartition("\n")[2].strip()
        return ComponentResult(name, problem=_cut(f"{status}: {last}" if last else status))
    if not ended.stdout.strip():
        return ComponentResult(name)
    try:
        return _result(name, json.loads(ended.stdout))
    except _NonsenseError as error:
        return ComponentResult(name, problem=_cut(f"its answer is not used: {error}"))
    except (ValueError, RecursionError) as error:
        return ComponentResult(name, problem=_cut(f"its answer is not JSON: {error}"))


def _result(name: str, answer: Any) -> ComponentResult:
    if not isinstance(answer, dict):
        raise _NonsenseError(f"{_shown(answer)} is no object")
    for key in answer:
        if key not in (*_LISTS, "restart"):
            raise _NonsenseError(f"unknown key {_shown(key)} (expected {', '.join(_LISTS)} or restart)")

    def entry(one: Any, place: str) -> ComponentEntry:
        if isinstance(one, str):
            one = {"subject": name, "message": one}
        fields = _fields(one, place, _ENTRY, ("subject", "message"))
        return ComponentEntry(
            fields["subject"], fields["message"], fields.get("critical", False), fields.get("action", "")
        )

    def restart(one: Any, place: str) -> tuple[str, str]:
        fields = _fields({"worker": one} if isinstance(one, str) else one, place, _RESTART, ("worker",))
        return fields["worker"], fields.get("reason", "")

    healed, failed, warnings = (_each(answer, key, entry) for key in _LISTS)
    return ComponentResult(name, healed, failed, warnings, _each(answer, "restart", restart))


def _each(answer: dict[str, Any], key: str, read: Callable[[Any, str], T]) -> tuple[T, ...]:
    entries = answer.get(key, [])
    if not isinstance(entries, list):
        raise _NonsenseError(f"{key} is {_shown(entries)}, not a list")
    if len(entries) > MOST_ENTRIES:
        raise _NonsenseError(f"{key} has {len(entries)} entries (at most {MOST_ENTRIES})")
    return tuple(read(one, f"{key}[{index}]") for index, one in enumerate(entries))


def _fields(one: Any, place: str, types: Mapping[str, type], required: tuple[str, ...]) -> dict[str, Any]:
    """The fields of one entry, its texts fit for a report."""
    if not isinstance(one, dict):
        raise _NonsenseError(f"{place} is {_shown(one)}, neither text nor an object")
    for key, value in one.items():
        if key not in types:
            raise _NonsenseError(f"{place} has an unknown key {_shown(key)} (expected {', '.join(types)})")
        if not isinstance(value, types[key]):
            raise _NonsenseError(f"{place}.{key} is {_shown(value)}, not {_KINDS[types[key]]}")
    for key in required:
        if not one.get(key, "").strip():
            raise _NonsenseError(f"{place} has no {key}")
    return {key: _cut(value) if isinstance(value, str) else value for key, value in one.items()}


def _cut(text: str) -> str:
    text = clean(text)
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 3] + "..."


def _shown(value: Any) -> str:
    """A value for a message: the beginning of what it is in JSON."""
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _signal(number: int) -> str:
    try:
        return f"ended by {signal.Signals(number).name}"
    except ValueError:
        return f"ended by signal {number}"
