"""The supervisord configuration beside the architecture: every trap that can be seen before anything runs."""

from __future__ import annotations

import io
import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor_healer.architecture import check
from supervisor_healer.architecture.loader import load
from supervisor_healer.architecture.supervisord_conf import check_configuration
from supervisor_healer.errors import Problem

ARCHITECTURE = """\
version: 1
defaults: {max_age: 5m}
workers:
  wa: {outputs: [a.jsonl]}
  wb:
    inputs: [a.jsonl]
    outputs: [b.jsonl]
"""

# every section that the tests replace or remove, by name
CONF = {
    "unix_http_server": "file = %(here)s/supervisor.sock",
    "supervisord": "logfile = %(here)s/supervisord.log\npidfile = %(here)s/supervisord.pid",
    "supervisorctl": "serverurl = unix://%(here)s/supervisor.sock",
    "rpcinterface:supervisor":
        "supervisor.rpcinterface_factory = supervisor_healer.supervisord:make_main_rpcinterface",
    "rpcinterface:healer":
        "supervisor.rpcinterface_factory = supervisor_healer.supervisord:make_healer_rpcinterface",
    "ctlplugin:healer":
        "supervisor.ctl_factory = supervisor_healer.supervisorctl:make_healer_controllerplugin",
    "eventlistener:healer":
        "command = supervisor-healer listen %(here)s/architecture.yaml\n"
        "events = PROCESS_STATE,TICK_5,REMOTE_COMMUNICATION,SUPERVISOR_STATE_CHANGE\nbuffer_size = 1024\n"
        "autorestart = true",
    "program:wa": "command = /bin/cat",
    "program:wb": "command = /bin/cat",
}  # fmt: skip

LISTENER = CONF["eventlistener:healer"]
Sections = dict[str, str | None]
Check = Callable[..., tuple[Problem, ...]]


def conf_text(changes: Sections) -> str:
    sections = {name: body for name, body in {**CONF, **changes}.items() if body is not None}
    return "".join(f"[{name}]\n{body}\n" for name, body in sections.items())


@pytest.fixture(name="checked")
def _checked(tmp_path: Path) -> Check:
    def checked(changes: Sections, architecture: str = ARCHITECTURE, **files: str) -> tuple[Problem, ...]:
        (tmp_path / "architecture.yaml").write_text(architecture)
        (tmp_path / "supervisord.conf").write_text(conf_text(changes))
        for name, text in files.items():
            (tmp_path / f"{name}.conf").write_text(text)
        before = sorted(os.listdir(tmp_path)), os.getcwd()
        problems = check_configuration(load(str(tmp_path / "architecture.yaml")), str(tmp_path / "supervisord.conf"))
        assert (sorted(os.listdir(tmp_path)), os.getcwd()) == before
        return problems

    return checked


def line_of(changes: Sections, text: str) -> int:
    """The line of the one line of the configuration that begins with `text`; 0 for none."""
    numbers = [number for number, line in enumerate(conf_text(changes).split("\n"), 1) if line.startswith(text)]
    return numbers[0] if numbers else 0


def test_a_good_configuration(checked: Check) -> None:
    assert checked({}) == ()


@pytest.mark.parametrize(
    "command",
    [
        "/opt/venv/bin/supervisor-healer listen {}", "supervisor-healer --verbose listen --log info {}",
        "python3 -m supervisor_healer.cli listen {}", "/usr/bin/env A=b python -m supervisor_healer.cli listen {}",
        "sh -c 'exec supervisor-healer listen {}'",
    ],
)  # fmt: skip
def test_the_healer_is_known_by_its_command(command: str, checked: Check) -> None:
    body = LISTENER.replace(LISTENER.split("\n")[0], "command = " + command.format("%(here)s/architecture.yaml"))
    assert checked({"eventlistener:healer": None, "eventlistener:other": body}) == ()


def test_a_script_around_the_healer_is_known_by_the_name_of_its_section(checked: Check) -> None:
    assert checked({"eventlistener:healer": LISTENER.replace("supervisor-healer listen", "/opt/healer.sh")}) == ()


USER = next(entry.pw_name for entry in pwd.getpwall() if entry.pw_uid not in (0, os.getuid()))
PASSWORD = "file = %(here)s/s.sock\nusername = ann\npassword = secret"
PROTECTED = {"unix_http_server": PASSWORD}


