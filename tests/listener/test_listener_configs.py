"""What looks at configs say while these are checked, rewritten all the time, given up, or gone."""

from __future__ import annotations

import math

import pytest

from supervisor_healer.core.model import Architecture, ConfigSpec, Now, Seen
from supervisor_healer.core.news import ConfigFound, ConfigState
from supervisor_healer.core.orders import Repair
from supervisor_healer.fixers.jobs import Answer, Job
from supervisor_healer.listener.configs import RETRY_SILENT, STREAK, ConfigBook, Fingerprint
from supervisor_healer.listener.mender import unanswered

PATH = "c.json"
VALID, BAD, GONE = "valid", "invalid", "missing"


class Queue:
    """In place of the mender: the jobs, and whether they come last."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Job, bool]] = []

    def submit(self, job: Job, *, suspect: bool = False) -> None:
        self.jobs.append((job, suspect))


class Desk:
    """A book, its clock, and one config that a test rewrites."""

    def __init__(self) -> None:
        self.queue = Queue()
        self.mono = 1000.0
        self.version = 1
        self.how = VALID
        self.checks = 0
        self.adopt()

    def adopt(self) -> None:
        spec = ConfigSpec(PATH, create=True)
        architecture = Architecture("a.yaml", "/srv", configs={PATH: spec})
        self.book = ConfigBook(architecture, self.queue)  # type: ignore[arg-type]

    @property
    def now(self) -> Now:
        return Now(1e9 + self.mono, self.mono)

    @property
    def fingerprint(self) -> Fingerprint:
        return () if self.how == GONE else (self.version, 0, 0, 0, 0)

    def write(self, how: str = VALID) -> None:
        self.version += 1
        self.how = how

    def look(self) -> str:
        """What a look says: '' nothing against it, or the problem, in brackets while it is being checked."""
        seen = Seen(None if self.how == GONE else float(self.version))
        ((_, found),) = self.book.judged({PATH: seen}, {PATH: self.fingerprint}, self.now)
        return f"({found.problem})" if found.passing else found.problem

    def check(self, after: float = 0.05, *, silent: bool = False, write: str = "") -> ConfigFound | None:
        """Answer what was asked, so many seconds later; `write`: it is rewritten right after it was read."""
        (job, _) = self.queue.jobs.pop(0)
        self.mono += after
        self.checks += 1
        answer = unanswered(job, "it took longer than 20s") if silent else self.answer(job)
        if write:
            self.write(write)
        found = self.book.take(job, answer, self.now)
        assert found is None or isinstance(found, ConfigFound)
        return found

    def answer(self, job: Job) -> Answer:
        said = [] if self.how == VALID else ["low is missing"]
        answer = unanswered(job, "")
        answer["state"], answer["problems"], answer["fingerprint"] = self.how, said, [*self.fingerprint]
        answer["digest"] = "" if self.how == GONE else f"d{self.version}"
        return answer

    def run(self, seconds: float) -> None:
        """The listener's loop, when only this book has anything to do."""
        end = self.mono + seconds
        while not self.queue.jobs and self.mono < end:
            self.mono = max(self.mono, min(self.book.next_due, end))
            self.book.go_on(self.now)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def restless(desk: Desk, how: str = VALID) -> None:
    """Have it rewritten after each check until these are slowed down."""
    desk.how = how
    for _ in range(STREAK):
        assert desk.look() == "(is being checked)"
        desk.check(write=how)
    desk.look()
    desk.check(write=how)
    desk.look()
    assert desk.queue.jobs == []


# --- the ordinary ----------------------------------------------------------------------------------------------


def test_a_check_holds_as_long_as_the_file_is_the_same(desk: Desk) -> None:
    assert desk.look() == "(is being checked)"
    assert desk.look() == "(is being checked)"
    assert desk.check() == ConfigFound(PATH, ConfigState.VALID, digest="d1")
    desk.mono += 1e6
    assert desk.look() == ""
    assert desk.queue.jobs == []
    desk.write(BAD)
    assert desk.look() == "(is being checked)"
    desk.check()
    assert desk.look() == "invalid: low is missing"


def test_what_a_person_has_just_written_is_checked_at_once_and_not_taken_for_what_was_there(desk: Desk) -> None:
    desk.look()
    desk.check()
    for how, said in ((BAD, "invalid: low is missing"), (VALID, ""), (GONE, "")):
        desk.mono += 0.3
        desk.write(how)
        assert desk.look() == "(is being checked)"
        desk.check()
        assert desk.look() == said


# --- rewritten all the time ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "said"), [(VALID, ""), (BAD, "invalid: low is missing")])
def test_one_that_is_rewritten_all_the_time_is_as_its_last_check_has_found_it(desk: Desk, how: str, said: str) -> None:
    restless(desk, how)
    for _ in range(100):
        assert desk.look() == said
        desk.mono += 0.3
        desk.write(how)
        desk.book.go_on(desk.now)
        if desk.queue.jobs:
            assert desk.look() == said, "also while the next check is under way"
            desk.check(0.1)


