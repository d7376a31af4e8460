"""The command `supervisor-healer simulate`: worlds by seed, and what became of the promises in them."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import TextIO, TypeVar

from supervisor_healer.simulation import rehearsal
from supervisor_healer.simulation.case import Case, Outcome
from supervisor_healer.simulation.failures import fault_lines, only_of, violation_lines
from supervisor_healer.simulation.pool import PlayError, outcomes
from supervisor_healer.simulation.run import make_world, play_in
from supervisor_healer.simulation.shrink import Kept, narrow, shrink
from supervisor_healer.simulation.standings import section
from supervisor_healer.simulation.tally import figures, table
from supervisor_healer.simulation.timeline import DAY
from supervisor_healer.simulation.worlds import case_of, hard_case
from supervisor_healer.terminal import say
from supervisor_healer.words import counted

SEEDS = 200
SEEDS_AT_MOST = 1_000_000  # all outcomes are in memory until the end
JOBS_AT_MOST = 1_000  # each is a process
UNTIL_AT_MOST = 366 * DAY  # a simulated day takes a tenth of a second and more
SHRUNK_AT_MOST = 5  # seeds; the others would only take time, and probably show the same
PROGRESS = 0.2  # seconds between two lines of progress

DESCRIPTION = """\
Runs the healer's core in simulated worlds, one a seed: a pipeline, what goes wrong with it, its host and its operators,
drawn at random; and checks the promises of the README at every step. It prints each broken promise with the
fewest faults that break it and the command that shows it again, then a table, then one line of JSON, which is the same
for the same seeds everywhere. Exit status: 0 all promises kept, 1 one was broken, 2 bad usage, 130 interrupted.
`supervisor-healer simulate ARCHITECTURE --scenario FILE` tells what the healer would do with your pipeline."""


def main(words: Sequence[str]) -> int:
    """Run it; the exit status. Where an architecture is given it is about that, and not about seeds."""
    if rehearsal.is_meant(words):
        return rehearsal.main(words)
    options = _options(words)
    make_case = hard_case if options.hard else case_of
    try:
        if options.only is not None or options.until is not None or options.verbose:
            return _show(make_case, options.first_seed, options.only, options.until, verbose=options.verbose)
        if options.compare:
            say(section(range(options.first_seed, options.first_seed + options.seeds), options.jobs), sys.stdout)
            return 0
        return _simulate(make_case, range(options.first_seed, options.first_seed + options.seeds), options.jobs)
    except PlayError as error:
        print(f"supervisor-healer simulate: {error}", file=sys.stderr)
        return 1


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="supervisor-healer simulate", description=DESCRIPTION)
    parser.add_argument(
        "--seeds",
        type=_count(SEEDS_AT_MOST, "days of playing"),
        default=SEEDS,
        metavar="N",
        help=f"how many worlds ({SEEDS})",
    )
    parser.add_argument("--first-seed", type=_seed, default=0, metavar="S", help="the first one's seed (0)")
    parser.add_argument(
        "--jobs",
        type=_count(JOBS_AT_MOST, "each is a process"),
        default=os.cpu_count() or 1,
        metavar="J",
        help="processes (one a CPU)",
    )
    parser.add_argument("--hard", action="store_true", help="two days each of the worlds that are hardest to judge")
    parser.add_argument("--compare", action="store_true", help="compare with other restarters, one incident a seed")
    one = parser.add_argument_group("for one seed (--seeds 1)")
    one.add_argument("-v", "--verbose", action="store_true", help="print what happened, moment by moment")
    one.add_argument("--only", type=_only, metavar="3,7", help="only these of its faults, or none")
    one.add_argument("--until", type=_seconds, metavar="SECONDS", help="end all faults then")
    options = parser.parse_args(words)
    for given, name in (
        (options.verbose, "-v"),
        (options.only is not None, "--only"),
        (options.until is not None, "--until"),
    ):
        if given and options.seeds != 1:
            parser.error(f"{name} is for one seed: add --seeds 1 --first-seed S")
    count = len((hard_case if options.hard else case_of)(options.first_seed).faults)
    if options.only and options.only[-1] >= count:
        has = counted(count, "fault")
        parser.error(f"--only {options.only[-1]}: seed {options.first_seed} has {has}, numbered from 0")
    return options


def _simulate(make_case: Callable[[int], Case], seeds: range, jobs: int) -> int:
    played: list[Outcome] = []
    progress = _Progress(sys.stderr, len(seeds))
    shrunk = 0
    with closing(outcomes(seeds, jobs, make_case)) as coming:
        for outcome in coming:
            played.append(outcome)
            if outcome.violations:
                progress.clear()
                account = _account(make_case(outcome.seed), outcome, shrinks=shrunk < SHRUNK_AT_MOST)
                say("\n".join(account), sys.stdout)
                shrunk += 1
            progress.show(len(played), shrunk)
    progress.clear()
    say(table(played), sys.stdout)
    return _conclude(played)


def _account(case: Case, outcome: Outcome, *, shrinks: bool) -> Iterator[str]:
    for violation in outcome.violations:
        yield from violation_lines(case, violation, shrink(case, violation) if shrinks else None)


def _show(make_case: Callable[[int], Case], seed: int, only: Kept | None, until: float | None, *, verbose: bool) -> int:
    """One seed, with what goes wrong in it and, if asked for, all that happened."""
    whole = make_case(seed)
    kept = tuple(range(len(whole.faults))) if only is None else only
    case = narrow(whole, kept, until)
    head = f"seed {seed} ({case.kind}): {len(case.plan.workers)} workers, faults for {case.seconds:.0f}s"
    say("\n".join([head, *fault_lines(whole, kept)]), sys.stdout)
    world = make_world(case)
    outcome = play_in(world, case)
    if verbose:
        say(world.transcript(), sys.stdout)
    for violation in outcome.violations:
        say(f"broke {violation}", sys.stdout)
    return _conclude([outcome])


def _conclude(played: Sequence[Outcome]) -> int:
    say(json.dumps(figures(played)), sys.stdout)
    return 1 if any(outcome.violations for outcome in played) else 0


class _Progress:
    """A line that is written over and over, on a terminal only."""

    def __init__(self, stream: TextIO, seeds: int) -> None:
        self._stream, self._seeds = stream, seeds
        self._shown = -PROGRESS if stream.isatty() else float("inf")

    def show(self, played: int, broken: int) -> None:
        """So many seeds are played, and so many broke a promise."""
        now = time.monotonic()
        if now - self._shown >= PROGRESS:
            self._shown = now
            self._write(f"\r{played} of {counted(self._seeds, 'seed')}, {broken} with a broken promise")

    def clear(self) -> None:
        """Make room for what is printed."""
        if self._stream.isatty():
            self._write("\r\033[K")

    def _write(self, text: str) -> None:
        print(text, end="", file=self._stream, flush=True)


# --- the words of the command ----------------------------------------------------------------------------------

Value = TypeVar("Value")


def _read(word: str, read: Callable[[str], Value], holds: Callable[[Value], bool], expected: str) -> Value:
    """What the word says, or an error that says what was expected."""
    try:
        value = read(word)
        if holds(value):
            return value
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{word!r} is not {expected}")


def _count(most: int, why: str) -> Callable[[str], int]:
    return lambda word: _read(word, int, lambda number: 1 <= number <= most, f"a whole number from 1 to {most} ({why})")


def _seed(word: str) -> int:
    return _read(word, int, lambda number: number >= 0, "a whole number from 0 on")


def _seconds(word: str) -> float:
    expected = f"a number of seconds from 0 to {UNTIL_AT_MOST:.0f} (a year, whose playing takes hours)"
    return _read(word, float, lambda number: 0.0 <= number <= UNTIL_AT_MOST, expected)


def _only(word: str) -> Kept:
    return _read(
        word, only_of, lambda kept: min(kept, default=0) >= 0, "a list of numbers of faults, as in 3,7, or none"
    )
