"""Real children at their jobs: some take for ever, die, or are stopped, and nobody else waits for that."""

from __future__ import annotations

import fcntl
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from supervisor_healer.fixers.jobs import Answer, Job
from supervisor_healer.listener import mender as mender_module
from supervisor_healer.listener.errands import Errands
from supervisor_healer.listener.mender import CHILDREN, SUSPECTS, Mender

Schema = dict[str, Any]

# A child that notes what it begins and ends in `log`, each line whole. What it does depends on the name of the file:
# hang* waits until `gate` is unlocked, die* kills itself (die-once* the first time), odd* answers nonsense.
CHILD = """
import fcntl, json, os, signal, sys
from supervisor_healer.listener.mender import unanswered

def note(what):
    with open("log", "a") as file:
        file.write(what + "\\n")

os.chdir(sys.argv[1])
for line in sys.stdin:
    job = json.loads(line)
    path, verb = job["path"], job["verb"]
    note(f"+{verb} {path}")
    if path.startswith("hang"):
        with open("gate") as gate:
            fcntl.flock(gate, fcntl.LOCK_SH)
    if path.startswith("die") and not (path.startswith("die-once") and os.path.exists("died")):
        open("died", "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    note(f"-{verb} {path}")
    answer = {**unanswered(job, "fine"), "state": "valid"}
    print("what?" if path.startswith("odd") else json.dumps(answer), flush=True)
"""


