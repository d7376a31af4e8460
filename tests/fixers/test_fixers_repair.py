"""Configs on a real disk: what a repair leaves there, and what it never touches."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest
from fixing import BROKEN, IS_ROOT, NOBODY, POLICIES, REPAIRED, backups, do, names

from supervisor_healer.fixers.folder import Folder
from supervisor_healer.fixers.phrases import line

MISSING = "long_ofi_requirement: is missing (expected a number from 0 to 1)"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "policies.json"
    path.write_bytes(BROKEN)
    return path


def test_a_check_says_what_is_wrong_and_what_a_repair_would_do_and_changes_nothing(config: Path) -> None:
    before = config.stat()
    answer = do("check", config.parent)
    assert answer == {
        "verb": "check",
        "path": "policies.json",
        "state": "invalid",
        "problems": [MISSING],
        "repairs": ["add long_ofi_requirement = 0.5"],
        "digest": hashlib.sha256(BROKEN).hexdigest(),
        "fingerprint": [before.st_mtime_ns, before.st_ctime_ns, before.st_size, before.st_ino, before.st_dev],
        "outcome": "",
        "said": [],
        "backup": "",
    }
    assert names(config.parent) == ["policies.json"]


def test_a_repair_adds_what_is_missing_and_keeps_the_rest_byte_for_byte(config: Path) -> None:
    config.chmod(0o604)
    answer = do("repair", config.parent)
    assert answer["outcome"] == "done"
    assert answer["said"] == ["added long_ofi_requirement = 0.5"]
    assert (answer["state"], answer["problems"], answer["repairs"]) == ("valid", [], [])
    assert answer["digest"] == hashlib.sha256(REPAIRED).hexdigest()
    assert config.read_bytes() == REPAIRED
    assert stat.S_IMODE(config.stat().st_mode) == 0o604
    (backup,) = backups(config.parent)
    assert answer["backup"] == backup.name
    assert backup.read_bytes() == BROKEN
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert len(names(config.parent)) == 2


def test_a_valid_config_needs_nothing(config: Path) -> None:
    config.write_bytes(REPAIRED)
    assert do("repair", config.parent)["outcome"] == "unneeded"
    assert names(config.parent) == ["policies.json"]


def test_a_repair_is_for_the_content_that_was_checked(config: Path) -> None:
    digest = do("check", config.parent)["digest"]
    config.write_bytes(BROKEN + b"\n")
    answer = do("repair", config.parent, digest=digest)
    assert answer["outcome"] == "changed"
    assert answer["said"] == ["its content has changed since it was checked"]
    assert answer["digest"] == hashlib.sha256(BROKEN + b"\n").hexdigest()
    assert names(config.parent) == ["policies.json"]


def test_what_has_no_default_is_reported_and_what_has_one_is_repaired_all_the_same(config: Path) -> None:
    schema = {**POLICIES, "required": [*POLICIES["required"], "owner"]}
    answer = do("repair", config.parent, schema=schema)
    assert (answer["outcome"], answer["state"]) == ("done", "invalid")
    assert answer["problems"] == ["owner: is missing"]
    assert answer["repairs"] == []
    assert config.read_bytes() == REPAIRED
    again = do("repair", config.parent, schema=schema)
    assert again["outcome"] == "failed"
    assert again["said"] == ["the schema has no default that would put it right"]


def test_a_value_out_of_range_is_replaced_only_where_that_is_wanted(config: Path) -> None:
    config.write_bytes(REPAIRED.replace(b"0.25", b"1.7"))
    answer = do("repair", config.parent)
    assert answer["outcome"] == "failed"
    assert answer["problems"] == ["short_ofi_requirement: 1.7 is more than the maximum of 1"]
    answer = do("repair", config.parent, repair_values=True)
    assert answer["said"] == ["replaced short_ofi_requirement = 1.7 by 0.5"]
    assert config.read_bytes() == REPAIRED.replace(b"0.25", b"0.5")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"a": 1,\n "b" 2}', "line 2, column 6: expecting ':' delimiter"),
        (b'{"a": "\xff"}', "line 1, column 8: byte 0xff is not UTF-8"),
        ("\ufeff{}".encode("utf-16-le"), "line 1, column 1: it is written in UTF-16 (expected UTF-8)"),
        (b"", "line 1, column 1: expecting value"),
    ],
)
def test_what_cannot_be_parsed_is_never_touched(config: Path, content: bytes, problem: str) -> None:
    config.write_bytes(content)
    answer = do("repair", config.parent)
    assert (answer["outcome"], answer["state"], answer["problems"]) == ("failed", "unreadable", [problem])
    assert answer["digest"] == hashlib.sha256(content).hexdigest()
    assert config.read_bytes() == content
    assert names(config.parent) == ["policies.json"]


def test_a_config_of_100_mb_is_refused_unread(config: Path) -> None:
    os.truncate(config, 100_000_000)
    answer = do("repair", config.parent)
    assert answer["problems"] == ["it is too large: 100,000,000 bytes (at most 10,000,000)"]
    assert (answer["state"], answer["outcome"], answer["digest"]) == ("unreadable", "failed", "")
    assert do("check", config.parent, format="")["state"] == "valid"


@pytest.mark.parametrize("verb", ["check", "repair", "create", "restore"])
@pytest.mark.parametrize("kind", ["directory", "FIFO", "dangling", "socket", "loop"])
def test_something_else_in_its_place_is_reported_untouched_and_blocks_nobody(
    tmp_path: Path, verb: str, kind: str
) -> None:
    path = tmp_path / "policies.json"
    if kind == "directory":
        path.mkdir()
        words = "it is a directory (expected a file)"
    elif kind == "FIFO":
        os.mkfifo(path)
        words = "it is a FIFO (expected a file)"
    elif kind == "socket":
        os.mknod(path, stat.S_IFSOCK | 0o600)
        words = "it is a socket (expected a file)"
    elif kind == "dangling":
        path.symlink_to("nowhere.json")
        words = f"it is a symbolic link to {tmp_path / 'nowhere.json'}, which is not there"
    else:
        path.symlink_to(path.name)
        words = "it is a symbolic link that leads in circles"
    backup = tmp_path / "policies.json.20200101T000000Z.bak"
    backup.write_bytes(BROKEN)
    before = path.lstat()
    unchanged = (before.st_ino, before.st_mode, before.st_mtime_ns, before.st_ctime_ns)  # a link's atime moves
    answer = do(verb, tmp_path)
    assert (answer["state"], answer["problems"], answer["repairs"]) == ("unreadable", [line(words)], [])
    assert answer["outcome"] == ("" if verb == "check" else "failed")
    after = path.lstat()
    assert (after.st_ino, after.st_mode, after.st_mtime_ns, after.st_ctime_ns) == unchanged
    assert len(names(tmp_path)) == 2


def test_a_missing_config_is_made_of_the_defaults_where_that_is_declared(tmp_path: Path) -> None:
    answer = do("check", tmp_path, "configs/policies.json")
    assert (answer["state"], answer["problems"], answer["repairs"]) == ("missing", ["is missing"], [])
    assert do("repair", tmp_path, "configs/policies.json")["outcome"] == "failed"
    answer = do("check", tmp_path, "configs/policies.json", create=True)
    assert answer["repairs"] == ["create with long_ofi_requirement = 0.5, short_ofi_requirement = 0.5"]
    answer = do("repair", tmp_path, "configs/policies.json", create=True, mode=0o604)
    assert (answer["outcome"], answer["state"], answer["backup"]) == ("done", "valid", "")
    assert answer["said"] == ["created with long_ofi_requirement = 0.5, short_ofi_requirement = 0.5"]
    path = tmp_path / "configs" / "policies.json"
    assert path.read_text() == '{\n  "long_ofi_requirement": 0.5,\n  "short_ofi_requirement": 0.5\n}\n'
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    assert names(path.parent) == ["policies.json"]


def test_a_missing_config_without_enough_defaults_is_not_made(tmp_path: Path) -> None:
    schema = {**POLICIES, "required": [*POLICIES["required"], "owner"]}
    answer = do("repair", tmp_path, "configs/policies.json", create=True, schema=schema)
    assert (answer["outcome"], answer["state"]) == ("failed", "missing")
    assert answer["said"] == ["it cannot be made: owner has no default"]
    assert names(tmp_path) == []


def test_a_link_within_the_root_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "current.json"
    target.write_bytes(BROKEN)
    (tmp_path / "policies.json").symlink_to("real/current.json")
    answer = do("repair", tmp_path)
    assert answer["outcome"] == "done"
    assert os.readlink(tmp_path / "policies.json") == "real/current.json"
    assert target.read_bytes() == REPAIRED
    (backup,) = backups(target.parent, target.name)
    assert answer["backup"] == str(backup)
    assert do("restore", tmp_path)["outcome"] == "done"
    assert target.read_bytes() == BROKEN


@pytest.mark.parametrize("verb", ["repair", "restore"])
@pytest.mark.parametrize("link", ["file", "folder"])
def test_a_link_to_outside_the_root_is_checked_but_nothing_is_changed_there(
    tmp_path: Path, link: str, verb: str
) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "policies.json").write_bytes(BROKEN)
    (outside / "policies.json.20200101T000000Z.bak").write_bytes(b"{}")
    if link == "file":
        path = "policies.json"
        (root / path).symlink_to(outside / "policies.json")
    else:
        path = "configs/policies.json"
        (root / "configs").symlink_to(outside)
    answer = do(verb, root, path)
    why = f"it leads to {outside / 'policies.json'}, outside of the root"
    assert (answer["outcome"], answer["said"]) == ("failed", [line(why)])
    assert answer["problems"] == [line(f"it is not repaired: {why}"), MISSING]
    assert (answer["state"], answer["repairs"]) == ("invalid", [])
    assert (outside / "policies.json").read_bytes() == BROKEN
    assert len(names(outside)) == 2


def test_a_root_that_is_itself_a_link_and_absolute_paths(tmp_path: Path) -> None:
    real, outside = tmp_path / "real", tmp_path / "outside"
    real.mkdir()
    outside.mkdir()
    (tmp_path / "root").symlink_to(real)
    for folder in (real, outside):
        (folder / "policies.json").write_bytes(BROKEN)
    assert do("repair", tmp_path / "root")["outcome"] == "done"
    assert do("repair", tmp_path / "root", str(tmp_path / "root" / "policies.json"))["outcome"] == "unneeded"
    answer = do("repair", real, f"{outside}//policies.json")  # declared as it is, with no link on the way
    assert answer["outcome"] == "done"
    assert answer["backup"] == str(backups(outside)[0])
    assert do("create", real, "../outside/x")["said"] == [line(f"it leads to {outside / 'x'}, outside of the root")]


def test_a_file_with_hard_links_is_not_torn_from_them(config: Path) -> None:
    os.link(config, config.with_name("other.json"))
    answer = do("repair", config.parent)
    assert answer["said"] == ["it has 2 hard links, and only this one would be repaired"]
    assert (answer["outcome"], answer["repairs"]) == ("failed", [])
    assert config.samefile(config.with_name("other.json"))
    assert len(names(config.parent)) == 2


def test_a_busy_folder_is_left_to_the_healer_in_it(config: Path) -> None:
    with Folder("/", os.path.realpath(config.parent)) as folder:
        assert folder.lock()
        for verb in ("repair", "restore"):
            answer = do(verb, config.parent)
            assert (answer["outcome"], answer["said"]) == ("changed", ["another healer is repairing in its folder"])
    assert names(config.parent) == ["policies.json"]
    assert do("repair", config.parent)["outcome"] == "done"


def test_leftovers_of_dead_healers_are_removed_those_of_others_are_not(config: Path) -> None:
    dead = config.with_name(".policies.json.healer-4194399-0123abcd.tmp")  # above the largest process id
    alive = config.with_name(f".policies.json.healer-{os.getpid()}-0123abcd.tmp")
    similar = config.with_name(".other.json.healer-4194399-0123abcd.tmp")
    for path in (dead, alive, similar):
        path.write_bytes(b"half")
    do("repair", config.parent)
    assert [path.exists() for path in (dead, alive, similar)] == [False, True, True]


def test_a_leftover_with_a_number_that_no_process_can_have_is_removed_too(config: Path) -> None:
    leftover = config.with_name(f".policies.json.healer-{10**30}-0123abcd.tmp")
    leftover.write_bytes(b"half")
    assert do("repair", config.parent)["outcome"] == "done"
    assert not leftover.exists()


def test_a_link_that_a_killed_creation_left_does_not_count(config: Path) -> None:
    os.link(config, config.with_name(".policies.json.healer-4194399-0123abcd.tmp"))
    assert do("check", config.parent)["repairs"] == ["add long_ofi_requirement = 0.5"]
    assert do("repair", config.parent)["outcome"] == "done"
    assert len(names(config.parent)) == 2


def test_only_so_many_backups_are_kept_and_nobody_elses_is_removed(config: Path) -> None:
    others = ["policies.json.bak", "policies.json.20200101.bak", "policies.jsonx.20200101T000000Z.bak", "x.bak"]
    for name in others:
        config.with_name(name).write_bytes(b"mine")
    for number in range(5):
        config.write_bytes(BROKEN.replace(b"3", str(number).encode()))
        assert do("repair", config.parent, keep=3)["outcome"] == "done"
    kept = backups(config.parent)
    assert [path.read_bytes()[15:16] for path in kept] == [b"2", b"3", b"4"]
    assert all(config.with_name(name).exists() for name in others)


def test_the_same_breakage_again_is_not_backed_up_again(config: Path) -> None:
    first = do("repair", config.parent)["backup"]
    config.write_bytes(BROKEN)
    assert do("repair", config.parent)["backup"] == first
    assert len(backups(config.parent)) == 1


def test_a_new_backup_is_named_after_the_newest_whatever_the_clock_says(config: Path) -> None:
    config.with_name("policies.json.29990101T000000Z.bak").write_bytes(b"{}")
    answer = do("repair", config.parent, keep=1)
    assert answer["backup"] == "policies.json.29990101T000000Z.1.bak"
    assert [path.read_bytes() for path in backups(config.parent)] == [BROKEN]


def test_extended_attributes_are_kept(config: Path) -> None:
    try:
        os.setxattr(config, "user.note", b"by hand")
    except OSError:
        pytest.skip("no extended attributes here")
    do("repair", config.parent)
    assert os.getxattr(config, "user.note") == b"by hand"


@pytest.mark.skipif(not IS_ROOT, reason="only root may give files away")
def test_root_keeps_the_owner(config: Path) -> None:
    os.chown(config, NOBODY, NOBODY)
    config.chmod(0o6750)
    do("repair", config.parent)
    for path, mode in ((config, 0o6750), *((path, 0o640) for path in backups(config.parent))):
        status = path.stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (NOBODY, NOBODY, mode)


@pytest.mark.parametrize("path", ["a\0b.json", "x" * 300 + ".json", "policies.json/x.json"])
def test_paths_that_no_file_can_have(config: Path, path: str) -> None:
    for verb in ("check", "repair", "create", "restore"):
        answer = do(verb, config.parent, path, format="json", create=True)
        assert answer["state"] in ("unreadable", "missing")
        assert answer["outcome"] in ("", "failed")
    assert names(config.parent) == ["policies.json"]
