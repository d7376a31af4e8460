"""The pure pieces of verify and report: stages, lines, the words of a report of any version."""

from __future__ import annotations

from typing import Any

import pytest
from pipeline_structs import ALONE, CONFIG, CONSUMERS, FILES, NOW, WORKERS, consumer, file, worker

from supervisor_healer.supervisorctl import graph, rendering, report, stages


def walk(
    workers: list[Any] = WORKERS, consumers: list[Any] = CONSUMERS, files: list[Any] = FILES
) -> list[stages.Stage]:
    return stages.walk(graph.build(workers, consumers, files, NOW))


def test_the_stages_are_in_the_order_of_the_data_flow() -> None:
    said = walk()
    assert list(stages.lines(said)) == [
        "  ok       raw.csv     12s old (max 5m), from outside, read by engine",
        "  ok       engine      writes signals.jsonl (fresh, 12s old)",
        "! STALLED  predictor   predictions.jsonl 41h old; writes predictions.jsonl (stale, 41h old)",
        "  BLOCKED  gate        predictions.jsonl 41h old",
        "  MISSING  alone.json  no such file, from outside, read by nobody",
        "  ok       c.json      config, read by gate",
    ]
    assert stages.status(said) == 2
    assert stages.summary(said, 2) == "CRITICAL: 6 stages, 3 ok, 1 BLOCKED, 1 MISSING, 1 STALLED"
    assert stages.as_structs(said)[1] == {
        "kind": "worker", "name": "engine", "state": "healthy", "critical": False, "status": 0,
        "text": "writes signals.jsonl (fresh, 12s old)", "ground": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("critical", "state", "status"), [(False, "healthy", 1), (True, "healthy", 2), (True, "late", 2)]
)
def test_a_full_disk_under_an_output_is_trouble_before_the_output_is_old(
    critical: bool, state: str, status: int
) -> None:
    output = file("a.jsonl", producer="wa", ground="the disk is full")
    told = walk(
        [worker("wa", state, outputs=(output,), critical=critical, reason="late; the disk is full")], [], [output]
    )
    assert stages.status(told) == status
    (line,) = stages.lines(told)
    assert line.split()[critical] == ("DISK" if state == "healthy" else "late")
    assert "the disk is full" in line


@pytest.mark.parametrize(
    ("workers", "consumers", "files", "status"),
    [
        ([], [], [], 3),
        ([worker("wa")], [], [], 0),
        ([worker("wa", "idle")], [consumer("gate")], [CONFIG], 0),
        ([worker("wa", "late")], [], [], 1),
        ([worker("wa", "unknown")], [], [], 3),
        ([worker("wa", "unknown"), worker("wb", "late")], [], [], 1),
        ([worker("wa")], [consumer("gate", "blocked")], [], 1),
        ([worker("wa")], [consumer("gate", "blocked", critical=True)], [], 2),
        ([worker("wa")], [], [ALONE], 1),
        ([worker("wa")], [], [{**ALONE, "critical": True}], 2),
        ([worker("wa")], [], [file("c.json", "unknown", max_age=0.0, critical=True)], 2),
        ([worker("wa")], [], [file("x", "late", critical=True)], 1),
        ([worker("wa", inputs=(file("x", "stale"),))], [], [], 1),
        ([worker("wa", inputs=(file("x", "stale"),), critical=True)], [], [], 2),
        ([], [consumer("gate", inputs=(file("x", "missing"),), critical=True)], [], 2),
        (
            [worker("wa", outputs=(file("x", "stale", critical=True),), critical=True)],
            [],
            [],
            0,
        ),  # its worker answers for it
    ],
)
def test_the_status_of_a_walk(workers: list[Any], consumers: list[Any], files: list[Any], status: int) -> None:
    assert stages.status(walk(workers, consumers, files)) == status


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("healthy", "ok"), ("idle", "ok"), ("fresh", "ok"), ("late", "late"), ("starting", "starting"),
        ("stopped", "stopped"), ("blocked", "BLOCKED"), ("quarantined", "QUARANTINED"), ("unknown", "UNKNOWN"),
        ("missing", "MISSING"), ("later", "later"),
    ],
)  # fmt: skip
def test_the_word_of_a_stage(state: str, word: str) -> None:
    assert stages.Stage("worker", "wa", state, False, 0, "").word == word


