"""The results file under a real supervisord: whole at every moment, and never in the way of anything else."""

from __future__ import annotations

import json
import os
import threading
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from disks import fill, needs_root, remount, small_disk
from pipeline import Site, Worker, chain, until

pytestmark = pytest.mark.real

SCHEMA = json.loads(resources.files("supervisor_healer.listener").joinpath("results-schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


class Reader(threading.Thread):
    """Reads the file all the time, and keeps what was wrong with it."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path = path
        self.reads, self.wrong = 0, ""
        self.moments: set[float] = set()
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.wait(0.0005):
            try:
                self.moments.add(json.loads(self.path.read_text())["timestamp"])
            except (OSError, ValueError) as error:
                self.wrong = self.wrong or repr(error)
            self.reads += 1

    def stop(self) -> None:
        self._end.set()
        self.join()


def written(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def unlike(one: Any, other: Any) -> list[str]:
    """Where two reports differ, but for texts, in which moments are put into words when somebody reads them."""
    if isinstance(one, dict):
        keys = [] if one.keys() == other.keys() else [f"keys {one.keys() ^ other.keys()}"]
        return keys + [f"{key}: {what}" for key in one.keys() & other.keys() for what in unlike(one[key], other[key])]
    if isinstance(one, list):
        return [what for pair in zip(one, other, strict=True) for what in unlike(*pair)]
    if isinstance(one, str):
        return []
    return [] if abs(one - other) < 1e-3 else [f"{one} is not {other}"]


def test_it_is_written_with_each_round_and_whole_at_every_moment() -> None:
    site = Site(chain("wa", "wb"), architecture={"cycle": "1s", "results": "var/deep/results.json"})
    with site:
        path = site.folder / "var/deep/results.json"
        until(path.exists, "it is there, with its folders")
        reader = Reader(path)
        reader.start()
        site.until_healthy()
        site.hang("wb")
        site.until_heal("wb")
        site.until_said("healed", "wb", "Restarted wb worker")
        until(lambda: len(reader.moments) >= 4, "it was written again and again")
        reader.stop()
        assert not reader.wrong
        assert reader.reads > 100
        VALIDATOR.validate(written(path))
        site.architecture |= {"cycle": "1h"}
        site.write_architecture()
        site.hup()
        until(lambda: site.report()["cause"] == "reload", "the last round for a long time")
        until(lambda: written(path)["timestamp"] == site.report()["timestamp"], "it is written")
        report = site.report()
        assert not unlike(written(path), report)
        assert written(path)["healed"] == report["healed"]
        assert os.listdir(path.parent) == [path.name], "nothing is left beside it"


def until_told(site: Site, text: str) -> None:
    """Wait until the listener's state says this of the results file."""
    until(lambda: any("results file" in one and text in one for one in site.listener()["warnings"]), f"told: {text}")


@needs_root
def test_what_keeps_it_from_being_written_is_told_and_nothing_else_suffers(tmp_path: Path) -> None:
    site = Site([Worker("wa"), Worker("wb")], architecture={"cycle": "1s", "results": str(tmp_path / "results.json")})
    path = tmp_path / "results.json"
    with small_disk(tmp_path), site:
        site.until_checked()
        until(path.exists, "it is written")
        last = path.read_bytes()
        fill(tmp_path / "filler")
        site.hang("wa")
        until_told(site, "No space left")
        assert json.loads(path.read_bytes()), "the last one stands, whole"
        assert "results file" in site.ctl("health").stdout
        site.until_heal("wa")
        (tmp_path / "filler").unlink()
        until(lambda: path.read_bytes() != last and not site.listener()["warnings"], "written again")

        remount(tmp_path, "ro")
        site.hang("wb")
        until_told(site, "Read-only file system")
        site.until_heal("wb")
        remount(tmp_path, "rw")
        until(lambda: not site.listener()["warnings"], "written again")

        path.unlink()
        path.mkdir()
        until_told(site, "directory")
        assert path.is_dir()
        path.rmdir()
        until(lambda: path.is_file() and not site.listener()["warnings"], "written again")
        VALIDATOR.validate(written(path))
        assert site.starts() == {"wa": 2, "wb": 2}
