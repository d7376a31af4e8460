"""What a person types next: one command each, which a shell and supervisorctl take as it stands."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from world import HOPELESS, HOUR, INVALID, MINUTE, MISSING, World, chain, config, consumer, file

from supervisor_healer.core.actions import Actions
from supervisor_healer.core.model import Creation
from supervisor_healer.core.news import ConfigFound, ConfigState

NAMES = [
    "c.json",
    "my c.json",
    "it's",
    'a "b"',
    "$(reboot)",
    "a;b",
    "a\\b",
    "`id`",
    "größe",
    "k:1",
    "!x",
    "#x",
    "&",
    "~",
]


def typed(command: str) -> list[str]:
    """The words of a command as a shell hands them on."""
    done = subprocess.run(["sh", "-c", f"printf '%s\\0' {command}"], capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_reaches_supervisorctl_as_it_is(name: str):
    actions = Actions("/srv")
    for command in (
        actions.heal(name), actions.explain(name), actions.monitor(name), actions.restore(name), actions.log(name)
    ):  # fmt: skip
        assert name in shlex.split(" ".join(typed(command)))  # supervisorctl joins, and splits again


def test_a_path_that_looks_like_an_option_is_none():
    assert Actions().restore("-x.json") == "supervisorctl heal --restore=-x.json"


@pytest.mark.parametrize("path", NAMES)
def test_a_path_reaches_the_shells_own_commands_as_it_is(path: str):
    actions = Actions("/srv/my pipe's")
    for command in (actions.look(path), actions.look_at_itself(path)):
        assert typed(command)[-1] == f"/srv/my pipe's/{path}"
    assert actions.edit(path).startswith("${EDITOR:-vi} ")
    assert typed(actions.room(path)) == ["df", "-h", "/srv/my pipe's"]
    assert typed(actions.look_at_folder(f"sub/{path}")) == ["ls", "-ld", "/srv/my pipe's/sub"]


def test_a_pattern_keeps_its_marks_and_the_root_does_not_become_one():
    assert Actions("/srv/[a]").look("in/x_*.csv") == r"ls -l /srv/\[a\]/in/x_*.csv"
    assert Actions().look("x") == "ls -l x"
    assert Actions("/srv").room("/x") == "df -h /"


def test_the_log_is_that_of_supervisords_own_name():
    assert Actions().log("a:a") == "supervisorctl tail a stderr"
    assert Actions().log("group:a") == "supervisorctl tail group:a stderr"


# --- whom they are told about --------------------------------------------------------------------------------------


def reported(world: World, subject: str) -> str:
    [entry] = world.told_of(subject, "failed", "blocked")
    return entry.action


def gate(how: str = HOPELESS, **options: object) -> World:
    """`gate` reads a config, and so does a worker."""
    world = World(
        chain("a", source="c.json"), [file("x.json", HOUR)], configs=[config("c.json", **options)],  # type: ignore[arg-type]
        consumers=[consumer("gate", "c.json", "x.json")], cycle=60.0,
    )  # fmt: skip
    world.run(MINUTE)
    world.mender.edit("c.json", how)
    world.run(2 * MINUTE)
    return world


def test_a_bad_config_and_who_is_blocked_by_it_have_the_same_next_step():
    world = gate()
    assert reported(world, "c.json") == "${EDITOR:-vi} /srv/pipe/c.json"
    assert reported(world, "gate") == "${EDITOR:-vi} /srv/pipe/c.json"


@pytest.mark.parametrize("digest", ["", "some"])
def test_what_is_no_file_is_looked_at_and_what_cannot_be_parsed_is_edited(digest: str):
    world = gate()
    world.healer.hear(ConfigFound("c.json", ConfigState.UNREADABLE, ("it is a directory",), (), digest))
    world.verify()
    world.run(1)
    assert reported(world, "c.json") == f"{'${EDITOR:-vi}' if digest else 'ls -ld'} /srv/pipe/c.json"


def test_a_missing_config_is_restored_where_there_is_a_backup_also_by_a_later_healer():
    world = gate(INVALID)
    assert world.story("c.json") == ["repaired"]
    world.restart_healer()
    world.mender.edit("c.json", MISSING)
    world.run(2 * MINUTE)
    action = reported(world, "c.json")
    assert action == "supervisorctl heal --restore c.json"
    assert reported(world, "gate") == action
    request = world.restore(action.split()[-1])
    world.run(1)
    assert world.answers[request].exit_status == 0


def test_a_file_that_cannot_be_made_leads_to_its_folder_or_to_the_disk():
    world = World(chain("a"), [file("new/x.json", HOUR, create=Creation())], outside={}, cycle=60.0)
    world.mender.outcomes["new/x.json"] = "failed"
    world.run(5)
    assert reported(world, "new/x.json") == "df -h /srv/pipe/new"
    world.mender.reasons["failed"] = "Permission denied"
    world.run(2 * MINUTE)
    assert reported(world, "new/x.json") == "ls -ld /srv/pipe/new"
