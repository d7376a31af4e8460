"""A config's content judged: what is wrong with it, and the content that a repair would put in its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from supervisor_healer.fixers import discretion, documents, texts
from supervisor_healer.fixers.discretion import Discretion
from supervisor_healer.fixers.documents import CannotEditError, Document, Edit, Format, field_of

if TYPE_CHECKING:
    from supervisor_healer.fixers.schema import Schema, Validation

_MAX_ALONE = 50  # edits that are tried one by one where they do not fit together,
_MAX_SECONDS = 5  # and for how long at about the format's pace
_LARGE = "it is too large to be repaired in time"


@dataclass(frozen=True, slots=True)
class Rules:
    """How a config has to be, and what may be done about it."""

    format: str = ""
    schema: dict[str, Any] = field(default_factory=dict)
    repair_values: bool = False
    discreet: bool = False  # no text shows a value


@dataclass(frozen=True, slots=True)
class Assessment:
    """`state` valid, invalid or unreadable; `after` is the repaired content, None where nothing can be done.

    `why`: why that is so, '' where it is for want of a default.
    """

    state: str
    problems: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()
    after: bytes | None = None
    more: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Repair:
    edits: tuple[Edit, ...]
    text: str


def assess(content: bytes, rules: Rules) -> Assessment:
    """`content` against `rules`."""
    if not rules.format:
        return Assessment("valid")
    try:
        text = texts.decode(content)
        form = documents.of(rules.format)
        document = form.read(text.content)
    except texts.UnreadableError as error:
        why = discretion.unreadable(str(error), rules.format) if rules.discreet else str(error)
        return Assessment("unreadable", (why,))
    if not rules.schema:
        return Assessment("valid")
    from supervisor_healer.fixers.schema import Schema  # noqa: PLC0415 -- jsonschema takes a while to import

    schema = Schema(rules.schema, rules.discreet)
    judged = _judged(schema, document)
    if judged.agreed.broken:
        return Assessment("invalid", (judged.agreed.broken,))
    problems = [finding.text for finding in judged.agreed.found] or _no_mapping(document.value, schema)
    if not problems:
        return Assessment("valid")
    repair, notes, why = _repair(document, form, schema, judged, rules)
    if repair is None:
        return Assessment("invalid", (*problems, *notes), more=judged.agreed.more, why=why)
    words = tuple(_words(document.value, edit, schema.discretion) for edit in repair.edits)
    return Assessment("invalid", (*problems, *notes), words, text.encode(repair.text), judged.agreed.more)


@dataclass(frozen=True, slots=True)
class _Judged:
    """What the schema has against a document in each of its readings, and what it has against it in all of them."""

    each: tuple[Validation, Validation]
    agreed: Validation

    def is_better_than(self, before: _Judged) -> bool:
        """Whether less is wrong, and in no reading anything that was not wrong `before`."""
        return self.agreed.identities < before.agreed.identities and all(
            after.identities <= former.identities for after, former in zip(self.each, before.each, strict=True)
        )


def _judged(schema: Schema, document: Document) -> _Judged:
    validation = schema.validate(document.value)
    if document.other is document.value or validation.broken or not validation.found:
        return _Judged((validation, validation), validation)
    other = schema.validate(document.other)
    return _Judged((validation, other), validation.agreed(other))


def _no_mapping(value: Any, schema: Schema) -> list[str]:
    """The problem of a document that is no mapping, where the schema speaks of fields and forgets to say so.

    JSON Schema has nothing against it, but an emptied YAML file is not what such a schema means.
    """
    if isinstance(value, dict) or "type" in schema.raw or not {"required", "properties"} & schema.raw.keys():
        return []
    return [f"the document {schema.discretion.shown((), value)}has no fields (expected a mapping)"]


def made(rules: Rules) -> tuple[bytes, str]:
    """The content of a config made of its schema's defaults, and in words what is in it."""
    from supervisor_healer.fixers.defaults import Defaults, NoDefaultError  # noqa: PLC0415 -- it imports jsonschema
    from supervisor_healer.fixers.schema import Schema  # noqa: PLC0415 -- it imports jsonschema

    if not rules.format:
        raise CannotEditError("it has no format")
    schema = Schema(rules.schema, rules.discreet)
    broken = schema.validate({}).broken
    if broken:
        raise CannotEditError(broken)
    try:
        value = Defaults(schema).document()
    except NoDefaultError as error:
        raise CannotEditError(str(error) or "the schema has no defaults") from error
    content = documents.of(rules.format).write(value).encode()
    found = assess(content, rules)
    if found.state != "valid":
        raise CannotEditError(f"made of the defaults it would not be valid: {found.problems[0]}")
    members = ", ".join(schema.discretion.member(name, item) for name, item in value.items())
    return content, f"create with {members}" if members else "create empty"


