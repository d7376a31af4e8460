"""A JSON Schema in a file of its own, JSON or YAML, with the line of every key."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from supervisor_healer.architecture import document as yaml_document
from supervisor_healer.architecture.document import Document
from supervisor_healer.errors import Problem
from supervisor_healer.words import clean

ENDINGS = (".json", ".yaml", ".yml")

_EXPECTED = "a JSON Schema: `type: object`, `properties:` and so on"


def read(path: str) -> tuple[Document | None, tuple[Problem, ...]]:
    """The schema at `path`, or None where nothing can be made of it, and what is wrong with the file."""
    if path.lower().endswith(".json"):
        return _read_json(path)
    return yaml_document.read(path, _EXPECTED)


def _read_json(path: str) -> tuple[Document | None, tuple[Problem, ...]]:
    """The values by the rules of JSON; the lines by the YAML reader, which understands nearly all of it."""
    text, problem = yaml_document.text_of(path, "a JSON file")
    if problem is not None:
        return None, (problem,)
    try:
        value: Any = json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        return None, (Problem(path, error.lineno, "", f"not JSON: {error.msg}, column {error.colno}"),)
    except (ValueError, RecursionError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else clean(str(error))
        return None, (Problem(path, 0, "", f"not JSON: {what}"),)
    if not isinstance(value, dict):
        return None, (Problem(path, 1, "", f"the file holds {yaml_document.kind(value)}", _EXPECTED),)
    lines, problems = yaml_document.lines_of(path, text.replace("\t", " "))
    return Document(path, value, lines), problems


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
