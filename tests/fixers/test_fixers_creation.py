"""Missing files made: mode, owner, parents, time, and never over something that exists."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest
from fixing import IS_ROOT, NOBODY, do, names

from supervisor_healer.fixers.phrases import line

MTIME = 1_700_000_000_123_456_789


@pytest.fixture(autouse=True)
def plain_umask() -> object:
    old = os.umask(0o022)
    yield
    os.umask(old)


def test_a_file_is_made_with_its_parents_mode_and_time(tmp_path: Path) -> None:
    answer = do("create", tmp_path, "a/b/weights.json", text='{"é": 1}\n', mode=0o604, mtime_ns=MTIME)
    path = tmp_path / "a" / "b" / "weights.json"
    status = path.stat()
    assert (answer["outcome"], answer["said"], answer["state"], answer["problems"]) == (
        "done",
        ["created"],
        "valid",
        [],
    )
    assert path.read_text("utf-8") == '{"é": 1}\n'
    assert answer["digest"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert answer["fingerprint"] == [MTIME, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev]
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns, status.st_nlink) == (0o604, MTIME, 1)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755
    assert names(path.parent) == ["weights.json"]


def test_without_a_mode_the_umask_decides(tmp_path: Path) -> None:
    os.umask(0o027)
    do("create", tmp_path, "a/x")
    assert stat.S_IMODE((tmp_path / "a" / "x").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o750
    assert (tmp_path / "a" / "x").read_bytes() == b""


@pytest.mark.parametrize("content", [b"", b"mine"])
def test_what_exists_is_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    before = (tmp_path / "x").stat()
    answer = do("create", tmp_path, "x", text="other")
    assert (answer["outcome"], answer["said"], answer["state"]) == ("unneeded", ["it exists already"], "valid")
    assert (tmp_path / "x").stat() == before
    assert (tmp_path / "x").read_bytes() == content


def test_what_appears_in_the_meantime_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.link

    def slow_link(*arguments: object, **more: object) -> None:
        (tmp_path / "x").write_bytes(b"mine")
        real(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "link", slow_link)
    assert do("create", tmp_path, "x", text="other")["outcome"] == "unneeded"
    assert (tmp_path / "x").read_bytes() == b"mine"
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_file_systems_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def no_link(*arguments: object, **more: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", no_link)
    assert do("create", tmp_path, "x", text="new", mode=0o640)["outcome"] == "done"
    assert (tmp_path / "x").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640
    assert do("create", tmp_path, "x", text="other")["outcome"] == "unneeded"
    assert names(tmp_path) == ["x"]


def test_a_copy_is_a_copy_at_this_moment(tmp_path: Path) -> None:
    (tmp_path / "template").write_bytes(b"\xff\x00")
    answer = do("create", tmp_path, "x", copy_of="template")
    assert answer["said"] == ["created as a copy of template"]
    assert (tmp_path / "x").read_bytes() == b"\xff\x00"


def test_a_copy_of_what_a_link_leads_to(tmp_path: Path) -> None:
    """Whoever may write in the root must not have the healer publish what only root may read."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root, outside):
        folder.mkdir()
        (folder / "secret").write_text("secret")
    (root / "out").symlink_to(outside / "secret")
    (root / "folder").symlink_to(outside)
    (root / "in").symlink_to("secret")
    (outside / "link").symlink_to("secret")
    (tmp_path / "linked").symlink_to(outside)
    for copy_of, why in (
        ("out", f"it leads to {outside / 'secret'}, outside of the root"),
        ("folder/secret", f"it leads to {outside / 'secret'}, outside of the root"),
        (str(root / "out"), f"it leads to {outside / 'secret'}, outside of the root"),
        (str(outside / "link"), "it is a symbolic link (expected a file)"),
    ):
        answer = do("create", root, "a/x", copy_of=copy_of)
        assert (answer["outcome"], answer["said"]) == (
            "failed", [line(f"{copy_of}, of which it should be a copy: {why}")],
        )  # fmt: skip
        assert not (root / "a").exists()
    for number, copy_of in enumerate(("in", str(outside / "secret"), str(tmp_path / "linked/secret"))):
        assert do("create", root, f"x{number}", copy_of=copy_of)["outcome"] == "done"
        assert (root / f"x{number}").read_text() == "secret"


@pytest.mark.parametrize(
    ("source", "mode", "expected"),
    [(0o644, None, 0o644), (0o600, None, 0o600), (0o777, None, 0o644), (0o640, 0o604, 0o600), (0o660, 0o640, 0o640)],
)
def test_nobody_may_do_more_with_a_copy_than_with_its_source(
    tmp_path: Path, source: int, mode: int | None, expected: int
) -> None:
    (tmp_path / "template").touch()
    (tmp_path / "template").chmod(source)
    assert do("create", tmp_path, "x", copy_of="template", mode=mode)["outcome"] == "done"
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == expected


def test_what_cannot_be_copied_makes_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 10_000_001)
    for source, why in (
        ("nowhere", "is missing"),
        ("fifo", "it is a FIFO (expected a file)"),
        ("large", "it is too large: 10,000,001 bytes (at most 10,000,000)"),
    ):
        answer = do("create", tmp_path, "a/x", copy_of=source)
        assert (answer["outcome"], answer["state"]) == ("failed", "missing")
        assert answer["said"] == [f"{source}, of which it should be a copy: {why}"]
    assert names(tmp_path) == ["fifo", "large"]


@pytest.mark.parametrize("owner", ["no-such-user", ":no-such-group", "root:no-such-group"])
def test_an_unknown_owner_makes_no_file(tmp_path: Path, owner: str) -> None:
    answer = do("create", tmp_path, "a/x", owner=owner)
    assert answer["outcome"] == "failed"
    assert "no-such-" in answer["said"][0]
    assert names(tmp_path) == []


@pytest.mark.skipif(not IS_ROOT, reason="only root may give files away")
@pytest.mark.parametrize(
    ("owner", "uid", "gid"), [("65534", NOBODY, 0), (":65534", 0, NOBODY), ("65534:65534", NOBODY, NOBODY)]
)
def test_the_owner_gets_the_file_and_the_folders_made_for_it(tmp_path: Path, owner: str, uid: int, gid: int) -> None:
    assert do("create", tmp_path, "a/b/x", owner=owner)["outcome"] == "done"
    for path in ("a", "a/b", "a/b/x"):
        status = (tmp_path / path).stat()
        assert (status.st_uid, status.st_gid) == (uid, gid)
    assert tmp_path.stat().st_uid == 0


def test_folders_are_made_only_below_the_root(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    answer = do("create", root, str(outside / "x"))
    assert answer["said"] == [line(f"its folder {outside} is not there, and folders are made only below the root")]
    assert (answer["outcome"], answer["state"]) == ("failed", "missing")
    outside.mkdir()
    assert do("create", root, str(outside / "x"))["outcome"] == "done"
    (root / "logs").symlink_to(outside)
    answer = do("create", root, "logs/y")
    assert answer["said"] == [line(f"it leads to {outside / 'y'}, outside of the root")]
    assert names(outside) == ["x"]
    assert do("create", tmp_path / "gone", "a/x")["said"] == [line(f"the root {tmp_path / 'gone'} is not there")]


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    answer = do("create", tmp_path, "a/b/x")
    assert (answer["outcome"], answer["state"]) == ("failed", "unreadable")
    assert answer["problems"] == ["Not a directory"]