def listener(more: str, *, without: str = "") -> Sections:
    lines = [line for line in LISTENER.split("\n") if not without or not line.startswith(without)]
    return {"eventlistener:healer": "\n".join([*lines, more])}


# name -> changed sections, and of the one problem: the start of its line, its field, severity and a phrase
TRAPS: dict[str, tuple[Sections, str, str, str, str]] = {
    "no server": (
        {"unix_http_server": None}, "-", "", "error", "no [unix_http_server] and no [inet_http_server]"),
    "no healer namespace": (
        {"rpcinterface:healer": None}, "-", "[rpcinterface:healer]", "error", "this section is missing (expected "
        "supervisor.rpcinterface_factory = supervisor_healer.supervisord:make_healer_rpcinterface)"),
    "healer namespace by another name": (
        {"rpcinterface:healer": None, "rpcinterface:heal": CONF["rpcinterface:healer"]},
        "[rpcinterface:heal]", "[rpcinterface:heal]", "error", "this namespace must be called healer"),
    "another healer namespace": (
        {"rpcinterface:healer": "supervisor.rpcinterface_factory = other:make"},
        "supervisor.rpcinterface_factory = other", "[rpcinterface:healer] supervisor.rpcinterface_factory", "error",
        "other:make is not the healer's"),
    "no supervisor namespace": (
        {"rpcinterface:supervisor": None}, "-", "[rpcinterface:supervisor]", "error", "this section is missing"),
    "Supervisor's own namespace": (
        {"rpcinterface:supervisor":
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface"},
        "supervisor.rpcinterface_factory = supervisor.rpc",
        "[rpcinterface:supervisor] supervisor.rpcinterface_factory", "warning", "status` shows no health"),
    "no ctl plugin": (
        {"ctlplugin:healer": None}, "-", "[ctlplugin:healer]", "warning", "this section is missing: supervisorctl has"),
    "another ctl plugin": (
        {"ctlplugin:healer": "supervisor.ctl_factory = x:y"}, "supervisor.ctl_factory = x",
        "[ctlplugin:healer] supervisor.ctl_factory", "error", "x:y is not the healer's"),
    "no supervisorctl": (
        {"supervisorctl": None}, "-", "[supervisorctl]", "warning", "supervisorctl does not take this file"),
    "no listener": (
        {"eventlistener:healer": None}, "-", "", "error", "no [eventlistener:...] runs the healer"),
    "two listeners": (
        {"eventlistener:second": LISTENER}, "[eventlistener:second]", "[eventlistener:second]", "error",
        "a second healer, beside [eventlistener:healer]"),
    "events": (
        listener("events = PROCESS_STATE_EXITED,TICK_60,SUPERVISOR_STATE_CHANGE", without="events"), "events = ",
        "[eventlistener:healer] events", "error",
        "without PROCESS_STATE and TICK_5 and REMOTE_COMMUNICATION (expected events = PROCESS_STATE,TICK_5,"),
    "default buffer": (
        listener("", without="buffer_size"), "[eventlistener:healer]", "[eventlistener:healer] buffer_size", "warning",
        "10 is too small: when all 3 processes start at once supervisord drops the oldest events (expected buffer_size"
        " = 1024)"),
    "buffer for many": (
        listener("buffer_size = 1210", without="buffer_size")
        | {"program:wc": "command = cat\nnumprocs = 300\nprocess_name = wc%(process_num)d"},
        "buffer_size", "[eventlistener:healer] buffer_size", "warning", "(expected buffer_size = 1212)"),
    "buffer for fewer than there are": (
        listener("buffer_size = 302", without="buffer_size")
        | {"program:wc": "command = cat\nnumprocs = 300\nprocess_name = wc%(process_num)d"},
        "buffer_size", "[eventlistener:healer] buffer_size", "error", "302 is less than the 303 processes: when they "
        "all start supervisord is certain to drop events (expected buffer_size = 1212)"),
    "default buffer for fewer than there are": (
        listener("", without="buffer_size")
        | {"program:wc": "command = cat\nnumprocs = 8\nprocess_name = wc%(process_num)d"},
        "[eventlistener:healer]", "[eventlistener:healer] buffer_size", "error", "10 is less than the 11 processes: "),
    "default buffer for as many": (
        listener("", without="buffer_size")
        | {"program:wc": "command = cat\nnumprocs = 7\nprocess_name = wc%(process_num)d"},
        "[eventlistener:healer]", "[eventlistener:healer] buffer_size", "warning",
        "10 is too small: when all 10 processes start"),
    "redirect_stderr": (
        listener("redirect_stderr = true"), "redirect_stderr", "[eventlistener:healer] redirect_stderr", "error",
        "stderr would mix into the event protocol"),
    "autorestart": (
        listener("autorestart = false", without="autorestart"), "autorestart", "[eventlistener:healer] autorestart",
        "warning", "supervisord would not start the healer again after a crash (expected autorestart = true)"),
    "autostart": (
        listener("autostart = false"), "autostart", "[eventlistener:healer] autostart", "warning",
        "nothing is healed until somebody starts the healer by hand"),
    "numprocs": (
        listener("numprocs = 2\nprocess_name = healer%(process_num)d"), "numprocs", "[eventlistener:healer] numprocs",
        "error", "more than one healer"),
    "no password": (
        PROTECTED, "[eventlistener:healer]", "[eventlistener:healer] environment", "error",
        "[unix_http_server] asks for a password, and the healer is not told SUPERVISOR_USERNAME and SUPERVISOR_PASS"),
    "half a password": (
        PROTECTED | listener('environment = SUPERVISOR_USERNAME="ann"'), "environment",
        "[eventlistener:healer] environment", "error", "the healer is not told SUPERVISOR_PASSWORD (expected"),
    "wrong password": (
        PROTECTED | listener('environment = SUPERVISOR_USERNAME="ann",SUPERVISOR_PASSWORD="guess"'), "environment",
        "[eventlistener:healer] environment", "error", "SUPERVISOR_PASSWORD is not the password of [unix_http_server]"),
    "user": (
        listener(f"user = {USER}"), f"user = {USER}", "[eventlistener:healer] user", "error",
        "whose mode is 0700 (expected chmod = 0770 and chown = root:GROUP in [unix_http_server]"),
    "identifier": (
        {"supervisord": CONF["supervisord"] + "\nidentifier = lsd:01"}, "identifier", "[supervisord] identifier",
        "error", "'lsd:01' breaks the header of every event"),
    "descriptors": (
        {"program:wc": "command = cat\nnumprocs = 400\nprocess_name = wc%(process_num)d"}
        | listener("buffer_size = 9999", without="buffer_size"),
        "[supervisord]", "[supervisord] minfds", "warning", "403 processes need 1239 file descriptors, minfds is 1024"),
    "another architecture": (
        listener("command = supervisor-healer listen %(here)s/other.yaml", without="command"), "command = supervisor-h",
        "[eventlistener:healer] command", "warning", "the healer is started with "),
    "relative architecture": (
        listener("command = supervisor-healer listen other/architecture.yaml", without="command"), "command = super",
        "[eventlistener:healer] command", "warning", "expected an absolute path, such as %(here)s/architecture.yaml"),
    "no architecture": (
        listener("command = supervisor-healer listen", without="command"), "command = supervisor-healer",
        "[eventlistener:healer] command", "error", "no architecture file is named"),
    "include of nothing": (
        {"include": "files = more/*.conf"}, "files", "[include] files", "warning", "no file matches 'more/*.conf'"),
    "what Supervisor refuses": (
        {"program:wc": "command = cat\nstartsecs = soon"}, "startsecs", "[program:wc] startsecs", "error",
        "supervisord refuses this: invalid literal for int()"),
    "an unknown event": (
        listener("events = PROCESS_STATE,TICK_5,REMOTE_COMMUNICATION,SUPERVISOR_STATE_CHANGE,TOCK", without="events"),
        "events", "[eventlistener:healer] events", "error", "supervisord refuses this: Unknown event type TOCK"),
    "too many": (
        {"program:wc": "command = cat\nnumprocs = 1000000000"}, "numprocs", "[program:wc] numprocs", "error",
        "supervisord refuses this: [program:wc] numprocs is more than 10000"),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAPS)
def test_each_trap_is_named_at_its_line(name: str, checked: Check, tmp_path: Path) -> None:
    changes, at, field, severity, phrase = TRAPS[name]
    (problem,) = (problem for problem in checked(changes) if name == "buffer for many" or "many" not in problem.field)
    assert (problem.path, problem.line) == (f"{tmp_path}/supervisord.conf", line_of(changes, at))
    assert (problem.field, problem.severity) == (field, severity)
    assert phrase in str(problem)
    assert "secret" not in str(problem)


@pytest.mark.parametrize(
    "changes",
    [
        listener("autorestart = ON", without="autorestart"),
        listener("autorestart = Unexpected", without="autorestart"),  # it ends well only with supervisord itself
        listener("", without="autorestart"),
        listener("autorestart = 1", without="autorestart"),
        listener("events = EVENT", without="events"),
        listener("events = process_state, tick, remote_communication, supervisor_state_change", without="events"),
        listener(f"user = {USER}") | {"unix_http_server": "file = %(here)s/s.sock\nchmod = 0770"},
        listener(f"user = {USER}") | {"unix_http_server": f"file = %(here)s/s.sock\nchown = {USER}"},
        listener(f"user = {USER}") | {"unix_http_server": None, "inet_http_server": "port = 127.0.0.1:9001"},
        listener(f"user = {USER}\nserverurl = http://127.0.0.1:9001"),
        listener("user = root"),
        PROTECTED | listener("environment = SUPERVISOR_USERNAME=ann,SUPERVISOR_PASSWORD=secret"),
        PROTECTED
        | {
            "supervisord": CONF["supervisord"]
            + "\nenvironment = SUPERVISOR_USERNAME='ann',SUPERVISOR_PASSWORD='secret'"
        },
        {"unix_http_server": PASSWORD.replace("secret", "{SHA}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d")}
        | listener("environment = SUPERVISOR_USERNAME=ann,SUPERVISOR_PASSWORD=thepassword"),
        {"program:wa": "command = cat\nautorestart = true"},
        {"rpcinterface:other": "supervisor.rpcinterface_factory = not.here:make"},
    ],
)
def test_what_works_is_not_complained_about(changes: Sections, checked: Check) -> None:
    assert checked(changes) == ()


def test_a_plugin_in_an_included_file_is_ignored_by_supervisorctl(checked: Check, tmp_path: Path) -> None:
    section = f"\n[ctlplugin:healer]\n{CONF['ctlplugin:healer']}\n"
    (problem,) = checked({"ctlplugin:healer": None, "include": "files = more.conf"}, more=section)
    assert (problem.path, problem.line, problem.severity) == (f"{tmp_path}/more.conf", 2, "error")
    assert f"ignores this section in an included file (expected it in {tmp_path}/supervisord.conf)" in str(problem)


def test_the_rest_may_stand_in_included_files(checked: Check, tmp_path: Path) -> None:
    names = ("eventlistener:healer", "rpcinterface:healer", "program:wb")
    more = "".join(f"[{name}]\n{CONF[name]}\n" for name in names)
    changes: Sections = dict.fromkeys(names)
    changes["include"] = "files = %(here)s/m*.conf"
    assert checked(changes, more=more) == ()
    (problem,) = checked(changes, more=more.replace("buffer_size = 1024", "buffer_size = 5"))
    assert (problem.path, problem.line) == (f"{tmp_path}/more.conf", 4)


def test_problems_come_by_file_and_line(checked: Check, tmp_path: Path) -> None:
    changes = {
        "eventlistener:healer": LISTENER.replace("buffer_size = 1024\n", "").replace("= true", "= false"),
        "program:wb": None,
        "supervisord": CONF["supervisord"] + "\nidentifier = a:b",
    }  # fmt: skip
    problems = checked(changes)
    assert [(os.path.basename(problem.path), problem.line) for problem in problems] == [
        ("architecture.yaml", 5),
        ("supervisord.conf", line_of(changes, "identifier")),
        ("supervisord.conf", line_of(changes, "[eventlistener:healer]")),
        ("supervisord.conf", line_of(changes, "autorestart")),
    ]


# --- files that are hardly a configuration ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "phrase"),
    [
        ("", 0, "supervisord refuses this: .ini file does not include supervisord section"),
        ("command = x\n", 1, "text before the first section"),
        ("[supervisord]\nnonsense\n", 2, "not an option"),
        ("[supervisord]\n[program:a]\n", 2, "program section program:a does not specify a command"),
        ("[supervisord]\nlogfile = /nowhere/at/all/x.log\n", 2, "does not exist"),
        ("[supervisord]\n[group:g]\nprograms = x\n", 2, "names unknown program or fcgi-program x"),
        ("[supervisord]\n[program:a]\ncommand = %(nope)s\n", 3, "which cannot be expanded."),
        ("[supervisord]\nenvironment = A\n", 2, "Unexpected end of key/value pairs"),
        ("[supervisord]\n[include]\n", 2, "no files setting"),
    ],
)
def test_what_supervisord_would_refuse(text: str, line: int, phrase: str, tmp_path: Path) -> None:
    path = tmp_path / "supervisord.conf"
    path.write_text(text)
    problems = check_configuration(None, str(path))
    assert any(problem.line == line and phrase in problem.what for problem in problems)
    assert not any("Available names" in problem.what for problem in problems)


