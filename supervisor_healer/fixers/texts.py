"""The bytes of a config as text and back, and the places in it."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from supervisor_healer.errors import HealerError

LIMIT = 10_000_000  # bytes; a larger config is refused unread
MAX_DEPTH = 100  # levels of nesting; more is no config, and every library here recurses

_NOT_UTF8 = (
    (codecs.BOM_UTF32_LE, "UTF-32"),  # before UTF-16: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


class UnreadableError(HealerError):
    """A file that cannot be understood at all, so that nothing may be changed in it."""


@dataclass(frozen=True, slots=True)
class Text:
    """The content of a file as text, and whether a UTF-8 byte order mark stood before it."""

    content: str
    bom: bool = False

    def encode(self, content: str) -> bytes:
        """`content` as the bytes of this file."""
        return (codecs.BOM_UTF8 if self.bom else b"") + content.encode()


def decode(content: bytes) -> Text:
    """`content` as text; UnreadableError with the place of the first byte that is no UTF-8."""
    for mark, name in _NOT_UTF8:
        if content.startswith(mark):
            raise UnreadableError(f"line 1, column 1: it is written in {name} (expected UTF-8)")
    bom = content.startswith(codecs.BOM_UTF8)
    if bom:
        content = content[len(codecs.BOM_UTF8) :]
    try:
        return Text(content.decode(), bom)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        wrong = f"byte 0x{content[error.start]:02x} is not UTF-8"
    raise unreadable(before, len(before), wrong)


def unreadable(text: str, offset: int, what: str) -> UnreadableError:
    """An error at `offset` of `text`, with line and column, both from 1."""
    line = text.count("\n", 0, offset) + 1
    return placed(line, offset - line_start(text, offset) + 1, what)


def placed(line: int, column: int, what: str) -> UnreadableError:
    """An error at a line and column that a library has counted, both from 1."""
    first = what.partition(" ")[0]
    what = what[:1].lower() + what[1:] if first[1:].islower() else what
    return UnreadableError(f"line {line}, column {column}: {what}")


def newline_of(text: str) -> str:
    """The line ending that `text` uses, by its first line."""
    end = text.find("\n")
    return "\r\n" if end > 0 and text[end - 1] == "\r" else "\n"


def line_end(text: str, offset: int) -> int:
    """Where the line that holds `offset` ends, before its line ending."""
    end = text.find("\n", offset)
    if end < 0:
        return len(text)
    return end - 1 if end > offset and text[end - 1] == "\r" else end


def line_start(text: str, offset: int) -> int:
    """Where the line that holds `offset` begins."""
    return text.rfind("\n", 0, offset) + 1


def indentation(text: str, offset: int) -> str:
    """The blanks at the beginning of the line that holds `offset`."""
    line = text[line_start(text, offset) : offset]
    return line[: len(line) - len(line.lstrip(" \t"))]


def separator_like(between: str) -> tuple[str, str | None]:
    """The separator to write where `between` stood between two members, and the indentation, None on one line.

    Blank lines between members are not repeated.
    """
    if "\n" not in between:
        return between, None
    before, _, indent = between.rpartition("\n")
    newline = "\r\n" if before.endswith("\r") else "\n"
    comma = between.index(",")
    if "\n" in between[:comma]:  # the comma leads the next line
        line = between[:comma].rpartition("\n")[2]
        return f"{newline}{line},{between[comma + 1 :]}", line
    return f",{newline}{indent}", indent
