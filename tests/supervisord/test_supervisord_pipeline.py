"""Consumers, files, the report, and what else the healing cycle publishes and asks for, on a real supervisord."""

from __future__ import annotations

import time
from typing import Any

import pytest
from real_supervisord import Supervisord, consumer, fault, file, until, worker

from supervisor_healer import words
from supervisor_healer.supervisord import shapes

pytestmark = pytest.mark.real

BAD_NAME, INCORRECT, FAILED, NOT_RUNNING = 10, 2, 30, 70


def paths(supervisord: Supervisord) -> list[str]:
    return [one["path"] for one in supervisord.rpc.healer.getAllFileHealth()]


def the_file(supervisord: Supervisord, path: str) -> dict[str, Any]:
    [found] = [one for one in supervisord.rpc.healer.getAllFileHealth() if one["path"] == path]
    answer: dict[str, Any] = found
    return answer


def test_a_consumer_is_a_struct(supervisord: Supervisord) -> None:
    reason = f"by wa: wa.jsonl {words.ago(time.monotonic() - 41 * 3600)} old"
    gate = consumer(
        "gate", "blocked", reason, critical=True, blocked_by=["wa"], inputs=[file("wa.jsonl", "stale", 9, "wa")]
    )
    supervisord.publish(consumers=[gate, consumer("board")])
    board, seen = supervisord.rpc.healer.getAllConsumerHealth()
    age = seen["inputs"][0].pop("age")
    assert 9 <= age < 11
    assert seen == {
        "name": "gate", "state": "blocked", "since": 1700000000.5, "reason": "by wa: wa.jsonl 41h old",
        "critical": True, "blocked_by": ["wa"],
        "inputs": [{
            "path": "wa.jsonl", "freshness": "stale", "max_age": 300.0, "grace": 150.0, "producer": "wa",
            "critical": False, "config": False, "ground": "",
        }],
    }  # fmt: skip
    assert (board["name"], board["state"], board["inputs"]) == ("board", "healthy", [])


def test_every_file_once_with_its_readers(supervisord: Supervisord) -> None:
    supervisord.publish(
        workers=[
            worker("wb", inputs=[file("out.jsonl", "fresh", 3, "wa", note="not required"), file("in.csv")]),
            worker("wa", inputs=[file("in.csv")], outputs=[file("out.jsonl", "late", 3, note="work pending for 2s")]),
        ],
        consumers=[
            consumer("gate", inputs=[file("out.jsonl", "fresh", 3, "wa"), file("c.json", max_age=0.0, config=True)])
        ],
        files=[file("alone.json", "missing", 0, note="no such file", critical=True)],
    )
    seen = {one.pop("path"): one for one in supervisord.rpc.healer.getAllFileHealth()}
    assert list(seen) == ["alone.json", "c.json", "in.csv", "out.jsonl", "wb.jsonl"]
    assert 3 <= seen["out.jsonl"].pop("age") < 5
    assert seen["out.jsonl"] == {  # as its producer has it
        "freshness": "late", "max_age": 300.0, "grace": 150.0, "producer": "", "note": "work pending for 2s",
        "critical": False, "config": False, "ground": "", "readers": ["gate", "wb"],
    }  # fmt: skip
    assert seen["in.csv"]["readers"] == ["wa", "wb"]
    assert seen["alone.json"] == {
        "freshness": "missing", "age": 0.0, "max_age": 300.0, "grace": 150.0, "producer": "", "note": "no such file",
        "critical": True, "config": False, "ground": "", "readers": [],
    }  # fmt: skip
    assert (seen["c.json"]["max_age"], seen["c.json"]["config"], seen["c.json"]["readers"]) == (0.0, True, ["gate"])


def test_consumers_and_files_add_up_and_a_full_publication_replaces(supervisord: Supervisord) -> None:
    healer = supervisord.rpc.healer
    supervisord.publish(workers=[], consumers=[consumer("gate"), consumer("board")], files=[file("a"), file("b")])
    changed = consumer("gate", "late", inputs=[file("c")])
    supervisord.publish(full=False, workers=[], consumers=[changed], files=[file("b", "stale")], files_gone=["a", "x"])
    assert [(one["name"], one["state"]) for one in healer.getAllConsumerHealth()] == [
        ("board", "healthy"), ("gate", "late")
    ]  # fmt: skip
    assert paths(supervisord) == ["b", "c"]
    assert the_file(supervisord, "b")["freshness"] == "stale"
    supervisord.publish(full=False, workers=[], gone=["gate"])
    assert [one["name"] for one in healer.getAllConsumerHealth()] == ["board"]
    assert paths(supervisord) == ["b"]
    supervisord.publish(workers=[])
    assert (healer.getAllConsumerHealth(), paths(supervisord)) == ([], [])