def test_a_broken_included_file(checked: Check, tmp_path: Path) -> None:
    problems = checked({"include": "files = more.conf"}, more="[program:x]\nnonsense\n")
    assert [(problem.path, problem.line) for problem in problems] == [(f"{tmp_path}/more.conf", 2)]


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    (problem,) = check_configuration(None, str(tmp_path / "no.conf"))
    assert "cannot be read: No such file or directory" in problem.what


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*CONF, "include", "group:g", "fcgi-program:f", "DEFAULT"]),
        st.lists(
            st.tuples(
                st.sampled_from(
                    ["command", "events", "files", "user", "chmod", "environment", "numprocs", "minfds", "programs"]
                ),
                st.one_of(st.text(max_size=8), st.sampled_from(["%(here)s", "%(x", "supervisor-healer listen", "'"])),
            )
        ),
    )
)
def test_never_a_traceback_whatever_the_configuration(tmp_path: Path, tree: dict[str, list[tuple[str, str]]]) -> None:
    (tmp_path / "architecture.yaml").write_text(ARCHITECTURE)
    text = "".join(f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in body) for name, body in tree.items())
    (tmp_path / "supervisord.conf").write_bytes(text.encode("utf-8", "replace"))
    for problem in check_configuration(load(str(tmp_path / "architecture.yaml")), str(tmp_path / "supervisord.conf")):
        assert "\n" not in str(problem)


