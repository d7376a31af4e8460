"""What really happened to a pipeline, without the healer's word for any of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos.sampler import KEPT, Film
from chaos.sites import Declared
from chaos.spawns import Event, HealersStart, Order, healers_starts


@dataclass(frozen=True, slots=True)
class Overwritten:
    """What the driver had written to a config, and what it found there later; None: no file."""

    path: str
    written: bytes | None
    found: bytes | None


@dataclass(frozen=True, slots=True)
class Account:
    """Until `now`: the log, the operator's orders, what the files looked like, and what became of those that are kept.

    `gaps`: when nobody looked at the files. `backups`: every content of every backup, by config. `changed`: files of
    nobody's business that are not as they were. `strangers`: processes that nobody owns.
    """

    declared: Declared
    now: float
    events: list[Event] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    films: Mapping[str, Film] = field(default_factory=dict)
    gaps: list[tuple[float, float]] = field(default_factory=list)
    overwritten: list[Overwritten] = field(default_factory=list)
    backups: Mapping[str, set[bytes]] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def healers_starts(self) -> list[HealersStart]:
        """Every start that only the healer can have ordered."""
        return healers_starts(self.events, self.orders, self.declared.workers)

    def seen(self, since: float, by: float) -> bool:
        """Whether somebody looked at the files all the time between these moments, and it is still known."""
        return since > self.now - KEPT and not any(begin < by and since < end for begin, end in self.gaps)
