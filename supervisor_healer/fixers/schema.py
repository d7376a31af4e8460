"""A config's value against its JSON Schema (draft 2020-12): what is wrong, where, and in which words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, UndefinedTypeCheck, UnknownType
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from supervisor_healer.fixers import discretion
from supervisor_healer.fixers.discretion import Discretion
from supervisor_healer.fixers.documents import Path, field_of
from supervisor_healer.fixers.phrases import expectation, shown

MAX_FOUND = 1000  # violations; a document with more is not worth listing, nor repairing

# what jsonschema checks by itself; what it needs other libraries for would depend on what else is installed
FORMATS = ("date", "email", "ipv4", "ipv6", "regex", "uuid")

_UNUSABLE = (re.error, UnknownType, UndefinedTypeCheck, ArithmeticError)  # raised over a schema that is none


@dataclass(frozen=True, slots=True)
class Finding:
    """A violation. `path` leads to the value, or to the field that is `missing`; `schema` is the part that objects."""

    path: Path
    keyword: str
    rule: tuple[str | int, ...]
    missing: bool
    schema: Any
    text: str

    @property
    def identity(self) -> tuple[object, ...]:
        """What makes it the same violation before and after a repair."""
        return self.path, self.rule, self.missing

    @property
    def place(self) -> tuple[object, ...]:
        """What makes it a violation of the same value, by the same part of the schema, in another reading."""
        return self.path, self.rule[:-1], self.missing


@dataclass(frozen=True, slots=True)
class Validation:
    """All violations. `more`: there are too many to list; `broken`: why the schema itself cannot be used."""

    found: tuple[Finding, ...] = ()
    more: bool = False
    broken: str = ""

    @property
    def identities(self) -> frozenset[tuple[object, ...]]:
        """The violations without their words."""
        return frozenset(finding.identity for finding in self.found)

    def agreed(self, other: Validation) -> Validation:
        """What is wrong by this reading of a document and by the other: what one of them accepts is not wrong."""
        if self.broken or other.broken:
            return self if self.broken else other
        places = {finding.place for finding in other.found}
        return Validation(tuple(one for one in self.found if one.place in places), self.more or other.more)


class Schema:
    """A JSON Schema that is never completed from the network: only references into itself are followed."""

    def __init__(self, raw: Mapping[str, Any], discreet: bool = False) -> None:
        """With `discreet` no value is shown, without it none that is `writeOnly`."""
        self.raw = dict(raw)
        resource = DRAFT202012.create_resource(self.raw)
        # an empty registry: jsonschema's own would fetch what it does not know
        registry: Registry[Any] = Registry()
        self._resolver = registry.with_resource(resource.id() or "", resource).resolver_with_root(resource)
        self._validator = Draft202012Validator(self.raw, registry=registry, format_checker=FormatChecker(FORMATS))
        self.discretion = discretion.of(self.raw, self.lookup, discreet)

    def validate(self, value: Any) -> Validation:
        """What the schema has against `value`."""
        try:
            Draft202012Validator.check_schema(self.raw)
            errors = list(islice(self._validator.iter_errors(value), MAX_FOUND + 1))
        except SchemaError as error:
            where = field_of(error.absolute_path)
            return Validation(broken=f"the schema is wrong: {where}: {error.message}" if where else str(error.message))
        except Unresolvable as error:
            return Validation(broken=f"the schema refers to {shown(error.ref)}, which is not in it")
        except RecursionError:
            return Validation(broken="the schema refers to itself without end")
        except _UNUSABLE as error:
            return Validation(broken=f"the schema cannot be used: {str(error).splitlines()[0]}")
        findings = sorted(
            (_finding(error, self.discretion) for error in errors[:MAX_FOUND]), key=lambda one: not one.missing
        )
        return Validation(tuple(findings), more=len(errors) > MAX_FOUND)

    def objection(self, part: Any, value: Any) -> str:
        """What `part` of this schema has against `value`, '' if nothing."""
        try:
            error = next(iter(self._validator.evolve(schema=part).iter_errors(value)), None)
        except (Unresolvable, RecursionError, *_UNUSABLE) as problem:
            return str(problem).splitlines()[0]
        return "" if error is None else _words(error, self.discretion.strict)

    def lookup(self, reference: str) -> Any:
        """What a `$ref` refers to, None where that is not in this schema."""
        try:
            return self._resolver.lookup(reference).contents
        except (Unresolvable, ValueError):
            return None


def _finding(error: Any, discretion: Discretion) -> Finding:
    missing = bool(error.validator == "required")
    path = (*error.absolute_path, _missing_field(error)) if missing else tuple(error.absolute_path)
    words = _words(error, discretion)
    field = field_of(path)
    return Finding(
        path=path,
        keyword=str(error.validator or ""),
        rule=tuple(error.absolute_schema_path),
        missing=missing,
        schema=error.schema,
        text=f"{field}: {words}" if field else f"the document {words}",
    )


def _missing_field(error: Any) -> str:
    """jsonschema reports each missing field by itself, but only its message says which."""
    fields = (name for name in error.validator_value if name not in error.instance)
    return next((name for name in fields if error.message.startswith(repr(name))), "")


def _words(error: Any, discretion: Discretion) -> str:
    """What is wrong with a value, without its field."""
    keyword, limit = str(error.validator), error.validator_value
    value = discretion.shown(tuple(error.absolute_path), error.instance)
    if keyword == "required":
        properties = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        return "is missing" + _expected(properties.get(_missing_field(error), {}))
    if keyword == "type":
        return f"{value}is of the wrong type" + _expected(error.schema)
    if keyword in _SENTENCES:
        return _SENTENCES[keyword].format(value=value, limit=shown(limit))
    if keyword == "enum":
        return f"{value}is not one of " + ", ".join(map(shown, limit))
    if keyword == "additionalProperties":
        if discretion.everything:
            return "has unknown fields"
        return "has unknown fields: " + ", ".join(_unknown_fields(error))
    if keyword in ("anyOf", "oneOf"):
        return _alternatives(error, discretion)
    if error.validator is None:
        return f"{value}is not allowed here"
    if not value:
        return f"is not valid under `{keyword}`"
    return _shorter(str(error.message))


_SENTENCES = {
    "minimum": "{value}is less than the minimum of {limit}",
    "maximum": "{value}is more than the maximum of {limit}",
    "exclusiveMinimum": "{value}is not more than {limit}",
    "exclusiveMaximum": "{value}is not less than {limit}",
    "multipleOf": "{value}is not a multiple of {limit}",
    "const": "{value}is not {limit}",
    "pattern": "{value}does not match {limit}",
    "minLength": "{value}is shorter than {limit} characters",
    "maxLength": "{value}is longer than {limit} characters",
    "minItems": "{value}has fewer than {limit} items",
    "maxItems": "{value}has more than {limit} items",
    "minProperties": "{value}has fewer than {limit} fields",
    "maxProperties": "{value}has more than {limit} fields",
    "uniqueItems": "{value}has the same item twice",
    "format": "{value}is not of the format {limit}",
    "not": "{value}is what the schema excludes",
}


def _shorter(text: str) -> str:
    """jsonschema's own words, which may hold the whole document."""
    return text if len(text) <= 160 else text[:80] + "..." + text[-77:]


