"""Fuzzing what comes as XML-RPC: in this process for number, against a real supervisord for truth."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest
from door import PIDS, Door, assert_sound_fault
from fuzzing import Fuzz
from hypothesis import strategies as st
from methods import METHODS
from real_supervisord import Supervisord, publication
from wild import anything, damaged, encoded, fitting, names, request
from wire import post, unharmed

from supervisor_healer.protocol import Order, Publication, SignalOrder

BOMB = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "x" * 100}">' for n in range(9))
BODIES = (
    "",
    "<",
    "\x00",
    "<methodCall/>",
    "<methodCall><methodName/></methodCall>",
    "<methodCall><methodName>healer.heal</methodName><params><param/></params></methodCall>",
    "<methodCall><methodName>healer._complain</methodName></methodCall>",
    "<methodCall><methodName>healer.__init__</methodName></methodCall>",
    "<methodCall><methodName>healer._state.publish</methodName></methodCall>",
    "<methodCall><methodName>healer.heal.__call__</methodName></methodCall>",
    request("healer.heal", "wa", {"force": [[]]}),
    request("healer.getHistory", "wa", 10**400),
    request("healer.publish", '{"version": ' + "[" * 900 + "]" * 900 + ', "body": 1}'),
    request("healer.publish", "[" * 100_000),
    request("healer.getWorkerHealth", "x" * 1_000_000),
    request("healer.getWorkerHealth", "wa").replace("<string>wa</string>", "<array>" * 20_000 + "</array>" * 20_000),
    request("healer.heal", "wa").replace("<string>wa</string>", f"<int>{'9' * 5000}</int>"),
    request("healer.heal", "wa").replace("?>", f"?><!DOCTYPE x [{BOMB}]>").replace("wa<", "&a8;<"),
    request("healer.heal", "wa").replace("?>", "?><!DOCTYPE x SYSTEM 'file:///etc/passwd'>").replace("wa<", "&x;<"),
)

NEWS = json.dumps(publication(PIDS["healer"]))  # always the same: it holds the moment at which it was made

_orders = st.one_of(fitting(Order), fitting(SignalOrder), damaged(lambda: {"address": "wa:wa", "pid": PIDS["wa"]}))
_messages = st.one_of(
    st.builds(encoded, _orders),
    st.builds(encoded, damaged(lambda: json.loads(NEWS))),
    st.builds(encoded, anything, anything),
    st.text(max_size=30),
)
_arguments = st.one_of(names, _messages, anything)
calls = st.builds(
    lambda method, params: request(f"healer.{method}", *params),
    st.sampled_from(list(METHODS)),
    st.lists(_arguments, max_size=3),
)
_valid = st.sampled_from([("heal", "wa", {"force": True}), ("getHistory", "", 3), ("publish", "{}")]).map(
    lambda call: request(f"healer.{call[0]}", *call[1:])
)
_names = st.sampled_from(["value", "int", "struct", "member", "name", "array", "data", "base64", "nil", "params", "x"])
_fragments = st.one_of(
    st.text(max_size=8),
    st.builds("<{}>".format, _names),
    st.builds("</{}>".format, _names),
    st.sampled_from(["&lt;", "&#0;", "&#xD800;", "<!DOCTYPE x>", "<![CDATA[", "]]>", "<?x?>", "NaN", "1e999", "-"]),
)


@st.composite
def bodies(draw: st.DrawFn) -> str:
    """A valid body with pieces cut out and others put in; or nothing of the kind."""
    body = draw(st.one_of(_valid, calls, st.text(max_size=50)))
    for _ in range(draw(st.integers(0, 4))):
        start, length = draw(st.integers(0, len(body))), draw(st.integers(0, 12))
        body = body[:start] + draw(_fragments) + body[start + length :]
    return body


def test_fuzz_rpc_calls(door: Door, fuzz: Fuzz) -> None:
    def check(body: str) -> None:
        door.settle()
        door.assert_sound(door.post(body))
        door.assert_usable()

    fuzz(check, calls)


def test_fuzz_rpc_bodies(door: Door, fuzz: Fuzz) -> None:
    def check(body: str) -> None:
        door.assert_sound(door.post(body))
        assert door.call("getAPIVersion").value == "1.0"

    fuzz(check, bodies(), BODIES)


def test_fuzz_rpc_publications(door: Door, fuzz: Fuzz) -> None:
    """Whatever passes the checks can be read for ever after, by all that reads."""

    def check(news: dict[str, Any]) -> None:
        door.settle()
        answer = door.call("publish", encoded(news))
        door.assert_sound(answer)
        door.assert_usable()

    listened = fitting(Publication).map(lambda news: {**news, "listener": json.loads(NEWS)["listener"]})
    fuzz(check, st.one_of(listened, damaged(lambda: json.loads(NEWS))))


@pytest.mark.real
def test_fuzz_rpc_real(supervisord: Supervisord, fuzz: Fuzz) -> None:
    def check(body: str) -> None:
        answer = post(supervisord.url, body)
        assert answer.status in (http.client.OK, http.client.BAD_REQUEST)
        if answer.fault is not None:
            assert_sound_fault(answer.fault)
        witness.look()

    with unharmed(supervisord) as witness:
        # supervisord waits for ever for the body of nothing, on that connection alone
        fuzz(check, st.one_of(calls, bodies()).filter(bool), filter(bool, BODIES))
