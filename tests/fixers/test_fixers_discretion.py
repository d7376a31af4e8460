"""What others may not read is not told to everybody who reads a report, a log or the history."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fixing import do

from supervisor_healer.fixers.jobs import Answer

SECRET = "s3cr3t"
OTHER = "0ther-default"


def texts(answer: Answer) -> list[str]:
    return [*answer["problems"], *answer["repairs"], *answer["said"]]


def place(tmp_path: Path, how: str, name: str, content: str) -> tuple[Path, str]:
    """A root, and the path of a config in it that is nobody else's business."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root, outside):
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(content)
        (folder / name).chmod(0o644)
    if how == "mode":
        (root / name).chmod(0o660)
    elif how == "link":
        (root / name).unlink()
        (root / name).symlink_to(outside / name)
    elif how == "absolute":
        return root, str(outside / name)
    return root, name


PARTS: list[tuple[dict[str, Any], str]] = [
    ({"type": "number"}, "a: is of the wrong type (expected a number)"),
    ({"enum": ["x", "y"]}, 'a: is not one of "x", "y"'),
    ({"const": 1}, "a: is not 1"),
    ({"pattern": "^x"}, 'a: does not match "^x"'),
    ({"minLength": 20}, "a: is shorter than 20 characters"),
    ({"format": "ipv4"}, 'a: is not of the format "ipv4"'),
    ({"not": {}}, "a: is what the schema excludes"),
    ({"anyOf": [{"type": "number"}, {"pattern": "^x"}]}, "a: fits none of the alternatives: is of the wrong type"),
    ({"oneOf": [True, True]}, "a: fits more than one of the alternatives"),
    ({"items": False, "type": ["array", "string"], "dependentSchemas": {}, "maxLength": 3}, "a: is longer than 3"),
]


@pytest.mark.parametrize("how", ["mode", "link", "absolute"])
@pytest.mark.parametrize(("part", "words"), PARTS)
def test_no_value_of_a_private_config_is_shown(tmp_path: Path, how: str, part: dict[str, Any], words: str) -> None:
    root, path = place(tmp_path, how, "c.json", json.dumps({"a": SECRET}))
    schema = {"properties": {"a": part}}
    answer = do("check", root, path, schema=schema)
    assert answer["problems"][0].startswith(words)
    assert SECRET not in str(texts(answer))
    # the same of one that everybody may read is told in full
    (tmp_path / "open.json").write_text(json.dumps({"a": SECRET}))
    (tmp_path / "open.json").chmod(0o644)
    assert SECRET in str(texts(do("check", tmp_path, "open.json", schema=schema)))


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ({SECRET: 1}, {"additionalProperties": False}),
        ({SECRET: 1}, {"propertyNames": {"maxLength": 2}}),
        ({SECRET: 1}, {"unevaluatedProperties": False}),
        ({SECRET: SECRET}, {"maxProperties": 0}),
        ([SECRET], {"type": "object"}),
        ([SECRET], {"contains": {"type": "number"}}),
        (SECRET, {"required": ["a"]}),
        (SECRET, {"type": "object"}),
        ({"a": [{"b": SECRET}]}, {"properties": {"a": {"items": {"oneOf": [{"type": "null"}, {"minProperties": 2}]}}}}),
    ],
)
def test_nor_of_what_holds_values(tmp_path: Path, value: Any, schema: dict[str, Any]) -> None:
    root, path = place(tmp_path, "mode", "c.json", json.dumps(value))
    answer = do("check", root, path, schema=schema)
    assert answer["state"] == "invalid"
    assert SECRET not in str(texts(answer))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.json", '{"a": s3cr3t}'),
        ("c.json", '{"s3cr3t": 1, "s3cr3t": 2}'),
        ("c.yaml", "a: !!int s3cr3t\n"),
        ("c.yaml", "a: *s3cr3t\n"),
        ("c.yaml", "s3cr3t: 1\ns3cr3t: 2\n"),
        ("c.yaml", "a: !s3cr3t x\n"),
        ("c.yaml", "a: [s3cr3t\nb: s3cr3t"),
        ("c.toml", "a = s3cr3t\n"),
        ("c.toml", "s3cr3t = 1\ns3cr3t = 2\n"),
        ("c.toml", "root:s3cr3t:0:0\n"),
    ],
)
def test_nor_of_one_that_cannot_be_read(tmp_path: Path, name: str, content: str) -> None:
    root, path = place(tmp_path, "link", name, content)
    answer = do("check", root, path, schema={})
    kind = name.rpartition(".")[2].upper()
    assert answer["problems"][0].endswith(f"it cannot be read as {kind}"), answer
    assert SECRET not in str(texts(answer))


