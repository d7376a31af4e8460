"""What anybody may ask of the healer namespace, on a real supervisord."""

from __future__ import annotations

import time
import xmlrpc.client

import pytest
import supervisor.xmlrpc
from real_supervisord import Supervisord, consumer, fault, file, worker

from supervisor_healer import words
from supervisor_healer.protocol import encode

pytestmark = pytest.mark.real

BAD_NAME, INCORRECT, FAILED, NOT_RUNNING = 10, 2, 30, 70


def test_a_worker_is_a_struct_of_the_design(supervisord: Supervisord) -> None:
    now = time.monotonic()
    supervisord.publish(
        workers=[
            worker(
                "wa",
                "stalled",
                f"wa.jsonl {words.ago(now - 41 * 3600)} old",
                critical=True,
                inputs=[file("in.jsonl", age=2, producer="wb"), file("gone.jsonl", "missing", 9)],
                blocked_by=["wb"],
                attempts=2**40,
                next_attempt_mono=now + 60,
                last_heal={"at": 5, "outcome": "failed", "reason": "no new output"},
            )
        ]
    )
    for name in ("wa", "wa:wa"):
        one = supervisord.rpc.healer.getWorkerHealth(name)
        assert (one["name"], one["state"], one["critical"], one["since"]) == ("wa", "stalled", True, 1700000000.5)
        assert one["reason"] == "wa.jsonl 41h old"
        assert one["process"] == {
            "name": "wa", "statename": "RUNNING", "pid": supervisord.pid("wa"), "start": one["process"]["start"]
        }  # fmt: skip
        assert int(one["process"]["start"]) == supervisord.info("wa")["start"]
        assert one["blocked_by"] == ["wb"]
        assert one["attempts"] == 2**31 - 1
        assert 58 < one["next_attempt_in"] <= 60
        assert one["last_heal"] == {"at": 5.0, "outcome": "failed", "reason": "no new output"}
        fresh, missing = one["inputs"]
        assert (fresh["path"], fresh["freshness"], fresh["producer"]) == ("in.jsonl", "fresh", "wb")
        assert (fresh["max_age"], fresh["grace"]) == (300.0, 150.0)
        assert 2 <= fresh["age"] < 4
        assert (missing["freshness"], missing["age"]) == ("missing", 0.0)
    assert supervisord.rpc.healer.getAllWorkerHealth()[0]["state"] == "stalled"


def test_ages_go_on_and_are_refreshed_without_the_worker(supervisord: Supervisord) -> None:
    def age(path: str) -> float:
        for one in supervisord.rpc.healer.getAllWorkerHealth():
            for output in one["outputs"]:
                if output["path"] == path:
                    return float(output["age"])
        raise AssertionError(path)

    supervisord.publish(workers=[worker("wa", outputs=[file("wa.jsonl", age=50)])])
    assert 50 <= age("wa.jsonl") < 52
    supervisord.publish(full=False, workers=[], ages={"wa.jsonl": time.monotonic() - 7})
    assert 7 <= age("wa.jsonl") < 9
    supervisord.publish(full=False, workers=[worker("wa", outputs=[file("wa.jsonl", age=3)])])
    assert 3 <= age("wa.jsonl") < 5


def test_publications_add_up_and_a_full_one_replaces(supervisord: Supervisord) -> None:
    healer = supervisord.rpc.healer

    def names() -> list[str]:
        return [one["name"] for one in healer.getAllWorkerHealth()]

    supervisord.publish(full=False, workers=[worker("new", address="")], gone=["wa"], report={"stats": {"n": 3}})
    assert names() == ["new", "wb"]
    assert healer.getWorkerHealth("new")["process"] == {"name": "", "statename": "", "pid": 0, "start": 0.0}
    assert healer.getReport() == {"stats": {"n": 3}}
    supervisord.publish(full=False, workers=[])
    assert healer.getReport() == {"stats": {"n": 3}}
    supervisord.publish(workers=[worker("wb")])
    assert names() == ["wb"]
    assert healer.getReport() == {}


