"""The healer's own [eventlistener] section: what Supervisor lets through, and the healer cannot live with."""

from __future__ import annotations

import os
import pwd
import re
import shlex
from collections.abc import Iterator

from supervisor_healer.architecture.configuration import Configuration
from supervisor_healer.architecture.ini import Section, Sections
from supervisor_healer.core.model import Architecture
from supervisor_healer.errors import Problem
from supervisor_healer.words import clean

NEEDED_EVENTS = ("PROCESS_STATE", "TICK_5", "REMOTE_COMMUNICATION", "SUPERVISOR_STATE_CHANGE")

# A stop and start of everything makes four events a process (STOPPING, STOPPED, STARTING, RUNNING), all at once.
EVENTS_A_PROCESS = 4
LEAST_BUFFER = 100
GOOD_BUFFER = 1024
_DEFAULT_BUFFER = 10
_NO_AUTORESTART = ("false", "no", "off", "0")
_ANCESTORS = {"TICK_5": "TICK"}  # and EVENT, of all


def healers(found: Configuration) -> list[Section]:
    """The listeners that run the healer: by their command, or, where a script hides it, by the name `healer`."""
    return [
        section
        for section in found.sections.named("eventlistener:")
        if _arguments(found, section) is not None or section.name == "eventlistener:healer"
    ]


def check_listener(found: Configuration, architecture: Architecture | None) -> Iterator[Problem]:
    """Everything wrong with the healer's listeners (that there is one at all is checked elsewhere)."""
    for section in healers(found):
        yield from _check_options(section, found)
        yield from _check_events(section)
        yield from _check_user(section, found.sections)
        yield from _check_credentials(section, found.sections)
        if architecture is not None:
            yield from _check_file(section, found, architecture)


def _check_options(section: Section, found: Configuration) -> Iterator[Problem]:
    if section.is_on("redirect_stderr"):
        what = "stderr would mix into the event protocol"
        yield _at(section, "redirect_stderr", what, "stderr_logfile, and no redirect_stderr")
    if section.get("numprocs", "1").strip() != "1":
        yield _at(section, "numprocs", "more than one healer: each would restart the same workers", "numprocs = 1")
    autorestart = section.get("autorestart", "unexpected").strip().lower()
    if autorestart in _NO_AUTORESTART:
        what = "supervisord would not start the healer again after a crash"
        yield _at(section, "autorestart", what, "autorestart = true", "warning")
    if not section.is_on("autostart", "true"):
        what = "nothing is healed until somebody starts the healer by hand"
        yield _at(section, "autostart", what, "autostart = true", "warning")
    yield from _check_buffer(section, sum(map(len, found.processes.values())))


def _check_buffer(section: Section, processes: int) -> Iterator[Problem]:
    needed = max(LEAST_BUFFER, EVENTS_A_PROCESS * processes)
    text = section.get("buffer_size", str(_DEFAULT_BUFFER)).strip()
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) >= needed:
        return
    all_of_them = f"{processes} processes" if processes > 1 else "processes"
    if int(text) < processes:
        what = f"{text} is less than the {all_of_them}: when they all start supervisord is certain to drop events"
        severity = "error"
    else:
        what = f"{text} is too small: when all {all_of_them} start at once supervisord drops the oldest events"
        severity = "warning"
    yield _at(section, "buffer_size", what, f"buffer_size = {max(GOOD_BUFFER, needed)}", severity)


def _check_events(section: Section) -> Iterator[Problem]:
    events = {name.strip().upper() for name in section.get("events").split(",")}
    if "EVENT" in events or not section.get("events").strip():  # without any, Supervisor says so itself
        return
    missing = [name for name in NEEDED_EVENTS if name not in events and _ANCESTORS.get(name) not in events]
    if missing:
        yield _at(section, "events", f"without {' and '.join(missing)}", "events = " + ",".join(NEEDED_EVENTS))


# --- the way back to supervisord ------------------------------------------------------------------------------


def _server(section: Section, sections: Sections) -> Section | None:
    """The server that supervisord tells the listener to use: the first unix socket, else the first port."""
    if section.get("serverurl").strip().upper() not in ("", "AUTO"):
        return None
    return next(sections.named("unix_http_server"), None) or next(sections.named("inet_http_server"), None)


