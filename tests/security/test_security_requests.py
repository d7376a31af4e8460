"""More requests than anybody has, and names that would write into a log, a history or a screen."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from door import Door
from pipeline import Site, chain
from real_supervisord import Supervisord, consumer, file, worker
from supervisor.xmlrpc import Faults
from wild import INJECTIONS, request
from wire import post, unharmed

from supervisor_healer import protocol, words
from supervisor_healer.protocol import REQUESTS_KEPT
from supervisor_healer.supervisord.published import Published

IN_FLIGHT = 10_000


# --- so many -------------------------------------------------------------------------------------------------


def finish(door: Door, *ids: str) -> None:
    end = {"state": "done", "exit_status": 0, "steps": [{"at": 1.0, "text": "healed"}], "reason": "healed"}
    assert door.publish(requests=[{"id": one, **end} for one in ids]).fault is None


def known(door: Door, request_id: str) -> bool:
    fault = door.call("getRequest", request_id).fault
    if fault is not None:
        assert fault.faultCode == Faults.BAD_NAME
        assert f"supervisord keeps the last {REQUESTS_KEPT}" in fault.faultString
    return fault is None


def test_no_more_requests_are_kept_open_than_can_be(door: Door) -> None:
    answers = [door.call("heal", "wa") for _ in range(REQUESTS_KEPT + 300)]
    kept = [answer.value for answer in answers[:REQUESTS_KEPT]]
    assert [one["id"] for one in protocol.decode(door.call("takeRequests").value)] == kept
    for answer in answers[REQUESTS_KEPT:]:
        assert answer.fault is not None
        assert answer.fault.faultCode == Faults.FAILED
        assert answer.fault.faultString.startswith(
            f"FAILED: {REQUESTS_KEPT} requests are open already; see `supervisorctl"
        )
    assert all(known(door, str(one)) for one in kept)


def test_the_oldest_that_is_finished_is_forgotten_first_and_an_open_one_never(door: Door) -> None:
    ids = [str(door.call("heal", "wa").value) for _ in range(REQUESTS_KEPT)]
    finish(door, ids[7], ids[3], ids[5])  # in whatever order they end
    for forgotten in (ids[3], ids[5], ids[7]):
        assert known(door, forgotten)
        ids.append(str(door.call("monitor", "wb").value))
        assert not known(door, forgotten)
        ids.remove(forgotten)
    assert door.call("heal", "wa").fault is not None
    assert [one["id"] for one in protocol.decode(door.call("takeRequests").value)] == ids


def test_requests_that_come_and_go_take_no_more_memory(door: Door) -> None:
    def come_and_go(rounds: int) -> None:
        for _ in range(rounds):
            finish(door, *(str(door.call("heal", "wa").value) for _ in range(100)))

    tracemalloc.start()
    try:
        come_and_go(REQUESTS_KEPT // 100 + 1)
        before, _ = tracemalloc.get_traced_memory()
        come_and_go(5)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 200_000  # bytes; 500 requests that nobody forgets take more than twice that


@pytest.mark.real
def test_ten_thousand_over_the_wire_and_supervisord_goes_on(supervisord: Supervisord) -> None:
    several = [{"methodName": "healer.heal", "params": ["wa"]}] * (IN_FLIGHT // 10)
    with unharmed(supervisord) as witness:
        refused = 0
        for _ in range(10):
            answers: Any = post(supervisord.url, request("system.multicall", several)).value
            refused += sum(isinstance(answer, dict) for answer in answers)
            witness.look()
        assert refused == IN_FLIGHT - REQUESTS_KEPT
        assert supervisord.publish(full=False, workers=[])["requests"] == REQUESTS_KEPT


# --- and names like these ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", INJECTIONS)
def test_whatever_is_published_nothing_unclean_is_read(door: Door, text: str) -> None:
    news = {
        "workers": [
            worker(text, text, text, address="wa:wa", inputs=[file(text, text, producer=text, note=text, ground=text)]),
            worker("wb", "stalled", text, blocked_by=[text], explanation=[text], outlook=[text]),
        ],
        "consumers": [consumer(text, "late", text)],
        "files": [file(text, "stale")],
        "history": [{"id": 1, "at": 1.0, "worker": text, "event": text, "text": text, "evidence": [text]}],
        "report": {text: [text], "failed": [{"subject": text, "kind": "file", "message": text, "action": text}]},
        "warnings": [text],
        "architecture": text,
        "mode": text,
    }
    for errors in ([], [text]):
        answer = door.publish(**news, architecture_errors=errors)
        door.assert_sound(answer)  # or it is refused: a moment that cannot be read
        door.assert_usable()
        door.assert_sound(door.call("heal", "wa"))


def test_a_bug_cannot_write_into_the_log_as_supervisord(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ValueError("\n".join(INJECTIONS) * 100)

    monkeypatch.setattr(Published, "named", fails)
    for _ in range(2):
        fault = door.call("explain", "wa").fault
        assert fault is not None
        assert fault.faultCode == Faults.FAILED
        assert "a bug in supervisor_healer" in fault.faultString
        assert fault.faultString == words.clean(fault.faultString)
        assert len(fault.faultString) < 1000
    (complaint,) = door.log.complaints  # once
    first, *rest = complaint.split("\n")
    assert first == "supervisor_healer: explain failed:"
    assert [line for line in rest if not line.startswith("  ") or line != words.clean(line)] == []
    assert any("in fails" in line for line in rest)


@pytest.mark.real
def test_no_event_writes_into_the_listeners_log_or_ends_it() -> None:
    """Whoever reaches the socket may have supervisord send an event with any text to the listener."""
    with Site(chain("wa")) as site:
        site.until_healthy()
        pid = site.listener()["pid"]
        for text in INJECTIONS:
            if text != "\ud800":  # cannot be sent as XML
                for kind in (text, protocol.RING):
                    post(f"unix://{site.folder}/s.sock", request("supervisor.sendRemoteCommEvent", kind, text))
        assert site.ctl("heal", "wa").returncode == 0
        assert site.listener()["pid"] == pid
        lines = site.read("healer.err").splitlines()
        assert [line for line in lines if not line.startswith("20") or line != words.clean(line)] == []
        assert [line for line in lines if "bug" in line] == []
