"""The head of the demonstration pipeline: turns (made-up) market data into feature_store/features_<time>.json."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from supervisor_healer.demo import worker
from supervisor_healer.demo.files import write_json

NAME = "feature_builder"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
KEEP = 10  # newest feature files kept


@contextmanager
def start(folder: Path) -> Iterator[worker.Step]:
    """A step that writes one features file: a random walk of three features for each symbol."""
    store = folder / "feature_store"
    walk = {symbol: {"ofi": 0.5, "momentum": 0.0, "volatility": 0.2} for symbol in SYMBOLS}

    def step() -> None:
        for features in walk.values():
            for name, value in features.items():
                features[name] = round(max(-1.0, min(1.0, value + random.uniform(-0.1, 0.1))), 4)
        now = time.time()
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
        write_json(store / f"features_{stamp}.json", {"ts": now, "features": walk})
        for old in sorted(store.glob("features_*.json"))[:-KEEP]:
            old.unlink(missing_ok=True)

    yield step


def main(argv: Sequence[str] | None = None) -> int:
    """Run the worker: a features file every half second."""
    return worker.run(NAME, start, pace=0.5, argv=argv)


if __name__ == "__main__":
    sys.exit(main())
