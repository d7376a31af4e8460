"""A real supervisord, which is root, with a healer that is not: set up by the lines that the README gives."""

from __future__ import annotations

import configparser
import os
import pwd
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pipeline import Site, Worker, chain, until

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a listener as another user"),
]

PROJECT = Path(__file__).parents[2]
SCHEMA = {"type": "object", "required": ["limit"], "properties": {"limit": {"type": "number", "default": 0.5}}}
ARCHITECTURE: dict[str, Any] = {
    "cycle": "1s",
    "results": "own/results.json",
    "state": "own/healer.sqlite3",
    "configs": {"policies.json": {"schema": SCHEMA}},
    "files": {"made/hints.txt": {"max_age": "1h", "create": {"content": "none yet", "mode": "0604"}}},
}
# What runs as nobody while the rest of the suite runs as root: a hang, a freeze, a healer that is killed.
REPRESENTATIVE = (
    "test_integration_stalled.py::test_a_hanging_worker_is_restarted_once_and_proven_by_new_output",
    "test_integration_stalled.py::test_a_frozen_worker_goes_without_its_stopwaitsecs",
    "test_integration_killed.py::test_killed_between_stop_and_start",
)


def lines_of_the_readme() -> tuple[configparser.RawConfigParser, configparser.RawConfigParser]:
    """Its two ways, each a configuration."""
    section = (PROJECT / "README.md").read_text().partition("## As an unprivileged user\n")[2].partition("\n## ")[0]
    found = []
    for block in re.findall(r"```ini\n(.*?)```", section, re.DOTALL):
        found.append(configparser.RawConfigParser())
        found[-1].read_string(block)
    unix, inet = found
    return unix, inet


def for_nobody(options: dict[str, str]) -> dict[str, str]:
    """The README's user as one that every host has."""
    group = str(pwd.getpwnam("nobody").pw_gid)
    known = {"healer": "nobody", "root:healer": f"root:{group}"}
    return {key: known.get(value, value) for key, value in options.items()}


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def unix_site(**more: Any) -> Site:
    conf, _ = lines_of_the_readme()
    options = for_nobody(dict(conf["unix_http_server"]))
    access = "".join(f"{key}={value}\n" for key, value in options.items() if key != "file")
    return Site(socket=access, **for_nobody(dict(conf["eventlistener:healer"])), **more)


def inet_site(**more: Any) -> Site:
    """The unix socket stays closed to it."""
    _, conf = lines_of_the_readme()
    port = free_port()
    server, listener = dict(conf["inet_http_server"]), dict(conf["eventlistener:healer"])
    user = for_nobody({"user": listener.pop("user")})["user"]
    assert server["port"] in listener["serverurl"]
    listener["serverurl"] = f"http://127.0.0.1:{port}"
    own = f"[inet_http_server]\nport=127.0.0.1:{port}\nusername={server['username']}\npassword={server['password']}\n"
    return Site(socket="chmod=0700\n", user=user, healer=listener, conf=own, **more)


@pytest.mark.parametrize("make", [unix_site, inet_site])
def test_it_heals_repairs_and_records(make: Any) -> None:
    workers = [
        *chain("wa"),
        Worker("wb", "wa.jsonl", entry={"inputs": ["wa.jsonl", "policies.json", "made/hints.txt"]}),
    ]
    site: Site = make(workers=workers, architecture=ARCHITECTURE)
    site.write("policies.json", '{"limit": 1}')
    for folder in ("own", "made"):
        (site.folder / folder).mkdir()
        os.chown(site.folder / folder, pwd.getpwnam("nobody").pw_uid, -1)
    os.chmod(site.folder / "policies.json", 0o644)
    with site:
        until(lambda: site.read("made/hints.txt") == "none yet", "the file is made")
        assert Path(f"/proc/{site.pid('healer')}").owner() == "nobody"
        (site.folder / "made/hints.txt").write_text("some")
        site.until_healthy()
        site.freeze("wb")
        site.until_heal("wb")
        assert site.starts() == {"wa": 1, "wb": 2}
        site.write("policies.json", "{}")
        until(lambda: '"limit": 0.5' in site.read("policies.json"), "the config is repaired")
        until(lambda: '"Repaired policies.json' in site.read("own/results.json"), "the results say so")
        modes = {}
        for path in (*site.folder.glob("own/*"), *site.folder.glob("policies.json*"), site.folder / "made/hints.txt"):
            if path.is_file():
                assert path.owner() == "nobody", path
                modes[path.name] = stat.S_IMODE(path.stat().st_mode)
        assert modes.pop("policies.json") == 0o644
        assert modes.pop("hints.txt") == 0o604
        assert {"healer.sqlite3", "healer.sqlite3-wal", "results.json"} <= modes.keys()
        assert len([name for name in modes if name.endswith(".bak")]) == 1
        assert set(modes.values()) == {0o640}


def test_what_it_has_no_right_to_is_reported_and_the_rest_goes_on() -> None:
    """No folder for its journal and results, configs of root's, one of which it may not even read."""
    configs = {name: {"schema": SCHEMA} for name in ("readable.json", "private.json")}
    workers = [Worker("wa", entry={"inputs": list(configs)})]
    site = unix_site(workers=workers, architecture={**ARCHITECTURE, "configs": configs})
    (site.folder / "own").mkdir(0o755)  # of root's
    (site.folder / "made").mkdir(0o755)
    for name, text, mode in (("readable.json", "{}", 0o644), ("private.json", '{"limit": 1}', 0o600)):
        (site.folder / name).write_text(text)
        (site.folder / name).chmod(mode)
    with site:
        site.until_healer()
        site.until_said("failed", "readable.json", "it could not belong to user root")
        site.until_said("failed", "private.json", "Permission denied")
        site.until_said("failed", "made/hints.txt", "Permission denied")
        until(lambda: "cannot write the journal" in site.ctl("health").stdout, "people are told of the journal")
        until(lambda: "results.json cannot be written" in site.read("healer.err"), "and of the results")
        assert site.read("readable.json") == "{}"
        assert site.listener()["state"] == "running"
        site.freeze("wa")
        site.until_state("wa", "blocked")
        site.ask("wa", force=True)
        until(lambda: site.starts() == {"wa": 2}, "what concerns a process goes through supervisord, which may")


def test_a_part_of_the_integration_suite_that_way() -> None:
    """All of it: HEALER_TEST_USER=nobody pytest tests/integration."""
    tests = [str(PROJECT / "tests/integration" / name) for name in REPRESENTATIVE]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
    environment = {**os.environ, "HEALER_TEST_USER": "nobody"}
    found = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=110
    )
    assert f"{len(tests)} passed" in found.stdout, found.stdout[-5000:]
