"""Any valid config with any of its required fields missing, in any layout: a repair makes it valid, all else stays."""

from __future__ import annotations

import io
import json
import os
import re
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import tomlkit
from fixing import backups, do, names
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from supervisor_healer.fixers.assessment import Rules, assess
from supervisor_healer.fixers.documents import of, same

EXAMPLES = int(os.environ.get("HEALER_EXAMPLES", "20"))  # new ones each time; a night's run: HEALER_EXAMPLES=5000

WORDS = st.sampled_from(["x", "on", "no", "1", "", "a b", "é", "#", "- a", "a: b", "it's", '"', "😀", "2020-01-01"])
NAMES = st.sampled_from(["alpha", "beta", "gamma", "with space", "é", "a.b", "yes", "7", "-x", "true", "#", "~"])
LEAVES: list[tuple[dict[str, Any], st.SearchStrategy[Any]]] = [
    ({"type": "number", "minimum": 0, "maximum": 1, "default": 0.5}, st.floats(0, 1)),
    ({"type": "integer", "default": -3}, st.integers(-(2**40), 2**40)),
    ({"type": "number", "default": 1e-07}, st.floats(allow_nan=False, allow_infinity=False)),
    ({"type": "string", "default": "yes"}, WORDS),
    ({"type": "string", "default": "a: b # c"}, WORDS),
    ({"type": "boolean", "default": True}, st.booleans()),
    ({"enum": ["low", "high"], "default": "low"}, st.sampled_from(["low", "high"])),
    ({"type": "array", "items": {"type": "integer"}, "default": [1, 2]}, st.lists(st.integers(0, 9), max_size=3)),
    ({"type": "object", "default": {"k": "v"}}, st.just({"other": 1})),
]
UNKNOWN = st.recursive(
    st.booleans() | st.integers(-999, 999) | st.floats(-1e9, 1e9) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("pqr"), inner, max_size=2),
    max_leaves=5,
)


@st.composite
def configs(draw: st.DrawFn, depth: int = 2) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A schema, a config of which something required may be missing, and what a repair should make of it."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    damaged: dict[str, Any] = {}
    repaired: dict[str, Any] = {}
    for name in draw(st.lists(NAMES, unique=True, min_size=1, max_size=4)):
        if depth and draw(st.integers(0, 2)) == 0:
            properties[name], inner, expected = draw(configs(depth - 1))
        else:
            properties[name], values = draw(st.sampled_from(LEAVES))
            inner = expected = draw(values)
        must = draw(st.integers(0, 3)) > 0
        if must:
            required.append(name)
        default = default_of(properties[name])
        if must and default is not None and draw(st.booleans()):
            repaired[name] = default
        else:
            damaged[name], repaired[name] = inner, expected
    for name in draw(st.lists(st.sampled_from(["u1", "u2", "u 3"]), unique=True)):
        damaged[name] = repaired[name] = draw(UNKNOWN)
    return {"type": "object", "required": required, "properties": properties}, damaged, repaired


def default_of(schema: dict[str, Any]) -> Any:
    """What the schema gives for a missing field, None where it gives nothing: these schemas have no null."""
    if "default" in schema:
        return schema["default"]
    members = {name: default_of(schema["properties"][name]) for name in schema["required"]}
    return members if members and None not in members.values() else None


def as_json(draw: st.DrawFn, value: dict[str, Any]) -> str:
    indent = draw(st.sampled_from([None, 1, 2, 4, "\t"]))
    separators = (",", ":") if indent is None and draw(st.booleans()) else None
    text = json.dumps(value, indent=indent, separators=separators, ensure_ascii=draw(st.booleans()))
    return text.replace("{}", "{\n}") if indent and draw(st.booleans()) else text


def as_yaml(draw: st.DrawFn, value: dict[str, Any]) -> str:
    yaml = YAML()
    yaml.default_flow_style = draw(st.sampled_from([False, False, None, True]))
    yaml.indent(mapping=draw(st.sampled_from([2, 4, 7])), sequence=4, offset=draw(st.sampled_from([0, 2])))
    yaml.width = 10_000
    stream = io.StringIO()
    yaml.dump(value, stream)
    return commented(draw, stream.getvalue().rstrip("\n"))


def as_toml(draw: st.DrawFn, value: dict[str, Any]) -> str:
    return commented(draw, tomlkit.dumps(value).rstrip("\n"))


