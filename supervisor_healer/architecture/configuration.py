"""What a supervisord would make of its configuration: its processes, by Supervisor's own parser, without a side effect.

Where that parser refuses the file the rest is still worth checking, with processes as far as the text tells.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from supervisor_healer.architecture import ini
from supervisor_healer.architecture.ini import Section, Sections
from supervisor_healer.words import clean

_MOST_PROCESSES = 10_000  # of one program; supervisord itself needs a second for 2,000


@dataclass(frozen=True, slots=True)
class Configuration:
    """`processes` maps each group to the names of its processes; `is_exact`: as Supervisor itself sees them.

    `commands` maps a group to the expanded command of its first process. `refusal` is Supervisor's own error, ''
    if it takes the configuration.
    """

    sections: Sections
    processes: Mapping[str, tuple[str, ...]]
    commands: Mapping[str, str]
    is_exact: bool
    refusal: str


def read(path: str) -> Configuration:
    """The configuration at `path`. Creates nothing, changes no directory and never exits."""
    sections = ini.read(path)
    refusal = _too_many(sections)
    if not refusal:
        groups, refusal = _as_supervisor_reads_it(path)
        if not refusal:
            processes = {group.name: tuple(one.name for one in group.process_configs) for group in groups}
            commands = {group.name: group.process_configs[0].command for group in groups if group.process_configs}
            return Configuration(sections, processes, commands, is_exact=True, refusal="")
    return Configuration(sections, _roughly(sections), {}, is_exact=False, refusal=refusal)


def _too_many(sections: Sections) -> str:
    for section in sections.merged.values():
        if len(section.get("numprocs").strip()) > 5 or _number(section, "numprocs", 1) > _MOST_PROCESSES:
            return f"[{section.name}] numprocs is more than {_MOST_PROCESSES}"
    return ""


def _as_supervisor_reads_it(path: str) -> tuple[list[Any], str]:
    """Supervisor's process groups, or its error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Supervisor 4.2.5 imports pkg_resources, which warns
        from supervisor.options import ServerOptions  # noqa: PLC0415 - it is a heavy import, for this check alone

    def usage(message: object) -> NoReturn:
        raise ValueError(message)

    def import_spec(spec: str) -> object:
        """Only Supervisor's own names: the modules of plugins may do anything when they are imported."""
        return original(spec) if spec.startswith("supervisor.") else object

    try:
        options: Any = ServerOptions()
        original = options.import_spec
        options.usage, options.import_spec = usage, import_spec
        options.configfile = path
        options.process_config(do_usage=False)
        return options.process_group_configs, ""
    except (Exception, SystemExit) as error:  # whatever its parser trips over becomes one line of the report
        text = str(error) or type(error).__name__
        # configparser and Supervisor name what is available; that list is as long as the environment
        return [], clean(re.sub(r"\s+", " ", text.split(" Available names:")[0])).strip()


def _roughly(sections: Sections) -> dict[str, tuple[str, ...]]:
    """Groups and processes as far as the text tells; () where it does not."""
    processes: dict[str, tuple[str, ...]] = {}
    grouped: set[str] = set()
    for group in sections.named("group:"):
        members: list[str] = []
        for name in (part.strip() for part in group.get("programs").split(",")):
            for kind in ("program", "fcgi-program"):
                if f"{kind}:{name}" in sections.merged:
                    grouped.add(f"{kind}:{name}")
                    members += _names(sections.merged[f"{kind}:{name}"])
        processes[group.name.partition(":")[2].strip()] = tuple(members)
    for section in sections.merged.values():
        kind, _, name = section.name.partition(":")
        if kind in ("program", "fcgi-program", "eventlistener") and section.name not in grouped:
            processes[name.strip()] = _names(section)
    return processes


def _names(section: Section) -> tuple[str, ...]:
    program = section.name.partition(":")[2].strip()
    count, start = _number(section, "numprocs", 1), _number(section, "numprocs_start", 0)
    template = section.get("process_name", "%(program_name)s")
    try:
        return tuple(
            template % {"program_name": program, "group_name": program, "process_num": number, "numprocs": count}
            for number in range(start, start + min(count, _MOST_PROCESSES))
        )
    except (KeyError, ValueError, TypeError):
        return ()


def _number(section: Section, option: str, default: int) -> int:
    text = section.get(option).strip()
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else default
