"""A mutant of the core in a process of its own: its modules are compiled from the altered source as they are imported.

    python tests/simulation/laboratory.py MUTANT SEED...

plays the mutant's scenes of these seeds one after the other, and prints which invariant it breaks in each, until it
breaks one that it is there to break. `seeds.json` knows for each mutant a seed in which it does (see `find_seeds`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from mutants import MUTANTS, Edit, Mutant

SEEDS = Path(__file__).with_name("seeds.json")


def known_seeds() -> dict[str, int]:
    """Mutant -> the seed in which it is caught."""
    found: dict[str, int] = json.loads(SEEDS.read_text("utf-8"))
    return found


def experiment(mutant: Mutant, seeds: Iterable[int]) -> tuple[int, str] | None:
    """The first of the seeds in which the mutant is caught, and by which invariant; None: in none of them."""
    command = [sys.executable, __file__, mutant.name, *map(str, seeds)]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    seed, _, invariant = said[-1].partition(" ")
    return (int(seed), invariant) if invariant in mutant.breaks else None


# --- in that process ---------------------------------------------------------------------------------------------


class WrongTextError(ValueError):
    """The core has changed: a text that a mutant replaces is not there, or more than once."""


def altered(source: str, edits: Iterable[Edit]) -> str:
    """The source with the edits made."""
    for edit in edits:
        if source.count(edit.before) != 1:
            raise WrongTextError(f"{edit.module}: {source.count(edit.before)} times: {edit.before}")
        source = source.replace(edit.before, edit.after)
    return source


class AlteredLoader(SourceFileLoader):
    """Loads one module with edits made in it; no compiled form of it is read or kept."""

    def __init__(self, fullname: str, path: str, edits: Sequence[Edit]) -> None:
        super().__init__(fullname, path)
        self._edits = edits

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 (the one it was made for)
        source = altered(Path(self.path).read_text("utf-8"), self._edits)
        return self.source_to_code(source.encode(), self.path)


class AlteredFinder(MetaPathFinder):
    """Finds the mutant's modules before anybody else does."""

    def __init__(self, mutant: Mutant) -> None:
        self._edits: dict[str, list[Edit]] = defaultdict(list)
        for edit in mutant.edits:
            self._edits[edit.full_name].append(edit)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname in self._edits else None
        if spec is not None and spec.origin is not None:
            spec.loader = AlteredLoader(fullname, spec.origin, self._edits[fullname])
        return spec


def broken_by(mutant: Mutant, seeds: Iterable[int]) -> Iterator[tuple[int, str]]:
    """Each seed with the invariant that the mutant breaks in it, '' for none."""
    sys.meta_path.insert(0, AlteredFinder(mutant))
    from scenes import scene_of  # noqa: PLC0415 (from here on the core is the mutant)

    from supervisor_healer.simulation.run import play  # noqa: PLC0415

    for seed in seeds:
        violations = play(scene_of(mutant, seed)).violations
        yield seed, violations[0].invariant if violations else ""


def main(name: str, seeds: Iterable[int]) -> None:
    """Print a line for each seed, and stop at the first in which the mutant is caught."""
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    for seed, invariant in broken_by(mutant, seeds):
        print(seed, invariant, flush=True)
        if invariant in mutant.breaks:
            return


if __name__ == "__main__":
    main(sys.argv[1], map(int, sys.argv[2:]))
