"""Disks that are full, read-only or not ours, and other people at the same file."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixing import BROKEN, IS_ROOT, NOBODY, REPAIRED, backups, child, do, job, names, small_tmpfs

from supervisor_healer.fixers.folder import Folder
from supervisor_healer.fixers.jobs import Answer

root_only = pytest.mark.skipif(not IS_ROOT, reason="only root may mount and give files away")

AS_NOBODY = f"""
import os
import supervisor_healer.fixers.__main__, supervisor_healer.fixers.defaults, supervisor_healer.fixers.json_text
if os.geteuid() == 0:
    os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
"""


def grown(content: bytes, size: int) -> bytes:
    """`content` with an unknown field that makes it this large."""
    return content.replace(b"3", b'"' + b"x" * size + b'"', 1)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own may be closed to others."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def as_nobody(verb: str, root: Path, path: str = "policies.json", **more: Any) -> Answer:
    (answer,), status, stderr = child([job(verb, root, path, **more)], before=AS_NOBODY)
    assert (status, stderr) == (0, "")
    assert "a bug in the healer" not in json.dumps(answer)
    return answer


def untouched(folder: Path, content: bytes = BROKEN) -> bool:
    return names(folder) == ["policies.json"] and (folder / "policies.json").read_bytes() == content


# --- no space ------------------------------------------------------------------------------------------------


@root_only
def test_a_disk_that_is_full_at_any_moment(tmp_path: Path) -> None:
    content, outcomes = grown(BROKEN, 7000), []
    with small_tmpfs(tmp_path / "disk") as disk:
        filler = disk / "filler"
        for pages in range(16, -1, -1):  # that many pages of 4 KiB are taken by others
            filler.unlink(missing_ok=True)
            for path in disk.iterdir():
                path.unlink()
            (disk / "policies.json").write_bytes(content)
            try:
                filler.write_bytes(bytes(4096 * pages))
            except OSError:
                continue
            answer = do("repair", disk)
            filler.unlink()
            outcomes.append(answer["outcome"])
            if answer["outcome"] == "failed":
                assert answer["said"] == ["No space left on device: policies.json"]
                assert answer["repairs"] == ["add long_ofi_requirement = 0.5"]
                assert untouched(disk, content)
            else:
                assert (disk / "policies.json").read_bytes() == grown(REPAIRED, 7000)
                assert [path.read_bytes() for path in backups(disk)] == [content]
    assert outcomes.count("failed") >= 3
    assert outcomes[-1] == "done"


@root_only
def test_a_full_disk_makes_no_files_and_no_folders(tmp_path: Path) -> None:
    with small_tmpfs(tmp_path / "disk") as disk:
        answer = do("create", disk, "a/b/x", text="x" * 100_000)
        assert (answer["outcome"], answer["said"]) == ("failed", ["No space left on device: a/b/x"])
        assert names(disk) == []
        (disk / "policies.json").write_bytes(BROKEN)
        (disk / "policies.json.20260101T000000Z.bak").write_bytes(grown(BROKEN, 40_000))
        answer = do("restore", disk)
        assert answer["said"] == ["No space left on device: policies.json"]
        assert (disk / "policies.json").read_bytes() == BROKEN
        assert len(names(disk)) == 2


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    content = grown(BROKEN, 4090 - len(BROKEN))  # it fits, the repaired one does not
    (tmp_path / "policies.json").write_bytes(content)
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, {resource.RLIM_INFINITY}))"
    (answer,), *_ = child([job("repair", tmp_path)], before=limit)
    assert (answer["outcome"], answer["said"]) == ("failed", ["File too large: policies.json"])
    assert untouched(tmp_path, content)


@pytest.mark.parametrize("call", ["open", "write", "fsync", "rename", "link", "fchmod", "fchown", "listdir"])
@pytest.mark.parametrize("code", [errno.EIO, errno.EDQUOT, errno.ESTALE])
def test_any_call_that_fails_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    """The n-th call of each kind fails, for every n that a repair comes to."""
    do("check", tmp_path, create=True)  # what is imported late reads folders, too
    real = getattr(os, call)
    for number in range(1, 30):
        (tmp_path / "policies.json").write_bytes(BROKEN)
        left = number

        def failing(*arguments: Any, **more: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                raise OSError(code, os.strerror(code))
            return real(*arguments, **more)

        with monkeypatch.context() as patch:
            patch.setattr(os, call, failing)
            answer = do("repair", tmp_path)
        if left > 0:
            assert answer["outcome"] == "done"
            break
        if answer["outcome"] == "done":  # only what comes after the rename
            assert answer["said"][1:] in ([], [f"afterwards: {os.strerror(code)}: policies.json"])
            assert (tmp_path / "policies.json").read_bytes() == REPAIRED
            for path in backups(tmp_path):
                path.unlink()
        else:
            assert answer["outcome"] in ("failed", "changed")
            assert untouched(tmp_path), (number, answer)
    else:
        pytest.fail("a repair that never ends")


# --- not ours ------------------------------------------------------------------------------------------------


@root_only
def test_a_read_only_file_system(tmp_path: Path) -> None:
    with small_tmpfs(tmp_path / "disk") as disk:
        (disk / "policies.json").write_bytes(BROKEN)
        (disk / "policies.json.20260101T000000Z.bak").write_bytes(REPAIRED)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for verb, path in (
            ("repair", "policies.json"),
            ("restore", "policies.json"),
            ("create", "x"),
            ("create", "a/x"),
        ):
            answer = do(verb, disk, path)
            assert answer["outcome"] == "failed"
            assert answer["said"] == [f"Read-only file system: {path}"]
        assert do("check", disk)["state"] == "invalid"


def test_a_folder_that_may_not_be_written(shared: Path) -> None:
    (shared / "policies.json").write_bytes(BROKEN)
    (shared / "policies.json").chmod(0o644)
    shared.chmod(0o555)
    for verb, path in (("repair", "policies.json"), ("create", "x"), ("create", "a/x")):
        answer = as_nobody(verb, shared, path)
        assert answer["outcome"] == "failed"
        assert answer["said"] == [f"Permission denied: {path}"]
    shared.chmod(0o755)
    assert untouched(shared)


def test_a_file_that_may_not_be_read(shared: Path) -> None:
    (shared / "policies.json").write_bytes(BROKEN)
    (shared / "policies.json").chmod(0)
    for verb in ("check", "repair", "create"):
        answer = as_nobody(verb, shared)
        assert (answer["state"], answer["problems"]) == ("unreadable", ["Permission denied"])
        assert answer["outcome"] == ("" if verb == "check" else "failed")
    assert names(shared) == ["policies.json"]


def test_a_folder_that_may_not_be_entered(shared: Path) -> None:
    (shared / "a").mkdir()
    (shared / "a" / "policies.json").write_bytes(BROKEN)
    (shared / "a").chmod(0)
    for verb in ("check", "repair", "create", "restore"):
        answer = as_nobody(verb, shared, "a/policies.json", create=True)
        assert (answer["state"], answer["problems"]) == ("unreadable", ["Permission denied"])
        assert answer["outcome"] == ("" if verb == "check" else "failed")
    (shared / "a").chmod(0o755)


def test_an_unprivileged_healer_repairs_what_is_its_own(shared: Path) -> None:
    (shared / "policies.json").write_bytes(BROKEN)
    if IS_ROOT:
        os.chown(shared / "policies.json", NOBODY, NOBODY)
    shared.chmod(0o777)
    assert as_nobody("repair", shared)["outcome"] == "done"
    assert as_nobody("restore", shared)["outcome"] == "done"
    assert as_nobody("create", shared, "a/b", mode=0o600)["outcome"] == "done"
    if IS_ROOT:
        assert {path.stat().st_uid for path in shared.rglob("*")} == {NOBODY}


@root_only
@pytest.mark.parametrize(("uid", "gid", "who"), [(0, NOBODY, "user root"), (NOBODY, 0, "user ")])
def test_a_file_whose_owner_would_change_is_left_alone(shared: Path, uid: int, gid: int, who: str) -> None:
    (shared / "policies.json").write_bytes(BROKEN)
    (shared / "policies.json").chmod(0o644)
    os.chown(shared / "policies.json", uid, gid)
    shared.chmod(0o777)
    answer = as_nobody("repair", shared)
    assert answer["outcome"] == "failed"
    assert answer["said"][0].startswith(f"it could not belong to {who}")
    assert answer["said"][0].endswith(": Operation not permitted")
    assert untouched(shared)
    answer = as_nobody("create", shared, "a/x", owner="root")
    assert answer["said"] == ["it could not belong to user root: Operation not permitted"]
    assert untouched(shared)


# --- others at the same file ---------------------------------------------------------------------------------


def in_mid_repair(patch: pytest.MonkeyPatch, act: Any) -> None:
    """`act` happens when the repaired file lies ready."""
    real = Folder.write

    def write(folder: Folder, beside: str, content: bytes, attributes: Any) -> str:
        name = real(folder, beside, content, attributes)
        if content == REPAIRED:
            act()
        return name

    patch.setattr(Folder, "write", write)


@pytest.mark.parametrize("how", ["written", "replaced", "touched", "removed", "linked", "folder"])
def test_a_config_that_people_are_editing_is_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    folder, outside = tmp_path / "root", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    path = folder / "policies.json"
    path.write_bytes(BROKEN)
    (outside / "policies.json").write_bytes(BROKEN)

    def edit() -> None:
        if how == "written":
            path.write_bytes(BROKEN + b" ")
        elif how == "touched":
            path.chmod(0o600)
        elif how == "replaced":
            other = folder / "other"
            other.write_bytes(BROKEN)
            other.replace(path)
        elif how in ("removed", "linked"):
            path.unlink()
            if how == "linked":
                path.symlink_to(outside / "policies.json")
        else:
            folder.rename(tmp_path / "moved")
            folder.symlink_to(outside)

    in_mid_repair(monkeypatch, edit)
    answer = do("repair", folder)
    assert answer["outcome"] == "changed"
    expected = {"written": BROKEN + b" ", "removed": None}.get(how, BROKEN)
    assert (path.read_bytes() if path.exists() else None) == expected
    assert names(outside) == ["policies.json"]
    assert (outside / "policies.json").read_bytes() == BROKEN
    assert len(names(tmp_path / "moved" if how == "folder" else folder)) == (0 if how == "removed" else 1)


def test_a_digest_of_what_was_checked_before_a_link_took_its_place(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside.json"
    root.mkdir()
    (root / "policies.json").write_bytes(BROKEN)
    digest = do("check", root)["digest"]
    outside.write_bytes(BROKEN)
    (root / "policies.json").unlink()
    (root / "policies.json").symlink_to(outside)
    assert do("repair", root, digest=digest)["outcome"] == "failed"
    assert outside.read_bytes() == BROKEN


@pytest.mark.parametrize("locks", [True, False])
def test_two_healers_at_once(tmp_path: Path, locks: bool) -> None:
    """Each round both are told to repair the same config; the pipe lets neither know of the other."""
    no_locks = "" if locks else "import fcntl\ndef flock(*_): raise OSError(95, 'no locks here')\nfcntl.flock = flock\n"
    main = "import sys; from supervisor_healer.fixers.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-c", no_locks + main]
    line = json.dumps(job("repair", tmp_path)).encode() + b"\n"
    outcomes = []
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as one,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as two,
    ):
        for _ in range(40):
            for path in tmp_path.iterdir():
                path.unlink()
            (tmp_path / "policies.json").write_bytes(BROKEN)
            for healer in (one, two):
                assert healer.stdin is not None
                healer.stdin.write(line)
                healer.stdin.flush()
            answers = [json.loads(healer.stdout.readline()) for healer in (one, two) if healer.stdout]
            outcomes += [answer["outcome"] for answer in answers]
            assert "done" in outcomes[-2:]
            assert {"done", "unneeded", "changed"} >= set(outcomes[-2:]), answers
            assert (tmp_path / "policies.json").read_bytes() == REPAIRED
            assert {path.read_bytes() for path in backups(tmp_path)} == {BROKEN}
            assert not [name for name in names(tmp_path) if name.startswith(".")]
        for healer in (one, two):
            assert healer.stdin is not None
            healer.stdin.close()
    assert len(set(outcomes)) > 1
