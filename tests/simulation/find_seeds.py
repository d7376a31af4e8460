"""Finds for each mutant of the core a scene in which the simulator catches it, and writes its seed to `seeds.json`.

    python tests/simulation/find_seeds.py [MUTANT...]

looks for the mutants named, or for those that are not caught any more in the scene that is known for them. The core
itself has to keep its promises there. To be run when the core, the worlds or the promises have changed; it takes
some minutes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from laboratory import SEEDS, experiment, known_seeds
from mutants import MUTANTS, Mutant
from scenes import scene_of

from supervisor_healer.simulation.run import play

TRIES = 40
PROCESSES = 2


def find(mutant: Mutant, known: Mapping[str, int]) -> int | None:
    """A seed in which it is caught, and the core itself keeps its promises; None: none was found."""
    rest = list(dict.fromkeys([known.get(mutant.name, 0), *range(TRIES)]))
    while rest and (caught := experiment(mutant, rest)) is not None:
        seed, _ = caught
        if not play(scene_of(mutant, seed)).violations:
            return seed
        rest = rest[rest.index(seed) + 1 :]
    return None


def main(names: Sequence[str]) -> int:
    """Find and write; the exit status, 1 if a mutant is caught nowhere."""
    known = known_seeds()
    wanted = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    with ThreadPoolExecutor(PROCESSES) as executor:
        searches = {executor.submit(find, mutant, known): mutant.name for mutant in wanted}
        for search in as_completed(searches):
            name, seed = searches[search], search.result()
            print(f"{'nowhere' if seed is None else seed:>8}  {name}", flush=True)
            known.pop(name, None)
            if seed is not None:
                known[name] = seed
            SEEDS.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n", "utf-8")
    return 0 if known.keys() >= {mutant.name for mutant in MUTANTS} else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
