"""A YAML text as the events of libyaml, or of PyYAML's own parser where it was built without."""

from __future__ import annotations

from typing import Any

import yaml
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import DocumentStartEvent, StreamEndEvent
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from supervisor_healer.fixers.texts import UnreadableError, placed, unreadable


class NodeError(Exception):
    """A node that no config should hold; `line` and `column` from 1."""

    def __init__(self, what: str, mark: Any) -> None:
        super().__init__(what)
        self.line, self.column = mark.line + 1, mark.column + 1


class PureParser(Reader, Scanner, Parser):
    """PyYAML's parser without the C library."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def dispose(self) -> None:
        """Nothing is held."""


def parser(text: str) -> Any:
    """What gives the events of `text`, one by one; of each the marks count characters."""
    if not yaml.__with_libyaml__:
        return PureParser(text)
    from yaml._yaml import CParser  # noqa: PLC0415 -- it is not there without libyaml

    return CParser(text)


def first(events: Any) -> tuple[Any, Any]:
    """The first event in the document, None where there is none; and the version that a directive gives it, or None."""
    events.get_event()  # the beginning of the stream
    event = events.get_event()
    if isinstance(event, DocumentStartEvent):
        return events.get_event(), event.version
    return None, None


def end(events: Any) -> None:
    """NodeError unless the document was the only one."""
    events.get_event()  # the end of the document
    event = events.get_event()
    if not isinstance(event, StreamEndEvent):
        what = "expected a single document in the stream, but found another document"
        raise NodeError(what, event.start_mark)


def unreadable_yaml(text: str, error: YAMLError) -> UnreadableError:
    """What a parser has against `text`, with its place."""
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        what = f"{error.context}, {error.problem}" if error.context and mark else error.problem or error.context
        if mark is None:
            return UnreadableError(str(what))
        return placed(mark.line + 1, mark.column + 1, " ".join(str(what).split()))
    found = Reader.NON_PRINTABLE.search(text)
    if found is None:
        return UnreadableError("line 1, column 1: " + " ".join(str(error).split()))
    return unreadable(text, found.start(), f"the character {found[0]!a} is not allowed")
