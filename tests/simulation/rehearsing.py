"""A pipeline in minutes, scenarios for it, and the commands that play them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from supervisor_healer.architecture.loader import examine
from supervisor_healer.cli import main
from supervisor_healer.core.model import Architecture
from supervisor_healer.errors import Problem
from supervisor_healer.simulation.scenario import Scenario, load
from supervisor_healer.simulation.story import Story, tell

MINUTE, HOUR = 60.0, 3600.0
MAX_AGE, LIMIT = 300.0, 450.0

ARCHITECTURE = """\
version: 1
defaults: {max_age: 5m}
files: {raw.jsonl: {max_age: 2m}, weights.json: {max_age: 24h}}
workers:
  builder: {inputs: [raw.jsonl], outputs: [features.json]}
  engine: {inputs: [features.json, weights.json], outputs: [signals.jsonl], trigger: [features.json]}
  predictor: {inputs: [signals.jsonl], outputs: [predictions.jsonl], critical: true}
"""


def architecture_file(folder: Path, text: str = ARCHITECTURE, name: str = "architecture.yaml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def architecture(folder: Path, text: str = ARCHITECTURE) -> Architecture:
    found, problems = examine(architecture_file(folder, text), elsewhere=True)
    assert found is not None, problems
    return found


def scenario_file(folder: Path, text: str) -> str:
    path = folder / "incident.yaml"
    path.write_text(text)
    return str(path)


def loaded(folder: Path, text: str, of: Architecture | None = None) -> Scenario:
    scenario, problems = load(scenario_file(folder, text), of or architecture(folder))
    assert scenario is not None, problems
    return scenario


def told(folder: Path, text: str, of: str = ARCHITECTURE) -> Story:
    """The story of a scenario; no promise was broken in it."""
    whole = architecture(folder, of)
    story = tell(whole, loaded(folder, text, whole))
    assert story.broken == ""
    return story


def refused(folder: Path, text: str) -> tuple[Problem, ...]:
    scenario, problems = load(scenario_file(folder, text), architecture(folder))
    assert scenario is None
    return problems


def deeds(story: Story, worker: str) -> list[tuple[float, str]]:
    """What the healer has done to a worker, and when (whole seconds)."""
    return [
        (round(line.at), line.event)
        for line in story.lines
        if line.who == worker and line.by == "healer" and line.event not in ("verdict", "closed", "blocked")
    ]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """The command: exit status, stdout, stderr."""
    status = main(list(words))
    said = capsys.readouterr()
    return status, said.out, said.err


def as_json(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    status, out, _ = run(capsys, *words, "--json")
    assert status == 0
    answer: dict[str, Any] = json.loads(out)
    return answer