def test_ages_refresh_every_file_whoever_has_it(supervisord: Supervisord) -> None:
    def ages() -> list[int]:
        healer = supervisord.rpc.healer
        seen = healer.getAllConsumerHealth()[0]["inputs"][0], the_file(supervisord, "alone"), the_file(supervisord, "c")
        return [int(one["age"] / 10) for one in seen]

    supervisord.publish(consumers=[consumer("gate", inputs=[file("c", age=50)])], files=[file("alone", age=60)])
    assert ages() == [5, 6, 5]
    now = time.monotonic()
    supervisord.publish(full=False, workers=[], ages={"c": now - 11, "alone": now - 21, "nobody's": now})
    assert ages() == [1, 2, 1]
    supervisord.publish(full=False, workers=[worker("wa", inputs=[file("c", age=31)])], files=[file("alone", age=41)])
    assert ages() == [3, 4, 3]  # what one of them tells anew is news for the others
    supervisord.publish(full=False, workers=[], files=[file("alone", "unknown", age=0)])
    assert the_file(supervisord, "alone")["age"] == 0.0


def test_ages_that_nobody_has_are_forgotten(supervisord: Supervisord) -> None:
    now = time.monotonic()
    for turn in range(3):
        strangers = {f"{turn}-{number}": now for number in range(800)}
        supervisord.publish(full=False, workers=[], ages={"wa.jsonl": now - 77, **strangers})
    assert 77 <= the_file(supervisord, "wa.jsonl")["age"] < 80
    supervisord.publish(full=False, workers=[], files=[file("1-5", age=99)])
    assert 99 <= the_file(supervisord, "1-5")["age"] < 101


def test_without_a_healer_all_of_it_is_unknown(supervisord: Supervisord) -> None:
    gate = consumer("gate", "late", "a little", blocked_by=["wa"], inputs=[file("c", age=9)])
    supervisord.publish(consumers=[gate], files=[file("alone", age=9)], report={"version": 1})
    supervisord.kill("healer")
    healer = supervisord.rpc.healer
    for call, arguments in ((healer.verify, ()), (healer.restore, ("c",))):
        with fault(NOT_RUNNING, "healer not running (EXITED", "supervisorctl tail healer stderr"):
            call(*arguments)
    [seen] = healer.getAllConsumerHealth()
    assert (seen["state"], seen["blocked_by"], seen["inputs"][0]["freshness"]) == ("unknown", [], "unknown")
    assert seen["reason"].startswith("healer not running (EXITED ")
    assert seen["reason"].endswith("ago); last verdict: late: a little")
    alone = the_file(supervisord, "alone")
    assert (alone["freshness"], alone["age"]) == ("unknown", 0.0)
    assert healer.getReport() == {"version": 1}
    supervisord.start("healer")


def test_texts_of_consumers_and_files_survive_xml(supervisord: Supervisord) -> None:
    nasty = "a\x00b\x1bc\ud800d\uffffe<&>\u00e4\n"
    clean = "a?b?c?d?e<&>\u00e4?"
    gate = consumer(nasty, nasty, nasty, blocked_by=[nasty], inputs=[file("x")])
    supervisord.publish(workers=[], consumers=[gate], files=[file(nasty, nasty, 0, nasty, note=nasty)])
    [seen] = supervisord.rpc.healer.getAllConsumerHealth()
    assert (seen["name"], seen["state"], seen["reason"], seen["blocked_by"]) == (clean, clean, clean, [clean])
    one = the_file(supervisord, clean)
    assert (one["freshness"], one["note"], one["producer"]) == (clean, clean, clean)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"consumers": [consumer("x", since="now")]}, "consumers[0].since: expected a number, got text"),
        ({"consumers": [consumer("x", extra=1)]}, "consumers[0]: unknown: 'extra'"),
        ({"files": [{"path": "x"}]}, "files[0]: without aged_mono"),
        ({"files_gone": [3]}, "files_gone[0]: expected text, got int"),
        ({"report": []}, "report: expected an object, got list"),
    ],
)
def test_a_malformed_consumer_or_file_changes_nothing(
    supervisord: Supervisord, change: dict[str, object], text: str
) -> None:
    supervisord.publish(consumers=[consumer("gate")], files=[file("a")])
    with fault(INCORRECT, text.replace("got text", "got str")):
        supervisord.publish(workers=[], **change)
    assert [one["name"] for one in supervisord.rpc.healer.getAllConsumerHealth()] == ["gate"]
    assert paths(supervisord) == ["a", "wa.jsonl", "wb.jsonl"]