def _repair(
    document: Document, form: Format, schema: Schema, judged: _Judged, rules: Rules
) -> tuple[_Repair | None, list[str], str]:
    """The repair that leaves the fewest violations, notes why it does not do more, and why there is none."""
    from supervisor_healer.fixers.defaults import Defaults  # noqa: PLC0415 -- it imports jsonschema

    if judged.agreed.more:
        return None, [], "too much is wrong in it"
    if not isinstance(document.value, dict):
        return None, [], "it is no mapping, and only fields of a mapping are repaired"
    proposal = Defaults(schema).proposal(document.value, judged.agreed, rules.repair_values)
    notes = list(proposal.notes)
    if proposal.edits and len(document.text) > form.largest:
        return None, [*notes, f"cannot be repaired: larger than {_size(form.largest)}"], _LARGE
    why = notes[0] if notes else proposal.why
    try:
        return _tried(document, form, schema, judged, proposal.edits), notes, why
    except CannotEditError as error:
        if len(proposal.edits) == 1:
            note = f"{field_of(proposal.edits[0].path)}: cannot be repaired: {error}"
            return None, [*notes, note], note
    fitting = []
    alone = 1 + _MAX_SECONDS * form.pace // (len(document.text) + 1)
    for edit in proposal.edits[: min(_MAX_ALONE, alone)]:
        try:
            _tried(document, form, schema, judged, [edit])
            fitting.append(edit)
        except CannotEditError as error:
            notes.append(f"{field_of(edit.path)}: cannot be repaired: {error}")
    try:
        return _tried(document, form, schema, judged, fitting), notes, notes[-1] if notes else why
    except CannotEditError as error:
        note = f"{field_of(fitting[0].path)}: cannot be repaired: {error}"
        return None, [*notes, note], note


def _size(characters: int) -> str:
    return f"{characters // 1_000_000} MB" if characters >= 1_000_000 else f"{characters // 1000} KB"


def _tried(document: Document, form: Format, schema: Schema, before: _Judged, edits: list[Edit]) -> _Repair | None:
    """The repaired text, read again: it says what it said, with `edits` made, and violates less and nothing new."""
    if not edits:
        return None
    text = document.edited(edits)
    try:
        after = form.read(text)
    except texts.UnreadableError as error:
        raise CannotEditError("the text gives no place for it") from error
    if not _says(after, document, edits):
        raise CannotEditError("the text gives no place for it that would change nothing else")
    if not _judged(schema, after).is_better_than(before):
        raise CannotEditError("with it the schema would still refuse the document, elsewhere")
    return _Repair(tuple(edits), text)


def _says(after: Document, before: Document, edits: list[Edit]) -> bool:
    """Whether `after` says in every reading what `before` said, with `edits` made."""
    if not documents.same(after.value, documents.changed(before.value, edits)):
        return False
    has_one = after.other is after.value and before.other is before.value
    return has_one or documents.same(after.other, documents.changed(before.other, edits))


def _words(value: Any, edit: Edit, discretion: Discretion) -> str:
    if not edit.replaces:
        return f"add {discretion.addition(edit.path, edit.value)}"
    for step in edit.path:
        value = value[step]
    return f"replace {discretion.replacement(edit.path, value, edit.value)}"
