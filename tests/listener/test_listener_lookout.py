"""Looks that hang: simulated by a look that waits, and on a real mount that nobody answers for."""

from __future__ import annotations

import ctypes
import json
import os
import re
import sys
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dead_mount
import pytest
from waiting import until

from supervisor_healer.core.model import Seen
from supervisor_healer.listener import lookout as module
from supervisor_healer.listener import probes
from supervisor_healer.listener.lookout import Lookout
from supervisor_healer.words import render

PATIENCE = 0.1
SOON = 5.0  # seconds; far above the patience, for busy machines


class Sea:
    """`probes.look`, but that some paths hang until they are released."""

    def __init__(self) -> None:
        self.hanging: dict[str, threading.Event] = {}
        self.looks: list[str] = []

    def hang(self, *paths: str) -> None:
        for path in paths:
            self.hanging[path] = threading.Event()

    def release(self) -> None:
        for event in self.hanging.values():
            event.set()
        self.hanging = {}

    def __call__(self, root: str, paths: Iterable[str], grounds: Collection[str] = ()) -> dict[str, Seen]:
        seen = {}
        for path in paths:
            self.looks.append(path)
            if path in self.hanging:
                self.hanging[path].wait(60)
            seen.update(probes.look(root, (path,), grounds))
        return seen


@pytest.fixture
def sea() -> Iterator[Sea]:
    sea = Sea()
    yield sea
    sea.release()
    until(lambda: threads() == 0)


@pytest.fixture
def lookout(sea: Sea, tmp_path: Path) -> Iterator[Lookout]:
    for name in ("a/x", "a/y", "b/x", "c/x", "z"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (7, 7))
    lookout = Lookout(str(tmp_path), PATIENCE, sea)
    yield lookout
    lookout.close()


def threads() -> int:
    return sum(thread.name == "lookout" for thread in threading.enumerate())


def test_no_other_test_leaves_a_thread_behind() -> None:
    until(lambda: threads() == 0, "the end of the threads of other tests' lookouts")


@contextmanager
def quickly() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < SOON


def said(seen: Seen) -> str:
    return re.sub(r"for [0-9.]+s$", "for N", render(seen.problem, time.monotonic()))


IT_HANGS = "does not answer: a look at it has hung for N"
A_X_HANGS = "does not answer: a look at a/x has hung for N"


# --- nothing hangs -------------------------------------------------------------------------------------------


def test_as_a_direct_look(tmp_path: Path, lookout: Lookout) -> None:
    paths = ["a/x", "a/*", str(tmp_path / "b/x"), "gone", "a", "nul\0", "z"]
    for grounds in ((), {"a/x", "gone"}):
        assert lookout.look(paths, grounds) == probes.look(str(tmp_path), paths, grounds)
    assert lookout.look([]) == {}
    assert lookout.hung == ()
    assert threads() == 1


def test_another_root(tmp_path: Path, lookout: Lookout) -> None:
    lookout.root = str(tmp_path / "a")
    assert lookout.look(["y"]) == {"y": Seen(7.0)}
    assert lookout.fingerprints(["y"])["y"][2] == 0


def test_fingerprints(tmp_path: Path, lookout: Lookout) -> None:
    before = lookout.fingerprints(["z", "gone", str(tmp_path / "z"), "nul\0"])
    found = (tmp_path / "z").stat()
    assert before["z"] == (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev)
    assert before == {"z": before["z"], "gone": (), str(tmp_path / "z"): before["z"], "nul\0": ()}
    (tmp_path / "new").touch()
    os.utime(tmp_path / "new", (7, 7))
    (tmp_path / "new").rename(tmp_path / "z")  # the same length and age
    assert lookout.fingerprints(["z"])["z"] != before["z"]


def test_a_bug_in_a_look_is_the_callers(tmp_path: Path) -> None:
    def look(root: str, paths: Iterable[str], grounds: Collection[str] = ()) -> dict[str, Seen]:
        if "bad" in paths:
            raise MemoryError("of this look")
        return probes.look(root, paths, grounds)

    lookout = Lookout(str(tmp_path), look=look)
    for _ in range(3):
        with pytest.raises(MemoryError, match="of this look"):
            lookout.look(["good", "bad"])
        assert lookout.look(["good"]) == {"good": Seen()}
    lookout.close()
    until(lambda: threads() == 0)