def _check_user(section: Section, sections: Sections) -> Iterator[Problem]:
    user = section.get("user").strip()
    server = _server(section, sections)
    if not user or server is None or not server.name.startswith("unix_http_server"):
        return
    try:
        mode = int(server.get("chmod", "0700"), 8)
    except ValueError:
        return  # Supervisor says so itself
    owner = server.get("chown").partition(":")[0].strip() or sections.get("supervisord").get("user").strip()
    owner_id = _user_id(owner) if owner else os.getuid()
    if mode & 0o066 or _user_id(user) in (0, owner_id):
        return
    what = f"the user {clean(user)} cannot connect to {clean(server.get('file'))}, whose mode is 0{mode:o}"
    yield _at(section, "user", what, f"chmod = 0770 and chown = root:GROUP in [{server.name}], or an inet_http_server")


def _user_id(name: str) -> int | str:
    """The numeric id of a user; the name itself where this host does not know it."""
    try:
        return int(name) if name.isdecimal() else pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError):
        return name


def _check_credentials(section: Section, sections: Sections) -> Iterator[Problem]:
    server = _server(section, sections)
    if server is None or not server.get("username").strip():
        return
    environment = _environment(sections.get("supervisord")) | _environment(section)
    missing = [name for name in ("SUPERVISOR_USERNAME", "SUPERVISOR_PASSWORD") if name not in environment]
    if missing:
        what = f"[{server.name}] asks for a password, and the healer is not told {' and '.join(missing)}"
        yield _at(section, "environment", what, 'SUPERVISOR_USERNAME="...",SUPERVISOR_PASSWORD="..."')
        return
    for option in ("username", "password"):
        wanted, given = server.get(option).strip(), environment[f"SUPERVISOR_{option.upper()}"]
        if wanted != given and "%(" not in wanted + given and not wanted.startswith("{SHA}"):
            what = f"SUPERVISOR_{option.upper()} is not the {option} of [{server.name}]"
            yield _at(section, "environment", what, "the same in both")


def _environment(section: Section) -> dict[str, str]:
    from supervisor.datatypes import dict_of_key_value_pairs  # noqa: PLC0415 - only where there is a password

    try:
        pairs: dict[str, str] = dict_of_key_value_pairs(section.get("environment"))
    except ValueError:
        return {}  # Supervisor says so itself
    return pairs


# --- the architecture that it is started with -----------------------------------------------------------------


def _arguments(found: Configuration, section: Section) -> list[str] | None:
    """What follows `listen` in a command that runs the healer; None if it runs something else."""
    command = found.commands.get(section.name.partition(":")[2]) or section.get("command")
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    words = [part for word in words for part in word.split()]  # look into `sh -c "exec supervisor-healer ..."` too
    for at, word in enumerate(words):
        is_script = os.path.basename(word) == "supervisor-healer"
        is_module = word in ("supervisor_healer", "supervisor_healer.cli") and words[at - 1 : at] == ["-m"]
        if (is_script or is_module) and "listen" in words[at + 1 :]:
            return words[words.index("listen", at + 1) + 1 :]
    return None


def _check_file(section: Section, found: Configuration, architecture: Architecture) -> Iterator[Problem]:
    arguments = _arguments(found, section)
    if arguments is None:
        return
    candidates = [word for word in arguments if not word.startswith("-")]
    names = [word for word in candidates if word.endswith((".yaml", ".yml"))] or candidates
    if not names:
        yield _at(section, "command", "no architecture file is named", "supervisor-healer listen ARCHITECTURE")
        return
    folder = section.get("directory") or found.sections.get("supervisord").get("directory")
    path = os.path.join(os.path.expanduser(folder), names[0])
    if os.path.realpath(path) != os.path.realpath(architecture.source):
        what = f"the healer is started with {clean(path)}, and {architecture.source} is checked here"
        expected = "the same file" if os.path.isabs(path) else "an absolute path, such as %(here)s/architecture.yaml"
        yield _at(section, "command", what, expected, "warning")


def _at(section: Section, option: str, what: str, expected: str = "", severity: str = "error") -> Problem:
    path, line = section.place(option)
    return Problem(path, line, f"[{section.name}] {option}", what, expected, severity)
