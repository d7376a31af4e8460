"""The witness' own eyes: the log, the films of files, processes, descriptors and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import waiting

from chaos import meters
from chaos.meters import Reading
from chaos.sampler import KEPT, Film, Sampler
from chaos.sites import BYSTANDER, MARK, DemoSite
from chaos.spawns import Order, What, healers_starts, parse
from chaos.torment import marked

LOG = """\
2026-01-02 03:04:05,678 INFO supervisord started with pid 4
2026-01-02 03:04:05,700 INFO spawned: 'w' with pid 5
2026-01-02 03:04:05,701 INFO spawned: 'healer' with pid 6
2026-01-02 03:04:06,800 INFO success: w entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)
2026-01-02 03:04:10,000 WARN exited: w (terminated by SIGKILL; not expected)
2026-01-02 03:04:10,010 INFO spawned: 'w' with pid 7
2026-01-02 03:04:20,000 INFO waiting for w to stop
2026-01-02 03:04:20,010 WARN stopped: w (terminated by SIGTERM)
2026-01-02 03:04:20,020 INFO spawned: 'w' with pid 8
2026-01-02 03:04:20,030 INFO gave up: w entered FATAL state, too many start retries too quickly
not a line of the log: spawned: 'w' with pid 9
"""


def test_the_log_is_read() -> None:
    events = parse(LOG)
    assert [(event.what, event.worker) for event in events] == [
        (What.BOOT, ""),
        (What.SPAWNED, "w"),
        (What.SPAWNED, "healer"),
        (What.RUNNING, "w"),
        (What.EXITED, "w"),
        (What.SPAWNED, "w"),
        (What.STOPPED, "w"),
        (What.SPAWNED, "w"),
        (What.GAVE_UP, "w"),
    ]
    assert events[-1].at - events[0].at == pytest.approx(14.352)


def test_the_healers_starts_are_told_from_others() -> None:
    events = parse(LOG)
    down, restarted = healers_starts(events, [], ["w"])
    assert (down.at, down.decided) == (events[5].at, events[5].at)
    assert (restarted.at, restarted.decided) == (events[7].at, events[6].at)
    order = Order("restart", "w", restarted.at - 1, restarted.at + 0.01)
    assert healers_starts(events, [order], ["w"]) == [down]


def test_a_film_keeps_what_changes_and_forgets_what_is_long_ago() -> None:
    film = Film()
    for at in (1.0, 2.0, 3.0):
        film.add(at, 1.0, True)
    film.add(4.0, None, True)
    assert [(look.at, look.until, look.mtime) for look in film.looks] == [(1.0, 3.0, 1.0), (4.0, 4.0, None)]
    assert film.was_fresh(2.0, 9.0, 2.0)
    assert not film.was_fresh(2.0, 9.0, 1.0), "as old as that is not fresh"
    assert not film.was_fresh(3.5, 9.0, 99.0), "it is gone"
    film.add(5.0 + KEPT, 5.0, False)
    assert len(film.looks) == 1
    assert not film.was_fresh(0.0, 999.0, 999.0), "it is not valid"


def test_a_move_counts_from_its_moment_and_not_from_the_look_that_found_it() -> None:
    film = Film()
    for at, mtime in ((10.0, 1.0), (11.0, 10.6), (12.0, 5.0), (13.0, None)):
        film.add(at, mtime, True)
    assert [(look.at, look.until) for look in film.looks] == [(10.0, 10.0), (10.6, 11.0), (11.0, 12.0), (13.0, 13.0)]
    assert film.was_fresh(10.3, 10.7, 1.0)
    assert not film.was_fresh(10.3, 10.5, 1.0)


def test_the_sampler_looks_at_files_patterns_and_configs(tmp_path: Path) -> None:
    now = time.time()
    paths = {"plain": None, "some_*": None, "config": lambda content: content == b"good"}
    (tmp_path / "config").write_bytes(b"bad")
    for name, age in (("some_1", 50), ("some_2", 5), ("plain", 7)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (now - age, now - age))
    with Sampler(tmp_path, paths) as sampler:
        waiting.until(lambda: sampler.last, "it has looked")
        mtimes = {path: film.looks[-1].mtime for path, film in sampler.films.items()}
        assert mtimes["plain"] == pytest.approx(now - 7)
        assert mtimes["some_*"] == pytest.approx(now - 5)
        assert not sampler.films["config"].looks[-1].valid
        (tmp_path / "config").write_bytes(b"good")
        waiting.until(lambda: sampler.films["config"].looks[-1].valid, "it is valid now")
        (tmp_path / "plain").unlink()
        waiting.until(lambda: sampler.films["plain"].looks[-1].mtime is None, "it is gone now")
    assert list(sampler.gaps) == []


@pytest.fixture
def site() -> Iterator[DemoSite]:
    """One that is never started."""
    site = DemoSite()
    yield site
    site.__exit__(None)


def test_a_bystander_that_was_touched_is_seen(site: DemoSite) -> None:
    assert site.changed_bystanders() == []
    (site.root / "configs" / BYSTANDER).write_text(json.dumps({"ours": "no more"}))
    (site.root / "logs" / BYSTANDER).unlink()
    assert sorted(site.changed_bystanders()) == [f"configs/{BYSTANDER}", f"logs/{BYSTANDER}"]


def test_a_config_is_valid_by_its_fields(site: DemoSite) -> None:
    [(path, valid)] = site.declared.configs.items()
    assert site.is_valid(path, valid)
    assert site.is_valid(path, (site.root / path).read_bytes())
    for bad in (None, b"", b"{}", b"[]", valid[:-5], valid.replace(b"0.65", b"7"), valid.replace(b"long", b"wide")):
        assert not site.is_valid(path, bad)


def test_a_process_that_a_site_has_started_is_found_by_its_mark() -> None:
    command = [sys.executable, "-c", "print('up', flush=True); input()"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env={**os.environ, MARK: "token"}, **pipes) as process:  # type: ignore[call-overload]
        process.stdout.readline()
        assert [found.pid for found in marked("token")] == [process.pid]
        assert marked("another") == []
        process.communicate(b"\n")


READING = Reading(1000.0, 600.0, "healer", 7, 20, 30_000.0)


def test_descriptors_that_grow() -> None:
    assert meters.more_descriptors([READING], [replace(READING, pid=8, fds=23)]) == []
    assert meters.more_descriptors([READING], [replace(READING, pid=8, fds=24)]) == [
        "descriptors: healer had 20, and has 24"
    ]


def test_memory_that_grows() -> None:
    """Three lives, each with its own level, and each with 100 KiB a minute more."""
    noise = (3.0, -5.0, 2.0, 4.0, -4.0, 0.0)
    flat = [
        replace(
            READING, pid=pid, at=1000.0 * pid + 60 * step, age=60.0 + 60 * step, rss=30_000 + 500 * pid + noise[step]
        )
        for pid in range(3)
        for step in range(6)
    ]
    slope = meters.slope(flat)
    assert not slope.grows(2048.0)
    growing = [replace(one, rss=one.rss + 100 * (one.age - 60) / 60) for one in flat]
    slope = meters.slope(growing)
    assert slope.per_hour == pytest.approx(6000, rel=0.05)
    assert slope.grows(2048.0)
    assert not meters.slope(growing[:2]).grows(0.0), "too little to tell"
    young = [replace(one, age=one.age - 1000) for one in growing]
    assert not meters.slope(young).grows(0.0), "it is still taking what it takes at its start"


def test_this_process_can_be_read() -> None:
    reading = meters.read("us", os.getpid(), time.time())
    assert reading.fds == psutil.Process().num_fds()
    assert reading.rss > 1000
