"""The chaos suite: two pipelines under a real supervisord, tormented by a seeded driver, judged by its own witness.

`sites` are the pipelines, `faults` the plan that follows from a seed, `driver` the hands that carry it out. What really
happened is read from supervisord's log (`spawns`) and from the files (`sampler`), kept in an `account`, and held
against the `promises`; `meters` watch descriptors and memory. `torment` puts them together, `make chaos` runs it.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "integration"))  # its pipeline and its disks
