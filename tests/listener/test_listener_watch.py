"""The turn of the listener: real files and journal, over the fake Supervisor that a contract suite keeps honest."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.processes import Program
from fakes.supervisor import FakeSupervisor

from supervisor_healer.core.model import Architecture, FileSpec, InputSpec, Mode, Now, WorkerSpec
from supervisor_healer.listener.errands import Errands
from supervisor_healer.listener.hands import Hands
from supervisor_healer.listener.journal import Journal
from supervisor_healer.listener.publisher import WORKERS_A_PIECE, Publisher
from supervisor_healer.listener.watch import Watch
from supervisor_healer.protocol import HEARTBEAT

LIMITS = {"max_age": 10.0, "grace": 5.0}


def chain(folder: Path, *, mode: Mode = Mode.HEAL) -> Architecture:
    return Architecture(
        source="architecture.yaml",
        root=str(folder),
        mode=mode,
        state=str(folder / "healer.sqlite3"),
        files={path: FileSpec(path, **LIMITS) for path in ("a", "b")},
        workers=(
            WorkerSpec("wa", "wa", outputs=("a",), startup_grace=5.0),
            WorkerSpec("wb", "wb", inputs=(InputSpec("a"),), outputs=("b",), startup_grace=5.0),
        ),
    )


class Watched(FakeSupervisor):
    """The fake, which also checks at each order that its intent has reached the disk, as the design demands."""

    def __init__(self, journal: Path, names: tuple[str, ...]) -> None:
        super().__init__(Program(name, autostart=True) for name in names)
        self.journal = journal
        self.intents: list[bool] = []

    def stop_worker(self, address: str, pid: int):  # type: ignore[no-untyped-def]
        with sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True) as db:
            bodies = [body for (body,) in db.execute("select body from memory where kind = 'worker'")]
        db.close()
        self.intents.append(any('"stage": "stopping"' in body or '"stage":"stopping"' in body for body in bodies))
        return super().stop_worker(address, pid)


class Site:
    """A folder, a fake Supervisor whose workers write once a second unless they hang, and the watch."""

    def __init__(
        self, folder: Path, architecture: Architecture | None = None, programs: tuple[str, ...] = ("wa", "wb")
    ):
        self.architecture = architecture or chain(folder)
        self.folder = folder
        self.fake = Watched(folder / "healer.sqlite3", programs)
        self.hanging: set[str] = set()
        self.lines: list[str] = []
        self.journal = Journal.open(self.architecture.state)
        self.publisher = Publisher(self.fake.wall, "architecture.yaml")
        self.watch = Watch(  # type: ignore[arg-type]
            self.architecture,
            self.fake,
            self.journal,
            self.publisher,
            Hands(self.architecture, Errands(), self.lines.append),
            self.lines.append,
        )

    def write(self) -> None:
        for name, path in (("wa", "a"), ("wb", "b")):
            process = self.fake.processes.get(f"{name}:{name}")
            if process is not None and process.state == "RUNNING" and name not in self.hanging:
                (self.folder / path).touch()
                os.utime(self.folder / path, (self.fake.wall, self.fake.wall))

    def run(self, seconds: float) -> None:
        end, next_write = self.fake.mono + seconds, self.fake.mono
        while self.fake.mono < end:
            if self.fake.mono >= next_write:
                self.write()
                next_write += 1.0
            for event in self.fake.take_events():
                if event.name == "REMOTE_COMMUNICATION":
                    self.watch.ring()
                elif event.name.startswith("PROCESS_STATE"):
                    self.watch.processes_changed()
            now = Now(self.fake.wall, self.fake.mono)
            self.watch.turn(now)
            wake = min(self.watch.next_wake(now), next_write, end)
            self.fake.advance(max(0.001, wake - self.fake.mono))

    def states(self) -> dict[str, str]:
        return {name: verdict.state.value for name, verdict in self.watch.engine.verdicts.items()}

    def logged(self, word: str) -> list[str]:
        return [line for line in self.lines if word in line]


@pytest.fixture
def open_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """A `Site` in the test's folder with the arguments given; closed after the test."""
    with contextlib.ExitStack() as opened:

        def open_one(*arguments: Any) -> Site:
            site = Site(tmp_path, *arguments)
            opened.callback(lambda: site.watch.close(Now(site.fake.wall, site.fake.mono)))
            return site

        yield open_one


