"""conf/ holds together: each program has its entry in the architecture and its module, and the README tells of it."""

from __future__ import annotations

import configparser
import importlib
import re
import shutil
from pathlib import Path

import pytest

from supervisor_healer.architecture.loader import examine
from supervisor_healer.core.model import Architecture
from supervisor_healer.demo import checkout
from supervisor_healer.demo.checkout import RUN_FOLDER

ROOT = checkout.find().root
HEALER_SECTIONS = ("rpcinterface:supervisor", "rpcinterface:healer", "ctlplugin:healer", "eventlistener:healer")


def parsed(*texts: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",))
    for text in texts:
        parser.read_string(text)
    return parser


@pytest.fixture(scope="module")
def conf() -> configparser.RawConfigParser:
    return parsed((ROOT / "conf/supervisord.conf").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def programs() -> configparser.RawConfigParser:
    return parsed(*(path.read_text(encoding="utf-8") for path in sorted((ROOT / "conf/workers").glob("*.conf"))))


@pytest.fixture(scope="module")
def architecture(tmp_path_factory: pytest.TempPathFactory) -> Architecture:
    home = tmp_path_factory.mktemp("checkout")  # whose root exists, as in a clean clone it does not yet
    (home / RUN_FOLDER).mkdir(parents=True)
    copied = Path(shutil.copytree(ROOT / "conf", home / "conf")) / "architecture.yaml"
    loaded, problems = examine(str(copied))
    assert problems == ()
    assert loaded is not None
    assert loaded.root == str(home / RUN_FOLDER)
    return loaded


def test_every_program_is_in_the_architecture_and_the_reverse(
    programs: configparser.RawConfigParser, architecture: Architecture
) -> None:
    assert {f"program:{worker.program}" for worker in architecture.workers} == set(programs.sections())


def test_each_program_has_a_file_of_its_name_and_runs_its_own_module(programs: configparser.RawConfigParser) -> None:
    for section in programs.sections():
        name = section.partition(":")[2]
        assert f"[{section}]" in (ROOT / f"conf/workers/{name}.conf").read_text(encoding="utf-8")
        assert programs[section]["command"] == f"python -m supervisor_healer.demo.{name}"
        assert callable(importlib.import_module(f"supervisor_healer.demo.{name}").main)


def test_everything_is_written_below_one_folder(
    conf: configparser.RawConfigParser, programs: configparser.RawConfigParser
) -> None:
    paths = [
        value
        for parser, here in ((conf, ROOT / "conf"), (programs, ROOT / "conf/workers"))
        for section in parser.sections()
        for key, raw in parser[section].items()
        if key in ("logfile", "pidfile", "childlogdir", "file", "directory", "stdout_logfile", "stderr_logfile")
        for value in [Path(raw.replace("%(here)s", str(here)))]
    ]
    assert len(paths) >= 12
    for path in paths:
        assert path.resolve().is_relative_to(ROOT / RUN_FOLDER), path


def test_the_socket_is_where_the_script_looks_for_it(conf: configparser.RawConfigParser) -> None:
    socket = Path(conf["unix_http_server"]["file"].replace("%(here)s", str(ROOT / "conf"))).resolve()
    assert socket == (ROOT / checkout.SOCKET).resolve()
    assert conf["supervisorctl"]["serverurl"] == f"unix://{conf['unix_http_server']['file']}"


def test_the_readme_shows_the_four_sections_of_conf(conf: configparser.RawConfigParser) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = (
        text for text in re.findall(r"```ini\n(.*?)```", readme, re.DOTALL) if "eventlistener" in text and "rpc" in text
    )
    shown = parsed(block)
    assert tuple(shown.sections()) == HEALER_SECTIONS
    for section in HEALER_SECTIONS:
        for key, value in shown[section].items():
            if key != "stderr_logfile":
                assert conf[section][key] == value


@pytest.mark.parametrize("document", ["README.md", "docs/architecture-file.md"])
def test_the_architectures_shown_in_the_documents_are_valid(document: str, tmp_path: Path) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    shown = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if block.startswith("version:")]
    assert shown
    for block in shown:
        path = tmp_path / "architecture.yaml"
        path.write_text(block.replace("/srv/pipeline", str(tmp_path)), encoding="utf-8")
        loaded, problems = examine(str(path))
        assert [str(problem) for problem in problems if problem.severity == "error"] == []
        assert loaded is not None


def test_the_architecture_has_the_files_of_the_pipeline(architecture: Architecture) -> None:
    critical = {path for path, file in architecture.files.items() if file.critical}
    assert set(architecture.files) - critical == {
        "feature_store/features_*.json",
        "feature_store/signal_weights_gate.json",
    }
    assert critical == {
        "logs/predictive_signals.jsonl",
        "logs/ensemble_predictions.jsonl",
        "feature_store/pending_signals.json",
        "logs/positions_futures.json",
        "configs/signal_policies.json",
    }
    assert [consumer.name for consumer in architecture.consumers] == ["conviction_gate"]
