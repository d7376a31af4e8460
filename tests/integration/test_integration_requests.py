"""Nobody acts on a request that nobody waits for any more: no healer, a silent one, one that comes back."""

from __future__ import annotations

import os
import signal

import pytest
from pipeline import Site, chain, until

pytestmark = pytest.mark.real

AWAY = {"autorestart": "false"}


def wanting_a_heal(**changes: object) -> Site:
    """A site whose worker wb is restarted if somebody asks for it, and not before."""
    return Site(chain("wa", "wb"), defaults={"catch_up": "1h"}, **changes)  # type: ignore[arg-type]


def test_without_a_healer_heal_is_refused_at_once_and_nothing_acts_later() -> None:
    with wanting_a_heal(healer=AWAY) as site:
        site.until_healthy()
        site.hang("wb")
        site.until_state("wb", "catching_up")
        site.kill_healer()
        refused = site.ctl("heal", "wb")
        assert refused.returncode == 7
        assert "healer not running (EXITED" in refused.stdout
        assert " tail healer stderr`" in refused.stdout
        assert site.ctl("heal", "all").returncode == 7
        assert site.ctl("unmonitor", "wb").returncode == 7
        site.rpc.supervisor.startProcess("healer")
        site.until_state("wb", "catching_up")
        site.until_judged_again("wb")
        assert site.starts() == {"wa": 1, "wb": 1}


def test_a_stopped_healer_is_seen_in_status_and_health() -> None:
    with Site(chain("wa")) as site:
        site.until_healthy()
        site.rpc.supervisor.stopProcess("healer")
        status = site.ctl("status")
        assert "; healer not running" in status.stdout
        health = site.ctl("health")
        assert health.returncode == 3
        assert "healer not running (STOPPED" in health.stdout
        assert site.state("wa") == "unknown"
        assert "last verdict: healthy" in site.health("wa")["reason"]
        site.rpc.supervisor.startProcess("healer")
        site.until_healthy()
        assert "healer not running" not in site.ctl("status").stdout
        assert site.ctl("health").returncode == 0
        assert site.starts() == {"wa": 1}


def test_what_a_silent_healer_is_asked_for_expires() -> None:
    waits = {"SILENT_AFTER": 7.0, "REQUEST_EXPIRES": 5.0}  # it is heard every 5 s at the latest
    with wanting_a_heal(waits=waits) as site:
        site.until_healthy()
        site.hang("wb")
        site.until_state("wb", "catching_up")
        pid = site.pid("healer")
        os.kill(pid, signal.SIGSTOP)
        request = site.ask("wb")
        until(lambda: site.listener()["state"] == "silent", "it is called silent")
        assert "healer silent for" in site.ctl("status", "wb").stdout
        done = site.answer(request)
        assert (done["exit_status"], done["reason"]) == (7, "expired: no healer has taken it within 5s")
        os.kill(pid, signal.SIGCONT)
        site.until_healer()
        site.until_state("wb", "catching_up")
        site.until_judged_again("wb")
        assert site.starts() == {"wa": 1, "wb": 1}
        assert site.heal("wb")["exit_status"] == 0
        assert site.starts() == {"wa": 1, "wb": 2}


def test_a_request_that_no_healer_had_taken_dies_with_it() -> None:
    with wanting_a_heal(healer=AWAY, waits={"ORPHAN_EXPIRES": 1.0}) as site:
        site.until_healthy()
        site.hang("wb")
        site.until_state("wb", "catching_up")
        os.kill(site.pid("healer"), signal.SIGSTOP)
        request = site.ask("wb")
        site.kill_healer()
        done = site.answer(request)
        assert done["exit_status"] == 7
        assert "the healer went away before it took this request" in done["reason"]
        site.rpc.supervisor.startProcess("healer")
        site.until_state("wb", "catching_up")
        site.until_judged_again("wb")
        assert site.starts() == {"wa": 1, "wb": 1}


def test_a_request_that_waited_for_a_healer_that_is_back_in_time_acts_once() -> None:
    with wanting_a_heal() as site:
        site.until_healthy()
        site.hang("wb")
        site.until_state("wb", "catching_up")
        os.kill(site.pid("healer"), signal.SIGSTOP)
        request = site.ask("wb")
        site.kill_healer()
        assert site.answer(request)["exit_status"] == 0
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 2}