@pytest.fixture
def site(open_site: Callable[..., Site]) -> Site:
    return open_site()


def test_a_stalled_worker_is_healed_and_the_intent_is_on_disk_before_the_order(site: Site) -> None:
    site.run(20)
    assert site.states() == {"wa": "healthy", "wb": "healthy"}
    site.hanging.add("wb")
    site.run(14)
    assert site.fake.calls == []
    site.hanging.clear()  # it would write again only if it were restarted: hold it back until then
    site.hanging.add("wb")
    while not site.fake.calls:
        site.run(0.5)
    site.hanging.clear()
    site.run(10)
    assert site.fake.calls == [("stop", "wb:wb"), ("start", "wb:wb")]
    assert site.fake.intents == [True]
    assert site.states()["wb"] == "healthy"
    assert [note["event"] for note in site.journal.history("wb", 10)] == ["restart", "healed"]


def test_mode_observe_says_and_does_not_do(tmp_path: Path, open_site: Callable[..., Site]) -> None:
    site = open_site(chain(tmp_path, mode=Mode.OBSERVE))
    site.run(20)
    site.hanging.add("wb")
    site.run(60)
    assert site.states()["wb"] == "stalled"
    assert site.fake.calls == []
    assert "observe" in site.watch.engine.verdicts["wb"].reason
    assert site.publisher.mode == "observe"


def test_the_first_publication_is_full_and_the_later_ones_tell_only_changes(site: Site) -> None:
    site.run(30)
    first, *later = site.fake.publications
    assert first["full"]
    told = [piece for piece in later if piece["full"]]
    assert [sorted(worker["name"] for worker in piece["workers"]) for piece in told] == [["wa", "wb"]]
    site.fake.publications.clear()
    site.run(60)
    assert all(not piece["full"] for piece in site.fake.publications)
    beats = 60 / min(HEARTBEAT, LIMITS["max_age"] / 4)
    assert beats - 2 <= len(site.fake.publications) <= beats + 2  # nothing but heartbeats
    assert all(set(piece["ages"]) <= {"a", "b"} for piece in site.fake.publications)
    assert any(piece["ages"] for piece in site.fake.publications)


def test_a_supervisord_that_does_not_answer_is_said_once_and_caught_up_with(site: Site) -> None:
    site.run(20)
    site.fake.unreachable = "nobody there"
    site.run(30)
    assert len(site.logged("nobody there")) == 1
    site.fake.unreachable = ""
    site.fake.publications.clear()
    site.run(5)
    assert site.logged("answers again")
    assert site.fake.publications


def test_orders_that_could_not_be_given_are_given_later(site: Site) -> None:
    site.run(20)
    site.hanging.add("wb")
    site.run(10)
    site.fake.unreachable = "nobody there"
    site.run(20)
    assert site.fake.calls == []
    site.fake.unreachable = ""
    site.run(8)
    assert [verb for verb, _ in site.fake.calls] == ["stop", "start"]


def test_a_refused_publication_ends_all_decisions(site: Site) -> None:
    """Another healer is at work: supervisord tells us so, and two brains must not act on one pipeline."""
    from supervisor_healer.listener.rpc import RefusedError  # noqa: PLC0415

    site.run(20)
    fault = type("Fault", (), {"faultCode": 2, "faultString": "INCORRECT_PARAMETERS: another healer is at work"})()

    def refuse(_publication: object) -> None:
        raise RefusedError("healer.publish", fault)

    site.fake.publish = refuse  # type: ignore[method-assign, assignment]
    site.hanging.add("wb")
    site.run(60)
    assert site.fake.calls == []
    assert site.logged("another healer is at work")


