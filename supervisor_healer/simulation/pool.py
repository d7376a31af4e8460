"""Seeds played by several processes, what came of them in the order of the seeds."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from supervisor_healer.errors import HealerError
from supervisor_healer.simulation.case import Case, Outcome
from supervisor_healer.simulation.run import play
from supervisor_healer.simulation.worlds import case_of

AHEAD = 25  # seeds for each process that may be under way or wait to be taken; one may take as long as all of them

Result = TypeVar("Result")


class PlayError(HealerError):
    """A seed could not be played to its end: an error in the simulator or in the core, not a broken promise."""


def play_seed(make_case: Callable[[int], Case], seed: int) -> Outcome:
    """The outcome of one seed."""
    return play(make_case(seed))


def _played(play_one: Callable[[int], Result], seed: int) -> Result:
    """What comes of one seed. Whatever is raised on the way becomes a `PlayError` that names the seed."""
    try:
        return play_one(seed)
    except Exception as error:
        raise PlayError(f"seed {seed}: {type(error).__name__}: {error}") from error


def outcomes(seeds: range, jobs: int, make_case: Callable[[int], Case] = case_of) -> Generator[Outcome, None, None]:
    """Those of the seeds' cases."""
    return results(partial(play_seed, make_case), seeds, jobs)


def results(play_one: Callable[[int], Result], seeds: range, jobs: int) -> Generator[Result, None, None]:
    """Play the seeds in `jobs` processes, or in this one if there is but one job.

    The processes are spawned, not forked: they share nothing with this one, its threads least of all. To be closed
    by who does not take all of it; then, and at any exception, they end at once.
    """
    playing, jobs = partial(_played, play_one), min(jobs, len(seeds))
    if jobs <= 1:
        yield from map(playing, seeds)
        return
    executor = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _end_with_parent)
    try:
        with _deaf_to_interrupts():
            coming = deque(executor.submit(playing, seed) for seed in seeds[: jobs * AHEAD])
        for seed in seeds[jobs * AHEAD :]:
            yield coming.popleft().result()
            coming.append(executor.submit(playing, seed))
        while coming:
            yield coming.popleft().result()
    except BaseException:
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        executor.shutdown()


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """For the start of children, who inherit it: a Ctrl-C at the terminal reaches all, and is for this process only."""
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, ours)


def _end_with_parent() -> None:
    """Have this process end when the one that wants its outcomes is gone, however it went."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
