"""Workers whose process has ended: judged on the event, started as soon as their inputs are fresh."""

from __future__ import annotations

import os
import signal

import pytest
from pipeline import Site, Worker, chain, until

pytestmark = pytest.mark.real

NEVER, UNEXPECTED, ALWAYS = ({"autorestart": word} for word in ("false", "unexpected", "true"))


def test_an_exited_worker_is_started_on_its_event_whatever_its_exit_code() -> None:
    workers = [Worker("bad", options=NEVER), Worker("good", options=UNEXPECTED), Worker("last", options=UNEXPECTED)]
    # nothing is looked at by the clock: whoever acts has been told
    with Site(workers, architecture={"cycle": "1h"}, defaults={"max_age": "1h", "startup_grace": "1s"}) as site:
        site.until_healthy()
        site.set("bad", "exit", "3")  # autorestart=false
        site.until_heal("bad")
        site.set("good", "exit", "0")  # unexpected, but this was expected
        site.until_heal("good")
        site.set("last", "exit", "3")  # unexpected: this one supervisord restarts by itself
        until(lambda: site.starts("last") == {"last": 2}, "supervisord restarts it")
        site.until_healthy()
        assert site.starts() == {"bad": 2, "good": 2, "last": 2}
        assert (site.events("bad").count("restart"), site.events("last").count("restart")) == (1, 0)
        assert "process EXITED" in dict(site.history("bad"))["restart"]


def test_a_killed_worker_that_supervisord_restarts_is_left_to_it() -> None:
    with Site(chain("wa", "wb", options=ALWAYS)) as site:
        site.until_healthy()
        os.kill(site.pid("wa"), signal.SIGKILL)
        until(lambda: site.starts("wa") == {"wa": 2}, "supervisord restarts it")
        site.until_healthy()
        site.until_judged_again("wa")
        assert site.starts() == {"wa": 2, "wb": 1}
        assert "restart" not in site.events()


def test_a_worker_that_is_fatal_is_started_when_it_can_be() -> None:
    options = {"startsecs": 1, "startretries": 0, "autorestart": "true"}
    with Site([Worker("wa"), Worker("wb", "wa.jsonl", options=options)], defaults={"attempts": 1}) as site:
        site.until_healthy()
        site.set("wb", "fail")
        site.set("wb", "exit", "1")
        site.until_statename("wb", "FATAL")
        site.until_heal("wb", "failed")  # one attempt, at once, and it fails as well
        site.until_state("wb", "quarantined")
        assert site.starts() == {"wa": 1, "wb": 3}  # at first, by supervisord, by the healer
        site.clear("wb", "fail")
        assert site.heal("wb")["exit_status"] == 0
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 4}


def test_a_dead_worker_waits_for_its_input_and_starts_as_soon_as_that_is_fresh() -> None:
    outside = Worker("outside", watched=False)
    with Site([outside, *chain("wa", source="outside.jsonl", options=NEVER)], defaults={"catch_up": "1h"}) as site:
        site.until_healthy()
        site.set("outside", "mute")
        site.until_state("wa", "blocked")
        site.set("wa", "exit", "1")
        site.until_state("wa", "down")
        assert site.health("wa")["blocked_by"] == ["outside.jsonl"]
        refused = site.heal("wa")
        assert refused["exit_status"] == 75
        assert "outside.jsonl" in refused["reason"]
        site.until_judged_again("wa")
        assert site.starts() == {"outside": 1, "wa": 1}
        site.clear("outside", "mute")
        site.until_heal("wa")  # catch_up would be an hour: for a dead one it does not count
        site.until_healthy()
        assert site.starts() == {"outside": 1, "wa": 2}


def test_a_dead_chain_is_started_from_its_root() -> None:
    with Site(chain("wa", "wb", "wc", options=NEVER)) as site:
        site.until_healthy()
        for name in ("wc", "wb", "wa"):
            os.kill(site.pid(name), signal.SIGKILL)
        site.until_heal("wc")
        site.until_healthy()
        assert site.starts() == {"wa": 2, "wb": 2, "wc": 2}


def test_a_job_that_has_done_its_work_is_judged_by_its_outputs() -> None:
    job = Worker("job", "wa.jsonl", options=NEVER, entry={"kind": "job"})
    with Site([Worker("wa"), job]) as site:
        site.until_healthy()
        site.set("job", "exit", "0")
        site.until_statename("job", "EXITED")
        site.until_state("job", "late")  # not down
        site.until_heal("job")  # work is pending: it is started again
        site.until_healthy()
        assert site.starts() == {"wa": 1, "job": 2}
        assert "job.jsonl" in dict(site.history("job"))["restart"]


def test_a_job_that_failed_is_down() -> None:
    job = Worker("job", "wa.jsonl", options=NEVER, entry={"kind": "job"})
    with Site([Worker("wa"), job]) as site:
        site.until_healthy()
        site.set("job", "exit", "3")
        site.until_heal("job")
        site.until_healthy()
        assert site.starts() == {"wa": 1, "job": 2}
        assert "process EXITED" in dict(site.history("job"))["restart"]
