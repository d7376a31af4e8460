"""One entry of the architecture for many processes, and processes in groups."""

from __future__ import annotations

import json

import pytest
from pipeline import Site, Worker, chain, section, until

pytestmark = pytest.mark.real

NUMBERED = {"numprocs": 2, "process_name": "%(program_name)s_%(process_num)02d"}


def test_each_process_of_a_program_is_a_worker_with_files_of_its_own() -> None:
    shards = Worker("shard", "in_%(process_num)d.jsonl", "out_%(process_num)d.jsonl", options=NUMBERED)
    sources = [Worker(f"in_{number}", watched=False) for number in (0, 1)]
    with Site([*sources, shards]) as site:
        site.until_healthy()
        assert site.states().keys() == {"shard:shard_00", "shard:shard_01"}
        site.hang("shard:shard_01")
        site.until_heal("shard:shard_01")
        site.until_healthy()
        assert site.starts("shard_00", "shard_01") == {"shard_00": 1, "shard_01": 2}
        site.set("in_0", "mute")
        site.until_state("shard:shard_00", "blocked")
        assert site.health("shard:shard_00")["blocked_by"] == ["in_0.jsonl"]
        assert site.state("shard:shard_01") == "healthy"
        assert site.ctl("heal", "shard:shard_00").returncode == 75
        assert site.ctl("heal", "shard:shard_01").returncode == 0
        told = site.ctl("health", "--json", "shard")  # the entry's name: all that it stands for
        assert {one["name"]: one["state"] for one in json.loads(told.stdout)} == {
            "shard:shard_00": "blocked",
            "shard:shard_01": "healthy",
        }
        assert "in_0.jsonl" in site.ctl("explain", "shard:shard_00").stdout
        assert site.starts("shard_00", "shard_01") == {"shard_00": 1, "shard_01": 2}


def test_a_member_of_a_group_is_healed_by_its_own_name_and_by_supervisors() -> None:
    workers = chain("wa", "wb")
    workers[1].entry = {"program": "pair:wb"}
    with Site(workers, conf=section("group:pair", {"programs": "wb"}), defaults={"catch_up": "1h"}) as site:
        site.until_healthy()
        assert site.health("wb")["process"]["name"] == "pair:wb"
        site.hang("pair:wb")
        site.until_state("wb", "catching_up")
        assert "catching_up: wb.jsonl" in site.ctl("status", "pair:wb").stdout
        assert site.ctl("heal", "pair:wb").returncode == 0
        site.hang("pair:wb")
        site.until_state("wb", "catching_up")
        assert site.ctl("heal", "wb").returncode == 0
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 3}


def test_one_entry_for_a_group_with_the_processes_names_in_its_paths() -> None:
    programs = [Worker(name, writes="%(process_name)s.jsonl", watched=False) for name in ("left", "right")]
    group = section("group:both", {"programs": "left,right"})
    entry = {"outputs": ["%(process_name)s.jsonl"]}
    with Site(programs, conf=group, architecture={"workers": {"both": entry}}) as site:
        site.until_healthy()
        assert site.states().keys() == {"both:left", "both:right"}
        site.freeze("both:left")
        site.until_heal("both:left")
        site.until_healthy()
        assert site.starts() == {"left": 2, "right": 1}
        site.set("both:right", "mute")
        until(lambda: site.starts("right") == {"right": 2}, "it is restarted")
        joined = site.ctl("heal", "--no-wait", "both:*")
        assert joined.returncode == 0, joined.stdout
        site.clear("both:right", "mute")
        site.until_healthy()
        assert site.starts() == {"left": 2, "right": 2}


def test_siblings_that_share_an_output_are_judged_by_it_together() -> None:
    shards = Worker("shard", "in.jsonl", "out.jsonl", options={**NUMBERED, "process_name": "s%(process_num)d"})
    shared = {"files": {"out.jsonl": {"shared": True, "max_age": "1s", "grace": "1s"}}}
    with Site([Worker("in", watched=False), shards], architecture=shared) as site:
        site.until_healthy()
        site.hang("shard:s0")
        site.until_judged_again("shard:s0")
        assert site.states() == {"shard:s0": "healthy", "shard:s1": "healthy"}
        assert site.starts("s0", "s1") == {"s0": 1, "s1": 1}
