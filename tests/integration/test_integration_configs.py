"""Configs under a real supervisord: found broken, repaired after a backup, and noticed by those who read them."""

from __future__ import annotations

import json
import os

import pytest
from pipeline import Site, Worker, chain, until

pytestmark = pytest.mark.real

NUMBER = {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5}
SCHEMA = {"type": "object", "required": ["low", "high"], "properties": {"low": NUMBER, "high": NUMBER}}
WHOLE = '{\n    "note": "kept",\n    "low": 0.25,\n    "high": 0.75\n}\n'
BROKEN = '{\n    "note": "kept",\n    "high": 0.75\n}\n'


def site_with(*workers: Worker, cycle: str = "1s", text: str | None = WHOLE, **config: object) -> Site:
    entry = {"schema": SCHEMA, "critical": True, **config}
    site = Site(workers or chain("wa", "wb"), architecture={"cycle": cycle, "configs": {"policies.json": entry}})
    if text is not None:
        site.write("policies.json", text)
    return site


def backups(site: Site) -> list[str]:
    return sorted(path.name for path in site.folder.glob("policies.json.*.bak"))


def report(site: Site) -> dict[str, object]:
    found: dict[str, object] = site.rpc.healer.getReport()
    return found


def until_checked(site: Site) -> None:
    """Wait until every worker is healthy and the first round is over."""
    site.until_healthy()
    until(lambda: report(site), "there is a report")


def test_a_missing_field_is_added_after_a_backup_and_nothing_else_changes() -> None:
    with site_with() as site:
        until_checked(site)
        os.chmod(site.folder / "policies.json", 0o640)
        (site.folder / "policies.json").write_text(BROKEN)
        until(lambda: json.loads(site.read("policies.json")).get("low") == 0.5, "the field is back")
        repaired = site.read("policies.json")
        assert repaired.replace('"low": 0.5', "").split() != BROKEN.split()
        assert '"note": "kept"' in repaired
        assert json.loads(repaired) == {"note": "kept", "high": 0.75, "low": 0.5}
        assert (site.folder / "policies.json").stat().st_mode & 0o777 == 0o640
        (backup,) = backups(site)
        assert site.read(backup) == BROKEN
        until(lambda: site.events("policies.json") == ["repaired"], "it is in the history")
        ((_, text),) = site.history("policies.json")
        assert "low" in text
        assert backup in text
        until(lambda: report(site)["stats"]["configs_fixed"] == 1, "the report counts it")  # type: ignore[index]
        assert [entry["subject"] for entry in report(site)["healed"]] == ["policies.json"]  # type: ignore[attr-defined]


def test_heal_all_repairs_at_once_and_says_so() -> None:
    with site_with(cycle="1h") as site:
        until_checked(site)
        (site.folder / "policies.json").write_text(BROKEN)
        done = site.ctl("heal", "all")
        assert done.returncode == 0, done.stdout
        assert "policies.json" in done.stdout
        assert "low" in done.stdout
        assert json.loads(site.read("policies.json"))["low"] == 0.5
        again = site.ctl("heal", "all")
        assert again.returncode == 0, again.stdout
        assert "nothing to heal" in again.stdout, again.stdout
        assert len(backups(site)) == 1


def test_a_dry_run_and_mode_observe_leave_it_as_it_is() -> None:
    with site_with(cycle="1h") as site:
        until_checked(site)
        (site.folder / "policies.json").write_text(BROKEN)
        assert site.heal("all", dry_run=True)["exit_status"] == 0
        assert site.read("policies.json") == BROKEN
        site.architecture |= {"mode": "observe", "cycle": "1s"}
        site.write_architecture()
        site.hup()
        until(
            lambda: any("observe" in one["message"] for one in report(site)["warnings"]),  # type: ignore[attr-defined]
            "the report says what would be done",
        )
        assert site.read("policies.json") == BROKEN
        assert not backups(site)


def test_a_missing_config_is_made_from_the_defaults() -> None:
    with site_with(text=None, create=True, mode="0600") as site:
        until((site.folder / "policies.json").exists, "it is made")
        assert json.loads(site.read("policies.json")) == {"low": 0.5, "high": 0.5}
        assert (site.folder / "policies.json").stat().st_mode & 0o777 == 0o600
        assert not backups(site)


def test_a_config_that_cannot_be_parsed_is_never_touched() -> None:
    with site_with(text="{broken") as site:
        until(lambda: report(site).get("failed"), "the report has it")
        (entry,) = report(site)["failed"]  # type: ignore[misc]
        assert entry["subject"] == "policies.json"
        assert entry["critical"]
        assert "line 1, column 2" in entry["message"]
        assert str(site.folder / "policies.json") in entry["action"]
        done = site.ctl("heal", "all")
        assert done.returncode == 1, done.stdout
        assert "line 1, column 2" in done.stdout, done.stdout
        assert site.read("policies.json") == "{broken"
        assert not backups(site)
        assert site.ctl("verify").returncode == 2


