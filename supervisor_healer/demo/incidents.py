"""The two incidents. Each claim that they make on the screen is checked against a fact, within a deadline.

Facts are: supervisord's own log of what it spawned, pids, the lines in the pipeline's files (each row carries the
pid of its writer and the time), and the states that the healer publishes. Nothing is inferred from text.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psutil

from supervisor_healer.demo.files import Row, Tail
from supervisor_healer.demo.screen import YELLOW, Screen
from supervisor_healer.demo.stage import Stage
from supervisor_healer.errors import HealerError

ENGINE, PREDICTOR = "predictive_engine", "ensemble_predictor"
WORKERS = ("feature_builder", ENGINE, PREDICTOR, "signal_resolver")
SIGNALS, PREDICTIONS = "logs/predictive_signals.jsonl", "logs/ensemble_predictions.jsonl"
LOOK_EVERY = 0.05  # seconds

# Seconds until a thing must have happened. They follow from conf/architecture.yaml, with room for a busy machine:
# a prediction is late after 3 s and stale after 5; signals are stale after 4.5 s; the engine loads for 4 s; a second
# attempt waits up to 30 s after the first.
ALL_HEALTHY, IS_FROZEN, IS_LATE, IS_HEALED, IS_BLOCKED, IN_ORDER = 30.0, 5.0, 10.0, 15.0, 15.0, 60.0

T = TypeVar("T")


class UnmetError(HealerError):
    """Something did not happen."""

    def __init__(self, expected: str, seen: str) -> None:
        super().__init__(f"Expected: {expected}\nSeen: {seen}")


class Incidents:
    """The incidents on one stage."""

    def __init__(self, stage: Stage, screen: Screen) -> None:
        self.stage = stage
        self.screen = screen
        self.told = 0.0
        self.tails = contextlib.ExitStack()

    def play(self) -> None:
        """Both incidents, and the account at the end. Raises UnmetError for the first thing that did not happen."""
        with self.tails:
            self.opening()
            self.frozen_predictor()
            self.frozen_engine()
            self.closing()

    # --- the story ------------------------------------------------------------------------------------------

    def opening(self) -> None:
        """Four workers that come up healthy."""
        self.screen.say("four workers and the healer start; the engine loads its model for 4 s")
        self.until("all four workers healthy", self.all_healthy, ALL_HEALTHY)
        self.show("status")
        self.check("every worker was started once", lambda: self.starts() == dict.fromkeys(WORKERS, 1))

    def frozen_predictor(self) -> None:
        """Stalled with fresh input: restarted at once, and healed only when it has written again."""
        self.screen.scene(
            "1. A worker freezes. It is RUNNING, and it writes nothing. Its input moves on: a restart can help"
        )
        pid, predictions = self.stage.pid_of(PREDICTOR), self.follow(PREDICTIONS)
        self.freeze(PREDICTOR, pid)
        self.until(f"{PREDICTOR} late", lambda: self.state(PREDICTOR) == "late", IS_LATE)
        self.show("status")
        self.show("explain", PREDICTOR)

        self.until(f"{PREDICTOR} restarted", lambda: self.starts()[PREDICTOR] == 2, IS_HEALED)
        new = self.stage.pid_of(PREDICTOR)
        self.check(f"pid {pid} is gone, pid {new} runs", lambda: new not in (0, pid) and not psutil.pid_exists(pid))
        self.until(
            f"pid {new} has written to {PREDICTIONS}",
            lambda: any(row["pid"] == new for row in predictions.read()),
            IS_HEALED,
        )
        self.until(f"{PREDICTOR} called healed", lambda: self.noted(PREDICTOR, "healed"), IS_HEALED)
        self.until("all four workers healthy again", self.all_healthy, ALL_HEALTHY)
        self.show("status")
        wanted = {**dict.fromkeys(WORKERS, 1), PREDICTOR: 2}
        self.check(f"one restart, of {PREDICTOR}; nobody else was touched", lambda: self.starts() == wanted)

    def frozen_engine(self) -> None:
        """Stalled with stale input: blocked until the root has been healed, then healed in its turn."""
        self.screen.scene("2. The predictor freezes again, and so does the engine that feeds it: first things first")
        signals, predictions = self.follow(SIGNALS), self.follow(PREDICTIONS)
        self.freeze(ENGINE, self.stage.pid_of(ENGINE))
        self.freeze(PREDICTOR, self.stage.pid_of(PREDICTOR))
        self.until(f"{PREDICTOR} blocked by {ENGINE}", self.blocked_by_engine, IS_BLOCKED)
        self.show("status")
        self.show("explain", PREDICTOR)
        self.check(f"{PREDICTOR} has not been restarted", lambda: self.starts()[PREDICTOR] == 2)

        engine = self.until(f"{ENGINE} restarted", lambda: self.spawn(ENGINE, 2), IS_HEALED)
        rows: list[Row] = []

        def fresh_signal() -> Row | None:
            rows.extend(row for row in signals.read() if row["pid"] == engine.pid)
            return rows[0] if rows else None

        fresh = self.until(f"{ENGINE}, pid {engine.pid}, has written a signal", fresh_signal, IS_HEALED)
        self.screen.say("now the predictor, if it does not catch up; a second attempt keeps 15 to 30 s from the first")
        predictor = self.until(
            f"{PREDICTOR} restarted, once its input was confirmed fresh", lambda: self.spawn(PREDICTOR, 3), IN_ORDER
        )
        self.check(
            f"the order was: {ENGINE} restarted, its new signal {fresh['ts'] - engine.at:.1f} s later, {PREDICTOR}"
            f" restarted {predictor.at - fresh['ts']:.1f} s after that",
            lambda: engine.at < fresh["ts"] < predictor.at,
        )
        self.until(
            f"{PREDICTOR}, pid {predictor.pid}, has written a prediction",
            lambda: any(row["pid"] == predictor.pid for row in predictions.read()), IS_HEALED,
        )  # fmt: skip
        self.until("all four workers healthy again", self.all_healthy, ALL_HEALTHY)

    def closing(self) -> None:
        """The account: what was restarted, in the healer's words and in supervisord's."""
        self.screen.scene("3. The account")
        self.show("status")
        self.show("history")
        health = self.show("health")
        self.check("`supervisorctl health` exits with 0", lambda: health == 0)
        wanted = {**dict.fromkeys(WORKERS, 1), ENGINE: 2, PREDICTOR: 3}
        self.check(f"restarts: 2 of {PREDICTOR}, 1 of {ENGINE}, 0 of the others", lambda: self.starts() == wanted)

    # --- acting, and asking ---------------------------------------------------------------------------------

    def freeze(self, name: str, pid: int) -> None:
        """Stop the process as a debugger, a stuck mount or a deadlock would."""
        self.screen.say(f"freeze {name}: kill -STOP {pid}", color=YELLOW)
        os.kill(pid, signal.SIGSTOP)
        self.until(
            f"pid {pid} is frozen, and RUNNING for supervisord",
            lambda: (
                psutil.Process(pid).status() == psutil.STATUS_STOPPED
                and self.stage.call("supervisor.getProcessInfo", name)["statename"] == "RUNNING"
            ),
            IS_FROZEN,
        )

    def follow(self, path: str) -> Tail:
        """The file's new lines from now on."""
        tail = self.tails.enter_context(Tail(self.stage.place.run_folder / path))
        tail.warm_up()
        return tail

    def show(self, *command: str) -> int:
        """A supervisorctl command on the screen, and its exit status."""
        done = self.stage.ctl(*command)
        self.screen.show(f"supervisorctl -c {self.stage.place.shown()} {' '.join(command)}", done.stdout)
        return done.returncode

    def starts(self) -> dict[str, int]:
        """How often each worker was started (the healer itself is no worker)."""
        starts = self.stage.starts()
        return {name: starts[name] for name in WORKERS}

    def spawn(self, name: str, nth: int) -> Any:
        """The n-th start of `name` that supervisord logged, or None if there was none yet."""
        return next(iter([spawn for spawn in self.stage.spawns() if spawn.name == name][nth - 1 :]), None)

    def state(self, name: str) -> str:
        """The published state of a worker."""
        return str(self.stage.call("healer.getWorkerHealth", name)["state"])

    def states(self) -> dict[str, str]:
        """The published state of every worker."""
        return {worker["name"]: worker["state"] for worker in self.stage.call("healer.getAllWorkerHealth")}

    def all_healthy(self) -> bool:
        """Whether all four are."""
        return self.states() == dict.fromkeys(WORKERS, "healthy")

    def blocked_by_engine(self) -> bool:
        """Whether the healer blames the engine for the predictor's silence."""
        worker = self.stage.call("healer.getWorkerHealth", PREDICTOR)
        return bool(worker["state"] == "blocked" and worker["blocked_by"] == [ENGINE])

    def noted(self, name: str, event: str) -> bool:
        """Whether the healer's history has `event` for the worker."""
        return any(note["event"] == event for note in self.stage.call("healer.getHistory", name, 100))

    def tell(self) -> None:
        """Put on the timeline what the healer has noted since the last time, in its own words."""
        for note in self.stage.call("healer.getHistory", "", 100):
            if note["id"] > self.told:
                self.told = note["id"]
                event, text = note["event"], note["text"]
                said = text if text.startswith(event) else f"{event}: {text}"
                self.screen.say(f"healer: {note['worker']} {said}", at=note["at"])

    # --- checking -------------------------------------------------------------------------------------------

    def until(self, what: str, condition: Callable[[], T | None], within: float) -> T:
        """Wait until `condition` holds, telling what the healer does meanwhile.

        Raises UnmetError after `within` seconds.
        """
        deadline = time.monotonic() + within
        while True:
            value = condition()
            self.tell()
            if value:
                self.screen.fact(what)
                return value
            if time.monotonic() >= deadline:
                raise UnmetError(f"{what}, within {within:g} s", self.scenery())
            time.sleep(LOOK_EVERY)

    def check(self, what: str, condition: Callable[[], bool]) -> None:
        """Raise UnmetError unless `condition` holds now."""
        if not condition():
            raise UnmetError(what, self.scenery())
        self.screen.fact(what)

    def scenery(self) -> str:
        """What there is to see, for a failure."""
        return f"states {self.states()}; starts logged by supervisord {self.starts()}"
