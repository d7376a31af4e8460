"""What a schema has against a value, in words, and what its defaults can put right."""

# ruff: noqa: E501 -- a row of a table reads best on one line

from __future__ import annotations

import json
import socket
from typing import Any, NoReturn

import pytest

from supervisor_healer.fixers.assessment import Assessment, Rules, assess, made
from supervisor_healer.fixers.documents import CannotEditError
from supervisor_healer.fixers.phrases import expectation, lines


def found(schema: dict[str, Any], value: Any, repair_values: bool = True) -> Assessment:
    return assess(json.dumps(value).encode(), Rules("json", schema, repair_values))


def after(schema: dict[str, Any], value: Any, repair_values: bool = True) -> Any:
    """The repaired value, None where nothing is done."""
    content = found(schema, value, repair_values).after
    return None if content is None else json.loads(content)


def needs(**properties: Any) -> dict[str, Any]:
    """A mapping that requires all `properties`."""
    return {"type": "object", "required": list(properties), "properties": properties}


@pytest.mark.parametrize(
    ("schema", "value", "problem"),
    [
        ({"minimum": 0}, -1, "a: -1 is less than the minimum of 0"),
        ({"maximum": 1}, 1.7, "a: 1.7 is more than the maximum of 1"),
        ({"exclusiveMinimum": 0}, 0, "a: 0 is not more than 0"),
        ({"exclusiveMaximum": 0}, 0, "a: 0 is not less than 0"),
        ({"multipleOf": 5}, 3, "a: 3 is not a multiple of 5"),
        ({"type": "integer", "minimum": 1}, "x", 'a: "x" is of the wrong type (expected a whole number from 1)'),
        ({"type": ["string", "null"]}, 1, "a: 1 is of the wrong type (expected text or null)"),
        ({"enum": ["low", "high"]}, "off", 'a: "off" is not one of "low", "high"'),
        ({"const": 1}, 2, "a: 2 is not 1"),
        ({"pattern": "^x"}, "y", 'a: "y" does not match "^x"'),
        ({"minLength": 2}, "", 'a: "" is shorter than 2 characters'),
        ({"maxLength": 2}, "abc", 'a: "abc" is longer than 2 characters'),
        ({"minItems": 1}, [], "a: [] has fewer than 1 items"),
        ({"maxItems": 1}, [1, 2], "a: [1, 2] has more than 1 items"),
        ({"uniqueItems": True}, [1, 1], "a: [1, 1] has the same item twice"),
        ({"minProperties": 1}, {}, "a: {} has fewer than 1 fields"),
        ({"additionalProperties": False, "properties": {"x": {}}}, {"x": 1, "y": 2}, "a: has unknown fields: y"),
        ({"additionalProperties": {"type": "string"}}, {"y": 2}, "a.y: 2 is of the wrong type (expected text)"),
        ({"not": {"type": "null"}}, None, "a: null is what the schema excludes"),
        ({"items": {"required": ["b"]}}, [{}], "a[0].b: is missing"),
        (
            {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 3}]},
            2,
            "a: 2 fits none of the alternatives: 2 is of the wrong type (expected text); 2 is less than the minimum of 3",
        ),
        (
            {"anyOf": [needs(b={"type": "string"}), needs(c={}, d={})]},
            {"d": 1},
            "a: fits none of the alternatives; of the closest: b: is missing (expected text)",
        ),
        (
            {"oneOf": [needs(k={"const": 1}, x={}), needs(k={"const": 2}, y={"type": "array"})]},
            {"k": 2, "x": {}, "y": {"z": 0}},
            'a: fits none of the alternatives; of the closest: y: {"z": 0} is of the wrong type (expected a list)',
        ),
        (
            {"anyOf": [{"type": "string"}, {"items": needs(x={"type": "null"})}]},
            [{}],
            "a: fits none of the alternatives; of the closest: [0].x: is missing (expected null)",
        ),
        ({"format": "ipv4"}, "1.2.3", 'a: "1.2.3" is not of the format "ipv4"'),
        ({"format": "date"}, "2024-02-30", 'a: "2024-02-30" is not of the format "date"'),
        ({"oneOf": [{"minimum": 1}, {"minimum": 2}]}, 3, "a: 3 fits more than one of the alternatives"),
        ({"dependentRequired": {"x": ["y"]}}, {"x": 1}, "a: 'y' is a dependency of 'x'"),
        ({"type": "string"}, {"k": ["long"] * 1000}, "a: a mapping is of the wrong type (expected text)"),
        ({"maximum": 3}, 10**100, "a: " + "1" + "0" * 76 + "... is more than the maximum of 3"),
        ({"enum": ["x"]}, "\x1b[31m\u2028", 'a: "\\u001b[31m?" is not one of "x"'),
    ],
)
def test_each_keyword_has_its_words(schema: Any, value: Any, problem: str) -> None:
    problems = lines(found({"properties": {"a": schema}}, {"a": value}, False).problems)
    assert problems[0] == problem