def _expected(schema: Any) -> str:
    words = expectation(schema)
    return f" (expected {words})" if words else ""


def _unknown_fields(error: Any) -> Iterator[str]:
    known = error.schema.get("properties", {})
    patterns = list(error.schema.get("patternProperties", {}))
    for name in islice(error.instance, 1000):
        if name not in known and not any(re.search(pattern, name) for pattern in patterns):
            yield name


def _alternatives(error: Any, discretion: Discretion) -> str:
    """What speaks against a value that should fit one of several schemas; of a mapping or list, against the closest."""
    value = discretion.shown(tuple(error.absolute_path), error.instance)
    if not error.context:
        return f"{value}fits more than one of the alternatives"
    if not isinstance(error.instance, dict | list):
        told = "; ".join(dict.fromkeys(_placed_words(inner, discretion) for inner in islice(error.context, 3)))
        return f"{value}fits none of the alternatives: {told}"
    alternatives: dict[Any, list[Any]] = {}
    for inner in error.context:
        alternatives.setdefault(inner.relative_schema_path[0], []).append(inner)
    closest = min(alternatives.values(), key=_distance)
    told = "; ".join(dict.fromkeys(_placed_words(inner, discretion) for inner in closest[:3]))
    return f"fits none of the alternatives; of the closest: {told}"


def _distance(errors: list[Any]) -> tuple[int, int, int]:
    """How far a value is from one alternative: of another type, called otherwise, or just not in order."""
    kinds = sum(error.validator == "type" and not error.relative_path for error in errors)
    names = sum(error.validator in ("const", "enum") for error in errors)
    return kinds, names, len(errors)


def _placed_words(error: Any, discretion: Discretion) -> str:
    """What is wrong below a value, with the field from there on."""
    missing = (_missing_field(error),) if error.validator == "required" else ()
    field = field_of((*error.relative_path, *missing))
    words = _words(error, discretion)
    return f"{field}: {words}" if field else words
