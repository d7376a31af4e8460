"""Bad arguments for every method, in this process and over real XML-RPC; and what a publication may hold."""

from __future__ import annotations

import math
import types
import xmlrpc.client
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from door import Door, assert_sound_fault
from methods import METHODS, OPTIONAL
from real_supervisord import Supervisord, worker
from supervisor.xmlrpc import Faults, RPCError
from wild import INJECTIONS, encoded, request
from wire import post, unharmed

from supervisor_healer import protocol, words
from supervisor_healer.protocol import producers

HUGE = "x" * 20_000
CONTROL = [text for text in INJECTIONS if text != words.clean(text)]
DEEP: list[Any] = []
for _ in range(300):
    DEEP = [DEEP]

NO_TEXT = [None, True, 5, 10**400, 1.5, math.nan, math.inf, [], ["wa"], {}, {"wa": "wa"}, DEEP, datetime(2026, 1, 1)]
BAD: dict[str, list[object]] = {
    "name": [*NO_TEXT, *CONTROL, "", "x" * 501, HUGE],
    "path": [*NO_TEXT, *CONTROL, "", "x" * 4097, HUGE],
    "anybody": [*NO_TEXT, *CONTROL, "x" * 4097, HUGE],
    "options": [
        *(True, 5, math.nan, "force", [], ["force"], DEEP),
        *({"force": wrong} for wrong in (None, 1, "true", [], {}, DEEP)),
        *({key: True} for key in ("forse", "force\n", "\x1b[2J", HUGE)),
    ],
    "seconds": [None, True, "5m", [], {}, -1, -0.001, math.nan, math.inf, -math.inf, 10**400, 2**64, DEEP],
    "limit": [None, True, "5", [], {}, -1, 1.0, math.nan, -(10**400), DEEP],
    "message": [
        *(
            *NO_TEXT,
            *INJECTIONS,
            "",
            "nonsense",
            "{}",
            "[" * 9_000,
            '{"a":' * 9_000,
        ),
        *(encoded({}, version) for version in (None, "2", 2.5, 1, 3, [], {}, HUGE, 10**400, math.nan)),
        *(f'{{"version": {version}, "body": {{}}}}' for version in ("[" * 900 + "]" * 900, "9" * 5000)),
        *(encoded(body) for body in (None, [], {}, 5, math.inf, HUGE, {HUGE: 1})),
    ],
}
GOOD: dict[str, object] = {
    "name": "wa", "path": "wa.jsonl", "anybody": "", "options": {}, "seconds": 5, "limit": 5, "message": "{}"
}  # fmt: skip


def calls(method: str) -> Iterator[list[object]]:
    """One argument too many, one too few, and every bad value in each place among good ones."""
    kinds = METHODS[method]
    good = [GOOD[kind] for kind in kinds]
    yield [*good, 5]
    needed = len(kinds) - OPTIONAL.get(method, 0)
    if needed:
        yield good[: needed - 1]
    for place, kind in enumerate(kinds):
        for bad in BAD[kind]:
            yield [*good[:place], bad, *good[place + 1 :]]


@pytest.mark.parametrize("method", METHODS)
def test_every_bad_argument_is_refused_in_a_clean_line(door: Door, method: str) -> None:
    call = getattr(door.namespaces["healer"], method)
    for arguments in calls(method):
        with pytest.raises(RPCError) as caught:
            call(*arguments)
        assert caught.value.code == Faults.INCORRECT_PARAMETERS
        assert_sound_fault(xmlrpc.client.Fault(caught.value.code, caught.value.text))
    assert door.log.complaints == []


@pytest.mark.real
def test_every_bad_argument_is_refused_over_the_wire(supervisord: Supervisord) -> None:
    with unharmed(supervisord):
        for method in METHODS:
            for arguments in calls(method):
                if "\ud800" in arguments:  # cannot be sent as XML
                    continue
                answer = post(supervisord.url, request(f"healer.{method}", *arguments))
                assert answer.status == 200
                assert answer.fault is not None, (method, repr(arguments)[:200])
                assert_sound_fault(answer.fault)


def test_a_call_among_several_is_refused_in_the_same_way(door: Door) -> None:
    several = [{"methodName": "healer.getWorkerHealth", "params": [bad]} for bad in (5, "nobody", ["wa"], "wa")]
    value = door.post(request("system.multicall", several)).value
    assert isinstance(value, list)
    assert [one.get("faultCode", 0) for one in value] == [Faults.INCORRECT_PARAMETERS, Faults.BAD_NAME, 2, 0]
    assert door.log.complaints == []


