"""Structs as supervisord answers them, for the tests of what is drawn from them."""

from __future__ import annotations

from typing import Any

NOW = 1_700_000_000.0
NASTY = r"""a"b'c<d>e|f{g}h[i]j(k)l%m&amp;n\o`p#35;q:r style x:#1; $_ ;--> end ä€😀"""

Struct = dict[str, Any]


def file(
    path: str, freshness: str = "fresh", age: float = 12.0, producer: str = "", max_age: float = 300.0, **more: Any
) -> Struct:
    return {
        "path": path, "freshness": freshness, "age": age, "max_age": max_age, "grace": max_age / 2,
        "producer": producer, "critical": False, "config": not max_age, "ground": "", "note": "",
        "readers": [], **more,
    }  # fmt: skip


def consumer(name: str, state: str = "healthy", inputs: tuple[Struct, ...] = (), **more: Any) -> Struct:
    return {
        "name": name, "state": state, "since": NOW - 500, "reason": "", "critical": False, "blocked_by": [],
        "inputs": list(inputs), **more,
    }  # fmt: skip


def worker(
    name: str, state: str = "healthy", inputs: tuple[Struct, ...] = (), outputs: tuple[Struct, ...] = (), **more: Any
) -> Struct:
    return {**consumer(name, state, inputs), "process": {"name": name}, "outputs": list(outputs), **more}


RAW, CONFIG = file("raw.csv"), file("c.json", max_age=0.0)
SIGNALS = file("signals.jsonl", producer="engine")
PREDICTIONS = file("predictions.jsonl", "stale", 41 * 3600.0, "predictor")
ALONE = file("alone.json", "missing", 0.0, note="no such file")

#: raw.csv -> engine -> signals.jsonl -> predictor (stalled) -> predictions.jsonl -> gate (blocked); c.json -> gate
WORKERS = [
    worker("predictor", "stalled", (SIGNALS,), (PREDICTIONS,), critical=True, reason="predictions.jsonl 41h old"),
    worker("engine", "healthy", (RAW,), (SIGNALS,), process={"name": "group:engine"}),
]
CONSUMERS = [
    consumer("gate", "blocked", (PREDICTIONS, CONFIG), blocked_by=["predictor"], reason="predictions.jsonl 41h old")
]
FILES = [ALONE, CONFIG, PREDICTIONS, RAW, SIGNALS]
