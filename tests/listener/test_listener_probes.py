"""Looking at files, processes and clocks, each as it is found on a real host."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from waiting import until

from supervisor_healer.core.model import Seen
from supervisor_healer.listener.probes import boot_id, frozen, look, read_now, resume

NOBODY = 65534


def touch(path: Path, mtime: float = 1000.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, ns=(0, round(mtime * 1000) * 10**6))
    return path


def see(root: Path, path: str) -> Seen:
    (seen,) = look(str(root), [path]).values()
    return seen


# --- plain paths ---------------------------------------------------------------------------------------------


def test_a_regular_file(tmp_path: Path) -> None:
    touch(tmp_path / "logs/a.jsonl", 1720000000.25)
    touch(tmp_path / "ünï cödé", 5)
    seen = look(str(tmp_path), ["logs/a.jsonl", "ünï cödé", str(tmp_path / "logs/a.jsonl"), "nothing"])
    assert seen == {
        "logs/a.jsonl": Seen(1720000000.25),
        "ünï cödé": Seen(5.0),
        str(tmp_path / "logs/a.jsonl"): Seen(1720000000.25),
        "nothing": Seen(),
    }


def test_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a", 7)
    touch(tmp_path / "x[1]/a", 8)
    monkeypatch.chdir(tmp_path)
    for root in (str(tmp_path), f"{tmp_path}/", ".", ""):
        assert look(root, ["a", "a*"]) == {"a": Seen(7.0), "a*": Seen(7.0)}
    assert look(str(tmp_path / "x[1]"), ["a", "a*", "*/../a"]) == {"a": Seen(8.0), "a*": Seen(8.0), "*/../a": Seen()}
    assert look("/", [str(tmp_path / "a*")]) == {str(tmp_path / "a*"): Seen(7.0)}
    assert look(str(tmp_path / "gone"), ["a", "*", "**/a"]) == {"a": Seen(), "*": Seen(), "**/a": Seen()}


def test_nanoseconds_stay_apart(tmp_path: Path) -> None:
    file = touch(tmp_path / "a")
    os.utime(file, ns=(0, 1720000000_123456000))
    before = see(tmp_path, "a").mtime
    os.utime(file, ns=(0, 1720000000_123457000))
    after = see(tmp_path, "a").mtime
    assert before is not None
    assert after is not None
    assert after > before


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def make_loop(path: Path) -> None:
    path.symlink_to(path)


def make_link_to_nowhere(path: Path) -> None:
    path.symlink_to("gone/too")


def make_link_to_directory(path: Path) -> None:
    path.symlink_to(".")


def make_link_to_null(path: Path) -> None:
    path.symlink_to("/dev/null")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (Path.mkdir, "is a directory, not a file"),
        (make_fifo, "is a FIFO, not a file"),
        (make_socket, "is a socket, not a file"),
        (make_link_to_null, "is a device, not a file"),
        (make_link_to_directory, "is a directory, not a file"),
        (make_link_to_nowhere, "is a link to gone/too, which does not exist"),
        (make_loop, "Too many levels of symbolic links"),
    ],
)
def test_what_is_no_file(
    make: Callable[[Path], None], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    make(Path("x"))
    assert see(tmp_path, "x") == Seen(problem=problem)
    assert problem in see(tmp_path, "x*").problem
    touch(tmp_path / "xy", 3)
    loop = make is make_loop
    assert see(tmp_path, "x*") == (Seen(problem=f"{tmp_path}/x: {problem}") if loop else Seen(3.0))


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("file/below", Seen()),  # ENOTDIR
        ("no/such/folder", Seen()),
        ("x" * 300, Seen(problem="File name too long")),
        ("nul\0byte", Seen(problem="its name has a NUL byte")),
        ("nul\0byte*", Seen()),
        ("dir\0/x*", Seen(problem="its name has a NUL byte")),
        ("link", Seen(9.0)),
        ("\udcff", Seen()),
        ("file/*", Seen()),
    ],
)
def test_odd_paths(path: str, seen: Seen, tmp_path: Path) -> None:
    touch(tmp_path / "file", 9)
    (tmp_path / "link").symlink_to("file")
    assert see(tmp_path, path) == seen


AS_NOBODY = """
import os, sys
from supervisor_healer.listener.probes import look
if os.getuid() == 0:
    os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
