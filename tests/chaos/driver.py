"""The hands that carry out a plan: what breaks things, and what an operator does meanwhile."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import random
import signal
import time
import xmlrpc.client
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import waiting
from disks import fill, small_disk
from pipeline import until

from chaos.account import Overwritten
from chaos.faults import Fault
from chaos.sites import DISK, ChaosSite
from chaos.spawns import Order

AWAY = (OSError, xmlrpc.client.Error)  # what a call raises when supervisord is busy with itself, or refuses
GARBAGE = b'\x00\xff{"garbage\n'
TRIES = 5
NOT_RUNNING = 70  # Supervisor's fault

CONFIGS: tuple[Callable[[bytes], bytes], ...] = (
    lambda valid: valid[: valid.rindex(b",")] + b"}\n",  # a field is lost
    lambda _valid: b"{}",
    lambda valid: valid.replace(b'": 0.', b'": 7.'),
    lambda valid: valid[:-5],
    lambda _valid: GARBAGE,
    lambda _valid: b"",
)
PUBLICATIONS = (
    "",
    "no JSON",
    "[]",
    "{}",
    '{"version": 1, "workers": 7}',
    '{"version": NaN}',
    "[" * 5000,
    "x" * 100_000,
)
STEPS = (3600.0, -3600.0, 20.0, -20.0, 86400.0, 4.0)  # seconds


class Driver:
    """Carries out faults; a context manager, which leaves a mounted disk behind for nobody.

    `orders` is what it did as an operator, `overwritten` what became of the configs that it wrote, `done` what it did,
    `refusals` what supervisord should have refused and did not.
    """

    def __init__(self, site: ChaosSite, say: Callable[[str], None]) -> None:
        self.site = site
        self.orders: list[Order] = []
        self.overwritten: list[Overwritten] = []
        self.done: Counter[str] = Counter()
        self.refusals: list[str] = []
        self._say = say
        self._number = itertools.count()
        self._ends: list[tuple[float, int, Callable[[], None]]] = []
        self._written: dict[str, bytes | None] = dict(site.declared.configs)
        self._stack = ExitStack()
        self._calming = False

    def __enter__(self) -> Driver:
        if "fill_disk" not in self.site.lacks:
            self._stack.enter_context(small_disk(self.site.root / DISK))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # --- the plan --------------------------------------------------------------------------------------------

    def run(self, faults: list[Fault]) -> None:
        """Carry out the plan in its time, and end each fault in its own."""
        begin, self._calming = time.monotonic(), False
        for fault in faults:
            self._wait(begin + fault.at)
            self._do(fault)

    def calm(self) -> None:
        """End what still lasts, and do what an operator does at the end of a bad night."""
        self._calming = True
        while self._ends:
            heapq.heappop(self._ends)[2]()
        until(lambda: self.site.rpc.supervisor.getState()["statename"] == "RUNNING", "supervisord is there again")
        for path, valid in self.site.declared.configs.items():
            if not self.site.is_valid(path, self._content(path)):
                self._overwrite(path, valid)
        until(self._healer_runs, "supervisord runs the healer")
        self.site.until_healer()
        until(lambda: self.site.rpc.healer.monitor("all"), "the healer may act on all")

    def _healer_runs(self) -> bool:
        """One that was killed too often in its first second is not started again by supervisord."""
        state = self.site.statename("healer")
        if state in ("FATAL", "EXITED"):
            self.site.rpc.supervisor.startProcess("healer", False)
        return state == "RUNNING"

    def look(self) -> None:
        """See what has become of the configs."""
        for path in self.site.declared.configs:
            self._look(path)

    def _do(self, fault: Fault, tries: int = TRIES) -> None:
        """Carry it out; where there is nothing that it could be done to at this moment, once more in a second."""
        try:
            getattr(self, f"_{fault.kind}")(fault)
        except AWAY as error:
            if tries > 1:
                self._ends_after(1.0, lambda: self._do(fault, tries - 1))
            else:
                self._say(f"{fault}: not done: {error}")
        else:
            self._say(str(fault))
            self.done[fault.kind] += 1

    def _wait(self, at: float) -> None:
        while self._ends and self._ends[0][0] <= at:
            due, _, end = heapq.heappop(self._ends)
            sleep_until(due)
            end()
        sleep_until(at)

    def _ends_after(self, seconds: float, end: Callable[[], None]) -> None:
        heapq.heappush(self._ends, (time.monotonic() + seconds, next(self._number), end))

    # --- workers -------------------------------------------------------------------------------------------------

    def _pid(self, worker: str) -> int:
        """Its pid; one that is down has none that a signal could go to."""
        pid = self.site.pid(worker)
        if pid <= 1:
            raise ProcessLookupError(worker)
        return pid

    def _freeze(self, fault: Fault) -> None:
        os.kill(self._pid(fault.target), signal.SIGSTOP)

    def _freeze_pair(self, fault: Fault) -> None:
        self._freeze(fault)
        feeders = self.site.declared.feeders(fault.target)
        if feeders:
            os.kill(self._pid(feeders[int(fault.draw * len(feeders))]), signal.SIGSTOP)

    def _starve_frozen(self, fault: Fault) -> None:
        self._starve(fault)
        self._freeze(fault)

    def _starve_dead(self, fault: Fault) -> None:
        self._starve(fault)
        self._ends_after(0.7 * fault.lasts, lambda: self._do(replace(fault, kind="kill")))

    def _starve(self, fault: Fault) -> None:
        for feeder in self.site.declared.feeders(fault.target)[:1]:
            self._stop(replace(fault, target=feeder))

    def _kill(self, fault: Fault) -> None:
        os.kill(self._pid(fault.target), signal.SIGKILL)

    def _massacre(self, fault: Fault) -> None:
        end = time.monotonic() + fault.lasts

        def once() -> None:
            with contextlib.suppress(*AWAY):
                self._kill(fault)
            if time.monotonic() < end and not self._calming:
                self._ends_after(0.5, once)

        once()

    def _epidemic(self, fault: Fault) -> None:
        for worker in random.Random(fault.draw).sample(
            self.site.declared.workers, len(self.site.declared.workers) // 3
        ):
            with contextlib.suppress(*AWAY):
                self._kill(replace(fault, target=worker))

    def _hang(self, fault: Fault) -> None:
        flag = self.site.hang_flag(fault.target, self._pid(fault.target))
        flag.touch()
        if str(flag.name) == fault.target:  # it would hang again after a restart
            self._ends_after(fault.lasts, lambda: flag.unlink(missing_ok=True))

    # --- outputs -------------------------------------------------------------------------------------------------

    def _output(self, fault: Fault) -> Path:
        """The file; the newest match of a pattern."""
        return max(
            self.site.root.glob(fault.target), key=lambda path: path.stat().st_mtime_ns, default=Path("/nowhere/x")
        )

    def _garble_output(self, fault: Fault) -> None:
        with open(self._output(fault), "r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(GARBAGE)

    def _truncate_output(self, fault: Fault) -> None:
        os.truncate(self._output(fault), 0)

    def _rotate_output(self, fault: Fault) -> None:
        path = self._output(fault)
        path.rename(path.with_name(f"{path.name}.1"))

    def _delete_output(self, fault: Fault) -> None:
        self._output(fault).unlink()

    # --- configs -------------------------------------------------------------------------------------------------

    def _garble_config(self, fault: Fault) -> None:
        variant = CONFIGS[int(fault.draw * len(CONFIGS))]
        self._overwrite(fault.target, variant(self.site.declared.configs[fault.target]))

    def _delete_config(self, fault: Fault) -> None:
        self._look(fault.target)
        self._written[fault.target] = None
        (self.site.root / fault.target).unlink()

    def _overwrite(self, path: str, content: bytes) -> None:
        """Write it as an editor does, atomically, and with something that no other content has."""
        self._look(path)
        content += b" " * next(self._number)
        place = self.site.root / path
        temporary = place.with_name(f".{place.name}.edited")
        temporary.write_bytes(content)
        temporary.rename(place)
        self._written[path] = content

    def _look(self, path: str) -> None:
        self.overwritten.append(Overwritten(path, self._written[path], self._content(path)))

    def _content(self, path: str) -> bytes | None:
        try:
            return (self.site.root / path).read_bytes()
        except FileNotFoundError:
            return None

    # --- operators -----------------------------------------------------------------------------------------------

    @contextmanager
    def _order(self, kind: str, worker: str) -> Iterator[None]:
        begin, done = time.time(), True
        try:
            yield
        except AWAY as error:
            done = isinstance(error, xmlrpc.client.Fault) and error.faultCode == NOT_RUNNING  # it is noted all the same
            if not done:
                raise
        finally:
            self.orders.append(Order(kind, worker, begin, time.time(), done))

    def _stop(self, fault: Fault) -> None:
        with contextlib.suppress(OSError), self._order("stop", fault.target):  # whose answer is lost may be done
            self.site.rpc.supervisor.stopProcess(fault.target, fault.draw < 0.5)
        self._ends_after(fault.lasts, lambda: self._start(fault.target))

    def _start(self, worker: str) -> None:
        """When it is down; until then supervisord would refuse it."""
        until(lambda: self.site.statename(worker) != "STOPPING", f"{worker} has stopped")
        with contextlib.suppress(*AWAY), self._order("start", worker):
            self.site.rpc.supervisor.startProcess(worker, False)

    def _restart(self, fault: Fault) -> None:
        with self._order("restart", fault.target):
            self.site.ctl("restart", fault.target)

    def _unmonitor(self, fault: Fault) -> None:
        def end() -> None:
            with contextlib.suppress(*AWAY):
                self.site.rpc.healer.monitor(fault.target)

        self._ends_after(fault.lasts, end)
        self.site.rpc.healer.unmonitor(fault.target, 0)

    def _heal(self, fault: Fault) -> None:
        with self._order("heal", fault.target):
            self.site.rpc.healer.heal(fault.target, {})

    def _heal_all(self, _fault: Fault) -> None:
        with self._order("heal", ""):
            self.site.rpc.healer.heal("all", {})

    def _force(self, fault: Fault) -> None:
        with self._order("force", fault.target):
            self.site.rpc.healer.heal(fault.target, {"force": True})

    def _reload(self, _fault: Fault) -> None:
        with self._order("reload", ""):
            self.site.rpc.supervisor.restart()

    # --- the healer and its host ---------------------------------------------------------------------------------

    def _kill_healer(self, _fault: Fault) -> None:
        os.kill(self._pid("healer"), signal.SIGKILL)

    def _fill_disk(self, fault: Fault) -> None:
        filler = self.site.root / DISK / "filler"
        fill(filler)
        self._ends_after(fault.lasts, lambda: filler.unlink(missing_ok=True))

    def _spoil_journal(self, fault: Fault) -> None:
        """Overwrite a part of it, cut it in two, or remove it; the healer of every other one is killed, too.

        Its write-ahead log is only removed. SQLite drops the tail of a damaged one without a word, and with it what was
        written last: that this costs a budget its newest restarts is a known gap (docs/reliability.md).
        """
        for path in self.site.root.glob("healer.sqlite3*"):
            if fault.draw < 0.2:
                path.unlink()
            elif path.suffix != ".sqlite3":
                continue
            elif fault.draw < 0.4:
                os.truncate(path, path.stat().st_size // 2)
            else:
                with open(path, "r+b") as file:
                    file.seek(int((fault.draw - 0.4) * path.stat().st_size))
                    file.write(GARBAGE * 1000)
        if int(fault.draw * 10) % 2:
            self._kill_healer(fault)

    def _spoil_publication(self, fault: Fault) -> None:
        text = PUBLICATIONS[int(fault.draw * len(PUBLICATIONS))]
        try:
            self.site.rpc.healer.publish(text)
        except xmlrpc.client.Fault:
            return
        self.refusals.append(f"supervisord has taken this for a publication: {text[:60]!r}")

    def _step_clock(self, fault: Fault) -> None:
        self.site.set_clock(STEPS[int(fault.draw * len(STEPS))])
        self._ends_after(fault.lasts, lambda: self.site.set_clock(0.0))


def sleep_until(at: float) -> None:
    """Let the time pass until a moment of the monotonic clock."""
    left = at - time.monotonic()
    if left > 0:
        waiting.until(lambda: time.monotonic() >= at, "the time passes", left + 60)
