"""Computes logs/ensemble_predictions.jsonl from predictive_signals.jsonl: a fast and a slow average that vote.

This is the worker that was RUNNING for 41 hours without a line written.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from supervisor_healer.demo import worker
from supervisor_healer.demo.files import Row, Tail, append_line

NAME = "ensemble_predictor"
SLOW, FAST = 20, 5  # signals in the two averages
FLAT = 0.05  # an ensemble weaker than this has no direction


def predict(window: Iterable[Row]) -> dict[str, dict[str, object]]:
    """Direction and confidence of each symbol in the newest signals, from the averages over `window`."""
    rows = [row["signals"] for row in window]
    predictions: dict[str, dict[str, object]] = {}
    for symbol in rows[-1]:
        values = [row[symbol] for row in rows if symbol in row]
        fast = sum(values[-FAST:]) / len(values[-FAST:])
        slow = sum(values) / len(values)
        vote = (fast + slow) / 2
        direction = "flat" if abs(vote) < FLAT else "long" if vote > 0 else "short"
        predictions[symbol] = {"direction": direction, "confidence": round(abs(vote), 4)}
    return predictions


@contextmanager
def start(folder: Path) -> Iterator[worker.Step]:
    """A step that writes one line for the signals that have come since the last step, and none if none came.

    What was already there at the start only fills the averages again.
    """
    with Tail(folder / "logs" / "predictive_signals.jsonl") as tail:
        window: deque[Row] = deque(tail.warm_up(), maxlen=SLOW)

        def step() -> None:
            rows = tail.read()
            if not rows:
                return
            window.extend(rows)
            row = {
                "ts": time.time(),
                "pid": os.getpid(),
                "signals_ts": rows[-1]["ts"],
                "window": len(window),
                "predictions": predict(window),
            }
            append_line(folder / "logs" / "ensemble_predictions.jsonl", row)

        yield step


def main(argv: Sequence[str] | None = None) -> int:
    """Run the worker."""
    return worker.run(NAME, start, pace=0.2, argv=argv)


if __name__ == "__main__":
    sys.exit(main())
