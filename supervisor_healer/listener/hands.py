"""All that is done for the healer by threads and children, so that nothing which hangs can hold it up."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from supervisor_healer.core.engine import Engine
from supervisor_healer.core.model import Architecture, Now, Seen
from supervisor_healer.core.news import ComponentResult, ConfigFound, Mended
from supervisor_healer.core.orders import Create, Repair, Restore
from supervisor_healer.listener import components
from supervisor_healer.listener.configs import ConfigBook
from supervisor_healer.listener.errands import Ended, Errands
from supervisor_healer.listener.lookout import Lookout
from supervisor_healer.listener.mender import Mender
from supervisor_healer.listener.results import ResultsWriter
from supervisor_healer.listener.wire import rendered

COMPONENT = "component "
SECRETS = frozenset({"SUPERVISOR_USERNAME", "SUPERVISOR_PASSWORD"})  # a component healer asks us for a restart


class Hands:
    """Looks, checks, repairs, component healers and the results file of one architecture. `log` writes a line."""

    def __init__(self, architecture: Architecture, errands: Errands, log: Callable[[str], None]) -> None:
        self._errands = errands
        self._log = log
        self._mender = Mender(errands)
        self._lookout = Lookout(architecture.root)
        self._results: ResultsWriter | None = None
        self._said: list[str] = []
        self._late: set[str] = set()
        self._environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
        self.adopt(architecture)

    def adopt(self, architecture: Architecture) -> None:
        """Go on with another architecture: every config is checked anew."""
        self._architecture = architecture
        self._lookout.root = architecture.root
        self._mender.forget_checks()
        self._configs = ConfigBook(architecture, self._mender)
        place = (architecture.results, architecture.root)
        if self._results is not None and (self._results.path, self._results.root) != place:
            self._results.close()
            self._results = None
        if self._results is None and architecture.results:
            self._results = ResultsWriter(*place)

    def look(self, engine: Engine, paths: Iterable[str], now: Now) -> dict[str, Seen]:
        """A look at each of `paths`, of configs at their content, too."""
        wanted = list(paths)
        seen = self._lookout.look(wanted, engine.grounds(wanted, now))
        configs = {path: seen[path] for path in wanted if path in self._configs.specs}
        if configs:
            seen.update(self._configs.judged(configs, self._lookout.fingerprints(configs), now))
        return seen

    @property
    def next_wake(self) -> float:
        """When (mono) to `collect` even if no child says anything."""
        return min(self._errands.next_deadline(), self._mender.next_due, self._configs.next_due)

    def collect(self, now: Now) -> list[ConfigFound | Mended | ComponentResult]:
        """What the children have found and done since the last time."""
        news = self._errands.collect(now.mono)
        events: list[ConfigFound | Mended | ComponentResult] = []
        for job, answer in self._mender.collect(news, now.mono):
            event = self._configs.take(job, answer, now)
            if event is not None:
                events.append(event)
        for one in news:
            if isinstance(one, Ended) and one.key.startswith(COMPONENT):
                events.append(components.parse(one.key.removeprefix(COMPONENT), one))
        self._configs.go_on(now)
        return events

    def mend(self, order: Create | Repair | Restore) -> None:
        """Have a file made, or a config repaired or restored."""
        self._mender.submit(self._configs.job_for(order))

    def consult(self, report: dict[str, Any], now: Now) -> None:
        """Give the report to every component healer that is not still busy with the one before."""
        text = json.dumps(rendered(report, now.mono), ensure_ascii=True).encode("ascii")
        for spec in self._architecture.component_healers:
            key = COMPONENT + spec.name
            if self._errands.running(key):
                if key not in self._late:
                    self._log(f"healer: the component healer {spec.name} is still busy with the last report")
                self._late.add(key)
                continue
            self._late.discard(key)
            command = components.command_of(spec)
            self._errands.start(
                key, command, timeout=spec.timeout, stdin=text, cwd=self._architecture.root, env=self._environment
            )

    def write_results(self, report: dict[str, Any], now: Now) -> None:
        """Have the results file written, if there is to be one."""
        if self._results is not None:
            self._results.submit(rendered(report, now.mono))

    def problems(self) -> list[str]:
        """What a person should know of the healer's own work; what is new in it is logged."""
        found = [
            f"a look at {path} hangs, as on a dead mount: until it answers, nobody can tell how that file is"
            for path, _ in self._lookout.hung
        ]
        if self._results is not None and self._results.problem:
            found.append(f"results file: {self._results.problem}")
        for problem in found:
            if problem not in self._said:
                self._log(f"healer: {problem}")
        self._said = found
        return found

    def close(self) -> None:
        """Let go of everything, whatever hangs."""
        self._errands.abandon_all()
        self._lookout.close()
        if self._results is not None:
            self._results.close()