# --- programs ---------------------------------------------------------------------------------------------------

GROUPED = {"group:pipe": "programs = wa,wb"}
MANY = {"program:wb": "command = cat\nnumprocs = 2\nprocess_name = %(program_name)s_%(process_num)02d"}


def architecture(*entries: str) -> str:
    return "version: 1\ndefaults: {max_age: 5m}\nworkers:\n" + "".join(f"  {entry}\n" for entry in entries)


PROGRAMS: dict[str, tuple[str, Sections, list[tuple[int, str, str]]]] = {
    "unknown": (
        architecture("wc: {}", "wb: {program: wbb}"), {},
        [(4, "workers.wc.program", "no program 'wc' (expected one of healer, wa, wb)"),
         (5, "workers.wb.program", "no program 'wbb', did you mean 'wb'?")]),
    "in a group": (
        architecture("wa: {}"), GROUPED,
        [(4, "workers.wa.program", "(programs of a group are called GROUP:NAME) (expected pipe:wa)")]),
    "another group": (
        architecture("wa: {program: pip:wa}"), GROUPED, [(4, "workers.wa.program", "'pip:wa' (expected pipe:wa)")]),
    "not in the group": (
        architecture("wa: {program: 'pipe:wc'}"), GROUPED,
        [(4, "workers.wa.program", "'pipe:wc' (expected one of pipe:wa, pipe:wb)")]),
    "one of many": (
        architecture("x: {program: 'pipe:wb'}"), GROUPED | MANY,
        [(4, "workers.x.program", "(expected one of pipe:wa, pipe:wb_00, pipe:wb_01)")]),
    "many in a group": (
        architecture("wb: {}"), GROUPED | MANY, [(4, "workers.wb.program", "it runs as pipe:wb_00, pipe:wb_01")]),
    "the healer": (architecture("healer: {}"), {}, [(4, "workers.healer.program", "this is the healer itself")]),
    "a shared output": (
        architecture("wb: {outputs: [b.jsonl]}"), MANY,
        [(4, "workers.wb.outputs", "b.jsonl is written by wb:wb_00, wb:wb_01: give each its own path, or say")]),
    "numbers that collide": (
        architecture("g: {program: pipe, outputs: ['%(process_num)d']}"), GROUPED,
        [(4, "workers.g.outputs", "0 is written by g:wa, g:wb")]),
    "watched twice": (
        architecture("wa: {program: pipe}", "wb: {program: 'pipe:wb'}"), GROUPED,
        [(5, "workers.wb.program", "the process pipe:wb is watched as wa:wb and wb (expected one worker for a proc")]),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_that_supervisord_would_not_run(name: str, checked: Check, tmp_path: Path) -> None:
    text, changes, expected = PROGRAMS[name]
    problems = checked(changes, text)
    assert [(problem.path, problem.line, problem.field) for problem in problems] == [
        (f"{tmp_path}/architecture.yaml", line, field) for line, field, _ in expected
    ]
    for problem, (_, _, phrase) in zip(problems, expected, strict=True):
        assert phrase in str(problem)


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (architecture("x: {program: 'pipe:wa'}", "y: {program: 'pipe:wb'}"), GROUPED),
        (architecture("x: {program: pipe, outputs: ['%(process_name)s.jsonl']}"), GROUPED),
        (architecture("wb: {outputs: ['%(process_num)d.jsonl']}"), MANY),
        (architecture("x: {program: 'wb:wb_01', outputs: [b]}"), MANY),
        (architecture("wb: {outputs: [b]}") + "files: {b: {shared: true}}\n", MANY),
    ],
)
def test_groups_and_numprocs(text: str, changes: Sections, checked: Check) -> None:
    assert checked(changes, text) == ()


