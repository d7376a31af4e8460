"""The healer is killed at every moment of a heal: what it began is completed, and nothing is done twice."""

from __future__ import annotations

import sys
import time

import pytest
from pipeline import Site, Worker, chain, until

pytestmark = pytest.mark.real

NO_AUTORESTART = {"autorestart": "false", "startsecs": 0}

# The listener, but for the writes of its journal: when the file `fuse` holds a number, that many writes later it is
# killed, before or after the write. The fuse is taken out first: the next listener lives.
MORTAL = """
import os, signal, sys
from pathlib import Path
from supervisor_healer.listener.journal import Journal
from supervisor_healer.listener.main import run

architecture, moment = sys.argv[1:]
fuse = Path(architecture).with_name("fuse")
remember = Journal.remember

def remember_or_die(self, items, notes=(), meta=None):
    try:
        left = int(fuse.read_text()) - 1
    except FileNotFoundError:
        return remember(self, items, notes, meta)
    if left > 0:
        fuse.with_name("fuse.new").write_text(str(left))
        fuse.with_name("fuse.new").rename(fuse)
        return remember(self, items, notes, meta)
    fuse.rename(fuse.with_name("blown"))
    if moment == "after":
        remember(self, items, notes, meta)
    os.kill(os.getpid(), signal.SIGKILL)

Journal.remember = remember_or_die
sys.exit(run(architecture))
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_each_write_of_its_journal(moment: str) -> None:
    """One worker an incident, the first killed at the first write of its heal, the second at the second, and so on."""
    names = [f"w{number}" for number in range(1, 13)]
    command = f"{sys.executable} %(here)s/mortal.py %(here)s/architecture.yaml {moment}"
    site = Site(
        [Worker(name) for name in names],
        healer={"command": command, "startsecs": 0},
        defaults={"max_restarts_overall": {"max": 99, "within": "1h"}},
    )
    site.write("mortal.py", MORTAL)
    fuse, blown = site.folder / "fuse", site.folder / "blown"
    with site:
        site.until_healthy()
        for number, name in enumerate(names, 1):
            before = site.starts()
            pid = site.pid("healer")
            site.write("fuse", str(number))
            site.hang(name)
            until(lambda name=name: site.starts(name)[name] == 2, f"{name} is started again")  # type: ignore[misc]
            until(lambda name=name: blown.exists() or site.state(name) == "healthy", "killed, or done")  # type: ignore[misc]
            survived = not blown.exists()
            if survived:
                fuse.unlink()
            else:
                blown.unlink()
                site.until_healer(other_than=pid)
            site.until_healthy()
            where = f"killed {moment} write {number}"
            assert site.starts() == {**before, name: 2}, where
            told = [event for event in site.events(name) if event in ("restart", "healed", "failed", "abandoned")]
            assert told == ["restart", "healed"], where
            health = site.health(name)
            assert (health["attempts"], health["budget_left"]) == (1, 5), where
            if survived:
                break
        assert survived, "there are more writes than workers"
        assert number > 4, "intent, stop, start and proof are written"


def test_killed_while_its_worker_is_stopping() -> None:
    with Site(chain("wa", "wb")) as site:
        site.until_healthy()
        site.set("wb", "slow")
        site.hang("wb")
        site.until_statename("wb", "STOPPING")
        pid = site.kill_healer()
        site.until_healer(other_than=pid)
        site.until_state("wb", "healing")
        site.clear("wb", "slow")
        site.until_heal("wb")
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 2}
        assert "stopping" in site.read("healer.err")


def test_told_to_stop_in_the_middle_it_goes_on_when_it_is_back() -> None:
    with Site(chain("wa", "wb")) as site:
        site.until_healthy()
        site.set("wb", "slow")
        site.hang("wb")
        site.until_statename("wb", "STOPPING")
        site.rpc.supervisor.stopProcess("healer")
        assert "told to stop; what is under way is in the journal" in site.read("healer.err")
        site.clear("wb", "slow")
        site.until_statename("wb", "STOPPED")
        site.rpc.supervisor.startProcess("healer")
        site.until_heal("wb")
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 2}


def test_killed_between_stop_and_start() -> None:
    with Site(chain("wa", "wb"), healer=NO_AUTORESTART) as site:
        site.until_healthy()
        site.set("wb", "slow")
        site.hang("wb")
        site.until_statename("wb", "STOPPING")
        site.kill_healer()
        site.clear("wb", "slow")
        site.until_statename("wb", "STOPPED")
        site.rpc.supervisor.startProcess("healer")
        site.until_heal("wb")
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 2}


def test_killed_between_stop_and_start_of_a_worker_that_an_operator_stops_meanwhile() -> None:
    with Site(chain("wa", "wb"), healer=NO_AUTORESTART) as site:
        site.until_healthy()
        site.set("wb", "slow")
        site.hang("wb")
        site.until_statename("wb", "STOPPING")
        site.kill_healer()
        site.rpc.supervisor.stopProcessGroup("wb", False)
        site.clear("wb", "slow")
        site.until_statename("wb", "STOPPED")
        site.rpc.supervisor.startProcess("healer")
        site.until_state("wb", "stopped")
        site.until_judged_again("wb")
        assert site.starts() == {"wa": 1, "wb": 1}


def test_killed_between_stop_and_start_while_the_input_goes_stale() -> None:
    """The worker was stopped by the healer: it is not left down, it waits as any other that is down."""
    with Site([Worker("outside", watched=False), *chain("wa", source="outside.jsonl")], healer=NO_AUTORESTART) as site:
        site.until_healthy()
        site.set("wa", "slow")
        site.hang("wa")
        site.until_statename("wa", "STOPPING")
        site.kill_healer()
        site.set("outside", "mute")
        site.clear("wa", "slow")
        site.until_statename("wa", "STOPPED")
        age = lambda: time.time() - (site.folder / "outside.jsonl").stat().st_mtime  # noqa: E731
        until(lambda: age() > 3, "the input is stale")
        site.rpc.supervisor.startProcess("healer")
        site.until_healer()
        site.clear("outside", "mute")
        site.until_heal("wa")
        site.until_healthy()
        assert site.starts() == {"outside": 1, "wa": 2}


def test_killed_right_after_the_start() -> None:
    with Site(chain("wa", "wb", options={"startsecs": 2}), healer=NO_AUTORESTART) as site:
        site.until_healthy()
        site.hang("wb")
        until(lambda: site.starts("wb") == {"wb": 2}, "it is started again")
        site.kill_healer()
        site.until_statename("wb", "RUNNING")
        site.rpc.supervisor.startProcess("healer")
        site.until_heal("wb")
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 2}


def test_killed_while_it_verifies() -> None:
    with Site(chain("wa", "wb")) as site:
        site.until_healthy()
        site.set("wb", "mute")
        site.until_state("wb", "verifying")
        pid = site.kill_healer()
        site.clear("wb", "mute")
        site.until_healer(other_than=pid)
        site.until_heal("wb")
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 2}
        assert site.health("wb")["attempts"] == 1


def test_a_request_in_hand_when_it_is_killed_acts_once_and_is_answered() -> None:
    with Site(chain("wa", "wb"), defaults={"catch_up": "1h"}) as site:
        site.until_healthy()
        site.set("wb", "slow")
        site.hang("wb")
        site.until_state("wb", "catching_up")
        request = site.ask("wb")
        site.until_statename("wb", "STOPPING")
        pid = site.kill_healer()
        site.until_healer(other_than=pid)
        site.clear("wb", "slow")
        assert site.answer(request)["exit_status"] == 0
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 2}


def test_what_it_remembers_of_a_worker_outlives_it() -> None:
    """Attempts, quarantine, an operator's unmonitor, and the history."""
    policy = {"attempts": 1, "verify_within": "4s"}
    with Site([Worker("wa"), Worker("wb"), Worker("wc")], defaults=policy) as site:
        site.until_healthy()
        site.hang("wa")
        site.set("wb", "mute")
        site.rpc.healer.unmonitor("wc", 0)
        site.until_heal("wa")
        site.until_state("wb", "quarantined")
        before = site.history()
        pid = site.kill_healer()
        site.until_healer(other_than=pid)
        assert site.states() == {"wa": "healthy", "wb": "quarantined", "wc": "unmonitored"}
        assert (site.health("wa")["attempts"], site.health("wa")["budget_left"]) == (1, 5)
        assert site.history()[: len(before)] == before
        assert site.starts() == {"wa": 2, "wb": 2, "wc": 1}
