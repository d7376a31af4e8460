"""The listener and its surroundings: servers and passwords, its architecture, its journal, its events."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import time
import xmlrpc.client
from pathlib import Path

import pytest
from pipeline import Site, Worker, chain, listener_with, until

from supervisor_healer.listener.journal_file import Lock

pytestmark = pytest.mark.real

PASSWORD = "s3cret"
CREDENTIALS = {"environment": f'SUPERVISOR_USERNAME="u",SUPERVISOR_PASSWORD="{PASSWORD}"'}


# --- servers and passwords -----------------------------------------------------------------------------------


@pytest.mark.parametrize("inet", [False, True], ids=["unix", "unix and inet"])
def test_with_a_password(inet: bool) -> None:
    port = free_port() if inet else 0
    with Site(chain("wa", "wb"), inet=port, password=PASSWORD, healer=CREDENTIALS) as site:
        site.until_healthy()
        site.hang("wb")
        site.until_heal("wb")
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 2}
        assert site.ctl("health").returncode == 0
        by_conf = site.healer_command("health", "-c", str(site.folder / "supervisord.conf"))
        assert by_conf.returncode == 0, by_conf.stdout + by_conf.stderr
        if inet:
            url = f"http://127.0.0.1:{port}"
            by_url = site.healer_command("heal", "wb", "-s", url, "-u", "u", "-p", PASSWORD)
            assert by_url.returncode == 0, by_url.stdout + by_url.stderr
            denied = site.healer_command("health", "-s", url)
            assert denied.returncode == 3
            assert "requires authentication" in denied.stderr
            server = site.server_at(f"http://127.0.0.1:{port}")
            assert {one["state"] for one in server.healer.getAllWorkerHealth()} == {"healthy"}
            assert server.healer.getListenerState()["state"] == "running"
            anybody = xmlrpc.client.ServerProxy(f"http://127.0.0.1:{port}/RPC2")
            with anybody, pytest.raises(xmlrpc.client.ProtocolError, match="401"):
                anybody.healer.getListenerState()


def test_without_the_password_the_listener_says_what_to_add() -> None:
    with Site(chain("wa"), password=PASSWORD) as site:
        until(lambda: "asks for a password" in site.read("healer.err"), "it says so")
        assert 'environment=SUPERVISOR_USERNAME="...",SUPERVISOR_PASSWORD="..."' in site.read("healer.err")
        assert site.listener()["state"] == "stopped"
        assert site.ctl("health").returncode == 3
        assert site.starts() == {"wa": 1}


def test_as_an_unprivileged_user_of_a_socket_that_it_may_use() -> None:
    with Site(chain("wa", "wb"), user="nobody") as site:
        site.until_healthy()
        site.hang("wb")
        site.until_heal("wb")
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 2}
        assert Path(f"/proc/{site.pid('healer')}").owner() == "nobody"


def test_as_an_unprivileged_user_of_the_default_socket_it_says_what_to_change() -> None:
    with Site(chain("wa"), user="nobody", socket="chmod=0700\n") as site:
        until(lambda: "permission denied" in site.read("healer.err"), "it says so")
        assert "chmod=0770 and chown=root:GROUP" in site.read("healer.err")


# --- the architecture ----------------------------------------------------------------------------------------


def test_a_broken_architecture_at_the_start_is_told_in_full_and_mended_by_a_signal() -> None:
    site = Site(chain("wa", "wb"))
    site.architecture["cycle"] = 60  # no unit
    site.architecture["unknown_key"] = True
    site.write_architecture()
    with site:
        until(lambda: site.listener()["state"] == "broken", "it is up, and broken")
        health = site.ctl("health")
        assert health.returncode == 3
        assert "cycle" in health.stdout
        assert "unknown_key" in health.stdout
        assert len(site.listener()["architecture_errors"]) == 2
        assert site.ctl("heal", "wa").returncode in (2, 7)
        site.architecture.clear()
        site.write_architecture()
        site.hup()
        site.until_healthy()
        assert site.listener()["architecture_errors"] == []
        assert site.ctl("health").returncode == 0
        assert site.starts() == {"wa": 1, "wb": 1}


def test_a_signal_with_a_broken_architecture_keeps_the_old_one_at_work() -> None:
    with Site(chain("wa", "wb")) as site:
        site.until_healthy()
        site.architecture["mood"] = "observe"
        site.write_architecture()
        site.hup()
        until(lambda: site.listener()["warnings"], "it says so")
        assert any("mood" in warning for warning in site.listener()["warnings"])
        assert "going on with the one before" in site.read("healer.err")
        assert "mood" in dict(site.history())["architecture"]
        site.hang("wb")
        site.until_heal("wb")
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 2}
        del site.architecture["mood"]
        site.write_architecture()
        site.hup()
        until(lambda: not site.listener()["warnings"], "the warning is gone")


def test_a_signal_with_a_good_architecture_is_taken_with_all_that_is_known() -> None:
    later = Worker("later", "wb.jsonl")
    workers = chain("wa", "wb")
    site = Site(workers)
    site.workers.append(later)
    site.write_conf()
    with site:
        site.until_healthy()
        assert site.states().keys() == {"wa", "wb"}
        site.hang("wb")
        site.until_heal("wb")
        site.architecture["files"] = {"wb.jsonl": {"max_age": "90s"}}
        site.write_architecture()
        site.hup()
        until(lambda: site.states().keys() == {"wa", "wb", "later"}, "later is known")
        site.until_healthy()
        assert site.health("wb")["outputs"][0]["max_age"] == 90
        assert site.health("wb")["attempts"] == 1
        site.architecture["mode"] = "observe"
        site.workers = workers
        site.write_architecture()
        site.hup()
        until(lambda: site.states().keys() == {"wa", "wb"}, "later is forgotten")
        until(lambda: site.listener()["mode"] == "observe", "it only observes")
        assert site.starts("wa", "wb", "later") == {"wa": 1, "wb": 2, "later": 1}


def test_a_signal_in_the_middle_of_a_heal_does_not_disturb_it() -> None:
    with Site(chain("wa", "wb")) as site:
        site.until_healthy()
        site.set("wb", "slow")
        site.hang("wb")
        site.until_state("wb", "healing")
        site.hup()
        until(lambda: "reloaded" in site.read("healer.err"), "it is taken")
        site.clear("wb", "slow")
        site.until_heal("wb")
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 2}


# --- the journal ---------------------------------------------------------------------------------------------


def test_a_corrupt_journal_is_moved_aside_and_limits_the_restarts() -> None:
    policy = {"restarts": {"max": 2, "within": "1h"}}
    site = Site([Worker("wa", options={"autorestart": "false"})], defaults=policy)
    site.write("healer.sqlite3", "this is no database" * 1000)
    with site:
        site.until_healthy()
        assert any("healer.sqlite3" in warning for warning in site.listener()["warnings"])
        assert "healer.sqlite3" in site.ctl("health").stdout
        assert len(list(site.folder.glob("healer.sqlite3*"))) > 1
        assert "restarts are limited" in dict(site.history())["journal"]
        assert site.health("wa")["budget_left"] == 1
        site.set("wa", "exit", "1")
        site.until_heal("wa")
        site.set("wa", "exit", "1")
        site.until_state("wa", "quarantined")
        assert site.starts() == {"wa": 2}


def test_a_journal_that_is_removed_with_its_healer_gives_no_new_budget() -> None:
    policy = {"restarts": {"max": 2, "within": "1h"}}
    worker = Worker("wa", options={"autorestart": "false"})
    with Site([worker], defaults=policy, healer={"autorestart": "false"}) as site:
        site.until_healthy()
        site.set("wa", "exit", "1")
        site.until_heal("wa")
        until(lambda: site.health("wa")["budget_left"] == 1, "what is left is published")
        pid = site.kill_healer()
        for path in site.folder.glob("healer.sqlite3*"):
            path.unlink()
        site.until_statename("healer", "EXITED")
        site.rpc.supervisor.startProcess("healer")
        site.until_healer(other_than=pid)
        assert site.health("wa")["budget_left"] == 1
        assert "the journal of the healer before is gone" in dict(site.history())["journal"]


@pytest.mark.parametrize("body", ['{"attempt": {"of": "another version"}}', '{"budget": 7}', "{}"])
def test_a_memory_of_another_shape_is_passed_over(body: str) -> None:
    """A journal of another version: whatever is in it, the healer comes up."""
    with Site(chain("wa", "wb"), healer={"autorestart": "false"}) as site:
        site.until_healthy()
        site.rpc.supervisor.stopProcess("healer")
        site.until_statename("healer", "STOPPED")
        with contextlib.closing(sqlite3.connect(site.folder / "healer.sqlite3", isolation_level=None)) as db:
            told = db.execute("UPDATE memory SET body = ? WHERE kind = 'worker' AND name = 'wb'", [body])
            assert told.rowcount == 1
        site.rpc.supervisor.startProcess("healer")
        site.until_healthy()
        assert "cannot be read" in dict(site.history("wb"))["journal"]
        assert (site.health("wa")["budget_left"], site.health("wb")["budget_left"]) == (6, 3)
        site.hang("wb")
        site.until_heal("wb")
        assert site.starts() == {"wa": 1, "wb": 2}


def test_a_journal_that_is_removed_is_begun_again() -> None:
    with Site(chain("wa", "wb")) as site:
        site.until_healthy()
        for path in site.folder.glob("healer.sqlite3*"):
            path.unlink()
        site.hang("wb")
        site.until_heal("wb")
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 2}
        pid = site.kill_healer()
        site.until_healer(other_than=pid)
        assert site.health("wb")["attempts"] == 1


def test_a_journal_that_cannot_be_written_is_told_and_limits_the_restarts() -> None:
    site = Site([Worker("wa", options={"autorestart": "false"})], defaults={"restarts": {"max": 2, "within": "1h"}})
    (site.folder / "healer.sqlite3").mkdir()
    with site:
        site.until_healthy()
        assert any("healer.sqlite3" in warning for warning in site.listener()["warnings"])
        site.set("wa", "exit", "1")
        site.until_heal("wa")
        site.set("wa", "exit", "1")
        site.until_state("wa", "quarantined")
        assert site.starts() == {"wa": 2}


def test_a_second_healer_on_the_same_journal_acts_on_nothing_and_says_so() -> None:
    site = with_two_healers()
    with site:
        until(lambda: "healer.sqlite3" in site.read("second.err") + site.read("healer.err"), "one says so")
        site.until_healthy()
        site.hang("wb")
        site.until_heal("wb")
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 2}
        assert [event for event in site.events("wb") if event in ("restart", "healed")] == ["restart", "healed"]
        pid = int(site.listener()["pid"])
        os.kill(pid, signal.SIGKILL)  # the other one, or this one started anew, goes on from there
        site.until_healer(other_than=pid)
        site.until_healthy()
        assert site.health("wb")["attempts"] == 1
        assert site.starts() == {"wa": 1, "wb": 2}


def test_of_two_healers_the_one_with_the_journal_is_heard_also_when_the_other_came_first() -> None:
    site = with_two_healers()
    lock = Lock(str(site.folder / "healer.sqlite3"))
    lock.hold()
    with site:
        until(lambda: site.listener()["state"] == "broken", "one has come, without the journal")
        first = int(site.listener()["pid"])
        os.kill(first, signal.SIGSTOP)
        lock.release()
        until((site.folder / "healer.sqlite3").exists, "the other one has the journal")
        os.kill(first, signal.SIGCONT)
        site.until_healer(other_than=first)
        site.until_healthy()
        site.hang("wb")
        site.until_heal("wb")
        assert site.listener()["pid"] != first
        assert site.starts() == {"wa": 1, "wb": 2}


# --- events --------------------------------------------------------------------------------------------------


def test_lost_events_are_made_up_for() -> None:
    """A flood that its buffer of one event cannot hold, in which a worker dies."""
    workers = [Worker("wa", options={"autorestart": "false"})]
    with Site(workers, healer={"buffer_size": 1}, defaults={"max_age": "1h"}, architecture={"cycle": "1h"}) as site:
        site.until_healthy()
        pid = site.pid("healer")
        os.kill(pid, signal.SIGSTOP)
        site.set("wa", "exit", "1")
        site.until_statename("wa", "EXITED")
        for number in range(200):
            site.rpc.supervisor.sendRemoteCommEvent("flood", str(number))
        os.kill(pid, signal.SIGCONT)
        site.until_heal("wa")
        site.until_healthy()
        assert "overflowed, discarding event" in site.read("supervisord.log")
        assert site.starts() == {"wa": 2}


def test_after_it_was_asleep_it_counts_anew_and_convicts_nobody() -> None:
    """As after a suspended host; it would take 15 s, but for this one."""
    sleepy = listener_with("supervisor_healer.core.clock.MAY_OVERSLEEP", 2.0)
    with Site(chain("wa", "wb"), healer=sleepy) as site:
        site.until_healthy()
        pid = site.pid("healer")
        os.kill(pid, signal.SIGSTOP)
        site.set("wb", "mute")
        written = (site.folder / "wb.jsonl").stat().st_mtime
        until(lambda: time.time() - written > 9, "the output is stale by far, and it has overslept its heartbeat")
        os.kill(pid, signal.SIGCONT)
        until(lambda: "clock" in site.events(), "it knows that it was asleep")
        assert "too late" in dict(site.history())["clock"]
        site.clear("wb", "mute")
        site.until_healthy()
        site.until_judged_again("wb")
        assert site.starts() == {"wa": 1, "wb": 1}


def test_it_leaves_in_order_when_it_is_told_to_and_is_back_unless_supervisord_told_it() -> None:
    with Site(chain("wa", "wb")) as site:
        site.until_healthy()
        site.rpc.supervisor.stopProcess("healer")
        assert site.statename("healer") == "STOPPED"
        assert "told to stop" in site.read("healer.err")
        site.rpc.supervisor.startProcess("healer")
        site.until_healthy()
        pid = site.pid("healer")
        os.kill(pid, signal.SIGTERM)
        site.until_healer(other_than=pid)
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 1}


# --- helpers -------------------------------------------------------------------------------------------------


def with_two_healers() -> Site:
    site = Site(chain("wa", "wb"))
    second = site.read("supervisord.conf").partition("[eventlistener:healer]")[2].partition("[")[0]
    site.add_conf("[eventlistener:second]" + second.replace("healer.err", "second.err"))
    return site


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
