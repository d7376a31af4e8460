"""What each worker computes, and that it writes only when its input has moved."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from supervisor_healer.demo import ensemble_predictor, feature_builder, predictive_engine, signal_resolver
from supervisor_healer.demo.files import append_line, read_json, write_json
from supervisor_healer.demo.prepare import prepare
from supervisor_healer.demo.worker import Step
from supervisor_healer.errors import HealerError

Started = Callable[[ModuleType], Step]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    prepare(tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def started(folder: Path) -> Iterator[Started]:
    with ExitStack() as stack:
        yield lambda module: stack.enter_context(module.start(folder))


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def test_feature_builder_keeps_the_newest_few(folder: Path, started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter(1_700_000_000 + tenths / 10 for tenths in range(100))
    monkeypatch.setattr(feature_builder.time, "time", lambda: next(times))
    step = started(feature_builder)
    for _ in range(feature_builder.KEEP + 3):
        step()
    names = sorted(path.name for path in (folder / "feature_store").glob("features_*.json"))
    assert len(names) == feature_builder.KEEP
    assert names[-1] == "features_20231114T221321.200Z.json"
    newest = read_json(folder / "feature_store" / names[-1])
    assert newest is not None
    assert set(newest["features"]) == set(feature_builder.SYMBOLS)


def test_predictive_engine_writes_one_line_for_each_new_features_file(folder: Path, started: Started) -> None:
    step = started(predictive_engine)
    step()
    signals = folder / "logs" / "predictive_signals.jsonl"
    assert rows(signals) == []
    features = {
        "A": {"ofi": 0.9, "momentum": 0.3, "volatility": 0.1},
        "B": {"ofi": 0.5, "momentum": 0.0, "volatility": 0.0},
    }
    write_json(folder / "feature_store" / "features_1.json", {"features": features})
    step()
    step()
    assert [row["features"] for row in rows(signals)] == ["features_1.json"]
    assert rows(signals)[0]["signals"]["A"] > 0.5
    assert rows(signals)[0]["signals"]["B"] == 0.0
    write_json(folder / "feature_store" / "features_2.json", {"features": features})
    step()
    assert [row["features"] for row in rows(signals)] == ["features_1.json", "features_2.json"]


def test_predictive_engine_passes_over_a_features_file_that_it_cannot_read(folder: Path, started: Started) -> None:
    step = started(predictive_engine)
    (folder / "feature_store" / "features_1.json").write_text("{", encoding="utf-8")
    step()
    assert rows(folder / "logs" / "predictive_signals.jsonl") == []


def test_ensemble_predictor_answers_new_signals_only(folder: Path, started: Started) -> None:
    signals, predictions = folder / "logs" / "predictive_signals.jsonl", folder / "logs" / "ensemble_predictions.jsonl"
    append_line(signals, {"ts": 1.0, "signals": {"A": 0.8}})
    step = started(ensemble_predictor)
    step()
    assert rows(predictions) == []  # what was there at the start only warms it up
    append_line(signals, {"ts": 2.0, "signals": {"A": 0.4}})
    append_line(signals, {"ts": 3.0, "signals": {"A": 0.6}})
    step()
    step()
    (row,) = rows(predictions)
    assert (row["signals_ts"], row["window"]) == (3.0, 3)
    assert row["predictions"] == {"A": {"direction": "long", "confidence": 0.6}}


@pytest.mark.parametrize(
    ("value", "direction"), [(0.5, "long"), (-0.5, "short"), (0.04, "flat"), (-0.04, "flat"), (0.05, "long")]
)
def test_predict_direction(value: float, direction: str) -> None:
    assert ensemble_predictor.predict([{"signals": {"A": value}}])["A"]["direction"] == direction


def test_predict_weighs_the_recent_more() -> None:
    window = [{"signals": {"A": -0.2}}] * 15 + [{"signals": {"A": 0.8}}] * 5
    assert ensemble_predictor.predict(window)["A"] == {"direction": "long", "confidence": 0.425}


PREDICTIONS = {
    "A": {"direction": "long", "confidence": 0.7},
    "B": {"direction": "short", "confidence": 0.9},
    "C": {"direction": "flat", "confidence": 0.9},
    "D": {"direction": "long", "confidence": 0.55},
    "E": {"direction": "short", "confidence": 0.6},
}


def pending(folder: Path) -> dict[str, Any]:
    value = read_json(folder / "feature_store" / "pending_signals.json")
    assert value is not None
    return value


def set_policies(folder: Path, **values: object) -> None:
    write_json(folder / "configs" / "signal_policies.json", values)


def test_signal_resolver_replaces_its_file_when_a_prediction_has_come(folder: Path, started: Started) -> None:
    path = folder / "feature_store" / "pending_signals.json"
    step = started(signal_resolver)
    step()
    assert not path.exists()
    append_line(folder / "logs" / "ensemble_predictions.jsonl", {"ts": 1.0, "predictions": PREDICTIONS})
    step()
    assert [entry["symbol"] for entry in pending(folder)["pending"]] == ["B", "A", "E"]
    assert pending(folder)["policies"] == {"long_ofi_requirement": 0.65, "short_ofi_requirement": 0.6}
    before = path.stat().st_mtime_ns
    step()
    assert path.stat().st_mtime_ns == before


def test_signal_resolver_reads_its_policies_again_on_sighup_only(
    folder: Path, started: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    predictions = folder / "logs" / "ensemble_predictions.jsonl"
    step = started(signal_resolver)
    set_policies(folder, long_ofi_requirement=0.5, short_ofi_requirement=0.95, unknown="kept out of it")
    append_line(predictions, {"ts": 1.0, "predictions": PREDICTIONS})
    step()
    assert pending(folder)["policies"]["long_ofi_requirement"] == 0.65
    signal.raise_signal(signal.SIGHUP)
    append_line(predictions, {"ts": 2.0, "predictions": PREDICTIONS})
    step()
    assert [entry["symbol"] for entry in pending(folder)["pending"]] == ["A", "D"]
    assert pending(folder)["policies"] == {"long_ofi_requirement": 0.5, "short_ofi_requirement": 0.95}
    assert "SIGHUP, policies: long_ofi_requirement 0.5, short_ofi_requirement 0.95" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "is not there, or is no JSON object"),
        ("{", "is not there, or is no JSON object"),
        ('{"short_ofi_requirement": 0.5}', "has no usable long_ofi_requirement"),
        ('{"long_ofi_requirement": true, "short_ofi_requirement": 0.5}', "has no usable long_ofi_requirement"),
        ('{"long_ofi_requirement": 0.5, "short_ofi_requirement": 1.5}', "has no usable short_ofi_requirement"),
    ],
)
def test_signal_resolver_takes_no_policies_that_it_cannot_use(
    folder: Path, started: Started, capsys: pytest.CaptureFixture[str], content: str | None, problem: str
) -> None:
    path = folder / "configs" / "signal_policies.json"
    step = started(signal_resolver)
    path.unlink()
    if content is not None:
        path.write_text(content, encoding="utf-8")
    signal.raise_signal(signal.SIGHUP)
    append_line(folder / "logs" / "ensemble_predictions.jsonl", {"ts": 1.0, "predictions": PREDICTIONS})
    step()
    assert pending(folder)["policies"] == {"long_ofi_requirement": 0.65, "short_ofi_requirement": 0.6}
    assert f"SIGHUP, but the old policies stay: {path} {problem}" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=f"signal_resolver: cannot start: .*{problem}"):
        started(signal_resolver)


def test_a_worker_that_has_ended_leaves_the_handler_of_sighup_as_it_was(folder: Path) -> None:
    before = signal.getsignal(signal.SIGHUP)
    with signal_resolver.start(folder):
        assert signal.getsignal(signal.SIGHUP) != before
    assert signal.getsignal(signal.SIGHUP) == before


def test_prepare_begins_anew(folder: Path) -> None:
    (folder / "hang" / "signal_resolver").touch()
    prepare(folder)
    assert not (folder / "hang" / "signal_resolver").exists()
    policies = folder / "configs" / "signal_policies.json"
    content = read_json(policies)
    assert content is not None
    assert (content["long_ofi_requirement"], content["short_ofi_requirement"]) == (0.65, 0.6)
    assert content.keys() - {"long_ofi_requirement", "short_ofi_requirement"}  # what a repair has to leave alone
    assert policies.stat().st_mode & 0o777 == 0o640
    assert read_json(folder / "logs" / "positions_futures.json") is not None
    assert read_json(folder / "feature_store" / "signal_weights_gate.json") is not None


def test_prepare_does_not_follow_a_link(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "precious")
    with pytest.raises(HealerError, match="symbolic link"):
        prepare(tmp_path / "run")
    assert (tmp_path / "precious").is_dir()
