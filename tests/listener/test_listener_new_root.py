"""A root that hangs, and an architecture whose root is elsewhere: its files are looked at."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable
from pathlib import Path

from supervisor_healer.core.model import Seen
from supervisor_healer.listener import probes
from supervisor_healer.listener.lookout import Lookout

PATIENCE = 0.1


def test_another_root_does_not_hang_because_the_one_before_does(tmp_path: Path) -> None:
    dead, alive, released = str(tmp_path / "dead"), tmp_path / "alive", threading.Event()
    alive.mkdir()
    (alive / "x").touch()
    os.utime(alive / "x", (7, 7))

    def look(root: str, paths: Iterable[str], grounds: Collection[str] = ()) -> dict[str, Seen]:
        if root == dead:
            released.wait(60)
        return probes.look(root, paths, grounds)

    lookout = Lookout(dead, PATIENCE, look)
    try:
        assert "does not answer" in lookout.look(["x"])["x"].problem
        lookout.root = str(alive)
        assert lookout.look(["x"]) == {"x": Seen(7.0)}
    finally:
        released.set()
        lookout.close()
