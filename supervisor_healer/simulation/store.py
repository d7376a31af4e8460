"""The simulated journal."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from supervisor_healer.core.model import Now
from supervisor_healer.core.orders import Remember


@dataclass
class Store:
    """The journal: memories as JSON text, and when a healer was last alive. `failing`: why it takes nothing, or ''.

    What it did not take is kept for it by the process, as the listener does, and comes with the next that it takes.
    """

    texts: dict[tuple[str, str], str] = field(default_factory=dict)
    seen_alive: Now | None = None
    failing: str = ""
    damaged: str = ""  # why what was in it is lost, '' it is not
    unsaved: dict[tuple[str, str], str] = field(default_factory=dict)

    def write(self, items: Sequence[Remember], now: Now) -> str:
        """Take all of it, or say why not, once."""
        news = not self.unsaved
        self.unsaved.update({(one.kind, one.name): json.dumps(one.memory, allow_nan=False) for one in items})
        if self.failing:
            return self.failing if news else ""
        self.texts.update(self.unsaved)
        self.unsaved.clear()
        self.seen_alive = now
        return ""

    def remembered(self, kind: str, name: str) -> dict[str, Any]:
        """One memory, {} where there is none."""
        memory: dict[str, Any] = json.loads(self.texts.get((kind, name), "{}"))
        return memory

    def memories(self) -> dict[str, dict[str, Any]]:
        """All of it by kind and name."""
        result: dict[str, dict[str, Any]] = defaultdict(dict)
        for (kind, name), text in self.texts.items():
            result[kind][name] = json.loads(text)
        return result
