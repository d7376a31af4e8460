"""Files of a size that no pure Python parser gets through in time: they are read, and it is said what is not done."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest

from supervisor_healer.fixers.assessment import Assessment, Rules, assess

RATIO = {"type": "number", "maximum": 1, "default": 0.5}
SCHEMA: dict[str, Any] = {"type": "object", "required": ["ratio"], "properties": {"ratio": RATIO}}
ROWS = {
    "json": '"w{0}": {{"path": "logs/{0}.jsonl", "age": {0}, "tags": ["a", 1.5]}},\n',
    "yaml": "w{0}:\n  path: logs/{0}.jsonl # where\n  age: {0}\n  tags: [a, 1.5]\n",
    "toml": "[w{0}]\npath = 'logs/{0}.jsonl' # where\nage = {0}\ntags = ['a', 1.5]\n",
}
FIRST = {"json": '{{"ratio": {0},\n', "yaml": "ratio: {0}\n", "toml": "ratio = {0}\n"}
LAST = {"json": '"z": 1}', "yaml": "z: 1\n", "toml": "z = 1\n"}


def large(form: str, size: int, ratio: str = "0.1") -> str:
    row = ROWS[form]
    return FIRST[form].format(ratio) + "".join(map(row.format, range(size // len(row)))) + LAST[form]


def timed(form: str, text: str) -> tuple[Assessment, float]:
    began = time.process_time()
    return assess(text.encode(), Rules(form, SCHEMA, repair_values=True)), time.process_time() - began


@pytest.mark.parametrize("form", ["json", "yaml", "toml"])
def test_a_large_file_is_checked_in_time(form: str) -> None:
    if form == "toml" and sys.version_info < (3, 11):
        pytest.skip("tomlkit is the only parser here")
    found, seconds = timed(form, large(form, 2_000_000))
    assert found == Assessment("valid")
    assert seconds < 8  # some 0.2, 0.8 and 1.4; a pure Python parser took a minute and more


@pytest.mark.parametrize(("form", "limit"), [("yaml", "1 MB"), ("toml", "200 KB")])
def test_what_is_too_large_to_be_repaired_in_time_says_so(form: str, limit: str) -> None:
    found, seconds = timed(form, large(form, 1_200_000 if form == "yaml" else 220_000, "7"))
    assert (found.state, found.repairs, found.after) == ("invalid", (), None)
    assert found.problems == (
        "ratio: 7 is more than the maximum of 1",
        f"cannot be repaired: larger than {limit}",
    )
    assert seconds < 8


def test_large_json_is_repaired() -> None:
    text = large("json", 2_000_000, "7")
    found, _ = timed("json", text)
    assert found.after == text.replace('"ratio": 7', '"ratio": 0.5').encode()


@pytest.mark.parametrize("form", ["yaml", "toml"])
def test_what_is_wrong_in_a_large_file_is_told_with_its_place(form: str) -> None:
    if form == "toml" and sys.version_info < (3, 11):
        pytest.skip("tomlkit is the only parser here")
    text = large(form, 1_000_000)
    wrong = {"yaml": "z: : 1\n", "toml": "z = = 1\n"}[form]
    found, seconds = timed(form, text + wrong)
    assert found.state == "unreadable"
    assert found.problems[0].startswith(f"line {text.count(chr(10)) + 1}, column ")
    assert seconds < 8
