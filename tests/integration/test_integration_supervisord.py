"""supervisord itself reloads, changes its programs, shuts down and comes back."""

from __future__ import annotations

import signal

import pytest
from pipeline import Site, Worker, chain, until

pytestmark = pytest.mark.real


def test_a_reload_begins_a_new_life_and_the_healer_goes_on() -> None:
    with Site(chain("wa", "wb")) as site:
        site.until_healthy()
        pid = site.pid("healer")
        site.rpc.supervisor.restart()  # what `supervisorctl reload` calls
        site.until_healer(other_than=pid)
        site.until_healthy()
        assert site.starts() == {"wa": 2, "wb": 2}
        assert "restart" not in site.events()
        site.hang("wb")
        site.until_heal("wb")
        site.until_healthy()
        assert site.starts() == {"wa": 2, "wb": 3}


def test_a_reload_in_the_middle_of_a_heal_leaves_one_process_and_a_true_history() -> None:
    with Site(chain("wa", "wb")) as site:
        site.until_healthy()
        site.set("wb", "slow")
        site.hang("wb")
        site.until_statename("wb", "STOPPING")
        pid = site.pid("healer")
        site.rpc.supervisor.restart()
        until(lambda: "supervisord is shutting down" in site.read("healer.err"), "the healer hears of it")
        site.clear("wb", "slow")
        site.until_healer(other_than=pid)
        site.until_heal("wb")  # supervisord's own start was the second half of it
        site.until_healthy()
        assert site.starts() == {"wa": 2, "wb": 2}
        assert len(running(site, "wb")) == 1
        assert [event for event in site.events("wb") if event in ("restart", "healed", "failed")] == [
            "restart",
            "healed",
        ]


def test_a_shutdown_in_the_middle_of_a_heal_leaves_no_orphan() -> None:
    with Site(chain("wa", "wb")) as site:
        site.until_healthy()
        site.set("wb", "slow")
        site.hang("wb")
        site.until_statename("wb", "STOPPING")
        site.rpc.supervisor.shutdown()
        until(lambda: "supervisord is shutting down" in site.read("healer.err"), "the healer hears of it")
        site.clear("wb", "slow")
        assert site.wait_for_the_end() == 0
        until(lambda: not site.processes(), "everything has ended")
        assert site.starts() == {"wa": 1, "wb": 1}
        site.start()
        site.until_heal("wb")
        site.until_healthy()
        assert site.starts() == {"wa": 2, "wb": 2}


def test_a_supervisord_told_by_a_signal_to_stop_leaves_no_orphan() -> None:
    with Site(chain("wa", "wb")) as site:
        site.until_healthy()
        site.freeze("wb")
        site.until_heal("wb")  # a signal between fork and exec would be lost on the child
        site.signal_supervisord(signal.SIGTERM)
        assert site.wait_for_the_end() == 0
        until(lambda: not site.processes(), "everything has ended")
        assert site.starts() == {"wa": 1, "wb": 2}


def test_budgets_outlive_supervisord() -> None:
    policy = {"restarts": {"max": 1, "within": "1h"}, "max_restarts_overall": {"max": 2, "within": "1h"}}
    workers = [Worker("wa", options={"autorestart": "false"}), Worker("wb"), Worker("wc")]
    with Site(workers, defaults=policy) as site:
        site.until_healthy()
        site.set("wa", "exit", "1")
        site.hang("wb")
        for name in ("wa", "wb"):
            site.until_heal(name)
        site.kill()
        site.start()
        site.until_healthy()
        before = site.starts()
        assert [site.health(name)["budget_left"] for name in ("wa", "wb", "wc")] == [0, 0, 1]
        site.set("wa", "exit", "1")
        site.until_state("wa", "quarantined")
        site.hang("wc")
        until(lambda: "host budget used up" in site.health("wc")["reason"], "the host's budget is used up, too")
        assert site.starts() == before


def test_workers_that_are_added_changed_and_removed_by_update() -> None:
    """The architecture may know a program before supervisord does, and after."""
    workers = [Worker("wa"), Worker("wb", "wa.jsonl")]
    site = Site([*workers, Worker("later", "wb.jsonl")])
    site.workers.pop()
    site.write_conf()
    with site:
        until(lambda: site.states() == {"wa": "healthy", "wb": "healthy", "later": "unknown"}, "later is not there yet")
        assert site.health("later")["reason"] == "supervisord has no program later"
        site.workers.append(Worker("later", "wb.jsonl"))
        site.update()
        site.until_healthy()
        assert "restart" not in site.events(), "supervisord starts it, not the healer"
        site.hang("later")
        site.until_heal("later")
        site.workers[1] = Worker("wb", "wa.jsonl", options={"startsecs": 1})
        site.update()
        until(lambda: site.starts("wb") == {"wb": 2}, "wb is another one")
        site.until_healthy()
        assert "restart" not in site.events("wb")
        site.hang("wb")
        site.until_heal("wb")
        site.workers = site.workers[:2]
        site.update()
        site.until_state("later", "unknown")
        site.until_judged_again("later")
        assert site.starts("wa", "wb", "later") == {"wa": 1, "wb": 3, "later": 2}


def test_a_worker_that_is_removed_in_the_middle_of_its_heal() -> None:
    with Site(chain("wa", "wb")) as site:
        site.until_healthy()
        site.set("wb", "mute")
        site.until_state("wb", "verifying")
        request = site.ask("wb")
        site.workers.pop()
        site.update()
        site.until_state("wb", "unknown")
        assert site.answer(request)["exit_status"] == 75
        assert site.starts("wa", "wb") == {"wa": 1, "wb": 2}
        assert site.state("wa") == "healthy"


def running(site: Site, name: str) -> list[int]:
    """Which processes of this worker there are: the one that supervisord knows, and any it has lost."""
    return [pid for pid in site.processes() if (site.folder / f"{name}.up.{pid}").exists()]
