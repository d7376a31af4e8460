"""What many worlds come to: sums that depend on nothing but the outcomes."""

from __future__ import annotations

import random

import pytest

from supervisor_healer.simulation.case import Hang, Outcome
from supervisor_healer.simulation.promises import Violation
from supervisor_healer.simulation.tally import figures, percentile, table

BROKEN = Violation("budget", 10.0, "broken")


def hang(usable: float, max_age: float = 600.0, *, restarted: bool = True) -> Hang:
    return Hang("w0", 0.0, max_age, usable, usable, restarted)


def test_the_six_figures_are_sums() -> None:
    first = Outcome(0, "chain calm", 43_200.0, incidents=3, restarts=2, needless=1)
    second = Outcome(1, "batch worst", 86_400.0, incidents=4, restarts=5, violations=(BROKEN, BROKEN))
    sums = figures([first, second])
    assert {key: sums[key] for key in list(sums)[:5]} == {
        "seeds": 2,
        "simulated_days": 1.5,
        "incidents": 7,
        "restarts": 7,
        "needless_restarts": 1,
    }
    assert sums["violations"] == 2


@pytest.mark.parametrize(
    ("it", "curable", "missed", "late"),
    [
        (hang(0.0), 0, 0, 0),  # its inputs were never fresh: no restart could have helped
        (hang(0.0, restarted=False), 0, 0, 0),
        (hang(5.0), 1, 0, 0),
        (hang(2100.0), 1, 0, 0),  # three max_ages and five minutes, and not more
        (hang(2100.5), 1, 0, 1),
        (hang(2100.0, restarted=False), 1, 0, 0),
        (hang(2100.5, restarted=False), 1, 1, 0),
    ],
)
def test_a_hang_is_late_or_missed_after_three_max_ages_and_five_minutes_of_usable_time(
    it: Hang, curable: int, missed: int, late: int
) -> None:
    sums = figures([Outcome(0, "chain calm", 10.0, hangs=(it,))])
    assert (sums["hangs"], sums["missed"], sums["late"]) == (curable, missed, late)


def test_the_sums_do_not_depend_on_the_order() -> None:
    rng = random.Random(4)
    outcomes = [Outcome(seed, "chain calm", rng.uniform(0.0, 1e6), restarts=seed) for seed in range(500)]
    shuffled = rng.sample(outcomes, len(outcomes))
    assert figures(shuffled) == figures(outcomes)
    assert table(shuffled) == table(outcomes)


def test_the_table_has_a_row_for_each_shape_and_mood_and_all() -> None:
    hangs = (hang(60.0), hang(90.0), hang(1200.0), hang(900.0, restarted=False))
    rows = table(
        [
            Outcome(0, "join calm", 86_400.0, incidents=4, restarts=3, hangs=hangs),
            Outcome(1, "chain calm", 86_400.0, needless=1, violations=(BROKEN,)),
            Outcome(2, "join worst", 0.0),
        ]
    ).splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert len({len(row) for row in cells}) == 1
    assert [row[:2] for row in cells[2:]] == [
        ["chain", "1"],
        ["join", "2"],
        ["calm", "2"],
        ["worst", "1"],
        ["all", "3"],
    ]
    by_name = {row[0]: dict(zip(cells[0], row, strict=True)) for row in cells[2:]}
    assert by_name["join"] | {"median": "1m30s, 0.15", "p95": "20m, 2.00", "hangs": "4"} == by_name["join"]
    assert (by_name["chain"]["median"], by_name["chain"]["needless"], by_name["chain"]["violations"]) == ("", "1", "1")


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.25, 1.0), (0.26, 2.0), (0.5, 2.0), (0.99, 4.0), (1.0, 4.0)]
)
def test_a_percentile_is_one_of_the_values(share: float, expected: float) -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], share) == expected
