"""The journal: what is written stays written, whatever happens to the process, the file and the disk."""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor_healer.core.model import Now
from supervisor_healer.core.orders import Note, Remember
from supervisor_healer.listener.journal import Journal, JournalBusyError, JournalError, StampedNote
from supervisor_healer.listener.journal_file import SCHEMA, migrate
from supervisor_healer.listener.journal_rows import NOTES_KEPT
from supervisor_healer.words import ago

NOBODY = 65534


def worker(name: str, **memory: object) -> Remember:
    return Remember("worker", name, memory)


def note(text: str = "restarted", worker: str = "w", wall: float = 1000.0) -> StampedNote:
    return StampedNote(Now(wall, 50.0), Note(worker, "restart", text, ("seen",)))


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "healer.sqlite3")


@pytest.fixture
def journal(path: str) -> Iterator[Journal]:
    opened = Journal.open(path)
    yield opened
    opened.close()


def again(journal: Journal) -> Journal:
    """The same journal in a new life."""
    journal.close()
    return Journal.open(journal.path)


# --- what is kept --------------------------------------------------------------------------------------------


def test_a_new_journal(journal: Journal) -> None:
    assert not journal.degraded
    assert journal.warnings == []
    assert journal.memories() == {}
    assert journal.history("", 10) == []
    assert journal.last_note_id == 0
    assert journal.get_meta("boot") == ""


def test_memories_outlive_the_process(journal: Journal) -> None:
    memory = {"restarts": [1.5, 2.5], "attempt": None, "ünï": "cödé\udc80", "nested": {"a": [1, {"b": True}]}}
    journal.remember([worker("w", n=1), worker("ö:1", n=2), Remember("file", "w", {"n": 3})])
    journal.remember([worker("w", **memory)])
    journal.forget("worker", "ö:1")
    journal.forget("worker", "never there")
    expected = {"worker": {"w": memory}, "file": {"w": {"n": 3}}}
    assert journal.memories() == expected
    journal.memories()["worker"]["w"]["n"] = "a copy"
    journal = again(journal)
    assert journal.memories() == expected
    journal.close()


def test_history(journal: Journal) -> None:
    written = journal.remember([], [note("first"), note("second", "v"), note(f"third, {ago(40.0)}")])
    assert [(one["id"], one["text"]) for one in written] == [(1, "first"), (2, "second"), (3, "third, 10s")]
    assert written[0] == {
        "id": 1, "at": 1000.0, "worker": "w", "event": "restart", "text": "first", "evidence": ["seen"],
    }  # fmt: skip
    journal.remember([], [note("fourth")])
    for _ in range(2):
        assert [one["text"] for one in journal.history("", 10)] == ["first", "second", "third, 10s", "fourth"]
        assert journal.history("", 3)[0] == written[1]
        assert [one["id"] for one in journal.history("w", 2)] == [3, 4]
        assert journal.history("x", 2) == []
        assert journal.history("", 0) == []
        assert journal.history("", -1) == []
        assert journal.last_note_id == 4
        journal = again(journal)
    journal.close()


def test_notes_are_fit_for_a_terminal(journal: Journal) -> None:
    (one,) = journal.remember([], [StampedNote(Now(1, 1), Note("w\n", "failed", "\x1b[31m\udcff", ("a\0b",)))])
    assert (one["worker"], one["text"], one["evidence"]) == ("w?", "?[31m?", ["a?b"])
    assert journal.history("w?", 1) == [one]


