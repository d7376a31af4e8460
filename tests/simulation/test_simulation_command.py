"""`supervisor-healer simulate`: one line for the same seeds, and broken promises with the command that shows them."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from sabotage import case, stage
from waiting import until

from supervisor_healer.cli import main
from supervisor_healer.simulation import failures
from supervisor_healer.simulation.promises import PROMISES

README = Path(__file__).parents[2] / "README.md"
SIMULATE = (sys.executable, "-m", "supervisor_healer.cli", "simulate")
QUICK = ("--seeds", "2", "--first-seed", "21")
SEEDS = "whole number from 1 to 1000000 (days of playing)"
SECONDS = "number of seconds from 0 to 31622400 (a year, whose playing takes hours)"
SIX = {"seeds", "simulated_days", "incidents", "restarts", "needless_restarts", "violations"}


def replay_of(text: str) -> list[str]:
    """The words of the command that it prints, without the program's name."""
    (command,) = re.findall("^ *replay: supervisor-healer (.*)$", text, re.MULTILINE)
    return shlex.split(command)


# --- determinism ---------------------------------------------------------------------------------------------


def test_the_output_is_the_same_whatever_the_jobs_and_the_hash_seed() -> None:
    started = [
        subprocess.Popen(
            [*SIMULATE, *QUICK, "--jobs", jobs],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        for jobs, hash_seed in (("1", "1"), ("2", "2"))
    ]
    (one, _), (two, quiet) = (process.communicate() for process in started)
    assert one == two
    assert quiet == ""  # no progress where there is no terminal
    figures = json.loads(one.splitlines()[-1])
    assert figures.keys() >= SIX
    assert figures["seeds"] == 2
    assert figures["simulated_days"] > 0
    assert [process.returncode for process in started] == [min(1, figures["violations"])] * 2


# --- what it prints and answers ------------------------------------------------------------------------------


def test_kept_promises_are_a_table_one_line_and_status_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage(monkeypatch, case("hang", seed=0), case("die", seed=1))
    assert main(["simulate", "--seeds", "2", "--jobs", "1"]) == 0
    captured = capsys.readouterr()
    *rows, line = captured.out.splitlines()
    assert all(row.startswith("| ") for row in rows)
    assert json.loads(line) | {"seeds": 2, "incidents": 2, "restarts": 2, "violations": 0} == json.loads(line)
    assert captured.err == ""


def test_a_broken_promise_is_told_with_the_faults_that_it_takes_and_shown_again_by_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage(monkeypatch, case("die", seed=0), case("die", "hang", "remove", "heal", "sabotage", "hang", seed=1))
    assert main(["simulate", "--seeds", "2", "--jobs", "1"]) == 1
    told = capsys.readouterr().out
    assert json.loads(told.splitlines()[-1])["violations"] == 1
    assert "seed 1 (single staged) broke budget (promise 3) at 305.0s: broken on purpose" in told
    assert failures.WORDS[3] in told
    assert re.findall(r"^ +(\d+)  at +(\S+)  (.*)$", told, re.MULTILINE) == [
        ("1", "2m", "w0: hangs"),
        ("4", "5m", "w0: is sabotaged"),
    ]

    words = replay_of(told)
    assert words == ["simulate", "--seeds", "1", "--first-seed", "1", "--only", "1,4", "-v"]
    assert main(words) == 1
    shown = capsys.readouterr().out
    assert "broke budget (promise 3) at 305.0s: broken on purpose" in shown
    assert "125.00 *** w0: hangs" in shown
    assert "*** w0: dies" not in shown
    assert json.loads(shown.splitlines()[-1])["violations"] == 1


def test_what_breaks_after_the_end_of_all_faults_is_shown_again_with_an_early_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("supervisor_healer.simulation.run.settles_within", lambda _: 1.0)
    stage(monkeypatch, case("die", "hang", seconds=40_000.0))
    monkeypatch.setattr("supervisor_healer.simulation.run.FINE", frozenset())  # nothing ever settles
    assert main(["simulate", "--seeds", "1", "--jobs", "1"]) == 1
    words = replay_of(capsys.readouterr().out)
    assert words[-5:] == ["--only", "none", "--until", "0.0", "-v"]
    assert main(words) == 1
    shown = capsys.readouterr().out
    assert "broke recovers (" in shown
    assert json.loads(shown.splitlines()[-1])["simulated_days"] == 0.0


def test_only_the_first_few_are_shrunk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("supervisor_healer.simulation.main.SHRUNK_AT_MOST", 1)
    stage(monkeypatch, case("hang", "sabotage", seed=0), case("hang", "sabotage", seed=1))
    assert main(["simulate", "--seeds", "2", "--jobs", "1"]) == 1
    told = capsys.readouterr().out
    assert re.findall("replay: (.*)", told) == [
        "supervisor-healer simulate --seeds 1 --first-seed 0 --only 0,1 -v",
        "supervisor-healer simulate --seeds 1 --first-seed 1 -v",
    ]


def test_a_seed_that_cannot_be_played_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage(monkeypatch, case("raise"))
    assert main(["simulate", "--seeds", "1", "--jobs", "1"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "supervisor-healer simulate: seed 0: KeyError: 'w9'\n"


def test_each_promise_has_the_words_of_the_readme() -> None:
    section = README.read_text().partition("## Promises")[2].partition("\n## ")[0]
    stated = {int(number): text for number, text in re.findall(r"^(\d+)\. (.*)$", section, re.MULTILINE)}
    assert failures.WORDS.keys() == stated.keys()
    assert {number for number, words in failures.WORDS.items() if not stated[number].startswith(words)} == set()
    assert set(PROMISES.values()) <= failures.WORDS.keys()


# --- bad usage -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--seeds", "0"], f"argument --seeds: '0' is not a {SEEDS}"),
        (["--seeds", "9" * 23], f"argument --seeds: '{'9' * 23}' is not a {SEEDS}"),
        (["--seeds", "many"], f"argument --seeds: 'many' is not a {SEEDS}"),
        (["--first-seed", "-1"], "argument --first-seed: '-1' is not a whole number from 0 on"),
        (["--jobs", "0"], "argument --jobs: '0' is not a whole number from 1 to 1000 (each is a process)"),
        (
            ["--seeds", "1", "--only", "3;7"],
            "argument --only: '3;7' is not a list of numbers of faults, as in 3,7, or none",
        ),
        (["--seeds", "1", "--only", "-1,2"], "argument --only: expected one argument"),
        (
            ["--seeds", "1", "--only", "2,-1"],
            "argument --only: '2,-1' is not a list of numbers of faults, as in 3,7, or none",
        ),
        (["--seeds", "1", "--only", "0,1"], "--only 1: seed 0 has 1 fault, numbered from 0"),
        (["--seeds", "1", "--until", "nan"], f"argument --until: 'nan' is not a {SECONDS}"),
        (["--seeds", "1", "--until", "1e300"], f"argument --until: '1e300' is not a {SECONDS}"),
        (["--only", "3"], "--only is for one seed: add --seeds 1 --first-seed S"),
        (["--until", "0"], "--until is for one seed: add --seeds 1 --first-seed S"),
        (["-v"], "-v is for one seed: add --seeds 1 --first-seed S"),
        (["--sedes", "3"], "unrecognized arguments: --sedes 3"),
    ],
)
def test_bad_usage_is_said_in_one_line(
    words: list[str], error: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage(monkeypatch, case("hang"))
    with pytest.raises(SystemExit) as ended:
        main(["simulate", *words])
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1] == f"supervisor-healer simulate: error: {error}"
    assert captured.out == ""


def test_what_is_told_of_an_architecture_is_a_rehearsal(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["nowhere.yaml"], ["--scenario", "incident.yaml", "nowhere.yaml"]):
        assert main(["simulate", *words]) == 2
        assert "nowhere.yaml: there is no such file" in capsys.readouterr().err


# --- its end -------------------------------------------------------------------------------------------------


def test_nobody_who_reads_on_is_no_error() -> None:
    """`| head -1`; the exit status is that of the promises."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as nobody:
        words = (*SIMULATE, "--seeds", "1", "--only", "none", "--until", "10", "-v")
        ended = subprocess.run(words, stdout=nobody, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    "words", [("version",), ("help",), ("simulate", "--seeds", "1", "--only", "none", "--until", "1")]
)
def test_a_full_disk_is_one_line_and_status_1(words: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        ended = subprocess.run([*SIMULATE[:-1], *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    said = f"supervisor-healer {words[0]}: cannot write: No space left on device\n"
    assert (ended.returncode, ended.stderr) == (1, said)


class Terminal:
    """A simulation whose error output is a terminal; what has appeared there so far."""

    def __init__(self) -> None:
        self._end, other = pty.openpty()
        os.set_blocking(self._end, False)
        self.shown = ""
        self.process = subprocess.Popen(
            [*SIMULATE, "--seeds", "100000", "--first-seed", "21", "--jobs", "2"],
            stdout=subprocess.PIPE,
            stderr=other,
            start_new_session=True,
        )
        os.close(other)

    def shows(self, text: str) -> bool:
        try:
            self.shown += os.read(self._end, 65536).decode()
        except BlockingIOError:
            pass
        except OSError:  # nobody has the other end any more
            return text in self.shown
        return text in self.shown

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        os.close(self._end)

    def printed(self) -> bytes:
        """What has come on its standard output when it is over."""
        assert self.process.stdout is not None
        return self.process.stdout.peek()


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.mark.parametrize("whole_group", [False, True], ids=["kill -INT", "Ctrl-C"])
def test_an_interrupt_ends_it_and_its_processes_with_status_130(terminal: Terminal, whole_group: bool) -> None:
    try:
        until(lambda: terminal.shows("of 100000 seeds"), "progress on the terminal")
        children = terminal.children()
        assert len(children) >= 2
        (os.killpg if whole_group else os.kill)(terminal.process.pid, signal.SIGINT)
        until(lambda: terminal.process.poll() is not None, "the end")
        assert terminal.process.returncode == 130
        until(lambda: terminal.shows("interrupted"), "the reason")
        assert "Traceback" not in terminal.shown
        assert terminal.printed() == b""
        until(lambda: not any(child.is_running() for child in children), "the end of the children")
    finally:
        terminal.close()


def test_its_processes_end_when_it_is_killed(terminal: Terminal) -> None:
    try:
        until(lambda: terminal.shows("of 100000 seeds"), "progress on the terminal")
        children = terminal.children()
        assert len(children) >= 2
        terminal.process.kill()
        until(lambda: not any(child.is_running() for child in children), "the end of the children")
    finally:
        terminal.close()