print(look(sys.argv[1], sys.argv[2:]))
"""


def test_no_permission() -> None:
    # not in tmp_path, which only its owner may enter at all
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        touch(root / "open/a/x", 1)
        closed = touch(root / "open/closed/x", 2).parent
        closed.chmod(0o000)
        expected = {
            "open/a/x": Seen(1.0),
            "open/closed/x": Seen(problem="Permission denied"),
            "open/closed/*": Seen(problem=f"cannot list {closed}: Permission denied"),
            "open/*/x": Seen(problem=f"{closed}/x: Permission denied"),
            "**/x": Seen(problem=f"{closed}/x: Permission denied"),
        }
        command = [sys.executable, "-c", AS_NOBODY.format(nobody=NOBODY), folder, *expected]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        closed.chmod(0o700)
    assert done.stdout.strip() == str(expected), done.stderr


# --- patterns ------------------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    names = (
        "a.json features_1.json features_2.json .features_9.json [odd].json d1/x.json d1/deep/x.json d2/x.json"
        " .hidden/x.json d2/.x.json logs/b.log logs/b.log.1"
    )
    for number, name in enumerate(names.split(), 1):
        touch(tmp_path / name, number)
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "mtime"),
    [
        ("features_*.json", 3),
        ("features_?.json", 3),
        ("features_[1].json", 2),
        ("features_[!2].json", 2),
        ("*_*.json", 3),
        ("*.json", 5),
        (".*.json", 4),
        ("[[]odd].json", 5),
        ("logs/*", 12),
        ("logs/*.log", 11),
        ("*/x.json", 8),
        ("*/*.json", 8),
        ("d?/x.json", 8),
        ("d1/*/x.json", 7),
        ("*/deep/*.json", 7),
        ("**/x.json", 8),
        ("**/deep/x.json", 7),
        ("d1/**", 7),
        ("**", 12),
        ("**/*.json", 8),
        ("d1/**/x.json", 7),
        (".hidden/*", 9),
        ("*//x.json", 8),
        ("nothing_*", None),
        ("no/such/*", None),
        ("*/no/such", None),
        ("FEATURES_*", None),
    ],
)
def test_the_newest_match(pattern: str, mtime: float | None, tree: Path) -> None:
    assert see(tree, pattern) == Seen(mtime)
    assert see(tree, str(tree / pattern)) == Seen(mtime)


def test_a_circle_of_links(tree: Path) -> None:
    (tree / "d1/deep/up").symlink_to(tree)
    assert see(tree, "**/x.json") == Seen(8.0)
    assert see(tree, "*/*/up/a.json") == Seen(1.0)


def test_many_matches(tmp_path: Path) -> None:
    for number in range(2000):
        (tmp_path / f"part-{number}").touch()
    touch(tmp_path / "part-77", 4102444800)
    assert see(tmp_path, "part-*") == Seen(4102444800.0)


# --- processes -----------------------------------------------------------------------------------------------


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_a_frozen_process(sleeper: subprocess.Popen[bytes]) -> None:
    start = psutil.Process(sleeper.pid).create_time()
    assert not frozen(sleeper.pid)
    sleeper.send_signal(signal.SIGSTOP)
    until(lambda: frozen(sleeper.pid))
    assert resume(sleeper.pid, start)
    until(lambda: not frozen(sleeper.pid))


def test_a_child_of_our_parent_is_meant_whatever_the_clock_says() -> None:
    """As supervisord's children, listener and worker are siblings."""
    script = (
        "import os, signal, subprocess, sys, time\n"
        "sibling = int(sys.argv[1])\n"
        "from supervisor_healer.listener.probes import resume\n"
        "print(resume(sibling, 1.0), resume(os.getpid(), 1.0))\n"
    )
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as sibling:
        out = subprocess.run(
            [sys.executable, "-c", script, str(sibling.pid)], capture_output=True, text=True, timeout=60, check=True
        )
        sibling.kill()
    assert out.stdout.split() == ["True", "True"], out.stderr


def test_not_the_process_that_was_meant(sleeper: subprocess.Popen[bytes]) -> None:
    """The sleeper is our child, not our sibling, and was created at another time: its pid was reused, say."""
    sleeper.send_signal(signal.SIGSTOP)
    until(lambda: frozen(sleeper.pid))
    assert not resume(sleeper.pid, psutil.Process(sleeper.pid).create_time() - 60)
    assert frozen(sleeper.pid)


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1, 2**40])
def test_no_such_process(pid: int) -> None:
    assert not frozen(pid)
    assert not resume(pid, time.time())


def test_psutil_is_loaded_only_when_it_is_needed() -> None:
    script = (
        "import sys\nfrom supervisor_healer.listener import probes\nprobes.look('.', ['x'])\n"
        "assert 'psutil' not in sys.modules\nprobes.frozen(1)\nassert 'psutil' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


# --- the host ------------------------------------------------------------------------------------------------


def test_the_clocks() -> None:
    before = time.monotonic(), time.time()
    now = read_now()
    after = time.monotonic(), time.time()
    assert before[0] <= now.mono <= after[0]
    assert before[1] <= now.wall <= after[1] + 1e-3
    later = read_now()
    assert abs((later.wall - now.wall) - (later.mono - now.mono)) < 0.5


def test_the_boot() -> None:
    assert boot_id() == boot_id()
    if sys.platform == "linux":
        assert len(boot_id()) == 36
