"""The two incidents with workers that freeze."""

from __future__ import annotations

import psutil

from supervisor_healer.demo.files import Row
from supervisor_healer.demo.witness import ENGINE, PREDICTOR, WORKERS, Witness

SIGNALS, PREDICTIONS = "logs/predictive_signals.jsonl", "logs/ensemble_predictions.jsonl"

# Seconds until a thing must have happened. They follow from conf/architecture.yaml, with room for a busy machine:
# a prediction is late after 3 s and stale after 5; signals are stale after 4.5 s; the engine loads for 4 s; a second
# attempt waits up to 30 s after the first.
ALL_HEALTHY, IS_LATE, IS_HEALED, IS_BLOCKED, IN_ORDER = 30.0, 10.0, 15.0, 15.0, 60.0


def frozen_predictor(witness: Witness) -> None:
    """Stalled with fresh input: restarted at once, and healed only when it has written again."""
    stage, starts = witness.stage, witness.starts
    witness.screen.scene(
        "1. A worker freezes. It is RUNNING, and it writes nothing. Its input moves on: a restart can help"
    )
    pid, predictions = stage.pid_of(PREDICTOR), witness.follow(PREDICTIONS)
    witness.freeze(PREDICTOR, pid)
    witness.until(f"{PREDICTOR} late", lambda: witness.state(PREDICTOR) == "late", IS_LATE)
    witness.show("status")
    witness.show("explain", PREDICTOR)

    witness.until(f"{PREDICTOR} restarted", lambda: starts()[PREDICTOR] == 2, IS_HEALED)
    new = stage.pid_of(PREDICTOR)
    witness.check(f"pid {pid} is gone, pid {new} runs", lambda: new not in (0, pid) and not psutil.pid_exists(pid))
    witness.until(
        f"pid {new} has written to {PREDICTIONS}", lambda: any(row["pid"] == new for row in predictions.read()),
        IS_HEALED,
    )  # fmt: skip
    witness.until(f"{PREDICTOR} called healed", lambda: witness.noted(PREDICTOR, "healed"), IS_HEALED)
    witness.until("all four workers healthy again", witness.all_healthy, ALL_HEALTHY)
    witness.show("status")
    wanted = {**dict.fromkeys(WORKERS, 1), PREDICTOR: 2}
    witness.check(f"one restart, of {PREDICTOR}; nobody else was touched", lambda: starts() == wanted)


def frozen_engine(witness: Witness) -> None:
    """Stalled with stale input: blocked until the root has been healed, then healed in its turn."""
    stage = witness.stage
    witness.screen.scene("2. The predictor freezes again, and so does the engine that feeds it: first things first")
    signals, predictions = witness.follow(SIGNALS), witness.follow(PREDICTIONS)
    witness.freeze(ENGINE, stage.pid_of(ENGINE))
    witness.freeze(PREDICTOR, stage.pid_of(PREDICTOR))
    witness.until(f"{PREDICTOR} blocked by {ENGINE}", lambda: blocked_by_engine(witness), IS_BLOCKED)
    witness.show("status")
    witness.show("explain", PREDICTOR)
    witness.check(f"{PREDICTOR} has not been restarted", lambda: witness.starts()[PREDICTOR] == 2)

    engine = witness.until(f"{ENGINE} restarted", lambda: witness.spawn(ENGINE, 2), IS_HEALED)
    rows: list[Row] = []

    def fresh_signal() -> Row | None:
        rows.extend(row for row in signals.read() if row["pid"] == engine.pid)
        return rows[0] if rows else None

    fresh = witness.until(f"{ENGINE}, pid {engine.pid}, has written a signal", fresh_signal, IS_HEALED)
    witness.screen.say("now the predictor, if it does not catch up; a second attempt keeps 15 to 30 s from the first")
    predictor = witness.until(
        f"{PREDICTOR} restarted, once its input was confirmed fresh", lambda: witness.spawn(PREDICTOR, 3), IN_ORDER
    )
    witness.check(
        f"the order was: {ENGINE} restarted, its new signal {fresh['ts'] - engine.at:.1f} s later, {PREDICTOR}"
        f" restarted {predictor.at - fresh['ts']:.1f} s after that",
        lambda: engine.at < fresh["ts"] < predictor.at,
    )
    witness.until(
        f"{PREDICTOR}, pid {predictor.pid}, has written a prediction",
        lambda: any(row["pid"] == predictor.pid for row in predictions.read()), IS_HEALED,
    )  # fmt: skip
    witness.until("all four workers healthy again", witness.all_healthy, ALL_HEALTHY)


def blocked_by_engine(witness: Witness) -> bool:
    """Whether the healer blames the engine for the predictor's silence."""
    worker = witness.stage.call("healer.getWorkerHealth", PREDICTOR)
    return bool(worker["state"] == "blocked" and worker["blocked_by"] == [ENGINE])
