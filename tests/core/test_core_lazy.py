"""Looking only when it matters gives the decisions that looking at everything all the time would give.

None comes earlier; a later one only where the first of several moves between two looks decides, and then by at most a
tenth of max_age. And it costs a small part of the looks.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import HOUR, MINUTE, World, chain, file, worker

EAGER = 0.1
TURN = 0.002  # what rounding of epoch seconds may cost: a turn or two, a millisecond each
DECIDED = ("restart", "refused", "quarantined")


@dataclass(frozen=True)
class Case:
    """A small pipeline and the one thing that goes wrong in it."""

    max_age: float
    source: float
    batch: float
    period: float
    reads_batch: bool
    fault: str
    victim: int
    when: float

    def run(self, *, eager: float) -> World:
        limit = self.max_age
        reads = ["x.in", "batch.in"] if self.reads_batch else ["x.in"]
        workers = [
            worker("a", ["x.in"], ["a.out"]),
            worker("b", ["a.out", *reads[1:]], ["b.out"]),
            *chain("c", source="b.out"),
        ]
        files = [file("x.in", limit), file("batch.in", 40 * limit)]
        files += [file(f"{name}.out", limit) for name in "abc"]
        world = World(
            workers,
            files,
            outside={"x.in": self.source, "batch.in": self.batch},
            eager=eager,
            period=self.period,
            draw=lambda: 0.5,
        )
        world.run(self.when)
        name = "abc"[self.victim]
        if self.fault == "outage":
            world.outside["x.in"] = False
            world.hang(name)
            world.run(2.3 * limit)
            world.outside["x.in"] = True
        elif self.fault == "die":
            world.host.die(name)
        else:
            world.hang(name)
        world.run(9 * limit)
        return world


cases = st.builds(
    Case,
    max_age=st.sampled_from([8.0, 20.0]),
    source=st.sampled_from([0.5, 3.0, 7.0]),
    batch=st.sampled_from([7.0, 45.0, 200.0]),
    period=st.sampled_from([0.3, 1.0, 2.0]),
    reads_batch=st.booleans(),
    fault=st.sampled_from(["hang", "outage", "die"]),
    victim=st.integers(0, 2),
    when=st.floats(0, 30),
)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases)
def test_lazy_and_eager_decide_the_same(case: Case):
    lazy, eager = case.run(eager=0.0), case.run(eager=EAGER)
    decided = [
        [(note.worker, note.event) for _, note in world.history if note.event in DECIDED] for world in (lazy, eager)
    ]
    assert decided[0] == decided[1], lazy.transcript() + "\n\n" + eager.transcript()
    first = [[at for at, note in world.history if note.event in DECIDED][:1] for world in (lazy, eager)]
    for late, early in zip(*first, strict=True):
        # an eager turn that falls short of the moment by such a rounding comes again only a step later
        assert early - EAGER - TURN <= late <= early + 0.1 * case.max_age + TURN, (
            lazy.transcript() + "\n\n" + eager.transcript()
        )
    assert lazy.healer.turns < eager.healer.turns


@pytest.mark.parametrize("workers", [1, 5, 20])
def test_a_healthy_hour_costs_a_bounded_number_of_turns_and_looks(workers: int):
    """max_age 5m: each output is looked at when it could be late, and the round comes once a minute."""
    world = World(chain(*(f"w{n}" for n in range(workers))))
    turns, looks = world.healer.turns, world.healer.looks.total()
    world.run(HOUR)
    assert world.healer.turns - turns <= HOUR / MINUTE * (1 + workers)
    assert world.healer.looks.total() - looks <= HOUR / MINUTE * 4 * workers


def test_an_outage_costs_a_look_every_five_seconds_at_most():
    world = World(chain("a", "b", "c", source="in"), [file("in")])
    world.run(60)
    world.outside["in"] = False
    world.run(30 * MINUTE)
    turns = world.healer.turns
    world.run(HOUR)
    assert world.healer.turns - turns <= 4 * HOUR / 5.0 + 100