def test_two_workers_of_one_name(checked: Check) -> None:
    (problem,) = checked(MANY, architecture("wb: {}", "'wb:wb_00': {program: wa}"))
    assert (problem.line, problem.field) == (5, "workers.wb:wb_00")
    assert "two workers would be called wb:wb_00" in problem.what


def test_programs_are_still_looked_for_where_supervisord_refuses_the_rest(checked: Check) -> None:
    changes = GROUPED | MANY | {"program:wc": "command = cat\nstartsecs = soon"}
    programs = ("x: {program: 'pipe:wa'}", "y: {program: 'pipe:wb_01'}", "z: {program: 'pipe:wx'}", "wc: {}")
    problems = checked(changes, architecture(*programs))
    assert [(os.path.basename(problem.path), problem.line) for problem in problems] == [
        ("architecture.yaml", 6), ("supervisord.conf", line_of(changes, "startsecs")),
    ]  # fmt: skip


# --- the command ------------------------------------------------------------------------------------------------


def run(*arguments: str | None) -> tuple[int, list[str]]:
    out = io.StringIO()
    architecture_path, conf_path = arguments
    assert architecture_path is not None
    status = check.run(architecture_path, conf_path, out)
    return status, out.getvalue().splitlines()


def test_check_says_ok(tmp_path: Path) -> None:
    path, conf = tmp_path / "architecture.yaml", tmp_path / "supervisord.conf"
    path.write_text(ARCHITECTURE)
    conf.write_text(conf_text({}))
    assert run(str(path), None) == (0, [f"{path}: 2 workers, 2 files: ok"])
    assert run(str(path), str(conf)) == (0, [f"{path}: 2 workers, 2 files: ok"])


