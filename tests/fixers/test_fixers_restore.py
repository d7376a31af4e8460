"""The newest backup put back, and a restore undone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from fixing import BROKEN, REPAIRED, backups, do, names

OLD, NEW = "policies.json.20260101T000000Z.bak", "policies.json.20260101T000000Z.2.bak"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "policies.json"
    path.write_bytes(REPAIRED)
    return path


def test_a_restore_puts_the_newest_back_and_can_be_undone(config: Path) -> None:
    config.chmod(0o604)
    config.with_name(OLD).write_bytes(b"{}")
    config.with_name(NEW).write_bytes(BROKEN)
    answer = do("restore", config.parent)
    assert (answer["outcome"], answer["backup"]) == ("done", NEW)
    assert answer["said"] == [f"put back {NEW}, after what stood there was backed up"]
    assert (answer["state"], answer["repairs"]) == ("invalid", ["add long_ofi_requirement = 0.5"])
    assert config.read_bytes() == BROKEN
    assert stat.S_IMODE(config.stat().st_mode) == 0o604
    assert backups(config.parent)[-1].read_bytes() == REPAIRED
    assert do("restore", config.parent)["state"] == "valid"
    assert config.read_bytes() == REPAIRED


def test_a_restore_undoes_a_repair(config: Path) -> None:
    config.write_bytes(BROKEN)
    backup = do("repair", config.parent)["backup"]
    assert do("restore", config.parent)["backup"] == backup
    assert config.read_bytes() == BROKEN


def test_without_a_backup_there_is_nothing_to_restore(config: Path) -> None:
    for path in ("policies.json", "nowhere/x.json"):
        answer = do("restore", config.parent, path)
        assert (answer["outcome"], answer["said"]) == ("failed", [f"there is no backup of {path}"])
    assert names(config.parent) == ["policies.json"]


def test_a_restore_of_what_stands_there_is_unneeded(config: Path) -> None:
    config.with_name(NEW).write_bytes(REPAIRED)
    answer = do("restore", config.parent)
    assert answer["outcome"] == "unneeded"
    assert answer["said"] == [f"the newest backup ({NEW}) is what stands there already"]
    assert len(names(config.parent)) == 2


def test_a_missing_config_is_restored_with_the_backups_mode(config: Path) -> None:
    config.unlink()
    config.with_name(NEW).write_bytes(REPAIRED)
    config.with_name(NEW).chmod(0o604)
    answer = do("restore", config.parent)
    assert (answer["outcome"], answer["said"]) == ("done", [f"put back {NEW}"])
    assert config.read_bytes() == REPAIRED
    assert stat.S_IMODE(config.stat().st_mode) == 0o604


@pytest.mark.parametrize("content", [b"{", b"\xff", b""])
def test_what_cannot_be_parsed_can_be_restored_and_replaced(config: Path, content: bytes) -> None:
    config.with_name(NEW).write_bytes(content)
    assert do("restore", config.parent)["state"] == "unreadable"
    assert config.read_bytes() == content
    assert do("restore", config.parent)["state"] == "valid"


def test_a_backup_that_is_no_file_is_not_put_back(config: Path) -> None:
    config.with_name(NEW).symlink_to("/etc/passwd")
    answer = do("restore", config.parent)
    assert answer["outcome"] == "failed"
    assert answer["said"] == [f"the newest backup ({NEW}) cannot be used: it is a symbolic link (expected a file)"]
    assert config.read_bytes() == REPAIRED


def test_the_format_does_not_matter(config: Path) -> None:
    config.with_name(NEW).write_bytes(b"\x00\x01")
    assert do("restore", config.parent, format="")["outcome"] == "done"
    assert config.read_bytes() == b"\x00\x01"
