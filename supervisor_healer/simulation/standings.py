"""The comparison with other restarters as tables, as they stand in docs/reliability.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from math import inf, isinf
from statistics import median

from supervisor_healer.simulation.comparison import HEALER, MINDS, NEEDLESS, Course, Result, compare
from supervisor_healer.simulation.incidents import KINDS
from supervisor_healer.simulation.pool import results
from supervisor_healer.simulation.rivals import RIVALS
from supervisor_healer.words import duration

YARDSTICK = next(iter(RIVALS))  # whom recoveries are compared with: it waits for nothing

NONE = "-"  # there was no such incident


def section(seeds: range, jobs: int) -> str:
    """Play the seeds' incidents; the section's tables."""
    return tables(list(results(compare, seeds, jobs)))


def tables(played: Sequence[Result]) -> str:
    """Restarts, recoveries, and both by kind of incident, in Markdown."""
    return "\n\n".join((_restarts(played), _recoveries(played), _kinds(played)))


def _restarts(played: Sequence[Result]) -> str:
    """Restarts, and why they were needless."""
    heads = (f"{len(played)} incidents", "restarts", "needless", *NEEDLESS, "never well again", "left down")

    def row(mind: str) -> Iterable[object]:
        courses = [result.courses[mind] for result in played]
        yield sum(course.restarts for course in courses)
        yield sum(course.needless.total() for course in courses)
        for why in NEEDLESS:
            yield sum(course.needless[why] for course in courses)
        yield sum(isinf(course.recovered) for course in courses)
        yield sum(course.down for course in courses)

    return _table(heads, ((mind, *row(mind)) for mind in MINDS))


def _recoveries(played: Sequence[Result]) -> str:
    """How long it took until all was well, and by how much longer than without any gate."""
    curable = [result for result in played if result.curable]
    others = [result for result in played if not result.curable]
    heads = (
        "time to recovery",
        f"a restart is the cure ({len(curable)}): median",
        "p95",
        f"median / that of {_short(YARDSTICK)}",
        f"median of each / {_short(YARDSTICK)}",
        f"it is not ({len(others)}): median",
        "p95",
    )

    def row(mind: str) -> Iterable[object]:
        yield from _quantiles(_recovered(curable, mind))
        yield f"{ratio_of_medians(played, mind):.2f}" if curable else NONE
        yield f"{median(_ratios(curable, mind)):.2f}" if curable else NONE
        yield from _quantiles(_recovered(others, mind))

    return _table(heads, ((mind, *row(mind)) for mind in MINDS))


def _kinds(played: Sequence[Result]) -> str:
    """Each kind of incident: needless restarts, and the median time to recovery. Batch pipelines stand apart."""
    heads = ("needless restarts / median time to recovery", *map(_short, MINDS))

    def cell(found: Sequence[Result], mind: str) -> str:
        needless = sum(result.courses[mind].needless.total() for result in found)
        return f"{needless} / {_time(median(_recovered(found, mind)))}"

    rows = []
    for kind, batch in product(KINDS, (False, True)):
        found = [result for result in played if (result.kind, result.batch) == (kind, batch)]
        if found:
            rows.append(
                (f"{kind}{', in a batch pipeline' * batch} ({len(found)})", *(cell(found, mind) for mind in MINDS))
            )
    return _table(heads, rows)


def ratio_of_medians(played: Sequence[Result], mind: str = HEALER) -> float:
    """By how much later than the yardstick it recovers, in the median, where a restart is the cure."""
    curable = [result for result in played if result.curable]
    return median(_recovered(curable, mind)) / median(_recovered(curable, YARDSTICK))


def _recovered(played: Sequence[Result], mind: str) -> list[float]:
    return sorted(result.courses[mind].recovered for result in played)


def _ratios(played: Sequence[Result], mind: str) -> list[float]:
    """Per incident, against the yardstick; infinite where only the yardstick recovered."""

    def ratio(course: Course, other: Course) -> float:
        if isinf(course.recovered) or not other.recovered:
            return inf if course.recovered > other.recovered else 1.0
        return course.recovered / other.recovered

    return [ratio(result.courses[mind], result.courses[YARDSTICK]) for result in played]


def _quantiles(times: Sequence[float]) -> tuple[str, str]:
    """Median and 95th percentile, of sorted times."""
    return (_time(median(times)), _time(times[int(0.95 * (len(times) - 1))])) if times else (NONE, NONE)


def _time(seconds: float) -> str:
    return "never" if isinf(seconds) else duration(seconds)


def _short(mind: str) -> str:
    return mind.split(maxsplit=1)[0]


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
