"""Ends our children when we are killed ourselves: their limits are in our memory and go with it.

A shell waits for its stdin to close, which the system does whatever has ended us, and then kills the process groups
that it was told of. Where it cannot be started, or is gone, children are as they would be without it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess

PATIENCE = 0.5  # seconds at the end
_SHELL = "/bin/sh"
_SCRIPT = """
trap '' TERM INT HUP
while read -r what group; do
    case $what in
        +) groups="$groups $group" ;;
        -) rest=; for one in $groups; do [ "$one" = "$group" ] || rest="$rest $one"; done; groups=$rest ;;
    esac
done
for one in $groups; do kill -KILL "-$one"; done
"""


class Guard:
    """Knows the process groups that must not outlive us. Its shell is started with the first, and kept."""

    def __init__(self) -> None:
        self._groups: dict[int, None] = {}
        self._shell: subprocess.Popen[bytes] | None = None

    def watch(self, group: int) -> None:
        """From now on this group must not outlive us."""
        self._groups[group] = None
        if self._tell(f"+ {group}\n"):
            return
        if self._shell is not None:
            self._shell.kill()  # it is gone or stuck, and must not kill what is to be watched by another
            self.close()
        try:
            self._shell = subprocess.Popen(
                [_SHELL, "-c", _SCRIPT, "supervisor-healer-guard"],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        except OSError:
            return
        if self._shell.stdin is not None:
            os.set_blocking(self._shell.stdin.fileno(), False)
        self._tell("".join(f"+ {known}\n" for known in self._groups))

    def forget(self, group: int) -> None:
        """It may go on without us, or is no more. To be said while its number cannot be another's yet."""
        if self._groups.pop(group, 0) is None:
            self._tell(f"- {group}\n")

    def close(self) -> None:
        """Let the shell go; it kills what was not forgotten."""
        if self._shell is None or self._shell.stdin is None:
            return
        self._shell.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._shell.wait(PATIENCE)
        self._shell = None

    def _tell(self, line: str) -> bool:
        if self._shell is None or self._shell.stdin is None:
            return False
        try:
            return os.write(self._shell.stdin.fileno(), line.encode("ascii")) == len(line)
        except OSError:
            return False