def test_the_document_itself_has_words_too() -> None:
    assert found({"type": "object"}, [1]).problems == ("the document [1] is of the wrong type (expected a mapping)",)


def test_a_document_that_fits_no_alternative_is_told_which_field_would_help() -> None:
    schema = {"type": "object", "anyOf": [needs(mode={"enum": ["live", "paper"]}), {"required": ["a", "b"]}]}
    (problem,) = found(schema, {}).problems
    assert problem == (
        'the document fits none of the alternatives; of the closest: mode: is missing (expected one of "live", "paper")'
    )


def test_formats_that_need_no_library_are_checked_and_repaired() -> None:
    schema = {"properties": {"a": {"format": "ipv4", "default": "1.2.3.4"}, "b": {"format": "hostname"}}}
    assert after(schema, {"a": "x", "b": "-"}) == {"a": "1.2.3.4", "b": "-"}
    for name, good in (
        ("date", "2024-02-29"),
        ("email", "a@b"),
        ("ipv6", "::1"),
        ("regex", "^a"),
        ("uuid", "0" * 8 + "-0000" * 3 + "-" + "0" * 12),
    ):
        assert found({"properties": {"a": {"format": name}}}, {"a": good}).state == "valid"
        assert found({"properties": {"a": {"format": name}}}, {"a": "("}).state == "invalid"
        assert found({"properties": {"a": {"format": name}}}, {"a": 1}).state == "valid"


def test_what_no_value_may_be() -> None:
    (problem,) = found({"properties": {"a": False}}, {"a": 1}).problems
    assert problem.endswith("1 is not allowed here")


def test_integers_may_be_written_as_floats() -> None:
    assert found({"properties": {"a": {"type": "integer"}}}, {"a": 1.0}).state == "valid"


def test_of_many_problems_only_the_first_are_told_and_each_is_short() -> None:
    many = found({"items": {"type": "string"}}, [1] * 33)
    told = lines(many.problems)
    assert len(told) == 21
    assert told[-1] == "and 13 more"
    endless = found({"items": {"type": "string"}}, [1] * 5000)
    assert lines(endless.problems, endless.more)[-1] == "and at least 980 more"
    (wide,) = lines(found({"additionalProperties": False}, {"x" * 100 + str(n): 1 for n in range(9)}).problems)
    assert len(wide) == 200
    assert wide.endswith("...")


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "number", "minimum": 0, "maximum": 1}, "a number from 0 to 1"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 9}, "a number up to 9 and above 0"),
        ({"const": "x"}, '"x"'),
        ({"enum": [1, None]}, "one of 1, null"),
        ({"minimum": 0}, ""),
        (True, ""),
    ],
)
def test_expectations_in_words(schema: Any, words: str) -> None:
    assert expectation(schema) == words


