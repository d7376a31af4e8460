"""What the scenes have in common: a claim on the screen is checked against a fact, within a deadline.

Facts are: supervisord's own log of what it spawned, pids, the lines in the pipeline's files (each row carries the
pid of its writer and the time), the bytes of its other files, exit statuses, and the states that the healer publishes.
Nothing is inferred from text.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil

from supervisor_healer.demo.files import Tail
from supervisor_healer.demo.screen import YELLOW, Screen
from supervisor_healer.demo.stage import Stage
from supervisor_healer.errors import HealerError

ENGINE, PREDICTOR, RESOLVER = "predictive_engine", "ensemble_predictor", "signal_resolver"
WORKERS = ("feature_builder", ENGINE, PREDICTOR, RESOLVER)
LOOK_EVERY = 0.05  # seconds
IS_FROZEN = 5.0  # seconds

T = TypeVar("T")


class UnmetError(HealerError):
    """Something did not happen."""

    def __init__(self, expected: str, seen: str) -> None:
        super().__init__(f"Expected: {expected}\nSeen: {seen}")


class Witness:
    """Looks at one stage, and tells the screen. `told` is the last line of the healer's history that it has told."""

    def __init__(self, stage: Stage, screen: Screen) -> None:
        self.stage = stage
        self.screen = screen
        self.told = 0.0
        self.tails = contextlib.ExitStack()

    def __enter__(self) -> Witness:
        return self

    def __exit__(self, *exception: object) -> None:
        self.tails.close()

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
        tail = self.tails.enter_context(Tail(self.path(path)))
        tail.warm_up()
        return tail

    def show(self, *command: str) -> int:
        """A supervisorctl command on the screen, and its exit status."""
        done = self.stage.ctl(*command)
        self.screen.show(f"supervisorctl -c {self.stage.place.shown()} {' '.join(command)}", done.stdout)
        self.tell()
        return done.returncode

    def path(self, name: str) -> Path:
        """A file of the pipeline."""
        return self.stage.place.run_folder / name

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
