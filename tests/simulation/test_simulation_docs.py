"""What docs/simulating.md shows is what the commands print, and every word that it explains exists."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from rehearsing import loaded, run
from test_simulation_replay import journal_of

from supervisor_healer.architecture.loader import examine
from supervisor_healer.simulation import scenario, telling
from supervisor_healer.simulation.happenings import HAPPENINGS
from supervisor_healer.simulation.story import tell

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "simulating.md").read_text("utf-8")
ARCHITECTURE, INCIDENT = ROOT / "conf" / "architecture.yaml", ROOT / "conf" / "incident.yaml"
SHOWN = [block for language, block in re.findall(r"```(\w*)\n(.*?)```", TEXT, re.DOTALL) if not language]
TABLE = TEXT.partition("| --- |")[2]
DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_the_scenario_is_the_shipped_one() -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert yaml.safe_load(shown) == yaml.safe_load(INCIDENT.read_text("utf-8"))


def test_what_is_simulated_prints_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    command, _, shown = SHOWN[0].partition("\n")
    assert run(capsys, *command.removeprefix("$ supervisor-healer ").split()) == (0, shown, "")


def test_what_is_replayed_prints_what_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    architecture, _ = examine(str(ARCHITECTURE), elsewhere=True)
    assert architecture is not None
    journal = journal_of(tell(architecture, loaded(tmp_path, INCIDENT.read_text("utf-8"), architecture)), tmp_path)
    changed = tmp_path / "changed.yaml"
    changed.write_text(
        ARCHITECTURE.read_text("utf-8").replace("predictions.jsonl: {max_age: 3s", "predictions.jsonl: {max_age: 10s")
    )
    status, out, _ = run(capsys, "replay", journal, str(changed))
    shown = out.replace(journal, "var/demo/healer.sqlite3").replace(str(changed), "changed.yaml")
    assert (status, DATE.sub("DATE", shown)) == (0, DATE.sub("DATE", SHOWN[1]))


def test_every_word_is_explained_with_its_keys() -> None:
    explained = {}
    for words, keys in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| [^|]*\| ([^|]*)\|", TABLE, re.MULTILINE):
        for word in re.findall(r"`(\w+)`", words):
            explained[word] = set(re.findall(r"`(\w+)`", keys))
    assert set(explained) == set(HAPPENINGS)
    for word, keys in explained.items():
        assert {*HAPPENINGS[word].needs, *HAPPENINGS[word].takes} <= keys


@pytest.mark.parametrize("module", [scenario, telling])
def test_the_examples_in_docstrings_hold(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert (result.failed, result.attempted) == (0, 1)
