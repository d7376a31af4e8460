"""What will be done to a pipeline, and when: the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass

from chaos.sites import Declared

# How often each kind comes, compared with the others; upon what; and how many seconds it lasts at most (0: it is over
# at once, or for the healer to end).
KINDS = {
    "freeze": (6, "worker", 0),
    "freeze_pair": (3, "worker", 0),  # and one that it reads from, which has to be healed first
    "starve_frozen": (3, "worker", 10),  # it freezes, and one that it reads from is stopped for longer than the limits
    "starve_dead": (3, "worker", 10),  # it dies when there has not been any input for a while
    "kill": (6, "worker", 0),
    "massacre": (2, "worker", 10),  # killed again and again: the budget has to end it
    "epidemic": (0.5, "", 0),  # many are killed at once: the budget of all together has to spread their restarts
    "hang": (6, "worker", 8),
    "garble_output": (2, "output", 0),
    "truncate_output": (1, "output", 0),
    "rotate_output": (1, "output", 0),
    "delete_output": (1, "output", 0),
    "garble_config": (3, "config", 0),
    "delete_config": (1, "config", 0),
    "stop": (3, "worker", 6),
    "restart": (1, "worker", 0),
    "unmonitor": (1, "worker", 4),
    "heal": (2, "worker", 0),
    "heal_all": (0.5, "", 0),
    "force": (1, "worker", 0),
    "kill_healer": (2, "", 0),
    "reload": (0.3, "", 0),
    "fill_disk": (1, "", 6),
    "spoil_journal": (1, "", 0),
    "spoil_publication": (2, "", 0),
    "step_clock": (1, "", 4),
}
LATE = 0.85  # of the time


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is done `at` seconds after the beginning. `draw`, in [0, 1), chooses among its variants."""

    at: float
    kind: str
    target: str = ""
    lasts: float = 0.0
    draw: float = 0.0

    def __str__(self) -> str:
        lasting = f" for {self.lasts:.1f} s" if self.lasts else ""
        return f"{self.at:7.2f} s  {self.kind} {self.target}".rstrip() + lasting


def plan(
    seed: str, declared: Declared, seconds: float, pause: float, without: Collection[str] = (), all_kinds: bool = True
) -> list[Fault]:
    """Faults over so many `seconds`, with a `pause` between two on the average, in order.

    `without`: kinds that cannot be made here. `all_kinds`: each of the others comes at least once, where there is time.
    """
    draw = random.Random(f"faults {seed}")
    possible = [kind for kind in KINDS if kind not in without]
    weights = [KINDS[kind][0] for kind in possible]
    count = int(seconds / pause)
    kinds = draw.sample(possible, len(possible))[:count] if all_kinds else []
    kinds += draw.choices(possible, weights, k=count - len(kinds))
    draw.shuffle(kinds)
    targets = {
        "worker": list(declared.workers),
        "output": [path for paths in declared.outputs.values() for path in paths],
        "config": list(declared.configs),
        "": [""],
    }
    faults = []
    for kind in kinds:
        _, target, longest = KINDS[kind]
        lasts = draw.uniform(0.7, 1) * longest
        earliest = LATE * seconds if kind == "reload" else 0.0  # it ends all others
        at = draw.uniform(earliest, max(earliest, seconds - lasts))  # it is over when the time is
        faults.append(Fault(at, kind, draw.choice(targets[target]), lasts, draw.random()))
    return sorted(faults, key=lambda fault: fault.at)
