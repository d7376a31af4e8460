"""`verify`, `graph` and `report` of a real site: what they say, how they end, and that they change nothing."""

from __future__ import annotations

import json

import pytest
from pipeline import Site, Worker, until

pytestmark = pytest.mark.real

SCHEMA = {"type": "object", "required": ["low"], "properties": {"low": {"type": "number", "default": 0.5}}}
CRITICAL, WARNING, UNKNOWN, WELL = 2, 1, 3, 0


def walked(site: Site) -> tuple[int, str]:
    """`verify`: its exit status and what it says."""
    done = site.ctl("verify")
    return done.returncode, done.stdout


def test_verify_says_how_it_stands_and_heals_nothing() -> None:
    files = {"outside.jsonl": {"max_age": "1s", "grace": "1s"}, "alone.txt": {"max_age": "1h", "create": "empty"}}
    workers = [
        Worker("source", writes="outside.jsonl", watched=False),
        Worker("first", "outside.jsonl"),
        Worker("second", "first.jsonl", entry={"inputs": ["first.jsonl", "c.json"]}),
    ]
    architecture = {
        "cycle": "1h",
        "files": files,
        "configs": {"c.json": {"schema": SCHEMA}},
        "consumers": {"gate": {"inputs": ["second.jsonl"]}},
    }
    site = Site(workers, architecture=architecture)
    site.write("c.json", '{"low": 1}')
    site.write("alone.txt", "")
    with site:
        site.until_checked()
        status, said = walked(site)
        assert status == WELL, said
        assert "OK: 6 stages, 6 ok" in said, said
        nodes = ["first", "second", "gate", "outside.jsonl", "first.jsonl", "second.jsonl", "c.json", "alone.txt"]
        for how in ([], ["--mermaid"], ["--dot"]):
            drawn = site.ctl("graph", *how)
            assert drawn.returncode == 0, drawn.stdout
            assert not [name for name in nodes if name not in drawn.stdout], drawn.stdout

        site.write("c.json", "{}")
        status, said = walked(site)
        assert status == WARNING, said
        assert "c.json" in said, said
        assert "low" in said, said
        assert site.read("c.json") == "{}", "it is not repaired"

        site.set("source", "mute")
        site.until_state("first", "blocked")
        until(lambda: site.state("second") == "blocked", "it is all blocked")
        status, said = walked(site)
        assert status == WARNING, said
        assert "outside.jsonl" in said, said
        assert "BLOCKED" in said, said
        assert "STALE" in said, said
        report = site.ctl("report")
        assert report.returncode == 0, report.stdout
        assert f"-> ls -l {site.folder}/outside.jsonl" in report.stdout, report.stdout

        site.write("c.json", "{broken")
        assert walked(site)[0] == WARNING
        report = site.ctl("report")
        actions = [line for line in report.stdout.splitlines() if line.strip().startswith("->")]
        assert any(line.endswith(f" {site.folder}/c.json") for line in actions), report.stdout

        for worker in site.workers[1:]:
            worker.entry = {**worker.entry, "critical": True}  # type: ignore[misc]
        site.write_architecture()
        site.hup()
        until(lambda: site.health("first")["critical"], "another architecture")
        status, said = walked(site)
        assert status == CRITICAL, said
        assert "CRITICAL: 6 stages" in said, said

        site.rpc.supervisor.stopProcessGroup("source")
        site.workers.append(Worker("nobody", entry={"program": "no_such_program"}))
        site.write_architecture()
        site.hup()
        until(lambda: site.states().get("nobody") == "unknown", "there is one that supervisord does not know")
        status, said = walked(site)
        assert "UNKNOWN" in said, said
        assert status == CRITICAL, "the worst of them"
        stages = json.loads(site.ctl("verify", "--json").stdout)
        assert stages
        assert site.starts("source", "first", "second") == {"source": 1, "first": 1, "second": 1}
        assert site.read("c.json") == "{broken"
        assert not list(site.folder.glob("*.bak"))
        assert [event for event in site.events() if event in ("restart", "repaired", "created")] == []


def test_verify_of_what_is_late_or_unknown() -> None:
    workers = [Worker("late", entry={}), Worker("nobody", entry={"program": "no_such_program"})]
    files = {"late.jsonl": {"max_age": "1s", "grace": "1h"}}
    with Site(workers[:1], architecture={"cycle": "1h", "files": files}) as site:
        site.until_checked()
        site.set("late", "mute")
        site.until_state("late", "late")
        status, said = walked(site)
        assert (status, "late" in said) == (WARNING, True), said
        site.clear("late", "mute")
        site.until_healthy()
        site.workers = workers
        site.write_architecture()
        site.hup()
        until(lambda: site.states().get("nobody") == "unknown", "supervisord does not know it")
        assert walked(site)[0] == UNKNOWN
        assert site.starts("late") == {"late": 1}
