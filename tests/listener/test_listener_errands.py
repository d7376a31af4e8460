"""Real children that talk, hang, shout, fork, refuse to go, or cannot be started."""

from __future__ import annotations

import math
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import dead_mount
import psutil
import pytest
from waiting import until

from supervisor_healer.listener import child as child_module
from supervisor_healer.listener.errands import MEGABYTE, Ended, Errands, Line

LONG = 60.0


@pytest.fixture
def errands() -> Iterator[Errands]:
    errands = Errands()
    yield errands
    errands.abandon_all(0.2)
    assert errands.next_deadline() == math.inf
    assert not errands._selector.get_map()
    errands._selector.close()


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def shell(code: str) -> list[str]:
    return ["/bin/sh", "-c", code]


def follow(errands: Errands, enough: Callable[[list[Line | Ended]], bool]) -> list[Line | Ended]:
    """As the listener's loop does it: wait for the descriptor or the deadline, and collect."""
    news: list[Line | Ended] = []
    until = time.monotonic() + 40
    with selectors.DefaultSelector() as selector:
        selector.register(errands, selectors.EVENT_READ)
        while not enough(news):
            now = time.monotonic()
            assert now < until, news
            selector.select(max(0.0, min(errands.next_deadline() - now, until - now)))
            began = time.monotonic()
            news += errands.collect(began)
            assert time.monotonic() - began < 1
    return news


def ended(errands: Errands, count: int = 1) -> list[Ended]:
    news = follow(errands, lambda news: sum(isinstance(one, Ended) for one in news) == count)
    return [one for one in news if isinstance(one, Ended)]


def one_end(errands: Errands) -> Ended:
    (end,) = ended(errands)
    assert not errands.running(end.key)
    return end


