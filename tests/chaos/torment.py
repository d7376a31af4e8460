"""A whole run: a site is tormented for a while, left in peace until it is well again, and held against the promises."""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import psutil
from pipeline import LOGS, until

from chaos import meters
from chaos.account import Account
from chaos.driver import Driver, sleep_until
from chaos.faults import Fault, plan
from chaos.meters import Reading
from chaos.promises import violations
from chaos.sampler import Sampler
from chaos.sites import MARK, ChaosSite
from chaos.spawns import parse

RECOVERY = 90.0  # seconds after the last fault within which every worker is well again
SHOWS = 7.5  # seconds after which the last fault shows in the files
SPARED = {"kill_healer", "spoil_journal"}  # in most rounds, so that a healer lives long enough to be measured
SPARED_ROUNDS = 10
TOLERATED = 2048.0  # KiB an hour
LONG = 3000.0  # seconds; before that a process still fills what it keeps: history, finished requests, ages


@dataclass(slots=True)
class Summary:
    """What came of a run. `broken` is what breaks a promise, `recoveries` how long each return to health took."""

    pipeline: str
    seed: str
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    skipped: dict[str, str] = field(default_factory=dict)
    restarts: int = 0
    recoveries: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)

    def slopes(self) -> dict[str, meters.Slope]:
        """How the memory of supervisord and of the healer grows."""
        return {
            role: meters.slope(one for one in self.readings if one.role == role) for role in ("supervisord", "healer")
        }

    def as_json(self) -> str:
        """One line."""
        return json.dumps(
            {
                "pipeline": self.pipeline,
                "seed": self.seed,
                "seconds": round(self.seconds, 1),
                "faults": dict(sorted(self.faults.items())),
                "skipped": self.skipped,
                "restarts": self.restarts,
                "recoveries": [round(took, 1) for took in self.recoveries],
                "violations": len(self.broken),
                "kib_per_hour": {
                    role: [round(slope.per_hour, 1), round(slope.error, 1)] if slope.error == slope.error else None
                    for role, slope in self.slopes().items()
                },
            }
        )


class Tormentor:
    """Torments one site, which it starts and ends."""

    def __init__(self, site: ChaosSite, seed: str, say: Callable[[str], None] = print) -> None:
        self.site = site
        self.summary = Summary(site.name, seed, skipped=dict(site.lacks))
        self._say = say
        tests = {path: partial(site.is_valid, path) for path in site.declared.configs}
        self._sampler = Sampler(site.root, {**dict.fromkeys(site.declared.max_age), **tests})
        self._driver = Driver(site, say)

    def run(self, seconds: float, stretch: float, pause: float) -> Summary:
        """Rounds with faults for a `stretch` each, with a `pause` between two on the average, for so many `seconds`.

        There is one round at least; the first has faults of all kinds.
        """
        begin = time.monotonic()
        summary = self.summary
        with self.site, self._driver as driver, self._sampler:
            until(self._well, "every worker is well at the beginning", RECOVERY)
            quiet = self._read()
            for number in itertools.count():
                driver.run(self._plan(number, stretch, pause))
                driver.calm()
                self._recover()
                self._check(quiet)
                if time.monotonic() - begin >= seconds:
                    break
            self.site.end()
            self._break(self._strangers())
            if summary.broken:
                self._say(f"kept: {self._keep()}")
        summary.faults, summary.seconds = driver.done, time.monotonic() - begin
        if summary.seconds >= LONG:
            self._break(f"memory: {role} grows" for role, slope in summary.slopes().items() if slope.grows(TOLERATED))
        return summary

    def _plan(self, number: int, stretch: float, pause: float) -> list[Fault]:
        spared = SPARED if number % SPARED_ROUNDS else set()
        seed, declared = f"{self.summary.seed}/{number}", self.site.declared
        faults = plan(seed, declared, stretch, pause, spared | self.site.lacks.keys(), all_kinds=number == 0)
        self._say(f"--- {self.site.name}, seed {self.summary.seed}, round {number}: {len(faults)} faults")
        return faults

    def _recover(self) -> None:
        begin = time.monotonic()
        sleep_until(begin + SHOWS)
        until(self._well, f"every worker is well again {RECOVERY:.0f} s after the last fault", RECOVERY - SHOWS)
        self.summary.recoveries.append(time.monotonic() - begin)

    def _well(self) -> bool:
        """Whether all run and write, by the files and by supervisord, and whether the healer says the same."""
        now, declared, films = time.time(), self.site.declared, self._sampler.films
        writes = all(
            films[path].was_fresh(now - 0.5, now, declared.max_age[path])
            for paths in declared.outputs.values()
            for path in paths
        )
        return writes and self._running() and set(self.site.states().values()) == {"healthy"}

    def _running(self) -> bool:
        processes = self.site.rpc.supervisor.getAllProcessInfo()
        return all(process["statename"] == "RUNNING" for process in processes)

    def _keep(self) -> str:
        """Copy what tells how it came to a folder of its own."""
        kept = tempfile.mkdtemp(prefix=f"healer-chaos-{self.site.name}-{self.summary.seed}-")
        for path in itertools.chain(*map(self.site.folder.glob, LOGS)):
            shutil.copy(path, kept)
        return kept

    # --- judging -------------------------------------------------------------------------------------------------

    def _check(self, quiet: list[Reading]) -> None:
        account = self._account()
        self.summary.restarts = len(account.healers_starts())
        self._break(violations(account) + self._driver.refusals + meters.more_descriptors(quiet, self._read()))
        took = self.summary.recoveries[-1]
        self._say(
            f"well after {took:.1f} s; {self.summary.restarts} restarts, {len(self.summary.broken)} violations so far"
        )

    def _break(self, found: Iterable[str]) -> None:
        for text in found:
            if text not in self.summary.broken:
                self._say(f"BROKEN: {text}")
                self.summary.broken.append(text)

    def _account(self) -> Account:
        site, sampler = self.site, self._sampler
        now = time.time()
        assert now - sampler.last < 5, "nobody looks at the files any more"
        self._driver.look()
        backups = {
            path: {backup.read_bytes() for backup in (site.root / path).parent.glob(f"{path.rpartition('/')[2]}.*.bak")}
            for path in site.declared.configs
        }
        return Account(
            site.declared, now, parse(site.read("supervisord.log")), self._driver.orders, sampler.films,
            list(sampler.gaps), self._driver.overwritten, backups, site.changed_bystanders(), self._strangers(),
        )  # fmt: skip

    def _strangers(self) -> list[str]:
        """Processes of this site that are not supervisord's family, when they have had the time to go."""

        def strangers() -> list[psutil.Process]:
            family = self.site.family()
            return [process for process in marked(self.site.token) if process.pid not in family]

        try:
            until(lambda: not strangers(), "all processes belong to somebody", 5)
        except AssertionError:
            return [f"nobody owns process {process.pid}: {process}" for process in strangers()]
        return []

    def _read(self) -> list[Reading]:
        now = time.time()
        pids = {"supervisord": self.site.rpc.supervisor.getPID(), "healer": self.site.pid("healer")}
        readings = [meters.read(role, pid, now) for role, pid in pids.items()]
        self.summary.readings += readings
        return readings


def marked(token: str) -> list[psutil.Process]:
    """The processes that were started by a site, directly or not."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == token and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found
