"""The results file: its form, its size, and that it is there, whole, whatever happens to the disk and the healer."""

from __future__ import annotations

import copy
import ctypes
import importlib.resources
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fakes.swapping import swapped
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import until

from supervisor_healer.core.model import Mode
from supervisor_healer.core.report import Entry, Report
from supervisor_healer.listener import results as module
from supervisor_healer.listener.results import ResultsWriter, bounded
from supervisor_healer.listener.wire import rendered, wire_report
from supervisor_healer.words import ago

SCHEMA = json.loads((importlib.resources.files("supervisor_healer.listener") / "results-schema.json").read_text())
KINDS = ("worker", "file", "config", "consumer", "component", "healer")
LISTS = ("healed", "failed", "blocked", "warnings")
COUNTS = tuple(SCHEMA["properties"]["stats"]["required"])
LARGEST = 256 * 1024


def write(path: str, report: dict[str, Any], root: str = "/") -> None:
    module.write(path, report, root)


def check(report: object) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(report)


def entry(subject: str = "wa", **more: Any) -> dict[str, Any]:
    plain = {
        "kind": "worker",
        "message": "said",
        "critical": False,
        "action": "",
        "by": "",
        "blocked_by": [],
        "at": 5.0,
    }
    return {"subject": subject, **plain, **more}


def note(text: str = "said") -> dict[str, Any]:
    return {"at": 5.0, "subject": "wa", "event": "restart", "text": text}


def a_report(**more: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "timestamp": 1700000000.5,
        "since": 0.0,
        "duration": 0.25,
        "cause": "cycle",
        "mode": "heal",
        **{key: [] for key in LISTS},
        "left_out": {},
        "stats": dict.fromkeys(COUNTS, 0),
        "history": [],
        **more,
    }


def read(path: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(path.read_bytes())
    check(report)
    return report


# --- the form ------------------------------------------------------------------------------------------------


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for part in parts(SCHEMA):
        assert part.get("type") != "object" or part["additionalProperties"] is False
        assert all("description" in one for one in part.get("properties", {}).values())


def parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from parts(inner)


def test_the_healers_own_report(tmp_path: Path) -> None:
    entries = tuple(Entry("wa", kind, f"said {ago(1.0)}", True, "do", "site", ("wb", "x.json"), 7.0) for kind in KINDS)
    for mode in Mode:
        report = Report(
            9.0, 1.0, 0.5, "heal all", mode, entries, entries, entries, entries, tuple((n, 2) for n in COUNTS)
        )
        lines = [{"id": 1, "at": 3.0, "worker": "", "event": "journal", "text": "x", "evidence": ["y"]}]
        wire = rendered(wire_report(report, lines), 3.0)
        check(wire)
        write(str(tmp_path / "r.json"), wire)
        assert read(tmp_path / "r.json") == wire
        assert wire["failed"][0]["message"] == "said 2s"
    check(rendered(wire_report(Report(0.0, 0.0, 0.0, "", Mode.HEAL, stats=tuple((n, 0) for n in COUNTS)), []), 3.0))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"more": 1},
        {"mode": "sleep"},
        {"timestamp": "now"},
        {"healed": [{"subject": "x"}]},
        {"healed": [entry(kind="dog")]},
        {"healed": [entry(more=1)]},
        {"healed": [entry("x" * 501)]},
        {"healed": [entry()] * 201},
        {"history": [note()] * 101},
        {"stats": {}},
        {"left_out": {"history": 5}},
    ],
)
def test_another_form(change: dict[str, Any]) -> None:
    check(a_report())
    with pytest.raises(jsonschema.ValidationError):
        check(a_report(**change))


# --- the size ------------------------------------------------------------------------------------------------


def test_a_small_report_stays_as_it_is() -> None:
    report = a_report(**{key: [entry(), entry("x" * 500)] for key in LISTS}, history=[note()] * 100)
    assert bounded(report) == report


def test_long_lists() -> None:
    many = [entry(str(number)) for number in range(250)]
    report = a_report(**dict.fromkeys(LISTS, many), history=[note(str(number)) for number in range(250)])
    before = copy.deepcopy(report)
    result = bounded(report)
    check(result)
    assert report == before
    assert result["failed"] == many[:200][: len(result["failed"])]
    assert result["healed"] == many[-len(result["healed"]) :]
    assert result["left_out"] == {key: 250 - len(result[key]) for key in LISTS}
    assert result["history"][-1] == note("249")
    assert bounded(result) == result


