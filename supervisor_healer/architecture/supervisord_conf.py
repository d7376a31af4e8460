"""The supervisord configuration, checked without a running supervisord: will the healer work under it?

Each check is a small function over the `Configuration`; most know one trap of Supervisor, named in its message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from supervisor_healer.architecture import configuration
from supervisor_healer.architecture.configuration import Configuration
from supervisor_healer.architecture.ini import Section
from supervisor_healer.architecture.listener_conf import check_listener, healers
from supervisor_healer.architecture.programs import check_programs
from supervisor_healer.core.model import Architecture
from supervisor_healer.errors import Problem
from supervisor_healer.words import clean

_RPC_FACTORY = "supervisor.rpcinterface_factory"
_CTL_FACTORY = "supervisor.ctl_factory"
_SUPERVISORS_OWN = "supervisor.rpcinterface:make_main_rpcinterface"
_MAIN = "supervisor_healer.supervisord:make_main_rpcinterface"
_HEALER = "supervisor_healer.supervisord:make_healer_rpcinterface"
_CTL = "supervisor_healer.supervisorctl:make_healer_controllerplugin"

_DESCRIPTORS_A_PROCESS = 3
_DESCRIPTORS_OF_ITS_OWN = 30  # sockets, logs, pipes, and clients that ask
_DEFAULT_MINFDS = 1024


def check_configuration(architecture: Architecture | None, conf_path: str) -> tuple[Problem, ...]:
    """Everything that would keep the healer from working under the configuration at `conf_path`, in file order.

    Without an architecture, only what does not depend on it is checked. Reads files and writes none; never raises
    for what a person may have written.
    """
    found = configuration.read(conf_path)
    problems = list(found.sections.problems)
    if found.sections.merged:
        for check in _CHECKS:
            problems += check(found)
        problems += check_listener(found, architecture)
        if architecture is not None:
            problems += check_programs(found, architecture)
    unreadable = any(problem.severity == "error" for problem in found.sections.problems)
    if found.refusal and not unreadable and not _is_known(found.refusal, problems):
        problems.append(_refusal(found))
    order = {conf_path: 0}
    for section in found.sections.merged.values():
        order.setdefault(section.path, len(order))
    return tuple(sorted(problems, key=lambda problem: (order.get(problem.path, -1), problem.line)))


def _refusal(found: Configuration) -> Problem:
    """Supervisor's own error, at the section and the option that it names, or whose value it quotes."""
    sections = found.sections.merged
    text = re.sub(r" \(file: .*\)$", "", found.refusal)
    named = [section for section in sections.values() if _names(text, section.name)]
    most_exact = sorted(named, key=lambda one: -len(one.name)) or list(sections.values())
    what = f"supervisord refuses this: {text}"
    for section in most_exact:
        for option, written in section.options.items():
            quotes = written.value and (
                repr(written.value) in text or (len(written.value) > 3 and written.value in text)
            )
            if quotes or (named and _names(text.replace(section.name, ""), option)):
                return _at(section, option, what)
    return _at(most_exact[0], "", what) if named else Problem(found.sections.path, 0, "", what)


def _names(text: str, word: str) -> bool:
    """Whether `word` stands in `text` by itself."""
    return re.search(rf"(?<![\w:/-]){re.escape(word)}(?![\w:/-])", text) is not None


def _is_known(refusal: str, problems: list[Problem]) -> bool:
    """Whether one of the problems already says, in better words, what Supervisor refuses."""
    for problem in problems:
        section, _, option = problem.field.removeprefix("[").partition("] ")
        if problem.severity == "error" and option and section in refusal and option in refusal.replace(section, ""):
            return True
    return False


def _check_servers(found: Configuration) -> Iterator[Problem]:
    if not any(found.sections.named("unix_http_server")) and not any(found.sections.named("inet_http_server")):
        what = "there is no [unix_http_server] and no [inet_http_server]: nobody can reach this supervisord"
        expected = "[unix_http_server] with file=%(here)s/supervisor.sock"
        yield Problem(found.sections.path, 0, "", what, expected)


