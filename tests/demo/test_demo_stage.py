"""The stage of the demonstration: a real supervisord, started and stopped without leaving a process."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from waiting import until

from supervisor_healer.demo import checkout, script
from supervisor_healer.demo.checkout import Checkout, home_of
from supervisor_healer.demo.prepare import prepare
from supervisor_healer.demo.stage import Stage
from supervisor_healer.errors import HealerError

pytestmark = pytest.mark.real

NAMES = {"feature_builder", "predictive_engine", "ensemble_predictor", "signal_resolver"}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    shutil.copytree(checkout.find().root / "conf", tmp_path / "conf")
    stage = Stage(Checkout(tmp_path, home_of(tmp_path)))
    prepare(stage.place.run_folder)
    yield stage
    stage.stop()


def until_spawned(stage: Stage) -> None:
    until(lambda: set(stage.starts()) >= NAMES, "all are started")


def test_it_starts_everything_and_stops_everything_also_what_is_frozen(stage: Stage) -> None:
    pid = stage.start()
    until_spawned(stage)
    assert stage.pid() == pid
    assert stage.healer_watches()
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    os.kill(stage.pid_of("feature_builder"), signal.SIGSTOP)
    begun = time.monotonic()
    assert stage.stop() == []
    assert time.monotonic() - begun < 9  # less than one stopwaitsecs: the frozen one was let go
    assert not any(process.is_running() for process in family)
    assert stage.pid() == 0
    assert not stage.place.home.is_symlink()


def test_a_second_one_is_refused(stage: Stage) -> None:
    stage.refuse_a_second()
    pid = stage.start()
    with pytest.raises(HealerError, match=rf"pid {pid}.*make stop"):
        Stage(stage.place).refuse_a_second()


def test_what_supervisord_said_is_shown_when_it_does_not_start(stage: Stage) -> None:
    with (stage.place.root / "conf/supervisord.conf").open("a", encoding="utf-8") as conf:
        conf.write("[program:broken]\n")
    with pytest.raises(HealerError, match="program:broken does not specify a command"):
        stage.start()


def test_run_and_stop(stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(checkout, "find", lambda: stage.place)
    assert script.main(["--stop"]) == 0
    assert "not running" in capsys.readouterr().out
    assert script.main(["--run"]) == 0
    said = capsys.readouterr().out
    assert f"supervisord, pid {stage.pid()}" in said
    assert f"-c {stage.place.shown()} status" in said
    assert script.main([]) == 1
    assert "already runs here" in capsys.readouterr().err
    assert script.main(["--stop"]) == 0
    assert stage.pid() == 0
