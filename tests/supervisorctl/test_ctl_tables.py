"""The pure pieces of the commands: parsing, rendering, exit statuses."""

from __future__ import annotations

import pytest

from supervisor_healer.supervisorctl import parsing, rendering, statuses


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("5m", 300), ("24h", 86400), ("7d", 604800), ("1.5h", 5400), ("0.5s", 0.5)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parsing.parse("unmonitor", ["wa", text]).seconds == seconds


@pytest.mark.parametrize(
    ("command", "words", "text"),
    [
        ("heal", [], "required: NAME"),
        ("heal", ["all", "wa"], "`all` stands alone"),
        ("heal", ["wa", "--forc"], "unrecognized arguments: --forc"),
        ("heal", ["--restore"], "expected one argument"),
        ("heal", ["--restore", ""], "required: NAME (or --restore PATH)"),
        ("heal", ["wa", "--restore", "a.json"], "argument --restore: not allowed with argument NAME"),
        ("heal", ["all", "--restore", "a.json"], "argument --restore: not allowed with argument NAME"),
        ("heal", ["--force", "--restore", "a.json"], "argument --restore: not allowed with argument --force"),
        ("heal", ["--restore=a.json", "--dry-run"], "argument --restore: not allowed with argument --dry-run"),
        ("report", ["wa"], "unrecognized arguments: wa"),
        ("verify", ["all"], "unrecognized arguments: all"),
        ("graph", ["a", "b"], "unrecognized arguments: b"),
        ("graph", ["--dot", "--mermaid"], "not allowed with argument"),
        ("explain", ["all"], "needs the name of a worker, a consumer or a file"),
        ("explain", [], "required: NAME"),
        ("history", ["-n", "-1"], "'-1' is not a number of entries"),
        ("history", ["-n", "x"], "'x' is not a number of entries"),
        ("history", ["a", "b"], "unrecognized arguments: b"),
        ("unmonitor", ["wa", "5"], "'5' is not a duration (expected for example 30s, 5m, 24h or 7d)"),
        ("unmonitor", ["wa", "0s"], "'0s' is not a duration"),
        ("monitor", [], "required: NAME"),
    ],
)
def test_wrong_usage_is_said_and_nothing_exits(command: str, words: list[str], text: str) -> None:
    with pytest.raises(parsing.UsageError) as caught:
        parsing.parse(command, words)
    assert text in str(caught.value)


def test_a_path_to_restore_needs_no_name() -> None:
    parsed = parsing.parse("heal", ["--no-wait", "--restore", "/srv/a b.json"])
    assert (parsed.names, parsed.restore, parsed.no_wait) == ([], "/srv/a b.json", True)


@pytest.mark.parametrize("command", sorted(parsing.FORMS))
@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_is_text(command: str, word: str) -> None:
    with pytest.raises(parsing.HelpAsked) as caught:
        parsing.parse(command, [word])
    assert str(caught.value) == parsing.help_text(command)
    assert f"usage: {command}" in str(caught.value)


@pytest.mark.parametrize(
    ("state", "critical", "status"),
    [
        ("healthy", True, 0),
        ("idle", True, 0),
        ("starting", True, 0),
        ("stopped", True, 0),
        ("unmonitored", True, 0),
        ("late", True, 1),
        ("catching_up", True, 1),
        ("healing", True, 1),
        ("verifying", True, 1),
        ("blocked", True, 2),
        ("stalled", True, 2),
        ("down", True, 2),
        ("quarantined", True, 2),
        ("blocked", False, 1),
        ("quarantined", False, 1),
        ("unknown", True, 3),
        ("unknown", False, 3),
        ("a word of a later version", True, 3),
    ],
)
def test_health_status(state: str, critical: bool, status: int) -> None:
    assert statuses.health_status({"state": state, "critical": critical}) == status


@pytest.mark.parametrize(
    ("freshness", "critical", "status"),
    [
        ("fresh", True, 0),
        ("late", True, 1),
        ("stale", True, 2),
        ("missing", True, 2),
        ("unknown", True, 2),
        ("stale", False, 1),
        ("missing", False, 1),
        ("unknown", False, 1),
        ("a word of a later version", True, 3),
    ],
)
def test_file_status(freshness: str, critical: bool, status: int) -> None:
    assert statuses.file_status(freshness, critical=critical) == status


@pytest.mark.parametrize(
    ("given", "order", "worst"),
    [
        ([], (2, 1, 3, 0), 0),
        ([0, 0], (2, 1, 3, 0), 0),
        ([0, 3, 1], (2, 1, 3, 0), 1),
        ([3, 0], (2, 1, 3, 0), 3),
        ([1, 2, 3], (2, 1, 3, 0), 2),
        ([0, 75], (7, 2, 1, 75, 0), 75),
        ([75, 1], (7, 2, 1, 75, 0), 1),
        ([1, 2, 7], (7, 2, 1, 75, 0), 7),
    ],
)
def test_the_worst_status(given: list[int], order: tuple[int, ...], worst: int) -> None:
    assert statuses.worst(given, order) == worst


def test_health_lines_are_aligned() -> None:
    workers = [
        {"name": "ensemble", "state": "stalled", "since": 940.0, "critical": True, "reason": "e.jsonl 41h old"},
        {"name": "b", "state": "idle", "since": 0.0, "critical": False, "reason": ""},
        {"name": "x" * 50, "state": "late", "since": 2000.0, "critical": False, "reason": "why"},
    ]
    assert list(rendering.health_lines(workers, 1000.0)) == [
        f"! {'ensemble':<40}  stalled  1m  e.jsonl 41h old",
        f"  {'b':<40}  idle      -",
        f"  {'x' * 50}  late     0s  why",
    ]
    assert list(rendering.health_lines(workers[:2], 1000.0))[1] == "  b         idle      -"
    assert list(rendering.health_lines([], 0.0)) == []


@pytest.mark.parametrize(
    ("status", "reason", "line"),
    [
        (0, "healed", "wa: healed"),
        (0, "", "wa: done"),
        (1, "no new output", "wa: FAILED: no new output"),
        (75, "blocked by wb", "wa: not now: blocked by wb"),
        (7, "expired", "wa: NO HEALER: expired"),
        (2, "unknown", "wa: ERROR: unknown"),
        (99, "", "wa: FAILED: no reason given"),
    ],
)
def test_result_lines(status: int, reason: str, line: str) -> None:
    assert rendering.result_line("wa", status, reason) == line


def test_what_the_listener_has_to_say() -> None:
    well = {"state": "running", "trouble": "", "mode": "heal", "warnings": [], "architecture_errors": []}
    assert list(rendering.listener_lines(well)) == []
    assert list(rendering.listener_lines({**well, "mode": "observe", "warnings": ["journal"]})) == [
        "mode observe: the healer judges and reports, and restarts nothing",
        "warning: journal",
    ]
    broken = {**well, "state": "broken", "trouble": "x", "architecture_errors": ["a.yaml:1: bad", "a.yaml:2: worse"]}
    assert list(rendering.listener_lines(broken))[1:] == ["  a.yaml:1: bad", "  a.yaml:2: worse"]
    assert list(rendering.listener_lines({**well, "state": "stopped", "trouble": "gone"})) == ["gone"]