def _check_rpc(found: Configuration) -> Iterator[Problem]:
    sections = found.sections
    for name, factory in (("supervisor", _MAIN), ("healer", _HEALER)):
        section = sections.merged.get(f"rpcinterface:{name}")
        if section is None:
            elsewhere = [one for one in sections.named("rpcinterface:") if one.get(_RPC_FACTORY).strip() == factory]
            if elsewhere:
                what = f"this namespace must be called {name}"
                yield _at(elsewhere[0], "", what, f"[rpcinterface:{name}]")
            else:
                field = f"[rpcinterface:{name}]"
                yield Problem(sections.path, 0, field, "this section is missing", f"{_RPC_FACTORY} = {factory}")
            continue
        found_factory = section.get(_RPC_FACTORY).strip()
        if found_factory == factory:
            continue
        if name == "supervisor" and found_factory == _SUPERVISORS_OWN:
            what = (
                "with Supervisor's own factory `supervisorctl status` shows no health, and an operator's stop of a"
                " worker that is down is not seen"
            )
            yield _at(section, _RPC_FACTORY, what, factory, "warning")
        else:
            severity = "warning" if name == "supervisor" else "error"
            yield _at(
                section, _RPC_FACTORY, f"{clean(found_factory) or 'nothing'} is not the healer's", factory, severity
            )


def _check_ctl(found: Configuration) -> Iterator[Problem]:
    sections = found.sections
    if "supervisorctl" not in sections.in_main:
        what = "this section is missing: supervisorctl does not take this file"
        yield Problem(sections.path, 0, "[supervisorctl]", what, "serverurl = unix:///PATH of the socket", "warning")
    if any(section.get(_CTL_FACTORY).strip() == _CTL for section in sections.in_main.values()):
        return
    for section in sections.named("ctlplugin:"):
        if section.get(_CTL_FACTORY).strip() == _CTL:
            what = "supervisorctl ignores this section in an included file"
            yield _at(section, "", what, f"it in {sections.path}")
            return
    named = sections.in_main.get("ctlplugin:healer")
    if named is not None:
        what = f"{clean(named.get(_CTL_FACTORY)) or 'nothing'} is not the healer's"
        yield _at(named, _CTL_FACTORY, what, _CTL)
        return
    what = "this section is missing: supervisorctl has no heal, health and explain"
    yield Problem(sections.path, 0, "[ctlplugin:healer]", what, f"{_CTL_FACTORY} = {_CTL}", "warning")


def _check_identifier(found: Configuration) -> Iterator[Problem]:
    section = found.sections.get("supervisord")
    identifier = section.get("identifier").strip()
    if ":" in identifier or any(char.isspace() for char in identifier):
        what = f"{clean(identifier)!r} breaks the header of every event"
        yield _at(section, "identifier", what, "a name without : and spaces")


def _check_listeners(found: Configuration) -> Iterator[Problem]:
    listeners = healers(found)
    if not listeners:
        what = "no [eventlistener:...] runs the healer"
        expected = "[eventlistener:healer] with command = supervisor-healer listen %(here)s/architecture.yaml"
        yield Problem(found.sections.path, 0, "", what, expected)
    for section in listeners[1:]:
        first = listeners[0].name
        yield _at(section, "", f"a second healer, beside [{first}]", "one: two would both restart a worker")


def _check_descriptors(found: Configuration) -> Iterator[Problem]:
    section = found.sections.get("supervisord")
    text = section.get("minfds", str(_DEFAULT_MINFDS)).strip()
    processes = sum(map(len, found.processes.values()))
    needed = processes * _DESCRIPTORS_A_PROCESS + _DESCRIPTORS_OF_ITS_OWN
    if text.isdecimal() and int(text) < needed:
        what = f"{processes} processes need {needed} file descriptors, minfds is {text}"
        yield _at(section, "minfds", what, f"minfds = {needed} or more", "warning")


_CHECKS: tuple[Callable[[Configuration], Iterator[Problem]], ...] = (
    _check_servers, _check_rpc, _check_ctl, _check_identifier, _check_listeners, _check_descriptors,
)  # fmt: skip


def _at(section: Section, option: str, what: str, expected: str = "", severity: str = "error") -> Problem:
    path, line = section.place(option)
    return Problem(path, line, f"[{section.name}] {option}".strip(), what, expected, severity)
