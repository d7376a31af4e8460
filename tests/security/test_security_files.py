"""Somebody owns a folder below the root, or a file in it, and prepares it for a healer that is root."""

from __future__ import annotations

import os
import sqlite3
import stat
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.swapping import swapped
from fixing import BROKEN, IS_ROOT, NOBODY, REPAIRED, backups, do, job, names

from supervisor_healer.core.model import Now
from supervisor_healer.core.orders import Note
from supervisor_healer.fixers.__main__ import done
from supervisor_healer.fixers.descent import followed
from supervisor_healer.fixers.folder import Folder
from supervisor_healer.fixers.jobs import Answer
from supervisor_healer.fixers.target import RefusedError
from supervisor_healer.listener import journal_place
from supervisor_healer.listener.journal import Journal, StampedNote
from supervisor_healer.listener.results import write

as_root = pytest.mark.skipif(not IS_ROOT, reason="only root has what others may not have, and may make files theirs")
SECRET = b'{"password": "s3cret"}\n'
FORGED = "policies.json.20990101T000000Z.bak"  # newer than any


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of nobody's below a root of root's, with a config of root's that everybody may read."""
    folder = tmp_path / "root/sub"
    folder.mkdir(parents=True)
    (folder / "policies.json").write_bytes(BROKEN)
    if IS_ROOT:
        os.chown(folder, NOBODY, NOBODY)
    return folder


def mend(verb: str, folder: Path, **more: object) -> Answer:
    return do(verb, folder.parent, "sub/policies.json", **more)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- backups ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize(("config", "backup"), [(0o644, 0o640), (0o666, 0o640), (0o640, 0o640), (0o600, 0o600)])
def test_a_backup_is_for_the_owner_and_his_group(folder: Path, config: int, backup: int, umask: int) -> None:
    (folder / "policies.json").chmod(config)
    before = os.umask(umask)
    try:
        mend("repair", folder)
    finally:
        os.umask(before)
    assert [mode(path) for path in backups(folder)] == [backup]
    assert mode(folder / "policies.json") == config


def test_a_restore_gives_the_mode_back_that_a_backup_may_not_have(folder: Path) -> None:
    """A worker of another user could not read its config any more."""
    mend("repair", folder)
    (folder / "policies.json").unlink()
    assert mend("restore", folder)["outcome"] == "done"
    assert (folder / "policies.json").read_bytes() == BROKEN
    assert mode(folder / "policies.json") == 0o644
    assert "user.supervisor_healer.mode" not in os.listxattr(folder / "policies.json")


def test_a_restore_never_widens_a_mode(folder: Path) -> None:
    """Neither that of what stands there, which was made private since, nor that of the backup."""
    mend("repair", folder)
    (folder / "policies.json").chmod(0o600)
    answer = mend("restore", folder)
    assert (answer["outcome"], len(answer["said"])) == ("done", 1)
    assert mode(folder / "policies.json") == 0o600
    for backup in backups(folder):
        backup.unlink()
    (folder / "policies.json").chmod(0o644)
    (folder / FORGED).write_bytes(SECRET)
    (folder / FORGED).chmod(0o600)
    answer = mend("restore", folder)
    assert answer["said"][1] == "its mode is 0600 now, as that of the backup"
    assert (folder / "policies.json").read_bytes() == SECRET
    assert mode(folder / "policies.json") == 0o600


@as_root
@pytest.mark.parametrize(("config", "backup"), [(0, NOBODY), (NOBODY, 0)])
def test_what_somebody_else_calls_a_backup_is_not_put_back(folder: Path, config: int, backup: int) -> None:
    """Else nobody would read what root alone may read, or write what stands in root's config."""
    os.chown(folder / "policies.json", config, config)
    (folder / FORGED).write_bytes(SECRET)
    (folder / FORGED).chmod(0o600)
    os.chown(folder / FORGED, backup, backup)
    answer = mend("restore", folder)
    assert answer["outcome"] == "failed"
    assert answer["said"][0].startswith("there is no backup of sub/policies.json that belongs to user ")
    assert (folder / "policies.json").read_bytes() == BROKEN


