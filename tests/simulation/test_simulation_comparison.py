"""The comparison is fair, repeatable, and comes out as the docs say."""

from __future__ import annotations

from collections import Counter
from math import inf
from pathlib import Path

import pytest

from supervisor_healer.simulation.comparison import (
    CATCHING_UP,
    HEALER,
    MINDS,
    SLOW,
    WAITING,
    WELL,
    Course,
    Result,
    Stage,
    compare,
    play,
)
from supervisor_healer.simulation.incidents import KINDS, incident_of
from supervisor_healer.simulation.rivals import RIVALS
from supervisor_healer.simulation.standings import ratio_of_medians, tables
from supervisor_healer.simulation.timeline import HOUR

QUICK = [seed for seed in range(60) if incident_of(seed).watched < 2 * HOUR]
SEEDS = QUICK[:8]
BLIND, GATED, MONIT = RIVALS


@pytest.fixture(scope="module")
def played() -> list[Result]:
    return [compare(seed) for seed in SEEDS]


def test_the_healer_restarts_nobody_who_only_waited_or_caught_up(played: list[Result]) -> None:
    needless = sum((result.courses[HEALER].needless for result in played), Counter[str]())
    assert set(needless) <= {SLOW}
    others = sum((result.courses[mind].needless for result in played for mind in RIVALS), Counter[str]())
    assert others[WAITING] > 0
    assert others[CATCHING_UP] > 0  # the same measure finds them where they are


def test_the_same_seed_gives_the_same_result(played: list[Result]) -> None:
    assert compare(SEEDS[0]) == played[0]


def test_every_kind_of_incident_comes_with_its_share() -> None:
    drawn = Counter(incident_of(seed).kind for seed in range(1000))
    shares = sum(share for share, _, _ in KINDS.values())
    for kind, (share, _, _) in KINDS.items():
        assert drawn[kind] == pytest.approx(1000 * share / shares, rel=0.35), kind


@pytest.mark.parametrize("seed", QUICK[:16])
def test_the_pipeline_is_well_before_the_incident(seed: int) -> None:
    """So that nothing that is counted comes from elsewhere."""
    incident = incident_of(seed)
    stage = Stage(incident, HEALER)
    stage.run(incident.calm)
    assert not stage.orders
    assert not any(program.ails(stage.time.mono) for program in stage.programs.values())


def first(kind: str) -> int:
    return next(seed for seed in QUICK if incident_of(seed).kind == kind)


@pytest.mark.parametrize("mind", MINDS)
def test_a_dead_worker_is_started_once_and_all_is_well(mind: str) -> None:
    course = play(incident_of(first("a worker dies")), mind)
    assert course.restarts >= 1
    assert course.recovered < inf
    assert course.down == 0


def test_what_excuses_a_worker() -> None:
    incident = incident_of(first("a source falls silent and comes back"))
    stage = Stage(incident, HEALER)
    stage.run(incident.calm)
    last = incident.plan.workers[-1].name
    assert stage.excuse(last) == WELL
    stage.outside.update(dict.fromkeys(stage.outside, False))
    stage.run(3 * max(spec.limit for spec in incident.plan.files))
    assert stage.excuse(last) == WAITING
    stage.hang(last)
    assert stage.excuse(last) == ""


def course(recovered: float, **needless: int) -> Course:
    return Course(1, Counter(needless), recovered, 0)


def result(*recovered: float, curable: bool = True) -> Result:
    kind = next(iter(KINDS))
    return Result(kind, False, curable, dict(zip(MINDS, map(course, recovered), strict=True)))


def test_how_much_later_is_measured_where_a_restart_is_the_cure() -> None:
    played = [result(100, 100, 100, 120), result(200, 1, 1, 300), result(10, 1, 1, 999, curable=False)]
    assert ratio_of_medians(played) == pytest.approx(210 / 150)


def test_the_tables_say_so_where_somebody_never_recovers() -> None:
    text = tables([result(60, inf, 60, 90), result(60, inf, 0, 60, curable=False)])
    rows = {line.split(" | ")[0].strip("| "): line for line in text.split("\n\n")[1].splitlines()}
    assert "1m | 1m | 1.00 | 1.00" in rows[BLIND]
    assert "never | never | inf | inf" in rows[GATED]
    assert "1m | 1m | 1.00 | 1.00" in rows[MONIT]
    assert "1m30s | 1m30s | 1.50 | 1.50" in rows[HEALER]


def test_a_table_of_one_incident_leaves_out_what_there_was_not() -> None:
    assert "| 1m | 1m | 1.00 | 1.00 | - | - |" in tables([result(60, 60, 60, 60)])
    assert "| - | - | - | - | 1m | 1m |" in tables([result(60, 60, 60, 60, curable=False)])


def test_the_docs_show_the_tables_of_all_of_them() -> None:
    page = (Path(__file__).parents[2] / "docs/reliability.md").read_text()
    _, _, section = page.partition("## Compared with other restarters")
    shown = [line.split(" | ") for line in section.splitlines() if line.startswith("| ")]
    made = [line.split(" | ") for line in tables([result(1, 1, 1, 1)]).splitlines() if line.startswith("| (")]
    assert made
    for line in made:
        assert any(cells[0] == line[0] and len(cells) == len(line) for cells in shown), line
