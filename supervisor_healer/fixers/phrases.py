"""Values and schemas in the words of a report."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from supervisor_healer.words import clean

MAX_LINES = 20
MAX_LENGTH = 200

_TYPES = {
    "object": "a mapping", "array": "a list", "string": "text", "boolean": "true or false", "integer": "a whole number",
    "number": "a number", "null": "null",
}  # fmt: skip


def line(text: str) -> str:
    """`text` as one line of a report: printable, and not too long."""
    text = clean(text)
    return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 3] + "..."


def lines(texts: Iterable[str], more: bool = False) -> list[str]:
    """`texts` as lines of a report; of many only the first, and how many there are beyond (`more`: at least)."""
    found = [line(text) for text in texts]
    left = len(found) - MAX_LINES
    if left <= 0:
        return found
    return [*found[:MAX_LINES], f"and {'at least ' if more else ''}{left} more"]


def shown(value: Any) -> str:
    """`value` as a report shows it: short."""
    if isinstance(value, dict) and (len(value) > 3 or any(isinstance(item, dict | list) for item in value.values())):
        return "a mapping"
    if isinstance(value, list) and (len(value) > 5 or any(isinstance(item, dict | list) for item in value)):
        return "a list"
    if isinstance(value, str) and len(value) > 60:
        value = value[:57] + "..."
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "..."


def expectation(schema: Any) -> str:
    """What `schema` expects, in words; '' where it says nothing that is short.

    >>> expectation({"type": "number", "minimum": 0, "maximum": 1}), expectation({"enum": ["a", "b"]})
    ('a number from 0 to 1', 'one of "a", "b"')
    """
    if not isinstance(schema, dict):
        return ""
    if "const" in schema:
        return shown(schema["const"])
    if isinstance(schema.get("enum"), list):
        return "one of " + ", ".join(map(shown, schema["enum"]))
    types = schema.get("type", [])
    names = [_TYPES.get(str(name), str(name)) for name in ([types] if isinstance(types, str) else types)]
    return " or ".join(names) + _range(schema) if names else ""


def _range(schema: dict[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if least is not None and most is not None:
        return f" from {least} to {most}"
    parts = [
        f"{words} {limit}"
        for words, limit in (("from", least), ("up to", most), ("above", above), ("below", below))
        if limit is not None
    ]
    return " " + " and ".join(parts) if parts else ""
