"""What `explain` tells of consumers and files, on a real supervisord."""

from __future__ import annotations

import time
from typing import Any

import pytest
from real_supervisord import Supervisord, consumer, fault, file, worker

from supervisor_healer import words

pytestmark = pytest.mark.real

BAD_NAME, INCORRECT = 10, 2


def publish(supervisord: Supervisord, **changes: Any) -> None:
    """x.csv (from outside) -> wa -> a.jsonl -> wb (stalled) -> b_*.jsonl -> gate (blocked); c.json -> wb, gate"""
    config = file("c.json", "unknown", 900, max_age=0.0, note="invalid: low is missing", config=True, critical=True)
    a, b = file("a.jsonl", age=20, producer="wa"), file("b_*.jsonl", "stale", 900, "wb, nobody")
    old = f"b_*.jsonl {words.ago(time.monotonic() - 900)} old"
    chain = f"chain: gate <- b_*.jsonl (stale, {words.ago(time.monotonic() - 900)} old) <- wb (stalled)"
    news = {
        "workers": [
            worker("wb", "stalled", old, inputs=[a, config], outputs=[{**b, "note": "work pending for 9m"}]),
            worker("wa", inputs=[file("x.csv", "late", 400)], outputs=[a]),
        ],
        "consumers": [
            consumer(
                "gate", "blocked", f"by wb: {old}", blocked_by=["wb"], inputs=[b, config],
                explanation=[chain, "next: nothing here: it is healed at wb"],
            )
        ],
        "files": [file("alone/x.json", "missing", 0, note="no such file")],
    }  # fmt: skip
    supervisord.publish(**{**news, **changes})


def test_a_consumer(supervisord: Supervisord) -> None:
    publish(supervisord)
    assert supervisord.rpc.healer.explain("gate") == [
        "blocked: by wb: b_*.jsonl 15m old",
        "input: b_*.jsonl stale, 15m old (max 5m + 2m30s grace), from wb, nobody",
        "input: c.json unknown, 15m old, from outside, invalid: low is missing",
        "chain: gate <- b_*.jsonl (stale, 15m old) <- wb (stalled)",
        "next: nothing here: it is healed at wb",
    ]
    assert supervisord.rpc.healer.getConsumerHealth("gate")["state"] == "blocked"


def test_a_file_with_its_producer_and_readers(supervisord: Supervisord) -> None:
    publish(supervisord)
    assert supervisord.rpc.healer.explain("b_*.jsonl") == [
        "file: b_*.jsonl stale, 15m old (max 5m + 2m30s grace), work pending for 9m",
        "written by: wb (stalled: b_*.jsonl 15m old)",
        "read by: gate (blocked)",
        "next: nothing here: see wb (`supervisorctl explain wb`)",
    ]
    assert supervisord.rpc.healer.explain("a.jsonl") == [
        "file: a.jsonl fresh, 20s old (max 5m + 2m30s grace)",
        "written by: wa (healthy)",
        "read by: wb (stalled)",
        "next: nothing",
    ]


def test_a_file_from_outside(supervisord: Supervisord) -> None:
    publish(supervisord)
    healer = supervisord.rpc.healer
    assert healer.explain("x.csv")[1:] == [
        "written by: nobody here: it comes from outside", "read by: wa (healthy)", "next: it moves, or becomes stale",
    ]  # fmt: skip
    assert healer.explain("alone/x.json") == [
        "file: alone/x.json missing (max 5m + 2m30s grace), no such file",
        "written by: nobody here: it comes from outside",
        "read by: nobody here",
        "next: whoever writes it has to write again",
    ]


def test_a_config_with_what_the_report_says_of_it(supervisord: Supervisord) -> None:
    entry = {"subject": "c.json", "kind": "config", "message": "c.json invalid: low is missing", "action": "edit it"}
    publish(supervisord, report={"failed": [entry, {**entry, "subject": "d.json"}, 3], "warnings": "none"})
    assert supervisord.rpc.healer.explain("c.json") == [
        "config: c.json unknown, 15m old, invalid: low is missing",
        "written by: nobody here: it comes from outside",
        "read by: wb (stalled), gate (blocked)",
        "reported: c.json invalid: low is missing",
        "next, for a person: edit it",
    ]
    publish(supervisord, report={"warnings": [{**entry, "action": ""}]})
    assert supervisord.rpc.healer.explain("c.json")[-2:] == [
        "reported: c.json invalid: low is missing", "next: the healing cycle puts it right, as reported",
    ]  # fmt: skip
    publish(supervisord, report={})
    assert supervisord.rpc.healer.explain("c.json")[-1] == "next: what is wrong with it has to be put right"


def test_a_path_that_a_pattern_stands_for(supervisord: Supervisord) -> None:
    publish(supervisord)
    healer = supervisord.rpc.healer
    assert healer.explain("b_2.jsonl") == healer.explain("b_*.jsonl")
    assert healer.getFileHealth("b_2.jsonl")["path"] == "b_*.jsonl"
    assert healer.getFileHealth("c.json")["critical"] is True
    for path in ("b_/2.jsonl", "alone", "x.json"):
        with fault(BAD_NAME, f"no worker, consumer or file {path!r} is known"):
            healer.explain(path)
    with fault(INCORRECT, "longer than 4096 characters"):
        healer.explain("x" * 5000)


def test_a_worker_comes_before_a_file_of_the_same_name(supervisord: Supervisord) -> None:
    publish(supervisord, files=[file("wa"), file("gate")])
    assert supervisord.rpc.healer.explain("wa")[0] == "wa is healthy"
    assert supervisord.rpc.healer.explain("gate")[0].startswith("blocked: ")


def test_without_a_healer_it_is_the_last_verdict(supervisord: Supervisord) -> None:
    publish(supervisord)
    supervisord.kill("healer")
    for name in ("gate", "a.jsonl"):
        first, second, *_ = supervisord.rpc.healer.explain(name)
        assert first.startswith("healer not running (EXITED ")
        assert first.endswith("; what follows is its last verdict")
        assert second.startswith(("blocked: ", "file: a.jsonl fresh"))
    supervisord.start("healer")
