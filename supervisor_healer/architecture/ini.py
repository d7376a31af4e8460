"""supervisord's configuration as it is written: sections and options with their file and line.

Supervisor's own parser knows neither lines nor which option came from which included file.
"""

from __future__ import annotations

import configparser
import glob
import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from supervisor_healer.errors import Problem
from supervisor_healer.words import clean

_HEADER = re.compile(r"\[(?P<name>.+)\]")
_OPTION = re.compile(r"(?P<name>[^\s:=;#\[][^:=]*?)\s*[:=]")


@dataclass(frozen=True, slots=True)
class Option:
    """One option's text, comments removed and ``%(here)s`` filled in."""

    value: str
    path: str
    line: int


@dataclass(slots=True)
class Section:
    """One section; `path` and `line` are where it begins first. An included file may add options, or replace them."""

    name: str
    path: str
    line: int
    options: dict[str, Option] = field(default_factory=dict)

    def get(self, option: str, default: str = "") -> str:
        """The text of an option."""
        return self.options[option].value if option in self.options else default

    def is_on(self, option: str, default: str = "false") -> bool:
        """Whether a boolean option is true, in Supervisor's words."""
        return self.get(option, default).strip().lower() in ("yes", "true", "on", "1")

    def place(self, option: str = "") -> tuple[str, int]:
        """The file and line of an option, or of the section where it is not given."""
        found = self.options.get(option)
        return (found.path, found.line) if found else (self.path, self.line)


@dataclass(slots=True)
class Sections:
    """Every section of the configuration; `in_main` are those of the main file alone."""

    path: str
    merged: dict[str, Section] = field(default_factory=dict)
    in_main: dict[str, Section] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def named(self, prefix: str) -> Iterator[Section]:
        """The sections whose names begin with `prefix`, in file order."""
        return (section for name, section in self.merged.items() if name.startswith(prefix))

    def get(self, name: str) -> Section:
        """The section of that name, empty where there is none."""
        return self.merged.get(name) or Section(name, self.path, 0)


def read(path: str) -> Sections:
    """The configuration at `path` with its ``[include]`` files. What cannot be read is among the problems."""
    sections = Sections(path)
    main = _read_file(sections, path)
    sections.in_main = main
    sections.merged = {name: Section(name, found.path, found.line, dict(found.options)) for name, found in main.items()}
    for included in _included(sections):
        for name, found in _read_file(sections, included).items():
            sections.merged.setdefault(name, Section(name, found.path, found.line)).options.update(found.options)
    return sections


def _included(sections: Sections) -> Iterator[str]:
    include = sections.in_main.get("include")
    if include is None:
        return
    text = include.get("files")
    for key, value in (
        ("host_node_name", platform.node()),
        *((f"ENV_{key}", value) for key, value in os.environ.items()),
    ):
        text = text.replace(f"%({key})s", value)
    for pattern in text.split():
        found = sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(sections.path)), pattern)))
        if not found:
            path, line = include.place("files")
            what = f"no file matches {clean(pattern)!r}"
            sections.problems.append(Problem(path, line, "[include] files", what, "at least one file", "warning"))
        for match in found:
            yield os.path.relpath(match) if not os.path.isabs(sections.path) else match


def _read_file(sections: Sections, path: str) -> dict[str, Section]:
    """The sections of one file, in their order."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        sections.problems.append(Problem(path, 0, "", f"cannot be read: {what}", "a supervisord configuration"))
        return {}
    # as Supervisor's own parser is set up
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    try:
        parser.read_string(text, path)
    except configparser.MissingSectionHeaderError as error:
        sections.problems.append(Problem(path, error.lineno, "", "text before the first section", "a [section]"))
        return {}
    except configparser.ParsingError as error:
        for line, what in error.errors:
            sections.problems.append(Problem(path, line, "", f"not an option: {clean(what.strip())}", "name = value"))
        return {}
    except configparser.Error as error:
        sections.problems.append(Problem(path, 0, "", clean(str(error))))
        return {}
    lines = _lines(text)
    here = os.path.dirname(os.path.abspath(path))
    result: dict[str, Section] = {}
    for name in parser.sections():
        line = lines.get((name, ""), 0)
        section = result[name] = Section(name, path, line)
        for key, value in parser.items(name):
            text_of_value = (value or "").replace("%(here)s", here)
            section.options[key] = Option(text_of_value, path, lines.get((name, key), line))
    return result


def _lines(text: str) -> dict[tuple[str, str], int]:
    """The line of each section (under an empty option name) and option; of the last one where it is repeated."""
    found: dict[tuple[str, str], int] = {}
    section = option = ""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip()[0] in "#;" or (line[0].isspace() and option):
            continue
        stripped = line.strip()
        if header := _HEADER.match(stripped):
            section, option = header["name"], ""
            found.setdefault((section, ""), number)
        elif match := _OPTION.match(stripped):
            option = match["name"].lower()
            found[section, option] = number
    return found
