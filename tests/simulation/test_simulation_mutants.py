"""The simulator is worth its time only if it notices a broken rule: each mutant of the core is caught in its scene."""

from __future__ import annotations

from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

import pytest
from laboratory import Edit, altered, experiment, known_seeds
from mutants import MUTANTS, Mutant
from scenes import scene_of

from supervisor_healer.simulation.promises import PROMISES
from supervisor_healer.simulation.run import play

by_name = pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])


@by_name
def test_what_a_mutant_replaces_stands_in_the_core_once(mutant: Mutant) -> None:
    edits: dict[str, list[Edit]] = defaultdict(list)
    for edit in mutant.edits:
        edits[edit.full_name].append(edit)
    for module, made in edits.items():
        spec = find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        source = Path(spec.origin).read_text("utf-8")
        compile(altered(source, made), spec.origin, "exec")


def test_every_promise_is_broken_by_a_mutant() -> None:
    assert {invariant for mutant in MUTANTS for invariant in mutant.breaks} == set(PROMISES)


def test_every_mutant_has_a_scene_in_which_it_was_caught() -> None:
    assert known_seeds().keys() == {mutant.name for mutant in MUTANTS}


@by_name
def test_a_mutant_is_caught_where_the_core_keeps_its_promises(mutant: Mutant) -> None:
    seed = known_seeds()[mutant.name]
    assert play(scene_of(mutant, seed)).violations == ()
    assert experiment(mutant, [seed]) is not None, "not caught: python tests/simulation/find_seeds.py"