def test_texts_survive_xml_whatever_is_in_them(supervisord: Supervisord) -> None:
    nasty = "a\x00b\x1bc\ud800d\uffffe<&>\u00e4\n"
    supervisord.publish(
        workers=[worker("wa", "late", nasty, explanation=[nasty], outputs=[file(nasty)])],
        report={nasty: [nasty, None, 2**40, 1.5, True]},
        history=[{"id": 1, "at": 1, "worker": "wa", "event": nasty, "text": nasty, "evidence": [nasty]}],
    )
    clean = "a?b?c?d?e<&>\u00e4?"
    healer = supervisord.rpc.healer
    assert healer.getWorkerHealth("wa")["reason"] == clean
    assert healer.getWorkerHealth("wa")["outputs"][0]["path"] == clean
    assert healer.explain("wa")[0] == clean
    assert healer.getReport() == {clean: [clean, "", float(2**40), 1.5, True]}
    assert healer.getHistory("wa", 0)[0]["evidence"] == [clean]
    assert clean in supervisord.description("wa")


def test_history_is_merged_by_id_and_limited(supervisord: Supervisord) -> None:
    def note(number: int, name: str) -> dict[str, object]:
        return {"id": number, "at": 1.0, "worker": name, "event": "restart", "text": f"n{number}", "evidence": []}

    supervisord.publish(history=[note(1, "wa"), note(2, "wb"), note(3, "")])
    supervisord.publish(full=False, workers=[], history=[note(3, ""), note(4, "wa")])
    healer = supervisord.rpc.healer

    def texts(name: str, limit: int) -> list[str]:
        return [entry["text"] for entry in healer.getHistory(name, limit)]

    assert texts("", 0) == ["n1", "n2", "n3", "n4"]
    assert texts("", 2) == ["n3", "n4"]
    assert texts("wa", 10) == texts("wa:wa", 10) == ["n1", "n4"]
    with fault(BAD_NAME, "no worker, consumer or file 'nobody' is known"):
        healer.getHistory("nobody", 5)
    supervisord.publish(
        full=False, workers=[], consumers=[consumer("gate")], files=[file("in/x_*.csv"), file("c.json")]
    )
    assert texts("gate", 5) == texts("c.json", 5) == texts("in/x_*.csv", 5) == []
    supervisord.publish(full=False, workers=[], history=[note(5, "in/x_*.csv")])
    assert texts("in/x_1.csv", 5) == ["n5"]
    with fault(INCORRECT, "longer than 4096 characters"):
        healer.getHistory("x" * 5000, 5)
    supervisord.publish(full=False, workers=[], gone=["wa"])
    assert texts("wa", 10) == ["n1", "n4"]


@pytest.mark.parametrize(
    ("method", "arguments", "text"),
    [
        ("getWorkerHealth", (), "getWorkerHealth(name): missing a required argument"),
        ("getWorkerHealth", (3,), "expected text, got int"),
        ("getWorkerHealth", ("",), "empty"),
        ("getWorkerHealth", ("x" * 501,), "longer than 500"),
        ("getHistory", ("", -1), "limit"),
        ("getHistory", ("", True), "limit"),
        ("getHistory", ("", "5"), "limit"),
        ("heal", ("wa", "force"), "expected a struct, got str"),
        ("heal", ("wa", {"forse": True}), "unknown option 'forse' (expected dry_run or force)"),
        ("heal", ("wa", {"force": 1}), "force: expected true or false, got int"),
        ("heal", ("wa", {}, 1), "too many"),
        ("unmonitor", ("wa", -1), "seconds"),
        ("unmonitor", ("wa", float("nan")), "seconds"),
        ("unmonitor", ("wa", float("inf")), "seconds"),
        ("unmonitor", ("wa", True), "seconds"),
        ("unmonitor", ("wa", "5m"), "seconds"),
        ("monitor", (["wa"],), "expected text, got list"),
        ("getRequest", (5,), "id: expected text"),
        ("publish", ("{}",), "expected an object with `version` and `body`"),
        ("publish", ("nonsense",), "not JSON"),
        ("publish", ('{"version":99,"body":{}}',), "different versions"),
        ("publish", (encode({}),), "without ages"),
        ("stopWorker", (encode({"address": "wa:wa", "pid": "1"}),), "pid: expected a whole number"),
        ("startWorker", (encode([]),), "expected an object, got list"),
        ("signalWorker", (encode({"address": "wa:wa", "pid": 1}),), "without signal"),
        ("verify", ("wa",), "verify(): too many"),
        ("restore", (), "restore(path): missing a required argument"),
        ("restore", ("",), "path: empty"),
        ("restore", (5,), "path: expected text, got int"),
        ("restore", ("x" * 4097,), "path: longer than 4096 characters"),
        ("restore", ("a\tb",), "path: control characters in 'a?b'"),
    ],
)
def test_wrong_arguments_are_faults_with_a_text(
    supervisord: Supervisord, method: str, arguments: tuple[object, ...], text: str
) -> None:
    with fault(INCORRECT, text):
        getattr(supervisord.rpc.healer, method)(*arguments)


