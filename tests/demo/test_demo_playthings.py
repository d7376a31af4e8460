"""Everything that `demo --run` tells people to type exists."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from supervisor_healer.architecture.loader import examine
from supervisor_healer.demo import checkout, playthings
from supervisor_healer.demo.checkout import RUN_FOLDER
from supervisor_healer.demo.prepare import prepare
from supervisor_healer.supervisorctl import parsing

COMMANDS = [text.splitlines()[1].strip() for is_title, text in playthings.lines("CTL") if not is_title]
HEALERS = [command for command in COMMANDS if command.startswith("CTL ") and command != "CTL status"]
WRITTEN_LATER = {"healer.log", "console/signal_resolver.log"}  # by supervisord
TOUCHED = {"hang/predictive_engine"}  # by the command itself


@pytest.mark.parametrize("command", HEALERS)
def test_the_commands_are_known(command: str) -> None:
    name, *words = command.split()[1:]
    parsing.parse(name, words)


def test_the_files_are_there(tmp_path: Path) -> None:
    prepare(tmp_path)
    inside = str(RUN_FOLDER) + "/"
    named = {word.removeprefix(inside) for line in COMMANDS for word in shlex.split(line) if word.startswith(inside)}
    assert len(named) >= 5
    assert {name for name in named - WRITTEN_LATER - TOUCHED if not (tmp_path / name).is_file()} == set()


def test_what_can_be_restored_is_a_config_and_who_is_named_a_worker(tmp_path: Path) -> None:
    shutil.copytree(checkout.find().root / "conf", tmp_path / "conf")
    prepare(tmp_path / RUN_FOLDER)  # a clone in which nothing was run has no such folder
    architecture, _ = examine(str(tmp_path / "conf/architecture.yaml"))
    assert architecture is not None
    (restored,) = [command.split()[-1] for command in COMMANDS if "--restore" in command]
    assert restored in architecture.configs
    workers = {worker.name for worker in architecture.workers}
    assert {
        command.split()[-1].rstrip(")") for command in COMMANDS if " pid " in command or "explain" in command
    } <= workers
