"""Configs on disks without room, in shapes that nobody expects, of other owners, and between two healers."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from disks import fill, needs_root, remount, small_disk
from pipeline import Site, Worker, chain, until

pytestmark = pytest.mark.real

NUMBER = {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5}
SCHEMA = {"type": "object", "required": ["low", "high"], "properties": {"low": NUMBER, "high": NUMBER}}
BROKEN = '{"high": 0.75}\n'
WHOLE = {"high": 0.75, "low": 0.5}


def entries(*paths: str, **more: object) -> dict[str, object]:
    return {"cycle": "1s", "configs": {path: {"schema": SCHEMA, **more} for path in paths}}


def resident(pid: int) -> int:
    """The memory of a process in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


@needs_root
def test_a_disk_that_is_full_and_then_read_only(tmp_path: Path) -> None:
    with small_disk(tmp_path):
        config = tmp_path / "c.json"
        config.write_text(BROKEN)
        fill(tmp_path / "filler")
        with Site(chain("wa"), architecture=entries(str(config))) as site:
            site.until_said("failed", str(config), "No space left on device")
            (entry,) = site.report()["failed"]
            assert str(tmp_path) in entry["action"]
            assert config.read_text() == BROKEN
            assert sorted(os.listdir(tmp_path)) == ["c.json", "filler"], "nothing half done is left"
            (tmp_path / "filler").unlink()
            until(lambda: json.loads(config.read_text()) == WHOLE, "there is room again")
            until(lambda: site.report()["failed"] == [], "all is said to be well")
            config.write_text(BROKEN.replace("0.75", "0.8"))
            remount(tmp_path, "ro")
            site.until_said("failed", str(config), "Read-only file system")
            assert config.read_text() == BROKEN.replace("0.75", "0.8")
            remount(tmp_path, "rw")
            until(lambda: json.loads(config.read_text()) == {"high": 0.8, "low": 0.5}, "it can be written again")
            assert len(list(tmp_path.glob("c.json.*.bak"))) == 2
            assert site.states() == {"wa": "healthy"}
            assert site.starts() == {"wa": 1}


def test_shapes_that_nobody_expects(tmp_path: Path) -> None:
    """Whatever is wrong with some, the others are repaired, each in its own way."""
    outside = tmp_path / "outside.json"
    outside.write_text(BROKEN)
    odd = {
        "huge.json": "it is too large: 104,857,600 bytes",
        "fifo.json": "FIFO",
        "link.json": f"it leads to {outside}, outside of the root",
        "latin.json": "UTF-8",
    }
    repaired = {
        "crlf.json": b'{\r\n  "high": 0.75\r\n}\r\n',
        "bom.json": b'\xef\xbb\xbf{"high": 0.75}',
        "inside.json": b'{"high": 0.75}',
    }
    site = Site(chain("wa"), architecture=entries(*odd, *repaired))
    for name in odd:
        site.write(name, json.dumps(WHOLE))
    for name, content in repaired.items():
        (site.folder / name).write_bytes(content)
    (site.folder / "real").mkdir()
    (site.folder / "inside.json").rename(site.folder / "real/inside.json")
    (site.folder / "inside.json").symlink_to("real/inside.json")
    with site:
        for name in repaired:
            until(lambda name=name: site.events(name) == ["repaired"], f"{name} is repaired")  # type: ignore[misc]
        crlf = (site.folder / "crlf.json").read_bytes()
        assert json.loads(crlf) == WHOLE
        assert crlf.count(b"\r\n") == crlf.count(b"\n") == 4
        bom = (site.folder / "bom.json").read_bytes()
        assert bom.startswith(b"\xef\xbb\xbf{")
        assert json.loads(bom.decode("utf-8-sig")) == WHOLE
        assert (site.folder / "inside.json").is_symlink()
        assert [path.read_bytes() for path in (site.folder / "real").glob("*.bak")] == [repaired["inside.json"]]

        site.until_checked()
        before = resident(site.pid("healer"))
        (site.folder / "latin.json").write_bytes(b'{"high": 0.75, "note": "\xe9"}')
        for name in ("huge.json", "fifo.json", "link.json"):
            (site.folder / name).unlink()
        os.mkfifo(site.folder / "fifo.json")
        (site.folder / "link.json").symlink_to(outside)
        with open(site.folder / "huge.json", "wb") as file:
            file.truncate(100 << 20)
        for name, text in odd.items():
            until(lambda name=name, text=text: text in _told(site, name), f"{name}: {text}")  # type: ignore[misc]
        site.heal("all")
        assert resident(site.pid("healer")) < before + 20
        assert outside.read_text() == BROKEN
        assert os.listdir(tmp_path) == ["outside.json"]
        assert (site.folder / "fifo.json").is_fifo()
        assert (site.folder / "latin.json").read_bytes() == b'{"high": 0.75, "note": "\xe9"}'
        assert not [name for name in odd if list(site.folder.glob(f"{name}.*.bak"))]
        assert all(one["action"] for one in site.report()["failed"])
        assert site.states() == {"wa": "healthy"}


