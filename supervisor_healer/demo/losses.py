"""The third scene: a config loses a field, and a file from outside is deleted. No restart can help, and none is made.

The script plays the outside world here: who edits the config, who deletes the file, and the learner that writes it.
"""

from __future__ import annotations

import difflib
import json
import re
import stat
import time
from pathlib import Path
from typing import Any

from supervisor_healer.demo.files import read_json, write_json
from supervisor_healer.demo.prepare import weights
from supervisor_healer.demo.screen import YELLOW
from supervisor_healer.demo.witness import RESOLVER, Witness

POLICIES, WEIGHTS = "configs/signal_policies.json", "feature_store/signal_weights_gate.json"
PENDING, RESULTS = "feature_store/pending_signals.json", "feature_store/healing_results.json"
FIELD, DEFAULT = "long_ofi_requirement", 0.5
GATE = "conviction_gate"

IS_DONE = 10.0  # seconds; what a person asks for is done at once


def lost_field_and_file(witness: Witness) -> None:
    """Both are put right; what only the outside can bring is waited for, and named until it is there."""
    witness.screen.scene(
        "3. A config loses a field, and a file that comes from outside is deleted: no restart can help"
    )
    policies = witness.path(POLICIES)
    idle = witness.show("heal", "all")  # also a cycle: the next is 10 s away, so that both sides can be shown
    witness.check("`supervisorctl heal all` exits with 0: there is nothing to heal", lambda: idle == 0)
    broken, mode, used = break_both(witness)
    pid = witness.stage.pid_of(RESOLVER)

    status = witness.show("verify")
    witness.check("`supervisorctl verify` exits with 2: the config is critical", lambda: status == 2)
    witness.check(f"{RESOLVER} has noticed nothing, and acts by {FIELD} {used:g}", lambda: in_use(witness) == used)

    asked = witness.show("heal", "all")
    witness.check("`supervisorctl heal all` exits with 0", lambda: asked == 0)
    mended(witness, policies, broken, mode)
    witness.until(
        f"{RESOLVER} was told by SIGHUP: pid {pid} acts by {FIELD} {DEFAULT:g}",
        lambda: in_use(witness) == DEFAULT and pending(witness)["pid"] == pid,
        IS_DONE,
    )
    reported(witness)
    gate_waits(witness)


def break_both(witness: Witness) -> tuple[bytes, int, float]:
    """Delete the field and the file; the config's content and mode then, and the requirement in use."""
    policies, weights_file = witness.path(POLICIES), witness.path(WEIGHTS)
    used = in_use(witness)
    witness.screen.say(f"delete the line of {FIELD} from {POLICIES}, as a careless edit would", color=YELLOW)
    text = without_field(policies.read_text(encoding="utf-8"))
    policies.write_text(text, encoding="utf-8")
    witness.screen.say(f"delete {WEIGHTS}", color=YELLOW)
    weights_file.unlink()
    witness.check(
        "the field and the file are gone", lambda: FIELD not in json.loads(text) and not weights_file.exists()
    )
    return text.encode(), stat.S_IMODE(policies.stat().st_mode), used


def mended(witness: Witness, policies: Path, broken: bytes, mode: int) -> None:
    """The config as it was but for the field, its backup, and the new file."""
    after = policies.read_bytes()
    backup = max(policies.parent.glob(f"{policies.name}.*.bak"), default=policies)
    witness.screen.say(f"what changed between its backup and {POLICIES}:")
    sides = (broken.decode().splitlines(), after.decode().splitlines())
    witness.screen.lines(difflib.unified_diff(*sides, backup.name, policies.name, lineterm="", n=9))
    witness.check(f"{FIELD} is back, with the default {DEFAULT:g}", lambda: json.loads(after).get(FIELD) == DEFAULT)
    witness.check(
        "but for it and its comma the file is the same, byte for byte",
        lambda: FIELD.encode() in inserted(broken, after),
    )
    witness.check("the backup is the broken file, byte for byte", lambda: backup.read_bytes() == broken)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (policies, backup)}
    witness.check(f"both have the mode that it had, {mode:04o}", lambda: modes == {mode})
    witness.check(
        f"{WEIGHTS} is there again, as `create:` says", lambda: read_json(witness.path(WEIGHTS)) == weights(0)
    )


def reported(witness: Witness) -> None:
    """What people and programs are told of it."""
    witness.show("report")
    healed = {entry["subject"] for entry in report(witness)["healed"]}
    witness.check("the report says that both were healed", lambda: healed >= {POLICIES, WEIGHTS})
    witness.until(
        f"{RESULTS} says configs_fixed 1, files_repaired 1",
        lambda: counted(witness, "configs_fixed", "files_repaired") == [1, 1],
        IS_DONE,
    )


def gate_waits(witness: Witness) -> None:
    """A file that only the healer wrote is no progress: its reader waits until the outside has written it."""
    status = witness.show("verify")
    witness.check("`supervisorctl verify` exits with 1", lambda: status == 1)
    witness.check(
        f"{GATE} is blocked by {WEIGHTS}: that the healer made it is no progress",
        lambda: gate(witness)["blocked_by"] == [WEIGHTS],
    )
    witness.show("graph", GATE)

    witness.screen.say(f"signal_weight_learner, outside of supervisord, writes {WEIGHTS}", color=YELLOW)
    write_json(witness.path(WEIGHTS), weights(time.time()))
    status = witness.show("verify")
    witness.check("`supervisorctl verify` exits with 0", lambda: status == 0)
    witness.check(f"{GATE} is healthy", lambda: gate(witness)["state"] == "healthy")


def without_field(text: str) -> str:
    """The config's text without the line of the field."""
    return re.sub(rf'(?m)^ *"{FIELD}".*\n', "", text)


def inserted(before: bytes, after: bytes) -> bytes:
    """What has to be put into `before`, in one place, to get `after`; nothing if that is not all."""
    size = len(after) - len(before)
    for at in range(len(before) + 1):
        if size > 0 and after[:at] + after[at + size :] == before:
            return after[at : at + size]
    return b""


def in_use(witness: Witness) -> float:
    """The requirement that the newest pending signals were resolved by."""
    return float(pending(witness)["policies"][FIELD])


def pending(witness: Witness) -> dict[str, Any]:
    """What signal_resolver wrote last."""
    content = read_json(witness.path(PENDING))
    assert content is not None, f"{PENDING} is replaced atomically"
    return content


def report(witness: Witness) -> dict[str, Any]:
    """The latest report that the healer has published."""
    latest: dict[str, Any] = witness.stage.call("healer.getReport")
    return latest


def counted(witness: Witness, *names: str) -> list[object]:
    """These numbers in the results file; None where there is none."""
    stats = (read_json(witness.path(RESULTS)) or {}).get("stats", {})
    return [stats.get(name) for name in names]


def gate(witness: Witness) -> dict[str, Any]:
    """What the healer has published of the consumer."""
    consumer: dict[str, Any] = witness.stage.call("healer.getConsumerHealth", GATE)
    return consumer
