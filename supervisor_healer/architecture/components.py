"""Healers that a site has of its own: what is to be run, and for how long."""

from __future__ import annotations

import os
import shlex
import shutil

from supervisor_healer.architecture.sources import Entry, Sources
from supervisor_healer.core.model import ComponentSpec

_DEFAULT_TIMEOUT = 30.0
_FOR_A_SHELL = frozenset(("|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1"))


def component(sources: Sources, root: str, entry: Entry) -> ComponentSpec:
    """The entry as it is run; what cannot be is reported."""
    python, command = sources.get(entry, "python"), sources.get(entry, "command")
    given = [key for key in ("python", "command") if isinstance(entry.value, dict) and key in entry.value]
    if len(given) != 1 and not sources.is_bad(entry.field):
        what = "python and command exclude each other" if given else "nothing says what is to be run"
        sources.error(entry, entry.field, what, "`python: package.module:function` or `command: [...]`")
    timeout = None
    if not sources.is_bad(f"{entry.field}.timeout"):
        timeout = sources.seconds(entry, f"{entry.field}.timeout", sources.get(entry, "timeout"))
    words: tuple[str, ...] = ()
    if command is not None and not sources.is_bad(f"{entry.field}.command"):
        words = _words(sources, root, entry, command)
    return ComponentSpec(entry.name, python or "", words, _DEFAULT_TIMEOUT if timeout is None else timeout)


def _words(sources: Sources, root: str, entry: Entry, command: str | list[str]) -> tuple[str, ...]:
    """The program, with its path where it has one, and its arguments; () where it was reported."""
    name = f"{entry.field}.command"
    try:
        words = shlex.split(command) if isinstance(command, str) else command
    except ValueError as error:
        sources.error(entry, name, f"cannot be split into words: {error}", "a program and its arguments")
        return ()
    if not words or not words[0]:
        sources.error(entry, name, "names no program", "a program and its arguments")
        return ()
    for word in words:
        if "\0" in word or (not word.isascii() and _is_half(word)):
            sources.error(entry, name, f"{word!r} cannot be an argument", "text")
            return ()
    if isinstance(command, str) and (found := _FOR_A_SHELL.intersection(words)):
        what = f"{min(found)} is passed on as an argument: no shell runs the command"
        sources.warning(entry, name, what, "`[sh, -c, '...']`, if a shell is meant")
    program, *arguments = words
    if "/" in program:
        if program.startswith("~"):
            sources.error(entry, name, f"~ is not expanded: {program!r}", "an absolute path, or one relative to root")
            return ()
        program = os.path.normpath(os.path.join(root, program))
        if os.path.isdir(root) and not os.path.isfile(program):
            sources.warning(entry, name, f"there is no file {program}", "an existing program")
    elif shutil.which(program) is None:
        sources.warning(entry, name, f"there is no program {program} on this PATH", "an existing program, or its path")
    return (program, *arguments)


def _is_half(word: str) -> bool:
    """Whether a half of a surrogate pair is in it, which no argument can hold."""
    return any("\ud800" <= char <= "\udfff" for char in word)
