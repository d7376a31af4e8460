"""Component healers under a real supervisord: what they tell, what comes of those that misbehave, and their wishes."""

from __future__ import annotations

import json
import os

import pytest
from pipeline import Site, Worker, chain, until

pytestmark = pytest.mark.real

PYTHON = """
import os
def heal(report):
    print("this is not the answer")
    return {"healed": [{"subject": "weights", "message": f"fetched in {os.getcwd()}"}],
            "failed": [{"subject": "gate", "message": "no licence", "critical": True, "action": "renew it"}]}
"""

# What a misbehaving one runs, and what the report says of it then.
MISFITS = {
    "dies": ("echo out of cheese >&2; exit 3", "exit status 3: out of cheese"),
    "shot": ("kill -9 $$", "ended by SIGKILL"),
    "babbles": ("echo all is well", "not JSON"),
    "odd": ("echo '{\"heeled\": []}'", 'unknown key "heeled"'),
    "floods": ("head -c 10000000 /dev/zero", "said more than 1 MB: killed"),
    "hangs": ("sleep 600 & echo $! > grandchild; wait", "no answer within 1s: killed"),
}

ASKS = 'mv answer.json "taken.$$" 2>/dev/null && cat "taken.$$" || echo {}'  # each answer once


def asks_restart(site: Site, *wanted: object) -> None:
    """Have the component healer `asks` want these restarts, once."""
    site.write("answer.json", json.dumps({"restart": wanted}))
    until(lambda: not (site.folder / "answer.json").exists(), "it has asked")


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_their_answers_join_the_report_and_what_goes_wrong_costs_a_warning() -> None:
    healers: dict[str, object] = {name: {"command": ["sh", "-c", code]} for name, (code, _) in MISFITS.items()}
    healers["hangs"] = {"command": ["sh", "-c", MISFITS["hangs"][0]], "timeout": "1s"}
    healers["absent"] = {"command": "bin/nowhere"}
    healers["module"] = {"python": "site_healing:heal"}
    healers["gone"] = {"python": "no_such_module:heal"}
    healers["deaf"] = {"command": ["sh", "-c", 'exec <&-; pwd > where; echo \'{"warnings": ["deaf, but fine"]}\'']}
    healers["reads"] = {"command": ["sh", "-c", "cat > .given && mv .given given"]}
    healers["sits"] = {"command": ["sh", "-c", "echo $$ > sits; sleep 600"], "timeout": "1h"}
    said = {name: said for name, (_, said) in MISFITS.items()}
    said |= {"absent": "cannot be started", "gone": "there is no module no_such_module", "deaf": "deaf, but fine"}
    site = Site(chain("wa", "wb"), architecture={"cycle": "1s", "component_healers": healers})
    (site.folder / "python").mkdir()
    (site.folder / "python/site_healing.py").write_text(PYTHON)
    site.write("site_healing.py", "def heal(report): open('planted', 'w')")
    path = os.pathsep.join([f"{site.folder}/python", *filter(None, [os.environ.get("PYTHONPATH")])])
    site.healer["environment"] = f'PYTHONPATH="{path}"'
    site.write_conf()
    with site:
        site.until_healthy()
        site.hang("wb")
        for name, text in said.items():
            site.until_said("warnings", name, text)
        by = {one["by"] for one in site.report()["warnings"] if one["kind"] == "component"}
        assert by == said.keys()
        site.until_said("healed", "weights", f"fetched in {os.path.realpath(site.folder)}")
        (gate,) = site.report()["failed"]
        assert (gate["by"], gate["critical"], gate["action"]) == ("module", True, "renew it")
        assert "no licence" in gate["message"]
        given = json.loads(site.read("given"))
        assert given.keys() == site.report().keys()
        assert given["stats"]["processes_checked"] == 2
        assert site.read("where").strip() == os.path.realpath(site.folder)
        assert not (site.folder / "planted").exists(), "nothing is imported from the folder of the pipeline"
        site.until_heal("wb")
        took = site.health("wb")["last_heal"]["at"] - (site.folder / "wb.jsonl").stat().st_mtime
        assert took < 2, "it was healed at its normal time"
        assert alive(int(site.read("sits"))), "and the healer has not waited for this one"
        until(lambda: not alive(int(site.read("grandchild") or "0")), "what the hanging one started was killed, too")
        printed = site.ctl("report").stdout
        assert "gate: no licence (by module)" in printed, printed
        assert "-> renew it" in printed, printed
        assert site.starts() == {"wa": 1, "wb": 2}


