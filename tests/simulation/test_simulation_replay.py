"""`supervisor-healer replay`: a recorded past, played again under the same architecture, or under another."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rehearsing import ARCHITECTURE, HOUR, MINUTE, architecture_file, as_json, run, told

from supervisor_healer.core.model import Now
from supervisor_healer.core.orders import Note
from supervisor_healer.listener.journal import Journal, StampedNote
from supervisor_healer.listener.watch import LOG_ONLY
from supervisor_healer.simulation.happenings import Event
from supervisor_healer.simulation.record import Record, read
from supervisor_healer.simulation.replay import LIMITS
from supervisor_healer.simulation.scenario import Habits
from supervisor_healer.simulation.story import HEALER, Line, Story

EPOCH = 1_790_000_000.0
BARE = "programs: {predictor: {autorestart: false}, engine: {autorestart: false}}\n"

#: Incidents of every kind that a record can tell, each as a scenario.
PAST = {
    "a hang": "events: [{at: 10m, what: hang, worker: engine}]",
    "a hang that several restarts do not cure": "events: [{at: 10m, what: hang_again, worker: engine, for: 20m}]",
    "a hang until quarantined": "events: [{at: 10m, what: hang_again, worker: engine, for: 50m}]",
    "a hang without end": "duration: 2h\nevents: [{at: 10m, what: hang_again, worker: predictor}]",
    "a death": f"{BARE}events: [{{at: 10m, what: die, worker: engine}}]",
    "a crash loop": f"{BARE}events: [{{at: 10m, what: crash_loop, worker: predictor, for: 2m, by: 20s}}]",
    "a start that fails": "events: [{at: 10m, what: fail_to_start, worker: engine, for: 1m}]",
    "a source away": "events: [{at: 10m, what: source_stops, file: raw.jsonl, for: 40m}]",
    "an operator's stop": "events: [{at: 10m, what: stop, worker: engine, for: 40m}]",
    "a hang while unmonitored": (
        "events: [{at: 10m, what: unmonitor, worker: all, for: 40m}, {at: 20m, what: hang, worker: engine}]"
    ),
    "a stop while it hangs": (
        "events: [{at: 10m, what: unmonitor, worker: all}, {at: 20m, what: hang, worker: engine},"
        " {at: 40m, what: stop, worker: engine, for: 1m}, {at: 50m, what: monitor, worker: all}]"
    ),
    "a heal asked for": (
        "events: [{at: 10m, what: hang_again, worker: engine, for: 13m}, {at: 30m40s, what: heal, worker: engine}]"
    ),
    "a stepped clock": (
        "events: [{at: 10m, what: hang, worker: engine}, {at: 20m, what: clock_forward, by: 1h},"
        " {at: 40m, what: hang, worker: predictor}, {at: 1h, what: clock_back, by: 2h},"
        " {at: 80m, what: hang, worker: builder}]"
    ),
}


def journal_of(story: Story, folder: Path) -> str:
    """The journal that the story's healer would have left, as the host's clock dates it."""
    steps = {"clock_forward": HOUR, "clock_back": -2 * HOUR}
    journal = Journal.open(str(folder / "healer.sqlite3"))
    ahead = 0.0
    for line in story.lines:
        ahead += steps.get(line.event, 0.0)
        if line.by == HEALER and line.event not in LOG_ONLY | {"answer"}:
            note = Note("" if line.who == "healer" else line.who, line.event, line.text, line.evidence)
            journal.remember((), [StampedNote(Now(EPOCH + ahead + line.at, line.at), note)])
    journal.close()
    return journal.path


def past(folder: Path, scenario: str, of: str = ARCHITECTURE) -> str:
    return journal_of(told(folder, scenario, of), folder)


def replayed(
    capsys: pytest.CaptureFixture[str], journal: str, folder: Path, text: str = ARCHITECTURE
) -> dict[str, Any]:
    return as_json(capsys, "replay", journal, architecture_file(folder, text, "tried.yaml"))


# --- the same, and another policy --------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", PAST.values(), ids=PAST)
def test_under_the_same_architecture_the_same_would_be_done(
    scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = replayed(capsys, past(tmp_path, scenario), tmp_path)
    assert [incident["differences"] for incident in answer["incidents"]] == [[] for _ in answer["incidents"]]
    assert answer["incidents"] or answer["others"]
    assert {name: count["was"] - count["would_be"] for name, count in answer["restarts"].items()} == {
        "builder": 0, "engine": 0, "predictor": 0,
    }  # fmt: skip


def test_a_tighter_limit_recovers_earlier(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = past(tmp_path, PAST["a hang"])
    (incident,) = replayed(capsys, journal, tmp_path, ARCHITECTURE.replace("5m", "2m"))["incidents"]
    assert incident["differences"] == ["well again 4m30s earlier"]
    assert (incident["worker"], incident["at"]) == ("engine", EPOCH + 10 * MINUTE)


def test_fewer_attempts_quarantine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = past(tmp_path, PAST["a hang that several restarts do not cure"])
    (incident,) = replayed(capsys, journal, tmp_path, ARCHITECTURE.replace("5m}", "5m, attempts: 1}", 1))["incidents"]
    assert len(incident["was"]["restarts_after"]) == 2
    assert incident["would_be"]["quarantined"]
    assert "1 restart fewer" in incident["differences"]
    assert "quarantined" in incident["differences"]


def test_a_week_of_observing_shows_what_healing_would_have_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = "events: [{at: 10m, what: hang, worker: engine, for: 40m}]"
    journal = past(tmp_path, scenario, f"mode: observe\n{ARCHITECTURE}")
    (incident,) = replayed(capsys, journal, tmp_path)["incidents"]
    assert incident["was"]["restarts_after"] == []
    assert incident["was"]["outcome"] == "recovered by itself"
    assert incident["differences"][0] == "1 restart more"
    assert incident["differences"][1].startswith("well again 32m")


def test_it_ends_with_what_a_journal_cannot_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "replay", past(tmp_path, PAST["a hang"]), architecture_file(tmp_path))
    assert status == 0
    assert "  -> no difference\n" in out
    assert out.endswith(f"{LIMITS}\n")


# --- what a history tells ----------------------------------------------------------------------------------------


TOOK = ((1000, "1m"), (2000, "40s"), (3000, "6m"), (4000, "50s"))  # six minutes are longer than its grace: a wait


def record(*notes: tuple[float, str, str, str, Sequence[str]]) -> Record:
    """What these tell of workers wa and wb and of the source `in.jsonl`: at, who, event, text, evidence."""
    lines = [Line(at, "record", who, event, text, tuple(evidence)) for at, who, event, text, evidence in notes]
    return read(lines, {"wa": 300.0, "wb": 300.0}, ["in.jsonl"])


def test_a_hang_begins_with_the_last_progress() -> None:
    found = record(
        (1000, "wa", "restart", "restart (attempt 1): a.out 7m30s old (max 5m); every required input is fresh",
         ["stalled: a.out 7m30s old (max 5m)", "process: wa:wa RUNNING pid 7, started 9h old ago",
          "output: a.out stale, 7m30s old (max 5m + 2m30s grace), work pending for 6m",
          "output: b c.out stale, 8m old (max 5m + 2m30s grace), work pending for 6m",
          "input: in.jsonl fresh, 3s old (max 5m + 2m30s grace), from outside, in order for 2h"]),
        (1010, "wa", "healed", "new output in a.out 9s after the start", []),
    )  # fmt: skip
    (ailment,) = found.ailments
    assert list(ailment.events()) == [Event(550, "hang", "wa")]
    assert (ailment.restarts, ailment.ends, ailment.by_itself) == ([1000], 1010, False)


def test_output_that_never_came_hangs_from_the_start_on() -> None:
    evidence = [
        "stalled: a.out missing (max 5m)",
        "process: wa:wa RUNNING pid 7, started 20m ago",
        "output: a.out missing",
    ]
    found = record((2000, "wa", "convicted", "stalled: a.out missing (max 5m)", evidence))
    assert [ailment.begins for ailment in found.ailments] == [800]


def test_what_recovers_by_itself_lasts_until_then() -> None:
    stale = ["stalled: a.out 7m30s old (max 5m)", "output: a.out stale, 7m30s old (max 5m + 2m30s grace)"]
    found = record(
        (1000, "wa", "convicted", "stalled: a.out 7m30s old (max 5m); mode is observe", stale),
        (1700, "wa", "recovered", "by itself, was stalled: a.out 19m old (max 5m)", []),
    )
    assert [event for ailment in found.ailments for event in ailment.events()] == [Event(550, "hang", "wa", lasts=1150)]


def test_what_failing_restarts_did_not_end_and_time_did() -> None:
    stale = ["stalled: a.out 8m old (max 5m)", "output: a.out stale, 8m old (max 5m + 2m30s grace)"]
    found = record(
        (1000, "wa", "restart", "restart (attempt 1): a.out 8m old (max 5m)", stale),
        (1600, "wa", "failed", "restarted, but no new output in a.out within 10m", stale),
        (1700, "wa", "recovered", "by itself, was stalled: a.out 19m old (max 5m)", []),
    )
    events = [event for ailment in found.ailments for event in ailment.events()]
    assert events == [Event(520, "hang_again", "wa"), Event(1700, "recover", "wa")]


def test_a_source_is_away_from_its_last_progress_until_it_is_in_order() -> None:
    found = record(
        (1000, "wb", "blocked", "blocked: by in.jsonl: a.out 8m old (max 5m)",
         ["blocked: by in.jsonl: a.out 8m old", "input: a.out stale, 8m old (max 5m + 2m30s grace), from wa",
          "chain: wb <- a.out (stale, 8m old) <- wa (blocked) <- in.jsonl (stale, 10m old)"]),
        (3000, "wa", "recovered", "by itself, was blocked: by in.jsonl",
         ["healthy: every output is fresh",
          "input: in.jsonl fresh, 1s old (max 2m + 1m grace), from outside, in order for 20s"]),
    )  # fmt: skip
    assert found.others == [Event(400, "source_stops", file="in.jsonl", lasts=2580)]


def test_people_are_told_apart_from_the_healer() -> None:
    stale = ["catching_up: a.out 8m old (max 5m)", "output: a.out stale, 8m old (max 5m + 2m30s grace)"]
    found = record(
        (100, "wa", "stopped", "healthy -> stopped: stopped by an operator", []),
        (200, "wa", "started", "stopped -> starting: process STARTING", []),
        (300, "", "unmonitor", "unmonitored for 2h, by an operator", []),
        (400, "wb", "unmonitor", "unmonitored, by an operator", []),
        (500, "wb", "monitor", "monitored again, by an operator", []),
        (7500, "wa", "monitor", "monitored again: the time set has passed", []),
        (8000, "wa", "restart", "restart (attempt 1, asked for by an operator): a.out 8m old; ...", stale),
        (8010, "wa", "healed", "new output in a.out 9s after the start", []),
        (9000, "wa", "restart", "forced restart (attempt 2, asked for by an operator): ...; inputs ignored", []),
        (9500, "wb", "refused", "heal asked for by an operator: blocked by wa", []),
    )
    assert found.others == [
        Event(100, "stop", "wa"),
        Event(200, "start", "wa"),
        Event(300, "unmonitor", "all", lasts=7200),
        Event(400, "unmonitor", "wb"),
        Event(500, "monitor", "wb"),
        Event(8000, "heal", "wa"),
        Event(9000, "force", "wa"),
        Event(9500, "heal", "wb"),
    ]
    assert [ailment.begins for ailment in found.ailments] == [7520]


def test_clocks_that_were_set_and_healers_that_slept() -> None:
    found = record(
        (1000, "", "clock", "the wall clock was stepped by +1h, or the host slept: nobody is convicted, ...", []),
        (4700, "wa", "stopped", "healthy -> stopped: stopped by an operator", []),
        (4800, "", "clock", "the wall clock was stepped by -30m, or the host slept: nobody is convicted, ...", []),
        (5000, "", "clock", "the healer woke 5m too late: nobody is convicted, ...", []),
    )
    assert found.others == [
        Event(-2600, "clock_forward", by=3600),
        Event(1100, "stop", "wa"),
        Event(2900, "pause", lasts=300),
        Event(3000, "clock_back", by=1800),
    ]
    assert found.wall(1100) == 4700


def test_deaths_soon_after_a_restart_are_a_crash_loop() -> None:
    down = ["down: process EXITED", "output: a.out fresh, 3s old (max 5m + 2m30s grace)"]
    found = record(
        (1000, "wa", "restart", "restart (attempt 1): process EXITED; every required input is fresh", down),
        (1001, "wa", "healed", "new output in a.out 1s after the start", []),
        (1020, "wa", "convicted", "down: process EXITED; next attempt in 20s", down),
        (1040, "wa", "restart", "restart (attempt 2): process EXITED; every required input is fresh", down),
        (1041, "wa", "healed", "new output in a.out 1s after the start", []),
        (9000, "wa", "restart", "restart (attempt 1): process EXITED; every required input is fresh", down),
        (9001, "wa", "healed", "new output in a.out 1s after the start", []),
    )
    events = [list(ailment.events()) for ailment in found.ailments]
    assert events == [[Event(1000, "crash_loop", "wa", lasts=30, by=20)], [Event(9000, "die", "wa")]]
    assert found.habits == {"wa": Habits(autorestart=False)}


def test_a_start_takes_the_shortest_time_in_which_it_was_proven() -> None:
    healed = [(at, "wa", "healed", f"new output in a.out {took} after the start", []) for at, took in TOOK]
    assert record(*healed).habits == {"wa": Habits(startup=40)}


def test_who_is_no_longer_in_the_architecture_is_named() -> None:
    found = record((100, "wz", "convicted", "down: process EXITED", ["down: process EXITED"]))
    assert (found.ailments, found.without) == ([], {"wz"})


def test_who_is_stopped_and_dies_again_without_a_restart_ails_anew() -> None:
    down = ["down: process EXITED"]
    found = record(
        (1000, "wa", "convicted", "down: process EXITED; blocked", down),
        (1010, "wa", "stopped", "down -> stopped: stopped by an operator", []),
        (1020, "wa", "started", "stopped -> starting: process STARTING", []),
        (1030, "wa", "convicted", "down: process EXITED; blocked", down),
    )
    assert [list(one.events()) for one in found.ailments] == [[Event(at, "die", "wa")] for at in (1000, 1030)]


def test_what_began_long_before_the_history_begins_a_week_before_it() -> None:
    stale = ["stalled: a.out 41d old (max 5m)", "output: a.out stale, 41d old (max 5m + 2m30s grace)"]
    chain = ["chain: wb <- in.jsonl (stale, 100d old)"]
    found = record((9e6, "wa", "convicted", "stalled", stale), (9e6, "wb", "blocked", "by in.jsonl", chain))
    assert [one.begins for one in found.ailments] == [9e6 - 7 * 86400]
    assert [event.at for event in found.others] == [9e6 - 7 * 86400]


# --- a damaged journal ----------------------------------------------------------------------------------------


#: What may have befallen one row of a journal, as SQL; each spoils exactly that row.
DAMAGE = {
    "no evidence": "UPDATE note SET evidence = '{' WHERE event = 'restart'",
    "a number": "UPDATE note SET evidence = '7' WHERE event = 'restart'",
    "numbers": "UPDATE note SET evidence = '[1, 2]' WHERE event = 'restart'",
    "an age of ages": "UPDATE note SET evidence = replace(evidence, '7m30s old', '99999d old') WHERE event = 'restart'",
    "no age": "UPDATE note SET evidence = replace(evidence, '7m30s old', 'abc old') WHERE event = 'restart'",
    "no time": "UPDATE note SET text = 'new output in out soon after the start' WHERE event = 'healed'",
    "no date": "UPDATE note SET at = 'hello' WHERE event = 'restart'",
    "never": "UPDATE note SET at = 9e999 WHERE event = 'healed'",
    "too late": "UPDATE note SET at = 1e15 WHERE event = 'healed'",
    "too early": "UPDATE note SET at = -1e15 WHERE event = 'restart'",
    "bytes": "UPDATE note SET text = x'ff00' WHERE event = 'restart'",
    "a step": "INSERT INTO note VALUES (99, 1790009000, '', 'clock',"
    " 'the wall clock was stepped by +99999999d, or the host slept', '[]')",
}


def damaged(journal: str, sql: str) -> None:
    with sqlite3.connect(journal) as db:
        assert db.execute(sql).rowcount == 1
    db.close()


@pytest.mark.parametrize("sql", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_row_is_left_out_and_counted(sql: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = past(tmp_path, f"{PAST['a hang'][:-1]}, {{at: 1h, what: stop, worker: builder, for: 5m}}]")
    damaged(journal, sql)
    status, out, err = run(capsys, "replay", journal, architecture_file(tmp_path))
    assert (status, err) == (0, f"{journal}: 1 line of history cannot be understood, and is left out\n")
    assert "builder an operator stops it" in out


def test_text_that_is_no_utf8_spoils_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = past(tmp_path, PAST["a hang"])
    damaged(journal, "UPDATE note SET text = CAST(x'68ff' AS TEXT) WHERE event = 'healed'")
    assert len(replayed(capsys, journal, tmp_path)["incidents"]) == 1


def test_more_than_a_year_is_not_replayed_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = "events: [{at: 10m, what: hang, worker: engine}, {at: 2h, what: hang, worker: predictor}]"
    journal, tried = past(tmp_path, two), architecture_file(tmp_path)
    with sqlite3.connect(journal) as db:
        db.execute("UPDATE note SET at = at - 4e7 WHERE worker = 'engine'")
    db.close()
    status, out, err = run(capsys, "replay", journal, tried)
    assert (status, out) == (2, "")
    assert err.startswith(
        f"{journal}: 463d of history are more than can be replayed (expected at most 366d: add `--since"
    )
    assert len(as_json(capsys, "replay", journal, tried, "--since", "300d")["incidents"]) == 1


# --- the command -------------------------------------------------------------------------------------------------


def test_the_journal_of_a_running_healer_is_only_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = past(tmp_path, PAST["a hang"])
    running = Journal.open(path)
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            before = list(db.iterdump())
        assert len(replayed(capsys, path, tmp_path)["incidents"]) == 1
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            assert list(db.iterdump()) == before
        assert not running.degraded
    finally:
        running.close()


@pytest.mark.parametrize(
    ("since", "workers"),
    [
        ("1h", ["predictor"]),
        ("9d", ["engine", "predictor"]),
        ("2026-09-21T14:40:00+00:00", ["predictor"]),
        ("2020-01-01", ["engine", "predictor"]),
    ],
)
def test_since(since: str, workers: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = "events: [{at: 10m, what: hang, worker: engine}, {at: 2h, what: hang, worker: predictor}]"
    answer = as_json(capsys, "replay", past(tmp_path, two), architecture_file(tmp_path), "--since", since)
    assert [incident["worker"] for incident in answer["incidents"]] == workers


def test_the_scenario_it_writes_does_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal, tried = past(tmp_path, PAST["a hang until quarantined"]), architecture_file(tmp_path)
    written = str(tmp_path / "written.yaml")
    status, out, _ = run(capsys, "replay", journal, tried, "--scenario", written, "--json")
    assert status == 0
    restarts = {name: count["would_be"] for name, count in json.loads(out)["restarts"].items()}
    assert as_json(capsys, "simulate", tried, "--scenario", written)["restarts"] == restarts
    status, _, err = run(capsys, "replay", journal, tried, "--scenario", written)
    assert (status, err) == (2, f"{written}: cannot be written: File exists (expected a new file)\n")


def test_what_cannot_be_replayed_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tried = architecture_file(tmp_path)
    status, _, err = run(capsys, "replay", tried, tried)
    assert (status, "cannot be read as a healer's journal" in err) == (2, True)
    assert run(capsys, "replay", str(tmp_path / "none"), tried)[0] == 2
    journal = past(tmp_path, "events: [{at: 1h, what: start, worker: engine}]")
    status, out, _ = run(capsys, "replay", journal, tried)
    assert (status, out) == (0, f"{journal} under {tried}: no incident of its workers among 0 lines of history\n")
    bad = architecture_file(tmp_path, "version: 2\n", "bad.yaml")
    assert run(capsys, "replay", journal, bad)[0] == 1
    with pytest.raises(SystemExit, match="2"):
        run(capsys, "replay", journal, tried, "--since", "yesterday")


def test_an_interrupt_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("supervisor_healer.replay.play_again", interrupted)
    journal = past(tmp_path, PAST["a hang"])
    assert run(capsys, "replay", journal, architecture_file(tmp_path)) == (
        130, "", "supervisor-healer replay: interrupted\n",
    )  # fmt: skip


def test_workers_of_before_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = "events: [{at: 10m, what: hang, worker: engine}, {at: 40m, what: hang, worker: builder}]"
    journal = past(tmp_path, two)
    tried = architecture_file(tmp_path, ARCHITECTURE.replace("engine", "machine"), "tried.yaml")
    status, out, _ = run(capsys, "replay", journal, tried)
    assert status == 0
    assert "not in this architecture, and not replayed: engine\n" in out
    assert out.splitlines()[0].endswith(": 1 incident, 0 other events")