def test_no_more_threads(monkeypatch: pytest.MonkeyPatch, lookout: Lookout) -> None:
    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        assert lookout.look(["a/x"]) == {"a/x": Seen(problem="cannot be looked at: can't start new thread")}
        assert lookout.fingerprints(["a/x"]) == {}
    assert lookout.look(["a/x"]) == {"a/x": Seen(7.0)}


# --- something hangs -----------------------------------------------------------------------------------------


def test_one_path_hangs_and_the_others_are_answered(sea: Sea, lookout: Lookout) -> None:
    sea.hang("a/x")
    before = time.monotonic()
    with quickly():
        seen = lookout.look(["z", "a/x", "a/y", "a/*", "b/x"])
    assert said(seen["a/x"]) == IT_HANGS
    assert said(seen["a/y"]) == said(seen["a/*"]) == A_X_HANGS
    assert seen["z"] == seen["b/x"] == Seen(7.0)
    ((path, since),) = lookout.hung
    assert path == "a/x"
    assert before <= since <= time.monotonic()
    assert seen["a/x"].mtime is None


def test_while_it_hangs_nobody_else_is_sent_there(sea: Sea, lookout: Lookout) -> None:
    sea.hang("a/x")
    first = lookout.look(["a/x"])
    sea.looks.clear()
    for _ in range(50):
        assert lookout.look(["a/x"]) == first  # the same text, as long as nothing changes
        assert said(lookout.look(["a/y"])["a/y"]) == A_X_HANGS
        assert lookout.look(["b/x"]) == {"b/x": Seen(7.0)}
        assert lookout.fingerprints(["a/x", "a/y"]) == {}
        assert lookout.fingerprints(["a/x", "gone"]) == {"gone": ()}
    assert set(sea.looks) == {"b/x"}
    assert threads() == 2


def test_a_pattern_that_hangs_stands_for_patterns_only(sea: Sea, lookout: Lookout) -> None:
    sea.hang("a/*")
    seen = lookout.look(["a/*", "a/x*", "a/x", "b/*"])
    assert said(seen["a/*"]) == IT_HANGS
    assert said(seen["a/x*"]) == "does not answer: a look at a/* has hung for N"
    assert seen["a/x"] == seen["b/*"] == Seen(7.0)


def test_it_comes_back(sea: Sea, lookout: Lookout) -> None:
    sea.hang("a/x")
    lookout.look(["a/x", "b/x"])
    sea.release()
    until(lambda: lookout.hung == ())
    assert lookout.look(["a/x", "a/y"]) == {"a/x": Seen(7.0), "a/y": Seen(7.0)}
    until(lambda: threads() == 1)


def test_several_folders_hang_and_each_has_one_thread(sea: Sea, lookout: Lookout) -> None:
    sea.hang("a/x", "a/y", "b/x", "c/*.json")
    with quickly():
        for _ in range(20):
            seen = lookout.look(["a/x", "a/y", "b/x", "c/*.json", "c/x", "z"])
            assert said(seen["a/x"]) == said(seen["b/x"]) == said(seen["c/*.json"]) == IT_HANGS
            assert seen["c/x"] == seen["z"] == Seen(7.0)
    assert [path for path, _ in lookout.hung] == ["a/x", "b/x", "c/*.json"]
    assert threads() == 4


def test_what_is_slow_and_answers_gets_more_time(sea: Sea, lookout: Lookout) -> None:
    sea.hang("a/x")
    assert said(lookout.look(["a/x"])["a/x"]) == IT_HANGS
    sea.release()
    until(lambda: lookout.hung == ())
    sea.hang("a/x")
    slow = threading.Timer(1.3 * PATIENCE, sea.release)
    slow.start()
    assert lookout.look(["a/x"]) == {"a/x": Seen(7.0)}
    slow.join()


def test_a_listener_that_was_frozen_does_not_blame_the_disk(
    monkeypatch: pytest.MonkeyPatch, sea: Sea, lookout: Lookout
) -> None:
    sea.hang("z")
    clock = [0.0]

    def jump() -> None:
        until(lambda: "z" in sea.looks)
        clock[0] = 1000.0  # both threads have slept through this
        sea.release()

    monkeypatch.setattr("supervisor_healer.listener.lookout.time.monotonic", lambda: clock[0])
    waker = threading.Thread(target=jump)
    waker.start()
    assert lookout.look(["z"]) == {"z": Seen(7.0)}
    waker.join()


