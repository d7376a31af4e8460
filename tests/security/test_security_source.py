"""What no line of the package may do: looked for in its syntax, so that a comment or a text is no finding."""

from __future__ import annotations

import ast
import json
import os
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor_healer.fixers.target import READING

PROJECT = Path(__file__).parents[2]
MODULES = sorted((PROJECT / "supervisor_healer").rglob("*.py"))

CALLS = {
    "eval": "runs text as code",
    "exec": "runs text as code",
    "compile": "makes code of text",
    "__import__": "imports what a text names",
    "os.system": "a shell",
    "os.popen": "a shell",
    "subprocess.getoutput": "a shell",
    "subprocess.getstatusoutput": "a shell",
    "asyncio.create_subprocess_shell": "a shell",
    "tempfile.mktemp": "a name that somebody else can take first",
    "os.chmod": "follows a link that has come in: fchmod of what is open",
    "os.chown": "follows a link that has come in: fchown of what is open",
    "shutil.rmtree": "removes what it finds",
    "yaml.load": "makes any object: the parser's events, or safe_load",
    "yaml.unsafe_load": "makes any object",
    "yaml.full_load": "makes more than data",
    "os.umask": "concerns all threads",
}
MODULES_NOT_USED = {
    "pickle": "runs what it reads", "shelve": "is pickle", "dill": "is pickle", "marshal": "crashes on bad input",
    "telnetlib": "in clear", "ftplib": "in clear", "crypt": "weak", "code": "runs text", "pty": "a terminal",
}  # fmt: skip
ALLOWED = {
    ("fixers/folder.py", "os.umask"): "it can only be read by being set; the fixers' children have one thread",
    ("demo/prepare.py", "shutil.rmtree"): "the demonstration's own folder",
}
# A shell as a program: its script is a constant, what it is to run comes as arguments of their own (`"$@"`).
SHELLS = {"listener/errands.py", "listener/guard.py"}