class Bench:
    """A mender, and its answers as they come."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gate = (folder / "gate").open("w")
        fcntl.flock(self.gate, fcntl.LOCK_EX)
        self.errands = Errands()
        self.mender = Mender(self.errands)
        self.answers: list[Answer] = []

    def submit(self, *paths: str, verb: str = "check", suspect: bool = False, schema: Schema | None = None) -> None:
        for path in paths:
            job: Job = {
                "verb": verb, "root": str(self.folder), "path": path, "format": "json", "schema": schema or {},
                "create": False, "repair_values": False, "keep": 3, "mode": None, "owner": "", "digest": "", "text": "",
                "copy_of": "", "mtime_ns": 0,
            }  # fmt: skip
            self.mender.submit(job, suspect=suspect)

    def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> float:
        """Turn as the listener does, until the condition holds; how long that took."""
        began = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(self.errands, selectors.EVENT_READ)
            while not condition():
                now = time.monotonic()
                assert now < began + seconds, (self.done(), self.log())
                due = min(self.errands.next_deadline(), self.mender.next_due, now + 0.05)
                selector.select(max(0.0, due - now))
                now = time.monotonic()
                self.answers += [answer for _, answer in self.mender.collect(self.errands.collect(now), now)]
        return time.monotonic() - began

    def done(self) -> list[str]:
        return [answer["path"] for answer in self.answers]

    def log(self) -> list[str]:
        with suppress(FileNotFoundError):
            return (self.folder / "log").read_text().splitlines()
        return []

    def go(self) -> None:
        fcntl.flock(self.gate, fcntl.LOCK_UN)


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Bench]:
    """With the real repairing child."""
    bench = Bench(tmp_path)
    yield bench
    bench.errands.abandon_all(0.2)
    bench.errands._selector.close()
    bench.gate.close()


@pytest.fixture
def bench(real: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """With the child above."""
    (real.folder / "child.py").write_text(CHILD)
    monkeypatch.setattr(mender_module, "COMMAND", (sys.executable, str(real.folder / "child.py"), str(real.folder)))
    return real


def children() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE and any("child.py" in word for word in child.cmdline()):
                found.append(child)
    return found


# --- those that take long --------------------------------------------------------------------------------------


def test_nobody_waits_for_checks_that_never_end(real: Bench) -> None:
    """A pattern that takes for ever in three files; the fourth is checked, broken, and repaired."""
    slow: Schema = {"properties": {"a": {"type": "string", "pattern": "^(a+)+b?$"}}}
    for name in ("re1", "re2", "re3"):
        (real.folder / name).write_text('{"a": "%s!"}' % ("a" * 40))
        real.submit(name, schema=slow)
    (real.folder / "good").write_text("{}")
    broken: Schema = {"type": "object", "required": ["b"], "properties": {"b": {"default": 1}}}
    real.submit("good", schema=broken)
    assert real.until(lambda: real.done() == ["good"]) < 10
    real.submit("good", schema=broken, verb="repair")
    assert real.until(lambda: real.done() == ["good", "good"]) < 5
    assert (real.folder / "good").read_text() == '{"b": 1}'


def test_so_many_children_and_one_more_that_mends(bench: Bench) -> None:
    bench.submit(*(f"hang{number}" for number in range(CHILDREN + 2)), "a")
    bench.until(lambda: len(bench.log()) == CHILDREN)
    bench.submit("b", verb="repair")
    bench.until(lambda: "b" in bench.done())
    assert len(children()) == CHILDREN + 1
    bench.submit("c", verb="restore")
    bench.until(lambda: "c" in bench.done())
    assert "+check a" not in bench.log()
    bench.go()
    bench.until(lambda: len(bench.done()) == CHILDREN + 5)


def test_the_jobs_for_one_file_are_done_in_order_and_never_at_once(bench: Bench) -> None:
    bench.submit("hang", "a")
    bench.submit("hang", verb="repair")
    bench.submit("hang")
    bench.submit("b")
    bench.until(lambda: sorted(bench.done()) == ["a", "b"])
    assert [line for line in bench.log() if "hang" in line] == ["+check hang"]
    bench.go()
    bench.until(lambda: len(bench.done()) == 5)
    said = ["+check hang", "-check hang", "+repair hang", "-repair hang", "+check hang", "-check hang"]
    assert [line for line in bench.log() if "hang" in line] == said


def test_mends_come_before_checks(bench: Bench) -> None:
    bench.submit("hang", "a", "b")
    bench.submit("c", verb="create")
    bench.submit("b", verb="restore")
    bench.until(lambda: len(bench.done()) == 4)
    assert bench.done()[-1] == "a"
    assert [answer["verb"] for answer in bench.answers] == ["create", "check", "restore", "check"]


def test_what_took_too_long_before_is_last_and_never_takes_all_children(bench: Bench) -> None:
    bench.submit("hang0")
    bench.submit(*(f"hang-again{number}" for number in range(CHILDREN)), suspect=True)
    bench.submit("a", "b", "c")
    bench.until(lambda: bench.done() == ["a", "b", "c"])
    bench.until(lambda: len(bench.log()) == 1 + 6 + SUSPECTS)
    bench.submit("d")
    bench.until(lambda: bench.done() == ["a", "b", "c", "d"])
    assert sum("again" in line for line in bench.log()) == SUSPECTS
    bench.go()
    bench.until(lambda: len(bench.done()) == 5 + CHILDREN)


def test_one_that_takes_too_long_is_given_up_in_true_words(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mender_module, "PATIENCE", 1.0)
    bench.submit("hang")
    bench.submit("hang-too", verb="repair")
    bench.until(lambda: len(bench.done()) == 2)
    check, repair = sorted(bench.answers, key=lambda answer: answer["verb"])
    assert (check["state"], check["problems"]) == ("could not be checked", ["it took longer than 1s"])
    assert (check["outcome"], check["said"]) == ("", [])
    assert (repair["outcome"], repair["said"]) == ("lost", ["not done: it took longer than 1s"])


def test_a_child_that_was_stopped_goes_on(bench: Bench) -> None:
    bench.submit("a")
    bench.until(lambda: bench.done() == ["a"])
    (child,) = children()
    child.send_signal(signal.SIGSTOP)
    bench.submit("b")
    assert bench.until(lambda: bench.done() == ["a", "b"]) < 5
    assert children() == [child]


# --- coming and going ------------------------------------------------------------------------------------------


def test_one_child_does_what_there_is_and_ends_when_there_is_nothing(bench: Bench) -> None:
    bench.submit(*"abcdefgh")
    bench.until(lambda: bench.done() == [*"abcdefgh"])
    (child,) = children()
    bench.submit("i")
    bench.until(lambda: bench.done()[-1] == "i")
    assert children() == [child]
    bench.until(lambda: not children())
    assert bench.mender.next_due == float("inf")
    bench.submit("j")
    bench.until(lambda: bench.done()[-1] == "j")


def test_all_children_end(bench: Bench) -> None:
    bench.submit("hang1", "hang2", "hang3")
    bench.until(lambda: len(bench.log()) == 3)
    assert len(children()) == 3
    bench.go()
    bench.until(lambda: len(bench.done()) == 3)
    bench.until(lambda: not children())


def test_a_check_whose_child_dies_is_tried_once_more_and_a_mend_is_not(bench: Bench) -> None:
    bench.submit("die-once", "a", "die")
    bench.submit("die-too", verb="restore")
    bench.until(lambda: len(bench.done()) == 4)
    found = {answer["path"]: (answer["state"], answer["problems"], answer["outcome"]) for answer in bench.answers}
    ended = ("could not be checked", ["it ended with status -9"])
    assert found["a"][0] == "valid"
    assert found["die-once"][0] == "valid"
    assert found["die"] == (*ended, "")
    assert found["die-too"] == (*ended, "lost")
    assert bench.log().count("+check die") == 2
    assert bench.log().count("+restore die-too") == 1


def test_a_child_that_dies_with_nothing_to_do_is_replaced(bench: Bench) -> None:
    bench.submit("a")
    bench.until(lambda: bench.done() == ["a"])
    (child,) = children()
    child.kill()
    bench.until(lambda: bench.mender.next_due == float("inf"))
    bench.submit("b")
    bench.until(lambda: bench.done() == ["a", "b"])


def test_nonsense_is_told(bench: Bench) -> None:
    bench.submit("odd", "a")
    bench.until(lambda: len(bench.done()) == 2)
    assert bench.answers[0]["problems"] == ["the fixer has answered nonsense: what?"]


def test_a_child_that_cannot_be_started_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mender_module, "COMMAND", (str(bench.folder / "nowhere"),))
    bench.submit("a", "b")
    bench.until(lambda: len(bench.done()) == 2)
    assert all("cannot be started" in answer["problems"][0] for answer in bench.answers)


def test_checks_that_nobody_wants_any_more_are_forgotten(bench: Bench) -> None:
    bench.submit("hang", "a", "b")
    bench.submit("b", verb="repair")
    bench.mender.forget_checks()
    bench.submit("c")
    bench.go()
    bench.until(lambda: len(bench.done()) == 3)
    assert sorted(bench.done()) == ["b", "c", "hang"]
    assert "+check b" not in bench.log()