# --- mounts --------------------------------------------------------------------------------------------------


@pytest.fixture
def mounts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[threading.Event]:
    """As if `a b` and its parent were mounts; the former does not answer until the event is set."""
    table = tmp_path / "mountinfo"
    place = str(tmp_path / "a b").replace(" ", "\\040")
    table.write_text(f"1 0 0:1 / / rw - x x rw\n2 1 0:2 / {place} rw - x x rw\n3 1 0:3 / {tmp_path} rw - x x rw\nodd\n")
    monkeypatch.setattr(module, "_MOUNTS", str(table))
    answers = threading.Event()
    monkeypatch.setattr(module, "_ask", lambda mount: mount.endswith("a b") and answers.wait(60))
    for name in ("a b/1/x", "a b/2/x", "a bc/x", "a b/2/3/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (7, 7))
    yield answers
    answers.set()


def test_a_mount_that_does_not_answer(mounts: threading.Event, sea: Sea, lookout: Lookout) -> None:
    sea.hang("a b/1/x", "a b/2/x", "a b/*/x")
    below = ["a b/1/x", "a b/2/x", "a b/2/3/x", "a b/*/x", "a b/z*"]
    for _ in range(20):
        seen = lookout.look([*below, "a bc/x", "z"])
        assert [said(seen[path]) for path in below] == [
            IT_HANGS,
            *["does not answer: a look at a b/1/x has hung for N"] * 4,
        ]
        assert seen["a bc/x"] == seen["z"] == Seen(7.0)
    assert len(lookout.hung) == 1
    assert threads() == 3  # at the path, at the mount point, and the one that is kept
    sea.release()
    mounts.set()
    until(lambda: lookout.hung == ())
    assert set(lookout.look(below[:4]).values()) == {Seen(7.0)}
    until(lambda: threads() == 1)


def test_mounts_that_cannot_be_known(monkeypatch: pytest.MonkeyPatch, sea: Sea, lookout: Lookout) -> None:
    monkeypatch.setattr(module, "_MOUNTS", "/proc/none/such")
    sea.hang("a/x")
    seen = lookout.look(["a/x", "a/y", "b/x"])
    assert seen["b/x"] == Seen(7.0)
    assert [said(seen[path]) for path in ("a/x", "a/y")] == [IT_HANGS, A_X_HANGS]
    assert threads() == 2


DEAD_MOUNT = """
import json, os, sys, threading, time
import dead_mount
from waiting import until
from supervisor_healer.listener.lookout import Lookout

folder = sys.argv[1]
fuse = dead_mount.mount(folder + "/dead")
for link in ("alive/link", "alive/folder/link"):
    os.symlink(folder + "/dead/sub", f"{folder}/{link}")

lookout = Lookout(folder)
paths = ["alive/x", "dead/a", "dead/sub/b", "dead/*", "alive/link/x", "alive/link/y", "alive/*/z", "alive/y"]
answers = []
for _ in range(3):
    began = time.monotonic()
    seen = lookout.look(paths, {"dead/sub/b", "alive/y"})
    answers.append({path: [one.mtime, one.problem] for path, one in seen.items()})
    took = time.monotonic() - began
    answers[-1]["took"] = took
    answers[-1]["threads"] = threading.active_count()
answers.append(lookout.fingerprints(["dead/a", "alive/x"]))
answers.append(lookout.hung)
os.close(fuse)  # the end of the connection: every request fails
until(lambda: not lookout.hung, "the mount is gone")
answers.append(lookout.hung)
answers.append({path: one.problem for path, one in lookout.look(["dead/a", "alive/x"]).items()})
print(json.dumps(answers))
"""


def test_a_mount_that_nobody_answers_for(tmp_path: Path) -> None:
    """A real one: FUSE without its other end, in a mount namespace that ends with the process."""
    (tmp_path / "dead").mkdir()
    (tmp_path / "alive/folder").mkdir(parents=True)
    for name in ("x", "y", "folder/z"):
        (tmp_path / "alive" / name).touch()
        os.utime(tmp_path / "alive" / name, (7, 7))
    *looks, prints, hung, after, back = json.loads(dead_mount.run(DEAD_MOUNT, str(tmp_path)))
    for look in looks:
        assert look["alive/x"] == look["alive/y"] == [7.0, ""]
        for path in ("dead/a", "dead/sub/b", "dead/*", "alive/link/x", "alive/link/y", "alive/*/z"):
            assert "does not answer" in look[path][1], path
        assert look["took"] < SOON
    assert looks[1]["threads"] == looks[2]["threads"] <= 7
    assert list(prints) == ["alive/x"]
    assert [path for path, _ in hung if path.startswith("dead")] == ["dead/a"]
    assert after == []
    assert back == {"dead/a": "Transport endpoint is not connected", "alive/x": ""}


# --- the ground ----------------------------------------------------------------------------------------------

LIBC = ctypes.CDLL(None, use_errno=True)
READ_ONLY, REMOUNT, DETACH = 1, 32, 2


@contextmanager
def tmpfs(place: Path, options: str) -> Iterator[None]:
    place.mkdir(exist_ok=True)
    if sys.platform != "linux" or LIBC.mount(b"small", bytes(place), b"tmpfs", 0, options.encode()):
        pytest.skip("needs the right to mount")
    try:
        yield
    finally:
        LIBC.umount2(bytes(place), DETACH)


def ground(root: Path, path: str) -> str | None:
    assert not probes.look(str(root), [path])[path].ground  # not asked for
    return probes.look(str(root), [path], {path})[path].ground


def test_firm_ground(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    os.symlink("gone", tmp_path / "link")
    for path in (
        "x",
        "gone",
        "gone/too/x",
        "x/below",
        "link",
        ".",
        "x*",
        "gone/*",
        "/proc/self/x",
        "nul\0",
        "/",
        "n" * 300,
    ):
        assert ground(tmp_path, path) == "", path


@pytest.mark.parametrize("path", ["m/x", "m/gone", "m/gone/too/x", "m/*", "m/gone/*.json", "m"])
def test_a_full_disk(tmp_path: Path, path: str) -> None:
    with tmpfs(tmp_path / "m", "size=64k"):
        (tmp_path / "m/x").touch()
        assert ground(tmp_path, path) == ""
        (tmp_path / "m/fill").write_bytes(b"x" * 65536)
        assert ground(tmp_path, path) == "the disk is full (0 KB free)"
        assert probes.look(str(tmp_path), ["m/x"], {"m/x"})["m/x"].mtime is not None


def test_a_large_disk_with_little_room(tmp_path: Path) -> None:
    """A thousandth of 64 MB is 65 KB; and of a terabyte a megabyte would be the bound."""
    with tmpfs(tmp_path / "m", "size=64m"):
        (tmp_path / "m/fill").write_bytes(b"x" * (65536 - 68) * 1024)
        assert ground(tmp_path, "m/x") == ""
        (tmp_path / "m/more").write_bytes(b"x" * 8 * 1024)
        assert ground(tmp_path, "m/x") == "the disk is full (60 KB free)"


def test_no_inodes(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "m", "size=8m,nr_inodes=2"):
        assert ground(tmp_path, "m/x") == ""
        (tmp_path / "m/only").touch()
        assert ground(tmp_path, "m/x") == "no free inodes"


def test_a_read_only_file_system(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "m", "size=8m"):
        (tmp_path / "m/x").touch()
        assert not LIBC.mount(b"small", bytes(tmp_path / "m"), b"tmpfs", REMOUNT | READ_ONLY, b"")
        for path in ("m/x", "m/gone/x", "m/*"):
            assert ground(tmp_path, path) == "the file system is read-only"


def test_another_root_does_not_hang_because_the_one_before_does(tmp_path: Path) -> None:
    dead, alive, released = str(tmp_path / "dead"), tmp_path / "alive", threading.Event()
    alive.mkdir()
    (alive / "x").touch()
    os.utime(alive / "x", (7, 7))

    def look(root: str, paths: Iterable[str], grounds: Collection[str] = ()) -> dict[str, Seen]:
        if root == dead:
            released.wait(60)
        return probes.look(root, paths, grounds)

    lookout = Lookout(dead, 0.1, look)
    try:
        assert "does not answer" in lookout.look(["x"])["x"].problem
        lookout.root = str(alive)
        assert lookout.look(["x"]) == {"x": Seen(7.0)}
    finally:
        released.set()
        lookout.close()