def test_a_restart_waits_for_a_config_that_only_a_person_can_repair() -> None:
    workers = [Worker("wa"), Worker("wb", "wa.jsonl", entry={"inputs": ["wa.jsonl", "policies.json"]})]
    with site_with(*workers) as site:
        until_checked(site)
        (site.folder / "policies.json").write_text("{broken")
        site.hang("wb")
        site.until_state("wb", "blocked")
        assert site.health("wb")["blocked_by"] == ["policies.json"]
        assert "line 1" in site.health("wb")["reason"]
        site.until_judged_again("wb")
        assert site.heal("wb")["exit_status"] == 75
        assert site.starts("wb") == {"wb": 1}
        (site.folder / "policies.json").write_text(WHOLE)
        site.until_heal("wb")
        assert site.starts("wb") == {"wb": 2}


def test_a_restart_waits_for_the_repair_in_the_same_cycle() -> None:
    workers = [Worker("wa"), Worker("wb", "wa.jsonl", entry={"inputs": ["wa.jsonl", "policies.json"]})]
    with site_with(*workers, cycle="1h") as site:
        until_checked(site)
        (site.folder / "policies.json").write_text(BROKEN)
        site.hang("wb")
        site.until_state("wb", "blocked")
        healed = site.heal("all")
        assert healed["exit_status"] == 0, healed
        texts = [text for _, text in site.history()]
        repaired = next(at for at, text in enumerate(texts) if "low" in text)
        restarted = next(at for at, text in enumerate(texts) if text.startswith("restart"))
        assert repaired < restarted


def test_who_must_notice_gets_a_signal_or_a_restart() -> None:
    workers = [Worker("wa"), Worker("s")]
    reload = {"signal": "HUP", "workers": ["s"]}
    site = site_with(*workers, reload=reload, restart=["wa"])
    with site:
        until_checked(site)
        site.until_up("s")
        (site.folder / "policies.json").write_text(BROKEN)
        until(lambda: site.noticed("s") == [site.pid("s")], "it was signalled")
        site.until_heal("wa")
        assert site.starts() == {"wa": 2, "s": 1}
        assert "policies.json was repaired" in site.rpc.healer.getHistory("wa", 0)[0]["text"]
        site.until_judged_again("wa")
        assert site.starts() == {"wa": 2, "s": 1}
        assert site.noticed("s") == [site.pid("s")]


def test_a_backup_is_put_back_and_then_left_alone() -> None:
    with site_with() as site:
        until_checked(site)
        (site.folder / "policies.json").write_text(BROKEN)
        until(lambda: len(backups(site)) == 1, "it is repaired")
        until(lambda: site.events("policies.json") == ["repaired"], "it is in the history")
        repaired = site.read("policies.json")
        done = site.ctl("heal", "--restore", "policies.json")
        assert done.returncode == 0, done.stdout
        assert site.read("policies.json") == BROKEN
        assert sorted(map(site.read, backups(site))) == sorted([BROKEN, repaired])
        for _ in range(2):
            assert site.ctl("heal", "all").returncode == 0
        assert site.read("policies.json") == BROKEN
        warnings = report(site)["warnings"]
        assert any("put it back" in one["message"] for one in warnings), warnings  # type: ignore[attr-defined]
        (site.folder / "policies.json").write_text(BROKEN.replace("0.75", "0.8"))
        until(lambda: json.loads(site.read("policies.json")).get("low") == 0.5, "a new content is repaired again")


def test_restoring_what_cannot_be_restored() -> None:
    with site_with() as site:
        until_checked(site)
        none = site.ctl("heal", "--restore", "policies.json")
        assert none.returncode == 1, none.stdout
        assert "no backup" in none.stdout, none.stdout
        unknown = site.ctl("heal", "--restore", "nothing.json")
        assert unknown.returncode == 2, unknown.stdout
        assert "nothing.json" in unknown.stdout, unknown.stdout


def test_somebody_who_undoes_the_repair_again_and_again_is_left_alone_in_the_end() -> None:
    with site_with() as site:
        until_checked(site)

        def undone() -> bool:
            if json.loads(site.read("policies.json")).get("low") is not None:
                (site.folder / "policies.json").write_text(BROKEN)
            return any("somebody undoes it" in one["message"] for one in report(site)["failed"])  # type: ignore[attr-defined]

        until(undone, "the healer gives in")
        assert len(backups(site)) <= 10
        assert site.events("policies.json") == [*["repaired"] * 6, "unmended"]
