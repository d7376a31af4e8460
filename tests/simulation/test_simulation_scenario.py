"""`supervisor-healer simulate ARCHITECTURE --scenario FILE`: what the healer would do, told before it is trusted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rehearsing import (
    ARCHITECTURE,
    HOUR,
    LIMIT,
    MINUTE,
    architecture,
    architecture_file,
    as_json,
    deeds,
    loaded,
    refused,
    run,
    scenario_file,
    told,
)

from supervisor_healer.architecture import durations
from supervisor_healer.core.model import Health
from supervisor_healer.simulation import happenings
from supervisor_healer.simulation.happenings import HAPPENINGS
from supervisor_healer.simulation.scenario import as_yaml, exact, load, schema_text

ROOT = Path(__file__).parents[2]
ONE = "events: [{at: 1h, what: hang, worker: predictor}]\n"

#: For each word, an event of it that ends in time for everything to recover.
EVENTS: Mapping[str, str] = {
    "hang": "worker: predictor",
    "hang_again": "worker: predictor, for: 15m",
    "recover": "worker: predictor",
    "die": "worker: predictor",
    "fail_to_start": "worker: predictor, for: 20s",
    "crash_loop": "worker: predictor, for: 1m, by: 20s",
    "slow": "worker: predictor, by: 10m, for: 30m",
    "unreadable": "worker: predictor, for: 20m",
    "disk_full": "worker: predictor, for: 20m",
    "remove": "file: features.json",
    "source_stops": "file: raw.jsonl, for: 20m",
    "source_comes_back": "file: raw.jsonl",
    "source_flickers": "file: raw.jsonl, every: 3m, for: 30m",
    "stop": "worker: predictor, for: 20m",
    "start": "worker: predictor",
    "unmonitor": "worker: all, for: 20m",
    "monitor": "worker: all",
    "heal": "worker: all",
    "force": "worker: predictor",
    "kill_healer": "for: 20m",
    "lose_journal": "",
    "journal_unwritable": "for: 20m",
    "reload": "",
    "reboot": "for: 2m",
    "clock_forward": "by: 1h",
    "clock_back": "by: 1h",
    "suspend": "for: 2h",
    "pause": "for: 5m",
}


HABITS = "{engine: {autorestart: false, period: 1m30s}, builder: {work: 3s, startup: 0.5s}}"


# --- what can happen ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", HAPPENINGS)
def test_everything_that_can_happen_is_told_and_recovers(what: str, tmp_path: Path) -> None:
    keys = ", ".join(filter(None, [f"at: 10m, what: {what}", EVENTS[what]]))
    story = told(tmp_path, f"duration: 4h\nevents: [{{{keys}}}]\n")
    mine = [line for line in story.lines if line.by == "scenario"]
    assert mine[0].at == 10 * MINUTE
    happening = HAPPENINGS[what]
    if happening.undo is not None and "for:" in keys:
        assert mine[1].text == happening.over
    assert {state for state, _ in story.states.values()} <= {Health.HEALTHY, Health.IDLE}


def test_the_schema_knows_everything_that_can_happen() -> None:
    schema = json.loads(schema_text())
    assert schema["$defs"]["event"]["properties"]["what"]["enum"] == list(HAPPENINGS)


# --- what the healer does ----------------------------------------------------------------------------------------


def test_a_hang_costs_one_restart_at_its_deadline_and_nobody_else_any(tmp_path: Path) -> None:
    story = told(tmp_path, "events: [{at: 1h, what: hang, worker: engine}]\n")
    assert deeds(story, "engine") == [(HOUR + LIMIT, "restart"), (HOUR + LIMIT + 1, "healed")]
    assert story.restarts == {"engine": 1}
    assert "late" in {line.text.split(" -> ")[-1].split(":")[0] for line in story.lines if line.who == "predictor"}
    assert deeds(story, "predictor") == deeds(story, "builder") == []


def test_a_source_that_stops_restarts_nobody(tmp_path: Path) -> None:
    story = told(tmp_path, "events: [{at: 1h, what: source_stops, file: raw.jsonl, for: 3h}]\n")
    assert story.restarts == {}
    (recovery,) = story.recoveries(loaded(tmp_path, "events: [{at: 1h, what: source_stops, file: raw.jsonl}]").events)
    assert recovery.restarts == 0
    assert recovery.seconds == pytest.approx(3 * HOUR, abs=2 * MINUTE)


def test_a_hang_that_outlasts_the_attempts_needs_a_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = scenario_file(tmp_path, "duration: 2h\nevents: [{at: 1m, what: hang_again, worker: predictor}]\n")
    status, out, _ = run(capsys, "simulate", architecture_file(tmp_path), "--scenario", scenario)
    assert status == 0
    assert re.search(r"^ 0:\d\d:\d\d \* predictor +quarantined: budget used up: 3 failed attempts", out, re.MULTILINE)
    assert re.search(r"^  predictor +4 restarts  verifying|^  predictor +\d restarts? +quarantined", out, re.MULTILINE)
    assert "needs a person: 1 thing\n" in out
    assert "    -> supervisorctl" in out
    assert "not well again" in out


def test_what_needs_a_person_is_told_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = scenario_file(tmp_path, "duration: 1h\nevents: [{at: 1m, what: hang_again, worker: predictor}]\n")
    (entry,) = as_json(capsys, "simulate", architecture_file(tmp_path), "--scenario", scenario)["needs_person"]
    assert re.search(r"probe in \d+m\b", entry["message"])
    assert "\x1f" not in entry["message"]


@pytest.mark.parametrize("what", ["heal", "force", "monitor", "unmonitor"])
def test_what_an_operator_asks_of_a_dead_healer_is_refused_at_once(what: str, tmp_path: Path) -> None:
    asked = f"{{at: 12m, what: {what}, worker: predictor}}, {{at: 30m, what: {what}, worker: predictor}}"
    story = told(tmp_path, f"events: [{{at: 10m, what: kill_healer, for: 10m}}, {asked}]\n")
    refusals = [line.at for line in story.lines if line.event == "answer" and "(exit status 7)" in line.text]
    assert refusals == [12 * MINUTE]


def test_in_mode_observe_it_only_says_what_it_would_do(tmp_path: Path) -> None:
    story = told(tmp_path, ONE, f"mode: observe\n{ARCHITECTURE}")
    assert deeds(story, "predictor") == [(HOUR + LIMIT, "convicted")]
    assert story.states["predictor"][0] is Health.STALLED
    assert "mode is observe" in story.states["predictor"][1]


def test_nothing_is_late_while_nothing_happens(tmp_path: Path) -> None:
    """Who writes rarely by his own limit, but feeds one who must be quick, writes as often as that needs."""
    slow = ARCHITECTURE.replace("raw.jsonl: {max_age: 2m}", "raw.jsonl: {max_age: 6h}, features.json: {max_age: 2h}")
    story = told(tmp_path, "duration: 1d\nevents: [{at: 12h, what: start, worker: engine}]\n", slow)
    assert story.unwell == {}
    assert [line for line in story.lines if line.by == "healer"] == []


def test_who_does_not_keep_up_is_named_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"programs: {{predictor: {{work: 2h}}}}\nduration: 1h\n{ONE}"
    _, out, _ = run(capsys, "simulate", architecture_file(tmp_path), "--scenario", scenario_file(tmp_path, text))
    assert re.search(r"0:00:00 +predictor does not become well by itself, it is \w+: look at `period`", out)


def test_habits_hold(tmp_path: Path) -> None:
    """A death under autorestart is supervisord's business; one without it the healer's."""
    died = "events: [{at: 1h, what: die, worker: predictor}]\n"
    assert told(tmp_path, died).restarts == {}
    assert told(tmp_path, f"programs: {{predictor: {{autorestart: false}}}}\n{died}").restarts == {"predictor": 1}


JOBS = ARCHITECTURE.replace("builder: {", "builder: {kind: job, ").replace("predictor: {", "predictor: {kind: job, ")


def test_a_job_is_started_on_its_schedule_also_after_a_reboot(tmp_path: Path) -> None:
    story = told(tmp_path, "duration: 1d\nevents: [{at: 12h, what: reboot}]\n", JOBS)
    assert (story.unwell, story.restarts) == ({}, {})
    assert {state for state, _ in story.states.values()} == {Health.HEALTHY}


def test_a_job_that_hangs_is_restarted_once(tmp_path: Path) -> None:
    story = told(tmp_path, "duration: 5h\nevents: [{at: 1h, what: hang, worker: predictor}]\n", JOBS)
    assert deeds(story, "predictor") == [(HOUR + LIMIT, "restart"), (HOUR + LIMIT + 1, "healed")]


def test_a_run_of_a_job_that_dies_is_tried_again(tmp_path: Path) -> None:
    story = told(tmp_path, "duration: 5h\nevents: [{at: 1h, what: die, worker: predictor}]\n", JOBS)
    assert story.states["predictor"][0] is Health.HEALTHY


def test_the_period_of_a_job_is_that_of_its_starts(tmp_path: Path) -> None:
    rare = "programs: {predictor: {period: 20m}}\nduration: 3h\nevents: [{at: 1h, what: start, worker: engine}]\n"
    assert told(tmp_path, rare, JOBS).restarts["predictor"] > 0  # too rare for a max_age of 5m


def test_what_an_operator_has_stopped_no_schedule_starts(tmp_path: Path) -> None:
    story = told(tmp_path, "duration: 5h\nevents: [{at: 1h, what: stop, worker: predictor}]\n", JOBS)
    assert story.states["predictor"][0] is Health.STOPPED


# --- how it is told ----------------------------------------------------------------------------------------------


def test_quiet_stretches_are_folded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = scenario_file(tmp_path, f"duration: 5h\n{ONE}")
    _, out, _ = run(capsys, "simulate", architecture_file(tmp_path), "--scenario", scenario)
    assert re.findall(r"^ {11}(\S+): nothing happens$", out, re.MULTILINE)[0] == "1h"
    assert " 1:00:00 > predictor  hangs: it runs and writes nothing\n" in out
    assert "predictor hangs: it runs and writes nothing -> 1 restart, well again after 7m31s\n" in out


def test_what_comes_again_and_again_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slow = "duration: 10h\nevents: [{at: 1h, what: slow, worker: engine, by: 8m, for: 8h}]\n"
    _, out, _ = run(capsys, "simulate", architecture_file(tmp_path), "--scenario", scenario_file(tmp_path, slow))
    assert re.search(r"\.\.\. \d+ lines more of this kind until here", out)
    late = [line for line in out.splitlines() if "predictor  healthy -> late" in line]
    assert len(late) <= 4


def test_a_program_gets_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = as_json(capsys, "simulate", architecture_file(tmp_path), "--scenario", scenario_file(tmp_path, ONE))
    assert answer["restarts"] == {"builder": 0, "engine": 0, "predictor": 1}
    assert answer["outcomes"] == [
        {"at": 3600.0, "what": "hang", "target": "predictor", "restarts": 1, "well_after": pytest.approx(451, abs=1)}
    ]
    assert answer["states"]["predictor"] == {"state": "healthy", "reason": "every output is fresh"}
    (restart,) = [line for line in answer["lines"] if line["event"] == "restart"]
    assert (restart["by"], restart["who"], restart["at"]) == ("healer", "predictor", HOUR + LIMIT)
    assert restart["evidence"]
    assert answer["needs_person"] == []


def test_a_broken_promise_is_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = replace(HAPPENINGS["die"], strike=lambda world, _: world.promises.violate("budget", "on purpose"))
    monkeypatch.setitem(happenings.HAPPENINGS, "die", broken)  # type: ignore[arg-type]
    scenario = scenario_file(tmp_path, "events: [{at: 1h, what: die, worker: engine}]\n")
    status, out, _ = run(capsys, "simulate", architecture_file(tmp_path), "--scenario", scenario)
    assert status == 1
    assert out.splitlines()[-1].startswith("A PROMISE WAS BROKEN")


# --- what is wrong with a scenario -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["incident.yaml: the file is empty (expected a mapping: `events:`, and perhaps `duration:`, "
              "`programs:` and `sources:`)"]),
        ("duration: 1h\n", ["incident.yaml:1: the key 'events' is missing (expected `events`)"]),
        ("events: []\n", ["incident.yaml:1: events: a list cannot be used (expected at least one item, such as "
                          "[{at: 5m, what: hang, worker: NAME}])"]),
        (
            "events:\n- {at: 5m, what: hnag, worker: predictor}\n- {at: 5, what: hang, worker: predictor}\n"
            "- {what: hang, at: 5m, workers: predictor}\n",
            [
                "incident.yaml:2: events[0].what: the text 'hnag' cannot be used, did you mean 'hang'? (expected",
                "incident.yaml:3: events[1].at: the number 5 has no unit (expected a duration such as",
                "incident.yaml:4: events[2].workers: unknown key, did you mean 'worker'?",
            ],
        ),
        (
            "programs:\n  egine: {period: 5m}\nsources:\n  features.json: 5m\n  raw.json: 5m\n"
            "events:\n- {at: 5m, what: hang, worker: predicto}\n- {at: 5m, what: hang}\n"
            "- {at: 5m, what: die, worker: engine, for: 5m}\n- {at: 5m, what: remove, file: nothing.at.all}\n"
            "- {at: 5m, what: slow, worker: engine}\n- {at: 5m, what: hang, worker: all}\n"
            "- {at: 5m, what: source_stops, file: signals.jsonl}\n- {at: 5m, what: reload, worker: engine}\n",
            [
                "incident.yaml:2: programs.egine: the architecture has no worker 'egine', did you mean 'engine'?",
                "incident.yaml:4: sources.features.json: a worker of the architecture writes it (expected one of",
                "incident.yaml:5: sources.raw.json: the architecture has no file 'raw.json', did you mean 'raw.jsonl'?",
                "incident.yaml:7: events[0].worker: the architecture has no worker 'predicto', did you mean",
                "incident.yaml:8: events[1]: hang needs `worker` (expected `worker: NAME`)",
                "incident.yaml:9: events[2].for: die has no such key (expected `worker`)",
                "incident.yaml:10: events[3].file: the architecture has no file 'nothing.at.all' (expected one of",
                "incident.yaml:11: events[4]: slow needs `by` (expected `by: 5m`)",
                "incident.yaml:12: events[5].worker: the architecture has no worker 'all' (expected one of builder,",
                "incident.yaml:13: events[6].file: a worker of the architecture writes it (expected one of",
                "incident.yaml:14: events[7].worker: reload has no such key (expected no further key)",
            ],
        ),
    ],
)  # fmt: skip
def test_every_error_is_told_at_once_with_its_line(text: str, said: list[str], tmp_path: Path) -> None:
    problems = [str(problem).replace(f"{tmp_path}/", "") for problem in refused(tmp_path, text)]
    assert len(problems) == len(said)
    for problem, expected in zip(problems, said, strict=True):
        assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("events:\n- {at: 1m, what: clock_forward, by: 9999999d}\n",
         "2: events[0].by: '9999999d' is longer than 100 years (expected a duration such as"),
        ("events:\n- {at: 99999d, what: reload}\n", "2: events[0].at: '99999d' is longer than 100 years"),
        ("events:\n- {at: 1m, what: suspend, for: 367d}\n",
         "2: events[0].for: '367d' is longer than what can be played (expected at most 366d)"),
        ("duration: 367d\n" + ONE, "1: duration: '367d' is longer than what can be played (expected at most 366d)"),
        ("programs:\n  engine: {work: 99999d}\n" + ONE, "2: programs.engine.work: '99999d' is longer than 100 years"),
        ("programs:\n  engine: {period: 0.04s}\n" + ONE,
         "2: programs.engine.period: '0.04s' is too short to be played (expected at least 0.05s)"),
        ("sources:\n  raw.jsonl: 0.0001s\n" + ONE, "2: sources.raw.jsonl: '0.0001s' is too short to be played"),
        ("events:\n- {at: 1m, what: source_flickers, file: raw.jsonl, for: 1m, every: 0.0001s}\n",
         "2: events[0].every: '0.0001s' is too short to be played"),
        ("events: [" + "{at: 1m, what: reload}, " * 10_001 + "]\n",
         "1: events: 10001 events are more than can be played at once (expected at most 10000)"),
    ],
)  # fmt: skip
def test_what_would_take_for_ever_is_refused_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, text)
    assert str(problem).replace(f"{tmp_path}/incident.yaml:", "").startswith(said)


def test_the_extremes_are_played(tmp_path: Path) -> None:
    """A clock that was decades wrong is nothing rare; the shortest duration is told as more than nothing."""
    story = told(
        tmp_path,
        "duration: 30m\nevents: [{at: 5m, what: clock_forward, by: 36500d}, {at: 9m, what: clock_back, by: 36500d},"
        " {at: 10m, what: source_flickers, file: raw.jsonl, for: 0.2s, every: 0.05s}]\n",
    )
    assert story.restarts == {}
    assert "its source stops and comes back every 0.1s, for 0.2s" in [line.text for line in story.lines]
    assert loaded(tmp_path, "events: [{at: 366d, what: reload}]\n").seconds == 366 * 86400


def test_errors_go_to_stderr_and_end_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = scenario_file(tmp_path, "events: [{at: 5m, what: hang}]\n")
    assert run(capsys, "simulate", architecture_file(tmp_path), "--scenario", scenario)[:2] == (1, "")
    bad = architecture_file(tmp_path, "version: 2\nworkers: {}\n", "bad.yaml")
    status, _, err = run(capsys, "simulate", bad, "--scenario", scenario)
    assert (status, f"{bad}:1: version: " in err) == (1, True)
    status, _, err = run(capsys, "simulate", "no.yaml", "--scenario", "none.yaml")
    assert (status, err.count("there is no such file")) == (2, 2)


def test_an_interrupt_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("supervisor_healer.simulation.rehearsal.tell", interrupted)
    words = ("simulate", architecture_file(tmp_path), "--scenario", scenario_file(tmp_path, ONE))
    assert run(capsys, *words) == (130, "", "supervisor-healer simulate: interrupted\n")


def test_without_a_scenario_an_example_is_shown_that_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "simulate", architecture_file(tmp_path))
    assert (status, out) == (2, "")
    example = "".join(re.findall(r"^    (.*\n)", err, re.MULTILINE))
    assert told(tmp_path, example).restarts == {"builder": 1}


def test_the_architecture_may_be_of_another_host(tmp_path: Path) -> None:
    assert told(tmp_path, ONE, f"root: not/here\n{ARCHITECTURE}").restarts == {"predictor": 1}


# --- writing one -------------------------------------------------------------------------------------------------


def test_a_written_scenario_reads_back_as_the_same(tmp_path: Path) -> None:
    events = "".join(
        f"- {{{', '.join(filter(None, [f'at: 1m, what: {what}', keys]))}}}\n" for what, keys in EVENTS.items()
    )
    scenario = loaded(tmp_path, f"duration: 90m\nprograms: {HABITS}\nsources: {{raw.jsonl: 30s}}\nevents:\n{events}")
    again, problems = load(scenario_file(tmp_path, as_yaml(scenario, "a\n\nb: c")), architecture(tmp_path))
    assert (again, problems) == (scenario, ())


@given(st.integers(0, 10**8))
def test_a_written_duration_reads_back_as_the_same(tenths: int) -> None:
    assert durations.parse(exact(tenths / 10)) == pytest.approx(tenths / 10, abs=1e-6)


# --- what is shipped ---------------------------------------------------------------------------------------------


def test_the_shipped_incident_shows_what_the_project_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(ROOT / "conf" / name) for name in ("architecture.yaml", "incident.yaml")]
    answer = as_json(capsys, "simulate", files[0], "--scenario", files[1])
    restarts = {name: count for name, count in answer["restarts"].items() if count}
    assert restarts == {"ensemble_predictor": 1, "predictive_engine": 1}
    assert {one["state"] for one in answer["states"].values()} == {"healthy"}
