"""Resolves the newest ensemble prediction into feature_store/pending_signals.json, replaced atomically.

What is acted on is a matter of policy: configs/signal_policies.json, read at the start and again on SIGHUP. A worker of
this kind does not notice by itself that its configuration has been put right: somebody has to tell it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from supervisor_healer.demo import worker
from supervisor_healer.demo.files import Row, Tail, read_json, write_json

NAME = "signal_resolver"
POLICIES = Path("configs") / "signal_policies.json"


class PolicyError(Exception):
    """The policies cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Policies:
    """How confident (0 to 1) a prediction must be to be acted on."""

    long_ofi_requirement: float
    short_ofi_requirement: float

    def least(self, direction: object) -> float:
        """The requirement for one direction."""
        return self.long_ofi_requirement if direction == "long" else self.short_ofi_requirement

    def __str__(self) -> str:
        return ", ".join(f"{name} {value:g}" for name, value in asdict(self).items())


def read_policies(path: Path) -> Policies:
    """The policies in `path`; what else stands there is left to others. Raises PolicyError."""
    content = read_json(path)
    if content is None:
        raise PolicyError(f"{path} is not there, or is no JSON object")
    values: list[float] = []
    for name in ("long_ofi_requirement", "short_ofi_requirement"):
        value = content.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise PolicyError(f"{path} has no usable {name}")
        values.append(float(value))
    return Policies(*values)


def resolve(predictions: Mapping[str, Mapping[str, object]], policies: Policies) -> list[dict[str, object]]:
    """The predictions worth acting on, strongest first."""
    pending: list[Row] = [
        {"symbol": symbol, **prediction}
        for symbol, prediction in predictions.items()
        if prediction["direction"] != "flat"
        and float(str(prediction["confidence"])) >= policies.least(prediction["direction"])
    ]
    return sorted(pending, key=lambda entry: -float(entry["confidence"]))


@contextmanager
def start(folder: Path) -> Iterator[worker.Step]:
    """A step that replaces the pending signals whenever a new prediction has come.

    Without usable policies it does not start; policies that have become unusable are said, and not taken.
    """
    with worker.hangups() as hung_up, Tail(folder / "logs" / "ensemble_predictions.jsonl") as tail:
        try:
            policies = read_policies(folder / POLICIES)
        except PolicyError as error:
            raise SystemExit(f"{NAME}: cannot start: {error}") from error
        print(f"{NAME}: policies: {policies}", flush=True)
        tail.warm_up()

        def step() -> None:
            nonlocal policies
            if hung_up.is_set():
                hung_up.clear()
                try:
                    policies = read_policies(folder / POLICIES)
                    print(f"{NAME}: SIGHUP, policies: {policies}", flush=True)
                except PolicyError as error:
                    print(f"{NAME}: SIGHUP, but the old policies stay: {error}", flush=True)
            rows = tail.read()
            if not rows:
                return
            pending = {
                "ts": time.time(),
                "pid": os.getpid(),
                "predictions_ts": rows[-1]["ts"],
                "policies": asdict(policies),
                "pending": resolve(rows[-1]["predictions"], policies),
            }
            write_json(folder / "feature_store" / "pending_signals.json", pending)

        yield step


def main(argv: Sequence[str] | None = None) -> int:
    """Run the worker."""
    return worker.run(NAME, start, pace=0.2, argv=argv)


if __name__ == "__main__":
    sys.exit(main())
