"""YAML that version 1.1 and version 1.2 read differently: wrong is only what both find wrong."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from supervisor_healer.fixers.assessment import Rules, assess
from supervisor_healer.fixers.documents import of, same

SWITCH = {"type": "boolean", "default": False}
CUTOFF = {"type": "integer", "minimum": 0, "maximum": 86_399, "default": 0}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["live_trading", "cutoff"],
    "properties": {"live_trading": SWITCH, "cutoff": CUTOFF, "name": {"type": "string", "default": "x"}},
}


def judged(text: str, schema: dict[str, Any] = SCHEMA) -> tuple[str, str | None]:
    """How `text` stands, and what it is after a repair that may replace values."""
    found = assess(text.encode(), Rules("yaml", schema, repair_values=True))
    return found.state, None if found.after is None else found.after.decode()


@pytest.mark.parametrize(
    "text",
    [
        "live_trading: yes\ncutoff: 59400\n",
        "live_trading: true\ncutoff: 16:30:00\n",
        "live_trading: Off\ncutoff: 0o17\n",  # one field right by 1.1 only, one by 1.2 only
        "live_trading: on\ncutoff: 1_000\n",
        "live_trading: true\ncutoff: 08\n",
        "live_trading: true\ncutoff: 0b11\nname: yes\n",
        "live_trading: true\ncutoff: 1\nname: 1:30\n",
        "%YAML 1.1\n---\nlive_trading: yes\ncutoff: 16:30:00\n",
        "base: &base {live_trading: yes}\n<<: *base\ncutoff: 1\n",
        "base: &yes yes\nlive_trading: *yes\ncutoff: 1\n",
    ],
)
def test_what_one_reading_accepts_is_not_wrong(text: str) -> None:
    assert judged(text) == ("valid", None)


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("live_trading: maybe\ncutoff: 1\n", "live_trading: false\ncutoff: 1\n"),
        ("live_trading: yes\ncutoff: x\n", "live_trading: yes\ncutoff: 0\n"),
        ("live_trading: yes\n", "live_trading: yes\ncutoff: 0\n"),
        ("live_trading: 16:30:00\ncutoff: 1\n", "live_trading: false\ncutoff: 1\n"),  # text, or a number: no switch
        ("live_trading: yes\ncutoff: 99:30:00\n", "live_trading: yes\ncutoff: 0\n"),  # text, or too much
        ("%YAML 1.2\n---\nlive_trading: yes\ncutoff: 1\n", "%YAML 1.2\n---\nlive_trading: false\ncutoff: 1\n"),
        ("%YAML 1.1\n---\nlive_trading: true\ncutoff: 0o17\n", "%YAML 1.1\n---\nlive_trading: true\ncutoff: 0\n"),
        ("live_trading: yes\ncutoff: 1\nname: 3\n", "live_trading: yes\ncutoff: 1\nname: x\n"),
    ],
)
def test_what_both_readings_refuse_is_replaced(text: str, repaired: str) -> None:
    assert judged(text) == ("invalid", repaired)


def test_what_is_written_means_the_same_to_all() -> None:
    for default in ("yes", "1:30", "0o7", "1e3", "010", "1_0", "2020-01-01", 1e-9, 1e22, [True, None, {"on": "off"}]):
        schema = {"type": "object", "required": ["a"], "properties": {"a": {"default": default}}}
        for text in ("b: yes\n", "{b: 010}\n", "%YAML 1.1\n---\nb: yes\n", "%YAML 1.2\n---\nb: yes\n"):
            _, after = judged(text, schema)
            assert after is not None
            document = of("yaml").read(after)
            assert same(document.value["a"], default)
            assert same(document.other["a"], default)
            assert same(yaml.safe_load(after)["a"], default)


SCALARS = [
    "yes",
    "No",
    "on",
    "OFF",
    "y",
    "true",
    "TRUE",
    "~",
    "null",
    "Null",
    "010",
    "08",
    "0o17",
    "0x1F",
    "0b11",
    "1_000",
    "1e3",
    "1.5e3",
    "1.5e+3",
    "1.",
    ".5",
    "+1",
    "-0",
    "16:30",
    "1:30.5",
    "190:20:30",
    "2020-01-01",
    "2001-12-14t21:59:43.10-05:00",
    ".inf",
    "-.INF",
    ".nan",
    "=",
    "<<",
    "1__0",
    "0x_",
    "-0b1",
    "+.5",
    "1e",
    "0o8",
    "-0o7",
    "685_230.15",
    "99999999999999999999",
]


@pytest.mark.parametrize("text", SCALARS)
def test_the_older_reading_is_that_of_pyyaml(text: str) -> None:
    other = of("yaml").read(f"[{text}]").other[0]
    try:
        (theirs,) = yaml.safe_load(f"[{text}]")
    except (yaml.YAMLError, ValueError):  # it has no reading
        assert of("yaml").read(f"[{text}]").value == [other]
        return
    is_json = isinstance(theirs, (bool, int, str, type(None))) or (isinstance(theirs, float) and abs(theirs) < 1e308)
    assert same(other, theirs if is_json else text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("yes", "yes"), ("010", 10), ("08", 8), ("0o17", 15), ("1_000", "1_000"), ("16:30", "16:30"), ("1e3", 1000.0),
     ("0b11", "0b11"), ("TRUE", True), ("~", None), ("", None), (".5", 0.5), ("1.", 1.0), ("-0x1", "-0x1"),
     ("1e999", "1e999"),
     ("!!int 010", 10), ("!!float 7", 7.0), ("!!bool yes", True), ("!!str 010", "010"), ("! 010", 10),
     ("'010'", "010"),
     ("!!null x", None)],
)  # fmt: skip
def test_the_newer_reading_is_the_core_schema(text: str, value: Any) -> None:
    assert same(of("yaml").read(f"a: {text}\n").value, {"a": value})
