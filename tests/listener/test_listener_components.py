"""Healers of a site's own: real ones are run, and every answer that makes no sense is told from one that does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import until

from supervisor_healer.core.model import ComponentSpec
from supervisor_healer.core.news import ComponentEntry, ComponentResult
from supervisor_healer.listener.components import command_of, parse
from supervisor_healer.listener.errands import Ended, Errands
from supervisor_healer.listener.mender import COMMAND

REPORT = {"version": 1, "failed": [{"subject": "gate ü"}]}


def answer(value: object, status: int | None = 0, stderr: str = "", why: str = "") -> ComponentResult:
    stdout = value if isinstance(value, bytes) else json.dumps(value).encode()
    return parse("site", Ended("site", status, stdout, stderr, why))


# --- answers that make sense ---------------------------------------------------------------------------------


def test_a_full_answer() -> None:
    value = {
        "healed": [{"subject": "gate", "message": "refetched", "critical": True, "action": "look"}, "done"],
        "failed": [{"subject": "x", "message": "no licence"}],
        "warnings": ["ä"],
        "restart": ["wa", {"worker": "wb", "reason": "its cache is gone"}, {"worker": "g:wc"}],
    }
    assert answer(value) == ComponentResult(
        "site",
        healed=(ComponentEntry("gate", "refetched", True, "look"), ComponentEntry("site", "done")),
        failed=(ComponentEntry("x", "no licence"),),
        warnings=(ComponentEntry("site", "ä"),),
        restarts=(("wa", ""), ("wb", "its cache is gone"), ("g:wc", "")),
    )


@pytest.mark.parametrize("said", [b"", b" \n", b"{}", b'\xef\xbb\xbf{"healed": []}\n'])
def test_nothing_to_say(said: bytes) -> None:
    assert answer(said) == ComponentResult("site")


def test_texts_are_made_fit_for_a_report() -> None:
    (entry,) = answer({"healed": [{"subject": "a\x1bb", "message": "x" * 501, "action": "y" * 500}]}).healed
    assert entry == ComponentEntry("a?b", "x" * 497 + "...", False, "y" * 500)
    assert len(answer({"healed": ["x"] * 200}).healed) == 200


# --- answers that make none ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b"nonsense", "its answer is not JSON: Expecting value"),
        (b"{}{}", "its answer is not JSON: Extra data"),
        (b"\xff\xff\xff", "its answer is not JSON: "),
        (b"[" * 100_000, "its answer is not JSON: "),
        ([], "its answer is not used: [] is no object"),
        (None, "its answer is not used: null is no object"),
        ({"heald": []}, 'unknown key "heald" (expected healed, failed, warnings or restart)'),
        ({"healed": {}}, "healed is {}, not a list"),
        ({"healed": "x"}, 'healed is "x", not a list'),
        ({"healed": ["fine"], "failed": [5]}, "failed[0] is 5, neither text nor an object"),
        ({"healed": [{"subject": "a"}]}, "healed[0] has no message"),
        ({"healed": [{"message": "a"}]}, "healed[0] has no subject"),
        ({"healed": ["a", " "]}, "healed[1] has no message"),
        ({"healed": [{"subject": "a", "message": 1}]}, "healed[0].message is 1, not text"),
        ({"healed": [{"subject": "a", "message": "b", "critical": 1}]}, "critical is 1, not true or false"),
        ({"healed": [{"subject": "a", "message": "b", "action": None}]}, "action is null, not text"),
        ({"healed": [{"subject": "a", "message": "b", "more": 1}]}, 'healed[0] has an unknown key "more"'),
        ({"warnings": ["x"] * 201}, "warnings has 201 entries (at most 200)"),
        ({"restart": "wa"}, 'restart is "wa", not a list'),
        ({"restart": [{"reason": "x"}]}, "restart[0] has no worker"),
        ({"restart": [["wa"]]}, 'restart[0] is ["wa"], neither text nor an object'),
        ({"restart": [{"worker": "wa", "reason": 5}]}, "restart[0].reason is 5, not text"),
        ({"restart": ["x" * 999, {"w" * 999: 1}]}, 'restart[1] has an unknown key "wwww'),
    ],
)
def test_an_answer_that_is_not_used(value: object, problem: str) -> None:
    result = answer(value)
    assert problem in result.problem
    assert result == ComponentResult("site", problem=result.problem)
    assert len(result.problem) <= 500
    assert "\n" not in result.problem


@pytest.mark.parametrize(
    ("status", "stderr", "why", "problem"),
    [
        (3, "first\nlast\n", "", "exit status 3: last"),
        (1, "", "", "exit status 1"),
        (-11, "oh", "", "ended by SIGSEGV: oh"),
        (-63, "", "", "ended by signal 63"),
        (2, "x" * 999, "", f"exit status 2: {'x' * 482}..."),
        (None, "working on it", "no answer within 30s: killed", "no answer within 30s: killed"),
        (None, "", "cannot be started: x: not found", "cannot be started: x: not found"),
    ],
)
def test_an_end_that_was_not_in_order(status: int | None, stderr: str, why: str, problem: str) -> None:
    assert answer({"healed": ["x"]}, status, stderr, why) == ComponentResult("site", problem=problem)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["healed", "failed", "warnings", "restart", "subject", "message", "worker", "reason", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_answer_is_an_error(value: Any) -> None:
    result = answer(value)
    assert not result.problem or result == ComponentResult("site", problem=result.problem)


# --- python functions ----------------------------------------------------------------------------------------

SITE = """
import os, subprocess, sys
def heal(report):
    print("a print")
    os.write(1, b"a write")
    subprocess.run(["echo", "a child"])
    assert sys.stdin.read() == ""
    return {"healed": [{"subject": report["failed"][0]["subject"], "message": "done"}], "restart": ["wa"]}
