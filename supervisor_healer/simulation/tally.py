"""What came of many worlds, in figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from supervisor_healer.simulation.case import Hang, Outcome
from supervisor_healer.simulation.run import MISSED
from supervisor_healer.simulation.timeline import DAY
from supervisor_healer.words import duration

Figure = int | float
HEADINGS = (
    "worlds", "seeds", "days", "incidents", "restarts", "needless", "hangs", "missed", "late",
    "median", "p95", "p99", "violations",
)  # fmt: skip


def figures(outcomes: Sequence[Outcome]) -> dict[str, Figure]:
    """The sums, for machines. They are the same for the same outcomes, in whatever order.

    `hangs`: those that a restart could have ended, since there was a time in which the output was stale, work waited
    and the inputs were fresh (usable time). `missed`: not restarted although three max_ages and five minutes of it
    went by; `late`: restarted only then.
    """
    curable = list(_curable(outcomes))
    overdue = [hang for hang in curable if hang.usable > 3 * hang.max_age + MISSED]
    return {
        "seeds": len(outcomes),
        "simulated_days": round(math.fsum(outcome.seconds for outcome in outcomes) / DAY, 2),
        "incidents": sum(outcome.incidents for outcome in outcomes),
        "restarts": sum(outcome.restarts for outcome in outcomes),
        "needless_restarts": sum(outcome.needless for outcome in outcomes),
        "hangs": len(curable),
        "missed": sum(not hang.restarted for hang in overdue),
        "late": sum(hang.restarted for hang in overdue),
        "violations": sum(len(outcome.violations) for outcome in outcomes),
    }


def table(outcomes: Sequence[Outcome]) -> str:
    """The same for people, in Markdown: a row for each shape of pipeline, each mood of the faults, and all.

    `median`, `p95` and `p99` are of the time for which a restarted hang was overdue: in words, and in max_ages.
    """
    rows = [
        *_groups(outcomes, 0).items(),
        *_groups(outcomes, 1).items(),
        ("all", outcomes),
    ]
    lines = [HEADINGS, tuple("---:" if heading != "worlds" else "---" for heading in HEADINGS)]
    lines += [(name, *_row(group)) for name, group in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _groups(outcomes: Sequence[Outcome], word: int) -> Mapping[str, list[Outcome]]:
    """By that word of their kind, in the order of the alphabet."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.kind.split()[word], []).append(outcome)
    return dict(sorted(groups.items()))


def _row(outcomes: Sequence[Outcome]) -> Iterator[str]:
    sums = figures(outcomes)
    restarted = [hang for hang in _curable(outcomes) if hang.restarted]
    delays = sorted(hang.overdue for hang in restarted)
    in_max_ages = sorted(hang.overdue / hang.max_age for hang in restarted)
    for key in ("seeds", "simulated_days", "incidents", "restarts", "needless_restarts", "hangs", "missed", "late"):
        yield f"{sums[key]:.0f}"
    for share in (0.5, 0.95, 0.99):
        yield f"{duration(percentile(delays, share))}, {percentile(in_max_ages, share):.2f}" if restarted else ""
    yield str(sums["violations"])


def _curable(outcomes: Iterable[Outcome]) -> Iterator[Hang]:
    return (hang for outcome in outcomes for hang in outcome.hangs if hang.usable > 0.0)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the values that at least that share of them does not exceed (nearest rank).

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5), percentile([1.0, 2.0, 3.0, 4.0], 0.95)
    (2.0, 4.0)
    """
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