def test_what_was_left_out_before_still_counts() -> None:
    report = bounded(a_report(warnings=[entry()] * 300, left_out={"warnings": 7, "failed": 1}))
    assert report["left_out"] == {"warnings": 107, "failed": 1}
    assert report["stats"] == a_report()["stats"]


def test_long_texts_are_cut_and_tokens_are_not() -> None:
    token = ago(12345.678)
    for before in range(470, 505):
        cut = bounded(a_report(cause="x" * before + token + "y" * 99))["cause"]
        assert len(cut) <= 500
        assert cut.endswith("...")
        assert cut.count("\x1f") % 2 == 0
        assert cut.replace(token, "").strip("xy") == "..."


@pytest.mark.parametrize("text", ["x", "\U0001f600", "\x00", "\udcff", '"', "\n"])
@pytest.mark.parametrize("number", [1, 25])
def test_the_worst(text: str, number: int, tmp_path: Path) -> None:
    long = text * 5000
    one = entry(long, message=long, action=long, by=long, blocked_by=[long] * number)
    report = a_report(**{key: [one] * 4 * number for key in LISTS}, history=[note(long)] * 2 * number)
    check(bounded(report))
    assert len(json.dumps(bounded(report))) < LARGEST
    write(str(tmp_path / "r.json"), report)
    assert (tmp_path / "r.json").stat().st_size < LARGEST
    assert read(tmp_path / "r.json") == bounded(report)


ENTRIES = st.builds(
    entry,
    st.text(max_size=20),
    message=st.text(max_size=20).map(lambda text: text * 40),
    kind=st.sampled_from(KINDS),
    at=st.floats(0, 1e10),
)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.sampled_from(LISTS), st.lists(ENTRIES, max_size=3)))
def test_whatever_is_reported(lists: dict[str, Any]) -> None:
    check(bounded(a_report(**{key: some * 100 for key, some in lists.items()})))


# --- the file ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o640), (0o077, 0o600), (0, 0o640)])
def test_a_new_file(tmp_path: Path, umask: int, mode: int) -> None:
    path = tmp_path / "a/b/results.json"
    mask = os.umask(umask)
    try:
        write(str(path), a_report(cause="ünï"))
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert "ünï" in path.read_text(encoding="utf-8")
    assert path.read_text(encoding="utf-8").endswith("}\n")
    assert os.listdir(path.parent) == ["results.json"]


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o444])
def test_the_mode_of_the_file_in_place(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "r.json"
    path.write_text("old")
    path.chmod(mode)
    write(str(path), a_report())
    assert stat.S_IMODE(path.stat().st_mode) == mode
    read(path)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (Path.mkdir, "a directory is in its place"),
        (os.mkfifo, "a FIFO is in its place"),
        (lambda path: path.symlink_to("/dev/null"), "a symbolic link is in its place"),
        (lambda path: path.symlink_to(path.name), "a symbolic link is in its place"),
        (lambda path: path.symlink_to("nothing"), "a symbolic link is in its place"),
    ],
)
@pytest.mark.parametrize("inside", [True, False])
def test_something_else_in_its_place(make: Callable[[Path], None], why: str, tmp_path: Path, inside: bool) -> None:
    path = tmp_path / "r.json"
    make(path)
    before = os.lstat(path)
    with pytest.raises(OSError, match=why):
        write(str(path), a_report(), "/" if inside else "/proc")
    assert os.lstat(path).st_ino == before.st_ino
    assert os.listdir(tmp_path) == ["r.json"]