# --- schemas that cannot be used -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"$ref": "https://example.com/x.json"}, 'the schema refers to "https://example.com/x.json", which is not in it'),
        ({"$ref": "#/$defs/x"}, 'the schema refers to "/$defs/x", which is not in it'),
        ({"$ref": "other.json#/x"}, 'the schema refers to "other.json#/x", which is not in it'),
        ({"$ref": "#"}, "the schema refers to itself without end"),
        ({"type": "text"}, "the schema is wrong: type: 'text' is not valid under any of the given schemas"),
        ({"properties": {"a": {"minimum": "1"}}}, "the schema is wrong: properties.a.minimum: '1' is not of type 'number'"),
    ],
)  # fmt: skip
def test_a_schema_that_cannot_be_used_is_a_problem_and_never_fetched(
    schema: dict[str, Any], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> NoReturn:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    seen = found(schema, {})
    assert (seen.state, seen.after) == ("invalid", None)
    assert seen.problems == (problem,)
    with pytest.raises(CannotEditError):
        made(Rules("json", schema))


# --- which defaults ------------------------------------------------------------------------------------------

ONE = {"type": "integer", "default": 1}
REPAIRS: list[tuple[str, dict[str, Any], Any, Any]] = [
    ("only what is required", {"properties": {"a": ONE}}, {}, None),
    ("required", needs(a=ONE), {}, {"a": 1}),
    ("null is a default", needs(a={"default": None}), {}, {"a": None}),
    ("deep", needs(a=needs(b=needs(c=ONE))), {"a": {"b": {}}}, {"a": {"b": {"c": 1}}}),
    ("a whole mapping", needs(a=needs(b=ONE, c=needs(d=ONE))), {}, {"a": {"b": 1, "c": {"d": 1}}}),
    ("not half a mapping", needs(a=needs(b=ONE, c={"type": "integer"})), {}, None),
    ("its own default first", needs(a={**needs(b=ONE), "default": {"b": 7}}), {}, {"a": {"b": 7}}),
    ("no default, no mapping", needs(a={"type": "object"}), {}, None),
    ("in items", {"properties": {"a": {"items": needs(b=ONE)}}}, {"a": [{}, {"b": 2}]}, {"a": [{"b": 1}, {"b": 2}]}),
    (
        "in prefixItems",
        {"properties": {"a": {"prefixItems": [needs(b=ONE)], "items": needs(c=ONE)}}},
        {"a": [{}, {}]},
        {"a": [{"b": 1}, {"c": 1}]},
    ),
    ("by reference", {"$defs": {"one": ONE}, **needs(a={"$ref": "#/$defs/one"})}, {}, {"a": 1}),
    ("by anchor", {"$defs": {"x": {"$anchor": "one", **ONE}}, **needs(a={"$ref": "#one"})}, {}, {"a": 1}),
    ("with an id", {"$id": "https://example.com/s", "$defs": {"x": ONE}, **needs(a={"$ref": "#/$defs/x"})}, {}, {"a": 1}),
    ("the nearest", {"$defs": {"one": ONE}, **needs(a={"$ref": "#/$defs/one", "default": 2})}, {}, {"a": 2}),
    ("in allOf", {"allOf": [needs(a=ONE), {"required": ["b"]}], "properties": {"b": ONE}}, {}, {"a": 1, "b": 1}),
    ("two defaults", {"allOf": [needs(a=ONE), needs(a={"default": 2})]}, {}, None),
    ("twice the same", {"allOf": [needs(a=ONE), needs(a={"default": 1})]}, {}, {"a": 1}),
    ("in anyOf", {"anyOf": [needs(a=ONE), needs(b=ONE)]}, {}, None),
    ("in oneOf", {"properties": {"x": {"oneOf": [needs(a=ONE), needs(b=ONE)]}}}, {"x": {}}, None),
    ("in then", {"if": {}, "then": needs(a=ONE)}, {}, None),
    ("a default that is refused", needs(a={"default": 2, "maximum": 1}, b=ONE), {}, {"b": 1}),
    ("refused by an allOf", {"allOf": [needs(a=ONE), {"properties": {"a": {"maximum": 0}}}]}, {}, None),
    ("refused elsewhere", {**needs(a=ONE), "maxProperties": 1}, {"x": 1}, None),
    ("excluded", {**needs(a=ONE, b=ONE), "not": {"required": ["b"]}}, {}, {"a": 1}),
    ("endless", {"$ref": "#/$defs/n", "$defs": {"n": needs(next={"$ref": "#/$defs/n"})}}, {}, None),
    ("replaced", {"properties": {"a": {**ONE, "maximum": 1}}}, {"a": 2, "z": 9}, {"a": 1, "z": 9}),
    ("of another type", {"properties": {"a": ONE}}, {"a": [{"x": 1}]}, {"a": 1}),
    ("no default", {"properties": {"a": {"maximum": 1}}}, {"a": 2}, None),
    ("in a list", {"properties": {"a": {"items": {**ONE, "enum": [1]}}}}, {"a": [1, 5, "x"]}, {"a": [1, 1, 1]}),
    ("replaced in then", {"properties": {"a": ONE}, "if": {}, "then": {"properties": {"a": {"maximum": 3}}}}, {"a": 4}, None),
    ("through a reference", {"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {**ONE, "maximum": 1}}}, {"a": 2}, {"a": 1}),
    ("a list too long", {"properties": {"a": {"maxItems": 1, "default": []}}}, {"a": [1, 2]}, None),
    ("an unknown field", {"properties": {"a": {"additionalProperties": False, "default": {}}}}, {"a": {"x": 1}}, None),
    ("the whole document", {"default": {}, "type": "object"}, [], None),
    ("in a key with a dot", needs(**{"a.b": needs(c=ONE)}), {"a.b": {}}, {"a.b": {"c": 1}}),
    ("by a pattern", {"patternProperties": {"^s": needs(n=ONE)}}, {"s1": {}, "t": {}}, {"s1": {"n": 1}, "t": {}}),
    ("by a pattern, missing itself", {"required": ["s"], "patternProperties": {"^s": ONE}}, {}, {"s": 1}),
    ("additional", {"properties": {"p": {}}, "additionalProperties": needs(n=ONE)}, {"p": {}, "q": {}}, {"p": {}, "q": {"n": 1}}),
    ("additional, but for a pattern", {"patternProperties": {"p": {}}, "additionalProperties": needs(n=ONE)}, {"p": {}, "q": {}}, {"p": {}, "q": {"n": 1}}),
    ("its name is nearer", {**needs(a={"default": 2}), "patternProperties": {"a": ONE}}, {}, {"a": 2}),
    ("two patterns", {"required": ["ab"], "patternProperties": {"a": ONE, "b": {"default": 2}}}, {}, None),
    ("replaced by a pattern", {"patternProperties": {"^s": needs(n={**ONE, "maximum": 2})}}, {"s1": {"n": 3}}, {"s1": {"n": 1}}),
    ("required without properties", {"required": ["a"]}, {}, None),
    ("a boolean schema", {"required": ["a"], "properties": {"a": True}}, {}, None),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "value", "expected"), [row[1:] for row in REPAIRS], ids=[row[0] for row in REPAIRS])
def test_what_is_repaired(schema: dict[str, Any], value: Any, expected: Any) -> None:
    assert after(schema, value) == expected


def test_values_are_only_replaced_where_that_is_wanted() -> None:
    schema = {**needs(a=ONE), "properties": {"a": ONE, "b": {"maximum": 1, "default": 0}}}
    assert after(schema, {"b": 2}, repair_values=False) == {"b": 2, "a": 1}
    assert after(schema, {"b": 2}, repair_values=True) == {"b": 0, "a": 1}


@pytest.mark.parametrize(
    ("schema", "value", "why"),
    [
        (
            {"properties": {"a": {"maximum": 1, "default": 0}}},
            {"a": 2},
            "a value is replaced only with `repair: values`",
        ),
        ({"properties": {"a": {"maximum": 1}}}, {"a": 2}, ""),
        ({"anyOf": [needs(a=ONE)]}, {}, "what is wrong lies below `anyOf`, where there is more than one right answer"),
        (
            {"if": {}, "then": needs(a=ONE)},
            {},
            "what is wrong lies below `if`, where there is more than one right answer",
        ),
        (needs(a={}), {}, ""),
        (needs(**{"not": needs(a={})}), {"not": {}}, ""),
        (
            needs(a={"default": 2, "maximum": 1}),
            {},
            "a: the schema's default 2 is refused by the schema itself: 2 is more than the maximum of 1",
        ),
        ({"type": "object"}, [], "it is no mapping, and only fields of a mapping are repaired"),
        ({"additionalProperties": False}, {f"{n}": 1 for n in range(9)}, ""),
        (
            {"items": {"type": "string"}, "properties": {"a": {"items": {"type": "string"}}}},
            {"a": [1] * 2000},
            "too much is wrong in it",
        ),
    ],
)
def test_why_nothing_is_repaired(schema: Any, value: Any, why: str) -> None:
    assert found(schema, value, False).why == why


def test_why_a_default_is_not_taken() -> None:
    refused = found(needs(a={"default": 2, "maximum": 1}), {})
    assert refused.problems == (
        "a: is missing",
        "a: the schema's default 2 is refused by the schema itself: 2 is more than the maximum of 1",
    )
    assert found({"allOf": [needs(a=ONE), needs(a={"default": 2})]}, {}).problems[-1] == (
        "a: the schema has more than one default for it"
    )
    assert found(needs(a=needs(b=ONE, c={})), {}).problems == (
        "a: is missing (expected a mapping)",
        "a: c has no default",
    )


def test_a_new_document_has_the_required_fields_or_the_default_of_the_whole() -> None:
    schema = needs(a=ONE, b=needs(c=ONE))
    schema["properties"]["d"] = ONE
    assert json.loads(made(Rules("json", schema))[0]) == {"a": 1, "b": {"c": 1}}
    assert json.loads(made(Rules("json", {**schema, "default": {"a": 2, "b": {"c": 3}, "x": 0}}))[0])["x"] == 0
    assert made(Rules("json", {"type": "object"})) == (b"{}\n", "create empty")
    assert made(Rules("toml", {})) == (b"", "create empty")
    for wrong, why in (
        ({**schema, "default": {"a": 2}}, "refused by the schema itself"),
        ({"default": []}, "no mapping"),
        ({**schema, "minProperties": 3}, "it would not be valid"),
        (needs(x={}), "x has no default"),
        (needs(x=needs(y={})), "x: y has no default"),
    ):
        with pytest.raises(CannotEditError, match=why):
            made(Rules("json", wrong))
    with pytest.raises(CannotEditError, match="no format"):
        made(Rules("", schema))
