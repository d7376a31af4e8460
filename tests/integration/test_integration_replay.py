"""The journal of a running healer, played again: what really happened is what `replay` finds in it."""

from __future__ import annotations

import json

import pytest
from pipeline import Site, Worker, chain, until

pytestmark = pytest.mark.real


def test_what_happened_is_found_in_the_journal_of_the_running_healer() -> None:
    with Site([Worker("outside", watched=False), *chain("wa", "wb", source="outside.jsonl")]) as site:
        site.until_healthy()
        site.hang("wb")
        site.until_heal("wb")
        site.until_healthy()
        site.set("outside", "mute")
        site.until_state("wa", "blocked")
        site.until_state("wb", "blocked")
        site.clear("outside", "mute")
        site.until_healthy()
        until(lambda: "recovered" in site.events("wa"), "the recovery is told")
        site.ctl("stop", "wa")
        site.until_state("wa", "stopped")
        site.ctl("start", "wa")
        site.until_healthy()
        until(lambda: "started" in site.events("wa"), "the start is told")
        files = [str(site.folder / name) for name in ("healer.sqlite3", "architecture.yaml")]
        done = site.healer_command("replay", *files, "--json")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        (incident,) = told["incidents"]
        assert (incident["worker"], len(incident["was"]["restarts_after"])) == ("wb", 1)
        assert incident["was"]["outcome"] == incident["would_be"]["outcome"] == "healed"
        others = [(event["what"], event["target"]) for event in told["others"]]
        assert others == [("source_stops", "outside.jsonl"), ("stop", "wa"), ("start", "wa")]
        assert told["restarts"] == {"wa": {"was": 0, "would_be": 0}, "wb": {"was": 1, "would_be": 1}}
        assert site.listener()["state"] == "running"