def test_moments_in_the_report_are_put_into_words(supervisord: Supervisord) -> None:
    old = f"wa.jsonl {words.ago(time.monotonic() - 41 * 3600)} old"
    supervisord.publish(report={"failed": [{"subject": "wa", "message": old, "at": 1e9, "critical": True}]})
    assert supervisord.rpc.healer.getReport() == {
        "failed": [{"subject": "wa", "message": "wa.jsonl 41h old", "at": 1e9, "critical": True}]
    }


@pytest.mark.parametrize("entry", ["x" * 10_000, ["x"] * 10, {"key" * 100: 1}])
def test_a_report_stays_bounded(entry: object) -> None:
    report: dict[str, Any] = shapes.fitting({"a": 1, "warnings": [entry] * 20_000, "after": [1, 2]}, dict[str, Any])
    assert report["a"] == 1
    assert 10 < len(report["warnings"]) <= 20_000
    assert len(repr(report)) < 1.2 * shapes.FREE_FORM_MAX * (4 if isinstance(entry, list) else 1.5)
    small = {"a": [{"b": ["c", 1, 2.5, True, None]}]}
    assert shapes.fitting(small, dict[str, Any]) == {"a": [{"b": ["c", 1, 2.5, True, ""]}]}


def test_verify_and_restore_are_requests(supervisord: Supervisord) -> None:
    healer = supervisord.rpc.healer
    before = sum("type:supervisor_healer" in event for event in supervisord.events)
    verify, restore = healer.verify(), healer.restore("configs/all")
    all_of_it = healer.restore("all")  # a path like any other
    until(lambda: sum("type:supervisor_healer" in e for e in supervisord.events) == before + 3, "the bell is heard")
    assert [(one["id"], one["verb"], one["name"]) for one in supervisord.take()] == [
        (verify, "verify", "all"), (restore, "restore", "configs/all"), (all_of_it, "restore", "all")
    ]  # fmt: skip
    supervisord.progress(restore, "done", "looking", status=2, reason="no config 'configs/all' in the architecture")
    done = healer.getRequest(restore)
    assert (done["name"], done["state"], done["exit_status"]) == ("configs/all", "done", 2)


def test_verify_and_restore_before_the_first_judgement_and_without_one(supervisord: Supervisord) -> None:
    supervisord.publish(workers=[], loaded=False)
    assert supervisord.rpc.healer.verify()
    assert supervisord.rpc.healer.restore("x" * 4096)
    supervisord.publish(architecture_errors=["a.yaml:3: nonsense"])
    for call, arguments in ((supervisord.rpc.healer.verify, ()), (supervisord.rpc.healer.restore, ("c",))):
        with fault(NOT_RUNNING, "its architecture is broken; see `supervisorctl health`"):
            call(*arguments)


def test_a_signal_for_a_worker(supervisord: Supervisord) -> None:
    pid = supervisord.pid("wa")
    accepted = {"outcome": "accepted", "reason": "", "statename": "RUNNING", "pid": pid}
    assert supervisord.order("signalWorker", "wa:wa", pid, signal="USR1") == accepted
    assert supervisord.order("signalWorker", "wa:wa", pid + 1, signal="KILL")["outcome"] == "changed"
    assert supervisord.order("signalWorker", "no:body", pid, signal="USR1")["outcome"] == "gone"
    failed = supervisord.order("signalWorker", "wa:wa", pid, signal="\u00e4")
    assert (failed["outcome"], failed["statename"]) == ("failed", "RUNNING")
    listener = supervisord.pid("healer")
    assert supervisord.order("signalWorker", "healer:healer", listener, signal="KILL") == {
        "outcome": "failed", "reason": "an event listener is not a worker", "statename": "RUNNING", "pid": listener
    }  # fmt: skip
    assert supervisord.order("signalWorker", "never:never", 0, signal="USR1")["outcome"] == "operator"
    supervisord.kill("wb")
    assert supervisord.order("signalWorker", "wb:wb", pid, signal="USR1")["reason"] == "it is EXITED"
    assert supervisord.pid("wa") == pid
