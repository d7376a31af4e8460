"""The schema of a config: what of it cannot be kept, and what a new file would lack."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from supervisor_healer.architecture.config_schema import faults, has_default, lacking

SHARE = {"type": "number", "minimum": 0, "maximum": 1}
HALF = {**SHARE, "default": 0.5}

REFERENCES: dict[str, tuple[dict[str, Any], list[tuple[Any, ...]]]] = {
    "pointer": ({"$defs": {"a/b": SHARE}, "properties": {"x": {"$ref": "#/$defs/a~1b"}}}, []),
    "escaped": ({"$defs": {"a b": SHARE}, "properties": {"x": {"$ref": "#/$defs/a%20b"}}}, []),
    "item": ({"allOf": [SHARE, {"$ref": "#/allOf/0"}]}, []),
    "anchor": ({"$defs": {"s": {"$anchor": "share"}}, "items": {"$ref": "#share"}}, []),
    "itself below": ({"properties": {"x": {"$ref": "#"}}}, []),
    "to a boolean": ({"$defs": {"none": False}, "properties": {"x": {"$ref": "#/$defs/none"}}}, []),
    "its own name": ({"$id": "https://example.com/s", "properties": {"x": {"$ref": "#"}}}, []),
    "a property of that name": ({"properties": {"$ref": {"type": "string"}, "$id": True}}, []),
    "within a value": ({"default": {"$ref": "https://example.com"}, "examples": [{"$id": "x"}]}, []),
    "remote": ({"items": {"$ref": "other.json"}}, [("items", "$ref")]),
    "remote, dynamic": ({"$dynamicRef": "https://example.com/s#node"}, [("$dynamicRef",)]),
    "nowhere": ({"$ref": "#/$defs/x"}, [("$ref",)]),
    "no anchor": ({"$ref": "#x"}, [("$ref",)]),
    "no schema": ({"properties": {"x": {}}, "items": {"$ref": "#/properties"}}, [("items", "$ref")]),
    "to itself": ({"$ref": "#"}, [("$ref",)]),
    "round": (
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        [("$defs", "b", "$ref")]),
    "round by alternatives": ({"anyOf": [SHARE, {"not": {"$ref": "#"}}]}, [("anyOf", 1, "not", "$ref")]),
    "round by a condition": (
        {"$dynamicAnchor": "n", "dependentSchemas": {"x": {"$dynamicRef": "#n"}}},
        [("dependentSchemas", "x", "$dynamicRef")]),
    "the same schema twice": ({"allOf": [{"$ref": "#/$defs/s"}, {"$ref": "#/$defs/s"}], "$defs": {"s": SHARE}}, []),
    "a name inside": ({"$defs": {"a": {"$id": "https://example.com/a"}}}, [("$defs", "a", "$id")]),
}  # fmt: skip


@pytest.mark.parametrize("name", REFERENCES)
def test_references_stay_within(name: str) -> None:
    schema, expected = REFERENCES[name]
    assert [fault.path for fault in faults(schema, "json")] == expected


DEFAULTS: dict[str, tuple[dict[str, Any], bool]] = {
    "good": ({"properties": {"x": HALF}}, True),
    "by reference": ({"$defs": {"s": SHARE}, "properties": {"x": {"$ref": "#/$defs/s", "default": 2}}}, False),
    "in a definition": ({"$defs": {"s": {**SHARE, "default": 2}}}, False),
    "of the whole": ({"default": {"x": 1}, "required": ["x"]}, True),
    "of the whole, bad": ({"default": {}, "required": ["x"]}, False),
    "of a mapping, not filled in any further": (
        {"properties": {"a": {"default": {}, "required": ["x"], "properties": {"x": HALF}}}}, False),
}  # fmt: skip


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_keep_to_their_schema(name: str) -> None:
    schema, is_good = DEFAULTS[name]
    assert (not faults(schema, "json")) == is_good
    assert has_default(schema)


def test_a_schema_without_a_default() -> None:
    assert not has_default({"properties": {"default": SHARE}, "enum": [{"default": 1}]})


LACKING: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "nothing required": ({"properties": {"x": SHARE}}, ()),
    "a default": ({"required": ["x"], "properties": {"x": HALF}}, ()),
    "no default": ({"required": ["x", "y"], "properties": {"x": SHARE, "y": HALF}}, ("x",)),
    "unknown": ({"required": ["x"]}, ("x",)),
    "true": ({"required": ["x"], "properties": {"x": True}}, ("x",)),
    "by reference": ({"$defs": {"h": HALF}, "required": ["x"], "properties": {"x": {"$ref": "#/$defs/h"}}}, ()),
    "by reference, none": (
        {"$defs": {"s": SHARE}, "required": ["x"], "properties": {"x": {"$ref": "#/$defs/s"}}}, ("x",)),
    "beside a reference": (
        {"$defs": {"s": SHARE}, "required": ["x"], "properties": {"x": {"$ref": "#/$defs/s", "default": 1}}}, ()),
    "the whole by reference": ({"$ref": "#/$defs/p", "$defs": {"p": {"required": ["x"]}}}, ("x",)),
    "nested": (
        {"required": ["a"], "properties": {"a": {"required": ["x", "y"], "properties": {"x": HALF, "y": SHARE}}}},
        ("a.y",)),
    "nested, whole": (
        {"required": ["a"], "properties": {"a": {"type": "object", "required": ["x"], "properties": {"x": HALF}}}}, ()),
    "nested, nothing required in it": ({"required": ["a"], "properties": {"a": {"type": "object"}}}, ("a",)),
    "nested, of several types": (
        {"required": ["a"], "properties": {"a": {"type": ["object", "null"], "required": ["x"]}}}, ("a",)),
    "nested, with a default": ({"required": ["a"], "properties": {"a": {"required": ["x"], "default": {"x": 1}}}}, ()),
    "nested, not required": ({"properties": {"a": {"required": ["x"]}}}, ()),
    "a default of the whole": ({"default": {"x": 1}, "required": ["x"]}, ()),
    "a list": ({"type": "array"}, ("",)),
    "a list or a mapping": ({"type": ["array", "object"], "required": ["x"]}, ("x",)),
    "not sure: alternatives": ({"required": ["x"], "anyOf": [{"properties": {"x": HALF}}]}, ()),
    "not sure: an alternative below": ({"required": ["x"], "properties": {"x": {"oneOf": [HALF]}}}, ()),
    "not sure: other fields": ({"required": ["x"], "additionalProperties": HALF}, ()),
    "endless": ({"required": ["x"], "properties": {"x": {"$ref": "#"}}}, ()),
    "the whole endless": ({"$ref": "#"}, ()),
}  # fmt: skip


@pytest.mark.parametrize("name", LACKING)
def test_what_a_new_file_would_lack(name: str) -> None:
    schema, expected = LACKING[name]
    Draft202012Validator.check_schema(schema)
    assert lacking(schema) == expected


_WORDS = st.sampled_from(
    "type object array number null required properties $ref # #/$defs/a #a $anchor a x default items allOf"  # noqa: SIM905
    " anyOf $defs $dynamicRef additionalProperties const enum minimum pattern patternProperties [ if then not $id"
    " $schema".split()
)
_TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(_WORDS, _TREES, max_size=6), st.sampled_from(["json", "yaml", "toml"]))
def test_never_a_traceback_whatever_the_schema(schema: dict[str, Any], config_format: str) -> None:
    if not faults(schema, config_format):
        has_default(schema)
        lacking(schema)
        Draft202012Validator(schema).is_valid({"x": 1})