def test_check_lets_warnings_pass(tmp_path: Path) -> None:
    path = tmp_path / "architecture.yaml"
    path.write_text(ARCHITECTURE + "include: ['more/*.yaml']\n")
    assert run(str(path), None) == (0, [
        f"{path}:8: warning: include[0]: no file matches 'more/*.yaml' (expected at least one file)",
        f"{path}: 2 workers, 2 files: ok, 1 warning",
    ])  # fmt: skip


def test_check_reports_both_files_at_once(tmp_path: Path) -> None:
    path, conf = tmp_path / "architecture.yaml", tmp_path / "supervisord.conf"
    path.write_text("mod: heal\n" + ARCHITECTURE)
    conf.write_text(conf_text({"ctlplugin:healer": None, "rpcinterface:healer": None}))
    status, lines = run(str(path), str(conf))
    assert status == 1
    assert [line.partition(" ")[0] for line in lines[:-1]] == [f"{path}:1:", f"{conf}:", f"{conf}:"]
    assert lines[-1] == "2 errors, 1 warning"


def test_check_of_files_that_are_not_there(tmp_path: Path) -> None:
    path = tmp_path / "architecture.yaml"
    assert run(str(path), str(tmp_path)) == (2, [f"{path}: there is no such file", f"{tmp_path}: is a folder"])
