"""What the listener and its repairing child say to each other: one JSON object a line, a job in, an answer out.

    listener  -- Job ----->  python -m supervisor_healer.fixers
    listener  <-- Answer --

A child is given one job at a time, so the listener knows which one a silent child hangs on.
"""

from __future__ import annotations

from typing import Any, TypedDict


class Job(TypedDict):
    """One thing to do with one file.

    `verb`: check (look, change nothing), repair, restore (a config's newest backup), create (a missing file).
    `root` is absolute; `path` is relative to it, or absolute. `digest` '' means any; else a repair is made only if the
    file's content still has it (that of an earlier check's answer). `text`, `copy_of` and `mtime_ns` are for create.
    """

    verb: str
    root: str
    path: str
    format: str  # json | yaml | toml | '' (only existence is checked)
    schema: dict[str, Any]
    create: bool
    repair_values: bool
    keep: int
    mode: int | None
    owner: str
    digest: str
    text: str
    copy_of: str
    mtime_ns: int


class Answer(TypedDict):
    """What was found, and what was done.

    `state`: valid | missing | invalid | unreadable, as it is now (after a repair: of what now stands there); or, from
    the listener itself in place of an answer that did not come, could not be checked.
    `problems`: each in words, with its field or with line and column; `repairs`: what a repair would do, in words, []
    when it could do nothing. `digest` (SHA-256 of the content, '' if there is none) and `fingerprint` ([mtime_ns,
    ctime_ns, size, inode, device], [] if there is none) say of which content and file this is true.
    `outcome`: '' (a check) | done | unneeded (nothing to do) | changed (somebody was editing: try again) | failed.
    `said`: what was done or why not, in words. `backup`: the backup made or put back, as a path like `path`, or ''.
    """

    verb: str
    path: str
    state: str
    problems: list[str]
    repairs: list[str]
    digest: str
    fingerprint: list[int]
    outcome: str
    said: list[str]
    backup: str