def _told(site: Site, name: str) -> str:
    return "; ".join(one["message"] for one in site.report()["failed"] if one["subject"] == name)


def test_two_healers_on_the_same_root() -> None:
    """Each repair is made once, by one of them; the other sees that it was done."""
    names = ("a.json", "b.json", "c.json")
    with Site([Worker("wa")], architecture=entries(*names)) as one:
        other = Site([Worker("wb")], architecture={**entries(*names), "root": str(one.folder)})
        other.architecture["state"] = str(other.folder / "healer.sqlite3")
        other.workers = [Worker("wb", writes=str(other.folder / "wb.jsonl"))]
        other.write_architecture()
        other.write_conf()
        for name in names:
            one.write(name, json.dumps(WHOLE))
        with other:
            for site in (one, other):
                site.until_checked()
            for name in names:
                one.write(name, BROKEN)

            def done(name: str) -> bool:
                notes = [note for site in (one, other) for note in site.rpc.healer.getHistory("", 0)]
                return [note["event"] for note in notes if note["worker"] == name].count("repaired") == 1

            for name in names:
                until(lambda name=name: done(name), f"{name} is repaired")  # type: ignore[misc]
            for site in (one, other):
                assert site.heal("all")["exit_status"] in (0, 75)
                until(lambda site=site: site.report()["failed"] == [], "all is well")  # type: ignore[misc]
                assert set(site.states().values()) == {"healthy"}
            for name in names:
                assert done(name), "once"
                assert json.loads(one.read(name)) == WHOLE
                assert [path.read_text() for path in one.folder.glob(f"{name}.*.bak")] == [BROKEN]


NOBODY = 65534
DROP = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
READS = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]  # where Python itself is in root's home


AGAIN = (
    "import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', 'import supervisor_healer']).returncode)"
)


@pytest.fixture
def unprivileged() -> list[str]:
    """The command that starts another as nobody, who may write only what is his."""
    for launcher in (DROP, [*DROP, *READS]):
        command = [*launcher, sys.executable, "-c", AGAIN]
        with contextlib.suppress(OSError):
            if subprocess.run(command, cwd="/", capture_output=True, check=False).returncode == 0:
                return launcher
    pytest.skip("an unprivileged user cannot run this Python")


def given_to_nobody(launcher: list[str], architecture: dict[str, object]) -> Site:
    """A site in a folder of his own. Supervisor does not find a program that only a capability lets him see: `env`."""
    env = f"/usr/bin/env {sys.executable}"
    site = Site(
        [Worker("wa", options={"command": f"{env} -S -E %(here)s/stage.py wa.jsonl ''"})],
        architecture=architecture,
        healer={"command": f"{env} -m supervisor_healer.cli listen %(here)s/architecture.yaml"},
        launcher=launcher,
    )
    os.chown(site.folder, NOBODY, NOBODY)
    return site


@needs_root
def test_an_unprivileged_healer(unprivileged: list[str]) -> None:
    files = {"given.txt": {"max_age": "1h", "create": {"content": "x", "owner": "root"}}}
    site = given_to_nobody(unprivileged, {**entries("own.json", "roots/c.json"), "files": files})
    (site.folder / "roots").mkdir()
    for name in ("own.json", "roots/c.json"):
        (site.folder / name).write_text(BROKEN)
    (site.folder / "own.json").chmod(0o640)
    os.chown(site.folder / "own.json", NOBODY, NOBODY)
    with site:
        until(lambda: site.events("own.json") == ["repaired"], "its own config is repaired")
        for name in ("own.json", *(path.name for path in site.folder.glob("own.json.*.bak"))):
            found = (site.folder / name).stat()
            assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (NOBODY, NOBODY, 0o640), name
        assert json.loads(site.read("own.json")) == WHOLE
        site.until_said("failed", "roots/c.json", "Permission denied")
        assert site.read("roots/c.json") == BROKEN
        assert os.listdir(site.folder / "roots") == ["c.json"]
        site.until_said("failed", "given.txt", "could not belong to user root")
        assert not (site.folder / "given.txt").exists()
        assert site.states() == {"wa": "healthy"}


@needs_root
def test_a_config_of_somebody_else_in_its_own_folder(unprivileged: list[str]) -> None:
    """It could be replaced, but would then belong to another."""
    site = given_to_nobody(unprivileged, entries("c.json"))
    (site.folder / "c.json").write_text(BROKEN)
    with site:
        site.until_said("failed", "c.json", "could not belong to user root")
        found = (site.folder / "c.json").stat()
        assert (found.st_uid, site.read("c.json")) == (0, BROKEN)
        assert not list(site.folder.glob("*.bak")) + list(site.folder.glob(".*.tmp"))
