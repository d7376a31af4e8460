"""Verdicts and reports as they go over the wire, and into the results file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from supervisor_healer.core.report import Entry, Report
from supervisor_healer.core.verdicts import ConsumerVerdict, FileVerdict, Verdict
from supervisor_healer.protocol import WireConsumer, WireFile, WireNote, WireWorker
from supervisor_healer.words import clean, clean_but_tokens, render


def wire_worker(verdict: Verdict) -> WireWorker:
    """A verdict as it is published."""
    return {
        "name": verdict.worker,
        "address": verdict.address,
        "state": verdict.state.value,
        "since": verdict.since,
        "reason": verdict.reason,
        "critical": verdict.critical,
        "inputs": [wire_file(one) for one in verdict.inputs],
        "outputs": [wire_file(one) for one in verdict.outputs],
        "blocked_by": [clean(name) for name in verdict.blocked_by],
        "attempts": verdict.attempts,
        "budget_left": verdict.budget_left,
        "next_attempt_mono": verdict.next_attempt or 0.0,
        "last_heal": {
            "at": verdict.last_heal.at,
            "outcome": verdict.last_heal.outcome,
            "reason": clean_but_tokens(verdict.last_heal.reason),
        },
        "explanation": list(verdict.grounds),
        "outlook": list(verdict.outlook),
    }


def wire_consumer(verdict: ConsumerVerdict) -> WireConsumer:
    """A consumer's verdict as it is published."""
    return {
        "name": verdict.name,
        "state": verdict.state.value,
        "since": verdict.since,
        "reason": clean_but_tokens(verdict.reason),
        "critical": verdict.critical,
        "inputs": [wire_file(one) for one in verdict.inputs],
        "blocked_by": [clean(name) for name in verdict.blocked_by],
        "explanation": list(verdict.explanation),
    }


def wire_report(report: Report, history: Iterable[WireNote]) -> dict[str, Any]:
    """The report as it is published and written (`results-schema.json`); texts still hold moments as tokens."""

    def entries(some: Iterable[Entry]) -> list[dict[str, Any]]:
        return [
            {
                "subject": clean(one.subject),
                "kind": one.kind,
                "message": clean_but_tokens(one.message),
                "critical": one.critical,
                "action": clean_but_tokens(one.action),
                "by": one.by,
                "blocked_by": [clean(name) for name in one.blocked_by],
                "at": one.at,
            }
            for one in some
        ]

    return {
        "version": 1,
        "timestamp": report.timestamp,
        "since": report.since,
        "duration": report.duration,
        "cause": report.cause,
        "mode": report.mode.value,
        "healed": entries(report.healed),
        "failed": entries(report.failed),
        "blocked": entries(report.blocked),
        "warnings": entries(report.warnings),
        "left_out": {},
        "stats": dict(report.stats),
        "history": [
            {"at": note["at"], "subject": note["worker"], "event": note["event"], "text": note["text"]}
            for note in history
        ],
    }


def rendered(value: Any, now: float) -> Any:
    """A report in which every moment is in words, as of `now` (mono): for a file, which nobody renders."""
    if isinstance(value, str):
        return render(value, now)
    if isinstance(value, list):
        return [rendered(one, now) for one in value]
    if isinstance(value, dict):
        return {key: rendered(one, now) for key, one in value.items()}
    return value


def wire_file(one: FileVerdict) -> WireFile:
    """A file as it is published."""
    return {
        "path": clean(one.path),
        "freshness": one.freshness.value,
        "aged_mono": one.aged_from or 0.0,
        "max_age": one.max_age or 0.0,
        "grace": one.grace if one.max_age is not None else 0.0,
        "producer": one.producer,
        "note": clean_but_tokens(one.note),
        "critical": one.critical,
        "config": one.config,
        "ground": clean_but_tokens(one.ground),
    }