@pytest.mark.parametrize("number", [10**400, -(10**400), 2**64, 11 * 366 * 86400])
def test_a_number_beyond_all_bounds_is_refused_and_nothing_breaks(supervisord: Supervisord, number: int) -> None:
    complaints = supervisord.log.count("supervisor_healer:")
    healer = supervisord.rpc.healer
    with fault(INCORRECT, "seconds: expected 0 (until monitor) to 316224000 (10 years)"):
        _call_with_int(supervisord, "healer.unmonitor", "wa", number)
    if number < 0:
        with fault(INCORRECT, "limit: expected 0 (all that is kept) or more"):
            _call_with_int(supervisord, "healer.getHistory", "wa", number)
    else:
        assert _call_with_int(supervisord, "healer.getHistory", "wa", number) == healer.getHistory("wa", 0)
    assert supervisord.log.count("supervisor_healer:") == complaints


def _call_with_int(supervisord: Supervisord, method: str, name: str, number: int) -> object:
    """A call that Python's own client refuses to send: XML-RPC integers have 32 bits, supervisord takes any."""
    body = xmlrpc.client.dumps((name, 12345), method).replace("12345", str(number))
    connection = supervisor.xmlrpc.UnixStreamHTTPConnection("localhost")
    connection.socketfile = supervisord.url.removeprefix("unix://")
    connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
    try:
        return xmlrpc.client.loads(connection.getresponse().read())[0][0]
    finally:
        connection.close()


def test_unknown_names_are_bad_names(supervisord: Supervisord) -> None:
    healer = supervisord.rpc.healer
    for call in (healer.getWorkerHealth, healer.heal, healer.monitor, healer.unmonitor):
        with fault(BAD_NAME, "no worker 'nobody' is known"):
            call("nobody")
    for call in (healer.explain, healer.getFileHealth):
        with fault(BAD_NAME, "no worker, consumer or file 'nobody' is known"):
            call("nobody")
    with fault(BAD_NAME, "no consumer 'nobody' is known"):
        healer.getConsumerHealth("nobody")
    with fault(BAD_NAME, "no request 'x'"):
        healer.getRequest("x")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"workers": [worker("wa", 3)]}, "workers[0].state: expected text, got int"),
        ({"workers": [worker("wa", since=float("1e308") * 10)]}, "not JSON"),
        ({"workers": [{**worker("wa"), "inputs": [{"path": "x"}]}]}, "workers[0].inputs[0]: without aged_mono"),
        ({"workers": [worker("wa", extra=1)]}, "workers[0]: unknown: 'extra'"),
        ({"workers": [worker("wa", reason="\x1fago:1.2.3\x1f")]}, "reason: a moment in this text cannot be read"),
        ({"ages": {"x": None}}, "ages.'x': expected a number"),
        ({"history": [{"id": 1.5}]}, "history[0]: without at"),
        ({"full": 1}, "full: expected true or false"),
        ({"loaded": None}, "listener.loaded: expected true or false"),
        ({"pid": True}, "listener.pid: expected a whole number"),
    ],
)
def test_a_malformed_publication_changes_nothing(
    supervisord: Supervisord, change: dict[str, object], text: str
) -> None:
    if text == "not JSON":
        with fault(INCORRECT, "without ages"):
            supervisord.rpc.healer.publish(encode({"full": 0}).replace("0", "NaN"))
        return
    before = supervisord.rpc.healer.getAllWorkerHealth()
    with fault(INCORRECT, text):
        supervisord.publish(**{"gone": ["wa"], **change})
    after = supervisord.rpc.healer.getAllWorkerHealth()
    assert [one["name"] for one in after] == [one["name"] for one in before] == ["wa", "wb"]


def test_the_history_of_all_is_not_that_of_a_pattern_that_matches_everything(supervisord: Supervisord) -> None:
    note = {"id": 1, "at": 1.0, "worker": "wa", "event": "restart", "text": "n1", "evidence": []}
    supervisord.publish(history=[note], files=[file("*")])
    assert [entry["text"] for entry in supervisord.rpc.healer.getHistory("", 0)] == ["n1"]
