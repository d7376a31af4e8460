"""The workers as real processes: each can be frozen, killed and told to hang, and ends cleanly on SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import waiting

from supervisor_healer.demo import checkout
from supervisor_healer.demo.files import read_json, write_json
from supervisor_healer.demo.prepare import prepare

NAMES = ("feature_builder", "predictive_engine", "ensemble_predictor", "signal_resolver")
QUIET = 1.2  # seconds without a write after which a worker counts as silent; each writes about twice a second


def until(what: str, condition: Callable[[], object], within: float = 30.0) -> None:
    waiting.until(condition, what, within)


class Pipeline:
    """The four workers, as processes in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        prepare(folder)
        for name in NAMES:
            self.start(name)

    def start(self, name: str) -> None:
        command = [sys.executable, "-m", f"supervisor_healer.demo.{name}", "--dir", str(self.folder), "--load", "0"]
        with (self.folder / "console" / f"{name}.log").open("ab") as console:
            self.processes[name] = subprocess.Popen(
                command, cwd=checkout.find().root, stdout=console, stderr=subprocess.STDOUT
            )

    def moved(self, name: str) -> int:
        """When the worker's output last moved, in ns; 0 without one."""
        store, logs = self.folder / "feature_store", self.folder / "logs"
        outputs = {
            "feature_builder": [*store.glob("features_*.json")],
            "predictive_engine": [logs / "predictive_signals.jsonl"],
            "ensemble_predictor": [logs / "ensemble_predictions.jsonl"],
            "signal_resolver": [store / "pending_signals.json"],
        }
        return max((path.stat().st_mtime_ns for path in outputs[name] if path.exists()), default=0)

    def writes(self, name: str) -> None:
        before = self.moved(name)
        until(f"{name} writes", lambda: self.moved(name) > before)

    def is_silent(self, name: str) -> bool:
        return time.time_ns() - self.moved(name) > QUIET * 1e9

    def stop(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    pipeline = Pipeline(tmp_path / "run")
    try:
        pipeline.writes("signal_resolver")  # the last one writes: all do
        yield pipeline
    finally:
        pipeline.stop()


def test_each_worker_can_be_frozen_and_what_is_below_it_goes_silent(pipeline: Pipeline) -> None:
    for position, name in enumerate(NAMES):
        pid = pipeline.processes[name].pid
        os.kill(pid, signal.SIGSTOP)
        until(f"{name} frozen", lambda pid=pid: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
        for below in NAMES[position:]:
            until(f"{below} silent", lambda below=below: pipeline.is_silent(below))
        for above in NAMES[:position]:
            pipeline.writes(above)
        os.kill(pid, signal.SIGCONT)
        pipeline.writes("signal_resolver")


def test_a_hung_worker_lives_writes_nothing_and_hangs_again_after_a_restart(pipeline: Pipeline) -> None:
    name = "ensemble_predictor"
    (pipeline.folder / "hang" / name).touch()
    until(f"{name} silent", lambda: pipeline.is_silent(name))
    assert pipeline.processes[name].poll() is None
    pipeline.processes[name].terminate()
    assert pipeline.processes[name].wait(timeout=10) == 0
    pipeline.start(name)
    console = pipeline.folder / "console" / f"{name}.log"
    until("hung again", lambda: console.read_text(encoding="utf-8").count("hanging while") == 2)
    silent_since = pipeline.moved(name)
    pipeline.writes("predictive_engine")
    assert pipeline.moved(name) == silent_since
    (pipeline.folder / "hang" / name).unlink()
    pipeline.writes(name)


def test_a_killed_worker_comes_back_and_goes_on(pipeline: Pipeline) -> None:
    for name in ("feature_builder", "ensemble_predictor", "signal_resolver"):
        pipeline.processes[name].kill()
        assert pipeline.processes[name].wait(timeout=10) == -signal.SIGKILL
        pipeline.start(name)
        pipeline.writes(name)


def test_every_worker_ends_cleanly_on_sigterm(pipeline: Pipeline) -> None:
    for name, process in pipeline.processes.items():
        process.terminate()
        assert process.wait(timeout=10) == 0, name
        assert f"{name}: stopped" in (pipeline.folder / "console" / f"{name}.log").read_text(encoding="utf-8")


def test_signal_resolver_takes_new_policies_on_sighup_and_goes_on(pipeline: Pipeline) -> None:
    process = pipeline.processes["signal_resolver"]
    pending = pipeline.folder / "feature_store" / "pending_signals.json"
    policies = {"long_ofi_requirement": 0.25, "short_ofi_requirement": 0.75}
    write_json(pipeline.folder / "configs" / "signal_policies.json", policies)
    process.send_signal(signal.SIGHUP)
    until("new policies", lambda: (read_json(pending) or {}).get("policies") == policies)
    assert (read_json(pending) or {})["pid"] == process.pid


def test_signal_resolver_does_not_start_without_policies_and_says_why(pipeline: Pipeline) -> None:
    name = "signal_resolver"
    pipeline.processes[name].terminate()
    pipeline.processes[name].wait(timeout=10)
    (pipeline.folder / "configs" / "signal_policies.json").unlink()
    pipeline.start(name)
    assert pipeline.processes[name].wait(timeout=10) == 1
    said = (pipeline.folder / "console" / f"{name}.log").read_text(encoding="utf-8")
    assert "cannot start:" in said.splitlines()[-1]
    assert "Traceback" not in said


def test_a_frozen_worker_that_is_told_to_stop_ends_without_another_write(pipeline: Pipeline) -> None:
    name = "signal_resolver"
    process = pipeline.processes[name]
    process.send_signal(signal.SIGSTOP)
    until(f"{name} frozen", lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    until(f"{name} silent", lambda: pipeline.is_silent(name))
    before = pipeline.moved(name)
    process.terminate()
    process.send_signal(signal.SIGCONT)
    assert process.wait(timeout=10) == 0
    assert pipeline.moved(name) == before