# --- Supervisor's own methods, as we have them ---------------------------------------------------------------

OPERATORS = ("getProcessInfo", "stopProcess", "stopProcessGroup", "startProcess")
NAMES = [*NO_TEXT, *INJECTIONS, "", "wa", "wb", "wa:wa", "wa:*", "wa:", ":wa", ":", "*", "many:*", "many:7", "nobody"]


def outcomes(folder: Path, *, plain: bool) -> list[object]:
    """What these methods do with each name, in Supervisor's own namespace or in ours."""
    done: list[object] = []
    with Door(folder, plain=plain) as door:
        for method in OPERATORS:
            call = getattr(door.namespaces["supervisor"], method)
            for name in NAMES:
                done.append(outcome(call, name))
                done.append(outcome(call, name, "wait?"))
                done.append(outcome(call, name, True, 3))
                door.settle()
        done += [outcome(door.namespaces["supervisor"].stopAllProcesses, *wait) for wait in ((), (None,), (1, 2))]
        assert door.log.complaints == []
    return done


def outcome(call: Callable[..., Any], *arguments: object) -> object:
    """A value without what differs by design or by the moment, a fault, or the kind of exception."""
    try:
        value = call(*arguments)
    except RPCError as error:
        return error.code, error.text
    except Exception as error:
        return type(error)
    if isinstance(value, types.FunctionType):
        return "later"
    return {**value, "description": "", "now": 0} if isinstance(value, dict) else value


def test_our_namespace_answers_what_supervisors_own_does(tmp_path: Path) -> None:
    assert outcomes(tmp_path, plain=False) == outcomes(tmp_path, plain=True)


@pytest.mark.parametrize("name", NO_TEXT)
def test_what_is_no_name_means_nobody(door: Door, name: object) -> None:
    """`None` (XML-RPC's nil) once meant everybody: a start of it took back every operator's stop."""
    door.post(request("supervisor.stopProcess", "wb"))
    before = down_by_operator(door)
    assert before["wb:wb"]
    for method in ("stopProcess", "stopProcessGroup", "startProcess"):
        outcome(getattr(door.namespaces["supervisor"], method), name)
        assert down_by_operator(door) == before
    assert door.log.complaints == []


def down_by_operator(door: Door) -> dict[str, bool]:
    table = protocol.decode(door.call("getProcessTable").value)
    return {f"{row['group']}:{row['name']}": row["by_operator"] for row in table}


# --- what was published --------------------------------------------------------------------------------------


def test_a_file_with_very_many_producers_is_read_in_one_pass() -> None:
    """`explain` asks for them inside supervisord. (Trying every way to split the text took it 14 s for 4 KB.)"""
    names = [f"w:{number}" for number in range(20_000)]
    assert producers(", ".join(names), set(names)) == names
    assert producers(", " * 20_000, ()) == []
    assert producers("a, b, c, a, a, b", ("a, b", "c", "a")) == ["a, b", "c", "a", "a, b"]
    assert producers(", a, ", ("a",)) == ["a"]


def test_a_message_without_end_is_not_even_read(door: Door) -> None:
    answer = door.call("publish", encoded({}).ljust(protocol.MESSAGE_MAX + 1))
    door.assert_sound(answer)
    assert answer.fault is not None
    assert "a message of 16777217 characters, of 16777216 at most" in answer.fault.faultString


def test_a_refusal_of_a_huge_key_is_short(door: Door) -> None:
    answer = door.publish(ages={HUGE: "now"})
    door.assert_sound(answer)
    assert answer.fault is not None
    assert answer.fault.faultString.startswith("INCORRECT_PARAMETERS: ages.'xxx")


def test_texts_are_kept_short_and_reports_bounded(door: Door) -> None:
    deep: dict[str, Any] = {}
    for _ in range(20):
        deep = {"deep": deep}
    refused = door.publish(report=deep)
    assert refused.fault is not None
    assert "nested more than 12 levels" in refused.fault.faultString
    assert (
        door.publish(workers=[worker("wa", "late", HUGE, explanation=[HUGE])], report={"n": [HUGE] * 9}).fault is None
    )
    door.assert_usable()
    (kept,) = door.call("getAllWorkerHealth").value  # type: ignore[misc]
    assert len(kept["reason"]) == len(door.call("explain", "wa").value[0]) == 4096  # type: ignore[index]