def test_many_outputs_are_cut() -> None:
    outputs = tuple(file(f"o{number}") for number in range(7))
    [stage] = walk([worker("wa", outputs=outputs)], [], [])
    assert stage.text.endswith("o4 (fresh, 12s old) and 2 more")


# --- the report ----------------------------------------------------------------------------------------------


def entry(subject: str, message: str, **more: Any) -> dict[str, Any]:
    return {
        "subject": subject, "kind": "worker", "message": message, "critical": False, "action": "", "by": "",
        "blocked_by": [], "at": NOW, **more,
    }  # fmt: skip


REPORT: dict[str, Any] = {
    "version": 1, "timestamp": NOW - 120, "since": NOW - 180, "duration": 0.31, "cause": "cycle", "mode": "heal",
    "healed": [entry("wa", "Restarted wa worker")],
    "failed": [
        entry("c.json", "cannot be parsed: line 3, column 4", critical=True, action="edit it, then heal all"),
        entry("gate", "no", by="gate_doctor"),
    ],
    "blocked": [
        entry("wb", "b.jsonl 41h old", blocked_by=["wa", "x.csv"]),
        entry("wc", "wc is blocked: by wa", blocked_by=["wa"]),
    ],
    "warnings": [entry("", "the clock was stepped")],
    "left_out": {"healed": 0, "failed": 2, "blocked": 0, "warnings": 12},
    "stats": {
        "workers_restarted": 1, "files_repaired": 0, "configs_fixed": 2, "processes_checked": 4, "files_checked": 9,
        "configs_checked": 1, "dependencies_checked": 12,
    },
    "history": [
        {"at": NOW - number, "subject": "wa" * (number > 0), "event": "restart", "text": f"attempt {number}"}
        for number in range(12, -1, -1)
    ],
}  # fmt: skip


def test_a_report_tells_first_what_needs_a_person() -> None:
    assert list(report.lines(REPORT, NOW)) == [
        f"report of {rendering.moment(NOW - 120)} (2m ago): cycle, took 0.3s, mode heal",
        "failed (needs a person):",
        "! c.json: cannot be parsed: line 3, column 4",
        "    -> edit it, then heal all",
        "  gate: no (by gate_doctor)",
        "  ... and 2 more, left out of the report",
        "blocked:",
        "  wb: b.jsonl 41h old (blocked by wa, x.csv)",
        "  wc is blocked: by wa",
        "warnings:",
        "  healer: the clock was stepped",
        "  ... and 12 more, left out of the report",
        f"healed, since {rendering.moment(NOW - 180)}:",
        "  Restarted wa worker",
        "checked: 4 processes, 9 files, 1 config, 12 dependencies; done: 1 worker restarted, 0 files repaired,"
        " 2 configs fixed",
        "history, the last 10:",
        *(f"  {rendering.moment(NOW - n)}  wa  restart: attempt {n}" for n in range(9, 0, -1)),
        f"  {rendering.moment(NOW)}  healer  restart: attempt 0",
    ]


def test_a_report_of_which_all_was_left_out_says_so() -> None:
    said = list(report.lines({**REPORT, "failed": []}, NOW))
    assert said[1:3] == ["failed (needs a person):", "  ... and 2 more, left out of the report"]


def test_a_quiet_report() -> None:
    quiet = {**REPORT, "healed": [], "failed": [], "blocked": [], "warnings": [], "left_out": {}, "history": []}
    assert list(report.lines(quiet, NOW))[1:] == [
        "nothing failed, nothing is blocked, nothing to warn of",
        "checked: 4 processes, 9 files, 1 config, 12 dependencies; done: 1 worker restarted, 0 files repaired,"
        " 2 configs fixed",
    ]


@pytest.mark.parametrize(
    "broken",
    [
        {"x": 1},
        {"failed": "x", "left_out": [], "stats": 3, "history": {}},
        {"failed": [3, {}, {"subject": 5, "blocked_by": 7, "critical": "no"}], "timestamp": "now", "history": [1, {}]},
        {"left_out": {"failed": "many"}, "stats": {"files_checked": "x", "workers_restarted": 2.0}},
    ],
)
def test_a_report_of_another_version_is_shown_as_well_as_can_be(broken: dict[str, Any]) -> None:
    said = list(report.lines(broken, NOW))
    assert said[0].startswith("report: took 0s")