def alive(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


# --- children that behave ------------------------------------------------------------------------------------


def test_in_and_out(errands: Errands) -> None:
    errands.start("k", shell("cat; echo oops >&2; exit 3"), timeout=LONG, stdin=b"hello")
    assert errands.running("k")
    assert one_end(errands) == Ended("k", 3, b"hello", "oops", "")
    assert errands.next_deadline() == math.inf
    assert errands.collect(time.monotonic()) == []


def test_a_key_can_be_used_again(errands: Errands) -> None:
    for number in range(3):
        errands.start("k", shell(f"echo {number}"), timeout=LONG)
        with pytest.raises(ValueError, match="k is still running"):
            errands.start("k", shell("echo"), timeout=LONG)
        assert one_end(errands).stdout == f"{number}\n".encode()


def test_a_large_payload_both_ways_does_not_deadlock(errands: Errands) -> None:
    data = os.urandom(5 * MEGABYTE)
    errands.start("k", ["cat"], timeout=LONG, stdin=data, limit=6 * MEGABYTE)
    assert one_end(errands).stdout == data


def test_a_child_that_does_not_read(errands: Errands) -> None:
    errands.start("k", shell("exec <&-; echo done"), timeout=LONG, stdin=bytes(5 * MEGABYTE))
    assert one_end(errands) == Ended("k", 0, b"done\n", "", "")


def test_the_last_of_stderr(errands: Errands) -> None:
    errands.start("k", python("import sys; sys.stderr.write('x' * 99999 + '\\xff end')"), timeout=LONG)
    assert one_end(errands).stderr.endswith("xx\xff end")
    errands.start("k", shell("printf '\\377' >&2"), timeout=LONG)
    assert one_end(errands).stderr == "\ufffd"


def test_where_and_with_what(errands: Errands, tmp_path: Path) -> None:
    folder = tmp_path / "a b$(x)"
    folder.mkdir()
    errands.start("k", [*shell('pwd; echo "$A" "$1"'), "sh", "$HOME 'q"], timeout=LONG, cwd=str(folder), env={"A": "ü"})
    assert one_end(errands).stdout.decode() == f"{folder}\nü $HOME 'q\n"


def test_many_at_once(errands: Errands) -> None:
    for number in range(20):
        errands.start(f"k{number}", shell(f"cat >/dev/null; echo {number}"), timeout=LONG, stdin=b"x" * 200_000)
    assert {(end.key, end.stdout) for end in ended(errands, 20)} == {(f"k{n}", f"{n}\n".encode()) for n in range(20)}


def test_lines(errands: Errands) -> None:
    code = "import sys\nfor line in sys.stdin:\n    print('got', line.strip(), flush=True)\nprint('rest', end='')"
    errands.start("k", python(code), timeout=LONG, stdin=b"1\n2\n", per_line=True)
    assert follow(errands, lambda news: len(news) == 2) == [Line("k", "got 1"), Line("k", "got 2")]
    assert errands.next_deadline() == math.inf  # it owes nothing, and may rest
    errands.feed("k", "ü\n".encode())
    assert errands.next_deadline() < time.monotonic() + LONG
    assert follow(errands, bool) == [Line("k", "got ü")]
    errands.close_stdin("k")
    errands.feed("k", b"too late\n")
    assert errands.next_deadline() < time.monotonic() + LONG
    assert follow(errands, bool) == [Ended("k", 0, b"rest", "", "")]
    errands.feed("k", b"nobody\n")
    errands.close_stdin("k")


def test_more_lines_than_the_limit_in_all(errands: Errands) -> None:
    errands.start("k", python("for n in range(50000): print('x' * 50)"), timeout=LONG, per_line=True)
    errands.close_stdin("k")
    *lines, end = follow(errands, lambda news: bool(news) and isinstance(news[-1], Ended))
    assert lines == [Line("k", "x" * 50)] * 50000
    assert end == Ended("k", 0, b"", "", "")


# --- what children inherit -----------------------------------------------------------------------------------

INHERITED = """
import os, signal, sys
print(os.getsid(0) == os.getpid(), sorted(int(fd) for fd in os.listdir('/proc/self/fd'))[:-1])
print(*(name for name in ('SIGTERM', 'SIGHUP', 'SIGINT', 'SIGPIPE', 'SIGCHLD')
        if signal.getsignal(getattr(signal, name)) not in {signal.SIG_DFL, signal.default_int_handler}))
os.write(1, b'fine')
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_of_the_listeners_reaches_a_child(errands: Errands) -> None:
    previous = {
        number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    }
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    try:
        # Python itself ignores SIGPIPE as it starts, so a shell tells of that
        errands.start("s", shell("kill -PIPE $$; echo survived"), timeout=LONG)
        assert one_end(errands).status == -signal.SIGPIPE
        errands.start("k", python(INHERITED), timeout=LONG)
        end = one_end(errands)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)
    assert end.stdout.decode().split("\n") == ["True [0, 1, 2]", "SIGPIPE", "fine"]


# --- children that do not behave -----------------------------------------------------------------------------


def test_no_answer(errands: Errands) -> None:
    began = time.monotonic()
    errands.start("k", shell("echo before; sleep 600"), timeout=0.3)
    end = one_end(errands)
    assert end == Ended("k", None, b"", "", "no answer within 0.3s: killed")
    assert 0.3 <= time.monotonic() - began < 20
    assert errands.next_deadline() < math.inf  # the rest of its group has until the SIGKILL
    follow(errands, lambda _: errands.next_deadline() == math.inf)


def test_no_line(errands: Errands) -> None:
    errands.start("k", shell("read x; echo 1; read x; sleep 600"), timeout=0.5, stdin=b"a\nb\n", per_line=True)
    first, end = follow(errands, lambda news: len(news) == 2)
    assert first == Line("k", "1")
    assert end == Ended("k", None, b"", "", "no answer within 0.5s: killed")


def test_feeding_one_that_hangs_does_not_prolong_it(errands: Errands) -> None:
    errands.start("k", shell("sleep 600"), timeout=0.5, stdin=b"a\n", per_line=True)
    deadline = errands.next_deadline()
    errands.feed("k", b"b\n")
    assert errands.next_deadline() == deadline
    assert one_end(errands).why == "no answer within 0.5s: killed"


def test_one_that_does_not_end(errands: Errands) -> None:
    errands.start("k", shell("sleep 600"), timeout=0.3, per_line=True)
    errands.close_stdin("k")
    assert one_end(errands).why == "no answer within 0.3s: killed"


@pytest.mark.parametrize(
    ("limit", "per_line", "why"),
    [
        (MEGABYTE, False, "said more than 1 MB: killed"),
        (2048, False, "said more than 2 KB: killed"),
        (2048, True, "said more than 2 KB in a line: killed"),
    ],
)
def test_it_says_too_much(errands: Errands, limit: int, per_line: bool, why: str) -> None:
    errands.start("k", python("while True: print('x' * 9999, end='')"), timeout=LONG, per_line=per_line, limit=limit)
    end = one_end(errands)
    assert (end.status, end.why) == (None, why)
    assert len(end.stdout) <= limit


def test_its_own_children_go_with_it(errands: Errands, tmp_path: Path) -> None:
    """SIGTERM for all, time to put things in order for those that want it, and SIGKILL for who is left."""
    endless = "while :; do sleep 0.05; done"
    (tmp_path / "1.sh").write_text(f"trap 'sleep 0.3; echo put in order >order; exit' TERM; echo $$ >polite; {endless}")
    (tmp_path / "2.sh").write_text(f"trap '' TERM; echo $$ >stubborn; {endless}")
    errands.start("k", shell("sh 1.sh & sh 2.sh & sleep 600"), timeout=LONG, cwd=str(tmp_path), per_line=True)
    pids = [tmp_path / "polite", tmp_path / "stubborn"]
    until(lambda: all(path.exists() and path.read_text().strip() for path in pids))
    numbers = [int(path.read_text()) for path in pids]
    errands.start("other", shell("echo"), timeout=LONG)
    one_end(errands)
    errands._running["k"].kill(time.monotonic(), "killed")  # its time is up
    assert one_end(errands).why == "killed"
    assert alive(numbers[1])
    follow(errands, lambda _: errands.next_deadline() == math.inf)
    until(lambda: not any(map(alive, numbers)))
    assert (tmp_path / "order").read_text() == "put in order\n"


def test_one_that_ignores_sigterm_and_one_that_is_frozen(errands: Errands) -> None:
    errands.start("stubborn", shell("trap '' TERM; while :; do sleep 0.05; done"), timeout=0.5)
    errands.start("frozen", shell("kill -STOP $$; sleep 600"), timeout=0.5)
    ends = ended(errands, 2)
    assert [end.key for end in ends] == ["frozen", "stubborn"]
    assert {end.why for end in ends} == {"no answer within 0.5s: killed"}


def test_one_that_cannot_even_be_killed(errands: Errands, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in uninterruptible sleep: it counts as ended, and is reaped when it goes."""
    monkeypatch.setattr(child_module, "TERM_TO_KILL", 0.1)
    errands.start("k", shell("sleep 600"), timeout=0.1)
    child = errands._running["k"]
    monkeypatch.setattr(child, "signal", lambda _: None)
    end = one_end(errands)
    assert end.why == "no answer within 0.1s: killed"
    assert alive(child.process.pid)
    errands.start("k", shell("echo again"), timeout=LONG)
    assert one_end(errands).stdout == b"again\n"
    assert errands.collect(time.monotonic() + 100) == []
    os.killpg(child.process.pid, signal.SIGKILL)
    follow(errands, lambda _: errands.next_deadline() == math.inf)
    assert child.process.returncode == -signal.SIGKILL


def test_what_it_leaves_behind_holds_nothing_up(errands: Errands, tmp_path: Path) -> None:
    """A process in the background has its pipes; the end of the child itself counts. A daemon lives: it has a moment
    to begin a session of its own, as most do it after their parent's end."""
    code = "sleep 0.1; exec setsid sh -c 'echo >here; while [ -e here ]; do sleep 0.05; done; touch gone'"
    errands.start("k", shell(f'sh -c "{code}" & echo started'), timeout=LONG, cwd=str(tmp_path))
    assert one_end(errands) == Ended("k", 0, b"started\n", "", "")
    follow(errands, lambda _: errands.next_deadline() == math.inf)
    until((tmp_path / "here").exists)
    (tmp_path / "here").unlink()
    until((tmp_path / "gone").exists)


@pytest.mark.parametrize("status", [0, 3])
def test_what_is_left_of_its_group_goes_with_it(errands: Errands, tmp_path: Path, status: int) -> None:
    """One that leaves something in the background each time would fill the host."""
    polite = (
        "trap 'echo put in order >order; exit' TERM; echo $$ >.polite; mv .polite polite; while :; do sleep 0.05; done"
    )
    stubborn = "trap '' TERM; echo $$ >.stubborn; mv .stubborn stubborn; while :; do sleep 0.05; done"
    (tmp_path / "1.sh").write_text(polite)
    (tmp_path / "2.sh").write_text(stubborn)
    code = (
        f"sh 1.sh & sh 2.sh >&- 2>&- & until [ -e polite -a -e stubborn ]; do sleep 0.05; done; echo x; exit {status}"
    )
    errands.start("k", shell(code), timeout=LONG, cwd=str(tmp_path))
    assert one_end(errands) == Ended("k", status, b"x\n", "", "")
    numbers = [int((tmp_path / name).read_text()) for name in ("polite", "stubborn")]
    errands.start("k", shell("echo again"), timeout=LONG)  # it holds nobody up
    assert one_end(errands).stdout == b"again\n"
    assert alive(numbers[1])
    follow(errands, lambda _: errands.next_deadline() == math.inf)
    until(lambda: not any(map(alive, numbers)))
    assert (tmp_path / "order").read_text() == "put in order\n"


def test_one_that_leaves_nobody_behind_is_reaped_at_once(errands: Errands, tmp_path: Path) -> None:
    errands.start("k", shell("kill -9 $$"), timeout=LONG)
    assert one_end(errands).status == -signal.SIGKILL
    assert errands.next_deadline() == math.inf


@pytest.mark.parametrize(
    ("argv", "cwd", "why"),
    [
        (["no-such-program", "x"], "/", "cannot be started: no-such-program: not found"),
        (["/etc/passwd"], "/", "cannot be started: /etc/passwd: Permission denied"),
        (["true"], "/no/such/folder", "cannot be started: "),
        (["nul\0"], "/", "cannot be started: embedded null byte"),
        (["true", "x" * 3_000_000], "/", "cannot be started: Argument list too long"),
    ],
)
def test_it_cannot_be_started(errands: Errands, argv: list[str], cwd: str, why: str) -> None:
    errands.start("k", argv, timeout=LONG, cwd=cwd, env={"PATH": "/usr/bin:/bin"})
    assert errands.running("k")
    end = one_end(errands)
    assert end.why.startswith(why)
    assert (end.status, end.stdout, end.stderr) == (None, b"", "")


def test_its_own_exit_status_127(errands: Errands) -> None:
    errands.start("k", shell("echo sorry >&2; exit 127"), timeout=LONG)
    assert one_end(errands) == Ended("k", 127, b"", "sorry", "")


def test_without_pidfd(errands: Errands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    errands.start("k", shell("sleep 600 & exec >&- 2>&-; exit 4"), timeout=LONG)
    assert one_end(errands).status == 4


# --- the listener's own end ----------------------------------------------------------------------------------


def test_all_are_abandoned(errands: Errands, tmp_path: Path) -> None:
    errands.start(
        "polite",
        shell("trap 'echo >order; exit' TERM; echo; while :; do sleep 0.05; done"),
        timeout=LONG,
        cwd=str(tmp_path),
        per_line=True,
    )
    errands.start("stubborn", shell("trap '' TERM; echo; while :; do sleep 0.05; done"), timeout=LONG, per_line=True)
    errands.start("done", shell("exit 0"), timeout=LONG)
    follow(errands, lambda news: len(news) >= 2 and sum(isinstance(one, Line) for one in news) == 2)
    pids = [child.process.pid for child in errands._running.values()]
    began = time.monotonic()
    errands.abandon_all(2.0)
    assert time.monotonic() - began < 10
    until(lambda: not any(map(alive, pids)))
    assert (tmp_path / "order").exists()
    assert not errands.running("stubborn")
    assert errands.collect(time.monotonic()) == []


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="counts descriptors in /proc")
def test_no_descriptor_is_left_behind(errands: Errands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "TERM_TO_KILL", 0.1)
    errands.start("first", shell("exit 0"), timeout=LONG)  # with it comes the guard, which stays
    one_end(errands)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        errands.start("fine", shell("exit 0"), timeout=LONG)
        errands.start("slow", shell("sleep 600"), timeout=0.1)
        errands.start("none", ["nul\0"], timeout=LONG)
        ended(errands, 3)
        follow(errands, lambda _: errands.next_deadline() == math.inf)
    assert len(os.listdir("/proc/self/fd")) == before


DEAD_FOLDER = """
import os, select, sys, time
import dead_mount
from supervisor_healer.listener.errands import Ended, Errands

folder = sys.argv[1]
fuse = dead_mount.mount(folder)
errands = Errands()
began = time.monotonic()
errands.start("cwd", ["true"], timeout=0.5, cwd=folder + "/sub")
errands.start("program", [folder + "/program"], timeout=0.5)
errands.start("fine", ["echo", "fine"], timeout=30)
assert time.monotonic() - began < 5
ends = []
while len(ends) < 3 and time.monotonic() < began + 30:
    select.select([errands], [], [], 1)
    ends += errands.collect(time.monotonic())
os.close(fuse)
errands.abandon_all()
print(sorted((end.key, end.stdout, end.why) for end in ends))
"""


def test_a_folder_or_program_on_a_mount_that_nobody_answers_for(tmp_path: Path) -> None:
    assert dead_mount.run(DEAD_FOLDER, str(tmp_path)).strip() == str(
        [
            ("cwd", b"", "no answer within 0.5s: killed"),
            ("fine", b"fine\n", ""),
            ("program", b"", "no answer within 0.5s: killed"),
        ]
    )


def test_the_listener_is_killed_and_its_children_with_all_that_they_have_started(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\nfrom supervisor_healer.listener.errands import Errands\n"
        "e = Errands()\n"
        "e.start('past', ['/bin/sh', '-c', 'setsid sleep 600 & echo $! >past'], timeout=60, cwd=sys.argv[1])\n"
        "while e.running('past'): e.collect(time.monotonic())\n"
        "for name in 'ab': e.start(name, ['/bin/sh', '-c', 'sleep 600 & echo $$ $! >.$0; mv .$0 $0; wait', name],"
        " timeout=60, cwd=sys.argv[1])\n"
        "print('x', flush=True)\nsignal.pause()"
    )
    with subprocess.Popen([*python(code), str(tmp_path)], stdout=subprocess.PIPE) as listener:
        assert listener.stdout is not None
        listener.stdout.readline()
        until(lambda: all((tmp_path / name).exists() for name in ("past", "a", "b")))
        listener.kill()
    for name in "ab":
        for pid in (tmp_path / name).read_text().split():
            until(lambda pid=pid: not alive(int(pid)))  # type: ignore[misc]
    past = int((tmp_path / "past").read_text())
    assert alive(past), "a daemon that a child has left behind is nobody's business"
    os.kill(past, signal.SIGKILL)


def test_a_guard_that_is_killed_is_replaced(errands: Errands) -> None:
    guard = errands._guard
    errands.start("a", shell("sleep 600"), timeout=LONG)
    first = guard._shell
    assert first is not None
    first.kill()
    first.wait()
    errands.start("b", shell("sleep 600"), timeout=LONG)
    assert guard._shell is not first
    children = [child.process.pid for child in errands._running.values()]
    guard.close()
    until(lambda: not any(map(alive, children)))
