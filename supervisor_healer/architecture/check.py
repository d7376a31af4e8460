"""`supervisor-healer check`: the architecture and the supervisord configuration together, with neither running."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TextIO

from supervisor_healer.architecture.loader import examine
from supervisor_healer.architecture.supervisord_conf import check_configuration
from supervisor_healer.errors import Problem
from supervisor_healer.terminal import say
from supervisor_healer.words import counted

OK = 0
ERRORS = 1
UNUSABLE = 2


def run(architecture_path: str, conf_path: str | None, out: TextIO) -> int:
    """Print every problem to `out`, one a line, and a summary. 0: no errors, 1: errors, 2: a file is not there."""
    absent = [path for path in (architecture_path, conf_path) if path is not None and not os.path.isfile(path)]
    if absent:
        for path in absent:
            _print(Problem(path, 0, "", "is a folder" if os.path.isdir(path) else "there is no such file"), out)
        return UNUSABLE
    architecture, problems = examine(architecture_path)
    if conf_path is not None:
        problems += check_configuration(architecture, conf_path)
    for problem in problems:
        _print(problem, out)
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = counted(len(problems) - errors, "warning") if len(problems) > errors else ""
    if errors or architecture is None:
        say(", ".join(filter(None, (counted(errors, "error"), warnings))), out)
        return ERRORS
    size = f"{counted(len(architecture.workers), 'worker')}, {counted(len(architecture.files), 'file')}"
    say(f"{architecture_path}: {size}: ok" + (f", {warnings}" if warnings else ""), out)
    return OK


def _print(problem: Problem, out: TextIO) -> None:
    if problem.severity != "error":  # where a compiler says it, so that editors still find path:line
        problem = replace(problem, field=f"{problem.severity}: {problem.field}".removesuffix(": "))
    say(str(problem), out)
