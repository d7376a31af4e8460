"""Files that are written while they are read: atomic replacement, appending, and following an appended file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from supervisor_healer.demo.files import Tail, append_line, read_json, write_json


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "rows.jsonl"


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.write(text)


def test_write_json_replaces_the_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_json(path, {"n": 1})
    before = path.stat().st_ino
    write_json(path, {"n": 2})
    assert read_json(path) == {"n": 2}
    assert path.stat().st_ino != before
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_write_json_that_fails_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_json(path, {"n": 1})
    with pytest.raises(TypeError):
        write_json(path, {"n": object()})
    assert read_json(path) == {"n": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize("content", [None, "", "{", "[1]", "null"])
def test_read_json_gives_none_for_what_is_no_object(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "state.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert read_json(path) is None


def test_append_line_writes_valid_jsonl_and_rotates(log: Path) -> None:
    for number in range(5):
        append_line(log, {"n": number}, rotate_at=3 * len('{"n": 0}\n'))
    old = log.with_name("rows.jsonl.1")
    assert [json.loads(line)["n"] for line in old.read_text(encoding="utf-8").splitlines()] == [0, 1, 2]
    assert [json.loads(line)["n"] for line in log.read_text(encoding="utf-8").splitlines()] == [3, 4]


def test_tail_gives_each_complete_line_once(log: Path) -> None:
    tail = Tail(log)
    assert tail.read() == []
    append(log, '{"n": 1}\n{"n": 2}\n')
    assert tail.read() == [{"n": 1}, {"n": 2}]
    assert tail.read() == []
    append(log, '{"n": 3}\n')
    assert tail.read() == [{"n": 3}]
    tail.close()


def test_tail_waits_for_the_end_of_a_line(log: Path) -> None:
    tail = Tail(log)
    append(log, '{"n": 1}\n{"n"')
    assert tail.read() == [{"n": 1}]
    append(log, ": 2")
    assert tail.read() == []
    append(log, "}\n")
    assert tail.read() == [{"n": 2}]
    tail.close()


def test_tail_reads_a_rotated_file_to_its_end_before_the_new_one(log: Path) -> None:
    tail = Tail(log)
    append(log, '{"n": 1}\n')
    tail.read()
    append(log, '{"n": 2}\n')
    log.replace(log.with_name("rows.jsonl.1"))
    append(log, '{"n": 3}\n')
    assert tail.read() == [{"n": 2}, {"n": 3}]
    tail.close()


def test_tail_survives_a_moment_without_a_file(log: Path) -> None:
    tail = Tail(log)
    append(log, '{"n": 1}\n')
    tail.read()
    log.unlink()
    assert tail.read() == []
    append(log, '{"n": 2}\n')
    assert tail.read() == [{"n": 2}]
    tail.close()


def test_tail_begins_again_after_a_truncation(log: Path) -> None:
    tail = Tail(log)
    append(log, '{"n": 1}\n{"n": 2}\n{"n"')
    tail.read()
    log.write_text('{"n": 3}\n', encoding="utf-8")
    assert tail.read() == [{"n": 3}]
    tail.close()


def test_tail_skips_what_is_no_object_and_says_so(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tail = Tail(log)
    append(log, 'oops\n[1]\n\n{"n": 1}\n')
    assert tail.read() == [{"n": 1}]
    assert capsys.readouterr().err.count("no JSON object") == 3
    tail.close()


def test_warm_up_gives_what_is_there_and_read_goes_on_behind_it(log: Path) -> None:
    append(log, '{"n": 1}\n{"n": 2}\n{"n"')
    tail = Tail(log)
    assert tail.warm_up() == [{"n": 1}, {"n": 2}]
    append(log, ": 3}\n")
    assert tail.read() == [{"n": 3}]
    tail.close()


def test_warm_up_looks_back_only_so_far(log: Path) -> None:
    append(log, "".join(json.dumps({"n": number, "pad": "x" * 1000}) + "\n" for number in range(200)))
    tail = Tail(log)
    rows = tail.warm_up()
    assert 50 < len(rows) < 70
    assert rows[-1]["n"] == 199
    tail.close()


def test_warm_up_without_a_file_is_empty_and_everything_is_new(log: Path) -> None:
    tail = Tail(log)
    assert tail.warm_up() == []
    append(log, '{"n": 1}\n')
    assert tail.read() == [{"n": 1}]
    tail.close()
