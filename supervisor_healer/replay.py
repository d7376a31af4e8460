"""`supervisor-healer replay JOURNAL ARCHITECTURE`: what a changed architecture would have done with a recorded past.

It stands above the rooms: it reads the listener's journal, and gives it to the simulation.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from supervisor_healer.architecture import durations
from supervisor_healer.errors import Problem
from supervisor_healer.listener.journal_file import open_for_reading
from supervisor_healer.listener.journal_rows import read_note_rows
from supervisor_healer.simulation.record import Record
from supervisor_healer.simulation.rehearsal import DONE, ERRORS, UNUSABLE, architecture_at, report
from supervisor_healer.simulation.replay import as_json, moment, pages, play_again, recorded
from supervisor_healer.simulation.scenario import LONGEST, as_yaml
from supervisor_healer.simulation.story import Line
from supervisor_healer.terminal import say
from supervisor_healer.words import clean, counted, duration

YEAR_2100 = 4_102_444_800.0  # epoch seconds
DESCRIPTION = """\
Takes the incidents out of a healer's journal (which is only read; the healer may be running), plays them again under
an architecture, which you may have changed, and tells what was done, what would be done, and the difference. A month
of five workers with limits of some minutes takes about a minute. Exit status: 0 done, 1 errors in the architecture,
2 bad usage, or there is nothing to be read."""


def main(words: Sequence[str]) -> int:
    """Run it; the exit status."""
    options = _options(words)
    if absent := [path for path in (options.journal, options.architecture) if not os.path.isfile(path)]:
        report([Problem(path, 0, "", "there is no such file") for path in absent])
        return UNUSABLE
    if (architecture := architecture_at(options.architecture)) is None:
        return ERRORS
    history = _history(options.journal)
    if history is None:
        report([Problem(options.journal, 0, "", "cannot be read as a healer's journal", "the file under `state:`")])
        return UNUSABLE
    lines, spoilt = history
    record = recorded(_since(lines, options.since), architecture)
    if skipped := spoilt + record.spoilt:
        said = (
            f"{counted(skipped, 'line')} of history cannot be understood, and {'are' if skipped > 1 else 'is'} left out"
        )
        report([Problem(options.journal, 0, "", said)])
    title = f"{options.journal} under {options.architecture}"
    if not (record.ailments or record.others):
        say(f"{title}: no incident of its workers among {counted(len(record.lines), 'line')} of history", sys.stdout)
        return DONE
    if (seconds := record.scenario().seconds) > LONGEST:
        said = f"{duration(seconds)} of history are more than can be replayed"
        report([Problem(options.journal, 0, "", said, f"at most {duration(LONGEST)}: add `--since 300d`, or less")])
        return UNUSABLE
    if options.scenario is not None and not _written(options.scenario, record, title):
        return UNUSABLE
    contrast = play_again(record, architecture)
    text = json.dumps(as_json(contrast), indent=2) if options.json else "\n".join(pages(contrast, title))
    say(text, sys.stdout)
    return ERRORS if contrast.story.broken else DONE


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="supervisor-healer replay", description=DESCRIPTION)
    parser.add_argument("journal", metavar="JOURNAL", help="the file under `state:` of the architecture, or a copy")
    parser.add_argument("architecture", metavar="ARCHITECTURE", help="the architecture file that is tried")
    parser.add_argument(
        "--since",
        type=_moment,
        metavar="WHEN",
        help="7d: the last 7 days of the journal; or 2026-11-20, or 2026-11-20T08:00",
    )
    parser.add_argument(
        "--scenario", metavar="FILE", help="write the incidents as a scenario, to be edited and simulated"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    return parser.parse_args(words)


def _moment(word: str) -> float:
    """Epoch seconds, or seconds before the end of the journal as a negative number."""
    try:
        return -durations.parse(word)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(word).timestamp()
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{word!r} is neither a duration such as 7d nor a date such as 2026-11-20"
        ) from None


def _history(path: str) -> tuple[list[Line], int] | None:
    """Every line of history, oldest first, and how many cannot be understood; None where nothing can be read."""
    db = open_for_reading(os.path.abspath(path))
    if db is None:
        return None
    try:
        db.text_factory = lambda raw: raw.decode("utf-8", "replace")
        rows = read_note_rows(db)
    except sqlite3.Error:
        return None
    finally:
        db.close()
    lines = [line for row in rows if (line := _line(row)) is not None]
    return lines, len(rows) - len(lines)


def _line(row: tuple[Any, ...]) -> Line | None:
    """A row as a line, None if it is nothing that a healer writes."""
    at, *words, shown = row
    try:
        evidence = json.loads(shown)
    except (ValueError, TypeError, RecursionError):
        return None
    texts = [*words, *evidence] if isinstance(evidence, list) else [None]
    is_dated = isinstance(at, int | float) and 0 <= at < YEAR_2100
    if not is_dated or not all(isinstance(text, str) for text in texts):
        return None
    worker, event, text = map(clean, words)
    return Line(float(at), "record", worker, event, text, tuple(map(clean, evidence)))


def _since(lines: list[Line], since: float | None) -> list[Line]:
    if since is None or not lines:
        return lines
    begins = lines[-1].at + since if since <= 0 else since
    return [line for line in lines if line.at >= begins]


def _written(path: str, record: Record, title: str) -> bool:
    """Write the scenario, never over a file that is there; whether it was written."""
    comment = f"From {title}.\nIts zero is {moment(record.wall(record.zero))}, all before the first event is well."
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(as_yaml(record.scenario(), comment))
    except OSError as error:
        report([Problem(path, 0, "", f"cannot be written: {error.strerror or error}", "a new file")])
        return False
    return True
