"""Files that are missing, in the wrong shape, or on a file system that cannot be written, under a real supervisord."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline import Site, Worker, chain, until

pytestmark = pytest.mark.real
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")


def report(site: Site) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = site.rpc.healer.getReport()
    return found


def said(site: Site, section: str, subject: str) -> str:
    """What a section of the report says of a subject, '' nothing."""
    return "; ".join(str(one["message"]) for one in report(site).get(section, []) if one["subject"] == subject)


def until_said(site: Site, section: str, subject: str, text: str) -> None:
    until(lambda: text in said(site, section, subject), f"{section} says {text!r} of {subject}")


def gate_is(site: Site, state: str) -> bool:
    return [one["state"] for one in site.rpc.healer.getAllConsumerHealth()] == [state]


def test_a_missing_file_is_made_and_is_no_progress() -> None:
    files = {"weights.json": {"max_age": "1h", "create": {"json": {"w": 1}, "mode": "0640"}}}
    consumers = {"gate": {"inputs": ["weights.json"]}}
    with Site(chain("wa"), architecture={"cycle": "1s", "files": files, "consumers": consumers}) as site:
        path = site.folder / "weights.json"
        until(path.exists, "it is made")
        assert json.loads(path.read_text()) == {"w": 1}
        assert path.stat().st_mode & 0o777 == 0o640
        until_said(site, "healed", "weights.json", "reated weights.json")
        until_said(site, "warnings", "weights.json", "gate waits for it")
        (gate,) = site.rpc.healer.getAllConsumerHealth()
        assert (gate["state"], gate["blocked_by"]) == ("blocked", ["weights.json"])
        assert gate["inputs"][0]["freshness"] == "missing"
        site.kill_healer()
        site.until_healer()
        until(lambda: gate_is(site, "blocked"), "still, for the next healer")
        path.write_text('{"w": 2}')
        until(lambda: gate_is(site, "healthy"), "somebody else has written it")
        assert path.read_text() == '{"w": 2}'
        assert site.events("weights.json") == ["created"]


def test_parents_are_made_and_copies_taken() -> None:
    files = {
        "deep/er/empty.log": {"max_age": "1h", "create": "empty"},
        "copy.txt": {"max_age": "1h", "create": {"copy": "template.txt"}},
    }
    site = Site(chain("wa"), architecture={"cycle": "1s", "files": files})
    site.write("template.txt", "as it should be\n")
    with site:
        until((site.folder / "deep/er/empty.log").exists, "the parents are made")
        until(lambda: site.read("copy.txt") == "as it should be\n", "the copy is made")
        until(lambda: site.rpc.healer.getReport().get("stats", {}).get("files_repaired") == 2, "both are counted")


def test_what_stands_in_the_way_is_reported_and_left_untouched() -> None:
    names = ["folder", "fifo", "link"]
    files = {name: {"max_age": "1h", "create": "empty", "critical": True} for name in names}
    site = Site(chain("wa"), architecture={"cycle": "1s", "files": files})
    (site.folder / "folder").mkdir()
    os.mkfifo(site.folder / "fifo")
    (site.folder / "link").symlink_to("nowhere")
    with site:
        for name, text in zip(names, ("is a directory", "is a FIFO", "is a link to nowhere"), strict=True):
            until_said(site, "failed", name, text)
        assert (site.folder / "folder").is_dir()
        assert (site.folder / "fifo").is_fifo()
        assert (site.folder / "link").is_symlink()
        assert not (site.folder / "nowhere").exists()
        assert site.states() == {"wa": "healthy"}


def test_a_stale_file_is_reported_with_its_producer_or_with_who_waits_for_it() -> None:
    workers = [Worker("outside", watched=False), *chain("wa", "wb", source="outside.jsonl")]
    with Site(workers, architecture={"cycle": "1s", "mode": "observe"}) as site:
        site.until_healthy()
        site.hang("wa")
        until_said(site, "warnings", "wa.jsonl", "wa is stalled")
        until_said(site, "blocked", "wb", "by wa")
        site.set("outside", "mute")
        until_said(site, "warnings", "outside.jsonl", "from outside; wa waits for it")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


def fill(path: Path) -> None:
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    with contextlib.suppress(OSError), open(path, "ab", buffering=0) as file:
        while file.write(b"x"):
            pass


@needs_root
def test_a_full_disk_restarts_nobody_and_is_named(disk: Path) -> None:
    output = str(disk / "a.jsonl")
    with Site([Worker("wa", writes=output), Worker("wb", output)], architecture={"cycle": "1s"}) as site:
        site.until_healthy()
        site.set("wa", "mute")
        fill(disk / "filler")
        site.until_state("wa", "stalled")
        until(lambda: "the disk is full" in site.health("wa")["reason"], "the disk is named")
        until_said(site, "failed", "wa", "the disk is full")
        until(lambda: site.health("wb")["blocked_by"] == ["wa"], "its reader waits for it")
        site.until_judged_again("wa")
        refused = site.heal("wa")
        assert refused["exit_status"] == 75, refused
        assert "the disk is full" in refused["reason"], refused
        (disk / "filler").unlink()
        site.clear("wa", "mute")
        site.until_healthy()
        assert site.starts() == {"wa": 1, "wb": 1}


@needs_root
def test_a_disk_that_runs_full_under_a_worker_that_seems_well_is_reported(disk: Path) -> None:
    """Some file systems move the mtime of a file also when the write then fails."""
    output = str(disk / "a.jsonl")
    worker = Worker(
        "wa", writes=output, options={"command": f"sh -c 'cd %(here)s; while :; do touch {output}; sleep 0.1; done'"}
    )
    with Site([worker], architecture={"cycle": "1s"}) as site:
        site.until_healthy()
        fill(disk / "filler")
        until_said(site, "failed", "wa", "wa is healthy: every output is fresh; ")
        until_said(site, "failed", "wa", f" under {output}")


@needs_root
def test_a_read_only_file_system_restarts_nobody_and_is_named(disk: Path) -> None:
    with Site([Worker("wa", writes=str(disk / "a.jsonl"))], architecture={"cycle": "1s"}) as site:
        site.until_healthy()
        site.hang("wa")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        site.until_state("wa", "stalled")
        until(lambda: "read-only" in site.health("wa")["reason"], "it is named")
        site.until_judged_again("wa")
        assert site.starts() == {"wa": 1}
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        site.until_heal("wa")
        assert site.starts() == {"wa": 2}
