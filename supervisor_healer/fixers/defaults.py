"""What the defaults of a schema can put right in a document: pure, from values to edits.

Only `required` fields are added, wherever `properties`, `patternProperties`, `additionalProperties`, `items`,
`prefixItems`, `allOf` and references into the schema itself lead without a choice. Below `anyOf`, `oneOf` or `if` there
is more than one right answer: nothing is repaired.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from supervisor_healer.errors import HealerError
from supervisor_healer.fixers.documents import Edit, Path, field_of, same
from supervisor_healer.fixers.schema import Finding, Schema, Validation

_MAX_BUILD = 30  # levels of missing mappings; more is a schema that requires itself

# What may be said of a single value; a mapping or list that lacks or exceeds something holds what would be lost.
_VALUE_KEYWORDS = frozenset((
    "type", "enum", "const", "pattern", "format", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "multipleOf",
))  # fmt: skip
_CHOICES = frozenset(("anyOf", "oneOf", "if", "then", "else", "not", "dependentSchemas", "contains"))
_NAMED = frozenset(("properties", "patternProperties", "dependentSchemas", "$defs", "definitions"))  # names follow
_NOT_REPLACED = "a value is replaced only with `repair: values`"


class NoDefaultError(HealerError):
    """The schema does not say what the value should be."""


@dataclass
class Proposal:
    """The edits that the defaults suggest, why some are missing that one would expect, and why there are none."""

    edits: list[Edit] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    why: str = ""


Faces = list[tuple[int, dict[str, Any]]]  # schemas that all hold for one value, each with how far it was referred to


class Defaults:
    """The defaults of one schema."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def proposal(self, value: Any, validation: Validation, replace: bool) -> Proposal:
        """What would put the violations in `validation` of `value` right; values only where `replace`."""
        found = Proposal()
        places = dict(self._places(self._faces(self._schema.raw), value, ()))
        for finding in validation.found:
            faces = places.get(finding.path[:-1] if finding.missing else finding.path)
            if faces is None or finding.keyword in _CHOICES:
                found.why = found.why or _beyond(finding)
                continue
            if not finding.missing:
                own = any(finding.schema is face for _, face in faces)
                if not (own and finding.keyword in _VALUE_KEYWORDS and finding.path):
                    found.why = found.why or _beyond(finding)
                    continue
                if not replace:
                    if any("default" in face for _, face in faces):
                        found.why = _NOT_REPLACED
                    continue
            elif any(edit.path == finding.path for edit in found.edits):
                continue
            else:
                faces = self._field(faces, str(finding.path[-1]))
            try:
                edit = Edit(finding.path, self._build(faces), replaces=not finding.missing)
            except NoDefaultError as error:
                if str(error):
                    found.notes.append(f"{field_of(finding.path)}: {error}")
                found.why = found.why or _beyond(finding)
                continue
            if edit not in found.edits:
                found.edits.append(edit)
        return found

    def document(self) -> dict[str, Any]:
        """A whole document of defaults; NoDefaultError, which says what has none, where it cannot be made."""
        faces = self._faces(self._schema.raw)
        value = self._build(faces) if any("default" in face for _, face in faces) else self._members(faces, 0)
        if not isinstance(value, dict):
            raise NoDefaultError("the schema's default is no mapping")
        return value

    def _places(self, faces: Faces, value: Any, path: Path) -> Iterator[tuple[Path, Faces]]:
        """Every value in the document about which the schema leaves no choice, with its schemas."""
        yield path, faces
        if isinstance(value, dict):
            for name, item in value.items():
                inner = self._field(faces, name)
                if inner:
                    yield from self._places(inner, item, (*path, name))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                inner = self._item(faces, index)
                if inner:
                    yield from self._places(inner, item, (*path, index))

    def _faces(self, part: Any, depth: int = 0, seen: tuple[int, ...] = ()) -> Faces:
        """`part` with what it refers to and all that has to hold besides, nearest first."""
        if not isinstance(part, dict) or id(part) in seen:
            return []
        seen = (*seen, id(part))
        found: Faces = [(depth, part)]
        if isinstance(part.get("$ref"), str):
            found += self._faces(self._schema.lookup(part["$ref"]), depth + 1, seen)
        for inner in part.get("allOf", []):
            found += self._faces(inner, depth + 1, seen)
        return found

    def _field(self, faces: Faces, name: str) -> Faces:
        """What holds for the field `name`; what is said of it by its name is nearer than what is said of many."""
        found: Faces = []
        for _, face in faces:
            properties = _mapping(face, "properties")
            parts = [part for pattern, part in _mapping(face, "patternProperties").items() if _fits(pattern, name)]
            if name in properties:
                found += self._faces(properties[name])
            elif not parts:
                parts = [face.get("additionalProperties")]
            for part in parts:
                found += self._faces(part, 1)
        return found

    def _item(self, faces: Faces, index: int) -> Faces:
        found: Faces = []
        for _, face in faces:
            first = face.get("prefixItems", [])
            found += self._faces(first[index] if index < len(first) else face.get("items"))
        return found

    def _build(self, faces: Faces, level: int = 0) -> Any:
        """The value that the schemas give for a field that is not there."""
        if level > _MAX_BUILD:
            raise NoDefaultError("the schema requires it within itself without end")
        defaults = sorted(
            ((depth, face["default"]) for depth, face in faces if "default" in face), key=lambda one: one[0]
        )
        if not defaults:
            types = [face["type"] for _, face in faces if "type" in face]
            if not all(name == "object" for name in types) or not _required(faces):
                raise NoDefaultError("")
            value: Any = self._members(faces, level)
        else:
            nearest, value = defaults[0]
            if any(depth == nearest and not same(value, other) for depth, other in defaults):
                raise NoDefaultError("the schema has more than one default for it")
        for _, face in faces:
            objection = self._schema.objection(face, value)
            if objection:
                refused = f"the schema's default {self._schema.discretion.strict.shown((), value)}is refused"
                raise NoDefaultError(f"{refused} by the schema itself: {objection}")
        return value

    def _members(self, faces: Faces, level: int) -> dict[str, Any]:
        """A mapping of the fields that are required in it."""
        members: dict[str, Any] = {}
        for name in _required(faces):
            try:
                members[name] = self._build(self._field(faces, name), level + 1)
            except NoDefaultError as error:
                raise NoDefaultError(f"{name} has no default" if not str(error) else f"{name}: {error}") from error
        return members


def _required(faces: Faces) -> list[str]:
    return list(dict.fromkeys(name for _, face in faces for name in face.get("required", [])))


def _fits(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:  # it was not needed until now
        return False


def _beyond(finding: Finding) -> str:
    """Why a violation is left as it is."""
    steps = zip(("", *finding.rule), (*finding.rule, finding.keyword), strict=True)
    word = next((step for before, step in steps if step in _CHOICES and before not in _NAMED), "")
    word = "if" if word in ("then", "else") else word  # of which only newer versions of jsonschema speak
    return f"what is wrong lies below `{word}`, where there is more than one right answer" if word else ""


def _mapping(face: dict[str, Any], keyword: str) -> dict[str, Any]:
    found = face.get(keyword, {})
    return found if isinstance(found, dict) else {}
