"""Architecture files for tests, and what is said about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor_healer.architecture.loader import examine, load
from supervisor_healer.errors import ArchitectureError, Problem


def write(folder: Path, text: str, name: str = "architecture.yaml") -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def errors(path: str) -> tuple[Problem, ...]:
    with pytest.raises(ArchitectureError) as caught:
        load(path)
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return caught.value.problems


def told(folder: Path, text: str) -> list[str]:
    """Every error and warning about `text` (its first line is line 3) as told, with the folder taken out of it.

    Workers `wa`, which writes `a`, and `wb` are there already.
    """
    head = "version: 1\nworkers: {wa: {outputs: [a]}, wb: {}, 'wc': {}}\n"
    architecture, problems = examine(write(folder, f"{head}{text}defaults: {{max_age: 5m}}\n"))
    assert (architecture is None) == any(problem.severity == "error" for problem in problems)
    return [
        ("warning: " if problem.severity == "warning" else "") + str(problem).replace(f"{folder}/", "")
        for problem in problems
    ]
