"""Resolves the newest ensemble prediction into feature_store/pending_signals.json, replaced atomically."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from supervisor_healer.demo import worker
from supervisor_healer.demo.files import Row, Tail, write_json

NAME = "signal_resolver"
CONFIDENT = 0.1  # predictions below this are not acted on


def resolve(predictions: Mapping[str, Mapping[str, object]]) -> list[dict[str, object]]:
    """The predictions worth acting on, strongest first."""
    pending: list[Row] = [
        {"symbol": symbol, **prediction}
        for symbol, prediction in predictions.items()
        if prediction["direction"] != "flat" and float(str(prediction["confidence"])) >= CONFIDENT
    ]
    return sorted(pending, key=lambda entry: -float(entry["confidence"]))


@contextmanager
def start(folder: Path) -> Iterator[worker.Step]:
    """A step that replaces the pending signals whenever a new prediction has come."""
    with Tail(folder / "logs" / "ensemble_predictions.jsonl") as tail:
        tail.warm_up()

        def step() -> None:
            rows = tail.read()
            if not rows:
                return
            pending = {
                "ts": time.time(),
                "pid": os.getpid(),
                "predictions_ts": rows[-1]["ts"],
                "pending": resolve(rows[-1]["predictions"]),
            }
            write_json(folder / "feature_store" / "pending_signals.json", pending)

        yield step


def main(argv: Sequence[str] | None = None) -> int:
    """Run the worker."""
    return worker.run(NAME, start, pace=0.2, argv=argv)


if __name__ == "__main__":
    sys.exit(main())