def test_a_journal_that_fails_limits_restarts_and_stops_nothing(site: Site) -> None:
    site.run(20)
    site.journal._degrade("cannot be written: disk full")  # what a failed write leaves behind
    site.hanging.add("wb")
    site.run(16)
    assert [verb for verb, _ in site.fake.calls] == ["stop", "start"]
    warned = [piece["listener"]["warnings"] for piece in site.fake.publications if piece["listener"]["warnings"]]
    assert warned
    assert "disk full" in warned[-1][0]


def test_a_request_is_taken_once_and_answered(site: Site) -> None:
    site.run(20)
    site.hanging.add("wb")
    site.run(16)
    request = site.fake.ask("heal", "wb")
    site.run(1)
    site.hanging.clear()
    site.run(5)
    assert site.fake.answers[request][0] == 0
    assert [verb for verb, _ in site.fake.calls] == ["stop", "start"]
    steps = [progress for piece in site.fake.publications for progress in piece["requests"] if progress["steps"]]
    assert steps


def test_processes_come_and_go(site: Site) -> None:
    site.run(20)
    gone = site.fake.processes.pop("wb:wb")
    site.fake.generation += 1
    site.run(8)
    assert site.states()["wb"] == "unknown"
    assert "no program wb" in site.watch.engine.verdicts["wb"].reason
    site.fake.processes["wb:wb"] = gone
    site.fake.generation += 1
    site.run(20)
    assert site.states()["wb"] == "healthy"
    assert site.fake.calls == []


def test_a_broken_new_architecture_is_told_and_the_old_one_stays(site: Site) -> None:
    site.run(20)
    site.watch.complain(("a.yaml:3: workers: bad",), Now(site.fake.wall, site.fake.mono))
    site.run(8)
    assert site.fake.publications[-1]["listener"]["warnings"] == [
        "the new architecture is not used: a.yaml:3: workers: bad"
    ]
    notes = [note["text"] for piece in site.fake.publications for note in piece["history"]]
    assert "1 error, the one before stays in use: a.yaml:3: workers: bad" in notes
    assert site.states() == {"wa": "healthy", "wb": "healthy"}


def test_a_large_first_judgement_comes_in_pieces(tmp_path: Path, open_site: Callable[..., Site]) -> None:
    names = tuple(f"w{number}" for number in range(3 * WORKERS_A_PIECE // 2))
    architecture = Architecture(
        source="",
        root=str(tmp_path),
        state=str(tmp_path / "healer.sqlite3"),
        files={f"{name}.out": FileSpec(f"{name}.out", **LIMITS) for name in names},
        workers=tuple(WorkerSpec(name, name, outputs=(f"{name}.out",)) for name in names),
    )
    site = open_site(architecture, names)
    site.run(1)
    pieces = [piece for piece in site.fake.publications if piece["workers"]]
    assert max(len(piece["workers"]) for piece in pieces) == WORKERS_A_PIECE
    assert {worker["name"] for piece in pieces for worker in piece["workers"]} == set(names)
    assert [piece["full"] for piece in pieces[:2]] == [True, False]
    assert [piece["listener"]["loaded"] for piece in pieces[:2]] == [False, True]


def test_what_supervisord_did_not_take_is_kept(site: Site) -> None:
    site.run(20)
    publisher, engine = site.publisher, site.watch.engine
    site.hanging.add("wb")
    site.watch._quiet_until = float("inf")  # nothing is published from here on
    site.run(12)
    assert publisher.has_news(engine)
    pieces = publisher.pieces(engine, beat=False)
    assert [worker["name"] for worker in next(iter(pieces))["workers"]] == ["wb"]
    pieces.close()  # type: ignore[attr-defined] # the publication failed
    assert publisher.has_news(engine)
    assert [worker["name"] for piece in publisher.pieces(engine, beat=False) for worker in piece["workers"]] == ["wb"]
    assert not publisher.has_news(engine)
