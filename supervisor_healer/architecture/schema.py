"""The architecture file against the JSON Schema that the package ships, in an operator's words."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from importlib.resources import files
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator

from supervisor_healer.architecture import durations
from supervisor_healer.architecture.document import MAX_PROBLEMS, Document, kind
from supervisor_healer.errors import Problem
from supervisor_healer.words import clean


def text() -> str:
    """The schema as shipped, for editors."""
    return files(__package__).joinpath("schema.json").read_text("utf-8")


def problems(
    document: Document, *, included: bool = False, validator: Draft202012Validator | None = None
) -> tuple[Problem, ...]:
    """Everything in `document` that the schema refuses; an `included` file need not say its version.

    `validator`: of another schema than the architecture's (see `validator_of`).
    """
    found: list[Problem] = []
    errors: Iterator[Any] = (validator or _validator()).iter_errors(document.value)
    for error in errors:
        found += islice(_explain(document, error, included), MAX_PROBLEMS - len(found))
        if len(found) >= MAX_PROBLEMS:
            break
    return tuple(found)


def suggestion(word: str, known: Iterable[str]) -> str:
    """``, did you mean 'outputs'?`` where one of the `known` words is close to `word`, else ''."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f", did you mean {close[0]!r}?" if close else ""


def validator_of(text: str) -> Draft202012Validator:
    """The validator of a schema, given as JSON text, whose references are to its own `$defs`."""
    schema = json.loads(text)
    return Draft202012Validator(_inlined(schema, schema["$defs"]))


@lru_cache(maxsize=1)
def _validator() -> Draft202012Validator:
    return validator_of(text())


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    """`node` with its references replaced by what they refer to: validation then takes 3/5 of the time."""
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    own = {key: _inlined(value, definitions) for key, value in node.items() if key not in ("$ref", "$defs")}
    if "$ref" in node:
        return {**_inlined(definitions[node["$ref"].removeprefix("#/$defs/")], definitions), **own}
    return own


def _explain(document: Document, error: Any, included: bool) -> Iterator[Problem]:
    field = field_of(error.absolute_path)
    if error.validator == "additionalProperties":
        for key in error.instance:
            if key not in error.schema["properties"]:
                yield _unknown_key(document, field, key, error.schema["properties"])
        return
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        if included and missing == ["version"]:
            return
        # jsonschema reports each missing key by itself; the message names it
        key = next(key for key in missing if error.message.startswith(repr(key)))
        example = error.schema["properties"][key].get("const", "")
        what = f"the key {key!r} is missing"
        line = document.line(field) or 1
        yield Problem(document.path, line, field, what, f"`{key}: {example}`" if example else f"`{key}`")
        return
    what, expected = _words(error)
    yield Problem(document.path, document.line(field), clean(field), what, expected)


def field_of(path: Iterable[str | int]) -> str:
    """The dotted field of a path into the document: ``workers.wb.inputs[0]``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _unknown_key(document: Document, field: str, key: str, properties: dict[str, Any]) -> Problem:
    name = f"{field}.{key}" if field else key
    hint = suggestion(key, properties)
    if key in _HOMES and not hint:
        return Problem(document.path, document.line(name), clean(name), "does not belong here", _HOMES[key])
    expected = "" if hint else "one of " + ", ".join(properties)
    return Problem(document.path, document.line(name), clean(name), "unknown key" + hint, expected)


_HOMES = {
    "max_restarts_overall": "only under `defaults`",
    "max_age": "under `files: {PATH: ...}` or `defaults`",
    "grace": "under `files: {PATH: ...}` or `defaults`",
    "shared": "under `files: {PATH: ...}`",
    "content": "in `create: {...}` of a file",
    "json": "in `create: {...}` of a file",
    "copy": "in `create: {...}` of a file",
    "owner": "in `create: {...}` of a file, or at a config",
    "mode": "at the top level (heal or observe); permissions stand in `create: {...}` of a file, or at a config",
}


def _words(error: Any) -> tuple[str, str]:
    """What is wrong, and what was expected."""
    if error.schema.get("title") in ("duration", "positive duration"):
        return _duration_words(error)
    what = f"{clean(kind(error.instance))} cannot be used"
    if error.validator == "enum":
        hint = suggestion(error.instance, error.validator_value) if isinstance(error.instance, str) else ""
        return what + hint, "one of " + ", ".join(error.validator_value)
    if error.validator == "const":
        return what, json.dumps(error.validator_value)
    if error.schema.get("title") == "octal mode":
        return _mode_words(error, what)
    examples = error.schema.get("examples")
    such_as = ", such as " + " or ".join(_example(item) for item in examples) if examples else ""
    if error.validator in _EXPECTED:
        return what, _EXPECTED[error.validator](error.validator_value) + such_as
    return what, f"a valid value{such_as}"


def _duration_words(error: Any) -> tuple[str, str]:
    try:
        seconds = durations.parse(error.instance)
    except ValueError as problem:
        return clean(str(problem)), durations.EXPECTED
    what = "a duration of zero means nothing here" if not seconds else f"{error.instance!r} is not a duration"
    return what, "a duration above zero, such as 30s"


def _mode_words(error: Any, what: str) -> tuple[str, str]:
    if error.validator == "type" and isinstance(error.instance, int) and not isinstance(error.instance, bool):
        what = f"{clean(kind(error.instance))}, and not text: without quotes YAML reads 0644 as 420 and 644 as decimal"
    return what, 'three or four octal digits in quotes, such as "0644"'


_TYPES = {"object": "a mapping", "array": "a list", "string": "text", "boolean": "true or false", "integer": "a number"}


def _type_words(types: str | list[str]) -> str:
    return " or ".join(_TYPES[name] for name in ([types] if isinstance(types, str) else types))


_EXPECTED: dict[str, Callable[[Any], str]] = {
    "type": _type_words,
    "minimum": lambda least: f"a whole number from {least} on",
    "minLength": lambda _: "a text",
    "minItems": lambda _: "at least one item",
    "pattern": lambda _: "a text",
}


def _example(value: object) -> str:
    """An example in YAML's short form, unquoted where that is how one would write it."""
    if isinstance(value, str):
        return value
    return re.sub(r'"(?![0-9]+")([\w./*%()-]+)"', r"\1", json.dumps(value))
