"""An operator's `unmonitor all`: he takes over, and nothing is mended behind his back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from supervisor_healer.core.freshness import INFINITE
from supervisor_healer.core.model import Now
from supervisor_healer.words import until


@dataclass(slots=True)
class HandsOff:
    """Whether files and configs are left as they are, and component healers not asked, until `monitor all`.

    `until` (mono): ... or until then, None: however long that takes. Workers have it each for themselves.
    """

    holds: bool = False
    until: float | None = None

    def take(self, seconds: float | None, now: Now) -> None:
        """`unmonitor all` for so many seconds (0: until further notice), or `monitor all` (None)."""
        self.holds = seconds is not None
        self.until = now.mono + seconds if seconds else None

    @property
    def ends(self) -> float:
        """The mono moment at which it is over, infinite if only an operator can say so."""
        return self.until if self.holds and self.until is not None else INFINITE

    @property
    def reason(self) -> str:
        """In words, '' while it does not hold."""
        if not self.holds:
            return ""
        return "all is unmonitored by an operator" + ("" if self.until is None else f" for another {until(self.until)}")

    def as_json(self) -> dict[str, object]:
        """Plain JSON values."""
        return {"holds": self.holds, "until": self.until}

    def recall(self, data: Mapping[str, Any], shifted: Callable[[float], float]) -> None:
        """Take back what `as_json` gave; `shifted` puts a moment on this monotonic clock."""
        self.until = None if data["until"] is None else shifted(float(data["until"]))
        self.holds = bool(data["holds"])
