"""Seeds played by several processes, their outcomes in the order of the seeds."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor

from supervisor_healer.errors import HealerError
from supervisor_healer.simulation.case import Outcome
from supervisor_healer.simulation.run import play
from supervisor_healer.simulation.worlds import case_of


class PlayError(HealerError):
    """A seed could not be played to its end: an error in the simulator or in the core, not a broken promise."""


def play_seed(seed: int) -> Outcome:
    """The outcome of one seed. Whatever is raised on the way becomes a `PlayError` that names the seed."""
    try:
        return play(case_of(seed))
    except Exception as error:
        raise PlayError(f"seed {seed}: {type(error).__name__}: {error}") from error


def outcomes(seeds: range, jobs: int) -> Generator[Outcome, None, None]:
    """Play the seeds in `jobs` processes, or in this one if there is but one job.

    The processes are spawned, not forked: they share nothing with this one, its threads least of all. To be closed
    by who does not take all of it; then, and at any exception, they end at once.
    """
    jobs = min(jobs, len(seeds))
    if jobs <= 1:
        yield from map(play_seed, seeds)
        return
    executor = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _end_with_parent)
    try:
        ours = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited: Ctrl-C at a terminal is for this process only
        try:
            coming = executor.map(play_seed, seeds)
        finally:
            signal.signal(signal.SIGINT, ours)
        yield from coming
    except BaseException:
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Have this process end when the one that wants its outcomes is gone, however it went."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
