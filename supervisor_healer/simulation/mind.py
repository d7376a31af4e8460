"""Who decides about restarts in a world: the healer, or what it is compared with."""

from __future__ import annotations

from typing import Protocol

from supervisor_healer.core.news import OrderFailed, ProcessTable


class Mind(Protocol):
    """It takes turns when it wants to, and hears what supervisord says of processes."""

    @property
    def next_turn(self) -> float:
        """When (mono) it takes its next turn; infinite: never."""

    def turn(self) -> None:
        """It looks, thinks and acts."""

    def ring(self, event: ProcessTable | OrderFailed) -> None:
        """supervisord tells of processes."""
