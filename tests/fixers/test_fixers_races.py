"""Somebody who may write in the root swaps folders for links while the healer, who may write everywhere, is at work."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from fakes.swapping import swapped
from fixing import BROKEN, IS_ROOT, NOBODY, REPAIRED, do, names

OLD_BACKUP = "policies.json.20260101T000000Z.bak"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a folder `sub`, and `link`, which leads to the same files outside of it."""
    root = tmp_path / "root"
    for folder in (root / "sub", tmp_path / "outside"):
        folder.mkdir(parents=True)
        (folder / "policies.json").write_bytes(BROKEN)
        (folder / OLD_BACKUP).write_bytes(REPAIRED)
        (folder / ".policies.json.healer-4194399-0123abcd.tmp").write_bytes(b"of a healer that is no more")
        (folder / "secret").write_text(folder.name)
    (root / "link").symlink_to(tmp_path / "outside")
    return root


def state(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        found[path.name] = (status.st_ino, status.st_ctime_ns, status.st_uid, path.read_bytes())
    return found


@pytest.mark.parametrize("verb", ["create", "repair", "restore"])
def test_nothing_outside_ever_changes(root: Path, tmp_path: Path, verb: str) -> None:
    outside = tmp_path / "outside"
    before = state(outside)
    outcomes = Counter[str]()
    owner = str(NOBODY) if IS_ROOT else ""
    sub = os.open(root / "sub", os.O_RDONLY)  # wherever its name leads
    with swapped(root / "sub", root / "link"):
        for number in range(400):
            path = f"sub/deep/er{number}/x" if verb == "create" else "sub/policies.json"
            outcomes[do(verb, root, path, text="made", owner=owner if verb == "create" else "", keep=3)["outcome"]] += 1
            with os.fdopen(os.open("new", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=sub), "wb") as file:
                file.write(BROKEN + b" " * number)
            os.rename("new", "policies.json", src_dir_fd=sub, dst_dir_fd=sub)
    os.close(sub)
    assert state(outside) == before
    assert outcomes["failed"] + outcomes["changed"] > 0, outcomes
    assert outcomes["done"] > 0, outcomes


def test_a_copy_is_never_of_what_lies_outside(root: Path) -> None:
    outcomes = Counter[str]()
    with swapped(root / "sub", root / "link"):
        for number in range(400):
            answer = do("create", root, f"x{number}", copy_of="sub/secret")
            outcomes[answer["outcome"]] += 1
            if answer["outcome"] == "done":
                assert (root / f"x{number}").read_text() == "sub"
    assert outcomes["failed"] > 0
    assert outcomes["done"] > 0


def test_links_inside_the_root_may_be_on_the_way(root: Path) -> None:
    (root / "current").symlink_to("sub")
    assert do("repair", root, "current/policies.json")["outcome"] == "done"
    assert do("create", root, "current/new/x")["outcome"] == "done"
    assert (root / "sub/policies.json").read_bytes() == REPAIRED
    assert names(root / "sub/new") == ["x"]


@pytest.mark.skipif(not IS_ROOT, reason="only root may give folders away")
def test_a_folder_that_takes_the_place_of_one_just_made_is_not_given_away(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = root / "private"
    private.mkdir(0o700)
    (private / "secret").touch()
    real = os.mkdir

    def mkdir(name: str, mode: int, *, dir_fd: int) -> None:
        real(name, mode, dir_fd=dir_fd)
        os.rmdir(name, dir_fd=dir_fd)
        os.rename(private, name, dst_dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", mkdir)
    answer = do("create", root, "a/x", owner=str(NOBODY))
    assert answer["said"] == ["the folder a that was made for it was replaced meanwhile"]
    assert (root / "a").stat().st_uid == 0
