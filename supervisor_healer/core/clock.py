"""Whether the clocks can be trusted: the wall clock can be stepped, the host can sleep, the healer can oversleep."""

from __future__ import annotations

from supervisor_healer.core.freshness import INFINITE
from supervisor_healer.core.model import Now
from supervisor_healer.words import duration

MAY_MOVE_APART = 5.0  # seconds by which the two clocks may move apart between two turns
MAY_OVERSLEEP = 15.0  # seconds by which the healer may wake later than it had asked


class Clock:
    """Compares each turn with the one before. `last` is that turn, `asked` the mono moment for which it asked next."""

    def __init__(self) -> None:
        self.last: Now | None = None
        self.asked = INFINITE

    def trouble(self, now: Now) -> str:
        """Why no age can be trusted in this turn ('': they can)."""
        last, self.last = self.last, now
        if last is None:
            return ""
        apart = (now.wall - last.wall) - (now.mono - last.mono)
        if abs(apart) > MAY_MOVE_APART:
            return f"the wall clock was stepped by {'+' if apart > 0 else '-'}{duration(abs(apart))}, or the host slept"
        late = now.mono - max(self.asked, last.mono)
        if late > MAY_OVERSLEEP:
            return f"the healer woke {duration(late)} too late"
        return ""