def nothing(report): pass
def text(report): return "x"
def odd(report): return {"healed": [object()]}
def nan(report): return {"healed": float("nan")}
def broken(report): raise RuntimeError("no\\nluck")
def silent(report): raise RuntimeError
def leaves(report): sys.exit(5)
def dies(report): os._exit(0)
async def later(report): return {}
value = 5
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "mysite").mkdir()
    (tmp_path / "mysite/__init__.py").touch()
    (tmp_path / "mysite/healing.py").write_text(SITE)
    (tmp_path / "mysite/bad.py").write_text("def heal(report: return {}")
    (tmp_path / "mysite/needs.py").write_text("import no_such_thing_here")
    return tmp_path


def run(site: Path, place: str, cwd: str = "") -> ComponentResult:
    """As the listener does it, in the folder `root`; the site's package lies in `site`."""
    errands = Errands()
    spec = ComponentSpec("site", python=place)
    errands.start(
        "site",
        command_of(spec),
        timeout=30,
        stdin=json.dumps(REPORT).encode(),
        cwd=cwd or str(site),
        env=os.environ | {"PYTHONPATH": f".:{site}::lib"},
    )
    end = ended(errands)
    errands.abandon_all(0.0)
    return parse("site", end)


def ended(errands: Errands) -> Ended:
    """The end of the one child."""
    news: list[Any] = []
    until(lambda: news.extend(errands.collect(time.monotonic())) or news, "it has ended", 60)
    (end,) = news
    assert isinstance(end, Ended)
    return end


