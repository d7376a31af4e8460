"""`make chaos`: both pipelines, one after the other, each for half of CHAOS_SECONDS (an hour).

CHAOS_SEED repeats a run, CHAOS_PIPELINE (demo or wide) runs one of the two for the whole time. The last line of each is
its summary as one JSON object; the exit status is 1 where a promise was broken.
"""

import os
import secrets
import sys
from collections.abc import Callable
from functools import partial

from chaos.sites import ChaosSite, DemoSite, WideSite
from chaos.torment import Tormentor

STRETCH, PAUSE = 20.0, 0.7  # seconds


def main() -> int:
    """Run, and say what came of it."""
    seconds = float(os.environ.get("CHAOS_SECONDS", "3600"))
    seed = os.environ.get("CHAOS_SEED") or secrets.token_hex(4)
    chosen = os.environ.get("CHAOS_PIPELINE", "")
    sites: dict[str, Callable[[], ChaosSite]] = {"demo": DemoSite, "wide": lambda: WideSite(seed)}
    names = [chosen] if chosen else list(sites)
    say = partial(print, flush=True)
    say(f"CHAOS_SEED={seed}")
    broken = 0
    for name in names:
        site = sites[name]()
        for kind, why in site.lacks.items():
            say(f"no {kind} here: {why}")
        summary = Tormentor(site, seed, say).run(seconds / len(names), STRETCH, PAUSE)
        say(summary.as_json())
        broken += len(summary.broken)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
