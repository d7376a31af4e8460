"""Values as YAML, so that YAML 1.1 and 1.2 read the same."""

from __future__ import annotations

import json
import re
from typing import Any

from supervisor_healer.fixers.documents import CannotEditError

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_NOT_TEXT = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})  # in YAML 1.1 or 1.2
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")


def block(value: dict[str, Any], indent: str, unit: str) -> list[str]:
    """The lines of a mapping in block style."""
    lines: list[str] = []
    for key, item in value.items():
        if isinstance(item, dict) and item:
            lines += [f"{indent}{key_of(key)}:", *block(item, indent + unit, unit)]
        else:
            lines.append(f"{indent}{key_of(key)}: {flow(item)}")
    return lines


def flow(value: Any) -> str:
    """`value` on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key_of(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        return key_of(value)
    text = json.dumps(value)
    if isinstance(value, float) and "e" in text and "." not in text:
        text = text.replace("e", ".0e")  # without the point YAML 1.1 reads text
    return text


def key_of(text: Any) -> str:
    """`text` as it is where every YAML reads it as text, else in quotes."""
    text = str(text)
    return text if _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT else quoted(text)


def quoted(text: str) -> str:
    """`text` in double quotes, whatever is in it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CannotEditError("YAML cannot say half of a surrogate pair") from error
    escaped: str = _UNPRINTABLE.sub(lambda one: f"\\u{ord(one[0]):04x}", json.dumps(text, ensure_ascii=False))
    return escaped
