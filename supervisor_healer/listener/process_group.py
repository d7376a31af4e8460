"""Who is left in a process group whose leader is dead."""

from __future__ import annotations

import contextlib
import os


def is_left(group: int) -> bool:
    """Whether there is somebody besides the leader, who is not reaped yet; where that cannot be seen: yes."""
    try:
        entries = os.listdir("/proc")
    except OSError:
        return True
    if str(os.getpid()) not in entries:
        return True
    for entry in entries:
        if entry.isdigit() and int(entry) != group:
            with contextlib.suppress(OSError):
                if os.getpgid(int(entry)) == group:
                    return True
    return False
