"""Inputs that nobody would send: texts, JSON and XML-RPC for the fuzzers and the tables of bad arguments."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict
from xml.sax.saxutils import escape

from hypothesis import strategies as st

from supervisor_healer import protocol, words

# what would write into a log, a terminal, an XML document or a moment's token
INJECTIONS = (
    "wa\n2026-01-01 00:00:00,000 CRIT forged",
    "wa\r\nSet-Cookie: x",
    "\x1b]0;title\x07\x1b[2J\x1b[31mred",
    "wa\x00",
    "\x9b31m",
    "\u202egnp.exe\u2066",
    "\u200fwa",
    "\u2028next\u2029",
    "\ud800",
    "\ufffe\uffff",
    "\x1fago:1.2.3\x1f",
    "\x1fin:" + "9" * 400 + "\x1f",
    "\x1fago:5\x1f",
    "]]>&amp;<x>",
    "%s%(x)s{0}",
)

NAMES = ("wa", "wb", "wa:wa", "all", "healer", "many:*", "many:0", ":", "*", "", "wa.jsonl")

names = st.one_of(st.sampled_from(NAMES), st.sampled_from([501, 4097, 20_000]).map("x".__mul__))
injections = st.integers(0, len(INJECTIONS) - 1).map(INJECTIONS.__getitem__)  # with a short repr
texts = st.one_of(st.text(max_size=20), injections, names)
moments = st.builds(
    lambda token, moment: token(moment),
    st.sampled_from([words.ago, words.until]),
    st.one_of(st.floats(-1e9, 1e9), st.floats(allow_nan=False, allow_infinity=False)),
)
integers = st.one_of(st.integers(-5, 5), st.integers(), st.sampled_from([2**31, -(2**31) - 1, 2**53, 10**99]))
scalars = st.one_of(st.none(), st.booleans(), integers, st.floats(), texts)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


def encoded(body: object, version: object = protocol.VERSION) -> str:
    """As `protocol.encode`, also what that would refuse: NaN, another version."""
    return json.dumps({"version": version, "body": body})


def fitting(hint: Any) -> st.SearchStrategy[Any]:
    """Values of the type that the protocol asks for, and nothing else about them as it should be."""
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: st.one_of(texts, moments), bool: st.booleans(), int: st.integers(-(2**53), 2**53),
        float: st.floats(allow_nan=False, allow_infinity=False), Any: anything,
    }  # fmt: skip
    if hint in plain:
        return plain[hint]
    if is_typeddict(hint):
        return st.fixed_dictionaries({name: fitting(kind) for name, kind in get_type_hints(hint).items()})
    arguments = get_args(hint)
    if get_origin(hint) is list:
        return st.lists(fitting(arguments[0]), max_size=3)
    return st.dictionaries(texts, fitting(arguments[1]), max_size=3)


@st.composite
def damaged(draw: st.DrawFn, body: Callable[[], Any]) -> Any:
    """`body` with one to three places left out, replaced or added to."""
    whole = {"": body()}
    for _ in range(draw(st.integers(1, 3))):
        held, key = draw(st.sampled_from(list(_places(whole))))
        deed = draw(st.sampled_from(["replace", "leave out", "add"]))
        if deed == "leave out" and held is not whole:
            del held[key]
        elif deed == "add" and isinstance(held[key], dict):
            held[key][draw(texts)] = draw(anything)
        else:
            held[key] = draw(anything)
    return whole[""]


def _places(value: Any) -> Any:
    """Every (container, key) in a JSON value."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(steps):
        yield value, key
        yield from _places(inner)


def xml(value: object) -> str:
    """`value` as XML-RPC, also what Python's own client refuses to send; texts that XML cannot hold as base64."""
    match value:
        case None:
            inner = "<nil/>"
        case bool():
            inner = f"<boolean>{value:d}</boolean>"
        case int():
            inner = f"<int>{value}</int>"
        case float():
            inner = f"<double>{value!r}</double>"
        case datetime():
            inner = f"<dateTime.iso8601>{value:%Y%m%dT%H:%M:%S}</dateTime.iso8601>"
        case list() | tuple():
            inner = f"<array><data>{''.join(map(xml, value))}</data></array>"
        case dict():
            members = "".join(f"<member><name>{_written(str(k))}</name>{xml(v)}</member>" for k, v in value.items())
            inner = f"<struct>{members}</struct>"
        case _:
            written = str(value).encode(errors="replace").decode()
            inner = f"<string>{escape(written)}</string>"
            if written != _written(written):
                inner = f"<base64>{base64.b64encode(written.encode()).decode()}</base64>"
    return f"<value>{inner}</value>"


def _written(text: str) -> str:
    """`text` without what XML cannot hold."""
    return escape("".join(sign if sign.isprintable() or sign in "\t\n" else "?" for sign in text))


def request(method: str, *params: object) -> str:
    """The body of a call."""
    inner = "".join(f"<param>{xml(one)}</param>" for one in params)
    call = f"<methodName>{escape(method)}</methodName><params>{inner}</params>"
    return f"<?xml version='1.0'?><methodCall>{call}</methodCall>"