def test_they_run_after_each_cycle_and_heal_all_and_never_twice_at_once() -> None:
    healers = {
        "slow": {"command": ["sh", "-c", "echo b >> slow.runs; sleep 1.2; echo e >> slow.runs"]},
        "quick": {"command": ["sh", "-c", "echo x >> quick.runs"]},
    }
    with Site([Worker("wa")], architecture={"cycle": "1h", "component_healers": healers}) as site:
        runs = lambda: len(site.read("quick.runs").split())  # noqa: E731
        until(lambda: runs() == 1, "after the first round")
        site.until_checked()
        assert site.heal("all")["exit_status"] == 0
        until(lambda: runs() == 2, "after heal all")
        assert site.ctl("verify").returncode == 0
        site.architecture |= {"cycle": "1s"}
        site.write_architecture()
        site.hup()
        until(lambda: runs() >= 5, "after each cycle")
        assert site.heal("all")["exit_status"] == 0
        until(lambda: site.read("slow.runs").count("b") >= 3, "the slow one, too")
        pairs = "".join(site.read("slow.runs").split())
        assert "bb" not in pairs, pairs
        assert "slow is still busy" in site.read("healer.err")
        site.architecture |= {"mode": "observe"}
        site.write_architecture()
        site.hup()
        until(lambda: site.report()["mode"] == "observe", "another mode")
        until(lambda: "".join(site.read("slow.runs").split()).endswith("be"), "what ran has ended")
        before, at = runs(), site.report()["timestamp"]
        until(lambda: site.report()["timestamp"] > at + 1.5, "two reports more")
        assert runs() == before


def test_a_restart_that_one_asks_for_passes_the_same_gate_and_budget() -> None:
    workers = [
        Worker("outside", watched=False),
        Worker("fed", "outside.jsonl"),
        *(Worker(name) for name in ("free", "halted", "alone")),
        Worker("spent", entry={"restarts": {"max": 1, "within": "1h"}}),
        Worker("dumb", entry={"attempts": 1, "verify_within": "1s"}),
    ]
    healers = {"asks": {"command": ["sh", "-c", ASKS]}}
    with Site(workers, architecture={"cycle": "1s", "component_healers": healers}) as site:
        site.until_checked()
        site.set("dumb", "mute")
        site.set("outside", "mute")
        site.rpc.supervisor.stopProcess("halted")
        site.rpc.healer.unmonitor("alone", 0)
        asks_restart(site, {"worker": "free", "reason": "its cache is gone"}, "spent", "nobody")
        site.until_heal("free")
        (restart, _) = [text for _, text in site.history("free")]
        assert "asks wants it restarted: its cache is gone" in restart
        site.until_heal("spent")
        until(lambda: any("nobody: no such worker" in text for _, text in site.history("asks")), "it is told")
        site.until_state("fed", "blocked")
        site.until_state("halted", "stopped")
        site.until_state("alone", "unmonitored")
        site.until_state("dumb", "quarantined")
        before = site.starts()
        assert before == {**dict.fromkeys(before, 1), "free": 2, "spent": 2, "dumb": 2}
        asks_restart(site, "fed", "halted", "alone", "spent", "dumb")
        reasons = {
            "fed": "outside.jsonl",
            "halted": "it is stopped",
            "alone": "it is unmonitored",
            "spent": "1 of its 1 restarts in 1h",
            "dumb": "quarantined",
        }
        for name, reason in reasons.items():
            wanted = lambda name=name, reason=reason: any(  # noqa: E731
                event == "refused" and "asks wants it restarted" in text and reason in text
                for event, text in site.history(name)
            )
            until(wanted, f"{name} is not restarted, because of: {reason}")
        told = len(site.history())
        asks_restart(site, *reasons)
        at = site.report()["timestamp"]
        until(lambda: site.report()["timestamp"] > at + 1, "it has asked once more")
        assert len(site.history()) == told, "the same refusals are not told in each round"
        site.rpc.healer.monitor("alone")
        site.rpc.supervisor.startProcess("halted")
        site.clear("outside", "mute")
        site.clear("dumb", "mute")
        for name in ("fed", "halted", "alone"):
            site.until_state(name, "healthy")
        until(lambda: site.health("dumb")["outputs"][0]["freshness"] == "fresh", "it writes again")
        for name in reasons:
            site.until_judged_again(name, 2)
        assert site.starts() == {**before, "halted": 2}, "what was refused was not done later either"


def test_a_healer_that_is_killed_leaves_none_of_them_behind() -> None:
    code = 'sleep 600 & echo $$ $! > .pids; mv .pids "pids.$$"; wait'
    healers = {"sits": {"command": ["sh", "-c", code], "timeout": "1h"}}
    with Site([Worker("wa")], architecture={"cycle": "1s", "component_healers": healers}) as site:
        pids = lambda: [int(pid) for path in site.folder.glob("pids.*") for pid in path.read_text().split()]  # noqa: E731
        until(lambda: len(pids()) == 2, "it runs")
        first = pids()
        site.kill_healer()
        until(lambda: not any(map(alive, first)), "it and what it has started are gone")
        until(lambda: len(pids()) == 4, "the next healer runs it anew")
        site.rpc.supervisor.stopProcess("healer")
        until(lambda: not any(map(alive, pids())), "an orderly end leaves none either")