def name_of(node: ast.expr) -> str:
    """``os.path.join`` of a call's function, '' for anything but names."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = name_of(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def place(path: Path) -> str:
    return path.relative_to(PROJECT / "supervisor_healer").as_posix()


def findings(tree: ast.AST, where: str) -> Iterator[str]:
    for node in ast.walk(tree):
        line = f"{where}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Call):
            name = name_of(node.func)
            if name in CALLS and (where, name) not in ALLOWED:
                yield f"{line}: {name}: {CALLS[name]}"
            if any(word.arg == "shell" for word in node.keywords):
                yield f"{line}: shell=: commands are argument lists"
            in_folder = name == "os.open" and any(word.arg == "dir_fd" for word in node.keywords)
            if in_folder and not {"O_NOFOLLOW", "O_EXCL"} & words_of(node, tree):
                yield f"{line}: {name} in an open folder follows a link"
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            if name.partition(".")[0] in MODULES_NOT_USED:
                yield f"{line}: {name}: {MODULES_NOT_USED[name.partition('.')[0]]}"
        if isinstance(node, ast.Constant) and node.value in ("/bin/sh", "sh", "/bin/bash") and where not in SHELLS:
            yield f"{line}: a shell"
        if isinstance(node, ast.Assert) and not narrows(node.test):
            yield f"{line}: an assertion that does more than tell mypy what is known: `python -O` leaves it out"


def words_of(node: ast.AST, tree: ast.AST) -> set[str]:
    """All names in `node`, and in what its variables are set to; READING is set in another module, and has them."""
    named = {ast.unparse(one.targets[0]): one.value for one in ast.walk(tree) if isinstance(one, ast.Assign)}
    nodes = [*ast.walk(node)]
    nodes += [
        inner for one in nodes if isinstance(one, ast.Name) and one.id in named for inner in ast.walk(named[one.id])
    ]
    words = {
        one.attr if isinstance(one, ast.Attribute) else one.id
        for one in nodes
        if isinstance(one, ast.Attribute | ast.Name)
    }
    return words | {"O_NOFOLLOW"} if "READING" in words and READING & os.O_NOFOLLOW else words


def narrows(test: ast.expr) -> bool:
    """``x is not None`` or ``isinstance(x, T)``."""
    if isinstance(test, ast.Compare):
        return isinstance(test.ops[0], ast.IsNot) and ast.unparse(test.comparators[0]) == "None"
    return isinstance(test, ast.Call) and name_of(test.func) == "isinstance"


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_no_module_does_what_none_may(path: Path) -> None:
    assert list(findings(ast.parse(path.read_text("utf-8")), place(path))) == []


@pytest.mark.parametrize(
    "text",
    [
        "eval(text)", "import os\nos.system('ls')", "from pickle import loads", "import pickle",
        "subprocess.run('ls', shell=False)", "yaml.load(text, Loader=yaml.Loader)", "tempfile.mktemp()",
        "assert user == 'root'", "subprocess.run(['/bin/sh', '-c', text])", "os.open(name, os.O_RDONLY, dir_fd=folder)",
        "os.chmod(path, 0o600)",
    ],
)  # fmt: skip
def test_it_would_be_found(text: str) -> None:
    assert list(findings(ast.parse(text), "listener/new.py"))


def test_every_exception_is_still_needed() -> None:
    for where, name in ALLOWED:
        tree = ast.parse((PROJECT / "supervisor_healer" / where).read_text("utf-8"))
        assert name in {name_of(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}, where
    for where in SHELLS:
        assert "/bin/sh" in (PROJECT / "supervisor_healer" / where).read_text("utf-8")


def test_the_scripts_of_the_shells_are_constants() -> None:
    """Nothing is ever put into them."""
    for where in SHELLS:
        for node in ast.walk(ast.parse((PROJECT / "supervisor_healer" / where).read_text("utf-8"))):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("_LAUNCH", "_SCRIPT"):
                assert isinstance(node.value, ast.Constant)
            if isinstance(node, ast.List) and node.elts and ast.unparse(node.elts[0]) == "_SHELL":
                option, script = map(ast.unparse, node.elts[1:3])
                assert (option, script in ("_LAUNCH", "_SCRIPT")) == ("'-c'", True)


# --- what `make lint` says of known weaknesses --------------------------------------------------------------------


def package(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "version": "1.0", **more}


@pytest.mark.parametrize(
    ("dependencies", "errors", "status", "said"),
    [
        ([package("a", vulns=[])], "", 0, "nothing is known against 1 of 1"),
        ([package("a", vulns=[]), package("b", skip_reason="?")], "", 0, "nothing is known against 1 of 2"),
        ([package("a", vulns=[{"id": "CVE-1", "fix_versions": ["1.1"]}])], "", 1, "a 1.0: CVE-1, mended in 1.1"),
        ([package("a", vulns=[{"id": "CVE-1", "fix_versions": []}])], "", 1, "a 1.0: CVE-1, mended in -"),
        ([package("a", skip_reason="not found")], "", 0, "not done"),
        (None, "x\nERROR: Could not connect to the service", 0, "not done, its service cannot be reached: ERROR"),
        (None, "Traceback\nKeyError: 1", 1, "it did not work: KeyError: 1"),
        (None, "", 1, "it did not work"),
    ],
)
def test_the_audit_fails_on_what_it_finds_and_says_where_it_could_not_ask(
    dependencies: list[Any] | None, errors: str, status: int, said: str
) -> None:
    verdict = runpy.run_path(str(PROJECT / ".ci/audit.py"))["verdict"]
    output = "" if dependencies is None else json.dumps({"dependencies": dependencies})
    found, (line,) = verdict(output, errors)
    assert found == status
    assert said in line


def test_what_keeps_a_promise_is_there() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", (PROJECT / "SECURITY.md").read_text("utf-8")))
    assert len(named) > 5
    assert [name for name in named if not (PROJECT / name).is_file()] == []