def test_a_link_to_somebody_elses_file_is_not_followed(tmp_path: Path) -> None:
    """Whoever may write in the folder of the results could have any file of the system overwritten, or one made."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path = tmp_path / "data" / "r.json"
    path.parent.mkdir()
    for target in (victim, tmp_path / "made-by-root"):
        path.symlink_to(target)
        with pytest.raises(OSError, match="a symbolic link is in its place"):
            write(str(path), a_report(), str(tmp_path / "data"))
        path.unlink()
    assert victim.read_text() == "precious"
    assert sorted(os.listdir(tmp_path)) == ["data", "victim"]


def test_links_among_its_folders_may_not_lead_out_of_the_root(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "disk1").mkdir(parents=True)
    outside.mkdir()
    (tmp_path / "current").symlink_to(root)
    (root / "var").symlink_to("disk1")
    write(str(tmp_path / "current/var/deep/r.json"), a_report(), str(tmp_path / "current"))  # both stay inside
    read(root / "disk1/deep/r.json")
    assert (root / "var").is_symlink()
    for target in (outside, outside / "new"):
        (root / "var").unlink()
        (root / "var").symlink_to(target)
        with pytest.raises(OSError, match=rf"its folder leads to {target}/deep, outside of the root"):
            write(str(root / "var/deep/r.json"), a_report(), str(root))
    assert os.listdir(outside) == []
    # a path that leads out by its own words is the author's own, but for the file itself
    (tmp_path / "elsewhere").symlink_to(outside)
    write(str(tmp_path / "elsewhere/r.json"), a_report(), str(root))
    read(outside / "r.json")


def test_a_folder_that_is_swapped_for_a_link_all_the_time(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "var").mkdir(parents=True)
    outside.mkdir()
    (root / "link").symlink_to(outside)
    with swapped(root / "var", root / "link"):
        written = 0
        for number in range(400):
            with suppress(OSError):
                write(str(root / "var/deep/r.json"), a_report(duration=float(number)), str(root))
                written += 1
    assert written
    assert os.listdir(outside) == []


IS_ROOT = os.geteuid() == 0
AS_NOBODY = """
import json, os, sys
from supervisor_healer.listener.results import write
os.setgroups([int(sys.argv[2])] if sys.argv[2] else []); os.setgid(65534); os.setuid(65534)
write(sys.argv[1], json.load(sys.stdin), "/")
"""


@pytest.mark.skipif(not IS_ROOT, reason="only root may give files away")
def test_the_owner_of_the_file_in_place(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text("old")
    os.chown(path, 65534, 65533)
    path.chmod(0o640)
    write(str(path), a_report())
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (65534, 65533, 0o640)


@pytest.mark.skipif(not IS_ROOT, reason="only root may become somebody else")
@pytest.mark.parametrize(("group", "gid", "mode"), [("65533", 65533, 0o664), ("", 65534, 0o644)])
def test_the_file_in_place_belongs_to_somebody_else(group: str, gid: int, mode: int) -> None:
    """One who may not give files away writes it as his own, with the old group if it is his."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "r.json"
        path.write_text("old")
        os.chown(path, 0, 65533)
        path.chmod(0o664)
        path.parent.chmod(0o777)
        subprocess.run(
            [sys.executable, "-c", AS_NOBODY, str(path), group], input=json.dumps(a_report()), text=True, check=True
        )
        found = path.stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (65534, gid, mode)
        read(path)


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(OSError, match=r"exists|Not a directory"):
        write(str(tmp_path / "a/b/r.json"), a_report())


def test_what_dead_healers_have_left_is_removed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    old = [f".r.json.{gone.pid}.tmp", f".r.json.{os.getpid()}.tmp", f".r.json.{2**70}.tmp"]
    kept = [f".r.json.{os.getppid()}.tmp", ".r.json.x.tmp", f".s.json.{gone.pid}.tmp", f"r.json.{gone.pid}.tmp"]
    for name in (*old, *kept):
        (tmp_path / name).touch()
    write(str(tmp_path / "r.json"), a_report())
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, "r.json"])


