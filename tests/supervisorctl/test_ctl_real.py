"""The commands as an operator types them, against a real supervisord."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_supervisord import Supervisord, until, worker

from supervisor_healer.supervisorctl import following

pytestmark = pytest.mark.real

COMMANDS = ("heal", "health", "explain", "history", "unmonitor", "monitor", "report", "verify", "graph")


def cli(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "supervisor_healer.cli", *args],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, **environ},
    )


class Typed:
    """A supervisorctl that is still running, and what it has printed."""

    def __init__(self, supervisord: Supervisord, *args: str) -> None:
        self._out = supervisord.folder / f"typed-{time.monotonic_ns()}"
        with self._out.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(supervisord.conf), *args],
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # a suite that a shell runs in the background ignores SIGINT, and so would all its children
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
            )

    @property
    def text(self) -> str:
        return self._out.read_text()

    def end(self, status: int) -> str:
        assert self.process.wait(40) == status, self.text
        return self.text


def opened(supervisord: Supervisord, count: int = 1) -> list[str]:
    """The ids of requests that came in, once there are so many."""
    until(lambda: len(supervisord.take()) >= count, "requests come in")
    return [request["id"] for request in supervisord.take()]


def test_heal_shows_steps_as_they_happen(supervisord: Supervisord) -> None:
    typed = Typed(supervisord, "heal", "wa")
    [request] = opened(supervisord)
    supervisord.progress(request, "running", "stalled: stopping pid 5")
    until(lambda: "wa: stalled: stopping pid 5\n" in typed.text, "the first step is shown")
    assert typed.process.poll() is None
    supervisord.progress(request, "done", "stalled: stopping pid 5", "started", reason="healed after 1.2s")
    text = typed.end(0)
    assert [line.split(" ", 1)[1] for line in text.splitlines()[:2]] == ["wa: stalled: stopping pid 5", "wa: started"]
    assert text.splitlines()[2] == "wa: healed after 1.2s"


def test_heal_of_several_answers_the_worst(supervisord: Supervisord) -> None:
    typed = Typed(supervisord, "heal", "wa", "wb", "wa")
    first, second = opened(supervisord, 2)
    supervisord.progress(first, "done", reason="healthy already")
    until(lambda: "healthy already" in typed.text, "the first is done")
    supervisord.progress(second, "done", status=75, reason="blocked by wa")
    assert "wb: not now: blocked by wa" in typed.end(75)


def test_heal_json_is_nothing_but_json(supervisord: Supervisord) -> None:
    typed = Typed(supervisord, "heal", "--json", "--force", "wa", "nobody")
    [request] = opened(supervisord)
    assert supervisord.take()[0]["force"] is True
    supervisord.progress(request, "done", "a step", reason="ok")
    answer = json.loads(typed.end(2))
    assert [(one["name"], one["exit_status"]) for one in answer] == [("nobody", 2), ("wa", 0)]
    assert answer[1]["steps"][0]["text"] == "a step"


def test_heal_without_waiting_prints_the_id(supervisord: Supervisord) -> None:
    done = supervisord.ctl("heal", "--no-wait", "--dry-run", "wa:wa")
    [request] = supervisord.take()
    assert (done.returncode, done.stdout.strip()) == (0, request["id"])
    assert (request["name"], request["dry_run"]) == ("wa", True)


def test_a_key_stands_for_all_its_workers(supervisord: Supervisord) -> None:
    supervisord.publish(workers=[worker("wa"), worker("many:0", address="many:0"), worker("k:1", address="many:1")])
    for name, workers in (("many", {"many:0", "k:1"}), ("many:*", {"many:0", "k:1"}), ("k", {"k:1"})):
        assert supervisord.ctl("heal", "--no-wait", name).returncode == 0
        taken = supervisord.take()
        assert {request["name"] for request in taken} == workers
        supervisord.publish()
        for request in taken:
            supervisord.progress(request["id"], "done")
        supervisord.publish(workers=[worker("wa"), worker("many:0", address="many:0"), worker("k:1", address="many:1")])
    assert len(supervisord.ctl("health", "many").stdout.splitlines()) == 2
    assert supervisord.ctl("health", "man").returncode == 3


def test_a_group_of_supervisords_stands_for_its_workers(supervisord: Supervisord) -> None:
    named = worker("predictor", "late", address="wb:wb")
    supervisord.publish(workers=[worker("wa"), named, worker("wab", address=""), worker("g", address="g:wa")])

    def taken() -> list[str]:
        requests = supervisord.take()
        supervisord.publish()
        for request in requests:
            supervisord.progress(request["id"], "done")
        supervisord.publish(workers=[worker("wa"), named, worker("wab", address=""), worker("g", address="g:wa")])
        return [f"{request['verb']} {request['name']}" for request in requests]

    for group, name in (("wa:*", "wa"), ("wb:*", "predictor"), ("g:*", "g")):
        assert supervisord.ctl("heal", "--no-wait", group).returncode == 0
        assert taken() == [f"heal {name}"]
        assert [one["name"] for one in json.loads(supervisord.ctl("health", "--json", group).stdout)] == [name]
    assert supervisord.ctl("health", "wb:*").returncode == 1
    assert supervisord.ctl("explain", "wa:*").stdout.startswith("wa (healthy ")
    assert supervisord.ctl("history", "wa:*").stdout == "nothing was done, and nothing refused\n"
    for nobody in ("w:*", ":*", "wa:wa:*", "nobody:*"):
        done = supervisord.ctl("heal", nobody)
        assert (done.returncode, taken()) == (2, [])
        assert f"no worker '{nobody}' is known" in done.stdout


def test_an_interrupt_leaves_the_request_going(supervisord: Supervisord) -> None:
    typed = Typed(supervisord, "heal", "wa")
    [request] = opened(supervisord)
    supervisord.progress(request, "running", "looking")
    until(lambda: "looking" in typed.text, "it is followed")
    typed.process.send_signal(signal.SIGINT)
    assert f"the request goes on: see `{supervisord.typed} history wa`" in typed.end(1)
    assert supervisord.rpc.healer.getRequest(request)["state"] == "running"


@pytest.mark.parametrize("command", [["unmonitor", "wa", "5m"], ["monitor", "wa"], ["unmonitor", "all"]])
def test_switching(supervisord: Supervisord, command: list[str]) -> None:
    typed = Typed(supervisord, *command)
    [request] = opened(supervisord)
    taken = supervisord.take()[0]
    assert (taken["verb"], taken["name"]) == (command[0], command[1])
    assert taken["seconds"] == (300.0 if len(command) == 3 else 0.0)
    supervisord.progress(request, "done", reason="as you say")
    assert f"{command[1]}: as you say" in typed.end(0)


def test_health_and_explain(supervisord: Supervisord) -> None:
    supervisord.publish(
        workers=[
            worker("wa", "stalled", "wa.jsonl 41h old", critical=True, explanation=["because", "of wb"]),
            worker("wb", "late", "a little"),
        ]
    )
    health = supervisord.ctl("health")
    assert health.returncode == 2
    assert [line[:14] for line in health.stdout.splitlines()] == ["! wa  stalled ", "  wb  late    "]
    assert health.stdout.splitlines()[0].endswith("d  wa.jsonl 41h old")
    assert supervisord.ctl("health", "wb").returncode == 1
    assert supervisord.ctl("health", "nobody").returncode == 3
    explain = supervisord.ctl("explain", "wa")
    assert explain.returncode == 2
    *said, output, outlook = explain.stdout.splitlines()[1:]
    assert (said, outlook) == (["  because", "  of wb"], "  next: nothing")
    assert output.startswith("  output: wa.jsonl fresh, ")
    told = json.loads(supervisord.ctl("explain", "wa", "--json").stdout)
    assert told[0]["explanation"][:2] == ["because", "of wb"]
    assert [one["name"] for one in json.loads(supervisord.ctl("health", "--json").stdout)] == ["wa", "wb"]


def test_history(supervisord: Supervisord) -> None:
    note = {"id": 1, "at": 1.7e9, "worker": "wa", "event": "restart", "text": "attempt 1", "evidence": ["fresh"]}
    supervisord.publish(history=[note, {**note, "id": 2, "worker": "", "event": "clock", "text": "clock stepped"}])
    first, second = supervisord.ctl("history").stdout.splitlines()
    assert first.endswith("  wa  restart: attempt 1")
    assert second.endswith("  healer  clock stepped")
    assert supervisord.ctl("history", "-v").stdout.splitlines() == [first, "    fresh", second, "    fresh"]
    assert len(json.loads(supervisord.ctl("history", "-n", "1", "--json").stdout)) == 1
    assert supervisord.ctl("history", "wb").stdout == "nothing was done, and nothing refused\n"
    assert supervisord.ctl("history", "nobody").returncode == 2


@pytest.mark.parametrize("words", [[], ["wa"], ["nobody"], ["-v", "wa:*"]])
def test_a_history_that_is_not_loaded(supervisord: Supervisord, words: list[str]) -> None:
    note = {"id": 1, "at": 1.7e9, "worker": "wa", "event": "restart", "text": "attempt 1", "evidence": []}
    broken = f"healer: architecture broken ({supervisord.typed} health)"
    supervisord.publish(workers=[], architecture_errors=["a.yaml:3: one"], loaded=False)
    done = supervisord.ctl("history", *words)
    missing = f"the history is not loaded: the architecture has errors (see `{supervisord.typed} health`)"
    assert (done.returncode, done.stdout.splitlines()) == (0, [broken, missing])
    assert supervisord.ctl("history", "--json", *words).stdout == "[]\n"
    supervisord.publish(architecture_errors=["a.yaml:3: one"], history=[note])
    assert supervisord.ctl("history").stdout.splitlines()[0] == broken
    assert supervisord.ctl("history").stdout.endswith("  wa  restart: attempt 1\n")
    supervisord.publish(workers=[], loaded=False)
    done = supervisord.ctl("history", *words)
    missing = "the history is not loaded yet; try again\n"
    assert (done.returncode, done.stdout) == (0, missing)


def shell(supervisord: Supervisord, *lines: str) -> str:
    """What supervisorctl's shell prints for these lines."""
    done = subprocess.run(
        [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(supervisord.conf), "-i"],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stdout + done.stderr
    assert "error:" not in done.stdout
    return done.stdout


def test_help(supervisord: Supervisord) -> None:
    text = shell(
        supervisord, "help", *(f"help {command}" for command in COMMANDS), *(f"{command} -h" for command in COMMANDS)
    )
    for command in COMMANDS:
        assert text.count(f"usage: {command} [-h]") == 2
    assert "explain  graph  heal  health  history  monitor  report  unmonitor  verify\n" in text
    assert "No help on" not in shell(supervisord, "help status")
    assert supervisord.ctl("heal", "--help").returncode == 0


def test_wrong_usage(supervisord: Supervisord) -> None:
    for words, status in (
        (["heal"], 2),
        (["heal", "'wa"], 2),
        (["heal", "wa", "--restore", "a.json"], 2),
        (["report", "wa"], 2),
        (["verify", "wa"], 3),
        (["graph", "wa", "wb"], 2),
        (["graph", "--dot", "--json"], 2),
        (["unmonitor", "wa", "soon"], 2),
        (["history", "a", "b"], 2),
        (["health", "--bad"], 3),
        (["explain"], 3),
        (["heal", "nobody"], 2),
        (["monitor", "nobody"], 2),
    ):
        done = supervisord.ctl(*words)
        assert done.returncode == status, done.stdout
        assert "error:" not in done.stdout + done.stderr


def test_a_broken_architecture_is_shown_whole(supervisord: Supervisord) -> None:
    supervisord.publish(architecture_errors=["a.yaml:3: one", "a.yaml:9: two"])
    health = supervisord.ctl("health")
    assert health.returncode == 3
    assert "a.yaml:3: one" in health.stdout
    assert "a.yaml:9: two" in health.stdout
    heal = supervisord.ctl("heal", "wa")
    assert heal.returncode == 7
    assert f"architecture is broken; see `{supervisord.typed} health`" in heal.stdout


def test_without_a_healer(supervisord: Supervisord) -> None:
    supervisord.rpc.supervisor.stopProcess("healer")
    for words in (["heal", "wa", "wb"], ["heal", "all"], ["monitor", "wa"], ["unmonitor", "wa"]):
        done = supervisord.ctl(*words)
        assert done.returncode == 7
        assert done.stdout.count(f"{supervisord.typed} tail healer stderr") == 1
    health = supervisord.ctl("health")
    assert health.returncode == 3
    assert health.stdout.startswith("healer not running (STOPPED ")
    assert "last verdict: healthy" in health.stdout
    history = supervisord.ctl("history")
    assert history.returncode == 7
    assert supervisord.ctl("explain", "wa").returncode == 3


def test_a_healer_that_comes_back_is_waited_for(supervisord: Supervisord) -> None:
    typed = Typed(supervisord, "heal", "wa")
    [request] = opened(supervisord)
    supervisord.kill("healer")
    supervisord.until_state("healer", "EXITED")
    supervisord.start("healer")
    supervisord.publish()
    assert opened(supervisord) == [request]
    supervisord.progress(request, "done", reason="completed")
    assert "wa: completed" in typed.end(0)


@pytest.fixture(scope="module")
def locked() -> Iterator[Supervisord]:
    with Supervisord(password="s3cret", ORPHAN_EXPIRES=0.5) as supervisord:
        supervisord.start("healer", "wa", "wb")
        yield supervisord


def test_a_healer_that_goes_away_for_good(locked: Supervisord) -> None:
    locked.start("healer")
    locked.publish()
    typed = Typed(locked, "heal", "wa")
    until(lambda: locked.publish(full=False, workers=[])["requests"] == 1, "the request is in")
    locked.kill("healer")
    assert "wa: NO HEALER: expired: the healer went away before it took this request" in typed.end(7)


def test_following_is_given_up_when_nobody_comes_back(locked: Supervisord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_AFTER_LISTENER", 0.05)
    monkeypatch.setitem(following.GIVE_UP_AFTER, "stopped", 0.1)
    locked.start("healer")
    locked.publish()
    request = locked.rpc.healer.heal("wa")
    assert [one["id"] for one in locked.take()] == [request]
    locked.kill("healer")
    lines: list[str] = []
    [end] = following.follow(locked.rpc, {request: "wa", "forgotten": "wb"}, lines.append)[:1]
    assert end["exit_status"] == 7
    assert "healer not running (EXITED" in end["reason"]
    assert "will go on with it if it is back in time" in lines[-1]
    assert "wb: FAILED: supervisord has forgotten this request" in lines[0]
    locked.start("healer")
    locked.publish()
    locked.progress(request, "done")


def test_the_console_script_at_a_server(locked: Supervisord) -> None:
    locked.start("healer")
    locked.publish()
    assert cli("health", "-s", locked.url, "-u", "u", "-p", "s3cret").returncode == 0
    assert cli("health", "-c", str(locked.conf), "wa").returncode == 0
    assert cli("health", "-s", locked.url, SUPERVISOR_USERNAME="u", SUPERVISOR_PASSWORD="s3cret").returncode == 0
    for words, status in ((["health", "-s", locked.url], 3), (["heal", "wa", "-s", locked.url, "-u", "u"], 7)):
        done = cli(*words)
        assert done.returncode == status
        assert "requires authentication" in done.stderr
    done = locked.ctl("-u", "wrong", "heal", "wa")
    assert done.returncode == 7
    assert done.stdout.count("the server requires authentication") == 1
    assert cli("history", "-n", "3", "wa", "-c", str(locked.conf)).stdout.startswith("nothing was done")


def test_the_console_script_without_a_server(tmp_path: Path) -> None:
    socket = f"unix://{tmp_path}/none.sock"
    for command, status in (("heal", 7), ("explain", 3)):
        done = cli(command, "wa", "-s", socket)
        assert done.returncode == status
        assert done.stderr == f"ERROR: {socket}: no such socket: is supervisord running?\n"
    assert "refused connection" in cli("health", "-s", "http://127.0.0.1:1").stderr
    assert "is not a server" in cli("heal", "wa", "-s", "ftp://x").stderr


def test_options_of_the_server_may_stand_before_the_command(locked: Supervisord) -> None:
    locked.start("healer")
    locked.publish()
    for words in (
        ["-s", locked.url, "-u", "u", "-p", "s3cret", "health"],
        [f"--serverurl={locked.url}", "-uu", "--password", "s3cret", "health", "wa"],
        ["-u", "u", "health", "-s", locked.url, "--password=s3cret"],
        ["-c", str(locked.conf), "history", "-n", "3"],
    ):
        done = cli(*words)
        assert done.returncode == 0, done.stderr
    assert "not allowed with argument" in cli("-s", locked.url, "heal", "wa", "-c", "x").stderr
    assert cli("-s", locked.url, "heal").returncode == 2
    assert cli("-s", locked.url, "--help").stdout.startswith("usage: supervisor-healer COMMAND")


@pytest.mark.parametrize("words", [["-c"], ["-s", "unix:///x"], ["-s", "unix:///x", "-n", "heal"], ["-x", "heal"]])
def test_options_without_a_command(words: list[str]) -> None:
    done = cli(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("supervisor-healer: ")
    assert "usage: supervisor-healer COMMAND" in done.stderr


def test_a_configuration_that_says_nothing_is_bad_usage(tmp_path: Path) -> None:
    (tmp_path / "empty.conf").write_text("")
    for name, text in (
        ("none.conf", f"could not find config file {tmp_path}/none.conf"),
        ("empty.conf", ".ini file does not include supervisorctl section"),
    ):
        for command, status in (("heal", 2), ("monitor", 2), ("history", 2), ("health", 3), ("explain", 3)):
            done = cli(command, "-c", str(tmp_path / name), "wa")
            assert (done.returncode, done.stderr) == (status, f"{command}: -c: {text}\n")


def test_a_server_without_our_namespace() -> None:
    rpc = """[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
    with Supervisord(rpc=rpc) as supervisord:
        for words, status in ((["heal", "wa"], 7), (["health"], 3)):
            done = supervisord.ctl(*words)
            assert done.returncode == status
            assert "[rpcinterface:healer]" in done.stdout


def test_the_shell_goes_on_after_each_command(supervisord: Supervisord) -> None:
    text = shell(supervisord, "heal nobody", "health --bad", "heal 'wa", "health", "version")
    assert "no worker 'nobody' is known" in text
    assert "wa  healthy" in text
    assert text.rstrip().splitlines()[-2 if text.rstrip().endswith(">") else -1].count(".") == 2


def test_words_of_the_console_script() -> None:
    assert cli().returncode == 2
    assert cli("--help").stdout.startswith("usage: supervisor-healer COMMAND")
    assert cli("nonsense").returncode == 2
    assert cli("version").stdout.count(".") >= 1
    assert cli("listen").returncode == 2
    assert "[eventlistener:healer]" in cli("listen", "--help").stdout
    assert "-s URL" in cli("heal", "--help").stdout
    assert cli("unmonitor", "wa", "soon", "-s", "unix:///none").returncode == 2
