"""How a missing file is to be made: the values of `create`, `mode` and `owner`."""

from __future__ import annotations

import json
import os
from typing import Any

from supervisor_healer.architecture.sources import Entry, Sources
from supervisor_healer.core.model import Creation

MAX_TEXT = 4 * 1024 * 1024  # characters; aliases could make more of a small architecture file

_WAYS = ("empty", "content", "json", "copy")


def creation(sources: Sources, root: str, entry: Entry, name: str, value: Any) -> Creation | None:
    """What the schema-checked `value` of `create` asks for; None where nothing is made, or it was reported."""
    if not isinstance(value, dict):
        return Creation() if value else None
    ways = [way for way in _WAYS if way in value]
    if len(ways) != 1:
        what = f"{' and '.join(ways)} exclude each other" if ways else "nothing says what the file would hold"
        sources.error(entry, name, what, "one of empty, content, json and copy")
        return None
    (way,) = ways
    mode, owner = octal(value.get("mode")), value.get("owner", "")
    if way == "copy":
        template = _template(sources, root, entry, f"{name}.copy", value["copy"])
        return None if template is None else Creation(copy_of=template, mode=mode, owner=owner)
    text = "" if way == "empty" else value[way]
    problem = ""
    if way == "json":
        text, problem = as_json(text)
    elif way == "content":
        problem = _problem_of_text(text)
    if problem:
        sources.error(entry, f"{name}.{way}", problem, "a JSON value" if way == "json" else "text")
        return None
    return Creation(text, mode=mode, owner=owner)


def octal(text: str | None) -> int | None:
    """Permissions written as octal digits; None for none.

    >>> octal("0640") == 0o640
    True
    """
    return None if text is None else int(text, 8)


def as_json(value: Any) -> tuple[str, str]:
    """`value` as an indented JSON document, and what makes it impossible ('' if nothing does).

    >>> as_json({"b": 1.5})
    ('{\\n  "b": 1.5\\n}\\n', '')
    """
    encoder = json.JSONEncoder(indent=2, ensure_ascii=False, allow_nan=False)
    parts: list[str] = []
    size = 0
    try:
        for part in encoder.iterencode(value):
            parts.append(part)
            size += len(part)
            if size > MAX_TEXT:
                return "", f"larger than {MAX_TEXT // 1024 // 1024} MB"
    except RecursionError:
        return "", "nested too deeply"
    except ValueError:
        return "", "NaN and the infinities are no JSON values"
    text = "".join(parts) + "\n"
    return text, _problem_of_text(text)


def _problem_of_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"the character {text[error.start]!r} cannot be written in UTF-8"
    return ""


def _template(sources: Sources, root: str, entry: Entry, name: str, value: str) -> str | None:
    """The path of the file to be copied; one that is not there is only worth a warning: it may come later."""
    path = sources.single_path(entry, name, value, root)
    if path is not None and os.path.isdir(root) and not os.path.isfile(os.path.join(root, path)):
        what = "is no regular file" if os.path.lexists(os.path.join(root, path)) else "is not there"
        sources.warning(entry, name, f"the file to copy, {path}, {what}", "an existing file")
    return path