@pytest.mark.parametrize("fails", ["fsync", "rename", "fchmod"])
def test_a_failure_leaves_everything_as_it_was(fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.json"
    path.write_text("old")

    def fail(*arguments: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, fails, fail)
    with pytest.raises(OSError, match="No space left"):
        write(str(path), a_report())
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["r.json"]


@contextmanager
def tmpfs(place: Path, options: str) -> Iterator[Callable[[], None]]:
    """A small disk; what it gives makes it read-only."""
    libc = ctypes.CDLL(None, use_errno=True)
    place.mkdir(exist_ok=True)
    if sys.platform != "linux" or libc.mount(b"small", bytes(place), b"tmpfs", 0, options.encode()):
        pytest.skip("needs the right to mount")
    try:
        yield lambda: libc.mount(b"small", bytes(place), b"tmpfs", 32 | 1, b"")
    finally:
        libc.umount2(bytes(place), 2)


def test_a_full_and_a_read_only_disk(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "m", "size=64k") as make_read_only:
        path = tmp_path / "m/r.json"
        write(str(path), a_report(cause="old"))
        (tmp_path / "m/fill").write_bytes(b"x" * 50_000)
        with pytest.raises(OSError, match="No space left"):
            write(str(path), a_report(warnings=[entry("x" * 400)] * 100))
        assert read(path)["cause"] == "old"
        assert sorted(os.listdir(tmp_path / "m")) == ["fill", "r.json"]
        make_read_only()
        with pytest.raises(OSError, match="Read-only"):
            write(str(path), a_report())
        assert read(path)["cause"] == "old"


WRITE_FOR_EVER = """
import json, sys
from supervisor_healer.listener.results import write
report = json.load(sys.stdin)
print("begun", flush=True)
while True:
    report["duration"] += 1
    write(sys.argv[1], report, "/")
"""


def wait_for_another(path: Path) -> None:
    before = read(path)["duration"]
    until(lambda: read(path)["duration"] != before)


def test_a_reader_and_a_killed_writer_always_leave_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    report = json.dumps(a_report(warnings=[entry("x" * 100)] * 150))
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITE_FOR_EVER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdin is not None
            assert writer.stdout is not None
            writer.stdin.write(report.encode())
            writer.stdin.close()
            writer.stdout.readline()
            until(path.exists)
            for _ in range(5):
                wait_for_another(path)
            writer.send_signal(signal.SIGKILL)
        read(path)
        assert len(os.listdir(tmp_path)) <= 2
        write(str(path), a_report())
        assert os.listdir(tmp_path) == ["r.json"]


# --- the thread ----------------------------------------------------------------------------------------------


def durations(path: Path) -> float:
    return float(read(path)["duration"]) if path.exists() else -1.0


def test_it_writes_what_is_submitted_the_newest_only(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    writer = ResultsWriter(str(path), "/")
    assert writer.problem == ""
    writer.submit(a_report(duration=1.0))
    until(lambda: durations(path) == 1.0)
    first = path.stat().st_mtime
    for number in range(2, 50):
        writer.submit(a_report(duration=float(number)))
    assert durations(path) == 1.0 or path.stat().st_mtime - first > 0.9
    until(lambda: durations(path) == 49.0)
    assert path.stat().st_mtime - first > 0.9  # at most one a second
    writer.submit(a_report(duration=99.0))
    writer.close(20)  # without that wait
    assert durations(path) == 99.0
    until(lambda: not any(thread.name == "results" for thread in threading.enumerate()))


def test_close_without_anything_written() -> None:
    ResultsWriter("/nowhere", "/").close()


def test_a_problem_is_told_and_goes_when_it_is_over(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.mkdir()
    writer = ResultsWriter(str(path), "/")
    writer.submit(a_report())
    until(lambda: writer.problem != "")
    assert writer.problem == f"{path} cannot be written: a directory is in its place (expected a file, or nothing)"
    path.rmdir()
    writer.submit(a_report(duration=2.0))
    until(lambda: writer.problem == "")
    assert durations(path) == 2.0
    writer.submit({"version": object()})
    until(lambda: writer.problem != "")
    assert "a bug in the healer: TypeError" in writer.problem
    assert durations(path) == 2.0
    writer.close(20)


def test_a_disk_that_hangs_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.json"
    released = threading.Event()

    def fsync(_: int) -> None:
        released.wait(60)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(module, "SILENT_AFTER", 0.1)
    writer = ResultsWriter(str(path), "/")
    began = time.monotonic()
    for number in range(100):
        writer.submit(a_report(duration=float(number)))
    writer.close(0.05)
    assert time.monotonic() - began < 5
    until(lambda: writer.problem != "")
    assert writer.problem.startswith(f"{path} does not answer: it has been written to since 20")
    assert writer.problem == writer.problem  # the same text as long as nothing changes
    released.set()
    until(lambda: writer.problem == "")
    until(lambda: durations(path) == 99.0)


def test_no_more_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    writer = ResultsWriter(str(tmp_path / "r.json"), "/")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        writer.submit(a_report())
    assert writer.problem.endswith("cannot be written: can't start new thread")
    writer.submit(a_report(duration=3.0))
    until(lambda: durations(tmp_path / "r.json") == 3.0)
    writer.close(20)
    assert writer.problem == ""