def commented(draw: st.DrawFn, text: str) -> str:
    """`text` with comments on, and between, some of its lines: no value of these configs spans two."""
    lines = []
    for line in text.split("\n"):
        kind = draw(st.integers(0, 5))
        lines += ["# before"] if kind == 1 else [""] if kind == 2 else []
        ends = not re.search(r"[{\[,'\"]\s*$", line) and line.strip()
        lines.append(line + "  # beside" if kind == 3 and ends else line)
    return "\n".join(lines)


@st.composite
def files(draw: st.DrawFn, form: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], bytes]:
    """The same with the damaged config as a file."""
    schema, damaged, repaired = draw(configs())
    text = {"json": as_json, "yaml": as_yaml, "toml": as_toml}[form](draw, damaged)
    text += "\n" * draw(st.integers(0, 2))
    if draw(st.integers(0, 2)) == 0:
        text = text.replace("\n", "\r\n")
    if draw(st.integers(0, 2)) == 0:
        text = "\ufeff" + text
    return schema, damaged, repaired, text.encode()


def is_within(part: bytes, whole: bytes) -> bool:
    """Whether `whole` is `part` with something inserted."""
    rest = iter(whole)
    return all(byte in rest for byte in part)


def check(form: str, file: tuple[dict[str, Any], dict[str, Any], dict[str, Any], bytes]) -> None:
    schema, damaged, repaired, content = file
    note(content.decode())
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, f"c.{form}")
        path.write_bytes(content)
        assert same(of(form).read(content.decode().removeprefix("\ufeff")).value, damaged)
        answer = do("repair", path.parent, path.name, schema=schema)
        after = path.read_bytes()
        note(after.decode())
        if damaged == repaired:
            assert (answer["outcome"], after) == ("unneeded", content)
            assert names(path.parent) == [path.name]
            return
        assert (answer["outcome"], answer["state"], answer["problems"]) == ("done", "valid", [])
        assert same(of(form).read(after.decode().removeprefix("\ufeff")).value, repaired)
        assert is_within(content, after)
        assert (b"\r\n" in content) <= (after.count(b"\n") == after.count(b"\r\n"))
        assert (b"\r" in after) <= (b"\r" in content)
        assert [backup.read_bytes() for backup in backups(path.parent, path.name)] == [content]
        assert do("repair", path.parent, path.name, schema=schema)["outcome"] == "unneeded"
        assert do("restore", path.parent, path.name, schema=schema)["outcome"] == "done"
        assert path.read_bytes() == content
        path.unlink()
        made = do("repair", path.parent, path.name, schema=schema, create=True)
        whole = default_of(schema) if schema["required"] else {}
        assert (made["outcome"], made["state"]) == (("done", "valid") if whole is not None else ("failed", "missing"))
        if whole is not None:
            assert same(deepcopy(of(form).read(path.read_text("utf-8")).value), whole)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files("json"))
def test_any_json(file: Any) -> None:
    check("json", file)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files("yaml"))
def test_any_yaml(file: Any) -> None:
    check("yaml", file)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files("toml"))
def test_any_toml(file: Any) -> None:
    check("toml", file)


PIECES = st.sampled_from(
    [
        *"{}[]:,\"'#-?&*!|>%@`=.~ab1\n\r\t \x00\x85\u2028\ufeffé😀",
        *("\r\n", "\n  ", ": ", "- ", '"a"', "a: ", "a = ", "[a]\n", "[[a]]\n", "<<: ", "&x ", "*x", "|\n  ", ">-\n "),
        *("---\n", "...\n", "!!str ", "null", "true", "1e9", "NaN", "0x1", "1979-05-27", '"""', "\\u0000"),
        *('{"a": ', "{a = 1}", "b.c = 1\n", "? ", "%YAML 1.1\n", "!x ", "z: ", "z = ", '"z": '),
    ]
)
FUZZED = {
    "type": "object",
    "required": ["a", "z"],
    "properties": {
        "a": {"type": "object", "required": ["b"], "properties": {"b": {"type": "integer", "default": 1}}},
        "z": {"type": "number", "default": 0.5},
    },
}


@settings(max_examples=10 * EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["json", "yaml", "toml"]), st.lists(PIECES, max_size=25).map("".join))
def test_no_text_whatsoever_is_an_exception(form: str, text: str) -> None:
    found = assess(text.encode(), Rules(form, FUZZED, repair_values=True))
    if found.after is not None:
        assert found.state == "invalid"
        assert len(assess(found.after, Rules(form, FUZZED)).problems) < len(found.problems)
        assert not found.problems or found.repairs
    if found.state == "unreadable":
        assert re.match(r"line \d+, column \d+: |nested deeper", found.problems[0]), found.problems