def test_it_is_checked_once_a_second(desk: Desk) -> None:
    restless(desk)
    before, began = desk.checks, desk.mono
    while desk.mono < began + 60:
        desk.run(60)
        desk.check(0.01, write=VALID)
        desk.look()
    assert 55 <= desk.checks - before <= 61


def test_one_that_takes_long_to_check_costs_a_part_of_the_time_only(desk: Desk) -> None:
    restless(desk)
    desk.run(60)
    desk.check(10.0, write=VALID)
    desk.look()
    began = desk.mono
    desk.run(60)
    assert desk.mono - began == pytest.approx(10.0)


def test_a_check_of_long_ago_does_not_count(desk: Desk) -> None:
    restless(desk)
    assert desk.look() == ""
    desk.mono += 2.1
    desk.write()
    assert desk.look() == "(is being checked)"
    desk.check()
    assert desk.look() == ""


def test_it_is_ordinary_again_when_it_was_quiet_for_a_while(desk: Desk) -> None:
    restless(desk)
    desk.run(60)
    desk.check()
    assert desk.look() == ""
    desk.mono += 10
    desk.write(BAD)
    assert desk.look() == "(is being checked)"
    desk.check()
    desk.write(VALID)
    assert desk.look() == "(is being checked)"


def test_one_that_is_gone_is_not_as_it_was_when_it_was_there(desk: Desk) -> None:
    restless(desk)
    assert desk.look() == ""
    desk.write(GONE)
    assert desk.look() == "(is being checked)"


def test_what_was_always_being_written_when_it_was_read_says_nothing(desk: Desk) -> None:
    restless(desk)
    desk.run(60)
    (job, _) = desk.queue.jobs.pop()
    answer: Answer = {**unanswered(job, "it is being written at this moment"), "state": "unreadable"}
    assert desk.book.take(job, answer, desk.now) is None
    assert desk.look() == ""


def test_a_check_that_waits_is_not_made_when_a_repair_has_told(desk: Desk) -> None:
    restless(desk, BAD)
    desk.mono += 0.5
    assert desk.book.next_due < math.inf
    job = desk.book.job_for(Repair(PATH, "d1"))
    desk.write(VALID)
    desk.book.take(job, {**desk.answer(job), "outcome": "done"}, desk.now)
    assert desk.look() == ""
    desk.run(60)
    assert desk.queue.jobs == []
    assert desk.book.next_due == math.inf


# --- given up --------------------------------------------------------------------------------------------------


def test_one_whose_check_was_given_up_is_checked_again_later_each_time_and_last(desk: Desk) -> None:
    said = "could not be checked: it took longer than 20s"
    desk.look()
    found = desk.check(20, silent=True)
    assert found == ConfigFound(PATH, ConfigState.UNCHECKED, ("it took longer than 20s",))
    for pause in (*RETRY_SILENT, RETRY_SILENT[-1]):
        desk.mono += pause - 0.1
        assert desk.look() == said
        assert desk.queue.jobs == []
        desk.mono += 0.2
        assert desk.look() == said, "also while it is checked again"
        assert [suspect for _, suspect in desk.queue.jobs] == [True]
        desk.check(20, silent=True)
    desk.mono += RETRY_SILENT[-1] + 0.1
    desk.look()
    desk.check()
    assert desk.look() == ""
    desk.write()
    desk.look()
    assert [suspect for _, suspect in desk.queue.jobs] == [False]


def test_one_that_was_given_up_is_checked_at_once_when_it_changes_and_more_seldom_each_time(desk: Desk) -> None:
    desk.look()
    desk.check(20, silent=True)
    pauses = []
    for _ in range(9):
        desk.write()
        said = desk.look()
        ended = desk.mono
        desk.run(1e6)
        pauses.append(round(desk.mono - ended))
        assert said == ("(is being checked)" if len(pauses) == 1 else "could not be checked: it took longer than 20s")
        desk.check(20, silent=True)
    assert pauses == [0, 20, 40, 80, 160, 320, 600, 600, 600]
    desk.write(GONE)
    desk.look()
    assert len(desk.queue.jobs) == 1, "that it is gone is seen at once"


def test_what_could_not_be_opened_is_tried_again(desk: Desk) -> None:
    desk.look()
    (job, _) = desk.queue.jobs.pop()
    answer: Answer = {**unanswered(job, "Permission denied"), "state": "unreadable"}
    desk.book.take(job, answer, desk.now)
    assert desk.look() == "unreadable: Permission denied"
    desk.mono += 31
    assert desk.look() == "unreadable: Permission denied"
    desk.check()
    assert desk.look() == ""


# --- another architecture --------------------------------------------------------------------------------------


def test_a_check_for_another_architecture_does_not_count(desk: Desk) -> None:
    desk.look()
    desk.adopt()
    desk.look()
    assert desk.check() is None
    assert desk.look() == "(is being checked)"
    assert desk.check() is not None
    assert desk.look() == ""
