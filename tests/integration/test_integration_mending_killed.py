"""The healer or its repairing child is killed at each step of a repair: a whole file, one backup, and all are told."""

from __future__ import annotations

import json
import os
import sys

import pytest
from pipeline import Site, Worker, until

pytestmark = pytest.mark.real

NUMBER = {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5}
SCHEMA = {"type": "object", "required": ["low", "high"], "properties": {"low": NUMBER, "high": NUMBER}}
BROKEN = '{"note": 1, "high": 0.75}\n'

# The listener, but for the command of its repairing child, which is FIXER.
LISTENER = """
import sys
from supervisor_healer.listener import main, mender
assert mender.COMMAND[-1] == "supervisor_healer.fixers"
mender.COMMAND = (sys.executable, sys.argv[2])
sys.exit(main.run(sys.argv[1]))
"""

# The repairing child, but for its calls on the disk and its answers. When the file `fuse` says "VICTIM CALL MOMENT",
# the first such call of a repair kills the listener or the child, before or after the call. The fuse is taken out
# first. Where there is a FIFO `hold`, a repair waits before its rename until somebody has opened it for writing.
FIXER = """
import os, signal, sys
from pathlib import Path
from supervisor_healer.fixers import __main__ as fixers, folder

here = Path(__file__).parent
verb = ""

def blow(call, moment):
    fuse = here / "fuse"
    if verb != "repair" or not fuse.exists():
        return
    victim, *rest = fuse.read_text().split()
    if rest != [call, moment]:
        return
    fuse.rename(here / "blown")
    os.kill(os.getppid() if victim == "listener" else os.getpid(), signal.SIGKILL)
    signal.pause()

def patch(owner, name):
    real = getattr(owner, name)
    def patched(*arguments, **more):
        if name == "replace" and (here / "hold").exists():
            (here / "held").touch()
            (here / "hold").read_bytes()
        blow(name, "before")
        result = real(*arguments, **more)
        blow(name, "after")
        return result
    setattr(owner, name, patched)

for name in ("write", "put", "replace", "sync"):
    patch(folder.Folder, name)
for name, real in list(fixers.VERBS.items()):
    def done(job, name=name, real=real):
        global verb
        verb = name
        answer = real(job)
        blow("answer", "before")
        return answer
    fixers.VERBS[name] = done
sys.exit(fixers.main())
"""


def site_with(*workers: Worker, cycle: str = "1s", names: tuple[str, ...] = ("c.json",), **config: object) -> Site:
    configs = {name: {"schema": SCHEMA, **config} for name in names}
    command = f"{sys.executable} %(here)s/listener.py %(here)s/architecture.yaml %(here)s/fixer.py"
    site = Site(
        workers or [Worker("wa")],
        architecture={"cycle": cycle, "configs": configs},
        healer={"command": command, "startsecs": 0},
    )
    site.write("listener.py", LISTENER)
    site.write("fixer.py", FIXER)
    for name in names:
        site.write(name, '{"note": 0, "low": 0.25, "high": 0.75}\n')
    return site


def backups(site: Site, name: str = "c.json") -> list[str]:
    return sorted(path.read_text() for path in site.folder.glob(f"{name}.*.bak"))


def is_repaired(site: Site, name: str = "c.json") -> bool:
    """Whether it is; what stands there is the old file or the new one, whole, whenever one looks."""
    found = site.read(name)
    assert found == BROKEN or json.loads(found) == {"note": 1, "high": 0.75, "low": 0.5}, found
    return found != BROKEN


# The steps of a repair on the disk: the backup is written and named, the new file written and put in place.
STEPS = ["write before", "put before", "put after", "replace before", "replace after", "answer before"]


@pytest.mark.parametrize("victim", ["listener", "fixer"])
def test_killed_at_each_step(victim: str) -> None:
    """One config a step."""
    names = tuple(f"c{number}.json" for number in range(len(STEPS)))
    site = site_with(Worker("s"), names=names, reload={"signal": "HUP", "workers": ["s"]})
    with site:
        site.until_checked()
        site.until_up("s")
        first = site.pid("healer")
        for number, (name, step) in enumerate(zip(names, STEPS, strict=True)):
            pid = site.pid("healer")
            site.write("fuse", f"{victim} {step}")
            site.write(name, BROKEN)
            until((site.folder / "blown").exists, f"killed {step}")
            until(lambda name=name: is_repaired(site, name), f"repaired, though killed {step}")  # type: ignore[misc]
            (site.folder / "blown").unlink()
            if victim == "listener":
                site.until_healer(other_than=pid)
            until(lambda name=name: site.events(name)[-1:] == ["repaired"], f"told after {step}")  # type: ignore[misc]
            assert site.events(name).count("repaired") == 1, step
            until(lambda number=number: len(site.noticed("s")) > number, f"signalled, though killed {step}")  # type: ignore[misc]
            assert len(site.noticed("s")) == number + 1, "once"
            assert backups(site, name) == [BROKEN], step
        assert site.heal("all")["exit_status"] == 0
        assert len(site.noticed("s")) == len(STEPS)
        assert [backups(site, name) for name in names] == [[BROKEN]] * len(STEPS)
        left = [path.name for path in site.folder.iterdir() if ".healer-" in path.name]
        assert not left or victim == "listener", (
            left
        )  # a child whose parent is gone may be nobody's to reap for a while
        assert site.starts("s") == {"s": 1}
        assert (site.pid("healer") == first) is (victim == "fixer")


def test_a_config_that_is_made_when_the_child_is_killed() -> None:
    site = site_with(create=True)
    (site.folder / "c.json").unlink()
    site.write("fuse", "fixer put before")
    with site:
        until((site.folder / "blown").exists, "killed")
        until((site.folder / "c.json").exists, "it is made with the next cycle")
        until(lambda: site.events("c.json")[-1:] == ["repaired"], "it is told")
        assert json.loads(site.read("c.json")) == {"low": 0.5, "high": 0.5}


def test_the_architecture_changes_while_a_config_is_being_repaired() -> None:
    site = site_with(cycle="1h", names=("c.json", "d.json"))
    with site:
        site.until_checked()
        os.mkfifo(site.folder / "hold")
        for name in ("c.json", "d.json"):
            site.write(name, BROKEN)
        request = site.ask("all")
        until((site.folder / "held").exists, "it is being repaired")
        stricter = {**SCHEMA, "required": ["low", "high", "more"]}
        stricter["properties"] = {**SCHEMA["properties"], "more": NUMBER}  # type: ignore[dict-item]
        site.architecture["configs"] = {"d.json": {"schema": stricter}}
        site.write_architecture()
        site.hup()
        until(lambda: "reloaded" in site.read("healer.err"), "another architecture")
        (site.folder / "hold").write_bytes(b"")
        (site.folder / "hold").unlink()
        answer = site.answer(request)
        assert answer["exit_status"] in (0, 75), (answer["reason"], answer["steps"])
        assert site.heal("all")["exit_status"] == 0
        assert json.loads(site.read("d.json")) == {"note": 1, "high": 0.75, "low": 0.5, "more": 0.5}
        assert is_repaired(site), "what was begun is done"
        site.write("c.json", BROKEN)
        assert site.heal("all")["exit_status"] == 0
        assert site.read("c.json") == BROKEN, "it is nobody's business any more"
        site.architecture["configs"]["c.json"] = {"schema": SCHEMA}
        site.write_architecture()
        site.hup()
        until(lambda: is_repaired(site), "and now it is again")
        assert site.heal("all")["exit_status"] == 0
        assert site.report()["failed"] == []