def test_history_is_bounded(journal: Journal) -> None:
    for _ in range(3):
        journal.remember([], [note(worker=str(number % 2)) for number in range(NOTES_KEPT // 2)])
    assert len(journal.history("", 10**6)) == NOTES_KEPT
    assert journal.history("", 10**6)[0]["id"] == NOTES_KEPT // 2 + 1
    assert len(journal.history("0", 10**6)) == NOTES_KEPT // 2
    assert journal.last_note_id == NOTES_KEPT // 2 * 3


def test_meta(journal: Journal) -> None:
    journal.set_meta({"boot": "abc", "seen": "1.5"})
    journal.remember([worker("w")], [note()], {"seen": "2.5"})
    journal = again(journal)
    assert (journal.get_meta("boot"), journal.get_meta("seen"), journal.get_meta("x", "y")) == ("abc", "2.5", "y")
    journal.close()


@pytest.mark.parametrize("memory", [{"x": math.nan}, {"x": [math.inf]}, {"x": object()}, {"x": {1j: 2}}, {(1, 2): 3}])
def test_what_is_no_json_is_refused_whole(memory: dict[str, object], journal: Journal) -> None:
    journal.remember([worker("w", n=1)])
    with pytest.raises(JournalError, match="the memory of worker v cannot be written"):
        journal.remember([worker("w", n=2), Remember("worker", "v", memory)], [note()])
    assert not journal.degraded
    assert journal.memories() == {"worker": {"w": {"n": 1}}}
    assert journal.last_note_id == 0
    journal.remember([worker("w", n=3)])


def test_a_name_that_is_half_a_character_is_refused_whole(journal: Journal) -> None:
    with pytest.raises(JournalError, match="not text"):
        journal.remember([worker("w"), worker("\ud800")], [note()])
    assert not journal.degraded
    assert journal.memories() == {}
    assert journal.history("", 5) == []


def test_reading_beside_the_writer(journal: Journal) -> None:
    """A person with the sqlite3 shell: his reading holds up nobody, his writing a moment only."""
    with sqlite3.connect(journal.path) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM memory").fetchall()
        journal.remember([worker("w", n=1)])
        assert other.execute("SELECT count(*) FROM memory").fetchone() == (0,)
        other.rollback()
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="locked"):
            journal.remember([worker("w", n=2)], [note()])
        assert journal.degraded
        journal.remember([worker("w", n=2)], [note()])
        assert not journal.reopen()
        other.rollback()
        assert journal.reopen()
    other.close()
    journal = again(journal)
    assert journal.memories() == {"worker": {"w": {"n": 2}}}
    assert len(journal.history("w", 5)) == 1
    journal.close()


def test_who_may_read_it(path: str) -> None:
    mask = os.umask(0o022)
    try:
        Journal.open(path).close()
        assert {stat.S_IMODE(os.stat(one).st_mode) for one in (path, f"{path}.lock")} == {0o640}
    finally:
        os.umask(mask)


def test_a_folder_is_made(tmp_path: Path) -> None:
    journal = Journal.open(str(tmp_path / "var/lib/healer.sqlite3"))
    assert not journal.degraded
    journal.close()


# --- two healers ---------------------------------------------------------------------------------------------


def test_two_healers_on_one_journal(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(journal.path)
    for other in (journal.path, str(tmp_path / "link")):
        with pytest.raises(JournalBusyError, match=f"pid {os.getpid()}") as caught:
            Journal.open(other)
        assert caught.value.pid == os.getpid()
    journal.remember([worker("w", n=1)])
    journal = again(journal)
    assert journal.memories() == {"worker": {"w": {"n": 1}}}
    journal.close()


HOLDER = """
import sys, time
from supervisor_healer.listener.journal import Journal
journal = Journal.open(sys.argv[1])
print("held", flush=True)
time.sleep(600)
"""


def test_a_killed_healer_leaves_no_lock(path: str) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(JournalBusyError) as caught:
            Journal.open(path)
        assert caught.value.pid == holder.pid
        holder.kill()
    journal = Journal.open(path)
    assert not journal.degraded
    journal.close()


def test_a_child_does_not_keep_the_lock(path: str) -> None:
    journal = Journal.open(path)
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as child:
        journal.close()
        Journal.open(path).close()
        child.communicate()


# --- SIGKILL -------------------------------------------------------------------------------------------------

WRITER = """
import sys
from supervisor_healer.core.model import Now
from supervisor_healer.core.orders import Note, Remember
from supervisor_healer.listener.journal import Journal, StampedNote
journal = Journal.open(sys.argv[1])
assert not journal.degraded, journal.warnings
count = journal.memories().get("worker", {}).get("w", {}).get("count", 0)
while True:
    count += 1
    items = [Remember("worker", "w", {"count": count}), Remember("file", "f", {"count": count, "pad": "x" * 3000})]
    journal.remember(items, [StampedNote(Now(1.0, 1.0), Note("w", "restart", str(count)))], {"count": str(count)})
    print(count, flush=True)
"""


def test_killed_at_any_moment(path: str) -> None:
    """What the writer has said is written is there; memory, file and note are always of the same transaction."""
    told = 0
    dice = random.Random()
    for _ in range(15):
        with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(dice.randrange(1, 60)):
                line = writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            told = int(([line, *writer.stdout.read().split()])[-1])
        journal = Journal.open(path)
        assert not journal.degraded
        assert journal.warnings == []
        kept = journal.memories()
        count = kept["worker"]["w"]["count"]
        assert count in {told, told + 1}
        assert kept["file"]["f"]["count"] == count
        assert journal.get_meta("count") == str(count)
        assert [one["text"] for one in journal.history("w", 2)][-1] == str(count)
        assert journal.last_note_id == count
        journal.close()


# --- damaged files -------------------------------------------------------------------------------------------


def filled(path: str) -> bytes:
    """A journal with some pages of content; what its file holds."""
    journal = Journal.open(path)
    journal.remember([worker(f"w{number}", pad="x" * 500) for number in range(100)], [note()] * 100)
    journal.close()
    return Path(path).read_bytes()


def damage_header(content: bytes) -> bytes:
    return b"\0" * 16 + content[16:]


def damage_text(_: bytes) -> bytes:
    return b"mode: heal\n"


def damage_one_byte(_: bytes) -> bytes:
    return b"S"


def damage_pages(content: bytes) -> bytes:
    return content[:4096] + os.urandom(8192) + content[12288:]


def damage_end(content: bytes) -> bytes:
    return content[: len(content) // 2]


def damage_to_a_header(content: bytes) -> bytes:
    return content[:100]


def damage_zeros(content: bytes) -> bytes:
    return b"\0" * len(content)


@pytest.mark.parametrize(
    "damage",
    [damage_header, damage_text, damage_one_byte, damage_pages, damage_end, damage_to_a_header, damage_zeros],
)
def test_a_damaged_file_is_moved_aside(damage: Callable[[bytes], bytes], path: str) -> None:
    content = damage(filled(path))
    Path(path).write_bytes(content)
    journal = Journal.open(path)
    assert not journal.degraded
    assert journal.memories() == {}
    journal.remember([worker("new")], [note()])
    (warning,) = journal.warnings
    (aside,) = (one for one in Path(path).parent.iterdir() if ".corrupt-" in one.name)
    assert str(aside) in warning
    assert aside.read_bytes() == content
    assert len(aside.name.removeprefix("healer.sqlite3.corrupt-")) == len("20240703T101500Z")
    journal = again(journal)
    assert journal.warnings == []
    assert set(journal.memories()["worker"]) == {"new"}
    journal.close()


def test_damaged_again_and_again(path: str) -> None:
    contents = [f"no database {number}" for number in range(4)]
    for content in contents:
        Path(path).write_text(content)
        Journal.open(path).close()
    aside = [one.read_text() for one in Path(path).parent.iterdir() if ".corrupt-" in one.name]
    assert sorted(aside) == contents


def test_an_empty_file_is_a_new_journal(path: str) -> None:
    Path(path).touch()
    journal = Journal.open(path)
    assert (journal.degraded, journal.warnings) == (False, [])
    journal.close()


def test_one_unreadable_memory_costs_no_other(path: str) -> None:
    filled(path)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE memory SET body = '{' WHERE name = 'w7'")
        db.execute("UPDATE memory SET body = '[]' WHERE name = 'w8'")
        db.execute("UPDATE note SET evidence = 'x' WHERE id = 100")
    db.close()
    journal = Journal.open(path)
    assert not journal.degraded
    assert len(journal.memories()["worker"]) == 98
    assert [warning.rpartition(":")[2] for warning in journal.warnings] == [
        f" the memory of worker {name} is unreadable and ignored" for name in ("w7", "w8")
    ]
    assert journal.history("", 1)[0]["evidence"] == []
    journal.close()


def test_damaged_while_in_use(path: str) -> None:
    filled(path)
    journal = Journal.open(path)
    with open(path, "r+b") as file:
        file.seek(0)
        file.write(os.urandom(os.path.getsize(path)))
    journal.close()
    journal = Journal.open(path)
    assert not journal.degraded
    assert "moved to" in journal.warnings[0]
    journal.close()


# --- files that are not ours to touch ------------------------------------------------------------------------


def test_a_newer_version_is_left_alone(path: str) -> None:
    filled(path)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
        db.execute("ALTER TABLE memory RENAME TO memories")
    db.close()
    before = Path(path).read_bytes()
    journal = Journal.open(path)
    assert journal.degraded
    assert "newer supervisor_healer (schema 99, this one knows 1)" in journal.warnings[0]
    journal.remember([worker("w")], [note()])
    assert journal.memories() == {"worker": {"w": {}}}
    assert len(journal.history("", 5)) == 1
    assert not journal.reopen()
    journal.close()
    assert Path(path).read_bytes() == before


def test_another_programs_database_is_left_alone(path: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE orders (id INTEGER)")
    db.close()
    before = Path(path).read_bytes()
    journal = Journal.open(path)
    assert journal.degraded
    assert "another program's database" in journal.warnings[0]
    journal.close()
    assert Path(path).read_bytes() == before


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_link_to_null(path: Path) -> None:
    path.symlink_to("/dev/null")


@pytest.mark.parametrize("make", [Path.mkdir, make_fifo, make_link_to_null])
def test_no_file_in_place(make: Callable[[Path], None], path: str) -> None:
    make(Path(path))
    journal = Journal.open(path)
    assert journal.degraded
    assert "cannot write the journal" in journal.warnings[0]
    journal.close()
    assert os.path.lexists(path)


def test_a_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file/var/healer.sqlite3"
    journal = Journal.open(str(path))
    assert journal.degraded
    assert not journal.reopen()
    kept = [worker("w", n=1), worker("v", n=1)]
    assert [one["id"] for one in journal.remember(kept, [note("a"), note("b")], {"k": "1"})] == [1, 2]
    journal.forget("worker", "v")
    assert [one["text"] for one in journal.history("w", 9)] == ["a", "b"]
    assert journal.get_meta("k") == "1"
    (tmp_path / "file").unlink()
    assert journal.reopen()
    assert journal.warnings == []
    journal.remember([], [note("c")])
    journal = again(journal)
    assert journal.memories() == {"worker": {"w": {"n": 1}}}
    assert [(one["id"], one["text"]) for one in journal.history("w", 9)] == [(1, "a"), (2, "b"), (3, "c")]
    assert journal.get_meta("k") == "1"
    journal.close()


# --- a disk that does not take it ----------------------------------------------------------------------------


def test_what_cannot_be_written_can_be_read() -> None:
    """A read-only place, as an unprivileged user sees it: the budget that was used up is still known."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/var/healer.sqlite3"
        filled(path)
        os.chmod(folder, 0o755)
        os.chmod(f"{folder}/var", 0o555)
        os.chmod(path, 0o444)
        done = subprocess.run([sys.executable, "-c", READ_ONLY.format(nobody=NOBODY), path],
                              capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
        os.chmod(f"{folder}/var", 0o755)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert "Permission denied" in said["warnings"][0]
    assert said == {"degraded": True, "warnings": said["warnings"], "workers": 101, "notes": 101, "first": 101}


READ_ONLY = """
import json, os, sys
from supervisor_healer.core.model import Now
from supervisor_healer.core.orders import Note, Remember
from supervisor_healer.listener.journal import Journal, StampedNote
if os.getuid() == 0:
    os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
journal = Journal.open(sys.argv[1])
(first,) = journal.remember([Remember("worker", "new", {{}})], [StampedNote(Now(1, 1), Note("w", "x", "y"))])
print(json.dumps({{
    "degraded": journal.degraded, "warnings": journal.warnings, "workers": len(journal.memories()["worker"]),
    "notes": len(journal.history("", 999)), "first": first["id"],
}}))
"""

FULL = """
import json, resource, sys
from supervisor_healer.core.model import Now
from supervisor_healer.core.orders import Note, Remember
from supervisor_healer.listener.journal import Journal, JournalError, StampedNote
journal = Journal.open(sys.argv[1])
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
errors = []
for number in range(1000):
    item = Remember("worker", f"w{number}", {"pad": "x" * 1000})
    stamped = [StampedNote(Now(1, 1), Note("w", "x", str(number)))]
    try:
        journal.remember([item], stamped)
    except JournalError as error:
        errors.append(str(error))
        assert journal.degraded
        assert len(journal.memories()["worker"]) == number == journal.last_note_id
        journal.remember([item], stamped)
        if not journal.reopen():  # the first time it finds room in the log that it tidies up
            break
before = [journal.degraded, len(journal.memories()["worker"]), len(journal.history("", 9999))]
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
back = journal.reopen()
journal.close()
journal = Journal.open(sys.argv[1])
after = [journal.degraded, len(journal.memories()["worker"]), len(journal.history("", 9999))]
print(json.dumps([number, errors, before, back, after, journal.warnings]))
"""


def test_a_full_disk(path: str) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    number, errors, before, back, after, warnings = json.loads(done.stdout)
    assert 5 < number < 999
    assert all("cannot be written" in error for error in errors)
    assert before == [True, number + 1, number + 1]
    assert back is True
    assert after == [False, number + 1, number + 1]
    assert warnings == []


@pytest.mark.parametrize("what", ["file", "folder"])
def test_removed_while_in_use(what: str, tmp_path: Path) -> None:
    path = tmp_path / "var/healer.sqlite3"
    journal = Journal.open(str(path))
    journal.remember([worker("w", n=1), worker("v", n=1)], [note("a")])
    if what == "file":
        path.unlink()
    else:
        shutil.rmtree(path.parent)
    journal.remember([worker("w", n=2)], [note("b")])
    assert not journal.degraded
    with pytest.raises(JournalBusyError):
        Journal.open(str(path))
    journal = again(journal)
    assert journal.memories() == {"worker": {"w": {"n": 2}, "v": {"n": 1}}}
    assert [(one["id"], one["text"]) for one in journal.history("", 5)] == [(2, "b")]
    journal.close()


def test_replaced_while_in_use(tmp_path: Path) -> None:
    """Say, by a restored backup, which knows more notes than we have made since."""
    filled(str(tmp_path / "backup"))
    journal = Journal.open(str(tmp_path / "healer.sqlite3"))
    journal.remember([worker("w1", n=1)], [note("a")])
    os.replace(tmp_path / "backup", tmp_path / "healer.sqlite3")
    (one,) = journal.remember([worker("w2", n=2)], [note("b")])
    assert one["id"] == 101
    memories = journal.memories()["worker"]
    assert (len(memories), memories["w1"], memories["w2"]) == (100, {"n": 1}, {"n": 2})
    journal = again(journal)
    assert journal.memories()["worker"] == memories
    journal.close()


def test_notes_made_in_memory_follow_those_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "file/healer.sqlite3"
    (tmp_path / "file").touch()
    journal = Journal.open(str(path))
    journal.remember([], [note("late 1"), note("late 2")])
    (tmp_path / "file").unlink()
    path.parent.mkdir()
    filled(str(path))
    os.unlink(f"{path}.lock")
    assert journal.reopen()
    assert [(one["id"], one["text"]) for one in journal.history("", 3)] == [
        (100, "restarted"), (101, "late 1"), (102, "late 2"),
    ]  # fmt: skip
    assert journal.last_note_id == 102
    journal.close()


def test_another_healer_took_the_place(tmp_path: Path) -> None:
    path = tmp_path / "file/healer.sqlite3"
    (tmp_path / "file").touch()
    journal = Journal.open(str(path))
    (tmp_path / "file").unlink()
    other = Journal.open(str(path))
    assert not journal.reopen()
    assert f"another healer (pid {os.getpid()})" in journal.warnings[0]
    other.close()
    assert journal.reopen()
    journal.close()


# --- versions ------------------------------------------------------------------------------------------------


def test_migration_goes_through_every_version_and_is_whole() -> None:
    steps = (*SCHEMA, ("ALTER TABLE memory ADD COLUMN hue TEXT NOT NULL DEFAULT ''",), ("DROP TABLE meta",))
    rows: list[Any] = []
    for known in itertools.chain(range(1, len(steps) + 1), [len(steps)]):
        db = sqlite3.connect(":memory:", isolation_level=None)
        migrate(db, steps[:known])
        db.execute("INSERT INTO memory (kind, name, body) VALUES ('worker', 'w', '{}')")
        migrate(db, steps)
        migrate(db, steps)
        rows.append(db.execute("SELECT name, hue FROM memory").fetchall())
        assert db.execute("PRAGMA user_version").fetchone() == (len(steps),)
        with pytest.raises(sqlite3.OperationalError):
            migrate(db, (*steps, ("CREATE TABLE x (y)", "no sql")))
        assert db.execute("PRAGMA user_version").fetchone() == (len(steps),)
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'x'").fetchone() == (0,)
        assert not db.in_transaction
        db.close()
    assert rows == [[("w", "")]] * 4
