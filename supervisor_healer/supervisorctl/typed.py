"""Commands within what is printed, as a person has to type them here: at the server that he has named himself.

What is published says plain `supervisorctl ...`, which works only where the configuration is in a default place.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

from supervisor_healer.supervisorctl.parsing import FORMS

#: From the words after `supervisorctl` to the whole command.
Typed = Callable[[str], str]

_COMMANDS = (
    re.compile(r"(`)supervisorctl ([^`]+)"),
    re.compile(r"(\()supervisorctl (\w+)(?=\))"),
    re.compile(r"(^\s*-> |^\s*next, for a person: )supervisorctl (.+)"),
)


def plain(words: str) -> str:
    """As published: the configuration is found without being named."""
    return f"supervisorctl {words}"


def with_configuration(path: str) -> Typed:
    """In supervisorctl, with its configuration."""
    return lambda words: f"supervisorctl -c {shlex.quote(path)} {words}"


def with_console_script(*options: str) -> Typed:
    """In the console script, with the options that name the server; it has no commands but ours."""
    where = shlex.join(options)

    def command(words: str) -> str:
        try:
            ours = shlex.split(" ".join(shlex.split(words)))  # as supervisorctl would split them
        except ValueError:
            return plain(words)
        if not ours or ours[0] not in FORMS:
            return f"supervisorctl {where} {words}"
        return f"supervisor-healer {shlex.join(ours)} {where}"

    return command


def retyped(line: str, typed: Typed) -> str:
    """`line` with every command in it as it is typed here.

    >>> retyped("    -> supervisorctl heal z", with_configuration("/etc/a.conf"))
    '    -> supervisorctl -c /etc/a.conf heal z'
    """
    for pattern in _COMMANDS:
        line = pattern.sub(lambda match: match[1] + typed(match[2]), line)
    return line
