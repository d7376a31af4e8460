"""The report: each list with its words, what a person has to do, how long a deed stays, and what it costs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from world import (
    HOPELESS,
    HOUR,
    INVALID,
    LIMIT,
    MAX_AGE,
    MINUTE,
    MISSING,
    ROOT,
    UNREADABLE,
    World,
    chain,
    config,
    consumer,
    file,
    worker,
)

from supervisor_healer.core.freshness import Track
from supervisor_healer.core.model import Creation, Health, Mode, Seen
from supervisor_healer.core.news import ComponentEntry, ComponentResult
from supervisor_healer.core.report import Entry, Report


def pipeline(**options: object) -> World:
    """in -> a -> b -> (gate); gate also reads a config and a file from outside."""
    options.setdefault("cycle", 60.0)
    world = World(
        chain("a", "b", source="in"), [file("in"), file("b.out", critical=True), file("x.json", HOUR)],
        configs=[config("c.json")], consumers=[consumer("gate", "b.out", "c.json", "x.json")], **options,
    )  # type: ignore[arg-type]  # fmt: skip
    world.run(5 * MINUTE + 5)
    return world


def said(entry: Entry) -> str:
    """Its message without moments."""
    return re.sub("\x1f(ago|in):[0-9.]+\x1f", r"<\1>", entry.message)


def undated(report: Report) -> Report:
    lists = {
        which: tuple(replace(entry, at=0.0) for entry in getattr(report, which))
        for which in ("healed", "failed", "blocked", "warnings")
    }
    return replace(report, timestamp=0.0, since=0.0, duration=0.0, cause="", **lists)


def test_where_all_is_well_there_is_nothing_to_tell():
    world = pipeline()
    report = world.report
    assert (report.healed, report.failed, report.blocked, report.warnings) == ((), (), (), ())
    assert dict(report.stats) == {
        "workers_restarted": 0, "files_repaired": 0, "configs_fixed": 0, "processes_checked": 2, "files_checked": 4,
        "configs_checked": 1, "dependencies_checked": 5,
    }  # fmt: skip
    assert report.mode is Mode.HEAL


# --- conditions, one by one --------------------------------------------------------------------------------------


def outage(world: World) -> None:
    world.outside["in"] = False
    world.run(HOUR)


def quarantined(world: World) -> None:
    world.curse("a")
    world.until_state("a", Health.QUARANTINED)
    world.run(MINUTE)


def unmonitored(world: World) -> None:
    world.unmonitor("a")
    world.hang("a")
    world.run(MAX_AGE + 3 * MINUTE)


def down_and_blocked(world: World) -> None:
    world.outside["in"] = False
    world.run(6 * MINUTE)
    world.host.die("a")
    world.run(MINUTE)


def garbled(world: World) -> None:
    world.disk.file("b.out").problem = "permission denied"
    world.run(6 * MINUTE)


def bad_config(how: str) -> Callable[[World], None]:
    def spoil(world: World) -> None:
        world.mender.edit("c.json", how)
        world.run(MINUTE + 5)

    return spoil


def hung_config(world: World) -> None:
    world.disk.file("c.json").problem = "does not answer"
    world.run(MINUTE + 5)


def stale_from_outside(world: World) -> None:
    world.outside["x.json"] = False
    world.run(90 * MINUTE + 60)


def late_from_outside(world: World) -> None:
    world.outside["x.json"] = False
    world.run(HOUR + 2 * MINUTE)


CONDITIONS: dict[str, tuple[Callable[[World], None], str, str, str, str]] = {
    "quarantined": (
        quarantined, "failed", "a",
        "a is quarantined: probe in <in>; stalled: a.out <ago> old (max 5m); find the cause first, its log:"
        " `supervisorctl tail a stderr`",
        "supervisorctl heal a",
    ),
    "blocked": (outage, "blocked", "a", "a is blocked: by in: in <ago> old (max 5m)", "ls -l /srv/pipe/in"),
    "blocked consumer": (
        outage, "blocked", "gate", "gate is blocked: by in: b.out <ago> old (max 5m)", "ls -l /srv/pipe/in",
    ),
    "blocked by a worker": (quarantined, "blocked", "b", "b is blocked: by a: a.out <ago> old (max 5m)",
        "supervisorctl explain a"),
    "down with stale inputs": (
        down_and_blocked, "blocked", "a", "a is down: process EXITED, by in: in <ago> old (max 5m)",
        "ls -l /srv/pipe/in",
    ),
    "stale file": (
        quarantined, "warnings", "a.out",
        "a.out <ago> old (max 5m); a is quarantined: probe in <in>; stalled: a.out <ago> old (max 5m)", "",
    ),
    "unmonitored": (
        unmonitored, "warnings", "a",
        "a is unmonitored: by an operator; stalled: a.out <ago> old (max 5m)", "supervisorctl monitor a",
    ),
    "unknown": (
        garbled, "warnings", "b", "b is unknown: b.out: permission denied", "supervisorctl explain b",
    ),
    "unreadable file": (
        garbled, "failed", "b.out", "b.out cannot be judged: permission denied", "ls -ld /srv/pipe/b.out",
    ),
    "late from outside": (
        late_from_outside, "warnings", "x.json", "x.json <ago> old (max 1h), from outside; gate waits for it", "",
    ),
    "late consumer": (
        late_from_outside, "warnings", "gate", "gate is late: x.json <ago> old (max 1h)", "",
    ),
    "stale from outside": (
        stale_from_outside, "warnings", "x.json", "x.json <ago> old (max 1h), from outside; gate waits for it",
        "ls -l /srv/pipe/x.json",
    ),
    "hopeless config": (
        bad_config(HOPELESS), "failed", "c.json", "c.json invalid: long is 7, at most 1",
        "${EDITOR:-vi} /srv/pipe/c.json",
    ),
    "unreadable config": (
        bad_config(UNREADABLE), "failed", "c.json", "c.json unreadable: line 3, column 9: expected a value",
        "${EDITOR:-vi} /srv/pipe/c.json",
    ),
    "missing config": (
        bad_config(MISSING), "failed", "c.json", "c.json missing: it is not there",
        "${EDITOR:-vi} /srv/pipe/c.json",
    ),
    "hung config": (
        hung_config, "failed", "c.json", "c.json cannot be judged: does not answer", "ls -ld /srv/pipe/c.json",
    ),
}  # fmt: skip


@pytest.mark.parametrize("condition", CONDITIONS)
def test_each_condition_has_its_place_its_words_and_what_to_do(condition: str):
    come_about, which, subject, message, action = CONDITIONS[condition]
    world = pipeline()
    come_about(world)
    (entry,) = world.told_of(subject, which)
    assert (said(entry), entry.action) == (message, action)
    assert entry.at == world.report.timestamp
    assert len(world.told_of(subject)) == 1
    assert entry.kind == {"a": "worker", "b": "worker", "gate": "consumer", "c.json": "config"}.get(subject, "file")


@pytest.mark.parametrize("condition", CONDITIONS)
def test_equal_conditions_give_equal_reports(condition: str):
    world = pipeline()
    CONDITIONS[condition][0](world)
    world.verify()
    world.run(0.5)
    world.verify()
    world.run(0.5)
    one, two = world.reports[-2:]
    assert one.timestamp < two.timestamp
    assert undated(one) == undated(two)


def test_a_config_that_is_repaired_with_the_next_cycle_is_a_warning_until_then():
    world = pipeline(cycle=HOUR)
    world.mender.edit("c.json", INVALID)
    world.verify()
    world.run(1)
    (entry,) = world.told_of("c.json")
    assert entry in world.report.warnings
    assert entry.message == "c.json invalid: long is missing; with the next cycle: long added: 0.5"


def test_in_mode_observe_a_stalled_worker_needs_a_person():
    world = pipeline(mode=Mode.OBSERVE)
    world.hang("a")
    world.run(LIMIT + MINUTE)
    (entry,) = world.told_of("a", "failed")
    assert said(entry) == "a is stalled: a.out <ago> old (max 5m); mode is observe"
    assert entry.action == "supervisorctl explain a"
    assert world.report.mode is Mode.OBSERVE


def test_who_only_waits_for_a_moment_or_a_relative_needs_nobody():
    workers = [worker("a", [], ["a.1", "a.2"]), worker("b", ["a.1"], ["b.out"])]
    world = World(workers, [file("a.1", HOUR)], cycle=5.0, stop_delay=2 * MINUTE)
    world.run(10 * MINUTE)
    world.programs["a"].mute = frozenset({"a.2"})
    world.until(lambda: world.state("a") is Health.HEALING, HOUR)
    world.host.die("b")
    world.run(MINUTE)
    assert world.reason("b") == "process EXITED; a is being restarted"
    assert world.report.failed == ()


def test_who_waits_for_supervisord_needs_nobody():
    world = World(chain("a"), cycle=5.0)
    world.run(10 * MINUTE)
    world.doom("a", 50)
    world.programs["a"].retries = 100
    world.run(20 * MINUTE)
    assert world.report.failed == ()


def test_who_has_failed_and_waits_for_the_next_attempt_is_told():
    world = pipeline(cycle=5.0)
    world.curse("a")
    world.until(lambda: "failed" in world.deeds("a"), HOUR)
    world.run(6)
    (entry,) = world.told_of("a", "failed")
    assert "next attempt in <in>" in said(entry)


def test_a_stopped_producer_is_meant_to_write_nothing():
    world = pipeline()
    world.operator_stops("b")
    world.run(HOUR)
    assert world.told_of("b.out") == []
    (entry,) = world.told_of("gate", "blocked")
    assert entry.blocked_by == ("b",)
    assert entry.action == "supervisorctl explain b"


def test_a_missing_file_from_outside_for_which_nobody_waits():
    world = World(chain("a"), [file("x.json", HOUR)], outside={})
    world.run(5)
    (entry,) = world.told_of("x.json")
    assert entry.message == "x.json missing (max 1h), from outside"


def test_all_who_wait_for_a_file_are_named():
    world = World(
        [worker("a", ["x.json"], ["a.out"])], [file("x.json", HOUR)], outside={},
        consumers=[consumer("gate", "x.json"), consumer("other", "x.json?")],
    )  # fmt: skip
    world.run(5)
    (entry,) = world.told_of("x.json")
    assert entry.message == "x.json missing (max 1h), from outside; a, gate, other wait for it"


@pytest.mark.parametrize(
    ("path", "typed"),
    [
        ("/var/x.json", "/var/x.json"),
        ("my file's.json", r"/srv/pipe/my\ file\'s.json"),
        ("$(reboot)", r"/srv/pipe/\$\(reboot\)"),
        ("in/x_*.csv", "/srv/pipe/in/x_*.csv"),
        ("größe.json", "/srv/pipe/größe.json"),
    ],
)
def test_a_path_is_told_as_it_can_be_typed_anywhere(path: str, typed: str):
    world = World(chain("a"), [file(path)], outside={})
    world.run(5)
    (entry,) = world.told_of(path)
    assert entry.action == f"ls -l {typed}"
    assert ROOT in typed or path.startswith("/")


# --- deeds -------------------------------------------------------------------------------------------------------


def test_a_restart_that_healed_is_told_with_its_proof():
    world = pipeline()
    world.host.die("b")
    world.until(lambda: world.deeds("b") == ["restart", "healed"], MINUTE)
    (entry,) = world.report.healed
    assert entry.message == f"Restarted b worker: {world.last('healed')}"
    assert (entry.kind, entry.critical) == ("worker", True)
    assert dict(world.report.stats)["workers_restarted"] == 1


def test_a_mended_file_and_a_mended_config_are_told():
    world = World(
        chain("a"), [file("made.txt", None, create=Creation(), critical=True)], configs=[config("c.json")], cycle=60.0
    )
    world.run(MINUTE + 5)
    world.disk.remove("made.txt")
    world.mender.edit("c.json", INVALID)
    world.run(2 * MINUTE)
    assert [(entry.kind, entry.message, entry.critical) for entry in world.report.healed] == [
        ("file", "Created made.txt: made empty", True),
        ("config", "Repaired c.json: long added: 0.5 (backup c.json.bak)", False),
    ]
    assert {key: dict(world.report.stats)[key] for key in ("files_repaired", "configs_fixed")} == {
        "files_repaired": 1, "configs_fixed": 1,
    }  # fmt: skip
    world.restore("c.json")
    world.run(1)
    assert world.report.healed[-1].message == "Restored c.json: the newest backup is back"
    assert dict(world.report.stats)["configs_fixed"] == 1


@pytest.mark.parametrize("asking", ["nobody", "verify", "heal a"])
def test_a_deed_stays_for_one_whole_further_cycle_however_often_somebody_asks(asking: str):
    world = pipeline()
    world.host.die("b")
    world.until(lambda: world.deeds("b") == ["restart", "healed"], MINUTE)
    shown = 0
    for _ in range(200):
        if asking == "verify":
            world.verify()
        elif asking == "heal a":
            world.heal("a")
        world.run(1)
        assert bool(world.report.healed) is bool(dict(world.report.stats)["workers_restarted"])
        shown += bool(world.report.healed)
        assert world.report.since <= world.time.wall
    assert 60 <= shown <= 121


def test_a_report_is_made_anew_on_a_deed_and_not_before_the_first_round():
    world = pipeline(cycle=HOUR)
    before = len(world.reports)
    world.run(10 * MINUTE)
    assert len(world.reports) == before
    world.host.die("b")
    world.run(MINUTE)
    assert len(world.reports) == before + 1
    assert all(report.cause for report in world.reports)


def test_deeds_of_who_has_left_do_no_harm():
    world = pipeline()
    world.host.die("b")
    world.until(lambda: "restart" in world.deeds("b"), MINUTE)
    assert world.engine is not None
    world.change(chain("a", source="in"), [file("in")])
    world.run(MINUTE)
    assert world.report.failed == ()


# --- order, and all at once --------------------------------------------------------------------------------------


def test_critical_ones_come_first_in_every_list_whoever_tells_them():
    entries = (ComponentEntry("x", "bad"), ComponentEntry("y", "very bad", critical=True))
    result = ComponentResult("lab", healed=entries, failed=entries, warnings=entries)
    world = pipeline(components=lambda: [result])
    world.disk.file("a.out").problem = "permission denied"
    world.disk.file("b.out").problem = "permission denied"
    world.mender.edit("c.json", HOPELESS)
    world.host.die("b")
    world.run(3 * MINUTE)
    for which in ("healed", "failed", "warnings"):
        critical = [entry.critical for entry in getattr(world.report, which)]
        assert critical == sorted(critical, reverse=True)
        assert any(critical)
    assert [entry.subject for entry in world.report.failed] == ["b.out", "y", "c.json", "a.out", "x"]


def test_its_cost_grows_with_the_pipeline_and_not_faster(monkeypatch: pytest.MonkeyPatch):
    """Everything is late or stale, and consumers wait for it: the looks at standings per file stay the same."""

    def cost(size: int) -> int:
        counted = 0
        workers = [spec for n in range(size) for spec in chain(f"a{n}", f"b{n}", source="in")]
        consumers = [consumer(f"c{n}", f"b{n}.out", "in") for n in range(size)]
        world = World(workers, [file("in")], consumers=consumers)
        world.run(MINUTE)
        world.outside["in"] = False
        world.run(20 * MINUTE)
        assert world.engine is not None
        standing = Track.as_input

        def count(self: Track, now: object) -> object:
            nonlocal counted
            counted += 1
            return standing(self, now)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(Track, "as_input", count)
            world.engine._dependencies.conclude(world.time.now)
            world.engine._book.compose(world.time.now)
        assert len(world.report.blocked) == 3 * size
        return counted

    assert cost(20) <= 2.1 * cost(10)


def test_a_look_in_between_does_not_change_what_was_reported():
    world = pipeline()
    outage(world)
    world.verify()
    world.run(0.5)
    before = undated(world.report)
    assert world.engine is not None
    world.engine.see({"in": Seen(world.disk.file("in").mtime)}, world.time.now)
    world.verify()
    world.run(0.5)
    assert undated(world.report) == before
