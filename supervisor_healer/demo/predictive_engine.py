"""Turns the newest features file into one line of logs/predictive_signals.jsonl."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from supervisor_healer.demo import worker
from supervisor_healer.demo.files import append_line, read_json

NAME = "predictive_engine"
LOADS_FOR = 4.0  # seconds until a started engine can write: what a needless restart costs


def signal(features: Mapping[str, float]) -> float:
    """One symbol's signal, -1 (down) to 1 (up)."""
    strength = 2 * (features["ofi"] - 0.5) + features["momentum"]
    return round(math.tanh(strength / (0.5 + abs(features["volatility"]))), 4)


@contextmanager
def start(folder: Path) -> Iterator[worker.Step]:
    """A step that writes a line whenever there is a features file newer than the last one used."""
    used = ""

    def step() -> None:
        nonlocal used
        newest = max((folder / "feature_store").glob("features_*.json"), default=None)
        if newest is None or newest.name <= used:
            return
        content = read_json(newest)
        if content is None:  # pruned between the look and the read
            return
        used = newest.name
        row = {
            "ts": time.time(),
            "pid": os.getpid(),
            "features": newest.name,
            "signals": {symbol: signal(features) for symbol, features in content["features"].items()},
        }
        append_line(folder / "logs" / "predictive_signals.jsonl", row)

    yield step


def main(argv: Sequence[str] | None = None) -> int:
    """Run the worker."""
    return worker.run(NAME, start, pace=0.2, argv=argv, load_for=LOADS_FOR)


if __name__ == "__main__":
    sys.exit(main())