def schema_of(**more: Any) -> dict[str, Any]:
    a = {"type": "string", "minLength": 8, "default": OTHER, **more}
    return {"type": "object", "required": ["a", "b"], "properties": {"a": a, "b": {"type": "number", "default": 1}}}


def test_a_repair_of_a_private_config(tmp_path: Path) -> None:
    root, path = place(tmp_path, "mode", "c.json", json.dumps({"a": SECRET}))
    answer = do("check", root, path, schema=schema_of(), repair_values=True)
    assert answer["repairs"] == ["add b with its default", "replace a by its default"]
    answer = do("repair", root, path, schema=schema_of(), repair_values=True)
    assert answer["said"] == ["added b with its default", "replaced a by its default"]
    assert json.loads((root / "c.json").read_text()) == {"a": OTHER, "b": 1}


@pytest.mark.parametrize(("mode", "told"), [(0o640, "create with a, b"), (0o644, "create with a = ")])
def test_a_private_config_that_is_made(tmp_path: Path, mode: int, told: str) -> None:
    answer = do("check", tmp_path, "c.json", schema=schema_of(), create=True, mode=mode)
    assert answer["repairs"][0].startswith(told)
    assert (OTHER in str(texts(answer))) == (mode == 0o644)
    said = do("repair", tmp_path, "c.json", schema=schema_of(), create=True, mode=mode)
    assert (OTHER in str(texts(said))) == (mode == 0o644)


WRITE_ONLY: list[dict[str, Any]] = [
    schema_of(writeOnly=True),
    schema_of(allOf=[{"writeOnly": True}]),
    schema_of(**{"$ref": "#/$defs/s"}) | {"$defs": {"s": {"writeOnly": True}}},
    schema_of() | {"allOf": [{"properties": {"a": {"writeOnly": True}}}]},
    schema_of() | {"writeOnly": True},
    schema_of() | {"patternProperties": {"^a": {"writeOnly": True}}},
]


@pytest.mark.parametrize("schema", WRITE_ONLY)
def test_what_is_write_only_is_never_shown(tmp_path: Path, schema: dict[str, Any]) -> None:
    path = tmp_path / "c.json"
    for value in ({"a": SECRET, "b": "seen"}, {"b": 2}, [SECRET], {"a": [SECRET], "b": 2}):
        path.write_text(json.dumps(value))
        path.chmod(0o644)
        told = texts(do("check", tmp_path, "c.json", schema=schema, repair_values=True))
        told += texts(do("repair", tmp_path, "c.json", schema=schema, repair_values=True))
        assert told
        assert SECRET not in str(told)
        assert OTHER not in str(told)
    path.unlink()
    assert OTHER not in str(texts(do("check", tmp_path, "c.json", schema=schema, create=True)))


def test_other_properties_are_shown_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"a": SECRET, "b": "seen"}))
    path.chmod(0o644)
    answer = do("check", tmp_path, "c.json", schema=schema_of(writeOnly=True), repair_values=True)
    assert answer["problems"] == [
        "a: is shorter than 8 characters",
        'b: "seen" is of the wrong type (expected a number)',
    ]
    assert answer["repairs"] == ["replace a by its default", 'replace b = "seen" by 1']


def test_a_list_of_what_is_write_only(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"tokens": [SECRET], "n": "seen"}))
    path.chmod(0o644)
    tokens = {"items": {"type": "number", "writeOnly": True}}
    answer = do("check", tmp_path, "c.json", schema={"properties": {"tokens": tokens, "n": {"type": "number"}}})
    assert sorted(answer["problems"]) == [
        'n: "seen" is of the wrong type (expected a number)',
        "tokens[0]: is of the wrong type (expected a number)",
    ]
