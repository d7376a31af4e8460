"""The schema that editors read, and that it says what the loader does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from supervisor_healer.architecture import durations, schema

SCHEMA: dict[str, Any] = json.loads(schema.text())


def properties(node: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.get("properties", {}).items():
            yield f"{name}.{key}", value
        for key, value in node.items():
            yield from properties(value, f"{name}.{key}")


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_every_key_explains_itself() -> None:
    found = dict(properties(SCHEMA))
    assert len(found) > 40
    assert [name for name, value in found.items() if not value.get("description")] == []


def test_its_keys_are_those_of_the_design() -> None:
    keys = {name: set(SCHEMA["$defs"][name]["properties"]) for name in ("worker", "file", "config", "consumer")}
    assert set(SCHEMA["properties"]) == set(
        "version root mode state results cycle defaults files workers consumers configs component_healers"  # noqa: SIM905
        " include".split()
    )
    assert keys["worker"] == set(
        "program kind inputs trigger outputs critical catch_up attempts restarts startup_grace verify_within"  # noqa: SIM905
        " retry_after".split()
    )
    assert keys["file"] == {"max_age", "grace", "critical", "create", "shared"}
    assert keys["config"] == set(
        "format schema create mode owner repair keep critical reload restart".split()  # noqa: SIM905
    )
    assert keys["consumer"] == {"inputs"}
    policies = (keys["worker"] | keys["file"]) - {"program", "inputs", "trigger", "outputs", "shared"}
    assert set(SCHEMA["properties"]["defaults"]["properties"]) == policies | {"max_restarts_overall"}


@pytest.mark.parametrize("name", ["duration", "positive_duration"])
@given(text=st.from_regex(r"\A[-0-9. dhms]{0,5}\Z") | st.from_regex(r"\A([0-9]{1,2}(\.5)?[dhms]){1,3}\Z"))
def test_its_durations_are_those_that_are_understood(name: str, text: str) -> None:
    try:
        is_understood = durations.parse(text) > 0 or name == "duration"
    except ValueError:
        is_understood = False
    assert bool(re.search(SCHEMA["$defs"][name]["pattern"], text)) == is_understood


def test_a_word_that_is_nearly_right() -> None:
    assert schema.suggestion("outptus", ["inputs", "outputs"]) == ", did you mean 'outputs'?"
    assert schema.suggestion("zzz", ["inputs", "outputs"]) == ""
