"""`supervisor-healer simulate ARCHITECTURE --scenario FILE`: what the healer would do, before it is trusted."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from supervisor_healer.architecture.loader import examine
from supervisor_healer.core.model import Architecture
from supervisor_healer.errors import Problem
from supervisor_healer.simulation.scenario import load
from supervisor_healer.simulation.story import tell
from supervisor_healer.simulation.telling import as_json, pages
from supervisor_healer.terminal import say

DONE, ERRORS, UNUSABLE = 0, 1, 2
DESCRIPTION = """\
Plays a scenario under an architecture, in a simulated world with the healer's real core in it, and tells what happens
and what the healer does about it, minute by minute. Nothing is touched. Exit status: 0 done, 1 errors in a file (or a
promise of the README was broken, which is a bug), 2 bad usage, or a file is not there."""
EXAMPLE = """\
no scenario was given: what is to happen to the pipeline? For example, in a file incident.yaml:

    events:
      - {{at: 5m, what: hang, worker: {worker}}}

and then: supervisor-healer simulate {architecture} --scenario incident.yaml"""


def is_meant(words: Sequence[str]) -> bool:
    """Whether these words of `simulate` are about an architecture and not about seeds."""
    return any(not word.startswith("-") for word in words[:1]) or any(word.startswith("--scenario") for word in words)


def main(words: Sequence[str]) -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(prog="supervisor-healer simulate", description=DESCRIPTION)
    parser.add_argument("architecture", metavar="ARCHITECTURE", help="the architecture file")
    parser.add_argument("--scenario", metavar="FILE", help="what happens, and when (see docs/simulating.md)")
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    options = parser.parse_args(words)
    return run(options.architecture, options.scenario, sys.stdout, is_json=options.json)


def run(architecture_path: str, scenario_path: str | None, out: TextIO, *, is_json: bool = False) -> int:
    """Tell on `out` what would happen; the exit status, as in DESCRIPTION."""
    if absent := [path for path in (architecture_path, scenario_path) if path is not None and not os.path.isfile(path)]:
        report([Problem(path, 0, "", "there is no such file") for path in absent])
        return UNUSABLE
    if (architecture := architecture_at(architecture_path)) is None:
        return ERRORS
    if scenario_path is None:
        worker = next((spec.name for spec in architecture.workers), "NAME")
        say(EXAMPLE.format(worker=worker, architecture=architecture_path), sys.stderr)
        return UNUSABLE
    scenario, problems = load(scenario_path, architecture)
    report(problems)
    if scenario is None:
        return ERRORS
    story = tell(architecture, scenario)
    title = f"{architecture_path} with {scenario_path}"
    lines = pages(story, scenario.events, title, architecture.mode)
    say(json.dumps(as_json(story, scenario.events, architecture.mode), indent=2) if is_json else "\n".join(lines), out)
    return ERRORS if story.broken else DONE


def architecture_at(path: str) -> Architecture | None:
    """The architecture, perhaps of another host, or None after its errors were printed."""
    architecture, problems = examine(path, elsewhere=True)
    if architecture is None:
        report([problem for problem in problems if problem.severity == "error"])
    return architecture


def report(problems: Sequence[Problem]) -> None:
    """Tell what is wrong with a file."""
    for problem in problems:
        say(str(problem), sys.stderr)
