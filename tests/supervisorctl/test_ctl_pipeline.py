"""report, verify, graph and heal --restore as an operator types them, against a real supervisord."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from real_supervisord import Supervisord, consumer, file, until, worker
from test_ctl_real import Typed, cli, opened

from supervisor_healer import words
from supervisor_healer.supervisorctl.typed import retyped, with_configuration, with_console_script

pytestmark = pytest.mark.real


@pytest.fixture
def gone(supervisord: Supervisord) -> Iterator[Supervisord]:
    """A supervisord whose healer has published a pipeline and a report, and was stopped."""
    publish(supervisord, report=report())
    supervisord.rpc.supervisor.stopProcess("healer")
    yield supervisord
    supervisord.start("healer")


def publish(supervisord: Supervisord, **changes: Any) -> None:
    """raw.csv -> wa -> a.jsonl -> wb (stalled, critical) -> b.jsonl -> gate (blocked); c.json -> gate; alone.json"""
    a, b, config = (
        file("a.jsonl", age=20, producer="wa"),
        file("b.jsonl", "stale", 900, "wb"),
        file("c.json", max_age=0.0, config=True),
    )
    old = f"b.jsonl {words.ago(time.monotonic() - 900)} old"
    news = {
        "workers": [
            worker("wb", "stalled", old, critical=True, inputs=[a], outputs=[b]),
            worker("wa", inputs=[file("raw.csv")], outputs=[a]),
        ],
        "consumers": [consumer("gate", "blocked", f"by wb: {old}", blocked_by=["wb"], inputs=[b, config])],
        "files": [file("alone.json", "missing", 0, note="no such file")],
    }
    supervisord.publish(**{**news, **changes})


def well(supervisord: Supervisord, **changes: Any) -> None:
    """The same, and nothing is wrong."""
    news = {"consumers": [consumer("gate", inputs=[file("wa.jsonl", producer="wa")])], "files": [file("alone.json")]}
    supervisord.publish(**{**news, **changes})


def report(**changes: Any) -> dict[str, Any]:
    entry = {
        "subject": "alone.json", "kind": "file", "message": f"no such file, {words.ago(time.monotonic() - 90_000)} ago",
        "critical": True, "action": "look", "by": "", "blocked_by": [], "at": time.time(),
    }  # fmt: skip
    return {
        "version": 1, "timestamp": time.time() - 5, "since": time.time() - 65, "duration": 0.25, "cause": "verify",
        "mode": "heal", "healed": [], "failed": [], "blocked": [], "warnings": [entry], "left_out": {},
        "stats": {"processes_checked": 2}, "history": [], **changes,
    }  # fmt: skip


def verified(supervisord: Supervisord, *options: str, status: int = 0, reason: str = "") -> tuple[int, str]:
    """What `verify` says and answers, when the healer answers its request like this."""
    typed = Typed(supervisord, "verify", *options)
    [request] = opened(supervisord)
    assert (supervisord.take()[0]["verb"], supervisord.take()[0]["name"]) == ("verify", "all")
    supervisord.progress(request, "running", "looking at 4 files")
    supervisord.progress(request, "done", "looking at 4 files", status=status, reason=reason)
    answer = typed.process.wait(40)
    return answer, typed.text


# --- report --------------------------------------------------------------------------------------------------


def test_the_report(supervisord: Supervisord) -> None:
    publish(supervisord, report=report())
    done = supervisord.ctl("report")
    assert done.returncode == 0
    first, title, entry, action, stats = done.stdout.splitlines()
    assert first.startswith("report of ")
    assert first.endswith(" ago): verify, took 0.2s, mode heal")
    assert (title, entry, action) == ("warnings:", "! alone.json: no such file, 25h ago", "    -> look")
    assert stats == "checked: 2 processes; done: -"
    answer = json.loads(supervisord.ctl("report", "--json").stdout)
    assert (answer["version"], answer["warnings"][0]["action"]) == (1, "look")
    assert cli("report", "-s", supervisord.url).stdout.splitlines()[1:] == done.stdout.splitlines()[1:]


def test_no_report_yet(supervisord: Supervisord) -> None:
    done = supervisord.ctl("report")
    assert (done.returncode, done.stdout) == (0, "no report yet: it comes with the first healing cycle\n")
    assert supervisord.ctl("report", "--json").stdout == "{}\n"
    supervisord.rpc.supervisor.stopProcess("healer")
    done = supervisord.ctl("report")
    assert done.returncode == 7
    assert done.stdout.splitlines()[0].startswith("healer not running (STOPPED ")
    assert done.stdout.splitlines()[1] == "no report is left of it"


def test_the_report_of_a_healer_that_is_gone_is_marked_as_old(gone: Supervisord) -> None:
    done = gone.ctl("report")
    assert done.returncode == 7
    trouble, old, first, *_ = done.stdout.splitlines()
    assert trouble.startswith("healer not running (STOPPED ")
    assert old == "OLD: what follows is its last report, and may no longer be true"
    assert first.startswith("report of ")
    done = gone.ctl("report", "--json")
    assert (done.returncode, json.loads(done.stdout)["version"]) == (7, 1)


# --- verify --------------------------------------------------------------------------------------------------


def test_verify_walks_the_pipeline(supervisord: Supervisord) -> None:
    publish(supervisord)
    status, text = verified(supervisord)
    assert status == 2
    said = [line.split() for line in text.splitlines()]
    assert [line[:2] for line in said[:2]] == [["ok", "raw.csv"], ["ok", "wa"]]
    assert [line[:3] for line in said[2:4]] == [["!", "STALLED", "wb"], ["BLOCKED", "gate", "by"]]
    assert [line[:2] for line in said[4:6]] == [["MISSING", "alone.json"], ["ok", "c.json"]]
    assert text.splitlines()[-1] == "CRITICAL: 6 stages, 3 ok, 1 BLOCKED, 1 MISSING, 1 STALLED"


def test_verify_of_a_pipeline_that_works(supervisord: Supervisord) -> None:
    well(supervisord)
    status, text = verified(supervisord)
    assert (status, text.splitlines()[-1]) == (0, "OK: 4 stages, 4 ok")
    well(supervisord)
    status, text = verified(supervisord, "--json")
    answer = json.loads(text)
    assert (status, answer["exit_status"], answer["request"]["exit_status"]) == (0, 0, 0)
    assert [stage["name"] for stage in answer["stages"]] == ["wa", "wb", "gate", "alone.json"]


@pytest.mark.parametrize("critical", [False, True])
def test_a_file_that_nobody_reads_is_as_critical_as_it_says(supervisord: Supervisord, critical: bool) -> None:
    missing = [file("alone.json", "missing", 0, note="no such file", critical=critical)]
    well(supervisord, files=missing)
    assert verified(supervisord)[0] == (2 if critical else 1)


def test_a_verification_that_fails_is_never_well(supervisord: Supervisord) -> None:
    well(supervisord)
    status, text = verified(supervisord, status=75, reason="the clock cannot be trusted")
    assert (status, text.splitlines()[0]) == (3, "verify: not now: the clock cannot be trusted")
    assert text.splitlines()[-1] == "UNKNOWN: 4 stages, 4 ok"
    publish(supervisord)
    assert verified(supervisord, status=1, reason="one of the probes hangs")[0] == 2


def test_verify_without_a_healer(gone: Supervisord) -> None:
    done = gone.ctl("verify")
    assert done.returncode == 3
    assert done.stdout.startswith("verify: NO HEALER: healer not running (STOPPED ")
    assert done.stdout.splitlines()[-1] == "UNKNOWN: nothing was verified"
    done = gone.ctl("verify", "--json")
    assert (done.returncode, json.loads(done.stdout)["stages"]) == (3, [])
    assert cli("verify", "-s", "unix:///nowhere.sock").returncode == 3


def test_verify_with_a_broken_architecture(supervisord: Supervisord) -> None:
    publish(supervisord, architecture_errors=["a.yaml:3: one", "a.yaml:9: two"])
    done = supervisord.ctl("verify")
    assert done.returncode == 3
    assert "  a.yaml:9: two" in done.stdout
    assert "verify: NO HEALER: the healer acts on nothing: its architecture is broken" in done.stdout
    assert supervisord.ctl("report").returncode == 0
    trouble = f"healer: architecture broken ({supervisord.typed} health)"
    assert supervisord.ctl("graph").stdout.splitlines()[0] == trouble


def test_a_broken_architecture_is_why_nothing_is_known(supervisord: Supervisord) -> None:
    supervisord.publish(full=True, workers=[], architecture_errors=["a.yaml:3: one"])
    done = supervisord.ctl("report")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "no report: nothing is judged until the architecture is mended"
    done = supervisord.ctl("explain", "c.json")
    assert done.returncode == 3
    assert done.stdout.endswith("c.json: ERROR: nothing is known of 'c.json': the architecture has errors\n")


# --- what is to be typed -------------------------------------------------------------------------------------


def commands(text: str) -> list[str]:
    return [line.split("-> ")[1] for line in text.splitlines() if "-> " in line]


def test_commands_are_printed_as_they_are_typed_at_this_server(supervisord: Supervisord) -> None:
    entry = report()["warnings"][0]
    actions = ["supervisorctl heal wb", "ls -l /srv/supervisorctl x"]
    publish(supervisord, report=report(warnings=[{**entry, "action": action} for action in actions]))
    plain = supervisord.ctl("report", "--json")
    assert [one["action"] for one in json.loads(plain.stdout)["warnings"]] == actions
    assert commands(supervisord.ctl("report").stdout) == [f"{supervisord.typed} heal wb", actions[1]]
    by_url = commands(cli("report", "-s", supervisord.url).stdout)
    assert by_url == [f"supervisor-healer heal wb -s {supervisord.url}", actions[1]]
    by_conf = commands(cli("report", "-c", str(supervisord.conf)).stdout)
    assert by_conf == [f"supervisor-healer heal wb -c {supervisord.conf}", actions[1]]
    assert (
        f"next: nothing here: see wb (`{supervisord.typed} explain wb`)" in supervisord.ctl("explain", "b.jsonl").stdout
    )
    assert f"next, for a person: {supervisord.typed} heal wb" in supervisord.ctl("explain", "alone.json").stdout


def test_a_configuration_that_is_found_by_itself_is_not_named(supervisord: Supervisord) -> None:
    entry = {**report()["warnings"][0], "action": "supervisorctl heal wb"}
    publish(supervisord, report=report(warnings=[entry]))
    done = subprocess.run(
        [sys.executable, "-m", "supervisor.supervisorctl", "report"],
        cwd=supervisord.conf.parent, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert commands(done.stdout) == ["supervisorctl heal wb"], done.stdout


@pytest.mark.parametrize(
    ("published", "typed"),
    [
        ("heal 'a b'", "supervisor-healer heal a b -s unix:///a.sock"),
        ("heal \"'a b'\"", "supervisor-healer heal 'a b' -s unix:///a.sock"),
        ("tail wa stderr", "supervisorctl -s unix:///a.sock tail wa stderr"),
        ("heal 'open", "supervisorctl heal 'open"),
    ],
)
def test_the_console_script_has_only_our_commands_and_splits_nothing_twice(published: str, typed: str) -> None:
    assert with_console_script("-s", "unix:///a.sock")(published) == typed


@pytest.mark.parametrize("line", ["say supervisorctl heal", "a -> supervisorctl heal", "`supervisor`"])
def test_what_is_no_command_of_ours_stays_as_it_is(line: str) -> None:
    assert retyped(line, with_configuration("/etc/x.conf")) == line


def test_an_interrupted_verify_leaves_the_request_going(supervisord: Supervisord) -> None:
    well(supervisord)
    typed = Typed(supervisord, "verify")
    opened(supervisord)
    where = Path(f"/proc/{typed.process.pid}/wchan")
    until(lambda: any(call in where.read_text() for call in ("nanosleep", "select")), "it pauses between two looks")
    typed.process.send_signal(signal.SIGINT)
    assert "interrupted; the request goes on" in typed.end(3)


# --- explain ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "status", "header"),
    [
        (["gate"], 1, "gate (blocked for "),
        (["raw.csv"], 0, "raw.csv (fresh)"),
        (["a.jsonl"], 0, "a.jsonl (fresh, critical)"),  # as critical as who reads it
        (["alone.json"], 1, "alone.json (missing)"),
        (["b.jsonl"], 1, "b.jsonl (stale)"),
        (["raw.csv", "wb"], 2, "wb (stalled for "),
        (["raw.csv", "nobody"], 3, "raw.csv (fresh)"),
    ],
)
def test_explain_of_consumers_and_files(supervisord: Supervisord, names: list[str], status: int, header: str) -> None:
    publish(supervisord)
    done = supervisord.ctl("explain", *names)
    assert (done.returncode, done.stdout.splitlines()[0].startswith(header)) == (status, True), done.stdout
    if "nobody" in names:
        assert done.stdout.endswith("nobody: ERROR: no worker, consumer or file 'nobody' is known\n")


def test_explain_for_machines(supervisord: Supervisord) -> None:
    publish(supervisord)
    done = supervisord.ctl("explain", "--json", "gate", "alone.json", "alone.json")
    gate, alone = json.loads(done.stdout)
    assert (gate["name"], gate["explanation"][-1]) == ("gate", "next: nothing")
    assert (alone["path"], alone["explanation"][-1]) == ("alone.json", "next: whoever writes it has to write again")


def test_explain_of_a_critical_file(supervisord: Supervisord) -> None:
    publish(supervisord, files=[file("alone.json", "missing", 0, critical=True)])
    assert supervisord.ctl("explain", "alone.json").returncode == 2


def test_explain_without_a_healer(gone: Supervisord) -> None:
    for name in ("gate", "raw.csv"):
        done = gone.ctl("explain", name)
        assert done.returncode == 3
        assert "healer not running (STOPPED " in done.stdout


# --- graph ---------------------------------------------------------------------------------------------------


def test_the_graph(supervisord: Supervisord) -> None:
    publish(supervisord)
    done = supervisord.ctl("graph")
    assert done.returncode == 0
    said = done.stdout.splitlines()
    assert [line for line in said if line.endswith(":")] == [
        "from outside:", "stage 1:", "stage 2:", "consumers:", "read by nobody here:"
    ]  # fmt: skip
    [root] = [line for line in said if "ROOT CAUSE" in line]
    assert root.split()[:3] == ["!", "wb", "stalled"]
    assert root.endswith("ROOT CAUSE; b.jsonl 15m old")
    part = supervisord.ctl("graph", "wa:wa")
    assert "c.json" not in part.stdout
    assert "gate" in part.stdout
    assert supervisord.ctl("graph", "alone.json").stdout.count("\n") == 2
    assert supervisord.ctl("graph", "--mermaid").stdout.startswith("flowchart LR\n")
    assert supervisord.ctl("graph", "--dot", "gate").stdout.endswith("}\n")
    answer = json.loads(supervisord.ctl("graph", "--json").stdout)
    assert {(node["name"], node["root"]) for node in answer["nodes"]} >= {("wb", True), ("gate", False)}
    done = supervisord.ctl("graph", "nobody")
    assert (done.returncode, done.stdout) == (2, "nobody: ERROR: no worker, consumer or file 'nobody' is known\n")


def test_the_graph_without_a_healer(gone: Supervisord) -> None:
    for options, beginning in (([], ""), (["--mermaid"], "%% "), (["--dot"], "// ")):
        done = gone.ctl("graph", *options)
        assert done.returncode == 7
        assert done.stdout.startswith(f"{beginning}healer not running (STOPPED ")
        assert "unknown" in done.stdout
        assert "ROOT CAUSE" not in done.stdout
    done = gone.ctl("graph", "nobody")
    assert done.returncode == 2
    assert "is known; healer not running" in done.stdout


def test_the_graph_of_nothing(supervisord: Supervisord) -> None:
    supervisord.publish(workers=[], loaded=False)
    done = supervisord.ctl("graph")
    assert (done.returncode, done.stdout) == (0, "the healer has judged no worker yet\n")


def test_a_silent_healer() -> None:
    with Supervisord(SILENT_AFTER=0.5) as own:
        own.start("healer", "wa")
        publish(own, report=report())
        os.kill(own.pid("healer"), signal.SIGSTOP)
        until(lambda: own.rpc.healer.getListenerState()["state"] == "silent", "it is called silent")
        for command in ("graph", "report"):
            done = own.ctl(command)
            assert done.returncode == 0
            assert done.stdout.startswith("healer silent for ")
        assert "unknown" in own.ctl("graph").stdout


# --- heal --restore ------------------------------------------------------------------------------------------


def test_restore(supervisord: Supervisord) -> None:
    typed = Typed(supervisord, "heal", "--restore", "'configs/a b.json'")
    [request] = opened(supervisord)
    assert (supervisord.take()[0]["verb"], supervisord.take()[0]["name"]) == ("restore", "configs/a b.json")
    supervisord.progress(request, "running", "the newest backup is a b.json.20260101T000000Z.bak")
    supervisord.progress(request, "done", "the newest backup is a b.json.20260101T000000Z.bak", reason="restored")
    step, end = typed.end(0).splitlines()
    assert step.endswith(" configs/a b.json: the newest backup is a b.json.20260101T000000Z.bak")
    assert end == "configs/a b.json: restored"


@pytest.mark.parametrize(("status", "said"), [(2, "ERROR: "), (1, "FAILED: "), (75, "not now: ")])
def test_a_restore_that_does_not_come_about(supervisord: Supervisord, status: int, said: str) -> None:
    typed = Typed(supervisord, "heal", "--restore", "c.json", "--json")
    [request] = opened(supervisord)
    supervisord.progress(request, "done", status=status, reason="no backup of it")
    [answer] = json.loads(typed.end(status))
    assert (answer["name"], answer["reason"]) == ("c.json", "no backup of it")
    typed = Typed(supervisord, "heal", "--restore", "c.json")
    [request] = opened(supervisord)
    supervisord.progress(request, "done", status=status, reason="no backup of it")
    assert typed.end(status) == f"c.json: {said}no backup of it\n"


def test_restore_without_a_healer(gone: Supervisord) -> None:
    done = gone.ctl("heal", "--restore", "c.json")
    assert done.returncode == 7
    assert done.stdout.startswith("c.json: NO HEALER: healer not running (STOPPED ")
    assert cli("heal", "--restore", "c.json", "-s", gone.url).returncode == 7
