"""The healing cycle: workers, files, configs, dependencies, and the report at its end.

Workers are judged at their own deadlines, too; a round looks at all of them once. It takes as many turns as its checks
need, but no longer than `CHECK_PATIENCE`, and its repairs, but no longer than `PATIENCE`; nothing else waits for it but
who reads what is being mended. What is checked later is mended then, until another round begins.
"""

from __future__ import annotations

from collections.abc import Iterable

from supervisor_healer.core.book import ReportBook
from supervisor_healer.core.care import CHECK_PATIENCE, PATIENCE
from supervisor_healer.core.freshness import NEVER
from supervisor_healer.core.looks import Looks
from supervisor_healer.core.model import Now
from supervisor_healer.core.orders import Consult
from supervisor_healer.core.record import Record
from supervisor_healer.core.upkeep import Upkeep
from supervisor_healer.core.ward import Ward

ALL = "heal all"
RECENT = 12.0  # seconds; a look that a heartbeat took a moment ago need not be taken again for the cycle


class Round:
    """Begins when the cycle is over, or when somebody asks. `cycle` is in seconds.

    `completed` counts the rounds that are over, so that who has asked for one can tell whether it was.
    """

    def __init__(self, ward: Ward, upkeep: Upkeep, looks: Looks, book: ReportBook, record: Record) -> None:
        self._ward = ward
        self._upkeep = upkeep
        self._looks = looks
        self._book = book
        self._record = record
        self.cycle = 60.0
        self.has_components = False
        self.completed = 0
        self._under_way = self._waits_for_checks = False
        self._last = NEVER  # when the last one began that may mend
        self._asked: dict[str, bool] = {"start": True}  # cause -> whether it may mend
        self._cause = ""
        self._mends = False
        self._consults = False
        self._began = 0.0

    def ask(self, cause: str, *, mends: bool) -> int:
        """Begin a round as soon as may be; the number that `completed` has when it is over."""
        self._asked[cause] = self._asked.get(cause, False) or mends
        return self.completed + (2 if self._under_way else 1)

    @property
    def is_under_way(self) -> bool:
        """Whether everything is being looked at."""
        return self._under_way

    @property
    def next_due(self) -> float:
        """The mono moment of the next round, NEVER if at once; while one is under way, that at which it may end."""
        if self._under_way:
            return self._began + (CHECK_PATIENCE if self._waits_for_checks else PATIENCE)
        return NEVER if self._asked else self._last + self.cycle

    def begin_turn(self, now: Now) -> None:
        """Begin if it is time: everything is to be looked at in this turn."""
        if self._under_way or now.mono < self.next_due:
            return
        self._under_way, self._began, self._waits_for_checks = True, now.mono, True
        due = now.mono >= self._last + self.cycle
        causes = list(self._asked) or ["cycle"]
        self._cause = causes[0]
        self._mends = due or any(self._asked.values())
        self._consults = self.has_components and (due or not {"start", "reload", ALL}.isdisjoint(causes))
        self._asked = {}
        if self._mends:
            self._last = now.mono
        self._upkeep.begin_round(asked=any(cause.startswith("heal ") for cause in causes))
        self._ward.call(self._ward.patients)
        old = now.mono if ALL in causes or not self._mends else now.mono - RECENT
        self._looks.want(
            path
            for path, track in self._ward.tracks.items()
            if track.looked is None or track.looked.mono < old or not track.present or path in self._upkeep.configs
        )
        self._looks.want(self._one_output_a_folder())

    def _one_output_a_folder(self) -> Iterable[str]:
        """The file systems under the outputs are looked at, too: a failing write can move an mtime all the same."""
        outputs = (path for spec in self._ward.pipeline.workers.values() for path in spec.outputs)
        return {path.rpartition("/")[0]: path for path in outputs}.values()

    def step(self, now: Now, *, halted: bool) -> bool:
        """Take the round as far as it goes now; whether it is over by that."""
        self._upkeep.go_on(now, mends=self._mends)
        if not self._under_way:
            return False
        self._waits_for_checks = bool(self._upkeep.being_checked) and now.mono < self._began + CHECK_PATIENCE
        if self._waits_for_checks or (self._upkeep.is_mending(now) and now.mono < self._began + PATIENCE):
            return False
        self._under_way = False
        self.completed += 1
        self._book.round_ends(self._began, now, self._cause)
        if self._consults and not self._upkeep.restraint and not halted:
            self._book.asks_components()
            self._record.add(Consult())
        return True
