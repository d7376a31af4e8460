"""Owners of files as people write them: ``user``, ``user:group`` or ``:group``."""

from __future__ import annotations

import grp
import pwd

from supervisor_healer.fixers.target import RefusedError


def parse(owner: str) -> tuple[int, int]:
    """The numbers of a user and a group, -1 for one that is not said; RefusedError where one is not known here."""
    user, _, group = owner.partition(":")
    return _number(user, "user"), _number(group, "group")


def named(uid: int, gid: int) -> str:
    """The numbers of a user and a group in words."""
    parts = []
    if uid != -1:
        try:
            parts.append(f"user {pwd.getpwuid(uid).pw_name}")
        except KeyError:
            parts.append(f"user {uid}")
    if gid != -1:
        try:
            parts.append(f"group {grp.getgrgid(gid).gr_name}")
        except KeyError:
            parts.append(f"group {gid}")
    return " and ".join(parts)


def _number(name: str, kind: str) -> int:
    if not name:
        return -1
    try:
        return pwd.getpwnam(name).pw_uid if kind == "user" else grp.getgrnam(name).gr_gid
    except KeyError:
        if name.isascii() and name.isdigit() and int(name) < 2**32 - 1:
            return int(name)
    raise RefusedError(f"there is no {kind} {name!r} on this host")
