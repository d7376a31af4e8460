"""A broken promise in words: which it is, the few faults that it takes, and the command that shows it again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from supervisor_healer.simulation.case import Case
from supervisor_healer.simulation.faults import in_words
from supervisor_healer.simulation.promises import PROMISES, Violation
from supervisor_healer.simulation.shrink import Kept, Shrunk
from supervisor_healer.simulation.worlds import HARD
from supervisor_healer.words import counted, duration

#: The promises by number, as the README begins them.
WORDS: Mapping[int, str] = {
    1: "It never restarts a worker unless every required input is confirmed fresh",
    2: "It never undoes an operator's stop",
    3: "It never exceeds a restart budget",
    4: "It heals the root: one incident at the head of a chain costs one restart, not one per downstream worker",
    5: "It calls a worker healed only when new output has appeared after the restart",
    6: "It loses no bytes",
    7: "Missing or contradictory evidence means no action",
    8: "One bad entry in the architecture never stops the watch over the others",
    9: "It never blocks or crashes supervisord",
    10: "Every action, and every refusal to act, can be explained afterwards",
}
NO_FAULTS = "none"  # for --only


def violation_lines(case: Case, violation: Violation, shrunk: Shrunk | None) -> Iterator[str]:
    """What to print of a violation; `shrunk`: how little it takes, None if nobody has looked for it."""
    yield f"seed {case.seed} ({case.kind}) broke {violation}"
    yield f"  promise {PROMISES[violation.invariant]}: {WORDS[PROMISES[violation.invariant]]}"
    if shrunk is None:
        yield f"  replay: {command(case)}"
        return
    yield f"  it takes {len(shrunk.kept)} of {counted(len(case.faults), 'fault')} (after {counted(shrunk.runs, 'run')})"
    yield from fault_lines(case, shrunk.kept)
    if shrunk.violation != violation:
        yield f"  then it breaks {shrunk.violation}"
    yield f"  replay: {command(case, shrunk.kept, shrunk.until)}"


def fault_lines(case: Case, kept: Iterable[int]) -> Iterator[str]:
    """Those faults, with the numbers by which `--only` names them."""
    for index in kept:
        fault = case.faults[index]
        yield f"  {index:5}  at {duration(fault.at):>7}  {in_words(fault)}"


def command(case: Case, kept: Sequence[int] | None = None, until: float | None = None) -> str:
    """What a shell takes to show it again."""
    words = f"supervisor-healer simulate{' --hard' if case.kind.endswith(HARD) else ''}"
    words += f" --seeds 1 --first-seed {case.seed}"
    if kept is not None:
        words += f" --only {','.join(map(str, kept)) or NO_FAULTS}"
    if until is not None:
        words += f" --until {until!r}"
    return f"{words} -v"


def only_of(word: str) -> Kept:
    """The faults that a value of `--only` names; ValueError if it is none."""
    return () if word == NO_FAULTS else tuple(sorted({int(number) for number in word.split(",")}))
