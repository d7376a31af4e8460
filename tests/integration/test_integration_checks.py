"""Checks that take for ever, and configs that are rewritten all the time, under a real supervisord: nobody waits."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator

import psutil
import pytest
from pipeline import Site, Worker, until

pytestmark = pytest.mark.real

NUMBER = {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5}
SCHEMA = {"type": "object", "required": ["low", "high"], "properties": {"low": NUMBER, "high": NUMBER}}
WHOLE = '{"low": 0.25, "high": 0.75}\n'
BROKEN = '{"high": 0.75}\n'
SLOW = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+b?$"}}}
FOREVER = '{"a": "%s!"}\n' % ("a" * 40)


def site_with(cycle: str, *slow: str) -> Site:
    """`w` reads `c.json`; the configs `slow` cannot be checked in any time."""
    configs = {"c.json": {"schema": SCHEMA, "critical": True}, **{name: {"schema": SLOW} for name in slow}}
    worker = Worker("w", entry={"inputs": ["c.json"]})
    site = Site([worker], architecture={"cycle": cycle, "configs": configs})
    site.write("c.json", WHOLE)
    for name in slow:
        site.write(name, FOREVER)
    return site


def children(site: Site) -> list[psutil.Process]:
    """The repairing children of the healer."""
    found = []
    for child in psutil.Process(site.pid("healer")).children():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if "supervisor_healer.fixers" in child.cmdline():
                found.append(child)
    return found


@contextlib.contextmanager
def rewritten(site: Site, pause: float) -> Iterator[None]:
    """`c.json` is written again and again, valid each time."""
    enough = threading.Event()

    def write() -> None:
        for number in itertools.count():
            if enough.wait(pause):
                return
            site.write("c.json", f'{{"low": 0.25, "high": 0.75, "number": {number}}}\n')

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        enough.set()
        writer.join()


def test_checks_that_take_for_ever_keep_nobody_else_waiting() -> None:
    with site_with("2s", "re1.json", "re2.json", "re3.json") as site:
        began = time.monotonic()
        site.until_healthy()
        until(lambda: site.report() or time.monotonic() > began + 15, "the first round ends")
        assert site.report()
        (site.folder / "c.json").write_text(BROKEN)
        site.hang("w")
        began = time.monotonic()
        until(lambda: "low" in site.read("c.json"), "it is repaired")
        assert time.monotonic() - began < 15
        site.until_heal("w")
        until(lambda: not children(site), "all children are gone", 80)
        for name in ("re1.json", "re2.json", "re3.json"):
            site.until_said("failed", name, f"{name} could not be checked: it took longer than 20s")
        began = time.monotonic()
        done = site.heal("all")
        assert time.monotonic() - began < 5
        assert done["exit_status"] == 75


def test_verify_does_not_wait_for_a_check_that_takes_for_ever() -> None:
    with site_with("1h", "re.json") as site:
        site.write("re.json", "{}")
        site.until_checked()
        site.write("re.json", FOREVER)
        began = time.monotonic()
        done = site.ctl("verify")
        assert time.monotonic() - began < 15
        assert "re.json  is being checked" in done.stdout, done.stdout


def test_a_child_that_is_stopped_holds_nothing_up() -> None:
    with site_with("1s") as site:
        site.until_checked()
        (site.folder / "c.json").write_text(BROKEN)
        until(lambda: children(site), "a child is at work")
        for child in children(site):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        until(lambda: "low" in site.read("c.json"), "it is repaired")
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("pause", [0.01, 0.1])
def test_a_config_that_is_rewritten_all_the_time_holds_nobody_up(pause: float) -> None:
    with site_with("5s") as site:
        site.until_checked()
        with rewritten(site, pause):
            site.hang("w")
            began = time.monotonic()
            site.until_heal("w")
            assert time.monotonic() - began < 20
            for what in (["heal", "all"], ["verify"]):
                began = time.monotonic()
                done = site.ctl(*what)
                assert time.monotonic() - began < 8, what
                assert done.returncode == 0, done.stdout
            (child,) = children(site)
            before, began = spent(site, child), time.monotonic()
            until(lambda: time.monotonic() > began + 10, "ten seconds have passed")
            share = (spent(site, child) - before) / (time.monotonic() - began)
            print(f"{share:.1%} of a core")
            assert child.is_running(), "it is not started anew for each check"
            assert share < 0.2
        until(lambda: not children(site), "the child is gone")


def spent(site: Site, child: psutil.Process) -> float:
    """The seconds of CPU that the healer and its child have used."""
    times = [process.cpu_times() for process in (psutil.Process(site.pid("healer")), child)]
    return sum(one.user + one.system for one in times)


def test_a_config_that_breaks_is_told_long_before_the_next_round() -> None:
    with site_with("1h") as site:
        site.until_checked()
        (site.folder / "c.json").write_text("{broken")
        until(lambda: "line 1" in site.said("failed", "c.json"), "the report says so", 12)
        (site.folder / "c.json").write_text(WHOLE)
        until(lambda: not site.said("failed", "c.json"), "it is over", 12)


def test_a_missing_config_is_made_when_it_has_been_gone_for_a_while() -> None:
    """An editor renames it away and writes it anew."""
    with site_with("1s") as site:
        site.architecture["configs"]["c.json"]["create"] = True  # type: ignore[index]
        site.write_architecture()
        site.until_checked()
        site.hup()
        for _ in range(4):
            os.rename(site.folder / "c.json", site.folder / "c.json~")
            began = time.monotonic()
            until(lambda began=began: time.monotonic() > began + 1.5, "the editor is done")  # type: ignore[misc]
            assert not (site.folder / "c.json").exists()
            os.rename(site.folder / "c.json~", site.folder / "c.json")
            site.until_judged_again("w")
        assert "repaired" not in site.events()
        os.unlink(site.folder / "c.json")
        until((site.folder / "c.json").exists, "it is made", 10)
        until(lambda: site.events("c.json") == ["repaired"], "it is in the history")