@as_root
def test_what_somebody_else_calls_a_backup_saves_and_costs_none(folder: Path) -> None:
    """He could change or remove it later; and too many of his own would have ours removed."""
    (folder / FORGED).write_bytes(BROKEN)
    os.chown(folder / FORGED, NOBODY, NOBODY)
    assert mend("repair", folder, keep=1)["outcome"] == "done"
    assert [path.stat().st_uid for path in backups(folder)] == [NOBODY, 0]
    (folder / "policies.json").write_bytes(BROKEN + b" ")
    assert mend("repair", folder, keep=1)["outcome"] == "done"
    assert [(path.stat().st_uid, path.read_bytes()) for path in backups(folder)] == [
        (NOBODY, BROKEN),
        (0, BROKEN + b" "),
    ]


def test_a_backup_with_a_second_name_elsewhere_is_none(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(SECRET)
    os.link(tmp_path / "secret", folder / FORGED)
    assert mend("restore", folder)["outcome"] == "failed"
    assert mend("repair", folder)["outcome"] == "done"
    assert (tmp_path / "secret").read_bytes() == SECRET


# --- what is prepared in the folder ----------------------------------------------------------------------------


def access_list(user: int) -> bytes:
    """Of a file or folder: this user may read it, besides its owner and group."""
    nobody = 0xFFFFFFFF
    entries = [(0x01, 6, nobody), (0x02, 4, user), (0x04, 4, nobody), (0x10, 4, nobody), (0x20, 0, nobody)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def needs_access_lists(folder: Path) -> None:
    try:
        os.setxattr(folder, "system.posix_acl_default", access_list(NOBODY))
    except OSError:
        pytest.skip("no access lists here")


def test_a_folder_that_lets_somebody_read_all_that_is_made_in_it(folder: Path) -> None:
    config = folder / "policies.json"
    config.chmod(0o640)
    needs_access_lists(folder)
    mend("repair", folder)
    do("create", folder.parent, "sub/copy.json", copy_of="sub/policies.json")
    for path in (config, *backups(folder), folder / "copy.json"):
        assert "system.posix_acl_access" not in os.listxattr(path), path
        assert mode(path) == 0o640


def test_the_attributes_of_a_file_that_takes_the_place_for_a_moment(folder: Path) -> None:
    """They are those of the file that was read, or there is no repair."""
    (folder / "other").write_bytes(BROKEN)
    with Folder(str(folder.parent), str(folder)) as opened:
        _, status = opened.read("policies.json")
        os.rename(folder / "other", folder / "policies.json")
        with pytest.raises(RefusedError, match="it is being written"):
            opened.attributes("policies.json", status)


def prepared_folder(path: Path) -> None:
    path.mkdir()


def prepared_fifo(path: Path) -> None:
    os.mkfifo(path)


def prepared_link(path: Path) -> None:
    path.symlink_to(path.parent.parent.parent / "secret")


@pytest.mark.parametrize("prepare", [prepared_folder, prepared_fifo, prepared_link])
@pytest.mark.parametrize("verb", ["repair", "restore", "create"])
def test_names_that_a_healer_might_take(
    folder: Path, tmp_path: Path, verb: str, prepare: Callable[[Path], None]
) -> None:
    """Leftovers of healers that are no more, and backups: whatever stands there is neither opened nor waited for."""
    (tmp_path / "secret").write_bytes(SECRET)
    name = "new.json" if verb == "create" else "policies.json"
    leftover = folder / f".{name}.healer-4194399-0123abcd.tmp"
    prepare(leftover)
    if verb == "restore":
        (folder / "policies.json.20260101T000000Z.bak").write_bytes(REPAIRED)
    answer = do(verb, folder.parent, f"sub/{name}", text="made")
    assert answer["outcome"] == "done", answer
    assert leftover.is_dir() is (prepare is prepared_folder)
    assert (tmp_path / "secret").read_bytes() == SECRET


@as_root
def test_a_device_is_never_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That alone can do something: rewind a tape, arm a watchdog."""
    (folder / "policies.json").unlink()
    try:
        os.mknod(folder / "policies.json", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except OSError:
        pytest.skip("no devices can be made here")
    real = os.open

    def never(name: str, *arguments: int, **more: int) -> int:
        assert name != "policies.json"
        return real(name, *arguments, **more)

    monkeypatch.setattr(os, "open", never)
    for verb in ("check", "repair", "restore", "create"):
        answer = mend(verb, folder)
        assert answer["outcome"] in ("", "failed")
    assert "a device" in mend("check", folder)["problems"][0]


def test_no_verb_takes_a_path_out_of_the_root(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(BROKEN)
    for verb in ("repair", "restore", "create"):
        answer = done(job(verb, folder.parent, "../secret", format="json", schema={"required": ["x"]}))
        assert answer["outcome"] == "failed", answer
    assert names(tmp_path) == ["root", "secret"]


# --- the journal -----------------------------------------------------------------------------------------------


@pytest.fixture
def state(folder: Path) -> Path:
    """Where a journal is to be, in nobody's folder."""
    return folder / "healer.sqlite3"


def degraded(path: Path) -> str:
    """Why there is no journal at `path`; what it does then is done without one."""
    journal = Journal.open(str(path))
    try:
        assert journal.degraded
        journal.remember([], [StampedNote(Now(1.0, 1.0), Note("w", "healed", "it writes again"))])
        return journal.warnings[0]
    finally:
        journal.close()


@as_root
@pytest.mark.parametrize("of", ["", ".lock"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_journal_that_is_somebody_elses_link(state: Path, tmp_path: Path, of: str, exists: bool) -> None:
    """It would make a file anywhere, and the lock would empty one."""
    target = tmp_path / "target"
    if exists:
        target.write_bytes(SECRET)
    link = state.with_name(state.name + of)
    link.symlink_to(target)
    os.chown(link, NOBODY, NOBODY, follow_symlinks=False)
    assert "a symbolic link" in degraded(state)
    assert not exists or target.read_bytes() == SECRET
    assert target.exists() is exists


@pytest.mark.parametrize("of", [".lock", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("empty", [True, False])
def test_no_companion_of_a_journal_is_a_link(state: Path, tmp_path: Path, of: str, empty: bool) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"" if empty else SECRET)
    state.with_name(state.name + of).symlink_to(target)
    assert "is a symbolic link (expected a file)" in degraded(state)
    assert target.read_bytes() == (b"" if empty else SECRET)


@pytest.mark.parametrize("of", ["", ".lock", "-wal", "-shm", "-journal"])
def test_no_file_of_a_journal_has_a_second_name(state: Path, tmp_path: Path, of: str) -> None:
    (tmp_path / "target").write_bytes(SECRET)
    os.link(tmp_path / "target", state.with_name(state.name + of))
    assert "has 2 hard links" in degraded(state)
    assert (tmp_path / "target").read_bytes() == SECRET


@as_root
@pytest.mark.parametrize("of", ["", ".lock", "-wal", "-shm", "-journal"])
def test_no_file_of_a_journal_is_somebody_elses(state: Path, of: str) -> None:
    """A journal of his making would say what was used up, and what is still to be done: it is not even read."""
    journal = Journal.open(str(state))
    journal.remember([], [], {"made by": "somebody"})
    journal.close()
    path = state.with_name(state.name + of)
    path.touch()
    os.chown(path, NOBODY, NOBODY)
    other = Journal.open(str(state))
    assert "belongs to user nobody (expected user root)" in other.warnings[0]
    assert other.get_meta("made by") == ("somebody" if of == ".lock" else "")
    other.close()


@as_root
def test_folders_on_the_way_to_a_journal(state: Path, tmp_path: Path) -> None:
    """A link of root's is followed, one of somebody else's is not."""
    (tmp_path / "elsewhere").mkdir()
    (state.parent / "var").symlink_to(tmp_path / "elsewhere")
    journal = Journal.open(str(state.parent / "var/healer.sqlite3"))
    assert not journal.degraded
    assert journal.path == str(tmp_path / "elsewhere/healer.sqlite3")
    journal.close()
    os.chown(state.parent / "var", NOBODY, NOBODY, follow_symlinks=False)
    assert f"{state.parent}/var is a symbolic link of another user's" in degraded(state.parent / "var/healer.sqlite3")


def test_a_journal_that_is_replaced_when_it_is_opened(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite opens by name: what it has opened is compared, before anything is written."""
    other = state.with_name("other")
    other.touch()
    connect = sqlite3.connect

    def replaced(address: str, **more: object) -> sqlite3.Connection:
        if "mode=rw" in address:
            state.unlink()
            state.symlink_to(other)
        return connect(address, **more)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(sqlite3, "connect", replaced)
    assert "was replaced at the very moment" in degraded(state)
    assert other.stat().st_size == 0


def test_a_folder_of_a_journal_that_is_swapped_for_a_link_all_the_time(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "var").mkdir()
    if IS_ROOT:
        os.chown(folder / "link", NOBODY, NOBODY, follow_symlinks=False)
    opened = 0
    with swapped(folder / "var", folder / "link"):
        for number in range(200):
            try:
                path = followed(str(folder / "var")) if IS_ROOT else str(folder / "var")
                os.close(journal_place.opened(f"{path}/{number}"))
                opened += 1
            except OSError:
                continue
    assert opened > 0
    assert names(outside) == []


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_what_it_writes_for_itself_is_not_for_everybody(folder: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        journal = Journal.open(str(folder / "state/healer.sqlite3"))
        journal.remember([], [StampedNote(Now(1.0, 1.0), Note("w", "healed", "it writes again"))])
        write(str(folder / "results.json"), {"timestamp": 1.0}, str(folder))
        found = {path.name: mode(path) for path in folder.rglob("*") if path.name != "policies.json"}
        journal.close()
    finally:
        os.umask(before)
    files = {"healer.sqlite3", "healer.sqlite3.lock", "healer.sqlite3-wal", "healer.sqlite3-shm", "results.json"}
    assert found == dict.fromkeys(files, 0o640 & ~umask) | {"state": 0o750 & ~umask}


# --- the results file elsewhere ---------------------------------------------------------------------------------


@as_root
def test_links_on_the_way_to_a_results_file_outside_of_the_root(folder: Path, tmp_path: Path) -> None:
    """Those of root's are followed (/var/run), somebody else's are not."""
    (tmp_path / "private").mkdir()
    (folder / "link").symlink_to(tmp_path / "private")
    path = str(folder / "link/results.json")
    write(path, {"timestamp": 1.0}, str(tmp_path / "another root"))
    assert names(tmp_path / "private") == ["results.json"]
    os.chown(folder / "link", NOBODY, NOBODY, follow_symlinks=False)
    with pytest.raises(OSError, match="is a symbolic link of another user's"):
        write(path, {"timestamp": 2.0}, str(tmp_path / "another root"))


def test_links_in_circles(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("other")
    (tmp_path / "other").symlink_to("one")
    with pytest.raises(OSError, match="Too many levels"):
        followed(str(tmp_path / "one/x"))


def test_followed_is_where_the_system_goes(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "up").symlink_to("a/b/..")
    (tmp_path / "a/absolute").symlink_to(tmp_path / "up")
    for path in ("up/b/new/file", "a/absolute/./b//x", "a/b/../b", "", "up", "a/absolute/.."):
        whole = f"{tmp_path}/{path}"
        assert followed(whole) == os.path.realpath(whole)


def test_a_child_that_is_asked_for_anything_else_ends(tmp_path: Path) -> None:
    """The fixers' children take jobs, not commands."""
    line = b'{"verb": "exec", "path": "x"}\n'
    found = subprocess.run(
        [sys.executable, "-m", "supervisor_healer.fixers"], input=line, capture_output=True, check=False, cwd=tmp_path
    )
    assert (found.returncode, found.stdout) == (2, b"")