def test_a_function(site: Path) -> None:
    assert run(site, "mysite.healing:heal") == ComponentResult(
        "site", healed=(ComponentEntry("gate ü", "done"),), restarts=(("wa", ""),)
    )
    assert run(site, "mysite.healing:dies") == ComponentResult("site")


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("no_such_site:heal", "no_such_site:heal: there is no module no_such_site"),
        ("mysite.gone:heal", "mysite.gone:heal: there is no module mysite.gone"),
        ("mysite.needs:heal", "mysite.needs:heal: mysite.needs cannot be imported: there is no module no_such_thing"),
        ("mysite.bad:heal", "mysite.bad:heal: mysite.bad cannot be imported: SyntaxError: "),
        ("mysite.healing:gone", "mysite.healing:gone: mysite.healing has no function gone"),
        ("mysite.healing:value", "mysite.healing has no function value"),
        ("mysite.healing:nothing", "it has returned None, not a dict, {} if there is nothing to tell"),
        ("mysite.healing:text", "it has returned a str, not a dict"),
        ("mysite.healing:later", "it has returned a coroutine, not a dict"),
        ("mysite.healing:odd", "its result cannot be put into JSON: Object of type object"),
        ("mysite.healing:nan", "its result cannot be put into JSON: "),
        ("mysite.healing:broken", "mysite.healing:broken: RuntimeError: no?luck ("),
        ("mysite.healing:silent", "mysite.healing:silent: RuntimeError ("),
        ("mysite.healing:leaves", "mysite.healing:leaves: SystemExit: 5 ("),
    ],
)
def test_a_function_that_fails(site: Path, place: str, problem: str) -> None:
    result = run(site, place)
    assert result.problem.startswith("exit status 1: ")
    assert problem in result.problem
    assert "/healing.py:" in result.problem or "RuntimeError" not in result.problem


PLANTED = """
import os, sys
if __file__.startswith(os.getcwd()):
    open("planted", "a").write(f"{__file__}\\n")
raise ImportError
"""
EVERYWHERE = ("traceback", "json", "runpy", "jsonschema", "yaml", "encodings", "sitecustomize", "usercustomize")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder in which somebody has left modules for whoever starts Python there."""
    data = tmp_path / "data"
    for name in (*EVERYWHERE, "supervisor_healer", "mysite"):
        (data / name).mkdir(parents=True)
        for file in (data / f"{name}.py", data / name / "__init__.py"):
            file.write_text(PLANTED)
    return data


def test_nothing_is_imported_from_the_folder_it_runs_in(site: Path, data: Path) -> None:
    assert run(site, "mysite.healing:heal", str(data)).problem == ""
    assert "there is no module elsewhere" in run(site, "elsewhere:heal", str(data)).problem
    assert not (data / "planted").exists()


def test_nor_by_the_repairing_child(site: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data)
    monkeypatch.setenv("PYTHONPATH", ".::")
    (data / "x.json").write_text("{}")
    schema = {"required": ["a"], "properties": {"a": {"default": 1}}}
    job = {
        "verb": "repair", "root": str(data), "path": "x.json", "format": "json", "schema": schema, "create": False,
        "repair_values": False, "keep": 1, "mode": None, "owner": "", "digest": "", "text": "", "copy_of": "",
        "mtime_ns": 0,
    }  # fmt: skip
    errands = Errands()
    errands.start("k", COMMAND, timeout=60, stdin=json.dumps(job).encode() + b"\n")
    end = ended(errands)
    errands.abandon_all(0.0)
    assert json.loads(end.stdout)["outcome"] == "done", end
    assert not (data / "planted").exists()


def test_its_working_folder_is_the_root_of_all_unless_said_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    errands = Errands()
    errands.start("k", ["pwd"], timeout=60)
    end = ended(errands)
    errands.abandon_all(5.0)
    assert end.stdout == b"/\n"


def test_a_command() -> None:
    assert command_of(ComponentSpec("site", command=("heal", "--now"))) == ["heal", "--now"]


def test_the_listener_loads_nothing_heavy_for_them() -> None:
    script = (
        "import sys\nbefore = set(sys.modules)\nfrom supervisor_healer.listener import components, lookout, results\n"
        "heavy = {'asyncio', 'jsonschema', 'yaml', 'psutil', 'xmlrpc.client', 'tempfile', 'importlib.resources'}\n"
        "assert not heavy & (set(sys.modules) - before), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
